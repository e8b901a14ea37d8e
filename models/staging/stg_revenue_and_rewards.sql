with

raw as (

    select * from {{ ref('revenue_and_rewards') }}

),

typed as (

    select
        cast(user_id as bigint) as user_id,
        {{ to_date('date') }} as activity_date,
        {{ to_decimal('revenue', 18, 2) }} as revenue,
        {{ to_decimal('reward_to_user', 18, 4) }} as reward
    from raw

),

numbered as (

    select
        -- A user may have several rows on a day; those that tie here are equal in every column.
        row_number() over (
            partition by user_id
            order by activity_date, revenue, reward
        ) as transaction_number,
        typed.*
    from typed

)

select
    cast(user_id as varchar) || '-' || cast(transaction_number as varchar) as transaction_id,
    user_id,
    activity_date,
    revenue,
    reward
from numbered
