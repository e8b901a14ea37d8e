//! Where a source's rows are, if it is a file (dbt-duckdb's `external_location`).
//!
//! In: the config and the `meta` of a source, its names. Out: the text that stands for the source in
//! SQL. Must not know: whether the file is there.

use crate::config::{JsonMap, python_str};
use crate::manifest::NodeConfig;

/// How placeholders are written (`formatter`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PlaceholderStyle {
    /// `{name}`; `{{` is a brace.
    New,
    /// `%(name)s`; `%%` is a per cent sign.
    Old,
    /// `$name` or `${name}`; `$$` is a dollar sign.
    Template,
}

/// The location with its placeholders filled in: by configs, else by keys of `meta`, else by the
/// names of the source. It is quoted unless it is a function call or already quoted.
pub(super) fn find_location(
    config: &NodeConfig,
    meta: &JsonMap,
    names: &[(&str, &str)],
) -> Option<String> {
    let location = find_setting(config, meta, "external_location")?;
    let style = match find_setting(config, meta, "formatter").as_deref() {
        Some("oldstyle") => PlaceholderStyle::Old,
        Some("template") => PlaceholderStyle::Template,
        _ => PlaceholderStyle::New,
    };
    let text = fill(&location, style, &|key| {
        let named =
            names.iter().find(|(name, _)| *name == key).map(|(_, value)| (*value).to_owned());
        let is_own = !["tags", "meta", "enabled", "event_time", "freshness"].contains(&key);
        let own = config.get(key).filter(|_| is_own).map(python_str);
        own.or_else(|| meta.get(key).map(python_str)).or(named)
    });
    let is_sql = text.contains('(') || text.starts_with('\'');
    Some(if is_sql { text } else { format!("'{text}'") })
}

/// A config, else a key of `meta`.
fn find_setting(config: &NodeConfig, meta: &JsonMap, key: &str) -> Option<String> {
    let own = config.text(key).map(|text| text.into_owned());
    own.or_else(|| meta.get(key).map(python_str))
}

/// Fills in the placeholders of a text. One that has no value stays as it is.
fn fill(text: &str, style: PlaceholderStyle, value: &dyn Fn(&str) -> Option<String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let (taken, filled) = match next_placeholder(rest, style) {
            Some(Piece::Sign(len)) => (len, Some(c.to_string())),
            Some(Piece::Placeholder(len, name)) => (len, value(name)),
            None => (c.len_utf8(), Some(c.to_string())),
        };
        out.push_str(&filled.unwrap_or_else(|| rest[..taken].to_owned()));
        rest = &rest[taken..];
    }
    out
}

/// What a text begins with.
enum Piece<'t> {
    /// A doubled sign that stands for itself, with its length.
    Sign(usize),
    /// A placeholder with its length and its name.
    Placeholder(usize, &'t str),
}

fn next_placeholder(text: &str, style: PlaceholderStyle) -> Option<Piece<'_>> {
    let doubled: &[&str] = match style {
        PlaceholderStyle::New => &["{{", "}}"],
        PlaceholderStyle::Old => &["%%"],
        PlaceholderStyle::Template => &["$$"],
    };
    if doubled.iter().any(|sign| text.starts_with(sign)) {
        return Some(Piece::Sign(2));
    }
    let (open, close) = match style {
        PlaceholderStyle::New => ("{", "}"),
        PlaceholderStyle::Old => ("%(", ")s"),
        PlaceholderStyle::Template => ("${", "}"),
    };
    if let Some(inside) = text.strip_prefix(open) {
        let name = &inside[..inside.find(close)?];
        return Some(Piece::Placeholder(open.len() + name.len() + close.len(), name));
    }
    if style != PlaceholderStyle::Template {
        return None;
    }
    let inside = text.strip_prefix('$')?;
    let name = &inside
        [..inside.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(inside.len())];
    (!name.is_empty()).then_some(Piece::Placeholder(1 + name.len(), name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::ConfigLayer;
    use serde_json::json;

    fn found(config: serde_json::Value, meta: serde_json::Value) -> Option<String> {
        let entries: Vec<(&str, serde_json::Value)> =
            config.as_object().unwrap().iter().map(|(k, v)| (k.as_str(), v.clone())).collect();
        let config = NodeConfig::of(ConfigLayer::Properties, &entries);
        let names = [("name", "t"), ("schema", "raw"), ("identifier", "T1"), ("database", "db")];
        find_location(&config, meta.as_object().unwrap(), &names)
    }

    #[test]
    fn placeholders_are_filled_in_by_style() {
        for (location, style, expected) in [
            ("d/{schema}/{identifier}.csv", None, "'d/raw/T1.csv'"),
            ("d/{name}_{missing}_{x}.csv", Some("newstyle"), "'d/t_{missing}_7.csv'"),
            ("{{name}} {name", None, "'{name} {name'"),
            ("%(name)s-%(x)s%%.csv", Some("oldstyle"), "'t-7%.csv'"),
            ("${name}_$x-$$.csv", Some("template"), "'t_7-$.csv'"),
            ("read_csv('{name}.csv')", None, "read_csv('t.csv')"),
            ("'{name}.csv'", None, "'t.csv'"),
        ] {
            let config = json!({ "external_location": location, "formatter": style, "x": 7 });
            assert_eq!(found(config, json!({})).as_deref(), Some(expected), "{location}");
        }
    }

    #[test]
    fn configs_win_over_meta_and_meta_over_names() {
        let meta = json!({ "external_location": "{name}-{x}", "name": "m", "x": 1 });
        assert_eq!(found(json!({}), meta.clone()).as_deref(), Some("'m-1'"));
        assert_eq!(found(json!({ "x": 2 }), meta.clone()).as_deref(), Some("'m-2'"));
        let own = json!({ "external_location": "own" });
        assert_eq!(found(own, meta).as_deref(), Some("'own'"));
        assert_eq!(found(json!({}), json!({})), None);
        let braces = json!({ "external_location": "{x}", "x": "{name}" });
        assert_eq!(found(json!({}), braces).as_deref(), Some("'{name}'"), "not filled in twice");
    }
}
