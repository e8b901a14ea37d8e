{# DuckDB: scalar functions are macros of the engine. They have no types, so that the result is cast. #}

{% macro duckdb__scalar_function_sql(target_relation) -%}
  create or replace macro {{ target_relation.render() }}({{ formatted_scalar_function_args_sql() }}) as
  cast((
    {{ model.compiled_code }}
  ) as {{ model.returns.data_type }});
{%- endmacro %}

{% macro duckdb__formatted_scalar_function_args_sql() -%}
  {%- set arguments = [] -%}
  {%- for argument in model.arguments -%}
    {%- do arguments.append(argument.name ~ (' := ' ~ argument.default_value if argument.default_value is defined and argument.default_value is not none else '')) -%}
  {%- endfor -%}
  {{ arguments | join(', ') }}
{%- endmacro %}
