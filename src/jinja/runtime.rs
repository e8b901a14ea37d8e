//! The runtime of a render: macro calls, `return`, call positions.

use super::marks::has_mark;
use super::registry::MacroDef;
use super::values::dict;
use crate::hash::FastMap;
use indexmap::{IndexMap, IndexSet};
use minijinja::value::{Enumerator, Kwargs, Object, ObjectRepr, Tuple, Value};
use minijinja::{Error, ErrorKind, State};
use std::any::Any;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Default)]
pub(super) struct RenderState {
    /// The macro of the main template that imports other templates into this state.
    pub(super) importer: Option<Value>,
    /// The imported modules, by template.
    loaded: FastMap<Arc<str>, Value>,
    pub(super) stash: Option<Value>,
    /// The value of a `return`, until the macro's `MacroRef` takes it.
    pub(super) returned: Option<Value>,
    /// The byte offsets of the active positional calls, innermost last.
    sites: Vec<u32>,
    pub(super) trace: Option<Arc<Trace>>,
    pub(super) extension: Option<Arc<dyn Any + Send + Sync>>,
}

/// The macros that an error passed through, innermost first. It is not part of the state, because
/// the state is dropped when a render fails.
#[derive(Debug, Default)]
pub(super) struct Trace {
    macros: Mutex<Vec<Arc<MacroDef>>>,
    /// The undefined names that were called.
    unknown: Mutex<BTreeSet<String>>,
    /// The unique ids of the macros that the text itself called.
    called: Mutex<IndexSet<Arc<str>>>,
    /// See [`super::environment::Rendered::is_inspected`].
    is_inspected: AtomicBool,
}

impl Trace {
    fn push(&self, def: Arc<MacroDef>) {
        self.macros.lock().unwrap_or_else(PoisonError::into_inner).push(def);
    }

