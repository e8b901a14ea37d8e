with

raw as (

    select * from {{ ref('users') }}

),

conformed as (

    select
        cast(user_id as bigint) as user_id,
        {{ to_timestamp('installed_at') }} as installed_at,
        {{ to_timestamp('created_at') }} as created_at,
        {{ to_timestamp('updated_at') }} as updated_at,
        {{ conform_channel('channel') }} as channel,
        nullif(trim(campaign), '') as campaign
    from raw

),

keyed as (

    select
        {{ campaign_id('channel', 'campaign') }} as campaign_id,
        {{ to_date('installed_at') }} as installed_on,
        conformed.*
    from conformed

)

select
    user_id,
    installed_at,
    installed_on,
    created_at,
    updated_at,
    campaign_id,
    {{ spend_id('campaign_id', 'installed_on') }} as spend_id,
    channel,
    campaign
from keyed
