with

raw as (

    select * from {{ ref('user_touchpoints') }}

),

conformed as (

    select
        cast(user_id as bigint) as user_id,
        cast(touchpoint_date as date) as touchpoint_date,
        {{ conform_channel('channel') }} as channel,
        nullif(trim(campaign), '') as campaign,
        lower(trim(touchpoint_type)) as touchpoint_type,
        lower(trim(source)) as source,
        lower(trim(medium)) as medium,
        cast(conversion as boolean) as is_conversion
    from raw

),

keyed as (

    select
        {{ campaign_id('channel', 'campaign') }} as campaign_id,
        -- The raw data has dates, not times. Within a day people see before they click, click before they open
        -- the app, and convert last.
        case
            when touchpoint_type in ('ad_impression', 'email_open', 'invite_view') then 1
            when touchpoint_type in ('ad_click', 'email_click', 'invite_click') then 2
            else 3
        end as funnel_step,
        conformed.*
    from conformed

),

numbered as (

    select
        -- Rows that tie on all of these are equal in every column, so it does not matter which comes first.
        row_number() over (
            partition by user_id
            order by
                touchpoint_date,
                is_conversion,
                funnel_step,
                {{ byte_order('campaign_id') }},
                {{ byte_order('touchpoint_type') }},
                {{ byte_order('source') }},
                {{ byte_order('medium') }}
        ) as touchpoint_number,
        keyed.*
    from keyed

)

select
    cast(user_id as varchar) || '-' || cast(touchpoint_number as varchar) as touchpoint_id,
    user_id,
    touchpoint_number,
    touchpoint_date,
    campaign_id,
    channel,
    campaign,
    touchpoint_type,
    source,
    medium,
    is_conversion
from numbered
