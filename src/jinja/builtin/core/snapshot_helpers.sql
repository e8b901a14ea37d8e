{# The small parts of snapshots: keys, columns, types of times. #}

{# A key of several columns gets several names, so that no value has to be pasted together. #}
{% macro unique_key_fields(unique_key) -%}
  {%- if unique_key is string -%}
    {{ unique_key }} as dbt_unique_key
  {%- else -%}
    {%- for key in unique_key %}
    {{ key }} as dbt_unique_key_{{ loop.index }}{{ ',' if not loop.last }}
    {%- endfor -%}
  {%- endif -%}
{%- endmacro %}

{% macro unique_key_join_on(unique_key, identifier, from_identifier) -%}
  {%- if unique_key is string -%}
    {{ identifier }}.dbt_unique_key = {{ from_identifier }}.dbt_unique_key
  {%- else -%}
    {%- for key in unique_key -%}
      {{ ' and ' if not loop.first }}({{ identifier }}.dbt_unique_key_{{ loop.index }} = {{ from_identifier }}.dbt_unique_key_{{ loop.index }})
    {%- endfor -%}
  {%- endif -%}
{%- endmacro %}

{# After an outer join: is there a row on that side? The first key tells. #}
{% macro unique_key_is_null(unique_key, identifier) -%}
  {{ identifier }}.dbt_unique_key{{ '_1' if unique_key is not string }} is null
{%- endmacro %}

{% macro unique_key_is_not_null(unique_key, identifier) -%}
  {{ identifier }}.dbt_unique_key{{ '_1' if unique_key is not string }} is not null
{%- endmacro %}


{% macro create_columns(relation, columns) -%}
  {{ return(adapter.dispatch('create_columns', 'dbt')(relation, columns)) }}
{%- endmacro %}

{% macro default__create_columns(relation, columns) -%}
  {%- for column in columns -%}
    {%- call statement() -%}
      alter table {{ relation.render() }} add column {{ adapter.quote(column.name) }} {{ column.expanded_data_type }};
    {%- endcall -%}
  {%- endfor -%}
{%- endmacro %}

{% macro get_true_sql() -%}
  {{ return(adapter.dispatch('get_true_sql', 'dbt')()) }}
{%- endmacro %}

{% macro default__get_true_sql() -%}
  {{ return('TRUE') }}
{%- endmacro %}

{% macro snapshot_string_as_time(timestamp) -%}
  {{ return(adapter.dispatch('snapshot_string_as_time', 'dbt')(timestamp)) }}
{%- endmacro %}

{% macro default__snapshot_string_as_time(timestamp) -%}
  {%- do exceptions.raise_not_implemented('there is no macro snapshot_string_as_time for ' ~ adapter.type()) -%}
{%- endmacro %}


{# None when the snapshot has no such column. #}
{% macro get_updated_at_column_data_type(snapshot_sql) %}
  {%- set name = _snapshot_column_names().dbt_updated_at -%}
  {%- set column = get_column_schema_from_query(snapshot_sql) | selectattr('name', 'equalto', name) | first -%}
  {{ return(column.dtype if column else none) }}
{% endmacro %}

{# Times with and without a zone compare to nonsense, silently: hence the warning. #}
{% macro check_time_data_types(sql) %}
  {%- set stored = get_updated_at_column_data_type(sql) -%}
  {%- set now = get_snapshot_get_time_data_type() -%}
  {%- if stored is not none and now is not none and stored != now -%}
    {%- do exceptions.warn_snapshot_timestamp_data_types(now, stored) -%}
  {%- endif -%}
{% endmacro %}
