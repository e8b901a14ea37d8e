{# Enforced contracts: is the query what the contract promises, and the column list of the table to be made. #}

{% macro get_assert_columns_equivalent(sql) -%}
  {{ return(adapter.dispatch('get_assert_columns_equivalent', 'dbt')(sql)) }}
{%- endmacro %}

{% macro default__get_assert_columns_equivalent(sql) -%}
  {{ return(assert_columns_equivalent(sql)) }}
{%- endmacro %}

{# Order does not matter, names and types do. Gives no SQL: it passes or raises. #}
{% macro assert_columns_equivalent(sql) -%}
  {%- set promised = model['columns'] -%}
  {#- Before any query, so that a missing data_type is not reported as a mistake of the database. -#}
  {%- set promise = get_empty_schema_sql(promised) -%}
  {%- set found = format_columns(get_column_schema_from_query(sql, config.get('sql_header', none))) -%}
  {%- set expected = format_columns(get_column_schema_from_query(promise)) -%}
  {%- set found_texts = found | map(attribute='formatted') | list -%}
  {%- set missing = expected | rejectattr('formatted', 'in', found_texts) | list -%}
  {%- if missing or (found | length) != (expected | length) -%}
    {%- do exceptions.raise_contract_error(expected, found) -%}
  {%- endif -%}
{%- endmacro %}

{# `formatted` is what gets compared (names without regard to case), the rest is for the error message. #}
{% macro format_columns(columns) -%}
  {%- set formatted = [] -%}
  {%- for column in columns -%}
    {%- do formatted.append(adapter.dispatch('format_column', 'dbt')(column)) -%}
  {%- endfor -%}
  {{ return(formatted) }}
{%- endmacro %}

{% macro default__format_column(column) -%}
  {{ return({'name': column.name, 'data_type': column.dtype, 'formatted': column.column.lower() ~ ' ' ~ column.dtype}) }}
{%- endmacro %}


{% macro get_table_columns_and_constraints() -%}
  {{ return(adapter.dispatch('get_table_columns_and_constraints', 'dbt')()) }}
{%- endmacro %}

{% macro default__get_table_columns_and_constraints() -%}
  {{ return(table_columns_and_constraints()) }}
{%- endmacro %}

{# The adapter drops, with a warning, what its engine does not enforce. #}
{% macro table_columns_and_constraints() -%}
  {%- set lines = adapter.render_raw_columns_constraints(raw_columns=model['columns'])
      + adapter.render_raw_model_constraints(raw_constraints=model['constraints']) -%}
  (
    {{ lines | join(',\n    ') }}
  )
{%- endmacro %}
