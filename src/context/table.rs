//! Query results as Jinja values: tables, rows, columns (modelled on agate, as in dbt).

use super::datetime;
use crate::config::float_text;
use crate::decimal::Decimal;
use crate::engine::{Cell, Table};
use crate::jinja::{METHODS, REPR, decimal_value, dict, error, list, python_repr, to_json};
use indexmap::IndexMap;
use minijinja::value::{Enumerator, Object, ObjectRepr, Tuple, Value, ValueKind};
use minijinja::{Error, ErrorKind, State};
use std::fmt;
use std::sync::Arc;

#[derive(Debug)]
struct TableValue {
    names: Arc<Vec<String>>,
    types: Vec<String>,
    rows: Vec<Arc<Vec<Value>>>,
}

/// A query result as a value. Duplicate names get a suffix: `a`, `a_2`.
pub(crate) fn table_value(table: &Table) -> Value {
    let mut names: Vec<String> = Vec::new();
    for column in &table.columns {
        let mut name = column.name.clone();
        let mut n = 2;
        while names.contains(&name) {
            name = format!("{}_{n}", column.name);
            n += 1;
        }
        names.push(name);
    }
    let rows = table.rows.iter().map(|r| Arc::new(r.iter().map(cell_value).collect())).collect();
    let types = table.columns.iter().map(|c| c.data_type.clone()).collect();
    Value::from_object(TableValue { names: Arc::new(names), types, rows })
}

/// The column names and rows of a table that a macro returned, or of a result of `load_result`.
/// `None` if the value is neither.
pub(crate) fn rows_of(value: &Value) -> Option<(Vec<String>, Vec<Vec<Value>>)> {
    let inner = value.get_attr("table").ok().filter(|t| !t.is_undefined());
    let table = inner.as_ref().unwrap_or(value).downcast_object_ref::<TableValue>()?;
    Some((table.names.to_vec(), table.rows.iter().map(|r| r.to_vec()).collect()))
}

/// A cell as a value. Numbers, dates and timestamps that cannot be parsed stay text.
pub(crate) fn cell_value(cell: &Cell) -> Value {
    match cell {
        Cell::Null => super::none(),
        Cell::Bool(b) => Value::from(*b),
        Cell::Int(i) => Value::from(*i),
        // agate converts floats to decimals, by their shortest digits.
        Cell::Float(f) => {
            Decimal::parse(&float_text(*f)).map_or_else(|| Value::from(*f), decimal_value)
        }
        Cell::Decimal(s) => {
            Decimal::parse(s).map_or_else(|| Value::from(s.as_str()), decimal_value)
        }
        Cell::Text(s) | Cell::Time(s) => Value::from(s.as_str()),
        Cell::Date(s) | Cell::Timestamp(s) => {
            datetime::from_text(s).unwrap_or_else(|| Value::from(s.as_str()))
        }
        Cell::Json(j) => Value::from(crate::jinja::python_json(j, false)),
    }
}

impl TableValue {
    fn row(&self, i: usize) -> Option<Value> {
        let values = self.rows.get(i)?.clone();
        Some(Value::from_object(Sequence {
            kind: Kind::Row,
            names: Some(self.names.clone()),
            values,
        }))
    }

    fn column(&self, i: usize) -> Option<Value> {
        let name = self.names.get(i)?.clone();
        let values = Arc::new(self.rows.iter().map(|r| r[i].clone()).collect());
        let data_type = self.types.get(i).cloned().unwrap_or_default();
        Some(Value::from_object(Sequence {
            kind: Kind::Column { name, data_type, index: i },
            names: None,
            values,
        }))
    }

    fn rows_value(&self) -> Value {
        let values = Arc::new((0..self.rows.len()).filter_map(|i| self.row(i)).collect());
        Value::from_object(Sequence { kind: Kind::Mapped, names: None, values })
    }

    fn columns_value(&self) -> Value {
        let values = Arc::new((0..self.names.len()).filter_map(|i| self.column(i)).collect());
        Value::from_object(Sequence { kind: Kind::Mapped, names: Some(self.names.clone()), values })
    }

    fn index(&self, name: &Value) -> Result<usize, Error> {
        let at = self.names.iter().position(|n| Some(n.as_str()) == name.as_str());
        at.ok_or_else(|| error(format!("the table has no column {name}")))
    }

