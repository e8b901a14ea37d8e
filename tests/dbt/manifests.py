"""Writes manifests.json: the manifests that dbt makes of small projects.

Usage: python manifests.py [output file]
Needs dbt-core 1.11.16 and dbt-duckdb 1.10.1; uses no network and no database.
A manifest is kept without what differs from run to run, and without dbt's own macros and docs.
"""

import contextlib
import io
import json
import os
import shutil
import sys
import tempfile

from dbt.cli.main import dbtRunner
from dbt.deprecations import reset_deprecations

HERE = os.path.dirname(os.path.abspath(__file__))
PROFILES = "p:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: main.duckdb, schema: dev}\n"
PROJECT = "name: p\nversion: '1.0'\nprofile: p\nflags: {send_anonymous_usage_stats: false}\n"

KINDS = {
    "dbt_project.yml": PROJECT
    + "on-run-start: ['select 1']\non-run-end: [\"{{ mac() }}\"]\nmodels: {p: {+meta: {team: x}}}\n",
    "seeds/s.csv": "id,name\n1,a\n",
    "models/a.sql": "{{ config(materialized='incremental', unique_key='id', on_schema_change='fail', tags=['x'], meta={'k': 1}, post_hook='select 1', contract={'enforced': true}) }} select 1 as id, 'x' as name\n",
    "models/sub/e.sql": "{{ config(materialized='ephemeral') }} select * from {{ ref('a') }}\n",
    "models/sub/b.sql": "select * from {{ ref('e') }} join {{ source('raw', 't') }} using (id) {{ mac() }}\n",
    "models/v_v1.sql": "select 1 as id\n",
    "models/v_v2.sql": "select 1 as id\n",
    "macros/mac.sql": "{% macro mac() %}{{ inner() }}{% endmacro %}{% macro inner() %}{% endmacro %}\n",
    "analyses/an.sql": "select * from {{ ref('b') }}\n",
    "tests/sing.sql": "select * from {{ ref('a') }} where false\n",
    "snapshots/sn.sql": "{% snapshot sn %}{{ config(unique_key='id', strategy='check', check_cols='all', target_schema='snaps') }}\nselect * from {{ ref('a') }}\n{% endsnapshot %}\n",
    "models/p.yml": """\
models:
  - name: a
    description: about a
    config: {group: g, access: public}
    constraints: [{type: check, expression: id > 0, name: positive}]
    columns:
      - name: id
        data_type: integer
        constraints: [{type: not_null}, {type: primary_key}]
        data_tests: [unique, not_null, {relationships: {arguments: {to: ref('v'), field: id}}}]
      - {name: name, data_type: varchar, description: n, config: {meta: {a: 1}, tags: [t]}, quote: true}
  - name: v
    latest_version: 2
    deprecation_date: 2099-01-01
    columns: [{name: id, data_tests: [unique, not_null]}]
    versions: [{v: 1, deprecation_date: 2098-01-01}, {v: 2, columns: [{include: all}]}]
  - {name: b, columns: [{name: id, data_tests: [{accepted_values: {arguments: {values: [1, 2]}, config: {severity: warn, where: id > 1}}}]}]}
seeds: [{name: s, config: {column_types: {id: bigint}}, columns: [{name: id, data_tests: [unique]}]}]
snapshots: [{name: sn, description: snapped}]
sources:
  - name: raw
    schema: main
    config: {freshness: {warn_after: {count: 1, period: day}}, loaded_at_field: ts}
    tables: [{name: t, identifier: T1, columns: [{name: id, data_tests: [not_null]}]}]
exposures:
  - {name: ex, type: dashboard, owner: {name: me, email: a@b.c}, depends_on: [ref('b'), "source('raw', 't')"], url: 'http://x', maturity: high}
groups: [{name: g, owner: {name: o}}]
macros: [{name: mac, description: m, arguments: [{name: x, type: int}]}]
analyses: [{name: an, description: an}]
""",
}

