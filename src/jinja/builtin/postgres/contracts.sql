{# Postgres: contracts tell types apart as dbt does, by what a driver makes of them and not by their sizes: text and varchar are one. #}

{% macro postgres__format_column(column) -%}
  {%- set kind = strata_type_class(column.dtype | lower) -%}
  {{ return({'name': column.name, 'data_type': kind, 'formatted': column.column.lower() ~ ' ' ~ kind}) }}
{%- endmacro %}

{# A type that is in no class is only itself. #}
{% macro strata_type_class(type) -%}
  {%- set classes = {
      'text': 'STRING', 'character varying': 'STRING', 'character': 'STRING', 'name': 'STRING', 'char': 'STRING',
      'smallint': 'INTEGER', 'integer': 'INTEGER', 'bigint': 'LONGINTEGER',
      'real': 'FLOAT', 'double precision': 'FLOAT', 'numeric': 'DECIMAL',
      'boolean': 'BOOLEAN', 'bytea': 'BINARY', 'oid': 'ROWID', 'json': 'JSON', 'jsonb': 'JSONB',
      'date': 'DATE', 'interval': 'INTERVAL',
      'time without time zone': 'TIME', 'time with time zone': 'TIME',
      'timestamp without time zone': 'DATETIME', 'timestamp with time zone': 'DATETIMETZ'
  } -%}
  {%- if type[-2:] == '[]' -%}
    {%- set element = classes.get(type[:-2]) -%}
    {{ return(element ~ 'ARRAY' if element else type) }}
  {%- endif -%}
  {%- set class = classes.get(type, type) -%}
  {{ return('TEXT' if class == 'STRING' else class) }}
{%- endmacro %}
