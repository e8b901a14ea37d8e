//! `debug`: checks step by step all that a build needs.

use super::OpsError;
use crate::config::python_str;
use crate::diag::Diagnostic;
use crate::engine::EngineError;
use crate::load::{LoadOutcome, LoadedProject, load_project};
use crate::source::SourceMap;
use crate::workspace::{Notice, Notices, Workspace};
use camino::Utf8PathBuf;
use std::sync::Arc;

/// The finding of one step.
pub(crate) enum DebugCheck {
    /// No project or no profile can be used; the diagnostics say why.
    Unusable,
    Project {
        name: String,
        root: Utf8PathBuf,
    },
    /// The profiles file. `None`: there is none, and the default target is used.
    Profiles(Option<Utf8PathBuf>),
    Target {
        name: String,
        profile: String,
        adapter: String,
        fields: Vec<(String, String)>,
    },
    /// A step of the connection check and its result.
    Connection {
        name: &'static str,
        found: Result<String, EngineError>,
    },
}

/// Hands the finding of each step to `each`. Returns whether all steps succeeded.
pub(crate) fn debug_setup(
    workspace: &mut Workspace,
    notices: &mut Notices<'_>,
    each: &mut dyn FnMut(DebugCheck),
) -> Result<bool, OpsError> {
    let settings = workspace.settings();
    let LoadOutcome { project: sources, map, diagnostics } =
        load_project(&settings.system, &settings.load, SourceMap::default())?;
    let has_errors = diagnostics.iter().any(Diagnostic::is_error);
    let Some(mut sources) = sources else {
        notices(Notice::Files(Arc::new(map)));
        each(DebugCheck::Unusable);
        notices(Notice::Diagnostics(diagnostics));
        return Ok(false);
    };
    notices(Notice::Files(Arc::new(std::mem::take(&mut sources.map))));
    tell_target(&sources, each);
    if !diagnostics.is_empty() {
        notices(Notice::Diagnostics(diagnostics));
    }
    if has_errors {
        return Ok(false);
    }
    for (name, found) in crate::adapter::diagnose_target(&sources.target, settings.patience) {
        let is_wrong = found.is_err();
        each(DebugCheck::Connection { name, found });
        if is_wrong {
            return Ok(false);
        }
    }
    Ok(true)
}

fn tell_target(sources: &LoadedProject, each: &mut dyn FnMut(DebugCheck)) {
    let root = sources.root();
    each(DebugCheck::Project { name: root.name().to_string(), root: root.root.clone() });
    each(DebugCheck::Profiles(sources.profiles_path.clone()));
    let target = &sources.target;
    let shown = target.visible.iter().filter(|(key, value)| *key != "type" && !value.is_null());
    each(DebugCheck::Target {
        name: target.name.to_string(),
        profile: target.profile_name.to_string(),
        adapter: target.adapter.to_string(),
        fields: shown.map(|(key, value)| (key.clone(), python_str(value))).collect(),
    });
}
