"""Writes state.json: what dbt's state: selectors find after one change of a project.

Usage: python state.py [output file] [name of a case ...]
Needs dbt-core 1.11.16 and dbt-duckdb 1.10.1; uses no network and no database.
"""

import contextlib
import io
import json
import os
import re
import shutil
import sys
import tempfile

import dbt.task.list
import dbt.task.runnable
from dbt.cli.main import dbtRunner
from dbt_common.tests import enable_test_caching

PROJECT = """\
name: p
version: '1.0'
config-version: 2
profile: p
flags:
  send_anonymous_usage_stats: false
  state_modified_compare_more_unrendered_values: @FLAG@
vars:
  word: hello
  tag: t0
  other: 1
models:
  p:
    +schema: base
    sub:
      +materialized: view
    env_project:
      +materialized: "{{ env_var('MAT', 'view') }}"
      +schema: "{{ env_var('SCH', 'envs') }}"
    var_project:
      +tags: ["{{ var('tag', 'none') }}"]
      +alias: "vp_{{ var('al', 'x') }}"
    target_project:
      +materialized: "{{ 'table' if target.name == 'prod' else 'view' }}"
seeds:
  p:
    s2:
      +quote_columns: true
snapshots:
  p:
    +updated_at: ts
data_tests:
  p:
    +limit: 500
on-run-start: "{{ start_hook() }}"
"""

PROFILES = """\
p:
  target: dev
  outputs:
    dev: {type: duckdb, path: main.duckdb, schema: dev}
    dev2: {type: duckdb, path: main.duckdb, schema: dev}
    prod: {type: duckdb, path: main.duckdb, schema: prod}
    db: {type: duckdb, path: elsewhere.duckdb, schema: dev}
"""

MODELS_YML = """\
version: 2
groups:
  - name: g1
    owner: {name: one, email: one@example.com}
  - name: g2
    owner: {name: two}
models:
  - name: plain
    description: a plain model
    columns:
      - name: id
        description: the key
        data_type: integer
        data_tests:
          - unique
          - not_null:
              config: {severity: warn}
          - accepted_values:
              arguments: {values: [1, 2]}
          - positive:
              arguments: {strict: false}
      - name: name
  - name: k
    config:
      event_time: ts
  - name: yml
    config:
      materialized: table
      tags: [y1]
      meta: {owner: me}
      schema: ys
      alias: ya
      grants: {select: [bob]}
      pre_hook: "select 1"
  - name: documented
    description: "{{ doc('block') }}"
    config:
      persist_docs: {relation: true, columns: true}
    columns:
      - name: id
        description: persisted
  - name: rel_documented
    description: only the relation
    config:
      persist_docs: {relation: true}
    columns:
      - name: id
        description: not persisted
  - name: contracted
    description: has a contract
    config:
      materialized: table
      contract: {enforced: true}
    constraints:
      - type: check
        expression: id > 0
    columns:
      - name: id
        data_type: integer
        description: the key
        constraints:
          - type: not_null
      - name: name
        data_type: varchar
  - name: uncontracted
    columns:
      - name: id
        data_type: integer
        constraints:
          - type: not_null
  - name: versioned
    latest_version: 1
    description: many versions
    columns:
      - name: id
        data_tests: [not_null]
    versions:
      - v: 1
      - v: 2
        defined_in: versioned_two
        description: the second
  - name: pinned
    latest_version: 1
    config: {materialized: table, contract: {enforced: true}}
    columns:
      - {name: pin, data_type: integer}
      - {name: pun, data_type: integer}
    versions:
      - v: 1
  - name: dated
    deprecation_date: 2030-01-01
    description: has a date
  - name: grouped
    config: {group: g1, access: protected}
  - name: env_yaml
    config:
      materialized: "{{ env_var('MAT', 'view') }}"
      schema: "{{ env_var('SCH', 'envs') }}"
  - name: var_yaml
    description: "of {{ var('word', 'none') }}"
    config:
      persist_docs: {relation: true}
      tags: ["{{ var('tag', 'none') }}"]
      alias: "vy_{{ var('al', 'x') }}"
  - name: target_yaml
    config:
      schema: "{{ target.name }}"
  - name: spine
    time_spine:
      standard_granularity_column: day
    columns:
      - name: day
        granularity: day
unit_tests:
  - name: ut
    model: plain
    description: tests plain
    given:
      - input: source('src', 't1')
        rows:
          - {id: 1, name: a}
    expect:
      rows:
        - {id: 1, name: a}
    overrides:
      vars: {word: x}
    config: {tags: [u1]}
"""

SOURCES_YML = """\
version: 2
sources:
  - name: src
    description: the source
    schema: raw
    loaded_at_field: loaded
    freshness:
      warn_after: {count: 1, period: day}
    config:
      meta: {owner: them}
    tables:
      - name: t1
        identifier: t1_id
        description: table one
        columns:
          - name: id
            description: the id
            data_tests: [not_null]
      - name: t2
        config:
          freshness: null
  - name: env_src
    schema: "{{ env_var('SRC', 'one') }}"
    database: "{{ env_var('SRC_DB', 'main') }}"
    tables:
      - name: e1
  - name: var_src
    schema: "{{ var('src', 'one') }}"
    tables:
      - name: x1
        identifier: "{{ var('ident', 'x1') }}"
  - name: target_src
    schema: "{{ target.schema }}"
    tables:
      - name: y1
"""

SEEDS_YML = """\
version: 2
seeds:
  - name: s1
    description: a seed
    config:
      column_types: {id: integer}
    columns:
      - name: id
        description: the id
        data_tests: [unique]
  - name: s2
    description: another
    config:
      persist_docs: {relation: true, columns: true}
    columns:
      - name: id
        description: the id
"""

SNAPSHOTS_YML = """\
version: 2
snapshots:
  - name: snap_yml
    relation: ref('plain')
    description: in yaml
    config:
      unique_key: id
      strategy: check
      check_cols: [name]
    columns:
      - name: id
        description: the id
  - name: snap_sql
    description: in sql
    columns:
      - name: id
        data_tests: [not_null]
"""

EXPOSURES_YML = """\
version: 2
exposures:
  - name: ex
    label: The exposure
    type: dashboard
    maturity: high
    url: https://example.com/a
    description: looked at
    depends_on: [ref('plain'), "source('src', 't1')"]
    owner: {name: one, email: one@example.com}
    config: {tags: [e1]}
"""

SEMANTIC_YML = """\
version: 2
semantic_models:
  - name: sem
    description: a semantic model
    label: Sem
    model: ref('orders')
    defaults: {agg_time_dimension: dd}
    entities:
      - {name: oo, type: primary, expr: id}
    dimensions:
      - {name: dd, expr: day, type: time, type_params: {time_granularity: day}}
      - {name: kind, type: categorical}
    measures:
      - {name: total, agg: sum, expr: amount}
      - {name: cnt, agg: count, expr: id}
metrics:
  - name: sum_total
    label: Total
    description: a metric
    type: simple
    type_params: {measure: total}
    filter: "{{ Dimension('oo__kind') }} = 'a'"
    config: {meta: {m: 1}}
  - name: ratio_m
    label: Ratio
    type: ratio
    type_params: {numerator: sum_total, denominator: sum_total}
saved_queries:
  - name: sq
    label: Saved
    description: a saved query
    query_params:
      metrics: [sum_total]
      group_by: ["TimeDimension('metric_time', 'day')"]
      where:
        - "{{ Dimension('oo__kind') }} = 'a'"
    exports:
      - name: ex1
        config: {export_as: table, schema: exs, alias: exa}
"""

