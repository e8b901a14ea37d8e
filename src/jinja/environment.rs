//! The template engine that all passes use.

use super::edits::Edits;
use super::expressions::is_word_char;
use super::prepass::{rewrite_detached, rewrite_template};
use super::registry::{MacroDef, MacroRegistry};
use super::runtime::{CallSite, FixedMacro, Namespace, Trace, run_state};
use super::{filters, methods, operators, python};
use crate::source::{FileId, Origin, Span, SqlText};
use indexmap::IndexMap;
use minijinja::value::{Enumerator, Object, ObjectRepr, Value};
use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, OutputSpanKind, State, UndefinedBehavior,
};
use std::any::Any;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Precedes every text that is rendered, but not the templates of macros. It defines the text's own
/// importer macro, which imports those templates into the state of the render.
const DRIVER: &str = "{% macro __imp(n) %}{% import n as m %}{% do __stash(m) %}{% endmacro %}{% do __init(__imp) %}";

/// Renders a text, such as the value of a variable, with the names of the current render.
pub(crate) fn render_inner(state: &mut State<'_, '_>, text: &str) -> Result<String, Error> {
    let names = state.lookup("context").unwrap_or_default();
    let (body, _) = rewrite_detached(text);
    // The text has a state of its own. The driver sets its importer, trace and extension.
    state.env().render_str(&format!("{DRIVER}{body}"), names)
}

/// Resolves the names that are not macros.
pub(crate) trait Scope: Send + Sync + fmt::Debug {
    fn member(&self, name: &str) -> Option<Value>;
    /// Called when a macro is looked up, by plain name or in a package, with the result.
    fn record_macro_lookup(&self, package: Option<&str>, name: &str, found: Option<&MacroDef>) {
        let _ = (package, name, found);
    }
    /// Called when the names of all macros of a package are read.
    fn record_macro_listing(&self) {}
    /// The value that stands for a macro, or for another name, in this render.
    fn replacement(&self, package: Option<&str>, name: &str) -> Option<Value> {
        let _ = (package, name);
        None
    }
    /// The names to iterate over in `context`.
    fn names(&self) -> Vec<&'static str>;
}

/// The range of a file that a template's text is from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TextOrigin<'a> {
    pub(crate) file: FileId,
    pub(crate) text: &'a str,
    pub(crate) range: (usize, usize),
}

/// The rendered SQL, each piece with its origin.
#[derive(Debug)]
pub(crate) struct Rendered {
    pub(crate) sql: SqlText,
    /// Whether the template compared, counted or took apart a text with marked pieces, so that
    /// other texts in their place might give another result.
    pub(crate) is_inspected: bool,
}

/// A text rendered at parse.
pub(crate) struct ParseRendering {
    pub(crate) result: Result<Rendered, RenderFailure>,
    /// The unique ids of the macros that the text called.
    pub(crate) called_macros: Vec<Arc<str>>,
    /// The undefined names that the text called.
    pub(crate) unknown_calls: BTreeSet<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct RenderFailure {
    pub(crate) message: String,
    pub(crate) syntax: bool,
    /// The innermost location that is in a file.
    pub(crate) span: Option<Span>,
    /// The macros that the error passed through, innermost first.
    pub(crate) trace: Vec<Arc<MacroDef>>,
    /// The undefined name that caused the error, if any.
    pub(crate) unknown: Option<String>,
}

/// The compiled macros, shared by all renders. Nothing of a node is stored here.
#[derive(Debug)]
pub(crate) struct Renderer {
    registry: Arc<MacroRegistry>,
    /// For the texts of nodes at parse, where undefined values can be used like any others.
    parse: Environment<'static>,
    run: Environment<'static>,
}

/// The names of one render: macros first, then members of the scope, then packages.
#[derive(Clone, Debug)]
struct Names {
    registry: Arc<MacroRegistry>,
    package: Arc<str>,
    scope: Arc<dyn Scope>,
    extension: Extension,
    /// The engine's internal names, which begin with two underscores.
    own: Vec<(&'static str, Value)>,
    /// The changes to `context`: a new value, or `None` for a removed name.
    changes: Arc<Mutex<IndexMap<String, Option<Value>>>>,
}

#[derive(Clone)]
struct Extension(Arc<dyn Any + Send + Sync>);

impl fmt::Debug for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Extension")
    }
}

