//! Relations as Jinja values, and `api`.

use super::column::{ColumnValue, translate_type};
use crate::engine::{EngineSpec, Relation, RelationKind, select_no_rows, select_rows_between};
use crate::jinja::{Args, error, mark_piece};
use crate::manifest::NodeId;
use minijinja::value::{Enumerator, Object, ObjectRepr, Value};
use minijinja::{Error, ErrorKind, State};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A relation in a template. It prints as itself or, under `--empty`, as a query without rows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RelationValue {
    pub(crate) relation: Relation,
    engine: &'static EngineSpec,
    /// The text that it prints instead of the relation: a query without rows or of a batch, a
    /// stand-in or a marked text.
    limited: Option<Arc<str>>,
    asked: Asked,
}

/// A flag that is set when a template reads anything but the text of a stand-in or of a marked
/// reference: the real relation may have a different value there.
#[derive(Clone, Debug, Default)]
struct Asked(Option<Arc<AtomicBool>>);

impl Asked {
    fn note(&self) {
        if let Some(asked) = &self.0 {
            asked.store(true, Ordering::Relaxed);
        }
    }
}

// The flag is not part of a relation's identity.
impl PartialEq for Asked {
    fn eq(&self, _: &Asked) -> bool {
        true
    }
}

impl RelationValue {
    pub(super) fn plain(relation: Relation, engine: &'static EngineSpec) -> RelationValue {
        RelationValue { relation, engine, limited: None, asked: Asked::default() }
    }

    pub(crate) fn value(relation: Relation, engine: &'static EngineSpec) -> Value {
        Value::from_object(RelationValue::plain(relation, engine))
    }

    /// A stand-in for a relation that is not known at parse. It prints `text` in quotes.
    pub(super) fn stand_in(
        relation: Relation,
        engine: &'static EngineSpec,
        text: &str,
        asked: Arc<AtomicBool>,
    ) -> Value {
        let limited = Some(engine.dialect.quoted(text).into());
        Value::from_object(RelationValue { relation, engine, limited, asked: Asked(Some(asked)) })
    }

    /// The relation, printed as a query without rows.
    pub(super) fn without_rows(relation: Relation, engine: &'static EngineSpec) -> RelationValue {
        let limited = Some(select_no_rows(&relation, engine).into());
        RelationValue { relation, engine, limited, asked: Asked::default() }
    }

    /// The relation, printed as a query of the rows whose event time is in a window.
    pub(super) fn between(self, column: &str, times: [&str; 2]) -> RelationValue {
        let name = self.to_string();
        let limited = select_rows_between(&name, &self.relation, column, times, self.engine).into();
        RelationValue { limited: Some(limited), ..self }
    }

    /// The relation with marks around its text, so that the text can be found and replaced in the
    /// rendered SQL. `asked` is set if anything but the text is read.
    pub(super) fn marked(self, node: NodeId, asked: Arc<AtomicBool>) -> RelationValue {
        let limited = Some(mark_piece(node.number(), &self.to_string()).into());
        RelationValue { limited, asked: Asked(Some(asked)), ..self }
    }

    /// The relation of a value; `None` if it is not a relation.
    pub(crate) fn of(value: &Value) -> Option<Relation> {
        value.downcast_object_ref::<RelationValue>().map(|r| r.relation.clone())
    }

    fn is_kind(&self, kind: RelationKind) -> Value {
        Value::from(self.relation.kind == Some(kind))
    }

    fn with(&self, relation: Relation) -> Value {
        Value::from_object(RelationValue { relation, ..self.clone() })
    }
}

fn text(part: Option<&str>) -> Value {
    part.map_or_else(super::none, Value::from)
}

