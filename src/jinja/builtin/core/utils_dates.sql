{# Cross-database dates, series of numbers and of dates. #}

{% macro date(year, month, day) -%}
  {{ return(adapter.dispatch('date', 'dbt')(year, month, day)) }}
{%- endmacro %}
{% macro default__date(year, month, day) -%}
  to_date('{{ modules.datetime.date(year, month, day).strftime('%Y-%m-%d') }}', 'YYYY-MM-DD')
{%- endmacro %}

{% macro date_trunc(datepart, date) -%}
  {{ return(adapter.dispatch('date_trunc', 'dbt')(datepart, date)) }}
{%- endmacro %}
{% macro default__date_trunc(datepart, date) -%}
  date_trunc('{{ datepart }}', {{ date }})
{%- endmacro %}

{% macro dateadd(datepart, interval, from_date_or_timestamp) -%}
  {{ return(adapter.dispatch('dateadd', 'dbt')(datepart, interval, from_date_or_timestamp)) }}
{%- endmacro %}
{% macro default__dateadd(datepart, interval, from_date_or_timestamp) -%}
  dateadd({{ datepart }}, {{ interval }}, {{ from_date_or_timestamp }})
{%- endmacro %}

{% macro datediff(first_date, second_date, datepart) -%}
  {{ return(adapter.dispatch('datediff', 'dbt')(first_date, second_date, datepart)) }}
{%- endmacro %}
{% macro default__datediff(first_date, second_date, datepart) -%}
  datediff({{ datepart }}, {{ first_date }}, {{ second_date }})
{%- endmacro %}

{# How far whole weeks between two dates are from the Sundays between them. #}
{% macro _week_correction(first_date, second_date) -%}
  {%- set forward = first_date ~ ' <= ' ~ second_date -%}
  case
    when date_part('dow', ({{ first_date }})::timestamp) <= date_part('dow', ({{ second_date }})::timestamp)
      then case when {{ forward }} then 0 else -1 end
    else case when {{ forward }} then 1 else 0 end
  end
{%- endmacro %}

{% macro last_day(date, datepart) -%}
  {{ return(adapter.dispatch('last_day', 'dbt')(date, datepart)) }}
{%- endmacro %}
{% macro default__last_day(date, datepart) -%}
  {{ return(default_last_day(date, datepart)) }}
{%- endmacro %}

{# A period ends one day before the next one starts. #}
{% macro default_last_day(date, datepart) -%}
  cast({{ dateadd('day', '-1', dateadd(datepart, '1', date_trunc(datepart, date))) }} as date)
{%- endmacro %}

{# How many binary digits are needed to count up to a bound. #}
{% macro get_powers_of_two(upper_bound) -%}
  {{ return(adapter.dispatch('get_powers_of_two', 'dbt')(upper_bound)) }}
{%- endmacro %}
{% macro default__get_powers_of_two(upper_bound) %}
  {%- if upper_bound <= 0 -%}
    {{ exceptions.raise_compiler_error('the upper bound is a number above 0') }}
  {%- endif -%}
  {%- for digits in range(1, 100) if upper_bound <= 2 ** digits -%}
    {%- do return(digits) -%}
  {%- endfor -%}
{% endmacro %}

{# The numbers from 1 on, for engines that have no such function: every combination of binary digits, added up. #}
{% macro generate_series(upper_bound) -%}
  {{ return(adapter.dispatch('generate_series', 'dbt')(upper_bound)) }}
{%- endmacro %}
{% macro default__generate_series(upper_bound) %}
  {%- set digits = get_powers_of_two(upper_bound) -%}
  {%- set terms = [] -%}
  {%- for i in range(digits) -%}
    {%- do terms.append('p' ~ i ~ '.bit * power(2, ' ~ i ~ ')') -%}
  {%- endfor -%}
  with p as (
    select 0 as bit union all select 1
  ), unioned as (
    select {{ terms | join(' + ') }} + 1 as generated_number
    from p as p0
    {%- for i in range(1, digits) %}
    cross join p as p{{ i }}
    {%- endfor %}
  )
  select generated_number
  from unioned
  where generated_number <= {{ upper_bound }}
  order by generated_number
{% endmacro %}

{# Asks the database, since the dates may be any expression. #}
{% macro get_intervals_between(start_date, end_date, datepart) -%}
  {{ return(adapter.dispatch('get_intervals_between', 'dbt')(start_date, end_date, datepart)) }}
{%- endmacro %}
{% macro default__get_intervals_between(start_date, end_date, datepart) -%}
  {%- call statement('get_intervals_between', fetch_result=True) -%}
    select {{ datediff(start_date, end_date, datepart) }}
  {%- endcall -%}
  {%- set answer = load_result('get_intervals_between') -%}
  {%- if answer and answer['data'] -%}
    {{ return(answer['data'][0][0]) }}
  {%- endif -%}
  {{ return(1) }}
{%- endmacro %}

{# One row a period, the start included, the end excluded. #}
{% macro date_spine(datepart, start_date, end_date) -%}
  {{ return(adapter.dispatch('date_spine', 'dbt')(datepart, start_date, end_date)) }}
{%- endmacro %}
{% macro default__date_spine(datepart, start_date, end_date) %}
  with rawdata as (
    {{ generate_series(get_intervals_between(start_date, end_date, datepart)) }}
  ),
  all_periods as (
    select ({{ dateadd(datepart, 'row_number() over (order by 1) - 1', start_date) }}) as date_{{ datepart }}
    from rawdata
  )
  select *
  from all_periods
  where date_{{ datepart }} <= {{ end_date }}
{% endmacro %}
