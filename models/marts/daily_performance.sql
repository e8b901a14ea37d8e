{{
    config(
        materialized='incremental',
        unique_key='campaign_day_id',
        incremental_strategy='delete+insert',
        on_schema_change='append_new_columns'
    )
}}

with

campaign_days as (

    select * from {{ ref('int_campaign_daily') }}

    {% if is_incremental() %}
    -- Spend is corrected and conversions arrive for some days after the fact: the last days are worked out again.
    where performance_date > (
        select {{ to_date(dbt.dateadd('day', -1 * var('late_data_days'), 'max(published.performance_date)')) }}
        from {{ this }} as published
    )
    {% endif %}

),

campaigns as (

    select * from {{ ref('int_campaigns') }}

)

select
    campaign_days.campaign_day_id,
    campaign_days.performance_date,
    campaign_days.campaign_id,
    campaigns.channel,
    campaigns.campaign,
    {{ performance_columns() }}
from campaign_days
inner join campaigns on campaign_days.campaign_id = campaigns.campaign_id
order by campaign_days.performance_date, {{ byte_order('campaign_days.campaign_id') }}
