{# DuckDB: tables that are files outside the database. #}

{# Where a model's file goes when it names no location. #}
{% macro external_location(relation, config) -%}
  {%- set options = config.get('options', {}) -%}
  {%- set root = adapter.external_root() -%}
  {#- A partitioned file is a folder of files. -#}
  {%- if options.get('partition_by') -%}
    {{ root }}/{{ relation.identifier }}
  {%- else -%}
    {{ root }}/{{ relation.identifier }}.{{ config.get('format', 'parquet') }}
  {%- endif -%}
{%- endmacro %}

{# The options of `copy`, with the configs that stand outside of them. #}
{% macro render_write_options(config) -%}
  {%- set options = (config.get('options') or {}).copy() -%}
  {%- for name in ['format', 'delimiter'] if config.get(name) is not none and name not in options -%}
    {%- do options.update({name: config.get(name)}) -%}
  {%- endfor -%}
  {%- do return(options) -%}
{%- endmacro %}

{# `options` is what `adapter.external_write_options` made of them. #}
{% macro write_to_file(relation, location, options) -%}
  {%- call statement('write_to_file') -%}
    copy {{ relation }} to '{{ location }}' ({{ options }})
  {%- endcall -%}
{%- endmacro %}

{% macro location_exists(location) -%}
  {%- do return(adapter.location_exists(location)) -%}
{%- endmacro %}

{# Plugins are Python: the adapter says so. #}
{% macro store_relation(plugin, relation, location, format, config) -%}
  {%- do adapter.store_relation(plugin, relation, adapter.get_column_schema_from_query('select * from ' ~ relation), location, format, config) -%}
{%- endmacro %}

{# For a database in memory, which forgets its views over the files of earlier runs: those that the selection reads come back. #}
{% macro register_upstream_external_models() -%}
  {%- if execute -%}
    {%- set upstream = [] -%}
    {%- for unique_id in selected_resources -%}
      {%- set node = graph['nodes'].get(unique_id) or {} -%}
      {%- for parent_id in node.get('depends_on', {}).get('nodes', []) -%}
        {%- set parent = graph['nodes'].get(parent_id) -%}
        {%- if parent and parent_id not in selected_resources and parent_id not in upstream
            and parent.resource_type == 'model' and parent.config.materialized == 'external' -%}
          {%- do upstream.append(parent_id) -%}
          {%- set relation = api.Relation.create(database=parent['database'], schema=parent['schema'], identifier=parent['alias']) -%}
          {%- set options = render_write_options(parent.config) -%}
          {%- set location = parent.config.get('location') or external_location(relation, parent.config) -%}
          {%- do adapter.create_schema(relation) -%}
          {%- call statement('main', language='sql') -%}
            create or replace view {{ relation }} as (
              select * from {{ adapter.external_read_location(location, options) }}
            );
          {%- endcall -%}
        {%- endif -%}
      {%- endfor -%}
    {%- endfor -%}
    {%- do adapter.commit() -%}
  {%- endif -%}
{%- endmacro %}
