with

users as (

    select
        user_id,
        {{ week_of('installed_on') }} as install_week
    from {{ ref('stg_users') }}

),

data_window as (

    select * from {{ ref('int_data_window') }}

),

cohorts as (

    select
        users.install_week,
        data_window.last_date,
        {{ whole_weeks(days_between('users.install_week', 'data_window.last_date')) }} as oldest_age,
        count(*) as cohort_users
    from users
    cross join data_window
    group by users.install_week, data_window.last_date

),

ages as (

    -- Every age that the first users of a cohort have reached, with or without revenue.
    select
        cohorts.install_week,
        cohorts.last_date,
        cohorts.cohort_users,
        weeks.age_week
    from cohorts
    {{ number_series('cohorts.oldest_age', 'weeks', 'age_week') }}

),

aged as (

    select
        users.install_week,
        {{ whole_weeks('daily.days_since_install') }} as age_week,
        daily.revenue,
        daily.rewards
    from {{ ref('int_user_revenue_daily') }} as daily
    inner join users on daily.user_id = users.user_id

),

money as (

    select
        install_week,
        age_week,
        {{ exactly('sum(revenue)', 2) }} as revenue,
        {{ exactly('sum(rewards)', 4) }} as rewards
    from aged
    group by install_week, age_week

),

joined as (

    select
        ages.install_week,
        cast(ages.age_week as integer) as age_week,
        cast(ages.cohort_users as bigint) as cohort_users,
        -- Complete when those who installed on the Sunday have had the whole week of age, too.
        {{ days_between('ages.install_week', 'ages.last_date') }} >= 6 + 7 * ages.age_week + 6 as is_complete,
        coalesce(money.revenue, 0) as revenue,
        coalesce(money.rewards, 0) as rewards
    from ages
    left join money
        on ages.install_week = money.install_week
        and ages.age_week = money.age_week

),

cumulated as (

    select
        joined.*,
        sum(revenue) over (
            partition by install_week order by age_week
            rows between unbounded preceding and current row
        ) as cumulative_revenue,
        sum(rewards) over (
            partition by install_week order by age_week
            rows between unbounded preceding and current row
        ) as cumulative_rewards
    from joined

)

select
    install_week,
    age_week,
    cohort_users,
    is_complete,
    revenue,
    rewards,
    cumulative_revenue,
    cumulative_rewards,
    {{ safe_divide(exactly('cumulative_revenue - cumulative_rewards', 4), 'cohort_users') }} as ltv_per_user
from cumulated
order by install_week, age_week
