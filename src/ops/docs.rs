//! `docs generate`: writes `catalog.json`, the database's description of the project's relations.

use super::OpsError;
use super::choose::choose_nodes;
use super::compile::{SqlForm, compile_into_files, write_compiled};
use crate::compile::MacroCall;
use crate::config::JsonMap;
use crate::context::{RelationValue, RenderSubject, TransactionControl, rows_of};
use crate::diag::{Code, DbtEvent, Diagnostic};
use crate::engine::{Connection, Relation};
use crate::jinja::{list, to_json};
use crate::manifest::{Node, NodeConfig, NodeId, NodeSet, ResourceType};
use crate::plan::CommandVerb;
use crate::select::Selection;
use crate::source::{FileId, Span};
use crate::state::{Catalog, REQUIRED_COLUMNS, is_cataloged, write_catalog};
use crate::system::{PathType, normalize_path};
use crate::workspace::{Notice, Notices, Revision, Workspace, resource_types_of, run_metadata};
use camino::Utf8PathBuf;
use minijinja::value::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[derive(Clone, Debug, Default)]
pub(crate) struct DocsOptions {
    pub(crate) selection: Selection,
    pub(crate) compile: bool,
    /// Write an empty catalog, without querying the database.
    pub(crate) empty: bool,
}

/// The number of nodes up to which the catalog is queried by relation instead of by schema, as in
/// dbt.
const ONE_BY_ONE: usize = 100;

/// The schemas and relations to query in one database.
#[derive(Default)]
struct Database {
    name: String,
    schemas: BTreeSet<String>,
    relations: Vec<Relation>,
}

pub(crate) struct DocsReport {
    /// The path of `catalog.json`.
    pub(crate) path: Utf8PathBuf,
    /// The number of nodes and sources in the catalog.
    pub(crate) relations: usize,
    /// The errors of databases that could not be queried.
    pub(crate) problems: Vec<Diagnostic>,
}

pub(crate) fn generate_docs(
    workspace: &mut Workspace,
    options: &DocsOptions,
    notices: &mut Notices<'_>,
) -> Result<DocsReport, OpsError> {
    let revision = workspace.open(notices)?;
    let is_asked = options.compile || !options.empty;
    let opened = if is_asked { Some(revision.connect()?) } else { None };
    let connection = opened.map(Connection::new);
    // As in dbt, without `compile` the catalog has all relations, and the manifest of the last
    // command that compiled stays as it is, with its SQL.
    let selected = match options.compile {
        true => {
            Some(compile_selected(&revision, &options.selection, connection.as_ref(), notices)?)
        }
        false => None,
    };
    let manifest = &revision.manifest;
    let wanted = |id: NodeId| !options.empty && selected.as_ref().is_none_or(|s| s.contains(id));
    let nodes: Vec<&Node> = manifest.all().filter(|n| is_cataloged(n) && wanted(n.id)).collect();
    let by_relations = selected.is_some();
    let (catalog, problems) =
        ask_databases(&revision, &nodes, by_relations, connection.as_ref(), notices);
    let (found, sources) = catalog.entries(manifest, &wanted);
    let errors: Vec<String> = problems.iter().map(|d| d.message.clone()).collect();
    let folder = &manifest.project.target_path;
    let (system, head) = (revision.settings.system.as_ref(), run_metadata(&revision.settings));
    write_catalog(system, folder, (&found, &sources), &errors, &head)?;
    copy_assets(&revision)?;
    let relations = found.len() + sources.len();
    Ok(DocsReport { path: folder.join("catalog.json"), relations, problems })
}

/// Copies the folders of `asset-paths` below the target path, where a documentation page finds its
/// pictures. As in dbt, a folder that is not there is none.
fn copy_assets(revision: &Revision) -> Result<(), OpsError> {
    let (system, project) = (revision.settings.system.as_ref(), &revision.manifest.project);
    for folder in &project.asset_paths {
        let from = normalize_path(&project.root.join(folder));
        let to = normalize_path(&project.target_path.join(folder));
        // A path that leads out of the project would replace what is not ours.
        let is_inside = to != project.target_path && to.starts_with(&project.target_path);
        if !is_inside || system.path_type(&from) != PathType::Folder {
            continue;
        }
        if system.path_type(&to) != PathType::Nothing {
            system.remove(&to)?;
        }
        for file in system.walk(&from)? {
            let below = file.path.strip_prefix(&from).unwrap_or(&file.path);
            let mut content = system.open(&file.path)?;
            system.write_stream(&to.join(below), &mut |out| {
                std::io::copy(&mut content, out).map(drop)
            })?;
        }
    }
    Ok(())
}

