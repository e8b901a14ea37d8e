//! `ref`, `source`, `metric`, `function`: recorded at parse, resolved at run.

use super::relation::RelationValue;
use super::session::{Abort, Bindings, Phase, RefForm, RefTarget, RenderSession};
use super::{function, none};
use crate::config::Json;
use crate::diag::nearest_name;
use crate::engine::{EngineSpec, RelationKind};
use crate::hash::FastMap;
use crate::jinja::{Args, error};
use crate::manifest::{
    FoundNode, Manifest, Node, NodeId, NodeKind, NodeLookup, RefCall, SourceCall, utc_text,
};
use crate::source::Span;
use minijinja::value::Value;
use minijinja::{Error, State};
use std::sync::Arc;

pub(super) fn install_references(out: &mut FastMap<&'static str, Value>) {
    out.insert("ref", function(reference));
    out.insert("source", function(source));
    out.insert("metric", function(metric));
    out.insert("function", function(called_function));
    // At run `doc` is resolved in descriptions only; in SQL it prints nothing.
    out.insert("doc", function(|_, _, _| Ok(Value::from(""))));
}

/// The value of a reference at parse: the relation of this node, which prints the call's arguments.
fn own_relation(session: &RenderSession, asked: &str) -> Value {
    let engine = session.project.target.engine;
    match session.subject.this.clone() {
        Some(this) => RelationValue::stand_in(this, engine, asked, session.unsteady()),
        None => none(),
    }
}

fn reference(
    state: &mut State<'_, '_>,
    session: &Arc<RenderSession>,
    args: Args,
) -> Result<Value, Error> {
    let (package, name) = match args.positional.as_slice() {
        [name] => (None, name.to_string()),
        [package, name] => (Some(package.to_string()), name.to_string()),
        other => return Err(error(format!("ref() takes one or two names, not {}", other.len()))),
    };
    let version = args
        .named
        .get("version")
        .or_else(|| args.named.get("v"))
        .filter(|v| !v.is_none() && !v.is_undefined());
    let span = session.site(state);
    let call = RefCall {
        package: package.map(Arc::from),
        name: name.into(),
        version: version.map(|v| v.to_string().into()),
        span,
    };
    if session.phase == Phase::Parse {
        let asked = call.display();
        session.record().refs.push(call);
        return Ok(own_relation(session, &asked));
    }
    let Some(runtime) = &session.runtime else { return Ok(none()) };
    let manifest = &runtime.manifest;
    let id = match resolve_ref(&manifest.lookup, &call, &session.package, &session.subject.name) {
        Ok(id) => id,
        Err((message, help)) => {
            return Err(session.stop(Abort::UnknownRef { message, span, help }));
        }
    };
    check_dependency(session, id, &call.display(), span)?;
    target(session, id, span)
}

/// `metric([package,] name)`: the text depends on the metric; the call prints its name.
fn metric(
    state: &mut State<'_, '_>,
    session: &Arc<RenderSession>,
    args: Args,
) -> Result<Value, Error> {
    let (package, name) = match args.positional.as_slice() {
        [package, name] => (Some(package.to_string()), name.to_string()),
        _ => (None, args.text(0, "metric_name")?),
    };
    let span = session.site(state);
    let call = RefCall {
        package: package.map(Arc::from),
        name: name.as_str().into(),
        version: None,
        span,
    };
    session.record().metrics.push(call);
    Ok(Value::from(name))
}

/// `function([package,] name)`: the function's name, to be called.
fn called_function(
    state: &mut State<'_, '_>,
    session: &Arc<RenderSession>,
    args: Args,
) -> Result<Value, Error> {
    let (package, name) = match args.positional.as_slice() {
        [package, _] => (Some(package.to_string()), args.text(1, "function_name")?),
        [_] | [] => (None, args.text(0, "function_name")?),
        other => {
            return Err(error(format!("function() takes one or two names, not {}", other.len())));
        }
    };
    let span = session.site(state);
    let call = RefCall { package: package.map(Arc::from), name: name.into(), version: None, span };
    let written = display_function(&call);
    if session.phase == Phase::Parse {
        session.record().functions.push(call);
        return Ok(own_relation(session, &written));
    }
    let Some(runtime) = &session.runtime else { return Ok(none()) };
    let lookup = &runtime.manifest.lookup;
    match resolve_function(lookup, &call, &session.package) {
        Ok(id) => {
            check_dependency(session, id, &written, span)?;
            target(session, id, span)
        }
        Err((message, help)) => Err(session.stop(Abort::UnknownRef { message, span, help })),
    }
}

