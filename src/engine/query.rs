//! Queries that the tool itself asks.

use super::{EngineSpec, Relation};
use crate::source::SqlText;

/// All rows and columns of a relation.
pub(crate) fn select_all(relation: &Relation, engine: &EngineSpec) -> SqlText {
    SqlText::from(format!("select * from {}", relation.render(engine.dialect)))
}

/// Some columns of a relation, written as SQL.
pub(crate) fn select_columns(
    items: &[String],
    relation: &Relation,
    engine: &EngineSpec,
) -> SqlText {
    let name = relation.render(engine.dialect);
    SqlText::from(format!("select {} from {name}", items.join(", ")))
}

/// The first rows of a query.
pub(crate) fn limit_rows(query: &SqlText, limit: usize) -> SqlText {
    let mut out = SqlText::from("select * from (\n");
    out.push(query);
    out.push_str(&format!("\n) as show_query limit {limit}"));
    out
}

/// A query of a relation without rows, in brackets; with some adapters under a name (RULES 2).
pub(crate) fn select_no_rows(relation: &Relation, engine: &EngineSpec) -> String {
    let name = relation.render(engine.dialect);
    let alias = if engine.adapter.names_limited_subquery {
        format!(" _dbt_limit_subq_{}", relation.identifier())
    } else {
        String::new()
    };
    format!("(select * from {name} where false limit 0){alias}")
}