#[derive(Debug)]
struct ExtensionValue(Extension);

impl Object for ExtensionValue {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
}

impl Object for Names {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, name: &str) -> Option<Value> {
        if let Some(value) = self.scope.replacement(None, name) {
            return match self.registry.lookup(&self.package, name) {
                Some(_) => Some(FixedMacro::value(value)),
                None => self.scope.member(name).map(|_| value),
            };
        }
        // An empty registry (for YAML) is not searched, and no lookup is reported.
        if !self.registry.defs().is_empty() && !name.starts_with("__") {
            let found = self.registry.lookup(&self.package, name);
            self.scope.record_macro_lookup(None, name, found.map(|def| &**def));
            if let Some(found) = found {
                return self.registry.value_of(found);
            }
        }
        match name {
            "__ext" => return Some(Value::from_object(ExtensionValue(self.extension.clone()))),
            "context" => return Some(Value::from_object(ContextDict(self.clone()))),
            _ if name.starts_with("__") => {
                return self.own.iter().find(|(n, _)| *n == name).map(|(_, v)| v.clone());
            }
            _ => {}
        }
        if let Some(found) = self.scope.member(name) {
            return Some(found);
        }
        if self.registry.is_package(name) {
            let (registry, scope) = (self.registry.clone(), self.scope.clone());
            let namespace = Namespace { name: name.into(), registry, scope };
            return Some(Value::from_object(namespace));
        }
        None
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.scope.record_macro_listing();
        let mut names: Vec<Value> = self.registry.names(&self.package).map(Value::from).collect();
        names.extend(self.scope.names().into_iter().map(Value::from));
        names.extend(self.registry.packages().map(Value::from));
        Enumerator::Values(names)
    }
}

/// `context`: the names as a Python dict. As in dbt, changes to it are visible only through it.
#[derive(Debug)]
struct ContextDict(Arc<Names>);

impl Object for ContextDict {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, name: &str) -> Option<Value> {
        let changed = self.changes().get(name).cloned();
        changed.unwrap_or_else(|| self.0.get_value_by_str(name))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.keys())
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let args = super::Args::parse(args)?;
        let default = args.positional.get(1);
        match method {
            "get" => Ok(self.find(&args).or_else(|| default.cloned()).unwrap_or_else(none)),
            "__contains__" => Ok(Value::from(self.find(&args).is_some())),
            "keys" => Ok(super::list(self.keys())),
            "values" => Ok(super::list(self.pairs().map(|(_, value)| value).collect())),
            "items" => Ok(super::list(
                self.pairs().map(|(key, value)| super::make_pair(key, value)).collect(),
            )),
            "update" => {
                for other in &args.positional {
                    for key in other.try_iter()? {
                        self.change(key.to_string(), Some(other.get_item(&key)?));
                    }
                }
                for (key, value) in &args.named {
                    self.change(key.clone(), Some(value.clone()));
                }
                Ok(none())
            }
            "setdefault" => Ok(match self.find(&args) {
                Some(value) => value,
                None => {
                    let value = default.cloned().unwrap_or_else(none);
                    self.change(args.text(0, "key")?, Some(value.clone()));
                    value
                }
            }),
            "pop" => match self.find(&args).or_else(|| default.cloned()) {
                Some(value) => {
                    self.change(args.text(0, "key")?, None);
                    Ok(value)
                }
                None => {
                    let name = args.text(0, "key")?;
                    Err(super::error(format!("`context` has no `{name}`")))
                }
            },
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}

fn none() -> Value {
    Value::from(())
}

impl ContextDict {
    /// The value of the name that is the first argument.
    fn find(self: &Arc<Self>, args: &super::Args) -> Option<Value> {
        self.get_value(args.positional.first()?)
    }

