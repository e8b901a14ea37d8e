"""The measuring part of `scripts/bench --postgres`, which starts a server, sets this up and calls it."""

import argparse
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import SAMPLE, measure, row

ROWS = 1_000_000
TYPES = "id integer, day date, at timestamp, amount float8, name text, flag boolean, campaign text, note text"


def profiles(env, name, schema):
    return (
        f"{name}: {{target: pg, outputs: {{pg: {{type: postgres, host: 127.0.0.1, port: {env['PORT']}, user: {env['USER']}, "
        f"password: {env['PASSWORD']}, dbname: {env['DATABASE']}, schema: {schema}, threads: 4}}}}}}\n"
    )


def alternately(runs, commands):
    """Runs the commands in turn, so that what disturbs the machine disturbs all; the median of each command's figures."""
    figures = {who: [] for who, *_ in commands}
    for _ in range(runs):
        for who, before, argv, folder in commands:
            before()
            figures[who].append(measure(argv, folder))
    return {who: [statistics.median(column) for column in zip(*all)] for who, all in figures.items()}


def show(what, runs, figures):
    for who, of in figures.items():
        row(what, who, runs, of)


def bench_seed(a, env, work, sql):
    folder = work / "seed"
    (folder / "seeds").mkdir(parents=True)
    (folder / "project.yml").write_text("name: seedbench\nprofile: seedbench\n")
    (folder / "profiles.yml").write_text(profiles(env, "seedbench", "bench_seed"))
    rng = random.Random(1)
    with open(folder / "seeds/big.csv", "w") as out:
        out.write("id,day,at,amount,name,flag,campaign,note\n")
        for i in range(ROWS):
            out.write(
                f"{i},2024-{i % 12 + 1:02d}-{i % 28 + 1:02d},2024-01-01 {i % 24:02d}:{i % 60:02d}:00,{i % 10000 / 100},"
                f"user {rng.randrange(5000)},{'true' if i % 2 else 'false'},campaign_{i % 37},some note {i % 100}\n"
            )
    sql("create schema if not exists bench_seed")
    fresh = lambda: sql(f"drop table if exists bench_seed.copied; create table bench_seed.copied ({TYPES})")
    psql = ["psql", "-q", "-X", *env["ARGS"], "-c", "\\copy bench_seed.copied from seeds/big.csv csv header"]
    none = lambda: sql("drop table if exists bench_seed.big")
    commands = [("psql \\copy", fresh, psql, folder), ("Strata", none, [a.tool, "seed", "-q"], folder)]
    show(f"seed of {ROWS:,} rows", a.runs, alternately(a.runs, commands))


def bench_sample(a, env, work, sql):
    folder = work / "sample"
    for name in SAMPLE:
        source, target = a.root / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    (folder / "profiles.yml").write_text(profiles(env, "bitcoin_rewards", "bench_sample"))
    none = lambda: sql("drop schema if exists bench_sample cascade")
    commands = [("Strata, audited", none, [a.tool, "build", "-q"], folder)]
    if a.dbt:
        (folder / "dbt_project.yml").write_text((folder / "project.yml").read_text())
        dbt = [a.dbt, "--no-partial-parse", "build"]
        commands.append(("dbt-postgres", none, dbt, folder))
    show("build the sample on Postgres", a.runs, alternately(a.runs, commands))


def bench_fused(a, env, work, sql):
    folder = work / "fused"
    (folder / "models").mkdir(parents=True)
    (folder / "profiles.yml").write_text(profiles(env, "fused", "bench_fused"))
    (folder / "project.yml").write_text("name: fused\nprofile: fused\n")
    columns = [f"c{i}" for i in range(12)]
    select = ", ".join(f"n % {i + 7} as {c}" for i, c in enumerate(columns))
    (folder / "models/wide.sql").write_text(
        "{{ config(materialized='table') }} select n, " + select + f" from generate_series(1, {ROWS}) n"
    )
    tests = lambda c: f"{{name: {c}, data_tests: [not_null, {{accepted_values: {{arguments: {{values: [{', '.join(map(str, range(20)))}], quote: false}}}}}}]}}"
    (folder / "models/s.yml").write_text(f"models: [{{name: wide, columns: [{', '.join(map(tests, columns))}]}}]\n")
    # A macro of the project's own makes the tests run one by one: the same queries, not fused.
    apart = work / "apart"
    shutil.copytree(folder, apart)
    (apart / "macros").mkdir()
    (apart / "macros/own.sql").write_text("{% macro get_where_subquery(relation) %}{{ return(relation) }}{% endmacro %}\n")
    none = lambda: sql("drop schema if exists bench_fused cascade")
    commands = [
        ("Strata, fused", none, [a.tool, "build", "-q"], folder),
        ("Strata, each test by itself", none, [a.tool, "build", "-q"], apart),
        ("Strata, no tests", none, [a.tool, "run", "-q"], folder),
    ]
    show(f"table of {ROWS:,} rows, 24 row tests", a.runs, alternately(a.runs, commands))


def bench_again(a, env, work, sql):
    """300 models in 15 layers, of each three layers two of views and one of tables, built again and again."""
    folder = work / "again"
    (folder / "models").mkdir(parents=True)
    rng = random.Random(1)
    for layer in range(15):
        kind = "table" if layer % 3 == 2 else "view"
        for i in range(20):
            one, two = (f"{{{{ ref('m{layer - 1:02}_{n:02}') }}}}" for n in sorted(rng.sample(range(20), 2)))
            text = f"select id, amount + 1 as amount from {one} union all select id, amount from {two} where id < 0"
            if layer == 0:
                text = f"select n as id, n * {i} as amount from generate_series(1, 200) n"
            model = f"{{{{ config(materialized='{kind}') }}}}\n{text}\n"
            (folder / f"models/m{layer:02}_{i:02}.sql").write_text(model)
    (folder / "profiles.yml").write_text(profiles(env, "again", "bench_again"))
    for name in ["project.yml", "dbt_project.yml"]:
        (folder / name).write_text("name: again\nprofile: again\n")
    tools = [("Strata", [a.tool, "build", "-q"])] + ([("dbt-postgres", [a.dbt, "run", "-q"])] if a.dbt else [])
    for who, argv in tools:
        figures = [[] for _ in range(5)]
        for _ in range(a.runs):
            sql("drop schema if exists bench_again cascade")
            for build in figures:
                build.append(measure(argv, folder))
        for n, build in enumerate(figures, start=1):
            row(f"200 views and 100 tables, build {n}", who, a.runs, [statistics.median(c) for c in zip(*build)])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tool", required=True)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--dbt")
    parser.add_argument("--runs", type=int, default=5)
    a = parser.parse_args()
    lines = Path(os.environ["STRATA_TEST_PG"]).read_text().splitlines()
    env = {k.removeprefix("STRATA_TEST_PG_"): v for k, v in (line.split("=", 1) for line in lines if "=" in line)}
    env["ARGS"] = ["-h", "127.0.0.1", "-p", env["PORT"], "-U", env["USER"], env["DATABASE"]]
    os.environ["PGPASSWORD"] = env["PASSWORD"]

    def sql(text):
        subprocess.run(["psql", "-q", "-X", "-v", "ON_ERROR_STOP=1", *env["ARGS"], "-c", text], check=True, stdout=sys.stderr, stderr=subprocess.DEVNULL)

    print("| what | who | wall s | CPU s | peak MB | runs |\n|---|---|--:|--:|--:|--:|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for bench in [bench_seed, bench_sample, bench_fused, bench_again]:
            bench(a, env, Path(folder), sql)


main()
