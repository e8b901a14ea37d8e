with

weights as (

    select * from {{ ref('int_attribution_weights') }}

),

revenue as (

    select
        user_id,
        {{ exactly('sum(revenue)', 2) }} as revenue
    from {{ ref('int_user_revenue_daily') }}
    group by user_id

),

credited as (

    select
        weights.channel,
        {%- for rule in attribution_rules() %}
        {{ exactly('sum(weights.' ~ rule ~ ')', 6) }} as {{ rule }}_conversions,
        {{ exactly('sum(weights.' ~ rule ~ ' * coalesce(revenue.revenue, 0))', 8) }} as {{ rule }}_revenue{{ "," if not loop.last }}
        {%- endfor %}
    from weights
    left join revenue on weights.user_id = revenue.user_id
    group by weights.channel

),

channels as (

    select channel, spend from {{ ref('channel_performance') }}

)

select
    channels.channel,
    channels.spend,
    {%- for rule in attribution_rules() %}
    coalesce(credited.{{ rule }}_conversions, 0) as {{ rule }}_conversions,
    coalesce(credited.{{ rule }}_revenue, 0) as {{ rule }}_revenue,
    {{ safe_divide('coalesce(credited.' ~ rule ~ '_revenue, 0)', 'channels.spend') }} as {{ rule }}_roas
    {{- "," if not loop.last }}
    {%- endfor %}
from channels
left join credited on channels.channel = credited.channel
order by {{ byte_order('channels.channel') }}
