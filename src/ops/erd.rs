//! `export erd`: entity-relationship diagrams of tables and their references.

use super::OpsError;
use super::choose::choose_nodes;
use super::generated::{Delivery, deliver_files, write_command_line};
use super::schedule::write_spec;
use crate::analyze::build_key_graph;
use crate::export::GeneratedFile;
use crate::export::airflow::Granularity;
use crate::export::erd::{
    CatalogTypes, Diagram, build_diagram, catalog_file, write_dbml, write_mermaid, write_svg,
};
use crate::inspect::inspect_relations;
use crate::manifest::{Node, ResourceType};
use crate::select::Selection;
use crate::workspace::{Notices, Revision, Workspace};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErdFormat {
    Dbml,
    Mermaid,
    Svg,
}

impl ErdFormat {
    const ALL: [ErdFormat; 3] = [ErdFormat::Dbml, ErdFormat::Mermaid, ErdFormat::Svg];

    fn path(self) -> &'static str {
        match self {
            ErdFormat::Dbml => "docs/erd.dbml",
            ErdFormat::Mermaid => "docs/erd.mmd",
            ErdFormat::Svg => "docs/erd.svg",
        }
    }

    fn draw(self, diagram: &Diagram, command: &str) -> String {
        match self {
            ErdFormat::Dbml => write_dbml(diagram, command),
            ErdFormat::Mermaid => write_mermaid(diagram, command),
            ErdFormat::Svg => write_svg(diagram, command),
        }
    }
}

pub(crate) struct ErdOptions {
    pub(crate) selection: Selection,
    /// `None`: all formats.
    pub(crate) format: Option<ErdFormat>,
    pub(crate) check: bool,
    pub(crate) refresh: bool,
}

pub(crate) struct ErdReport {
    pub(crate) refreshed: Option<RefreshReport>,
    pub(crate) delivery: Delivery,
    pub(crate) tables: usize,
    pub(crate) references: usize,
    /// The number of columns without a known type.
    pub(crate) untyped_columns: usize,
}

/// The result of writing the catalog of column types again.
pub(crate) struct RefreshReport {
    pub(crate) delivery: Delivery,
    pub(crate) relations: usize,
    /// Nodes whose relations do not exist in the database.
    pub(crate) missing: Vec<String>,
}

const TYPES: &[ResourceType] =
    &[ResourceType::Model, ResourceType::Seed, ResourceType::Snapshot, ResourceType::Source];

/// The committed file of column types.
const CATALOG: &str = "docs/catalog.json";

pub(crate) fn export_erd(
    workspace: &mut Workspace,
    options: &ErdOptions,
    notices: &mut Notices<'_>,
) -> Result<ErdReport, OpsError> {
    let revision = workspace.open(notices)?;
    let refreshed = options.refresh.then(|| refresh_catalog(&revision)).transpose()?;
    let selected = choose_nodes(&revision, &options.selection, TYPES, notices)?;
    if selected.len() == 0 {
        return Err(OpsError::usage_with_hint(
            "the selection matches no table",
            "`strata ls` shows what there is",
        ));
    }
    let catalog = read_catalog(&revision)?;
    let manifest = &revision.manifest;
    let diagram = build_diagram(manifest, &build_key_graph(manifest), &selected, &catalog);
    let columns = diagram.tables.iter().flat_map(|t| &t.columns);
    let untyped_columns = columns.filter(|f| f.data_type.is_none()).count();
    let command = command_of(&options.selection);
    let formats = ErdFormat::ALL.into_iter().filter(|f| options.format.is_none_or(|o| o == *f));
    let files: Vec<GeneratedFile> = formats
        .map(|format| GeneratedFile {
            path: format.path().into(),
            content: format.draw(&diagram, &command),
        })
        .collect();
    let delivery = deliver_files(&revision, &files, options.check, &command)?;
    let (tables, references) = (diagram.tables.len(), diagram.references.len());
    Ok(ErdReport { refreshed, delivery, tables, references, untyped_columns })
}

/// The command that writes the diagrams of a selection, without the flags for their format.
fn command_of(selection: &Selection) -> String {
    let mut spec = write_spec(selection, Granularity::Model);
    if let Some(map) = spec.as_object_mut() {
        map.retain(|key, _| key != "by");
    }
    write_command_line("strata export erd", &spec)
}

/// Writes the column types of all relations, whether or not they are selected for the diagram.
fn refresh_catalog(revision: &Revision) -> Result<RefreshReport, OpsError> {
    let manifest = &revision.manifest;
    let all: Vec<&Node> = manifest
        .nodes
        .iter()
        .map(|n| &**n)
        .filter(|n| TYPES.contains(&n.resource_type()))
        .collect();
    let mut warehouse = revision.connect()?;
    let existing = inspect_relations(warehouse.as_mut(), manifest, all.iter().map(|n| n.id))?;
    let (mut tables, mut missing) = (Vec::new(), Vec::new());
    for node in all.iter().filter(|n| !n.is_ephemeral()) {
        match node.relation.as_ref().and_then(|r| existing.find(r)) {
            Some(found) => {
                let columns = found.columns.iter().map(|c| (c.name.clone(), c.data_type.clone()));
                tables.push((node.unique_id.clone(), columns.collect::<Vec<_>>()));
            }
            None => missing.push(node.display_name()),
        }
    }
    if tables.is_empty() {
        return Err(OpsError::usage_with_hint(
            "the target has none of the project's relations",
            "build them first: strata build",
        ));
    }
    let file = catalog_file(&tables);
    let delivery = deliver_files(revision, &[file], false, "strata export erd --refresh")?;
    Ok(RefreshReport { delivery, relations: tables.len(), missing })
}

fn read_catalog(revision: &Revision) -> Result<CatalogTypes, OpsError> {
    let path = revision.manifest.project.root.join(CATALOG);
    match revision.settings.system.read(&path) {
        Ok(text) => CatalogTypes::read(&text).ok_or_else(|| {
            let hint = "write it again: strata export erd --refresh";
            OpsError::usage_with_hint(format!("{CATALOG} is no catalog"), hint)
        }),
        Err(e) if e.not_found() => Ok(CatalogTypes::default()),
        Err(e) => Err(e.into()),
    }
}
