//! The description of an engine that is known without a connection.

use super::{Dialect, EngineCapabilities, SqlType, TargetSpec};
use std::fmt;

/// An engine: a static value in the engine's folder below `engine/`.
pub(crate) struct EngineSpec {
    /// The value of a profile's `type:` and of `adapter.type()`; the engine's macros begin with
    /// `NAME__`.
    pub(crate) name: &'static str,
    /// The name in messages.
    pub(crate) label: &'static str,
    pub(crate) dialect: Dialect,
    pub(crate) capabilities: EngineCapabilities,
    pub(crate) adapter: AdapterTraits,
    pub(crate) types: TypeNames,
    /// Functions that may give different values each time, besides those common to all engines.
    pub(crate) volatile_functions: &'static [&'static str],
    /// The version of the engine if it is linked into this program.
    pub(crate) embedded_version: Option<&'static str>,
    pub(crate) target: TargetSpec,
}

/// Peculiarities of dbt's adapter for an engine, apart from the engine's abilities.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdapterTraits {
    /// The package of the adapter's macros.
    pub(crate) package: &'static str,
    /// The name of the adapter's `Relation` class.
    pub(crate) relation_class: &'static str,
    /// Which parts of a relation's name (database, schema, identifier) are quoted by default.
    pub(crate) quoting: [bool; 3],
    /// The placeholder for a parameter in a statement.
    pub(crate) binding_char: &'static str,
    /// Materializations that the adapter itself defines: one for any adapter does not override
    /// them, not even in the root project.
    pub(crate) materializations: &'static [&'static str],
    /// Whether the subquery of a relation without rows has an alias.
    pub(crate) names_limited_subquery: bool,
    /// Whether `Column.data_type` shows no length for texts that have none.
    pub(crate) has_unlimited_texts: bool,
    /// Whether the macro of an incremental strategy must exist even on the first build, which does
    /// not use it yet.
    pub(crate) checks_strategy_first: bool,
    /// Whether `run-operation` opens no transaction for a macro, so that each statement commits on
    /// its own (observed with dbt-postgres 1.10.2, which leaves `BEGIN` to the driver, while the
    /// driver believes that a transaction is open).
    pub(crate) commits_each_statement: bool,
    /// Whether the adapter reads its catalog by relations (`get_catalog_relations`) as well as by
    /// schemas (`get_catalog`).
    pub(crate) catalog_by_relations: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct TypeNames {
    /// Parses a type name of the engine.
    pub(crate) read: fn(&str) -> SqlType,
    /// The engine's name for a type; `None` if it has no such type.
    pub(crate) write: fn(&SqlType) -> Option<String>,
    /// Types whose values the driver returns as bytes that only the engine can interpret.
    pub(crate) opaque: &'static [&'static str],
    /// Splits a type name into the parts that the engine's catalog has.
    pub(crate) parts: fn(&str) -> TypeParts,
}

/// The parts of a type in `information_schema.columns`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TypeParts {
    pub(crate) name: String,
    /// In characters.
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
