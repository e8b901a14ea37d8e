{# Null, not an error and not infinite, where there is nothing to divide by. #}
{% macro safe_divide(numerator, denominator) -%}
    cast({{ numerator }} as double precision) / nullif(cast({{ denominator }} as double precision), 0)
{%- endmacro %}

{# Whole days from one date to a later one. #}
{% macro days_between(from_date, to_date) -%}
    {{ dbt.datediff(from_date, to_date, 'day') }}
{%- endmacro %}

{# Days from one moment to a later one, with their fractions: six hours are 0.25. #}
{% macro days_elapsed(from_time, to_time) -%}
    {{ safe_divide(dbt.datediff(from_time, to_time, 'second'), 24 * 60 * 60) }}
{%- endmacro %}

{# How many whole weeks there are in some days. `/` alone rounds on one engine and not on the other. #}
{% macro whole_weeks(days) -%}
    cast(floor({{ safe_divide(days, 7) }}) as integer)
{%- endmacro %}

{# The Monday of a date's week. #}
{% macro week_of(date) -%}
    {{ to_date(dbt.date_trunc('week', date)) }}
{%- endmacro %}

{# Sort text by its bytes on every engine, so that ties are broken the same way everywhere. #}
{% macro byte_order(column) -%}
    {{ return(adapter.dispatch('byte_order')(column)) }}
{%- endmacro %}

{% macro default__byte_order(column) -%}
    {{ column }}
{%- endmacro %}

{# Postgres sorts by the locale of the database. #}
{% macro postgres__byte_order(column) -%}
    {{ column }} collate "C"
{%- endmacro %}
