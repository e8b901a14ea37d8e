//! Reads what properties files say of functions: their arguments and their result.

use super::{NodeMaker, ResolveContext};
use crate::config::{Yaml, YamlMap};
use crate::diag::{Code, Diagnostic};
use crate::hash::{FastMap, FastSet};
use crate::manifest::{
    Function, FunctionArgument, FunctionKind, FunctionOverload, FunctionResult, Node, NodeConfig,
    NodeKind, ResourceType, Volatility,
};
use crate::parse::{ParsedNode, PropertyEntry};
use crate::source::Span;
use std::sync::Arc;

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
    Function { arguments: read_arguments(map), returns: read_result(map), overloads: Vec::new() }
}

fn read_arguments(map: &YamlMap) -> Vec<FunctionArgument> {
    let arguments = map.get("arguments").map(Yaml::items).unwrap_or_default();
    arguments.iter().filter_map(Yaml::as_map).filter_map(read_argument).collect()
}

fn read_result(map: &YamlMap) -> Option<FunctionResult> {
    let returns = map.get("returns").and_then(Yaml::as_map)?;
    Some(FunctionResult {
        data_type: returns.get_text("data_type")?,
        description: returns.get_text("description"),
    })
}

/// A file of `functions/` that gives a described function another signature (`overloads:`).
pub(super) struct OverloadFile<'a> {
    pub(super) map: &'a YamlMap,
    pub(super) parsed: &'a Arc<ParsedNode>,
}

/// The files of overloads, by the address of the function's own parsed file. A file belongs to one
/// function, and is no node of its own.
#[derive(Default)]
pub(super) struct Overloads<'a> {
    by_function: FastMap<usize, Vec<OverloadFile<'a>>>,
    absorbed: FastSet<usize>,
}

fn address(parsed: &Arc<ParsedNode>) -> usize {
    Arc::as_ptr(parsed).addr()
}

impl<'a> Overloads<'a> {
    /// Finds the files that the descriptions of functions name.
    pub(super) fn find(ground: &ResolveContext<'a>, out: &mut Vec<Diagnostic>) -> Overloads<'a> {
        let mut found = Overloads::default();
        let functions = ground.parsed.nodes.iter().filter(|n| n.kind == ResourceType::Function);
        let functions: Vec<&'a Arc<ParsedNode>> = functions.collect();
        for root in &functions {
            let Some(described) = ground.entries.describe(root) else { continue };
            let listed = described.entry.map.get("overloads").map(Yaml::items);
            for item in listed.unwrap_or_default() {
                let Some(map) = item.as_map() else { continue };
                let name = map.get_text("defined_in").unwrap_or_default();
                let file = functions.iter().find(|f| f.package == root.package && *f.name == *name);
                match found.claim(root, file.copied()) {
                    Ok(parsed) => {
                        let of_root = found.by_function.entry(address(root)).or_default();
                        of_root.push(OverloadFile { map, parsed });
                    }
                    Err(why) => {
                        let message = format!("the overload `{name}` of `{}` {why}", root.name);
                        let d = Diagnostic::error(Code::YamlShape, message);
                        out.push(d.primary(item.span, ""));
                    }
                }
            }
        }
        found
    }

    fn claim(
        &mut self,
        root: &Arc<ParsedNode>,
        file: Option<&'a Arc<ParsedNode>>,
    ) -> Result<&'a Arc<ParsedNode>, &'static str> {
        let file = file.ok_or("has no file of this name in `functions/`")?;
        if address(file) == address(root) {
            return Err("is the function itself");
        }
        if !self.absorbed.insert(address(file)) {
            return Err("belongs to another function as well");
        }
        Ok(file)
    }

    /// Whether a parsed file is part of a function with another name.
    pub(super) fn has_absorbed(&self, parsed: &Arc<ParsedNode>) -> bool {
        self.absorbed.contains(&address(parsed))
    }

    pub(super) fn of(&self, parsed: &Arc<ParsedNode>) -> &[OverloadFile<'a>] {
        self.by_function.get(&address(parsed)).map_or(&[], Vec::as_slice)
    }
}

/// Adds overloads to a function, with all that their texts refer to.
pub(super) fn add_overloads(node: &mut Node, files: &[OverloadFile<'_>]) {
    for OverloadFile { map, parsed } in files {
        let (NodeKind::Function(function), Some(text)) = (&mut node.kind, &parsed.text) else {
            continue;
        };
        function.overloads.push(FunctionOverload {
            defined_in: parsed.name.to_string(),
            original_file_path: parsed.original_file_path.clone(),
            text: text.clone(),
            arguments: read_arguments(map),
            returns: read_result(map),
            description: map.get_text("description"),
        });
        add_new(&mut node.refs, &parsed.refs);
        add_new(&mut node.sources, &parsed.sources);
        add_new(&mut node.functions, &parsed.functions);
        add_new(&mut node.macros, &parsed.macros);
    }
}

fn add_new<T: Clone + PartialEq>(all: &mut Vec<T>, more: &[T]) {
    for one in more {
        if !all.contains(one) {
            all.push(one.clone());
        }
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
