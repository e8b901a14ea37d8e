//! The typed configs that builds use, read once when a node is resolved.
//!
//! In: the merged values (`NodeConfig`), whose types `resolve` has checked. Out: types that cannot
//! represent a wrong value. Must not know: an engine; templates, selectors and artifacts, which
//! read the raw values.

mod build;
mod test;

use build::{BuildConfig, FunctionConfig, ModelConfig, SeedConfig, SnapshotConfig};
pub(crate) use build::{
    HardDeletes, Hook, IncrementalConfig, OnConfigurationChange, OnSchemaChange,
};
pub(crate) use test::{TestConfig, TestSeverity};

use super::{MicrobatchConfig, NodeConfig, ResourceType};

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TypedConfig {
    Model(Box<ModelConfig>),
    Seed(Box<SeedConfig>),
    Snapshot(Box<SnapshotConfig>),
    Function(Box<FunctionConfig>),
    Test(Box<TestConfig>),
    /// The node is neither built nor a test.
    Other,
}

impl TypedConfig {
    pub(crate) fn read(kind: ResourceType, config: &NodeConfig) -> TypedConfig {
        match kind {
            ResourceType::Model => TypedConfig::Model(Box::new(ModelConfig::read(config))),
            ResourceType::Seed => TypedConfig::Seed(Box::new(SeedConfig::read(config))),
            ResourceType::Snapshot => TypedConfig::Snapshot(Box::new(SnapshotConfig::read(config))),
            ResourceType::Function => TypedConfig::Function(Box::new(FunctionConfig::read(config))),
            ResourceType::Test => TypedConfig::Test(Box::new(TestConfig::read(config))),
            _ => TypedConfig::Other,
        }
    }

    /// The config of a node that is built; `None` for others.
    pub(crate) fn build(&self) -> Option<&BuildConfig> {
        match self {
            TypedConfig::Model(model) => Some(&model.build),
            TypedConfig::Seed(seed) => Some(&seed.build),
            TypedConfig::Snapshot(snapshot) => Some(&snapshot.build),
            TypedConfig::Function(function) => Some(&function.build),
            TypedConfig::Test(_) | TypedConfig::Other => None,
        }
    }

    pub(crate) fn incremental(&self) -> Option<&IncrementalConfig> {
        match self {
            TypedConfig::Model(model) => Some(&model.incremental),
            _ => None,
        }
    }

    /// The batches of a model that is built in batches.
    pub(crate) fn microbatch(&self) -> Option<&MicrobatchConfig> {
        match self {
            TypedConfig::Model(model) => model.microbatch.as_ref(),
            _ => None,
        }
    }

    /// Whether batches are used depends on the macros of the project, so `resolve` sets them.
    pub(crate) fn with_microbatch(mut self, batches: Option<MicrobatchConfig>) -> TypedConfig {
        if let TypedConfig::Model(model) = &mut self {
            model.microbatch = batches;
        }
        self
    }

    pub(crate) fn on_configuration_change(&self) -> OnConfigurationChange {
        match self {
            TypedConfig::Model(model) => model.on_configuration_change,
            _ => OnConfigurationChange::default(),
        }
    }

    pub(crate) fn seed(&self) -> Option<&SeedConfig> {
        match self {
            TypedConfig::Seed(seed) => Some(seed),
            _ => None,
        }
    }

    pub(crate) fn snapshot(&self) -> Option<&SnapshotConfig> {
        match self {
            TypedConfig::Snapshot(snapshot) => Some(snapshot),
            _ => None,
        }
    }

    pub(crate) fn function(&self) -> Option<&FunctionConfig> {
        match self {
            TypedConfig::Function(function) => Some(function),
            _ => None,
        }
    }

    pub(crate) fn test(&self) -> Option<&TestConfig> {
        match self {
            TypedConfig::Test(test) => Some(test),
            _ => None,
        }
    }
}
