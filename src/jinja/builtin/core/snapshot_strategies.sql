{# How a snapshot sees that a row has changed. A strategy is a macro `snapshot_<name>_strategy`; projects add their own. #}

{# `package.name` looks in that package, a bare name wherever macros are looked up. Answers the macro. #}
{% macro strategy_dispatch(name) -%}
  {%- set parts = name.split('.') -%}
  {%- set search_name = 'snapshot_' ~ parts[-1] ~ '_strategy' -%}
  {%- set place = context -%}
  {%- if parts | length > 1 -%}
    {%- if parts[0] not in context -%}
      {%- do exceptions.raise_compiler_error('the strategy `' ~ name ~ '` is of a package that is not installed') -%}
    {%- endif -%}
    {%- set place = context[parts[0]] -%}
  {%- endif -%}
  {%- if search_name not in place -%}
    {%- do exceptions.raise_compiler_error('the strategy `' ~ name ~ '` needs a macro `' ~ search_name ~ '`, which does not exist') -%}
  {%- endif -%}
  {{ return(place[search_name]) }}
{%- endmacro %}

{% macro snapshot_hash_arguments(args) -%}
  {{ return(adapter.dispatch('snapshot_hash_arguments', 'dbt')(args)) }}
{%- endmacro %}

{# The separator keeps ('ab', 'c') and ('a', 'bc') apart. #}
{% macro default__snapshot_hash_arguments(args) -%}
  {%- set parts = [] -%}
  {%- for arg in args -%}
    {%- do parts.append("coalesce(cast(" ~ arg ~ " as varchar), '')") -%}
  {%- endfor -%}
  md5({{ parts | join(" || '|' || ") }})
{%- endmacro %}

{# The stored version is older than the row says it is. #}
{% macro snapshot_timestamp_strategy(node, snapshotted_rel, current_rel, model_config, target_exists) %}
  {%- set updated_at = config.get('updated_at') -%}
  {%- set valid_from = _snapshot_column_names().dbt_valid_from -%}
  {{ return(_snapshot_strategy(updated_at, '(' ~ snapshotted_rel ~ '.' ~ valid_from ~ ' < ' ~ current_rel ~ '.' ~ updated_at ~ ')')) }}
{% endmacro %}

{# Any of the checked columns is another, null counted as a value. A checked column that is not stored yet changes every row. #}
{% macro snapshot_check_strategy(node, snapshotted_rel, current_rel, model_config, target_exists) %}
  {%- set checked = snapshot_check_all_get_existing_columns(node, target_exists, config.get('check_cols')) -%}
  {%- set differences = [get_true_sql() | trim] if checked[0] else [] -%}
  {%- for column in checked[1] -%}
    {%- set old = snapshotted_rel ~ '.' ~ column -%}
    {%- set new = current_rel ~ '.' ~ column -%}
    {%- do differences.append(old ~ ' != ' ~ new
        ~ ' or (' ~ old ~ ' is null and ' ~ new ~ ' is not null)'
        ~ ' or (' ~ old ~ ' is not null and ' ~ new ~ ' is null)') -%}
  {%- endfor -%}
  {{ return(_snapshot_strategy(config.get('updated_at') or snapshot_get_time(), '(' ~ differences | join(' or ') ~ ')')) }}
{% endmacro %}

{# What every strategy has to answer. The id of a version is made of its key and its time. #}
{% macro _snapshot_strategy(updated_at, row_changed) %}
  {%- set unique_key = config.get('unique_key') -%}
  {%- set hard_deletes = adapter.get_hard_deletes_behavior(config) -%}
  {{ return({
      'unique_key': unique_key,
      'updated_at': updated_at,
      'row_changed': row_changed,
      'scd_id': snapshot_hash_arguments((([unique_key] if unique_key is string else unique_key) | list) + [updated_at]),
      'invalidate_hard_deletes': hard_deletes == 'invalidate',
      'hard_deletes': hard_deletes,
  }) }}
{% endmacro %}

{# Answers (is a column missing in the target, the columns both have). Names come back from the database, in its spelling. #}
{% macro snapshot_check_all_get_existing_columns(node, target_exists, check_cols_config) -%}
  {%- set code = node['compiled_code'] -%}
  {%- if check_cols_config == 'all' -%}
    {%- set wanted = get_columns_in_query(code) -%}
  {%- elif check_cols_config is iterable and check_cols_config is not string and check_cols_config | length > 0 -%}
    {%- set wanted = get_columns_in_query('select ' ~ check_cols_config | join(', ') ~ ' from (\n' ~ code ~ '\n) subq') -%}
  {%- else -%}
    {%- do exceptions.raise_compiler_error('`check_cols` is `all` or a list of columns, not ' ~ check_cols_config) -%}
  {%- endif -%}
  {%- set columns = [] -%}
  {%- if not target_exists -%}
    {%- for name in wanted -%}
      {%- do columns.append(adapter.quote(name)) -%}
    {%- endfor -%}
    {{ return((false, columns)) }}
  {%- endif -%}
  {%- set target = adapter.get_relation(database=node.database, schema=node.schema, identifier=node.alias) -%}
  {%- set stored = get_list_of_column_names(get_columns_in_relation(target)) -%}
  {%- for name in wanted if name in stored -%}
    {%- do columns.append(adapter.quote(name)) -%}
  {%- endfor -%}
  {{ return((columns | length < wanted | length, columns)) }}
{%- endmacro %}
