//! Warnings that what a command was given is out of date: flags, options, variables.
//!
//! In: the parsed command line, the environment. Out: a warning for each. They are weighed like
//! those of the project, once its settings are known.

use super::args::{Cli, Command, SourceCommand};
use super::flags::Flags;
use crate::diag::{Code, DbtEvent, Diagnostic};
use crate::system::System;

/// The prefix of variables that only dbt's own settings should have.
const RESERVED: &str = "DBT_ENGINE_";

/// The settings of dbt 1.11 that may have the prefix.
const SETTINGS: &[&str] = &[
    "ARTIFACT_STATE_PATH",
    "CACHE_SELECTED_ONLY",
    "CLEAN_PROJECT_FILES_ONLY",
    "DEBUG",
    "DEFER",
    "DEFER_STATE",
    "DEFER_TO_STATE",
    "DOWNLOAD_DIR",
    "EMPTY",
    "EVENT_TIME_END",
    "EVENT_TIME_START",
    "EXCLUDE_RESOURCE_TYPES",
    "EXPORT_SAVED_QUERIES",
    "FAIL_FAST",
    "FAVOR_STATE",
    "FAVOR_STATE_MODE",
    "FULL_REFRESH",
    "HOST",
    "INCLUDE_SAVED_QUERY",
    "INDIRECT_SELECTION",
    "INTROSPECT",
    "INVOCATION_ENV",
    "LOG_CACHE_EVENTS",
    "LOG_FILE_MAX_BYTES",
    "LOG_FORMAT",
    "LOG_FORMAT_FILE",
    "LOG_LEVEL",
    "LOG_LEVEL_FILE",
    "LOG_PATH",
    "MACRO_DEBUGGING",
    "NO_PRINT",
    "PACKAGE_HUB_URL",
    "PARTIAL_PARSE",
    "PARTIAL_PARSE_FILE_DIFF",
    "PARTIAL_PARSE_FILE_PATH",
    "POPULATE_CACHE",
    "PP_FILE_DIFF_TEST",
    "PP_TEST",
    "PRINT",
    "PRINTER_WIDTH",
    "PROFILE",
    "PROFILES_DIR",
    "PROJECT_DIR",
    "QUIET",
    "RECORDED_FILE_PATH",
    "RESOURCE_TYPES",
    "SAMPLE",
    "SEND_ANONYMOUS_USAGE_STATS",
    "SHOW_RESOURCE_REPORT",
    "SINGLE_THREADED",
    "SQLPARSE",
    "STATE",
    "STATIC_PARSER",
    "STORE_FAILURES",
    "TARGET",
    "TARGET_PATH",
    "TEST_STATE_MODIFIED",
    "UPLOAD_TO_ARTIFACTS_INGEST_API",
    "USE_COLORS",
    "USE_COLORS_FILE",
    "USE_EXPERIMENTAL_PARSER",
    "USE_FAST_TEST_EDGES",
    "VERSION_CHECK",
    "WARN_ERROR",
    "WARN_ERROR_OPTIONS",
    "WRITE_JSON",
];

pub(super) fn list_deprecated(cli: &Cli, flags: &Flags, system: &dyn System) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    if cli.command.selection().is_some_and(|selection| !selection.models.is_empty()) {
        let d = deprecated(DbtEvent::ModelParamUsageDeprecation, "`--models` is out of date");
        out.push(d.help("write `--select`"));
    }
    if let Command::Source { command: SourceCommand::Freshness { output: Some(_), .. } } =
        &cli.command
    {
        let event = DbtEvent::CustomOutputPathInSourceFreshnessDeprecation;
        let d = deprecated(event, "`--output` of `source freshness` is out of date");
        out.push(d.help("`sources.json` is in the target path"));
    }
    let keys: Vec<String> = flags.old_warning_keys().map(|key| format!("`{key}`")).collect();
    if !keys.is_empty() {
        let message = format!("{} of `warn_error_options` are out of date", keys.join(", "));
        let d = deprecated(DbtEvent::WEOIncludeExcludeDeprecation, message);
        out.push(d.help("write `error` for `include`, `warn` for `exclude`"));
    }
    let names = system.env_all().into_iter().map(|(name, _)| name);
    out.extend(names.filter(|name| takes_reserved_prefix(name)).map(|name| {
        let message = format!("the variable `{name}` is no setting, and its prefix is reserved");
        let d = deprecated(DbtEvent::EnvironmentVariableNamespaceDeprecation, message);
        d.help(format!("choose another prefix than `{RESERVED}`"))
    }));
    out
}

fn deprecated(event: DbtEvent, message: impl Into<String>) -> Diagnostic {
    Diagnostic::dbt_warning(Code::Deprecated, event, message)
}

/// Whether a variable has the reserved prefix and is no setting.
fn takes_reserved_prefix(name: &str) -> bool {
    name.strip_prefix(RESERVED).is_some_and(|setting| !SETTINGS.contains(&setting))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserved_prefix_is_for_settings() {
        assert!(!takes_reserved_prefix("DBT_ENGINE_TARGET"));
        assert!(takes_reserved_prefix("DBT_ENGINE_OF_MINE"));
        assert!(!takes_reserved_prefix("DBT_OF_MINE"));
    }
}
