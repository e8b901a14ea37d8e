{# DuckDB: reading and changing columns, and comments. #}

{# A temporary relation is known by its name alone. #}
{% macro duckdb__get_columns_in_relation(relation) -%}
  {%- call statement('get_columns_in_relation', fetch_result=True) -%}
    select column_name, data_type, character_maximum_length, numeric_precision, numeric_scale
    from system.information_schema.columns
    where table_name = '{{ relation.identifier }}'
      {%- if relation.schema %}
      and lower(table_schema) = '{{ relation.schema | lower }}'
      {%- endif %}
      {%- if relation.database %}
      and lower(table_catalog) = '{{ relation.database | lower }}'
      {%- endif %}
    order by ordinal_position
  {%- endcall -%}
  {{ return(sql_convert_columns_in_relation(load_result('get_columns_in_relation').table)) }}
{%- endmacro %}

{# One change a statement: DuckDB's `alter table` takes no list. #}
{% macro duckdb__alter_relation_add_remove_columns(relation, add_columns, remove_columns) -%}
  {%- for column in add_columns or [] -%}
    {%- do run_query('alter ' ~ relation.type ~ ' ' ~ relation ~ ' add column ' ~ column.quoted ~ ' ' ~ column.data_type) -%}
  {%- endfor -%}
  {%- for column in remove_columns or [] -%}
    {%- do run_query('alter ' ~ relation.type ~ ' ' ~ relation ~ ' drop column ' ~ column.quoted) -%}
  {%- endfor -%}
{%- endmacro %}

{# In place: an update between two changes of one table would make the commit fail. #}
{% macro duckdb__alter_column_type(relation, column_name, new_column_type) -%}
  {%- call statement('alter_column_type') -%}
    alter table {{ relation }} alter column {{ adapter.quote(column_name) }} set data type {{ new_column_type }}
  {%- endcall -%}
{%- endmacro %}


{# Dollar quotes, so that a comment may hold anything but the mark itself. #}
{% macro duckdb_escape_comment(comment) -%}
  {%- if comment is not string -%}
    {%- do exceptions.raise_compiler_error('a comment is text, not ' ~ comment) -%}
  {%- endif -%}
  {%- set mark = '$dbt_comment_literal_block$' -%}
  {%- if mark in comment -%}
    {%- do exceptions.raise_compiler_error('a comment cannot hold ' ~ mark) -%}
  {%- endif -%}
  {{ mark ~ comment ~ mark }}
{%- endmacro %}

{% macro duckdb__alter_relation_comment(relation, comment) -%}
  {%- set of_functions = 'macro table' if config.get('materialized') == 'table_function' else 'macro' %}
  comment on {{ of_functions if relation.is_function else relation.type }} {{ relation }} is {{ duckdb_escape_comment(comment) }};
{%- endmacro %}

{% macro duckdb__alter_column_comment(relation, column_dict) -%}
  {%- set existing = adapter.get_columns_in_relation(relation) | map(attribute='name') | list -%}
  {%- for name, column in validate_doc_columns(relation, column_dict, existing).items() %}
  comment on column {{ relation }}.{{ adapter.quote(_stored_name(name, existing)) }} is {{ duckdb_escape_comment(column['description']) }};
  {%- endfor -%}
{%- endmacro %}
