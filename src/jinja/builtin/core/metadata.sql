{# Questions to the database's own catalog: schemas, relations and what `docs generate` wants to know. Most answers are the adapter's. #}

{% macro information_schema_name(database) -%}
  {{ return(adapter.dispatch('information_schema_name', 'dbt')(database)) }}
{%- endmacro %}

{% macro default__information_schema_name(database) -%}
  {{ database ~ '.' if database }}INFORMATION_SCHEMA
{%- endmacro %}

{% macro list_schemas(database) -%}
  {{ return(adapter.dispatch('list_schemas', 'dbt')(database)) }}
{%- endmacro %}

{% macro default__list_schemas(database) -%}
  {{ return(run_query(
      'select distinct schema_name from ' ~ information_schema_name(database)
      ~ ".SCHEMATA where catalog_name ilike '" ~ database ~ "'"
  )) }}
{%- endmacro %}

{# Answers a table with one number in it. #}
{% macro check_schema_exists(information_schema, schema) -%}
  {{ return(adapter.dispatch('check_schema_exists', 'dbt')(information_schema, schema)) }}
{%- endmacro %}

{% macro default__check_schema_exists(information_schema, schema) -%}
  {{ return(run_query(
      'select count(*) from ' ~ information_schema.replace(information_schema_view='SCHEMATA')
      ~ " where catalog_name = '" ~ information_schema.database ~ "' and schema_name = '" ~ schema ~ "'"
  )) }}
{%- endmacro %}

{# A table of database, name, schema, type. #}
{% macro list_relations_without_caching(schema_relation) %}
  {{ return(adapter.dispatch('list_relations_without_caching', 'dbt')(schema_relation)) }}
{% endmacro %}

{% macro default__list_relations_without_caching(schema_relation) %}
  {%- do exceptions.raise_not_implemented(
      'there is no macro list_relations_without_caching for ' ~ adapter.type()) -%}
{% endmacro %}

{% macro list_function_relations_without_caching(schema_relation) %}
  {{ return(adapter.dispatch('list_function_relations_without_caching', 'dbt')(schema_relation)) }}
{% endmacro %}

{% macro default__list_function_relations_without_caching(schema_relation) %}
  {%- do exceptions.raise_not_implemented(
      'there is no macro list_function_relations_without_caching for ' ~ adapter.type()) -%}
{% endmacro %}

{# Which views depend on which relations, so that the cache can drop them together. #}
{% macro get_relations() %}
  {{ return(adapter.dispatch('get_relations', 'dbt')()) }}
{% endmacro %}

{% macro default__get_relations() %}
  {%- do exceptions.raise_not_implemented('there is no macro get_relations for ' ~ adapter.type()) -%}
{% endmacro %}

{% macro get_relation_last_modified(information_schema, relations) %}
  {{ return(adapter.dispatch('get_relation_last_modified', 'dbt')(information_schema, relations)) }}
{% endmacro %}

{% macro default__get_relation_last_modified(information_schema, relations) %}
  {%- do exceptions.raise_not_implemented(
      'there is no macro get_relation_last_modified for ' ~ adapter.type()) -%}
{% endmacro %}


{# The catalog: one row a column, with its table's facts repeated. #}
{% macro get_catalog(information_schema, schemas) -%}
  {{ return(adapter.dispatch('get_catalog', 'dbt')(information_schema, schemas)) }}
{%- endmacro %}

{% macro default__get_catalog(information_schema, schemas) -%}
  {%- do exceptions.raise_compiler_error('there is no macro get_catalog for ' ~ adapter.type()) -%}
{%- endmacro %}

{% macro get_catalog_relations(information_schema, relations) -%}
  {{ return(adapter.dispatch('get_catalog_relations', 'dbt')(information_schema, relations)) }}
{%- endmacro %}

{% macro default__get_catalog_relations(information_schema, relations) -%}
  {%- do exceptions.raise_compiler_error('there is no macro get_catalog_relations for ' ~ adapter.type()) -%}
{%- endmacro %}

{% macro get_catalog_for_single_relation(relation) -%}
  {{ return(adapter.dispatch('get_catalog_for_single_relation', 'dbt')(relation)) }}
{%- endmacro %}

{% macro default__get_catalog_for_single_relation(relation) -%}
  {%- do exceptions.raise_not_implemented(
      'there is no macro get_catalog_for_single_relation for ' ~ adapter.type()) -%}
{%- endmacro %}
