//! Functions of the database that a project defines (`functions/`).
//!
//! In: the properties that describe a function. Out: its arguments and its result, and their form
//! in the manifest. Must not know: how an engine creates a function.

use super::NodeText;
use crate::config::{Json, JsonMap};
use serde_json::json;
use std::sync::Arc;

/// A function, besides its text: what it takes and what it gives.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Function {
    pub(crate) arguments: Vec<FunctionArgument>,
    /// `None`: no properties file describes the function.
    pub(crate) returns: Option<FunctionResult>,
    /// Functions of the same name that take other arguments, as in dbt 1.12.
    pub(crate) overloads: Vec<FunctionOverload>,
}

/// A function of the same name with a text of its own, from a file that is no node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FunctionOverload {
    /// The name of its file, without the ending.
    pub(crate) defined_in: String,
    pub(crate) original_file_path: Arc<str>,
    pub(crate) text: NodeText,
    pub(crate) arguments: Vec<FunctionArgument>,
    /// `None`: what the function itself returns.
    pub(crate) returns: Option<FunctionResult>,
    pub(crate) description: Option<String>,
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
        map.insert("arguments".into(), arguments_json(&self.arguments));
        // dbt writes this word for a function that nothing describes.
        let undescribed = || json!({ "data_type": "INVALID_TYPE", "description": null });
        let returns = self.returns.as_ref().map_or_else(undescribed, FunctionResult::to_json);
        map.insert("returns".into(), returns);
        // dbt 1.11 does not know the key.
        if !self.overloads.is_empty() {
            map.insert(
                "overloads".into(),
                self.overloads.iter().map(FunctionOverload::to_json).collect(),
            );
        }
    }

    /// The first argument that has no default behind one that has.
    pub(crate) fn misplaced_argument(&self) -> Option<&FunctionArgument> {
        let mut after_first = self.arguments.iter().skip_while(|a| a.default.is_none());
        after_first.find(|argument| argument.default.is_none())
    }
}

fn arguments_json(arguments: &[FunctionArgument]) -> Json {
    let arguments = arguments.iter().map(|argument| {
        json!({
            "name": argument.name,
            "data_type": argument.data_type,
            "description": argument.description,
            "default_value": argument.default,
        })
    });
    arguments.collect()
}

impl FunctionResult {
    fn to_json(&self) -> Json {
        json!({ "data_type": self.data_type, "description": self.description })
    }
}

impl FunctionOverload {
    fn to_json(&self) -> Json {
        json!({
            "defined_in": self.defined_in,
            "arguments": arguments_json(&self.arguments),
            "returns": self.returns.as_ref().map(FunctionResult::to_json),
            "description": self.description,
            "raw_body": &*self.text.raw,
            "compiled_body": null,
        })
    }
}

/// Gives a function in its manifest form the signature of one of its overloads.
pub(crate) fn take_overload(function: &mut JsonMap, index: usize) {
    let overload = function.get("overloads").and_then(|all| all.get(index)).cloned();
    let Some(Json::Object(mut overload)) = overload else { return };
    for key in ["arguments", "returns"] {
        if let Some(value) = overload.remove(key).filter(|value| !value.is_null()) {
            function.insert(key.to_owned(), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overload_has_its_own_arguments_and_the_result_that_it_names() {
        let json = json!({
            "arguments": [1], "returns": {"data_type": "int"}, "name": "f",
            "overloads": [{"arguments": [2], "returns": null}, {"arguments": [], "returns": {"data_type": "text"}}],
        });
        let taken = |index| {
            let mut map = json.as_object().cloned().unwrap();
            take_overload(&mut map, index);
            (map["arguments"].clone(), map["returns"]["data_type"].clone())
        };
        assert_eq!(taken(0), (json!([2]), json!("int")));
        assert_eq!(taken(1), (json!([]), json!("text")));
    }

    fn function(defaults: &[bool]) -> Function {
        let argument = |(i, has_default): (usize, &bool)| FunctionArgument {
            name: format!("a{i}"),
            data_type: "int".to_owned(),
            description: None,
            default: has_default.then(|| json!(1)),
        };
        let arguments = defaults.iter().enumerate().map(argument).collect();
        Function { arguments, ..Function::default() }
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
