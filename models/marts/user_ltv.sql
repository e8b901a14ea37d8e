with

users as (

    select * from {{ ref('stg_users') }}

),

data_window as (

    select * from {{ ref('int_data_window') }}

),

campaigns as (

    select
        campaign_id,
        -- A decimal, as all money that is added up.
        {{ to_decimal(safe_divide('spend', 'new_users'), 18, 4) }} as cost_per_user
    from {{ ref('campaign_performance') }}

),

money as (

    select
        user_id,
        {{ exactly('sum(revenue)', 2) }} as revenue,
        {{ exactly('sum(rewards)', 4) }} as rewards,
        {%- for age in var('ltv_ages') %}
        {{ exactly('sum(case when days_since_install < ' ~ age ~ ' then revenue - rewards else 0 end)', 4) }} as ltv_d{{ age }}
        {{- "," if not loop.last }}
        {%- endfor %}
    from {{ ref('int_user_revenue_daily') }}
    group by user_id

),

joined as (

    select
        users.user_id,
        users.campaign_id,
        users.channel,
        users.installed_on,
        -- The day of the install is the first.
        {{ days_between('users.installed_on', 'data_window.last_date') }} + 1 as days_observed,
        coalesce(money.revenue, 0) as revenue,
        coalesce(money.rewards, 0) as rewards,
        {%- for age in var('ltv_ages') %}
        coalesce(money.ltv_d{{ age }}, 0) as ltv_d{{ age }},
        {%- endfor %}
        campaigns.cost_per_user as acquisition_cost
    from users
    cross join data_window
    inner join campaigns on users.campaign_id = campaigns.campaign_id
    left join money on users.user_id = money.user_id

)

select
    user_id,
    campaign_id,
    channel,
    installed_on,
    days_observed,
    revenue,
    rewards,
    {{ exactly('revenue - rewards', 4) }} as ltv,
    -- A user who is not that old yet has no value at that age: null, not a sum that is still growing.
    {%- for age in var('ltv_ages') %}
    case when days_observed >= {{ age }} then ltv_d{{ age }} end as ltv_d{{ age }},
    {%- endfor %}
    acquisition_cost,
    {{ exactly('revenue - rewards - acquisition_cost', 4) }} as profit,
    {{ exactly('revenue - rewards', 4) }} >= acquisition_cost as is_paid_back
from joined
order by user_id