    fn changes(&self) -> MutexGuard<'_, IndexMap<String, Option<Value>>> {
        self.0.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, key: String, value: Option<Value>) {
        self.changes().insert(key, value);
    }

    fn keys(&self) -> Vec<Value> {
        let names = match self.0.enumerate() {
            Enumerator::Values(names) => names,
            _ => Vec::new(),
        };
        let changes = self.changes();
        let kept = names
            .into_iter()
            .filter(|name| !name.as_str().is_some_and(|n| changes.contains_key(n)));
        let added = changes
            .iter()
            .filter(|(_, value)| value.is_some())
            .map(|(name, _)| Value::from(name.as_str()));
        kept.chain(added).collect()
    }

    fn pairs(self: &Arc<Self>) -> impl Iterator<Item = (Value, Value)> {
        let keys = self.keys();
        keys.into_iter().filter_map(|key| Some((key.clone(), self.get_value(&key)?)))
    }
}

/// The rules for undefined values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Parse,
    Run,
}

impl Renderer {
    pub(crate) fn new(registry: Arc<MacroRegistry>) -> Renderer {
        Renderer {
            parse: environment(&registry, Mode::Parse),
            run: environment(&registry, Mode::Run),
            registry,
        }
    }

    pub(crate) fn registry(&self) -> &Arc<MacroRegistry> {
        &self.registry
    }

