//! Reads entries of `semantic_models`, `metrics` and `saved_queries` as dbt's schemas have them.
//!
//! What is missing or of another type is reported where it stands; an entry without what it needs
//! gives nothing.

use crate::config::{Json, JsonMap, Yaml, YamlMap, YamlValue};
use crate::diag::{Code, Diagnostic, nearest_name};
use crate::manifest::{
    Aggregation, ConstantProperty, Conversion, ConversionCalculation, Cumulative, Dimension,
    DimensionKind, Entity, EntityKind, ExportPlan, ExportedAs, InputMeasure, InputMetric, Measure,
    Metric, MetricKind, NonAdditive, PercentileParams, PeriodAggregation, PlacedText, SavedQuery,
    SemanticModel, TimeGrain, TimeParams, TimeWindow, ValidityWindow, WhereFilter,
};
use crate::source::Span;

/// Reads the values of one entry.
pub(super) struct EntryReader<'a> {
    pub(super) out: &'a mut Vec<Diagnostic>,
}

/// A scalar's type beside text.
#[derive(Clone, Copy, PartialEq)]
enum Also {
    Nothing,
    Bool,
    BoolOrWhole,
}

impl EntryReader<'_> {
    fn problem(&mut self, span: Span, message: impl Into<String>) {
        self.out.push(Diagnostic::error(Code::YamlShape, message).primary(span, ""));
    }

    fn check_keys(&mut self, map: &YamlMap, known: &[&str], what: &str) {
        for (key, _) in map.iter().filter(|(key, _)| !known.contains(&&*key.text)) {
            let near = nearest_name(&key.text, known.iter().copied());
            let message = format!("{what} has no key `{}`", key.text);
            let d = Diagnostic::error(Code::YamlShape, message).primary(key.span, "");
            self.out.push(d.did_you_mean(near).help(format!("its keys: {}", known.join(", "))));
        }
    }

    /// A value that is there and is not null.
    fn value<'y>(map: &'y YamlMap, key: &str) -> Option<&'y Yaml> {
        map.get(key).filter(|value| !value.is_null())
    }

    fn placed(&mut self, value: &Yaml, key: &str, also: Also) -> Option<PlacedText> {
        let is_text = match &value.value {
            YamlValue::Str(_) => true,
            YamlValue::Bool(_) => also != Also::Nothing,
            YamlValue::Int(_) => also == Also::BoolOrWhole,
            _ => false,
        };
        if !is_text {
            self.problem(value.span, format!("`{key}` is text, not {}", value.kind()));
            return None;
        }
        Some(PlacedText { text: value.scalar_text()?, span: value.span })
    }

    fn text(&mut self, map: &YamlMap, key: &str) -> Option<PlacedText> {
        Self::value(map, key).and_then(|value| self.placed(value, key, Also::Nothing))
    }

    fn plain(&mut self, map: &YamlMap, key: &str) -> Option<String> {
        self.text(map, key).map(|placed| placed.text)
    }

    fn expr(&mut self, map: &YamlMap, also: Also) -> Option<String> {
        let value = Self::value(map, "expr")?;
        self.placed(value, "expr", also).map(|placed| placed.text)
    }

    fn needed(&mut self, map: &YamlMap, key: &str, span: Span, what: &str) -> Option<PlacedText> {
        if Self::value(map, key).is_none() {
            self.problem(span, format!("{what} needs `{key}`"));
        }
        self.text(map, key)
    }

    fn flag(&mut self, map: &YamlMap, key: &str) -> bool {
        let Some(value) = map.get(key) else { return false };
        if value.as_bool().is_none() {
            self.problem(value.span, format!("`{key}` is true or false, not {}", value.kind()));
        }
        value.as_bool().unwrap_or_default()
    }

    fn mapping<'y>(&mut self, map: &'y YamlMap, key: &str) -> Option<(&'y YamlMap, Span)> {
        let value = Self::value(map, key)?;
        if value.as_map().is_none() {
            self.problem(value.span, format!("`{key}` is a mapping, not {}", value.kind()));
        }
        value.as_map().map(|inner| (inner, value.span))
    }

    fn list<'y>(&mut self, map: &'y YamlMap, key: &str) -> &'y [Yaml] {
        match map.get(key).map(|value| (value, &value.value)) {
            Some((_, YamlValue::Seq(items))) => items,
            Some((value, _)) => {
                self.problem(value.span, format!("`{key}` is a list, not {}", value.kind()));
                &[]
            }
            None => &[],
        }
    }

    fn texts(&mut self, map: &YamlMap, key: &str) -> Vec<PlacedText> {
        let items = self.list(map, key);
        items.iter().filter_map(|item| self.placed(item, key, Also::Nothing)).collect()
    }

    fn word<T>(
        &mut self,
        text: Option<PlacedText>,
        key: &str,
        words: &[&str],
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = text?;
        let found = parse(&text.text);
        if found.is_none() {
            let near = nearest_name(&text.text, words.iter().copied());
            let message = format!("`{key}` is one of {}, not `{}`", words.join(", "), text.text);
            let d = Diagnostic::error(Code::YamlShape, message).primary(text.span, "");
            self.out.push(d.did_you_mean(near));
        }
        found
    }

    /// The mappings of a list.
    fn entries<'y>(&mut self, map: &'y YamlMap, key: &str) -> Vec<(&'y YamlMap, Span)> {
        let mut all = Vec::new();
        for item in self.list(map, key) {
            match item.as_map() {
                Some(inner) => all.push((inner, item.span)),
                None => self.problem(
                    item.span,
                    format!("an entry of `{key}` is a mapping, not {}", item.kind()),
                ),
            }
        }
        all
    }

    /// The `meta` of an element's `config`, over that of its semantic model.
    fn meta(&mut self, map: &YamlMap, of_model: &JsonMap) -> JsonMap {
        let mut meta = of_model.clone();
        let Some((config, _)) = self.mapping(map, "config") else { return meta };
        match config.get("meta").map(|value| (value, value.to_json())) {
            Some((_, Json::Object(own))) => meta.extend(own),
            Some((value, _)) => {
                self.problem(value.span, format!("`meta` is a mapping, not {}", value.kind()));
            }
            None => {}
        }
        meta
    }

    pub(super) fn semantic_model(
        &mut self,
        map: &YamlMap,
        span: Span,
        meta: &JsonMap,
    ) -> Option<SemanticModel> {
        const KEYS: &[&str] = &[
            "name",
            "model",
            "config",
            "description",
            "label",
            "defaults",
            "entities",
            "measures",
            "dimensions",
            "primary_entity",
        ];
        self.check_keys(map, KEYS, "a semantic model");
        let defaults = self.mapping(map, "defaults");
        if let Some((defaults, _)) = defaults {
            self.check_keys(defaults, &["agg_time_dimension"], "`defaults`");
        }
        let entities = self.entries(map, "entities");
        let dimensions = self.entries(map, "dimensions");
        let measures = self.entries(map, "measures");
        Some(SemanticModel {
            description: self.plain(map, "description"),
            label: self.text(map, "label"),
            has_defaults: defaults.is_some(),
            agg_time_dimension: defaults.and_then(|(d, _)| self.text(d, "agg_time_dimension")),
            primary_entity: self.text(map, "primary_entity"),
            entities: entities.iter().filter_map(|(m, s)| self.entity(m, *s, meta)).collect(),
            dimensions: dimensions
                .iter()
                .filter_map(|(m, s)| self.dimension(m, *s, meta))
                .collect(),
            measures: measures.iter().filter_map(|(m, s)| self.measure(m, *s, meta)).collect(),
            model: self.needed(map, "model", span, "a semantic model")?.text,
        })
    }

    fn entity(&mut self, map: &YamlMap, span: Span, meta: &JsonMap) -> Option<Entity> {
        let keys = ["name", "type", "description", "label", "role", "expr", "config"];
        self.check_keys(map, &keys, "an entity");
        let kind = self.needed(map, "type", span, "an entity");
        let kind = self.word(kind, "type", EntityKind::WORDS, EntityKind::parse);
        Some(Entity {
            description: self.plain(map, "description"),
            label: self.text(map, "label"),
            role: self.plain(map, "role"),
            expr: self.expr(map, Also::Nothing),
            meta: self.meta(map, meta),
            name: self.needed(map, "name", span, "an entity")?,
            kind: kind?,
        })
    }

    fn dimension(&mut self, map: &YamlMap, span: Span, meta: &JsonMap) -> Option<Dimension> {
        let keys = [
            "name",
            "type",
            "description",
            "label",
            "is_partition",
            "type_params",
            "expr",
            "config",
        ];
        self.check_keys(map, &keys, "a dimension");
        let kind = self.needed(map, "type", span, "a dimension");
        let kind = self.word(kind, "type", DimensionKind::WORDS, DimensionKind::parse);
        let params = self.mapping(map, "type_params");
        Some(Dimension {
            description: self.plain(map, "description"),
            label: self.text(map, "label"),
            is_partition: self.flag(map, "is_partition"),
            time: params.and_then(|(params, span)| self.time_params(params, span)),
            expr: self.expr(map, Also::Nothing),
            meta: self.meta(map, meta),
            name: self.needed(map, "name", span, "a dimension")?,
            kind: kind?,
        })
    }

    fn time_params(&mut self, map: &YamlMap, span: Span) -> Option<TimeParams> {
        let what = "`type_params` of a dimension";
        self.check_keys(map, &["time_granularity", "validity_params"], what);
        let grain = self.needed(map, "time_granularity", span, what);
        let grain = self.word(grain, "time_granularity", TimeGrain::WORDS, TimeGrain::parse);
        let validity = self.mapping(map, "validity_params").map(|(validity, _)| {
            self.check_keys(validity, &["is_start", "is_end"], "`validity_params`");
            ValidityWindow {
                is_start: self.flag(validity, "is_start"),
                is_end: self.flag(validity, "is_end"),
            }
        });
        Some(TimeParams { grain: grain?, validity })
    }

    fn measure(&mut self, map: &YamlMap, span: Span, meta: &JsonMap) -> Option<Measure> {
        const KEYS: &[&str] = &[
            "name",
            "agg",
            "description",
            "label",
            "expr",
            "agg_params",
            "non_additive_dimension",
            "agg_time_dimension",
            "create_metric",
            "config",
        ];
        self.check_keys(map, KEYS, "a measure");
        let aggregation = self.needed(map, "agg", span, "a measure");
        let aggregation = self.word(aggregation, "agg", Aggregation::WORDS, Aggregation::parse);
        let percentile = self.mapping(map, "agg_params");
        let non_additive = self.mapping(map, "non_additive_dimension");
        Some(Measure {
            description: self.plain(map, "description"),
            label: self.text(map, "label"),
            expr: self.expr(map, Also::BoolOrWhole),
            percentile: percentile.map(|(params, _)| self.percentile(params)),
            non_additive: non_additive.and_then(|(map, span)| self.non_additive(map, span)),
            agg_time_dimension: self.text(map, "agg_time_dimension"),
            meta: self.meta(map, meta),
            creates_metric: self.flag(map, "create_metric"),
            name: self.needed(map, "name", span, "a measure")?,
            aggregation: aggregation?,
        })
    }

    fn percentile(&mut self, map: &YamlMap) -> PercentileParams {
        let keys = ["percentile", "use_discrete_percentile", "use_approximate_percentile"];
        self.check_keys(map, &keys, "`agg_params`");
        let number = Self::value(map, "percentile");
        let percentile = number.and_then(|value| value.to_json().as_f64());
        if let Some(value) = number.filter(|_| percentile.is_none()) {
            self.problem(value.span, format!("`percentile` is a number, not {}", value.kind()));
        }
        PercentileParams {
            percentile,
            is_discrete: self.flag(map, "use_discrete_percentile"),
            is_approximate: self.flag(map, "use_approximate_percentile"),
        }
    }

    fn non_additive(&mut self, map: &YamlMap, span: Span) -> Option<NonAdditive> {
        let what = "`non_additive_dimension`";
        self.check_keys(map, &["name", "window_choice", "window_groupings"], what);
        let choice = self.needed(map, "window_choice", span, what);
        let choice = self.word(choice, "window_choice", Aggregation::WORDS, Aggregation::parse);
        Some(NonAdditive {
            name: self.needed(map, "name", span, what)?,
            window_choice: choice?,
            window_groupings: self.texts(map, "window_groupings"),
        })
    }

    fn filter(&mut self, map: &YamlMap, key: &str) -> Option<Vec<WhereFilter>> {
        let value = Self::value(map, key)?;
        let all: &[Yaml] = match &value.value {
            YamlValue::Seq(items) => items,
            _ => std::slice::from_ref(value),
        };
        let placed = all.iter().filter_map(|one| self.placed(one, key, Also::Nothing));
        Some(placed.map(|placed| WhereFilter::new(placed.text, placed.span)).collect())
    }

    fn window(&mut self, map: &YamlMap, key: &str) -> Option<TimeWindow> {
        let written = self.text(map, key)?;
        let lower = written.text.to_lowercase();
        let parts: Vec<&str> = lower.split(' ').collect();
        let window = match parts.as_slice() {
            [count, grain] if !count.is_empty() && count.bytes().all(|b| b.is_ascii_digit()) => {
                let singular = grain.strip_suffix('s').filter(|g| TimeGrain::WORDS.contains(g));
                let grain = singular.unwrap_or(grain).to_owned();
                count.parse().ok().map(|count| TimeWindow { count, grain, span: written.span })
            }
            _ => None,
        };
        if window.is_none() {
            let message =
                format!("`{key}` is a number and a grain, as `28 days`, not `{}`", written.text);
            self.problem(written.span, message);
        }
        window
    }

    /// An input of a metric, which is a name or a mapping.
    fn input<'y>(
        &mut self,
        value: &'y Yaml,
        key: &str,
        keys: &[&str],
    ) -> Option<(PlacedText, Option<&'y YamlMap>)> {
        let Some(map) = value.as_map() else {
            return self.placed(value, key, Also::Nothing).map(|name| (name, None));
        };
        self.check_keys(map, keys, &format!("`{key}`"));
        Some((self.needed(map, "name", value.span, &format!("`{key}`"))?, Some(map)))
    }

    fn input_measure(&mut self, value: &Yaml, key: &str) -> Option<InputMeasure> {
        let keys = ["name", "filter", "alias", "join_to_timespine", "fill_nulls_with"];
        let (name, map) = self.input(value, key, &keys)?;
        let none = YamlMap::default();
        let map = map.unwrap_or(&none);
        let fill = Self::value(map, "fill_nulls_with");
        let fill_nulls_with = fill.and_then(|value| value.to_json().as_i64());
        if let Some(value) = fill.filter(|_| fill_nulls_with.is_none()) {
            let message = format!("`fill_nulls_with` is a whole number, not {}", value.kind());
            self.problem(value.span, message);
        }
        Some(InputMeasure {
            name,
            filter: self.filter(map, "filter"),
            alias: self.plain(map, "alias"),
            joins_time_spine: self.flag(map, "join_to_timespine"),
            fill_nulls_with,
        })
    }

    fn input_metric(&mut self, value: &Yaml, key: &str) -> Option<InputMetric> {
        let keys = ["name", "filter", "alias", "offset_window", "offset_to_grain"];
        let (name, map) = self.input(value, key, &keys)?;
        let none = YamlMap::default();
        let map = map.unwrap_or(&none);
        Some(InputMetric {
            name,
            filter: self.filter(map, "filter"),
            alias: self.plain(map, "alias"),
            offset_window: self.window(map, "offset_window"),
            offset_to_grain: self.text(map, "offset_to_grain"),
        })
    }

    fn measure_at(&mut self, map: &YamlMap, key: &str) -> Option<InputMeasure> {
        Self::value(map, key).and_then(|value| self.input_measure(value, key))
    }

    fn metric_at(&mut self, map: &YamlMap, key: &str) -> Option<InputMetric> {
        Self::value(map, key).and_then(|value| self.input_metric(value, key))
    }

    pub(super) fn metric(&mut self, map: &YamlMap, span: Span) -> Option<Metric> {
        const KEYS: &[&str] = &[
            "name",
            "label",
            "type",
            "type_params",
            "description",
            "filter",
            "time_granularity",
            "meta",
            "tags",
            "config",
        ];
        const PARAMS: &[&str] = &[
            "measure",
            "numerator",
            "denominator",
            "expr",
            "window",
            "grain_to_date",
            "metrics",
            "conversion_type_params",
            "cumulative_type_params",
        ];
        self.check_keys(map, KEYS, "a metric");
        self.check_name(map);
        let kind = self.needed(map, "type", span, "a metric");
        let kind = self.word(kind, "type", MetricKind::WORDS, MetricKind::parse);
        let label = self.needed(map, "label", span, "a metric");
        let params = self.mapping(map, "type_params");
        if Self::value(map, "type_params").is_none() {
            self.problem(span, "a metric needs `type_params`");
        }
        let (params, _) = params?;
        self.check_keys(params, PARAMS, "`type_params` of a metric");
        let (kind, label) = (kind?, label?);
        let window = self.window(params, "window");
        let to_date = self.text(params, "grain_to_date");
        let conversion = self.mapping(params, "conversion_type_params");
        let metrics = match Self::value(params, "metrics") {
            Some(_) => self.list(params, "metrics"),
            None => &[],
        };
        let cumulative = self.cumulative(params, window.clone(), to_date.clone());
        let meta = self.mapping(map, "meta").map(|(meta, _)| super::map_json(meta));
        self.texts(map, "tags");
        Some(Metric {
            kind,
            label,
            description: self.plain(map, "description").unwrap_or_default(),
            filter: self.filter(map, "filter"),
            time_granularity: self.plain(map, "time_granularity"),
            meta: meta.unwrap_or_default(),
            measure: self.measure_at(params, "measure"),
            numerator: self.metric_at(params, "numerator"),
            denominator: self.metric_at(params, "denominator"),
            expr: self.expr(params, Also::Bool),
            window,
            grain_to_date: self.word(to_date, "grain_to_date", TimeGrain::WORDS, TimeGrain::parse),
            metrics: metrics.iter().filter_map(|m| self.input_metric(m, "metrics")).collect(),
            conversion: conversion.and_then(|(map, span)| self.conversion(map, span)),
            cumulative: cumulative.filter(|_| kind == MetricKind::Cumulative),
            input_measures: Vec::new(),
        })
    }

    fn check_name(&mut self, map: &YamlMap) {
        let Some(name) = self.text(map, "name") else { return };
        let text = &name.text;
        let wrong = if text.contains(' ') {
            "cannot contain spaces"
        } else if text.chars().count() > 250 {
            "cannot contain more than 250 characters"
        } else if !text.starts_with(|c: char| c.is_ascii_alphabetic()) {
            "must begin with a letter"
        } else if !text.chars().all(|c| c.is_alphanumeric() || c == '_') {
            "must contain only letters, numbers and underscores"
        } else {
            return;
        };
        self.problem(name.span, format!("the name of the metric `{text}` {wrong}"));
    }

    /// What a cumulative metric accumulates over; older projects write it beside.
    fn cumulative(
        &mut self,
        params: &YamlMap,
        window: Option<TimeWindow>,
        to_date: Option<PlacedText>,
    ) -> Option<Cumulative> {
        let nested = self.mapping(params, "cumulative_type_params");
        let none = YamlMap::default();
        let map = nested.map_or(&none, |(map, _)| map);
        let keys = ["window", "grain_to_date", "period_agg"];
        self.check_keys(map, &keys, "`cumulative_type_params`");
        let period = self.text(map, "period_agg");
        let words = PeriodAggregation::WORDS;
        let period = match period {
            Some(_) => self.word(period, "period_agg", words, PeriodAggregation::parse)?,
            None => PeriodAggregation::First,
        };
        Some(Cumulative {
            window: self.window(map, "window").or(window),
            grain_to_date: self.text(map, "grain_to_date").or(to_date),
            period_aggregation: period,
        })
    }

    fn conversion(&mut self, map: &YamlMap, span: Span) -> Option<Conversion> {
        const KEYS: &[&str] = &[
            "base_measure",
            "conversion_measure",
            "entity",
            "calculation",
            "window",
            "constant_properties",
        ];
        let what = "`conversion_type_params`";
        self.check_keys(map, KEYS, what);
        for key in ["base_measure", "conversion_measure"] {
            if Self::value(map, key).is_none() {
                self.problem(span, format!("{what} needs `{key}`"));
            }
        }
        let calculation = self.text(map, "calculation");
        let words = ConversionCalculation::WORDS;
        let calculation = match calculation {
            Some(_) => {
                self.word(calculation, "calculation", words, ConversionCalculation::parse)?
            }
            None => ConversionCalculation::ConversionRate,
        };
        let constant = Self::value(map, "constant_properties").map(|_| {
            let entries = self.entries(map, "constant_properties");
            entries.iter().filter_map(|(map, span)| self.constant(map, *span)).collect()
        });
        Some(Conversion {
            entity: self.needed(map, "entity", span, what)?,
            base: self.measure_at(map, "base_measure")?,
            conversion: self.measure_at(map, "conversion_measure")?,
            calculation,
            window: self.window(map, "window"),
            constant_properties: constant,
        })
    }

    fn constant(&mut self, map: &YamlMap, span: Span) -> Option<ConstantProperty> {
        let what = "an entry of `constant_properties`";
        self.check_keys(map, &["base_property", "conversion_property"], what);
        Some(ConstantProperty {
            base: self.needed(map, "base_property", span, what)?,
            conversion: self.needed(map, "conversion_property", span, what)?,
        })
    }

    pub(super) fn saved_query(
        &mut self,
        map: &YamlMap,
        span: Span,
        config: &JsonMap,
    ) -> Option<SavedQuery> {
        let keys = ["name", "query_params", "description", "label", "exports", "config", "tags"];
        self.check_keys(map, &keys, "a saved query");
        if Self::value(map, "query_params").is_none() {
            self.problem(span, "a saved query needs `query_params`");
        }
        let (params, _) = self.mapping(map, "query_params")?;
        let keys = ["metrics", "group_by", "where", "order_by", "limit"];
        self.check_keys(params, &keys, "`query_params`");
        let limit = Self::value(params, "limit");
        let number = limit.and_then(|value| Some((value.to_json().as_i64()?, value.span)));
        if let Some(value) = limit.filter(|_| number.is_none()) {
            self.problem(value.span, format!("`limit` is a whole number, not {}", value.kind()));
        }
        if let Some((config, _)) = self.mapping(map, "config") {
            self.mapping(config, "cache");
        }
        let exports = self.entries(map, "exports");
        Some(SavedQuery {
            label: self.plain(map, "label"),
            description: self.plain(map, "description"),
            metrics: self.texts(params, "metrics"),
            group_by: self.texts(params, "group_by"),
            filter: self.filter(params, "where"),
            order_by: self.texts(params, "order_by"),
            limit: number,
            exports: exports.iter().filter_map(|(m, s)| self.export(m, *s, config)).collect(),
        })
    }

    /// An export, whose config is that of the query with its own over it.
    fn export(&mut self, map: &YamlMap, span: Span, config: &JsonMap) -> Option<ExportPlan> {
        self.check_keys(map, &["name", "config"], "an export of a saved query");
        let name = self.needed(map, "name", span, "an export of a saved query")?;
        let written = self.mapping(map, "config").map(|(own, _)| super::map_json(own));
        let written = written.unwrap_or_default();
        let place = map.get("config").map_or(span, |value| value.span);
        let layers = [&written, config];
        let kind = setting(&layers, "export_as").map(|text| PlacedText { text, span: place });
        if kind.is_none() {
            self.problem(place, "an export of a saved query needs `export_as`: table or view");
        }
        let (schema, alias, database) = (
            setting(&layers, "schema_name").or_else(|| setting(&layers, "schema")),
            setting(&layers, "alias"),
            setting(&layers, "database"),
        );
        let exported_as = self.word(kind, "export_as", ExportedAs::WORDS, ExportedAs::parse)?;
        Some(ExportPlan { name, exported_as, schema, alias, database, written })
    }
}

/// The text of a config in the first of these that has it.
fn setting(layers: &[&JsonMap], key: &str) -> Option<String> {
    let value = layers.iter().find_map(|layer| layer.get(key));
    value.and_then(Json::as_str).map(str::to_owned)
}
