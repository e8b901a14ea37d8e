-- Every dollar earned and every reward paid is in every mart that has them.
with

raw as (

    select
        {{ exactly('coalesce(sum(revenue), 0)', 2) }} as revenue,
        {{ exactly('coalesce(sum(reward_to_user), 0)', 4) }} as rewards
    from {{ ref('revenue_and_rewards') }}

),

compared as (

    {%- for name in [
        'int_user_revenue_daily',
        'int_campaign_daily',
        'campaign_performance',
        'channel_performance',
        'daily_performance',
        'user_ltv',
        'cohort_ltv'
    ] %}
    select
        '{{ name }}' as relation,
        {{ exactly('coalesce(sum(revenue), 0)', 2) }} as revenue,
        {{ exactly('coalesce(sum(rewards), 0)', 4) }} as rewards
    from {{ ref(name) }}
    union all
    {%- endfor %}
    select
        'users_enriched' as relation,
        {{ exactly('coalesce(sum(total_revenue), 0)', 2) }} as revenue,
        {{ exactly('coalesce(sum(total_rewards), 0)', 4) }} as rewards
    from {{ ref('users_enriched') }}

)

select
    compared.relation,
    compared.revenue as found_revenue,
    raw.revenue as expected_revenue,
    compared.rewards as found_rewards,
    raw.rewards as expected_rewards
from compared
cross join raw
where
    compared.revenue is distinct from raw.revenue
    or compared.rewards is distinct from raw.rewards
