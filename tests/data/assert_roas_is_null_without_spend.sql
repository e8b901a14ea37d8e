-- Where nothing is spent there is no return on spend: null, neither zero nor infinite. And the other way round.
{%- for name in ['channel_performance', 'campaign_performance', 'daily_performance'] %}
select
    '{{ name }}' as relation,
    spend,
    revenue,
    roas,
    net_roas
from {{ ref(name) }}
where
    (spend = 0) <> (roas is null)
    or (spend = 0) <> (net_roas is null)
    or abs(roas) > 1000000000
{{ "union all" if not loop.last }}
{%- endfor %}
