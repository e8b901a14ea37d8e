//! The macros of the `dbt` namespace that SQLite implements differently. Each expression must
//! return the same on SQLite as on DuckDB, for usual values and for edge cases.

use super::differential::{differences, on_sqlite};
use crate::found::on_duckdb;
use crate::project::Project;

const DAY: &str = "dbt.cast(\"'2024-01-31'\", 'date')";
const TIME: &str = "dbt.cast(\"'2024-01-31 10:11:12'\", 'timestamp')";

/// Jinja expressions that return SQL expressions.
fn expressions() -> Vec<String> {
    let mut out: Vec<String> = [
        // Conversions of texts to dates, times, booleans and numbers.
        "dbt.cast(\"'2024-01-31'\", 'date')",
        "dbt.cast(\"'2024-01-31 10:11:12'\", 'date')",
        "dbt.cast(\"'2024-01-31 10:11:12'\", 'timestamp')",
        "dbt.cast(\"'2024-01-31'\", 'timestamp')",
        "dbt.cast(\"'true'\", 'boolean')",
        "dbt.cast(\"'f'\", 'boolean')",
        "dbt.cast('null', 'boolean')",
        "dbt.cast('1', 'boolean')",
        "dbt.cast(\"'2.345'\", 'numeric(18,2)')",
        "dbt.cast('-2.5', 'decimal(18,0)')",
        "dbt.cast(\"'12'\", 'integer')",
        "dbt.cast('12', 'varchar')",
        "dbt.cast(\"'1.5'\", 'double')",
        "dbt.safe_cast(\"'12'\", api.Column.translate_type('integer'))",
        "dbt.cast_bool_to_text('1 = 1')",
        "dbt.cast_bool_to_text('1 = 2')",
        "dbt.cast_bool_to_text('cast(null as integer) = 1')",
        // Aggregates.
        "dbt.any_value('one')",
        "dbt.bool_or('one = 2')",
        "dbt.bool_or('one = 1')",
        "dbt.listagg('word', \"', '\", 'order by word')",
        "dbt.listagg('word', \"'-'\", 'order by word desc')",
        // Texts.
        "dbt.position(\"'b'\", \"'abc'\")",
        "dbt.position(\"'z'\", \"'abc'\")",
        "dbt.right(\"'abc'\", '2')",
        "dbt.right(\"'abc'\", '0')",
        "dbt.right(\"'abc'\", '9')",
        "dbt.split_part(\"'a/b/c'\", \"'/'\", 2)",
        "dbt.split_part(\"'a/b/c'\", \"'/'\", -1)",
        "dbt.hash(\"'a'\")",
        "dbt.hash('12')",
        "dbt.concat([\"'a'\", \"'b'\"])",
        "dbt.length(\"'häß'\")",
        "dbt.replace(\"'abcb'\", \"'b'\", \"'x'\")",
        "\"'\" ~ dbt.escape_single_quotes(\"it's\") ~ \"'\"",
        "dbt.string_literal('word')",
        // Dates.
        "dbt.date(2024, 2, 29)",
    ]
    .map(str::to_owned)
    .to_vec();
    for part in ["day", "week", "month", "quarter", "year"] {
        for date in [DAY, TIME] {
            out.push(format!("dbt.cast(dbt.date_trunc('{part}', {date}), 'date')"));
        }
        for (from, to) in [
            ("2024-01-31", "2024-02-01"),
            ("2024-02-01", "2024-01-31"),
            ("2023-12-31", "2024-01-01"),
            ("2024-02-03", "2024-02-04"),
            ("2024-01-01", "2024-01-01"),
            ("2019-11-30", "2026-08-15"),
        ] {
            let day = |text: &str| format!("dbt.cast(\"'{text}'\", 'date')");
            out.push(format!("dbt.datediff({}, {}, '{part}')", day(from), day(to)));
        }
    }
    for part in ["month", "quarter", "year"] {
        out.push(format!("dbt.last_day({DAY}, '{part}')"));
    }
    // DuckDB has no interval of quarters.
    for part in ["hour", "day", "week", "month", "year"] {
        for count in ["1", "-1", "13", "0"] {
            for date in [DAY, TIME] {
                out.push(format!("dbt.cast(dbt.dateadd('{part}', {count}, {date}), 'timestamp')"));
            }
        }
    }
    for part in ["second", "minute", "hour", "day"] {
        out.push(format!("dbt.datediff({DAY}, {TIME}, '{part}')"));
        out.push(format!("dbt.cast(dbt.date_trunc('{part}', {TIME}), 'timestamp')"));
    }
    out
}

#[test]
fn macros_give_what_they_give_on_duckdb() {
    let all = expressions();
    let columns: Vec<String> =
        all.iter().enumerate().map(|(i, e)| format!("  {{{{ {e} }}}} as c{i:03}")).collect();
    let model = format!(
        "{{{{ config(materialized='table') }}}}\nselect\n{}\nfrom (select 1 as one, 'a' as word union all select 1, 'b') as t",
        columns.join(",\n")
    );
    let files = [
        ("models/m.sql", model.as_str()),
        ("models/series.sql", "{{ config(materialized='table') }} {{ dbt.generate_series(5) }}"),
        (
            "models/spine.sql",
            "{{ config(materialized='table') }} select {{ dbt.cast('date_day', 'date') }} as day from ({{ dbt.date_spine('day', dbt.cast(\"'2024-02-27'\", 'date'), dbt.cast(\"'2024-03-02'\", 'date')) }}) as s",
        ),
    ];
    let files = files.map(|(path, text)| (path, text));
    let (duck, lite) = (Project::new(&files), super::project(&files));
    duck.ok(&["run"]);
    lite.ok(&["run"]);
    let (a, b) = (on_duckdb(&duck.path().join("shop.duckdb")), on_sqlite(lite.path(), "shop"));
    let named = |line: String| {
        let at = |i: &usize| line.contains(&format!("c{i:03}"));
        let expression = (0..all.len()).find(at).map(|i| all[i].as_str()).unwrap_or_default();
        format!("{line} {expression}")
    };
    let wrong: Vec<String> = differences(&a, &b).into_iter().map(named).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A macro that is missing in the list above was never compared.
#[test]
fn every_macro_is_in_the_table() {
    let text = include_str!("../../../src/jinja/builtin/sqlite/utils.sql");
    let own = text
        .lines()
        .filter_map(|l| l.strip_prefix("{% macro sqlite__"))
        .filter_map(|l| l.split('(').next());
    let all = expressions().join("\n");
    let missing: Vec<&str> = own
        .filter(|name| *name != "generate_series" && !all.contains(&format!("dbt.{name}(")))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
