{# SQLite: schemas, relations, columns. A schema is a file that is attached. #}

{% macro sqlite__list_schemas(database) -%}
  {{ return(run_query("select name as schema_name from pragma_database_list where name <> 'temp'")) }}
{%- endmacro %}

{% macro sqlite__check_schema_exists(information_schema, schema) -%}
  {{ return(run_query("select count(*) from pragma_database_list where lower(name) = lower('" ~ schema ~ "')")) }}
{%- endmacro %}

{% macro sqlite__list_relations_without_caching(schema_relation) -%}
  {{ return(run_query(
      "select '" ~ schema_relation.database ~ "' as database, name, '" ~ schema_relation.schema ~ "' as schema, type from "
      ~ schema_relation.schema ~ ".sqlite_schema where type in ('table', 'view') and name not like 'sqlite%'"
  )) }}
{%- endmacro %}

{% macro sqlite__get_columns_in_relation(relation) -%}
  {{ return(sql_convert_columns_in_relation(run_query(
      "select name as column_name, type as data_type, null as character_maximum_length, null as numeric_precision, null as numeric_scale from pragma_table_info('"
      ~ relation.identifier ~ "', '" ~ (relation.schema or 'temp') ~ "') order by cid"
  ))) }}
{%- endmacro %}

{% macro sqlite__drop_relation(relation) -%}
  {%- call statement('drop_relation', auto_begin=False) -%}
    drop {{ relation.type }} if exists {{ relation }}
  {%- endcall -%}
{%- endmacro %}

{% macro sqlite__drop_table(relation) -%}
  drop table if exists {{ relation }}
{%- endmacro %}

{% macro sqlite__drop_view(relation) -%}
  drop view if exists {{ relation }}
{%- endmacro %}

{% macro sqlite__truncate_relation(relation) -%}
  {%- call statement('truncate_relation') -%}
    delete from {{ relation }}
  {%- endcall -%}
{%- endmacro %}

{% macro sqlite__rename_relation(from_relation, to_relation) -%}
  {%- if from_relation.is_view -%}
    {%- do exceptions.raise_compiler_error('SQLite cannot rename a view: drop it, and create it under its new name') -%}
  {%- endif -%}
  {%- call statement('rename_relation') -%}
    alter table {{ from_relation }} rename to {{ adapter.quote(to_relation.identifier) }}
  {%- endcall -%}
{%- endmacro %}

{# One change a statement. #}
{% macro sqlite__alter_relation_add_remove_columns(relation, add_columns, remove_columns) -%}
  {%- for column in add_columns or [] -%}
    {%- do run_query('alter table ' ~ relation ~ ' add column ' ~ column.quoted ~ ' ' ~ column.data_type) -%}
  {%- endfor -%}
  {%- for column in remove_columns or [] -%}
    {%- do run_query('alter table ' ~ relation ~ ' drop column ' ~ column.quoted) -%}
  {%- endfor -%}
{%- endmacro %}

{% macro sqlite__alter_column_type(relation, column_name, new_column_type) -%}
  {%- do exceptions.raise_compiler_error('SQLite cannot change the type of a column: build the table anew, with --full-refresh') -%}
{%- endmacro %}

{# SQLite has no users to grant to, and nowhere to write comments. #}
{% macro sqlite__apply_grants(relation, grant_config, should_revoke=True) -%}
  {%- if grant_config -%}
    {%- do adapter.warn_once('SQLite has no users: grants have no effect') -%}
  {%- endif -%}
{%- endmacro %}

{% macro sqlite__persist_docs(relation, model, for_relation=true, for_columns=true) -%}
  {%- do adapter.warn_once('SQLite has no comments: `persist_docs` has no effect') -%}
{%- endmacro %}

{# The catalog for `docs generate`: one question a schema, since each is a file with a catalog of its own. #}
{% macro sqlite__get_catalog(information_schema, schemas) -%}
  {%- set parts = [] -%}
  {%- for schema in schemas -%}
    {%- set part -%}
    select
      '{{ information_schema.database }}' as table_database,
      '{{ schema }}' as table_schema,
      m.name as table_name,
      case m.type when 'view' then 'VIEW' else 'BASE TABLE' end as table_type,
      null as table_comment,
      c.name as column_name,
      c.cid + 1 as column_index,
      c.type as column_type,
      null as column_comment,
      null as table_owner
    from {{ schema }}.sqlite_schema as m
    join pragma_table_info(m.name, '{{ schema }}') as c
    where m.type in ('table', 'view') and m.name not like 'sqlite%'
    {%- endset -%}
    {%- do parts.append(part) -%}
  {%- endfor -%}
  {{ return(run_query(parts | join('\n    union all\n') ~ '\n    order by 2, 3, 7')) }}
{%- endmacro %}
