//! `clone`: a view of the relation that a node has in another state, under the node's own name.

use super::build::{BuildResult, BuildTask, build_native};
use super::node::NodeRun;
use crate::compile::Compiled;
use crate::context::LogLine;
use crate::engine::{Relation, select_all};
use crate::manifest::Materialization;
use crate::outcome::{NodeOutcome, RunStatus};
use std::sync::Arc;

/// Clones a node. As in dbt, what exists stays unless `--full-refresh` is given, and a node that the
/// other state does not have is passed over.
pub(super) fn clone_node(
    building: &BuildTask<'_>,
    run: &NodeRun<'_>,
    other: Option<&Relation>,
) -> BuildResult {
    let Some(other) = other else {
        let id = &run.node.unique_id;
        return pass_over(format!("`{id}` has no relation in the state to clone from"));
    };
    let existing = run.node.relation.as_ref().and_then(|own| run.existing.find(own));
    if let Some(existing) = existing
        && !run.shared.options.full_refresh
    {
        return pass_over(format!("{} is there already", existing.relation.short()));
    }
    if run.node.relation.as_ref().is_some_and(|own| {
        let dialect = run.engine().dialect;
        own.key(dialect) == other.key(dialect)
    }) {
        return pass_over(format!("{} is the relation to clone from itself", other.short()));
    }
    let (ctes, logs, warnings, reads) = Default::default();
    let sql = Arc::new(select_all(other, run.engine()));
    let compiled = Compiled { sql, ctes, logs, warnings, reads };
    let mut built = build_native(building, run, Some(&compiled), Materialization::View, None)
        .unwrap_or_else(BuildResult::failed);
    built.outcome.compiled = Some(compiled.sql.clone());
    built.compiled = Some(compiled);
    built
}

fn pass_over(why: String) -> BuildResult {
    let outcome =
        NodeOutcome { message: Some("No-op".to_owned()), ..NodeOutcome::new(RunStatus::Success) };
    let line = LogLine { text: why, info: true, print: false };
    BuildResult { logs: vec![line], ..BuildResult::plain(outcome) }
}
