//! A node of the graph.

use super::{Column, Materialization, NodeConfig, Threshold, TypedConfig};
use crate::config::{ExportType, Json, JsonMap, YamlMap};
use crate::engine::{Relation, RelationKind};
use crate::hash::Fingerprint;
use crate::source::{FileId, Span};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::sync::Arc;

/// The name that outlives a manifest: `model.package.name`.
pub(crate) type UniqueId = Arc<str>;

/// A node's number within one manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct NodeId(pub(crate) u32);

impl NodeId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }

    pub(crate) fn number(self) -> u32 {
        self.0
    }
}

/// dbt's resource types of graph nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum ResourceType {
    Model,
    Seed,
    Snapshot,
    Analysis,
    Test,
    UnitTest,
    Source,
    Exposure,
    Export,
    Function,
    Metric,
    SemanticModel,
    SavedQuery,
    Operation,
}

impl ResourceType {
    pub(crate) const ALL: [ResourceType; 14] = [
        ResourceType::Model,
        ResourceType::Seed,
        ResourceType::Snapshot,
        ResourceType::Analysis,
        ResourceType::Test,
        ResourceType::UnitTest,
        ResourceType::Source,
        ResourceType::Exposure,
        ResourceType::Export,
        ResourceType::Function,
        ResourceType::Metric,
        ResourceType::SemanticModel,
        ResourceType::SavedQuery,
        ResourceType::Operation,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            ResourceType::Model => "model",
            ResourceType::Seed => "seed",
            ResourceType::Snapshot => "snapshot",
            ResourceType::Analysis => "analysis",
            ResourceType::Test => "test",
            ResourceType::UnitTest => "unit_test",
            ResourceType::Source => "source",
            ResourceType::Exposure => "exposure",
            ResourceType::Export => "export",
            ResourceType::Function => "function",
            ResourceType::Metric => "metric",
            ResourceType::SemanticModel => "semantic_model",
            ResourceType::SavedQuery => "saved_query",
            ResourceType::Operation => "operation",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<ResourceType> {
        ResourceType::ALL.into_iter().find(|t| t.as_str() == text)
    }

    /// Whether `ref` can name it.
    pub(crate) fn is_refable(self) -> bool {
        matches!(self, ResourceType::Model | ResourceType::Seed | ResourceType::Snapshot)
    }
}

/// Template text: a range of a file, or text of a properties file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Text {
    pub(crate) file: FileId,
    pub(crate) range: (u32, u32),
    /// The text without white space at both ends, as the artifacts carry it.
    #[serde(skip)]
    pub(crate) raw: Arc<str>,
    /// None: what it becomes is known when it is compiled.
    pub(crate) steady: Option<Steady>,
}

/// What a text becomes whenever it is rendered, since it asks for nothing that differs between
/// parsing and running. The relations that it refers to are left open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Steady {
    /// A print of the SQL without comments and white space.
    pub(crate) print: Fingerprint,
    /// What in it may have another value each time.
    pub(crate) volatile: Option<String>,
}

/// A `ref` that a render really made.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct RefCall {
    pub(crate) package: Option<Arc<str>>,
    pub(crate) name: Arc<str>,
    pub(crate) version: Option<Arc<str>>,
    pub(crate) span: Option<Span>,
}

impl RefCall {
    /// As it is written, for messages.
    pub(crate) fn display(&self) -> String {
        let package = self.package.as_deref().map(|p| format!("'{p}', ")).unwrap_or_default();
        let version = self.version.as_deref().map(|v| format!(", v={v}")).unwrap_or_default();
        format!("ref({package}'{}'{version})", self.name)
    }
}

/// A `source` that a render really made.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct SourceCall {
    pub(crate) source: Arc<str>,
    pub(crate) table: Arc<str>,
    pub(crate) span: Option<Span>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Access {
    Private,
    #[default]
    Protected,
    Public,
}

impl Access {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Access::Private => "private",
            Access::Protected => "protected",
            Access::Public => "public",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Access> {
        [Access::Private, Access::Protected, Access::Public]
            .into_iter()
            .find(|a| a.as_str() == text)
    }
}

/// A version of a versioned model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct VersionInfo {
    /// As written: a number or text.
    pub(crate) version: Json,
    pub(crate) latest: Json,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GenericTest {
    /// The test's name without `test_`, and the package it was written with.
    pub(crate) name: Arc<str>,
    pub(crate) namespace: Option<Arc<str>>,
    /// Arguments as written (unrendered), `column_name` and `model` included.
    pub(crate) kwargs: Arc<JsonMap>,
    pub(crate) column: Option<Arc<str>>,
    /// The node whose properties carry the test.
    pub(crate) attached: Option<NodeId>,
    /// The macro that makes the query, by unique id.
    pub(crate) macro_id: Option<Arc<str>>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TestKind {
    Singular,
    Generic(Box<GenericTest>),
}

/// A table of a `sources:` entry.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct SourceTable {
    pub(crate) source_name: Arc<str>,
    pub(crate) source_description: String,
    pub(crate) loader: String,
    pub(crate) identifier: String,
    /// `database` and `schema` as they were written, where they were.
    pub(crate) written: [Option<String>; 2],
    pub(crate) quoting: JsonMap,
    pub(crate) source_meta: JsonMap,
    pub(crate) loaded_at_field: Option<String>,
    pub(crate) loaded_at_query: Option<String>,
    /// None: switched off with null.
    pub(crate) freshness: Option<Threshold>,
    pub(crate) external: Json,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Exposure {
    pub(crate) kind: String,
    pub(crate) owner: JsonMap,
    pub(crate) maturity: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) label: Option<String>,
}