BASE = {
    "dbt_project.yml": PROJECT,
    "profiles.yml": PROFILES,
    "models/models.yml": MODELS_YML,
    "models/sources.yml": SOURCES_YML,
    "models/exposures.yml": EXPOSURES_YML,
    "models/semantic.yml": SEMANTIC_YML,
    "models/docs.md": "{% docs block %}\nthe text of the block\n{% enddocs %}\n",
    "models/plain.sql": "select id, name from {{ source('src', 't1') }}\n",
    "models/k.sql": "select 1 as id, now() as ts\n",
    "models/sub/in_sub.sql": "select 1 as id\n",
    "models/yml.sql": "select 1 as id\n",
    "models/infile.sql": (
        "{{ config(materialized='table', tags=['i1'], meta={'owner': 'me'}, schema='is', alias='ia',\n"
        "  pre_hook='select 1', post_hook=[\"{{ hooked() }}\"], grants={'select': ['bob']}) }}\n"
        "select * from {{ ref('plain') }}\n"
    ),
    "models/inc.sql": (
        "{{ config(materialized='incremental', unique_key='id', on_schema_change='fail') }}\n"
        "select * from {{ ref('plain') }}\n"
        "{% if is_incremental() %} where id > 1 {% endif %}\n"
    ),
    "models/eph.sql": "{{ config(materialized='ephemeral') }}\nselect 1 as id\n",
    "models/below_eph.sql": "select * from {{ ref('eph') }}\n",
    "models/documented.sql": "select 1 as id\n",
    "models/rel_documented.sql": "select 1 as id\n",
    "models/contracted.sql": "select 1 as id, 'a' as name\n",
    "models/uncontracted.sql": "select 1 as id\n",
    "models/versioned_v1.sql": "select 1 as id\n",
    "models/versioned_two.sql": "select 2 as id\n",
    "models/reads_versioned.sql": "select * from {{ ref('versioned') }}\n",
    "models/pinned_v1.sql": "select 1 as pin, 1 as pun\n",
    "models/dated.sql": "select 1 as id\n",
    "models/grouped.sql": "select 1 as id\n",
    "models/off.sql": "{{ config(enabled=false) }}\nselect 1 as id\n",
    "models/macro_direct.sql": "select {{ inner() }} as id\n",
    "models/macro_transitive.sql": "select {{ outer() }} as id\n",
    "models/macro_untaken.sql": "select 1 as id {% if execute %}, {{ inner() }} as x{% endif %}\n",
    "models/var_body.sql": "select '{{ var(\"word\") }}' as id\n",
    "models/var_infile.sql": "{{ config(tags=[var('tag')], alias='vi_' ~ var('al', 'x')) }}\nselect 1 as id\n",
    "models/var_yaml.sql": "select 1 as id\n",
    "models/var_project.sql": "select 1 as id\n",
    "models/env_body.sql": "select '{{ env_var(\"WORD\", \"w\") }}' as id\n",
    "models/env_infile.sql": (
        "{{ config(materialized=env_var('MAT', 'view'), schema=env_var('SCH', 'envs')) }}\nselect 1 as id\n"
    ),
    "models/env_yaml.sql": "select 1 as id\n",
    "models/env_project.sql": "select 1 as id\n",
    "models/target_body.sql": "select '{{ target.name }}' as id\n",
    "models/target_infile.sql": "{{ config(schema=target.name, materialized='table' if target.name == 'prod' else 'view') }}\nselect 1 as id\n",
    "models/target_yaml.sql": "select 1 as id\n",
    "models/target_project.sql": "select 1 as id\n",
    "models/orders.sql": "select 1 as id, 1 as amount, 'a' as kind, date '2024-01-01' as day\n",
    "models/spine.sql": "select date '2024-01-01' as day\n",
    "seeds/s1.csv": "id,name\n1,a\n2,b\n",
    "seeds/s2.csv": "id,name\n1,a\n2,b\n",
    "seeds/seeds.yml": SEEDS_YML,
    "snapshots/snap_sql.sql": (
        "{% snapshot snap_sql %}\n"
        "{{ config(unique_key='id', strategy='timestamp', updated_at='ts') }}\n"
        "select * from {{ ref('k') }}\n"
        "{% endsnapshot %}\n"
    ),
    "snapshots/snapshots.yml": SNAPSHOTS_YML,
    "tests/singular.sql": "select * from {{ ref('plain') }} where id < 0\n",
    "tests/singular_conf.sql": "{{ config(severity='warn', tags=['st']) }}\nselect * from {{ ref('plain') }} where id < 0\n",
    "tests/generic/positive.sql": (
        "{% test positive(model, column_name, strict) %}\n"
        "{{ config(fail_calc='count(*)') }}\n"
        "select * from {{ model }} where {{ column_name }} < {{ sign() }}\n"
        "{% endtest %}\n"
    ),
    "tests/tests.yml": "version: 2\ndata_tests:\n  - name: singular\n    description: a singular test\n",
    "macros/macros.sql": (
        "{% macro inner() %}1{% endmacro %}\n"
        "{% macro outer() %}{{ inner() }} + 1{% endmacro %}\n"
        "{% macro hooked() %}select 1{% endmacro %}\n"
        "{% macro start_hook() %}select 1{% endmacro %}\n"
        "{% macro sign() %}0{% endmacro %}\n"
        "{% macro unused() %}0{% endmacro %}\n"
    ),
    "macros/macros.yml": "version: 2\nmacros:\n  - name: inner\n    description: the inner macro\n",
    "analyses/an.sql": "select * from {{ ref('plain') }}\n",
    "functions/fn.sql": "a + 1\n",
    "functions/functions.yml": (
        "version: 2\n"
        "functions:\n"
        "  - name: fn\n"
        "    description: adds one\n"
        "    arguments:\n"
        "      - {name: a, data_type: integer, description: the input}\n"
        "    returns: {data_type: integer}\n"
    ),
}

CASES = []


def case(name, *edits, vars=None, env=None, target=None):
    """An edit is (path, old, new), (path, text) or (path, None)."""
    files, brief = {}, {}
    for edit in edits:
        path = edit[0]
        if len(edit) == 3:
            brief.setdefault(path, []).append([edit[1], edit[2]])
            text = files.get(path, BASE.get(path))
            assert text.count(edit[1]) == 1, (name, edit, text.count(edit[1]))
            files[path] = text.replace(edit[1], edit[2])
        else:
            files[path] = brief[path] = edit[1]
    assert all(c["name"] != name for c in CASES), name
    CASES.append({"name": name, "edits": brief, "files": files, "vars": vars, "env": env, "target": target})


M, S, P = "models/models.yml", "models/sources.yml", "dbt_project.yml"
X, Q = "models/exposures.yml", "models/semantic.yml"

case("nothing")

# --- text ---------------------------------------------------------------
case("model text", ("models/plain.sql", "select id", "select 2 as id"))
case("model text, final newline", ("models/plain.sql", "'t1') }}\n", "'t1') }}\n\n"))
case("model text, final newline gone", ("models/plain.sql", "'t1') }}\n", "'t1') }}"))
case("model text, first newline", ("models/plain.sql", "select id", "\nselect id"))
case("model text, inner blank", ("models/plain.sql", "id, name", "id,  name"))
case("model text, CRLF", ("models/plain.sql", "}}\n", "}}\r\n"))
case("model text, CRLF within", ("models/inc.sql", BASE["models/inc.sql"].replace("\n", "\r\n")))
case("model text, CRLF in the config call", ("models/infile.sql", ",\n  pre_hook", ",\r\n  pre_hook"))
case("model text, byte order mark", ("models/k.sql", "select 1", "\ufeffselect 1"))
case("model text, SQL comment", ("models/plain.sql", "select id", "-- c\nselect id"))
case("model text, Jinja comment", ("models/plain.sql", "select id", "{# c #}select id"))
case("model text, ephemeral", ("models/eph.sql", "select 1", "select 2"))
case("model text, version 1", ("models/versioned_v1.sql", "select 1", "select 3"))
case("model text, version 2", ("models/versioned_two.sql", "select 2", "select 3"))
case("model text, config call on two lines", ("models/eph.sql", "config(", "config(\n"))
case("model text, other ref", ("models/infile.sql", "ref('plain')", "ref('k')"))
case("seed text", ("seeds/s1.csv", "2,b", "2,c"))
case("seed text, final newline gone", ("seeds/s1.csv", "2,b\n", "2,b"))
case("seed text, final newlines", ("seeds/s1.csv", "2,b\n", "2,b\n\n\n"))
case("seed text, CRLF", ("seeds/s1.csv", "id,name\r\n1,a\r\n2,b\r\n"))
case("seed text, row order", ("seeds/s1.csv", "id,name\n2,b\n1,a\n"))
case("snapshot text", ("snapshots/snap_sql.sql", "select *", "select id, ts"))
case("snapshot text, blank before the block", ("snapshots/snap_sql.sql", "{% snapshot snap_sql", "\n{% snapshot snap_sql"))
case("snapshot text, final newline in the block", ("snapshots/snap_sql.sql", "\n{% endsnapshot", "{% endsnapshot"))
case("snapshot in YAML, relation", ("snapshots/snapshots.yml", "ref('plain')", "ref('k')"))
case("singular test text", ("tests/singular.sql", "id < 0", "id < 1"))
case("singular test text, comment", ("tests/singular.sql", "select *", "-- c\nselect *"))
case("analysis text", ("analyses/an.sql", "select *", "select id"))
case("function text", ("functions/fn.sql", "a + 1", "a + 2"))
case("project file, comment", (P, "name: p\n", "# c\nname: p\n"))
case("YAML, comment", (M, "models:\n", "# c\nmodels:\n"))
case("YAML, order of keys", (M, "    description: a plain model\n    columns:", "    columns:"), (M, "      - name: name\n  - name: k\n", "      - name: name\n    description: a plain model\n  - name: k\n"))

