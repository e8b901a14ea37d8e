//! Functions of the database that a project defines (`functions/`).
//!
//! In: the properties that describe a function. Out: its arguments and its result, and their form
//! in the manifest. Must not know: how an engine creates a function.

use crate::config::{Json, JsonMap};
use serde_json::json;

/// A function, besides its text: what it takes and what it gives.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Function {
    pub(crate) arguments: Vec<FunctionArgument>,
    /// `None`: no properties file describes the function.
    pub(crate) returns: Option<FunctionResult>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FunctionArgument {
    pub(crate) name: String,
    pub(crate) data_type: String,
    pub(crate) description: Option<String>,
    /// An expression of SQL.
    pub(crate) default: Option<Json>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FunctionResult {
    pub(crate) data_type: String,
    pub(crate) description: Option<String>,
}

/// What a function gives (`type:`): a value for each row, one for many rows, or rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum FunctionKind {
    #[default]
    Scalar,
    Aggregate,
    Table,
}

impl FunctionKind {
    pub(crate) const ALL: [FunctionKind; 3] =
        [FunctionKind::Scalar, FunctionKind::Aggregate, FunctionKind::Table];

    pub(crate) fn name(self) -> &'static str {
        match self {
            FunctionKind::Scalar => "scalar",
            FunctionKind::Aggregate => "aggregate",
            FunctionKind::Table => "table",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<FunctionKind> {
        FunctionKind::ALL.into_iter().find(|kind| kind.name() == text)
    }
}

/// Whether a function gives the same for the same arguments (`volatility:`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Volatility {
    Deterministic,
    /// Within one statement.
    Stable,
    NonDeterministic,
}

impl Volatility {
    pub(crate) const ALL: [Volatility; 3] =
        [Volatility::Deterministic, Volatility::Stable, Volatility::NonDeterministic];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Volatility::Deterministic => "deterministic",
            Volatility::Stable => "stable",
            Volatility::NonDeterministic => "non-deterministic",
        }
    }
}

impl Function {
    /// Adds the keys that only functions have.
    pub(super) fn write_json(&self, map: &mut JsonMap) {
        let arguments = self.arguments.iter().map(|argument| {
            json!({
                "name": argument.name,
                "data_type": argument.data_type,
                "description": argument.description,
                "default_value": argument.default,
            })
        });
        map.insert("arguments".into(), arguments.collect());
        // dbt writes this word for a function that nothing describes.
        let data_type = self.returns.as_ref().map_or("INVALID_TYPE", |r| r.data_type.as_str());
        let description = self.returns.as_ref().and_then(|r| r.description.as_deref());
        map.insert("returns".into(), json!({ "data_type": data_type, "description": description }));
    }

    /// The first argument that has no default behind one that has.
    pub(crate) fn misplaced_argument(&self) -> Option<&FunctionArgument> {
        let mut after_first = self.arguments.iter().skip_while(|a| a.default.is_none());
        after_first.find(|argument| argument.default.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(defaults: &[bool]) -> Function {
        let argument = |(i, has_default): (usize, &bool)| FunctionArgument {
            name: format!("a{i}"),
            data_type: "int".to_owned(),
            description: None,
            default: has_default.then(|| json!(1)),
        };
        Function { arguments: defaults.iter().enumerate().map(argument).collect(), returns: None }
    }

    #[test]
    fn arguments_with_defaults_come_last() {
        for (defaults, wrong) in [
            (&[][..], None),
            (&[false, true], None),
            (&[true, true], None),
            (&[true, false], Some("a1")),
            (&[false, true, true, false], Some("a3")),
        ] {
            let function = function(defaults);
            assert_eq!(function.misplaced_argument().map(|a| a.name.as_str()), wrong);
        }
    }

    #[test]
    fn what_is_not_described_has_dbts_word() {
        let mut map = JsonMap::new();
        Function::default().write_json(&mut map);
        assert_eq!(map["returns"]["data_type"], "INVALID_TYPE");
        assert_eq!(map["arguments"], json!([]));
    }
}
