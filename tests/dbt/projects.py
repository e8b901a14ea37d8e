"""Writes projects.json: what dbt makes of small projects with unusual names, packages, overrides and errors.

Usage: python projects.py [output file] [id ...]
Needs dbt-core 1.11.16, dbt-duckdb 1.10.1 and duckdb; uses no network.
"""

import contextlib
import io
import json
import os
import re
import shutil
import sys
import tempfile

import duckdb
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner
from dbt.deprecations import reset_deprecations
from dbt_common.tests import enable_test_caching

enable_test_caching()
HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = "name: p\nversion: '1.0'\nprofile: p\nflags: {send_anonymous_usage_stats: false}\n"
BASE = {
    "dbt_project.yml": PROJECT,
    "profiles.yml": "p:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: lab.duckdb, schema: main, threads: 1}\n",
}
ONE = "select 1 as id\n"
CASES = []


def case(id, name, files, command, before=(), rows=None):
    CASES.append({"id": id, "name": name, "files": {**BASE, **files}, "command": command.split(), "before": [b.split() for b in before], "rows": rows or []})


def package(**files):
    """A project that uses the local package `dep`; keys: path with / as __ and . as ___"""
    out = {"packages.yml": "packages:\n  - local: dep\n", "dep/dbt_project.yml": "name: dep\nversion: '1.0'\n"}
    return out


def dep(files):
    return {**package(), **{"dep/" + k: v for k, v in files.items()}}


def yml(*entries):
    return "models:\n" + "".join(entries)


def tested(name, tests, extra=""):
    return "  - name: %s\n%s    columns:\n      - name: id\n        data_tests: %s\n" % (name, extra, json.dumps(tests))


REL = {"relationships": {"arguments": {"to": "ref('m')", "field": "id"}}}

# --- K2: properties of models that are missing or disabled ---------------------------
for name, files in {
    "a missing model": {"models/p.yml": yml(tested("gone", ["unique", REL]))},
    "a missing model, described and tested as a whole": {"models/p.yml": "models:\n  - name: gone\n    description: d\n    data_tests: [unique: {column_name: id}]\n"},
    "a disabled model": {"models/disa.sql": "{{ config(enabled=false) }}" + ONE, "models/p.yml": yml(tested("disa", ["unique", REL]))},
    "a model disabled in its own entry": {"models/disa.sql": ONE, "models/p.yml": yml(tested("disa", ["unique"], "    config: {enabled: false}\n"))},
    "a model disabled in the project file": {"models/disa.sql": ONE, "models/p.yml": yml(tested("disa", ["unique"])), "dbt_project.yml": PROJECT + "models: {p: {disa: {+enabled: false}}}\n"},
    "relationships to a missing model": {"models/p.yml": yml(tested("m", [{"relationships": {"arguments": {"to": "ref('gone')", "field": "id"}}}]))},
    "relationships to a disabled model": {"models/disa.sql": "{{ config(enabled=false) }}" + ONE, "models/p.yml": yml(tested("m", [{"relationships": {"arguments": {"to": "ref('disa')", "field": "id"}}}]))},
    "a missing seed": {"seeds/p.yml": "seeds:\n  - name: gone\n    columns: [{name: id, data_tests: [unique]}]\n"},
    "a missing snapshot": {"snapshots/p.yml": "snapshots:\n  - name: gone\n    columns: [{name: id, data_tests: [unique]}]\n"},
    "a disabled source": {"models/p.yml": "sources:\n  - name: s\n    config: {enabled: false}\n    tables:\n      - name: t\n        columns: [{name: id, data_tests: [unique]}]\n"},
    "a disabled source table": {"models/p.yml": "sources:\n  - name: s\n    tables:\n      - name: t\n        config: {enabled: false}\n        columns: [{name: id, data_tests: [unique]}]\n      - name: u\n        columns: [{name: id, data_tests: [unique]}]\n"},
    "a singular test of a disabled model": {"models/disa.sql": "{{ config(enabled=false) }}" + ONE, "tests/t.sql": "select * from {{ ref('disa') }}\n"},
    "a singular test of a missing model": {"tests/t.sql": "select * from {{ ref('gone') }}\n"},
    "a unit test of a disabled model": {"models/disa.sql": "{{ config(enabled=false) }}" + ONE, "models/p.yml": "unit_tests:\n  - {name: u, model: disa, given: [], expect: {rows: [{id: 1}]}}\n"},
    "an exposure of a disabled model": {"models/disa.sql": "{{ config(enabled=false) }}" + ONE, "models/p.yml": "exposures:\n  - {name: e, type: dashboard, owner: {name: o}, depends_on: [ref('disa')]}\n"},
    "a disabled test": {"models/p.yml": yml(tested("m", [{"unique": {"config": {"enabled": False}}}]))},
    "a model below a disabled model": {"models/disa.sql": "{{ config(enabled=false) }}" + ONE, "models/b.sql": "select * from {{ ref('disa') }}\n"},
    "a macro that is missing": {"macros/p.yml": "macros:\n  - name: gone\n    description: d\n"},
    "a missing version": {"models/m_v1.sql": ONE, "models/p.yml": "models:\n  - name: v\n    columns: [{name: id, data_tests: [unique]}]\n    versions: [{v: 1}, {v: 2, defined_in: m_v1}]\n"},
}.items():
    case("K2", name, {"models/m.sql": ONE, **files}, "parse")
    case("K2", name + ", build", {"models/m.sql": ONE, **files}, "build")

