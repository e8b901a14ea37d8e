-- "To date" means up to the last day that has data, never the day of the run: the same data gives the same answers.
with

days as (

    select spend_date as day from {{ ref('stg_marketing_spend') }}
    union all
    select installed_on as day from {{ ref('stg_users') }}
    union all
    select {{ to_date('touchpoint_date') }} as day from {{ ref('stg_user_touchpoints') }}
    union all
    select activity_date as day from {{ ref('stg_revenue_and_rewards') }}

)

select
    min(day) as first_date,
    max(day) as last_date
from days
