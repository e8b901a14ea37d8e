{# SQLite: snapshots. Times are texts in UTC, which compare as times do. #}

{% macro sqlite__snapshot_merge_sql(target, source, insert_cols) -%}
  {%- set columns = _snapshot_column_names() -%}
  {%- set valid_to = columns.dbt_valid_to -%}
  {%- set forever = config.get('dbt_valid_to_current') -%}
  update {{ target }} as DBT_INTERNAL_TARGET
  set {{ valid_to }} = DBT_INTERNAL_SOURCE.{{ valid_to }}
  from {{ source }} as DBT_INTERNAL_SOURCE
  where DBT_INTERNAL_SOURCE.{{ columns.dbt_scd_id }} = DBT_INTERNAL_TARGET.{{ columns.dbt_scd_id }}
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

{% macro sqlite__snapshot_string_as_time(timestamp) -%}
  {{ return("'" ~ timestamp ~ "'") }}
{%- endmacro %}

{% macro sqlite__current_timestamp() -%}
  strftime('%Y-%m-%d %H:%M:%f', 'now')
{%- endmacro %}

{% macro sqlite__current_timestamp_backcompat() -%}
  {{ return(current_timestamp()) }}
{%- endmacro %}
