//! A project as teams of dbt start it, from a repository: packages of a hub and of git, seeds, layers,
//! snapshots, unit tests, metrics. Nothing but `deps` and `build` is asked of whoever clones it.

use crate::packages::{Server, git};
use crate::project::{Project, Ran};
use std::path::Path;

const PROFILES: &str =
    "starter: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb, threads: 4}}}\n";

/// The repository's files, apart from packages.yml.
const STARTER: &[(&str, &str)] = &[
    (
        "dbt_project.yml",
        "name: starter
version: 1.0.0
config-version: 2
profile: starter
require-dbt-version: ['>=1.8.0', '<2.0.0']
clean-targets: [target, dbt_packages]
vars:
  'keys:null_text': '~'
  audit_enabled: true
dispatch: [{macro_namespace: keys, search_order: [starter, keys]}]
seeds: {starter: {+schema: raw}}
models:
  starter:
    staging: {+materialized: view, +schema: staging}
    marts: {+materialized: table, +tags: [nightly], +persist_docs: {relation: true, columns: true}}
  audits: {+schema: audits}
on-run-start:
  - create schema if not exists lake
  - create table if not exists lake.raw_orders as select * from (values (1, 1, 10.5, '2024-01-01'), (2, 1, 4.5, '2024-01-02'), (3, 2, 7, '2024-01-02')) t(id, customer, amount, ordered_at)
on-run-end: \"{{ audits.record_run(results) }}\"
",
    ),
    ("seeds/raw_customers.csv", "id,name,updated_at\n1,ann,2024-01-01\n2,bob,2024-01-02\n"),
    (
        "models/staging/sources.yml",
        "sources:
  - name: raw
    schema: lake
    tables:
      - name: orders
        identifier: raw_orders
        config: {loaded_at_field: cast(ordered_at as timestamp), freshness: {warn_after: {count: 9999, period: day}}}
        columns: [{name: id, data_tests: [unique, not_null]}]
",
    ),
    (
        "models/staging/stg_orders.sql",
        "select {{ keys.make_key(['id', 'customer']) }} as order_key, id as order_id, customer as customer_id,
  {{ money.to_cents('amount') }} as cents, cast(ordered_at as date) as ordered_on
from {{ source('raw', 'orders') }}",
    ),
    (
        "models/staging/stg_customers.sql",
        "select id as customer_id, {{ titled('name') }} as name, updated_at from {{ ref('raw_customers') }}",
    ),
    (
        "models/staging/schema.yml",
        "models:
  - name: stg_orders
    description: \"{{ doc('orders') }}\"
    columns:
      - {name: order_key, data_tests: [unique, keys.is_key]}
      - name: customer_id
        data_tests: [{relationships: {arguments: {to: ref('stg_customers'), field: customer_id}}}]
  - {name: stg_customers, data_tests: [{keys.has_rows: {arguments: {least: 2}}}]}
unit_tests:
  - name: amounts_become_cents
    model: stg_orders
    given: [{input: \"source('raw', 'orders')\", format: csv, fixture: two_orders}]
    expect: {rows: [{order_id: 8, cents: 150}, {order_id: 9, cents: 0}]}
",
    ),
    ("models/staging/docs.md", "{% docs orders %}One row an *order*.{% enddocs %}"),
    ("tests/fixtures/two_orders.csv", "id,customer,amount,ordered_at\n8,1,1.5,2024-01-01\n9,1,0,2024-01-01\n"),
    (
        "models/marts/customers.sql",
        "select c.customer_id, c.name, sum(o.cents) as cents, count(*) as orders
from {{ ref('stg_customers') }} c join {{ ref('stg_orders') }} o using (customer_id)
group by all",
    ),
    (
        "models/marts/orders_by_day.sql",
        "{{ config(materialized='incremental', unique_key='day') }}
select d.day, coalesce(sum(o.cents), 0) as cents
from ({{ calendar.days('2024-01-01', '2024-01-03') }}) d
left join {{ ref('stg_orders') }} o on o.ordered_on = d.day
{% if is_incremental() %}where d.day >= (select max(day) from {{ this }}){% endif %}
group by d.day",
    ),
    (
        "models/marts/schema.yml",
        "models:
  - name: customers
    description: Customers with what they ordered.
    config: {contract: {enforced: true}}
    columns:
      - {name: customer_id, data_type: integer, description: Who, constraints: [{type: not_null}]}
      - {name: name, data_type: varchar}
      - {name: cents, data_type: hugeint}
      - {name: orders, data_type: bigint, data_tests: [{accepted_values: {arguments: {values: [1, 2], quote: false}}}]}
  - name: orders_by_day
    config: {event_time: day}
    time_spine: {standard_granularity_column: day}
    columns: [{name: day, granularity: day, data_tests: [unique]}]
semantic_models:
  - name: orders
    model: ref('stg_orders')
    defaults: {agg_time_dimension: ordered_on}
    entities: [{name: order, type: primary, expr: order_id}, {name: customer, type: foreign, expr: customer_id}]
    dimensions: [{name: ordered_on, type: time, type_params: {time_granularity: day}}]
    measures: [{name: revenue, agg: sum, expr: cents}, {name: order_count, agg: count, expr: order_id}]
metrics:
  - {name: revenue, label: Revenue, type: simple, type_params: {measure: revenue}}
  - {name: order_count, label: Orders, type: simple, type_params: {measure: order_count}}
  - {name: average_order, label: Average, type: ratio, type_params: {numerator: revenue, denominator: order_count}}
exposures:
  - {name: board, type: dashboard, owner: {name: Ops}, depends_on: [\"ref('customers')\", \"metric('average_order')\"]}
",
    ),
    (
        "snapshots/customers_history.sql",
        "{% snapshot customers_history %}
{{ config(unique_key='customer_id', strategy='timestamp', updated_at='updated_at', target_schema='history') }}
select * from {{ ref('stg_customers') }}
{% endsnapshot %}",
    ),
    ("tests/no_refunds.sql", "select * from {{ ref('stg_orders') }} where cents < 0"),
    // The project's own version of a macro of `keys`, found by `dispatch:`.
    ("macros/default__is_key.sql", "{% macro default__key_separator() %}:{% endmacro %}"),
    ("profiles.yml", PROFILES),
    (".gitignore", "target/\ndbt_packages/\nlogs/\n"),
];

/// Macros and generic tests.
const KEYS: &[(&str, &str)] = &[
    ("dbt_project.yml", "name: keys\nversion: 1.1.0\nconfig-version: 2\nvars: {null_text: none}\n"),
    (
        "macros/keys.sql",
        "{% macro make_key(columns) %}{{ return(adapter.dispatch('make_key', 'keys')(columns)) }}{% endmacro %}
{% macro default__make_key(columns) %}
  {%- set parts = [] -%}
  {%- for column in columns -%}
    {%- do parts.append(\"coalesce(cast(\" ~ column ~ \" as \" ~ dbt.type_string() ~ \"), '\" ~ var('keys:null_text', 'null') ~ \"')\") -%}
  {%- endfor -%}
  {{ dbt.hash(parts | join(\" || '\" ~ keys.key_separator() ~ \"' || \")) }}
{% endmacro %}
{% macro key_separator() %}{{ return(adapter.dispatch('key_separator', 'keys')()) }}{% endmacro %}
{% macro default__key_separator() %}-{% endmacro %}
{% test is_key(model, column_name) %}select * from {{ model }} where length({{ column_name }}) <> 32{% endtest %}
{% test has_rows(model, least=1) %}select count(*) as n from {{ model }} having count(*) < {{ least }}{% endtest %}",
    ),
];

/// A macro that asks the database.
const CALENDAR: &[(&str, &str)] = &[
    ("dbt_project.yml", "name: calendar\nversion: 0.2.0\n"),
    (
        "macros/days.sql",
        "{% macro days(first, last) %}
  {%- set count = calendar.count_days(first, last) -%}
  {%- for i in range(count) -%}
    select {{ dbt.dateadd('day', i, \"cast('\" ~ first ~ \"' as date)\") }}::date as day {{ 'union all' if not loop.last }}
  {% endfor -%}
{% endmacro %}
{% macro count_days(first, last) %}
  {%- set asked = run_query(\"select date '\" ~ last ~ \"' - date '\" ~ first ~ \"' + 1\") if execute -%}
  {{ return(asked.columns[0].values()[0] | int if execute else 1) }}
{% endmacro %}",
    ),
];

/// A model, a seed, and a macro for the end of a run.
const AUDITS: &[(&str, &str)] = &[
    ("dbt_project.yml", "name: audits\nversion: 3.0.0\n"),
    (
        "models/runs.sql",
        "{{ config(materialized='incremental', enabled=var('audit_enabled', false)) }} select cast(0 as integer) as nodes where false",
    ),
    (
        "macros/record_run.sql",
        "{% macro record_run(results) %}{% set runs = ref('audits', 'runs') %}{% if execute and results %}insert into {{ runs }} values ({{ results | length }}){% endif %}{% endmacro %}",
    ),
];

/// A repository with these files, in one commit that has a tag.
fn repository(folder: &Path, files: &[(&str, &str)]) -> String {
    for (path, text) in files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    git(folder, &["init", "--quiet", "-b", "main"]);
    git(folder, &["add", "."]);
    git(folder, &["commit", "--quiet", "-m", "first"]);
    git(folder, &["tag", "1.0.0"]);
    format!("file://{}", folder.display())
}

#[test]
fn a_starter_is_cloned_installed_and_built() {
    let server = Server::start();
    server.serve_index(&["o/keys", "o/calendar", "o/audits"]);
    server.serve_package("o/keys", "1.1.0", KEYS);
    server.serve_package("o/calendar", "0.2.0", CALENDAR);
    server.serve_package("o/audits", "3.0.0", AUDITS);
    let elsewhere = tempfile::tempdir().unwrap();
    let money = repository(
        &elsewhere.path().join("money"),
        &[
            ("dbt_project.yml", "name: money\nversion: 1.0.0\n"),
            (
                "macros/to_cents.sql",
                "{% macro to_cents(column) %}cast(round({{ column }} * 100) as integer){% endmacro %}",
            ),
        ],
    );
    let texts = repository(
        &elsewhere.path().join("texts"),
        &[
            ("README.md", "The package is in a folder.\n"),
            ("package/dbt_project.yml", "name: texts\nversion: 1.0.0\n"),
            (
                "package/macros/titled.sql",
                "{% macro titled(column) %}upper({{ column }}){% endmacro %}",
            ),
        ],
    );
    let packages = format!(
        "packages:
  - {{package: o/keys, version: ['>=1.0.0', '<2.0.0']}}
  - {{package: o/calendar, version: 0.2.0}}
  - {{package: o/audits, version: '>=3.0.0'}}
  - {{git: '{money}', revision: 1.0.0}}
  - {{git: '{texts}', revision: 1.0.0, subdirectory: package}}
"
    );
    let own = "{% macro titled(column) %}{{ return(texts.titled(column)) }}{% endmacro %}";
    let more = [("packages.yml", packages.as_str()), ("macros/titled.sql", own)];
    let starter = repository(&elsewhere.path().join("starter"), &[STARTER, &more].concat());

    let p = Project::new(&[]);
    git(p.path(), &["clone", "--quiet", &starter, "clone"]);
    let clone = p.path().join("clone");
    let run = |args: &[&str]| {
        let mut command = p.command(args);
        command.current_dir(&clone).env("XDG_CACHE_HOME", p.path().join("cache"));
        command.env("DBT_PACKAGE_HUB_URL", &server.address);
        let ran = Ran::from(command.output().unwrap());
        assert_eq!(ran.code, 0, "strata {args:?}\n{}\n{}", ran.out, ran.err);
        ran
    };
    run(&["deps"]);
    let built = run(&["build"]);
    assert!(!built.err.contains("warning"), "{}", built.err);
    let rows = |sql: &str| {
        crate::project::rows(&duckdb::Connection::open(clone.join("shop.duckdb")).unwrap(), sql)
    };
    assert_eq!(
        rows("select name, cents, orders from customers order by 1"),
        ["ANN|1500|2", "BOB|700|1"]
    );
    assert_eq!(
        rows("select day::text, cents from orders_by_day order by 1"),
        ["2024-01-01|1050", "2024-01-02|1150", "2024-01-03|0"]
    );
    assert_eq!(
        rows("select md5('1:1') = order_key from main_staging.stg_orders where order_id = 1"),
        ["true"]
    );
    assert_eq!(rows("select count(*) from history.customers_history"), ["2"]);
    assert_eq!(
        rows("select comment from duckdb_tables() where table_name = 'customers'"),
        ["Customers with what they ordered."]
    );
    let recorded = rows("select nodes from main_audits.runs");
    // Of the build's nodes and tests; hooks are not among the results that a hook sees.
    assert_eq!(recorded, ["18"]);
    let semantic = std::fs::read_to_string(clone.join("target/semantic_manifest.json")).unwrap();
    assert!(semantic.contains("average_order"));

    // A second time: nothing is fetched, and what is there is updated.
    server.requests();
    run(&["deps"]);
    assert_eq!(server.requests(), [""; 0]);
    run(&["build"]);
    assert_eq!(rows("select count(*) from orders_by_day"), ["3"]);
    assert_eq!(rows("select count(*) from history.customers_history"), ["2"]);
    assert_eq!(rows("select count(*) from main_audits.runs"), ["2"]);
    let listed = run(&["ls", "--resource-type", "metric", "unit_test"]).out;
    assert_eq!(listed.lines().count(), 4, "{listed}");
}
