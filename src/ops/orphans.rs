//! `clean relations`: lists the relations that no node of the project accounts for, such as those of
//! removed models, and drops those that are asked for.
//!
//! In: the manifest, what exists in the schemas of its nodes, another state's manifest. Out: the
//! relations, and what became of each. A schema may be shared with others, so nothing is dropped
//! that the user has not asked for, and nothing that something else depends on.

use super::OpsError;
use crate::config::Json;
use crate::engine::{
    Connection, Dialect, EngineError, ExistingRelation, Relation, Warehouse, helper_names,
};
use crate::inspect::Schemas;
use crate::select::PreviousState;
use crate::source::SqlText;
use crate::state::STATE_TABLE_NAME;
use crate::workspace::{Notices, Revision, Workspace};
use std::collections::{BTreeMap, HashSet};

/// Which of the relations are dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OrphanChoice {
    /// None: they are only listed.
    Listed,
    All,
    /// Those with these names, with or without their schema.
    Named(Vec<String>),
}

/// A relation that no node of the project accounts for.
#[derive(Debug)]
pub(crate) struct Orphan {
    pub(crate) relation: ExistingRelation,
    /// The node of the other state that was stored here.
    pub(crate) node: Option<String>,
    pub(crate) fate: OrphanFate,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum OrphanFate {
    /// It is there; nobody asked for it to be dropped.
    Listed,
    /// It would be dropped by a run that is not dry.
    Chosen,
    Dropped,
    /// It is there, since the database refused to drop it.
    Refused(String),
}

/// Finds the relations, drops the chosen ones and tells what became of them. With `--state`, they are those of the nodes which
/// that state has and the project has not; without, all in the schemas of the project's nodes.
pub(crate) fn clean_relations(
    workspace: &mut Workspace,
    choice: &OrphanChoice,
    is_dry: bool,
    notices: &mut Notices<'_>,
) -> Result<Vec<Orphan>, OpsError> {
    let revision = workspace.open(notices)?;
    let removed = match revision.settings.state.is_some() {
        true => Some(find_removed(&revision, &revision.read_deferred_state()?)),
        false => None,
    };
    let (connection, _watch) = revision.connect_alone(workspace.cancel_token())?;
    let mut orphans = connection.with(|warehouse| find_orphans(warehouse, &revision, &removed))?;
    let chosen = choose_orphans(&orphans, choice)?;
    if is_dry {
        chosen.into_iter().for_each(|at| orphans[at].fate = OrphanFate::Chosen);
    } else {
        drop_orphans(&connection, &mut orphans, chosen);
    }
    if *choice != OrphanChoice::Listed {
        orphans.retain(|orphan| orphan.fate != OrphanFate::Listed);
    }
    Ok(orphans)
}

/// The relations of a state's nodes that the project does not have, each with its node's id.
type RemovedRelations = Vec<(Relation, String)>;

fn find_removed(revision: &Revision, state: &PreviousState) -> RemovedRelations {
    let known = &revision.manifest.by_unique_id;
    let removed = state.nodes.iter().filter(|(id, _)| !known.contains_key(id.as_str()));
    removed.filter_map(|(id, node)| Some((stored_relation(node)?, id.clone()))).collect()
}

/// Where a node of another manifest is stored; `None` if it is not stored, or is not built.
fn stored_relation(node: &Json) -> Option<Relation> {
    let text = |key: &str| node.get(key).and_then(Json::as_str);
    let is_built = matches!(text("resource_type")?, "model" | "seed" | "snapshot");
    let has_relation = is_built && text("relation_name").is_some();
    has_relation.then(|| Some(Relation::new(text("database"), text("schema"), text("alias")?)))?
}

fn find_orphans(
    warehouse: &mut dyn Warehouse,
    revision: &Revision,
    removed: &Option<RemovedRelations>,
) -> Result<Vec<Orphan>, EngineError> {
    let dialect = warehouse.engine().dialect;
    let mut schemas = own_schemas(revision);
    let names = removed.iter().flatten().filter_map(|(r, _)| r.stored_schema(dialect));
    schemas.extend(names);
    let listed: Vec<(&str, &str)> = schemas.iter().map(|(d, s)| (d.as_str(), s.as_str())).collect();
    let known = known_keys(revision, dialect);
    let nodes: BTreeMap<String, &String> =
        removed.iter().flatten().map(|(relation, id)| (relation.key(dialect), id)).collect();
    let mut orphans = Vec::new();
    for relation in warehouse.list_independent_relations(&listed)? {
        let key = relation.relation.key(dialect);
        let node = nodes.get(&key).map(|id| (*id).clone());
        let is_asked_about = removed.is_none() || node.is_some();
        if is_asked_about && !known.contains(&key) {
            orphans.push(Orphan { relation, node, fate: OrphanFate::Listed });
        }
    }
    Ok(orphans)
}

fn own_schemas(revision: &Revision) -> Schemas {
    let stored: Vec<_> = revision.stored_nodes().collect();
    let dialect = revision.manifest.project.dialect;
    let relations = stored.iter().filter_map(|id| revision.manifest.node(*id).relation.as_ref());
    relations.filter_map(|relation| relation.stored_schema(dialect)).collect()
}

/// The keys of the relations that the project accounts for: those of its nodes and sources with what
/// a build keeps beside them, and the table of recorded publications.
fn known_keys(revision: &Revision, dialect: Dialect) -> HashSet<String> {
    let mut known = HashSet::new();
    let stored = revision.manifest.nodes.iter().filter(|node| !node.is_ephemeral());
    for relation in stored.filter_map(|node| node.relation.as_ref()) {
        known.extend(helper_names(relation, dialect).iter().map(|name| name.key(dialect)));
        known.insert(relation.renamed(STATE_TABLE_NAME).key(dialect));
    }
    known
}

/// The positions of the chosen relations. A name that is not among them is an error, before anything
/// is dropped.
fn choose_orphans(orphans: &[Orphan], choice: &OrphanChoice) -> Result<Vec<usize>, OpsError> {
    let names = match choice {
        OrphanChoice::Listed => return Ok(Vec::new()),
        OrphanChoice::All => return Ok((0..orphans.len()).collect()),
        OrphanChoice::Named(names) => names,
    };
    let mut chosen = Vec::new();
    for name in names {
        let found = (0..orphans.len()).filter(|at| is_named(&orphans[*at], name));
        let found: Vec<usize> = found.collect();
        if found.is_empty() {
            return Err(OpsError::usage(format!(
                "`{name}` is not among the relations that no node accounts for: \
                 'strata clean relations' lists them"
            )));
        }
        chosen.extend(found);
    }
    Ok(chosen)
}

fn is_named(orphan: &Orphan, name: &str) -> bool {
    let relation = &orphan.relation.relation;
    relation.identifier() == name || relation.short() == name
}

/// Drops relations, those first on which no other depends: as long as one can be dropped, the others
/// are tried again.
fn drop_orphans(connection: &Connection, orphans: &mut [Orphan], chosen: Vec<usize>) {
    let mut left = chosen;
    loop {
        let before = left.len();
        left.retain(|at| {
            let orphan = &mut orphans[*at];
            orphan.fate = match connection.with(|warehouse| drop_alone(warehouse, &orphan.relation))
            {
                Ok(()) => OrphanFate::Dropped,
                Err(problem) => OrphanFate::Refused(problem.message),
            };
            orphan.fate != OrphanFate::Dropped
        });
        if left.is_empty() || left.len() == before {
            return;
        }
    }
}

/// Drops a relation unless others depend on it, in a transaction of its own.
fn drop_alone(
    warehouse: &mut dyn Warehouse,
    existing: &ExistingRelation,
) -> Result<(), EngineError> {
    let name = existing.relation.render(warehouse.engine().dialect);
    let sql = SqlText::from(format!("drop {} {name}", existing.kind.sql()));
    warehouse.begin()?;
    let dropped = warehouse.execute(&sql).and_then(|_| warehouse.commit());
    if dropped.is_err() {
        warehouse.rollback()?;
    }
    dropped
}
