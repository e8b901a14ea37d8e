{# Postgres: arguments of functions may have defaults. #}

{# A function cannot get another result or other names of arguments while it is there: a full refresh drops it then. #}
{% macro postgres__scalar_function_sql(target_relation) -%}
  {%- set create_sql = default__scalar_function_sql(target_relation) -%}
  {%- if not should_full_refresh() -%}
    {{ return(create_sql) }}
  {%- endif -%}
  do $strata_function$ begin
    {{ create_sql }}
  exception when invalid_function_definition then
    drop function if exists {{ target_relation.render() }} ({{ model.arguments | map(attribute='data_type') | join(', ') }});
    {{ create_sql }}
  end $strata_function$;
{%- endmacro %}

{% macro postgres__formatted_scalar_function_args_sql() -%}
  {%- set arguments = [] -%}
  {%- for argument in model.arguments -%}
    {%- do arguments.append(argument.name ~ ' ' ~ argument.data_type
        ~ (' default ' ~ argument.default_value if argument.default_value is defined and argument.default_value is not none else '')) -%}
  {%- endfor -%}
  {{ arguments | join(', ') }}
{%- endmacro %}