    /// agate's name of the type of a column.
    fn type_of(&self, i: usize) -> &'static str {
        agate_type(self.rows.iter().map(|r| r[i].clone()))
    }

    /// The index of one column, or the indexes of several.
    fn indexes(&self, names: &Value) -> Result<Vec<usize>, Error> {
        if names.as_str().is_some() {
            return Ok(vec![self.index(names)?]);
        }
        names.try_iter()?.map(|name| self.index(&name)).collect()
    }

    /// The columns with their types, which is how a table prints.
    fn structure(&self) -> String {
        let rows: Vec<[String; 2]> = self
            .names
            .iter()
            .enumerate()
            .map(|(i, name)| [name.clone(), self.type_of(i).to_owned()])
            .collect();
        two_columns(["column", "data_type"], &rows)
    }

    /// A table with the same columns and the given rows.
    fn with_rows(&self, rows: Vec<Arc<Vec<Value>>>) -> Value {
        Value::from_object(TableValue {
            names: self.names.clone(),
            types: self.types.clone(),
            rows,
        })
    }

    fn only(&self, indexes: &[usize]) -> Value {
        let rows = self
            .rows
            .iter()
            .map(|row| Arc::new(indexes.iter().map(|i| row[*i].clone()).collect()))
            .collect();
        Value::from_object(TableValue {
            names: Arc::new(indexes.iter().map(|i| self.names[*i].clone()).collect()),
            types: indexes.iter().map(|i| self.types[*i].clone()).collect(),
            rows,
        })
    }

    /// The table with other names, given as a mapping from old to new names or as a list of all
    /// names.
    fn renamed(&self, renamed: &Value) -> Result<Value, Error> {
        let names = match renamed.kind() {
            ValueKind::Map => self.names.iter().map(|n| renamed_column(renamed, n)).collect(),
            _ => renamed.try_iter()?.map(|v| v.to_string()).collect(),
        };
        Ok(Value::from_object(TableValue {
            names: Arc::new(names),
            types: self.types.clone(),
            rows: self.rows.clone(),
        }))
    }

    /// The first row for each combination of values in the given columns.
    fn distinct(&self, by: &[usize]) -> Value {
        let mut seen: Vec<Vec<Value>> = Vec::new();
        let mut rows = Vec::new();
        for row in &self.rows {
            let key: Vec<Value> = by.iter().map(|i| row[*i].clone()).collect();
            if !seen.contains(&key) {
                seen.push(key);
                rows.push(row.clone());
            }
        }
        self.with_rows(rows)
    }
}

fn renamed_column(names: &Value, old: &str) -> String {
    names
        .get_attr(old)
        .ok()
        .filter(|v| !v.is_undefined())
        .map_or_else(|| old.to_owned(), |v| v.to_string())
}

const METHODS_OF_TABLE: &[&str] = &[
    "select",
    "exclude",
    "rename",
    "limit",
    "where",
    "order_by",
    "distinct",
    "group_by",
    "print_table",
    "print_json",
    "print_csv",
    "to_json",
];

