-- Campaigns are compared on users of the same age. Revenue to date would favour old campaigns: their users have had
-- more time to pay.
with

campaigns as (

    select *
    from {{ ref('int_campaigns') }}
    where campaign_type <> 'organic'

),

maturity as (

    -- Who installed on this day or earlier has been here for the whole payback time.
    select
        last_date,
        {{ to_date(dbt.dateadd('day', 1 - var('payback_days'), 'last_date')) }} as mature_until
    from {{ ref('int_data_window') }}

),

spend as (

    select
        campaign_days.campaign_id,
        sum(case when campaign_days.performance_date <= maturity.mature_until then campaign_days.spend else 0 end)
            as mature_spend,
        -- Four whole weeks, so that every weekday counts alike.
        sum(
            case
                when {{ days_between('campaign_days.performance_date', 'maturity.last_date') }} < 28
                    then campaign_days.spend
                else 0
            end
        ) as recent_spend
    from {{ ref('int_campaign_daily') }} as campaign_days
    cross join maturity
    group by campaign_days.campaign_id

),

mature_users as (

    select users.user_id, users.campaign_id
    from {{ ref('stg_users') }} as users
    cross join maturity
    where users.installed_on <= maturity.mature_until

),

early_money as (

    select
        user_id,
        {{ exactly('sum(revenue - rewards)', 4) }} as net_revenue
    from {{ ref('int_user_revenue_daily') }}
    where days_since_install < {{ var('payback_days') }}
    group by user_id

),

early_conversions as (

    select user_id
    from {{ ref('int_conversions') }}
    where days_to_convert < {{ var('payback_days') }}

),

outcome as (

    select
        mature_users.campaign_id,
        count(*) as mature_users,
        count(early_conversions.user_id) as mature_conversions,
        {{ exactly('sum(coalesce(early_money.net_revenue, 0))', 4) }} as mature_net_revenue
    from mature_users
    left join early_money on mature_users.user_id = early_money.user_id
    left join early_conversions on mature_users.user_id = early_conversions.user_id
    group by mature_users.campaign_id

),

joined as (

    select
        campaigns.campaign_id,
        campaigns.channel,
        campaigns.campaign,
        coalesce(spend.mature_spend, 0) as mature_spend,
        coalesce(spend.recent_spend, 0) as recent_spend,
        cast(coalesce(outcome.mature_users, 0) as bigint) as mature_users,
        cast(coalesce(outcome.mature_conversions, 0) as bigint) as mature_conversions,
        coalesce(outcome.mature_net_revenue, 0) as mature_net_revenue
    from campaigns
    left join spend on campaigns.campaign_id = spend.campaign_id
    left join outcome on campaigns.campaign_id = outcome.campaign_id

),

measured as (

    select
        joined.*,
        {{ safe_divide('mature_net_revenue', 'mature_spend') }} as payback
    from joined

),

ruled as (

    -- The first rule that fits decides.
    select
        measured.*,
        case
            when recent_spend = 0 then 'no_recent_spend'
            when mature_spend = 0 then 'no_mature_spend'
            when mature_users < {{ var('budget_minimum_users') }} then 'too_few_users'
            when mature_net_revenue < 0 then 'rewards_exceed_revenue'
            when payback >= {{ var('budget_grow_from') }} then 'pays_back_fast'
            when payback < {{ var('budget_cut_below') }} then 'pays_back_slowly'
            else 'pays_back_as_expected'
        end as rule
    from measured

),

recommended as (

    select
        ruled.*,
        case
            when rule = 'pays_back_fast' then 'grow'
            when rule in ('pays_back_slowly', 'rewards_exceed_revenue') then 'cut'
            else 'hold'
        end as recommendation
    from ruled

),

budgeted as (

    select
        recommended.*,
        case recommendation
            when 'grow' then {{ var('budget_grow_factor') }}
            when 'cut' then {{ var('budget_cut_factor') }}
            else 1
        end as factor
    from recommended

)

select
    campaign_id,
    channel,
    campaign,
    mature_spend,
    mature_users,
    mature_conversions,
    mature_net_revenue,
    payback,
    recommendation,
    rule,
    {{ to_decimal(safe_divide('recent_spend', 28), 18, 2) }} as daily_spend,
    {{ to_decimal(safe_divide('recent_spend * factor', 28), 18, 2) }} as recommended_daily_spend
from budgeted
order by {{ byte_order('campaign_id') }}
