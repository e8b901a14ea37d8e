{# SQLite: the strategies. There is no `merge`. #}

{% macro sqlite__get_incremental_default_sql(arg_dict) %}
  {{ return(get_incremental_delete_insert_sql(arg_dict)) }}
{% endmacro %}

{% macro sqlite__get_incremental_append_sql(arg_dict) -%}
  {{ return(_sqlite_insert_rows(arg_dict['target_relation'], arg_dict['temp_relation'], arg_dict['dest_columns'])) }}
{%- endmacro %}

{% macro _sqlite_insert_rows(target, source, dest_columns) -%}
  {%- set columns = get_quoted_csv(dest_columns | map(attribute='name')) -%}
  insert into {{ target }} ({{ columns }})
  select {{ columns }}
  from {{ source }}
{%- endmacro %}

{# Rows with a key that comes again go first. A key that is null equals none. #}
{% macro sqlite__get_delete_insert_merge_sql(target, source, unique_key, dest_columns, incremental_predicates) -%}
  {%- if unique_key -%}
    {%- set keys = ([unique_key] if unique_key is string else unique_key) | join(', ') -%}
    {%- set conditions = ['(' ~ keys ~ ') in (select ' ~ keys ~ ' from ' ~ source ~ ')'] -%}
  delete from {{ target }} as DBT_INTERNAL_TARGET
  where {{ (conditions + (incremental_predicates or [])) | join('\n    and ') }};
  {% endif -%}
  {{ _sqlite_insert_rows(target, source, dest_columns) }}
{%- endmacro %}

{% macro sqlite__get_merge_sql(target, source, unique_key, dest_columns, incremental_predicates=none) -%}
  {%- do exceptions.raise_compiler_error('SQLite has no `merge`: `incremental_strategy: delete+insert` replaces rows by their key') -%}
{%- endmacro %}

{# A batch replaces what the table holds of its window. Times are texts, so the instants that they mean are compared. #}
{% macro sqlite__get_incremental_microbatch_sql(arg_dict) %}
  {%- if arg_dict['unique_key'] -%}
    {%- do exceptions.raise_compiler_error("microbatch on SQLite does not support 'unique_key', since it replaces whole spans of time: `delete+insert` does") -%}
  {%- endif -%}
  {%- set event_time = 'datetime(' ~ model.config.event_time ~ ')' -%}
  {%- if not (model.batch and model.batch.event_time_start and model.batch.event_time_end) -%}
    {%- do exceptions.raise_compiler_error('microbatch needs a batch with a start and an end') -%}
  {%- endif -%}
  {%- set conditions = [
      event_time ~ " >= datetime('" ~ model.batch.event_time_start ~ "')",
      event_time ~ " < datetime('" ~ model.batch.event_time_end ~ "')",
  ] -%}
  {%- set window = conditions | join('\n    and ') -%}
  {%- for predicate in arg_dict['incremental_predicates'] or [] -%}
    {%- do conditions.append('(' ~ predicate ~ ')') -%}
  {%- endfor -%}
  delete from {{ arg_dict['target_relation'] }}
  where {{ conditions | join('\n    and ') }};

  {{ _sqlite_insert_rows(arg_dict['target_relation'], arg_dict['temp_relation'], arg_dict['dest_columns']) }}
  where {{ window }};
{%- endmacro %}
