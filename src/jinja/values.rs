//! Python's lists and dicts, and their conversion from and to JSON.

use super::views::{View, make_view};
use crate::config::is_whole;
use indexmap::IndexMap;
use minijinja::value::{Enumerator, Object, ObjectRepr, Value, ValueKind};
use minijinja::{Error, ErrorKind, State};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A list that templates can modify.
#[derive(Default)]
pub(super) struct MutableList(Mutex<Vec<Value>>);

/// A dict that templates can modify. Keys keep their order.
#[derive(Default)]
pub(super) struct MutableDict(Mutex<IndexMap<Value, Value>>);

pub(crate) fn list(items: Vec<Value>) -> Value {
    Value::from_object(MutableList(Mutex::new(items)))
}

pub(crate) fn dict(pairs: impl IntoIterator<Item = (Value, Value)>) -> Value {
    Value::from_object(MutableDict(Mutex::new(pairs.into_iter().collect())))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn bad(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

fn arg<'a>(args: &'a [Value], i: usize, method: &str) -> Result<&'a Value, Error> {
    args.get(i).ok_or_else(|| bad(format!("{method}() needs more arguments")))
}

/// The index of the first item that equals another value.
fn found(items: &[Value], wanted: &Value) -> Result<Option<usize>, Error> {
    for (i, item) in items.iter().enumerate() {
        if super::python::values_equal(item, wanted)? {
            return Ok(Some(i));
        }
    }
    Ok(None)
}

/// A possibly negative index into `len` items, as a position.
fn position(index: &Value, len: usize) -> Option<usize> {
    let i = index.as_i64()?;
    let i = if i < 0 { i + len as i64 } else { i };
    usize::try_from(i).ok()
}

impl fmt::Debug for MutableList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let items = list(lock(&self.0).clone());
        f.write_str(&super::python_repr(&items).map_err(|_| fmt::Error)?)
    }
}

impl Object for MutableList {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let items = lock(&self.0);
        items.get(position(key, items.len())?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(lock(&self.0).clone())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(lock(&self.0).len())
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let none = Value::from(());
        match method {
            "append" => {
                let item = arg(args, 0, method)?.clone();
                lock(&self.0).push(item);
                Ok(none)
            }
            "extend" => {
                let items: Vec<Value> = arg(args, 0, method)?.try_iter()?.collect();
                lock(&self.0).extend(items);
                Ok(none)
            }
            "insert" => {
                let (at, item) = (arg(args, 0, method)?, arg(args, 1, method)?.clone());
                let mut items = lock(&self.0);
                let at = position(at, items.len()).unwrap_or(0).min(items.len());
                items.insert(at, item);
                Ok(none)
            }
            "pop" => {
                let mut items = lock(&self.0);
                let at = match args.first() {
                    Some(i) => position(i, items.len()),
                    None => items.len().checked_sub(1),
                };
                match at.filter(|at| *at < items.len()) {
                    Some(at) => Ok(items.remove(at)),
                    None => Err(bad("pop from an empty list, or index out of range")),
                }
            }
            "remove" => {
                let wanted = arg(args, 0, method)?;
                let mut items = lock(&self.0);
                let at =
                    found(&items, wanted)?.ok_or_else(|| bad("list.remove(x): x not in list"))?;
                items.remove(at);
                Ok(none)
            }
            "clear" => {
                lock(&self.0).clear();
                Ok(none)
            }
            "reverse" => {
                lock(&self.0).reverse();
                Ok(none)
            }
            "sort" => {
                let items = lock(&self.0).clone();
                let sorted = sorted_by(state, items, args)?;
                *lock(&self.0) = sorted;
                Ok(none)
            }
            "copy" => Ok(list(lock(&self.0).clone())),
            "index" => {
                let wanted = arg(args, 0, method)?;
                let items = lock(&self.0).clone();
                let from = search_bound(args.get(1), 0, items.len());
                let to = search_bound(args.get(2), items.len(), items.len());
                let at =
                    found(items.get(from..to).unwrap_or_default(), wanted)?.map(|at| at + from);
                at.map(Value::from).ok_or_else(|| bad(format!("{wanted:?} is not in list")))
            }
            "count" => {
                let wanted = arg(args, 0, method)?;
                let items = lock(&self.0).clone();
                let same = items
                    .iter()
                    .map(|v| super::python::values_equal(v, wanted))
                    .collect::<Result<Vec<_>, _>>()?;
                Ok(Value::from(same.into_iter().filter(|s| *s).count()))
            }
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}

fn sorted_by(
    state: &mut State<'_, '_>,
    mut items: Vec<Value>,
    args: &[Value],
) -> Result<Vec<Value>, Error> {
    let reverse = named_argument(args, "reverse").is_some_and(|v| v.is_true());
    let key = named_argument(args, "key");
    // Equal items keep their order, even if reversed.
    if reverse {
        items.reverse();
    }
    let mut keys = Vec::new();
    for item in &items {
        let value = match &key {
            Some(key) => key.call(state, std::slice::from_ref(item))?,
            None => item.clone(),
        };
        keys.push(make_pair(value, item.clone()));
    }
    super::python::sort_values(&mut keys, &|pair| pair.get_item_by_index(0))?;
    let mut sorted =
        keys.iter().map(|pair| pair.get_item_by_index(1)).collect::<Result<Vec<_>, _>>()?;
    if reverse {
        sorted.reverse();
    }
    Ok(sorted)
}

/// A named argument of a call; `None` if it is missing or none.
fn named_argument(args: &[Value], name: &str) -> Option<Value> {
    let kwargs = args.last().filter(|v| v.is_kwargs())?;
    kwargs.get_attr(name).ok().filter(|v| !v.is_undefined() && !v.is_none())
}

/// A bound of a search in a list, which is at most its length.
fn search_bound(given: Option<&Value>, default: usize, length: usize) -> usize {
    given.map_or(Some(default), |at| position(at, length)).unwrap_or(0).min(length)
}

impl fmt::Debug for MutableDict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = dict(self.pairs());
        f.write_str(&super::python_repr(&pairs).map_err(|_| fmt::Error)?)
    }
}

