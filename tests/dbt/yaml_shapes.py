"""Writes yaml.json: what dbt makes of right and wrong shapes in the YAML files of a project.

Usage: python yaml_shapes.py [output file] [part of the name of the cases]
Needs dbt-core 1.11.16, dbt-duckdb 1.10.1 and dbt-postgres 1.10.2; uses no network and no database.
"""

import contextlib
import glob
import io
import json
import os
import re
import shutil
import sys
import tempfile

from dbt.cli.main import dbtRunner
from dbt.deprecations import reset_deprecations
from dbt_common.tests import enable_test_caching

enable_test_caching()
HERE = os.path.dirname(os.path.abspath(__file__))

PROJECT = "name: p\nversion: '1.0'\nprofile: p\nflags: {send_anonymous_usage_stats: false}\n"
BASE = {
    "dbt_project.yml": PROJECT,
    "profiles.yml": "p:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: main.duckdb, schema: dev}\n",
    "models/m.sql": "select 1 as id, 'a' as name\n",
    "models/m2.sql": "select 1 as id, 'a' as name\n",
    "seeds/s.csv": "id,name\n1,a\n",
    "snapshots/sn.sql": "{% snapshot sn %}{{ config(unique_key='id', strategy='check', check_cols='all') }}select 1 as id{% endsnapshot %}\n",
    "macros/mac.sql": "{% macro mac(a) %}1{% endmacro %}\n",
    "tests/t.sql": "select 1 as id where false\n",
    "tests/generic/g.sql": "{% test g(model, column_name, x=none) %}select 1 as id where false{% endtest %}\n",
    # one plain thing of each kind; what a case makes is compared with these
    "models/base.yml": """\
models:
  - name: m2
    columns:
      - name: id
        data_tests: [unique]
sources:
  - name: bsrc
    tables:
      - name: bt
exposures:
  - {name: bex, type: dashboard, owner: {name: o}}
groups:
  - {name: bg, owner: {name: o}}
unit_tests:
  - name: but
    model: m2
    given: []
    expect: {rows: [{id: 1}]}
""",
}
SEMANTIC = {
    "models/sem.yml": """\
models:
  - name: spine
    time_spine: {standard_granularity_column: dd}
    columns:
      - {name: dd, granularity: day}
semantic_models:
  - name: bsem
    model: ref('m2')
    defaults: {agg_time_dimension: ts}
    entities:
      - {name: ident, type: primary, expr: id}
    dimensions:
      - {name: ts, type: time, type_params: {time_granularity: day}}
    measures:
      - {name: bsum, agg: sum, expr: id}
metrics:
  - {name: bmet, label: B, type: simple, type_params: {measure: bsum}}
saved_queries:
  - {name: bsq, query_params: {metrics: [bmet]}}
""",
    "models/spine.sql": "select date '2024-01-01' as dd\n",
}
# a model that shows the value of the var x
SHOW = {
    "models/v.sql": (
        "{% set x = var('x', 'unset') %}\n"
        "{{ config(meta={'text': x | string, 'kind': 'null' if x is none else 'bool' if x is boolean else 'int' if x is integer\n"
        "  else 'float' if x is float else 'text' if x is string else 'mapping' if x is mapping else 'list' if x is sequence else 'other'}) }}\n"
        "select 1 as id\n"
    )
}
TARGET = {
    "models/v.sql": (
        "{{ config(meta={'target': target.name, 'type': target.type, 'schema': target.schema | string, 'threads': target.threads | string, 'database': target.database | string,\n"
        "  'path': target.path | string, 'host': target.host | string, 'port': target.port | string, 'user': target.user | string}) }}\n"
        "select 1 as id\n"
    )
}

SUB = {"sub/dbt_project.yml": "name: sub\nversion: '1.0'\n", "sub/models/subm.sql": "select 1 as id\n"}
VERSIONS = {"models/m_v1.sql": "select 1 as id\n", "models/m_v2.sql": "select 2 as id\n", "models/m.sql": None}
SETS = {"semantic": SEMANTIC, "show": SHOW, "target": TARGET, "sub": SUB, "versions": VERSIONS}
CASES = []


def case(file, text, other=None, name=None, command=None):
    """`other` is a set or a mapping from path to text."""
    which = next((k for k, v in SETS.items() if v is other), None)
    CASES.append({"name": name or file, "file": file, "text": text, "with": which, "other": other or {}, "command": command or ["parse"]})


SHAPES = ["{{ x }}", "[a]", "7", "true", "", "abc"]
MAPPINGS = "docs meta config columns data_tests tests constraints versions time_spine freshness grants persist_docs contract column_types quoting owner expect given overrides vars tables models rows arguments type_params defaults flags dispatch packages selectors definition settings".split()
MORE = ("description", "name", "alias", "schema", "deprecation_date", "v", "latest_version", "label", "identifier", "begin", "threads", "entry")


def shapes(name, file, template, other=None, command=None, some=None):
    last = name.split(" ")[-1].lstrip("+")
    if not some:
        some = ["7"] if last == "own_key" else SHAPES + ["{a: 1}"] if last in MAPPINGS else SHAPES + ["1.5", "2024-01-01"] if last in MORE else SHAPES
    for shape in some:
        text = template.replace("@", shape) if shape else re.sub(r" +\n", "\n", template.replace("@", ""))
        case(file, text, other, name, command)
        CASES[-1]["shape"] = True


P = "models/p.yml"

# --- models -----------------------------------------------------------------
for key in ("description latest_version deprecation_date access group docs meta tags config columns data_tests tests constraints versions "
            "time_spine freshness data_type quote_columns primary_key own_key").split():
    shapes("model " + key, P, "models:\n  - name: m\n    %s: @\n" % key)
shapes("model name", P, "models:\n  - name: @\n    description: d\n")
shapes("models", P, "models: @\n")
shapes("models entry", P, "models:\n  - @\n")
for key, inner in [("docs", "show"), ("docs", "node_color"), ("meta", "k"), ("time_spine", "standard_granularity_column"), ("time_spine", "custom_granularities"),
                   ("freshness", "build_after"), ("contract", "enforced")]:
    place = "    config: {contract: {enforced: @}}\n" if key == "contract" else "    %s: {%s: @}\n" % (key, inner)
    shapes("model %s.%s" % (key, inner), P, "models:\n  - name: m\n" + place)

KEYS = ("materialized schema alias database tags meta enabled grants persist_docs contract pre_hook post_hook unique_key column_types docs group access "
        "full_refresh on_schema_change incremental_strategy on_configuration_change quoting packages sql_header event_time lookback begin batch_size "
        "concurrent_batches indexes freshness own_key").split()
for key in KEYS:
    shapes("model config " + key, P, "models:\n  - name: m\n    config:\n      %s: @\n" % key)
SAMPLE = {
    "materialized": "table", "schema": "z", "alias": "z", "database": "other", "tags": ["z"], "meta": {"z": 1}, "enabled": True, "grants": {"select": ["z"]},
    "persist_docs": {"relation": True}, "contract": {"enforced": False}, "pre_hook": "select 1", "post_hook": "select 1", "unique_key": "id",
    "column_types": {"id": "integer"}, "docs": {"show": False}, "group": "bg", "access": "public", "full_refresh": True, "on_schema_change": "fail",
    "incremental_strategy": "append", "quoting": {"identifier": False}, "own_key": 1, "sql_header": "select 1", "event_time": "ts",
}
for key, sample in SAMPLE.items():
    js = json.dumps(sample)
    low = PROJECT + "models:\n  p:\n    +%s: %s\n" % (key, js)
    name = "null " + key
    case(P, "models:\n  - name: m\n    config:\n      %s: null\n" % key, {"dbt_project.yml": low}, name + ", YAML over project")
    case("models/m.sql", "{{ config(%s=none) }}select 1 as id\n" % key, {}, name + ", in file")
    case("models/m.sql", "{{ config(%s=none) }}select 1 as id\n" % key, {"dbt_project.yml": low}, name + ", in file over project")
    case("models/m.sql", "{{ config(%s=none) }}select 1 as id\n" % key, {P: "models:\n  - name: m\n    config:\n      %s: %s\n" % (key, js)}, name + ", in file over YAML")
    for plus in ("+", ""):
        case("dbt_project.yml", PROJECT + "models:\n  p:\n    %s%s: null\n" % (plus, key), {}, name + ", project %s" % (plus or "without plus"))
        case("dbt_project.yml", low + "    m:\n      %s%s: null\n" % (plus, key), {}, name + ", project %s over project" % (plus or "without plus"))
    case("dbt_project.yml", PROJECT + "models:\n  p:\n    %s: %s\n" % (key, js), {}, name + ", project value without plus")
    shapes("project model +" + key, "dbt_project.yml", PROJECT + "models:\n  p:\n    +%s: @\n" % key)
    for value in ("7", "[]"):
        case("models/m.sql", "{{ config(%s=%s) }}select 1 as id\n" % (key, value), {}, "model in file " + key)

# --- columns and constraints ---------------------------------------------------
for key in "description data_type quote tags meta config constraints data_tests tests granularity docs dimension own_key".split():
    shapes("column " + key, P, "models:\n  - name: m\n    columns:\n      - name: id\n        %s: @\n" % key)
shapes("column name", P, "models:\n  - name: m\n    columns:\n      - name: @\n        data_tests: [not_null]\n")
shapes("column entry", P, "models:\n  - name: m\n    columns:\n      - @\n")
for key in ("tags", "meta"):
    shapes("column config " + key, P, "models:\n  - name: m\n    columns:\n      - name: id\n        config:\n          %s: @\n" % key)
for key in "type name expression warn_unenforced warn_unsupported columns to to_columns own_key".split():
    rest = "" if key == "type" else "type: check, "
    shapes("model constraint " + key, P, "models:\n  - name: m\n    constraints:\n      - {%s%s: @}\n" % (rest, key))
shapes("column constraint entry", P, "models:\n  - name: m\n    columns:\n      - name: id\n        constraints:\n          - @\n")

