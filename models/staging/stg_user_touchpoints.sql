with

raw as (

    select * from {{ ref('user_touchpoints') }}

),

conformed as (

    select
        cast(user_id as bigint) as user_id,
        {{ to_timestamp('touchpoint_date') }} as touchpoint_date,
        {{ conform_channel('channel') }} as channel,
        nullif(trim(campaign), '') as campaign,
        lower(trim(touchpoint_type)) as touchpoint_type,
        lower(trim(source)) as source,
        lower(trim(medium)) as medium,
        {{ to_boolean('conversion') }} as is_conversion
    from raw

),

keyed as (

    select
        {{ campaign_id('channel', 'campaign') }} as campaign_id,
        conformed.*
    from conformed

),

numbered as (

    select
        -- Of contacts in the same second the conversion is the last. Rows that tie on all of these are equal in every
        -- column, so it does not matter which comes first.
        row_number() over (
            partition by user_id
            order by
                touchpoint_date,
                is_conversion,
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
    {{ spend_id('campaign_id', to_date('touchpoint_date')) }} as spend_id,
    channel,
    campaign,
    touchpoint_type,
    source,
    medium,
    is_conversion
from numbered
