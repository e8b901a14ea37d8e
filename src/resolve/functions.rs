//! Reads what properties files say of functions: their arguments and their result.

use super::NodeMaker;
use crate::config::{Yaml, YamlMap};
use crate::diag::{Code, Diagnostic};
use crate::manifest::{
    Function, FunctionArgument, FunctionKind, FunctionResult, NodeConfig, Volatility,
};
use crate::parse::PropertyEntry;
use crate::source::Span;

impl NodeMaker<'_> {
    /// The properties of a function. `described` is the entry that describes it.
    pub(super) fn function(
        &mut self,
        name: &str,
        described: Option<&PropertyEntry>,
        config: &NodeConfig,
        span: Span,
    ) -> Function {
        self.check_words(config, span);
        let Some(entry) = described else { return Function::default() };
        let function = read_function(&entry.map);
        if let Some(argument) = function.misplaced_argument() {
            let message = format!(
                "the argument `{}` of `{name}` has no default, and one before it has",
                argument.name
            );
            let place = entry.map.get("arguments").map_or(entry.span, |y| y.span);
            let d = Diagnostic::error(Code::YamlShape, message).primary(place, "");
            self.out.push(d.help("arguments with a `default_value` come last"));
        }
        function
    }

    /// Reports configs of a function whose value is none of their words.
    fn check_words(&mut self, config: &NodeConfig, span: Span) {
        let kinds = FunctionKind::ALL.map(FunctionKind::name);
        let volatilities = Volatility::ALL.map(Volatility::name);
        for (key, words) in [("type", kinds), ("volatility", volatilities)] {
            let Some(word) = config.text(key).filter(|word| !words.contains(&&**word)) else {
                continue;
            };
            let place = config.entry(key).and_then(|entry| entry.span).unwrap_or(span);
            let message = format!("`{key}` of a function is {}, not `{word}`", words.join(", "));
            self.out.push(Diagnostic::error(Code::YamlShape, message).primary(place, ""));
        }
    }
}

fn read_function(map: &YamlMap) -> Function {
    let arguments = map.get("arguments").map(Yaml::items).unwrap_or_default();
    let returns = map.get("returns").and_then(Yaml::as_map);
    Function {
        arguments: arguments.iter().filter_map(Yaml::as_map).filter_map(read_argument).collect(),
        returns: returns.and_then(|returns| {
            Some(FunctionResult {
                data_type: returns.get_text("data_type")?,
                description: returns.get_text("description"),
            })
        }),
    }
}

fn read_argument(map: &YamlMap) -> Option<FunctionArgument> {
    Some(FunctionArgument {
        name: map.get_text("name")?,
        data_type: map.get_text("data_type")?,
        description: map.get_text("description"),
        default: map.get("default_value").filter(|value| !value.is_null()).map(Yaml::to_json),
    })
}
