with

transactions as (

    select * from {{ ref('stg_revenue_and_rewards') }}

),

users as (

    select * from {{ ref('stg_users') }}

),

daily as (

    select
        user_id,
        activity_date,
        {{ exactly('sum(revenue)', 2) }} as revenue,
        {{ exactly('sum(reward)', 4) }} as rewards
    from transactions
    group by user_id, activity_date

)

select
    cast(daily.user_id as varchar) || '/' || cast(daily.activity_date as varchar) as user_day_id,
    daily.user_id,
    users.campaign_id,
    daily.activity_date,
    {{ days_between('users.installed_on', 'daily.activity_date') }} as days_since_install,
    daily.revenue,
    daily.rewards,
    sum(daily.revenue) over (
        partition by daily.user_id order by daily.activity_date
        rows between unbounded preceding and current row
    ) as cumulative_revenue,
    sum(daily.rewards) over (
        partition by daily.user_id order by daily.activity_date
        rows between unbounded preceding and current row
    ) as cumulative_rewards
from daily
inner join users on daily.user_id = users.user_id