# --- macros -------------------------------------------------------------
K = "macros/macros.sql"
case("macro text, called directly and below", (K, "inner() %}1{%", "inner() %}2{%"))
case("macro text, outer", (K, "+ 1{%", "+ 2{%"))
case("macro text, blank", (K, "inner() %}1{%", "inner() %} 1{%"))
case("macro text, comment within", (K, "inner() %}1{%", "inner() %}{# c #}1{%"))
case("macro text, comment outside", (K, "{% macro inner", "{# c #}\n{% macro inner"))
case("macro text, of a model's hook", (K, "hooked() %}select 1", "hooked() %}select 2"))
case("macro text, of on-run-start", (K, "start_hook() %}select 1", "start_hook() %}select 2"))
case("macro text, of a generic test", (K, "sign() %}0", "sign() %}1"))
case("macro text, unused", (K, "unused() %}0", "unused() %}1"))
case("macro new, unused", ("macros/more.sql", "{% macro more() %}1{% endmacro %}\n"))
case("macro new, hides a built-in one", ("macros/more.sql", "{% macro generate_alias_name(custom_alias_name=none, node=none) %}{{ custom_alias_name or node.name }}{% endmacro %}\n"))
case("macro new, generate_schema_name", ("macros/more.sql", "{% macro generate_schema_name(custom_schema_name, node) %}{{ custom_schema_name or target.schema }}{% endmacro %}\n"))
case("macro new, get_where_subquery", ("macros/more.sql", "{% macro get_where_subquery(relation) %}{{ relation }}{% endmacro %}\n"))
case("macro new, default__test_not_null", ("macros/more.sql", "{% macro default__test_not_null(model, column_name) %}select 1{% endmacro %}\n"))
case("macro new, built-in test not_null", ("macros/more.sql", "{% test not_null(model, column_name) %}select 1{% endtest %}\n"))
case("macro new, built-in view", ("macros/more.sql", "{% macro create_view_as(relation, sql) %}x{% endmacro %}\n"))
case("macro gone, unused", (K, "{% macro unused() %}0{% endmacro %}\n", ""))
case("macro moved to another file", (K, "{% macro inner() %}1{% endmacro %}\n", ""), ("macros/more.sql", "{% macro inner() %}1{% endmacro %}\n"))
case("macro description", ("macros/macros.yml", "the inner macro", "the innermost macro"))
case("generic test text", ("tests/generic/positive.sql", "select *", "select 1"))
case("generic test text, its config", ("tests/generic/positive.sql", "count(*)", "sum(id)"))
case("generic test text, config added", ("tests/generic/positive.sql", "fail_calc='count(*)'", "fail_calc='count(*)', severity='warn'"))
case("generic test moved to macros", ("tests/generic/positive.sql", None), ("macros/positive.sql", BASE["tests/generic/positive.sql"]))

# --- configs of models: in the file, in YAML, in the project file ---------
MODEL_KEYS = [
    ("materialized", "table", None), ("materialized", "view", "default"), ("materialized", "incremental", None),
    ("materialized", "ephemeral", None),
    ("schema", "z", None), ("schema", "base", "the same as in the project file"), ("alias", "z", None),
    ("alias", "k", "default"), ("database", "main", None), ("tags", ["z"], None), ("tags", "z", "text"), ("tags", [], "empty"),
    ("meta", {"z": 1}, None), ("meta", {}, "default"), ("enabled", True, "default"), ("enabled", False, None),
    ("grants", {"select": ["z"]}, None), ("grants", {}, "default"),
    ("persist_docs", {"relation": True}, None), ("persist_docs", {}, "default"), ("persist_docs", {"relation": False}, "off"),
    ("contract", {"enforced": False}, "default"), ("pre_hook", "select 1", None), ("post_hook", "select 1", None),
    ("post_hook", ["select 1"], "list"), ("pre-hook", "select 1", None), ("post_hook", [], "default"), ("unique_key", "id", None),
    ("on_schema_change", "fail", None), ("on_schema_change", "ignore", "default"),
    ("on_configuration_change", "fail", None), ("group", "g2", None), ("access", "public", None),
    ("access", "protected", "default"), ("access", "private", None), ("docs", {"show": False}, None), ("docs", {"show": True}, "default"),
    ("full_refresh", True, None), ("full_refresh", False, None), ("incremental_strategy", "append", None),
    ("column_types", {"id": "integer"}, None), ("quoting", {"identifier": False}, None),
    ("packages", ["z"], None), ("sql_header", "select 1", None), ("event_time", "ts2", None),
    ("indexes", [{"columns": ["id"]}], None), ("batch_size", "day", None), ("begin", "2024-01-01", None),
    ("lookback", 2, None), ("lookback", 1, "default"), ("concurrent_batches", True, None),
    ("freshness", {"build_after": {"count": 1, "period": "day"}}, None), ("own_key", 1, None),
    ("static_analysis", "off", None), ("snowflake_warehouse", "w", None),
]


def py(value):
    return repr(value)


def js(value):
    return json.dumps(value)


def block(key, value, indent):
    return " " * indent + key + ": " + js(value) + "\n"


def name_of(kind, key, value, note, place):
    return "%s config %s=%s%s, %s" % (kind, key, js(value), " (%s)" % note if note else "", place)


for key, value, note in MODEL_KEYS:
    text = "%s=%s" % (key, py(value)) if "-" not in key else "**{'%s': %s}" % (key, py(value))
    if "-" not in key:
        case(name_of("model", key, value, note, "in file"), ("models/k.sql", "select 1", "{{ config(%s) }}select 1" % text))
    case(name_of("model", key, value, note, "YAML"), (M, "      event_time: ts\n", block(key, value, 6) if key == "event_time" else "      event_time: ts\n" + block(key, value, 6)))
    case(name_of("model", key, value, note, "project"), (P, "    sub:\n", "    k:\n" + block("+" + key, value, 6) + "    sub:\n"))

for key, value in [("enabled", False), ("access", "private")]:
    case(name_of("model target_body", key, value, None, "in file"), ("models/target_body.sql", "select", "{{ config(%s=%s) }}select" % (key, py(value))))
    case(name_of("model target_body", key, value, None, "YAML"), (M, "models:\n", "models:\n  - name: target_body\n    config: %s\n" % js({key: value})))
    case(name_of("model target_body", key, value, None, "project"), (P, "    sub:\n", "    target_body:\n" + block("+" + key, value, 6) + "    sub:\n"))
for key, old, new in [
    ("materialized", "materialized: table\n      tags: [y1]", "materialized: view\n      tags: [y1]"),
    ("tags", "tags: [y1]", "tags: [y2]"),
    ("tags as text", "tags: [y1]", "tags: y1"),
    ("tags gone", "      tags: [y1]\n", ""),
    ("meta", "meta: {owner: me}", "meta: {owner: you}"),
    ("schema", "schema: ys", "schema: ys2"),
    ("schema gone", "      schema: ys\n", ""),
    ("alias", "alias: ya", "alias: ya2"),
    ("alias as an expression", "alias: ya", "alias: \"{{ 'ya' }}\""),
    ("grants", "select: [bob]", "select: [eve]"),
    ("grants as text", "select: [bob]", "select: bob"),
    ("grants with plus", "{select: [bob]}", "{+select: [bob]}"),
    ("pre_hook", 'pre_hook: "select 1"', 'pre_hook: "select 2"'),
    ("pre_hook as a mapping", 'pre_hook: "select 1"', 'pre_hook: {sql: "select 1"}'),
    ("pre_hook spelt pre-hook", 'pre_hook: "select 1"', 'pre-hook: "select 1"'),
    ("pre_hook without a transaction", 'pre_hook: "select 1"', 'pre_hook: {sql: "select 1", transaction: false}'),
]:
    case("model yml, YAML " + key, (M, old, new))

for key, old, new in [
    ("materialized", "materialized='table'", "materialized='view'"),
    ("tags", "tags=['i1']", "tags=['i2']"),
    ("meta", "'owner': 'me'", "'owner': 'you'"),
    ("schema", "schema='is'", "schema='is2'"),
    ("schema gone", " schema='is',", ""),
    ("alias", "alias='ia'", "alias='ia2'"),
    ("alias as an expression", "alias='ia'", "alias='i' ~ 'a'"),
    ("alias in the other quotes", "alias='ia'", 'alias="ia"'),
    ("pre_hook", "pre_hook='select 1'", "pre_hook='select 2'"),
    ("post_hook", "hooked() }}\"", "hooked() }} \""),
    ("grants", "['bob']", "['eve']"),
    ("order of arguments", "materialized='table', tags=['i1']", "tags=['i1'], materialized='table'"),
    ("second call", "select *", "{{ config(cluster='x') }}select *"),
]:
    case("model infile, in file " + key, ("models/infile.sql", old, new))
