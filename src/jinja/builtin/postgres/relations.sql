{# Postgres: schemas and relations. One connection sees one database, so a relation's database is checked, not used. #}

{% macro postgres__create_schema(relation) -%}
  {%- if relation.database -%}
    {%- do adapter.verify_database(relation.database) -%}
  {%- endif -%}
  {%- call statement('create_schema') -%}
    create schema if not exists {{ relation.without_identifier().include(database=False) }}
  {%- endcall -%}
{%- endmacro %}

{% macro postgres__drop_schema(relation) -%}
  {%- if relation.database -%}
    {%- do adapter.verify_database(relation.database) -%}
  {%- endif -%}
  {%- call statement('drop_schema') -%}
    drop schema if exists {{ relation.without_identifier().include(database=False) }} cascade
  {%- endcall -%}
{%- endmacro %}

{% macro postgres__information_schema_name(database) -%}
  information_schema
{%- endmacro %}

{% macro postgres__list_schemas(database) %}
  {%- if database -%}
    {%- do adapter.verify_database(database) -%}
  {%- endif -%}
  {%- call statement('list_schemas', fetch_result=True, auto_begin=False) -%}
    select distinct nspname from pg_namespace
  {%- endcall -%}
  {{ return(load_result('list_schemas').table) }}
{% endmacro %}

{% macro postgres__check_schema_exists(information_schema, schema) -%}
  {%- if information_schema.database -%}
    {%- do adapter.verify_database(information_schema.database) -%}
  {%- endif -%}
  {%- call statement('check_schema_exists', fetch_result=True, auto_begin=False) -%}
    select count(*) from pg_namespace where nspname = '{{ schema }}'
  {%- endcall -%}
  {{ return(load_result('check_schema_exists').table) }}
{%- endmacro %}

{% macro postgres__list_relations_without_caching(schema_relation) %}
  {%- call statement('list_relations_without_caching', fetch_result=True) -%}
    select
      '{{ schema_relation.database }}' as database,
      c.relname as name,
      n.nspname as schema,
      case c.relkind when 'v' then 'view' when 'm' then 'materialized_view' else 'table' end as type
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'm')
      and n.nspname ilike '{{ schema_relation.schema }}'
  {%- endcall -%}
  {{ return(load_result('list_relations_without_caching').table) }}
{% endmacro %}

{# Pairs of (schema, name) of a view and (schema, name) of what it reads, system catalogs left out. #}
{% macro postgres_get_relations() -%}
  {%- call statement('relations', fetch_result=True) -%}
    select distinct
      dependent_schema.nspname as dependent_schema,
      dependent.relname as dependent_name,
      referenced_schema.nspname as referenced_schema,
      referenced.relname as referenced_name
    from pg_rewrite
    join pg_depend on pg_depend.classid = 'pg_rewrite'::regclass
      and pg_depend.objid = pg_rewrite.oid
      and pg_depend.refclassid = 'pg_class'::regclass
      and pg_depend.refobjid <> pg_rewrite.ev_class
    join pg_class dependent on dependent.oid = pg_rewrite.ev_class
    join pg_namespace dependent_schema on dependent_schema.oid = dependent.relnamespace
    join pg_class referenced on referenced.oid = pg_depend.refobjid
    join pg_namespace referenced_schema on referenced_schema.oid = referenced.relnamespace
    where referenced_schema.nspname <> 'information_schema'
      and referenced_schema.nspname not like 'pg\_%'
    order by 1, 2, 3, 4
  {%- endcall -%}
  {{ return(load_result('relations').table) }}
{%- endmacro %}

{% macro postgres__get_relations() -%}
  {{ return(postgres_get_relations()) }}
{%- endmacro %}


{# The base gets cut, never the suffix: Postgres would cut silently, and two helpers could end up with one name. #}
{% macro postgres__make_relation_with_suffix(base_relation, suffix, dstring) %}
  {%- set tail = suffix ~ (modules.datetime.datetime.now().strftime('%H%M%S%f') if dstring else '') -%}
  {%- set room = base_relation.relation_max_name_length() - tail | length -%}
  {%- if room < 0 -%}
    {%- do exceptions.raise_compiler_error('the suffix `' ~ suffix ~ '` leaves no room for a name') -%}
  {%- endif -%}
  {{ return(base_relation.incorporate(path={'identifier': base_relation.identifier[:room] ~ tail})) }}
{% endmacro %}

{# A temporary table lives in a schema of its session, which cannot be named beforehand. #}
{% macro postgres__make_temp_relation(base_relation, suffix) %}
  {{ return(postgres__make_relation_with_suffix(base_relation, suffix, dstring=True)
      .incorporate(path={'schema': none, 'database': none})) }}
{% endmacro %}

{% macro postgres__make_intermediate_relation(base_relation, suffix) %}
  {{ return(postgres__make_relation_with_suffix(base_relation, suffix, dstring=False)) }}
{% endmacro %}

{% macro postgres__make_backup_relation(base_relation, backup_relation_type, suffix) %}
  {{ return(postgres__make_relation_with_suffix(base_relation, suffix, dstring=False)
      .incorporate(type=backup_relation_type)) }}
{% endmacro %}
