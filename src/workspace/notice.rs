//! Messages that are sent while work is in progress, apart from its result.

use super::{Settings, WorkspaceError};
use crate::context::LogLine;
use crate::diag::Diagnostic;
use crate::packages::FetchStep;
use crate::run::Event;
use crate::source::SourceMap;
use std::sync::Arc;

pub(crate) enum Notice {
    /// The source map that the following notices' spans refer to.
    Files(Arc<SourceMap>),
    /// Diagnostics of the project or of the request.
    Diagnostics(Vec<Diagnostic>),
    Run(Event),
    /// A package is being fetched.
    Packages(FetchStep),
}

/// A sink for notices.
pub(crate) type Notices<'a> = dyn FnMut(Notice) + 'a;

impl Notice {
    pub(crate) fn log(line: LogLine) -> Notice {
        Notice::Run(Event::Log { line })
    }
}

/// Sends the warnings that the user has not silenced.
///
/// # Errors
/// `Promoted` if the user has promoted one of the warnings to an error.
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
