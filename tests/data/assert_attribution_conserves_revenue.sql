-- Under every rule the channels together get all revenue and all conversions, no more and no less.
with

raw as (

    select {{ exactly('coalesce(sum(revenue), 0)', 2) }} as revenue from {{ ref('revenue_and_rewards') }}

),

converted as (

    select count(*) as conversions from {{ ref('int_conversions') }}

),

compared as (

    {%- for rule in attribution_rules() %}
    select
        '{{ rule }}' as rule,
        {{ exactly('sum(' ~ rule ~ '_revenue)', 8) }} as revenue,
        {{ exactly('sum(' ~ rule ~ '_conversions)', 6) }} as conversions
    from {{ ref('channel_attribution') }}
    {{ "union all" if not loop.last }}
    {%- endfor %}

)

select
    compared.rule,
    compared.revenue as found_revenue,
    raw.revenue as expected_revenue,
    compared.conversions as found_conversions,
    converted.conversions as expected_conversions
from compared
cross join raw
cross join converted
where
    compared.revenue is distinct from raw.revenue
    or compared.conversions is distinct from converted.conversions
