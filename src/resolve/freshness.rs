//! Resolves how the age of a source is measured, and its limits.

use super::NodeMaker;
use super::sources::find_places;
use crate::config::{Json, Yaml, YamlMap};
use crate::diag::{Code, Diagnostic};
use crate::manifest::{ConfigLayer, FreshnessThreshold, NodeConfig};
use crate::parse::ParsedSource;
use crate::source::Span;

impl NodeMaker<'_> {
    /// `loaded_at_field` and `loaded_at_query`: the table's, else the source's. A table that sets
    /// one of them, even to null, does not inherit the other.
    pub(super) fn loaded_at(&mut self, parsed: &ParsedSource, config: &mut NodeConfig) {
        let field = find_value(&parsed.table_map, "loaded_at_field");
        let query = find_value(&parsed.table_map, "loaded_at_query");
        let source_field = find_value(&parsed.source_map, "loaded_at_field");
        let source_query = find_value(&parsed.source_map, "loaded_at_query");
        let own_field = parsed.table_map.get("loaded_at_field").is_some() || field.is_some();
        for (both, what) in [
            (query.filter(|_| own_field), "source table"),
            (source_query.filter(|_| source_field.is_some()), "source"),
        ] {
            if let Some(y) = both {
                let d = Diagnostic::error(
                    Code::YamlShape,
                    "either `loaded_at_field` or `loaded_at_query` is set, not both",
                );
                self.out.push(d.primary(y.span, format!("this {what} has both")));
            }
        }
        for (key, own, inherited) in
            [("loaded_at_field", field, source_field), ("loaded_at_query", query, source_query)]
        {
            match own.or(inherited.filter(|_| !own_field)) {
                Some(y) => config.merge(key, y.to_json(), ConfigLayer::Properties, Some(y.span)),
                None if own_field => {
                    config.merge(key, Json::Null, ConfigLayer::Properties, Some(parsed.span));
                }
                None => {}
            }
        }
    }

    /// Merges `freshness:` of the properties file. It can be in the source, its `config:`, the
    /// table and its `config:`; later ones take precedence.
    pub(super) fn freshness_of_places(&mut self, parsed: &ParsedSource, config: &mut NodeConfig) {
        let [a, b] = find_places(&parsed.source_map, "freshness");
        let [c, d] = find_places(&parsed.table_map, "freshness");
        let written = [a, b, c, d];
        let Some(span) = written.into_iter().flatten().next_back().map(|y| y.span) else { return };
        let all = written.map(|y| match y {
            None => Some(FreshnessThreshold::default()),
            Some(y) if y.is_null() => None,
            Some(y) => Some(self.threshold(parsed, &y.to_json(), y.span)),
        });
        match FreshnessThreshold::merge(all) {
            None => config.merge("freshness", Json::Null, ConfigLayer::Properties, Some(span)),
            Some(found) if found.is_set() => {
                config.merge("freshness", found.to_json(), ConfigLayer::Properties, Some(span));
            }
            // Without any limit, the config in the project file applies.
            Some(_) => {}
        }
    }

    /// The effective freshness, in the form that artifacts have. `None`: it is set to null.
    pub(super) fn freshness(
        &mut self,
        parsed: &ParsedSource,
        config: &mut NodeConfig,
    ) -> Option<FreshnessThreshold> {
        let Some(entry) = config.entry("freshness").cloned() else {
            return Some(FreshnessThreshold::default());
        };
        if entry.value.is_null() {
            return None;
        }
        let found = self.threshold(parsed, &entry.value, entry.span.unwrap_or(parsed.span));
        config.merge("freshness", found.to_json(), entry.layer, entry.span);
        Some(found)
    }

    fn threshold(&mut self, parsed: &ParsedSource, json: &Json, span: Span) -> FreshnessThreshold {
        let mut problems = Vec::new();
        let found = FreshnessThreshold::from_json(json, &mut problems);
        for problem in problems {
            let message =
                format!("the freshness of `{}.{}`: {problem}", parsed.source, parsed.table);
            self.out.push(Diagnostic::error(Code::YamlShape, message).primary(span, ""));
        }
        found
    }
}

/// The value of a key beside `config:`, else in it. Null counts as not set.
fn find_value<'a>(map: &'a YamlMap, key: &str) -> Option<&'a Yaml> {
    find_places(map, key).into_iter().flatten().find(|y| !y.is_null())
}
