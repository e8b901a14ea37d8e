//! The nodes of the graph.

use super::{
    Column, Deprecation, FreshnessThreshold, Function, Materialization, NodeConfig, SemanticNode,
    TimeSpine, TypedConfig, UnitTest,
};
use crate::config::{ExportType, Json, JsonMap, YamlMap};
use crate::engine::{Relation, RelationKind};
use crate::hash::Fingerprint;
use crate::source::{FileId, Span};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::sync::Arc;

/// The id of a node across manifests: `model.package.name`.
pub(crate) type UniqueId = Arc<str>;

/// The id of a node within one manifest, which is its index there.
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

/// The resource types of nodes, as in dbt.
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

    /// Whether it only reads, and passes or fails.
    pub(crate) fn is_check(self) -> bool {
        matches!(self, ResourceType::Test | ResourceType::UnitTest)
    }

    pub(crate) fn is_refable(self) -> bool {
        matches!(self, ResourceType::Model | ResourceType::Seed | ResourceType::Snapshot)
    }

    /// Whether a build publishes something in the database for it: a relation or a function.
    pub(crate) fn is_published(self) -> bool {
        self.is_refable() || self == ResourceType::Function
    }
}

/// The text of a template, in a file or a value of a properties file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct NodeText {
    pub(crate) file: FileId,
    pub(crate) range: (u32, u32),
    /// The text as artifacts have it: trimmed, except for snapshots.
    #[serde(skip)]
    pub(crate) raw: Arc<str>,
    /// The result of rendering, if it is the same at parse and at run. `None`: it is known only
    /// after compiling.
    pub(crate) steady: Option<StaticSql>,
}

/// The result of a text that reads nothing that differs between parse and run. The relations that
/// it refers to are left open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StaticSql {
    /// The fingerprint of the SQL without comments and white space.
    pub(crate) fingerprint: Fingerprint,
    /// A function or keyword in the SQL whose value may differ at each run.
    pub(crate) volatile: Option<String>,
}

/// A `ref` that was called when the text was rendered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct RefCall {
    pub(crate) package: Option<Arc<str>>,
    pub(crate) name: Arc<str>,
    pub(crate) version: Option<Arc<str>>,
    pub(crate) span: Option<Span>,
}

impl RefCall {
    /// The call in its written form, for messages.
    pub(crate) fn display(&self) -> String {
        let package = self.package.as_deref().map(|p| format!("'{p}', ")).unwrap_or_default();
        let version = self.version.as_deref().map(|v| format!(", v={v}")).unwrap_or_default();
        format!("ref({package}'{}'{version})", self.name)
    }
}

