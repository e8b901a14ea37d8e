{# The current time as SQL, and dates as Python values. #}

{% macro current_timestamp() -%}
  {{ return(adapter.dispatch('current_timestamp', 'dbt')()) }}
{%- endmacro %}

{% macro default__current_timestamp() -%}
  {%- do exceptions.raise_not_implemented('there is no macro current_timestamp for ' ~ adapter.type()) -%}
{%- endmacro %}

{# Old packages rely on these two; they differ from the above in having no time zone. #}
{% macro current_timestamp_backcompat() -%}
  {{ return(adapter.dispatch('current_timestamp_backcompat', 'dbt')()) }}
{%- endmacro %}

{% macro default__current_timestamp_backcompat() -%}
  current_timestamp::timestamp
{%- endmacro %}

{% macro current_timestamp_in_utc_backcompat() -%}
  {{ return(adapter.dispatch('current_timestamp_in_utc_backcompat', 'dbt')()) }}
{%- endmacro %}

{% macro default__current_timestamp_in_utc_backcompat() -%}
  {{ return(current_timestamp_backcompat()) }}
{%- endmacro %}

{# The time that a snapshot writes into its rows. #}
{% macro snapshot_get_time() -%}
  {{ return(adapter.dispatch('snapshot_get_time', 'dbt')()) }}
{%- endmacro %}

{% macro default__snapshot_get_time() -%}
  {{ return(current_timestamp()) }}
{%- endmacro %}

{% macro get_snapshot_get_time_data_type() -%}
  {%- set columns = get_column_schema_from_query('select ' ~ snapshot_get_time() ~ ' as dbt_snapshot_time') -%}
  {{ return(columns[0].dtype) }}
{%- endmacro %}


{% macro convert_datetime(date_str, date_fmt) %}
  {{ return(try_or_compiler_error(
      "The date '" ~ date_str ~ "' does not have the format '" ~ date_fmt ~ "'",
      modules.datetime.datetime.strptime, date_str.strip(), date_fmt
  )) }}
{% endmacro %}

{# Every day from the first to the last, both included, as texts. #}
{% macro dates_in_range(start_date_str, end_date_str=none, in_fmt="%Y%m%d", out_fmt="%Y%m%d") %}
  {%- set first = convert_datetime(start_date_str, in_fmt) -%}
  {%- set last = first if end_date_str is none else convert_datetime(end_date_str, in_fmt) -%}
  {%- set days = (last - first).days + 1 -%}
  {%- if days < 1 -%}
    {%- do exceptions.raise_compiler_error(
        'the first date is behind the last: ' ~ start_date_str ~ ', ' ~ end_date_str) -%}
  {%- endif -%}
  {%- set dates = [] -%}
  {%- for day in range(days) -%}
    {%- do dates.append((first + modules.datetime.timedelta(days=day)).strftime(out_fmt)) -%}
  {%- endfor -%}
  {{ return(dates) }}
{% endmacro %}

{# One date, or two with a comma between them. #}
{% macro partition_range(raw_partition_date, date_fmt='%Y%m%d') %}
  {%- set ends = (raw_partition_date | string).split(',') -%}
  {%- if ends | length > 2 -%}
    {%- do exceptions.raise_compiler_error(
        'a date, or two with a comma between, not `' ~ raw_partition_date ~ '`') -%}
  {%- endif -%}
  {{ return(dates_in_range(ends[0], ends[1] if ends | length == 2 else none, in_fmt=date_fmt, out_fmt=date_fmt)) }}
{% endmacro %}

{# Fit for names: microseconds keep two runs apart. #}
{% macro py_current_timestring() %}
  {%- do return(modules.datetime.datetime.now().strftime('%Y%m%d%H%M%S%f')) -%}
{% endmacro %}
