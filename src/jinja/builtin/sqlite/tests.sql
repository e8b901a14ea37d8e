{# SQLite: the generic tests for which the common text does not do. #}

{# Both sides are read once and kept: of views whose keys are computed, the join would otherwise compute every key of the
   parent again for every row of the child. #}
{% macro sqlite__test_relationships(model, column_name, to, field) %}
with child as materialized (
  select {{ column_name }} as from_field
  from {{ model }}
  where {{ column_name }} is not null
),
parent as materialized (
  select {{ field }} as to_field
  from {{ to }}
)
select from_field
from child
left join parent on child.from_field = parent.to_field
where parent.to_field is null
{% endmacro %}
