//! Columns of relations as Jinja values.

use crate::engine::{EngineSpec, ExistingColumn};
use crate::jinja::Args;
use minijinja::value::{Object, ObjectRepr, Value};
use minijinja::{Error, ErrorKind, State};
use std::fmt;
use std::sync::Arc;

/// dbt's `Column`: a name and a type, with its size or precision if the type has one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ColumnValue {
    name: String,
    dtype: String,
    char_size: Option<i64>,
    precision: Option<i64>,
    scale: Option<i64>,
    engine: &'static EngineSpec,
}

impl ColumnValue {
    pub(crate) fn value(column: &ExistingColumn, engine: &'static EngineSpec) -> Value {
        let parts = (engine.types.parts)(&column.data_type);
        Value::from_object(ColumnValue {
            name: column.name.clone(),
            dtype: parts.name,
            char_size: parts.length,
            precision: parts.precision,
            scale: parts.scale,
            engine,
        })
    }

    /// `api.Column(name, dtype, char_size, precision, scale)`. With `portable`, dbt's portable type
    /// names are translated.
    pub(super) fn create(
        args: &Args,
        engine: &'static EngineSpec,
        portable: bool,
    ) -> Result<Value, Error> {
        let dtype =
            args.get(1, "dtype").or_else(|| args.named.get("label_or_dtype")).map(Value::to_string);
        let dtype = dtype.unwrap_or_default();
        Ok(Value::from_object(ColumnValue {
            name: args
                .get(0, "column")
                .or_else(|| args.named.get("name"))
                .map(Value::to_string)
                .unwrap_or_default(),
            dtype: if portable { translate_type(dtype) } else { dtype },
            char_size: whole_argument(args, 2, "char_size"),
            precision: whole_argument(args, 3, "numeric_precision"),
            scale: whole_argument(args, 4, "numeric_scale"),
            engine,
        }))
    }

    fn is_string(&self) -> bool {
        matches!(
            self.dtype.to_lowercase().as_str(),
            "text" | "character varying" | "character" | "varchar"
        )
    }

    fn is_numeric(&self) -> bool {
        matches!(self.dtype.to_lowercase().as_str(), "numeric" | "decimal")
    }

    fn is_integer(&self) -> bool {
        matches!(
            self.dtype.to_lowercase().as_str(),
            "smallint"
                | "integer"
                | "bigint"
                | "smallserial"
                | "serial"
                | "bigserial"
                | "int2"
                | "int4"
                | "int8"
                | "serial2"
                | "serial4"
                | "serial8"
                | "tinyint"
                | "hugeint"
                | "utinyint"
                | "usmallint"
                | "uinteger"
                | "ubigint"
                | "uhugeint"
        )
    }

    fn is_float(&self) -> bool {
        matches!(
            self.dtype.to_lowercase().as_str(),
            "real" | "float4" | "float" | "double precision" | "float8" | "double"
        )
    }

    fn string_size(&self) -> i64 {
        if self.dtype.eq_ignore_ascii_case("text") { 256 } else { self.char_size.unwrap_or(256) }
    }

    fn data_type(&self) -> String {
        let is_text = self.dtype.eq_ignore_ascii_case("text");
        let is_open = is_text || self.is_string() && self.char_size.is_none();
        let unlimited = self.engine.adapter.has_unlimited_texts && is_open;
        if unlimited {
            self.dtype.clone()
        } else if self.is_string() {
            format!("character varying({})", self.string_size())
        } else if self.is_numeric() {
            match (self.precision, self.scale) {
                (Some(p), Some(s)) => format!("{}({p},{s})", self.dtype),
                _ => self.dtype.clone(),
            }
        } else {
            self.dtype.clone()
        }
    }
}

fn whole_argument(args: &Args, index: usize, name: &str) -> Option<i64> {
    args.get(index, name).and_then(Value::as_i64)
}

fn number_or_none(n: Option<i64>) -> Value {
    n.map_or_else(super::none, Value::from)
}

impl Object for ColumnValue {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(match key.as_str()? {
            "name" | "column" => Value::from(self.name.as_str()),
            "dtype" => Value::from(self.dtype.as_str()),
            "quoted" => Value::from(self.engine.dialect.quoted(&self.name)),
            "data_type" | "expanded_data_type" => Value::from(self.data_type()),
            "char_size" => number_or_none(self.char_size),
            "numeric_precision" => number_or_none(self.precision),
            "numeric_scale" => number_or_none(self.scale),
            "fields" => crate::jinja::list(Vec::new()),
            _ => return None,
        })
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        Ok(match method {
            "is_string" => Value::from(self.is_string()),
            "is_number" => Value::from(self.is_integer() || self.is_numeric() || self.is_float()),
            "is_float" => Value::from(self.is_float()),
            "is_integer" => Value::from(self.is_integer()),
            "is_numeric" => Value::from(self.is_numeric()),
            "is_struct" => Value::from(self.dtype.to_lowercase().starts_with("struct")),
            "flatten" => crate::jinja::list(vec![Value::from_dyn_object(self.clone())]),
            "string_size" => Value::from(self.string_size()),
            "literal" => Value::from(format!(
                "{}::{}",
                args.first().map(Value::to_string).unwrap_or_default(),
                self.data_type()
            )),
            "can_expand_to" => {
                let args = Args::parse(args)?;
                let other = args.require(0, "other_column")?.downcast_object::<ColumnValue>();
                Value::from(other.is_some_and(|o| {
                    self.is_string() && o.is_string() && o.string_size() > self.string_size()
                }))
            }
            "translate_type" => Value::from(translate_type(Args::parse(args)?.text(0, "dtype")?)),
            "numeric_type" | "string_type" => {
                let args = Args::parse(args)?;
                Value::from(args.text(0, "dtype")?)
            }
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        })
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Column {} ({})>", self.name, self.data_type())
    }
}

/// Translates dbt's portable name of a type to one that the engines know. Only `string` differs
/// (`TYPE_LABELS` of dbt's `Column`).
pub(super) fn translate_type(name: String) -> String {
    if name.eq_ignore_ascii_case("string") { "TEXT".to_owned() } else { name }
}

/// A column of the database as a Jinja value.
pub(crate) fn column_value(column: &ExistingColumn, engine: &'static EngineSpec) -> Value {
    ColumnValue::value(column, engine)
}
