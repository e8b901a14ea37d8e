#!/usr/bin/env python3
"""Checks how a DAG file's tasks run the program: `check_operator.py DAGFILE [HOURS]`, in an environment with Airflow.

HOURS is what a run without a data interval is given, 24 by default.

The first task is executed with a fake program that ends as it is told. Airflow tries a task again unless it raises
AirflowFailException, so what is checked is which exception each exit code becomes; what the program is told; and that
Airflow renders the window and nothing else. Exits with 1 when something is wrong.
"""

import copy
import datetime
import json
import pathlib
import sys
import tempfile

import common

FAKE = """#!/bin/sh
env -0 >"$0.env"
printf '%s' "$*" >"$0.args"
echo first
echo '{"last": true}'
[ "$FAKE_END" != kill ] || kill -9 $$
exit "$FAKE_END"
"""
AGAIN, FINAL = "again", "final"
ENDS = {
    "1": (FINAL, "failed"),
    "2": (FINAL, "configuration"),
    "3": (FINAL, "strata export airflow"),
    "64": (FINAL, "64"),
    "75": (AGAIN, "75"),
    "99": (FINAL, "99"),  # what BashOperator takes for "skipped" unless told otherwise
    "126": (FINAL, "executed"),
    "127": (FINAL, "not found"),
    "137": (AGAIN, "signal 9"),
    "143": (AGAIN, "signal 15"),
    "255": (FINAL, "255"),
    "kill": (AGAIN, "signal 9"),
}
BRACES = "{{ ds }} {% if x %} {# y #} {{ undefined.x }}"


def environment(folder):
    pairs = (folder / "fake.env").read_bytes().decode().split("\0")
    return dict(pair.split("=", 1) for pair in pairs if pair)


def main():
    if len(sys.argv) not in (2, 3) or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__.strip())
    common.own_airflow()
    from airflow.exceptions import AirflowException

    bag = common.load(sys.argv[1])
    assert not bag.import_errors, bag.import_errors
    (dag,) = bag.dags.values()
    first = dag.tasks[0]
    failures = []

    def expect(what, holds, seen=""):
        if not holds:
            failures.append(f"{what}: {seen}")

    with tempfile.TemporaryDirectory(prefix="strata-airflow-") as folder:
        folder = pathlib.Path(folder)
        common.write(folder, {"fake": FAKE})
        (folder / "fake").chmod(0o755)

        def execute(command=None, **more):
            task = copy.copy(first)
            command = command or str(folder / "fake")
            task.env = {**first.env, "STRATA_COMMAND": command, **more}
            task.strata_vars = '{"data_interval_start": "a"}'
            try:
                return None, task.execute({})
            except Exception as problem:
                assert isinstance(problem, AirflowException), repr(problem)
                # By name: the class has two homes in Airflow 3.
                return FINAL if type(problem).__name__ == "AirflowFailException" else AGAIN, str(problem)

        for end, (kind, words) in ENDS.items():
            seen = execute(FAKE_END=end)
            expect(f"exit code {end} is {kind}, with the words '{words}'", seen[0] == kind and words in seen[1], seen)
        seen = execute(command=str(folder / "nowhere"))
        expect("a program that is not there", seen[0] == FINAL and "127" in seen[1], seen)
        (folder / "plain").write_text("")
        seen = execute(command=str(folder / "plain"))
        expect("a file that is no program", seen[0] == FINAL and "126" in seen[1], seen)

        seen = execute(FAKE_END="0", STRATA_NODES=BRACES)
        expect("the result is the last line", seen == (None, '{"last": true}'), seen)
        env = environment(folder)
        expect("braces arrive as they are", env["STRATA_NODES"] == BRACES, env["STRATA_NODES"])
        expect("the window", env["STRATA_VARS"] == '{"data_interval_start": "a"}', env["STRATA_VARS"])
        expect("the task", env["STRATA_TASK"] == first.task_id, env["STRATA_TASK"])
        expect("the file", pathlib.Path(env["STRATA_GRAPH_FILE"]).samefile(sys.argv[1]), env["STRATA_GRAPH_FILE"])
        expect("the spec is JSON", "by" in json.loads(env["STRATA_GRAPH_SPEC"]))
        for name in ("STRATA_PROJECT_DIR", "STRATA_GRAPH", "PATH", "HOME"):
            expect(f"{name} is there", env.get(name))
        expect("a scheduler is told", env["STRATA_ORCHESTRATED"] == "1")
        expect("the command", (folder / "fake.args").read_text() == "build", (folder / "fake.args").read_text())
        nodes = [t for t in dag.tasks if "{" in t.bash_command]
        expect("no value in a command's text", not nodes, nodes)

    # The window: of a run with a data interval; and, on Airflow 3, of one without a logical date.
    day = datetime.datetime(2024, 3, 5, tzinfo=datetime.timezone.utc)
    hours = datetime.timedelta(hours=1)

    class Run:
        run_after = day + 30 * hours

    class Macros:
        timedelta = datetime.timedelta

    def window(context):
        task = copy.copy(first)
        jinja = dag.get_template_env()
        return json.loads(jinja.from_string(task.strata_vars).render(macros=Macros, dag_run=Run, **context))

    seen = window({"data_interval_start": day, "data_interval_end": day + 24 * hours})
    wanted = {"data_interval_start": "2024-03-05T00:00:00+00:00", "data_interval_end": "2024-03-06T00:00:00+00:00"}
    expect("the window is the data interval", seen == wanted, seen)
    begin = Run.run_after - int((sys.argv + ["24"])[2]) * hours
    wanted = {"data_interval_start": begin.isoformat(), "data_interval_end": Run.run_after.isoformat()}
    for context in ({}, {"data_interval_start": None, "data_interval_end": None}):
        seen = window(context)
        expect(f"the window of a run without one: {context}", seen == wanted, seen)

    print(f"Airflow {common.airflow_version()}: {len(ENDS)} exit codes, environment, window", end=": ")
    print("as they should be" if not failures else "wrong")
    sys.exit("\n".join(failures) if failures else 0)


if __name__ == "__main__":
    main()