impl Object for RelationValue {
    /// A mapping, since packages test `is mapping`, but not iterable.
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.asked.note();
        let r = &self.relation;
        Some(match key.as_str()? {
            "database" => text(r.database()),
            "schema" => text(r.schema()),
            "identifier" | "table" | "name" => text(r.path[2].as_deref()),
            "type" => text(r.kind.map(RelationKind::as_str)),
            "is_table" => self.is_kind(RelationKind::Table),
            "is_view" => self.is_kind(RelationKind::View),
            "is_cte" => self.is_kind(RelationKind::Cte),
            "is_materialized_view" => self.is_kind(RelationKind::MaterializedView),
            "is_function" => self.is_kind(RelationKind::Function),
            "is_pointer" => Value::from(false),
            "can_be_renamed" | "can_be_replaced" => {
                Value::from(matches!(r.kind, Some(RelationKind::Table | RelationKind::View)))
            }
            "external" => text(r.external.as_deref()),
            "dbt_created" => Value::from(false),
            "limit" => super::none(),
            "quote_character" => Value::from("\""),
            "include_policy" => policy(r.include),
            "quote_policy" => policy(r.quote),
            "path" => crate::jinja::dict(
                ["database", "schema", "identifier"]
                    .iter()
                    .zip(&r.path)
                    .map(|(k, v)| (Value::from(*k), text(v.as_deref()))),
            ),
            _ => return None,
        })
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        self.asked.note();
        let args = Args::parse(args)?;
        let r = &self.relation;
        Ok(match method {
            "__str__" => Value::from(self.to_string()),
            // Unlike the text, never a query of some of the rows.
            "render" => Value::from(r.render(self.engine.dialect)),
            "render_limited" => Value::from(
                self.limited
                    .as_deref()
                    .map_or_else(|| r.render(self.engine.dialect), str::to_owned),
            ),
            "include" => self.with(Relation { include: policy_of(&args, r.include), ..r.clone() }),
            "quote" => self.with(Relation { quote: policy_of(&args, r.quote), ..r.clone() }),
            "without_identifier" => {
                self.with(Relation { include: [r.include[0], r.include[1], false], ..r.clone() })
            }
            "quoted" => Value::from(self.engine.dialect.quoted(&args.text(0, "identifier")?)),
            "replace_path" | "incorporate" => {
                let source = match args.get(usize::MAX, "path").map(crate::jinja::to_json) {
                    Some(serde_json::Value::Object(map)) => {
                        map.into_iter().map(|(k, v)| (k, crate::jinja::from_json(&v))).collect()
                    }
                    _ => args.named.clone(),
                };
                let mut out = r.clone();
                for (i, key) in ["database", "schema", "identifier"].into_iter().enumerate() {
                    if let Some(v) = source.get(key) {
                        out.path[i] =
                            (!v.is_none() && !v.is_undefined()).then(|| v.to_string().into());
                    }
                }
                if let Some(kind) = args.named.get("type") {
                    out.kind = RelationKind::parse(&kind.to_string());
                }
                self.with(out)
            }
            "matches" => {
                let wanted = Relation {
                    path: ["database", "schema", "identifier"].map(|k| {
                        args.get(usize::MAX, k)
                            .filter(|v| !v.is_none())
                            .map(|v| v.to_string().into())
                    }),
                    ..r.clone()
                };
                Value::from(r.same(&wanted, self.engine.dialect))
            }
            "information_schema" => {
                let view = args.get(0, "view_name").map(Value::to_string);
                let mut out = r.clone();
                out.path[1] = Some("INFORMATION_SCHEMA".into());
                out.path[2] = view.map(Arc::from);
                out.quote = [r.quote[0], false, false];
                self.with(out)
            }
            "get" => {
                let key = args.require(0, "key")?;
                // Packages use this to tell a relation from other mappings:
                // `x.get('metadata', {}).get('type', '')`.
                if key.as_str() == Some("metadata") {
                    let class = self.engine.adapter.relation_class;
                    crate::jinja::dict([(Value::from("type"), Value::from(class))])
                } else {
                    self.get_value(key).unwrap_or_else(|| {
                        args.get(1, "default").cloned().unwrap_or_else(super::none)
                    })
                }
            }
            "create" | "create_from" => create(&args, self.engine)?,
            "relation_max_name_length" => Value::from(63),
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        })
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }

    fn custom_cmp(
        self: &Arc<Self>,
        other: &minijinja::value::DynObject,
    ) -> Option<std::cmp::Ordering> {
        self.asked.note();
        let other = other.downcast_ref::<RelationValue>()?;
        other.asked.note();
        Some(self.to_string().cmp(&other.to_string()))
    }
}

impl fmt::Display for RelationValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.limited {
            Some(text) => f.write_str(text),
            None => f.write_str(&self.relation.render(self.engine.dialect)),
        }
    }
}

/// The engine of the target of the session that renders.
fn engine_of(state: &mut State<'_, '_>) -> Result<&'static EngineSpec, Error> {
    Ok(crate::jinja::with_extension::<super::RenderSession>(state)?.project.target.engine)
}