# --- versions --------------------------------------------------------------------
V2 = VERSIONS
for key in "v defined_in description deprecation_date access config columns data_tests tests docs meta constraints latest_version own_key".split():
    body = "      - v: @\n" if key == "v" else "      - v: 1\n        %s: @\n" % key
    shapes("version " + key, P, "models:\n  - name: m\n    description: all\n    versions:\n" + body, V2)
case(P, "models:\n  - name: m\n    data_tests: [g: {column_name: id}]\n    columns:\n      - {name: id, data_tests: [unique]}\n    versions:\n      - {v: 1, tests: null}\n      - {v: 2, data_tests: null}\n", V2, "version tests null")
case(P, "models:\n  - name: m\n    data_tests: [g: {column_name: id}]\n    versions:\n      - {v: 1, tests: []}\n      - {v: 2, data_tests: []}\n", V2, "version tests empty")
case(P, "models:\n  - name: m\n    description: all\n    columns: [{name: id, description: d}, {name: x}]\n    versions:\n      - {v: 1, columns: null}\n      - {v: 2, columns: []}\n", V2, "version columns null and empty")
case(P, "models:\n  - name: m\n    columns: [{name: id}, {name: x}]\n    versions:\n      - {v: 1, columns: [{include: all, exclude: [x]}]}\n      - {v: 2, columns: [{include: [id]}, {name: z}]}\n", V2, "version columns include")
for text in ("{include: x}", "{include: all, exclude: x}", "{include: '*', exclude: [id]}", "{include: [id], exclude: [id]}", "{exclude: [id]}", "{include: all}, {include: all}", "{include: 1}", "{include: }"):
    case(P, "models:\n  - name: m\n    columns: [{name: id}, {name: x}]\n    versions:\n      - {v: 1, columns: [%s]}\n" % text, V2, "version columns include")
for text in ("1", "'1'", "1.0", "1.5", "01", "0x1", "a", "true", "2024-01-01", "1_0", "-1", "'1 '"):
    other = {"models/m.sql": None}
    shown = {"1.0": "1.0", "01": "1", "0x1": "1", "true": "True", "1_0": "10"}.get(text, text.strip("'"))
    other["models/m_v%s.sql" % shown] = "select 1 as id\n"
    case(P, "models:\n  - name: m\n    versions: [{v: %s}]\n" % text, other, "version value")
    case(P, "models:\n  - name: m\n    latest_version: %s\n    versions: [{v: %s}]\n" % (text, text), other, "latest_version value")
case(P, "models:\n  - name: m\n    latest_version: 3\n    versions: [{v: 1}, {v: 2}]\n", V2, "latest_version that is none")
case(P, "models:\n  - name: m\n    latest_version: '1'\n    versions: [{v: 1}, {v: 2}]\n", V2, "latest_version as text")
case(P, "models:\n  - name: m\n    versions: [{v: 1}, {v: 1}]\n", V2, "version twice")
case(P, "models:\n  - name: m\n    versions: [{v: 1}, {v: '1'}]\n", V2, "version twice, number and text")
case(P, "models:\n  - name: m\n    versions: [{v: 10}, {v: 9}]\n", {"models/m_v10.sql": "select 1 as id\n", "models/m_v9.sql": "select 1 as id\n", "models/m.sql": None}, "latest of 9 and 10")
case(P, "models:\n  - name: m\n    versions: [{v: '10'}, {v: '9'}]\n", {"models/m_v10.sql": "select 1 as id\n", "models/m_v9.sql": "select 1 as id\n", "models/m.sql": None}, "latest of '9' and '10'")
case(P, "models:\n  - name: m\n    versions: [{v: a}, {v: 9}]\n", {"models/m_va.sql": "select 1 as id\n", "models/m_v9.sql": "select 1 as id\n", "models/m.sql": None}, "latest of a and 9")

# --- sources -----------------------------------------------------------------------
for key in ("description database schema loader loaded_at_field loaded_at_query meta tags config freshness quoting overrides tables source_meta unrendered_database own_key").split():
    body = "    tables: @\n" if key == "tables" else "    %s: @\n    tables: [{name: t}]\n" % key
    shapes("source " + key, P, "sources:\n  - name: src\n" + body)
shapes("source name", P, "sources:\n  - name: @\n    tables: [{name: t}]\n")
shapes("source entry", P, "sources:\n  - @\n")
for key in "description identifier loaded_at_field loaded_at_query meta tags config freshness quoting external columns data_tests tests own_key".split():
    shapes("source table " + key, P, "sources:\n  - name: src\n    tables:\n      - name: t\n        %s: @\n" % key)
shapes("source table name", P, "sources:\n  - name: src\n    tables:\n      - name: @\n")
shapes("source table entry", P, "sources:\n  - name: src\n    tables:\n      - @\n")
for key in "warn_after error_after filter own_key".split():
    shapes("freshness " + key, P, "sources:\n  - name: src\n    loaded_at_field: ts\n    freshness: {%s: @}\n    tables: [{name: t}]\n" % key)
for key in "count period own_key".split():
    rest = {"count": "period: day", "period": "count: 1", "own_key": "count: 1, period: day"}[key]
    shapes("freshness warn_after " + key, P, "sources:\n  - name: src\n    loaded_at_field: ts\n    freshness: {warn_after: {%s, %s: @}}\n    tables: [{name: t}]\n" % (rest, key))
for key in "database schema identifier column".split():
    shapes("source quoting " + key, P, "sources:\n  - name: src\n    quoting: {%s: @}\n    tables: [{name: t}]\n" % key)
for key in "enabled meta tags event_time freshness loaded_at_field loaded_at_query own_key".split():
    shapes("source config " + key, P, "sources:\n  - name: src\n    config:\n      %s: @\n    tables: [{name: t}]\n" % key)
    shapes("source table config " + key, P, "sources:\n  - name: src\n    tables:\n      - name: t\n        config:\n          %s: @\n" % key, some=["{{ x }}", "", "7", "[a]"])
case(P, "sources:\n  - name: src\n    freshness: {warn_after: {count: 1, period: day}}\n    loaded_at_field: ts\n    tables:\n      - {name: t, freshness: null}\n      - {name: u, config: {freshness: null}}\n      - {name: v, freshness: {}}\n      - {name: w, freshness: {warn_after: null}}\n", name="source freshness null")
case(P, "sources:\n  - name: src\n    loaded_at_field: ts\n    tables:\n      - {name: t, loaded_at_field: null}\n      - {name: u, loaded_at_query: select 1}\n", name="source loaded_at_field null")
case(P, "sources:\n  - name: src\n    schema:\n    database:\n    tables: [{name: t, identifier: }]\n", name="source schema null")
case(P, "sources:\n  - name: src\n    schema: null\n    tables: [{name: t}]\n", name="source schema null")
case(P, "sources:\n  - name: src\n    tables: [{name: t}, {name: t}]\n", name="source table twice")
case(P, "sources:\n  - name: src\n    tables: [{name: t}]\n  - name: src\n    tables: [{name: u}]\n", name="source in two pieces")
case(P, "sources:\n  - name: src\n", name="source without tables")

# --- seeds, snapshots, macros, analyses, singular tests ------------------------------
for key in "description config columns data_tests meta tags docs group access quote_columns own_key".split():
    shapes("seed " + key, "seeds/p.yml", "seeds:\n  - name: s\n    %s: @\n" % key)
shapes("seed name", "seeds/p.yml", "seeds:\n  - name: @\n")
for key in "column_types delimiter quote_columns enabled schema alias tags meta persist_docs grants full_refresh materialized own_key".split():
    shapes("seed config " + key, "seeds/p.yml", "seeds:\n  - name: s\n    config:\n      %s: @\n" % key)
shapes("seed column_types value", "seeds/p.yml", "seeds:\n  - name: s\n    config:\n      column_types: {id: @}\n")
case("seeds/p.yml", "seeds:\n  - name: s\n    config:\n      column_types: {id: \"{{ 'big' ~ 'int' }}\", description: \"{{ 'varchar' }}\"}\n", name="seed column_types with Jinja")
case("seeds/p.yml", "seeds:\n  - name: s\n    config:\n      column_types: {1: bigint, yes: text, null: text}\n", name="seed column_types with other keys")
for key in "relation description config columns data_tests meta own_key".split():
    shapes("snapshot " + key, "snapshots/p.yml", "snapshots:\n  - name: sy\n    %s%s: @\n    config: {unique_key: id, strategy: check, check_cols: all}\n" % ("" if key == "relation" else "relation: ref('m')\n    ", key) if key != "config" else "snapshots:\n  - name: sy\n    relation: ref('m')\n    config: @\n")
shapes("snapshot name", "snapshots/p.yml", "snapshots:\n  - name: @\n    relation: ref('m')\n    config: {unique_key: id, strategy: check, check_cols: all}\n")
for key in "unique_key strategy check_cols updated_at target_schema target_database schema alias database hard_deletes invalidate_hard_deletes dbt_valid_to_current snapshot_meta_column_names enabled own_key".split():
    rest = {"unique_key": "id", "strategy": "check", "check_cols": "all"}
    rest.pop(key, None)
    shapes("snapshot config " + key, "snapshots/p.yml", "snapshots:\n  - name: sy\n    relation: ref('m')\n    config: {%s, %s: @}\n" % (", ".join("%s: %s" % x for x in rest.items()), key))
for text in ("ref('m')", "\"ref('m')\"", "\"{{ ref('m') }}\"", "m", "source('bsrc', 'bt')", "\"source('bsrc', 'bt')\"", "ref(m)", "\"ref('gone')\"", "\"ref('m', v=1)\"", "select 1"):
    case("snapshots/p.yml", "snapshots:\n  - name: sy\n    relation: %s\n    config: {unique_key: id, strategy: check, check_cols: all}\n" % text, name="snapshot relation value")
for key in "description docs arguments meta config own_key".split():
    shapes("macro " + key, "macros/p.yml", "macros:\n  - name: mac\n    %s: @\n" % key)
shapes("macro name", "macros/p.yml", "macros:\n  - name: @\n")
for key in "name type description".split():
    shapes("macro argument " + key, "macros/p.yml", "macros:\n  - name: mac\n    arguments:\n      - {%s%s: @}\n" % ("" if key == "name" else "name: a, ", key))
