//! The diagnostics of a pass, by what they are about.

use crate::diag::{Code, Diagnostic};
use crate::hash::FastSet;
use crate::source::FileId;
use std::collections::BTreeSet;

/// The diagnostics of a pass. Those of single nodes are kept apart, so that they can be replaced
/// when the node is edited.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    /// Found while a node was made, with the index of its item.
    pub(super) made: Vec<(usize, Diagnostic)>,
    /// Found while the references of a node were bound, with the node's place in the pass.
    pub(super) bound: Vec<(usize, Diagnostic)>,
    /// About the project as a whole, such as names that two nodes have.
    pub(super) project: Vec<Diagnostic>,
}

impl Findings {
    /// Drops the diagnostics of a node.
    pub(super) fn forget(&mut self, item: usize, place: usize) {
        self.made.retain(|(of, _)| *of != item);
        self.bound.retain(|(of, _)| *of != place);
    }

    /// Whether a diagnostic has a label in one of the files.
    pub(super) fn have_label_in(&self, files: &BTreeSet<FileId>) -> bool {
        let single = self.made.iter().chain(&self.bound).map(|(_, d)| d);
        let mut labels =
            single.chain(&self.project).flat_map(|d| d.primary.iter().chain(&d.secondary));
        labels.any(|label| files.contains(&label.span.file))
    }

    /// Restores the order of a pass over the whole project.
    pub(super) fn sort(&mut self) {
        self.made.sort_by_key(|(item, _)| *item);
        self.bound.sort_by_key(|(place, _)| *place);
    }

    /// All diagnostics, each once: an error in a folder's config is found for each node below it.
    pub(super) fn to_diagnostics(&self) -> Vec<Diagnostic> {
        let single = self.made.iter().chain(&self.bound).map(|(_, d)| d);
        let mut all: Vec<Diagnostic> = single.chain(&self.project).cloned().collect();
        let mut said = FastSet::default();
        all.retain(|d| {
            let place = d.primary.as_ref().map(|label| label.span);
            d.code != Code::YamlShape || said.insert((d.message.clone(), place))
        });
        all
    }
}
