{# Unit tests: rows written in YAML as queries, and the comparison of what is with what should be. #}

{% macro get_unit_test_sql(main_sql, expected_fixture_sql, expected_column_names) -%}
  {{ return(adapter.dispatch('get_unit_test_sql', 'dbt')(main_sql, expected_fixture_sql, expected_column_names)) }}
{%- endmacro %}

{# Both sides in one result, told apart by a column: the comparison itself needs no SQL. #}
{% macro default__get_unit_test_sql(main_sql, expected_fixture_sql, expected_column_names) -%}
  {%- set columns = expected_column_names | join(', ') -%}
  {%- set side = adapter.quote('actual_or_expected') -%}
  -- what the model makes of the given rows
  with dbt_internal_unit_test_actual as (
    select {{ columns }}, {{ string_literal('actual') }} as {{ side }}
    from (
      {{ main_sql }}
    ) _dbt_internal_unit_test_actual
  ),
  -- what it should make of them
  dbt_internal_unit_test_expected as (
    select {{ columns }}, {{ string_literal('expected') }} as {{ side }}
    from (
      {{ expected_fixture_sql }}
    ) _dbt_internal_unit_test_expected
  )
  select * from dbt_internal_unit_test_actual
  union all
  select * from dbt_internal_unit_test_expected
{%- endmacro %}


{# One select a row, all columns of the relation that is stood in for: what a row leaves out is null. #}
{% macro get_fixture_sql(rows, column_name_to_data_types) %}
  {%- set types = {} -%}
  {%- set quoted = {} -%}
  {%- if column_name_to_data_types -%}
    {%- for name, type in column_name_to_data_types.items() -%}
      {%- do types.update({name | lower: type}) -%}
      {%- do quoted.update({name | lower: adapter.quote(name)}) -%}
    {%- endfor -%}
  {%- else -%}
    {%- set columns = adapter.get_columns_in_relation(this) -%}
    {%- for column in columns -%}
      {%- do types.update({column.name | lower: column.data_type}) -%}
      {%- do quoted.update({column.name | lower: column.quoted}) -%}
    {%- endfor -%}
    {%- if not columns -%}
      {%- do exceptions.raise_compiler_error('the unit test of ' ~ model.name ~ ' needs the columns of ' ~ this ~ ', which is not there') -%}
    {%- endif -%}
  {%- endif -%}
  {%- set blank = {} -%}
  {%- for name, type in types.items() -%}
    {%- do blank.update({name: safe_cast('null', type) | trim}) -%}
  {%- endfor -%}
  {%- set selects = [] -%}
  {%- for row in rows -%}
    {%- do validate_fixture_rows(rows, loop.index0) -%}
    {%- set filled = blank.copy() -%}
    {%- do filled.update(format_row(row, types)) -%}
    {%- do selects.append(_fixture_select(filled, quoted)) -%}
  {%- endfor -%}
  {{ selects | join('\nunion all\n') if selects else _fixture_select(blank, quoted) ~ '\nlimit 0' }}
{% endmacro %}

{# The expected rows: only the columns they name, since only those are compared. #}
{% macro get_expected_sql(rows, column_name_to_data_types, column_name_to_quoted) %}
  {%- set selects = [] -%}
  {%- for row in rows -%}
    {%- do selects.append(_fixture_select(format_row(row, column_name_to_data_types), column_name_to_quoted)) -%}
  {%- endfor -%}
  {{ selects | join('\nunion all\n') if selects else 'select * from dbt_internal_unit_test_actual\nlimit 0' }}
{% endmacro %}

{% macro _fixture_select(values, quoted) -%}
  {%- set items = [] -%}
  {%- for name, value in values.items() -%}
    {%- do items.append(value ~ ' as ' ~ quoted[name]) -%}
  {%- endfor -%}
  {{ return('select ' ~ items | join(', ')) }}
{%- endmacro %}

{# A row's values as SQL, cast to the types of their columns. #}
{% macro format_row(row, column_name_to_data_types) %}
  {%- set formatted = {} -%}
  {%- for key, value in row.items() -%}
    {%- set name = key | lower -%}
    {%- if name not in column_name_to_data_types -%}
      {%- do exceptions.raise_compiler_error('the fixture of `' ~ model.name ~ '` has a column `' ~ name ~ '`, which it does not: its columns are ' ~ column_name_to_data_types.keys() | list) -%}
    {%- endif -%}
    {%- set type = column_name_to_data_types[name] -%}
    {%- if value is none -%}
      {%- do formatted.update({name: safe_cast('null', type) | trim}) -%}
    {%- else -%}
      {#- A column's size is how wide its values happened to be, or a guess: no text is cut to it. -#}
      {%- set sizeless = 'character varying' if value is string and (type | string).startswith('character varying') else type -%}
      {%- set literal = string_literal(escape_single_quotes(value)) if value is string else value -%}
      {%- do formatted.update({name: safe_cast(literal, sizeless) | trim}) -%}
    {%- endif -%}
  {%- endfor -%}
  {{ return(formatted) }}
{% endmacro %}

{% macro validate_fixture_rows(rows, row_number) -%}
  {{ return(adapter.dispatch('validate_fixture_rows', 'dbt')(rows, row_number)) }}
{%- endmacro %}

{# For engines that need every row to name every column. #}
{% macro default__validate_fixture_rows(rows, row_number) -%}
{%- endmacro %}