/// Compiles the selected nodes and writes the manifest with their SQL. The returned set also has
/// the selected seeds and sources.
fn compile_selected(
    revision: &Revision,
    selection: &Selection,
    connection: Option<&Connection>,
    notices: &mut Notices<'_>,
) -> Result<NodeSet, OpsError> {
    let manifest = &revision.manifest;
    let compiled_types = resource_types_of(CommandVerb::Compile);
    let mut kinds = compiled_types.to_vec();
    kinds.extend([ResourceType::Seed, ResourceType::Source]);
    let selected = choose_nodes(revision, selection, &kinds, notices)?;
    if selected.len() == 0 {
        let d = Diagnostic::dbt_warning(
            Code::EmptySelection,
            DbtEvent::NoNodesSelected,
            "the selection matches no node",
        );
        notices(Notice::Diagnostics(vec![d.help("`strata ls` shows what there is")]));
    }
    // A Python model has no SQL to compile.
    let chosen = selected.iter().map(|id| manifest.node(id)).filter(|node| node.sql);
    let chosen = chosen.filter(|node| compiled_types.contains(&node.resource_type()));
    let chosen: Vec<NodeId> = chosen.map(|node| node.id).collect();
    let existing = revision.inspect_stored(connection)?;
    let compiled =
        compile_into_files(revision, &chosen, SqlForm::default(), existing, connection, notices)?;
    write_compiled(revision, &compiled)?;
    Ok(selected)
}

/// The catalog of the databases that the nodes are in. If a database cannot be queried, its error
/// is returned with the others' catalog.
fn ask_databases(
    revision: &Revision,
    nodes: &[&Node],
    by_relations: bool,
    connection: Option<&Connection>,
    notices: &mut Notices<'_>,
) -> (Catalog, Vec<Diagnostic>) {
    let dialect = revision.manifest.project.dialect;
    let mut databases: BTreeMap<String, Database> = BTreeMap::new();
    for relation in nodes.iter().filter_map(|n| n.relation.as_ref()) {
        let name = relation.database().unwrap_or(&revision.manifest.project.target.database);
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
        match read_catalog_rows(revision, database, one_by_one, connection, notices) {
            Ok(rows) => rows.iter().for_each(|row| catalog.add(row)),
            Err(d) => problems.push(*d),
        }
    }
    (catalog, problems)
}

/// The rows of the macro `get_catalog_relations` or `get_catalog` for one database.
fn read_catalog_rows(
    revision: &Revision,
    database: &Database,
    one_by_one: bool,
    connection: Option<&Connection>,
    notices: &mut Notices<'_>,
) -> Result<Vec<JsonMap>, Box<Diagnostic>> {
    let mut schema = Relation::new(Some(database.name.as_str()), Some("INFORMATION_SCHEMA"), "");
    schema.path[2] = None;
    schema.quote = [true, false, false];
    let engine = revision.target().engine;
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
    let Some(def) = revision.renderer.registry().lookup_anywhere(name).cloned() else {
        return Err(Box::new(Diagnostic::error(
            Code::UnknownMacro,
            format!("there is no macro `{name}`"),
        )));
    };
    let call = MacroCall {
        def: &def,
        lookup_package: &revision.manifest.project.name,
        subject: catalog_subject(),
        args: vec![("information_schema", RelationValue::value(schema, engine)), what],
        span: Span::file(FileId(0)),
        transactions: TransactionControl::Creator,
    };
    let called = revision.compiler(Vec::new()).call(call, connection);
    for line in called.logs {
        notices(Notice::log(line));
    }
    if !called.warnings.is_empty() {
        notices(Notice::Diagnostics(called.warnings));
    }
    let value = called.value.map_err(|mut d| {
        // The error is in a built-in macro, not in a file of the project: drop the location.
        d.primary = d.primary.take().filter(|label| label.span != Span::file(FileId(0)));
        d
    })?;
    let wrong = |message: String| {
        Box::new(Diagnostic::error(Code::Runtime, message).primary(def.span, "this macro"))
    };
    let Some((names, rows)) = rows_of(&value) else {
        return Err(wrong(format!("the macro `{name}` gave no table")));
    };
    if let Some(missing) = REQUIRED_COLUMNS.iter().find(|n| !names.iter().any(|have| have == *n)) {
        return Err(wrong(format!(
            "the table that the macro `{name}` gave has no column `{missing}`"
        )));
    }
    let row = |cells: &Vec<Value>| -> JsonMap {
        names.iter().cloned().zip(cells.iter().map(to_json)).collect()
    };
    Ok(rows.iter().map(row).collect())
}

/// Stands in for the node that the catalog macros do not have.
fn catalog_subject() -> RenderSubject {
    RenderSubject {
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
        overrides: None,
        overload: None,
    }
}
