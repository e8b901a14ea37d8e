{# Materialized views: their SQL, which is the adapter's, and the steps of the materialization. #}

{% macro get_create_materialized_view_as_sql(relation, sql) -%}
  {{ return(adapter.dispatch('get_create_materialized_view_as_sql', 'dbt')(relation, sql)) }}
{%- endmacro %}

{% macro default__get_create_materialized_view_as_sql(relation, sql) -%}
  {%- do exceptions.raise_compiler_error('this engine has no `get_create_materialized_view_as_sql`') -%}
{%- endmacro %}

{% macro refresh_materialized_view(relation) -%}
  {%- do log('refresh: ' ~ relation) -%}
  {{ return(adapter.dispatch('refresh_materialized_view', 'dbt')(relation)) }}
{%- endmacro %}

{% macro default__refresh_materialized_view(relation) -%}
  {%- do exceptions.raise_compiler_error('this engine has no `refresh_materialized_view`') -%}
{%- endmacro %}

{% macro get_alter_materialized_view_as_sql(
    relation, configuration_changes, sql, existing_relation, backup_relation, intermediate_relation
) -%}
  {%- do log('alter: ' ~ relation) -%}
  {{ return(adapter.dispatch('get_alter_materialized_view_as_sql', 'dbt')(
      relation, configuration_changes, sql, existing_relation, backup_relation, intermediate_relation
  )) }}
{%- endmacro %}

{% macro default__get_alter_materialized_view_as_sql(
    relation, configuration_changes, sql, existing_relation, backup_relation, intermediate_relation
) -%}
  {%- do exceptions.raise_compiler_error(adapter.type() ~ ' has no materialized views') -%}
{%- endmacro %}

{# None when the database holds what the config says. #}
{% macro get_materialized_view_configuration_changes(existing_relation, new_config) -%}
  {%- do log('changes of ' ~ existing_relation) -%}
  {%- do return(adapter.dispatch('get_materialized_view_configuration_changes', 'dbt')(existing_relation, new_config)) -%}
{%- endmacro %}

{% macro default__get_materialized_view_configuration_changes(existing_relation, new_config) -%}
  {%- do exceptions.raise_compiler_error(adapter.type() ~ ' has no materialized views') -%}
{%- endmacro %}


{# What a killed run left behind is in the way. #}
{% macro materialized_view_setup(backup_relation, intermediate_relation, pre_hooks) %}
  {%- do drop_relation_if_exists(load_cached_relation(intermediate_relation)) -%}
  {%- do drop_relation_if_exists(load_cached_relation(backup_relation)) -%}
  {{ run_hooks(pre_hooks, inside_transaction=False) }}
{% endmacro %}

{% macro materialized_view_teardown(backup_relation, intermediate_relation, post_hooks) %}
  {%- do drop_relation_if_exists(backup_relation) -%}
  {%- do drop_relation_if_exists(intermediate_relation) -%}
  {{ run_hooks(post_hooks, inside_transaction=False) }}
{% endmacro %}

{# A view that is there is refreshed, and changed in place where that is allowed. An empty text means: do nothing. #}
{% macro materialized_view_get_build_sql(existing_relation, target_relation, backup_relation, intermediate_relation) %}
  {%- if existing_relation is none -%}
    {{ return(get_create_materialized_view_as_sql(target_relation, sql)) }}
  {%- elif should_full_refresh() or not existing_relation.is_materialized_view -%}
    {{ return(get_replace_sql(existing_relation, target_relation, sql)) }}
  {%- endif -%}
  {%- set on_change = config.get('on_configuration_change') -%}
  {%- set changes = get_materialized_view_configuration_changes(existing_relation, config) -%}
  {%- if changes is none -%}
    {{ return(refresh_materialized_view(target_relation)) }}
  {%- elif on_change == 'apply' -%}
    {{ return(get_alter_materialized_view_as_sql(
        target_relation, changes, sql, existing_relation, backup_relation, intermediate_relation
    )) }}
  {%- elif on_change == 'continue' -%}
    {%- do exceptions.warn(target_relation.render() ~ ' has other configs than asked for; `on_configuration_change: continue` leaves it') -%}
    {{ return('') }}
  {%- elif on_change == 'fail' -%}
    {%- do exceptions.raise_fail_fast_error(target_relation.render() ~ ' has other configs than asked for; `on_configuration_change: fail` stops here') -%}
  {%- endif -%}
  {%- do exceptions.raise_compiler_error('`on_configuration_change` is apply, continue or fail, not `' ~ on_change ~ '`') -%}
{% endmacro %}

{% macro materialized_view_execute_no_op(target_relation) %}
  {%- do store_raw_result(name='main', message='skip ' ~ target_relation, code='skip', rows_affected='-1') -%}
{% endmacro %}

{% macro materialized_view_execute_build_sql(build_sql, existing_relation, target_relation, post_hooks) %}
  {{ run_hooks(pre_hooks, inside_transaction=True) }}
  {% call statement(name='main') -%}
    {{ build_sql }}
  {%- endcall %}
  {%- do apply_grants(target_relation, config.get('grants'), should_revoke=should_revoke(existing_relation, full_refresh_mode=True)) -%}
  {%- do persist_docs(target_relation, model) -%}
  {{ run_hooks(post_hooks, inside_transaction=True) }}
  {{ adapter.commit() }}
{% endmacro %}
