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

{# Values are written as texts, and no text equals a number here unless a column says that it is of numbers: so numbers and
   truth values are compared with those that the texts mean. #}
{% macro sqlite__test_accepted_values(model, column_name, values, quote=True) %}
  {%- set numbers = [] -%}
  {%- for value in values if quote -%}
    {%- set text = value | string -%}
    {%- if modules.re.match('[+-]?[0-9]+([.][0-9]+)?$', text) or text | lower in ['true', 'false'] -%}
      {%- do numbers.append(text) -%}
    {%- endif -%}
  {%- endfor -%}
  {{ dbt.default__test_accepted_values(model, column_name, values, quote) }}
  {%- if numbers %}
  and not (typeof(value_field) in ('integer', 'real') and value_field in ({{ numbers | join(', ') }}))
  {%- endif %}
{% endmacro %}
