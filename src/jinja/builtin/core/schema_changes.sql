{# `on_schema_change`: what an incremental model does when its query no longer has the columns of its table. #}

{# An unknown value falls back, with a line in the log. #}
{% macro incremental_validate_on_schema_change(on_schema_change, default='ignore') %}
  {%- if on_schema_change in ['ignore', 'fail', 'append_new_columns', 'sync_all_columns'] -%}
    {{ return(on_schema_change) }}
  {%- endif -%}
  {%- do log('`on_schema_change: ' ~ on_schema_change ~ '` is not known, `' ~ default ~ '` is taken') -%}
  {{ return(default) }}
{% endmacro %}

{% macro check_for_schema_changes(source_relation, target_relation) %}
  {{ return(adapter.dispatch('check_for_schema_changes', 'dbt')(source_relation, target_relation)) }}
{% endmacro %}

{% macro default__check_for_schema_changes(source_relation, target_relation) %}
  {%- set source = adapter.get_columns_in_relation(source_relation) -%}
  {%- set existing = adapter.get_columns_in_relation(target_relation) -%}
  {%- set added = diff_columns(source, existing) -%}
  {%- set removed = diff_columns(existing, source) -%}
  {%- set retyped = diff_column_data_types(source, existing) -%}
  {%- set changes = {
      'schema_changed': added != [] or removed != [] or retyped != [],
      'source_not_in_target': added,
      'target_not_in_source': removed,
      'source_columns': source,
      'target_columns': existing,
      'new_target_types': retyped,
  } -%}
  {%- do log(target_relation ~ ': new columns ' ~ added ~ ', missing columns ' ~ removed ~ ', other types ' ~ retyped) -%}
  {{ return(changes) }}
{% endmacro %}

{% macro sync_column_schemas(on_schema_change, target_relation, schema_changes_dict) %}
  {{ return(adapter.dispatch('sync_column_schemas', 'dbt')(on_schema_change, target_relation, schema_changes_dict)) }}
{% endmacro %}

{# Appending never touches what is there; syncing also drops and retypes. #}
{% macro default__sync_column_schemas(on_schema_change, target_relation, schema_changes_dict) %}
  {%- set sync = on_schema_change == 'sync_all_columns' -%}
  {%- set added = schema_changes_dict['source_not_in_target'] if sync or on_schema_change == 'append_new_columns' else [] -%}
  {%- set removed = schema_changes_dict['target_not_in_source'] if sync else [] -%}
  {%- set retyped = schema_changes_dict['new_target_types'] if sync else [] -%}
  {%- if added or removed -%}
    {%- do alter_relation_add_remove_columns(target_relation, added or none, removed or none) -%}
  {%- endif -%}
  {%- for change in retyped -%}
    {%- do alter_column_type(target_relation, change['column_name'], change['new_type']) -%}
  {%- endfor -%}
  {%- do log(target_relation ~ ', ' ~ on_schema_change ~ ': added ' ~ added ~ ', removed ' ~ removed ~ ', retyped ' ~ retyped) -%}
{% endmacro %}

{% macro process_schema_changes(on_schema_change, source_relation, target_relation) %}
  {{ return(adapter.dispatch('process_schema_changes', 'dbt')(on_schema_change, source_relation, target_relation)) }}
{% endmacro %}

{# Answers the columns to insert: the query's, or nothing when the table's own are to be used. #}
{% macro default__process_schema_changes(on_schema_change, source_relation, target_relation) %}
  {%- if on_schema_change == 'ignore' -%}
    {{ return({}) }}
  {%- endif -%}
  {%- set changes = check_for_schema_changes(source_relation, target_relation) -%}
  {%- if changes['schema_changed'] -%}
    {%- if on_schema_change == 'fail' -%}
      {%- set message -%}
the columns of the query are not those of the table, and `on_schema_change: fail` stops here
new: {{ changes['source_not_in_target'] }}
missing: {{ changes['target_not_in_source'] }}
other types: {{ changes['new_target_types'] }}
      {%- endset -%}
      {%- do exceptions.raise_compiler_error(message) -%}
    {%- endif -%}
    {%- do sync_column_schemas(on_schema_change, target_relation, changes) -%}
  {%- endif -%}
  {{ return(changes['source_columns']) }}
{% endmacro %}
