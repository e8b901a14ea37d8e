{# The measures of int_campaign_daily. Sums of whole numbers are cast back: engines widen them. #}
{% macro performance_sums() -%}
    {%- set counts = ['impressions', 'clicks', 'installs', 'new_users', 'conversions'] -%}
    {%- for measure in ['spend'] + counts + ['revenue', 'rewards'] %}
    {%- set total = 'coalesce(sum(' ~ measure ~ '), 0)' %}
        {% if measure in counts %}cast({{ total }} as bigint){% else %}{{ exactly(total, 4) }}{% endif %} as {{ measure }}
        {{- "," if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{# Every performance mart has these columns, in this order, each ratio defined once. #}
{% macro performance_columns() -%}
    spend,
    impressions,
    clicks,
    installs,
    new_users,
    conversions,
    revenue,
    rewards,
    {{ exactly('revenue - rewards', 4) }} as net_revenue,
    {{ safe_divide('clicks', 'impressions') }} as ctr,
    {{ safe_divide('spend', 'installs') }} as cpi,
    {{ safe_divide('spend', 'conversions') }} as cac,
    {{ safe_divide('revenue', 'spend') }} as roas,
    {{ safe_divide(exactly('revenue - rewards', 4), 'spend') }} as net_roas
{%- endmacro %}