for key in "description config meta own_key".split():
    shapes("analysis " + key, "analyses/p.yml", "analyses:\n  - name: an\n    %s: @\n" % key, {"analyses/an.sql": "select 1\n"})
    shapes("singular test " + key, "tests/p.yml", "data_tests:\n  - name: t\n    %s: @\n" % key)
shapes("singular test name", "tests/p.yml", "data_tests:\n  - name: @\n    description: d\n")
case("tests/p.yml", "data_tests:\n  - not_null: {where: x}\n", name="data_tests entry without name")
case("tests/p.yml", "data_tests:\n  - description: d\n", name="data_tests entry without name")
case("tests/p.yml", "data_tests:\n  - name: gone\n    description: d\n", name="data_tests entry of a missing test")
case("tests/p.yml", "tests:\n  - name: t\n    description: d\n", name="tests at the top")
case("models/p.yml", "tests:\n  - dbt_utils.expression_is_true: {expression: a}\n", name="tests at the top")
case("models/p.yml", "data_tests:\n  - dbt_utils.expression_is_true: {expression: a}\n", name="data_tests at the top")
case("models/p.yml", "tests: 7\n", name="tests at the top")
case("models/p.yml", "data_tests: 7\n", name="data_tests at the top")
case("models/p.yml", "tests:\n", name="tests at the top")

# --- exposures, groups, unit tests ----------------------------------------------------
EX = {"name": "name: ex", "type": "type: dashboard", "owner": "owner: {name: o}"}
for key in "name type owner label description url maturity depends_on tags meta config own_key".split():
    rest = [v for k, v in EX.items() if k != key]
    shapes("exposure " + key, P, "exposures:\n  - {%s: @, %s}\n" % (key, ", ".join(rest)))
for key in "name email own_key".split():
    shapes("exposure owner " + key, P, "exposures:\n  - {name: ex, type: dashboard, owner: {%s: @}}\n" % key)
for key in "enabled tags meta own_key".split():
    shapes("exposure config " + key, P, "exposures:\n  - {name: ex, type: dashboard, owner: {name: o}, config: {%s: @}}\n" % key)
shapes("exposure depends_on entry", P, "exposures:\n  - name: ex\n    type: dashboard\n    owner: {name: o}\n    depends_on:\n      - @\n")
for text in ("ref('m')", "source('bsrc', 'bt')", "\"{{ ref('m') }}\"", "ref('gone')", "metric('gone')", "m", "this", "ref('m') or 1"):
    case(P, "exposures:\n  - name: ex\n    type: dashboard\n    owner: {name: o}\n    depends_on:\n      - %s\n" % text, name="exposure depends_on value")
for text in ("x y", "x-y", "9x", "x.y", "é", "X", "_"):
    case(P, "exposures:\n  - {name: %s, type: dashboard, owner: {name: o}}\n" % text, name="exposure name value")
    case(P, "groups:\n  - {name: %s, owner: {name: o}}\n" % text, name="group name value")
    case(P, "sources:\n  - name: %s\n    tables: [{name: t}]\n" % text, name="source name value")
for key in "name owner description config own_key".split():
    rest = [v for k, v in {"name": "name: gg", "owner": "owner: {name: o}"}.items() if k != key]
    shapes("group " + key, P, "groups:\n  - {%s: @, %s}\n" % (key, ", ".join(rest)))
for key in "name email own_key".split():
    shapes("group owner " + key, P, "groups:\n  - {name: gg, owner: {%s: @}}\n" % key)
UT = {"name": "name: ut", "model": "model: m", "given": "given: []", "expect": "expect: {rows: [{id: 1}]}"}
for key in "name model given expect description overrides versions config own_key".split():
    shapes("unit test " + key, P, "unit_tests:\n  - %s: @\n" % key + "".join("    %s\n" % v for k, v in UT.items() if k != key))
for key in "rows format fixture own_key".split():
    shapes("unit test expect " + key, P, "unit_tests:\n  - name: ut\n    model: m\n    given: []\n    expect: {%s: @}\n" % key)
for key in "input rows format fixture own_key".split():
    shapes("unit test given " + key, P, "unit_tests:\n  - name: ut\n    model: m\n    given:\n      - {%s%s: @}\n    expect: {rows: []}\n" % ("" if key == "input" else "input: ref('m2'), ", key))
for key in "vars macros env_vars own_key".split():
    shapes("unit test overrides " + key, P, "unit_tests:\n  - name: ut\n    model: m\n    given: []\n    expect: {rows: []}\n    overrides: {%s: @}\n" % key)
for key in "tags meta enabled own_key".split():
    shapes("unit test config " + key, P, "unit_tests:\n  - name: ut\n    model: m\n    given: []\n    expect: {rows: []}\n    config: {%s: @}\n" % key)
case(P, "unit_tests:\n  - name: ut\n    model: m\n    given: []\n    expect: {rows: []}\n    config: {enabled: \"{{ var('x', false) | as_bool }}\"}\n", name="unit test enabled with Jinja")
case(P, "unit_tests:\n  - name: ut\n    model: m\n    given: []\n    expect: {rows: [{id: 1, d: 2024-01-01, ts: 2024-01-01 10:00:00, b: yes, n: null, f: 1.50, t: '01', o: 010, big: 123456789012345678901234}]}\n", name="unit test values")
case(P, "unit_tests:\n  - name: ut\n    model: m\n    given: []\n    expect: {format: csv, rows: \"id\\n1\\n\"}\n", name="unit test csv")
case(P, "unit_tests:\n  - name: ut\n    model: gone\n    given: []\n    expect: {rows: []}\n", name="unit test of a missing model")
case(P, "unit_tests:\n  - {name: ut, model: m, given: [], expect: {rows: []}}\n  - {name: ut, model: m2, given: [], expect: {rows: []}}\n", name="unit test of one name, two models")
case(P, "unit_tests:\n  - {name: ut, model: m, given: [], expect: {rows: []}}\n  - {name: ut, model: m, given: [], expect: {rows: []}}\n", name="unit test twice")

# --- generic tests -----------------------------------------------------------------------
TESTS = "models:\n  - name: m\n    columns:\n      - name: id\n        data_tests:\n"
for key in "severity where limit error_if warn_if fail_calc store_failures store_failures_as tags meta enabled schema alias database group own_key".split():
    shapes("test config " + key, P, TESTS + "          - not_null:\n              config:\n                %s: @\n" % key)
    shapes("test key " + key, P, TESTS + "          - not_null:\n              %s: @\n" % key, some=["7", "", "abc"])
    shapes("project test +" + key, "dbt_project.yml", PROJECT + "data_tests:\n  p:\n    +%s: @\n" % key, some=["{{ x }}", "7", "", "abc"])
    case("tests/t.sql", "{{ config(%s=none) }}select 1 as id\n" % key, name="singular test in file null " + key)
    case("tests/generic/g.sql", "{%% test g(model, column_name, x=none) %%}{{ config(%s=none) }}select 1 as id where false{%% endtest %%}\n" % key, {P: TESTS + "          - g\n"}, name="generic test in file null " + key)
for sample, key in [("warn", "severity"), ("id > 0", "where"), ("5", "limit"), ("z", "schema"), ("z", "alias"), ("z", "database"), ("true", "store_failures"), ("> 1", "warn_if"), ("> 1", "error_if"), ("sum(id)", "fail_calc"), ("[z]", "tags"), ("{z: 1}", "meta"), ("true", "enabled")]:
    quoted = sample if sample[0] in "[{t5" else "'%s'" % sample
    case(P, TESTS + "          - not_null: {config: {%s: null}}\n" % key, {"dbt_project.yml": PROJECT + "data_tests:\n  p:\n    +%s: %s\n" % (key, quoted)}, "test config null %s over project" % key)
    case(P, TESTS + "          - not_null: {config: {%s: \"{{ var('x', none) | as_native }}\"}}\n" % key, {"dbt_project.yml": PROJECT + "data_tests:\n  p:\n    +%s: %s\n" % (key, quoted)}, "test config null from Jinja %s over project" % key)
for key in "name description arguments config".split():
    shapes("test " + key, P, TESTS + "          - not_null:\n              %s: @\n" % key)
for text in ("", "not_null", "not_null:", "not_null: {}", "not_null: []", "not_null: 7", "not_null: x", "{not_null: {}, unique: {}}", "7", "true", "null", "[not_null]", "'not_null '", "no.such.test", "nopkg.not_null",
             "gone", "not_null: {column_name: name}", "{not_null: , config: {severity: warn}}", "{test_name: not_null}", "{test_name: not_null, name: nn}", "{name: nn, not_null: {}}", "{name: nn, test_name: not_null, config: {severity: warn}}", "dbt.not_null", "p.g", "p.not_null",
             "accepted_values: {values: [1, 2]}", "accepted_values: {arguments: {values: [1, 2]}}", "accepted_values: {arguments: {values: [1, 2]}, values: [3]}", "accepted_values: {values: [1, '1', 1.5, true, null, 2024-01-01]}",
             "accepted_values: {values: [9223372036854775807, 9223372036854775808, 18446744073709551616, 12345678901234567890123, -9223372036854775809], quote: false}", "accepted_values: {values: [0x10, 010, 0o10, 1_000, 1:30, 1e5, 1.0e+5, .5, .inf, .nan]}",
             "accepted_values: {values: [yes, no, on, off, y, n, Yes, NO, True]}", "accepted_values: {values: []}", "accepted_values: {values: }", "accepted_values: {values: a}", "accepted_values: {values: {a: 1}}", "accepted_values", "relationships: {to: ref('m2'), field: id}",
             "relationships: {to: \"ref('m2')\", field: id}", "relationships: {to: m2, field: id}", "relationships: {to: \"{{ ref('m2') }}\", field: id}", "relationships: {to: \"ref('gone')\", field: id}", "relationships: {to: 7, field: id}", "g: {x: 7}", "g: {x: }", "g: {x: 2024-01-01}", "g: {x: \"{{ 1 + 1 }}\"}",
             "g: {x: \"{{ var('x', 3) }}\"}", "g: {x: {b: 1, a: [2, {c: 3}]}}", "g: {y: 7}", "g: {1: 7}", "g: {x: 12345678901234567890123}", "g: {x: \"a\\nb\\n\"}", "g: {x: 'é ß'}", "g: {model: m}", "unique: {where: a}", "unique: {config: {where: a}, where: b}", "unique: {config: }",
             "unique: {config: 7}", "unique: {config: [a]}", "unique: {name: 7}", "unique: {name: 'a b'}", "unique: {name: ''}", "unique: {name: \"{{ 'x' }}\"}", "unique: {description: 7}", "unique: {severity: warn}", "unique: {severity: WARN}", "unique: {severity: abc}", "unique: {config: {severity: \"{{ 'warn' }}\"}}",
             "unique: {config: {limit: '5'}}", "unique: {config: {limit: 1.5}}", "unique: {config: {limit: -1}}", "unique: {config: {enabled: 'no'}}", "unique: {config: {enabled: \"{{ true }}\"}}", "unique: {config: {enabled: \"{{ target.name == 'dev' }}\"}}", "unique: {config: {error_if: true}}", "unique: {config: {warn_if: 5}}", "unique: {tags: a}", "unique: {tags: [a, a]}", "unique: {tags: [1]}"):
    case(P, TESTS + "          - %s\n" % text, name="test entry")
