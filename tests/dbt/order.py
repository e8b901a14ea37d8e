"""Writes order.json: the order in which dbt works off the nodes of small projects with one thread.

Usage: python order.py [output file]
Needs dbt-core 1.11.16, dbt-duckdb 1.10.1 and duckdb; uses no network.
"""

import contextlib
import io
import json
import os
import random
import shutil
import sys
import tempfile

from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner
from dbt.deprecations import reset_deprecations
from dbt_common.tests import enable_test_caching

enable_test_caching()
HERE = os.path.dirname(os.path.abspath(__file__))
BASE = {
    "dbt_project.yml": "name: p\nversion: '1.0'\nprofile: p\nflags: {send_anonymous_usage_stats: false}\n",
    "profiles.yml": "p:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: lab.duckdb, schema: main, threads: 1}\n",
}


def sql(*parents, text="1 as id"):
    lines = "".join("-- {{ ref('%s') }}\n" % p for p in parents)
    return lines + "select " + text + "\n"


def schema(**tests):
    """model=[tests of its column id]"""
    return "models:\n" + "".join("  - name: %s\n    columns:\n      - name: id\n        data_tests: %s\n" % (m, json.dumps(t)) for m, t in tests.items())


def to(model):
    return {"relationships": {"arguments": {"to": "ref('%s')" % model, "field": "id"}}}