# --- K19: properties of another package --------------------------------------------------
PM = {"models/pm.sql": ONE}
DESC = "models:\n  - name: %s\n    description: %s\n    columns: [{name: id, description: %s, data_tests: [not_null]}]\n"
for name, files in {
    "root describes the package's model": {**dep(PM), "models/p.yml": DESC % ("pm", "root", "root")},
    "package describes the root's model": {**dep({"models/p.yml": DESC % ("m", "dep", "dep")}), "models/m.sql": ONE},
    "both describe the package's model": {**dep({**PM, "models/p.yml": DESC % ("pm", "dep", "dep")}), "models/p.yml": DESC % ("pm", "root", "root")},
    "both describe the root's model": {**dep({"models/p.yml": DESC % ("m", "dep", "dep")}), "models/m.sql": ONE, "models/p.yml": DESC % ("m", "root", "root")},
    "both have the model, root describes": {**dep({"models/pm.sql": "{{ config(schema='d') }}" + ONE}), "models/pm.sql": ONE, "models/p.yml": DESC % ("pm", "root", "root")},
    "both have the model, package describes": {**dep({"models/pm.sql": "{{ config(schema='d') }}" + ONE, "models/p.yml": DESC % ("pm", "dep", "dep")}), "models/pm.sql": ONE},
    "both have the model and describe it": {**dep({"models/pm.sql": "{{ config(schema='d') }}" + ONE, "models/p.yml": DESC % ("pm", "dep", "dep")}), "models/pm.sql": ONE, "models/p.yml": DESC % ("pm", "root", "root")},
    "root configures the package's model in YAML": {**dep(PM), "models/p.yml": "models:\n  - name: pm\n    config: {materialized: table, tags: [root], alias: pa}\n"},
    "root describes the package's seed": {**dep({"seeds/ps.csv": "id\n1\n"}), "seeds/p.yml": (DESC % ("ps", "root", "root")).replace("models:", "seeds:")},
    "root describes the package's snapshot": {**dep({"snapshots/psn.sql": "{% snapshot psn %}{{ config(unique_key='id', strategy='check', check_cols='all') }}select 1 as id{% endsnapshot %}\n"}), "snapshots/p.yml": (DESC % ("psn", "root", "root")).replace("models:", "snapshots:")},
    "root describes the package's macro": {**dep({"macros/pmac.sql": "{% macro pmac() %}1{% endmacro %}\n"}), "macros/p.yml": "macros:\n  - name: pmac\n    description: root\n"},
    "root describes the package's singular test": {**dep({"tests/pt.sql": "select 1 where false\n"}), "tests/p.yml": "data_tests:\n  - name: pt\n    description: root\n"},
    "root tests the package's model with the package's test": {**dep({**PM, "tests/generic/pt.sql": "{% test pt(model, column_name) %}select 1 where false{% endtest %}\n"}), "models/p.yml": yml(tested("pm", ["dep.pt", "not_null"]))},
    "package tests the root's model with the package's test": {**dep({"tests/generic/pt.sql": "{% test pt(model, column_name) %}select 1 where false{% endtest %}\n", "models/p.yml": yml(tested("m", ["pt", "dep.pt"]))}), "models/m.sql": ONE},
    "root has versions of the package's model": {**dep(PM), "models/p.yml": "models:\n  - name: pm\n    versions: [{v: 1, defined_in: pm}]\n"},
    "root has a unit test of the package's model": {**dep(PM), "models/p.yml": "unit_tests:\n  - {name: u, model: pm, given: [], expect: {rows: [{id: 1}]}}\n"},
    "root and package describe one source": {**dep({"models/p.yml": "sources:\n  - name: s\n    schema: d\n    tables: [{name: t}]\n", "models/dm.sql": "select * from {{ source('s', 't') }}\n"}), "models/p.yml": "sources:\n  - name: s\n    schema: r\n    tables: [{name: t}]\n", "models/rm.sql": "select * from {{ source('s', 't') }}\n"},
    "root describes the package's disabled model": {**dep({"models/pm.sql": "{{ config(enabled=false) }}" + ONE}), "models/p.yml": DESC % ("pm", "root", "root")},
    "root's contract for the package's model": {**dep(PM), "models/p.yml": "models:\n  - name: pm\n    config: {contract: {enforced: true}}\n    columns: [{name: id, data_type: integer}]\n"},
}.items():
    case("K19", name, files, "parse", ["deps"])
    case("K19", name + ", ls", files, "ls --output json --output-keys unique_id", ["deps"])

# --- D06: materializations of packages -----------------------------------------------------
RAISE = "{%% materialization %s %%}{{ exceptions.raise_compiler_error('%s used') }}{%% endmaterialization %%}\n"
MADE = {
    "models/v.sql": "{{ config(materialized='view') }}" + ONE, "models/t.sql": "{{ config(materialized='table') }}" + ONE, "models/i.sql": "{{ config(materialized='incremental') }}" + ONE, "seeds/s.csv": "id\n1\n",
    "snapshots/sn.sql": "{% snapshot sn %}{{ config(unique_key='id', strategy='check', check_cols='all') }}select 1 as id{% endsnapshot %}\n", "models/p.yml": yml(tested("v", ["not_null"])),
    "models/e.sql": "{{ config(materialized='external', location='e.csv') }}" + ONE,
}
for heads in ("view, default", "view, adapter='duckdb'", "table, default", "table, adapter='duckdb'", "incremental, default", "incremental, adapter='duckdb'", "seed, default", "seed, adapter='duckdb'", "snapshot, default", "snapshot, adapter='duckdb'", "test, default", "test, adapter='duckdb'", "unit, default", "external, adapter='duckdb'", "view, adapter='postgres'"):
    case("D06", "package: " + heads, {**MADE, **dep({"macros/x.sql": RAISE % (heads, "package")})}, "build", ["deps"])
    case("D06", "root: " + heads, {**MADE, "macros/x.sql": RAISE % (heads, "root")}, "build")
    case("D06", "package: " + heads + ", flag false", {**MADE, **dep({"macros/x.sql": RAISE % (heads, "package")}), "dbt_project.yml": PROJECT.replace("stats: false", "stats: false, require_explicit_package_overrides_for_builtin_materializations: false")}, "build", ["deps"])
