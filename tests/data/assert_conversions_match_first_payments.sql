-- A conversion is the first payment: who has paid has exactly one converting touchpoint, on the day of the first
-- payment, and who has not has none.
with

first_payments as (

    select
        user_id,
        min(activity_date) as first_payment_date
    from {{ ref('stg_revenue_and_rewards') }}
    where revenue > 0
    group by user_id

),

converting_touchpoints as (

    select
        user_id,
        count(*) as touchpoints,
        min({{ to_date('touchpoint_date') }}) as conversion_date
    from {{ ref('stg_user_touchpoints') }}
    where is_conversion
    group by user_id

)

select
    coalesce(first_payments.user_id, converting_touchpoints.user_id) as user_id,
    first_payments.first_payment_date,
    converting_touchpoints.conversion_date,
    converting_touchpoints.touchpoints
from first_payments
full outer join converting_touchpoints on first_payments.user_id = converting_touchpoints.user_id
where
    first_payments.first_payment_date is distinct from converting_touchpoints.conversion_date
    or converting_touchpoints.touchpoints <> 1
