//! All that is known of an engine without a connection to it.

use super::{Abilities, Dialect, SqlType, TargetSpec};
use std::fmt;

/// An engine: a static value in its folder below `engine/`.
pub(crate) struct EngineSpec {
    /// What `type:` of a profile says, and `adapter.type()`; macros for it begin with `NAME__`.
    pub(crate) name: &'static str,
    /// For people.
    pub(crate) label: &'static str,
    pub(crate) dialect: Dialect,
    pub(crate) abilities: Abilities,
    pub(crate) adapter: AdapterTraits,
    pub(crate) types: TypeNames,
    /// Functions that may give something else each time, besides those that all engines have.
    pub(crate) volatile_functions: &'static [&'static str],
    /// The version of the engine, where it is inside this program.
    pub(crate) embedded_version: Option<&'static str>,
    pub(crate) target: TargetSpec,
}

/// What dbt's adapter of an engine does its own way, apart from what the engine can do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdapterTraits {
    /// The package of its macros.
    pub(crate) package: &'static str,
    /// The name of its class of relations.
    pub(crate) relation_class: &'static str,
    /// Which parts of a relation's name (database, schema, identifier) are quoted, unless the project
    /// says otherwise.
    pub(crate) quoting: [bool; 3],
    /// What stands for a parameter in a statement.
    pub(crate) binding_char: &'static str,
    /// Materializations that it brings itself: one for any adapter, also of the root project, does
    /// not take their place.
    pub(crate) materializations: &'static [&'static str],
    /// Whether the subquery of a relation without rows is named.
    pub(crate) names_limited_subquery: bool,
    /// Whether texts without a length have none in `Column.data_type`, too.
    pub(crate) has_unlimited_texts: bool,
    /// Whether it looks for the macro of an incremental strategy on the first build, too, which
    /// does not need it yet.
    pub(crate) checks_strategy_first: bool,
    /// Whether it begins nothing for a macro of `run-operation`: each statement is committed by
    /// itself (seen with dbt-postgres 1.10.2, whose `BEGIN` is left to the driver, which thinks that
    /// one is open).
    pub(crate) commits_each_statement: bool,
    /// Whether it asks the catalog by relations (`get_catalog_relations`), not only by schemas
    /// (`get_catalog`).
    pub(crate) catalog_by_relations: bool,
}

/// The names of types, both ways.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TypeNames {
    /// What a type of the engine is.
    pub(crate) read: fn(&str) -> SqlType,
    /// What the engine calls a type; none: it has no such type.
    pub(crate) write: fn(&SqlType) -> Option<String>,
    /// Types whose values the driver gives as bytes, which only the engine can read.
    pub(crate) opaque: &'static [&'static str],
    /// A type as the engine's catalog tells it in parts.
    pub(crate) parts: fn(&str) -> TypeParts,
}

/// A type as `information_schema.columns` tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TypeParts {
    pub(crate) name: String,
    /// Characters.
    pub(crate) length: Option<i64>,
    pub(crate) precision: Option<i64>,
    pub(crate) scale: Option<i64>,
}

impl PartialEq for EngineSpec {
    fn eq(&self, other: &EngineSpec) -> bool {
        self.name == other.name
    }
}

impl fmt::Debug for EngineSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
