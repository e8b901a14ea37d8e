#!/usr/bin/env python3
"""What dbt makes of semantic models, metrics and saved queries: writes semantic.json.

    python3 -m venv dbt && dbt/bin/pip install dbt-core==1.11.16 dbt-duckdb==1.10.1
    dbt/bin/python tests/dbt/semantic.py tests/dbt/semantic.json

A case changes one text of a project that has every kind of metric; `dbt parse` reads it. The answer has the error, or the
resources of the semantic layer as manifest.json and semantic_manifest.json have them (where they differ from the
project without a change), and what dbt warned of.
"""
import json
import multiprocessing
import os
import re
import shutil
import sys
import tempfile

from dbt.cli.main import dbtRunner
from dbt.deprecations import reset_deprecations

FILES = {
    "dbt_project.yml": """name: shop
version: '1.0'
profile: p
flags: {send_anonymous_usage_stats: false}
metrics: {shop: {+meta: {of: project}}}
semantic-models: {+meta: {layer: semantic}}
saved-queries: {+schema: exported}
""",
    "profiles.yml": "p: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb, schema: main, threads: 1}}}\n",
    "models/orders.sql": "select 1 as order_id, 2 as customer_id, date '2024-01-01' as ordered_at, 'web' as channel, 3.5 as amount\n",
    "models/customers.sql": "select 2 as customer_id, date '2024-01-01' as joined_on, 'DE' as country\n",
    "models/visits.sql": "select 1 as visit_id, 2 as customer_id, date '2024-01-01' as visited_at\n",
    "models/days.sql": "select date '2024-01-01' as day, 1 as fiscal_year\n",
    "models/models.yml": """models:
  - name: orders
  - name: days
    time_spine:
      standard_granularity_column: day
      custom_granularities:
        - name: fiscal_year
        - {name: retail_year, column_name: fiscal_year}
    columns:
      - name: day
        granularity: day
      - name: fiscal_year
groups: [{name: sales, owner: {name: Ann}}]
""",
    "models/semantic.yml": """semantic_models:
  - name: orders
    label: Orders
    description: "{{ doc('orders') }}"
    model: ref('orders')
    defaults:
      agg_time_dimension: ordered_at
    config: {group: sales, meta: {owner: Ann}}
    entities:
      - name: order_id
        type: primary
      - name: customer
        type: foreign
        expr: customer_id
        role: buyer
        description: who buys
    dimensions:
      - name: ordered_at
        type: time
        type_params: {time_granularity: day}
        label: Ordered
        config: {meta: {owner: Bob, x: 1}}
      - name: channel
        type: categorical
        is_partition: true
        expr: lower(channel)
    measures:
      - name: revenue
        agg: sum
        expr: amount
        create_metric: true
        label: Revenue
      - name: order_count
        agg: sum
        expr: 1
      - name: typical_amount
        agg: percentile
        expr: amount
        agg_params: {percentile: 0.9, use_discrete_percentile: true}
      - name: buyers
        agg: count_distinct
        expr: customer_id
        agg_time_dimension: ordered_at
      - name: last_amount
        agg: max
        expr: amount
        non_additive_dimension: {name: ordered_at, window_choice: max, window_groupings: [customer]}
  - name: customers
    model: ref('customers')
    primary_entity: customer
    defaults: {agg_time_dimension: joined_on}
    entities:
      - {name: country_key, type: foreign, expr: country}
    dimensions:
      - {name: joined_on, type: time, type_params: {time_granularity: day}}
      - {name: country, type: categorical}
    measures:
      - {name: customer_count, agg: count, expr: customer_id, description: how many}
  - name: visits
    model: ref('visits')
    entities:
      - {name: visit, type: primary, expr: visit_id}
      - {name: customer, type: foreign, expr: customer_id}
    dimensions:
      - {name: visited_at, type: time, type_params: {time_granularity: day}}
    measures:
      - {name: visit_count, agg: count, expr: visit_id, agg_time_dimension: visited_at}
""",
    "models/metrics.yml": """metrics:
  - name: order_total
    label: Order total
    description: all that was paid
    type: simple
    type_params:
      measure: revenue
    filter: "{{ Dimension('order_id__channel') }} = 'web'"
    config: {group: sales}
    meta: {top: 1}
    tags: [money, finance]
  - name: web_revenue
    label: Web revenue
    type: simple
    time_granularity: month
    type_params:
      measure:
        name: revenue
        alias: revenue_of_web
        filter:
          - "{{ Dimension('order_id__channel') }} = 'web'"
          - "{{ TimeDimension('order_id__ordered_at', 'month') }} > '2024-01-01'"
        join_to_timespine: true
        fill_nulls_with: 0
  - name: orders_per_customer
    label: Orders per customer
    type: ratio
    type_params:
      numerator: {name: orders_made, filter: "{{ Entity('customer') }} > 0", alias: made}
      denominator: customers_there
  - name: orders_made
    label: Orders made
    type: simple
    type_params: {measure: order_count}
  - name: customers_there
    label: Customers
    type: simple
    type_params: {measure: customer_count}
  - name: growth
    label: Growth
    type: derived
    type_params:
      expr: order_total - before
      metrics:
        - order_total
        - {name: order_total, alias: before, offset_window: 2 Months}
        - {name: orders_made, offset_to_grain: month, filter: "{{ Dimension('customer__country') }} = 'DE'"}
  - name: revenue_so_far
    label: So far
    type: cumulative
    type_params:
      measure: revenue
      cumulative_type_params: {grain_to_date: month, period_agg: average}
  - name: revenue_of_week
    label: Of a week
    type: cumulative
    type_params:
      measure: {name: revenue, alias: weekly}
      window: 7 days
  - name: visit_to_order
    label: Conversion
    type: conversion
    type_params:
      conversion_type_params:
        entity: customer
        calculation: conversions
        base_measure: {name: visit_count, fill_nulls_with: 0}
        conversion_measure: order_count
        window: 7 days
        constant_properties:
          - {base_property: customer, conversion_property: customer}
""",
    "models/saved.yml": """saved_queries:
  - name: sales_by_country
    label: Sales
    description: what is sold where
    query_params:
      metrics: [order_total, growth]
      group_by:
        - TimeDimension('metric_time', 'month')
        - Dimension('customer__country')
        - Entity('customer')
      where:
        - "{{ TimeDimension('metric_time', 'fiscal_year') }} > '2020'"
        - "{{ Metric('orders_made', group_by=['customer']) }} > 1"
      order_by:
        - Metric('order_total').descending(True)
        - Dimension('customer__country')
      limit: 10
    exports:
      - name: sales_table
        config: {export_as: table, alias: sales, schema: reports}
      - name: sales_view
        config: {export_as: view}
    config: {cache: {enabled: true}, meta: {a: 1}, group: sales}
    tags: [weekly, report]
""",
    "models/docs.md": "{% docs orders %}One row an order{% enddocs %}\n",
}
EVERY = "models/semantic.yml", "models/metrics.yml", "models/saved.yml", "models/models.yml", "dbt_project.yml"


