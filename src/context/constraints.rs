//! Renders the constraints of contracts as SQL.

use super::relation::RelationValue;
use super::session::RenderSession;
use crate::config::{Json, python_str};
use crate::engine::{CANDIDATE_SUFFIX, Dialect, ReferenceName};
use crate::jinja::{error, list, to_json};
use minijinja::value::Value;
use minijinja::{Error, State};

/// A function that resolves the `to:` of a foreign key: `ref('x')` and `source('a', 'b')` become
/// relations, anything else is taken as SQL.
pub(super) fn resolve_references<'a>(
    state: &'a mut State<'_, '_>,
    dialect: Dialect,
) -> impl FnMut(&str) -> Result<String, Error> + 'a {
    move |to: &str| {
        let inner = to.trim().trim_start_matches("{{").trim_end_matches("}}").trim();
        let Some((name @ ("ref" | "source"), arguments)) = inner.split_once('(') else {
            return Ok(to.to_owned());
        };
        // The names are between quotes, so every other piece is one: `'a', 'b'`. A version follows
        // them.
        let mut args: Vec<Value> =
            arguments.split(['\'', '"']).skip(1).step_by(2).map(Value::from).collect();
        if let Some((_, version)) =
            arguments.rsplit_once('=').filter(|(key, _)| key.trim_end().ends_with(['v', 'n']))
        {
            let version = version
                .trim_matches(|c: char| c == ')' || c == '\'' || c == '"' || c.is_whitespace());
            args.push(Value::from(minijinja::value::Kwargs::from_iter([(
                "v",
                Value::from(version),
            )])));
        }
        let call =
            state.lookup(name).ok_or_else(|| error(format!("`{name}` is not known here")))?;
        let found = call.call(state, &args)?;
        let Some(mut relation) = RelationValue::of(&found) else { return Ok(found.to_string()) };
        Ok(match dialect.reference_name {
            ReferenceName::Whole => found.to_string(),
            ReferenceName::InDatabase => {
                relation.include[0] = false;
                relation.render(dialect)
            }
            ReferenceName::Alone => dialect.quoted(relation.identifier()),
        })
    }
}

/// The suffix for the names of a candidate's constraints. On engines whose constraint names must be
/// unique, the indexes of the candidate must not have the names of the published table's. The swap
/// removes the suffix.
pub(super) fn constraint_suffix(session: &RenderSession) -> String {
    let builds = session.builds_candidate();
    let unique = session.project.target.engine.capabilities.unique_constraint_names;
    if builds && unique { CANDIDATE_SUFFIX.to_owned() } else { String::new() }
}

/// Resolves the `to:` of a foreign key.
type Referenced<'a> = dyn FnMut(&str) -> Result<String, Error> + 'a;

/// Column definitions of a contract: `name type constraint ...`.
pub(super) fn column_definitions(
    columns: &Value,
    dialect: Dialect,
    to: &mut Referenced<'_>,
) -> Result<Value, Error> {
    let Json::Object(columns) = to_json(columns) else { return Ok(list(Vec::new())) };
    let mut out = Vec::new();
    for (key, column) in &columns {
        let name = column.get("name").and_then(Json::as_str).unwrap_or(key);
        let quoted = column.get("quote").and_then(Json::as_bool).unwrap_or(false);
        let mut text = if quoted { dialect.quoted(name) } else { name.to_owned() };
        text.push(' ');
        text.push_str(column.get("data_type").and_then(Json::as_str).unwrap_or_default());
        for constraint in column.get("constraints").and_then(Json::as_array).into_iter().flatten() {
            if let Some(sql) = constraint_sql(constraint, None, to)? {
                text.push(' ');
                text.push_str(&sql);
            }
        }
        out.push(Value::from(text));
    }
    Ok(list(out))
}

pub(super) fn model_constraints(
    constraints: &Value,
    suffix: &str,
    to: &mut Referenced<'_>,
) -> Result<Value, Error> {
    let Json::Array(constraints) = to_json(constraints) else { return Ok(list(Vec::new())) };
    let mut out = Vec::new();
    for constraint in &constraints {
        out.extend(constraint_sql(constraint, Some(suffix), to)?.map(Value::from));
    }
    Ok(list(out))
}

/// Renders a constraint; `None` if it has no SQL. For a constraint of the table, `table` is the
/// suffix of its name.
fn constraint_sql(
    c: &Json,
    table: Option<&str>,
    to: &mut Referenced<'_>,
) -> Result<Option<String>, Error> {
    let target = match filled_text(c, "to") {
        Some(text) => Some(to(text)?),
        None => None,
    };
    Ok(constraint_text(c, table, target))
}

fn constraint_text(c: &Json, suffix: Option<&str>, target: Option<String>) -> Option<String> {
    let table = suffix.is_some();
    let expression = filled_text(c, "expression");
    let columns = if table { format!(" ({})", joined_list(c, "columns")) } else { String::new() };
    let sql = match filled_text(c, "type")? {
        "check" => format!("check ({})", expression?),
        "not_null" if !table => {
            expression.map_or_else(|| "not null".to_owned(), |e| format!("not null {e}"))
        }
        "unique" => {
            format!("unique{columns}{}", expression.map(|e| format!(" {e}")).unwrap_or_default())
        }
        "primary_key" => format!(
            "primary key{columns}{}",
            expression.map(|e| format!(" {e}")).unwrap_or_default()
        ),
        "foreign_key" => {
            let key = if table { format!("foreign key{columns} ") } else { String::new() };
            match (target, expression) {
                (Some(to), _) => format!("{key}references {to} ({})", joined_list(c, "to_columns")),
                (None, Some(e)) => format!("{key}references {e}"),
                (None, None) => return None,
            }
        }
        "custom" => expression?.to_owned(),
        _ => return None,
    };
    Some(match filled_text(c, "name").filter(|_| table) {
        // Postgres truncates names to 63 bytes, which could cut off the suffix.
        Some(name) if name.len() < 52 => {
            format!("constraint {name}{} {sql}", suffix.unwrap_or_default())
        }
        Some(name) => format!("constraint {name} {sql}"),
        None => sql,
    })
}

fn filled_text<'a>(map: &'a Json, key: &str) -> Option<&'a str> {
    map.get(key).and_then(Json::as_str).filter(|s| !s.is_empty())
}

fn joined_list(map: &Json, key: &str) -> String {
    map.get(key)
        .and_then(Json::as_array)
        .map(|a| a.iter().map(python_str).collect::<Vec<_>>().join(", "))
        .unwrap_or_default()
}
