//! The `flags:` block of the project file.

use super::{Yaml, YamlMap, unknown_keys};
use crate::diag::{Code, Diagnostic};
use serde::Serialize;

/// The values in `flags:`, by name.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct ProjectFlags {
    map: YamlMap,
}

const KNOWN: &[&str] = &[
    "cache_selected_only",
    "debug",
    "env_file",
    "fail_fast",
    "indirect_selection",
    "log_format",
    "log_format_file",
    "log_level",
    "log_level_file",
    "log_path",
    "log_file_max_bytes",
    "partial_parse",
    "populate_cache",
    "printer_width",
    "send_anonymous_usage_stats",
    "static_parser",
    "target_path",
    "use_colors",
    "use_colors_file",
    "use_experimental_parser",
    "version_check",
    "warn_error",
    "warn_error_options",
    "write_json",
    "quiet",
    "full_refresh",
    "store_failures",
    "no_audit",
    "start_order",
    "lock_timeout",
    "wait_timeout",
    "introspect",
    "print",
    "macro_debugging",
    "empty",
    // Behaviour flags of dbt 1.11 and its adapters.
    "require_generic_test_arguments_property",
    "require_explicit_package_overrides_for_builtin_materializations",
    "require_resource_names_without_spaces",
    "source_freshness_run_project_hooks",
    "skip_nodes_if_on_run_start_fails",
    "validate_macro_args",
    "state_modified_compare_vars",
    COMPARE_UNRENDERED,
    "require_unique_project_resource_names",
    "require_ref_searches_node_package_before_root",
    "require_batched_execution_for_custom_microbatch_strategy",
    "require_nested_cumulative_type_params",
    "require_yaml_configuration_for_mf_time_spines",
    "require_event_names_in_deprecations",
    "require_all_warnings_handled_by_warn_error",
    "require_generic_test_arguments_property",
    "require_valid_schema_from_generate_schema_name",
    "enable_truthy_nulls_equals_macro",
    "require_sql_header_in_test_configs",
];

/// Whether states are compared by the unrendered values in properties files and config calls.
pub(crate) const COMPARE_UNRENDERED: &str = "state_modified_compare_more_unrendered_values";

/// Flags that have no effect when they are set, with the reason.
const IDLE: &[(&str, &str)] = &[
    ("cache_selected_only", "what is there is read as far as a command needs it"),
    ("populate_cache", "what is there is read as far as a command needs it"),
    ("macro_debugging", "`--debug` prints all there is"),
    ("send_anonymous_usage_stats", "nothing is sent"),
    ("state_modified_compare_vars", "variables are not compared between states"),
    ("use_colors_file", "the log file has no colours"),
    ("use_experimental_parser", "there is one parser"),
    ("validate_macro_args", "the arguments of macros are not compared with their description"),
];

/// Flags with values that have no effect, with the reason.
const IDLE_WITH_VALUE: &[(&str, &str)] = &[("printer_width", "lines are as wide as the terminal")];

/// The reason why a flag has no effect; `None` if it has one.
pub(crate) fn why_idle(name: &str) -> Option<&'static str> {
    IDLE.iter().chain(IDLE_WITH_VALUE).find(|(idle, _)| *idle == name).map(|(_, why)| *why)
}

impl ProjectFlags {
    pub(crate) fn new(map: YamlMap, out: &mut Vec<Diagnostic>) -> ProjectFlags {
        unknown_keys(&map, KNOWN, "`flags`", out);
        let flags = ProjectFlags { map };
        let on = IDLE.iter().filter(|(name, _)| flags.is_set(name, false));
        let given = IDLE_WITH_VALUE.iter().filter(|(name, _)| flags.get(name).is_some());
        let arguments = (
            "require_generic_test_arguments_property",
            "`arguments:` of a test is read in any case",
        );
        let off = Some(&arguments).filter(|(name, _)| !flags.is_set(name, true));
        for (name, why) in on.chain(given).chain(off) {
            let Some(key) = flags.map.key(name) else { continue };
            let d = Diagnostic::warning(Code::Ignored, format!("`{name}` has no effect: {why}"));
            out.push(d.primary(key.span, ""));
        }
        flags
    }

    /// The names of the flags that are true.
    pub(crate) fn names_set(&self) -> impl Iterator<Item = &str> {
        self.map
            .iter()
            .filter(|(_, value)| value.as_bool() == Some(true))
            .map(|(key, _)| &*key.text)
    }

    fn get(&self, name: &str) -> Option<&Yaml> {
        self.map.get(name).filter(|y| !y.is_null())
    }

    /// The value of a flag, or `default` if it is not set or not a boolean.
    pub(crate) fn is_set(&self, name: &str, default: bool) -> bool {
        self.get(name).and_then(Yaml::as_bool).unwrap_or(default)
    }
}
