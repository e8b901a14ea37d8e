#!/usr/bin/env python3
"""Runs exported projects on Airflow: `run_sample.py --tool PROGRAM [--only WORD] [--keep]`.

Started by the Python of an environment with Airflow. Each case copies a project, writes its DAG file with
`strata export airflow`, runs it with `airflow dags test`, which runs retries too, and looks at the states of the tasks
and at the data. The engine is DuckDB; where STRATA_TEST_PG names the file that `scripts/postgres start` wrote, some
cases run on Postgres as well. Exits with 1 when a case fails.
"""

import argparse
import datetime
import json
import os
import pathlib
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import traceback

import check_import
import common

DATES = ("2026-02-05T12:00:00+00:00", "2026-02-06T12:00:00+00:00")
MARTS = ("budget_recommendation", "campaign_performance", "channel_attribution", "channel_performance")
MARTS += ("cohort_ltv", "daily_performance", "user_ltv", "users_enriched")

# Stands before the program: notes each call and, in the first try of one task, makes trouble.
FRONT = """#!/bin/sh
here={here}
echo "$STRATA_TASK" >>"$here/calls"
if [ "$STRATA_TASK" = {task} ] && [ ! -e "$here/troubled" ]; then
  touch "$here/troubled"
  {trouble}
fi
exec {tool} "$@"
"""

WITHOUT_DATE = """
import sys
import common
(dag,) = common.load(sys.argv[1]).dags.values()
dag.test(logical_date=None)
"""

# Three models in a row, the middle one with what a case needs.
SMALL = {
    "project.yml": "name: small\nversion: '1.0'\nprofile: small\nmodels: {small: {+materialized: table}}\n",
    "models/staging/first.sql": "select 1 as id\n",
    "models/marts/second.sql": "select id from {{ ref('first') }}\n",
    "models/marts/third.sql": "select id from {{ ref('second') }}\n",
    "models/all.yml": "models: [{name: second, columns: [{name: id, data_tests: [unique]}]}]\n",
}


