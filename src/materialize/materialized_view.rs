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
    if changes.is_empty() {
        return store_full(Materialization::MaterializedView, job, steps);
    }
    let name = job.target.short();
    if on_change == OnConfigurationChange::Fail {
        let message = format!("{name} has other indexes than its config: {changes}");
        let mut e = job.mistake(message);
        e.diagnostic.help.push(
            "`on_configuration_change: fail` stops here; `apply` or --full-refresh makes it as the config says".to_owned(),
        );
        return Err(e);
    }
    steps.warn(format!(
        "{name} has other indexes than its config ({changes}); `on_configuration_change: continue` leaves it as it is"
    ));
    steps.skip(format!("skip {}", job.target.render(job.engine.dialect)));
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
