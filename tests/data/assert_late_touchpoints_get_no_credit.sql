-- What came after the conversion, or long before it, is in no path; the conversion is the last of its path.
select
    touchpoint_id,
    touchpoint_date,
    converted_at,
    position_in_path,
    path_length
from {{ ref('int_touchpoints_before_conversion') }}
where
    touchpoint_date > converted_at
    or days_before_conversion > {{ var('attribution_lookback_days') }}
    or position_in_path > path_length
    or (position_in_path = path_length and days_before_conversion <> 0)
