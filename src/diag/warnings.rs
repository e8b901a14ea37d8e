//! Decides which warnings are errors or silent: `--warn-error`, `--warn-error-options`.
//!
//! In: the options, as JSON; a code. Out: what a warning with this code counts as. Names are ours
//! (`W0003`) or those of dbt's events (`UnusedResourceConfigPath`); `Deprecations` stands for all
//! warnings about deprecated features. Must not know: who warns, or what becomes of it.
//!
//! Source: `warn_error_options` in dbt's documentation: a name takes precedence over
//! `Deprecations`, this over `all`; at one level `silence` takes precedence over `warn`, and this
//! over `error`.

use super::{Code, DbtEvent, nearest_name};
use serde_json::{Map, Value};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WarningLevel {
    Silent,
    Warning,
    Error,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct WarningOptions {
    all: bool,
    error: Vec<String>,
    warn: Vec<String>,
    silence: Vec<String>,
}

const DEPRECATIONS: &str = "Deprecations";

/// Warnings that dbt does not have. `all` does not cover them, so that projects from dbt do not fail;
/// they can be named.
const OURS_ALONE: [Code; 3] = [Code::Ignored, Code::EmptyModel, Code::UnknownEngine];

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WarningOptionsError {
    #[error("`{0}` is no key of warn_error_options: error, warn, silence")]
    UnknownKey(String),
    #[error("`{0}` of warn_error_options is a list of names")]
    NoList(String),
    #[error(
        "`warn` makes exceptions: `error` is `all`, or `Deprecations` is in `error` or `silence`"
    )]
    IdleExceptions,
    #[error("`{name}` is no warning{}", hint(*.near))]
    UnknownName { name: String, near: Option<&'static str> },
}

fn hint(near: Option<&str>) -> String {
    near.map(|near| format!(": did you mean `{near}`?")).unwrap_or_default()
}

impl WarningOptions {
    /// The options of `--warn-error`.
    pub(crate) fn all_errors() -> WarningOptions {
        WarningOptions { all: true, ..WarningOptions::default() }
    }

    /// Reads `{error: all | [..], warn: [..], silence: [..]}`. `include` and `exclude` are older
    /// names of the first two.
    pub(crate) fn read(map: &Map<String, Value>) -> Result<WarningOptions, WarningOptionsError> {
        let mut options = WarningOptions::default();
        for (key, value) in map {
            let list = match key.as_str() {
                "error" | "include" => {
                    options.all = value.as_str().is_some_and(|v| matches!(v, "all" | "*"));
                    if options.all {
                        continue;
                    }
                    &mut options.error
                }
                "warn" | "exclude" => &mut options.warn,
                "silence" => &mut options.silence,
                other => return Err(WarningOptionsError::UnknownKey(other.to_owned())),
            };
            for name in names(key, value)? {
                list.push(known(name)?);
            }
        }
        let lifted =
            options.all || [&options.error, &options.silence].iter().any(|l| has(l, DEPRECATIONS));
        if !options.warn.is_empty() && !lifted {
            return Err(WarningOptionsError::IdleExceptions);
        }
        Ok(options)
    }

    /// The weight of a warning with this code, which dbt calls by the name of the event.
    pub(crate) fn weigh(&self, code: Code, event: Option<DbtEvent>) -> WarningLevel {
        self.judge(
            |list| has(list, code.as_str()) || event.is_some_and(|event| has(list, event.name())),
            event.is_some_and(DbtEvent::is_deprecation) || code == Code::Deprecated,
            self.all && !OURS_ALONE.contains(&code),
        )
    }

    /// The weight of a test's warning.
    pub(crate) fn weigh_test(&self) -> WarningLevel {
        self.judge(|list| has(list, DbtEvent::LogTestResult.name()), false, self.all)
    }

    fn judge(
        &self,
        named: impl Fn(&[String]) -> bool,
        deprecation: bool,
        all: bool,
    ) -> WarningLevel {
        let own =
            self.level(named).or_else(|| self.level(|list| deprecation && has(list, DEPRECATIONS)));
        own.unwrap_or(if all { WarningLevel::Error } else { WarningLevel::Warning })
    }