    fn names(
        &self,
        package: &Arc<str>,
        scope: Arc<dyn Scope>,
        extension: Arc<dyn Any + Send + Sync>,
        own: Vec<(&'static str, Value)>,
    ) -> Value {
        Value::from_object(Names {
            own,
            changes: Arc::default(),
            registry: self.registry.clone(),
            package: package.clone(),
            scope,
            extension: Extension(extension),
        })
    }

    /// Compiles a macro to check its syntax. The compiled template is cached.
    pub(crate) fn check_macro(&self, def: &MacroDef) -> Result<(), RenderFailure> {
        match self.run.get_template(&def.template) {
            Ok(_) => Ok(()),
            Err(e) => Err(self.failure(e, None, Vec::new())),
        }
    }

    pub(crate) fn render<E: Any + Send + Sync>(
        &self,
        name: &str,
        origin: TextOrigin<'_>,
        package: &Arc<str>,
        scope: Arc<dyn Scope>,
        extension: Arc<E>,
    ) -> Result<Rendered, RenderFailure> {
        self.render_once(Mode::Run, name, origin, package, scope, extension).0
    }

    /// Renders a node's text at parse. Undefined names in the text itself can be called and have
    /// every attribute.
    pub(crate) fn render_for_parse<E: Any + Send + Sync>(
        &self,
        name: &str,
        origin: TextOrigin<'_>,
        package: &Arc<str>,
        scope: Arc<dyn Scope>,
        extension: Arc<E>,
    ) -> ParseRendering {
        let (result, trace) =
            self.render_once(Mode::Parse, name, origin, package, scope, extension);
        ParseRendering {
            result,
            called_macros: trace.take_called(),
            unknown_calls: trace.take_unknown(),
        }
    }

    fn render_once<E: Any + Send + Sync>(
        &self,
        mode: Mode,
        name: &str,
        origin: TextOrigin<'_>,
        package: &Arc<str>,
        scope: Arc<dyn Scope>,
        extension: Arc<E>,
    ) -> (Result<Rendered, RenderFailure>, Arc<Trace>) {
        let trace = Arc::new(Trace::default());
        let (body, edits) =
            rewrite_template(origin.text, origin.range.0, origin.range.1, &mut Vec::new());
        let source = format!("{DRIVER}{body}");
        let env = if mode == Mode::Parse { &self.parse } else { &self.run };
        let place = Place { name, file: origin.file, text: origin.text, edits: &edits };
        let template = match env.template_from_named_str(name, &source) {
            Ok(template) => template,
            Err(e) => return (Err(self.failure(e, Some(&place), Vec::new())), trace),
        };
        let own = vec![("__trace", Value::from_dyn_object(trace.clone()))];
        let result = match template.render_with_spans(self.names(package, scope, extension, own)) {
            Ok((text, spans)) => {
                let mut sql = SqlText::new();
                let mut done = 0;
                for span in &spans {
                    let range = span.output_range();
                    if range.start > done {
                        sql.push_str(&text[done..range.start]);
                    }
                    let from = span.source_range();
                    let start = edits.original(from.start.saturating_sub(DRIVER.len()));
                    let origin = if span.kind() == OutputSpanKind::Raw {
                        Origin::Raw { file: origin.file, start: start as u32 }
                    } else {
                        Origin::Expr(Span::new(
                            origin.file,
                            start,
                            edits.original(from.end.saturating_sub(DRIVER.len())),
                        ))
                    };
                    sql.push_from(&text[range.clone()], origin);
                    done = range.end;
                }
                if done < text.len() {
                    sql.push_str(&text[done..]);
                }
                Ok(Rendered { sql, is_inspected: trace.is_inspected() })
            }
            Err(e) => Err(self.failure(e, Some(&place), trace.take())),
        };
        (result, trace)
    }

    pub(crate) fn call_macro<E: Any + Send + Sync>(
        &self,
        execute: bool,
        def: &MacroDef,
        args: &[Value],
        package: &Arc<str>,
        scope: Arc<dyn Scope>,
        extension: Arc<E>,
    ) -> Result<Value, RenderFailure> {
        let called = self.call_macro_with_marks(execute, def, args, package, scope, extension);
        called.map(|(value, _)| value)
    }

    /// Like [`Renderer::call_macro`]. Also returns whether a text with marked pieces was inspected
    /// (see [`Rendered::is_inspected`]).
    pub(crate) fn call_macro_with_marks<E: Any + Send + Sync>(
        &self,
        execute: bool,
        def: &MacroDef,
        args: &[Value],
        package: &Arc<str>,
        scope: Arc<dyn Scope>,
        extension: Arc<E>,
    ) -> Result<(Value, bool), RenderFailure> {
        let Some(target) = self.registry.value_of(def) else {
            return Err(RenderFailure::plain(format!("macro `{}` is not registered", def.name)));
        };
        self.call_value(execute, target, args, package, scope, extension)
    }

    fn call_value<E: Any + Send + Sync>(
        &self,
        execute: bool,
        target: Value,
        args: &[Value],
        package: &Arc<str>,
        scope: Arc<dyn Scope>,
        extension: Arc<E>,
    ) -> Result<(Value, bool), RenderFailure> {
        let source = format!("{DRIVER}{{% do __invoke() %}}");
        let env = if execute { &self.run } else { &self.parse };
        let template = env
            .template_from_named_str("strata/call", &source)
            .map_err(|e| self.failure(e, None, Vec::new()))?;
        let invoke = Arc::new(Invoke { target, args: args.to_vec(), result: Mutex::new(None) });
        let trace = Arc::new(Trace::default());
        let own = vec![
            ("__trace", Value::from_dyn_object(trace.clone())),
            ("__invoke", Value::from_dyn_object(invoke.clone())),
        ];
        match template.render(self.names(package, scope, extension, own)) {
            Ok(_) => {
                let value = invoke.result.lock().unwrap_or_else(PoisonError::into_inner).take();
                Ok((value.unwrap_or_default(), trace.is_inspected()))
            }
            Err(e) => Err(self.failure(e, None, trace.take())),
        }
    }

    /// Evaluates an expression, such as an argument of a generic test.
    pub(crate) fn evaluate<E: Any + Send + Sync>(
        &self,
        execute: bool,
        expression: &str,
        package: &Arc<str>,
        scope: Arc<dyn Scope>,
        extension: Arc<E>,
    ) -> Result<Value, RenderFailure> {
        let rewritten = super::prepass::rewrite_expression(expression);
        let source = format!("{DRIVER}{{% do __keep({rewritten}) %}}");
        let env = if execute { &self.run } else { &self.parse };
        let template = env
            .template_from_named_str("strata/value", &source)
            .map_err(|e| self.failure(e, None, Vec::new()))?;
        let keep = Arc::new(Keep::default());
        let trace = Arc::new(Trace::default());
        let own = vec![
            ("__trace", Value::from_dyn_object(trace.clone())),
            ("__keep", Value::from_dyn_object(keep.clone())),
        ];
        match template.render(self.names(package, scope, extension, own)) {
            Ok(_) => {
                Ok(keep.0.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default())
            }
            Err(e) => Err(self.failure(e, None, trace.take())),
        }
    }

    /// Renders a text that is not a range of a file, such as a YAML value.
    pub(crate) fn render_detached<E: Any + Send + Sync>(
        &self,
        execute: bool,
        text: &str,
        package: &Arc<str>,
        scope: Arc<dyn Scope>,
        extension: Arc<E>,
    ) -> Result<String, RenderFailure> {
        let (body, _) = rewrite_detached(text);
        let source = format!("{DRIVER}{body}");
        let env = if execute { &self.run } else { &self.parse };
        let template = env
            .template_from_named_str("strata/text", &source)
            .map_err(|e| self.failure(e, None, Vec::new()))?;
        let trace = Arc::new(Trace::default());
        let own = vec![("__trace", Value::from_dyn_object(trace.clone()))];
        template
            .render(self.names(package, scope, extension, own))
            .map_err(|e| self.failure(e, None, trace.take()))
    }

    /// Converts an error: its message, its innermost location in a file and the undefined name.
    fn failure(
        &self,
        e: Error,
        place: Option<&Place<'_>>,
        trace: Vec<Arc<MacroDef>>,
    ) -> RenderFailure {
        let mut chain = vec![&e];
        let mut next = std::error::Error::source(&e);
        while let Some(source) = next {
            chain.extend(source.downcast_ref::<Error>());
            next = source.source();
        }
        let innermost = chain.last().copied().unwrap_or(&e);
        let span = chain.iter().rev().find_map(|e| self.place_of(e, place));
        let syntax = innermost.kind() == ErrorKind::SyntaxError;
        let unknown = place.and_then(|p| unknown_name(innermost, p));
        let mut message = match innermost.detail() {
            Some(detail) => detail.to_owned(),
            None => innermost.kind().to_string(),
        };
        if let Some(name) = &unknown {
            message = format!("`{name}` is undefined");
        } else if innermost.kind() == ErrorKind::UndefinedError && innermost.detail().is_none() {
            "something that is undefined is used here".clone_into(&mut message);
        }
        RenderFailure { message, syntax, span, trace, unknown }
    }

    fn place_of(&self, e: &Error, place: Option<&Place<'_>>) -> Option<Span> {
        let (name, range) = (e.name()?, e.range()?);
        if let Some(p) = place.filter(|p| p.name == name) {
            return Some(Span::new(p.file, p.original(range.start), p.original(range.end)));
        }
        let def = self.registry.template(name)?;
        Some(Span::new(def.file, def.edits.original(range.start), def.edits.original(range.end)))
    }
}

impl RenderFailure {
    fn plain(message: String) -> RenderFailure {
        RenderFailure { message, syntax: false, span: None, trace: Vec::new(), unknown: None }
    }
}

/// The template of a node, for mapping offsets to its file.
struct Place<'a> {
    name: &'a str,
    file: FileId,
    text: &'a str,
    edits: &'a Edits,
}

