{# Which described columns exist, for the adapters' `alter_column_comment`. #}

{# Answers the part of `column_dict` that the relation has. The rest is told, but is no error: documentation may run ahead. #}
{% macro validate_doc_columns(relation, column_dict, existing_column_names) -%}
  {%- set folded = existing_column_names | map('lower') | list -%}
  {%- set known = {} -%}
  {%- set unknown = [] -%}
  {%- for name, column in column_dict.items() -%}
    {%- if name in existing_column_names or (name | lower in folded and not column['quote']) -%}
      {%- do known.update({name: column}) -%}
    {%- else -%}
      {%- do unknown.append(name) -%}
    {%- endif -%}
  {%- endfor -%}
  {%- if unknown -%}
    {%- do log(relation.render() ~ ' has no column ' ~ unknown | join(', ') ~ ', which is described', info=true) -%}
  {%- endif -%}
  {{ return(known) }}
{%- endmacro %}

{# The database's own spelling, which can be quoted whatever it is. #}
{% macro _stored_name(name, existing_column_names) -%}
  {%- if name in existing_column_names -%}
    {{ return(name) }}
  {%- endif -%}
  {%- for stored in existing_column_names if stored | lower == name | lower -%}
    {{ return(stored) }}
  {%- endfor -%}
{%- endmacro %}
