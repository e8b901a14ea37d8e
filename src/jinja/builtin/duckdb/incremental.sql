{# DuckDB: the strategies other than merge. #}

{% macro duckdb__get_incremental_default_sql(arg_dict) %}
  {{ return(get_incremental_delete_insert_sql(arg_dict)) }}
{% endmacro %}

{# A key of several columns is joined, one column (or expression) is looked up. Predicates of a joined delete
   call the target DBT_INCREMENTAL_TARGET. #}
{% macro duckdb__get_delete_insert_merge_sql(target, source, unique_key, dest_columns, incremental_predicates) -%}
  {%- if unique_key -%}
    {%- set conditions = [] -%}
    {%- if unique_key is string -%}
      {%- do conditions.append('(' ~ unique_key ~ ') in (select (' ~ unique_key ~ ') from ' ~ source ~ ')') -%}
  delete from {{ target }}
    {%- else -%}
      {%- for key in unique_key -%}
        {%- do conditions.append(source ~ '.' ~ key ~ ' = DBT_INCREMENTAL_TARGET.' ~ key) -%}
      {%- endfor -%}
  delete from {{ target }} as DBT_INCREMENTAL_TARGET
  using {{ source }}
    {%- endif %}
  where {{ (conditions + (incremental_predicates or [])) | join('\n    and ') }};
  {% endif -%}
  {{ get_insert_into_sql(target, source, dest_columns) }}
{%- endmacro %}

{# No keys: a batch replaces all that the table holds of its window of time, so that a moved row cannot be met twice. #}
{% macro duckdb__get_incremental_microbatch_sql(arg_dict) %}
  {%- if arg_dict['unique_key'] -%}
    {%- do exceptions.raise_compiler_error("microbatch on DuckDB does not support 'unique_key', since it replaces whole spans of time: `merge` does") -%}
  {%- endif -%}
  {%- set target = arg_dict['target_relation'] -%}
  {%- set source = arg_dict['temp_relation'] -%}
  {%- set event_time = model.config.event_time -%}
  {%- set conditions = [] -%}
  {%- if model.batch and model.batch.event_time_start -%}
    {%- do conditions.append(event_time ~ " >= '" ~ model.batch.event_time_start ~ "'") -%}
  {%- endif -%}
  {%- if model.batch and model.batch.event_time_end -%}
    {%- do conditions.append(event_time ~ " < '" ~ model.batch.event_time_end ~ "'") -%}
  {%- endif -%}
  {%- if not event_time or conditions | length < 2 -%}
    {%- do exceptions.raise_compiler_error('microbatch needs `event_time` and a batch with a start and an end') -%}
  {%- endif -%}
  {%- set window = conditions | join('\n    and ') -%}
  {%- for predicate in arg_dict['incremental_predicates'] or [] -%}
    {%- do conditions.append('(' ~ predicate ~ ')') -%}
  {%- endfor -%}
  {%- set columns = get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) -%}
  delete from {{ target }}
  where {{ conditions | join('\n    and ') }};

  insert into {{ target }} ({{ columns }})
  select {{ columns }}
  from {{ source }}
  where {{ window }};
{%- endmacro %}
