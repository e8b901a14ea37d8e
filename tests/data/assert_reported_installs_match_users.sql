-- In the sample the networks report exactly the users we see. In real life they count differently, so a difference is
-- only a warning.
{{ config(severity='warn') }}

select
    campaign_id,
    performance_date,
    installs,
    new_users
from {{ ref('int_campaign_daily') }}
where installs <> new_users and campaign_id <> 'organic'