/// The call of a function in its written form, for messages.
fn display_function(call: &RefCall) -> String {
    let package = call.package.as_deref().map(|p| format!("'{p}', ")).unwrap_or_default();
    format!("function({package}'{}')", call.name)
}

/// Resolves `function()`. The error is a message and a hint.
pub(crate) fn resolve_function(
    lookup: &NodeLookup,
    call: &RefCall,
    package: &str,
) -> Result<NodeId, (String, Option<String>)> {
    match lookup.find_function(call.package.as_deref(), &call.name, package) {
        FoundNode::Node(id) => Ok(id),
        FoundNode::Disabled(_) => Err((format!("the function `{}` is disabled", call.name), None)),
        FoundNode::Nothing => {
            let near = nearest_name(&call.name, lookup.function_names());
            let help = match near {
                Some(near) => format!("a function named `{near}` exists"),
                None => "functions are files in `functions/`".to_owned(),
            };
            let within =
                call.package.as_deref().map(|p| format!(" in package `{p}`")).unwrap_or_default();
            Err((format!("function `{}` not found{within}", call.name), Some(help)))
        }
    }
}

/// Resolves a `ref` of the node `user`. The error is a message and a hint.
pub(crate) fn resolve_ref(
    lookup: &NodeLookup,
    call: &RefCall,
    package: &str,
    user: &str,
) -> Result<NodeId, (String, Option<String>)> {
    match lookup.find_ref(call.package.as_deref(), &call.name, call.version.as_deref(), package) {
        FoundNode::Node(id) => Ok(id),
        FoundNode::Disabled(_) => {
            Err((format!("`{user}` uses `{}`, which is disabled", call.name), None))
        }
        FoundNode::Nothing => {
            let versions = lookup.versions(&call.name);
            let help = if versions.is_empty() {
                nearest_name(&call.name, lookup.ref_names())
                    .map(|n| format!("a model named `{n}` exists"))
            } else {
                Some(format!("versions of `{}`: {}", call.name, versions.join(", ")))
            };
            let version =
                call.version.as_deref().map(|v| format!(" version {v}")).unwrap_or_default();
            let within =
                call.package.as_deref().map(|p| format!(" in package `{p}`")).unwrap_or_default();
            let name = &call.name;
            let message =
                format!("`{user}` uses model `{name}`{version}{within}, which was not found");
            Err((message, help))
        }
    }
}

/// Checks that a reference was recorded at parse. Otherwise the order of the run would be wrong.
fn check_dependency(
    session: &RenderSession,
    id: NodeId,
    written: &str,
    span: Option<Span>,
) -> Result<(), Error> {
    let Some(runtime) = &session.runtime else { return Ok(()) };
    let Some(own) = session.subject.node else { return Ok(()) };
    if own == id || runtime.manifest.node(own).depends_on.contains(&id) {
        return Ok(());
    }
    let message = format!("{written} is not among the dependencies that were found at parse");
    let help = format!(
        "it is probably made only when `execute` is true; add a comment to the model: -- depends_on: {{{{ {written} }}}}"
    );
    Err(session.stop(Abort::UnknownRef { message, span, help: Some(help) }))
}

/// The value of `this` where something stands for it, as in a unit test.
pub(super) fn bound_this(session: &RenderSession) -> Option<Value> {
    let id = session.runtime.as_ref()?.bindings.this()?;
    target(session, id, None).ok()
}

/// The error for a reference to a node that no input of the unit test stands for.
fn no_input(session: &RenderSession, name: &str, span: Option<Span>) -> Error {
    let test = &session.subject.name;
    session.stop(Abort::UnknownRef {
        message: format!("the unit test `{test}` gives no input for `{name}`"),
        span,
        help: Some("add it under `given`; `rows: []` stands for an empty relation".to_owned()),
    })
}

fn target(session: &RenderSession, id: NodeId, span: Option<Span>) -> Result<Value, Error> {
    let Some(runtime) = &session.runtime else { return Ok(none()) };
    let (manifest, bindings) = (&runtime.manifest, &runtime.bindings);
    let engine = session.project.target.engine;
    // A unit test has inputs in place of relations, but calls the functions of the database.
    if !manifest.node(id).is_function() && !bindings.admits(id) {
        return Err(no_input(session, &manifest.node(id).display_name(), span));
    }
    let Some(target) = bindings.target(manifest, id) else {
        return Err(error(format!("`{}` has no relation", manifest.node(id).name)));
    };
    if matches!(target.shape, RefForm::Cte(_)) {
        session.record().ctes.push(id);
    }
    let value = bindings.relation_value(target, manifest.node(id), engine);
    Ok(Value::from_object(match bindings.is_open() {
        true => value.marked(id, session.references_asked()),
        false => value,
    }))
}