case("D06", "package and root: view, default", {**MADE, **dep({"macros/x.sql": RAISE % ("view, default", "package")}), "macros/x.sql": RAISE % ("view, default", "root")}, "build", ["deps"])
case("D06", "package view, root calls it", {**MADE, **dep({"macros/x.sql": RAISE % ("view, default", "package")}), "macros/x.sql": "{% materialization view, default %}{{ return(dep.materialization_view_default()) }}{% endmaterialization %}\n"}, "build", ["deps"])
case("D06", "package: view, default, for a model of the package", {**dep({"macros/x.sql": RAISE % ("view, default", "package"), "models/pv.sql": ONE})}, "build", ["deps"])
case("D06", "package: a new one", {"models/n.sql": "{{ config(materialized='newone') }}" + ONE, **dep({"macros/x.sql": RAISE % ("newone, default", "package")})}, "build", ["deps"])
case("D06", "package and root: a new one", {"models/n.sql": "{{ config(materialized='newone') }}" + ONE, **dep({"macros/x.sql": RAISE % ("newone, adapter='duckdb'", "package")}), "macros/x.sql": RAISE % ("newone, default", "root")}, "build", ["deps"])
case("D06", "nobody has it", {"models/n.sql": "{{ config(materialized='newone') }}" + ONE}, "build")
case("D06", "nobody has it, parse", {"models/n.sql": "{{ config(materialized='newone') }}" + ONE}, "parse")

