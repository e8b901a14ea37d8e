{# What engines write in their own way. On most of them these are the plain words of SQL; SQLite has no dates and no decimals. #}

{% macro to_date(value) -%}
    {{ return(adapter.dispatch('to_date')(value)) }}
{%- endmacro %}

{% macro default__to_date(value) -%}
    cast({{ value }} as date)
{%- endmacro %}

{# A cast would make the number 2025 of it. #}
{% macro sqlite__to_date(value) -%}
    date({{ value }})
{%- endmacro %}

{% macro to_timestamp(value) -%}
    {{ return(adapter.dispatch('to_timestamp')(value)) }}
{%- endmacro %}

{% macro default__to_timestamp(value) -%}
    cast({{ value }} as timestamp)
{%- endmacro %}

{% macro sqlite__to_timestamp(value) -%}
    datetime({{ value }})
{%- endmacro %}

{% macro to_boolean(value) -%}
    {{ return(adapter.dispatch('to_boolean')(value)) }}
{%- endmacro %}

{% macro default__to_boolean(value) -%}
    cast({{ value }} as boolean)
{%- endmacro %}

{# 0 and 1, whether the source has numbers or words. #}
{% macro sqlite__to_boolean(value) -%}
    case when lower({{ value }}) in ('1', 'true') then 1 when lower({{ value }}) in ('0', 'false') then 0 end
{%- endmacro %}

{# So many digits, so many of them behind the point. #}
{% macro to_decimal(value, digits, scale) -%}
    {{ return(adapter.dispatch('to_decimal')(value, digits, scale)) }}
{%- endmacro %}

{% macro default__to_decimal(value, digits, scale) -%}
    cast({{ value }} as numeric({{ digits }}, {{ scale }}))
{%- endmacro %}

{% macro sqlite__to_decimal(value, digits, scale) -%}
    round(cast({{ value }} as real), {{ scale }})
{%- endmacro %}

{# A sum or a difference of decimals: exact by itself, and rounded to its scale where decimals are doubles, so that no
   threshold hangs on a last bit. #}
{% macro exactly(value, scale) -%}
    {{ return(adapter.dispatch('exactly')(value, scale)) }}
{%- endmacro %}

{% macro default__exactly(value, scale) -%}
    {{ value }}
{%- endmacro %}

{% macro sqlite__exactly(value, scale) -%}
    round({{ value }}, {{ scale }})
{%- endmacro %}

{# Joins the whole numbers from 0 to a bound, which is a column of what stands before. #}
{% macro number_series(bound, relation, column) -%}
    {{ return(adapter.dispatch('number_series')(bound, relation, column)) }}
{%- endmacro %}

{% macro default__number_series(bound, relation, column) -%}
    cross join lateral generate_series(0, {{ bound }}) as {{ relation }} ({{ column }})
{%- endmacro %}

{# A series cannot look at what stands before it there: it is long enough for all, and the join cuts it. #}
{% macro sqlite__number_series(bound, relation, column) -%}
    inner join (
        with recursive numbers ({{ column }}) as (
            select 0
            union all
            select {{ column }} + 1 from numbers where {{ column }} < 1000
        )
        select {{ column }} from numbers
    ) as {{ relation }} on {{ relation }}.{{ column }} <= {{ bound }}
{%- endmacro %}
