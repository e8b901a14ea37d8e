//! `config(...)` and `config.get(...)`.

use super::batch::BatchContext;
use super::none;
use super::session::{Abort, Phase, RenderSession};
use crate::config::Json;
use crate::hash::FastMap;
use crate::jinja::{Args, from_json, no_config_value, to_json, with_extension};
use minijinja::value::{Object, ObjectRepr, Value};
use minijinja::{Error, ErrorKind, State};
use std::sync::Arc;

pub(super) fn install_config(out: &mut FastMap<&'static str, Value>) {
    out.insert("config", Value::from_object(Config));
}

#[derive(Debug)]
struct Config;

impl Object for Config {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    /// Records the config at parse. At run the call does nothing, since the config is already
    /// resolved. A positional mapping counts as keyword arguments.
    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let session = with_extension::<RenderSession>(state)?;
        if session.phase == Phase::Parse {
            let args = Args::parse(args)?;
            let span = session.site(state);
            let mut given: Vec<(String, Json)> = Vec::new();
            for map in &args.positional {
                if let Json::Object(map) = to_json(map) {
                    given.extend(map);
                }
            }
            let named = args.named.iter().map(|(k, v)| (k.as_str(), v));
            for (key, value) in named {
                if let Some(what) = no_config_value(value) {
                    return Err(session.stop(Abort::Raised(format!(
                        "the config `{key}` has a value that is {what}"
                    ))));
                }
                given.push((key.to_owned(), to_json(value)));
            }
            if let Some((one, other)) = twice(&given) {
                return Err(session.stop(Abort::Raised(format!(
                    "`config` has both `{one}` and `{other}`: keep one"
                ))));
            }
            session.record().config.extend(given.into_iter().map(|(k, v)| (k, v, span)));
        }
        Ok(Value::from(""))
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let session = with_extension::<RenderSession>(state)?;
        let args = Args::parse(args)?;
        let parsing = session.phase == Phase::Parse;
        session.note_unsteady();
        match method {
            // At parse the config is not known yet, and the default is ignored, too
            // (semantics 1.2).
            "get" | "require" | "meta_get" | "meta_require" if parsing => Ok(Value::from("")),
            "get" | "require" => {
                let name = args.text(0, "name")?;
                let of_batch = session.batch().map(BatchContext::config_keys);
                if let Some((_, time)) = of_batch.iter().flatten().find(|(key, _)| *key == name) {
                    return Ok(time.clone());
                }
                let found = session.subject.config.effective(session.subject.kind, &name);
                // A null value satisfies `require`, but `get` returns its default instead.
                let found = if method == "get" { found.filter(|v| !v.is_null()) } else { found };
                lookup(&session, found, &name, &args, method == "require")
            }
            "meta_get" | "meta_require" => {
                let name = args.text(0, "name")?;
                let found = session.subject.config.map("meta").and_then(|m| m.get(&name)).cloned();
                lookup(&session, found, &name, &args, method == "meta_require")
            }
            // `config.set(name, value)` is `config(name=value)`. The macro `set_sql_header` uses
            // it.
            "set" => {
                if parsing {
                    let span = session.site(state);
                    let value = to_json(args.require(1, "value")?);
                    session.record().config.push((args.text(0, "name")?, value, span));
                }
                Ok(Value::from(""))
            }
            "persist_relation_docs" => Ok(Value::from(persist(&session, "relation"))),
            "persist_column_docs" => Ok(Value::from(persist(&session, "columns"))),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }

    /// Attributes such as `config.model`, which a few packages read, are undefined.
    fn get_value(self: &Arc<Self>, _: &Value) -> Option<Value> {
        None
    }
}

/// A key that one call spells in both ways. It would be arbitrary which value counts.
fn twice(given: &[(String, Json)]) -> Option<(&'static str, &'static str)> {
    [("pre_hook", "pre-hook"), ("post_hook", "post-hook")]
        .into_iter()
        .find(|(one, other)| has_key(given, one) && has_key(given, other))
}

fn has_key(given: &[(String, Json)], key: &str) -> bool {
    given.iter().any(|(k, _)| k == key)
}

fn lookup(
    session: &RenderSession,
    found: Option<Json>,
    name: &str,
    args: &Args,
    required: bool,
) -> Result<Value, Error> {
    match found {
        Some(value) => Ok(from_json(&value)),
        None if required => {
            let message = format!("`{}` needs a config `{name}`", session.subject.name);
            Err(session.stop(Abort::Raised(message)))
        }
        None => Ok(args.get(1, "default").cloned().unwrap_or_else(none)),
    }
}

fn persist(session: &RenderSession, what: &str) -> bool {
    session
        .subject
        .config
        .map("persist_docs")
        .and_then(|m| m.get(what))
        .and_then(Json::as_bool)
        .unwrap_or(false)
}

/// A node's config as on-run-end hooks see it: a mapping that returns none for keys that are not
/// set (dbt's `BaseConfig.__getitem__`).
pub(crate) fn node_config(config: &Json) -> Value {
    let entries = config.as_object().into_iter().flatten().map(|(k, v)| (k.clone(), from_json(v)));
    Value::from_object(NodeConfigValue(entries.collect()))
}

#[derive(Debug)]
struct NodeConfigValue(indexmap::IndexMap<String, Value>);

impl Object for NodeConfigValue {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(self.0.get(key.as_str()?).cloned().unwrap_or_else(none))
    }

    fn enumerate(self: &Arc<Self>) -> minijinja::value::Enumerator {
        minijinja::value::Enumerator::Values(
            self.0.keys().map(|k| Value::from(k.as_str())).collect(),
        )
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        if method != "get" {
            return Err(Error::from(ErrorKind::UnknownMethod));
        }
        let args = Args::parse(args)?;
        let found = self.0.get(&args.text(0, "key")?).cloned();
        Ok(found.or_else(|| args.get(1, "default").cloned()).unwrap_or_else(none))
    }
}
