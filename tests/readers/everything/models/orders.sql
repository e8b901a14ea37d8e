{{ config(materialized='incremental', unique_key='id', on_schema_change='append_new_columns') }}
select id, name, amount, cast(ordered_at as timestamp) as ordered_at
from {{ source('lake', 'orders') }}
{% if is_incremental() %} where id > (select max(id) from {{ this }}) {% endif %}
-- depends_on: {{ ref('raw_orders') }}
