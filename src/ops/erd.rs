//! `export erd`: diagrams of the tables and how they refer to each other.

use super::dag::spec;
use super::export::{command_line, deliver};
use super::project::{choose, connect, open};
use super::{CliError, Exit, Invocation};
use crate::analyze::key_graph;
use crate::diag::{Code, Diagnostic};
use crate::export::GeneratedFile;
use crate::export::airflow::Granularity;
use crate::export::erd::{CatalogTypes, catalog_file, dbml, diagram, mermaid, svg};
use crate::inspect::inspect;
use crate::manifest::ResourceType;
use crate::report::count;
use crate::select::Selection;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErdFormat {
    Dbml,
    Mermaid,
    Svg,
}

pub(crate) struct ErdArgs {
    pub(crate) selection: Selection,
    /// None: all of them.
    pub(crate) format: Option<ErdFormat>,
    pub(crate) check: bool,
    pub(crate) refresh: bool,
}

const TYPES: &[ResourceType] =
    &[ResourceType::Model, ResourceType::Seed, ResourceType::Snapshot, ResourceType::Source];

/// The committed types of columns.
const CATALOG: &str = "docs/catalog.json";

pub(crate) fn export_erd(inv: &mut Invocation, args: &ErdArgs) -> Exit {
    let project = open(inv)?;
    let manifest = &project.manifest;
    if args.refresh {
        // The catalog has all relations, whatever part of them is drawn.
        let all: Vec<_> =
            manifest.nodes.iter().filter(|n| TYPES.contains(&n.resource_type())).collect();
        let mut warehouse = connect(inv, project)?;
        let existing = inspect(warehouse.as_mut(), manifest, all.iter().map(|n| n.id))?;
        let mut tables = Vec::new();
        let mut missing = Vec::new();
        for node in all.iter().filter(|n| !n.is_ephemeral()) {
            match node.relation.as_ref().and_then(|r| existing.find(r)) {
                Some(found) => {
                    let columns =
                        found.columns.iter().map(|c| (c.name.clone(), c.data_type.clone()));
                    tables.push((node.unique_id.clone(), columns.collect::<Vec<_>>()));
                }
                None => missing.push(node.display_name()),
            }
        }
        if tables.is_empty() {
            return Err(CliError::Usage {
                message: "the target has none of the project's relations".to_owned(),
                hints: vec!["build them first: strata build".to_owned()],
            });
        }
        if !missing.is_empty() {
            let d = Diagnostic::warning(
                Code::Ignored,
                format!("not in the database: {}", missing.join(", ")),
            );
            inv.console.diagnostic(&d.help("the catalog has no types of theirs"));
        }
        let what = count(tables.len(), "relation");
        deliver(
            inv,
            project,
            &[catalog_file(&tables)],
            false,
            &what,
            "strata export erd --refresh",
        )?;
    }
    let selected = choose(inv, project, &args.selection, TYPES)?;
    if selected.len() == 0 {
        return Err(CliError::Usage {
            message: "the selection matches no table".to_owned(),
            hints: vec!["`strata ls` shows what there is".to_owned()],
        });
    }
    let catalog = match inv.system.read(&manifest.project.root.join(CATALOG)) {
        Ok(text) => CatalogTypes::read(&text).ok_or_else(|| CliError::Usage {
            message: format!("{CATALOG} is no catalog"),
            hints: vec!["write it again: strata export erd --refresh".to_owned()],
        })?,
        Err(e) if e.not_found() => CatalogTypes::default(),
        Err(e) => return Err(e.into()),
    };
    let diagram = diagram(manifest, &key_graph(manifest), &selected, &catalog);
    let untyped =
        diagram.tables.iter().flat_map(|t| &t.columns).filter(|f| f.data_type.is_none()).count();
    if untyped > 0 && !args.check {
        let d = Diagnostic::warning(
            Code::Ignored,
            format!("{} have no type", count(untyped, "column")),
        );
        inv.console.diagnostic(
            &d.help("give them a `data_type`, or build and run `strata export erd --refresh`"),
        );
    }
    let mut spec = spec(&args.selection, Granularity::Model);
    if let Some(map) = spec.as_object_mut() {
        map.retain(|key, _| key != "by");
    }
    let command = command_line("strata export erd", &spec);
    let wanted = |format: ErdFormat| args.format.is_none_or(|f| f == format);
    let mut files = Vec::new();
    let mut add = |format: ErdFormat, path: &str, content: &dyn Fn() -> String| {
        if wanted(format) {
            files.push(GeneratedFile { path: path.into(), content: content() });
        }
    };
    add(ErdFormat::Dbml, "docs/erd.dbml", &|| dbml(&diagram, &command));
    add(ErdFormat::Mermaid, "docs/erd.mmd", &|| mermaid(&diagram, &command));
    add(ErdFormat::Svg, "docs/erd.svg", &|| svg(&diagram, &command));
    let what = format!(
        "{}, {}",
        count(diagram.tables.len(), "table"),
        count(diagram.references.len(), "reference")
    );
    deliver(inv, project, &files, args.check, &what, &command)
}
