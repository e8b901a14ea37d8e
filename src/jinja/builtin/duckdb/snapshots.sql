{# DuckDB: snapshots. #}

{# A real table, since the staging rows have to outlive a transaction; `post_snapshot` drops it. #}
{% macro build_snapshot_staging_table(strategy, sql, target_relation) %}
  {%- set staging = make_temp_relation(target_relation) -%}
  {%- set staging_sql = snapshot_staging_table(strategy, sql, target_relation) -%}
  {%- call statement('build_snapshot_staging_relation') -%}
    {{ create_table_as(False, staging, staging_sql) }}
  {%- endcall -%}
  {%- do return(staging) -%}
{% endmacro %}

{% macro duckdb__post_snapshot(staging_relation) %}
  {%- do return(drop_relation(staging_relation)) -%}
{% endmacro %}

{% macro duckdb__snapshot_merge_sql(target, source, insert_cols) -%}
  {%- set columns = _snapshot_column_names() -%}
  {%- set valid_to = columns.dbt_valid_to -%}
  {%- set forever = config.get('dbt_valid_to_current') -%}
  update {{ target }} as DBT_INTERNAL_TARGET
  set {{ valid_to }} = DBT_INTERNAL_SOURCE.{{ valid_to }}
  from {{ source }} as DBT_INTERNAL_SOURCE
  where DBT_INTERNAL_SOURCE.{{ columns.dbt_scd_id }}::text = DBT_INTERNAL_TARGET.{{ columns.dbt_scd_id }}::text
    and DBT_INTERNAL_SOURCE.dbt_change_type in ('update', 'delete')
    and (DBT_INTERNAL_TARGET.{{ valid_to }} is null{% if forever %} or DBT_INTERNAL_TARGET.{{ valid_to }} = {{ forever }}{% endif %});

  insert into {{ target }} ({{ insert_cols | join(', ') }})
  select
    {%- for column in insert_cols %}
    DBT_INTERNAL_SOURCE.{{ column }}{{ ',' if not loop.last }}
    {%- endfor %}
  from {{ source }} as DBT_INTERNAL_SOURCE
  where DBT_INTERNAL_SOURCE.dbt_change_type = 'insert';
{%- endmacro %}
