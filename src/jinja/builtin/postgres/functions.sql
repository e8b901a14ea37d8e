{# Postgres: arguments of functions may have defaults. #}

{% macro postgres__formatted_scalar_function_args_sql() -%}
  {%- set arguments = [] -%}
  {%- for argument in model.arguments -%}
    {%- do arguments.append(argument.name ~ ' ' ~ argument.data_type
        ~ (' default ' ~ argument.default_value if argument.default_value is defined and argument.default_value is not none else '')) -%}
  {%- endfor -%}
  {{ arguments | join(', ') }}
{%- endmacro %}
