-- Four facts with different grains meet here, each summed up by its own day before they are put side by side: a
-- join of them would multiply rows, and would lose revenue earned after a campaign has ended.
with

spend as (

    select
        spend_date as performance_date,
        campaign_id,
        spend,
        impressions,
        clicks,
        installs,
        0 as new_users,
        0 as conversions,
        0 as revenue,
        0 as rewards
    from {{ ref('stg_marketing_spend') }}

),

new_users as (

    select
        installed_on as performance_date,
        campaign_id,
        0 as spend,
        0 as impressions,
        0 as clicks,
        0 as installs,
        1 as new_users,
        0 as conversions,
        0 as revenue,
        0 as rewards
    from {{ ref('stg_users') }}

),

conversions as (

    -- The campaign that brought the user gets the conversion; channel_attribution has the other views.
    select
        conversions.conversion_date as performance_date,
        users.campaign_id,
        0 as spend,
        0 as impressions,
        0 as clicks,
        0 as installs,
        0 as new_users,
        1 as conversions,
        0 as revenue,
        0 as rewards
    from {{ ref('int_conversions') }} as conversions
    inner join {{ ref('stg_users') }} as users on conversions.user_id = users.user_id

),

revenue as (

    select
        activity_date as performance_date,
        campaign_id,
        0 as spend,
        0 as impressions,
        0 as clicks,
        0 as installs,
        0 as new_users,
        0 as conversions,
        revenue,
        rewards
    from {{ ref('int_user_revenue_daily') }}

),

together as (

    select * from spend
    union all
    select * from new_users
    union all
    select * from conversions
    union all
    select * from revenue

)

select
    {{ campaign_day_id('campaign_id', 'performance_date') }} as campaign_day_id,
    performance_date,
    campaign_id,
    {{ performance_sums() }}
from together
group by performance_date, campaign_id
