//! What is told while something is done, besides what comes of it.

use super::{Settings, WorkspaceError};
use crate::context::LogLine;
use crate::diag::Diagnostic;
use crate::run::Event;
use crate::source::SourceMap;
use std::sync::Arc;

pub(crate) enum Notice {
    /// The files that the places of what follows are in.
    Files(Arc<SourceMap>),
    /// What there is to say of the project, or of what was asked for.
    Diagnostics(Vec<Diagnostic>),
    Run(Event),
}

/// Takes what there is to tell.
pub(crate) type Notices<'a> = dyn FnMut(Notice) + 'a;

impl Notice {
    pub(crate) fn log(line: LogLine) -> Notice {
        Notice::Run(Event::Log { line })
    }
}

/// Tells warnings that the user has not silenced.
///
/// # Errors
/// `Promoted` where one of them is an error here.
pub(crate) fn tell_warnings(
    settings: &Settings,
    warnings: &[Diagnostic],
    notices: &mut Notices<'_>,
) -> Result<(), WorkspaceError> {
    let weighed = settings.weigh(warnings);
    if !weighed.shown.is_empty() {
        notices(Notice::Diagnostics(weighed.shown));
    }
    match weighed.is_promoted {
        true => Err(WorkspaceError::Promoted),
        false => Ok(()),
    }
}
