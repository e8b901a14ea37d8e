{# DuckDB: the catalog for `docs generate`. #}

{% macro duckdb__get_catalog(information_schema, schemas) -%}
  {%- set wanted = [] -%}
  {%- for schema in schemas -%}
    {%- do wanted.append("upper(c.schema_name) = upper('" ~ schema ~ "')") -%}
  {%- endfor -%}
  {{ return(_duckdb_catalog(information_schema.database, wanted)) }}
{%- endmacro %}

{% macro duckdb__get_catalog_relations(information_schema, relations) -%}
  {%- set wanted = [] -%}
  {%- for relation in relations -%}
    {%- do wanted.append("(upper(c.schema_name) = upper('" ~ relation.schema ~ "')"
        ~ (" and upper(c.table_name) = upper('" ~ relation.identifier ~ "')" if relation.identifier else '') ~ ')') -%}
  {%- endfor -%}
  {{ return(_duckdb_catalog(information_schema.database, wanted)) }}
{%- endmacro %}

{# Comments of tables and of views stand in two catalogs; a column knows which relation it is of. #}
{% macro _duckdb_catalog(database, wanted) -%}
  {%- call statement('catalog', fetch_result=True) -%}
    select
      '{{ database }}' as table_database,
      c.schema_name as table_schema,
      c.table_name,
      case when v.view_oid is null then 'BASE TABLE' else 'VIEW' end as table_type,
      coalesce(t.comment, v.comment) as table_comment,
      c.column_name,
      c.column_index,
      c.data_type as column_type,
      c.comment as column_comment,
      null as table_owner
    from duckdb_columns() c
    left join duckdb_tables() t on t.database_oid = c.database_oid and t.table_oid = c.table_oid
    left join duckdb_views() v on v.database_oid = c.database_oid and v.view_oid = c.table_oid
    where lower(c.database_name) = lower('{{ database }}')
      and ({{ wanted | join('\n        or ') }})
    order by c.schema_name, c.table_name, c.column_index
  {%- endcall -%}
  {{ return(load_result('catalog').table) }}
{%- endmacro %}
