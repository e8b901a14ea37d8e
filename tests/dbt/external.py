"""Writes external.json: what dbt-duckdb makes of models that are files, and of sources that are.

Usage: python external.py [output file]
Needs dbt-core 1.11.16 and dbt-duckdb 1.10.1; uses no network.
Each row is a model. All are built twice by one command each; kept are its status, the files below its
folder, the columns and rows of the view, and the rows of the file as `read` reads them.
"""

import contextlib
import io
import json
import os
import shutil
import sys
import tempfile

import duckdb
from dbt.cli.main import dbtRunner

HERE = os.path.dirname(os.path.abspath(__file__))
PROFILES = "p:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: shop.duckdb, external_root: root}\n"
PROJECT = "name: p\nversion: '1.0'\nprofile: p\nflags: {send_anonymous_usage_stats: false}\n"
ROWS = "select range::int as id, 'x' || range as name, date '2024-01-31' as day, 1.5::decimal(9,2) as price from range(3)"
NONE = ROWS + " where range > 7"

# name: (config, query, what reads the file)
MODELS = {
    "usual": ("", ROWS, "root/usual.parquet"),
    "csv_format": ("format='csv'", ROWS, "root/csv_format.csv"),
    "json_format": ("format='json'", ROWS, "root/json_format.json"),
    "by_extension": ("location='o/by_extension.csv'", ROWS, "o/by_extension.csv"),
    "by_extension_json": ("location='o/by_extension_json.json'", ROWS, "o/by_extension_json.json"),
    "upper": ("location='o/upper.CSV'", ROWS, "read_csv('o/upper.CSV')"),
    "delimited": ("location='o/delimited.csv', delimiter='|'", ROWS, "o/delimited.csv"),
    "delimiter_alone": ("location='o/delimiter_alone', delimiter=';'", "select 1 as id, 'a' as n", "read_csv('o/delimiter_alone')"),
    "no_extension": ("location='o/no_extension'", ROWS, "read_parquet('o/no_extension')"),
    "format_wins": ("location='o/format_wins.csv', format='parquet'", ROWS, "read_parquet('o/format_wins.csv')"),
    "bad_format": ("format='xml'", ROWS, ""),
    "options": ("location='o/options.csv', options={'quote': '#', 'delimiter': ';', 'null': 'NIL'}, csv_read_options={'quote': '#', 'nullstr': 'NIL'}", "select 1 as id, 'a;b' as n union all select 2, null", "read_csv('o/options.csv', quote='#', nullstr='NIL')"),
    "no_header": ("location='o/no_header.csv', options={'header': 0}, csv_read_options={'header': false}", "select 1 as id, 'a' as n", "read_csv('o/no_header.csv', header=false)"),
    "zstd": ("options={'compression': 'zstd', 'row_group_size': 5000}", ROWS, "root/zstd.parquet"),
    "codec": ("options={'codec': 'gzip'}", ROWS, "root/codec.parquet"),
    "gz": ("location='o/gz.csv.gz', format='csv'", ROWS, "o/gz.csv.gz"),
    "parted": ("options={'partition_by': 'id'}", ROWS, "read_parquet('root/parted/*/*.parquet')"),
    "parted_twice": ("location='o/parted_twice', options={'partition_by': 'id, name'}", ROWS, "read_parquet('o/parted_twice/*/*/*.parquet')"),
    "parted_csv": ("location='o/parted_csv', format='csv', options={'partition_by': 'id'}", ROWS, "read_csv('o/parted_csv/*/*.csv')"),
    "adding": ("location='o/adding', options={'partition_by': 'id', 'overwrite_or_ignore': true}", ROWS, "read_parquet('o/adding/*/*.parquet')"),
    "threads": ("location='o/threads', options={'per_thread_output': true, 'overwrite_or_ignore': true}", ROWS, "read_parquet('o/threads/*.parquet')"),
    "none_parquet": ("", NONE, "root/none_parquet.parquet"),
    "none_csv": ("format='csv'", NONE, "root/none_csv.csv"),
    "none_json": ("format='json'", NONE, "root/none_json.json"),
    "aliased": ("alias='other_name', format='csv'", ROWS, "root/other_name.csv"),
    "templated": ("location=\"o/{{ this.name }}_{{ var('v', 'w') }}.csv\"", ROWS, ""),
    "read_options": ("parquet_read_options={'union_by_name': true, 'file_row_number': true}", "select 1 as id", "root/read_options.parquet"),
    "reader": ("format='csv'", "select count(*) as n from {{ ref('usual') }} join {{ ref('csv_format') }} using (id)", "root/reader.csv"),
    "with_contract": ("contract={'enforced': true}", "select 1::int as id", "root/with_contract.parquet"),
    "hooked": ("pre_hook='create table if not exists hooked_table (a int)', post_hook='insert into hooked_table values (1)'", "select 1 as id", "root/hooked.parquet"),
}

