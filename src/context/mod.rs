//! The members of the Jinja context that know the project, relations and a database.
//!
//! In: a `ContextProject` (shared by all renders) and a `RenderSession` (one render: its node, its
//! record, perhaps a connection). Out: a `Scope` for `jinja`, and the session's record of the
//! render: refs, sources, configs, reads, log lines. Must not know: passes, adapters, output.
//!
//! A member function gets its session from the render's state (`with_extension`), so that one set
//! of function values serves all renders and threads.

mod adapter;
mod base;
mod batch;
mod builtins;
mod column;
mod configuration;
mod constraints;
mod contract;
mod datetime;
mod exceptions;
mod failure;
mod iso;
mod itertools;
#[cfg(test)]
mod members_tests;
mod modules;
mod project;
mod reads;
mod refs;
mod regex;
mod relation;
mod session;
mod statements;
mod table;
mod zones;

/// The extra member that marks a session whose node is built as a candidate, beside its published
/// relation.
pub(crate) const BUILDS_CANDIDATE: &str = "strata_builds_candidate";

pub(crate) use batch::BatchContext;
pub(crate) use column::column_value;
pub(crate) use configuration::node_config;
pub(crate) use datetime::{instant_of_text, instant_of_value, read_iso_datetime};
pub(crate) use failure::{failure_diagnostic, internal_diagnostic};
pub(crate) use project::{
    ContextProject, InvocationContext, VarSource, invocation_members, metadata_env, vars_json,
};
pub(crate) use reads::{ConstantFingerprints, RenderQuestion, RenderRead};
pub(crate) use refs::{resolve_function, resolve_ref};
pub(crate) use relation::RelationValue;
pub(crate) use session::{
    Abort, Bindings, BoundQuery, DatabaseAccess, DeferredRelations, LogLine, NodeScope, RefForm,
    RenderSession, RenderSubject, Runtime, TemplateWarning, TransactionControl,
};
pub(crate) use statements::response_json;
pub(crate) use table::rows_of;

use crate::jinja::{Args, with_extension};
use minijinja::value::{Rest, Value, ValueOrKwargs};
use minijinja::{Error, State};
use std::sync::Arc;

/// Makes a member function from a closure that takes the session and the arguments.
fn function<F>(f: F) -> Value
where
    F: Fn(&mut State<'_, '_>, &Arc<RenderSession>, Args) -> Result<Value, Error>
        + Send
        + Sync
        + 'static,
{
    Value::from_function(move |state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>| {
        let values: Vec<Value> = args.0.into_iter().map(ValueOrKwargs::into_value).collect();
        let session = with_extension::<RenderSession>(state)?;
        f(state, &session, Args::parse(&values)?)
    })
}

fn none() -> Value {
    Value::from(())
}
