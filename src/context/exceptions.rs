//! `exceptions`: errors and warnings that templates raise.

use super::contract::render_mismatches;
use super::session::{Abort, RenderSession, TemplateWarning};
use crate::jinja::{Args, error, to_json, with_extension};
use minijinja::value::{Object, ObjectRepr, Value};
use minijinja::{Error, State};
use std::sync::Arc;

pub(super) fn exceptions_value() -> Value {
    Value::from_object(Exceptions)
}

#[derive(Debug)]
struct Exceptions;

impl Object for Exceptions {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let session = with_extension::<RenderSession>(state)?;
        let args = Args::parse(args)?;
        let message = match method {
            "warn" => {
                let site = session.site(state);
                session.record().warnings.push(TemplateWarning::raised(first_text(&args), site));
                return Ok(Value::from(""));
            }
            "warn_snapshot_timestamp_data_types" => {
                let message =
                    format!("the snapshot's types of time stamps differ: {}", all_texts(&args));
                session.record().warnings.push(TemplateWarning::raised(message, None));
                return Ok(Value::from(""));
            }
            "raise_fail_fast_error" => {
                return Err(session.stop(Abort::FailFast(first_text(&args))));
            }
            "raise_compiler_error" | "raise_database_error" | "raise_dependency_error" => {
                first_text(&args)
            }
            "raise_not_implemented" => format!("not implemented: {}", first_text(&args)),
            "relation_wrong_type" => {
                let wanted = args.get(1, "expected_type").map(Value::to_string).unwrap_or_default();
                format!(
                    "{} exists but is not a {wanted}; drop or rename it, or use --full-refresh",
                    first_text(&args)
                )
            }
            "missing_config" => format!(
                "`{}` needs a config `{}`",
                session.subject.name,
                args.text(1, "name").unwrap_or_default()
            ),
            "missing_materialization" => {
                format!("no materialization for `{}`", session.subject.name)
            }
            "missing_relation" => format!("relation {} not found", first_text(&args)),
            "column_type_missing" => format!(
                "the contract of `{}` needs a `data_type` for: {}",
                session.subject.name,
                first_text(&args)
            ),
            "raise_contract_error" => {
                let contract = args.get(0, "yaml_columns").map(to_json).unwrap_or_default();
                let query = args.get(1, "sql_columns").map(to_json).unwrap_or_default();
                let differences = render_mismatches(&contract, &query);
                format!(
                    "This model has an enforced contract that failed.\nThe columns of `{}` are not those of its contract:\n{differences}",
                    session.subject.name
                )
            }
            other if other.starts_with("raise_") || other.starts_with("missing_") => {
                format!("{}: {}", other.replace('_', " "), all_texts(&args))
            }
            other => return Err(error(format!("exceptions has no `{other}`"))),
        };
        Err(session.stop(Abort::Raised(message)))
    }
}

/// The first argument, whether positional or named.
fn first_text(args: &Args) -> String {
    args.positional
        .first()
        .or_else(|| args.named.values().next())
        .map(Value::to_string)
        .unwrap_or_default()
}

fn all_texts(args: &Args) -> String {
    args.positional
        .iter()
        .chain(args.named.values())
        .map(Value::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
