//! Reads `time_spine:` of a model.

use crate::config::{Yaml, YamlMap, unknown_keys};
use crate::diag::{Code, Diagnostic, nearest_name};
use crate::manifest::{CustomGrain, PlacedText, TimeGrain, TimeSpine};
use crate::source::Span;

/// The time spine of an entry of `models`; `None` if it has none, or one that is wrong, which is
/// reported.
pub(super) fn read_time_spine(map: &YamlMap, out: &mut Vec<Diagnostic>) -> Option<TimeSpine> {
    let value = map.get("time_spine").filter(|value| !value.is_null())?;
    let spine = value.as_map()?;
    let keys = ["standard_granularity_column", "custom_granularities"];
    unknown_keys(spine, &keys, "`time_spine`", out);
    let Some(column) = placed_text(spine, "standard_granularity_column") else {
        out.push(problem(value.span, "`time_spine` needs `standard_granularity_column`"));
        return None;
    };
    let columns = described_columns(map);
    let standard = columns.iter().find(|(name, _)| *name == column.text).map(|(_, map)| *map);
    let Some(standard) = standard else {
        let message = format!("`{}` is no column of the model", column.text);
        out.push(undescribed(&column, &columns, message));
        return None;
    };
    let Some(grain) = placed_text(standard, "granularity") else {
        let message =
            format!("the column `{}` of the time spine has no `granularity`", column.text);
        let help = format!("write `granularity:` at the column: {}", TimeGrain::WORDS.join(", "));
        out.push(problem(column.span, message).help(help));
        return None;
    };
    let Some(known) = TimeGrain::parse(&grain.text) else {
        let near = nearest_name(&grain.text, TimeGrain::WORDS.iter().copied());
        let message = format!(
            "`granularity` is one of {}, not `{}`",
            TimeGrain::WORDS.join(", "),
            grain.text
        );
        out.push(problem(grain.span, message).did_you_mean(near));
        return None;
    };
    let mut custom = Vec::new();
    for item in spine.get("custom_granularities").map(Yaml::items).unwrap_or_default() {
        let name = item.as_map().and_then(|map| placed_text(map, "name"));
        let (Some(map), Some(name)) = (item.as_map(), name) else {
            out.push(problem(item.span, "a custom granularity is a mapping with a `name`"));
            continue;
        };
        unknown_keys(map, &["name", "column_name"], "a custom granularity", out);
        let written = placed_text(map, "column_name");
        let of_column = written.as_ref().unwrap_or(&name);
        if columns.iter().all(|(column, _)| *column != of_column.text) {
            let message = format!(
                "`{}`, the column of the granularity `{}`, is no column of the model",
                of_column.text, name.text
            );
            out.push(undescribed(of_column, &columns, message));
        }
        custom.push(CustomGrain { column: written.map(|written| written.text), name });
    }
    Some(TimeSpine { column, grain: known, custom })
}

fn placed_text(map: &YamlMap, key: &str) -> Option<PlacedText> {
    let value = map.get(key).filter(|value| !value.is_null())?;
    Some(PlacedText { text: value.scalar_text()?, span: value.span })
}

/// The columns that the entry describes, or those of its latest version.
fn described_columns(map: &YamlMap) -> Vec<(String, &YamlMap)> {
    let columns = map.get("columns").map(Yaml::items).unwrap_or_default();
    let maps = columns.iter().filter_map(Yaml::as_map);
    maps.filter_map(|column| Some((column.get_text("name")?, column))).collect()
}

fn problem(span: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(Code::YamlShape, message).primary(span, "")
}

fn undescribed(name: &PlacedText, columns: &[(String, &YamlMap)], message: String) -> Diagnostic {
    let near = nearest_name(&name.text, columns.iter().map(|(name, _)| name.as_str()));
    problem(name.span, message)
        .did_you_mean(near)
        .help("describe the column below `columns:` of the model")
}
