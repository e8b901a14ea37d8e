{% macro upper_name(column) %}upper({{ column }}){% endmacro %}

{% test is_small(model, column_name) %}select * from {{ model }} where {{ column_name }} > 1000{% endtest %}
