with

campaigns as (

    select * from {{ ref('int_campaigns') }}

),

totals as (

    -- From the dimension, so that a campaign that nothing has happened for yet is here, with zeros.
    select
        campaigns.campaign_id,
        {{ performance_sums() }}
    from campaigns
    left join {{ ref('int_campaign_daily') }} as campaign_days on campaigns.campaign_id = campaign_days.campaign_id
    group by campaigns.campaign_id

)

select
    campaigns.campaign_id,
    campaigns.channel,
    campaigns.campaign,
    campaigns.campaign_type,
    campaigns.first_date,
    campaigns.last_date,
    {{ performance_columns() }}
from campaigns
inner join totals on campaigns.campaign_id = totals.campaign_id
order by {{ byte_order('campaigns.campaign_id') }}