impl Object for TableValue {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values((0..self.rows.len()).filter_map(|i| self.row(i)).collect())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.rows.len())
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        if let Some(i) = key.as_i64() {
            let i = if i < 0 { i + self.rows.len() as i64 } else { i };
            return self.row(usize::try_from(i).ok()?);
        }
        Some(match key.as_str()? {
            "row_names" => super::none(),
            REPR => Value::from(self.structure()),
            METHODS => Value::from(METHODS_OF_TABLE.to_vec()),
            "rows" => self.rows_value(),
            "columns" => self.columns_value(),
            "column_names" => Value::from(Tuple::from(
                self.names.iter().map(|n| Value::from(n.as_str())).collect::<Vec<_>>(),
            )),
            "column_types" => list(self.types.iter().map(|t| Value::from(t.as_str())).collect()),
            _ => return None,
        })
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let args = crate::jinja::Args::parse(args)?;
        Ok(match method {
            "select" => self.only(&self.indexes(args.require(0, "key")?)?),
            "exclude" => {
                let out = self.indexes(args.require(0, "key")?)?;
                self.only(&(0..self.names.len()).filter(|i| !out.contains(i)).collect::<Vec<_>>())
            }
            "rename" => self.renamed(args.require(0, "column_names")?)?,
            "limit" => {
                let n = args.require(0, "start_or_stop")?.as_usize().unwrap_or(0);
                let (from, to) = match args.get(1, "stop").and_then(Value::as_usize) {
                    Some(stop) => (n, stop),
                    None => (0, n),
                };
                self.with_rows(
                    self.rows.iter().skip(from).take(to.saturating_sub(from)).cloned().collect(),
                )
            }
            "where" => {
                let test = args.require(0, "test")?.clone();
                let mut rows = Vec::new();
                for (i, row) in self.rows.iter().enumerate() {
                    let value = self.row(i).unwrap_or_default();
                    if test.call(state, &[value])?.is_true() {
                        rows.push(row.clone());
                    }
                }
                self.with_rows(rows)
            }
            "order_by" => {
                let by = self.indexes(args.require(0, "key")?)?;
                let mut rows = self.rows.clone();
                rows.sort_by(|a, b| {
                    by.iter()
                        .map(|i| a[*i].cmp(&b[*i]))
                        .find(|o| o.is_ne())
                        .unwrap_or(std::cmp::Ordering::Equal)
                });
                if args.flag(1, "reverse", false) {
                    rows.reverse();
                }
                self.with_rows(rows)
            }
            "distinct" => {
                let by = match args.get(0, "key") {
                    Some(key) => self.indexes(key)?,
                    None => (0..self.names.len()).collect(),
                };
                self.distinct(&by)
            }
            "group_by" => {
                let by = self.index(args.require(0, "key")?)?;
                let mut groups: IndexMap<String, Vec<Arc<Vec<Value>>>> = IndexMap::new();
                for row in &self.rows {
                    groups.entry(row[by].to_string()).or_default().push(row.clone());
                }
                dict(groups.into_iter().map(|(k, rows)| (Value::from(k), self.with_rows(rows))))
            }
            "print_table" | "print_json" | "print_csv" => {
                let session = crate::jinja::with_extension::<super::RenderSession>(state)?;
                let text = to_json(&self.rows_value()).to_string();
                session.record().logs.push(super::LogLine { text, info: true, print: true });
                super::none()
            }
            "to_json" => Value::from(to_json(&self.rows_value()).to_string()),
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        })
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.structure())
    }
}

/// The agate class of a sequence.
#[derive(Clone, Debug)]
enum Kind {
    /// `MappedSequence`: all rows or all columns of a table.
    Mapped,
    Row,
    Column {
        name: String,
        data_type: String,
        index: usize,
    },
}

/// A sequence whose items may have names: the rows, the columns, one row or one column of a table.
#[derive(Clone, Debug)]
struct Sequence {
    kind: Kind,
    names: Option<Arc<Vec<String>>>,
    values: Arc<Vec<Value>>,
}

impl Sequence {
    /// Prints the sequence as agate does. Unlike in a tuple, a single item has no comma.
    fn text(&self) -> Result<String, Error> {
        let name = match self.kind {
            Kind::Mapped => "MappedSequence",
            Kind::Row => "Row",
            Kind::Column { .. } => "Column",
        };
        let shown =
            self.values.iter().take(5).map(python_repr).collect::<Result<Vec<_>, _>>()?.join(", ");
        let more = if self.values.len() > 5 { ", ..." } else { "" };
        Ok(format!("<agate.{name}: ({shown}{more})>"))
    }

    fn position(&self, key: &Value) -> Option<usize> {
        match key.as_str() {
            Some(name) => self.names.as_ref()?.iter().position(|n| n == name),
            None => match key.as_i64()? {
                i if i < 0 => usize::try_from(i + self.values.len() as i64).ok(),
                i => usize::try_from(i).ok(),
            },
        }
    }

    /// Pairs of names and values. As in agate, an error if the sequence has no names.
    fn pairs(&self) -> Result<Vec<(Value, Value)>, Error> {
        let names = self.names.as_ref().ok_or_else(|| error("the sequence has no names"))?;
        Ok(names.iter().map(|n| Value::from(n.as_str())).zip(self.values.iter().cloned()).collect())
    }

    fn without_nulls(&self) -> Vec<Value> {
        self.values.iter().filter(|v| !v.is_none()).cloned().collect()
    }