PROJECTS = {}
PROJECTS["a relation that is read without a ref"] = (
    {
        "models/aroot.sql": sql(),
        "models/deep1.sql": "-- {{ ref('aroot') }}\nselect * from {{ target.schema }}.hid\n",
        "models/deep2.sql": sql("deep1"),
        "models/hid.sql": sql(),
    },
    ["run", "build", "run -s deep1+ hid", "run -s deep2 hid", "run -s deep1", "run -s aroot deep2 hid", "compile", "build --exclude aroot"],
)
PROJECTS["every kind"] = (
    {
        "seeds/zseed.csv": "id\n1\n2\n",
        "seeds/aseed.csv": "id\n1\n",
        "models/m1.sql": "select id from {{ ref('zseed') }}\n",
        "models/m2.sql": "select id from {{ ref('m1') }} join {{ ref('aseed') }} using (id)\n",
        "models/eph.sql": "{{ config(materialized='ephemeral') }}select id from {{ ref('m1') }}\n",
        "models/m3.sql": "select id from {{ ref('eph') }}\n",
        "models/a_first.sql": "select id from {{ source('raw', 't') }}\n",
        "models/z_root.sql": sql(),
        "models/below_snap.sql": "select id from {{ ref('snap') }}\n",
        "snapshots/snap.sql": "{% snapshot snap %}{{ config(unique_key='id', strategy='check', check_cols='all') }}select id from {{ ref('m1') }}{% endsnapshot %}\n",
        "tests/single.sql": "select 1 from {{ ref('m2') }}, {{ ref('m3') }} where false\n",
        "tests/alone.sql": "select 1 as x where false\n",
        "models/p.yml": schema(m1=["unique", "not_null"], m2=["not_null", to("m1")], m3=[to("m2")], snap_none=[]).replace("  - name: snap_none\n    columns:\n      - name: id\n        data_tests: []\n", "")
        + "sources:\n  - name: raw\n    schema: main\n    tables:\n      - name: t\n        identifier: z_root\n        columns: [{name: id, data_tests: [not_null]}]\n"
        + "exposures:\n  - {name: ex, type: dashboard, owner: {name: o}, depends_on: [ref('m2')]}\n"
        + "unit_tests:\n  - name: ut\n    model: m2\n    given: [{input: ref('m1'), rows: [{id: 1}]}, {input: ref('aseed'), rows: [{id: 1}]}]\n    expect: {rows: [{id: 1}]}\n"
        + "  - name: ua\n    model: m1\n    given: [{input: ref('zseed'), rows: [{id: 1}]}]\n    expect: {rows: [{id: 1}]}\n",
        "seeds/p.yml": "seeds:\n  - name: zseed\n    columns: [{name: id, data_tests: [unique, not_null]}]\n",
        "snapshots/p.yml": "snapshots:\n  - name: snap\n    columns: [{name: id, data_tests: [not_null]}]\n",
    },
    [
        "seed", "run", "build", "build -s m1+", "build -s m2+ --exclude m3", "build -s +m2", "build -s zseed m2", "build -s m1 m3", "build -s test_type:unit", "build -s test_type:data", "build -s tag:none",
        "build --resource-type model --resource-type seed", "build --exclude-resource-type test", "build --exclude-resource-type unit_test", "build --indirect-selection cautious -s m2", "build --indirect-selection empty -s m1 m2",
        ["seed", "run", "snapshot", "test"], ["build", "test -s m1 m2"], ["build", "test -s test_type:unit"], ["build", "build"], ["build", "snapshot"], ["seed", "compile"], ["build", "docs generate"],
    ],
)
PROJECTS["levels with and without tests"] = (
    {
        "models/a.sql": sql(), "models/b.sql": sql("a"), "models/c.sql": sql("b"), "models/d.sql": sql(), "models/e.sql": sql("d"),
        "models/f.sql": sql("d", "a"), "models/g.sql": sql("f", "e"), "models/x.sql": sql(), "models/y.sql": sql("x"),
        "models/p.yml": schema(a=["not_null", "unique"], d=["not_null"], f=["not_null"], e=[to("a")], y=[to("c")], x=["not_null"]),
    },
    ["run", "build", "run -s a+", "build -s a+", "build -s d+ x", "build -s g f", "run -s c e y", "build -s c e y", "build --exclude d", "run -s +g", "build -s a c", ["build", "test"], ["build", "test -s f+"]],
)
PROJECTS["failures"] = (
    {
        "models/a.sql": sql(), "models/b.sql": sql(text="1 as id from nowhere"), "models/c.sql": sql("b"), "models/d.sql": sql("a"), "models/e.sql": sql("c", "d"), "models/f.sql": sql(text="null as id"), "models/g.sql": sql("f"),
        "models/h.sql": sql("g"), "models/z.sql": sql(),
        "tests/of_b_and_z.sql": "select * from {{ ref('b') }}, {{ ref('z') }}\n",
        "models/p.yml": schema(a=["not_null"], c=["not_null"], f=["not_null", {"unique": {"config": {"severity": "warn"}}}], h=["not_null"], z=[to("b"), to("g")]),
    },
    ["run", "build", "build -s b+", "build -s f+", "run --fail-fast", "build --fail-fast", ["run", "test"], ["run", "retry"], ["build", "retry"]],
)
PROJECTS["names"] = (
    {
        "models/B.sql": sql(), "models/a.sql": sql(), "models/_u.sql": sql(), "models/a1.sql": sql(), "models/a10.sql": sql(), "models/a2.sql": sql(), "models/z/aa.sql": sql(),
        "models/v_v1.sql": sql(), "models/v_v2.sql": sql(), "models/v_v10.sql": sql(), "models/r.sql": "select * from {{ ref('v', v=1) }}\n", "seeds/bb.csv": "id\n1\n", "models/c.sql": sql(), "models/off.sql": "{{ config(enabled=false) }}select 1\n",
        "snapshots/aa_snap.sql": "{% snapshot aa_snap %}{{ config(unique_key='id', strategy='check', check_cols='all') }}select 1 as id{% endsnapshot %}\n",
        "models/p.yml": schema(a=["not_null", "unique"], B=["unique"]) + "  - name: v\n    columns: [{name: id, data_tests: [not_null]}]\n    versions: [{v: 1}, {v: 2}, {v: 10}]\n",
    },
    ["run", "build", "ls", "run -s v", "build -s a B bb"],
)


