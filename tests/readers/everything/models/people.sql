select id as person_id, {{ upper_name('name') }} as name from {{ ref('raw_people') }}