# --- D12: one name ------------------------------------------------------------------------------
UNIQ = PROJECT.replace("stats: false", "stats: false, require_unique_project_resource_names: true")
SNAP = "{%% snapshot %s %%}{{ config(unique_key='id', strategy='check', check_cols='all', schema='%s') }}select 3 as id{%% endsnapshot %%}\n"
for name, files in {
    "model and seed, other schema": {"models/same.sql": "{{ config(schema='x') }}select 1 as id\n", "seeds/same.csv": "id\n2\n", "models/r.sql": "select * from {{ ref('same') }}\n"},
    "model and seed, other alias": {"models/same.sql": "{{ config(alias='x') }}select 1 as id\n", "seeds/same.csv": "id\n2\n", "models/r.sql": "select * from {{ ref('same') }}\n"},
    "model and seed, one relation": {"models/same.sql": "select 1 as id\n", "seeds/same.csv": "id\n2\n"},
    "model and snapshot": {"models/same.sql": "select 1 as id\n", "snapshots/same.sql": SNAP % ("same", "x"), "models/r.sql": "select * from {{ ref('same') }}\n"},
    "model, seed and snapshot": {"models/same.sql": "select 1 as id\n", "snapshots/same.sql": SNAP % ("same", "x"), "seeds/same.csv": "id\n2\n", "seeds/p.yml": "seeds:\n  - {name: same, config: {schema: y}}\n", "models/r.sql": "select * from {{ ref('same') }}\n"},
    "seed and snapshot": {"snapshots/same.sql": SNAP % ("same", "x"), "seeds/same.csv": "id\n2\n", "models/r.sql": "select * from {{ ref('same') }}\n"},
    "model and seed, the seed disabled": {"models/same.sql": "select 1 as id\n", "seeds/same.csv": "id\n2\n", "seeds/p.yml": "seeds:\n  - {name: same, config: {enabled: false}}\n", "models/r.sql": "select * from {{ ref('same') }}\n"},
    "two models in folders": {"models/a/same.sql": ONE, "models/b/same.sql": "{{ config(schema='x') }}" + ONE},
    "two models in folders, one disabled": {"models/a/same.sql": ONE, "models/b/same.sql": "{{ config(enabled=false) }}" + ONE},
    "two models in folders, both disabled": {"models/a/same.sql": "{{ config(enabled=false) }}" + ONE, "models/b/same.sql": "{{ config(enabled=false) }}" + ONE},
    "two models of one relation": {"models/a.sql": "{{ config(alias='z') }}" + ONE, "models/b.sql": "{{ config(alias='z') }}" + ONE},
    "two models of one relation but for case": {"models/a.sql": "{{ config(alias='z') }}" + ONE, "models/b.sql": "{{ config(alias='Z') }}" + ONE},
    "two models of one relation, one ephemeral": {"models/a.sql": "{{ config(alias='z', materialized='ephemeral') }}" + ONE, "models/b.sql": "{{ config(alias='z') }}" + ONE},
    "two models of one alias in two schemas": {"models/a.sql": "{{ config(alias='z') }}" + ONE, "models/b.sql": "{{ config(alias='z', schema='x') }}" + ONE},
    "names that differ in case": {"models/a.sql": ONE, "models/A.sql": ONE},
    "two unit tests of two models": {"models/a.sql": ONE, "models/b.sql": ONE, "models/p.yml": "unit_tests:\n  - {name: same, model: a, given: [], expect: {rows: [{id: 1}]}}\n  - {name: same, model: b, given: [], expect: {rows: [{id: 1}]}}\n"},
    "two unit tests of one model": {"models/a.sql": ONE, "models/p.yml": "unit_tests:\n  - {name: same, model: a, given: [], expect: {rows: [{id: 1}]}}\n  - {name: same, model: a, given: [], expect: {rows: [{id: 1}]}}\n"},
    "singular test and model": {"models/same.sql": ONE, "tests/same.sql": "select 1 where false\n"},
    "two singular tests in folders": {"tests/a/same.sql": "select 1 where false\n", "tests/b/same.sql": "select 1 where false\n"},
    "singular and generic test": {"models/m.sql": ONE, "models/p.yml": yml(tested("m", [{"unique": {"name": "same"}}])), "tests/same.sql": "select 1 where false\n"},
    "two generic tests of one name, two models": {"models/m.sql": ONE, "models/n.sql": ONE, "models/p.yml": yml(tested("m", [{"unique": {"name": "same"}}]), tested("n", [{"unique": {"name": "same"}}]))},
    "two generic tests of one name, one model": {"models/m.sql": ONE, "models/p.yml": yml(tested("m", [{"unique": {"name": "same"}}, {"not_null": {"name": "same"}}]))},
    "analysis and model": {"models/same.sql": ONE, "analyses/same.sql": ONE},
    "exposure and model": {"models/same.sql": ONE, "models/p.yml": "exposures:\n  - {name: same, type: dashboard, owner: {name: o}}\n"},
    "two exposures": {"models/p.yml": "exposures:\n  - {name: same, type: dashboard, owner: {name: o}}\n  - {name: same, type: notebook, owner: {name: o}}\n"},
    "two groups": {"models/p.yml": "groups:\n  - {name: same, owner: {name: o}}\n  - {name: same, owner: {name: q}}\n"},
    "source and model": {"models/same.sql": ONE, "models/p.yml": "sources:\n  - {name: main, tables: [{name: same}]}\n"},
    "two source tables of one relation": {"models/p.yml": "sources:\n  - {name: main, tables: [{name: a, identifier: z}, {name: b, identifier: z}]}\n"},
    "macro twice in one file": {"macros/a.sql": "{% macro same() %}1{% endmacro %}{% macro same() %}2{% endmacro %}\n"},
    "macro twice in two files": {"macros/a.sql": "{% macro same() %}1{% endmacro %}\n", "macros/b.sql": "{% macro same() %}2{% endmacro %}\n"},
    "macro and generic test": {"macros/a.sql": "{% macro test_same(model) %}1{% endmacro %}\n", "tests/generic/b.sql": "{% test same(model) %}2{% endtest %}\n"},
    "doc twice": {"models/a.md": "{% docs same %}1{% enddocs %}{% docs same %}2{% enddocs %}\n"},
    "model in root and package": {"models/same.sql": ONE, "models/r.sql": "select * from {{ ref('same') }} union all select * from {{ ref('dep', 'same') }} union all select * from {{ ref('p', 'same') }}\n", **dep({"models/same.sql": "{{ config(schema='d') }}select 2 as id\n", "models/q.sql": "select * from {{ ref('same') }}\n"})},
    "model in root and package, one relation": {"models/same.sql": ONE, **dep({"models/same.sql": "select 2 as id\n"})},
    "model in two packages": {"models/r.sql": "select * from {{ ref('same') }}\n", **dep({"models/same.sql": ONE}), "packages.yml": "packages:\n  - local: dep\n  - local: dep2\n", "dep2/dbt_project.yml": "name: dep2\nversion: '1.0'\n", "dep2/models/same.sql": "{{ config(schema='d2') }}" + ONE},
    "package of the root's name": {**dep({}), "dep/dbt_project.yml": "name: p\nversion: '1.0'\n"},
    "two packages of one name": {**dep({}), "packages.yml": "packages:\n  - local: dep\n  - local: dep2\n", "dep2/dbt_project.yml": "name: dep\nversion: '1.0'\n"},
    "versioned and unversioned": {"models/same.sql": ONE, "models/same_v1.sql": ONE, "models/p.yml": "models:\n  - name: same\n    versions: [{v: 1}]\n"},
    "version 1 and a model of its relation": {"models/same_v1.sql": ONE, "models/x.sql": "{{ config(alias='same_v1') }}" + ONE, "models/p.yml": "models:\n  - name: same\n    versions: [{v: 1}]\n"},
    "stored test and model": {"models/m.sql": ONE, "models/x.sql": "{{ config(schema='dbt_test__audit', alias='unique_m_id') }}" + ONE, "models/p.yml": yml(tested("m", [{"unique": {"config": {"store_failures": True}}}]))},
    "two stored tests of one alias": {"models/m.sql": ONE, "models/p.yml": yml(tested("m", [{"unique": {"config": {"store_failures": True, "alias": "z"}}}, {"not_null": {"config": {"store_failures": True, "alias": "z"}}}]))},
    "two tests of one alias, not stored": {"models/m.sql": ONE, "models/p.yml": yml(tested("m", [{"unique": {"config": {"alias": "z"}}}, {"not_null": {"config": {"alias": "z"}}}]))},
}.items():
    pre = ["deps"] if "packages.yml" in files else []
    case("D12", name, files, "parse", pre)
    if name in ("model and seed, other schema", "model, seed and snapshot", "two unit tests of two models", "two models in folders", "model in root and package", "analysis and model", "model and snapshot"):
        case("D12", name + ", flag true", {**files, "dbt_project.yml": UNIQ}, "parse", pre)
        case("D12", name + ", build", files, "build", pre, ["select id from main.r order by 1"] if "models/r.sql" in files else None)

for name, files in {"a package of the root's name": {**dep({}), "dep/dbt_project.yml": "name: p\nversion: '1.0'\n"}, "two packages of one name": {**dep({}), "packages.yml": "packages:\n  - local: dep\n  - local: dep2\n", "dep2/dbt_project.yml": "name: dep\nversion: '1.0'\n"}}.items():
    case("D12", name + ", deps", files, "deps")