def semantic():
    return {
        "models/orders.sql": sql(text="1 as id, date '2024-01-01' as dt"),
        "models/below.sql": sql("orders"),
        "models/spine.sql": sql(text="date '2024-01-01' as dd"),
        "models/p.yml": schema(orders=["not_null"]) + "  - name: spine\n    time_spine: {standard_granularity_column: dd}\n    columns: [{name: dd, granularity: day}]\n"
        + "semantic_models:\n  - name: sem\n    model: ref('orders')\n    defaults: {agg_time_dimension: dt}\n    entities: [{name: ident, type: primary, expr: id}]\n    dimensions: [{name: dt, type: time, type_params: {time_granularity: day}}]\n    measures: [{name: total, agg: sum, expr: id}]\n"
        + "metrics:\n  - {name: met, label: M, type: simple, type_params: {measure: total}}\n  - {name: der, label: D, type: derived, type_params: {expr: met * 2, metrics: [{name: met}]}}\nsaved_queries:\n  - {name: sq, query_params: {metrics: [met]}}\n"
        + "exposures:\n  - {name: ex, type: dashboard, owner: {name: o}, depends_on: [ref('below')]}\n  - {name: em, type: dashboard, owner: {name: o}, depends_on: [\"metric('met')\"]}\n  - {name: e0, type: dashboard, owner: {name: o}}\n",
    }


PROJECTS["semantic models, metrics, saved queries, exposures"] = (semantic(), ["run", "build", "build -s orders+", "build -s +exposure:em", "build -s saved_query:sq", "build --resource-type saved_query --resource-type model", "ls"])
PROJECTS["hooks"] = (
    {
        "dbt_project.yml": BASE["dbt_project.yml"] + "on-run-start: [select 1, select 2]\non-run-end: select 3\n",
        "models/a.sql": "{{ config(pre_hook='select 4', post_hook=['select 5']) }}" + sql(), "models/b.sql": sql("a"), "seeds/s.csv": "id\n1\n",
        "models/p.yml": schema(a=["not_null"]),
    },
    ["run", "build", "seed", ["run", "test"], "compile", "run -s gone"],
)
for seed in (1, 2, 3):
    dice = random.Random(seed)
    files, tests = {}, {}
    names = ["n%02d" % i for i in range(24)]
    places = names[:]
    dice.shuffle(places)
    for i, name in enumerate(places):
        parents = dice.sample(places[:i], min(i, dice.choice([0, 1, 1, 2, 3])))
        kind = dice.random()
        if kind < 0.1 and not parents:
            files["seeds/%s.csv" % name] = "id\n1\n"
        elif kind < 0.2:
            files["models/%s.sql" % name] = "{{ config(materialized='ephemeral') }}" + sql(*parents)
        elif kind < 0.3:
            files["snapshots/%s.sql" % name] = "{%% snapshot %s %%}{{ config(unique_key='id', strategy='check', check_cols='all') }}\n%s{%% endsnapshot %%}\n" % (name, sql(*parents))
        else:
            files["models/%s.sql" % name] = sql(*parents)
        if "models/%s.sql" % name in files and dice.random() < 0.5:
            tests[name] = dice.choice([["not_null"], ["unique", "not_null"], [to(dice.choice(places[: i + 1]))]])
    files["models/p.yml"] = schema(**tests)
    some = dice.sample(names, 6)
    PROJECTS["random %d" % seed] = (files, ["build", ["seed", "run"], "build -s %s+ %s" % (some[0], some[1]), "build -s +%s" % some[2], "build --exclude %s+" % some[3], ["build", "run -s %s %s %s" % tuple(some[3:])], ["build", "test"]])

