with

raw as (

    select * from {{ ref('users') }}

),

conformed as (

    select
        cast(user_id as bigint) as user_id,
        cast(installed_at as timestamp) as installed_at,
        cast(created_at as timestamp) as created_at,
        cast(updated_at as timestamp) as updated_at,
        {{ conform_channel('channel') }} as channel,
        nullif(trim(campaign), '') as campaign
    from raw

)

select
    user_id,
    installed_at,
    cast(installed_at as date) as installed_on,
    created_at,
    updated_at,
    {{ campaign_id('channel', 'campaign') }} as campaign_id,
    channel,
    campaign
from conformed
