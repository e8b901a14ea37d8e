//! Runs several row tests of one relation in one scan.
//!
//! `not_null` and `accepted_values` test each row by itself, so that one query can count the
//! failing rows of all of them. A test with a count of zero has passed; any other is then run on
//! its own, so that its result, its messages and its stored rows are the usual ones. Done only on
//! engines that gain by it (`EngineCapabilities::fuses_row_tests`).

use super::RunContext;
use super::node::NodeRun;
use crate::config::{Json, python_str};
use crate::engine::{Cell, Relation};
use crate::jinja::MacroDef;
use crate::manifest::{Node, NodeId, TestConfig};
use std::collections::HashSet;
use std::sync::Arc;

/// The tests of a node that no row of the relation fails.
pub(super) fn find_passed_tests(
    run: &NodeRun<'_>,
    tests: &[NodeId],
    relation: &Relation,
) -> HashSet<NodeId> {
    if !run.engine().capabilities.fuses_row_tests {
        return HashSet::new();
    }
    let (mut ids, mut conditions) = (Vec::new(), Vec::new());
    for id in tests {
        let test = run.manifest().node(*id);
        if let Some(condition) = failing_rows(run.shared, test, run.node.id) {
            ids.push(*id);
            conditions.push(condition);
        }
    }
    if ids.len() < 2 {
        return HashSet::new();
    }
    // The query fails if, for example, a column does not exist. Each test then runs on its own and
    // reports its own error.
    let counts = run.connection.with(|warehouse| warehouse.count_rows(relation, &conditions));
    let counts = counts.unwrap_or_default();
    let none = ids.into_iter().zip(counts).filter(|(_, count)| *count == Cell::Int(0));
    none.map(|(id, _)| id).collect()
}

/// The condition of the rows that fail a test; `None` if the test is not a built-in row test of
/// this node with default thresholds.
fn failing_rows(shared: &RunContext, node: &Node, of: NodeId) -> Option<String> {
    let test = node.generic_test()?;
    if test.attached != Some(of)
        || test.namespace.is_some()
        || node.stores_failures(shared.options.store_failures).is_some()
    {
        return None;
    }
    let name: &str = match &*test.name {
        "not_null" => "test_not_null",
        "accepted_values" => "test_accepted_values",
        _ => return None,
    };
    let registry = shared.compiler.renderer.registry();
    let builtin = is_built_in(registry.lookup(&node.package, name))
        && is_built_in(registry.dispatch(&node.package, name, Some("dbt")).ok())
        && is_built_in(registry.lookup(&node.package, "get_where_subquery"))
        && is_built_in(registry.lookup(&node.package, "get_test_sql"));
    let plain = node.typed.test().is_some_and(TestConfig::counts_all_rows);
    // Arguments with templates are rendered only when the test itself runs.
    if !builtin
        || !plain
        || test.kwargs.iter().any(|(key, value)| key != "model" && has_template(value))
    {
        return None;
    }
    let column = test.kwargs.get("column_name").map(python_str)?;
    if name == "test_not_null" {
        return Some(format!("{column} is null"));
    }
    let mark =
        if test.kwargs.get("quote").is_none_or(|q| q.as_bool() != Some(false)) { "'" } else { "" };
    let values = test.kwargs.get("values")?.as_array()?;
    let values: Vec<String> =
        values.iter().map(|v| format!("{mark}{}{mark}", python_str(v))).collect();
    (!values.is_empty()).then(|| format!("{column} not in ({})", values.join(", ")))
}

fn is_built_in(def: Option<&Arc<MacroDef>>) -> bool {
    def.is_some_and(|def| &*def.package == "dbt")
}

fn has_template(value: &Json) -> bool {
    let text = value.to_string();
    text.contains("{{") || text.contains("{%")
}
