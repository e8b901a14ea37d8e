//! Checks the configs of models that are built in batches (`incremental_strategy: microbatch`).

use super::NodeMaker;
use crate::config::{Json, python_str};
use crate::context::{RenderQuestion, read_iso_datetime};
use crate::diag::{Code, DbtEvent, Diagnostic};
use crate::engine::WriteConcurrency;
use crate::jinja::{CallName, names_variable};
use crate::manifest::{BatchSize, MicrobatchConfig, Node, NodeConfig, ResourceType};
use crate::parse::ParsedNode;
use crate::source::Span;
use jiff::civil::DateTime;
use std::sync::Arc;

/// The macro that applies a batch to the table.
const STRATEGY: &str = "get_incremental_microbatch_sql";

/// The flag with which a project's own macro of that name gets batches, too.
const BATCHED: &str = "require_batched_execution_for_custom_microbatch_strategy";

impl NodeMaker<'_> {
    /// The batches of a model. `None` if it is not built in batches, or if a config is wrong, which
    /// is reported. As in dbt's artifacts, `begin` becomes a text in ISO format.
    pub(super) fn microbatch(
        &mut self,
        parsed: &ParsedNode,
        config: &mut NodeConfig,
    ) -> Option<MicrobatchConfig> {
        let is_microbatch = parsed.kind == ResourceType::Model
            && config.text("materialized").as_deref() == Some("incremental")
            && config.text("incremental_strategy").as_deref() == Some("microbatch");
        if !is_microbatch || !config.enabled() {
            return None;
        }
        if !self.has_batches() {
            self.warn_of_whole_runs(parsed);
            return None;
        }
        let mut reading = ConfigReading { parsed, config, out: &mut self.out };
        let event_time = reading.event_time();
        let begin = reading.begin();
        let size = reading.size();
        let lookback = reading.lookback();
        let concurrent = reading.concurrent();
        let text = parsed.text.as_ref().map_or("", |text| &*text.raw);
        event_time?;
        let read = MicrobatchConfig {
            size: size?,
            begin: begin?,
            lookback: lookback?,
            concurrent: concurrent?,
            reads_itself: names_variable(text, "this"),
        };
        self.warn_of_turns(parsed, config, &read);
        Some(read)
    }

    /// Whether models are built in batches: unless the project has a macro of its own for the
    /// strategy, and no flag that asks for batches.
    fn has_batches(&mut self) -> bool {
        let context = self.ground.context;
        if context.flags_set.contains(BATCHED) {
            return true;
        }
        let package = self.ground.sources.root().name().clone();
        let call = CallName::Plain(STRATEGY.to_owned());
        self.reads.insert(context.read(RenderQuestion::Macro { package, call }));
        let registry = self.ground.renderer.registry();
        registry.lookup_anywhere(STRATEGY).is_none_or(|def| registry.is_internal(def))
    }

    fn warn_of_whole_runs(&mut self, parsed: &ParsedNode) {
        let message = format!(
            "`{}` is built as a whole, since the project has its own `{STRATEGY}`",
            parsed.name
        );
        let event = DbtEvent::MicrobatchMacroOutsideOfBatchesDeprecation;
        let d = Diagnostic::dbt_warning(Code::Deprecated, event, message).primary(parsed.span, "");
        self.out.push(d.help(format!("`flags: {{{BATCHED}: true}}` builds it in batches")));
    }

    /// Warns of batches that are to run at the same time where the engine writes one by one.
    fn warn_of_turns(&mut self, parsed: &ParsedNode, config: &NodeConfig, read: &MicrobatchConfig) {
        let engine = self.ground.context.target.engine;
        let is_wanted = read.concurrent == Some(true);
        if is_wanted && engine.capabilities.writers == WriteConcurrency::One {
            let message = format!(
                "`concurrent_batches` of `{}` has no effect: {} writes one batch at a time",
                parsed.name, engine.label
            );
            let place = config.entry("concurrent_batches").and_then(|e| e.span);
            let event = DbtEvent::InvalidConcurrentBatchesConfig;
            let d = Diagnostic::dbt_warning(Code::IdleBatches, event, message);
            self.out.push(d.primary(place.unwrap_or(parsed.span), ""));
        }
    }
}

