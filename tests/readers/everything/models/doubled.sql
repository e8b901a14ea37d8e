select id, {{ function('twice') }}(amount) as amount from {{ ref('orders') }}
