//! Queries that Strata itself runs.

use super::{EngineSpec, Relation};
use crate::source::SqlText;

pub(crate) fn select_all(relation: &Relation, engine: &EngineSpec) -> SqlText {
    SqlText::from(format!("select * from {}", relation.render(engine.dialect)))
}

/// Selects some columns, given as SQL, from a relation.
pub(crate) fn select_columns(
    items: &[String],
    relation: &Relation,
    engine: &EngineSpec,
) -> SqlText {
    let name = relation.render(engine.dialect);
    SqlText::from(format!("select {} from {name}", items.join(", ")))
}

pub(crate) fn limit_rows(query: &SqlText, limit: usize) -> SqlText {
    let mut out = SqlText::from("select * from (\n");
    out.push(query);
    out.push_str(&format!("\n) as show_query limit {limit}"));
    out
}

/// A subquery of a relation without rows. Some adapters give it an alias (semantics 2).
pub(crate) fn select_no_rows(relation: &Relation, engine: &EngineSpec) -> String {
    let name = relation.render(engine.dialect);
    let alias = if engine.adapter.names_limited_subquery {
        format!(" _dbt_limit_subq_{}", relation.identifier())
    } else {
        String::new()
    };
    format!("(select * from {name} where false limit 0){alias}")
}

/// A subquery of the rows of `name` whose event time is in a window, as dbt writes it. An engine
/// that stores times as texts is asked for the instant that they mean.
pub(crate) fn select_rows_between(
    name: &str,
    relation: &Relation,
    column: &str,
    times: [&str; 2],
    engine: &EngineSpec,
) -> String {
    let alias = if engine.adapter.names_limited_subquery {
        format!(" _dbt_et_filter_subq_{}", relation.identifier())
    } else {
        String::new()
    };
    let bounds = between(column, times, engine);
    format!("(select * from {name} where {bounds}){alias}")
}

/// The condition that an event time is in a window.
fn between(column: &str, [start, end]: [&str; 2], engine: &EngineSpec) -> String {
    if engine.capabilities.times_are_texts {
        let instant = |text: &str| format!("datetime('{text}')");
        let (start, end) = (instant(start), instant(end));
        return format!("datetime({column}) >= {start} and datetime({column}) < {end}");
    }
    format!("{column} >= '{start}' and {column} < '{end}'")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{duckdb, postgres, sqlite};

    #[test]
    fn queries() {
        let t = Relation::new(Some("d"), Some("s"), "t");
        let all = select_all(&t, &duckdb::SPEC);
        assert_eq!(all.as_str(), "select * from \"d\".\"s\".\"t\"");
        let some = select_columns(&["a".to_owned(), "\"b\"".to_owned()], &t, &duckdb::SPEC);
        assert_eq!(some.as_str(), "select a, \"b\" from \"d\".\"s\".\"t\"");
        let first = limit_rows(&SqlText::from("select 1 -- one"), 5);
        assert_eq!(
            first.as_str(),
            "select * from (\nselect 1 -- one\n) as show_query limit 5",
            "a comment at the end takes nothing with it"
        );
        assert_eq!(
            [&duckdb::SPEC, &postgres::SPEC].map(|engine| select_no_rows(&t, engine)),
            [
                "(select * from \"d\".\"s\".\"t\" where false limit 0)",
                "(select * from \"d\".\"s\".\"t\" where false limit 0) _dbt_limit_subq_t",
            ]
        );
        let times = ["2024-01-01 00:00:00+00:00", "2024-01-02 00:00:00+00:00"];
        let rows = |engine| select_rows_between("t", &t, "at", times, engine);
        let plain = "(select * from t where at >= '2024-01-01 00:00:00+00:00' and at < '2024-01-02 00:00:00+00:00')";
        assert_eq!(rows(&duckdb::SPEC), plain);
        assert_eq!(rows(&postgres::SPEC), format!("{plain} _dbt_et_filter_subq_t"));
        assert_eq!(
            rows(&sqlite::SPEC),
            "(select * from t where datetime(at) >= datetime('2024-01-01 00:00:00+00:00') \
             and datetime(at) < datetime('2024-01-02 00:00:00+00:00'))"
        );
    }
}
