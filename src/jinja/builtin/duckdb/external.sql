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

{# The options of `copy`, with the configs that stand outside of them and win. #}
{% macro render_write_options(config) -%}
  {%- set written = config.get('options') or {} -%}
  {%- if written is not mapping -%}
    {%- do exceptions.raise_compiler_error('`options` of an external model is a mapping') -%}
  {%- endif -%}
  {%- set options = {} -%}
  {%- for name, value in written.items() -%}
    {%- do options.update({name: render(value) if value is string else value}) -%}
  {%- endfor -%}
  {%- for name in ['format', 'delimiter'] if config.get(name) -%}
    {%- do options.update({name: render(config.get(name))}) -%}
  {%- endfor -%}
  {%- do return(options) -%}
{%- endmacro %}

{# What `external` has to know of a model's file, as JSON. #}
{% macro strata_external_place(relation) -%}
  {%- set location = render(config.get('location') or external_location(relation, config)) | trim -%}
  {%- set options = render_write_options(config) -%}
  {%- set formats = ['csv', 'parquet', 'json'] -%}
  {%- set format = config.get('format') -%}
  {%- if format and format not in formats -%}
    {%- do exceptions.raise_compiler_error('`format` of an external model is ' ~ formats | join(', ') ~ ', not ' ~ format) -%}
  {%- endif -%}
  {%- set adds = [] -%}
  {%- for name, value in options.items() if name | lower in ['append', 'overwrite_or_ignore'] and value | string | lower not in ['false', '0'] -%}
    {%- do adds.append(name) -%}
  {%- endfor -%}
  {{ tojson({
      'location': location,
      'read_location': adapter.external_read_location(location, options),
      'write_options': adapter.external_write_options(location, options),
      'format': strata_file_format(location, config),
      'is_folder': options.get('partition_by') is not none or options.get('per_thread_output') is not none,
      'adds': adds | length > 0,
  }) }}
{%- endmacro %}

{# The format in which a file is read: that of the config, else by its extension. A delimiter alone makes it CSV. #}
{% macro strata_file_format(location, config) -%}
  {%- set name = location.split('/')[-1] -%}
  {%- set extension = name.split('.')[-1] | lower if '.' in name else '' -%}
  {%- set by_delimiter = not extension and (config.get('delimiter') or (config.get('options') or {}).get('delimiter')) -%}
  {{ return(config.get('format') or (extension if extension in ['csv', 'parquet', 'json'] else 'csv' if by_delimiter else 'parquet')) }}
{%- endmacro %}

{# A text if there are no rows. #}
{% macro strata_external_is_empty(rows) -%}
  {{ 'empty' if run_query('select 1 from ' ~ rows ~ ' limit 1').rows | length == 0 }}
{%- endmacro %}

{# A row of nulls, so that the file has columns. #}
{% macro strata_external_fill_sql(rows) -%}
  insert into {{ rows }} values (
    {%- for column in adapter.get_columns_in_relation(rows) -%}
      {{ ', ' if not loop.first }}null
    {%- endfor -%}
  )
{%- endmacro %}

{# A view over a file. `empty` are the rows, if there are none but the row of nulls. #}
{% macro strata_external_view_sql(relation, location, format, empty=none) -%}
  create or replace view {{ relation }} as (
    select * from {{ strata_read_file(location, format, config) }}
    {%- if empty is not none %}
    where true
      {%- for column in adapter.get_columns_in_relation(empty) %}
      and {{ adapter.quote(column.name) }} is not null
      {%- endfor -%}
    {%- endif %}
  )
{%- endmacro %}

{# The call that reads a file, with the options of the config for its format. #}
{% macro strata_read_file(location, format, config) -%}
  {%- set usual = {'parquet': {'union_by_name': false}, 'csv': {'auto_detect': true}, 'json': {'auto_detect': true}} -%}
  {%- set options = config.get(format ~ '_read_options') or usual[format] -%}
  read_{{ format }}('{{ location }}'
  {%- for name, value in options.items() -%}
    , {{ name }}={{ "'" ~ value ~ "'" if value is string else value }}
  {%- endfor -%}
  )
{%- endmacro %}

{# A model as a function that gives rows. #}
{% macro strata_table_function_sql(relation, sql) -%}
  {%- set parameters = config.get('parameters') -%}
  create or replace macro {{ relation.render() }}(
    {%- if parameters is string or parameters is number -%}
      {{ parameters }}
    {%- elif parameters -%}
      {{ parameters | join(', ') }}
    {%- endif -%}
  ) as table (
    {{ sql }}
  )
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
            and parent.resource_type in ['model', 'seed'] and parent.config.materialized == 'external' -%}
          {%- do upstream.append(parent_id) -%}
          {%- set relation = api.Relation.create(database=parent['database'], schema=parent['schema'], identifier=parent['alias']) -%}
          {%- set options = render_write_options(parent.config) -%}
          {%- set location = render(parent.config.get('location') or external_location(relation, parent.config)) | trim -%}
          {%- do adapter.create_schema(relation) -%}
          {%- call statement('main', language='sql') -%}
            create or replace view {{ relation }} as (
              select * from {{ strata_read_file(adapter.external_read_location(location, options), strata_file_format(location, parent.config), parent.config) }}
            );
          {%- endcall -%}
        {%- endif -%}
      {%- endfor -%}
    {%- endfor -%}
    {%- do adapter.commit() -%}
  {%- endif -%}
{%- endmacro %}
