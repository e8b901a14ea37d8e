//! Constraints and contracts as dbt's manifest has them.

use super::{Column, GenericTest};
use crate::config::{Json, JsonMap, python_quoted, python_str};

/// Where a constraint is written, which decides its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConstraintPlace {
    Column,
    Model,
}

/// A constraint with all of its keys.
pub(super) fn constraint_json(written: &Json, place: ConstraintPlace) -> Json {
    let of = |key: &str| written.get(key).cloned().unwrap_or_default();
    let or = |key: &str, default: Json| Some(of(key)).filter(|v| !v.is_null()).unwrap_or(default);
    let list = |key: &str| or(key, Json::Array(Vec::new()));
    let flag = |key: &str| or(key, Json::Bool(true));
    let mut map = JsonMap::new();
    map.insert("type".into(), of("type"));
    map.insert("name".into(), of("name"));
    map.insert("expression".into(), of("expression"));
    map.insert("warn_unenforced".into(), flag("warn_unenforced"));
    map.insert("warn_unsupported".into(), flag("warn_unsupported"));
    map.insert("to".into(), of("to"));
    map.insert("to_columns".into(), list("to_columns"));
    if place == ConstraintPlace::Model {
        map.insert("columns".into(), list("columns"));
    }
    Json::Object(map)
}

/// The checksum of an enforced contract: the SHA-256 of the columns and constraints as Python prints
/// them. Constraints of the model count where it is stored as a table.
pub(super) fn contract_checksum(
    columns: &[Column],
    constraints: &[Json],
    materialized: &str,
) -> String {
    let mut sorted: Vec<&Column> = columns.iter().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    let mut text = String::new();
    for column in sorted {
        let kind = column.data_type.as_deref().unwrap_or("None");
        text.push_str(&format!("|{}{kind}", column.name));
        text.push_str(&constraints_text(&column.constraints, ConstraintPlace::Column));
    }
    if matches!(materialized, "table" | "incremental") {
        text.push_str(materialized);
        text.push_str(&constraints_text(constraints, ConstraintPlace::Model));
    }
    crate::hash::sha256_hex(&text)
}

/// A list of constraints as Python prints dbt's objects.
fn constraints_text(constraints: &[Json], place: ConstraintPlace) -> String {
    let class = match place {
        ConstraintPlace::Column => "ColumnLevelConstraint",
        ConstraintPlace::Model => "ModelLevelConstraint",
    };
    let printed = constraints.iter().map(|written| {
        let all = constraint_json(written, place);
        let fields = all.as_object().into_iter().flatten().map(|(key, value)| match key.as_str() {
            "type" => {
                let kind = python_str(value);
                format!("type=<ConstraintType.{kind}: '{kind}'>")
            }
            _ => format!("{key}={}", python_literal(value)),
        });
        format!("{class}({})", fields.collect::<Vec<_>>().join(", "))
    });
    format!("[{}]", printed.collect::<Vec<_>>().join(", "))
}

fn python_literal(value: &Json) -> String {
    match value {
        Json::String(text) => python_quoted(text),
        other => python_str(other),
    }
}

/// The columns of a model's key, as dbt finds them: by a constraint, else by tests for uniqueness,
/// those that are also tested for nulls first.
pub(super) fn primary_key<'t>(
    columns: &[Column],
    constraints: &[Json],
    tests: impl Iterator<Item = &'t GenericTest>,
) -> Vec<String> {
    let is_key = |c: &&Json| c.get("type").is_some_and(|kind| kind == "primary_key");
    if let Some(key) = constraints.iter().find(is_key) {
        return super::json_texts(key.get("columns").unwrap_or(&Json::Null));
    }
    if let Some(column) = columns.iter().find(|c| c.constraints.iter().any(|c| is_key(&c))) {
        return vec![column.name.clone()];
    }
    let (mut unique, mut filled): (Vec<String>, Vec<String>) = Default::default();
    for test in tests {
        let tested =
            match (test.kwargs.get("column_name"), test.kwargs.get("combination_of_columns")) {
                (Some(Json::String(column)), _) => vec![column.clone()],
                (_, Some(Json::Array(columns))) => {
                    columns.iter().filter_map(|c| c.as_str().map(str::to_owned)).collect()
                }
                _ => Vec::new(),
            };
        let found = match &*test.name {
            "unique" | "unique_combination_of_columns" => &mut unique,
            "not_null" => &mut filled,
            _ => continue,
        };
        for column in tested {
            if !found.contains(&column) {
                found.push(column);
            }
        }
    }
    let both: Vec<String> = filled.into_iter().filter(|column| unique.contains(column)).collect();
    if both.is_empty() { unique } else { both }
}