case(P, TESTS + "          - unique\n          - unique\n", name="test twice")
case(P, TESTS + "          - unique: {config: {where: a}}\n          - unique: {config: {where: b}}\n", name="test twice, other config")
case(P, TESTS + "          - unique: {name: one}\n          - unique: {name: two}\n", name="test twice, other names")
case(P, "models:\n  - name: m\n    columns:\n      - name: id\n        tests: [unique]\n        data_tests: [not_null]\n", name="tests and data_tests")
case(P, "models:\n  - name: m\n    tests: [unique: {column_name: id}]\n    data_tests: [not_null: {column_name: id}]\n", name="tests and data_tests")
case(P, "models:\n  - name: m\n    columns:\n      - name: id\n        tests: [unique]\n", name="tests alone")
case(P, "models:\n  - name: m\n    data_tests: [unique]\n", name="unique of a model without column_name")
case(P, "models:\n  - name: m\n    data_tests: [unique: {column_name: id}, unique: {column_name: \"id || name\"}]\n", name="unique of a model")

# --- semantic models, metrics, saved queries -------------------------------------------------
SM = "semantic_models:\n  - name: sem\n    model: ref('m')\n    entities: [{name: sk, type: primary, expr: id}]\n"
FEW = ["{{ x }}", "[a]", "7", ""]
for key in "description label defaults primary_entity dimensions measures config own_key".split():
    shapes("semantic model " + key, P, SM + "    %s: @\n" % key, SEMANTIC, some=FEW)
shapes("semantic model name", P, SM.replace("name: sem", "name: @"), SEMANTIC, some=FEW)
shapes("semantic model model", P, SM.replace("ref('m')", "@"), SEMANTIC, some=FEW)
shapes("semantic model entities", P, "semantic_models:\n  - name: sem\n    model: ref('m')\n    entities: @\n", SEMANTIC, some=FEW)
for key in "name type expr description label role".split():
    rest = ", ".join(v for k, v in {"name": "name: sk", "type": "type: primary"}.items() if k != key)
    shapes("entity " + key, P, "semantic_models:\n  - name: sem\n    model: ref('m')\n    entities: [{%s, %s: @}]\n" % (rest, key), SEMANTIC, some=FEW)
for key in "name type expr description type_params is_partition".split():
    rest = ", ".join(v for k, v in {"name": "name: dim", "type": "type: categorical"}.items() if k != key)
    shapes("dimension " + key, P, SM + "    dimensions: [{%s, %s: @}]\n" % (rest, key), SEMANTIC, some=FEW)
for key in "name agg expr description create_metric agg_time_dimension agg_params".split():
    rest = ", ".join(v for k, v in {"name": "name: mea", "agg": "agg: sum", "expr": "expr: id", "agg_time_dimension": "agg_time_dimension: tz"}.items() if k != key)
    shapes("measure " + key, P, SM + "    dimensions: [{name: tz, type: time, type_params: {time_granularity: day}}]\n    measures: [{%s, %s: @}]\n" % (rest, key), SEMANTIC, some=FEW)
MET = {"name": "name: met", "label": "label: L", "type": "type: simple", "type_params": "type_params: {measure: bsum}"}
for key in "name label type type_params description filter time_granularity config meta tags own_key".split():
    shapes("metric " + key, P, "metrics:\n  - %s: @\n" % key + "".join("    %s\n" % v for k, v in MET.items() if k != key), SEMANTIC, some=FEW)
for key in "measure numerator denominator expr window grain_to_date metrics own_key".split():
    shapes("metric type_params " + key, P, "metrics:\n  - name: met\n    label: L\n    type: simple\n    type_params: {%s%s: @}\n" % ("" if key == "measure" else "measure: bsum, ", key), SEMANTIC, some=FEW)
for key in "description label query_params exports config tags own_key".split():
    shapes("saved query " + key, P, "saved_queries:\n  - name: sq\n    %s: @\n" % key + ("" if key == "query_params" else "    query_params: {metrics: [bmet]}\n"), SEMANTIC, some=FEW)
for key in "metrics group_by where limit order_by".split():
    shapes("saved query query_params " + key, P, "saved_queries:\n  - name: sq\n    query_params: {%s%s: @}\n" % ("" if key == "metrics" else "metrics: [bmet], ", key), SEMANTIC, some=FEW)

# --- names -----------------------------------------------------------------------------------
for text in ("2024", "yes", "no", "on", "off", "null", "~", "''", "'2024'", "'yes'", "1.5", "2024-01-01", "0x1f", "'a b'", "'a.b'", "'a-b'", "A", "é", "\"a\\nb\"", "\"id\\n\"", ">\n          id\n", "|\n          id\n", "\"{{ 'id' }}\"", "\"{{ 'id' }}\\n\"", "y", "n", "NULL", "Null", "=", "<<", "'*'", "1_000", "12:30"):
    case(P, "models:\n  - name: m\n    columns:\n      - name: %s\n        description: d\n        data_tests: [not_null]\n" % text, name="column name value")
    case(P, "models:\n  - name: %s\n    description: d\n" % text.replace("\n          ", "\n      "), name="model name value")
case(P, "models:\n  - description: d\n", name="model without name")
case(P, "models:\n  - name: m\n    columns:\n      - description: d\n", name="column without name")
case(P, "models:\n  - name: m\n    columns:\n      - id\n      - name\n", name="columns as names")
case(P, "models:\n  - name: m\n    columns:\n      id: {description: d}\n", name="columns as a mapping")
case(P, "models:\n  m:\n    description: d\n", name="models as a mapping")
case(P, "models:\n  - name: m\n  - name: m\n", name="model described twice")
case(P, "models:\n  - name: m\n    columns:\n      - {name: id, description: one}\n      - {name: id, description: two, data_tests: [unique]}\n", name="column twice")
case(P, "models:\n  - name: m\n    columns:\n      - {name: id, description: one}\n      - {name: ID, description: two}\n", name="column twice, other case")
case(P, "models:\n  - name: gone\n    description: d\n", name="a model that does not exist")
case(P, "models:\n  - name: gone\n    columns: [{name: c, data_tests: [unique]}]\n", name="test of a model that does not exist")
case(P, "models:\n  - name: gone\n    columns: [{name: c, data_tests: [relationships: {to: \"ref('m')\", field: id}]}]\n", name="relationships test of a model that does not exist")
case(P, "models:\n  - name: disa\n    columns: [{name: c, data_tests: [unique]}]\n", {"models/disa.sql": "{{ config(enabled=false) }}select 1 as c\n"}, "test of a disabled model")
case(P, "seeds:\n  - name: m\n    description: d\n", name="a model described as a seed")
case(P, "models:\n  - name: s\n    description: d\n", name="a seed described as a model")
case("seeds/p.yml", "models:\n  - name: m\n    description: d\n", name="a model described in the folder of seeds")
case("tests/p.yml", "models:\n  - name: m\n    description: d\n", name="a model described in the folder of tests")
case("macros/p.yml", "models:\n  - name: m\n    description: d\n", name="a model described in the folder of macros")
case("models/p.yaml", "models:\n  - name: m\n    description: d\n", name="file that ends in .yaml")
case("models/p.YML", "models:\n  - name: m\n    description: d\n", name="file that ends in .YML")

