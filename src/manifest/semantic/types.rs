//! Semantic models, metrics and time spines.

use super::query::{SavedQuery, WhereFilter};
use super::words::{
    Aggregation, ConversionCalculation, DimensionKind, EntityKind, MetricKind, PeriodAggregation,
    TimeGrain,
};
use crate::config::JsonMap;
use crate::source::Span;
use serde::{Deserialize, Serialize};

/// A resource of the semantic layer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SemanticNode {
    Model(Box<SemanticModel>),
    Metric(Box<Metric>),
    SavedQuery(Box<SavedQuery>),
}

/// A name or an expression, with its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PlacedText {
    pub(crate) text: String,
    pub(crate) span: Span,
}

/// The elements that one table can be measured by, and joined with others.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SemanticModel {
    /// The reference to the table, as it is written.
    pub(crate) model: String,
    pub(crate) description: Option<String>,
    pub(crate) label: Option<PlacedText>,
    /// Whether there is a mapping `defaults`, which may be empty.
    pub(crate) has_defaults: bool,
    /// The time dimension of measures that name none.
    pub(crate) agg_time_dimension: Option<PlacedText>,
    /// The entity of each row where no entity is of the type `primary`.
    pub(crate) primary_entity: Option<PlacedText>,
    pub(crate) entities: Vec<Entity>,
    pub(crate) dimensions: Vec<Dimension>,
    pub(crate) measures: Vec<Measure>,
}

impl SemanticModel {
    pub(crate) fn dimension(&self, name: &str) -> Option<&Dimension> {
        self.dimensions.iter().find(|dimension| dimension.name.text == name)
    }

    pub(crate) fn time_dimension(&self, name: &str) -> Option<&Dimension> {
        self.dimension(name).filter(|dimension| dimension.kind == DimensionKind::Time)
    }

    /// The time that a measure is aggregated by.
    pub(crate) fn time_of<'a>(&'a self, measure: &'a Measure) -> Option<&'a PlacedText> {
        measure.agg_time_dimension.as_ref().or(self.agg_time_dimension.as_ref())
    }

    /// The name of the entity that identifies a row.
    pub(crate) fn row_entity(&self) -> Option<&str> {
        let own = self.entities.iter().find(|entity| entity.kind == EntityKind::Primary);
        let named = self.primary_entity.as_ref().map(|name| name.text.as_str());
        named.or_else(|| own.map(|entity| entity.name.text.as_str()))
    }
}