/// Reads the configs of one model and reports what is wrong with them.
struct ConfigReading<'a> {
    parsed: &'a ParsedNode,
    config: &'a mut NodeConfig,
    out: &'a mut Vec<Diagnostic>,
}

impl ConfigReading<'_> {
    fn value(&self, key: &str) -> Option<Json> {
        self.config.get(key).cloned()
    }

    fn missing<T>(&mut self, key: &str, meaning: &str) -> Option<T> {
        let article = if key.starts_with('e') { "an" } else { "a" };
        let message = format!(
            "the microbatch model `{}` must provide {article} '{key}': {meaning}",
            self.parsed.name
        );
        self.out.push(Diagnostic::error(Code::Batches, message).primary(self.parsed.span, ""));
        None
    }

    fn wrong<T>(&mut self, key: &str, wanted: &str, value: &Json) -> Option<T> {
        let message =
            format!("`{key}` of `{}` is {wanted}, not `{}`", self.parsed.name, python_str(value));
        let place: Option<Span> = self.config.entry(key).and_then(|entry| entry.span);
        let d = Diagnostic::error(Code::Batches, message);
        self.out.push(d.primary(place.unwrap_or(self.parsed.span), ""));
        None
    }

    fn event_time(&mut self) -> Option<()> {
        match self.value("event_time") {
            None => self.missing("event_time", "the column with the time of a row"),
            Some(Json::String(_)) => Some(()),
            Some(other) => self.wrong("event_time", "the name of a column", &other),
        }
    }

    fn begin(&mut self) -> Option<DateTime> {
        let Some(value) = self.value("begin") else {
            return self.missing("begin", "the time from which it is built at first");
        };
        let read = value.as_str().and_then(read_iso_datetime);
        let Some((text, at)) = read else {
            return self.wrong("begin", "a date or time in ISO format", &value);
        };
        self.config.respell("begin", Json::from(text));
        Some(at)
    }

    fn size(&mut self) -> Option<BatchSize> {
        let sizes = BatchSize::ALL.map(BatchSize::as_str).join(", ");
        let Some(value) = self.value("batch_size") else {
            return self.missing("batch_size", &format!("one of {sizes}"));
        };
        let size = value.as_str().and_then(BatchSize::parse);
        size.or_else(|| self.wrong("batch_size", &format!("one of {sizes}"), &value))
    }

    fn lookback(&mut self) -> Option<i64> {
        match self.value("lookback") {
            None => Some(1),
            // As in Python, where `true` is one.
            Some(Json::Bool(value)) => Some(i64::from(value)),
            Some(value) => match value.as_i64() {
                Some(count) => Some(count),
                None => self.wrong("lookback", "a whole number of batches", &value),
            },
        }
    }

    fn concurrent(&mut self) -> Option<Option<bool>> {
        match self.value("concurrent_batches") {
            None => Some(None),
            Some(Json::Bool(value)) => Some(Some(value)),
            Some(other) => self.wrong("concurrent_batches", "true or false", &other),
        }
    }
}

