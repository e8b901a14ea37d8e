//! Row tests of one relation in one scan.
//!
//! `not_null` and `accepted_values` ask something of each row by itself: one query counts the rows
//! that fail each of them. A test whose count is zero has passed; any other is run by itself, so
//! that its result, its messages and what it stores are the same as ever. Only where the engine
//! gains by it (`Capabilities::fuse_predicates`).

use super::Shared;
use crate::config::{Json, python_str};
use crate::engine::{Capabilities, Cell, Fetch, Relation, Warehouse};
use crate::manifest::{Node, NodeId, ResourceType};
use crate::source::SqlText;
use std::collections::HashSet;

/// Which of the tests no row of the relation fails. `inside`: in an open transaction, which a
/// mistake must not end.
pub(super) fn passed(
    shared: &Shared,
    tests: &[NodeId],
    of: NodeId,
    relation: &Relation,
    inside: bool,
    warehouse: &mut dyn Warehouse,
) -> HashSet<NodeId> {
    let capabilities = warehouse.capabilities().clone();
    if !capabilities.fuse_predicates {
        return HashSet::new();
    }
    let node = |id: NodeId| shared.compiler.manifest.node(id);
    let fused: Vec<(NodeId, String)> =
        tests.iter().filter_map(|id| Some((*id, failing_rows(shared, node(*id), of)?))).collect();
    if fused.len() < 2 {
        return HashSet::new();
    }
    counts(&fused, relation, inside, &capabilities, warehouse).unwrap_or_default()
}

fn counts(
    fused: &[(NodeId, String)],
    relation: &Relation,
    inside: bool,
    capabilities: &Capabilities,
    warehouse: &mut dyn Warehouse,
) -> Option<HashSet<NodeId>> {
    let columns: Vec<String> =
        fused.iter().map(|(_, p)| format!("count(*) filter (where {p})")).collect();
    let sql = format!(
        "select\n  {}\nfrom {}",
        columns.join(",\n  "),
        relation.render(capabilities.dialect)
    );
    let mut run = |sql: &str, fetch| warehouse.run(&SqlText::from(sql), fetch);
    if inside {
        run("savepoint strata_fused", Fetch::Nothing).ok()?;
    }
    let reply = run(&sql, Fetch::Rows(Some(1)));
    if inside {
        let end = if reply.is_ok() {
            "release savepoint strata_fused"
        } else {
            "rollback to savepoint strata_fused"
        };
        run(end, Fetch::Nothing).ok()?;
    }
    // A column that is not there, a value of another type: each test says so by itself.
    let row = reply.ok()?.table?.rows.pop()?;
    Some(
        fused
            .iter()
            .zip(row)
            .filter(|(_, count)| *count == Cell::Int(0))
            .map(|((id, _), _)| *id)
            .collect(),
    )
}

/// The condition of the rows that fail a test; none for a test that is not one of ours with plain
/// thresholds.
fn failing_rows(shared: &Shared, node: &Node, of: NodeId) -> Option<String> {
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
    let registry = shared.compiler.engine.registry();
    let ours = |def: Option<&std::sync::Arc<crate::jinja::MacroDef>>| {
        def.is_some_and(|d| &*d.package == "dbt")
    };
    let builtin = ours(registry.lookup(&node.package, name))
        && ours(registry.dispatch(&node.package, name, Some("dbt")).ok())
        && ours(registry.lookup(&node.package, "get_where_subquery"))
        && ours(registry.lookup(&node.package, "get_test_sql"));
    let config = |key: &str| node.config.effective(ResourceType::Test, key).unwrap_or(Json::Null);
    let plain = ["where", "limit"].iter().all(|k| config(k).is_null())
        && ["warn_if", "error_if"].iter().all(|k| config(k) == "!= 0")
        && config("fail_calc") == "count(*)";
    // Arguments may be templates: those are rendered by the test itself.
    let template = |v: &Json| v.to_string().contains("{{") || v.to_string().contains("{%");
    if !builtin
        || !plain
        || test.kwargs.iter().any(|(key, value)| key != "model" && template(value))
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