/// A `source` that was called when the text was rendered.
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

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct VersionInfo {
    /// A number or text, as it is written.
    pub(crate) version: Json,
    pub(crate) latest: Json,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GenericTest {
    /// The name of the test, without the prefix `test_`, and the package before it, if there is
    /// one.
    pub(crate) name: Arc<str>,
    pub(crate) namespace: Option<Arc<str>>,
    /// The unrendered arguments, including `column_name` and `model`.
    pub(crate) kwargs: Arc<JsonMap>,
    pub(crate) column: Option<Arc<str>>,
    /// The node whose properties contain the test. `None` if it is missing or disabled.
    pub(crate) attached: Option<NodeId>,
    /// The unique id of the macro that returns the query.
    pub(crate) macro_id: Option<Arc<str>>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TestKind {
    Singular,
    Generic(Box<GenericTest>),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct SourceTable {
    pub(crate) source_name: Arc<str>,
    pub(crate) source_description: String,
    pub(crate) loader: String,
    pub(crate) identifier: String,
    /// The `database` and `schema` of the source before rendering.
    pub(crate) unrendered: [Option<String>; 2],
    pub(crate) quoting: JsonMap,
    pub(crate) source_meta: JsonMap,
    pub(crate) loaded_at_field: Option<String>,
    pub(crate) loaded_at_query: Option<String>,
    /// `None`: disabled with null.
    pub(crate) freshness: Option<FreshnessThreshold>,
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

/// The destination of a published relation. The fields are unrendered; they are rendered when the
/// export runs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Export {
    pub(crate) kind: ExportType,
    pub(crate) fields: YamlMap,
}

/// The type of a node, with the properties that only this type has.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum NodeKind {
    Model {
        version: Option<VersionInfo>,
        access: Access,
        group: Option<Arc<str>>,
        deprecation: Option<Box<Deprecation>>,
        constraints: Vec<Json>,
        time_spine: Option<Box<TimeSpine>>,
    },
    Seed,
    Snapshot,
    Analysis,
    Test(TestKind),
    UnitTest(Box<UnitTest>),
    Source(Box<SourceTable>),
    Exposure(Box<Exposure>),
    Export(Box<Export>),
    Function(Box<Function>),
    /// Resources of the semantic layer. They are contained in the manifest but not built.
    Semantic(SemanticNode),
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
    /// The path relative to the resource folder (`staging/a.sql`); `original_file_path` is relative
    /// to the project (`models/staging/a.sql`).
    pub(crate) path: Arc<str>,
    pub(crate) original_file_path: Arc<str>,
    pub(crate) fqn: Vec<Arc<str>>,
    pub(crate) text: Option<NodeText>,
    /// Whether it is SQL; false for Python models.
    pub(crate) sql: bool,
    /// The config for templates, selectors and artifacts.
    pub(crate) config: Arc<NodeConfig>,
    /// The config for builds.
    pub(crate) typed: Arc<TypedConfig>,
    pub(crate) description: String,
    /// The unique ids of the doc blocks that the description inserts.
    pub(crate) doc_blocks: Vec<Arc<str>>,
    /// The properties file that describes the node, as `package://path`.
    pub(crate) patch_path: Option<String>,
    pub(crate) columns: Vec<Column>,
    pub(crate) alias: Arc<str>,
    /// The relation that the node has when it is built; `None` for nodes without one, such as
    /// exposures.
    pub(crate) relation: Option<Relation>,
    pub(crate) refs: Vec<RefCall>,
    pub(crate) sources: Vec<SourceCall>,
    /// The metrics that a text, an exposure or a saved query names.
    pub(crate) metrics: Vec<RefCall>,
    /// The functions that a text calls by `function()`.
    pub(crate) functions: Vec<RefCall>,
    pub(crate) depends_on: Vec<NodeId>,
    pub(crate) macros: Vec<Arc<str>>,
    pub(crate) checksum: Checksum,
    /// The location of its definition, for messages.
    pub(crate) span: Span,
    pub(crate) tags: Vec<String>,
}

/// The id of a node in artifacts, where exports are exposures.
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
            NodeKind::Semantic(SemanticNode::Model(_)) => ResourceType::SemanticModel,
            NodeKind::Semantic(SemanticNode::Metric(_)) => ResourceType::Metric,
            NodeKind::Semantic(SemanticNode::SavedQuery(_)) => ResourceType::SavedQuery,
            NodeKind::Operation { .. } => ResourceType::Operation,
        }
    }

    /// What a function takes and gives; `None` for other nodes.
    pub(crate) fn function(&self) -> Option<&Function> {
        match &self.kind {
            NodeKind::Function(function) => Some(function),
            _ => None,
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

    /// The built-in materialization of the node; `None` if it is one of the project.
    pub(crate) fn materialization(&self) -> Option<Materialization> {
        Materialization::parse(&self.materialized())
    }

    /// The kind of the node's relation after the build. Materializations of the project count as
    /// tables.
    pub(crate) fn relation_kind(&self) -> RelationKind {
        let built_in = self.materialization().and_then(Materialization::relation_kind);
        built_in.unwrap_or(RelationKind::Table)
    }

    /// The kind of relation that a test's failing rows are stored in; `None`: they are not. `flag`
    /// is `--store-failures`.
    pub(crate) fn stores_failures(&self, flag: bool) -> Option<RelationKind> {
        self.typed.test().and_then(|test| test.store_failures.kind(flag))
    }

    pub(crate) fn is_ephemeral(&self) -> bool {
        matches!(self.kind, NodeKind::Model { .. })
            && self.materialization() == Some(Materialization::Ephemeral)
    }

    /// The language of its text, as in artifacts.
    pub(crate) fn language(&self) -> &'static str {
        match self.sql {
            true => "sql",
            false if self.original_file_path.to_ascii_lowercase().ends_with(".js") => "javascript",
            false => "python",
        }
    }

    /// Whether it is a function of the database: one of the project, or a model that is stored as
    /// one.
    pub(crate) fn is_function(&self) -> bool {
        self.relation.as_ref().is_some_and(|r| r.kind == Some(RelationKind::Function))
    }

    pub(crate) fn version(&self) -> Option<&VersionInfo> {
        match &self.kind {
            NodeKind::Model { version, .. } => version.as_ref(),
            _ => None,
        }
    }

    /// The name in messages: `model.v2` for a version, `source.table` for a source, `model::test` for a
    /// unit test.
    pub(crate) fn display_name(&self) -> String {
        match (&self.kind, self.version()) {
            (NodeKind::Source(s), _) => format!("{}.{}", s.source_name, self.name),
            (NodeKind::UnitTest(test), _) => {
                format!("{}::{}", test.model, test.versioned_name(&self.name))
            }
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