# --- D13: overrides of a package's sources ---------------------------------------------------------
SRC = {
    "models/s.yml": "sources:\n  - name: s\n    description: dep\n    schema: invalid\n    loaded_at_field: ts\n    freshness: {warn_after: {count: 1, period: day}}\n    tables:\n      - name: t\n        description: dep t\n        columns: [{name: id, description: dep id, data_tests: [not_null]}]\n      - name: u\n        identifier: uu\n",
    "models/pm.sql": "select * from {{ source('s', 't') }}\n", "models/pu.sql": "select * from {{ source('s', 'u') }}\n",
}
OVER = "sources:\n  - name: s\n    overrides: dep\n"
for name, text in {
    "schema": OVER + "    schema: right\n", "schema and tables": OVER + "    schema: right\n    tables: [{name: t}]\n", "identifier of a table": OVER + "    tables: [{name: t, identifier: tt}]\n",
    "description": OVER + "    description: root\n    tables: [{name: t, description: root t}]\n", "columns": OVER + "    tables:\n      - name: t\n        columns: [{name: id, description: root id, data_tests: [unique]}, {name: x}]\n",
    "tests of a table": OVER + "    tables:\n      - name: t\n        data_tests: [not_null: {column_name: x}]\n", "empty tests": OVER + "    tables:\n      - name: t\n        columns: [{name: id, data_tests: []}]\n",
    "enabled false": OVER + "    config: {enabled: false}\n", "enabled false of a table": OVER + "    tables: [{name: u, config: {enabled: false}}]\n", "freshness null": OVER + "    freshness: null\n", "freshness": OVER + "    freshness: {error_after: {count: 9, period: hour}}\n", "loaded_at_field": OVER + "    loaded_at_field: x\n",
    "database": OVER + "    database: other\n", "quoting": OVER + "    quoting: {identifier: false}\n", "tags and meta": OVER + "    tags: [a]\n    meta: {b: 1}\n", "a table that the package lacks": OVER + "    schema: right\n    tables: [{name: new}]\n", "a source that the package lacks": OVER.replace("name: s", "name: zz") + "    schema: right\n    tables: [{name: t}]\n",
    "a package that is not there": OVER.replace("dep", "gone") + "    schema: right\n", "twice": OVER + "    schema: right\n" + "  - name: s\n    overrides: dep\n    schema: wrong\n", "nothing": OVER, "and a source of that name": OVER + "    schema: right\n  - name: s\n    schema: own\n    tables: [{name: t}]\n",
}.items():
    case("D13", name, {**dep(SRC), "models/o.yml": text}, "parse", ["deps"])
case("D13", "the package overrides itself", dep({**SRC, "models/o.yml": OVER + "    schema: right\n"}), "parse", ["deps"])
case("D13", "the package overrides the root", {**dep({"models/o.yml": OVER.replace("dep", "p") + "    schema: right\n"}), "models/s.yml": SRC["models/s.yml"]}, "parse", ["deps"])
case("D13", "schema, build", {**dep(SRC), "models/o.yml": OVER + "    schema: main\n", "seeds/t.csv": "id\n1\n", "seeds/uu.csv": "id\n1\n"}, "build", ["deps", "seed"])

# --- D14: quoted columns in tests ---------------------------------------------------------------------
COL = "    columns: [{name: Id%s, data_tests: [not_null, unique, {accepted_values: {arguments: {values: [1]}}}]}]\n"
for name, files in {
    "column quote": {"models/p.yml": "models:\n  - name: m\n" + COL % ", quote: true"}, "column quote false": {"models/p.yml": "models:\n  - name: m\n    quote_columns: true\n" + COL % ", quote: false"}, "model quote_columns": {"models/p.yml": "models:\n  - name: m\n    quote_columns: true\n" + COL % ""},
    "model config quote_columns": {"models/p.yml": "models:\n  - name: m\n    config: {quote_columns: true}\n" + COL % ""}, "project quote_columns": {"models/p.yml": "models:\n  - name: m\n" + COL % "", "dbt_project.yml": PROJECT + "models: {p: {+quote_columns: true}}\n"}, "in-file quote_columns": {"models/p.yml": "models:\n  - name: m\n" + COL % "", "models/m.sql": "{{ config(quote_columns=true) }}select 1 as \"Id\"\n"},
    "project quoting column": {"models/p.yml": "models:\n  - name: m\n" + COL % "", "dbt_project.yml": PROJECT + "quoting: {column: true}\n"}, "seed quote_columns": {"seeds/m2.csv": "Id\n1\n", "seeds/p.yml": "seeds:\n  - name: m2\n    quote_columns: true\n" + COL % ""}, "seed config quote_columns": {"seeds/m2.csv": "Id\n1\n", "seeds/p.yml": "seeds:\n  - name: m2\n    config: {quote_columns: true}\n" + COL % ""},
    "source quoting column": {"models/p.yml": "sources:\n  - name: s\n    quoting: {column: true}\n    tables:\n      - name: t\n    " + (COL % "").replace("\n    ", "\n        ")}, "source table quoting column": {"models/p.yml": "sources:\n  - name: s\n    tables:\n      - name: t\n        quoting: {column: true}\n    " + COL % ""}, "source table quoting column false": {"models/p.yml": "sources:\n  - name: s\n    quoting: {column: true}\n    tables:\n      - name: t\n        quoting: {column: false}\n    " + COL % ""},
    "source column quote": {"models/p.yml": "sources:\n  - name: s\n    tables:\n      - name: t\n    " + COL % ", quote: true"}, "source column quote false": {"models/p.yml": "sources:\n  - name: s\n    quoting: {column: true}\n    tables:\n      - name: t\n    " + COL % ", quote: false"}, "snapshot quote_columns": {"snapshots/p.yml": "snapshots:\n  - name: sn\n    relation: ref('m')\n    quote_columns: true\n    config: {unique_key: id, strategy: check, check_cols: all}\n" + COL % ""},
    "name with a blank": {"models/p.yml": "models:\n  - name: m\n    columns: [{name: 'a b', quote: true, data_tests: [not_null]}]\n"}, "name with quotes": {"models/p.yml": "models:\n  - name: m\n    columns: [{name: '\"Id\"', data_tests: [not_null]}]\n"},
}.items():
    case("D14", name, {"models/m.sql": "select 1 as \"Id\", 2 as \"a b\"\n", **files}, "compile")