# --- whole files ---------------------------------------------------------------------------------
D = "models:\n  - name: m\n    description: %s\n"
for name, text in [
    ("empty file", ""), ("blank file", "\n \n"), ("only comments", "# c\n# d\n"), ("only ---", "---\n"), ("only ...", "...\n"), ("text", "abc\n"), ("number", "7\n"), ("list", "- a\n"), ("null", "null\n"), ("tilde", "~\n"), ("empty mapping", "{}\n"), ("empty list", "[]\n"),
    ("--- first", "---\n" + D % "d"), ("comment, then ---", "# c\n---\n" + D % "d"), ("... last", D % "d" + "...\n"), ("--- last", D % "d" + "---\n"), ("second document", D % "d" + "---\nmodels:\n  - name: m2\n    description: e\n"), ("second document, empty", D % "d" + "---\n# c\n"),
    ("directive", "%YAML 1.1\n---\n" + D % "d"), ("directive 1.2", "%YAML 1.2\n---\n" + D % "d"), ("unknown directive", "%FOO bar\n---\n" + D % "d"),
    ("byte order mark", "\ufeff" + D % "d"), ("CRLF", (D % "d").replace("\n", "\r\n")), ("CR", (D % "d").replace("\n", "\r")), ("no final newline", (D % "d").rstrip()), ("form feed", D % "d\x0ce"), ("control character", D % "d\x01e"), ("NEL", D % "d\x85e"), ("no-break space", D % "d\xa0e"), ("emoji", D % "d \U0001f600"),
    ("tab as indent", "models:\n\t- name: m\n"), ("tab before a value", "models:\n  - name:\tm\n    description:\td\n"), ("tab after a value", "models:\n  - name: m\t\n    description: d\t# c\n"), ("tab on a blank line", "models:\n\t\n  - name: m\n    description: d\n"), ("tab in a list", "models:\n  -\tname: m\n    description: d\n"),
    ("key twice", "models:\n  - name: m\n    description: one\n    description: two\n"), ("top key twice", "models:\n  - name: m\n    description: one\nmodels:\n  - name: m2\n    description: two\n"), ("config twice", "models:\n  - name: m\n    config: {alias: one}\n    config: {tags: [a]}\n"),
    ("column key twice", "models:\n  - name: m\n    columns:\n      - name: id\n        name: id2\n"), ("anchor", "models:\n  - name: m\n    description: &d text\n  - name: m2\n    meta: {k: *d}\n"), ("anchors at the top", "x: &x\n  tags: [a]\nmodels:\n  - name: m\n    config: *x\n"),
    ("anchors key", "anchors:\n  - &x {tags: [a]}\nmodels:\n  - name: m\n    config: *x\n"), ("definitions key", "definitions:\n  - &x {tags: [a]}\nmodels:\n  - name: m\n    config: *x\n"), ("anchor twice", "models:\n  - name: m\n    description: &d one\n  - name: m2\n    meta: {a: *d, b: &d two, c: *d}\n"),
    ("unknown alias", "models:\n  - name: m\n    description: *d\n"), ("merge", "x: &x {tags: [a], alias: one}\nmodels:\n  - name: m\n    config:\n      <<: *x\n      alias: two\n"), ("merge after", "x: &x {tags: [a], alias: one}\nmodels:\n  - name: m\n    config:\n      alias: two\n      <<: *x\n"),
    ("merge of a list", "x: &x {tags: [a], alias: one}\ny: &y {alias: two, schema: z}\nmodels:\n  - name: m\n    config:\n      <<: [*x, *y]\n"), ("merge twice", "x: &x {tags: [a], alias: one}\ny: &y {alias: two, schema: z}\nmodels:\n  - name: m\n    config:\n      <<: *x\n      <<: *y\n"), ("merge of a text", "models:\n  - name: m\n    config:\n      <<: abc\n"),
    ("merge in another", "x: &x {alias: one}\ny: &y {<<: *x, schema: z}\nmodels:\n  - name: m\n    config: {<<: *y}\n"), ("alias of itself", "models:\n  - name: m\n    meta: &a {b: *a}\n"), ("anchor in a list of tests", "models:\n  - name: m\n    columns:\n      - name: id\n        data_tests: &t [unique, not_null]\n      - name: name\n        data_tests: *t\n"),
    ("unknown top key", "modells:\n  - name: m\n" + D % "d"), ("top key config", "config: {alias: z}\n" + D % "d"), ("unknown model key", "models:\n  - name: m\n    descripton: d\n"), ("unknown config key", "models:\n  - name: m\n    config: {materialised: table}\n"), ("unknown column key", "models:\n  - name: m\n    columns: [{name: id, desc: d}]\n"),
    ("tag !!str", "models:\n  - name: m\n    description: !!str 7\n"), ("tag !!int", "models:\n  - name: m\n    meta: {k: !!int '7'}\n"), ("tag !!python", "models:\n  - name: m\n    meta: {k: !!python/tuple [1]}\n"), ("tag of its own", "models:\n  - name: m\n    meta: {k: !own 7}\n"), ("tag !!set", "models:\n  - name: m\n    meta: {k: !!set {a, b}}\n"), ("tag !!binary", "models:\n  - name: m\n    meta: {k: !!binary aGk=}\n"), ("tag !!omap", "models:\n  - name: m\n    meta: {k: !!omap [a: 1]}\n"), ("tag !!timestamp", "models:\n  - name: m\n    meta: {k: !!timestamp '2024-01-01'}\n"),
    ("question mark key", "? models\n:\n  - name: m\n    description: d\n"), ("key that is a list", "models:\n  - name: m\n    meta: {[a, b]: 1}\n"), ("colon in a value", D % "a: b"), ("hash in a value", D % "a #b"), ("hash without a blank", D % "a#b"), ("percent first", D % "%a"), ("at first", D % "@a"), ("backtick first", D % "`a`"), ("quote within", D % "it's"), ("quote not closed", D % "'a"), ("bracket not closed", D % "[a"), ("brace within", D % "a {b}"), ("star first", D % "*a*"), ("ampersand", D % "a & b"), ("ampersand first", D % "&a b"), ("exclamation first", D % "!a b"), ("dash first", D % "- a"), ("question first", D % "? a"), ("pipe within", D % "a | b"), ("value on the next lines", D % "a\n      b\n      c"), ("escapes", D % "\"a\\tb\\u00e9\\x41\\\\ \\\" \\n\""), ("unknown escape", D % "\"a\\qb\""), ("single quotes", D % "'a''b\\n'"), ("quoted over lines", D % "\"a\n      b\n\n      c\""),
    ("wrong indent", "models:\n  - name: m\n   description: d\n"), ("less indent", "models:\n- name: m\n  description: d\n"), ("no blank after colon", "models:\n  - name:m\n"), ("no blank after dash", "models:\n  -name: m\n"), ("trailing comma", "models: [{name: m, description: d,},]\n"), ("no comma", "models: [{name: m description: d}]\n"), ("colon in flow without blank", "models: [{name:m}]\n"), ("quoted key in flow without blank", "models: [{\"name\":\"m\",\"description\":\"d\"}]\n"),
]:
    case(P, text, name="file: " + name)
TAIL = "models:\n  - name: m\n    columns:\n      - name: id\n        description: "
for text in (">\n          one\n          two\n", ">-\n          one\n          two\n", ">+\n          one\n          two\n\n\n", "|\n          one\n          two\n", "|-\n          one\n", "|+\n          one\n\n\n", "|2\n          one\n", "|1-\n         one\n", "|\n\n          one\n           two\n\n          three\n\n", ">\n          one\n\n          two\n            more\n          three\n", "|\n", "|\n          \n", ">\n\n\n", "|\n          one", "| # c\n          one\n", "|x\n          one\n"):
    case(P, TAIL + text, name="block scalar last")
    case(P, TAIL + text + "  - name: m2\n    description: e\n", name="block scalar not last")
case(P, TAIL + "|\n          one\n# c\n", name="block scalar and a comment")
case(P, TAIL + "|\n          one {{ doc('d') }}\n", {"models/d.md": "{% docs d %}\n\n text\n\n{% enddocs %}\n"}, "block scalar with doc")
case(P, TAIL + "doc('d')\n", {"models/d.md": "{% docs d %}text{% enddocs %}\n"}, "doc without braces")
case(P, TAIL + "\"{{ doc('gone') }}\"\n", name="doc that is gone")
case(P, TAIL + "\"{{ doc('p', 'd') }}\"\n", {"models/d.md": "{% docs d %}text{% enddocs %}\n"}, "doc with its project")
for text in ("2", "'2'", "1", "1.0", "2.0", "'2.0'", "3", "two", "", "true", "[2]", "{{ 2 }}", "\"{{ 2 }}\""):
    case(P, ("version: %s\n" % text) + D % "d", name="version of a properties file")
    case("dbt_project.yml", PROJECT + "config-version: %s\n" % text, name="config-version")
    case("dbt_project.yml", PROJECT.replace("version: '1.0'", "version: %s" % text), name="version of the project")

# --- values in meta, vars ---------------------------------------------------------------------------
VALUES = ("yes no on off y n Y N Yes No ON OFF true True TRUE false ~ null Null NULL 1 -1 +1 0 00 007 010 -010 0o10 0x1F 0X1F 0b101 1_000 _1 1__0 1:30 1:30:45 01:30 190:20:30.15 1:60 60:00 22:22 1.5 1. .5 -.5 +.5 1e5 1e-5 1.0e-05 1.0e+16 1.0e16 1e16 1.e+3 1.0E+5 "
          ".inf -.inf .Inf .NaN .nan inf nan 9223372036854775807 9223372036854775808 -9223372036854775808 -9223372036854775809 18446744073709551615 18446744073709551616 12345678901234567890123 0.1 100.0 1.10 123456789.123456789 1704164645123456.0 10000000000000000.0 1.0e+22 1.0e+100 "
          "2024-01-01 2024-1-5 2024-13-01 2024-02-30 2024-01-01T10:00:00 2024-01-01T10:00:00Z 2024-01-01T10:00:00.123456789+02:00 20240101 '2024-01-01' = << 0x 0xg 08 09 0.0 -0.0 -0 1,000 1/2 $5 50% a@b a\\b").split() + [
    "2024-01-01 10:00:00", "2024-01-01 10:00:00.5 +1", "2024-01-01 10:00", "\"{{ 1 }}\"", "\"{{ 1 + 1 }}\"", "\"{{ '1' }}\"", "\"{{ true }}\"", "\"{{ none }}\"", "\"{{ [1, 2] }}\"", "\"{{ var('x', 5) }}\"", "\"{{ target.name }}\"", "\"{{ target.threads }}\"", "\"{{ env_var('NOT_SET_Q', '7') }}\"",
    "\"{{ env_var('NOT_SET_Q', '7') | int }}\"", "\"{{ env_var('NOT_SET_Q', 'true') | as_bool }}\"", "\"{{ env_var('NOT_SET_Q', 'yes') | as_bool }}\"", "\"{{ '7' | as_number }}\"", "\"{{ '[1]' | as_native }}\"", "\"{{ 'x' | as_text }}\"", "\"a {{ 1 }}\"", "\"{{ undefined_thing }}\"", "\"{{ 1 \"", "\"{% if true %}a{% endif %}\"", "\"{# c #}\"", "\"{{ '{{ 1 }}' }}\"", "\"a\\n\"", "\"{{ 'a' }}\\n\"", "''", "[]", "{}", "[1, [2, {a: 3}]]", "{a: {b: null}}", "{1: a, yes: b, null: c, 2024-01-01: d, 1.5: e}"]
