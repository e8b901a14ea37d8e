-- Nobody clicks what was not shown, nobody installs without a click.
select
    spend_id,
    impressions,
    clicks,
    installs
from {{ ref('stg_marketing_spend') }}
where clicks > impressions or installs > clicks