case("model inc, in file unique_key", ("models/inc.sql", "unique_key='id'", "unique_key=['id']"))
case("model inc, in file on_schema_change", ("models/inc.sql", "'fail'", "'ignore'"))
case("model inc, in file incremental_strategy", ("models/inc.sql", "'fail')", "'fail', incremental_strategy='append')"))

for key, old, new in [
    ("schema for all", "+schema: base", "+schema: base2"),
    ("schema for all gone", "    +schema: base\n", ""),
    ("schema of all as an expression", "+schema: base", "+schema: \"{{ 'base' }}\""),
    ("materialized of a folder", "+materialized: view", "+materialized: table"),
    ("materialized of a folder gone", "    sub:\n      +materialized: view\n", ""),
    ("materialized without plus", "+materialized: view", "materialized: view"),
    ("tags of the package", "    +schema: base\n", "    +schema: base\n    +tags: [all]\n"),
    ("hook of the package", "    +schema: base\n", "    +schema: base\n    +post-hook: \"select 1\"\n"),
    ("persist_docs of the package", "    +schema: base\n", "    +schema: base\n    +persist_docs: {relation: true, columns: true}\n"),
    ("enabled of the folder", "      +materialized: view\n", "      +materialized: view\n      +enabled: true\n"),
    ("meta without plus", "      +materialized: view\n", "      +materialized: view\n      meta: {z: 1}\n"),
    ("quoting", "vars:\n", "quoting: {identifier: false}\nvars:\n"),
    ("var value", "word: hello", "word: goodbye"),
    ("var tag", "tag: t0", "tag: t1"),
    ("var renamed", "word: hello", "word: hello\n  word2: hello"),
    ("on-run-start", "start_hook() }}", "start_hook() }} "),
    ("on-run-end new", "on-run-start:", "on-run-end: select 1\non-run-start:"),
    ("version", "version: '1.0'", "version: '2.0'"),
    ("query comment", "vars:\n", "query-comment: x\nvars:\n"),
]:
    case("project file, " + key, (P, old, new))

# --- seeds ----------------------------------------------------------------
SEED_KEYS = [
    ("column_types", {"id": "bigint"}), ("column_types", {}), ("quote_columns", True), ("quote_columns", False),
    ("quote_columns", None), ("delimiter", ";"), ("delimiter", ","), ("schema", "z"), ("alias", "z"),
    ("database", "main"), ("tags", ["z"]), ("meta", {"z": 1}), ("enabled", False), ("full_refresh", True),
    ("grants", {"select": ["z"]}), ("persist_docs", {"relation": True, "columns": True}), ("post_hook", "select 1"),
    ("docs", {"show": False}), ("group", "g1"), ("own_key", 1), ("event_time", "ts"),
]
D = "seeds/seeds.yml"
for key, value in SEED_KEYS:
    old = "      column_types: {id: integer}\n"
    case(name_of("seed", key, value, None, "YAML"), (D, old, block(key, value, 6) if key == "column_types" else old + block(key, value, 6)))
    case(name_of("seed", key, value, None, "project"), (P, "    s2:\n", "    s1:\n" + block("+" + key, value, 6) + "    s2:\n"))
case("seed config quote_columns changed, project", (P, "+quote_columns: true", "+quote_columns: false"))
case("seed config quote_columns gone, project", (P, "    s2:\n      +quote_columns: true\n", "    s3:\n      +quote_columns: true\n"))
case("seed description", (D, "description: a seed", "description: b seed"))
case("seed column description", (D, "      - name: id\n        description: the id\n        data_tests", "      - name: id\n        description: that id\n        data_tests"))
case("seed description, persisted", (D, "description: another", "description: still another"))
case("seed column description, persisted", (D, "columns: true}\n    columns:\n      - name: id\n        description: the id", "columns: true}\n    columns:\n      - name: id\n        description: that id"))
case("seed column added", (D, "        data_tests: [unique]\n", "        data_tests: [unique]\n      - name: name\n"))

# --- snapshots ------------------------------------------------------------
SNAP_KEYS = [
    ("unique_key", "id2"), ("strategy", "timestamp"), ("check_cols", "all"), ("check_cols", ["id"]), ("updated_at", "ts2"),
    ("updated_at", "ts"), ("target_schema", "z"), ("target_database", "main"), ("schema", "z"), ("alias", "z"), ("database", "main"),
    ("hard_deletes", "invalidate"), ("hard_deletes", "ignore"), ("invalidate_hard_deletes", True),
    ("dbt_valid_to_current", "date '9999-12-31'"), ("snapshot_meta_column_names", {"dbt_valid_to": "z"}),
    ("tags", ["z"]), ("meta", {"z": 1}), ("enabled", False), ("grants", {"select": ["z"]}), ("post_hook", "select 1"),
    ("persist_docs", {"relation": True, "columns": True}), ("group", "g1"), ("own_key", 1),
]
N = "snapshots/snapshots.yml"
for key, value in SNAP_KEYS:
    old = {"unique_key": "      unique_key: id\n", "strategy": "      strategy: check\n", "check_cols": "      check_cols: [name]\n"}.get(key)
    end = "      check_cols: [name]\n"
    case(name_of("snapshot", key, value, None, "YAML"), (N, old, block(key, value, 6)) if old else (N, end, end + block(key, value, 6)))
    if key not in ("unique_key", "strategy") and value != "ts":
        tail = ", updated_at='ts')"
        new = ", updated_at='ts2')" if key == "updated_at" else ", updated_at='ts', %s=%s)" % (key, py(value))
        case(name_of("snapshot", key, value, None, "in file"), ("snapshots/snap_sql.sql", tail, new))
    if key not in ("updated_at",):
        case(name_of("snapshot", key, value, None, "project"), (P, "    +updated_at: ts\n", "    +updated_at: ts\n" + block("+" + key, value, 4)))
case("snapshot config updated_at changed, project", (P, "+updated_at: ts", "+updated_at: ts2"))
case("snapshot config updated_at gone, project", (P, "snapshots:\n  p:\n    +updated_at: ts\n", ""))
case("snapshot description in YAML", (N, "in yaml", "in this yaml"))
case("snapshot description in SQL", (N, "in sql", "in this sql"))
case("snapshot column description", (N, "the id", "that id"))

# --- tests ----------------------------------------------------------------
TEST_KEYS = [
    ("severity", "warn", None), ("severity", "error", "default"), ("severity", "ERROR", "default"), ("where", "id > 1", None),
    ("where", None, "default"), ("limit", 10, None), ("limit", None, "default"), ("limit", 500, "the same as in the project file"),
    ("error_if", "> 1", None), ("error_if", "!= 0", "default"),
    ("warn_if", "> 1", None), ("warn_if", "!= 0", "default"), ("fail_calc", "sum(id)", None), ("fail_calc", "count(*)", "default"), ("store_failures", True, None), ("store_failures", False, None),
    ("store_failures_as", "view", None), ("store_failures_as", "table", None), ("store_failures_as", "ephemeral", None), ("tags", ["z"], None), ("meta", {"z": 1}, None),
    ("enabled", True, "default"), ("enabled", False, None), ("alias", "z", None), ("schema", "z", None), ("schema", "dbt_test__audit", "default"), ("database", "main", None), ("group", "g1", None),
    ("own_key", 1, None), ("sql_header", "select 1", None),
]
for key, value, note in TEST_KEYS:
    if key not in ("group",):
        case(name_of("generic test", key, value, note, "YAML"), (M, "arguments: {strict: false}\n", "arguments: {strict: false}\n              config: %s\n" % js({key: value})))
        case(name_of("generic test", key, value, note, "in file"), ("tests/generic/positive.sql", "{{ config(fail_calc='count(*)') }}", "{{ config(%s=%s) }}" % (key, py(value))) if key == "fail_calc" else ("tests/generic/positive.sql", "fail_calc='count(*)'", "fail_calc='count(*)', %s=%s" % (key, py(value))))
    case(name_of("tests", key, value, note, "project"), (P, "    +limit: 500\n", block("+" + key, value, 4) if key == "limit" else "    +limit: 500\n" + block("+" + key, value, 4)))
    case(name_of("singular test", key, value, note, "in file"), ("tests/singular.sql", "select *", "{{ config(%s=%s) }}select *" % (key, py(value))))
    if key in ("severity", "where", "tags", "enabled", "own_key"):
        case(name_of("singular test", key, value, note, "YAML"), ("tests/tests.yml", "    description", "    config: %s\n    description" % js({key: value})))
