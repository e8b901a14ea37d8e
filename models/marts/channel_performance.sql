with

totals as (

    select
        channel,
        {{ performance_sums() }}
    from {{ ref('campaign_performance') }}
    group by channel

)

select
    channel,
    {{ performance_columns() }}
from totals
order by {{ byte_order('channel') }}