impl MutableDict {
    pub(crate) fn pairs(&self) -> Vec<(Value, Value)> {
        lock(&self.0).iter().map(|(k, v)| (k.clone(), v.clone())).collect()
    }
}

impl Object for MutableDict {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        lock(&self.0).get(key).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(lock(&self.0).keys().cloned().collect())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(lock(&self.0).len())
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let none = || Value::from(());
        if let Some(kind) = View::of_method(method) {
            return Ok(make_view(kind, Value::from_dyn_object(self.clone())));
        }
        match method {
            "get" => {
                let key = arg(args, 0, method)?;
                Ok(lock(&self.0)
                    .get(key)
                    .cloned()
                    .unwrap_or_else(|| args.get(1).cloned().unwrap_or_else(none)))
            }
            "update" => {
                let mut new = Vec::new();
                for source in args {
                    new.extend(pairs_of(source)?);
                }
                lock(&self.0).extend(new);
                Ok(none())
            }
            "pop" => {
                let key = arg(args, 0, method)?;
                match (lock(&self.0).shift_remove(key), args.get(1)) {
                    (Some(v), _) => Ok(v),
                    (None, Some(default)) => Ok(default.clone()),
                    (None, None) => Err(bad(format!("key {key:?} not found"))),
                }
            }
            "popitem" => lock(&self.0)
                .pop()
                .map(|(k, v)| make_pair(k, v))
                .ok_or_else(|| bad("popitem(): dictionary is empty")),
            "setdefault" => {
                let key = arg(args, 0, method)?.clone();
                let default = args.get(1).cloned().unwrap_or_else(none);
                Ok(lock(&self.0).entry(key).or_insert(default).clone())
            }
            "clear" => {
                lock(&self.0).clear();
                Ok(none())
            }
            "copy" => Ok(dict(self.pairs())),
            "fromkeys" => {
                let value = args.get(1).cloned().unwrap_or_else(none);
                let keys = super::filters::collect_items(arg(args, 0, method)?)?;
                Ok(dict(keys.into_iter().map(|key| (key, value.clone()))))
            }
            // dbt's Row and kwargs objects have these methods.
            "dict" => Ok(dict(self.pairs())),
            // Of a result or a node: all the way down, also where an object stands for a mapping.
            "to_dict" => Ok(dict(self.pairs().into_iter().map(|(key, v)| (key, plain(&v, 0))))),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}

/// A value with plain mappings and lists in place of objects that stand for them.
fn plain(value: &Value, depth: usize) -> Value {
    if depth > DEPTH {
        return value.clone();
    }
    match value.kind() {
        ValueKind::Map => match pairs_of(value) {
            Ok(pairs) => dict(pairs.into_iter().map(|(key, v)| (key, plain(&v, depth + 1)))),
            Err(_) => value.clone(),
        },
        ValueKind::Seq => match value.try_iter() {
            Ok(items) => list(items.map(|item| plain(&item, depth + 1)).collect()),
            Err(_) => value.clone(),
        },
        _ => value.clone(),
    }
}

pub(crate) fn make_pair(key: Value, value: Value) -> Value {
    Value::from(minijinja::value::Tuple::from(vec![key, value]))
}

/// The pairs of a mapping or of a list of pairs.
pub(super) fn pairs_of(source: &Value) -> Result<Vec<(Value, Value)>, Error> {
    let mut out = Vec::new();
    if source.kind() == ValueKind::Map {
        for key in source.try_iter()? {
            let value = source.get_item(&key)?;
            out.push((key, value));
        }
    } else {
        for item in source.try_iter()? {
            let key = item.get_item_by_index(0)?;
            out.push((key, item.get_item_by_index(1)?));
        }
    }
    Ok(out)
}

/// JSON as a Jinja value. Lists and objects are mutable.
pub(crate) fn from_json(json: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match json {
        Json::Null => Value::from(()),
        Json::Bool(b) => Value::from(*b),
        Json::Number(n) => match n.as_i64() {
            Some(i) => Value::from(i),
            None if is_whole(n) => super::number::int_from_text(n.as_str()).unwrap_or_default(),
            None => Value::from(n.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(s) => Value::from(s.as_str()),
        Json::Array(items) => list(items.iter().map(from_json).collect()),
        Json::Object(map) => dict(map.iter().map(|(k, v)| (Value::from(k.as_str()), from_json(v)))),
    }
}

/// A Jinja value as JSON. Undefined becomes null, other objects become text. Values that are nested
/// too deep, or cyclic, are cut off with `...`.
pub(crate) fn to_json(value: &Value) -> serde_json::Value {
    json_at(value, 0)
}

/// The maximum nesting of JSON.
const DEPTH: usize = 300;

fn json_at(value: &Value, depth: usize) -> serde_json::Value {
    use serde_json::Value as Json;
    if depth > DEPTH {
        return Json::String("...".to_owned());
    }
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => Json::Null,
        ValueKind::Bool => Json::Bool(value.is_true()),
        ValueKind::Number if value.is_integer() => {
            value.to_string().parse().map_or(Json::Null, Json::Number)
        }
        ValueKind::Number => f64::try_from(value.clone()).map_or(Json::Null, Json::from),
        ValueKind::Seq | ValueKind::Iterable => match value.try_iter() {
            Ok(items) => Json::Array(items.map(|v| json_at(&v, depth + 1)).collect()),
            Err(_) => Json::String(value.to_string()),
        },
        ValueKind::Map => match pairs_of(value) {
            Ok(pairs) => {
                let pairs = pairs.into_iter();
                Json::Object(pairs.map(|(k, v)| (json_key(&k), json_at(&v, depth + 1))).collect())
            }
            Err(_) => Json::String(value.to_string()),
        },
        _ => match super::number::int_text(value) {
            Some(digits) => digits.parse().map_or(Json::Null, Json::Number),
            None => Json::String(value.to_string()),
        },
    }
}

/// A key, converted as by Python's `json.dumps`.
fn json_key(key: &Value) -> String {
    match key.kind() {
        ValueKind::Bool => key.is_true().to_string(),
        ValueKind::None => "null".to_owned(),
        _ => super::python_text(key).unwrap_or_default(),
    }
}
