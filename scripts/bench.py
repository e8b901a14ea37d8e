"""The measuring part of scripts/bench, which sets it up and calls it.

A process begins with the peak memory of the one that started it, so this one stays small: what needs DuckDB runs in
processes of its own.
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SAMPLE = ["project.yml", "profiles.yml", "models", "seeds", "macros", "tests/data"]


def measure(argv, folder, allowed=(0,)):
    """Runs one command: wall seconds, CPU seconds (user and system, children included), peak memory in MB."""
    env = dict(os.environ, DBT_PROFILES_DIR=str(folder), DBT_SEND_ANONYMOUS_USAGE_STATS="false", DO_NOT_TRACK="1", NO_COLOR="1")
    with tempfile.TemporaryFile("w+") as log:
        start = time.perf_counter()
        process = subprocess.Popen(argv, cwd=folder, env=env, stdout=log, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in allowed:
            log.seek(0)
            sys.exit(f"error: {' '.join(map(str, argv))} ended with {process.returncode}:\n{log.read()[-2000:]}")
    kilobytes = used.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    return wall, used.ru_utime + used.ru_stime, kilobytes / 1024


def repeat(runs, argv, folder, clear):
    """The median of each figure over `runs` runs, each after `clear` was removed from the folder."""
    figures = []
    for _ in range(runs):
        for name in clear:
            path = folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        figures.append(measure(argv, folder))
    return [statistics.median(column) for column in zip(*figures)]


def row(what, who, runs, figures):
    wall, cpu, memory = figures
    print(f"| {what} | {who} | {wall:.2f} | {cpu:.2f} | {memory:,.0f} | {runs} |", flush=True)


PACKAGES, MACROS, MACROS_OF_A_FILE = 3, 1000, 10


def write_packages(folder):
    """Installs packages of macros, as from a hub: half of them dispatch, and each calls the one before it."""
    for package in (f"tools_{n}" for n in range(PACKAGES)):
        macros = folder / "dbt_packages" / package / "macros"
        macros.mkdir(parents=True)
        (macros.parent / "dbt_project.yml").write_text(f"name: {package}\nversion: 1.0.0\nconfig-version: 2\n")
        for first in range(0, MACROS, MACROS_OF_A_FILE):
            text = "".join(macro(package, n) for n in range(first, first + MACROS_OF_A_FILE))
            (macros / f"macros_{first}.sql").write_text(text)
    (folder / "packages.yml").write_text("packages: []\n")


def macro(package, n):
    before = f"{{{{ {package}.m_{n - 1}(column) }}}} + 1" if n % MACROS_OF_A_FILE else "{{ column }}"
    body = f"{{%- for i in range(times) -%}}({before}){{{{ ' + ' if not loop.last }}}}{{%- endfor -%}}"
    if n % 2:
        return f"{{% macro m_{n}(column, times=2) %}}{body}{{% endmacro %}}\n\n"
    call = f"{{{{ return(adapter.dispatch('m_{n}', '{package}')(column, times)) }}}}"
    return f"{{% macro m_{n}(column, times=2) %}}{call}{{% endmacro %}}\n\n{{% macro default__m_{n}(column, times) %}}{body}{{% endmacro %}}\n\n"


def bench_parse(a, work):
    for models in a.models:
        folder = work / f"models_{models}"
        subprocess.run([sys.executable, a.generator, folder, "--models", str(models)], check=True, stdout=sys.stderr)
        what = f"parse {models:,} models"
        figures = repeat(a.runs, [a.tool, "parse"], folder, ["target", "logs"])
        if not (folder / "target/manifest.json").is_file():
            sys.exit(f"error: '{a.tool} parse' wrote no target/manifest.json")
        row(what, "Strata", a.runs, figures)
        if a.dbt and (a.full or models == min(a.models)):
            runs = a.runs if models == min(a.models) else 1
            row(what, a.dbt_name, runs, repeat(runs, [a.dbt, "parse", "--no-partial-parse"], folder, ["target", "logs"]))
        write_packages(folder)
        figures = repeat(a.runs, [a.tool, "parse"], folder, ["target", "logs"])
        row(f"{what}, with {PACKAGES} packages of {MACROS:,} macros", "Strata", a.runs, figures)
        shutil.rmtree(folder)


def bench_sample(a, work):
    """The committed sample, copied, so that the caller's own build of it is left alone."""
    def copy(name):
        folder = work / name
        for entry in SAMPLE:
            source, to = Path(a.root, entry), folder / entry
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(source, to) if source.is_dir() else shutil.copy(source, to)
        return folder

    made = ["build", "logs", "sample.duckdb", "sample.duckdb.wal"]
    folder = copy("sample")
    row("build the sample", "Strata, audited", a.runs, repeat(a.runs, [a.tool, "build"], folder, made))
    (work / "bare").mkdir()
    statements = work / "bare" / "statements.json"
    subprocess.run([sys.executable, __file__, "--statements", folder, statements], check=True)
    argv = [sys.executable, __file__, "--bare", statements]
    row("build the sample", f"bare DuckDB {a.duckdb_version}, same statements in order", a.runs, repeat(a.runs, argv, work / "bare", made))
    if a.dbt:
        folder = copy("sample_dbt")
        (folder / "project.yml").rename(folder / "dbt_project.yml")
        row("build the sample", a.dbt_name, a.runs, repeat(a.runs, [a.dbt, "build"], folder, made))