# --- D15: version: ---------------------------------------------------------------------------------------
for name, versions, latest in [
    ("numbers and a text", "1 2 3 test", "2"), ("numbers", "1 2 3", "2"), ("numbers, no latest", "1 2 10 9", None), ("texts of numbers", "'1' '2' '10' '9'", None), ("texts of numbers, latest 9", "'1' '2' '10' '9'", "'9'"), ("texts", "a b c", "b"), ("texts, no latest", "a b c", None), ("dates", "2024-01 2024-02 2024-03", "2024-02"), ("decimals", "1.0 1.5 1.10 2.0", "1.5"), ("numbers and numbers as texts", "1 '2' 3", "'2'"), ("a text and numbers, latest the text", "1 2 test", "test"),
]:
    values = versions.split()
    files = {"models/none.sql": ONE}
    entry = "models:\n  - name: m\n" + ("    latest_version: %s\n" % latest if latest else "") + "    versions: [" + ", ".join("{v: %s}" % v for v in values) + "]\n"
    for v in values:
        shown = v.strip("'")
        files["models/m_v%s.sql" % ("1.1" if v == "1.10" else shown)] = ONE
    files["models/p.yml"] = entry
    for which in ("latest", "old", "prerelease", "none"):
        case("D15", name + ", " + which, files, "ls --output json --output-keys unique_id -s version:" + which)

# --- D16: strategies of snapshots -----------------------------------------------------------------------------
STRAT = "{% macro snapshot_custom_strategy(node, snapshotted_rel, current_rel, model_config, target_exists) %}{{ log('own strategy of ' ~ 'WHO', info=true) }}{{ return(snapshot_check_strategy(node, snapshotted_rel, current_rel, model_config, target_exists)) }}{% endmacro %}\n"
for name in ("p.custom", "custom", "dep.custom", "gone", "p.gone", "gone.custom", "dbt.check", "check", "p.check", "dbt.timestamp"):
    sn = "{%% snapshot sn %%}{{ config(unique_key='id', strategy='%s', check_cols='all', updated_at='ts') }}select 1 as id, timestamp '2024-01-01' as ts{%% endsnapshot %%}\n" % name
    case("D16", name, {"snapshots/sn.sql": sn, "macros/s.sql": STRAT.replace("WHO", "root"), **dep({"macros/s.sql": STRAT.replace("WHO", "dep")})}, "snapshot", ["deps"], ["select count(*) from main.sn"])
    case("D16", name + ", the package has no such macro", {"snapshots/sn.sql": sn, "macros/s.sql": STRAT.replace("WHO", "root")}, "snapshot", [], ["select count(*) from main.sn"])
case("D16", "custom, only the package has it", {"snapshots/sn.sql": "{% snapshot sn %}{{ config(unique_key='id', strategy='custom', check_cols='all') }}select 1 as id{% endsnapshot %}\n", **dep({"macros/s.sql": STRAT.replace("WHO", "dep")})}, "snapshot", ["deps"])

# --- D18: entries without a name -----------------------------------------------------------------------------------
for file in ("tests/schema.yml", "models/schema.yml", "macros/schema.yml", "seeds/schema.yml"):
    for key, entry in [("data_tests", "not_null: {where: x}"), ("tests", "not_null: {where: x}"), ("models", "description: d"), ("macros", "description: d"), ("seeds", "description: d"), ("sources", "description: d"), ("exposures", "label: d"), ("groups", "owner: {name: o}"), ("unit_tests", "model: m"), ("snapshots", "description: d"), ("analyses", "description: d")]:
        case("D18", "%s in %s" % (key, file), {"models/m.sql": ONE, file: "%s:\n  - %s\n" % (key, entry)}, "parse")
case("D18", "data_tests in tests/schema.yml, build", {"models/m.sql": ONE, "tests/schema.yml": "data_tests:\n  - not_null: {where: x}\n"}, "build")

# --- D19: commands without a usable profile ---------------------------------------------------------------------------
SUB = dep(PM)
for name, files in {
    "no profiles.yml": {"profiles.yml": None}, "env_var that is not set": {"profiles.yml": BASE["profiles.yml"].replace("schema: main", "schema: \"{{ env_var('NOT_SET_Q') }}\"")}, "env_var that is not set, target": {"profiles.yml": BASE["profiles.yml"].replace("target: dev", "target: \"{{ env_var('NOT_SET_Q') }}\"")},
    "no such profile": {"profiles.yml": "q: {}\n"}, "empty profiles.yml": {"profiles.yml": ""}, "wrong YAML": {"profiles.yml": "p: [\n"}, "no such target": {"profiles.yml": BASE["profiles.yml"].replace("target: dev", "target: gone")}, "unknown adapter": {"profiles.yml": BASE["profiles.yml"].replace("duckdb", "nosuch")}, "no profile key": {"dbt_project.yml": PROJECT.replace("profile: p\n", "")},
}.items():
    for command in ("deps", "clean", "parse", "debug", "ls", "run-operation x"):
        case("D19", name + ", " + command.split()[0], {**SUB, **files}, command, ["deps"] if command not in ("deps", "debug", "clean") and False else ())

