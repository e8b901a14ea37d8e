{# SQLite: the cross-database expressions for which the common text does not do. Dates and times are ISO text; `date_trunc`,
   `dateadd`, `datediff`, `split_part` and `md5` are functions that every connection has. #}

{# What `cast` says of other engines: SQLite's own makes 2024 of a date, 0 of 'true' and of 'abc', and 7 of a code '007' whose
   type it does not know. What is not of the type is null, since nothing in SQL raises an error here. #}
{% macro sqlite__cast(field, type) -%}
  {%- set name = (type | lower).split('(')[0] | trim -%}
  {%- if name == 'date' -%}
    case when {{ _sqlite_is_day(field) }} then date({{ field }}) end
  {%- elif name in ['timestamp', 'datetime', 'timestamptz', 'timestamp without time zone', 'timestamp with time zone'] -%}
    case when {{ _sqlite_is_day(field) }} then rtrim(rtrim(datetime({{ field }}, 'subsec'), '0'), '.') end
  {%- elif name == 'time' -%}
    case when {{ field }} like '__:__%' then time({{ field }}) end
  {%- elif name in ['boolean', 'bool'] -%}
    {{ _sqlite_boolean(field) }}
  {%- elif name in ['int', 'integer', 'bigint', 'smallint', 'tinyint', 'int2', 'int4', 'int8'] -%}
    {{ _sqlite_integer(field) }}
  {%- elif name in ['numeric', 'decimal', 'number'] and ',' in type -%}
    round({{ _sqlite_number(field) }}, {{ type.split(',')[1].split(')')[0] | trim }})
  {%- elif name in ['numeric', 'decimal', 'number', 'real', 'double', 'double precision', 'float', 'float4', 'float8'] -%}
    cast({{ _sqlite_number(field) }} as real)
  {%- else -%}
    cast({{ field }} as {{ 'blob' if name in ['blob', 'bytea', 'binary', 'varbinary'] else 'text' }})
  {%- endif -%}
{%- endmacro %}

{% macro sqlite__safe_cast(field, type) -%}
  {{ return(cast(field, type)) }}
{%- endmacro %}

{# A text that begins with a day that there is: SQLite's functions also take numbers, words like `now` and the thirtieth of
   February. #}
{% macro _sqlite_is_day(field) -%}
  {{ field }} like '____-__-__%' and date(substr({{ field }}, 1, 10)) = substr({{ field }}, 1, 10)
{%- endmacro %}

{# A number, or a text that is one: only such a text is equal to the number that is made of it. #}
{% macro _sqlite_is_number(field) -%}
  typeof({{ field }}) in ('integer', 'real') or cast({{ field }} as numeric) = cast({{ field }} as text)
{%- endmacro %}

{% macro _sqlite_number(field) -%}
  case when {{ _sqlite_is_number(field) }} then cast({{ field }} as numeric) end
{%- endmacro %}

{# The nearest whole number, of those that there are. No step goes through a double, which has not all of them. #}
{% macro _sqlite_integer(field) -%}
  {%- set number -%} cast({{ field }} as numeric) {%- endset -%}
  case when ({{ _sqlite_is_number(field) }}) and {{ number }} between -9223372036854775808 and 9223372036854775807
    then cast({{ number }} as integer) + cast(round({{ number }} - cast({{ number }} as integer)) as integer)
  end
{%- endmacro %}

{% macro _sqlite_boolean(field) -%}
  case lower(cast({{ field }} as text))
    when 'true' then 1 when 't' then 1 when 'yes' then 1 when 'y' then 1 when '1' then 1
    when 'false' then 0 when 'f' then 0 when 'no' then 0 when 'n' then 0 when '0' then 0
  end
{%- endmacro %}

{% macro sqlite__cast_bool_to_text(field) -%}
  case when {{ field }} then 'true' when not {{ field }} then 'false' end
{%- endmacro %}

{% macro sqlite__any_value(expression) -%}
  max({{ expression }})
{%- endmacro %}

{% macro sqlite__bool_or(expression) -%}
  max({{ expression }})
{%- endmacro %}

{% macro sqlite__position(substring_text, string_text) -%}
  instr({{ string_text }}, {{ substring_text }})
{%- endmacro %}

{% macro sqlite__right(string_text, length_expression) -%}
  case when {{ length_expression }} <= 0 then '' else substr({{ string_text }}, -({{ length_expression }})) end
{%- endmacro %}

{# The function counts from the end by itself. #}
{% macro sqlite__split_part(string_text, delimiter_text, part_number) -%}
  split_part({{ string_text }}, {{ delimiter_text }}, {{ part_number }})
{%- endmacro %}

{% macro sqlite__listagg(measure, delimiter_text, order_by_clause, limit_num) -%}
  {%- if limit_num -%}
    {%- do exceptions.raise_compiler_error('SQLite has no lists: `listagg` takes no limit there') -%}
  {%- endif -%}
  group_concat({{ measure }}, {{ delimiter_text }}{{ ' ' ~ order_by_clause if order_by_clause }})
{%- endmacro %}

{% macro sqlite__date(year, month, day) -%}
  '{{ modules.datetime.date(year, month, day).strftime('%Y-%m-%d') }}'
{%- endmacro %}

{% macro sqlite__date_trunc(datepart, date) -%}
  date_trunc('{{ datepart }}', {{ date }})
{%- endmacro %}

{% macro sqlite__dateadd(datepart, interval, from_date_or_timestamp) -%}
  dateadd('{{ datepart }}', {{ interval }}, {{ from_date_or_timestamp }})
{%- endmacro %}

{% macro sqlite__datediff(first_date, second_date, datepart) -%}
  datediff('{{ datepart }}', {{ first_date }}, {{ second_date }})
{%- endmacro %}

{% macro sqlite__last_day(date, datepart) -%}
  date({{ dateadd('day', '-1', dateadd(datepart, '1', date_trunc(datepart, date))) }})
{%- endmacro %}

{% macro sqlite__generate_series(upper_bound) %}
  with recursive numbers(generated_number) as (
    select 1
    union all
    select generated_number + 1 from numbers where generated_number < {{ upper_bound }}
  )
  select generated_number
  from numbers
{% endmacro %}
