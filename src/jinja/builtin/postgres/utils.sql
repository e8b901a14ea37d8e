{# Postgres: times, and the cross-database expressions for which the common text does not do. #}

{% macro postgres__current_timestamp() -%}
  now()
{%- endmacro %}

{% macro postgres__current_timestamp_backcompat() -%}
  current_timestamp::{{ type_timestamp() }}
{%- endmacro %}

{% macro postgres__current_timestamp_in_utc_backcompat() -%}
  (current_timestamp at time zone 'utc')::{{ type_timestamp() }}
{%- endmacro %}

{% macro postgres__snapshot_get_time() -%}
  {{ current_timestamp() }}::timestamp without time zone
{%- endmacro %}

{% macro postgres__snapshot_string_as_time(timestamp) -%}
  {{ return("'" ~ timestamp ~ "'::timestamp without time zone") }}
{%- endmacro %}

{# any_value came with Postgres 16. #}
{% macro postgres__any_value(expression) -%}
  min({{ expression }})
{%- endmacro %}

{% macro postgres__dateadd(datepart, interval, from_date_or_timestamp) -%}
  {{ from_date_or_timestamp }} + ((interval '1 {{ datepart }}') * ({{ interval }}))
{%- endmacro %}

{# Counts the borders crossed: days are subtracted, every other unit is counted inside the next greater one. #}
{% macro postgres__datediff(first_date, second_date, datepart) -%}
  {%- set inside = {
      'quarter': ('year', 4), 'month': ('year', 12), 'hour': ('day', 24), 'minute': ('hour', 60),
      'second': ('minute', 60), 'millisecond': ('minute', 60000), 'microsecond': ('minute', 60000000),
  } -%}
  {%- if datepart == 'year' -%}
    (date_part('year', ({{ second_date }})::date) - date_part('year', ({{ first_date }})::date))
  {%- elif datepart == 'day' -%}
    (({{ second_date }})::date - ({{ first_date }})::date)
  {%- elif datepart == 'week' -%}
    ({{ datediff(first_date, second_date, 'day') }} / 7 + {{ _week_correction(first_date, second_date) }})
  {%- elif datepart in inside -%}
    {%- set greater = inside[datepart] -%}
    {%- set type = 'date' if greater[0] == 'year' else 'timestamp' -%}
    {%- set whole = 'floor' if greater[0] == 'minute' else '' -%}
    ({{ datediff(first_date, second_date, greater[0]) }} * {{ greater[1] }}
      + {{ whole }}(date_part('{{ datepart }}', ({{ second_date }})::{{ type }}))
      - {{ whole }}(date_part('{{ datepart }}', ({{ first_date }})::{{ type }})))
  {%- else -%}
    {%- do exceptions.raise_compiler_error('datediff does not know the part `' ~ datepart ~ '`') -%}
  {%- endif -%}
{%- endmacro %}

{# A quarter is no interval of Postgres. #}
{% macro postgres__last_day(date, datepart) -%}
  {%- if datepart == 'quarter' -%}
    cast({{ dateadd('day', '-1', dateadd('month', '3', date_trunc(datepart, date))) }} as date)
  {%- else -%}
    {{ default_last_day(date, datepart) }}
  {%- endif -%}
{%- endmacro %}

{% macro postgres__listagg(measure, delimiter_text, order_by_clause, limit_num) -%}
  {%- if limit_num -%}
    array_to_string((array_agg({{ measure }}{{ ' ' ~ order_by_clause if order_by_clause }}))[1:{{ limit_num }}], {{ delimiter_text }})
  {%- else -%}
    string_agg({{ measure }}, {{ delimiter_text }}{{ ' ' ~ order_by_clause if order_by_clause }})
  {%- endif -%}
{%- endmacro %}

{# Negative numbers are understood since Postgres 14 only. #}
{% macro postgres__split_part(string_text, delimiter_text, part_number) -%}
  {{ return(default__split_part(string_text, delimiter_text, part_number)) }}
{%- endmacro %}
