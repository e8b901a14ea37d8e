//! `docs generate`: what the database has of the project's relations, in `catalog.json`.

use super::compile::{code_of, compile_nodes, compiler, look_up};
use super::project::{Project, choose, connect, metadata, open, write_compiled};
use super::run::types;
use super::{CliError, Exit, Invocation};
use crate::compile::MacroCall;
use crate::config::JsonMap;
use crate::context::{RelationValue, Transactions, Unit, rows_of};
use crate::diag::{Code, Diagnostic};
use crate::engine::{Connection, Relation};
use crate::jinja::{list, to_json};
use crate::manifest::{Node, NodeConfig, NodeId, NodeSet, ResourceType};
use crate::plan::Verb;
use crate::run::Event;
use crate::select::Selection;
use crate::source::{FileId, Span};
use crate::state::{Catalog, NEEDED, is_cataloged, write_catalog};
use minijinja::value::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Clone, Debug, Default)]
pub(crate) struct DocsArgs {
    pub(crate) selection: Selection,
    pub(crate) compile: bool,
    /// Ask the database nothing of its relations.
    pub(crate) empty: bool,
}

/// The most relations that are asked for one by one, as in dbt.
const ONE_BY_ONE: usize = 100;

/// What is asked of one database.
#[derive(Default)]
struct Database {
    name: String,
    schemas: BTreeSet<String>,
    relations: Vec<Relation>,
}

pub(crate) fn docs_generate(inv: &mut Invocation, args: &DocsArgs) -> Exit {
    let project = open(inv)?;
    let opened = if args.compile || !args.empty { Some(connect(inv, project)?) } else { None };
    let connection = opened.map(Connection::new);
    // Without compiling, all relations are asked for, as in dbt.
    let selected = if args.compile {
        Some(compile(inv, project, &args.selection, connection.as_ref())?)
    } else {
        // The manifest of the command that compiled last stays, with its SQL.
        None
    };
    let manifest = &project.manifest;
    let wanted = |id: NodeId| !args.empty && selected.as_ref().is_none_or(|s| s.contains(id));
    let nodes: Vec<&Node> = manifest.all().filter(|n| is_cataloged(n) && wanted(n.id)).collect();
    let (catalog, problems) = ask(inv, project, &nodes, selected.is_some(), connection.as_ref());
    let (found, sources) = catalog.entries(manifest, &wanted);
    let errors: Vec<String> = problems.iter().map(|d| d.message.clone()).collect();
    let folder = &manifest.project.target_path;
    let (system, head) = (inv.system.as_ref(), metadata(inv));
    write_catalog(system, folder, (&found, &sources), &errors, &head)?;
    inv.console.diagnostics(&problems);
    let n = crate::report::count(found.len() + sources.len(), "relation");
    inv.console.say(&format!("catalog of {n} written to {}", folder.join("catalog.json")));
    Ok(u8::from(!problems.is_empty()))
}

/// Compiles what is selected and writes the manifest with it. The result has the selected sources,
/// too.
fn compile(
    inv: &mut Invocation,
    project: &Project,
    selection: &Selection,
    connection: Option<&Connection>,
) -> Result<NodeSet, CliError> {
    let manifest = &project.manifest;
    let mut kinds = types(Verb::Compile).to_vec();
    kinds.extend([ResourceType::Seed, ResourceType::Source]);
    let selected = choose(inv, project, selection, &kinds)?;
    if selected.len() == 0 {
        let d = Diagnostic::warning(Code::EmptySelection, "the selection matches no node");
        inv.console.diagnostic(&d.help("`strata ls` shows what there is"));
    }
    let has_text = |id: &NodeId| {
        let node = manifest.node(*id);
        // A Python model has nothing to compile.
        node.sql && types(Verb::Compile).contains(&node.resource_type())
    };
    let chosen: Vec<NodeId> = selected.iter().filter(has_text).collect();
    let existing = look_up(project, connection)?;
    let compiled = compile_nodes(inv, project, &chosen, existing, connection)?;
    write_compiled(inv, project, &code_of(project, &compiled))?;
    Ok(selected)
}

