//! The semantic layer: what is measured (semantic models), what it is called (metrics), what is asked
//! (saved queries), and the time spines.
//!
//! In: values that were read from properties files. Out: types with places, from which queries can be
//! made; their form in artifacts. Must not know: YAML, how names are resolved, SQL.

mod item;
mod json;
mod query;
mod types;
mod words;

pub(crate) use item::{ItemProblem, QueryItem, parse_item};
pub(crate) use query::{ExportPlan, SavedQuery, WhereFilter};
pub(crate) use types::{
    ConstantProperty, Conversion, Cumulative, CustomGrain, Dimension, Entity, InputMeasure,
    InputMetric, Measure, Metric, NonAdditive, PercentileParams, PlacedText, SemanticModel,
    SemanticNode, TimeParams, TimeSpine, TimeWindow, ValidityWindow,
};
pub(crate) use words::{
    Aggregation, ConversionCalculation, DimensionKind, EntityKind, ExportedAs, MetricKind,
    PeriodAggregation, TimeGrain,
};