impl Place<'_> {
    /// The original offset of a byte in the compiled template, which begins with the driver.
    fn original(&self, offset: usize) -> usize {
        self.edits.original(offset.saturating_sub(DRIVER.len()))
    }
}

/// The undefined name that caused the error: the first one of the expression that failed.
fn unknown_name(e: &Error, place: &Place<'_>) -> Option<String> {
    let undefined = matches!(e.kind(), ErrorKind::UnknownFunction | ErrorKind::UndefinedError);
    if !undefined || e.name() != Some(place.name) {
        return None;
    }
    let start = place.original(e.range()?.start);
    // The error of an attribute or a method points at its dot; go back to the start of the chain.
    let back = if place.text[start..].starts_with('.') {
        place.text[..start].trim_end_matches(|c: char| is_word_char(c) || c == '.').len()
    } else {
        start
    };
    let rest = place.text.get(back..)?;
    let end = rest.find(|c: char| !is_word_char(c)).unwrap_or(rest.len());
    (end > 0 && !rest.starts_with(|c: char| c.is_ascii_digit())).then(|| rest[..end].to_owned())
}

#[derive(Debug)]
struct Invoke {
    target: Value,
    args: Vec<Value>,
    result: Mutex<Option<Value>>,
}

impl Object for Invoke {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, _: &[Value]) -> Result<Value, Error> {
        let result = self.target.call(state, &self.args)?;
        *self.result.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        Ok(Value::from(""))
    }
}

#[derive(Debug, Default)]
struct Keep(Mutex<Option<Value>>);

impl Object for Keep {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = args.first().cloned();
        Ok(Value::from(""))
    }
}