def variants():
    """(what is replaced, by what): in the one file that has the text"""
    yield "", ""
    # names
    for new in ["Revenue", "a", "day", "metric_time", "re__venue", "revenue_", "1revenue", "select", "order_id", "channel", "rev-enue", "customer_count", "orders"]:
        yield "      - name: revenue\n        agg: sum", "      - name: %s\n        agg: sum" % new
    for new in ["Orders_made", "x", "orders made", "1m", "order_total", "quarter", "é_metric", "a" * 251, "revenue", "mf_internal_uuid"]:
        yield "  - name: orders_made\n", "  - name: %s\n" % new
    for new in ["Customers", "orders", "c", "customer"]:
        yield "  - name: customers\n    model", "  - name: %s\n    model" % new
    for new in ["Sales", "s", "sales__x"]:
        yield "  - name: sales_by_country", "  - name: %s" % new
    for new in ["channel", "order_id", "ordered_at", "Where", "from", "country", "joined_on"]:
        yield "      - name: channel\n", "      - name: %s\n" % new
    for new in ["day", "revenue", "Fiscal", "retail_year"]:
        yield "        - name: fiscal_year\n", "        - {name: %s, column_name: fiscal_year}\n" % new
    # semantic models
    yield "    model: ref('customers')\n", ""
    for new in ["ref('gone')", "customers", "source('a', 'b')", "\"{{ ref('customers') }}\"", "ref('shop', 'customers')", "1"]:
        yield "    model: ref('customers')\n", "    model: %s\n" % new
    yield "    primary_entity: customer\n", ""
    yield "    primary_entity: customer\n", "    primary_entity: customer\n    unknown: 1\n"
    yield "{name: country_key, type: foreign, expr: country}", "{name: country_key, type: primary, expr: country}"
    yield "      - {name: country_key, type: foreign, expr: country}", "      - {name: country_key, type: primary, expr: country}\n      - {name: other, type: primary}"
    for new in ["natural", "unique", "PRIMARY", "none"]:
        yield "{name: country_key, type: foreign, expr: country}", "{name: country_key, type: %s, expr: country}" % new
    for new in ["{agg_time_dimension: gone}", "{agg_time_dimension: country}", "{}", "null", "{other: 1}", "{agg_time_dimension: 1}"]:
        yield "defaults: {agg_time_dimension: joined_on}", "defaults: " + new
    for new in ["hour", "week", "DAY", "century", "fiscal_year", "null"]:
        yield "{name: joined_on, type: time, type_params: {time_granularity: day}}", "{name: joined_on, type: time, type_params: {time_granularity: %s}}" % new
    for new in ["{name: joined_on, type: time}", "{name: joined_on, type: categorical}", "{name: joined_on}", "{name: joined_on, type: date}", "joined_on",
                "{name: joined_on, type: time, type_params: {time_granularity: day, validity_params: {is_start: true}}}",
                "{name: joined_on, type: time, type_params: {time_granularity: day, validity_params: {is_start: true, is_end: true}}}"]:
        yield "{name: joined_on, type: time, type_params: {time_granularity: day}}", new
    yield "is_partition: true", "is_partition: yes please"
    yield "      - {name: country, type: categorical}", "      - {name: country, type: categorical}\n      - {name: channel, type: categorical}"
    yield "      - {name: country, type: categorical}", "      - {name: country, type: categorical}\n      - {name: channel, type: categorical, is_partition: true}"
    yield "      - {name: country, type: categorical}", "      - {name: country, type: categorical, label: L}\n      - {name: country2, type: categorical, label: L}"
    yield "      - {name: country, type: categorical}", "      - {name: country, type: categorical}\n      - {name: country, type: categorical}"
    yield "      - {name: country, type: categorical}", "      - {name: country, type: time, type_params: {time_granularity: day}, config: {meta: [1]}}"
    yield "      - {name: country, type: categorical}", "      - {name: country, type: categorical, expr: 1}"
    yield "      - {name: country, type: categorical}", "      - {name: country, type: categorical, config: {enabled: true}, description: \"{{ doc('orders') }}\"}"
    for new in ["SUM", "total", "sum_boolean", "average", "median", "null"]:
        yield "{name: customer_count, agg: count, expr: customer_id, description: how many}", "{name: customer_count, agg: %s, expr: customer_id}" % new
    for new in ["{name: customer_count, agg: count}", "{name: customer_count, agg: count, expr: DISTINCT x}", "{name: customer_count, agg: count, expr: 1}", "{name: customer_count, agg: count, expr: true}",
                "{name: customer_count, agg: count, expr: 1.5}", "{name: customer_count, agg: percentile}", "{name: customer_count, agg: percentile, agg_params: {percentile: 1}}", "{name: customer_count}",
                "{name: customer_count, agg: percentile, agg_params: {percentile: 0.5, use_approximate_percentile: true}}", "{name: customer_count, agg: median, agg_params: {percentile: 0.4}}",
                "{name: customer_count, agg: median, agg_params: {use_discrete_percentile: true}}", "{name: customer_count, agg: sum, agg_params: {percentile: 0.4}}",
                "{name: customer_count, agg: sum, agg_params: {percentile: a}}", "{name: customer_count, agg: sum, create_metric: true, config: {meta: {b: 2}}}",
                "{name: customer_count, agg: sum, agg_time_dimension: gone}", "{name: customer_count, agg: sum, agg_time_dimension: country}",
                "{name: customer_count, agg: max, non_additive_dimension: {name: gone, window_choice: max}}", "{name: customer_count, agg: max, non_additive_dimension: {name: country, window_choice: max}}",
                "{name: customer_count, agg: max, non_additive_dimension: {name: joined_on, window_choice: sum}}", "{name: customer_count, agg: max, non_additive_dimension: {name: joined_on}}",
                "{name: customer_count, agg: max, non_additive_dimension: {name: joined_on, window_choice: min, window_groupings: [gone]}}",
                "{name: customer_count, agg: max, non_additive_dimension: {name: joined_on, window_choice: min, window_groupings: [country_key]}}",
                "{name: customer_count, agg: sum}\n      - {name: customer_sum, agg: sum, label: L}\n      - {name: customer_max, agg: max, label: L}",
                "{name: customer_count, agg: sum}\n      - {name: customer_count, agg: max}", "{name: customer_count, agg: sum}\n      - {name: revenue, agg: max}",
                "{name: customer_count, agg: sum, create_metric: true}\n      - {name: another, agg: max, create_metric: true, label: customer_count}",
                "{name: customer_count, agg: max, extra: 1}", "{name: customer_count, agg: sum, description: 1}", "{name: customer_count, agg: sum, create_metric: 1}"]:
        yield "{name: customer_count, agg: count, expr: customer_id, description: how many}", new
    yield "    label: Orders\n", "    label: Orders\n    config: {enabled: false}\n"
    yield "config: {group: sales, meta: {owner: Ann}}", "config: {enabled: false}"
    yield "config: {group: sales, meta: {owner: Ann}}", "config: {group: gone}"
    yield "config: {group: sales, meta: {owner: Ann}}", "config: {other: 1}"
    yield "  - name: visits\n", "  - name: visits\n    label: Orders\n"
    yield "{name: visit, type: primary, expr: visit_id}", "{name: visit, type: primary, expr: visit_id, label: A}\n      - {name: order_id, type: foreign, label: A}"
    yield "{name: visit, type: primary, expr: visit_id}", "{name: visit, type: primary, expr: visit_id}\n      - {name: country_key, type: foreign, label: A}"
    yield "{name: visit, type: primary, expr: visit_id}", "{name: visited_at, type: primary, expr: visit_id}"
    yield "{name: visit, type: primary, expr: visit_id}", "{name: country, type: primary, expr: visit_id}"
    yield "{name: visit, type: primary, expr: visit_id}", "{name: order_id, type: primary, expr: visit_id}"
    # metrics
    yield "type_params: {measure: order_count}", "type_params: {}"
    for new in ["gone", "{name: gone}", "{name: order_count, extra: 1}", "1", "{name: order_count, filter: 1}", "{name: order_count, fill_nulls_with: a}", "{name: order_count, fill_nulls_with: 1.5}",
                "{name: order_count, alias: customer_count}", "{name: order_count, alias: revenue_of_web}", "{name: order_count, alias: Bad}", "{name: order_count, filter: \"{{ Nope('a') }}\"}",
                "{name: order_count, filter: \"{{ Dimension('a\"}", "{name: order_count, filter: \"{{ Dimension('channel') }} = 1\"}", "{name: order_count, filter: \"x = 1\"}",
                "{name: order_count, filter: \"{{ Dimension('order_id__ordered_at').grain('week') }} = 1\"}", "{name: order_count, filter: \"{{ Dimension('order_id__ordered_at').grain('aeon') }} = 1\"}",
                "{name: order_count, filter: \"{{ Dimension('order_id__ordered_at').date_part('dow') }} = 1\"}", "{name: order_count, filter: \"{{ Dimension('order_id__ordered_at').date_part('x') }} = 1\"}",
                "{name: order_count, filter: \"{{ Metric('revenue') }} = 1\"}", "{name: order_count, filter: \"{{ Entity('order_id__day') }} = 1\"}", "{name: order_count, filter: \"{{ Entity('order_id').grain('day') }} = 1\"}",
                "{name: order_count, filter: \"{{ TimeDimension('order_id__ordered_at__month', 'day') }} = 1\"}", "{name: order_count, filter: \"{{ TimeDimension('order_id__ordered_at__month') }} = 1\"}",
                "{name: order_count, filter: \"{{ Dimension('metric_time') }} = 1\"}", "{name: order_count, filter: \"{{ Dimension('a__b__c') }} = 1\"}",
                "{name: order_count, filter: \"{{ Dimension('b__c', entity_path=['a']) }} = 1\"}", "{name: order_count, filter: \"{{ Dimension('b__c', ['a']) }} = 1\"}",
                "{name: order_count, filter: \"{{ Dimension(name='b__c') }} = 1\"}", "{name: order_count, filter: \"{{ Dimension() }} = 1\"}", "{name: order_count, filter: \"{{ Dimension('b__c', x=1) }} = 1\"}",
                "{name: order_count, filter: \"{{ Dimension('b__c').descending(True) }} = 1\"}", "{name: order_count, filter: \"{{ Dimension('b__c').nope() }} = 1\"}",
                "{name: order_count, filter: \"{{ TimeDimension('b__c').grain('day') }} = 1\"}", "{name: order_count, filter: \"{{ var('x') }} = 1\"}", "{name: order_count, filter: \"{{ 'x' }} = 1\"}",
                "{name: order_count, filter: \"{{ TimeDimension('b__c', time_granularity_name='hour') }} = 1\"}", "{name: order_count, filter: \"{{ TimeDimension('metric_time', 'DAY') }} = 1\"}",
                "{name: order_count, filter: [\"{{ Dimension('b__c') }} = 1\", 1]}", "{name: order_count, filter: \"{% if true %}{{ Dimension('b__c') }}{% endif %} = 1\"}",
                "{name: order_count, filter: \"{{ Metric('revenue', ['customer']) }} > 1\"}", "{name: order_count, filter: \"{{ Metric('a__revenue', ['customer']) }} > 1\"}"]:
        yield "type_params: {measure: order_count}", "type_params: {measure: %s}" % new
    for new in ["Simple", "SIMPLE", "sum", "derived", "ratio", "cumulative", "conversion", "1", "null"]:
        yield "    label: Orders made\n    type: simple\n", "    label: Orders made\n    type: %s\n" % new
    yield "    label: Orders made\n", ""
    yield "    label: Orders made\n", "    label: Growth\n"
    yield "    label: Orders made\n", "    label: Orders made\n    model: ref('orders')\n"
    yield "    label: Orders made\n", "    label: Orders made\n    config: {enabled: false}\n"
    yield "    label: Orders made\n", "    label: Orders made\n    config: {group: gone}\n"
    yield "    label: Orders made\n", "    label: Orders made\n    config: {meta: {m: \"{{ 1 + 1 }}\"}}\n    meta: {top: 1}\n"
    yield "    label: Orders made\n", "    label: \"{{ 'Made' }}\"\n"
    yield "    label: Orders made\n", "    label: Orders made\n    tags: one\n"
    yield "    label: Customers\n", "    label: Customers\n    config: {enabled: false}\n"
    yield "denominator: customers_there", "denominator: gone"
    yield "      denominator: customers_there\n", ""
    yield "denominator: customers_there", "denominator: {name: customers_there, offset_window: 1 month}"
    yield "denominator: customers_there", "denominator: {name: customers_there, filter: \"{{ Dimension('x') }}\"}"
    yield "denominator: customers_there", "denominator: orders_per_customer"
    for new in ["2 fortnights", "2", "two months", "2 months 1 day", "2 DAY", "1 fiscal_year", "1 fiscal_years", "0 day", "2  days", "-1 day"]:
        yield "offset_window: 2 Months", "offset_window: " + new
    for new in ["year", "MONTH", "fiscal_year", "x"]:
        yield "offset_to_grain: month", "offset_to_grain: " + new
    yield "offset_to_grain: month", "offset_to_grain: month, offset_window: 1 day"
    yield "alias: before, ", "alias: orders_made, "
    yield "alias: before, ", "alias: Before, "
    yield "alias: before, ", ""
    yield "expr: order_total - before", "expr: 1"
    yield "      expr: order_total - before\n", ""
    yield "        - order_total\n", "        - gone\n"
    yield "        - order_total\n", "        - growth\n"
    yield "        - order_total\n", "        - 1\n"
    for new in ["{grain_to_date: x}", "{grain_to_date: month, window: 1 day}", "{window: 1 month}", "{window: 1 fiscal_year}", "{grain_to_date: fiscal_year}", "{period_agg: median}", "{period_agg: LAST}", "{grain_to_date: MONTH}", "{}", "null",
                "{window: bad}", "{x: 1}"]:
        yield "cumulative_type_params: {grain_to_date: month, period_agg: average}", "cumulative_type_params: " + new
    yield "cumulative_type_params: {grain_to_date: month, period_agg: average}", "grain_to_date: month"
    yield "cumulative_type_params: {grain_to_date: month, period_agg: average}", "grain_to_date: fiscal_year"
    yield "cumulative_type_params: {grain_to_date: month, period_agg: average}", "window: 2 days\n      cumulative_type_params: {window: 3 days}"
    yield "      measure: revenue\n      cumulative_type_params: {grain_to_date: month, period_agg: average}\n", "      window: 1 day\n"
    yield "      window: 7 days\n  - name: visit", "      cumulative_type_params: {window: 7 days}\n  - name: visit"
    for old, new in [("        entity: customer\n", "        entity: gone\n"), ("        entity: customer\n", "        entity: visit\n"), ("calculation: conversions", "calculation: x"), ("        calculation: conversions\n", ""), ("conversion_measure: order_count", "conversion_measure: revenue"),
                     ("conversion_measure: order_count", "conversion_measure: gone"), ("conversion_measure: order_count", "conversion_measure: {name: buyers, filter: \"{{ Dimension('order_id__channel') }} = 'a'\"}"),
                     ("        window: 7 days\n        constant", "        window: 7 fiscal_years\n        constant"), ("        window: 7 days\n        constant", "        constant"),
                     ("{base_property: customer, conversion_property: customer}", "{base_property: gone, conversion_property: channel}"), ("{base_property: customer, conversion_property: customer}", "{base_property: visited_at}"),
                     ("        entity: customer\n        calculation", "        calculation")]:
        yield old, new
    yield "time_granularity: month", "time_granularity: fiscal_year"
    yield "    time_granularity: month\n", "    time_granularity: 1\n"
    # saved queries
    for new in ["[gone]", "[]", "order_total", "[order_total, order_total]", "[Metric('order_total')]", "[web_revenue]"]:
        yield "metrics: [order_total, growth]", "metrics: " + new
    for new in ["Dimension('customer__gone')", "Dimension('country')", "customer__country", "Nope('x')", "Dimension('customer__country').grain('day')", "Metric('growth')", "Dimension('customer__country') + 1", "Dimension('customer__joined_on').date_part('year')",
                "\"TimeDimension('customer__joined_on', 'fiscal_year')\"", "Dimension('", "1"]:
        yield "        - Dimension('customer__country')\n        - Entity", "        - %s\n        - Entity" % new
    for new in ["Metric('growth')", "Metric('orders_made')", "order_total", "Entity('customer').descending(False)", "TimeDimension('metric_time', 'month').descending(True)", "TimeDimension('metric_time')", "Dimension('customer__country').descending(True).grain('day')"]:
        yield "        - Metric('order_total').descending(True)\n", "        - %s\n" % new
    for new in ["-1", "0", "a", "1.5"]:
        yield "limit: 10", "limit: " + new
    for new in ["\"{{ Nope('x') }}\"", "1", "\"{{ TimeDimension('metric_time', 'aeon') }} > 1\"", "\"a = 1\""]:
        yield "        - \"{{ TimeDimension('metric_time', 'fiscal_year') }} > '2020'\"\n", "        - %s\n" % new
    for old, new in [("export_as: view", "export_as: file"), ("{export_as: view}", "{}"), ("{export_as: view}", "{export_as: view, x: 1}"), ("{export_as: view}", "{export_as: view, database: other}"), ("      - name: sales_view\n        config: {export_as: view}", "      - sales_view"),
                     ("{export_as: view}", "{export_as: view, schema: s, schema_name: t}"), ("cache: {enabled: true}, ", "export_as: view, schema: y, "), ("cache: {enabled: true}, ", "cache: true, "), ("cache: {enabled: true}, ", "enabled: false, "),
                     ("tags: [weekly, report]", "tags: weekly"), ("meta: {a: 1}, group: sales}", "tags: [b, a], meta: {a: \"{{ var('x', 'y') }}\"}}"), ("    tags: [weekly, report]\n", "    tags: [weekly]\n    metrics: [a]\n"), ("    label: Sales\n", "")]:
        yield old, new
    # time spines
    for old, new in [("        granularity: day\n", ""), ("        granularity: day\n", "        granularity: hour\n"), ("        granularity: day\n", "        granularity: month\n"), ("        granularity: day\n", "        granularity: x\n"),
                     ("standard_granularity_column: day", "standard_granularity_column: gone"), ("standard_granularity_column: day", "column: day"), ("column_name: fiscal_year", "column_name: gone"),
                     ("name: days\n", "name: orders_\n"), ("  - name: days\n", "  - name: days\n    config: {alias: d, schema: s}\n"), ("  - name: days\n", "  - name: days\n    config: {enabled: false}\n"), ("- name: fiscal_year\n        - {", "- fiscal_year\n        - {")]:
        yield old, new
    yield ("models/models.yml", "models: [{name: orders}]\ngroups: [{name: sales, owner: {name: Ann}}]\n"), None
    yield ("models/metricflow_time_spine.sql", "select date '2024-01-01' as date_day\n"), None
    yield ("models/more_days.sql", "select 1 as hour"), ("models/more.yml", "models: [{name: more_days, time_spine: {standard_granularity_column: hour}, columns: [{name: hour, granularity: hour}]}]\n")
    yield ("models/more_days.sql", "select 1 as hour"), ("models/more.yml", "models: [{name: more_days, time_spine: {standard_granularity_column: hour}, columns: [{name: hour, granularity: day}]}]\n")
    yield ("models/metrics.yml", "metrics: []\n"), ("models/saved.yml", "")
    yield ("models/semantic.yml", ""), ("models/saved.yml", "")
    yield ("models/metrics.yml", ""), ("models/semantic.yml", "")
    yield ("models/exposed.yml", "exposures: [{name: board, type: dashboard, owner: {name: Ann}, depends_on: [metric('growth'), ref('orders')]}]\n"), None
    yield ("models/exposed.yml", "exposures: [{name: board, type: dashboard, owner: {name: Ann}, depends_on: [metric('gone')]}]\n"), None
    yield ("models/customers.sql", "{{ config(enabled=false) }} select 1"), None
    yield ("models/customers.sql", "{{ config(schema='crm', alias='c') }} select 1"), None
    # the project file
    for new in ["metrics: {+enabled: false}", "metrics: {shop: {+group: sales}}", "metrics: {shop: {+tags: a}}", "metrics: {other: {+meta: {a: 1}}}"]:
        yield "metrics: {shop: {+meta: {of: project}}}", new
    for new in ["semantic-models: {+enabled: false}", "semantic-models: {shop: {+group: sales}}", "semantic_models: {+enabled: false}"]:
        yield "semantic-models: {+meta: {layer: semantic}}", new
    for new in ["saved-queries: {+enabled: false}", "saved-queries: {+export_as: table}", "saved-queries: {shop: {+cache: {enabled: true}, +tags: [z]}}"]:
        yield "saved-queries: {+schema: exported}", new
    yield "flags: {send_anonymous_usage_stats: false}", "flags: {send_anonymous_usage_stats: false, require_nested_cumulative_type_params: true}"