/// What rows are joined by.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entity {
    pub(crate) name: PlacedText,
    pub(crate) kind: EntityKind,
    pub(crate) description: Option<String>,
    pub(crate) label: Option<PlacedText>,
    pub(crate) role: Option<String>,
    pub(crate) expr: Option<String>,
    pub(crate) meta: JsonMap,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Dimension {
    pub(crate) name: PlacedText,
    pub(crate) kind: DimensionKind,
    pub(crate) description: Option<String>,
    pub(crate) label: Option<PlacedText>,
    pub(crate) is_partition: bool,
    pub(crate) time: Option<TimeParams>,
    pub(crate) expr: Option<String>,
    pub(crate) meta: JsonMap,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct TimeParams {
    pub(crate) grain: TimeGrain,
    pub(crate) validity: Option<ValidityWindow>,
}

/// Which end of the time in which a row is valid a dimension is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ValidityWindow {
    pub(crate) is_start: bool,
    pub(crate) is_end: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Measure {
    pub(crate) name: PlacedText,
    pub(crate) aggregation: Aggregation,
    pub(crate) description: Option<String>,
    pub(crate) label: Option<PlacedText>,
    pub(crate) expr: Option<String>,
    pub(crate) percentile: Option<PercentileParams>,
    pub(crate) non_additive: Option<NonAdditive>,
    pub(crate) agg_time_dimension: Option<PlacedText>,
    pub(crate) meta: JsonMap,
    /// Whether a simple metric of the same name is made of it.
    pub(crate) creates_metric: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PercentileParams {
    pub(crate) percentile: Option<f64>,
    pub(crate) is_discrete: bool,
    pub(crate) is_approximate: bool,
}

/// The dimension that a measure may not be added up over.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NonAdditive {
    pub(crate) name: PlacedText,
    pub(crate) window_choice: Aggregation,
    pub(crate) window_groupings: Vec<PlacedText>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Metric {
    pub(crate) kind: MetricKind,
    pub(crate) label: PlacedText,
    pub(crate) description: String,
    pub(crate) filter: Option<Vec<WhereFilter>>,
    pub(crate) time_granularity: Option<String>,
    /// The `meta` beside `config:`.
    pub(crate) meta: JsonMap,
    pub(crate) measure: Option<InputMeasure>,
    pub(crate) numerator: Option<InputMetric>,
    pub(crate) denominator: Option<InputMetric>,
    pub(crate) expr: Option<String>,
    /// The older places of what `cumulative` has.
    pub(crate) window: Option<TimeWindow>,
    pub(crate) grain_to_date: Option<TimeGrain>,
    pub(crate) metrics: Vec<InputMetric>,
    pub(crate) conversion: Option<Conversion>,
    pub(crate) cumulative: Option<Cumulative>,
    /// The measures that the metric comes from, over all the metrics between. Known when names are
    /// resolved.
    pub(crate) input_measures: Vec<InputMeasure>,
}

impl Metric {
    /// The measures that the metric itself names.
    pub(crate) fn own_measures(&self) -> Vec<&InputMeasure> {
        match self.kind {
            MetricKind::Simple | MetricKind::Cumulative => self.measure.iter().collect(),
            MetricKind::Conversion => {
                self.conversion.iter().flat_map(|c| [&c.base, &c.conversion]).collect()
            }
            MetricKind::Ratio | MetricKind::Derived => Vec::new(),
        }
    }

    /// The metrics that the metric is made of.
    pub(crate) fn input_metrics(&self) -> Vec<&InputMetric> {
        match self.kind {
            MetricKind::Ratio => self.numerator.iter().chain(&self.denominator).collect(),
            MetricKind::Derived => self.metrics.iter().collect(),
            MetricKind::Simple | MetricKind::Cumulative | MetricKind::Conversion => Vec::new(),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct InputMeasure {
    pub(crate) name: PlacedText,
    pub(crate) filter: Option<Vec<WhereFilter>>,
    pub(crate) alias: Option<String>,
    pub(crate) joins_time_spine: bool,
    pub(crate) fill_nulls_with: Option<i64>,
}

impl InputMeasure {
    fn filter_texts(&self) -> Option<Vec<&str>> {
        self.filter.as_ref().map(|all| all.iter().map(|one| one.sql.text.as_str()).collect())
    }
}

/// Places do not count: a metric has the same measure once.
impl PartialEq for InputMeasure {
    fn eq(&self, other: &InputMeasure) -> bool {
        self.name.text == other.name.text
            && self.filter_texts() == other.filter_texts()
            && self.alias == other.alias
            && self.joins_time_spine == other.joins_time_spine
            && self.fill_nulls_with == other.fill_nulls_with
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct InputMetric {
    pub(crate) name: PlacedText,
    pub(crate) filter: Option<Vec<WhereFilter>>,
    pub(crate) alias: Option<String>,
    pub(crate) offset_window: Option<TimeWindow>,
    pub(crate) offset_to_grain: Option<PlacedText>,
}

/// A number of grains, whose name may be that of a custom one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TimeWindow {
    pub(crate) count: u64,
    pub(crate) grain: String,
    pub(crate) span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Conversion {
    pub(crate) base: InputMeasure,
    pub(crate) conversion: InputMeasure,
    pub(crate) entity: PlacedText,
    pub(crate) calculation: ConversionCalculation,
    pub(crate) window: Option<TimeWindow>,
    pub(crate) constant_properties: Option<Vec<ConstantProperty>>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ConstantProperty {
    pub(crate) base: PlacedText,
    pub(crate) conversion: PlacedText,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cumulative {
    pub(crate) window: Option<TimeWindow>,
    pub(crate) grain_to_date: Option<PlacedText>,
    pub(crate) period_aggregation: PeriodAggregation,
}

/// A model with a row for each day, hour, ..., which gaps are filled from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct TimeSpine {
    pub(crate) column: PlacedText,
    /// The grain of the column.
    pub(crate) grain: TimeGrain,
    pub(crate) custom: Vec<CustomGrain>,
}

/// A grain of the project's own, such as a fiscal year.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CustomGrain {
    pub(crate) name: PlacedText,
    pub(crate) column: Option<String>,
}
