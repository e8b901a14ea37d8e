{# The rules, in the order in which they are shown. Each is a column of int_attribution_weights. #}
{% macro attribution_rules() %}
    {{ return(['first_touch', 'last_touch', 'linear', 'position_based', 'time_decay']) }}
{% endmacro %}

{# A share of a conversion, to a millionth. #}
{% macro as_weight(share) -%}
    {{ to_decimal(share, 9, 6) }}
{%- endmacro %}