fn policy(flags: [bool; 3]) -> Value {
    let keys = ["database", "schema", "identifier"];
    crate::jinja::dict(keys.into_iter().zip(flags).map(|(k, v)| (Value::from(k), Value::from(v))))
}

fn policy_of(args: &Args, old: [bool; 3]) -> [bool; 3] {
    let mut out = old;
    for (i, key) in ["database", "schema", "identifier"].into_iter().enumerate() {
        out[i] = args.get(i, key).map_or(old[i], Value::is_true);
    }
    out
}

fn create(args: &Args, engine: &'static EngineSpec) -> Result<Value, Error> {
    let mut relation = Relation::new(None, None, "");
    relation.path = [
        read_part(args, 0, "database")?,
        read_part(args, 1, "schema")?,
        read_part(args, 2, "identifier")?,
    ];
    relation.kind = args.get(3, "type").and_then(|t| RelationKind::parse(&t.to_string()));
    for (target, key) in
        [(&mut relation.quote, "quote_policy"), (&mut relation.include, "include_policy")]
    {
        if let Some(map) = args.named.get(key) {
            for (i, part) in ["database", "schema", "identifier"].into_iter().enumerate() {
                if let Ok(flag) = map.get_attr(part)
                    && !flag.is_undefined()
                    && !flag.is_none()
                {
                    target[i] = flag.is_true();
                }
            }
        }
    }
    Ok(RelationValue::value(relation, engine))
}

/// A part of a path: a text, or none. As in dbt, a name that is not defined is an error here,
/// since without it the relation would be another one.
fn read_part(args: &Args, index: usize, name: &str) -> Result<Option<Arc<str>>, Error> {
    match args.get(index, name) {
        None => Ok(None),
        Some(v) if v.is_none() => Ok(None),
        Some(v) => match v.as_str() {
            Some(text) => Ok(Some(text.into())),
            None => {
                let found = if v.is_undefined() {
                    "a name that is not defined".to_owned()
                } else {
                    format!("{} ({v})", v.kind())
                };
                let message = format!("the {name} of a relation is a text or none, not {found}");
                Err(error(message))
            }
        },
    }
}

pub(super) fn api_value() -> Value {
    crate::jinja::dict([
        (Value::from("Relation"), Value::from_object(RelationClass)),
        (Value::from("Column"), Value::from_object(ColumnClass)),
    ])
}

#[derive(Debug)]
pub(super) struct RelationClass;

impl Object for RelationClass {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        create(&Args::parse(args)?, engine_of(state)?)
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(Value::from(match key.as_str()? {
            "Table" => "table",
            "View" => "view",
            "CTE" => "cte",
            "External" => "external",
            "MaterializedView" => "materialized_view",
            "Function" => "function",
            _ => return None,
        }))
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let args = Args::parse(args)?;
        match method {
            "create" => create(&args, engine_of(state)?),
            "add_ephemeral_prefix" => {
                Ok(Value::from(format!("__dbt__cte__{}", args.text(0, "name")?)))
            }
            "get_relation_type" => Ok(super::none()),
            "scd_args" => {
                let mut out: Vec<Value> = match args.require(0, "primary_key")? {
                    key if key.as_str().is_some() => vec![key.clone()],
                    keys => keys.try_iter()?.collect(),
                };
                out.push(args.require(1, "updated_at")?.clone());
                Ok(crate::jinja::list(out))
            }
            other => Err(error(format!("api.Relation has no `{other}`"))),
        }
    }
}

#[derive(Debug)]
struct ColumnClass;

impl Object for ColumnClass {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        ColumnValue::create(&Args::parse(args)?, engine_of(state)?, false)
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let args = Args::parse(args)?;
        match method {
            "create" | "from_description" => {
                ColumnValue::create(&args, engine_of(state)?, method == "create")
            }
            "translate_type" => Ok(Value::from(translate_type(args.text(0, "dtype")?))),
            "numeric_type" => {
                let (kind, precision, scale) =
                    (args.text(0, "dtype")?, args.get(1, "precision"), args.get(2, "scale"));
                match (precision.filter(|v| !v.is_none()), scale.filter(|v| !v.is_none())) {
                    (Some(p), Some(s)) => Ok(Value::from(format!("{kind}({p},{s})"))),
                    _ => Ok(Value::from(kind)),
                }
            }
            "string_type" => {
                Ok(Value::from(format!("character varying({})", args.text(0, "size")?)))
            }
            other => Err(error(format!("api.Column has no `{other}`"))),
        }
    }
}