/// The column that holds the event time of a node's rows, as SQL. `None`: the rows are not
/// filtered.
fn event_time_of(node: &Node, engine: &'static EngineSpec) -> Option<String> {
    let name = node.config.get("event_time")?.as_str().filter(|name| !name.is_empty())?;
    let of_column = node.columns.iter().find(|c| c.name == name).and_then(|c| c.quote);
    let of_source = match &node.kind {
        NodeKind::Source(table) => table.quoting.get("column").and_then(Json::as_bool),
        _ => None,
    };
    let is_quoted = of_column.or(of_source).unwrap_or(false);
    Some(if is_quoted { engine.dialect.quoted(name) } else { name.to_owned() })
}

/// The value of a reference to all rows. With `is_empty`, a reference to a CTE prints a query
/// without rows.
fn unfiltered(target: RefTarget, is_empty: bool, engine: &'static EngineSpec) -> RelationValue {
    match target.shape {
        RefForm::Plain => RelationValue::plain(target.relation, engine),
        RefForm::LimitZero => RelationValue::without_rows(target.relation, engine),
        RefForm::Cte(_) => {
            let mut relation = target.relation.with_kind(RelationKind::Cte);
            relation.quote = [false; 3];
            match is_empty {
                true => RelationValue::without_rows(relation, engine),
                false => RelationValue::plain(relation, engine),
            }
        }
    }
}

/// A reference to a node, as SQL.
pub(crate) struct PrintedReference {
    pub(crate) text: String,
    /// Whether the SQL around it has to define the node as a CTE.
    pub(crate) needs_cte: bool,
}

impl Bindings {
    /// The value of a reference to a node, whose rows are filtered to the batch or the sample if
    /// the node has an event time.
    fn relation_value(
        &self,
        target: RefTarget,
        node: &Node,
        engine: &'static EngineSpec,
    ) -> RelationValue {
        let value = unfiltered(target, self.empty, engine);
        match (self.window(), event_time_of(node, engine)) {
            (Some(window), Some(column)) => {
                value.between(&column, [&utc_text(window.start), &utc_text(window.end)])
            }
            _ => value,
        }
    }

    /// Prints a reference to a node. `None`: the node has no relation.
    pub(crate) fn print_reference(
        &self,
        manifest: &Manifest,
        id: NodeId,
        engine: &'static EngineSpec,
    ) -> Option<PrintedReference> {
        let target = self.target(manifest, id)?;
        let needs_cte = matches!(target.shape, RefForm::Cte(_));
        let text = self.relation_value(target, manifest.node(id), engine).to_string();
        Some(PrintedReference { text, needs_cte })
    }
}

/// The plugin that reads a source.
fn plugin_of(source: &Node) -> Option<String> {
    let meta = source.config.map("meta");
    let plugin = source.config.get("plugin").or_else(|| meta?.get("plugin"))?;
    (!plugin.is_null()).then(|| crate::config::python_str(plugin))
}

fn source(
    state: &mut State<'_, '_>,
    session: &Arc<RenderSession>,
    args: Args,
) -> Result<Value, Error> {
    let (Some(source), Some(table)) = (args.get(0, "source_name"), args.get(1, "table_name"))
    else {
        return Err(error("source() takes the source's name and the table's"));
    };
    let span = session.site(state);
    let call =
        SourceCall { source: source.to_string().into(), table: table.to_string().into(), span };
    if session.phase == Phase::Parse {
        let asked = format!("source('{}', '{}')", call.source, call.table);
        session.record().sources.push(call);
        return Ok(own_relation(session, &asked));
    }
    let Some(runtime) = &session.runtime else { return Ok(none()) };
    match runtime.manifest.lookup.find_source(&call.source, &call.table, &session.package) {
        FoundNode::Node(id) => {
            let reads_files = session.project.target.engine.capabilities.reads_files;
            let plugin = plugin_of(runtime.manifest.node(id)).filter(|_| reads_files);
            if let Some(plugin) = plugin {
                return Err(session.stop(Abort::UnknownRef {
                    message: format!(
                        "source `{source}.{table}` is read by the plugin `{plugin}` of dbt's adapter, which is Python"
                    ),
                    span,
                    help: Some("read its file by `external_location`, or load it before".to_owned()),
                }));
            }
            // Unlike a model, a source need not be recorded at parse: it does not affect the order
            // of the run, and dbt does not check it either.
            target(session, id, span)
        }
        _ => Err(session.stop(Abort::UnknownRef {
            message: format!(
                "`{}` uses source `{}.{}`, which was not found",
                session.subject.name, call.source, call.table
            ),
            span,
            help: None,
        })),
    }
}
