//! Stores materialized views. One is not refreshed but built beside and swapped in, so that what it
//! shows has passed its tests, and a changed query or index takes effect. Where the project wants to
//! know first (`on_configuration_change`), its indexes are compared with those of the config.

use super::stored::store_full;
use super::{
    AuditSubject, MaterializationJob, MaterializationOutcome, PublicMacroArg, PublicMacroCall,
    Steps,
};
use crate::engine::RelationKind;
use crate::manifest::{Materialization, OnConfigurationChange};
use crate::outcome::NodeError;

const CHANGES_FOUND: &str =
    "Configuration changes were identified and `on_configuration_change` was set to";

pub(super) fn store_materialized_view(
    job: &MaterializationJob,
    steps: &mut dyn Steps,
) -> Result<MaterializationOutcome, NodeError> {
    let is_there =
        job.existing.as_ref().is_some_and(|old| old.kind == RelationKind::MaterializedView);
    let on_change = job.config.on_configuration_change();
    let changes = match is_there && !job.full_refresh {
        true if on_change != OnConfigurationChange::Apply => describe_changes(job, steps)?,
        _ => String::new(),
    };
    let shown = job.target.render(job.engine.dialect);
    if changes.is_empty() {
        if is_there {
            steps.log(format!("Applying REPLACE to: {shown}"));
        }
        return store_full(Materialization::MaterializedView, job, steps);
    }
    if on_change == OnConfigurationChange::Fail {
        let message = format!("{CHANGES_FOUND} `fail` for `{shown}`: {changes}");
        let mut e = job.mistake(message);
        e.diagnostic
            .help
            .push("`apply`, or --full-refresh, makes its indexes as the config says".to_owned());
        return Err(e);
    }
    steps
        .warn(format!("{CHANGES_FOUND} `continue` for `{shown}`, which stays as it is: {changes}"));
    steps.skip(format!("skip {shown}"));
    let passed = steps.audit(&AuditSubject::Inside)?;
    Ok(if passed {
        MaterializationOutcome::Published
    } else {
        MaterializationOutcome::Rejected(None)
    })
}

/// The indexes that would come and go, as a text; empty if none would.
fn describe_changes(job: &MaterializationJob, steps: &mut dyn Steps) -> Result<String, NodeError> {
    let target = job.target.clone().with_kind(RelationKind::MaterializedView);
    let args = vec![PublicMacroArg::Relation(target)];
    let text = steps.ask_macro(&PublicMacroCall::new("strata_describe_index_changes", args))?;
    Ok(text.trim().to_owned())
}