# --- D22: errors in generate_*_name ----------------------------------------------------------------------------------------
for macro in ("schema", "alias", "database"):
    for name, body in {
        "a var that is not set": "{% do var('somevar') %}main", "an env_var that is not set": "{% do env_var('NOT_SET_Q') %}main", "a raised error": "{{ exceptions.raise_compiler_error('no') }}", "a raised error if execute": "{% if execute %}{{ exceptions.raise_compiler_error('no') }}{% endif %}main",
        "a missing macro": "{{ gone() }}", "an undefined name": "{{ gone }}main", "an attribute of an undefined name": "{{ gone.x }}main", "division by zero": "{{ 1/0 }}", "text and number": "{{ 'a' + 1 }}", "a number": "7", "nothing": "", "none": "{{ return(none) }}", "a list": "{{ return(['a']) }}", "a query": "{% set r = run_query('select 1') %}{{ r.columns[0].values()[0] }}",
        "ref": "{{ ref('m') }}", "this": "{{ this }}", "blanks": "  main  ", "a warning": "{% do exceptions.warn('careful') %}main",
    }.items():
        args = "custom_schema_name, node" if macro == "schema" else "custom_alias_name=none, node=none" if macro == "alias" else "custom_database_name=none, node=none"
        text = body.replace("main", "lab" if macro == "database" else "main")
        case("D22", "%s: %s" % (macro, name), {"models/m.sql": ONE, "macros/x.sql": "{%% macro generate_%s_name(%s) %%}%s{%% endmacro %%}\n" % (macro, args, text)}, "parse")
    case("D22", macro + ": without parameters", {"models/m.sql": ONE, "macros/x.sql": "{%% macro generate_%s_name() %%}main{%% endmacro %%}\n" % macro}, "parse")
    case("D22", macro + ": in a package", {"models/m.sql": ONE, **dep({**PM, "macros/x.sql": "{%% macro generate_%s_name(a=none, node=none) %%}zz{%% endmacro %%}\n" % macro})}, "parse", ["deps"])
case("D22", "schema: a var that is not set, build", {"models/m.sql": ONE, "macros/x.sql": "{% macro generate_schema_name(custom_schema_name, node) %}{% do var('somevar') %}main{% endmacro %}\n"}, "build")
case("D22", "schema: by the node", {"models/m.sql": ONE, "models/a/n.sql": "{{ config(schema='z', tags=['t']) }}" + ONE, "seeds/s.csv": "id\n1\n", "tests/t.sql": "select 1 where false\n", "snapshots/sn.sql": SNAP % ("sn", "z"), "macros/x.sql": "{% macro generate_schema_name(custom_schema_name, node) %}{{ node.resource_type }}_{{ node.name }}_{{ node.fqn | join('-') }}_{{ custom_schema_name }}_{{ node.config.materialized }}_{{ node.config.tags | join }}_{{ node.original_file_path }}_{{ node.package_name }}{% endmacro %}\n"}, "parse")

# --- reserved suffixes ---------------------------------------------------------------------------------------------------------
for name in ("stg_hr__candidate", "x__rejected", "x__dbt_tmp", "x__dbt_backup", "__dbt__cte__x", "x__new", "x__old", "__x", "x__", "candidate", "x__candidate__candidate"):
    for kind in ("view", "table", "incremental"):
        case("suffix", "%s as %s" % (name, kind), {"models/%s.sql" % name: "{{ config(materialized='%s', unique_key='id') }}" % kind + ONE, "models/p.yml": yml(tested(name, ["unique"]))}, "build", ["build"])
for name, files in {
    "x and x__candidate": {"models/x.sql": "{{ config(materialized='table') }}" + ONE, "models/x__candidate.sql": "{{ config(materialized='table') }}select * from {{ ref('x') }}\n"}, "x and x__rejected": {"models/x.sql": "{{ config(materialized='table') }}" + ONE, "models/x__rejected.sql": "{{ config(materialized='table') }}select * from {{ ref('x') }}\n"},
    "x and x__dbt_tmp": {"models/x.sql": "{{ config(materialized='table') }}" + ONE, "models/x__dbt_tmp.sql": "{{ config(materialized='table') }}select * from {{ ref('x') }}\n"}, "seed": {"seeds/x__candidate.csv": "id\n1\n"}, "snapshot": {"snapshots/x__candidate.sql": SNAP % ("x__candidate", "z")}, "alias": {"models/x.sql": "{{ config(alias='y__candidate') }}" + ONE}, "source": {"models/x.sql": "select * from {{ source('main', 'y__candidate') }}\n", "seeds/y__candidate.csv": "id\n1\n", "models/p.yml": "sources:\n  - {name: main, tables: [{name: y__candidate}]}\n"},
    "ephemeral": {"models/x__candidate.sql": "{{ config(materialized='ephemeral') }}" + ONE, "models/y.sql": "select * from {{ ref('x__candidate') }}\n"}, "schema": {"models/x.sql": "{{ config(schema='a__candidate') }}" + ONE},
}.items():
    case("suffix", name, files, "build", ["seed", "build"])

ABOUT = """\
One case a line of "cases". In a fresh folder with the files, the commands of "before" ran, then "command" (all in that folder, with --profiles-dir .). "exit": 0, 1 or 2. "facts": "error": dbt's error; "warnings" and "messages": its events of level warn (and those that log() made);
"nodes": unique_id -> what manifest.json has of it (if dbt wrote one): "parents", "description", "relation", "alias", "schema", "database", "enabled", "columns" (descriptions), "path", "sql" (compiled) ...; empty values are left out. "disabled": unique_ids. "results": [unique_id, status, message] in the order of run_results.json.
"listed": of ls. "rows": what the queries gave afterwards. "packages": what is in dbt_packages. A file null: not there."""


def clean(text, folder):
    for place in (os.path.realpath(folder), folder):
        text = text.replace(place + "/", "").replace(place, ".")
    text = re.sub(r"FilePath\(searched_path='(.*?)', relative_path='(.*?)', modification_time=[0-9.]+, project_root='.*?'\)", r"\1/\2", text)
    text = re.sub(r"/[^\s'\"]*/site-packages/", "", text)
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    return re.sub(r"(/[^\s'\"/]+)+/\.dbt", "~/.dbt", text)


