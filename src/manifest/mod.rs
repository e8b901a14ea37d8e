//! The project as a graph of nodes, immutable once resolved.
//!
//! In: resolved nodes. Out: `Manifest` with `Node`s by dense `NodeId` (valid within one manifest)
//! and by `UniqueId` (valid across manifests), relations, columns, configs, the dependency graph.
//! Must not know: how it was parsed, databases, output.

mod address;
mod artifact;
mod batch;
mod column;
mod config;
mod configs;
mod contract;
mod deprecation;
mod freshness;
mod function;
mod graph;
mod lookup;
mod materialization;
mod node;
mod node_set;
mod project;
mod semantic;
mod unit_test;

pub(crate) use address::{OutputAddress, OutputRole, check_addresses};
pub(crate) use artifact::json_texts;
pub(crate) use batch::{
    BatchSize, EventWindow, MicrobatchConfig, iso_text, naive_text, utc_of, utc_text,
};
pub(crate) use column::{Column, TestSpec};
pub(crate) use config::{ConfigLayer, NodeConfig};
pub(crate) use configs::{
    HardDeletes, Hook, IncrementalConfig, OnConfigurationChange, OnSchemaChange, TestConfig,
    TestSeverity, TypedConfig,
};
pub(crate) use deprecation::{Deprecation, read_moment, write_moment};
pub(crate) use freshness::{FreshnessStatus, FreshnessThreshold};
pub(crate) use function::{
    Function, FunctionArgument, FunctionKind, FunctionOverload, FunctionResult, Volatility,
    take_overload,
};
pub(crate) use graph::Graph;
pub(crate) use lookup::{FoundNode, NodeLookup, same_version};
pub(crate) use materialization::Materialization;
pub(crate) use node::{
    Access, Checksum, Export, Exposure, GenericTest, Node, NodeId, NodeKind, NodeText, RefCall,
    ResourceType, SourceCall, SourceTable, StaticSql, TestKind, UniqueId, VersionInfo, artifact_id,
};
pub(crate) use node_set::NodeSet;
pub(crate) use project::{DocResource, Group, MacroInfo, Manifest, Package, ProjectInfo};
pub(crate) use semantic::{
    Aggregation, ConstantProperty, Conversion, ConversionCalculation, Cumulative, CustomGrain,
    Dimension, DimensionKind, Entity, EntityKind, ExportPlan, ExportedAs, InputMeasure,
    InputMetric, ItemProblem, Measure, Metric, MetricKind, NonAdditive, PercentileParams,
    PeriodAggregation, PlacedText, QueryItem, SavedQuery, SemanticModel, SemanticNode, TimeGrain,
    TimeParams, TimeSpine, TimeWindow, ValidityWindow, WhereFilter, parse_item,
};
pub(crate) use unit_test::{
    Fixture, FixtureCell, FixtureFormat, FixtureRow, FixtureRows, Given, GivenNode, RowsFrom,
    UnitTest, UnitTestOverrides,
};
