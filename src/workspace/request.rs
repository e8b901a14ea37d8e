//! The options of commands that build, run or test.

use crate::manifest::{EventWindow, ResourceType};
use crate::plan::CommandVerb;
use crate::run::BatchOptions;
use crate::select::Selection;

#[derive(Clone, Debug)]
pub(crate) struct BuildOptions {
    pub(crate) verb: CommandVerb,
    pub(crate) selection: Selection,
    pub(crate) full_refresh: bool,
    pub(crate) fail_fast: bool,
    pub(crate) store_failures: bool,
    pub(crate) empty: bool,
    pub(crate) audit: bool,
    /// Builds only what has changed since the last publication.
    pub(crate) changed: Option<ChangeOptions>,
    pub(crate) times: EventTimeOptions,
}

/// Which event times are built and read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct EventTimeOptions {
    /// The batches of microbatch models that are built.
    pub(crate) window: Option<EventWindow>,
    /// The rows of inputs with an event time that are read.
    pub(crate) sample: Option<EventWindow>,
}

impl BuildOptions {
    /// Builds everything, as without flags.
    pub(crate) fn of(verb: CommandVerb) -> BuildOptions {
        BuildOptions {
            verb,
            selection: Selection::default(),
            full_refresh: false,
            fail_fast: false,
            store_failures: false,
            empty: false,
            audit: true,
            changed: None,
            times: EventTimeOptions::default(),
        }
    }

    /// Which batches are built by a command that was started at a time.
    pub(crate) fn batch_options(&self, started: jiff::Timestamp) -> BatchOptions {
        let retried = self.selection.retried.as_ref();
        BatchOptions {
            window: self.times.sample.or(self.times.window),
            now: retried.and_then(|r| r.started).unwrap_or(started),
            retried: retried.map(|r| r.batches.clone()).unwrap_or_default(),
        }
    }

    /// Whether the command publishes relations, and so records publications.
    pub(crate) fn publishes_relations(&self) -> bool {
        matches!(
            self.verb,
            CommandVerb::Build | CommandVerb::Run | CommandVerb::Seed | CommandVerb::Snapshot
        )
    }
}

/// How `--changed` compares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ChangeOptions {
    /// Sources whose changes cannot be detected are taken as unchanged.
    pub(crate) assume_sources: bool,
    /// Only edits count as changes, not volatile or external inputs.
    pub(crate) edits_only: bool,
}

/// The resource types that a command works on (`ls` has those of `build` and more).
pub(crate) fn resource_types_of(verb: CommandVerb) -> &'static [ResourceType] {
    match verb {
        CommandVerb::Build => &[
            ResourceType::Model,
            ResourceType::Seed,
            ResourceType::Snapshot,
            ResourceType::Test,
            ResourceType::UnitTest,
            ResourceType::Exposure,
            ResourceType::SavedQuery,
            ResourceType::Function,
        ],
        CommandVerb::Run => &[ResourceType::Model],
        CommandVerb::Test => &[ResourceType::Test, ResourceType::UnitTest],
        CommandVerb::Seed => &[ResourceType::Seed],
        CommandVerb::Snapshot => &[ResourceType::Snapshot],
        CommandVerb::Clone => &[ResourceType::Model, ResourceType::Seed, ResourceType::Snapshot],
        CommandVerb::Export => &[ResourceType::Export],
        CommandVerb::Compile => &[
            ResourceType::Model,
            ResourceType::Snapshot,
            ResourceType::Analysis,
            ResourceType::Test,
            ResourceType::Function,
        ],
    }
}