    fn column_method(&self, method: &str) -> Option<Result<Value, Error>> {
        Some(match method {
            "values_distinct" => {
                let mut seen: Vec<Value> = Vec::new();
                for v in self.values.iter() {
                    if !seen.contains(v) {
                        seen.push(v.clone());
                    }
                }
                Ok(tuple(seen))
            }
            "values_without_nulls" => Ok(tuple(self.without_nulls())),
            "values_sorted" => sort_nulls_last(self.values.to_vec()),
            "values_without_nulls_sorted" => sort_nulls_last(self.without_nulls()),
            _ => return None,
        })
    }
}

fn sort_nulls_last(values: Vec<Value>) -> Result<Value, Error> {
    let (nulls, mut values): (Vec<Value>, Vec<Value>) =
        values.into_iter().partition(Value::is_none);
    crate::jinja::sort_values(&mut values, &|v| Ok(v.clone()))?;
    values.extend(nulls);
    Ok(list(values))
}

fn tuple(items: Vec<Value>) -> Value {
    Value::from(Tuple::from(items))
}

impl Object for Sequence {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.values.to_vec())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.values.len())
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match (key.as_str(), &self.kind) {
            (Some("name"), Kind::Column { name, .. }) => Some(Value::from(name.as_str())),
            (Some("data_type"), Kind::Column { data_type, .. }) => {
                Some(Value::from(data_type.as_str()))
            }
            (Some("index"), Kind::Column { index, .. }) => Some(Value::from(*index)),
            (Some(REPR), _) => self.text().ok().map(Value::from),
            (Some(METHODS), Kind::Column { .. }) => Some(Value::from(vec![
                "values",
                "values_distinct",
                "values_sorted",
                "values_without_nulls",
                "values_without_nulls_sorted",
            ])),
            (Some(METHODS), _) => Some(Value::from(vec!["keys", "values", "items", "get", "dict"])),
            _ => self.values.get(self.position(key)?).cloned(),
        }
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        if let (Kind::Column { .. }, Some(answer)) = (&self.kind, self.column_method(method)) {
            return answer;
        }
        match method {
            "values" => Ok(tuple(self.values.to_vec())),
            "keys" => Ok(match &self.names {
                Some(names) => tuple(names.iter().map(|n| Value::from(n.as_str())).collect()),
                None => super::none(),
            }),
            "items" => {
                Ok(tuple(self.pairs()?.into_iter().map(|(k, v)| tuple(vec![k, v])).collect()))
            }
            "dict" => Ok(dict(self.pairs()?)),
            "get" => {
                let found = args.first().and_then(|k| self.values.get(self.position(k)?).cloned());
                Ok(found.unwrap_or_else(|| args.get(1).cloned().unwrap_or_else(super::none)))
            }
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text().map_err(|_| fmt::Error)?)
    }
}

/// agate's name of the type of a column with these values.
fn agate_type(values: impl Iterator<Item = Value> + Clone) -> &'static str {
    let mut values = values.filter(|v| !v.is_none()).peekable();
    if values.peek().is_none() {
        return "Integer";
    }
    let mut kinds = values.map(|v| match v.kind() {
        ValueKind::Bool => "Boolean",
        ValueKind::Number if v.is_integer() => "Integer",
        ValueKind::Number => "Number",
        ValueKind::String => "Text",
        _ if python_repr(&v).is_ok_and(|t| t.starts_with("Decimal")) => "Number",
        _ if python_repr(&v).is_ok_and(|t| t.starts_with("datetime.datetime")) => "DateTime",
        _ if python_repr(&v).is_ok_and(|t| t.starts_with("datetime.date")) => "Date",
        _ => "Text",
    });
    let first = kinds.next().unwrap_or("Text");
    kinds.fold(first, |common, kind| match (common, kind) {
        (a, b) if a == b => a,
        ("Integer", "Number") | ("Number", "Integer") => "Number",
        _ => "Text",
    })
}

/// A text table of two columns, in agate's format.
fn two_columns(heads: [&str; 2], rows: &[[String; 2]]) -> String {
    let width = |i: usize| {
        rows.iter().map(|r| r[i].chars().count()).chain([heads[i].len()]).max().unwrap_or(0)
    };
    let (left, right) = (width(0), width(1));
    let line = |a: &str, b: &str| format!("| {a:<left$} | {b:<right$} |");
    let rule = format!("| {} | {} |", "-".repeat(left), "-".repeat(right));
    let mut lines = vec![line(heads[0], heads[1]), rule];
    lines.extend(rows.iter().map(|[a, b]| line(a, b)));
    lines.join("\n")
}
