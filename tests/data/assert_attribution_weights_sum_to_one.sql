-- Every conversion is shared out as a whole, under every rule, exactly; one without any touchpoint would be lost, so it
-- is looked for from the side of the conversions.
select
    conversions.user_id
    {%- for rule in attribution_rules() %},
    {{ exactly('sum(weights.' ~ rule ~ ')', 6) }} as {{ rule }}
    {%- endfor %}
from {{ ref('int_conversions') }} as conversions
left join {{ ref('int_attribution_weights') }} as weights on conversions.user_id = weights.user_id
group by conversions.user_id
having
    {%- for rule in attribution_rules() %}
    {{ exactly('sum(weights.' ~ rule ~ ')', 6) }} is distinct from 1{{ " or" if not loop.last }}
    {%- endfor %}
