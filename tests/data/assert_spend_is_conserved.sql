-- Every dollar of the raw table is in staging and in every mart with spend: no join drops or doubles it.
with

raw as (

    select {{ exactly('coalesce(sum(spend), 0)', 2) }} as spend from {{ ref('marketing_spend') }}

),

compared as (

    {%- for name in [
        'stg_marketing_spend',
        'int_campaign_daily',
        'campaign_performance',
        'channel_performance',
        'daily_performance',
        'channel_attribution'
    ] %}
    select
        '{{ name }}' as relation,
        {{ exactly('coalesce(sum(spend), 0)', 2) }} as spend
    from {{ ref(name) }}
    {{ "union all" if not loop.last }}
    {%- endfor %}

)

select
    compared.relation,
    compared.spend as found,
    raw.spend as expected
from compared
cross join raw
where compared.spend is distinct from raw.spend
