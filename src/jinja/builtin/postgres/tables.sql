{# Postgres: creating tables and their indexes. #}

{% macro postgres__create_table_as(temporary, relation, sql) -%}
  {%- set contract = config.get('contract') -%}
  {%- if contract.enforced -%}
    {{ get_assert_columns_equivalent(sql) }}
  {%- endif -%}
  {%- set name = relation.include(database=not temporary, schema=not temporary) -%}
  {%- set kind = 'temporary table' if temporary else 'unlogged table' if config.get('unlogged', false) else 'table' -%}
  {%- if config.get('sql_header') %}
  {{ config.get('sql_header') }}
  {%- endif %}
  {%- if contract.enforced and not temporary %}
  create {{ kind }} {{ name }}
  {{ get_table_columns_and_constraints() }};
  insert into {{ name }} ({{ adapter.dispatch('get_column_names', 'dbt')() }}) (
    {{ get_select_subquery(sql) }}
  );
  {%- else %}
  create {{ kind }} {{ name }} as (
    {{ sql }}
  );
  {%- endif %}
{%- endmacro %}

{# The name is a hash with the time in it, since an index keeps its name when its table is renamed. #}
{% macro postgres__get_create_index_sql(relation, index_dict) -%}
  {%- set index = adapter.parse_index(index_dict) -%}
  create {{ 'unique ' if index.unique }}index if not exists "{{ index.render(relation) }}"
  on {{ relation }} {{ 'using ' ~ index.type ~ ' ' if index.type }}({{ index.columns | join(', ') }})
{%- endmacro %}

{% macro postgres__get_drop_index_sql(relation, index_name) -%}
  drop index if exists "{{ relation.schema }}"."{{ index_name }}"
{%- endmacro %}

{% macro postgres__get_show_indexes_sql(relation) %}
  select
    index_class.relname as name,
    pg_am.amname as method,
    pg_index.indisunique as "unique",
    array_to_string(array_agg(pg_attribute.attname), ',') as column_names
  from pg_index
  join pg_class index_class on index_class.oid = pg_index.indexrelid
  join pg_am on pg_am.oid = index_class.relam
  join pg_class table_class on table_class.oid = pg_index.indrelid
  join pg_namespace on pg_namespace.oid = table_class.relnamespace
  join pg_attribute on pg_attribute.attrelid = table_class.oid and pg_attribute.attnum = any(pg_index.indkey)
  where table_class.relname = '{{ relation.identifier }}'
    and pg_namespace.nspname = '{{ relation.schema }}'
    and table_class.relkind in ('r', 'm')
  group by 1, 2, 3
  order by 1, 2, 3
{% endmacro %}