/// The maximum number of minijinja instructions per render; it executes a few million per second.
const FUEL: u64 = 200_000_000;

fn environment(registry: &Arc<MacroRegistry>, mode: Mode) -> Environment<'static> {
    let mut env = Environment::new();
    minijinja_contrib::add_to_environment(&mut env);
    env.set_auto_escape_callback(|_| AutoEscape::None);
    // Attributes, items and calls of undefined values are handled by our own functions
    // (`operators.rs`).
    env.set_undefined_behavior(UndefinedBehavior::Lenient);
    env.set_debug(false);
    env.set_fuel(Some(FUEL));
    // Python's limit is about a thousand nested calls; the feature `stacker` grows the stack as
    // needed.
    env.set_recursion_limit(4000);
    env.set_unknown_method_callback(methods::call_python_method);
    env.set_formatter(|out, _, value| {
        let text = python::python_text(value)?;
        out.write_str(&text).map_err(Error::from)
    });
    let templates = registry.clone();
    env.set_loader(move |name| Ok(templates.template(name).map(|def| def.text.clone())));
    // dbt's own `debug` prints nothing.
    env.remove_global("debug");
    env.add_function("__init", |state: &mut State<'_, '_>, importer: Value| {
        let extension = state.lookup("__ext").and_then(|v| v.downcast_object::<ExtensionValue>());
        let trace = state.lookup("__trace").and_then(|v| v.downcast_object::<Trace>());
        let current = run_state(state);
        current.importer = Some(importer);
        current.trace = trace;
        current.extension = extension.map(|e| e.0.0.clone());
        ""
    });
    env.add_function("__stash", |state: &mut State<'_, '_>, module: Value| {
        run_state(state).stash = Some(module);
        ""
    });
    env.add_function("__at", |offset: u32, callee: Value, name: String| -> Result<Value, Error> {
        if callee.is_undefined() {
            return Err(Error::new(ErrorKind::UnknownFunction, format!("'{name}' is undefined")));
        }
        Ok(Value::from_object(CallSite { offset, callee }))
    });
    env.add_function("__l", |items: Value| -> Result<Value, Error> {
        Ok(super::list(items.try_iter()?.collect()))
    });
    env.add_function("__d", |map: Value| -> Result<Value, Error> {
        Ok(super::dict(super::values::pairs_of(&map)?))
    });
    env.add_function("__do", |_: minijinja::value::Rest<Value>| "");
    env.add_function(
        "return",
        |state: &mut State<'_, '_>, args: minijinja::value::Rest<Value>| -> Result<Value, Error> {
            let value =
                args.0.into_iter().next().ok_or_else(|| super::error("return() needs a value"))?;
            Err(super::return_value(state, value))
        },
    );
    operators::install_operators(&mut env, mode == Mode::Parse);
    filters::install_filters(&mut env);
    env
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::jinja::parse_macro_file;
    use std::collections::HashMap;

    #[derive(Debug)]
    struct NoScope;

    impl Scope for NoScope {
        fn member(&self, name: &str) -> Option<Value> {
            (name == "one").then(|| Value::from(1))
        }

        fn names(&self) -> Vec<&'static str> {
            vec!["one"]
        }
    }

    pub(crate) fn engine(macros: &str) -> Renderer {
        let root: Arc<str> = "root".into();
        let defs = parse_macro_file(FileId(1), &root, "macros/m.sql", macros);
        assert!(defs.diagnostics.is_empty(), "{:?}", defs.diagnostics);
        let defs = defs.value.into_iter().map(Arc::new).collect();
        let registry = MacroRegistry::new(
            &root,
            crate::jinja::DispatchAdapter::default(),
            vec![root.clone()],
            HashMap::new(),
            Vec::new(),
            defs,
        );
        Renderer::new(Arc::new(registry))
    }

    fn attempt(macros: &str, text: &str) -> Result<SqlText, RenderFailure> {
        let origin = TextOrigin { file: FileId(0), text, range: (0, text.len()) };
        engine(macros)
            .render("root/x.sql", origin, &"root".into(), Arc::new(NoScope), Arc::new(()))
            .map(|r| r.sql)
    }

    fn ok(macros: &str, text: &str) -> String {
        attempt(macros, text).map_err(|f| f.message).unwrap().into_string()
    }

    #[test]
    fn return_gives_any_value() {
        let m = "{% macro m(x) %}a{% if x %}{{ return([1, 2]) }}{% endif %}b{% endmacro %}";
        assert_eq!(ok(m, "{{ m(true)[1] }}|{{ m(false) }}"), "2|ab");
    }

    #[test]
    fn callers_varargs_and_kwargs() {
        let m = "{% macro m(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{% macro w() %}<{{ caller() }}>{% endmacro %}";
        assert_eq!(ok(m, "{{ m(1, 2, k=3) }}{% call w() %}x{% endcall %}"), "1(2,){'k': 3}<x>");
    }

    #[test]
    fn lists_and_dicts_change() {
        let text = "{% set xs = [] %}{% for i in [3, 1] %}{% do xs.append(i) %}{% endfor %}{% do xs.sort() %}{{ xs }}";
        assert_eq!(ok("", text), "[1, 3]");
        let text = "{% set d = {'a': 1} %}{% do d.update({'b': [2]}) %}{{ d }}{{ d.items() | list }}{{ 'a' in d }}";
        assert_eq!(ok("", text), "{'a': 1, 'b': [2]}[('a', 1), ('b', [2])]True");
        assert_eq!(ok("", "{% set a = [1] + [2] %}{% do a.append(3) %}{{ a }}"), "[1, 2, 3]");
    }

    #[test]
    fn errors_have_places_and_macro_traces() {
        let m = "{% macro inner() %}\n  {{ nope.x.y }}\n{% endmacro %}{% macro outer() %}{{ inner() }}{% endmacro %}";
        let f = attempt(m, "select\n{{ outer() }}").unwrap_err();
        assert_eq!(f.span.map(|s| (s.file, s.start)), Some((FileId(1), 25)), "{f:?}");
        let f = attempt("", "select {{ one }}, {{ nope() }}").unwrap_err();
        assert_eq!(
            (f.message.as_str(), f.unknown.as_deref()),
            ("`nope` is undefined", Some("nope"))
        );
        assert_eq!(f.span.map(|s| s.start), Some(21));
        let f = attempt("", "select {{ one").unwrap_err();
        assert!(f.syntax);
    }

    #[test]
    fn a_macro_that_calls_itself_for_ever_is_an_error() {
        let f = attempt(
            "{% macro r(n) %}{% for i in [1] %}{{ r(n + 1) }}{% endfor %}{% endmacro %}",
            "{{ r(0) }}",
        )
        .unwrap_err();
        assert!(f.message.contains("recursion"), "{}", f.message);
    }

    #[test]
    fn unknown_names_of_a_text_are_harmless_at_parse() {
        let text = "{{ nope() }}{{ pkg.thing(1) }}{{ other.a.b }}{{ one }}";
        let origin = TextOrigin { file: FileId(0), text, range: (0, text.len()) };
        let ParseRendering { result, unknown_calls, .. } = engine("").render_for_parse(
            "root/x.sql",
            origin,
            &"root".into(),
            Arc::new(NoScope),
            Arc::new(()),
        );
        let result = result.unwrap_or_else(|f| panic!("{f:?}"));
        assert_eq!(result.sql.as_str(), "1");
        assert_eq!(unknown_calls.into_iter().collect::<Vec<_>>(), ["", "nope"]);
    }

    #[test]
    fn origins_point_into_the_template() {
        let sql = attempt("", "select [1] as x, {{ one }} from t").unwrap();
        assert_eq!(sql.as_str(), "select [1] as x, 1 from t");
        assert_eq!(sql.locate(24, 1).map(|s| s.start), Some(32));
    }

    #[test]
    fn python_text() {
        assert_eq!(
            ok("", "{{ ['a', none, true, 1.5, \"it's\"] }}"),
            "['a', None, True, 1.5, \"it's\"]"
        );
        assert_eq!(ok("", "{{ '%s-%03d-%.1f' % ('a', 7, 2) }}"), "a-007-2.0");
        assert_eq!(
            ok("", "{{ 'a,b'.split(',') }}{{ 'x'.zfill(3) }}{{ 'a.b'.rpartition('.') }}"),
            "['a', 'b']00x('a', '.', 'b')"
        );
    }
}
