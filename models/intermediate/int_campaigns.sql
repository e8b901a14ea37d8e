with

spend as (

    select * from {{ ref('stg_marketing_spend') }}

),

campaigns as (

    select
        campaign_id,
        channel,
        campaign,
        min(spend_date) as first_date,
        max(spend_date) as last_date,
        {{ exactly('sum(spend)', 2) }} as total_spend
    from spend
    group by campaign_id, channel, campaign

)

select
    campaign_id,
    channel,
    campaign,
    case when total_spend > 0 then 'paid' else 'unpaid' end as campaign_type,
    first_date,
    last_date
from campaigns

union all

-- Organic users belong to a campaign, too, so that no key is null and no total loses them.
select
    'organic' as campaign_id,
    'organic' as channel,
    'organic' as campaign,
    'organic' as campaign_type,
    cast(null as date) as first_date,
    cast(null as date) as last_date
