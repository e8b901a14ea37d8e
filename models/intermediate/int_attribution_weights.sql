with

touchpoints as (

    select * from {{ ref('int_touchpoints_before_conversion') }}

),

decayed as (

    select
        touchpoints.*,
        power(
            cast(0.5 as double precision),
            {{ safe_divide('days_before_conversion', var('attribution_half_life_days')) }}
        ) as decay
    from touchpoints

),

weighted as (

    select
        touchpoint_id,
        user_id,
        campaign_id,
        channel,
        case when position_in_path = 1 then 1 else 0 end as first_touch,
        case when position_in_path = path_length then 1 else 0 end as last_touch,
        {{ safe_divide(1, 'path_length') }} as linear,
        -- 40 percent each for the first and the last, the rest for those between them. With nobody between
        -- them the two share alike.
        case
            when path_length = 1 then 1
            when path_length = 2 then 0.5
            when position_in_path in (1, path_length) then 0.4
            else {{ safe_divide(0.2, 'path_length - 2') }}
        end as position_based,
        decay / sum(decay) over (partition by user_id) as time_decay
    from decayed

)

select
    touchpoint_id,
    user_id,
    campaign_id,
    channel,
    {%- for rule in attribution_rules() %}
    cast({{ rule }} as double precision) as {{ rule }}{{ "," if not loop.last }}
    {%- endfor %}
from weighted