ABOUT = """\
"projects": name -> files (with those of "base"). One run a line of "runs": in a fresh folder the commands of "before" ran first, then "command" with --threads 1. "order": unique_ids in the order in which dbt started them (event NodeStart, or the line
"SKIP" of a node that is skipped), as far as it did (compile: the same). "results": [unique_id, status] in the order of run_results.json. "exit": 0, 1 or 2. "listed": of ls, in its order. Nodes that are not in "order" but in "results" never started (with --fail-fast those are sorted here).
"unstable": the orders of three runs, where they were not the same (nodes that end at once, as skipped ones, race with the queue). The rule that holds with one thread: a node joins the line (first in, first out) at the moment when its last parent in the graph of the selected
nodes has ended; those that join at the same moment by (level, unique_id); the unit tests of a model come right before it in build."""


def dbt(folder, command):
    order, back = [], os.getcwd()

    def seen(event):
        name = event.info.name
        if name in ("NodeStart", "SkippingDetails", "LogSkipBecauseError"):
            unique_id = event.data.node_info.unique_id
            if unique_id and unique_id not in order:
                order.append(unique_id)

    os.chdir(folder)
    reset_deprecations()
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            extra = [] if command[0] == "ls" or command[0] == "retry" else ["--threads", "1"]
            if command[0] == "ls":
                extra = ["--output", "json", "--output-keys", "unique_id"]
            result = dbtRunner(callbacks=[seen]).invoke(command + extra + ["--profiles-dir", ".", "--project-dir", ".", "--no-partial-parse", "--log-level", "debug", "--log-level-file", "none"])
    finally:
        os.chdir(back)
        if DuckDBConnectionManager._ENV is not None:  # it would outlive the folder
            DuckDBConnectionManager._ENV.close()
            DuckDBConnectionManager.close_all_connections()
    return result, order


def main():
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "order.json")
    top = tempfile.mkdtemp()
    rows = []
    for name, (files, commands) in PROJECTS.items():
        for entry in commands:
            line = entry if isinstance(entry, list) else [entry]
            orders = []
            for _ in range(3):
                folder = os.path.join(top, "w")
                shutil.rmtree(folder, ignore_errors=True)
                for path, text in {**BASE, **files}.items():
                    path = os.path.join(folder, path)
                    os.makedirs(os.path.dirname(path), exist_ok=True)
                    with open(path, "w") as file:
                        file.write(text)
                for command in line[:-1]:
                    dbt(folder, command.split())
                result, order = dbt(folder, line[-1].split())
                if order not in orders:
                    orders.append(order)
            row = {"project": name}
            if line[:-1]:
                row["before"] = [c.split() for c in line[:-1]]
            row["command"] = line[-1].split()
            row["exit"] = 0 if result.success else 2 if result.exception else 1
            if line[-1] == "ls":
                row["listed"] = [json.loads(x)["unique_id"] for x in result.result]
            else:
                row["order"] = order
                if len(orders) > 1:
                    row["unstable"] = orders
            if result.exception:
                row["error"] = str(result.exception)[:300]
            path = os.path.join(folder, "target", "run_results.json")
            if line[-1] != "ls" and os.path.exists(path):
                with open(path) as file:
                    row["results"] = [[r["unique_id"], r["status"]] for r in json.load(file)["results"]]
                if "--fail-fast" in line[-1]:  # what never started comes in no order
                    row["results"] = [r for r in row["results"] if r[0] in order] + sorted(r for r in row["results"] if r[0] not in order)
            rows.append(row)
            print(name, line[-1], file=sys.stderr, flush=True)
    with open(out, "w") as file:
        file.write('{"about": %s,\n"dbt": "1.11.16",\n"base": %s,\n"projects": {\n' % (json.dumps(ABOUT), json.dumps(BASE)))
        file.write(",\n".join("%s: %s" % (json.dumps(n), json.dumps(f)) for n, (f, _) in PROJECTS.items()))
        file.write('\n},\n"runs": [\n' + ",\n".join(json.dumps(r) for r in rows) + "\n]}\n")
    shutil.rmtree(top)


if __name__ == "__main__":
    main()
