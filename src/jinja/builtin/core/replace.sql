{# Creating and replacing relations of any kind as one piece of SQL, in the safest way that their kinds allow. #}

{% macro get_create_sql(relation, sql) -%}
  {%- do log('create: ' ~ relation) -%}
  {{ return(adapter.dispatch('get_create_sql', 'dbt')(relation, sql)) }}
{%- endmacro %}

{% macro default__get_create_sql(relation, sql) -%}
  {%- if relation.is_view -%}
    {{ get_create_view_as_sql(relation, sql) }}
  {%- elif relation.is_table -%}
    {{ get_create_table_as_sql(false, relation, sql) }}
  {%- elif relation.is_materialized_view -%}
    {{ get_create_materialized_view_as_sql(relation, sql) }}
  {%- else -%}
    {%- do exceptions.raise_compiler_error('`get_create_sql` does not know relations of type ' ~ relation.type) -%}
  {%- endif -%}
{%- endmacro %}

{% macro get_create_intermediate_sql(relation, sql) -%}
  {%- do log('create intermediate: ' ~ relation) -%}
  {{ return(adapter.dispatch('get_create_intermediate_sql', 'dbt')(relation, sql)) }}
{%- endmacro %}

{# A killed run may have left its helper behind, hence the drop before. #}
{% macro default__get_create_intermediate_sql(relation, sql) -%}
  {%- set intermediate = make_intermediate_relation(relation) -%}
  {{ get_drop_sql(intermediate) }};
  {{ get_create_sql(intermediate, sql) }}
{%- endmacro %}

{% macro get_create_backup_sql(relation) -%}
  {%- do log('create backup: ' ~ relation) -%}
  {{ return(adapter.dispatch('get_create_backup_sql', 'dbt')(relation)) }}
{%- endmacro %}

{% macro default__get_create_backup_sql(relation) -%}
  {%- set backup = make_backup_relation(relation, relation.type) -%}
  {{ get_drop_sql(backup) }};
  {{ get_rename_sql(relation, backup.identifier) }}
{%- endmacro %}


{% macro get_replace_sql(existing_relation, target_relation, sql) %}
  {%- do log('replace: ' ~ target_relation) -%}
  {{ return(adapter.dispatch('get_replace_sql', 'dbt')(existing_relation, target_relation, sql)) }}
{% endmacro %}

{# From best to worst: in place; new one beside the old, then swap; what can be renamed is moved aside; drop first. #}
{% macro default__get_replace_sql(existing_relation, target_relation, sql) -%}
  {%- set old_moves = existing_relation.can_be_renamed -%}
  {%- set new_moves = target_relation.can_be_renamed -%}
  {%- if existing_relation.type == target_relation.type and existing_relation.can_be_replaced -%}
    {%- if target_relation.is_view -%}
      {{ get_replace_view_sql(target_relation, sql) }}
    {%- elif target_relation.is_table -%}
      {{ get_replace_table_sql(target_relation, sql) }}
    {%- elif target_relation.is_materialized_view -%}
      {{ get_replace_materialized_view_sql(target_relation, sql) }}
    {%- else -%}
      {%- do exceptions.raise_compiler_error('`get_replace_sql` does not know relations of type ' ~ target_relation.type) -%}
    {%- endif -%}
  {%- else -%}
    {%- set steps = [] -%}
    {%- if new_moves -%}
      {%- do steps.append(get_create_intermediate_sql(target_relation, sql)) -%}
    {%- endif -%}
    {%- do steps.append(get_create_backup_sql(existing_relation) if old_moves else get_drop_sql(existing_relation)) -%}
    {%- do steps.append(get_rename_intermediate_sql(target_relation) if new_moves else get_create_sql(target_relation, sql)) -%}
    {%- if old_moves -%}
      {%- do steps.append(get_drop_backup_sql(existing_relation)) -%}
    {%- endif -%}
    {%- for step in steps %}
  {{ step | trim | trim(';') }}{{ ';' if not loop.last }}
    {%- endfor -%}
  {%- endif -%}
{%- endmacro %}

{% macro get_replace_table_sql(relation, sql) -%}
  {{ return(adapter.dispatch('get_replace_table_sql', 'dbt')(relation, sql)) }}
{%- endmacro %}

{% macro default__get_replace_table_sql(relation, sql) -%}
  {%- do exceptions.raise_compiler_error('this engine has no `get_replace_table_sql`') -%}
{%- endmacro %}

{% macro get_replace_view_sql(relation, sql) -%}
  {{ return(adapter.dispatch('get_replace_view_sql', 'dbt')(relation, sql)) }}
{%- endmacro %}

{% macro default__get_replace_view_sql(relation, sql) -%}
  {%- do exceptions.raise_compiler_error('this engine has no `get_replace_view_sql`') -%}
{%- endmacro %}

{% macro get_replace_materialized_view_sql(relation, sql) -%}
  {{ return(adapter.dispatch('get_replace_materialized_view_sql', 'dbt')(relation, sql)) }}
{%- endmacro %}

{% macro default__get_replace_materialized_view_sql(relation, sql) -%}
  {%- do exceptions.raise_compiler_error('this engine has no `get_replace_materialized_view_sql`') -%}
{%- endmacro %}