/// The catalog of the databases that nodes are in. A database that cannot be asked is a problem,
/// and the others go on.
fn ask(
    inv: &mut Invocation,
    project: &Project,
    nodes: &[&Node],
    by_relations: bool,
    connection: Option<&Connection>,
) -> (Catalog, Vec<Diagnostic>) {
    let dialect = project.manifest.project.dialect;
    let mut databases: BTreeMap<String, Database> = BTreeMap::new();
    for relation in nodes.iter().filter_map(|n| n.relation.as_ref()) {
        let name = relation.database().unwrap_or(&project.manifest.project.target.database);
        let database = databases
            .entry(dialect.folded(name))
            .or_insert_with(|| Database { name: name.to_owned(), ..Database::default() });
        database.schemas.extend(relation.schema().map(str::to_owned));
        database.relations.push(relation.clone());
    }
    let one_by_one = by_relations
        && nodes.len() <= ONE_BY_ONE
        && connection.is_some_and(|c| c.engine().adapter.catalog_by_relations);
    let (mut catalog, mut problems) = (Catalog::default(), Vec::new());
    for database in databases.values() {
        match rows(inv, project, database, one_by_one, connection) {
            Ok(rows) => rows.iter().for_each(|row| catalog.add(row)),
            Err(d) => problems.push(*d),
        }
    }
    (catalog, problems)
}

/// The rows that the macro `get_catalog_relations` or `get_catalog` gives for one database.
fn rows(
    inv: &mut Invocation,
    project: &Project,
    database: &Database,
    one_by_one: bool,
    connection: Option<&Connection>,
) -> Result<Vec<JsonMap>, Box<Diagnostic>> {
    let mut schema = Relation::new(Some(database.name.as_str()), Some("INFORMATION_SCHEMA"), "");
    schema.path[2] = None;
    schema.quote = [true, false, false];
    let engine = project.target().engine;
    let (name, what) = if one_by_one {
        let relations =
            database.relations.iter().map(|r| RelationValue::value(r.clone(), engine)).collect();
        ("get_catalog_relations", ("relations", list(relations)))
    } else {
        (
            "get_catalog",
            ("schemas", list(database.schemas.iter().map(|s| Value::from(s.as_str())).collect())),
        )
    };
    let Some(def) = project.engine.registry().lookup_anywhere(name).cloned() else {
        return Err(Box::new(Diagnostic::error(
            Code::UnknownMacro,
            format!("there is no macro `{name}`"),
        )));
    };
    let call = MacroCall {
        def: &def,
        package: &project.manifest.project.name,
        unit: unit(),
        args: vec![("information_schema", RelationValue::value(schema, engine)), what],
        span: Span::file(FileId(0)),
        transactions: Transactions::Maker,
    };
    let called = compiler(project, Vec::new()).call(call, connection);
    for line in called.logs {
        inv.console.event(&Event::Log { line });
    }
    inv.console.diagnostics(&called.warnings);
    let value = called.value.map_err(|mut d| {
        // No file of the project is to blame when the macro is a built-in one.
        d.primary = d.primary.take().filter(|label| label.span != Span::file(FileId(0)));
        d
    })?;
    let wrong = |message: String| {
        Box::new(Diagnostic::error(Code::Runtime, message).primary(def.span, "this macro"))
    };
    let Some((names, rows)) = rows_of(&value) else {
        return Err(wrong(format!("the macro `{name}` gave no table")));
    };
    if let Some(missing) = NEEDED.iter().find(|n| !names.iter().any(|have| have == *n)) {
        return Err(wrong(format!(
            "the table that the macro `{name}` gave has no column `{missing}`"
        )));
    }
    let row = |cells: &Vec<Value>| -> JsonMap {
        names.iter().cloned().zip(cells.iter().map(to_json)).collect()
    };
    Ok(rows.iter().map(row).collect())
}

/// What the context of the catalog macros knows of itself.
fn unit() -> Unit {
    Unit {
        unique_id: "operation.catalog".into(),
        name: "catalog".into(),
        kind: ResourceType::Operation,
        file: None,
        this: None,
        config: Arc::new(NodeConfig::default()),
        node: None,
        model: serde_json::json!({ "name": "catalog", "resource_type": "operation", "unique_id": "operation.catalog" }),
        compiled: None,
        extra: Vec::new(),
    }
}