/// Where a relation goes when it is published. The fields are as written: they are rendered when
/// the export runs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Export {
    pub(crate) kind: ExportType,
    pub(crate) fields: YamlMap,
}

/// What a node is, with what only this kind has.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum NodeKind {
    Model {
        version: Option<VersionInfo>,
        access: Access,
        group: Option<Arc<str>>,
        deprecation_date: Option<String>,
        constraints: Vec<Json>,
    },
    Seed,
    Snapshot,
    Analysis,
    Test(TestKind),
    UnitTest(Json),
    Source(Box<SourceTable>),
    Exposure(Box<Exposure>),
    Export(Box<Export>),
    Function(Json),
    /// Parsed and carried in the manifest; nothing is built from it.
    Semantic(ResourceType, Json),
    Operation {
        on_run_end: bool,
        index: usize,
    },
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checksum {
    pub(crate) name: Cow<'static, str>,
    pub(crate) value: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) unique_id: UniqueId,
    pub(crate) kind: NodeKind,
    pub(crate) name: Arc<str>,
    pub(crate) package: Arc<str>,
    /// Relative to the resource folder (`staging/a.sql`), and to the project
    /// (`models/staging/a.sql`).
    pub(crate) path: Arc<str>,
    pub(crate) original_file_path: Arc<str>,
    pub(crate) fqn: Vec<Arc<str>>,
    pub(crate) text: Option<Text>,
    /// False for a Python model.
    pub(crate) sql: bool,
    /// What was set, for templates, selectors and artifacts.
    pub(crate) config: Arc<NodeConfig>,
    /// What it means to a build.
    pub(crate) typed: Arc<TypedConfig>,
    pub(crate) description: String,
    /// `package://path` of the properties file that describes it.
    pub(crate) patch_path: Option<String>,
    pub(crate) columns: Vec<Column>,
    pub(crate) alias: Arc<str>,
    /// Where it is, or will be, stored; none for what is not (tests, exposures).
    pub(crate) relation: Option<Relation>,
    pub(crate) refs: Vec<RefCall>,
    pub(crate) sources: Vec<SourceCall>,
    pub(crate) depends_on: Vec<NodeId>,
    pub(crate) macros: Vec<Arc<str>>,
    pub(crate) checksum: Checksum,
    /// Where it is defined, for messages.
    pub(crate) span: Span,
    pub(crate) tags: Vec<String>,
}

/// The id that the artifacts know a node by: an export is an exposure there.
pub(crate) fn artifact_id(unique_id: &str) -> Cow<'_, str> {
    match unique_id.strip_prefix("export.") {
        Some(rest) => Cow::Owned(format!("exposure.{rest}")),
        None => Cow::Borrowed(unique_id),
    }
}

impl Node {
    pub(crate) fn resource_type(&self) -> ResourceType {
        match &self.kind {
            NodeKind::Model { .. } => ResourceType::Model,
            NodeKind::Seed => ResourceType::Seed,
            NodeKind::Snapshot => ResourceType::Snapshot,
            NodeKind::Analysis => ResourceType::Analysis,
            NodeKind::Test(_) => ResourceType::Test,
            NodeKind::UnitTest(_) => ResourceType::UnitTest,
            NodeKind::Source(_) => ResourceType::Source,
            NodeKind::Exposure(_) => ResourceType::Exposure,
            NodeKind::Export(_) => ResourceType::Export,
            NodeKind::Function(_) => ResourceType::Function,
            NodeKind::Semantic(kind, _) => *kind,
            NodeKind::Operation { .. } => ResourceType::Operation,
        }
    }

    pub(crate) fn materialized(&self) -> Cow<'_, str> {
        self.config.text("materialized").unwrap_or(Cow::Borrowed(match &self.kind {
            NodeKind::Seed => "seed",
            NodeKind::Snapshot => "snapshot",
            NodeKind::Test(_) => "test",
            NodeKind::UnitTest(_) => "unit",
            NodeKind::Function(_) => "function",
            NodeKind::Model { .. } if !self.sql => "table",
            _ => "view",
        }))
    }

    /// How the node is stored, when that is built in.
    pub(crate) fn materialization(&self) -> Option<Materialization> {
        Materialization::parse(&self.materialized())
    }

    /// What stands under the node's name once it is built.
    pub(crate) fn relation_kind(&self) -> RelationKind {
        let built_in = self.materialization().and_then(Materialization::relation_kind);
        built_in.unwrap_or(RelationKind::Table)
    }

    /// How a test's failing rows are stored, if they are, under the flag of the command line.
    pub(crate) fn stores_failures(&self, flag: bool) -> Option<RelationKind> {
        self.typed.test().and_then(|test| test.store_failures.kind(flag))
    }

    pub(crate) fn is_ephemeral(&self) -> bool {
        matches!(self.kind, NodeKind::Model { .. })
            && self.materialization() == Some(Materialization::Ephemeral)
    }

    pub(crate) fn version(&self) -> Option<&VersionInfo> {
        match &self.kind {
            NodeKind::Model { version, .. } => version.as_ref(),
            _ => None,
        }
    }

    /// The name for people: `model.v2` for a version, `source.table` for a source.
    pub(crate) fn display_name(&self) -> String {
        match (&self.kind, self.version()) {
            (NodeKind::Source(s), _) => format!("{}.{}", s.source_name, self.name),
            (_, Some(v)) => format!("{}.v{}", self.name, crate::config::python_str(&v.version)),
            _ => self.name.to_string(),
        }
    }

    pub(crate) fn generic_test(&self) -> Option<&GenericTest> {
        match &self.kind {
            NodeKind::Test(TestKind::Generic(test)) => Some(test),
            _ => None,
        }
    }
}