case("generic test, severity changed", (M, "severity: warn", "severity: error"))
case("generic test, severity gone", (M, "          - not_null:\n              config: {severity: warn}\n", "          - not_null\n"))
case("generic test, severity outside config", (M, "              config: {severity: warn}\n", "              severity: warn\n"))
case("generic test, arguments changed", (M, "values: [1, 2]", "values: [1, 2, 3]"))
case("generic test, arguments as keys of the test", (M, "              arguments: {values: [1, 2]}", "              values: [1, 2]"))
case("generic test, name", (M, "              arguments: {strict: false}", "              name: named\n              arguments: {strict: false}"))
case("generic test, description", (M, "              arguments: {strict: false}", "              description: d\n              arguments: {strict: false}"))
case("generic test new", (M, "      - name: name\n  - name: k\n", "      - name: name\n        data_tests: [not_null]\n  - name: k\n"))
case("generic test gone", (M, "          - unique\n", ""))
case("generic test, tests instead of data_tests", (M, "        description: the key\n        data_type: integer\n        data_tests:", "        description: the key\n        data_type: integer\n        tests:"))
case("singular test description", ("tests/tests.yml", "a singular", "one singular"))
case("singular test, severity in file changed", ("tests/singular_conf.sql", "'warn'", "'error'"))
case("singular test, tags in file changed", ("tests/singular_conf.sql", "['st']", "['su']"))
case("singular test new", ("tests/singular3.sql", "select 1 where false\n"))
case("singular test gone", ("tests/singular.sql", None), ("tests/tests.yml", None))
case("singular test to a folder", ("tests/singular_conf.sql", None), ("tests/f/singular_conf.sql", BASE["tests/singular_conf.sql"]))

# --- descriptions and columns of models -----------------------------------
case("model description", (M, "a plain model", "a very plain model"))
case("model description gone", (M, "    description: a plain model\n", ""))
case("model column description", (M, "        description: the key\n        data_type: integer\n        data_tests", "        description: a key\n        data_type: integer\n        data_tests"))
case("model column data_type", (M, "        data_type: integer\n        data_tests", "        data_type: bigint\n        data_tests"))
case("model column added", (M, "      - name: name\n  - name: k\n", "      - name: name\n      - name: more\n  - name: k\n"))
case("model column gone", (M, "      - name: name\n  - name: k\n", "  - name: k\n"))
case("model column renamed, with tests", (M, "      - name: id\n        description: the key\n        data_type: integer\n        data_tests", "      - name: id2\n        description: the key\n        data_type: integer\n        data_tests"))
case("model column tags and meta", (M, "      - name: name\n  - name: k\n", "      - name: name\n        config: {tags: [z], meta: {z: 1}}\n  - name: k\n"))
case("model column quote", (M, "      - name: name\n  - name: k\n", "      - name: name\n        quote: true\n  - name: k\n"))
case("model docs key", (M, "    description: a plain model\n", "    description: a plain model\n    docs: {show: false}\n"))
case("model meta key", (M, "    description: a plain model\n", "    description: a plain model\n    meta: {z: 1}\n"))
case("model tags key", (M, "    description: a plain model\n", "    description: a plain model\n    tags: [z]\n"))
case("model access key", (M, "    description: a plain model\n", "    description: a plain model\n    access: public\n"))
case("model group key", (M, "    description: a plain model\n", "    description: a plain model\n    group: g1\n"))
case("model group in config changed", (M, "group: g1, access", "group: g2, access"))
case("model access in config changed", (M, "access: protected", "access: private"))
case("group owner", (M, "one@example.com", "two@example.com"))
case("doc block text", ("models/docs.md", "the text", "another text"))
case("doc block text, blanks at its ends", ("models/docs.md", "the text", "\n  the text"))
case("doc block replaced by its text", (M, "\"{{ doc('block') }}\"", "the text of the block"))
case("persisted column description", (M, "description: persisted", "description: well persisted"))
case("persisted column new", (M, "description: persisted\n", "description: persisted\n      - name: z\n"))
case("persisted column new with description", (M, "description: persisted\n", "description: persisted\n      - name: z\n        description: z\n"))
case("persisted relation description", (M, "only the relation", "the relation only"))
case("column description, only the relation persisted", (M, "description: not persisted", "description: certainly not persisted"))
case("persist_docs changed", (M, "{relation: true, columns: true}\n    columns", "{relation: true, columns: false}\n    columns"))
case("property entry gone", (M, "  - name: uncontracted\n    columns:\n      - name: id\n        data_type: integer\n        constraints:\n          - type: not_null\n", ""))
case("properties moved to another file", (M, "  - name: dated\n    deprecation_date: 2030-01-01\n    description: has a date\n", ""), ("models/more.yml", "models:\n  - name: dated\n    deprecation_date: 2030-01-01\n    description: has a date\n"))

# --- contracts and constraints ---------------------------------------------
CON = "      - name: id\n        data_type: integer\n        description: the key\n"
case("contract, column type", (M, CON, CON.replace("integer", "bigint")))
case("contract, column type spelt otherwise", (M, CON, CON.replace("integer", "INTEGER")))
case("contract, column type alias", (M, CON, CON.replace("integer", "int")))
case("contract, column description", (M, CON, CON.replace("the key", "a key")))
case("contract, column added", (M, "        data_type: varchar\n", "        data_type: varchar\n      - name: more\n        data_type: varchar\n"))
case("contract, column gone", (M, "      - name: name\n        data_type: varchar\n", ""))
case("contract, column renamed", (M, "      - name: name\n        data_type: varchar\n", "      - name: name2\n        data_type: varchar\n"))
case("contract, columns in another order", (M, CON + "        constraints:\n          - type: not_null\n      - name: name\n        data_type: varchar\n", "      - name: name\n        data_type: varchar\n" + CON + "        constraints:\n          - type: not_null\n"))
case("contract, model constraint changed", (M, "id > 0", "id > 1"))
case("contract, model constraint gone", (M, "    constraints:\n      - type: check\n        expression: id > 0\n", ""))
case("contract, column constraint gone", (M, "        description: the key\n        constraints:\n          - type: not_null\n", "        description: the key\n"))
case("contract, column constraint added", (M, "        description: the key\n        constraints:\n          - type: not_null\n", "        description: the key\n        constraints:\n          - type: not_null\n          - type: unique\n"))
case("contract off", (M, "      contract: {enforced: true}", "      contract: {enforced: false}"))
case("contract gone", (M, "      contract: {enforced: true}\n", ""))
case("contract, alias_types", (M, "      contract: {enforced: true}", "      contract: {enforced: true, alias_types: false}"))
case("contract, model text", ("models/contracted.sql", "'a'", "'b'"))
case("contract, materialized", (M, "      materialized: table\n      contract", "      materialized: view\n      contract"))
case("contract, model gone", ("models/contracted.sql", None))
case("contract, model disabled", ("models/contracted.sql", "select", "{{ config(enabled=false) }}select"))
case("contract on", (M, "  - name: uncontracted\n", "  - name: uncontracted\n    config: {contract: {enforced: true}}\n"))
case("no contract, column type", (M, "        data_type: integer\n        constraints:", "        data_type: bigint\n        constraints:"))
case("no contract, constraint gone", (M, "        data_type: integer\n        constraints:\n          - type: not_null\n", "        data_type: integer\n"))

case("contract of a version, column type", (M, "{name: pin, data_type: integer}", "{name: pin, data_type: bigint}"))
case("contract of a version, column gone", (M, "      - {name: pun, data_type: integer}\n", ""))
case("contract of a version, column added", (M, "      - {name: pun, data_type: integer}\n", "      - {name: pun, data_type: integer}\n      - {name: pon, data_type: integer}\n"))
case("contract of a version, description", (M, "{name: pin, data_type: integer}", "{name: pin, data_type: integer, description: d}"))
case("contract of a version, off", (M, "{materialized: table, contract: {enforced: true}}", "{materialized: table}"))
case("contract of a version, materialized view", (M, "{materialized: table, contract: {enforced: true}}", "{materialized: view, contract: {enforced: true}}"))
case("contract of a version, model gone", ("models/pinned_v1.sql", None))
case("contract of a version, model disabled", ("models/pinned_v1.sql", "select", "{{ config(enabled=false) }}select"))
case("contract of a version, model text", ("models/pinned_v1.sql", "select 1", "select 2"))