def write_statements(folder, path):
    """What the build that was run in the folder asked of DuckDB: relations in the order they were published, then tests.

    A test finishes before the relation that it guards is published, so results alone are no order to run in.
    """
    import duckdb

    folder = Path(folder)
    manifest = json.loads((folder / "build/manifest.json").read_text())
    results = json.loads((folder / "build/run_results.json").read_text())["results"]
    columns = {}
    with duckdb.connect(str(folder / "sample.duckdb"), read_only=True) as connection:
        rows = connection.execute("select schema_name, table_name, column_name, data_type from duckdb_columns() order by column_index")
        for schema, table, column, kind in rows.fetchall():
            columns.setdefault((schema, table), {})[column] = kind
    out, tests, schemas = [], [], set()
    for result in results:
        node = manifest["nodes"].get(result["unique_id"])
        if node is None:  # an exposure
            continue
        kind, sql = node["resource_type"], result.get("compiled_code") or node.get("compiled_code")
        relation = node.get("relation_name")
        if kind in ("seed", "model") and node["schema"] not in schemas:
            schemas.add(node["schema"])
            out.append(f'create schema if not exists "{node["schema"]}"')
        if kind == "seed":
            csv = str(folder / node["original_file_path"]).replace("'", "''")
            types = json.dumps(columns[node["schema"], node["alias"]]).replace("'", "''").replace('"', "'")
            out.append(f"create table {relation} as select * from read_csv('{csv}', header = true, columns = {types})")
        elif kind == "model" and node["config"]["materialized"] != "ephemeral":
            what = "view" if node["config"]["materialized"] == "view" else "table"
            out.append(f"create {what} {relation} as {sql}")
        elif kind == "test":
            tests.append(f"select count(*), count(*) != 0, count(*) != 0 from ({sql}\n) as failing")
    Path(path).write_text(json.dumps(out + tests))


def run_statements(path):
    import duckdb

    with duckdb.connect("sample.duckdb") as connection:
        for statement in json.loads(Path(path).read_text()):
            connection.execute(statement).fetchall()


def machine():
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        name = names[0] if names else name
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name}, {cores} cores, {memory:.0f} GB memory, {platform.system()} {platform.release().split('-')[0]}"


def output_of(argv, cwd=None):
    try:
        return subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""


def main():
    if sys.argv[1:2] == ["--statements"]:
        return write_statements(*sys.argv[2:])
    if sys.argv[1:2] == ["--bare"]:
        return run_statements(*sys.argv[2:])
    p = argparse.ArgumentParser(prog="scripts/bench")
    p.add_argument("--tool", required=True)
    p.add_argument("--root", required=True)
    p.add_argument("--generator", required=True)
    p.add_argument("--dbt")
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--models", default="1000,5000,10000", type=lambda text: sorted(int(n) for n in text.split(",")))
    p.add_argument("--full", action="store_true")
    p.add_argument("--no-dbt", action="store_true")
    a = p.parse_args()
    a.duckdb_version = importlib.metadata.version("duckdb")
    if a.dbt:
        installed = [line for line in output_of([a.dbt, "--version"]).splitlines() if "installed:" in line]
        a.dbt_name = "dbt " + (installed[0].split()[-1] if installed else "(version unknown)")
    shown = [x for x in sys.argv[1:] if x not in ("--tool", a.tool, "--root", a.root, "--generator", a.generator, "--dbt", a.dbt)]
    version = output_of([a.tool, "--version"]).partition("\n")[0].strip() or "strata"
    commit = output_of(["git", "rev-parse", "--short", "HEAD"], a.root).strip()
    print(f"{machine()}; {datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d}; {version}{f' at {commit}' if commit else ''}, profile dev;")
    print(f"`{' '.join(['./test', 'bench', *shown])}`. Each figure is the median of the runs, from process start to exit, with no earlier state.\n")
    print("| what | who | wall s | CPU s | peak MB | runs |\n|---|---|--:|--:|--:|--:|", flush=True)
    with tempfile.TemporaryDirectory(prefix="strata-bench-") as work:
        work = Path(work).resolve()
        bench_sample(a, work)
        bench_parse(a, work)


if __name__ == "__main__":
    main()
