//! Finds relations that a node reads without `ref`.
//!
//! The plan has no edge for such a read, so the node may start before the relation exists. In: the
//! node's failure, the steps that had not ended when it began. Out: the step that builds the missing relation.
//! Must not know: connections, results.

use crate::engine::Relation;
use crate::manifest::Manifest;
use crate::outcome::NodeOutcome;
use crate::plan::Plan;

/// The step that builds the relation which a failed node did not find, of those that had not ended
/// when the node began (`is_later`). `None` if the failure is another one.
pub(super) fn builder_of_missing(
    plan: &Plan,
    manifest: &Manifest,
    is_later: impl Fn(usize) -> bool,
    outcome: &NodeOutcome,
) -> Option<usize> {
    let failure = &outcome.failed.as_ref()?.diagnostic;
    if !failure.names_missing {
        return None;
    }
    (0..plan.steps.len()).find(|step| {
        let relation = manifest.node(plan.steps[*step].node).relation.as_ref();
        is_later(*step) && relation.is_some_and(|r| is_named(&failure.message, r))
    })
}

/// Whether a message contains the relation's identifier as a whole word.
fn is_named(message: &str, relation: &Relation) -> bool {
    let mut words = message.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.any(|word| word.eq_ignore_ascii_case(relation.identifier()))
}

/// Whether `step` is `from` or one of its descendants.
pub(super) fn is_downstream(behind: &[Vec<usize>], from: usize, step: usize) -> bool {
    let mut seen = vec![false; behind.len()];
    let mut stack = vec![from];
    while let Some(next) = stack.pop() {
        if next == step {
            return true;
        }
        if !std::mem::replace(&mut seen[next], true) {
            stack.extend(&behind[next]);
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relation_is_named_by_a_whole_word() {
        let orders = Relation::new(None, Some("main"), "stg_orders");
        assert!(is_named("relation \"main.stg_orders\" does not exist (SQLSTATE 42P01)", &orders));
        assert!(is_named("Table with name STG_ORDERS does not exist!", &orders));
        assert!(!is_named("Table with name stg_orders_daily does not exist!", &orders));
    }

    #[test]
    fn what_comes_after_a_step() {
        let behind = vec![vec![1], vec![2], vec![], vec![0]];
        assert!(is_downstream(&behind, 0, 2) && is_downstream(&behind, 0, 0));
        assert!(!is_downstream(&behind, 0, 3));
    }
}
