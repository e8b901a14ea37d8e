-- A conversion is a payment, and who pays has an account.
select
    conversions.user_id,
    users.created_at,
    conversions.converted_at
from {{ ref('int_conversions') }} as conversions
inner join {{ ref('stg_users') }} as users on conversions.user_id = users.user_id
where conversions.converted_at < users.created_at
