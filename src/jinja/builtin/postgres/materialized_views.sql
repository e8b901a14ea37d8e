{# Postgres: materialized views. The indexes are the only part of them that changes in place. #}

{% macro postgres__get_create_materialized_view_as_sql(relation, sql) %}
  create materialized view if not exists {{ relation }} as {{ sql }};
  {%- for index in config.get('indexes', []) %}
  {{ get_create_index_sql(relation, index) }};
  {%- endfor %}
{% endmacro %}

{% macro postgres__refresh_materialized_view(relation) %}
  refresh materialized view {{ relation }}
{% endmacro %}

{% macro postgres__describe_materialized_view(relation) %}
  {%- do return({'indexes': run_query(get_show_indexes_sql(relation))}) -%}
{% endmacro %}

{# Names of indexes say nothing, so they are compared by what they do. #}
{% macro postgres__get_materialized_view_configuration_changes(existing_relation, new_config) %}
  {%- set wanted = {} -%}
  {%- for index in new_config.get('indexes') or [] -%}
    {%- do wanted.update({_index_key(index['columns'], index.get('unique', false), index.get('type') or 'btree'): index}) -%}
  {%- endfor -%}
  {%- set changes = [] -%}
  {%- set kept = [] -%}
  {%- for row in postgres__describe_materialized_view(existing_relation)['indexes'].rows -%}
    {%- set key = _index_key(row['column_names'].split(','), row['unique'], row['method']) -%}
    {%- if key in wanted -%}
      {%- do kept.append(key) -%}
    {%- else -%}
      {%- do changes.append({'action': 'drop', 'context': {
          'name': row['name'], 'columns': row['column_names'].split(','), 'unique': row['unique'], 'type': row['method'],
      }}) -%}
    {%- endif -%}
  {%- endfor -%}
  {%- for key, index in wanted.items() if key not in kept -%}
    {%- do changes.append({'action': 'create', 'context': index}) -%}
  {%- endfor -%}
  {%- do return({'indexes': changes, 'requires_full_refresh': false} if changes else none) -%}
{% endmacro %}

{# What differs, as a text. #}
{% macro strata_describe_index_changes(relation) -%}
  {%- set found = get_materialized_view_configuration_changes(relation, config) -%}
  {%- set parts = [] -%}
  {%- for change in (found or {}).get('indexes', []) -%}
    {%- set index = change.context -%}
    {%- do parts.append(('+' if change.action == 'create' else '-') ~ (' unique' if index.unique else '') ~ ' index on '
        ~ index['columns'] | join(', ') ~ (' using ' ~ index.type if (index.type or 'btree') != 'btree' else '')) -%}
  {%- endfor -%}
  {{ parts | join('; ') }}
{%- endmacro %}

{# The catalog gives the columns in no certain order. #}
{% macro _index_key(columns, unique, method) -%}
  {{ return(columns | map('lower') | sort | join(',') ~ ' ' ~ method | lower ~ (' unique' if unique else '')) }}
{%- endmacro %}

{% macro postgres__get_alter_materialized_view_as_sql(
    relation, configuration_changes, sql, existing_relation, backup_relation, intermediate_relation
) %}
  {%- if configuration_changes.requires_full_refresh -%}
    {{ return(get_replace_sql(existing_relation, relation, sql)) }}
  {%- endif -%}
  {{ return(postgres__update_indexes_on_materialized_view(relation, configuration_changes.indexes)) }}
{% endmacro %}

{% macro postgres__update_indexes_on_materialized_view(relation, index_changes) -%}
  {%- do log('update indexes: ' ~ relation) -%}
  {%- for change in index_changes %}
  {{ get_drop_index_sql(relation, change.context.name) if change.action == 'drop' else get_create_index_sql(relation, change.context) }};
  {%- endfor -%}
{%- endmacro %}