for text in VALUES:
    case(P, "models:\n  - name: m\n    config:\n      meta:\n        k: %s\n" % text, name="meta value")
    case("dbt_project.yml", PROJECT + "vars:\n  x: %s\n" % text, SHOW, "var value")
for text in ("{x: 1}", "x: 1", "{x: yes}", "{\"x\": 1.0}", "{x: 12345678901234567890123}", "{x: 1e5}", "{x: 2024-01-01}", "{x: null}", "{x: }", "x", "[x]", "7", "", "{}", "{x: [1, {a: b}]}", "{x: \"{{ 1 + 1 }}\"}", "{x: {{ y }}}", "x:1", "{x:1}", "{'x': 1, 'x': 2}", "{x: 1} {y: 2}", "x: 1\ny: 2", "'x: 1'", "{1: 2}", "{x: 010}", "{x: 1:30}", "{x: 'a\nb'}", "---\nx: 1", "x: 1\n---\nx: 2", "null", "&a {x: 1}", "{x: &a 1, y: *a}"):
    case("--vars", text, SHOW, "command line vars")
for text in ("{x: 1}", "[x]", "7", "abc", "", "true", "{p: {x: 1}, x: 2}", "{p: 7}", "{p: {x: 1}}", "{p: }", "{x: {y: 1}}", "{other: {x: 1}}", "{{ x }}", "{1: 2}", "{x: \"{{ env_var('NOT_SET_Q', 'e') }}\"}", "{x: \"{{ target.name }}\"}", "{x: 1, x: 2}"):
    case("dbt_project.yml", PROJECT + "vars: %s\n" % text, SHOW, "project vars")

# --- strings with Jinja in properties ------------------------------------------------------------------
for text in ("\"{{ 'a' ~ 'b' }}\"", "\"{{ var('x', 'v') }}\"", "\"{{ 1 + 1 }}\"", "\"{{ undefined_thing }}\"", "\"{{ target.name }}\"", "\"{{ none }}\"", "\"{{ 1/0 }}\"", "\"{{\"", "\"{{ env_var('NOT_SET_Q') }}\"", "\" {{ 'b' }} c\\n\""):
    case(P, D % text, name="description with Jinja")
    case(P, "models:\n  - name: m\n    columns: [{name: id, description: %s}]\n" % text, name="column description with Jinja")
    case(P, "models:\n  - name: m\n    columns: [{name: id, data_type: %s}]\n" % text, name="column data_type with Jinja")
    case(P, "models:\n  - name: m\n    config: {alias: %s}\n" % text, name="config alias with Jinja")
    case(P, "models:\n  - name: m\n    config: {tags: [%s]}\n" % text, name="config tags with Jinja")
    case(P, "models:\n  - name: m\n    config: {post_hook: %s}\n" % text, name="config post_hook with Jinja")
    case(P, "models:\n  - name: m\n    meta: {k: %s, description: %s}\n" % (text, text), name="meta key with Jinja")
    case(P, "models:\n  - name: %s\n    description: d\n" % text, name="model name with Jinja")
    case("dbt_project.yml", PROJECT + "models:\n  p:\n    +alias: %s\n    +enabled: true\n    m2: {+alias: q}\n" % text, name="project alias with Jinja")
    case(P, "sources:\n  - name: src\n    schema: %s\n    description: %s\n    tables: [{name: t, identifier: %s, loaded_at_field: %s}]\n" % (text, text, text, text), name="source with Jinja")
    case(P, "exposures:\n  - {name: ex, type: dashboard, url: %s, label: %s, description: %s, owner: {name: %s}, meta: {k: %s}}\n" % ((text,) * 5), name="exposure with Jinja")
    case(P, "groups:\n  - {name: gg, owner: {name: %s}}\n" % text, name="group with Jinja")
    case("macros/p.yml", "macros:\n  - {name: mac, description: %s}\n" % text, name="macro with Jinja")
    case(P, "unit_tests:\n  - name: ut\n    model: m\n    description: %s\n    given: []\n    expect: {rows: [{id: %s}]}\n" % (text, text), name="unit test with Jinja")

# --- the project file --------------------------------------------------------------------------------------
for key in ("name version profile config-version model-paths seed-paths test-paths analysis-paths macro-paths snapshot-paths docs-paths asset-paths function-paths target-path log-path clean-targets packages-install-path require-dbt-version "
            "on-run-start on-run-end dispatch flags models seeds snapshots data_tests tests sources exposures metrics semantic-models saved-queries unit_tests vars quoting query-comment restrict-access dbt-cloud own-key").split():
    rest = "".join(line + "\n" for line in PROJECT.splitlines() if not line.startswith(key + ":"))
    shapes("project " + key, "dbt_project.yml", rest + "%s: @\n" % key)
for key in "macro_namespace search_order own_key".split():
    rest = ", ".join(v for k, v in {"macro_namespace": "macro_namespace: dbt", "search_order": "search_order: [p, dbt]"}.items() if k != key)
    shapes("project dispatch " + key, "dbt_project.yml", PROJECT + "dispatch:\n  - {%s, %s: @}\n" % (rest, key))
for key in "database schema identifier snowflake_ignore_case own_key".split():
    shapes("project quoting " + key, "dbt_project.yml", PROJECT + "quoting: {%s: @}\n" % key)
for key in "comment append job-label own_key".split():
    shapes("project query-comment " + key, "dbt_project.yml", PROJECT + "query-comment: {%s: @}\n" % key)
for key in "fail_fast full_refresh use_colors printer_width warn_error warn_error_options indirect_selection log_format state_modified_compare_vars own_key".split():
    shapes("project flags " + key, "dbt_project.yml", PROJECT.replace("stats: false", "stats: false, %s: @" % key), some=["{{ x }}", "[a]", "7", "", "abc"])
for text in ("a", "a.b", "a-b", "9a", "A", "dbt", "config", "this", "''", "7", "'a b'", "é"):
    case("dbt_project.yml", PROJECT.replace("name: p\n", "name: %s\n" % text), name="project name value")
for text in ("[\">=1.0.0\", \"<2.0.0\"]", "\">=1.0.0\"", "\">=1.0.0,<2.0.0\"", "[\">=99.0.0\"]", "\"1.11.16\"", "\"=1.11.16\"", "\"1.11\"", "\"~1.11\"", "\"abc\"", "[]", "[\">=1.0.0\", 7]", "\"{{ '>=1.0.0' }}\""):
    case("dbt_project.yml", PROJECT + "require-dbt-version: %s\n" % text, name="require-dbt-version value")
for name, text in [
    ("empty file", ""), ("only comments", "# c\n"), ("list", "- a\n"), ("text", "abc\n"), ("second document", PROJECT + "---\nvars: {x: 1}\n"), ("key twice", PROJECT + "vars: {x: 1}\nvars: {x: 2}\n"), ("anchor", PROJECT + "x-y: &a {+tags: [a]}\nmodels:\n  p: *a\n"), ("merge", PROJECT + "models:\n  p:\n    m: &a {+tags: [a]}\n    m2:\n      <<: *a\n      +alias: q\n"),
    ("tab", PROJECT + "models:\n\tp: {}\n"), ("without profile", PROJECT.replace("profile: p\n", "")), ("without name", PROJECT.replace("name: p\n", "")), ("without version", PROJECT.replace("version: '1.0'\n", "")), ("other profile", PROJECT.replace("profile: p", "profile: q")),
    ("source-paths", PROJECT + "source-paths: [models]\n"), ("data-paths", PROJECT + "data-paths: [seeds]\n"), ("modules-path", PROJECT + "log-path: logs\nmodules-path: x\n"), ("both tests sections", PROJECT + "tests: {p: {+tags: [a]}}\ndata_tests: {p: {+tags: [b]}}\n"), ("unused path", PROJECT + "models: {p: {gone: {+tags: [a]}}}\n"), ("models without package", PROJECT + "models: {+tags: [a], m: {+alias: q}}\n"), ("models of another package", PROJECT + "models: {q: {+tags: [a]}}\n"),
    ("+ and without", PROJECT + "models: {p: {tags: [a], +tags: [b]}}\n"), ("pre-hook and pre_hook", PROJECT + "models: {p: {+pre-hook: a, +pre_hook: b}}\n"), ("hook entries", PROJECT + "on-run-start: [select 1, 'select 2']\non-run-end: select 3\n"), ("hook mapping", PROJECT + "on-run-start: [{sql: select 1}]\n"), ("hook null entry", PROJECT + "on-run-start: [null]\n"), ("hook number", PROJECT + "on-run-start: [7]\n"), ("on-run-start empty list", PROJECT + "on-run-start: []\n"),
    ("models path missing", PROJECT + "model-paths: [gone]\n"), ("absolute path", PROJECT + "model-paths: [/nowhere/at/all]\n"), ("same path twice", PROJECT + "model-paths: [models, models]\n"), ("models and seeds in one folder", PROJECT + "model-paths: [models]\nseed-paths: [models]\n"), ("test path as model path", PROJECT + "test-paths: [models]\n"), ("Jinja over the whole file", "{% if true %}\n" + PROJECT + "{% endif %}\n"), ("Jinja comment", PROJECT + "# {{ gone() }}\n"), ("profile with Jinja", PROJECT.replace("profile: p", "profile: \"{{ 'p' }}\"")), ("name with Jinja", PROJECT.replace("name: p\n", "name: \"{{ 'p' }}\"\n")), ("number in a path", PROJECT + "models: {p: {2024: {+tags: [a]}}}\n"),
]:
    case("dbt_project.yml", text, name="project file: " + name)

# --- profiles ----------------------------------------------------------------------------------------------------
PR = "p:\n  target: dev\n  outputs:\n    dev:\n      type: duckdb\n      path: main.duckdb\n      schema: dev\n"
for key in "type path schema database threads extensions settings attach plugins secrets own_key".split():
    rest = "".join(line + "\n" for line in PR.splitlines() if not line.strip().startswith(key + ":"))
    shapes("profile duckdb " + key, "profiles.yml", rest + "      %s: @\n" % key, TARGET)