def fact(node):
    config = node.get("config") or {}
    out = {
        "parents": node.get("depends_on", {}).get("nodes"), "description": node.get("description"), "relation": node.get("relation_name"), "alias": node.get("alias"), "schema": node.get("schema"), "database": node.get("database"), "identifier": node.get("identifier"),
        "columns": {k: v.get("description") for k, v in (node.get("columns") or {}).items()}, "path": node.get("original_file_path"), "attached": node.get("attached_node"), "version": node.get("version"), "latest": node.get("latest_version"), "column": node.get("column_name"),
        "materialized": config.get("materialized") if config.get("materialized") not in ("view", "test", "seed", "snapshot") else None, "tags": config.get("tags"), "meta": config.get("meta"), "contract": (config.get("contract") or {}).get("enforced"), "freshness": {k: v for k, v in (node.get("freshness") or {}).items() if v and v != {"count": None, "period": None}},
        "loaded_at_field": node.get("loaded_at_field"), "patch": node.get("patch_path"),
        "kwargs": (node.get("test_metadata") or {}).get("kwargs"), "sql": (node.get("compiled_code") or "").strip(),
    }
    return {k: v for k, v in out.items() if v not in (None, "", [], {}, False)}


def dbt(folder, command):
    back, warnings, messages = os.getcwd(), [], []

    def seen(event):
        if event.info.level == "warn" and event.info.name != "DeprecationsSummary":
            text = re.sub(r"\[WARNING\](\[\w+\])?: (Deprecated functionality)?", "", clean(event.info.msg, folder))
            warnings.append(event.info.name + ": " + " ".join(text.split())[:300])
        if event.info.name in ("JinjaLogInfo",):
            messages.append(event.info.msg)

    os.chdir(folder)
    reset_deprecations()
    try:
        extra = [] if command[0] in ("deps", "clean", "debug") else ["--no-partial-parse"]
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            result = dbtRunner(callbacks=[seen]).invoke(command + extra + ["--profiles-dir", ".", "--log-level", "info", "--log-level-file", "none"])
    finally:
        os.chdir(back)
        if DuckDBConnectionManager._ENV is not None:  # it would outlive the folder
            DuckDBConnectionManager._ENV.close()
            DuckDBConnectionManager.close_all_connections()
    return result, warnings, messages


def main():
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "configs.json")
    only = sys.argv[2:]
    top = tempfile.mkdtemp()
    folder = os.path.join(top, "w")
    with open(out, "w", encoding="utf-8") as file:
        file.write('{"about": %s,\n"dbt": "1.11.16",\n"cases": [' % json.dumps(ABOUT))
        first = True
        for i, c in enumerate(CASES):
            if only and c["id"] not in only:
                continue
            shutil.rmtree(folder, ignore_errors=True)
            for path, text in c["files"].items():
                if text is None:
                    continue
                path = os.path.join(folder, path)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "w", encoding="utf-8") as f:
                    f.write(text)
            for command in c["before"]:
                dbt(folder, command)
            for left in ("manifest.json", "run_results.json"):
                with contextlib.suppress(FileNotFoundError):
                    os.remove(os.path.join(folder, "target", left))
            result, warnings, messages = dbt(folder, c["command"])
            facts = {}
            if result.exception:
                facts["error"] = clean(str(result.exception), folder).strip()[:600]
            if warnings:
                facts["warnings"] = sorted(set(warnings))
            if messages:
                facts["messages"] = messages
            path = os.path.join(folder, "target", "manifest.json")
            if os.path.exists(path):
                with open(path, encoding="utf-8") as f:
                    manifest = json.load(f)
                nodes = {}
                for kind in "nodes sources exposures unit_tests groups".split():
                    for key, node in manifest[kind].items():
                        nodes[key] = fact(node)
                for key, node in manifest["macros"].items():
                    if node["package_name"] in ("p", "dep") and node["description"]:
                        nodes[key] = fact(node)
                facts["nodes"] = nodes
                if manifest["disabled"]:
                    facts["disabled"] = sorted(manifest["disabled"])
            path = os.path.join(folder, "target", "run_results.json")
            if os.path.exists(path):
                with open(path, encoding="utf-8") as f:
                    facts["results"] = [[r["unique_id"], r["status"], clean(r["message"] or "", folder)[:300] or None] for r in json.load(f)["results"]]
            if c["command"][0] == "ls" and result.success:
                facts["listed"] = sorted(json.loads(x)["unique_id"] if x.startswith("{") else x for x in result.result or [])
            if c["command"][0] in ("deps", "clean"):
                place = os.path.join(folder, "dbt_packages")
                facts["packages"] = sorted(os.listdir(place)) if os.path.isdir(place) else []
            if c["rows"] and os.path.exists(os.path.join(folder, "lab.duckdb")):
                facts["rows"] = {}
                with duckdb.connect(os.path.join(folder, "lab.duckdb")) as db:
                    db.execute("set python_enable_replacements = false")
                    for query in c["rows"]:
                        try:
                            facts["rows"][query] = [list(r) for r in db.execute(query).fetchall()]
                        except duckdb.Error as error:
                            facts["rows"][query] = "error: " + str(error).splitlines()[0]
            row = {"id": c["id"], "name": c["name"], "files": c["files"], "before": c["before"], "command": c["command"], "exit": 0 if result.success else 2 if result.exception else 1, "facts": facts}
            if not c["before"]:
                del row["before"]
            file.write((",\n" if not first else "\n") + json.dumps(row, default=str))
            first = False
            file.flush()
            if i % 20 == 0:
                print(i, len(CASES), c["id"], c["name"], file=sys.stderr, flush=True)
        file.write("\n]}\n")
    shutil.rmtree(top)


if __name__ == "__main__":
    main()
