{# The unique index is for `refresh materialized view concurrently`, between builds on Postgres. #}
{{
    config(
        materialized='materialized_view' if target.type == 'postgres' else 'table',
        indexes=[{'columns': ['user_id'], 'unique': true}]
    )
}}

with

users as (

    select * from {{ ref('stg_users') }}

),

campaigns as (

    select * from {{ ref('int_campaigns') }}

),

money as (

    select
        user_id,
        {{ exactly('sum(revenue)', 2) }} as total_revenue,
        {{ exactly('sum(rewards)', 4) }} as total_rewards,
        cast(count(*) as bigint) as active_days,
        max(activity_date) as last_active_date
    from {{ ref('int_user_revenue_daily') }}
    group by user_id

),

ordered_touchpoints as (

    select
        stg_user_touchpoints.*,
        row_number() over (partition by user_id order by touchpoint_number desc) as number_from_last
    from {{ ref('stg_user_touchpoints') }} as stg_user_touchpoints

),

touchpoints as (

    -- Exactly one row of a user has number 1, so that max() picks it.
    select
        user_id,
        cast(count(*) as bigint) as touchpoints,
        max(case when touchpoint_number = 1 then touchpoint_date end) as first_touch_date,
        max(case when touchpoint_number = 1 then campaign_id end) as first_touch_campaign_id,
        max(case when touchpoint_number = 1 then channel end) as first_touch_channel,
        max(case when number_from_last = 1 then touchpoint_date end) as last_touch_date,
        max(case when number_from_last = 1 then campaign_id end) as last_touch_campaign_id,
        max(case when number_from_last = 1 then channel end) as last_touch_channel
    from ordered_touchpoints
    group by user_id

),

conversions as (

    select * from {{ ref('int_conversions') }}

),

joined as (

    select
        users.user_id,
        users.installed_at,
        users.installed_on,
        users.created_at,
        users.updated_at,
        users.campaign_id,
        campaigns.channel,
        campaigns.campaign,
        campaigns.campaign_type,
        coalesce(money.total_revenue, 0) as total_revenue,
        coalesce(money.total_rewards, 0) as total_rewards,
        {{ exactly('coalesce(money.total_revenue, 0) - coalesce(money.total_rewards, 0)', 4) }} as ltv,
        coalesce(money.active_days, 0) as active_days,
        money.last_active_date,
        coalesce(touchpoints.touchpoints, 0) as touchpoints,
        touchpoints.first_touch_date,
        touchpoints.first_touch_campaign_id,
        touchpoints.first_touch_channel,
        touchpoints.last_touch_date,
        touchpoints.last_touch_campaign_id,
        touchpoints.last_touch_channel,
        conversions.user_id is not null as is_converted,
        conversions.converted_at,
        conversions.conversion_date,
        conversions.days_to_convert
    from users
    inner join campaigns on users.campaign_id = campaigns.campaign_id
    left join money on users.user_id = money.user_id
    left join touchpoints on users.user_id = touchpoints.user_id
    left join conversions on users.user_id = conversions.user_id

)

select
    joined.*,
    case
        when ltv <= -{{ var('reward_heavy_usd') }} then 'reward_heavy'
        when total_revenue > 0 then 'payer'
        else 'never_paid'
    end as value_segment
from joined
order by user_id
