{# Snapshots: the table of a first run, the staging rows of a later one, and how these get into the table.
   `strategy` is what a macro of snapshot_strategies.sql answers. #}

{# The names of the columns that a snapshot adds; a project renames them with `snapshot_meta_column_names`, some or all. #}
{% macro get_snapshot_table_column_names() %}
  {{ return({
      'dbt_valid_from': 'dbt_valid_from',
      'dbt_valid_to': 'dbt_valid_to',
      'dbt_scd_id': 'dbt_scd_id',
      'dbt_updated_at': 'dbt_updated_at',
      'dbt_is_deleted': 'dbt_is_deleted',
  }) }}
{% endmacro %}

{% macro _snapshot_column_names() %}
  {%- set names = get_snapshot_table_column_names() -%}
  {%- for given in [config.get('snapshot_meta_column_names'), config.get('snapshot_table_column_names')] if given -%}
    {%- for key in names.keys() | list if given[key] -%}
      {%- do names.update({key: given[key]}) -%}
    {%- endfor -%}
  {%- endfor -%}
  {{ return(names) }}
{% endmacro %}


{% macro build_snapshot_table(strategy, sql) -%}
  {{ return(adapter.dispatch('build_snapshot_table', 'dbt')(strategy, sql)) }}
{%- endmacro %}

{% macro default__build_snapshot_table(strategy, sql) %}
  {%- set columns = _snapshot_column_names() %}
  select *,
    {{ strategy.scd_id }} as {{ columns.dbt_scd_id }},
    {{ strategy.updated_at }} as {{ columns.dbt_updated_at }},
    {{ strategy.updated_at }} as {{ columns.dbt_valid_from }},
    {{ get_dbt_valid_to_current(strategy, columns) }}
    {%- if strategy.hard_deletes == 'new_record' %},
    'False' as {{ columns.dbt_is_deleted }}
    {%- endif %}
  from (
    {{ sql }}
  ) sbq
{% endmacro %}

{# What stands in the column while a row is current. The nullif has no value of its own: it lends its type to the null. #}
{% macro get_dbt_valid_to_current(strategy, columns) -%}
  coalesce(nullif({{ strategy.updated_at }}, {{ strategy.updated_at }}), {{ config.get('dbt_valid_to_current', 'null') or 'null' }}) as {{ columns.dbt_valid_to }}
{%- endmacro %}


{% macro snapshot_staging_table(strategy, source_sql, target_relation) -%}
  {{ return(adapter.dispatch('snapshot_staging_table', 'dbt')(strategy, source_sql, target_relation)) }}
{%- endmacro %}

{# One row for each change: `insert` brings a version, `update` and `delete` close the one that has their scd_id.
   Conditions of strategies name their two sides `source_data` and `snapshotted_data`. #}
{% macro default__snapshot_staging_table(strategy, source_sql, target_relation) -%}
  {%- set columns = _snapshot_column_names() -%}
  {%- set keys = strategy.unique_key -%}
  {%- set now = snapshot_get_time() -%}
  {%- set records = strategy.hard_deletes == 'new_record' -%}
  {%- set forever = config.get('dbt_valid_to_current') -%}
  {%- set valid_to = 'snapshotted_data.' ~ columns.dbt_valid_to -%}
  {%- set deleted = 'snapshotted_data.' ~ columns.dbt_is_deleted -%}
  {%- set changed -%}
    ({{ strategy.row_changed }}){% if records %} or {{ deleted }} = 'True'{% endif %}
  {%- endset -%}
  {%- set gone -%}
    {{ unique_key_is_null(keys, 'source_data') | trim }}
    {%- if records %} and not (
      {{ deleted }} = 'True' and {{ valid_to }} {{ '= ' ~ forever if forever else 'is null' }}
    ){% endif %}
  {%- endset -%}
  {%- set closing -%}
    snapshotted_data.{{ columns.dbt_scd_id }}{% if records %}, {{ deleted }}{% endif %}
  {%- endset -%}
  with snapshot_query as (
    {{ source_sql }}
  ),
  keyed as (
    select *, {{ unique_key_fields(keys) | trim }}
    from snapshot_query
  ),
  snapshotted_data as (
    select *, {{ unique_key_fields(keys) | trim }}
    from {{ target_relation }}
    where {{ columns.dbt_valid_to }} is null{% if forever %} or {{ columns.dbt_valid_to }} = {{ forever }}{% endif %}
  ),
  new_versions as (
    select *,
      {{ strategy.updated_at }} as {{ columns.dbt_updated_at }},
      {{ strategy.updated_at }} as {{ columns.dbt_valid_from }},
      {{ get_dbt_valid_to_current(strategy, columns) }},
      {{ strategy.scd_id }} as {{ columns.dbt_scd_id }}{% if records %},
      'False' as {{ columns.dbt_is_deleted }}{% endif %}
    from keyed
  ),
  closed_versions as (
    select *,
      {{ strategy.updated_at }} as {{ columns.dbt_updated_at }},
      {{ strategy.updated_at }} as {{ columns.dbt_valid_from }},
      {{ strategy.updated_at }} as {{ columns.dbt_valid_to }}
    from keyed
  )
  select 'insert' as dbt_change_type, source_data.*
  from new_versions as source_data
  left join snapshotted_data on {{ unique_key_join_on(keys, 'snapshotted_data', 'source_data') | trim }}
  where {{ unique_key_is_null(keys, 'snapshotted_data') | trim }} or ({{ changed }})
  union all
  select 'update' as dbt_change_type, source_data.*, {{ closing }}
  from closed_versions as source_data
  join snapshotted_data on {{ unique_key_join_on(keys, 'snapshotted_data', 'source_data') | trim }}
  where {{ changed }}
  {%- if strategy.invalidate_hard_deletes or strategy.hard_deletes in ['invalidate', 'new_record'] %}
  union all
  select 'delete' as dbt_change_type, source_data.*, {{ now }}, {{ now }}, {{ now }}, {{ closing }}
  from snapshotted_data
  left join keyed as source_data on {{ unique_key_join_on(keys, 'snapshotted_data', 'source_data') | trim }}
  where {{ gone }}
  {%- endif %}
  {%- if records %}
  union all
  {#- The copy that says "deleted": the stored values under a new id. A column that is new in the query was never stored. #}
    {%- set stored = get_list_of_column_names(adapter.get_columns_in_relation(target_relation)) %}
  select 'insert' as dbt_change_type,
    {%- for column in get_column_schema_from_query(source_sql) %}
    {{ 'snapshotted_data.' ~ adapter.quote(column.name) if column.name in stored else 'null' }},
    {%- endfor %}
    {%- for key in ([keys] if keys is string else keys) %}
    snapshotted_data.dbt_unique_key{{ '_' ~ loop.index if keys is not string }},
    {%- endfor %}
    {{ now }}, {{ now }}, {{ valid_to }},
    {{ snapshot_hash_arguments(['snapshotted_data.' ~ columns.dbt_scd_id, now]) | trim }}, 'True'
  from snapshotted_data
  left join keyed as source_data on {{ unique_key_join_on(keys, 'snapshotted_data', 'source_data') | trim }}
  where {{ gone }}
  {%- endif %}
{%- endmacro %}

{# The rows have to be kept while the target changes under them, hence a relation and not a subquery. #}
{% macro build_snapshot_staging_table(strategy, sql, target_relation) %}
  {%- set staging = make_temp_relation(target_relation) -%}
  {%- set staging_sql = snapshot_staging_table(strategy, sql, target_relation) -%}
  {%- call statement('build_snapshot_staging_relation') -%}
    {{ create_table_as(True, staging, staging_sql) }}
  {%- endcall -%}
  {%- do return(staging) -%}
{% endmacro %}

{% macro snapshot_merge_sql(target, source, insert_cols) -%}
  {{ return(adapter.dispatch('snapshot_merge_sql', 'dbt')(target, source, insert_cols)) }}
{%- endmacro %}

{% macro default__snapshot_merge_sql(target, source, insert_cols) -%}
  {%- set columns = _snapshot_column_names() -%}
  {%- set valid_to = columns.dbt_valid_to -%}
  {%- set forever = config.get('dbt_valid_to_current') -%}
  {%- set csv = insert_cols | join(', ') -%}
  merge into {{ target.render() }} as DBT_INTERNAL_DEST
  using {{ source }} as DBT_INTERNAL_SOURCE
  on DBT_INTERNAL_SOURCE.{{ columns.dbt_scd_id }} = DBT_INTERNAL_DEST.{{ columns.dbt_scd_id }}
  when matched
    and (DBT_INTERNAL_DEST.{{ valid_to }} is null{% if forever %} or DBT_INTERNAL_DEST.{{ valid_to }} = {{ forever }}{% endif %})
    and DBT_INTERNAL_SOURCE.dbt_change_type in ('update', 'delete')
    then update set {{ valid_to }} = DBT_INTERNAL_SOURCE.{{ valid_to }}
  when not matched and DBT_INTERNAL_SOURCE.dbt_change_type = 'insert'
    then insert ({{ csv }}) values ({{ csv }})
{%- endmacro %}

{% macro post_snapshot(staging_relation) %}
  {{ return(adapter.dispatch('post_snapshot', 'dbt')(staging_relation)) }}
{% endmacro %}

{# A temporary table goes by itself. #}
{% macro default__post_snapshot(staging_relation) %}
{% endmacro %}


{# What a snapshot is built with: the strategy's answer, which may ask for the compiled query of the node. #}
{% macro _snapshot_strategy_of(sql, target_exists) -%}
  {%- set node = model -%}
  {%- do node.update({'compiled_code': sql}) -%}
  {{ return(strategy_dispatch(config.get('strategy'))(node, 'snapshotted_data', 'source_data', node['config'], target_exists)) }}
{%- endmacro %}

{# The table of a first snapshot. #}
{% macro strata_snapshot_table(relation, sql) -%}
  {{ return(create_table_as(False, relation, build_snapshot_table(_snapshot_strategy_of(sql, false), sql))) }}
{%- endmacro %}

{# The temporary table of what has changed. #}
{% macro strata_snapshot_staging(staging, target, sql) -%}
  {{ return(create_table_as(True, staging, snapshot_staging_table(_snapshot_strategy_of(sql, true), sql, target))) }}
{%- endmacro %}
