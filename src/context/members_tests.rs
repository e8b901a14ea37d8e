//! Tests of every member of the context: its value in a template, and the errors of wrong uses.

use super::builtins::NAMES;
use super::session::{RUN_ONLY, STEADY};
use super::{DatabaseAccess, InvocationContext, LogLine, NodeScope, RenderSession};
use crate::compile::{CompileError, Compiled, Compiler, subject_of};
use crate::config::Json;
use crate::engine::ExistingRelations;
use crate::jinja::Scope;
use crate::manifest::Node;
use crate::system::MemorySystem;
use crate::workspace::ProjectReading;
use crate::workspace::testing::workspace;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A member, a template that uses it, and the SQL that the template compiles to without a database.
type Row = (&'static str, &'static str, &'static str);

const PROJECT: &str = r#"name: shop
vars:
  n: 7
  text: plain
  jinja: "{{ 1 + 1 }}"
  loop: "{{ var('loop') }}"
  nested: {a: [1, 2]}
  shop: {own: scoped}
models: {+meta: {owner: me}}
"#;

const PROPERTIES: &str = "
sources: [{name: raw, schema: lake, tables: [{name: events, identifier: e2}, {name: plain}]}]
metrics: [{name: revenue, label: Revenue, type: derived, type_params: {expr: '1'}}]
models: [{name: v, latest_version: 2, versions: [{v: 1}, {v: 2}]}]
";

const MACROS: &str = "
{% macro answer() %}{{ return(42) }}{% endmacro %}
{% macro names() %}{{ return(['a', 'b']) }}{% endmacro %}
{% macro early() %}{% for i in [1, 2] %}{{ return(i) }}{% endfor %}never{% endmacro %}
{% macro fail() %}{{ exceptions.raise_compiler_error('from a macro') }}{% endmacro %}
{% macro default__greet(name) %}hello {{ name }}{% endmacro %}
{% macro default__shout(name) %}{{ name }}!{% endmacro %}
{% macro duckdb__shout(name) %}{{ name | upper }}!{% endmacro %}
";

const VARIABLES: [(&str, &str); 3] =
    [("REGION", "eu"), ("DBT_ENV_CUSTOM_ENV_TEAM", "core"), ("DBT_ENV_SECRET_KEY", "hunter2")];

/// Templates that can be in any model.
const ROWS: &[Row] = &[
    ("adapter_macro", "{{ adapter_macro is defined }}", "True"),
    ("var", "{{ var('n') }}", "7"),
    ("var", "{{ var('text') }}", "plain"),
    ("var", "{{ var('nested')['a'][1] }}", "2"),
    ("var", "{{ var('own') }}", "scoped"),
    ("var", "{{ var('jinja') }}", "2"),
    ("var", "{{ var('none', 'default') }}", "default"),
    ("var", "{{ var('n', 'default') }}", "7"),
    ("var", "{{ var.has_var('n') }} {{ var.has_var('none') }}", "True False"),
    ("env_var", "{{ env_var('REGION') }}", "eu"),
    ("env_var", "{{ env_var('REGION', 'us') }}", "eu"),
    ("env_var", "{{ env_var('NONE', 'us') }}", "us"),
    ("env_var", "{{ env_var('NONE', 3) + '4' }}", "34"),
    (
        "target",
        "{{ target.name }} {{ target.target_name }} {{ target.profile_name }}",
        "dev dev shop",
    ),
    ("target", "{{ target.type }} {{ target.threads }}", "duckdb 4"),
    ("target", "{{ target.database }} {{ target['schema'] }}", "shop main"),
    ("target", "{{ target.get('none', 'x') }}", "x"),
    ("env", "{{ env.schema }} {{ env.name }}", "main dev"),
    ("ref", "{{ ref('a') }}", r#""shop"."main"."a""#),
    ("ref", "{{ ref('shop', 'a') }}", r#""shop"."main"."a""#),
    ("ref", "{{ ref('a').database }} {{ ref('a').schema }}", "shop main"),
    ("ref", "{{ ref('a').identifier }} {{ ref('a').name }} {{ ref('a').table }}", "a a a"),
    ("ref", "{{ ref('a').type }}", "None"),
    ("ref", "{{ ref('a').include(database=false) }}", r#""main"."a""#),
    ("ref", "{{ ref('a').include(database=false, schema=false) }}", r#""a""#),
    ("ref", "{{ ref('a').without_identifier() }}", r#""shop"."main""#),
    ("ref", "{{ ref('a').quote(identifier=false) }}", r#""shop"."main".a"#),
    ("ref", "{{ ref('a').replace_path(schema='other', identifier='b') }}", r#""shop"."other"."b""#),
    ("ref", "{{ ref('a').incorporate(path={'identifier': 'b'}) }}", r#""shop"."main"."b""#),
    ("ref", "{{ ref('a').incorporate(type='view').is_view }}", "True"),
    ("ref", "{{ ref('a').information_schema('columns') }}", r#""shop".INFORMATION_SCHEMA.columns"#),
    ("ref", "{{ ref('a').quoted('x') }}", r#""x""#),
    ("ref", "{{ ref('a').get('metadata', {}).get('type', '') }}", "DuckDBRelation"),
    ("ref", "{{ ref('a').get('schema') }} {{ ref('a').get('none', 'x') }}", "main x"),
    ("ref", "{{ ref('a').path }}", "{'database': 'shop', 'schema': 'main', 'identifier': 'a'}"),
    ("ref", "{{ ref('a').render() }}", r#""shop"."main"."a""#),
    ("ref", "{{ ref('a') is mapping }} {{ ref('a') == ref('a') }}", "True True"),
    (
        "ref",
        "{{ ref('a').is_table }} {{ ref('a').is_view }} {{ ref('a').is_cte }}",
        "False False False",
    ),
    (
        "ref",
        "{{ ref('a').include_policy }}",
        "{'database': True, 'schema': True, 'identifier': True}",
    ),
    ("ref", "{{ ref('a').quote_policy.schema }}", "True"),
    ("ref", "{{ ref('a').matches(database='shop', schema='main', identifier='a') }}", "True"),
    ("ref", "{{ ref('a').matches(schema='other') }}", "False"),
    (
        "ref",
        "{{ ref('v', v=1) }} {{ ref('v', version=2) }}",
        r#""shop"."main"."v_v1" "shop"."main"."v_v2""#,
    ),
    ("ref", "{{ ref('v') }}", r#""shop"."main"."v_v2""#),
    ("ref", "{{ ref.config.target_name }}", "dev"),
    ("source", "{{ source('raw', 'events') }}", r#""shop"."lake"."e2""#),
    ("source", "{{ source('raw', 'events').identifier }}", "e2"),
    ("source", "{{ source('raw', 'events').schema }}", "lake"),
    ("source", "{{ source('raw', 'plain') }}", r#""shop"."lake"."plain""#),
    ("metric", "{{ metric('revenue') }}", "revenue"),
    ("function", "{{ function('area') }}", r#""shop"."main"."area""#),
    ("function", "{{ function('shop', 'area') }}", r#""shop"."main"."area""#),
    ("function", "{{ function('area').type }}", "function"),
    ("doc", "x{{ doc('about') }}x", "xx"),
    ("config", "x{{ config(materialized='table') }}x", "xx"),
    ("config", "{{ config(materialized='table') }}{{ config.get('materialized') }}", "table"),
    ("config", "{{ config(tags='x') }}{{ config.get('tags') }}", "['x']"),
    ("config", "{{ config({'tags': 'x'}) }}{{ config.get('tags') }}", "['x']"),
    ("config", "{{ config.get('none') }} {{ config.get('none', 'x') }}", "None x"),
    ("config", "{{ config.get('none', default='y') }}", "y"),
    ("config", "{{ config(alias='other') }}{{ config.require('alias') }}", "other"),
    ("config", "{{ config.meta_get('owner') }} {{ config.meta_get('none', 'x') }}", "me x"),
    ("config", "{{ config.meta_require('owner') }}", "me"),
    ("config", "{{ config(meta={'owner': 'you'}) }}{{ config.get('meta') }}", "{'owner': 'you'}"),
    (
        "config",
        "{{ config.persist_relation_docs() }} {{ config.persist_column_docs() }}",
        "False False",
    ),
    (
        "config",
        "{{ config(persist_docs={'relation': true}) }}{{ config.persist_relation_docs() }}",
        "True",
    ),
    ("config", "{% do config.set('tags', ['y']) %}{{ config.get('tags') }}", "['y']"),
    ("project_name", "{{ project_name }}", "shop"),
    ("dbt_version", "{{ dbt_version }}", crate::DBT_VERSION),
    ("strata_version", "{{ strata_version }}", crate::VERSION),
    ("invocation_id", "{{ invocation_id }}", "an-id"),
    ("run_started_at", "{{ run_started_at }}", "1970-01-01 00:00:00+00:00"),
    ("run_started_at", "{{ run_started_at.isoformat() }}", "1970-01-01T00:00:00+00:00"),
    ("run_started_at", "{{ run_started_at.strftime('%Y-%m-%d %H:%M') }}", "1970-01-01 00:00"),
    ("run_started_at", "{{ run_started_at.date() }} {{ run_started_at.tzinfo }}", "1970-01-01 UTC"),
    (
        "invocation_args_dict",
        "{{ invocation_args_dict.which }} {{ invocation_args_dict['select'] }}",
        "compile ['a']",
    ),
    ("flags", "{{ flags.WHICH }} {{ flags.FULL_REFRESH }}", "compile False"),
    ("flags", "{{ flags.NONE is defined }} {{ flags.which is defined }}", "False False"),
    ("dbt_metadata_envs", "{{ dbt_metadata_envs }}", "{'TEAM': 'core'}"),
    ("modules", "{{ modules.datetime.datetime(2024, 2, 29, 13, 5) }}", "2024-02-29 13:05:00"),
    (
        "modules",
        "{{ modules.datetime.date(2024, 2, 29) + modules.datetime.timedelta(days=1) }}",
        "2024-03-01",
    ),
    (
        "modules",
        "{{ modules.datetime.datetime.strptime('1.3.2024', '%d.%m.%Y').strftime('%y-%m-%d') }}",
        "24-03-01",
    ),
    (
        "modules",
        "{{ modules.datetime.datetime.now(modules.pytz.utc) }}",
        "1970-01-01 00:00:00+00:00",
    ),
    (
        "modules",
        "{{ (modules.datetime.date(2024, 3, 1) - modules.datetime.date(2024, 2, 1)).days }}",
        "29",
    ),
    ("modules", "{{ modules.datetime.time(1, 2, 3) }}", "01:02:03"),
    ("modules", "{{ modules.datetime.date.fromisoformat('2024-03-01').isoweekday() }}", "5"),
    ("modules", "{{ modules.re.match('[a-z]+', 'abc1').group() }}", "abc"),
    ("modules", "{{ modules.re.sub('[0-9]', '#', 'a1b2') }}", "a#b#"),
    ("modules", "{{ modules.re.findall('[0-9]', 'a1b2') }}", "['1', '2']"),
    ("modules", "{{ modules.re.search('x', 'abc') }}", "None"),
    ("modules", "{{ modules.re.split(',', 'a,b') }}", "['a', 'b']"),
    ("modules", "{{ modules.itertools.chain([1], [2, 3]) | list }}", "[1, 2, 3]"),
    ("modules", "{{ modules.itertools.product([1, 2], ['a']) | list }}", "[(1, 'a'), (2, 'a')]"),
    (
        "modules",
        "{{ modules.itertools.combinations([1, 2, 3], 2) | list }}",
        "[(1, 2), (1, 3), (2, 3)]",
    ),
    (
        "modules",
        "{{ modules.pytz.utc }} {{ modules.pytz.timezone('Europe/Paris') }}",
        "UTC Europe/Paris",
    ),
    (
        "modules",
        "{{ modules.pytz.utc.localize(modules.datetime.datetime(2024, 7, 1)) }}",
        "2024-07-01 00:00:00+00:00",
    ),
    (
        "modules",
        "{{ modules.datetime.datetime.now(modules.pytz.timezone('Asia/Tokyo')) }}",
        "1970-01-01 09:00:00+09:00",
    ),
    ("fromjson", "{{ fromjson('[1, 2.5, null, true]') }}", "[1, 2.5, None, True]"),
    ("fromjson", r#"{{ fromjson('{"a": 1}')['a'] + 1 }}"#, "2"),
    ("fromjson", "{{ fromjson('nope') }} {{ fromjson('nope', 'x') }}", "None x"),
    (
        "tojson",
        "{{ tojson({'b': 1, 'a': [1.5, none, true, 'é']}) }}",
        r#"{"b": 1, "a": [1.5, null, true, "\u00e9"]}"#,
    ),
    ("tojson", "{{ tojson({'b': 1, 'a': 2}, sort_keys=true) }}", r#"{"a": 2, "b": 1}"#),
    ("tojson", "{{ tojson('x') }}", r#""x""#),
    ("fromyaml", "{{ fromyaml('a: [1, yes, x]')['a'] }}", "[1, True, 'x']"),
    ("fromyaml", "{{ fromyaml('[') }} {{ fromyaml('[', 'x') }}", "None x"),
    ("toyaml", "{{ toyaml({'b': 1, 'a': ['x', none]}) }}", "b: 1\na:\n  - x\n  - null"),
    ("toyaml", "{{ toyaml({'b': 1, 'a': 2}, sort_keys=true) }}", "a: 2\nb: 1"),
    ("toyaml", "{{ toyaml(ref, 'x') }}", "x"),
    ("set", "{{ set([1, 2, 1]) | length }} {{ set([3, 3]) }}", "2 {3}"),
    ("set", "{{ set(1) }} {{ set(1, 'x') }}", "None x"),
    ("set_strict", "{{ set_strict([3, 3]) }}", "{3}"),
    ("zip", "{{ zip([1, 2], ['a', 'b', 'c']) | list }}", "[(1, 'a'), (2, 'b')]"),
    ("zip", "{% for a, b in zip([1, 2], [3, 4]) %}{{ a + b }} {% endfor %}", "4 6"),
    ("zip", "{{ zip(1, default='x') }}", "x"),
    ("zip_strict", "{{ zip_strict([1], [2]) | list }}", "[(1, 2)]"),
    ("local_md5", "{{ local_md5('hello') }}", "5d41402abc4b2a76b9719d911017c592"),
    (
        "diff_of_two_dicts",
        "{{ diff_of_two_dicts({'a': ['x', 'y'], 'b': ['z']}, {'A': ['X']}) }}",
        "{'a': ['y'], 'b': ['z']}",
    ),
    ("diff_of_two_dicts", "{{ diff_of_two_dicts({'a': ['x']}, {'a': ['x']}) }}", "{}"),
    ("log", "[{{ log('told') }}{{ log('told', info=true) }}]", "[]"),
    ("print", "[{{ print('told') }}]", "[]"),
    ("debug", "[{{ debug() }}]", "[]"),
    ("write", "[{{ write('x') }}]", "[]"),
    ("render", "{{ render('{{ 1 + 1 }} {{ project_name }}') }}", "2 shop"),
    ("context_macro_stack", "{{ context_macro_stack | list }}", "[]"),
    ("try_or_compiler_error", "{{ try_or_compiler_error('no', fromjson, '[1]') }}", "[1]"),
    (
        "validation",
        "{{ validation.any('a') }} {{ validation.any[basestring] is defined }}",
        "None False",
    ),
    (
        "store_result",
        "{% do store_result('r', response='OK') %}{{ load_result('r').response }}",
        "OK",
    ),
    (
        "store_raw_result",
        "{% do store_raw_result('r', message='SELECT 2') %}{{ load_result('r').response }}",
        "SELECT 2",
    ),
    (
        "store_raw_result",
        "{% do store_raw_result('r', code='INSERT') %}{{ load_result('r').response.code }}",
        "INSERT",
    ),
    (
        "store_raw_result",
        "{% do store_raw_result('r', '', '', 2) %}{{ load_result('r').response.rows_affected }}",
        "2",
    ),
    ("load_result", "{{ load_result('none') }}", "None"),
    ("load_result", "{% do store_result('r', 'OK') %}{{ load_result('r').data }}", "[]"),
    (
        "load_result",
        "{% do store_result('r', 'OK') %}{{ load_result('r').table.rows | list }}",
        "[]",
    ),
    (
        "load_result",
        "{% do store_result('main', 'O') %}{{ load_result('main') == load_result('main') }}",
        "True",
    ),
    ("sql_now", "{{ sql_now }}", "current_timestamp"),
    ("exceptions", "[{{ exceptions.warn('careful') }}]", "[]"),
    ("exceptions", "[{{ exceptions.warn_snapshot_timestamp_data_types('a', 'b') }}]", "[]"),
    (
        "api",
        "{{ api.Relation.create(database='d', schema='s', identifier='i') }}",
        r#""d"."s"."i""#,
    ),
    ("api", "{{ api.Relation.create('d', 's', 'i', 'view').is_view }}", "True"),
    ("api", "{{ api.Relation.create(schema='s', identifier='i') }}", r#""s"."i""#),
    ("api", "{{ api.Relation.create(identifier='i', quote_policy={'identifier': false}) }}", "i"),
    (
        "api",
        "{{ api.Relation.Table }} {{ api.Relation.View }} {{ api.Relation.CTE }}",
        "table view cte",
    ),
    ("api", "{{ api.Relation.add_ephemeral_prefix('x') }}", "__dbt__cte__x"),
    (
        "api",
        "{{ api.Relation.scd_args(['a', 'b'], 'c') }} {{ api.Relation.scd_args('a', 'c') }}",
        "['a', 'b', 'c'] ['a', 'c']",
    ),
    ("api", "{{ api.Column('id', 'integer') }}", "<Column id (integer)>"),
    (
        "api",
        "{% set c = api.Column('id', 'integer') %}{{ c.name }} {{ c.column }} {{ c.dtype }}",
        "id id integer",
    ),
    ("api", "{{ api.Column('id', 'integer').quoted }}", r#""id""#),
    (
        "api",
        "{% set c = api.Column('id', 'integer') %}{{ c.is_integer() }} {{ c.is_number() }}",
        "True True",
    ),
    ("api", "{{ api.Column('id', 'integer').is_string() }}", "False"),
    (
        "api",
        "{% set c = api.Column('x', 'double') %}{{ c.is_float() }} {{ c.is_numeric() }}",
        "True False",
    ),
    ("api", "{{ api.Column('n', 'numeric', none, 10, 2).data_type }}", "numeric(10,2)"),
    ("api", "{{ api.Column('n', 'numeric', none, 10, 2).numeric_scale }}", "2"),
    (
        "api",
        "{% set c = api.Column('t', 'varchar', 20) %}{{ c.data_type }} {{ c.string_size() }}",
        "character varying(20) 20",
    ),
    (
        "api",
        "{% set c = api.Column('t', 'text') %}{{ c.data_type }} {{ c.is_string() }}",
        "character varying(256) True",
    ),
    (
        "api",
        "{{ api.Column.create('t', 'string').dtype }} {{ api.Column.translate_type('STRING') }}",
        "TEXT TEXT",
    ),
    (
        "api",
        "{{ api.Column.numeric_type('numeric', 4, 2) }} {{ api.Column.string_type(8) }}",
        "numeric(4,2) character varying(8)",
    ),
    (
        "api",
        "{{ api.Column('t', 'text', 2).can_expand_to(api.Column('t', 'varchar', 9)) }}",
        "False",
    ),
    (
        "api",
        "{{ api.Column('t', 'varchar', 2).can_expand_to(api.Column('t', 'varchar', 9)) }}",
        "True",
    ),
    ("api", "{{ api.Column('n', 'integer').literal(1) }}", "1::integer"),
    ("adapter", r#"{{ adapter.quote('x') }} {{ adapter.quote('a"b') }}"#, r#""x" "a""b""#),
    ("adapter", "{{ adapter.type() }}", "duckdb"),
    ("adapter", "{{ adapter.quote_as_configured('x', 'identifier') }}", r#""x""#),
    (
        "adapter",
        "{{ adapter.quote_seed_column('x', false) }} {{ adapter.quote_seed_column('x', none) }}",
        r#"x "x""#,
    ),
    ("adapter", "{{ adapter.dispatch('greet')('you') }}", "hello you"),
    ("adapter", "{{ adapter.dispatch('greet', 'shop')('you') }}", "hello you"),
    ("adapter", "{{ adapter.dispatch('shout')('you') }}", "YOU!"),
    ("adapter", "{{ adapter.get_binding_char() }}", "?"),
    (
        "adapter",
        "{{ adapter.valid_incremental_strategies() }}",
        "['append', 'delete+insert', 'merge', 'microbatch']",
    ),
    ("adapter", "{{ adapter.parse_index({'columns': ['a']}).unique }}", "False"),
    ("adapter", "{{ adapter.is_motherduck() }}", "False"),
    ("adapter", "{{ adapter.get_hard_deletes_behavior(config) }}", "ignore"),
    (
        "adapter",
        "{{ adapter.get_hard_deletes_behavior({'hard_deletes': 'new_record'}) }}",
        "new_record",
    ),
    ("adapter", "{{ adapter.Relation.create(identifier='i') }}", r#""i""#),
    (
        "adapter",
        "{{ adapter.config.project_name }} {{ adapter.behavior.none.no_warn }}",
        "shop False",
    ),
    (
        "adapter",
        "{{ adapter.external_read_location('f', {'partition_by': 'a, b'}) }}",
        "f/*/*/*.parquet",
    ),
    ("adapter", "{{ adapter.external_write_options('f.csv', {}) }}", "format csv, header 1"),
    ("adapter", "{{ adapter.get_relation('shop', 'main', this.identifier) }}", "None"),
    ("adapter", "{{ adapter.get_columns_in_relation(this) }}", "[]"),
    ("builtins", "{{ builtins.ref('a') }}", r#""shop"."main"."a""#),
    ("builtins", "{{ builtins.source('raw', 'events') }}", r#""shop"."lake"."e2""#),
    ("builtins", "{{ builtins['var']('n') }} {{ builtins.get('none', 'x') }}", "7 x"),
    ("builtins", "{{ 'ref' in builtins }} {{ 'none' in builtins }}", "True False"),
    ("execute", "{{ execute }}", "True"),
    ("database", "{{ database }}", "shop"),
    ("schema", "{{ schema }}", "main"),
    ("schema", "{{ config(schema='x') }}{{ schema }}", "main_x"),
    ("graph", "{{ graph.nodes['model.shop.a'].name }}", "a"),
    (
        "graph",
        "{{ graph.sources.values() | map(attribute='identifier') | sort }}",
        "['e2', 'plain']",
    ),
    (
        "graph",
        "{{ graph['nodes'].values() | selectattr('name', 'equalto', 'a') | list | length }}",
        "1",
    ),
    ("thread_id", "{{ thread_id }}", "MainThread"),
    ("selected_resources", "{{ selected_resources }}", "['model.shop.a']"),
    ("pre_hooks", "{{ pre_hooks }}", "[]"),
    ("pre_hooks", "{{ config(pre_hook='select 1') }}{{ pre_hooks[0].sql }}", "select 1"),
    (
        "post_hooks",
        "{{ config(post_hook=['select 1', 'select 2']) }}{{ post_hooks | length }}",
        "2",
    ),
    ("sql", "{{ sql is defined }}", "False"),
    ("compiled_code", "{{ compiled_code is defined }}", "False"),
    ("return", "{{ answer() + 1 }}", "43"),
    ("return", "{{ names() | join('-') }}", "a-b"),
    ("return", "{{ early() }}", "1"),
    ("context", "{{ 'ref' in context }} {{ 'none' in context }}", "True False"),
    (
        "context",
        "{{ context['var']('n') }} {{ context.get('none', 'x') }} {{ context['answer']() }}",
        "7 x 42",
    ),
];

/// Templates that have to be in the model `m`.
const OWN: &[Row] = &[
    ("this", "{{ this }}", r#""shop"."main"."m""#),
    ("this", "{{ this.database }} {{ this.schema }} {{ this.identifier }}", "shop main m"),
    (
        "this",
        "{{ this.include(database=false) }} {{ this.quote(schema=false) }}",
        r#""main"."m" "shop".main."m""#,
    ),
    ("this", "{{ this.replace_path(identifier='x') }}", r#""shop"."main"."x""#),
    (
        "model",
        "{{ model.name }} {{ model.unique_id }} {{ model.resource_type }}",
        "m model.shop.m model",
    ),
    (
        "model",
        "{{ model.original_file_path }} {{ model.path }} {{ model.fqn }}",
        "models/m.sql m.sql ['shop', 'm']",
    ),
    (
        "model",
        "{{ model.config.materialized }} {{ model.schema }} {{ model['database'] }}",
        "view main shop",
    ),
    ("model", "{{ builtins['model'].alias }} {{ ref.model.name }}", "m m"),
    ("node", "{{ node.name }}", "m"),
];

/// Templates of the model `m` and their errors at parse.
const PARSE_ERRORS: &[(&str, &str)] = &[
    ("{{ env_var('NONE') }}", "environment variable `NONE` is not set"),
    ("{{ env_var('NONE', none) }}", "environment variable `NONE` is not set"),
    (
        "{{ env_var('DBT_ENV_SECRET_KEY') }}",
        "secret variable `DBT_ENV_SECRET_KEY` cannot be read here",
    ),
    (
        "{{ var('DBT_ENV_SECRET_KEY', 'x') }}",
        "secret variable `DBT_ENV_SECRET_KEY` cannot be read here",
    ),
    ("{{ var('loop') }}", "the variable `loop` needs itself: `loop` -> `loop`"),
    ("{{ var() }}", "argument `var_name` is missing"),
    // As in dbt, configs of project files are known at parse, and no others.
    (
        "{{ config(meta={'owner': 'you'}) }}{{ exceptions.raise_compiler_error(model.config.meta.owner) }}",
        "me",
    ),
    (
        "{{ api.Relation.create(schema='s', identifier=nothing) }}",
        "the identifier of a relation is a text or none, not a name that is not defined",
    ),
    (
        "{{ api.Relation.create(schema=5, identifier='i') }}",
        "the schema of a relation is a text or none, not number (5)",
    ),
    ("{{ ref('nope') }}", "`m` uses model `nope`, which was not found"),
    ("{{ ref('other', 'a') }}", "`m` uses model `a` in package `other`, which was not found"),
    ("{{ ref('a', v=3) }}", "`m` uses model `a` version 3, which was not found"),
    ("{{ ref() }}", "ref() takes one or two names, not 0"),
    ("{{ ref('a', 'b', 'c') }}", "ref() takes one or two names, not 3"),
    ("{{ source('raw', 'nope') }}", "`m` uses source `raw.nope`, which was not found"),
    ("{{ source('raw') }}", "source() takes the source's name and the table's"),
    (
        "{{ config(pre_hook='a', **{'pre-hook': 'b'}) }}",
        "`config` has both `pre_hook` and `pre-hook`: keep one",
    ),
    ("{{ exceptions.raise_compiler_error('no good') }}", "no good"),
    ("{{ exceptions.raise_database_error('db') }}", "db"),
    ("{{ exceptions.raise_not_implemented('this') }}", "not implemented: this"),
    ("{{ exceptions.raise_fail_fast_error('fast') }}", "fast"),
    ("{{ exceptions.raise_parsing_error('p') }}", "raise parsing error: p"),
    (
        "{{ exceptions.relation_wrong_type('r', 'table') }}",
        "r exists but is not a table; drop or rename it, or use --full-refresh",
    ),
    ("{{ exceptions.missing_config(model, 'k') }}", "`m` needs a config `k`"),
    ("{{ exceptions.missing_relation('r') }}", "relation r not found"),
    ("{{ exceptions.missing_materialization(model, 'x') }}", "no materialization for `m`"),
    (
        "{{ exceptions.column_type_missing(['a']) }}",
        "the contract of `m` needs a `data_type` for: ['a']",
    ),
    ("{{ exceptions.nothing() }}", "exceptions has no `nothing`"),
    (
        "{{ adapter_macro('x') }}",
        "The \"adapter_macro\" macro has been deprecated: call `adapter.dispatch`",
    ),
    ("{{ set_strict(1) }}", "number is not iterable"),
    ("{{ zip_strict(1) }}", "number is not iterable"),
    ("{{ tojson(ref) }}", "Object of type Carrying is not JSON serializable"),
    ("{{ try_or_compiler_error('told', ref) }}", "told"),
    (
        "{% do store_result('r', 1) %}{% do load_result('r') %}{{ load_result('r') }}",
        "The 'statement' result named 'r' has already been loaded into a variable",
    ),
    (
        "{{ adapter.dispatch('nothing')() }}",
        "In dispatch: No macro named 'nothing' found for this adapter; searched for duckdb__nothing, default__nothing",
    ),
    ("{{ adapter.parse_index({}) }}", "an index needs `columns`: 'columns' is a required property"),
    (
        "{{ adapter.parse_index({'columns': 'a'}) }}",
        r#"`columns` of an index: "a" is not of type 'array'"#,
    ),
    (
        "{{ adapter.get_hard_deletes_behavior({'hard_deletes': 'x'}) }}",
        "`hard_deletes` is ignore, invalidate or new_record, not x",
    ),
    ("{{ return(1) }}", "`return` outside of a macro"),
    ("{{ validation.nothing('x') }}", "validation has no `nothing`"),
    ("{{ api.Relation.nothing() }}", "api.Relation has no `nothing`"),
    ("{{ api.Column.nothing() }}", "api.Column has no `nothing`"),
    ("{{ modules.datetime.date(2024, 2, 30) }}", "month 2 or day 30 is out of range"),
    (
        "{{ modules.datetime.timedelta(years=1) }}",
        "'years' is an invalid keyword argument for timedelta()",
    ),
    ("{{ modules.pytz.timezone('Mars/Base') }}", "unknown time zone `Mars/Base`"),
    ("{{ local_md5() }}", "argument `value` is missing"),
];

/// Templates of the model `m` and their errors at compile.
const RUN_ERRORS: &[(&str, &str)] = &[
    ("{{ var('none') }}", "required variable `none` is not set"),
    ("{{ config.require('none') }}", "`m` needs a config `none`"),
    ("{{ config.meta_require('none') }}", "`m` needs a config `none`"),
    (
        "{% if execute %}{{ ref('a') }}{% endif %}",
        "ref('a') is not among the dependencies that were found at parse",
    ),
    ("{% if execute %}{{ ref('nope') }}{% endif %}", "`m` uses model `nope`, which was not found"),
    (
        "{% if execute %}{{ source('raw', 'nope') }}{% endif %}",
        "`m` uses source `raw.nope`, which was not found",
    ),
    ("{% if execute %}{{ exceptions.raise_compiler_error('late') }}{% endif %}", "late"),
    ("{{ nothing('x') }}", "`nothing` is undefined"),
    ("{{ adapter.nothing() }}", "adapter has no `nothing`"),
    ("{{ builtins.nothing('x') }}", "map has no method named nothing"),
];

/// Gives each template a model name: `m0`, `m1` and so on.
fn number_models<'a>(templates: impl IntoIterator<Item = &'a str>) -> Vec<(String, &'a str)> {
    let numbered = templates.into_iter().enumerate();
    numbered.map(|(n, template)| (format!("m{n}"), template)).collect()
}

fn only_model(template: &str) -> [(String, &str); 1] {
    [("m".to_owned(), template)]
}

/// The properties of a command that its templates can see.
fn invocation() -> InvocationContext {
    let object = |value: Json| value.as_object().cloned().unwrap();
    InvocationContext {
        flags: object(json!({ "WHICH": "compile", "FULL_REFRESH": false })),
        args: object(json!({ "which": "compile", "select": ["a"] })),
        invocation_id: "an-id".to_owned(),
    }
}

/// Reads a project with these models in addition to `a` and the two versions of `v`.
fn read(models: &[(String, &str)]) -> ProjectReading {
    let own = [
        ("project.yml", PROJECT),
        ("models/s.yml", PROPERTIES),
        ("macros/m.sql", MACROS),
        ("models/a.sql", "select 1 as id"),
        ("models/v_v1.sql", "select 1 as id"),
        ("models/v_v2.sql", "select 1 as id"),
        ("functions/area.sql", "select 1"),
    ];
    let own = own.into_iter().map(|(path, text)| (format!("/project/{path}"), text));
    let models = models.iter().map(|(name, text)| (format!("/project/models/{name}.sql"), *text));
    let files: Vec<(String, &str)> = own.chain(models).collect();
    let files = files.iter().map(|(path, text)| (path.as_str(), *text));
    let mut system = MemorySystem::with_files(files);
    for (name, value) in VARIABLES {
        system.set_env(name, value);
    }
    let mut workspace = workspace(Arc::new(system));
    workspace.change_settings(|settings| settings.load.settings = invocation());
    workspace.read().unwrap()
}

/// A compiler for a project that must have no errors.
fn open(models: &[(String, &str)]) -> Compiler {
    let reading = read(models);
    assert!(!reading.has_errors(), "{:?}", reading.diagnostics);
    reading.revision.unwrap().compiler(vec!["model.shop.a".into()])
}

fn model<'a>(compiler: &'a Compiler, name: &str) -> &'a Node {
    compiler.manifest.get(&format!("model.shop.{name}")).unwrap()
}

fn compile(compiler: &Compiler, name: &str) -> Result<Compiled, CompileError> {
    let existing = Arc::new(ExistingRelations::Unknown);
    compiler.compile(model(compiler, name).id, &Arc::default(), &existing, None)
}

fn sql_of(compiler: &Compiler, name: &str, template: &str) -> String {
    let compiled = compile(compiler, name).unwrap_or_else(|e| panic!("{template}: {e:?}"));
    compiled.sql.as_str().to_owned()
}

#[test]
fn each_member_gives_what_its_row_says() {
    let models = number_models(ROWS.iter().map(|(_, template, _)| *template));
    let compiler = open(&models);
    for ((name, template), (_, _, expected)) in models.iter().zip(ROWS) {
        assert_eq!(sql_of(&compiler, name, template), *expected, "{template}");
    }
}

#[test]
fn members_that_tell_of_the_model_itself_give_what_their_rows_say() {
    for (_, template, expected) in OWN {
        let compiler = open(&only_model(template));
        assert_eq!(sql_of(&compiler, "m", template), *expected, "{template}");
    }
}

#[test]
fn a_wrong_use_is_told_when_the_model_is_parsed() {
    let models = number_models(PARSE_ERRORS.iter().map(|(template, _)| *template));
    let reading = read(&models);
    for ((name, template), (_, message)) in models.iter().zip(PARSE_ERRORS) {
        let file = format!("models/{name}.sql");
        let errors = reading.diagnostics.iter().filter(|d| d.is_error());
        let is_here = |span| reading.map.path(span).as_str() == file;
        let here = errors.filter(|d| d.primary.as_ref().is_some_and(|l| is_here(l.span.file)));
        let messages: Vec<&str> = here.map(|d| d.message.as_str()).collect();
        assert_eq!(messages, [message.replace("`m`", &format!("`{name}`"))], "{template}");
    }
}

#[test]
fn what_only_a_run_can_find_out_is_told_when_the_model_is_compiled() {
    let models = number_models(RUN_ERRORS.iter().map(|(template, _)| *template));
    let compiler = open(&models);
    for ((name, template), (_, message)) in models.iter().zip(RUN_ERRORS) {
        let told = match compile(&compiler, name) {
            Err(CompileError::Diagnostic(d)) => d.message,
            other => panic!("{template}: {other:?}"),
        };
        assert_eq!(told, message.replace("`m`", &format!("`{name}`")), "{template}");
    }
}

#[test]
fn what_asks_the_database_is_not_compiled_without_one() {
    let templates = [
        "{{ run_query('select 1') }}",
        "{% call statement('q', fetch_result=true) %}select 1{% endcall %}",
        "{{ adapter.execute('select 1') }}",
        "{{ adapter.get_columns_in_relation(ref('a')) }}",
        "{{ adapter.get_relation('shop', 'main', 'a') }}",
        "{{ adapter.check_schema_exists('shop', 'main') }}",
        "{{ adapter.get_column_schema_from_query('select 1') }}",
        "{% do adapter.create_schema(this) %}",
    ];
    let models = number_models(templates);
    let compiler = open(&models);
    for (name, template) in &models {
        let compiled = compile(&compiler, name);
        assert!(matches!(compiled, Err(CompileError::NeedsDatabase)), "{template}: {compiled:?}");
    }
}

#[test]
fn an_error_in_a_macro_names_the_macro_and_the_model() {
    let reading = read(&only_model("{{ fail() }}"));
    let error = reading.diagnostics.iter().find(|d| d.is_error()).unwrap();
    assert_eq!(error.message, "from a macro");
    assert_eq!(error.notes, ["in macro shop.fail, called by `model.shop.m`"]);
}

#[test]
fn what_is_logged_and_warned_stands_beside_the_sql() {
    let template = "{{ log('low') }}{{ log('loud', info=true) }}{{ print('said') }}\
                    {{ exceptions.warn('careful') }}x";
    let compiled = compile(&open(&only_model(template)), "m").unwrap();
    assert_eq!(compiled.sql.as_str(), "x");
    let line = |text: &str, info, print| LogLine { text: text.to_owned(), info, print };
    let lines = [line("low", false, false), line("loud", true, false), line("said", true, true)];
    assert_eq!(compiled.logs, lines);
    let warnings: Vec<&str> = compiled.warnings.iter().map(|d| d.message.as_str()).collect();
    assert_eq!(warnings, ["careful"]);
}

#[test]
fn a_text_whose_members_are_the_same_at_parse_and_at_run_is_known_when_it_is_parsed() {
    let rows = [
        ("select 1", true),
        ("{{ var('n') }}", true),
        ("{{ env_var('REGION') }}", true),
        ("{{ target.schema }}", true),
        ("{{ config(tags='x') }}", true),
        ("{{ ref('a') }}", true),
        ("{{ source('raw', 'events') }}", true),
        ("{{ answer() }}", true),
        ("{{ log('x') }}", true),
        ("{{ config.get('tags') }}", false),
        ("{{ ref('a').identifier }}", false),
        ("{{ ref.config.target_name }}", false),
        ("{{ builtins.var('n') }}", false),
        ("{{ adapter.quote('x') }}", false),
        ("{{ execute }}", false),
        ("{{ this }}", false),
        ("{{ model.name }}", false),
        ("{{ graph.nodes }}", false),
        ("{{ flags.WHICH }}", false),
        ("{{ invocation_id }}", false),
        ("{{ run_started_at }}", false),
        ("{{ sql is defined }}", false),
        ("{{ selected_resources is defined }}", false),
    ];
    let models = number_models(rows.iter().map(|(template, _)| *template));
    let compiler = open(&models);
    for ((name, template), (_, is_steady)) in models.iter().zip(rows) {
        let text = model(&compiler, name).text.as_ref().unwrap();
        assert_eq!(text.steady.is_some(), is_steady, "{template}");
    }
}

/// The scope of `a` at run.
fn names_at_run(compiler: &Compiler) -> NodeScope {
    let existing = Arc::new(ExistingRelations::Unknown);
    let node = model(compiler, "a");
    NodeScope(compiler.session(node, &Arc::default(), &existing, DatabaseAccess::Offline))
}

#[test]
fn every_member_has_a_row() {
    let scope = names_at_run(&open(&[]));
    let named = scope.names().into_iter().chain(NAMES.iter().copied());
    let found = named.filter(|name| scope.member(name).is_some());
    let members: BTreeSet<&str> = found.chain(RUN_ONLY.iter().copied()).collect();
    let rows: BTreeSet<&str> = ROWS.iter().chain(OWN).map(|(member, ..)| *member).collect();
    let missing: Vec<&str> = members.difference(&rows).copied().collect();
    assert!(missing.is_empty(), "members without a row: {missing:?}");
    let others: Vec<&str> = rows.difference(&members).copied().collect();
    assert_eq!(others, ["context", "node", "return"], "names that no list has");
    let is_idle = |(member, template, _): &&Row| !template.contains(member);
    let idle: Vec<&str> = ROWS.iter().chain(OWN).filter(is_idle).map(|(_, t, _)| *t).collect();
    let returns = ["{{ answer() + 1 }}", "{{ names() | join('-') }}", "{{ early() }}"];
    assert_eq!(idle, returns, "only what macros return is asked for by another name");
}

#[test]
fn members_that_are_the_same_at_parse_and_at_run_are_there() {
    let scope = names_at_run(&open(&[]));
    let is_missing = |name: &&str| scope.member(name).is_none();
    let missing: Vec<&str> = STEADY.iter().copied().filter(is_missing).collect();
    assert_eq!(missing, ["return"], "a function of the language, which no session is asked for");
}

#[test]
fn members_of_a_run_are_not_there_at_parse() {
    let compiler = open(&[]);
    let node = model(&compiler, "a");
    let parse = NodeScope(RenderSession::parse(&compiler.context, &node.package, subject_of(node)));
    let found: Vec<&str> =
        RUN_ONLY.iter().copied().filter(|name| parse.member(name).is_some()).collect();
    assert!(found.is_empty(), "{found:?}");
    let run = names_at_run(&compiler);
    assert!(run.member("selected_resources").is_some() && run.member("sql").is_none());
}
