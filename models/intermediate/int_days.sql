with

span as (

    select
        first_date,
        {{ days_between('first_date', 'last_date') }} as last_day_number
    from {{ ref('int_data_window') }}

)

select
    {{ to_date(dbt.dateadd('day', 'days.day_number', 'span.first_date')) }} as date_day
from span
{{ number_series('span.last_day_number', 'days', 'day_number') }}
