//! Python's dict views: `keys()`, `values()` and `items()`. They can be iterated and counted, but
//! not subscripted.
//!
//! In: a dict. Out: values that reflect its current content. Must not know: templates.

use super::python::{contains_value, is_subset, python_repr};
use super::runtime::error;
use super::values::{list, make_pair, pairs_of};
use minijinja::value::{Enumerator, Object, ObjectRepr, Value};
use minijinja::{Error, ErrorKind, State};
use std::fmt;
use std::sync::Arc;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    Keys,
    Values,
    Items,
}

impl View {
    /// The view that a dict's method returns.
    pub(super) fn of_method(method: &str) -> Option<View> {
        match method {
            "keys" => Some(View::Keys),
            "values" => Some(View::Values),
            "items" => Some(View::Items),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            View::Keys => "dict_keys",
            View::Values => "dict_values",
            View::Items => "dict_items",
        }
    }
}

pub(super) struct DictView {
    view: View,
    dict: Value,
}

pub(super) fn make_view(view: View, dict: Value) -> Value {
    Value::from_object(DictView { view, dict })
}

impl DictView {
    fn items(&self) -> Vec<Value> {
        let pairs = pairs_of(&self.dict).unwrap_or_default().into_iter();
        match self.view {
            View::Keys => pairs.map(|(key, _)| key).collect(),
            View::Values => pairs.map(|(_, value)| value).collect(),
            View::Items => pairs.map(|(key, value)| make_pair(key, value)).collect(),
        }
    }

    pub(super) fn type_name(&self) -> &'static str {
        self.view.name()
    }

    /// In Python, views of keys and items are sets; those of values are not.
    pub(super) fn is_set(&self) -> bool {
        self.view != View::Values
    }
}

/// Whether two views of keys or items have equal content.
pub(super) fn views_equal(a: &DictView, b: &DictView) -> Result<bool, Error> {
    let (left, right) = (a.items(), b.items());
    Ok(a.is_set() && b.is_set() && left.len() == right.len() && is_subset(&left, &right)?)
}

impl fmt::Debug for DictView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let items = python_repr(&list(self.items())).map_err(|_| fmt::Error)?;
        write!(f, "{}({items})", self.view.name())
    }
}

impl Object for DictView {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Iterable
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.items())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        self.dict.len()
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        match (method, args) {
            ("isdisjoint", [other]) if self.is_set() => {
                let items = self.items();
                for item in other.try_iter()? {
                    if contains_value(&items, &item)? {
                        return Ok(Value::from(false));
                    }
                }
                Ok(Value::from(true))
            }
            ("isdisjoint", _) => Err(error("isdisjoint() takes one argument")),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}
