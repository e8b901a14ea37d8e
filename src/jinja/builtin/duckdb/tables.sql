{# DuckDB: creating tables and views, and their indexes. #}

{# Under a contract in two steps: DuckDB's `create table as` takes no column list. #}
{% macro duckdb__create_table_as(temporary, relation, compiled_code, language='sql') -%}
  {%- if language != 'sql' -%}
    {%- do exceptions.raise_compiler_error('a table is made of SQL, not of ' ~ language) -%}
  {%- endif -%}
  {%- set contract = config.get('contract') -%}
  {%- if contract.enforced -%}
    {{ get_assert_columns_equivalent(compiled_code) }}
  {%- endif -%}
  {%- set name = relation.include(database=not temporary, schema=not temporary) -%}
  {%- if config.get('sql_header') %}
  {{ config.get('sql_header') }}
  {%- endif %}
  {%- if contract.enforced and not temporary %}
  create table {{ name }}
  {{ get_table_columns_and_constraints() }};
  insert into {{ name }} {{ get_column_names() }} (
    {{ get_select_subquery(compiled_code) }}
  );
  {%- else %}
  create {{ 'temporary ' if temporary }}table {{ name }} as (
    {{ compiled_code }}
  );
  {%- endif %}
{%- endmacro %}

{# The columns of the contract in parentheses, as `insert` takes them. #}
{% macro get_column_names() -%}
  {%- set names = [] -%}
  {%- for column in (model['columns'] or {}).values() -%}
    {%- do names.append(adapter.quote(column['name']) if column.get('quote') else column['name']) -%}
  {%- endfor -%}
  ({{ names | join(', ') }})
{%- endmacro %}

{% macro duckdb__create_view_as(relation, sql) -%}
  {%- if config.get('contract').enforced -%}
    {{ get_assert_columns_equivalent(sql) }}
  {%- endif -%}
  {%- if config.get('sql_header') %}
  {{ config.get('sql_header') }}
  {%- endif %}
  create view {{ relation }} as (
    {{ sql }}
  );
{%- endmacro %}


{% macro duckdb__get_create_index_sql(relation, index_dict) -%}
  {%- set index = adapter.parse_index(index_dict) -%}
  create {{ 'unique ' if index.unique }}index "{{ index.render(relation) }}"
  on {{ relation }} ({{ index.columns | join(', ') }});
{%- endmacro %}

{# A table with indexes cannot be renamed. #}
{% macro drop_indexes_on_relation(relation) -%}
  {%- call statement('get_indexes_on_relation', fetch_result=True) -%}
    select index_name
    from duckdb_indexes()
    where schema_name = '{{ relation.schema }}'
      and table_name = '{{ relation.identifier }}'
      {{ "and lower(database_name) = '" ~ relation.database | lower ~ "'" if relation.database }}
  {%- endcall -%}
  {%- for row in load_result('get_indexes_on_relation').table.rows -%}
    {%- call statement('drop_index') -%}
      drop index {{ relation.without_identifier() }}.{{ adapter.quote(row[0]) }}
    {%- endcall -%}
  {%- endfor -%}
{%- endmacro %}
