{# DuckDB: the merge strategy. Every configuration becomes two lists of clauses, and these become the statement.
   `merge_clauses` gives the lists; without it the plain `merge_*` configs make one clause of each kind. #}

{% macro duckdb__get_incremental_merge_sql(args_dict) %}
  {{ return(get_merge_sql(
      args_dict['target_relation'], args_dict['temp_relation'], args_dict['unique_key'], args_dict['dest_columns'],
      normalize_incremental_predicates(args_dict['incremental_predicates'])
  )) }}
{% endmacro %}

{% macro duckdb__get_merge_sql(target, source, unique_key, dest_columns, incremental_predicates=none) -%}
  {%- do validate_merge_config(config, target) -%}
  {%- set update_columns = config.get('merge_update_columns') or [] -%}
  {%- set exclude_columns = config.get('merge_exclude_columns') or [] -%}
  {%- set expressions = config.get('merge_update_set_expressions') or {} -%}
  {%- set defaults = merge_clause_defaults(
      config.get('merge_update_condition'), config.get('merge_insert_condition'), update_columns, exclude_columns, expressions
  ) -%}
  {#- `by_name` unless somebody asked for certain columns. -#}
  {%- set mode = 'explicit' if update_columns or exclude_columns or expressions else 'by_name' -%}
  {%- set clauses = {
      'when_matched': [defaults['when_matched_update_' ~ mode]],
      'when_not_matched': [defaults['when_not_matched_insert_by_name']],
  } -%}
  {#- A list that is given replaces its default, also when the other one is not given. -#}
  {%- do clauses.update(config.get('merge_clauses') or {}) -%}
  merge into {{ target }} as DBT_INTERNAL_DEST
  using {{ source }} as DBT_INTERNAL_SOURCE
  {{ duckdb__merge_join_clause(unique_key, config.get('merge_on_using_columns') or [], incremental_predicates) }}
  {%- for clause in clauses['when_matched'] %}
  when matched{{ ' and ' ~ clause.get('condition') if clause.get('condition') }} then
    {{ _merge_action(clause, dest_columns) }}
  {%- endfor %}
  {%- for clause in clauses['when_not_matched'] %}
  when not matched{{ ' by ' ~ clause.get('by') if clause.get('by') }}{{ ' and ' ~ clause.get('condition') if clause.get('condition') }} then
    {{ _merge_action(clause, dest_columns) }}
  {%- endfor %}
  {%- if config.get('merge_returning_columns') %}
  returning {{ config.get('merge_returning_columns') | join(', ') }}
  {%- endif %}
{%- endmacro %}

{# `using (..)` takes no further conditions: with predicates its columns are compared one by one. #}
{% macro duckdb__merge_join_clause(unique_key, merge_on_using_columns, incremental_predicates) -%}
  {%- if merge_on_using_columns and not incremental_predicates -%}
  using ({{ merge_on_using_columns | join(', ') }})
  {%- else -%}
    {%- set keys = merge_on_using_columns or unique_key or [] -%}
    {%- set conditions = [] -%}
    {%- for key in ([keys] if keys is string else keys) -%}
      {%- do conditions.append('(DBT_INTERNAL_SOURCE.' ~ key ~ ' = DBT_INTERNAL_DEST.' ~ key ~ ')') -%}
    {%- endfor -%}
    {%- if not conditions -%}
      {%- do conditions.append('(FALSE)') -%}
    {%- endif -%}
    {%- for predicate in incremental_predicates or [] -%}
      {%- do conditions.append('(' ~ predicate ~ ')') -%}
    {%- endfor -%}
  on {{ conditions | join(' and ') }}
  {%- endif -%}
{%- endmacro %}

{# The clauses that the plain configs stand for. #}
{% macro merge_clause_defaults(
    merge_update_condition, merge_insert_condition,
    merge_update_columns=[], merge_exclude_columns=[], merge_update_set_expressions={}
) -%}
  {{ return({
      'when_matched_update_by_name': {'action': 'update', 'condition': merge_update_condition, 'mode': 'by_name'},
      'when_matched_update_explicit': {'action': 'update', 'condition': merge_update_condition, 'mode': 'explicit', 'update': {
          'include': merge_update_columns, 'exclude': merge_exclude_columns, 'set_expressions': merge_update_set_expressions,
      }},
      'when_not_matched_insert_by_name': {'action': 'insert', 'condition': merge_insert_condition, 'mode': 'by_name'},
  }) }}
{%- endmacro %}

{# What one clause does. An update for rows that are missing in the source can only set expressions.
   `.get`, since some keys are also names of methods. #}
{% macro _merge_action(clause, dest_columns) -%}
  {%- set action = clause.get('action') -%}
  {%- set mode = clause.get('mode') or 'by_name' -%}
  {%- set message = clause.get('error_message') -%}
  {%- if action == 'delete' -%}
    delete
  {%- elif action == 'do_nothing' -%}
    do nothing
  {%- elif action == 'error' -%}
    error{{ " '" ~ message | replace("'", "''") ~ "'" if message }}
  {%- elif action == 'update' and clause.get('set_expressions') -%}
    update set {{ _merge_assignments(clause.get('set_expressions'), []) }}
  {%- elif action in ['update', 'insert'] and mode in ['by_name', 'by_position'] -%}
    {{ action }} {{ mode | replace('_', ' ') }}
  {%- elif action == 'update' and mode == 'star' -%}
    update set *
  {%- elif action == 'insert' and mode == 'star' -%}
    insert *
  {%- elif action == 'update' and mode == 'explicit' -%}
    {%- set update = clause.get('update') or {} -%}
    {%- set include = update.get('include') or [] -%}
    {%- set exclude = update.get('exclude') or [] -%}
    {#- Both together are documented: the one list less the other. -#}
    {%- set columns = include | reject('in', exclude) | list if include else get_merge_update_columns(none, exclude, dest_columns) -%}
    update set {{ _merge_assignments(update.get('set_expressions') or {}, columns) }}
  {%- elif action == 'insert' and mode == 'explicit' -%}
    {%- set insert = clause.get('insert') or {} -%}
    {%- set columns = insert.get('columns') or dest_columns | map(attribute='quoted') | list -%}
    {%- set values = insert.get('values') or 'DBT_INTERNAL_SOURCE.' ~ columns | join(', DBT_INTERNAL_SOURCE.') -%}
    insert ({{ columns | join(', ') }})
    values ({{ values if values is string else values | join(', ') }})
  {%- else -%}
    {%- do exceptions.raise_compiler_error("merge_clauses: no action '" ~ action ~ "' with mode '" ~ mode ~ "'") -%}
  {%- endif -%}
{%- endmacro %}

{# An expression goes before the copy of the same column. #}
{% macro _merge_assignments(set_expressions, columns) -%}
  {%- set assignments = [] -%}
  {%- set taken = [] -%}
  {%- for column, expression in set_expressions.items() -%}
    {%- do assignments.append(column ~ ' = ' ~ expression) -%}
    {%- do taken.append(column | replace('"', '') | lower) -%}
  {%- endfor -%}
  {%- for column in columns if column | replace('"', '') | lower not in taken -%}
    {%- do assignments.append(column ~ ' = DBT_INTERNAL_SOURCE.' ~ column) -%}
  {%- endfor -%}
  {{ assignments | join(', ') }}
{%- endmacro %}