PG = "p:\n  target: dev\n  outputs:\n    dev:\n      type: postgres\n      host: localhost\n      user: u\n      password: w\n      port: 5432\n      dbname: d\n      schema: dev\n"
for key in "host user password port dbname schema threads keepalives_idle connect_timeout retries search_path role sslmode own_key".split():
    rest = "".join(line + "\n" for line in PG.splitlines() if not line.strip().startswith(key + ":"))
    shapes("profile postgres " + key, "profiles.yml", rest + "      %s: @\n" % key, TARGET, some=["{{ x }}", "[a]", "7", "", "abc", "'7'"])
    case("profiles.yml", rest, TARGET, "profile postgres without " + key)
for name, text in [
    ("empty file", ""), ("only comments", "# c\n"), ("list", "- a\n"), ("text", "abc\n"), ("profile null", "p:\n"), ("profile list", "p: [a]\n"), ("profile text", "p: abc\n"), ("no outputs", "p: {target: dev}\n"), ("outputs null", "p: {target: dev, outputs: }\n"), ("outputs list", "p: {target: dev, outputs: [dev]}\n"), ("output null", "p: {target: dev, outputs: {dev: }}\n"), ("output text", "p: {target: dev, outputs: {dev: abc}}\n"),
    ("no target", PR.replace("  target: dev\n", "")), ("no target, output default", PR.replace("  target: dev\n", "").replace("    dev:", "    default:")), ("target that is gone", PR.replace("target: dev", "target: gone")), ("target null", PR.replace("target: dev", "target:")), ("target number", PR.replace("target: dev", "target: 7")), ("target Jinja", PR.replace("target: dev", "target: \"{{ env_var('NOT_SET_Q', 'dev') }}\"")), ("target unquoted Jinja", PR.replace("target: dev", "target: {{ env_var('NOT_SET_Q', 'dev') }}")),
    ("output name number", PR.replace("target: dev", "target: 7").replace("    dev:", "    7:")), ("output name yes", PR.replace("target: dev", "target: yes").replace("    dev:", "    yes:")), ("key twice", PR + "      schema: two\n"), ("second document", PR + "---\nq: {}\n"), ("anchor and merge", PR.replace("    dev:\n", "    dev: &a\n") + "    two:\n      <<: *a\n      schema: two\n"), ("threads Jinja", PR + "      threads: \"{{ env_var('NOT_SET_Q', '3') }}\"\n"), ("threads Jinja as_number", PR + "      threads: \"{{ env_var('NOT_SET_Q', '3') | as_number }}\"\n"), ("threads Jinja int", PR + "      threads: \"{{ env_var('NOT_SET_Q', '3') | int }}\"\n"), ("threads text", PR + "      threads: '3'\n"), ("threads 0", PR + "      threads: 0\n"), ("threads negative", PR + "      threads: -1\n"),
    ("env_var not set", PR.replace("schema: dev", "schema: \"{{ env_var('NOT_SET_Q') }}\"")), ("env_var not set in another output", PR + "    two: {type: duckdb, schema: \"{{ env_var('NOT_SET_Q') }}\"}\n"), ("env_var not set in another profile", PR + "q:\n  target: a\n  outputs: {a: {type: duckdb, schema: \"{{ env_var('NOT_SET_Q') }}\"}}\n"), ("wrong Jinja", PR.replace("schema: dev", "schema: \"{{ 1 + }}\"")), ("config key", "config: {send_anonymous_usage_stats: false}\n" + PR), ("config key and flags", "config: {use_colors: false}\n" + PR), ("unknown adapter", PR.replace("type: duckdb", "type: nosuch")), ("no type", PR.replace("      type: duckdb\n", "")), ("schema number in quotes", PR.replace("schema: dev", "schema: '7'")), ("schema Jinja number", PR.replace("schema: dev", "schema: \"{{ 7 }}\"")), ("password with braces", PG.replace("password: w", "password: 'no{{jinja{%re{#ndering'")), ("password number", PG.replace("password: w", "password: 0123")), ("pass", PG.replace("password: w", "pass: w")), ("port Jinja", PG.replace("port: 5432", "port: \"{{ env_var('NOT_SET_Q', '5433') | int }}\"")), ("port Jinja text", PG.replace("port: 5432", "port: \"{{ env_var('NOT_SET_Q', '5433') }}\"")),
]:
    case("profiles.yml", text, TARGET, "profiles: " + name)

# --- selectors -----------------------------------------------------------------------------------------------------
LS = ["ls", "--selector", "x"]
for key in "name description definition default own_key".split():
    rest = "".join("    %s\n" % v for k, v in {"name": "name: x", "definition": "definition: m"}.items() if k != key)
    shapes("selector " + key, "selectors.yml", "selectors:\n  - %s: @\n" % key + rest, command=LS)
for key in "method value children parents childrens_parents children_depth parents_depth exclude indirect_selection own_key".split():
    rest = ", ".join(v for k, v in {"method": "method: fqn", "value": "value: m"}.items() if k != key)
    shapes("selector definition " + key, "selectors.yml", "selectors:\n  - name: x\n    definition: {%s, %s: @}\n" % (rest, key), command=LS)
shapes("selectors", "selectors.yml", "selectors: @\n", command=LS)
for name, text in [
    ("empty file", ""), ("only comments", "# c\n"), ("list", "- a\n"), ("other key", "selector: []\n"), ("two keys", "selectors:\n  - {name: x, definition: m}\nother: 1\n"), ("name twice", "selectors:\n  - {name: x, definition: m}\n  - {name: x, definition: m2}\n"), ("two defaults", "selectors:\n  - {name: x, definition: m, default: true}\n  - {name: y, definition: m2, default: true}\n"), ("default Jinja", "selectors:\n  - {name: x, definition: m, default: \"{{ target.name == 'dev' }}\"}\n"), ("union", "selectors:\n  - name: x\n    definition: {union: [m, m2]}\n"), ("union text", "selectors:\n  - name: x\n    definition: {union: m}\n"), ("union null", "selectors:\n  - name: x\n    definition: {union: }\n"), ("union empty", "selectors:\n  - name: x\n    definition: {union: []}\n"), ("union and intersection", "selectors:\n  - name: x\n    definition: {union: [m], intersection: [m]}\n"), ("intersection", "selectors:\n  - name: x\n    definition: {intersection: [m, {method: fqn, value: 'm*'}]}\n"), ("exclude in union", "selectors:\n  - name: x\n    definition: {union: [{method: fqn, value: 'm*'}, {exclude: [m2]}]}\n"), ("exclude alone", "selectors:\n  - name: x\n    definition: {exclude: [m2]}\n"), ("two excludes", "selectors:\n  - name: x\n    definition: {union: [m, {exclude: [m2]}, {exclude: [m]}]}\n"), ("short form", "selectors:\n  - name: x\n    definition: {fqn: m}\n"), ("short form of two", "selectors:\n  - name: x\n    definition: {fqn: m, tag: a}\n"), ("short form number", "selectors:\n  - name: x\n    definition: {fqn: 7}\n"), ("text with blank", "selectors:\n  - name: x\n    definition: 'm m2'\n"), ("text with plus", "selectors:\n  - name: x\n    definition: '+m'\n"), ("text with method", "selectors:\n  - name: x\n    definition: 'fqn:m'\n"), ("unknown method", "selectors:\n  - name: x\n    definition: {method: gone, value: m}\n"), ("selector of another", "selectors:\n  - {name: y, definition: m}\n  - {name: x, definition: {method: selector, value: y}}\n"), ("selector of a later one", "selectors:\n  - {name: x, definition: {method: selector, value: y}}\n  - {name: y, definition: m}\n"), ("Jinja", "selectors:\n  - name: x\n    definition: {method: fqn, value: \"{{ 'm' }}\"}\n"), ("key twice", "selectors:\n  - {name: x, definition: m, definition: m2}\n"), ("second document", "selectors:\n  - {name: x, definition: m}\n---\nselectors: []\n"),
]:
    case("selectors.yml", text, name="selectors: " + name, command=LS)

# --- packages (only local ones: no network) ---------------------------------------------------------------------------
DEPS = ["deps"]
shapes("packages", "packages.yml", "packages: @\n", SUB, DEPS)
shapes("packages entry", "packages.yml", "packages:\n  - @\n", SUB, DEPS)
for key in "local name unrendered own_key".split():
    shapes("packages local " + key, "packages.yml", "packages:\n  - {%s%s: @}\n" % ("" if key == "local" else "local: sub, ", key), SUB, DEPS)
shapes("packages package", "packages.yml", "packages:\n  - {package: @, version: 1.0.0}\n", SUB, DEPS, ["{{ x }}", "[a]", "7", "true", "", "{a: 1}"])
shapes("packages git", "packages.yml", "packages:\n  - {git: @}\n", SUB, DEPS, ["{{ x }}", "[a]", "7", "true", "", "{a: 1}"])
for name, text in [("empty file", ""), ("only comments", "# c\n"), ("list", "- local: sub\n"), ("other key", "package: []\n"), ("local", "packages:\n  - local: sub\n"), ("local twice", "packages:\n  - local: sub\n  - local: sub\n"), ("local that is gone", "packages:\n  - local: gone\n"), ("local with Jinja", "packages:\n  - local: \"{{ 'sub' }}\"\n"), ("local and git", "packages:\n  - {local: sub, git: x}\n"), ("version without package", "packages:\n  - version: 1.0.0\n"), ("package without version", "packages:\n  - package: a/b\n"), ("projects key", "packages: []\nprojects: [{name: q}]\n"), ("second document", "packages: [{local: sub}]\n---\npackages: []\n"), ("key twice", "packages: [{local: sub}]\npackages: []\n"), ("private", "packages:\n  - private: a/b\n"), ("env_var not set", "packages:\n  - local: \"{{ env_var('NOT_SET_Q') }}\"\n")]:
    case("packages.yml", text, SUB, "packages: " + name, DEPS)
    case("dependencies.yml", text, SUB, "dependencies: " + name, DEPS)

DROP = re.compile(r"^(unique_id|created_at|path|original_file_path|checksum\.|raw_code|file_key_name|root_path|patch_path|package_name|language|compiled|build_path|depends_on\.macros|macro_sql|primary_key|fqn|unrendered_|doc_blocks|refs|sources|metrics|functions|relation_name|schema$|database$|config\.(database|schema|alias)$)")
KEEP = re.compile(r"^(schema$|database$|alias|relation_name|config\.(database|schema|alias))")