class Case:
    """A project, its DAG file, an Airflow of its own."""

    def __init__(self, context, name, engine):
        self.tool, self.engine, self.server = context.tool, engine, context.server
        self.root = context.root / f"{name}-{engine}"
        self.project = self.root / "project"
        self.project.mkdir(parents=True)
        self.home = self.root / "airflow"
        shutil.copytree(context.home, self.home)
        self.name = name
        self.env = common.settings(self.home, self.project / "dags") | {"AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO"}
        self.schema = f"airflow_{name}"
        self.log, self.selection = "", ()

    def output(self, port=None):
        if self.engine == "duckdb":
            return {"type": "duckdb", "path": "data.duckdb", "schema": "main", "threads": 2}
        server = self.server
        return {
            "type": "postgres",
            "host": server["HOST"],
            "port": int(port or server["PORT"]),
            "user": server["USER"],
            "password": server["PASSWORD"],
            "dbname": server["DATABASE"],
            "schema": self.schema,
            "threads": 2,
        }

    def options(self, more):
        """Options of the DAG, in the project file: the program, and no waiting between tries."""
        options = {"command": str(self.tool), "retry_delay_seconds": 1} | more
        lines = "".join(f"  {key}: {json.dumps(value)}\n" for key, value in options.items())
        path = self.project / "project.yml"
        head, block, rest = path.read_text().partition("\nairflow:\n")
        path.write_text(f"{head}\nairflow:\n{lines}{rest}")

    def sample(self, **more):
        """The sample project, without its sheets: they would need Google."""
        common.copy_sample(self.project)
        common.write(self.project, {"profiles.yml": common.profile("bitcoin_rewards", self.output())})
        self.options(more)
        self.fresh()
        listed = self.strata("ls", "--resource-type", "export", "--output", "json", "--quiet").splitlines()
        exports = [node["config"]["meta"]["strata_export"] for node in map(json.loads, listed)]
        self.files = [e["name"] for e in exports if e["type"] != "google_sheets"]
        sheets = [e["name"] for e in exports if e["type"] == "google_sheets"]
        self.export(*(["--exclude", *sheets] if sheets else []))

    def small(self, files=None, port=None, **more):
        common.write(self.project, SMALL | (files or {}))
        common.write(self.project, {"profiles.yml": common.profile("small", self.output(port))})
        self.options(more)
        self.fresh()
        self.export()

    def front(self, task, trouble):
        """The program with trouble before it; to be given as `command`."""
        path = self.root / "front"
        path.write_text(FRONT.format(here=self.root, task=task, trouble=trouble, tool=self.tool))
        path.chmod(0o755)
        return str(path)

    def calls(self):
        return (self.root / "calls").read_text().split()

    def fresh(self):
        """Postgres outlives a run of these tests."""
        if self.engine == "postgres":
            drop = (
                "{% macro drop() %}{% do run_query('drop schema if exists "
                + self.schema
                + " cascade') %}{% endmacro %}"
            )
            common.write(self.project, {"macros/drop.sql": drop})
            self.strata("run-operation", "drop")

    def export(self, *selection):
        self.selection = selection or self.selection
        self.file = common.export(self.tool, self.project, *self.selection)
        self.strata("export", "airflow", *self.selection, "--check")

    def strata(self, *arguments, **options):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("STRATA_", "DBT_"))}
        return common.run([self.tool, *arguments], cwd=self.project, env=env, **options)

    def rows(self, query):
        """What a query returns."""
        done = self.strata("show", "--inline", query, "--output", "json", "--limit", "-1", "--quiet")
        return json.loads(done)["show"]

    def edit(self, name, old, new):
        path = self.project / name
        text = path.read_text()
        assert old in text, f"{name} has no {old!r}"
        path.write_text(text.replace(old, new, 1))

    def run(self, date=DATES[0]):
        """Runs the DAG for a date, or without one. Gives the states and numbers of tries by task."""
        if date is None:
            command = [sys.executable, "-c", WITHOUT_DATE, str(self.file)]
        else:
            command = [sys.executable, "-m", "airflow", "dags", "test", self.file.stem, date]
        env = self.env | {"PYTHONPATH": str(pathlib.Path(__file__).parent), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(command, env=env, cwd=self.root, text=True, capture_output=True, timeout=1200)
        self.log = done.stdout + done.stderr
        (self.root / "run.log").write_text(self.log)
        with sqlite3.connect(self.home / "airflow.db") as base:
            runs = base.execute("select run_id, state from dag_run order by id desc limit 1").fetchall()
            assert runs, f"no run was made:\n{self.log[-3000:]}"
            run_id, self.state = runs[0]
            found = base.execute("select task_id, state, try_number from task_instance where run_id = ?", (run_id,))
            self.tasks = {task: (state, tries) for task, state, tries in found}
        return self.tasks

    def results(self):
        """What each task handed on: the summary, which is the last line of its output."""
        with sqlite3.connect(self.home / "airflow.db") as base:
            found = base.execute("select task_id, value from xcom where key = 'return_value'").fetchall()
        out = {}
        for task, value in found:
            while isinstance(value, (str, bytes)):
                value = json.loads(value)
            out[task] = value
        return out

    def assert_all(self, state="success"):
        others = {task: seen for task, seen in self.tasks.items() if seen[0] != state}
        assert self.tasks and not others, f"not {state}: {others}\n{self.problems()}"

    def assert_states(self, wanted):
        assert self.tasks == wanted, f"{self.tasks}\nand not {wanted}\n{self.problems()}"

    def problems(self):
        lines = [line for line in self.log.splitlines() if "rror" in line or "xception" in line]
        return "\n".join(lines[-25:])

    def assert_log(self, *texts):
        for text in texts:
            assert text in self.log, f"the log has no {text!r}:\n{self.log[-4000:]}"


def below(case, task):
    """All tasks that wait for one, by way of others too."""
    rows, found = check_import.rows(case.file), {task}
    while True:
        more = {r["task"] for r in rows if found & set(r["after"])} - found
        if not more:
            return found - {task}
        found |= more


def alike(some, others):
    """Whether rows are equal to the last digit, in any order."""
    return sorted(map(json.dumps, some)) == sorted(map(json.dumps, others))


def whole(case):
    """The sample: all tasks succeed, and the marts are those of a plain build."""
    case.sample()
    case.run()
    case.assert_all()
    # Each task did what its row says, and no more.
    for row in check_import.rows(case.file):
        done = case.results()[row["task"]]
        counts = {key: n for key, n in done.items() if isinstance(n, int) and key != "exit_code"}
        assert done["exit_code"] == 0 and sum(counts.values()) == len(row["nodes"]), f"{row['task']}: {done}"
    seen = {mart: case.rows(f"select * from {{{{ ref('{mart}') }}}}") for mart in MARTS}
    for name in case.files:
        files = list((case.project / "build").glob(f"**/{name}.*"))
        assert files and all(file.stat().st_size for file in files), f"export {name}: {files}"
    case.fresh()
    if case.engine == "duckdb":
        (case.project / "data.duckdb").unlink()
    case.strata("build")
    for mart in MARTS:
        built = case.rows(f"select * from {{{{ ref('{mart}') }}}}")
        assert seen[mart] and alike(
            seen[mart], built
        ), f"{mart}: {len(seen[mart])} rows, and {len(built)} of a plain build"


def without_date(case):
    """A run without a logical date, which only Airflow 3 has: the window is the 24 hours before it was due."""
    begins, ends = ("'{{ var('data_interval_%s', 'none') }}'" % word for word in ("start", "end"))
    model = f"select {begins} as begins, {ends} as ends\n"
    case.small({"models/staging/first.sql": "select 1 as id\n", "models/marts/window.sql": model})
    before = time.time()
    case.run(None)
    case.assert_all()
    (row,) = case.rows("select begins, ends from {{ ref('window') }}")
    begins, ends = (datetime.datetime.fromisoformat(row[key]) for key in ("begins", "ends"))
    assert ends - begins == datetime.timedelta(hours=24), row
    assert before - 1 <= ends.timestamp() <= time.time(), row


def failing_model(case):
    """A model that fails is not tried again; what waits for it does not run; the rest does."""
    case.sample()
    path = "models/intermediate/int_conversions.sql"
    text = (case.project / path).read_text()
    # Other SQL, the same graph: the file still fits.
    (case.project / path).write_text(f"select *, cast('x' as integer) as broken from (\n{text}\n) as it\n")
    case.run()
    failed = "intermediate.int_conversions"
    lost = below(case, failed)
    assert lost and len(lost) < len(case.tasks) - 1
    for task, seen in case.tasks.items():
        wanted = ("failed", 1) if task == failed else ("upstream_failed", 0) if task in lost else ("success", 1)
        assert seen == wanted, f"{task} is {seen} and not {wanted}\n{case.problems()}"
    assert case.state == "failed"
    case.assert_log("Exit code 1: ")


def failing_test(case):
    """A test that fails keeps the new version back: readers see the old one. It is not tried again."""
    case.small()
    case.strata("build")
    case.edit("models/marts/second.sql", "select id", "select id + 41 as id")
    case.edit("models/marts/second.sql", "}}", "}} union all select 42")
    case.run()
    case.assert_states(
        {"staging.first": ("success", 1), "marts.second": ("failed", 1), "marts.third": ("upstream_failed", 0)}
    )
    case.assert_log("Exit code 1: ")
    assert case.rows("select id from {{ ref('second') }}") == [{"id": 1}]


def busy_database(case):
    """Another process holds the DuckDB file: exit code 75, and the next try succeeds."""
    query = "select sum(i * j) from range(10000000) a(i), range(10000000) b(j)"
    hold = "{% macro hold() %}{% do run_query('" + query + "') %}{% endmacro %}"
    # The holder is a run of its own, without what the scheduler tells its tasks. It ends when the first try has ended.
    trouble = (
        "unset STRATA_ORCHESTRATED STRATA_NODES STRATA_TASK STRATA_GRAPH STRATA_GRAPH_SPEC STRATA_GRAPH_FILE; "
        f"{case.tool} run-operation hold >/dev/null 2>&1 & holder=$!; sleep 2; kill -0 $holder || exit 64; "
        f'(. $here/task; {case.tool} "$@"); code=$?; kill -9 $holder; exit $code'
    )
    trouble = 'export -p | grep " STRATA_" >"$here/task"; ' + trouble
    case.small({"macros/hold.sql": hold}, command=case.front("marts.second", trouble))
    case.env["STRATA_LOCK_TIMEOUT"] = "1"
    case.run()
    case.assert_log("Exit code 75")
    case.assert_states({task: ("success", 2 if task == "marts.second" else 1) for task in case.tasks})
    assert case.calls().count("marts.second") == 2


class Proxy:
    """Stands before the server. While the file `down` is there, it cuts what runs through it and takes nothing new."""

    def __init__(self, host, port, down):
        self.target, self.down, self.cut = (host, port), down, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            if self.down.exists():
                client.close()
                continue
            server = socket.create_connection(self.target)
            for one, other in ((client, server), (server, client)):
                threading.Thread(target=self.pump, args=(one, other), daemon=True).start()

    def pump(self, one, other):
        one.settimeout(0.05)
        try:
            while not self.down.exists():
                try:
                    data = one.recv(65536)
                except TimeoutError:
                    continue
                if not data:
                    break
                other.sendall(data)
            else:
                self.cut += 1
        except OSError:
            pass
        for end in (one, other):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def dropped_server(case):
    """The server is lost while a model is built, and stays away: exit code 75. The next try succeeds."""
    proxy = Proxy(case.server["HOST"], int(case.server["PORT"]), case.root / "down")
    # `down` comes one second into the build, which takes three, and goes when the first try has ended.
    trouble = f'(sleep 1; touch "$here/down") & {case.tool} "$@"; code=$?; wait; rm -f "$here/down"; exit $code'
    slow = "select id, pg_sleep(3)::text as slept from {{ ref('first') }}\n"
    command = case.front("marts.second", trouble)
    case.small({"models/marts/second.sql": slow}, port=proxy.port, command=command)
    case.run()
    assert proxy.cut, "the proxy cut no connection"
    case.assert_log("Exit code 75")
    case.assert_states({task: ("success", 2 if task == "marts.second" else 1) for task in case.tasks})
    assert case.rows("select id from {{ ref('third') }}") == [{"id": 1}]


def drift(case):
    """A model is added after the export: no task does anything, each says what changed."""
    case.sample()
    common.write(case.project, {"models/marts/added.sql": "select 1 as id from {{ ref('user_ltv') }}\n"})
    case.run()
    states = set(case.tasks.values())
    assert states == {("failed", 1), ("upstream_failed", 0)}, f"{case.tasks}\n{case.problems()}"
    case.assert_log("Exit code 3: ", "model.bitcoin_rewards.added", "strata export airflow")
    case.export()
    case.run(DATES[1])
    case.assert_all()


def other_words(case):
    """SQL, texts and a test's arguments change: the graph is the same, the file still fits, and the new ones count."""
    values = "{accepted_values: {arguments: {values: [%s]}}}"
    values = "models: [{name: second, columns: [{name: id, data_tests: [" + values + "]}]}]\n"
    case.small({"models/all.yml": values % 2})
    case.edit("models/all.yml", "[2]", "[7]")
    case.edit("models/staging/first.sql", "select 1", "-- another number\nselect 7")
    case.run()
    case.assert_all()
    assert case.rows("select id from {{ ref('third') }}") == [{"id": 7}]
    # And the new arguments are those that are tested.
    case.edit("models/all.yml", "[7]", "[8]")
    case.run(DATES[1])
    assert case.tasks["marts.second"] == ("failed", 1), case.tasks


def backfill(case):
    """Three days, one after another: each run's window reaches the incremental model."""
    model = """{{ config(materialized='incremental', unique_key='day', incremental_strategy='delete+insert') }}
select cast('{{ var('data_interval_start', 'none') }}' as timestamp) as day,
    cast('{{ var('data_interval_end', 'none') }}' as timestamp) as until
"""
    case.small({"models/marts/days.sql": model})
    # A daily run of this date is about the day before it. The second day comes twice: it is replaced, not added.
    for day in ("03-02", "03-03", "03-03", "03-04"):
        with sqlite3.connect(case.home / "airflow.db") as base:
            base.execute("pragma foreign_keys = on")
            base.execute("delete from dag_run")
        case.run(f"2024-{day}T00:00:00+00:00")
        case.assert_all()
    days = case.rows("select cast(day as varchar) as day, cast(until as varchar) as until from {{ ref('days') }}")
    wanted = [{"day": f"2024-03-0{n} 00:00:00", "until": f"2024-03-0{n + 1} 00:00:00"} for n in (1, 2, 3)]
    assert sorted(days, key=str) == wanted, days


CASES = [
    (whole, "duckdb"),
    (whole, "postgres"),
    (without_date, "duckdb"),
    (failing_model, "duckdb"),
    (failing_model, "postgres"),
    (failing_test, "duckdb"),
    (failing_test, "postgres"),
    (busy_database, "duckdb"),
    (dropped_server, "postgres"),
    (drift, "duckdb"),
    (other_words, "duckdb"),
    (backfill, "duckdb"),
    (backfill, "postgres"),
]


FEW = (whole, failing_model, backfill)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", required=True, type=pathlib.Path, help="the program")
    parser.add_argument("--only", metavar="WORD", help="cases with this in their name or engine")
    parser.add_argument("--few", action="store_true", help="only cases in which versions of Airflow differ")
    parser.add_argument("--keep", action="store_true", help="keep the folder of projects and logs")
    arguments = parser.parse_args()
    arguments.tool = arguments.tool.resolve()

    server = None
    if os.environ.get("STRATA_TEST_PG"):
        lines = pathlib.Path(os.environ["STRATA_TEST_PG"]).read_text().splitlines()
        pairs = (line.split("=", 1) for line in lines if line.startswith("STRATA_TEST_PG_"))
        server = {key.removeprefix("STRATA_TEST_PG_"): value for key, value in pairs}
    root = pathlib.Path(tempfile.mkdtemp(prefix="strata-airflow-"))
    context = argparse.Namespace(tool=arguments.tool, root=root, home=root / "airflow", server=server)
    context.home.mkdir()
    failed = []
    try:
        env = common.settings(context.home)
        common.run([sys.executable, "-m", "airflow", "db", "migrate"], env=env)
        version = common.run([sys.executable, "-m", "airflow", "version"], env=env).split()[-1]
        print(f"Airflow {version}", flush=True)
        for test, engine in CASES:
            name = f"{test.__name__} on {engine}"
            if arguments.only and arguments.only not in name:
                continue
            if arguments.few and (test not in FEW or engine != "duckdb"):
                continue
            if engine == "postgres" and not server:
                print(f"skipped {name}: STRATA_TEST_PG names no server", flush=True)
                continue
            if test is without_date and version.startswith("2."):
                print(f"skipped {name}: every run of Airflow 2 has a date", flush=True)
                continue
            start = time.monotonic()
            try:
                case = Case(context, test.__name__, engine)
                test(case)
                case.fresh()
                print(f"ok      {name} ({time.monotonic() - start:.0f} s)", flush=True)
            except Exception as problem:
                failed.append(name)
                print(f"FAILED  {name} ({time.monotonic() - start:.0f} s): {problem}", flush=True)
                if not isinstance(problem, AssertionError):
                    traceback.print_exc()
    finally:
        if arguments.keep:
            print(f"everything is in {root}")
        else:
            shutil.rmtree(root, ignore_errors=True)
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
