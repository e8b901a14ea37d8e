//! Reads `selectors.yml`: named selections as trees of criteria.

use super::{Yaml, YamlMap};
use crate::diag::{Checked, Code, Diagnostic};
use crate::source::Span;
use serde::Serialize;

/// A definition as it is written.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) enum YamlCriterion {
    /// A criterion in the grammar of the command line.
    Text(String, Span),
    /// `{method, value, children, ...}`, with the graph operators included in the text.
    Method {
        text: String,
        indirect: Option<String>,
        exclude: Vec<YamlCriterion>,
        span: Span,
    },
    /// `{method: selector, value: name}`.
    Selector(String, Span),
    Union(Vec<YamlCriterion>, Vec<YamlCriterion>),
    Intersection(Vec<YamlCriterion>, Vec<YamlCriterion>),
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct SelectorDefinition {
    pub(crate) name: String,
    pub(crate) default: bool,
    pub(crate) definition: YamlCriterion,
    pub(crate) span: Span,
}

/// Reads the rendered tree of `selectors.yml`.
pub(crate) fn parse_selectors(tree: &Yaml) -> Checked<Vec<SelectorDefinition>> {
    let (mut found, mut out) = (Vec::new(), Vec::new());
    for entry in tree.as_map().and_then(|m| m.get("selectors")).map(Yaml::items).unwrap_or_default()
    {
        let map = entry.as_map();
        let name = map.and_then(|m| m.get("name")).and_then(Yaml::scalar_text);
        let definition = map.and_then(|m| m.get("definition"));
        let (Some(name), Some(definition)) = (name, definition) else {
            out.push(
                Diagnostic::error(Code::Selector, "a selector needs `name` and `definition`")
                    .primary(entry.span, ""),
            );
            continue;
        };
        let default = map.and_then(|m| m.get("default")).and_then(Yaml::as_bool).unwrap_or(false);
        if let Some(definition) = criterion(definition, &mut out) {
            found.push(SelectorDefinition { name, default, definition, span: entry.span });
        }
    }
    Checked::new(found, out)
}

fn criterion(y: &Yaml, out: &mut Vec<Diagnostic>) -> Option<YamlCriterion> {
    let Some(map) = y.as_map() else {
        return y.scalar_text().map(|text| YamlCriterion::Text(text, y.span));
    };
    for (key, union) in [("union", true), ("intersection", false)] {
        if let Some(parts) = map.get(key) {
            let (mut include, mut exclude) = (Vec::new(), Vec::new());
            for part in parts.items() {
                match part
                    .as_map()
                    .and_then(|m| m.get("exclude"))
                    .filter(|_| part.as_map().is_some_and(|m| m.entries.len() == 1))
                {
                    Some(list) => {
                        exclude.extend(list.items().iter().filter_map(|y| criterion(y, out)))
                    }
                    None => include.extend(criterion(part, out)),
                }
            }
            let make = if union { YamlCriterion::Union } else { YamlCriterion::Intersection };
            return Some(make(include, exclude));
        }
    }
    if let Some(method) = map.get("method").and_then(Yaml::scalar_text) {
        let value = map.get("value").and_then(Yaml::scalar_text)?;
        if method == "selector" {
            return Some(YamlCriterion::Selector(value, y.span));
        }
        let exclude = map.get("exclude").map(Yaml::items).unwrap_or_default();
        return Some(YamlCriterion::Method {
            text: with_operators(map, &method, &value),
            indirect: map.get("indirect_selection").and_then(Yaml::scalar_text),
            exclude: exclude.iter().filter_map(|y| criterion(y, out)).collect(),
            span: y.span,
        });
    }
    // `{tag: nightly}` means `{method: tag, value: nightly}`.
    if let [(key, value)] = map.entries.as_slice()
        && let Some(value) = value.scalar_text()
    {
        return Some(YamlCriterion::Text(format!("{}:{value}", key.text), y.span));
    }
    out.push(
        Diagnostic::error(
            Code::Selector,
            "a criterion is text, `{method, value}`, `union`, `intersection` or one `method: value`",
        )
        .primary(y.span, ""),
    );
    None
}

fn with_operators(map: &YamlMap, method: &str, value: &str) -> String {
    let mut text = String::new();
    if is_on(map, "childrens_parents") {
        text.push('@');
    }
    if is_on(map, "parents") {
        text.push_str(&map.get_text("parents_depth").unwrap_or_default());
        text.push('+');
    }
    text.push_str(method);
    text.push(':');
    text.push_str(value);
    if is_on(map, "children") {
        text.push('+');
        text.push_str(&map.get_text("children_depth").unwrap_or_default());
    }
    text
}

fn is_on(map: &YamlMap, key: &str) -> bool {
    map.get(key).and_then(Yaml::as_bool).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_yaml;
    use crate::source::FileId;

    #[test]
    fn definitions() {
        let text = "selectors:\n- name: n\n  definition:\n    union:\n    - {tag: x}\n    - {method: path, value: m, children: true, children_depth: 2}\n    - exclude: ['fqn:z']\n";
        let parsed = parse_selectors(&parse_yaml(FileId(0), text).value).value;
        let YamlCriterion::Union(include, exclude) = &parsed[0].definition else { panic!() };
        assert!(matches!(&include[0], YamlCriterion::Text(t, _) if t == "tag:x"));
        assert!(matches!(&include[1], YamlCriterion::Method { text, .. } if text == "path:m+2"));
        assert_eq!(exclude.len(), 1);
    }
}