# --- versions and dates ------------------------------------------------------
V1 = "        data_tests: [not_null]\n    versions:\n      - v: 1\n"
case("latest_version", (M, "latest_version: 1\n    description", "latest_version: 2\n    description"))
case("latest_version gone", (M, "    latest_version: 1\n    description", "    description"))
case("defined_in", (M, "defined_in: versioned_two", "defined_in: versioned_2"), ("models/versioned_two.sql", None), ("models/versioned_2.sql", BASE["models/versioned_two.sql"]))
case("version description", (M, "the second", "the 2nd"))
case("version added", (M, V1, V1 + "      - v: 3\n        defined_in: versioned_three\n"), ("models/versioned_three.sql", "select 3 as id\n"))
case("version gone", (M, "      - v: 2\n        defined_in: versioned_two\n        description: the second\n", ""), ("models/versioned_two.sql", None))
case("version config", (M, V1, V1 + "        config: {materialized: table}\n"))
case("version alias", (M, V1, V1 + "        config: {alias: versioned}\n"))
case("version deprecation_date", (M, V1, V1 + "        deprecation_date: 2031-01-01\n"))
case("version columns", (M, V1, V1 + "        columns: [{include: all}, {name: z}]\n"))
case("versioned description", (M, "many versions", "several versions"))
case("deprecation_date", (M, "deprecation_date: 2030-01-01", "deprecation_date: 2031-01-01"))
case("deprecation_date gone", (M, "    deprecation_date: 2030-01-01\n", ""))
case("deprecation_date as text", (M, "deprecation_date: 2030-01-01", "deprecation_date: '2030-01-01'"))
case("deprecation_date with time", (M, "deprecation_date: 2030-01-01", "deprecation_date: 2030-01-01 00:00:00"))

# --- nodes -------------------------------------------------------------------
case("model new", ("models/fresh.sql", "select 1 as id\n"))
case("model new with test", ("models/fresh.sql", "select 1 as id\n"), ("models/fresh.yml", "models:\n  - name: fresh\n    columns:\n      - name: id\n        data_tests: [unique]\n"))
case("model gone", ("models/target_body.sql", None))
case("model renamed", ("models/target_body.sql", None), ("models/target_body2.sql", BASE["models/target_body.sql"]))
case("model to a folder", ("models/target_body.sql", None), ("models/folder/target_body.sql", BASE["models/target_body.sql"]))
case("model enabled", ("models/off.sql", "false", "true"))
case("model disabled", ("models/below_eph.sql", "select", "{{ config(enabled=false) }}select"))
case("seed new", ("seeds/s3.csv", "a\n1\n"))
case("seed gone", ("seeds/s2.csv", None))
case("seed to a folder", ("seeds/s2.csv", None), ("seeds/f/s2.csv", BASE["seeds/s2.csv"]))
case("snapshot new", ("snapshots/s3.sql", "{% snapshot s3 %}{{ config(unique_key='id', strategy='check', check_cols='all') }}select 1 as id{% endsnapshot %}\n"))
case("snapshot to another file", ("snapshots/snap_sql.sql", None), ("snapshots/other.sql", BASE["snapshots/snap_sql.sql"]))
case("analysis new", ("analyses/an2.sql", "select 1\n"))
case("source table new", (S, "      - name: t2\n", "      - name: t3\n      - name: t2\n"))
case("source table gone", (S, "      - name: t2\n        config:\n          freshness: null\n", ""))
case("exposure new", (X, "exposures:\n", "exposures:\n  - {name: ex2, type: notebook, owner: {name: z}}\n"))
case("metric new", (Q, "metrics:\n  -", "metrics:\n  - {name: m2, label: M2, type: simple, type_params: {measure: cnt}}\n  -"))
case("semantic model new", (Q, "semantic_models:\n", "semantic_models:\n  - {name: sem2, model: ref('plain'), entities: [{name: pl, type: primary, expr: id}]}\n"))
case("saved query new", (Q, "saved_queries:\n", "saved_queries:\n  - {name: sq2, query_params: {metrics: [sum_total]}}\n"))
case("unit test new", (M, "unit_tests:\n", "unit_tests:\n  - {name: ut2, model: k, given: [], expect: {rows: [{id: 1}]}}\n"))
case("function new", ("functions/fn2.sql", "a + 3\n"), ("functions/more.yml", "functions:\n  - name: fn2\n    arguments: [{name: a, data_type: integer}]\n    returns: {data_type: integer}\n"))
case("group new", (M, "groups:\n", "groups:\n  - {name: g3, owner: {name: z}}\n"))

# --- sources -------------------------------------------------------------------
def source(name, *edits):
    case("source " + name, *[(S, old, new) for old, new in edits])


META = "      meta: {owner: them}\n"
source("schema", ("schema: raw", "schema: raw2"))
source("schema gone", ("    schema: raw\n", ""))
source("schema as an expression", ("schema: raw", "schema: \"{{ 'raw' }}\""))
source("database", ("    schema: raw\n", "    schema: raw\n    database: other\n"))
source("database, the target's", ("    schema: raw\n", "    schema: raw\n    database: main\n"))
source("description", ("the source", "that source"))
source("table description", ("table one", "table 1"))
source("column description", ("the id", "that id"))
source("column data_type", ("            description: the id\n", "            description: the id\n            data_type: integer\n"))
source("column added", ("            data_tests: [not_null]\n", "            data_tests: [not_null]\n          - name: z\n"))
source("test added", ("[not_null]", "[not_null, unique]"))
source("identifier", ("t1_id", "t1_id2"))
source("identifier gone", ("        identifier: t1_id\n", ""))
source("identifier in other case", ("t1_id", "T1_ID"))
source("loaded_at_field", ("loaded_at_field: loaded", "loaded_at_field: loaded2"))
source("loaded_at_field gone", ("    loaded_at_field: loaded\n", ""))
source("loaded_at_query", ("loaded_at_field: loaded", "loaded_at_query: select 1"))
source("freshness", ("count: 1, period", "count: 2, period"))
source("freshness error_after", ("    freshness:\n      warn", "    freshness:\n      error_after: {count: 3, period: day}\n      warn"))
source("freshness filter", ("    freshness:\n      warn", "    freshness:\n      filter: id > 0\n      warn"))
source("freshness gone", ("    freshness:\n      warn_after: {count: 1, period: day}\n", ""))
source("freshness moved to config", ("    freshness:\n      warn_after: {count: 1, period: day}\n    config:\n", "    config:\n      freshness:\n        warn_after: {count: 1, period: day}\n"))
source("loaded_at_field moved to config", ("    loaded_at_field: loaded\n", ""), (META, META + "      loaded_at_field: loaded\n"))
source("freshness of the table", ("          freshness: null\n", "          freshness: {warn_after: {count: 5, period: hour}}\n"))
source("freshness null of the table gone", ("      - name: t2\n        config:\n          freshness: null\n", "      - name: t2\n"))
source("quoting", ("    schema: raw\n", "    schema: raw\n    quoting: {identifier: true}\n"))
source("quoting of the table", ("        identifier: t1_id\n", "        identifier: t1_id\n        quoting: {identifier: false}\n"))
source("quoting of columns", ("    schema: raw\n", "    schema: raw\n    quoting: {column: true}\n"))
source("loader", ("    schema: raw\n", "    schema: raw\n    loader: x\n"))
source("tags", ("    schema: raw\n", "    schema: raw\n    tags: [z]\n"))
source("meta", ("owner: them", "owner: us"))
source("meta gone", ("    config:\n" + META, ""))
source("config tags", (META, META + "      tags: [z]\n"))
source("config enabled", (META, META + "      enabled: true\n"))
source("config event_time", (META, META + "      event_time: ts\n"))
source("config own_key", (META, META + "      own_key: 1\n"))
source("external", ("        identifier: t1_id\n", "        identifier: t1_id\n        external: {location: x}\n"))
source("external_location", (META, "      meta: {owner: them, external_location: x.csv}\n"))
source("table meta", ("        identifier: t1_id\n", "        identifier: t1_id\n        config: {meta: {z: 1}}\n"))
for key, value in [("enabled", True), ("meta", {"z": 1}), ("tags", ["z"]), ("event_time", "ts"), ("own_key", 1), ("loaded_at_field", "z"),
                   ("schema", "z"), ("freshness", {"warn_after": {"count": 9, "period": "day"}})]:
    case(name_of("source", key, value, None, "project"), (P, "vars:\n", "sources:\n  p:\n    src:\n" + block("+" + key, value, 6) + "vars:\n"))