/// The error or the warning about the inputs of a model that is built in batches: it is fast only
/// if one of them can be filtered.
pub(super) fn check_inputs<'n>(
    node: &Node,
    inputs: impl Iterator<Item = &'n Arc<Node>>,
) -> Vec<Diagnostic> {
    if node.typed.microbatch().is_none() {
        return Vec::new();
    }
    let (mut out, mut is_filtered) = (Vec::new(), false);
    for input in inputs {
        let entry = input.config.entry("event_time");
        match entry.map(|entry| &entry.value) {
            None | Some(Json::Null) => {}
            Some(Json::String(column)) => is_filtered |= !column.is_empty(),
            Some(other) => {
                let message = format!(
                    "`event_time` of `{}`, which `{}` reads in batches, is the name of a column, not `{}`",
                    input.name,
                    node.name,
                    python_str(other)
                );
                let place = entry.and_then(|entry| entry.span).unwrap_or(input.span);
                out.push(Diagnostic::error(Code::Batches, message).primary(place, ""));
                is_filtered = true;
            }
        }
    }
    if !is_filtered {
        let message = format!(
            "`{}` is built in batches, and nothing that it reads has an `event_time`",
            node.name
        );
        let event = DbtEvent::MicrobatchModelNoEventTimeInputs;
        let d = Diagnostic::dbt_warning(Code::IdleBatches, event, message)
            .primary(node.span, "each batch reads all rows");
        out.push(d.help("give `event_time`, the column with the time of a row, to what it reads"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::testing::{attempt, project};
    use super::*;

    const INPUT: (&str, &str) =
        ("models/a.sql", "{{ config(event_time='at') }} select 1 as id, now() as at");

    fn model(config: &str) -> String {
        format!(
            "{{{{ config(materialized='incremental', incremental_strategy='microbatch', {config}) }}}}\
             select * from {{{{ ref('a') }}}}"
        )
    }

    fn said(files: &[(&str, &str)]) -> Vec<(Code, String)> {
        attempt(files, &[]).1.into_iter().map(|d| (d.code, d.message)).collect()
    }

    fn said_of(config: &str) -> Vec<String> {
        let text = model(config);
        said(&[INPUT, ("models/m.sql", &text)]).into_iter().map(|(_, message)| message).collect()
    }

    #[test]
    fn what_is_right_is_read() {
        let text = model("event_time='at', batch_size='month', begin='2024-02-03', lookback=3");
        let (manifest, said) = project(&[INPUT, ("models/m.sql", &text)]);
        assert!(said.is_empty(), "{said:?}");
        let node = manifest.get("model.shop.m").unwrap();
        let read = node.typed.microbatch().unwrap();
        assert_eq!((read.size, read.lookback), (BatchSize::Month, 3));
        assert_eq!(read.begin, "2024-02-03T00:00:00".parse().unwrap());
        assert_eq!(node.config.get("begin"), Some(&Json::from("2024-02-03T00:00:00")));
    }

    #[test]
    fn what_is_missing_or_wrong_is_told() {
        let all = said_of("lookback='two', concurrent_batches='yes'");
        assert_eq!(all.len(), 5, "{all:?}");
        let good = "event_time='at', batch_size='day', begin='2024-01-01'";
        assert!(said_of(good).is_empty());
        for (config, part) in [
            ("event_time=3, batch_size='day', begin='2024-01-01'", "`event_time` of `m`"),
            ("event_time='at', batch_size='week', begin='2024-01-01'", "not `week`"),
            ("event_time='at', batch_size='day', begin='soon'", "not `soon`"),
            ("event_time='at', batch_size='day', begin=20240101", "not `20240101`"),
            ("event_time='at', batch_size='day', begin='2024-01-01', lookback=1.5", "not `1.5`"),
        ] {
            let said = said_of(config);
            assert!(said.len() == 1 && said[0].contains(part), "{config}: {said:?}");
        }
        assert!(said_of(&format!("{good}, enabled=false")).is_empty());
    }

    #[test]
    fn inputs_without_an_event_time_are_told() {
        let text = model("event_time='at', batch_size='day', begin='2024-01-01'");
        let plain = ("models/a.sql", "select 1 as id");
        let all = said(&[plain, ("models/m.sql", &text)]);
        assert!(
            matches!(&all[..], [(Code::IdleBatches, m)] if m.contains("nothing that it reads"))
        );
        let wrong = ("models/a.sql", "{{ config(event_time=['at']) }} select 1 as id");
        let all = said(&[wrong, ("models/m.sql", &text)]);
        assert!(matches!(&all[..], [(Code::Batches, m)] if m.contains("`event_time` of `a`")));
    }

    #[test]
    fn a_strategy_of_the_project_gets_batches_only_with_the_flag() {
        let text = model("event_time='at', batch_size='day', begin='2024-01-01'");
        let own = (
            "macros/s.sql",
            "{% macro get_incremental_microbatch_sql(arg_dict) %}select 1{% endmacro %}",
        );
        let files = [INPUT, ("models/m.sql", text.as_str()), own];
        let (manifest, said) = project(&files);
        assert!(matches!(&said[..], [d] if d.code == Code::Deprecated), "{said:?}");
        assert!(manifest.get("model.shop.m").unwrap().typed.microbatch().is_none());
        let flagged = ("project.yml", &*format!("name: shop\nflags: {{{BATCHED}: true}}\n"));
        let (manifest, said) = project(&[&files[..], &[flagged]].concat());
        assert!(said.is_empty(), "{said:?}");
        assert!(manifest.get("model.shop.m").unwrap().typed.microbatch().is_some());
    }
}
