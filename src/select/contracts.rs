//! Finds changes of contracts that break what readers rely on.
//!
//! In: the models of the project and, as JSON, those of an earlier manifest. Out: an error for a model
//! with versions, which can get a new one, else a warning. Must not know: what is selected. As in
//! dbt, contracts are compared when a selector asks for modified nodes.
//!
//! Source: `contract` in dbt's documentation of model configs, "detecting breaking changes".

use super::modified::enforces_contract;
use super::previous::PreviousState;
use crate::config::Json;
use crate::diag::{Code, DbtEvent, Diagnostic};
use crate::manifest::{Manifest, NodeKind, read_moment};
use std::collections::BTreeMap;

/// The findings about all models of either manifest that had an enforced contract.
pub(super) fn check_contracts(manifest: &Manifest, previous: &PreviousState) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    let models = manifest.nodes.iter().filter(|node| matches!(node.kind, NodeKind::Model { .. }));
    for node in models {
        let old = previous.nodes.get(&*node.unique_id).filter(|old| enforces_contract(old));
        let Some(old) = old else { continue };
        let changes = list_breaking_changes(old, &Json::Object(manifest.node_json(node)));
        if !changes.is_empty() {
            let is_versioned = old.get("version").is_some_and(|version| !version.is_null());
            let d = broken(&node.display_name(), is_versioned, changes).primary(node.span, "");
            out.push(d.help(match is_versioned {
                true => "add to the contract only, or make a new version of the model",
                false => "add to the contract only, or give the model versions",
            }));
        }
    }
    let mut removed: Vec<_> =
        previous.nodes.iter().filter(|(id, old)| is_lost(manifest, previous, id, old)).collect();
    removed.sort_by_key(|(id, _)| *id);
    out.extend(removed.into_iter().map(|(id, old)| find_loss(manifest, id, old)));
    out
}

/// Whether an earlier model with a contract is no longer there, and its time is not over.
fn is_lost(manifest: &Manifest, previous: &PreviousState, id: &str, old: &Json) -> bool {
    let is_model = text_of(old, "resource_type") == Some("model");
    let is_there = manifest.by_unique_id.contains_key(id);
    let date = text_of(old, "deprecation_date").and_then(read_moment);
    let is_over = date.zip(previous.read_at).is_some_and(|(date, now)| date.timestamp() < now);
    is_model && enforces_contract(old) && !is_there && !is_over
}

fn find_loss(manifest: &Manifest, id: &str, old: &Json) -> Diagnostic {
    let disabled = manifest.disabled.iter().find(|node| *node.unique_id == *id);
    let what = match disabled {
        Some(_) => format!("Contracted model '{id}' was disabled"),
        None => format!("Contracted model '{id}' was deleted or renamed"),
    };
    let is_versioned = old.get("version").is_some_and(|version| !version.is_null());
    let d = broken(text_of(old, "name").unwrap_or(id), is_versioned, vec![what]);
    let d = d.help("let its `deprecation_date` pass before a model goes");
    d.primary_if(disabled.map(|node| node.span), "")
}

fn broken(name: &str, is_versioned: bool, changes: Vec<String>) -> Diagnostic {
    let message = format!("Breaking change to the contract of `{name}`");
    let d = match is_versioned {
        true => Diagnostic::error(Code::BrokenContract, message),
        false => Diagnostic::dbt_warning(
            Code::ChangedContract,
            DbtEvent::UnversionedBreakingChange,
            message,
        ),
    };
    changes.into_iter().fold(d, Diagnostic::note)
}

/// What readers of a model could rely on by its earlier contract and cannot any more: a line for each
/// kind of change, with dbt's heading.
fn list_breaking_changes(old: &Json, new: &Json) -> Vec<String> {
    let kinds = [
        ("Columns were removed", find_removed_columns(old, new)),
        ("Columns with data_type changes", find_retyped_columns(old, new)),
        ("Enforced column level constraints were removed", find_lost_column_constraints(old, new)),
        ("Enforced model level constraints were removed", find_lost_model_constraints(old, new)),
        ("Materialization changed with enforced constraints", find_lost_enforcement(old, new)),
    ];
    let mut lines = Vec::new();
    if !enforces_contract(new) {
        lines.push("Contract enforcement was removed".to_owned());
    }
    let found = kinds.into_iter().filter(|(_, changes)| !changes.is_empty());
    lines.extend(found.map(|(heading, changes)| format!("{heading}: {}", changes.join(", "))));
    lines
}

fn find_removed_columns(old: &Json, new: &Json) -> Vec<String> {
    let left = columns_of(new);
    let columns = columns_of(old).into_iter().filter(|(key, _)| !left.contains_key(*key));
    columns.map(|(key, column)| name_of(key, column)).collect()
}

/// The columns of both that have another type. Its size, precision and scale do not count.
fn find_retyped_columns(old: &Json, new: &Json) -> Vec<String> {
    let mut changes = Vec::new();
    for (key, before, now) in common_columns(old, new) {
        let types = [before, now].map(|column| text_of(column, "data_type"));
        let [was, is] = types.map(|written| written.map(base_type));
        if was != is {
            let [was, is] = types.map(|written| written.unwrap_or("no type"));
            changes.push(format!("{} ({was} -> {is})", name_of(key, before)));
        }
    }
    changes
}

