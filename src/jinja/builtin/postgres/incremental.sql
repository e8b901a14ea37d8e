{# Postgres: incremental strategies and snapshots. #}

{# With a key, rows are replaced; without one there is nothing to replace them by. #}
{% macro postgres__get_incremental_default_sql(arg_dict) %}
  {{ return(get_incremental_delete_insert_sql(arg_dict) if arg_dict['unique_key'] else get_incremental_append_sql(arg_dict)) }}
{% endmacro %}

{# A batch is merged by key, since a row may have moved here from another batch. #}
{% macro postgres__get_incremental_microbatch_sql(arg_dict) %}
  {%- if not arg_dict['unique_key'] -%}
    {%- do exceptions.raise_compiler_error('microbatch merges on Postgres: set `unique_key`') -%}
  {%- endif -%}
  {{ return(get_incremental_merge_sql(arg_dict)) }}
{% endmacro %}

{# An update and an insert instead of a merge, which Postgres has since version 15. #}
{% macro postgres__snapshot_merge_sql(target, source, insert_cols) -%}
  {%- set columns = _snapshot_column_names() -%}
  {%- set valid_to = columns.dbt_valid_to -%}
  {%- set forever = config.get('dbt_valid_to_current') -%}
  update {{ target }}
  set {{ valid_to }} = DBT_INTERNAL_SOURCE.{{ valid_to }}
  from {{ source }} as DBT_INTERNAL_SOURCE
  where DBT_INTERNAL_SOURCE.{{ columns.dbt_scd_id }}::text = {{ target }}.{{ columns.dbt_scd_id }}::text
    and DBT_INTERNAL_SOURCE.dbt_change_type::text in ('update', 'delete')
    and ({{ target }}.{{ valid_to }} is null{% if forever %} or {{ target }}.{{ valid_to }} = {{ forever }}{% endif %});

  insert into {{ target }} ({{ insert_cols | join(', ') }})
  select
    {%- for column in insert_cols %}
    DBT_INTERNAL_SOURCE.{{ column }}{{ ',' if not loop.last }}
    {%- endfor %}
  from {{ source }} as DBT_INTERNAL_SOURCE
  where DBT_INTERNAL_SOURCE.dbt_change_type::text = 'insert';
{%- endmacro %}