# --- exposures, metrics, semantic models, saved queries, unit tests, functions ----
DEP = "[ref('plain'), \"source('src', 't1')\"]"
for name, old, new in [
    ("label", "The exposure", "That exposure"), ("label gone", "    label: The exposure\n", ""), ("type", "dashboard", "notebook"),
    ("maturity", "high", "low"), ("url", "com/a", "com/b"), ("description", "looked at", "looked into"),
    ("depends_on", '"source(\'src\', \'t1\')"', "ref('k')"), ("depends_on, order", DEP, "[\"source('src', 't1')\", ref('plain')]"),
    ("depends_on, less", DEP, "[ref('plain')]"), ("depends_on, twice", "[ref('plain'), ", "[ref('plain'), ref('plain'), "),
    ("owner name", "name: one", "name: two"), ("owner email", "one@", "two@"), ("owner name gone", "name: one, email", "email"),
    ("config tags", "tags: [e1]", "tags: [e2]"), ("tags key", "    config: {tags: [e1]}\n", "    config: {tags: [e1]}\n    tags: [e2]\n"),
    ("meta key", "    config: {tags: [e1]}\n", "    config: {tags: [e1]}\n    meta: {z: 1}\n"),
    ("config meta", "tags: [e1]", "tags: [e1], meta: {z: 1}"), ("config enabled", "tags: [e1]", "tags: [e1], enabled: true"),
    ("config own_key", "tags: [e1]", "tags: [e1], own_key: 1"),
]:
    case("exposure " + name, (X, old, new))
case("exposure config tags, project", (P, "vars:\n", "exposures:\n  p:\n    +tags: [z]\nvars:\n"))
case("exposure config enabled, project", (P, "vars:\n", "exposures:\n  p:\n    +enabled: true\nvars:\n"))
case("exposure to another file", (X, None), ("models/f/exposures.yml", BASE[X]))
FILTER = "    filter: \"{{ Dimension('oo__kind') }} = 'a'\"\n"
for name, old, new in [
    ("metric label", "label: Total", "label: All"), ("metric description", "a metric", "one metric"),
    ("metric type", "    type: ratio\n    type_params: {numerator: sum_total, denominator: sum_total}\n", "    type: derived\n    type_params: {expr: a, metrics: [{name: sum_total, alias: a}]}\n"),
    ("metric type_params", "{measure: total}", "{measure: cnt}"), ("metric type_params as a mapping", "{measure: total}", "{measure: {name: total}}"),
    ("metric filter", FILTER, FILTER.replace("'a'", "'b'")), ("metric filter gone", FILTER, ""),
    ("metric config meta", "meta: {m: 1}", "meta: {m: 2}"), ("metric config tags", "meta: {m: 1}", "meta: {m: 1}, tags: [z]"), ("metric config enabled", "meta: {m: 1}", "meta: {m: 1}, enabled: true"),
    ("metric config group", "meta: {m: 1}", "meta: {m: 1}, group: g1"), ("metric time_granularity", "    label: Ratio\n", "    label: Ratio\n    time_granularity: month\n"),
    ("metric name", "name: ratio_m", "name: ratio_n"),
    ("semantic model description", "a semantic model", "one semantic model"), ("semantic model label", "label: Sem\n", "label: Semm\n"),
    ("semantic model model", "ref('orders')", "ref('plain')"), ("semantic model defaults", "    defaults: {agg_time_dimension: dd}\n", ""),
    ("semantic model entity expr", "type: primary, expr: id}", "type: primary, expr: amount}"), ("semantic model entity added", "    dimensions:\n", "      - {name: oo2, type: foreign, expr: kind}\n    dimensions:\n"),
    ("semantic model entity description", "type: primary, expr: id}", "type: primary, expr: id, description: d}"),
    ("semantic model dimension expr", "type: categorical}", "type: categorical, expr: kind2}"), ("semantic model dimension added", "    measures:\n", "      - {name: kind3, type: categorical}\n    measures:\n"),
    ("semantic model measure agg", "agg: sum", "agg: max"), ("semantic model measure description", "agg: sum", "description: d, agg: sum"),
    ("semantic model config meta", "    label: Sem\n", "    label: Sem\n    config: {meta: {z: 1}}\n"), ("semantic model config enabled", "    label: Sem\n", "    label: Sem\n    config: {enabled: true}\n"),
    ("semantic model config group", "    label: Sem\n", "    label: Sem\n    config: {group: g1}\n"), ("semantic model config tags", "    label: Sem\n", "    label: Sem\n    config: {tags: [z]}\n"),
    ("saved query description", "a saved query", "one saved query"), ("saved query label", "label: Saved", "label: Saved2"), ("saved query metrics", "metrics: [sum_total]", "metrics: [ratio_m]"),
    ("saved query group_by", "'metric_time', 'day')", "'metric_time', 'month')"), ("saved query where", "      where:\n        - \"{{ Dimension('oo__kind') }} = 'a'\"\n", "      where:\n        - \"{{ Dimension('oo__kind') }} = 'b'\"\n"),
    ("saved query where gone", "      where:\n        - \"{{ Dimension('oo__kind') }} = 'a'\"\n", ""),
    ("saved query limit", "      metrics: [sum_total]\n", "      metrics: [sum_total]\n      limit: 3\n"), ("saved query order_by", "      metrics: [sum_total]\n", "      metrics: [sum_total]\n      order_by: [\"Metric('sum_total')\"]\n"),
    ("saved query export name", "name: ex1", "name: ex2"), ("saved query export_as", "export_as: table", "export_as: view"), ("saved query export schema", "schema: exs", "schema: exs2"),
    ("saved query export alias", "alias: exa", "alias: exa2"), ("saved query export added", "    exports:\n", "    exports:\n      - {name: ex0, config: {export_as: table}}\n"),
    ("saved query tags", "    label: Saved\n", "    label: Saved\n    tags: [z]\n"), ("saved query config meta", "    label: Saved\n", "    label: Saved\n    config: {meta: {z: 1}}\n"),
    ("saved query config tags", "    label: Saved\n", "    label: Saved\n    config: {tags: [z]}\n"), ("saved query config enabled", "    label: Saved\n", "    label: Saved\n    config: {enabled: true}\n"),
    ("saved query config group", "    label: Saved\n", "    label: Saved\n    config: {group: g1}\n"), ("saved query config cache", "    label: Saved\n", "    label: Saved\n    config: {cache: {enabled: true}}\n"),
]:
    case(name, (Q, old, new))
case("metric config meta, project", (P, "vars:\n", "metrics:\n  p:\n    +meta: {z: 1}\nvars:\n"))
case("semantic model config meta, project", (P, "vars:\n", "semantic-models:\n  p:\n    +meta: {z: 1}\nvars:\n"))
case("saved query config meta, project", (P, "vars:\n", "saved-queries:\n  p:\n    +meta: {z: 1}\nvars:\n"))
case("saved query export_as, project", (P, "vars:\n", "saved-queries:\n  p:\n    +export_as: view\nvars:\n"))
case("time spine gone", (M, "    time_spine:\n      standard_granularity_column: day\n    columns:\n", "    columns:\n"), (Q, None))
case("time spine granularity", (M, "granularity: day", "granularity: hour"))
for name, old, new in [
    ("given row", "          - {id: 1, name: a}\n    expect", "          - {id: 2, name: a}\n    expect"), ("given added", "    given:\n", "    given:\n      - {input: ref('k'), rows: []}\n"),
    ("expect row", "        - {id: 1, name: a}\n    overrides", "        - {id: 1, name: b}\n    overrides"), ("expect in another spelling", "        - {id: 1, name: a}\n    overrides", "        - id: 1\n          name: a\n    overrides"),
    ("expect number as text", "        - {id: 1, name: a}\n    overrides", "        - {id: '1', name: a}\n    overrides"),
    ("expect format named", "    expect:\n", "    expect:\n      format: dict\n"),
    ("config tags", "tags: [u1]", "tags: [u2]"), ("config meta", "tags: [u1]", "tags: [u1], meta: {z: 1}"), ("config enabled", "tags: [u1]", "tags: [u1], enabled: true"), ("overrides", "vars: {word: x}", "vars: {word: y}"), ("overrides gone", "    overrides:\n      vars: {word: x}\n", ""),
    ("description", "tests plain", "tests it"), ("model", "    model: plain\n", "    model: infile\n"), ("name", "name: ut\n", "name: ut1\n"), ("gone", MODELS_YML[MODELS_YML.index("unit_tests:"):], ""),
]:
    case("unit test " + name, (M, old, new))