UNIT_TESTS = {
    "dbt_project.yml": PROJECT,
    "seeds/s.csv": "id,name\n1,a\n2,\n",
    "models/a.sql": "select 1 as id, 'x' as name",
    "models/b.sql": "{{ config(materialized='incremental') }} select id, {{ mm() }} as m from {{ ref('a') }} join {{ ref('s') }} using (id) {% if is_incremental() %} where id > (select max(id) from {{ this }}) {% endif %}",
    "models/v_v1.sql": "select * from {{ ref('a') }}",
    "models/v_v2.sql": "select * from {{ ref('a') }}",
    "macros/m.sql": "{% macro mm() %}42{% endmacro %}",
    "tests/fixtures/fx.csv": "id,name\n1,zz\n2,\n",
    "tests/fixtures/q.sql": "select 1 as id\n",
    "models/p.yml": """\
models:
  - {name: v, latest_version: 2, versions: [{v: 1}, {v: 2}]}
unit_tests:
  - name: full
    model: b
    description: all of it
    config: {tags: [t1], meta: {k: 1}}
    overrides: {vars: {my: 2}, macros: {mm: 7, is_incremental: false}, env_vars: {HOME: hh}}
    given:
      - {input: ref('a'), rows: [{id: 1, name: null}, {id: 2, name: r}]}
      - {input: ref('s')}
      - {input: this, rows: []}
    expect: {rows: [{id: 1, m: 7}]}
  - name: files
    model: b
    overrides: {macros: {is_incremental: true}}
    given:
      - {input: ref('a'), format: csv, fixture: fx}
      - {input: ref('s'), format: csv, rows: "id,name\\n3,\\n1,x\\n"}
      - {input: this, format: sql, fixture: q}
    expect: {format: sql, rows: "select 1 as id, 42 as m"}
  - {name: all, model: v, given: [{input: ref('a'), rows: [{id: 1}]}], expect: {rows: [{id: 1, name: it's}]}}
  - {name: one, model: v, versions: {include: [1]}, given: [{input: ref('a'), rows: []}], expect: {rows: []}}
  - {name: other, model: v, versions: {exclude: [1]}, given: [{input: ref('a'), rows: []}], expect: {rows: []}}
""",
}

FUNCTIONS = {
    "dbt_project.yml": PROJECT + "functions: {p: {deep: {+volatility: stable}}}\nmodels: {p: {+persist_docs: {relation: true}}}\n",
    "functions/double.sql": "select x * 2",
    "functions/deep/triple.sql": "{{ config(tags=['t'], meta={'a': 1}) }}\nselect {{ function('double') }}(x) + x * {{ var('one', 1) }}",
    "functions/deep/plain.sql": "select count(*) from {{ ref('a') }}",
    "functions/py.py": "def entry(x):\n    return x\n",
    "functions/f.yml": """\
functions:
  - name: double
    description: twice
    arguments: [{name: x, data_type: integer, description: a number}, {name: y, data_type: text, default_value: "'q'"}]
    returns: {data_type: integer, description: twice}
    config: {volatility: deterministic, meta: {m: 1}}
  - name: triple
    arguments: [{name: x, data_type: integer, default_value: 5}]
    returns: {data_type: integer}
    config: {schema: fun, alias: thrice}
  - {name: plain, returns: {data_type: bigint}, config: {type: aggregate, tags: [x]}}
  - {name: py, arguments: [{name: x, data_type: int}], returns: {data_type: int}, config: {entry_point: entry, runtime_version: '3.11'}}
""",
    "seeds/s.csv": "id\n1\n",
    "models/a.sql": "select 1 as id",
    "models/b.sql": "{{ config(post_hook=\"select {{ function('plain') }}()\") }} select {{ function('double') }}(id) as d, {{ function('p', 'triple') }}(id) as t, {{ function('double') }}(1) as u from {{ ref('a') }}",
    "models/p.yml": """\
models:
  - {name: b, columns: [{name: d, data_tests: [not_null]}]}
unit_tests:
  - {name: u, model: b, given: [{input: ref('a'), rows: [{id: 1}]}], expect: {rows: [{d: 2}]}}
""",
    "tests/one.sql": "select 1 where {{ function('double') }}(1) <> 2",
    "analyses/an.sql": "select {{ function('double') }}(1)",
}

PROJECTS = {"kinds": KINDS, "unit tests": UNIT_TESTS, "functions": FUNCTIONS}
LEFT_OUT = {"created_at", "root_path"}


def plain(value):
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if k not in LEFT_OUT}
    if isinstance(value, list):
        return [plain(v) for v in value]
    return value


def manifest_of(files):
    folder = tempfile.mkdtemp()
    try:
        for path, text in {**files, "profiles.yml": PROFILES}.items():
            path = os.path.join(folder, path)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as file:
                file.write(text)
        reset_deprecations()
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            done = dbtRunner().invoke(["parse", "--project-dir", folder, "--profiles-dir", folder, "--no-partial-parse"])
        if not done.success:
            sys.exit(out.getvalue())
        with open(os.path.join(folder, "target/manifest.json")) as file:
            manifest = json.load(file)
    finally:
        shutil.rmtree(folder)
    del manifest["metadata"]
    for section in ("macros", "docs"):
        own = {k: v for k, v in manifest[section].items() if v["package_name"] == "p"}
        manifest[section] = own
    return plain(manifest)


def main():
    made = {name: {"files": files, "manifest": manifest_of(files)} for name, files in PROJECTS.items()}
    target = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "manifests.json")
    with open(target, "w") as file:
        json.dump(made, file, indent=1, sort_keys=True)
        file.write("\n")


main()
