{# SQLite: creating tables and views, and their indexes. #}

{# In two steps: a table that is made of a query has no types. A column has the one that is described, else that of the
   column it comes from, else that of its affinity. #}
{% macro sqlite__create_table_as(temporary, relation, compiled_code, language='sql') -%}
  {%- if language != 'sql' -%}
    {%- do exceptions.raise_compiler_error('a table is made of SQL, not of ' ~ language) -%}
  {%- endif -%}
  {%- set contract = config.get('contract') -%}
  {%- if contract.enforced -%}
    {{ get_assert_columns_equivalent(compiled_code) }}
  {%- endif -%}
  {%- set name = relation.include(schema=not temporary) -%}
  {%- set options = ' strict' if config.get('strict') and not temporary else '' -%}
  {%- if config.get('sql_header') %}
  {{ config.get('sql_header') }}
  {%- endif %}
  {%- if contract.enforced and not temporary %}
  create table {{ name }}
  {{ get_table_columns_and_constraints() }}{{ options }};
  insert into {{ name }} ({{ adapter.dispatch('get_column_names', 'dbt')() }})
  {{ get_select_subquery(compiled_code) }};
  {%- else %}
  create {{ 'temporary ' if temporary }}table {{ name }} (
    {{ _sqlite_column_definitions(compiled_code) | join(',\n    ') }}
  ){{ options }};
  insert into {{ name }}
  {{ compiled_code }};
  {%- endif %}
{%- endmacro %}

{# The type `integer` and a primary key would make the column another name for the number of the row, and of a null the next
   such number; and a key of any other type could be null. So the type is `int`, and a key is not null. #}
{% macro sqlite__get_table_columns_and_constraints() -%}
  {%- set keys = [] -%}
  {%- for constraint in model['constraints'] if constraint['type'] == 'primary_key' -%}
    {%- do keys.extend(constraint['columns'] or []) -%}
  {%- endfor -%}
  {%- set columns = {} -%}
  {%- for name, described in model['columns'].items() -%}
    {%- set column = dict(described) -%}
    {%- set types = described['constraints'] | map(attribute='type') | list -%}
    {%- set written = described['data_type'] or '' -%}
    {%- do column.update({
        'data_type': _sqlite_strict_type(written) if config.get('strict') else _sqlite_declared_type(written)
    }) -%}
    {%- if 'primary_key' in types or name in keys -%}
      {%- if column['data_type'] | lower | trim == 'integer' -%}
        {%- do column.update({'data_type': 'int'}) -%}
      {%- endif -%}
      {%- if 'not_null' not in types -%}
        {%- do column.update({'constraints': described['constraints'] + [{'type': 'not_null'}]}) -%}
      {%- endif -%}
    {%- endif -%}
    {%- do columns.update({name: column}) -%}
  {%- endfor -%}
  {%- set lines = adapter.render_raw_columns_constraints(raw_columns=columns)
      + adapter.render_raw_model_constraints(raw_constraints=model['constraints']) -%}
  (
    {{ lines | join(',\n    ') }}
  )
{%- endmacro %}

{% macro _sqlite_column_definitions(sql) -%}
  {%- set described = {} -%}
  {%- for column in (model['columns'] or {}).values() if column.get('data_type') -%}
    {%- do described.update({column['name'] | lower: _sqlite_declared_type(column['data_type'])}) -%}
  {%- endfor -%}
  {%- set lines = [] -%}
  {%- for column in get_column_schema_from_query(sql, config.get('sql_header', none)) -%}
    {%- set data_type = described.get(column.name | lower, column.data_type) -%}
    {%- if config.get('strict') -%}
      {%- set data_type = _sqlite_strict_type(data_type) -%}
    {%- endif -%}
    {%- do lines.append((adapter.quote(column.name) ~ ' ' ~ data_type) | trim) -%}
  {%- endfor -%}
  {{ return(lines) }}
{%- endmacro %}

{# What a column is declared as: a word that says nothing to SQLite would make numbers of texts that look like them. #}
{% macro _sqlite_declared_type(data_type) -%}
  {%- set known = ['int', 'char', 'clob', 'text', 'blob', 'real', 'floa', 'doub', 'num', 'dec', 'bool', 'date', 'time'] -%}
  {%- set found = known | select('in', data_type | lower) | list -%}
  {{ return(data_type if found or not data_type else data_type ~ ' text') }}
{%- endmacro %}

{# A strict table knows six types: a column has the one that its affinity would be (SQLite documentation, "Determination Of
   Column Affinity"), of dates and times text. #}
{% macro _sqlite_strict_type(data_type) -%}
  {%- set name = data_type | lower -%}
  {%- set rules = [
      ('int', 'integer'), ('bool', 'integer'), ('char', 'text'), ('clob', 'text'), ('text', 'text'), ('string', 'text'),
      ('date', 'text'), ('time', 'text'), ('json', 'text'), ('blob', 'blob'), ('real', 'real'), ('floa', 'real'),
      ('doub', 'real'), ('num', 'real'), ('dec', 'real')
  ] -%}
  {%- for part, strict in rules if part in name -%}
    {%- if loop.first -%}
      {{ return(strict) }}
    {%- endif -%}
  {%- endfor -%}
  {{ return('any') }}
{%- endmacro %}

{# A copy of rows whose columns get new types: values stay as they are, and a cast would change them. #}
{% macro sqlite__strata_copy_table(relation, columns, sql) -%}
  {%- if config.get('contract').enforced -%}
    {{ return(create_table_as(false, relation, sql)) }}
  {%- endif -%}
  {%- set definitions = [] -%}
  {%- for column in columns -%}
    {%- set data_type = _sqlite_strict_type(column.dtype) if config.get('strict') else column.dtype -%}
    {%- do definitions.append((adapter.quote(column.name) ~ ' ' ~ data_type) | trim) -%}
  {%- endfor %}
  create table {{ relation }} (
    {{ definitions | join(',\n    ') }}
  ){{ ' strict' if config.get('strict') }};
  insert into {{ relation }}
  {{ sql }};
{%- endmacro %}

{% macro sqlite__create_view_as(relation, sql) -%}
  {%- if config.get('contract').enforced -%}
    {{ get_assert_columns_equivalent(sql) }}
  {%- endif -%}
  {%- if config.get('sql_header') %}
  {{ config.get('sql_header') }}
  {%- endif %}
  create view {{ relation }} as
  {{ sql }};
{%- endmacro %}

{# Names only: an expression has no type, and a column takes what its affinity lets through. #}
{% macro sqlite__format_column(column) -%}
  {{ return({'name': column.name, 'data_type': column.dtype, 'formatted': column.name | lower}) }}
{%- endmacro %}

{# The name stands in the schema of its table, and is unique there. #}
{% macro sqlite__get_create_index_sql(relation, index_dict) -%}
  {%- set index = adapter.parse_index(index_dict) -%}
  create {{ 'unique ' if index.unique }}index {{ relation.schema }}."{{ index.render(relation) }}"
  on {{ adapter.quote(relation.identifier) }} ({{ index.columns | join(', ') }});
{%- endmacro %}

{% macro sqlite__get_create_materialized_view_as_sql(relation, sql) -%}
  {%- do exceptions.raise_compiler_error('SQLite has no materialized views: `table` keeps the rows of a query') -%}
{%- endmacro %}
