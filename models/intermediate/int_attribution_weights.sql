-- Weights are decimals: sums of them are exact, and do not depend on the order of the rows.
with

touchpoints as (

    select * from {{ ref('int_touchpoints_before_conversion') }}

),

decayed as (

    select
        touchpoints.*,
        {%- set decay %}
        cast(
            power(
                cast(0.5 as double precision),
                {{ safe_divide('days_before_conversion', var('attribution_half_life_days')) }}
            ) as numeric(18, 12)
        )
        {%- endset %}
        {{- exactly(decay, 12) }} as decay
    from touchpoints

),

shared as (

    select
        decayed.*,
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
        {{ safe_divide('decay', 'sum(decay) over (partition by user_id)') }} as time_decay
    from decayed

),

rounded as (

    select
        touchpoint_id,
        user_id,
        campaign_id,
        channel,
        position_in_path = path_length as is_last,
        {%- for rule in attribution_rules() %}
        {{ as_weight(rule) }} as {{ rule }}{{ "," if not loop.last }}
        {%- endfor %}
    from shared

)

select
    touchpoint_id,
    user_id,
    campaign_id,
    channel,
    -- The last touchpoint gets what rounding has left over, or gives what it has taken too much: the sum is one.
    {%- for rule in attribution_rules() %}
    {{ as_weight(rule ~ ' + case when is_last then 1 - sum(' ~ rule ~ ') over (partition by user_id) else 0 end') }}
        as {{ rule }}{{ "," if not loop.last }}
    {%- endfor %}
from rounded