def files_of(old, new):
    files = dict(FILES)
    if isinstance(old, tuple):
        files.update([old] + ([new] if new else []))
    elif old:
        path = [p for p in EVERY if old in files[p]]
        assert len(path) == 1 and files[path[0]].count(old) == 1, (old, path)
        files[path[0]] = files[path[0]].replace(old, new)
    return files


VOLATILE = {"created_at", "root_path"}


def strip(value):
    if isinstance(value, dict):
        return {k: strip(v) for k, v in value.items() if k not in VOLATILE}
    return [strip(v) for v in value] if isinstance(value, list) else value


def answer(files):
    folder = tempfile.mkdtemp()
    for path, text in files.items():
        os.makedirs(os.path.dirname(os.path.join(folder, path)), exist_ok=True)
        with open(os.path.join(folder, path), "w") as out:
            out.write(text)
    os.chdir(folder)
    events = []
    reset_deprecations()
    result = dbtRunner(callbacks=[lambda e: events.append(e)]).invoke(["--quiet", "--no-partial-parse", "parse", "--project-dir", folder, "--profiles-dir", folder])
    names = [e.info.name for e in events if e.info.level in ("warn", "error")]
    # A traceback has paths of the machine.
    told = [e.info.msg.replace(folder, "").split("\nTraceback:")[0] for e in events if e.info.name in ("SemanticValidationFailure", "MFCumulativeTypeParamsDeprecation", "MFTimespineWithoutYamlConfigurationDeprecation")]
    found = {"warned": sorted(set(names) - {"MainEncounteredError", "DeprecationsSummary"}), "told": told}
    if not result.success:
        found["error"] = re.sub(r"\x1b\[[0-9;]*m", "", str(result.exception)).replace(folder, "").split("\nTraceback:")[0].strip()[:600]
    else:
        with open("target/manifest.json") as f:
            manifest = json.load(f)
        found["manifest"] = strip({k: manifest[k] for k in ("semantic_models", "metrics", "saved_queries")})
        found["manifest"]["spines"] = {k: v["time_spine"] for k, v in manifest["nodes"].items() if v.get("time_spine")}
        found["manifest"]["disabled"] = strip({k: v for k, v in manifest["disabled"].items() if k.split(".")[0] in ("metric", "semantic_model", "saved_query")})
        parents = {k: sorted(v) for k, v in manifest["parent_map"].items() if k.split(".")[0] in ("metric", "semantic_model", "saved_query", "exposure")}
        found["manifest"]["parents"] = parents
        with open("target/semantic_manifest.json") as f:
            found["semantic_manifest"] = json.load(f)
        found["semantic_manifest"]["project_configuration"].pop("dsi_package_version")
    shutil.rmtree(folder)
    return found