def flat(value, at, out):
    if isinstance(value, dict) and value and not (at.endswith(("meta", "rows", "arguments", "kwargs", "overrides", "column_types", "unrendered_config", "columns", "grants", "node_relation"))):
        for key, item in value.items():
            flat(item, at + "." + str(key) if at else str(key), out)
    else:
        out[at] = value


def columns(node):
    """Only what is set of each column."""
    found = {}
    for name, column in (node.get("columns") or {}).items():
        found[name] = {k: v for k, v in column.items() if v not in ("", None, [], {}, False) and k not in ("config", "doc_blocks")}
        found[name].update({"config." + k: v for k, v in (column.get("config") or {}).items() if v})
    return found


def summary(manifest):
    found = {}
    for kind in "nodes sources exposures metrics groups semantic_models saved_queries unit_tests macros functions".split():
        for key, node in manifest.get(kind, {}).items():
            if kind == "macros" and not key.startswith("macro.p."):
                continue
            out = {}
            if "columns" in node:
                node["columns"] = columns(node)
            flat(node, "", out)
            found[key] = {k: v for k, v in out.items() if KEEP.match(k) or not DROP.match(k)}
            if kind in ("groups", "unit_tests"):  # models' project configs leak into these
                found[key] = {k: v for k, v in found[key].items() if not re.match(r"schema$|database$|config\.(?!meta|tags|enabled|own_key)", k)}
            for k in ("meta", "tags", "docs.show", "docs.node_color", "group", "access"):
                if k in found[key] and found[key][k] == found[key].get("config." + k):
                    del found[key][k]
    for key in manifest.get("disabled", {}):
        found.setdefault(key, {})["disabled"] = True
    return found


def alike(key, base):
    kind = key.split(".")[0]
    if kind == "test":
        same = [k for k in base if k.startswith("test.p.unique_m2" if len(key.split(".")) > 3 else "test.p.t")]
    else:
        same = [k for k in base if k.split(".")[0] == kind]
    return base[same[0]] if same else {}


def facts(found, base):
    out = {}
    for key in sorted(found):
        known = base.get(key)
        if known is None:
            like = alike(key, base)
            rest = {k: v for k, v in found[key].items() if (k not in like and v not in (None, "", [], {})) or (k in like and like[k] != v and k != "name" and (k != "columns" or v))}
        else:
            rest = {k: v for k, v in found[key].items() if k not in known or known[k] != v}
            rest.update({k: "(gone)" for k in known if k not in found[key] and known[k] not in (None, "", [], {})})
        if rest or known is None:
            out[key] = rest
    for key in sorted(base):
        if key not in found:
            out[key] = None
    return out


def tidy(value):
    """JSON without NaN and Infinity, which manifest.json has."""
    if isinstance(value, dict):
        return {k: tidy(v) for k, v in value.items()}
    if isinstance(value, list):
        return [tidy(v) for v in value]
    if isinstance(value, float) and value not in (float("inf"), float("-inf")) and value == value:
        return value
    return json.dumps(value) if isinstance(value, float) else value


def clean(text, folder):
    text = text.replace(os.path.realpath(folder) + "/", "").replace(folder + "/", "").replace(os.path.realpath(folder), ".").replace(folder, ".")
    text = re.sub(r"FilePath\(searched_path='(.*?)', relative_path='(.*?)', modification_time=[0-9.]+, project_root='.*?'\)", r"\1/\2", text)
    text = re.sub(r"/[^\s'\"]*/site-packages/", "", text)
    return re.sub(r"(/[^\s'\"/]+)+/\.dbt", "~/.dbt", text)


def run(folder, c):
    """dbt's outcome, its warnings and its manifest."""
    shutil.rmtree(folder, ignore_errors=True)
    files = {**BASE, **c["other"]}
    if not c["file"].startswith("--"):
        files[c["file"]] = c["text"]
    for path, text in files.items():
        if text is None:
            continue
        path = os.path.join(folder, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", newline="", encoding="utf-8") as file:
            file.write(text)
    warnings, errors = [], []

    def seen(event):
        if event.info.level == "warn":
            text = re.sub(r"\x1b\[[0-9;]*m", "", clean(event.info.msg, folder))
            text = re.sub(r"\[WARNING\](\[\w+\])?: (Deprecated functionality)?", "", text)
            if event.info.name != "DeprecationsSummary":
                warnings.append(event.info.name + ": " + " ".join(text.split())[:160])
        if event.info.level == "error":
            errors.append(clean(event.info.msg, folder).strip())

    args = list(c["command"]) + ["--profiles-dir", ".", "--project-dir", ".", "--log-level", "none", "--log-level-file", "none"]
    if c["command"][0] != "deps":
        args += ["--no-partial-parse"]
    if c["command"][0] == "ls":
        args += ["--output", "json", "--output-keys", "unique_id"]
    if c["file"] == "--vars":
        args += ["--vars", c["text"]]
    back = os.getcwd()
    os.chdir(folder)
    reset_deprecations()
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            result = dbtRunner(callbacks=[seen]).invoke(args)
    finally:
        os.chdir(back)
    manifest = None
    for path in sorted(glob.glob(os.path.join(folder, "**", "manifest.json"), recursive=True)):  # target-path may be another
        if result.success:
            with open(path, encoding="utf-8") as file:
                manifest = json.load(file)
    return result, warnings, errors, manifest


ABOUT = """\
One case a line of "cases". The project is "base" with the files of "other" (null: not there), or of the set that "with" names, and, at "file", the text "text" ("file" = --vars: the text is the argument of
that option). dbt ran "command" (default: parse). "result": ok or error; "message": the first lines of dbt's error. "facts" of ok: unique_id -> what the manifest has otherwise
than the plain project ("base" alone with the same "other"; or "base" alone where that is an error; nothing in the facts = nothing changed; "plain": what
that plain project has otherwise than "base", of which "base_facts" has all; "set_facts": the same of the plain projects with a set); for a node that the plain project lacks: what is other than in the plain node of the same kind
(m2, bsrc.bt, bex, ...), null: the node is not there any more. Keys are paths in manifest.json; columns hold only what is set. "listed": unique_ids of ls. "packages": what deps installed. "warnings":
events of level warn ("Name: text"). NaN and Infinity (manifest.json has them bare) are texts here. "logged": more lines that dbt logged with the error. "raised": the kind of exception, if it is none of dbt's own."""


PLAIN = {"file": "x.txt", "text": "", "other": {}, "command": ["parse"]}


def main():
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "yaml.json")
    part = sys.argv[2] if len(sys.argv) > 2 else ""
    top = tempfile.mkdtemp()
    folder = os.path.join(top, "w")
    plain = {}
    base = summary(run(folder, PLAIN)[3])
    with open(out, "w", encoding="utf-8") as file:
        file.write('{"about": %s,\n"dbt": "1.11.16",\n"base": {\n' % json.dumps(ABOUT))
        file.write(",\n".join("%s: %s" % (json.dumps(k), json.dumps(v)) for k, v in BASE.items()))
        sets = {name: facts(summary(run(folder, {**PLAIN, "other": other})[3]), base) for name, other in SETS.items()}
        file.write('\n},\n"base_facts": %s,\n"sets": %s,\n"set_facts": %s,\n"cases": [\n' % (json.dumps(base), json.dumps(SETS), json.dumps(sets)))
        first, done = True, set()
        for i, c in enumerate(sorted(CASES, key=lambda c: "shape" in c)):
            mark = json.dumps([c["file"], c["text"], c["other"], c["command"]], sort_keys=True)
            if part not in c["name"] or mark in done:
                continue
            done.add(mark)
            row = {"name": c["name"], "file": c["file"], "text": c["text"]}
            if c["with"]:
                row["with"] = c["with"]
            elif c["other"]:
                row["other"] = c["other"]
            if c["command"] != ["parse"]:
                row["command"] = c["command"]
            result, warnings, errors, manifest = run(folder, c)
            if result.success:
                row["result"] = "ok"
                if c["command"][0] == "deps":
                    place = os.path.join(folder, "dbt_packages")
                    row["packages"] = sorted(os.listdir(place)) if os.path.isdir(place) else []
                else:
                    other = {k: v for k, v in c["other"].items()}
                    key = json.dumps(other, sort_keys=True)
                    if key not in plain:
                        m = run(folder, {**PLAIN, "other": other})[3]
                        plain[key] = summary(m) if m else base
                    if not c["with"] and facts(plain[key], base):
                        row["plain"] = facts(plain[key], base)
                    row["facts"] = facts(summary(manifest), plain[key]) if manifest else "no manifest"
                    if c["command"][0] == "ls":
                        row["listed"] = sorted(json.loads(x)["unique_id"] for x in result.result or [])
            else:
                row["result"] = "error"
                text = clean(str(result.exception or ""), folder).strip()
                if not type(result.exception).__module__.startswith(("dbt", "click")) and result.exception is not None:
                    row["raised"] = type(result.exception).__name__
                text = re.sub(r"(?s) @ (\w+): \{.*\} - at path", r" @ \1: {..} - at path", text)
                lines = [x.rstrip() for x in text.splitlines() if x.strip() and not re.match(r"\s*(-----|\d+\s*\|)", x)]
                row["message"] = "\n".join(lines[:10])[:400]
                more = [e.splitlines()[0][:300] for e in errors if e and e.splitlines()[0] not in text and "Traceback" not in e and "Encountered an error" not in e]
                if more:
                    row["logged"] = more[:3]
            if warnings:
                row["warnings"] = sorted(set(warnings))
            file.write(("" if first else ",\n") + json.dumps(tidy(row), allow_nan=False))
            first = False
            end = file.tell()
            file.write("\n]}\n")
            file.flush()
            file.seek(end)
            if i % 50 == 0:
                print(i, len(CASES), c["name"], file=sys.stderr, flush=True)
        file.seek(0, 2)
    shutil.rmtree(top)


if __name__ == "__main__":
    main()
