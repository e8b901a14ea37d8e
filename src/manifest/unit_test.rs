//! A unit test: the rows that a model is given, and those that it should make of them.

use super::{RefCall, SourceCall};
use crate::config::{Json, JsonMap};
use crate::source::Span;
use serde_json::json;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct UnitTest {
    /// The tested model, as it is written.
    pub(crate) model: Arc<str>,
    /// The version of the tested model. `None`: it has none.
    pub(crate) version: Option<Json>,
    pub(crate) given: Vec<Given>,
    pub(crate) expect: Fixture,
    pub(crate) overrides: Option<Arc<UnitTestOverrides>>,
    /// `versions:` as it is written, with both keys.
    pub(crate) versions: Json,
}

/// An input of the tested model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Given {
    /// The `input:` as it is written.
    pub(crate) input: String,
    pub(crate) node: GivenNode,
    pub(crate) span: Span,
    pub(crate) fixture: Fixture,
}

/// The node that an input stands for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum GivenNode {
    /// The tested model itself, which an incremental model reads.
    This,
    Ref(RefCall),
    Source(SourceCall),
    /// `input:` is not a reference.
    Unreadable,
}

/// Rows that are written by hand.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fixture {
    pub(crate) format: FixtureFormat,
    pub(crate) from: RowsFrom,
    pub(crate) rows: FixtureRows,
    pub(crate) span: Span,
}

/// Where the rows of a fixture are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RowsFrom {
    /// Beside the fixture's format.
    Properties,
    /// In a file of this name below `tests/fixtures`.
    File(String),
    /// In the file of the seed that is the input.
    Seed,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum FixtureFormat {
    #[default]
    Dict,
    Csv,
    Sql,
}

impl FixtureFormat {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            FixtureFormat::Dict => "dict",
            FixtureFormat::Csv => "csv",
            FixtureFormat::Sql => "sql",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<FixtureFormat> {
        [FixtureFormat::Dict, FixtureFormat::Csv, FixtureFormat::Sql]
            .into_iter()
            .find(|format| format.as_str() == text)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum FixtureRows {
    Table(Vec<FixtureRow>),
    /// A query that returns the rows.
    Query(Arc<str>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FixtureRow {
    pub(crate) cells: Vec<FixtureCell>,
    pub(crate) span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FixtureCell {
    pub(crate) column: Arc<str>,
    pub(crate) value: Json,
    pub(crate) span: Span,
}

impl FixtureRow {
    /// The row as a mapping from columns to values.
    pub(crate) fn to_json(&self) -> Json {
        Json::Object(self.cells.iter().map(|c| (c.column.to_string(), c.value.clone())).collect())
    }
}

/// What stands for macros, variables and environment variables while a unit test runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct UnitTestOverrides {
    /// The values of macros, and of other names of the context; `package.name` for one package's.
    pub(crate) macros: JsonMap,
    pub(crate) vars: JsonMap,
    pub(crate) env_vars: JsonMap,
}

impl UnitTestOverrides {
    /// The value that stands for a macro or a name of the context. As in dbt, the value for a plain
    /// name stands for the built-in macro `dbt.name`, too.
    pub(crate) fn of_name(&self, package: Option<&str>, name: &str) -> Option<&Json> {
        let qualified = package.and_then(|package| self.macros.get(&format!("{package}.{name}")));
        let is_plain = matches!(package, None | Some("dbt"));
        qualified.or_else(|| self.macros.get(name).filter(|_| is_plain))
    }

    /// Whether `is_incremental` is overridden by a boolean, and by which.
    pub(crate) fn is_incremental(&self) -> Option<bool> {
        self.macros.get("is_incremental").and_then(Json::as_bool)
    }
}

impl Fixture {
    /// The name of the fixture's own file.
    pub(crate) fn file(&self) -> Option<&str> {
        match &self.from {
            RowsFrom::File(name) => Some(name),
            RowsFrom::Properties | RowsFrom::Seed => None,
        }
    }

    fn rows_json(&self) -> Json {
        match &self.rows {
            FixtureRows::Table(rows) => rows.iter().map(FixtureRow::to_json).collect(),
            FixtureRows::Query(text) => Json::from(&**text),
        }
    }

    /// The fixture as `manifest.json` has it.
    fn to_json(&self, input: Option<&str>) -> Json {
        let mut map = JsonMap::new();
        if let Some(input) = input {
            map.insert("input".into(), Json::from(input));
        }
        map.insert("rows".into(), self.rows_json());
        map.insert("format".into(), Json::from(self.format.as_str()));
        map.insert("fixture".into(), self.file().map_or(Json::Null, Json::from));
        Json::Object(map)
    }
}

impl UnitTest {
    /// The name that is shown for the test of a model: that of a version ends in `_vN`.
    pub(crate) fn versioned_name(&self, name: &str) -> String {
        match &self.version {
            Some(version) => format!("{name}_v{}", crate::config::python_str(version)),
            None => name.to_owned(),
        }
    }

    /// The keys that only unit tests have in `manifest.json`.
    pub(super) fn write_json(&self, out: &mut JsonMap) {
        out.insert("model".into(), Json::from(&*self.model));
        let given = self.given.iter().map(|given| given.fixture.to_json(Some(&given.input)));
        out.insert("given".into(), given.collect());
        out.insert("expect".into(), self.expect.to_json(None));
        let overrides = self.overrides.as_deref().map_or(
            Json::Null,
            |o| json!({ "macros": o.macros, "vars": o.vars, "env_vars": o.env_vars }),
        );
        out.insert("overrides".into(), overrides);
        out.insert("versions".into(), self.versions.clone());
        out.insert("version".into(), self.version.clone().unwrap_or(Json::Null));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overrides(macros: Json) -> UnitTestOverrides {
        let macros = macros.as_object().cloned().unwrap_or_default();
        UnitTestOverrides { macros, ..UnitTestOverrides::default() }
    }

    #[test]
    fn a_plain_name_stands_for_the_built_in_macro_too() {
        let o = overrides(json!({ "is_incremental": true, "dbt_utils.star": "a, b" }));
        assert_eq!(o.of_name(None, "is_incremental"), Some(&json!(true)));
        assert_eq!(o.of_name(Some("dbt"), "is_incremental"), Some(&json!(true)));
        assert_eq!(o.of_name(Some("shop"), "is_incremental"), None);
        assert_eq!(o.of_name(Some("dbt_utils"), "star"), Some(&json!("a, b")));
        assert_eq!(o.of_name(None, "star"), None);
        assert_eq!(o.is_incremental(), Some(true));
        assert_eq!(overrides(json!({ "is_incremental": "yes" })).is_incremental(), None);
    }
}