def main():
    cases, base = [], None
    changes = list(variants())
    projects = [files_of(old, new) for old, new in changes]
    with multiprocessing.Pool(maxtasksperchild=8) as pool:
        answers = pool.map(answer, projects, chunksize=4)
    for (old, new), found in zip(changes, answers):
        base = base or found
        for key in ("manifest", "semantic_manifest"):
            if key in found and found is not base:
                same = {k for k in found[key] if found[key][k] == base[key].get(k)}
                found[key] = {k: v for k, v in found[key].items() if k not in same}
                for section, value in found[key].items():
                    known = base[key].get(section)
                    if isinstance(value, dict) and isinstance(known, dict):
                        found[key][section] = {k: v for k, v in value.items() if known.get(k) != v} | {k: None for k in known if k not in value}
        cases.append({"old": old, "new": new, **found})
        print(len(cases), str(old)[:40], "->", str(new)[:60], found.get("error", "ok")[:100].replace("\n", " "), found["told"][:1])
    with open(sys.argv[1], "w") as out:
        out.write(json.dumps({"files": FILES, "every": EVERY}, ensure_ascii=False, indent=1)[:-2] + ",\n \"cases\": [\n")
        out.write(",\n".join(json.dumps(case, ensure_ascii=False) for case in cases) + "\n]}\n")


if __name__ == "__main__":
    main()
