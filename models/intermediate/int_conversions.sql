with

converting_touchpoints as (

    select
        user_id,
        touchpoint_id,
        touchpoint_number,
        touchpoint_date as converted_at,
        {{ to_date('touchpoint_date') }} as conversion_date,
        -- A user converts once. Were two touchpoints marked, the first would count; a test says that none are.
        row_number() over (partition by user_id order by touchpoint_number) as conversion_number
    from {{ ref('stg_user_touchpoints') }}
    where is_conversion

),

users as (

    select * from {{ ref('stg_users') }}

)

select
    converting_touchpoints.user_id,
    converting_touchpoints.touchpoint_id,
    converting_touchpoints.touchpoint_number,
    converting_touchpoints.converted_at,
    converting_touchpoints.conversion_date,
    {{ days_between('users.installed_on', 'converting_touchpoints.conversion_date') }} as days_to_convert
from converting_touchpoints
inner join users on converting_touchpoints.user_id = users.user_id
where converting_touchpoints.conversion_number = 1
