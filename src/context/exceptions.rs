//! `exceptions`: errors and warnings that a project raises itself.

use super::contract::mismatches;
use super::session::{Abort, Session};
use crate::jinja::{Args, error, to_json, with_extension};
use minijinja::value::{Object, ObjectRepr, Value};
use minijinja::{Error, State};
use std::sync::Arc;

pub(super) fn value() -> Value {
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
        let session = with_extension::<Session>(state)?;
        let args = Args::parse(args)?;
        let first = || {
            args.positional
                .first()
                .or_else(|| args.named.values().next())
                .map(Value::to_string)
                .unwrap_or_default()
        };
        let all = || {
            args.positional
                .iter()
                .chain(args.named.values())
                .map(Value::to_string)
                .collect::<Vec<_>>()
                .join(", ")
        };
        let raised = |message: String| Err(session.stop(Abort::Raised(message)));
        match method {
            "warn" => {
                let site = session.site(state);
                session.record().warnings.push((first(), site));
                Ok(Value::from(""))
            }
            "warn_snapshot_timestamp_data_types" => {
                let message = format!("the snapshot's types of time stamps differ: {}", all());
                session.record().warnings.push((message, None));
                Ok(Value::from(""))
            }
            "raise_compiler_error" | "raise_database_error" | "raise_dependency_error" => {
                raised(first())
            }
            "raise_not_implemented" => raised(format!("not implemented: {}", first())),
            "raise_fail_fast_error" => Err(session.stop(Abort::FailFast(first()))),
            "relation_wrong_type" => {
                let wanted = args.get(1, "expected_type").map(Value::to_string).unwrap_or_default();
                raised(format!(
                    "{} exists but is not a {wanted}; drop or rename it, or use --full-refresh",
                    first()
                ))
            }
            "missing_config" => raised(format!(
                "`{}` needs a config `{}`",
                session.unit.name,
                args.text(1, "name").unwrap_or_default()
            )),
            "missing_materialization" => {
                raised(format!("no materialization for `{}`", session.unit.name))
            }
            "missing_relation" => raised(format!("relation {} not found", first())),
            "column_type_missing" => raised(format!(
                "the contract of `{}` needs a `data_type` for: {}",
                session.unit.name,
                first()
            )),
            "raise_contract_error" => {
                let columns =
                    |i: usize, key: &str| args.get(i, key).map(to_json).unwrap_or_default();
                let differences =
                    mismatches(&columns(0, "yaml_columns"), &columns(1, "sql_columns"));
                raised(format!(
                    "the columns of `{}` are not those of its contract\n{differences}",
                    session.unit.name
                ))
            }
            other if other.starts_with("raise_") || other.starts_with("missing_") => {
                raised(format!("{}: {}", other.replace('_', " "), all()))
            }
            other => Err(error(format!("exceptions has no `{other}`"))),
        }
    }
}
