{# Postgres: columns, comments and grants. #}

{# A temporary relation is known by its name alone. #}
{% macro postgres__get_columns_in_relation(relation) -%}
  {%- call statement('get_columns_in_relation', fetch_result=True) -%}
    select column_name, data_type, character_maximum_length, numeric_precision, numeric_scale
    from {{ relation.information_schema('columns') }}
    where table_name = '{{ relation.identifier }}'
      {%- if relation.schema %}
      and table_schema = '{{ relation.schema }}'
      {%- endif %}
    order by ordinal_position
  {%- endcall -%}
  {{ return(sql_convert_columns_in_relation(load_result('get_columns_in_relation').table)) }}
{%- endmacro %}


{# Dollar quotes, so that a comment may hold anything but the mark itself. #}
{% macro postgres_escape_comment(comment) -%}
  {%- if comment is not string -%}
    {%- do exceptions.raise_compiler_error('a comment is text, not ' ~ comment) -%}
  {%- endif -%}
  {%- set mark = '$dbt_comment_literal_block$' -%}
  {%- if mark in comment -%}
    {%- do exceptions.raise_compiler_error('a comment cannot hold ' ~ mark) -%}
  {%- endif -%}
  {{ mark ~ comment ~ mark }}
{%- endmacro %}

{% macro postgres__alter_relation_comment(relation, comment) -%}
  comment on {{ 'materialized view' if relation.type == 'materialized_view' else relation.type }} {{ relation }} is {{ postgres_escape_comment(comment) }};
{%- endmacro %}

{% macro postgres__alter_column_comment(relation, column_dict) -%}
  {%- set existing = adapter.get_columns_in_relation(relation) | map(attribute='name') | list -%}
  {%- for name, column in validate_doc_columns(relation, column_dict, existing).items() %}
  comment on column {{ relation }}.{{ adapter.quote(_stored_name(name, existing)) }} is {{ postgres_escape_comment(column['description']) }};
  {%- endfor -%}
{%- endmacro %}


{# What others were given by the role that builds. #}
{# From the catalog: information_schema has no materialized views, and nothing that another role has granted. #}
{% macro postgres__get_show_grant_sql(relation) -%}
  select case a.grantee when 0 then 'public' else pg_get_userbyid(a.grantee) end as grantee, a.privilege_type
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace, aclexplode(c.relacl) a
  where n.nspname = '{{ relation.schema }}'
    and c.relname = '{{ relation.identifier }}'
    and a.grantee <> c.relowner
{%- endmacro %}

{# A new table starts without grants. #}
{% macro postgres__copy_grants() -%}
  {{ return(false) }}
{%- endmacro %}
