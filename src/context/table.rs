//! Results of queries as Jinja values: tables, rows, columns (what dbt takes from agate).

use super::datetime;
use crate::engine::{Cell, Table};
use crate::jinja::{dict, error, list, to_json};
use indexmap::IndexMap;
use minijinja::value::{Enumerator, Object, ObjectRepr, Tuple, Value};
use minijinja::{Error, ErrorKind, State};
use std::fmt;
use std::sync::Arc;

#[derive(Debug)]
struct TableValue {
    names: Arc<Vec<String>>,
    types: Vec<String>,
    rows: Vec<Arc<Vec<Value>>>,
}

/// A result as a value; names that repeat become `a`, `a_2`.
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

/// Names and rows of a table that a macro gave: the table itself, or a result of `load_result` that has one.
pub(crate) fn rows_of(value: &Value) -> Option<(Vec<String>, Vec<Vec<Value>>)> {
    let inner = value.get_attr("table").ok().filter(|t| !t.is_undefined());
    let table = inner.as_ref().unwrap_or(value).downcast_object_ref::<TableValue>()?;
    Some((table.names.to_vec(), table.rows.iter().map(|r| r.to_vec()).collect()))
}

/// Rows of text, as `load_agate_table` of a seed has them.
pub(crate) fn cell_value(cell: &Cell) -> Value {
    match cell {
        Cell::Null => super::none(),
        Cell::Bool(b) => Value::from(*b),
        Cell::Int(i) => Value::from(*i),
        Cell::Float(f) => Value::from(*f),
        // A decimal prints with its own digits; where a float has them all it is a number.
        Cell::Decimal(s) => match (s.parse::<i64>(), s.parse::<f64>()) {
            (Ok(i), _) => Value::from(i),
            (_, Ok(f)) if s.trim_start_matches('-').len() < 16 => Value::from(f),
            _ => Value::from(s.as_str()),
        },
        Cell::Text(s) | Cell::Time(s) => Value::from(s.as_str()),
        Cell::Date(s) | Cell::Timestamp(s) => datetime::from_text(s).unwrap_or_else(|| Value::from(s.as_str())),
        Cell::Json(j) => Value::from(crate::jinja::python_json(j, false)),
    }
}

impl TableValue {
    fn row(&self, i: usize) -> Option<Value> {
        let values = self.rows.get(i)?.clone();
        Some(Value::from_object(RowValue { names: self.names.clone(), values }))
    }

    fn column(&self, i: usize) -> Option<Value> {
        let name = self.names.get(i)?.clone();
        let values = self.rows.iter().map(|r| r[i].clone()).collect();
        Some(Value::from_object(ColumnOfTable {
            name,
            data_type: self.types.get(i).cloned().unwrap_or_default(),
            values,
        }))
    }

    fn rows_value(&self) -> Value {
        list((0..self.rows.len()).filter_map(|i| self.row(i)).collect())
    }

    fn columns_value(&self) -> Value {
        Value::from_object(Columns {
            names: self.names.clone(),
            columns: (0..self.names.len()).filter_map(|i| self.column(i)).collect(),
        })
    }

    fn index(&self, name: &Value) -> Result<usize, Error> {
        let at = self.names.iter().position(|n| Some(n.as_str()) == name.as_str());
        at.ok_or_else(|| error(format!("the table has no column {name}")))
    }

    /// The same columns with other rows.
    fn with_rows(&self, rows: Vec<Arc<Vec<Value>>>) -> Value {
        Value::from_object(TableValue { names: self.names.clone(), types: self.types.clone(), rows })
    }

    fn only(&self, indexes: &[usize]) -> Value {
        let pick = |row: &Arc<Vec<Value>>| Arc::new(indexes.iter().map(|i| row[*i].clone()).collect());
        Value::from_object(TableValue {
            names: Arc::new(indexes.iter().map(|i| self.names[*i].clone()).collect()),
            types: indexes.iter().map(|i| self.types[*i].clone()).collect(),
            rows: self.rows.iter().map(pick).collect(),
        })
    }
}