SOURCES = """\
models: [{name: with_contract, columns: [{name: id, data_type: integer}]}]
sources:
  - name: raw
    config: {external_location: 'd/{schema}_{name}.csv'}
    tables: [{name: t}, {name: u, identifier: V, meta: {external_location: 'd/{identifier}.csv'}}]
  - name: of_meta
    meta: {external_location: "d/{name}.csv"}
    tables:
      - {name: V}
      - {name: call, meta: {external_location: "read_csv('d/{other}.csv', header={yes})", other: V, 'yes': true}}
      - {name: old, meta: {external_location: 'd/%(name)s%(ext)s', formatter: oldstyle, ext: .csv}}
      - {name: tpl, config: {external_location: '$folder/${name}.csv', formatter: template, folder: d}}
      - {name: quoted, meta: {external_location: "'d/V.csv'"}}
      - {name: db, meta: {external_location: "d/{database}_{schema}.csv"}}
"""
DATA = {"raw_t": 1, "V": 2, "old": 3, "tpl": 4, "shop_of_meta": 5}
for source, table in [("raw", "t"), ("raw", "u"), ("of_meta", "V"), ("of_meta", "call"), ("of_meta", "old"), ("of_meta", "tpl"), ("of_meta", "quoted"), ("of_meta", "db")]:
    MODELS[f"source_{source}_{table}"] = ("format='csv'", "select * from {{ source('%s', '%s') }}" % (source, table), "")


def files_of():
    files = {"dbt_project.yml": PROJECT, "profiles.yml": PROFILES, "models/s.yml": SOURCES}
    for name, (config, query, _) in MODELS.items():
        config = f"materialized='external', {config}" if config else "materialized='external'"
        files[f"models/{name}.sql"] = "{{ config(" + config + ") }}\n" + query + "\n"
    files.update({f"d/{name}.csv": f"id\n{n}\n" for name, n in DATA.items()})
    return files


def rows(connection, sql):
    try:
        found = connection.execute(sql)
    except duckdb.Error as e:
        return "error"
    columns = [[c[0], str(c[1])] for c in found.description]
    return {"columns": columns, "rows": sorted(str([str(v) for v in row]) for row in found.fetchall())}


def main():
    folder = tempfile.mkdtemp()
    for path, text in files_of().items():
        path = os.path.join(folder, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
    os.makedirs(os.path.join(folder, "root"))
    os.makedirs(os.path.join(folder, "o"))
    os.chdir(folder)
    statuses = []
    for _ in range(2):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            dbtRunner().invoke(["run", "--project-dir", folder, "--profiles-dir", folder])
        if not os.path.exists("target/run_results.json"):
            sys.exit(out.getvalue())
        with open("target/run_results.json") as file:
            results = json.load(file)["results"]
        statuses.append({r["unique_id"].split(".")[-1]: r["status"] for r in results})
    connection = duckdb.connect("shop.duckdb")
    made = {}
    for name, (config, query, read) in MODELS.items():
        relation = "other_name" if name == "aliased" else name
        made[name] = {
            "status": [s.get(name) for s in statuses],
            "view": rows(connection, f'select * from "{relation}"'),
            "read": read,
            "file": rows(connection, f"select * from {read if '(' in read else repr(read)}") if read else None,
        }
    connection.close()
    shutil.rmtree(folder)
    target = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "external.json")
    with open(target, "w") as file:
        json.dump({"files": files_of(), "models": made}, file, indent=1, sort_keys=True)
        file.write("\n")


main()
