{# Postgres: the catalog for `docs generate`. Straight from pg_catalog, since information_schema hides comments and materialized views. #}

{% macro postgres__get_catalog_relations(information_schema, relations) -%}
  {%- set wanted = [] -%}
  {%- for relation in relations -%}
    {%- if relation.schema and relation.identifier -%}
      {%- do wanted.append(
          "(upper(s.nspname) = upper('" ~ relation.schema ~ "') and upper(t.relname) = upper('" ~ relation.identifier ~ "'))") -%}
    {%- elif relation.schema -%}
      {%- do wanted.append("upper(s.nspname) = upper('" ~ relation.schema ~ "')") -%}
    {%- else -%}
      {%- do exceptions.raise_compiler_error('`get_catalog_relations` needs a schema for each relation') -%}
    {%- endif -%}
  {%- endfor -%}
  {{ return(_postgres_catalog(information_schema, wanted)) }}
{%- endmacro %}

{% macro postgres__get_catalog(information_schema, schemas) -%}
  {%- set wanted = [] -%}
  {%- for schema in schemas -%}
    {%- do wanted.append("upper(s.nspname) = upper('" ~ schema ~ "')") -%}
  {%- endfor -%}
  {{ return(_postgres_catalog(information_schema, wanted)) }}
{%- endmacro %}

{% macro _postgres_catalog(information_schema, wanted) -%}
  {%- set database = information_schema.database -%}
  {%- do adapter.verify_database(database) -%}
  {%- call statement('catalog', fetch_result=True) -%}
    select
      '{{ database }}' as table_database,
      s.nspname as table_schema,
      t.relname as table_name,
      case
        when t.relpersistence = 't' then 'LOCAL TEMPORARY'
        when t.relkind = 'v' then 'VIEW'
        when t.relkind = 'm' then 'MATERIALIZED VIEW'
        else 'BASE TABLE'
      end as table_type,
      obj_description(t.oid, 'pg_class') as table_comment,
      c.attname as column_name,
      c.attnum as column_index,
      format_type(c.atttypid, c.atttypmod) as column_type,
      col_description(t.oid, c.attnum) as column_comment,
      pg_get_userbyid(t.relowner) as table_owner
    from pg_class t
    join pg_namespace s on s.oid = t.relnamespace
    join pg_attribute c on c.attrelid = t.oid
    where t.relkind in ('r', 'p', 'f', 'v', 'm')
      and c.attnum > 0
      and not c.attisdropped
      and ({{ wanted | join('\n        or ') }})
    order by 2, 3, 7
  {%- endcall -%}
  {{ return(load_result('catalog').table) }}
{%- endmacro %}