impl Object for TableValue {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    /// A table iterates over its rows.
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values((0..self.rows.len()).filter_map(|i| self.row(i)).collect())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.rows.len())
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        if let Some(i) = key.as_usize() {
            return self.row(i);
        }
        Some(match key.as_str()? {
            "rows" => self.rows_value(),
            "columns" => self.columns_value(),
            "column_names" => {
                Value::from(Tuple::from(self.names.iter().map(|n| Value::from(n.as_str())).collect::<Vec<_>>()))
            }
            "column_types" => list(self.types.iter().map(|t| Value::from(t.as_str())).collect()),
            _ => return None,
        })
    }

    fn call_method(self: &Arc<Self>, state: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let args = crate::jinja::Args::parse(args)?;
        let names = |v: &Value| -> Result<Vec<usize>, Error> {
            if v.as_str().is_some() {
                Ok(vec![self.index(v)?])
            } else {
                v.try_iter()?.map(|n| self.index(&n)).collect()
            }
        };
        Ok(match method {
            "select" => self.only(&names(args.require(0, "key")?)?),
            "exclude" => {
                let out = names(args.require(0, "key")?)?;
                self.only(&(0..self.names.len()).filter(|i| !out.contains(i)).collect::<Vec<_>>())
            }
            "rename" => {
                let renamed = args.require(0, "column_names")?;
                let names = match renamed.kind() {
                    minijinja::value::ValueKind::Map => {
                        let map = |n: &String| {
                            renamed
                                .get_attr(n)
                                .ok()
                                .filter(|v| !v.is_undefined())
                                .map_or_else(|| n.clone(), |v| v.to_string())
                        };
                        self.names.iter().map(map).collect()
                    }
                    _ => renamed.try_iter()?.map(|v| v.to_string()).collect(),
                };
                Value::from_object(TableValue {
                    names: Arc::new(names),
                    types: self.types.clone(),
                    rows: self.rows.clone(),
                })
            }
            "limit" => {
                let n = args.require(0, "start_or_stop")?.as_usize().unwrap_or(0);
                let (from, to) = match args.get(1, "stop").and_then(Value::as_usize) {
                    Some(stop) => (n, stop),
                    None => (0, n),
                };
                self.with_rows(self.rows.iter().skip(from).take(to.saturating_sub(from)).cloned().collect())
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
                let by = names(args.require(0, "key")?)?;
                let mut rows = self.rows.clone();
                rows.sort_by(|a, b| {
                    by.iter().map(|i| a[*i].cmp(&b[*i])).find(|o| o.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
                });
                if args.flag(1, "reverse", false) {
                    rows.reverse();
                }
                self.with_rows(rows)
            }
            "distinct" => {
                let by = match args.get(0, "key") {
                    Some(key) => names(key)?,
                    None => (0..self.names.len()).collect(),
                };
                let mut seen: Vec<Vec<Value>> = Vec::new();
                let rows = self.rows.iter().filter(|r| {
                    let key: Vec<Value> = by.iter().map(|i| r[*i].clone()).collect();
                    let new = !seen.contains(&key);
                    if new {
                        seen.push(key);
                    }
                    new
                });
                let rows = rows.cloned().collect();
                self.with_rows(rows)
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
                let session = crate::jinja::with_extension::<super::Session>(state)?;
                let text = to_json(&self.rows_value()).to_string();
                session.record().logs.push(super::LogLine { text, info: true, print: true });
                Value::from("")
            }
            "to_json" => Value::from(to_json(&self.rows_value()).to_string()),
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        })
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<table of {} columns and {} rows>", self.names.len(), self.rows.len())
    }
}

/// `table.columns`: by position, by name, in order.
#[derive(Debug)]
struct Columns {
    names: Arc<Vec<String>>,
    columns: Vec<Value>,
}

impl Object for Columns {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.columns.clone())
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let i = match key.as_str() {
            Some(name) => self.names.iter().position(|n| n == name)?,
            None => key.as_usize()?,
        };
        self.columns.get(i).cloned()
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        match method {
            "keys" => Ok(list(self.names.iter().map(|n| Value::from(n.as_str())).collect())),
            "values" => Ok(list(self.columns.clone())),
            "get" => Ok(args.first().and_then(|k| self.get_value(k)).unwrap_or_else(super::none)),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}

#[derive(Debug)]
struct ColumnOfTable {
    name: String,
    data_type: String,
    values: Vec<Value>,
}

impl Object for ColumnOfTable {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.values.clone())
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str() {
            Some("name") => Some(Value::from(self.name.as_str())),
            Some("data_type") => Some(Value::from(self.data_type.as_str())),
            Some(_) => None,
            None => self.values.get(key.as_usize()?).cloned(),
        }
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, _: &[Value]) -> Result<Value, Error> {
        match method {
            "values" => Ok(Value::from(Tuple::from(self.values.clone()))),
            "values_distinct" => {
                let mut seen: Vec<Value> = Vec::new();
                for v in &self.values {
                    if !seen.contains(v) {
                        seen.push(v.clone());
                    }
                }
                Ok(Value::from(Tuple::from(seen)))
            }
            "values_without_nulls" => {
                Ok(Value::from(Tuple::from(self.values.iter().filter(|v| !v.is_none()).cloned().collect::<Vec<_>>())))
            }
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}

/// A row: by position, by name; iterates over its values.
#[derive(Debug)]
struct RowValue {
    names: Arc<Vec<String>>,
    values: Arc<Vec<Value>>,
}

impl Object for RowValue {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.values.to_vec())
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let i = match key.as_str() {
            // Names first as written, then as any case: engines fold them differently.
            Some(name) => self.names.iter().position(|n| n == name)?,
            None => match key.as_i64()? {
                i if i < 0 => usize::try_from(i + self.values.len() as i64).ok()?,
                i => usize::try_from(i).ok()?,
            },
        };
        self.values.get(i).cloned()
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let pairs = || self.names.iter().map(|n| Value::from(n.as_str())).zip(self.values.iter().cloned());
        match method {
            "values" => Ok(Value::from(Tuple::from(self.values.to_vec()))),
            "keys" => Ok(list(self.names.iter().map(|n| Value::from(n.as_str())).collect())),
            "items" => Ok(list(pairs().map(|(k, v)| Value::from(Tuple::from(vec![k, v]))).collect())),
            "dict" => Ok(dict(pairs())),
            "get" => Ok(args
                .first()
                .and_then(|k| self.get_value(k))
                .unwrap_or_else(|| args.get(1).cloned().unwrap_or_else(super::none))),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}