    /// The weight that the lists give to a warning; `None` if none contains it.
    fn level(&self, named: impl Fn(&[String]) -> bool) -> Option<WarningLevel> {
        let levels = [
            (&self.silence, WarningLevel::Silent),
            (&self.warn, WarningLevel::Warning),
            (&self.error, WarningLevel::Error),
        ];
        levels.into_iter().find(|(list, _)| named(list)).map(|(_, weight)| weight)
    }
}

fn has(list: &[String], name: &str) -> bool {
    list.iter().any(|item| item == name)
}

fn names<'a>(key: &str, value: &'a Value) -> Result<Vec<&'a str>, WarningOptionsError> {
    let names = match value {
        Value::Null => Some(Vec::new()),
        Value::Array(items) => items.iter().map(Value::as_str).collect(),
        _ => None,
    };
    names.ok_or_else(|| WarningOptionsError::NoList(key.to_owned()))
}

/// The name in the form in which it is compared; an error if it is unknown.
fn known(name: &str) -> Result<String, WarningOptionsError> {
    let code = Code::ALL.iter().find(|code| code.as_str().eq_ignore_ascii_case(name));
    if let Some(code) = code {
        return Ok(code.as_str().to_owned());
    }
    if name == DEPRECATIONS || DbtEvent::from_name(name).is_some() {
        return Ok(name.to_owned());
    }
    let events = DbtEvent::ALL.iter().map(|event| event.name());
    let near = nearest_name(name, events.chain([DEPRECATIONS]));
    Err(WarningOptionsError::UnknownName { name: name.to_owned(), near })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn options(value: Value) -> WarningOptions {
        WarningOptions::read(value.as_object().unwrap()).unwrap()
    }

    #[test]
    fn names_come_before_groups_and_groups_before_all() {
        let o = options(
            json!({ "error": "all", "warn": ["UnusedResourceConfigPath"], "silence": ["Deprecations"] }),
        );
        assert_eq!(
            o.weigh(Code::NoteTest, Some(DbtEvent::NodeNotFoundOrDisabled)),
            WarningLevel::Error
        );
        assert_eq!(
            o.weigh(Code::UnusedConfig, Some(DbtEvent::UnusedResourceConfigPath)),
            WarningLevel::Warning
        );
        assert_eq!(o.weigh(Code::Deprecated, None), WarningLevel::Silent);
        assert_eq!(o.weigh_test(), WarningLevel::Error);
        let o = options(
            json!({ "error": ["Deprecations", "w0007"], "warn": ["DuplicateYAMLKeysDeprecation"] }),
        );
        assert_eq!(
            o.weigh(Code::UnknownKey, Some(DbtEvent::CustomTopLevelKeyDeprecation)),
            WarningLevel::Error
        );
        assert_eq!(
            o.weigh(Code::DuplicateKey, Some(DbtEvent::DuplicateYAMLKeysDeprecation)),
            WarningLevel::Warning
        );
        assert_eq!(
            o.weigh(Code::NoteTest, Some(DbtEvent::NodeNotFoundOrDisabled)),
            WarningLevel::Error
        );
        assert_eq!(o.weigh_test(), WarningLevel::Warning);
        assert_eq!(WarningOptions::all_errors().weigh(Code::Ignored, None), WarningLevel::Warning);
        assert_eq!(
            WarningOptions::default().weigh(Code::NoteTest, Some(DbtEvent::NodeNotFoundOrDisabled)),
            WarningLevel::Warning
        );
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let read = |value: Value| {
            WarningOptions::read(value.as_object().unwrap()).unwrap_err().to_string()
        };
        assert!(
            read(json!({ "error": ["NoNodesForSelectionCriterion"] }))
                .contains("NoNodesForSelectionCriteria")
        );
        assert!(read(json!({ "error": "some" })).contains("a list of names"));
        assert!(read(json!({ "warn": ["W0003"] })).contains("exceptions"));
        assert!(read(json!({ "errors": [] })).contains("no key"));
    }
}
