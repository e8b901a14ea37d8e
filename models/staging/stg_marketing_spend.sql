with

raw as (

    select * from {{ ref('marketing_spend') }}

),

conformed as (

    select
        {{ to_date('date') }} as spend_date,
        {{ conform_channel('channel') }} as channel,
        nullif(trim(campaign), '') as campaign,
        {{ to_decimal('spend', 18, 2) }} as spend,
        cast(impressions as bigint) as impressions,
        cast(clicks as bigint) as clicks,
        cast(installs as bigint) as installs
    from raw

),

keyed as (

    select
        {{ campaign_id('channel', 'campaign') }} as campaign_id,
        conformed.*
    from conformed

)

select
    {{ campaign_day_id('campaign_id', 'spend_date') }} as spend_id,
    spend_date,
    campaign_id,
    channel,
    campaign,
    spend,
    impressions,
    clicks,
    installs
from keyed