case("unit test config tags, project", (P, "vars:\n", "unit_tests:\n  p:\n    +tags: [z]\nvars:\n"))
case("unit test expect as SQL", (M, "      rows:\n        - {id: 1, name: a}\n    overrides", "      format: sql\n      rows: select 1 as id, 'a' as name\n    overrides"))
F = "functions/functions.yml"
for name, old, new in [
    ("description", "adds one", "adds 1"), ("argument type", "name: a, data_type: integer", "name: a, data_type: bigint"), ("argument name", "name: a,", "name: b,"), ("argument description", "the input", "that input"),
    ("returns", "returns: {data_type: integer}", "returns: {data_type: bigint}"), ("config volatility", "    description: adds one\n", "    description: adds one\n    config: {volatility: deterministic}\n"),
    ("config schema", "    description: adds one\n", "    description: adds one\n    config: {schema: z}\n"), ("config tags", "    description: adds one\n", "    description: adds one\n    config: {tags: [z]}\n"), ("config type", "    description: adds one\n", "    description: adds one\n    config: {type: aggregate}\n"),
]:
    case("function " + name, (F, old, new))

# --- vars, environment, target ---------------------------------------------------
case("var from the command line: word", vars={"word": "goodbye"})
case("var from the command line: word, the same", vars={"word": "hello"})
case("var from the command line: tag", vars={"tag": "t1"})
case("var from the command line: al", vars={"al": "y"})
case("var from the command line: src", vars={"src": "two"})
case("var from the command line: ident", vars={"ident": "x2"})
case("var from the command line: unused", vars={"nothing": 1})
case("environment: MAT", env={"MAT": "table"})
case("environment: MAT, the default", env={"MAT": "view"})
case("environment: SCH", env={"SCH": "other"})
case("environment: SRC", env={"SRC": "two"})
case("environment: SRC_DB", env={"SRC_DB": "second"})
case("environment: WORD", env={"WORD": "x"})
case("target: other name", target="dev2")
case("target: other schema", target="prod")
case("target: other database", target="db")
case("target: other schema, and a text changed", ("models/plain.sql", "select id", "select 2 as id"), target="prod")

PARTS = ["body", "configs", "relation", "persisted_descriptions", "macros", "contract"]

# Only speed: built-in macros are parsed once, a state is read once, and one `ls` answers several criteria.
enable_test_caching()
states, State = {}, dbt.task.runnable.PreviousState


def state_of(state_path, **rest):
    key = os.path.join(str(state_path), "manifest.json")
    key = (key, os.stat(key).st_mtime_ns)
    if key not in states:
        if len(states) > 8:
            states.clear()
        states[key] = State(state_path=state_path, **rest)
    return states[key]


def several(self):
    found = []
    with dbt.task.list.task_contextvars(project_root=self.config.project_root):
        self.compile_manifest()
        for criterion in self.args.select:
            try:
                spec = dbt.task.runnable.parse_difference((criterion,), ())
                found.append(sorted(self.get_node_selector().get_selected(spec)))
            except Exception as error:
                found.append("error: " + message(error))
    return found


dbt.task.runnable.PreviousState = state_of
dbt.task.list.ListTask.run = several


class Place:
    """A folder with a project; the environment and the command line that it is parsed with."""

    def __init__(self, folder, files, flag, vars=None, env=None, target=None):
        self.folder, self.env = folder, env or {}
        for path, text in files.items():
            if text is None:
                continue
            path = os.path.join(folder, path)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", newline="") as file:
                file.write(text.replace("@FLAG@", str(flag).lower()))
        self.args = ["--target", target or "dev", "--vars", json.dumps(vars or {})]
        self.manifest = self.error = None
        result = self.dbt(["parse", "--no-partial-parse"])
        if result.success:
            self.manifest = result.result
        else:
            self.error = message(result.exception)

    def dbt(self, command, manifest=None):
        back, environment = os.getcwd(), dict(os.environ)
        os.chdir(self.folder)
        os.environ.update(self.env)
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                return dbtRunner(manifest=manifest).invoke(
                    command + self.args + ["--profiles-dir", ".", "--project-dir", ".", "--log-level", "none", "--log-level-file", "none"]
                )
        finally:
            os.chdir(back)
            os.environ.clear()
            os.environ.update(environment)

    def ls(self, criteria, state, mode):
        result = self.dbt(["ls", "-s", *criteria, "--state", state, "--no-write-json", "--indirect-selection", mode], self.manifest)
        if not result.success:
            return ["error: " + message(result.exception)] * len(criteria)
        return result.result


def message(exception):
    return re.sub(r"(/[^\s/'\"]+)*/tmp[^\s'\"]*/", "", str(exception)).strip()


EVERYTHING = "fqn:* source:* exposure:* metric:* semantic_model:* saved_query:* unit_test:*"


def compare(old, new):
    """What `ls` finds in the project `new` with the manifest of the project `old`."""
    state = os.path.join(old.folder, "target")
    names = ["modified", "new", "unmodified", "old"] + ["modified." + part for part in PARTS]
    found = new.ls(["state:" + name for name in names] + EVERYTHING.split(), state, "empty")
    everything = sorted(set(sum(found[len(names):], [])))
    found = dict(zip(names, found))
    row = {"modified": found["modified"], "parts": {}, "new": found["new"]}
    for part in PARTS:
        if found["modified." + part]:
            row["parts"][part] = found["modified." + part]
    for name, of in [("old", "new"), ("unmodified", "modified")]:
        if isinstance(found[name], str) or found[name] != [x for x in everything if x not in found[of]]:
            row[name] = found[name]
    row["listed"], row["listed_below"] = new.ls(["state:modified", "state:modified+"], state, "eager")
    for key in ("listed", "listed_below"):
        if row[key] == row["modified"]:
            del row[key]
    return row, everything


ABOUT = """\
One case a line of "cases". The file has the project once, in "base". A row is what `dbt ls -s <criterion> --state <manifest of the old project>
--indirect-selection empty` lists in the new project, unique_ids sorted. "edits": path -> the file's new text, null for a file that is
gone, or a list of [old, new]: each replaces the only place of the old text in the base's file.
@FLAG@ in dbt_project.yml is the value of "flag" (in both projects). "order": forth = the old project is the base and the new one has the edits, vars,
env, target of the case; back = the other way round. "vars" are given by --vars, "env" in the environment, "target" by --target (else dev, {}, none).
"parts" has state:modified.<part>; a part that is not there is empty. "new": state:new. state:old and state:unmodified are all the other nodes of the
new project, if the row does not say otherwise in "old" or "unmodified" ("all" has the base's). "listed": `ls -s state:modified` with the default
indirect selection (eager), "listed_below": the same of state:modified+, if they differ from "modified". A text "error: ..." in place of a list: the
command ended with that error. "error": the new project could not be parsed. With flag true a row that equals that of flag false has only "same": true."""


def main():
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "state.json")
    only = sys.argv[2:]
    top = tempfile.mkdtemp()
    bases = {}
    for flag in (False, True):
        bases[flag] = Place(os.path.join(top, "base%s" % flag), BASE, flag)
        assert bases[flag].manifest, bases[flag].error
    rows = []
    for i, c in enumerate(CASES):
        if only and c["name"] not in only:
            continue
        made = {}
        for flag in (False, True):
            files = {**BASE, **c["files"]}
            place = Place(os.path.join(top, "new"), files, flag, c["vars"], c["env"], c["target"])
            for order in ("forth", "back"):
                row = {"name": c["name"], "order": order, "flag": flag}
                if order == "forth":
                    for key in ("edits", "vars", "env", "target"):
                        if c[key]:
                            row[key] = c[key]
                if not place.manifest:
                    if order == "forth":
                        row["error"] = place.error
                        rows.append(row)
                    continue
                values, _ = compare(bases[flag], place) if order == "forth" else compare(place, bases[flag])
                made[order, flag] = values
                if flag and made.get((order, False)) == values:
                    values = {"same": True}
                    row.pop("edits", None)
                row.update(values)
                rows.append(row)
            shutil.rmtree(place.folder)
        print(i, len(CASES), c["name"], file=sys.stderr, flush=True)
    _, everything = compare(bases[False], bases[False])
    with open(out, "w") as file:
        file.write('{"about": %s,\n"dbt": "1.11.16",\n"base": {\n' % json.dumps(ABOUT))
        file.write(",\n".join("%s: %s" % (json.dumps(k), json.dumps(v)) for k, v in BASE.items()))
        file.write('\n},\n"all": %s,\n"cases": [\n' % json.dumps(everything))
        file.write(",\n".join(json.dumps(row) for row in rows))
        file.write("\n]}\n")
    shutil.rmtree(top)


if __name__ == "__main__":
    main()
