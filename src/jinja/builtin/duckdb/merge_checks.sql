{# DuckDB: is the configuration of a merge whole? All mistakes are told at once. #}

{% macro validate_merge_config(config, target_relation=none) %}
  {%- set errors = [] -%}
  {%- for name in ['merge_update_condition', 'merge_insert_condition'] -%}
    {%- do validate_string_field(config.get(name), name, errors) -%}
  {%- endfor -%}
  {%- for name in ['merge_on_using_columns', 'merge_update_columns', 'merge_exclude_columns', 'merge_returning_columns'] -%}
    {%- do validate_string_list_field(config.get(name), name, errors) -%}
  {%- endfor -%}
  {%- do validate_dict_field(config.get('merge_update_set_expressions'), 'merge_update_set_expressions', errors) -%}
  {%- if config.get('merge_clauses') is not none -%}
    {%- do validate_merge_clauses(config, [
        'merge_update_condition', 'merge_insert_condition', 'merge_update_columns', 'merge_exclude_columns', 'merge_update_set_expressions'
    ], errors) -%}
  {%- endif -%}
  {%- do validate_ducklake_restrictions(config, target_relation, errors) -%}
  {%- if errors -%}
    {%- do exceptions.raise_compiler_error('the configs of merge do not fit:\n' ~ errors | join('\n')) -%}
  {%- endif -%}
{% endmacro %}

{% macro validate_merge_clauses(config, base_configuration_fields, errors) %}
  {%- set clauses = config.get('merge_clauses') -%}
  {%- set ignored = [] -%}
  {%- for name in base_configuration_fields if config.get(name) -%}
    {%- do ignored.append(name) -%}
  {%- endfor -%}
  {%- if ignored -%}
    {%- do errors.append('When merge_clauses is specified, the following basic merge configurations will be ignored and should be removed: '
        ~ ignored | join(', ') ~ '. Define your merge behavior within merge_clauses instead.') -%}
  {%- endif -%}
  {%- if clauses is not mapping -%}
    {%- do errors.append('merge_clauses must be a dictionary, found: ' ~ clauses) -%}
  {%- elif 'when_matched' not in clauses and 'when_not_matched' not in clauses -%}
    {%- do errors.append("merge_clauses must contain at least one of 'when_matched' or 'when_not_matched' keys") -%}
  {%- else -%}
    {%- for kind in ['when_matched', 'when_not_matched'] if kind in clauses -%}
      {%- do validate_merge_clause_list(clauses, kind, errors) -%}
    {%- endfor -%}
  {%- endif -%}
{% endmacro %}

{% macro validate_merge_clause_list(merge_clauses, clause_type, errors) %}
  {%- set clauses = merge_clauses[clause_type] -%}
  {%- if clauses is string or clauses is mapping or clauses is not iterable -%}
    {%- do errors.append('merge_clauses.' ~ clause_type ~ ' must be a list') -%}
  {%- elif clauses | length == 0 -%}
    {%- do errors.append('merge_clauses.' ~ clause_type ~ ' must contain at least one element') -%}
  {%- else -%}
    {%- for clause in clauses if clause is not mapping -%}
      {%- do errors.append('merge_clauses.' ~ clause_type ~ ' elements must be dictionaries, found: ' ~ clause) -%}
    {%- endfor -%}
  {%- endif -%}
{% endmacro %}

{# A DuckLake merges with one update or one delete, no more. #}
{% macro validate_ducklake_restrictions(config, target_relation, errors) %}
  {%- set clauses = config.get('merge_clauses') -%}
  {%- if target_relation is not none and clauses is mapping and adapter.is_ducklake(target_relation) -%}
    {%- set changing = clauses.get('when_matched', []) | selectattr('action', 'in', ['update', 'delete']) | list -%}
    {%- if changing | length > 1 -%}
      {%- do errors.append('DuckLake MERGE supports a single UPDATE or DELETE action in when_matched, found: ' ~ changing | length) -%}
    {%- endif -%}
  {%- endif -%}
{% endmacro %}


{% macro validate_string_field(field_value, field_name, errors) %}
  {%- if field_value is not none and field_value is not string -%}
    {%- do errors.append(field_name ~ ' must be a string, found: ' ~ field_value) -%}
  {%- endif -%}
{% endmacro %}

{% macro validate_string_list_field(field_value, field_name, errors) %}
  {%- if field_value is not none -%}
    {%- if field_value is string or field_value is mapping or field_value is not iterable -%}
      {%- do errors.append(field_name ~ ' must be a list') -%}
    {%- else -%}
      {%- for item in field_value if item is not string -%}
        {%- do errors.append(field_name ~ ' must contain only string values, found: ' ~ item) -%}
      {%- endfor -%}
    {%- endif -%}
  {%- endif -%}
{% endmacro %}

{% macro validate_dict_field(field_value, field_name, errors) %}
  {%- if field_value is not none and field_value is not mapping -%}
    {%- do errors.append(field_name ~ ' must be a dictionary, found: ' ~ field_value) -%}
  {%- endif -%}
{% endmacro %}

{# One predicate may stand without its list. #}
{% macro normalize_incremental_predicates(incremental_predicates) %}
  {%- if incremental_predicates is none -%}
    {{ return([]) }}
  {%- elif incremental_predicates is string -%}
    {{ return([incremental_predicates]) }}
  {%- elif incremental_predicates is mapping or incremental_predicates is not iterable -%}
    {%- do exceptions.raise_compiler_error('`incremental_predicates` is a text or a list of texts') -%}
  {%- endif -%}
  {{ return(incremental_predicates | list) }}
{% endmacro %}
