select o.id, p.name from {{ ref('eph') }} o left join {{ ref('people') }} p on p.person_id = o.id
