#!/usr/bin/env python3
"""What reading a DAG file costs: `cost.py --tool PROGRAM`, in an environment with Airflow.

Airflow reads each file again and again, in a process of its own. Projects of 100, 500 and 2,000 models are exported,
and the CPU time of running the compiled file is measured, after Airflow itself was imported, once in each of three
processes. Exits with 1 when the median is above 0.25 ms a task.

Python's garbage collector may go through all of Airflow's objects while the file runs, or not, by chance: some 60 ms,
which is much at 500 tasks. Airflow 3 prevents it with gc.freeze, and so does this. The times without that are shown in
brackets and not judged: Airflow 2 does not freeze.
"""

import argparse
import gc
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import common

SIZES = (100, 500, 2000)
PROCESSES = 3
LIMIT = 0.25  # ms a task


def project(folder, models):
    """Models in three layers, each with two parents and two tests; every fifth is a mart."""
    files = {
        "project.yml": "name: cost\nversion: '1.0'\nprofile: cost\nmodels: {cost: {+materialized: table}}\n",
        "profiles.yml": common.profile("cost", {"type": "duckdb", "path": "cost.duckdb"}),
    }
    declared = []
    for n in range(models):
        layer = ("staging", "intermediate", "intermediate", "intermediate", "marts")[n * 5 // models]
        parents = sorted({p for p in (n - 1, n * 2 // 3) if 0 <= p < n})
        unions = [f"select id from {{{{ ref('model_{p}') }}}}" for p in parents]
        files[f"models/{layer}/model_{n}.sql"] = "\nunion\n".join(unions or ["select 1 as id"]) + "\n"
        declared.append(f"  - {{name: model_{n}, columns: [{{name: id, data_tests: [unique, not_null]}}]}}\n")
    files["models/all.yml"] = "models:\n" + "".join(declared)
    common.write(folder, files)


def measure(frozen, small, path):
    """Prints the CPU time of compiling and of running a file. The small one has imported Airflow before."""
    exec(compile(pathlib.Path(small).read_text(), small, "exec"), {"__name__": "small", "__file__": small})
    text = pathlib.Path(path).read_text()
    names = {"__name__": "measured", "__file__": path}
    if frozen == "frozen":
        gc.freeze()
    times = [time.process_time()]
    code = compile(text, path, "exec")
    times.append(time.process_time())
    exec(code, names)
    times.append(time.process_time())
    tasks = len(names["TASKS"])
    print(tasks, *((b - a) * 1000 / tasks for a, b in zip(times, times[1:])))


def once(*arguments):
    done = subprocess.run([sys.executable, __file__, "measure", *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [float(word) for word in done.stdout.splitlines()[-1].split()]


def texts(times):
    return " ".join(f"{t:.3f}" for t in times)


def main():
    if sys.argv[1:2] == ["measure"]:
        return measure(*sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", required=True)
    arguments = parser.parse_args()
    common.own_airflow()
    print(f"Airflow {common.airflow_version()}: CPU ms a task, at most {LIMIT}")
    failed = False
    with tempfile.TemporaryDirectory(prefix="strata-airflow-") as home:
        home, files = pathlib.Path(home), {}
        for size in (5, *SIZES):
            (home / str(size)).mkdir()
            project(home / str(size), size)
            files[size] = common.export(arguments.tool, home / str(size))
        for size in SIZES:
            frozen = [once("frozen", files[5], files[size]) for _ in range(PROCESSES)]
            thawed = [once("thawed", files[5], files[size])[2] for _ in range(PROCESSES)]
            assert frozen[0][0] == size, f"{frozen[0][0]} tasks of {size} models"
            compiling, running = (statistics.median(run[n] for run in frozen) for n in (1, 2))
            times = f"{texts(run[2] for run in frozen)} ({texts(thawed)})"
            print(f"{size} tasks: {running:.3f}; {times}; compiling {compiling:.3f}")
            failed |= running > LIMIT
    sys.exit(f"reading costs more than {LIMIT} ms a task" if failed else 0)


if __name__ == "__main__":
    main()
