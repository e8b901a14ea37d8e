{# Questions that models ask about their own configuration and about this invocation. #}

{# Only a table that is already there, of this very kind, can be added to. #}
{% macro is_incremental() %}
  {%- if not execute -%}
    {{ return(false) }}
  {%- endif -%}
  {%- set existing = load_cached_relation(this) -%}
  {{ return(
      existing is not none
      and existing.type == 'table'
      and config.get('materialized') == 'incremental'
      and not should_full_refresh()
  ) }}
{% endmacro %}

{# What the node says goes before what the command line says, in both directions. #}
{% macro should_full_refresh() %}
  {%- set configured = config.get('full_refresh') -%}
  {{ return(flags.FULL_REFRESH if configured is none else configured) }}
{% endmacro %}

{% macro should_store_failures() %}
  {%- set configured = config.get('store_failures') -%}
  {{ return(flags.STORE_FAILURES if configured is none else configured) }}
{% endmacro %}

{# To be used as a call block: the header is its body, so that it can be SQL of many lines and call macros. #}
{% macro set_sql_header(config) -%}
  {%- do config.set('sql_header', caller()) -%}
{%- endmacro %}

{# Packages ask this to tell two generations of dbt apart. #}
{% macro is_core_v2() %}
  {{ return(false) }}
{% endmacro %}