    pub(super) fn take(&self) -> Vec<Arc<MacroDef>> {
        std::mem::take(&mut self.macros.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn is_inspected(&self) -> bool {
        self.is_inspected.load(Ordering::Relaxed)
    }

    pub(super) fn take_called(&self) -> Vec<Arc<str>> {
        let called =
            std::mem::take(&mut *self.called.lock().unwrap_or_else(PoisonError::into_inner));
        called.into_iter().collect()
    }

    pub(super) fn take_unknown(&self) -> BTreeSet<String> {
        std::mem::take(&mut self.unknown.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Records that a node's own text called a macro.
fn note_called(state: &mut State<'_, '_>, def: &MacroDef) {
    if !super::operators::is_own_text(state) {
        return;
    }
    if let Some(trace) = &run_state(state).trace {
        trace.called.lock().unwrap_or_else(PoisonError::into_inner).insert(def.unique_id.clone());
    }
}

/// Records that a node's own text called a name that is undefined at parse.
pub(super) fn note_unknown(state: &mut State<'_, '_>, name: &str) {
    if let Some(trace) = &run_state(state).trace {
        trace.unknown.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
    }
}

/// Records that a text with marked pieces was compared, counted or taken apart. With other texts in
/// their place the result might differ.
pub(super) fn note_inspected(state: &mut State<'_, '_>, value: &Value) {
    if value.as_str().is_some_and(has_mark)
        && let Some(trace) = &run_state(state).trace
    {
        trace.is_inspected.store(true, Ordering::Relaxed);
    }
}

impl Object for Trace {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
}

pub(crate) fn error(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

pub(super) fn run_state<'s>(state: &'s mut State<'_, '_>) -> &'s mut RenderState {
    state.get_or_insert_extension_with(RenderState::default)
}

/// The extension that the caller attached to the render. `context` stores its session there.
pub(crate) fn with_extension<T: Any + Send + Sync>(
    state: &mut State<'_, '_>,
) -> Result<Arc<T>, Error> {
    let any = run_state(state).extension.clone().and_then(|e| e.downcast::<T>().ok());
    any.ok_or_else(|| error("this is available only where SQL is rendered"))
}

/// The byte offset of the innermost positional call, in the file of the calling template.
pub(crate) fn call_site(state: &mut State<'_, '_>) -> Option<u32> {
    run_state(state).sites.last().copied()
}

/// Makes the error that ends the current macro with a value.
pub(crate) fn return_value(state: &mut State<'_, '_>, value: Value) -> Error {
    run_state(state).returned = Some(value);
    error("`return` outside of a macro")
}

/// The value of a macro's name. At the first call in a render, its template is imported into the
/// *same* state, so that `caller()` and macros passed as values keep working.
pub(super) struct MacroRef {
    pub(super) def: Arc<MacroDef>,
}

impl MacroRef {
    pub(super) fn new(def: Arc<MacroDef>) -> MacroRef {
        MacroRef { def }
    }

    fn resolve(&self, state: &mut State<'_, '_>) -> Result<Value, Error> {
        let template = &self.def.template;
        let current = run_state(state);
        if let Some(found) = current.loaded.get(template) {
            return Ok(found.clone());
        }
        let importer = current
            .importer
            .clone()
            .ok_or_else(|| error("macros are available only where SQL is rendered"))?;
        importer.call(state, &[Value::from(template.clone())])?;
        let module = run_state(state).stash.take().unwrap_or_default();
        let found = module.get_attr(&self.def.symbol())?;
        run_state(state).loaded.insert(template.clone(), found.clone());
        Ok(found)
    }

    /// Moves the arguments without a parameter to the hidden parameters `varargs` and `kwargs`.
    fn pack(&self, args: &[Value]) -> Result<Vec<Value>, Error> {
        let def = &self.def;
        let args = Args::parse(args)?;
        let split = def.args.len().min(args.positional.len());
        let mut positional = args.positional;
        let rest = if def.varargs { positional.split_off(split) } else { Vec::new() };
        let (mut known, mut unknown) = (Vec::new(), Vec::new());
        for (key, value) in args.named {
            if !def.kwargs || key == "caller" || def.args.iter().any(|a| a.name == key) {
                known.push((key, value));
            } else {
                unknown.push((Value::from(key), value));
            }
        }
        if def.varargs {
            known.push(("varargs".to_owned(), Value::from(Tuple::from(rest))));
        }
        if def.kwargs {
            known.push(("kwargs".to_owned(), dict(unknown)));
        }
        positional.push(Value::from(Kwargs::from_iter(known)));
        Ok(positional)
    }
}

impl fmt::Debug for MacroRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<macro {}>", self.def.name)
    }
}

impl Object for MacroRef {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        (key.as_str() == Some("name")).then(|| Value::from(&*self.def.name))
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        note_called(state, &self.def);
        let target = self.resolve(state)?;
        // Positions belong to the calling text; the macro's own calls record theirs.
        let sites = std::mem::take(&mut run_state(state).sites);
        let result = if self.def.varargs || self.def.kwargs {
            self.pack(args).and_then(|args| target.call(state, &args))
        } else {
            target.call(state, args)
        };
        let current = run_state(state);
        current.sites = sites;
        match result {
            Ok(value) => Ok(value),
            Err(e) => match current.returned.take() {
                Some(value) => Ok(value),
                None => {
                    if let Some(trace) = &current.trace {
                        trace.push(self.def.clone());
                    }
                    Err(e)
                }
            },
        }
    }
}

/// `__at(offset, f)`: a function that records the position of its calls.
#[derive(Debug)]
pub(super) struct CallSite {
    pub(super) offset: u32,
    pub(super) callee: Value,
}

impl Object for CallSite {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        run_state(state).sites.push(self.offset);
        let result = self.callee.call(state, args);
        // After an error the position is kept, for the error message.
        if result.is_ok() {
            run_state(state).sites.pop();
        }
        result
    }
}

