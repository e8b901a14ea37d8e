with

touchpoints as (

    select * from {{ ref('stg_user_touchpoints') }}

),

conversions as (

    select * from {{ ref('int_conversions') }}

),

before_conversion as (

    -- Up to and including the touchpoint of the conversion: what came later cannot have caused it.
    select
        touchpoints.touchpoint_id,
        touchpoints.user_id,
        touchpoints.campaign_id,
        touchpoints.channel,
        touchpoints.touchpoint_type,
        touchpoints.touchpoint_number,
        touchpoints.touchpoint_date,
        conversions.converted_at,
        {{ days_elapsed('touchpoints.touchpoint_date', 'conversions.converted_at') }} as days_before_conversion
    from touchpoints
    inner join conversions on touchpoints.user_id = conversions.user_id
    where touchpoints.touchpoint_number <= conversions.touchpoint_number

),

within_lookback as (

    -- To the second: a contact of that day, but at an earlier time than the conversion, is too old.
    select *
    from before_conversion
    where days_before_conversion <= {{ var('attribution_lookback_days') }}

)

select
    touchpoint_id,
    user_id,
    campaign_id,
    channel,
    touchpoint_type,
    touchpoint_date,
    converted_at,
    days_before_conversion,
    row_number() over (partition by user_id order by touchpoint_number) as position_in_path,
    count(*) over (partition by user_id) as path_length
from within_lookback
