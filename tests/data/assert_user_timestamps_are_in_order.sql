-- The install comes first, then the account, then changes to it.
select
    user_id,
    installed_at,
    created_at,
    updated_at
from {{ ref('stg_users') }}
where created_at < installed_at or updated_at < created_at