/// The macros of a package, as in `dbt_utils.star(...)`.
#[derive(Debug)]
pub(super) struct Namespace {
    pub(super) name: Arc<str>,
    pub(super) registry: Arc<super::registry::MacroRegistry>,
    pub(super) scope: Arc<dyn super::Scope>,
}

/// Stands for a macro: gives the same value for any arguments.
#[derive(Debug)]
pub(super) struct FixedMacro(Value);

impl FixedMacro {
    pub(super) fn value(value: Value) -> Value {
        Value::from_object(FixedMacro(value))
    }
}

impl Object for FixedMacro {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, _: &[Value]) -> Result<Value, Error> {
        Ok(self.0.clone())
    }
}

impl Namespace {
    fn find(&self, name: &str) -> Option<Value> {
        let found = self.registry.lookup_in(&self.name, name);
        if let (Some(_), Some(value)) = (found, self.scope.replacement(Some(&self.name), name)) {
            return Some(FixedMacro::value(value));
        }
        self.scope.record_macro_lookup(Some(&self.name), name, found.map(|def| &**def));
        found.and_then(|def| self.registry.value_of(def))
    }

    /// The macro named by the first argument.
    fn find_named(&self, args: &[Value]) -> Option<Value> {
        self.find(args.first()?.as_str()?)
    }

    fn names(&self) -> impl Iterator<Item = Value> {
        self.registry.names_in(&self.name).map(Value::from)
    }
}

impl Object for Namespace {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.scope.record_macro_listing();
        Enumerator::Values(self.names().collect())
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.find(key.as_str()?)
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        match (self.find(method), method) {
            (Some(found), _) => found.call(state, args),
            // In dbt a package is a dict.
            (None, "get") => {
                let found = self.find_named(args).or_else(|| args.get(1).cloned());
                Ok(found.unwrap_or_else(|| Value::from(())))
            }
            (None, "__contains__") => Ok(Value::from(self.find_named(args).is_some())),
            (None, "keys") => Ok(super::list(self.names().collect())),
            (None, "values") => {
                Ok(super::list(self.names().filter_map(|n| self.get_value(&n)).collect()))
            }
            (None, "items") => Ok(super::list(
                self.names()
                    .filter_map(|n| Some(super::make_pair(n.clone(), self.get_value(&n)?)))
                    .collect(),
            )),
            (None, _) => {
                let message = format!("package `{}` has no macro `{method}`", self.name);
                Err(Error::new(ErrorKind::UnknownMethod, message))
            }
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<macros of {}>", self.name)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Args {
    pub(crate) positional: Vec<Value>,
    pub(crate) named: IndexMap<String, Value>,
}

impl Args {
    pub(crate) fn parse(args: &[Value]) -> Result<Args, Error> {
        let mut out = Args { positional: args.to_vec(), named: IndexMap::new() };
        if let Some(kwargs) = args.last().filter(|v| v.is_kwargs()) {
            out.positional.pop();
            for key in kwargs.try_iter()? {
                let value = kwargs.get_item(&key)?;
                out.named.insert(key.to_string(), value);
            }
        }
        Ok(out)
    }

    /// An argument, by its position or by its name. An undefined value counts as given.
    pub(crate) fn get(&self, index: usize, name: &str) -> Option<&Value> {
        self.positional.get(index).or_else(|| self.named.get(name))
    }

    pub(crate) fn require(&self, index: usize, name: &str) -> Result<&Value, Error> {
        self.get(index, name).ok_or_else(|| error(format!("argument `{name}` is missing")))
    }

    /// An argument converted to text.
    pub(crate) fn text(&self, index: usize, name: &str) -> Result<String, Error> {
        self.require(index, name).and_then(super::python_text)
    }

    /// A boolean argument, or `default` if it is not given.
    pub(crate) fn flag(&self, index: usize, name: &str, default: bool) -> bool {
        self.get(index, name).map_or(default, Value::is_true)
    }
}