fn find_lost_column_constraints(old: &Json, new: &Json) -> Vec<String> {
    let mut changes = Vec::new();
    for (key, before, now) in common_columns(old, new) {
        if has_enforced_constraints(old) {
            let lost = lost_constraints(before, now).into_iter();
            changes.extend(lost.map(|label| format!("{label} on column {key}")));
        }
    }
    changes
}

fn find_lost_model_constraints(old: &Json, new: &Json) -> Vec<String> {
    if has_enforced_constraints(old) { lost_constraints(old, new) } else { Vec::new() }
}

/// The change of a materialization with which constraints are there to one with which they are not.
fn find_lost_enforcement(old: &Json, new: &Json) -> Vec<String> {
    let of_columns = columns_of(old).into_values().any(|column| !constraints_of(column).is_empty());
    let has_any = of_columns || !constraints_of(old).is_empty();
    if !has_any || !has_enforced_constraints(old) || has_enforced_constraints(new) {
        return Vec::new();
    }
    let [was, is] = [old, new].map(materialized);
    vec![format!("{was} -> {is}")]
}

/// Whether constraints of the node are constraints of its relation: a view has none.
fn has_enforced_constraints(node: &Json) -> bool {
    matches!(materialized(node), "table" | "incremental")
}

fn materialized(node: &Json) -> &str {
    node.pointer("/config/materialized").and_then(Json::as_str).unwrap_or_default()
}

/// The labels of the constraints of a node or column that are no longer among its constraints.
fn lost_constraints(old: &Json, new: &Json) -> Vec<String> {
    let left = constraints_of(new);
    let lost = constraints_of(old).iter().filter(|constraint| !left.contains(constraint));
    let label = |constraint| text_of(constraint, "name").or_else(|| text_of(constraint, "type"));
    lost.filter_map(label).map(str::to_owned).collect()
}

fn constraints_of(holder: &Json) -> &[Json] {
    holder.get("constraints").and_then(Json::as_array).map_or(&[], Vec::as_slice)
}

/// The columns by key, in the order of their keys.
fn columns_of(node: &Json) -> BTreeMap<&str, &Json> {
    let columns = node.get("columns").and_then(Json::as_object).into_iter().flatten();
    columns.map(|(key, column)| (key.as_str(), column)).collect()
}

/// The columns that are in both, each as (key, old, new).
fn common_columns<'a>(old: &'a Json, new: &'a Json) -> Vec<(&'a str, &'a Json, &'a Json)> {
    let now = columns_of(new);
    let both = columns_of(old).into_iter();
    both.filter_map(|(key, before)| Some((key, before, *now.get(key)?))).collect()
}

fn name_of(key: &str, column: &Json) -> String {
    text_of(column, "name").unwrap_or(key).to_owned()
}

/// A type without what stands in brackets behind it.
fn base_type(written: &str) -> String {
    written.split('(').next().unwrap_or_default().trim().to_lowercase()
}

fn text_of<'a>(map: &'a Json, key: &str) -> Option<&'a str> {
    map.get(key).and_then(Json::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn model(columns: Json, materialized: &str, enforced: bool) -> Json {
        json!({
            "columns": columns,
            "config": { "materialized": materialized },
            "contract": { "enforced": enforced },
            "constraints": [{ "type": "primary_key", "columns": ["id"] }],
        })
    }

    fn column(data_type: &str, constraints: Json) -> Json {
        json!({ "id": { "name": "id", "data_type": data_type, "constraints": constraints } })
    }

    #[test]
    fn what_readers_could_rely_on_is_compared() {
        let not_null = json!([{ "type": "not_null" }]);
        let old = || model(column("varchar(3)", not_null.clone()), "table", true);
        let rows = [
            (old(), Vec::new()),
            (model(column("VARCHAR(9)", not_null.clone()), "table", true), Vec::new()),
            (model(json!({}), "table", true), vec!["Columns were removed: id"]),
            (
                model(column("int", not_null.clone()), "table", true),
                vec!["Columns with data_type changes: id (varchar(3) -> int)"],
            ),
            (
                model(column("varchar(3)", json!([])), "table", true),
                vec!["Enforced column level constraints were removed: not_null on column id"],
            ),
            (
                model(column("varchar(3)", not_null.clone()), "view", true),
                vec!["Materialization changed with enforced constraints: table -> view"],
            ),
            (
                model(column("varchar(3)", not_null.clone()), "table", false),
                vec!["Contract enforcement was removed"],
            ),
        ];
        for (new, changes) in rows {
            assert_eq!(list_breaking_changes(&old(), &new), changes, "{new}");
        }
        let mut without = old();
        without["constraints"] = json!([]);
        assert_eq!(
            list_breaking_changes(&old(), &without),
            ["Enforced model level constraints were removed: primary_key"]
        );
        // A view has no constraints that could get lost.
        let [old, new] = [not_null, json!([])].map(|c| model(column("int", c), "view", true));
        assert_eq!(list_breaking_changes(&old, &new), [""; 0]);
    }
}
