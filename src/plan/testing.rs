//! Plans of in-memory projects, for this module's tests.

use super::{CommandVerb, Plan, PlanRequest, StartOrder, plan_steps};
use crate::engine::{ExistingRelation, ExistingRelations, RelationKind, schema_key};
use crate::manifest::{Manifest, NodeId, NodeSet};
use crate::resolve::testing::project;

/// A project and a command. Initially an audited `build` of everything, with an unknown state of
/// the database.
pub(super) struct Trial {
    pub(super) manifest: Manifest,
    pub(super) selected: NodeSet,
    pub(super) existing: ExistingRelations,
    pub(super) verb: CommandVerb,
    pub(super) audit: bool,
    pub(super) full_refresh: bool,
    pub(super) store_failures: bool,
    pub(super) order: StartOrder,
    /// The name of a node that publishes itself.
    pub(super) publishes_itself: &'static str,
}

impl Trial {
    pub(super) fn new(files: &[(&str, &str)]) -> Trial {
        let (manifest, said) = project(files);
        assert!(said.iter().all(|d| !d.is_error()), "{said:?}");
        Trial::of(manifest)
    }

    pub(super) fn of(manifest: Manifest) -> Trial {
        Trial {
            selected: manifest.all().map(|node| node.id).collect(),
            manifest,
            existing: ExistingRelations::Unknown,
            verb: CommandVerb::Build,
            audit: true,
            full_refresh: false,
            store_failures: false,
            order: StartOrder::Level,
            publishes_itself: "",
        }
    }

    /// Removes nodes from the selection.
    pub(super) fn without(mut self, names: &[&str]) -> Trial {
        let gone: Vec<NodeId> = names.iter().map(|name| self.id(name)).collect();
        self.selected.retain(|id| !gone.contains(&id));
        self
    }

    /// Changes the command.
    pub(super) fn asked_to(self, verb: CommandVerb) -> Trial {
        Trial { verb, ..self }
    }

    /// Turns audits off (`--no-audit`), so that tests are steps of their own.
    pub(super) fn unaudited(self) -> Trial {
        Trial { audit: false, ..self }
    }

    /// Gives the command a database that has the schema `main` and the relations of some nodes,
    /// with the given kinds.
    pub(super) fn beside(self, relations: &[(&str, RelationKind)]) -> Trial {
        let dialect = self.manifest.project.dialect;
        let one = |(name, kind): &(&str, RelationKind)| {
            let relation = self.manifest.node(self.id(name)).relation.clone();
            ExistingRelation::new(relation.unwrap(), *kind, Vec::new())
        };
        let relations = relations.iter().map(one).collect();
        let schemas = [schema_key(dialect, "shop", "main")].into();
        Trial { existing: ExistingRelations::known(dialect, relations, schemas), ..self }
    }

    pub(super) fn id(&self, name: &str) -> NodeId {
        let found = self.manifest.all().find(|node| &*node.name == name);
        found.unwrap_or_else(|| panic!("there is no {name}")).id
    }

    pub(super) fn name(&self, id: NodeId) -> String {
        self.manifest.node(id).name.to_string()
    }

    /// Calls `work` with the request of the command.
    pub(super) fn ask<T>(&self, work: impl FnOnce(&PlanRequest<'_>) -> T) -> T {
        work(&PlanRequest {
            manifest: &self.manifest,
            selected: &self.selected,
            existing: &self.existing,
            verb: self.verb,
            audit: self.audit,
            full_refresh: self.full_refresh,
            store_failures: self.store_failures,
            order: self.order,
            publishes_itself: &|id| self.name(id) == self.publishes_itself,
        })
    }

    pub(super) fn plan(&self) -> Plan {
        self.ask(|request| plan_steps(request).unwrap_or_else(|d| panic!("{}", d.message)))
    }

    /// All steps by name, as `node [its guards] <its parents ~its other predecessors`.
    pub(super) fn lines(&self) -> Vec<String> {
        let plan = self.plan();
        let listed = |sign: &str, mut names: Vec<String>, end: &str| {
            names.sort();
            if names.is_empty() { String::new() } else { format!("{sign}{}{end}", names.join(" ")) }
        };
        let steps_of = |numbers: &[usize]| {
            numbers.iter().map(|n| self.name(plan.steps[*n].node)).collect::<Vec<_>>()
        };
        let line = |step: &super::Step| {
            let guards = step.guards.iter().map(|id| self.name(*id)).collect();
            let parents = listed(" <", steps_of(&step.parents), "");
            let after = listed(" ~", steps_of(&step.after), "");
            format!("{}{}{parents}{after}", self.name(step.node), listed(" [", guards, "]"))
        };
        let mut lines: Vec<String> = plan.steps.iter().map(line).collect();
        lines.sort();
        lines
    }

    /// The names of the steps in the order of their turns.
    pub(super) fn by_turn(&self) -> Vec<String> {
        let mut steps = self.plan().steps;
        steps.sort_by_key(|step| step.turn);
        steps.iter().map(|step| self.name(step.node)).collect()
    }

    /// Replaces the ids of nodes by their names.
    pub(super) fn named(&self, said: &[(NodeId, String)]) -> Vec<(String, String)> {
        said.iter().map(|(id, text)| (self.name(*id), text.clone())).collect()
    }
}

/// A properties file with generic tests, given as (name, tested model, target). A test with a
/// target is a `relationships` test, one with `""` is `not_null`. Tests of one model have to be
/// adjacent.
pub(super) fn tests_of_models(tests: &[(&str, &str, &str)]) -> String {
    let one = |(name, _, to): &(&str, &str, &str)| match *to {
        "" => format!("{{not_null: {{name: {name}}}}}"),
        to => {
            format!("{{relationships: {{name: {name}, arguments: {{to: \"{to}\", field: id}}}}}}")
        }
    };
    let mut models: Vec<&str> = tests.iter().map(|(_, model, _)| *model).collect();
    models.dedup();
    let entry = |model: &&str| {
        let own: Vec<String> = tests.iter().filter(|test| test.1 == *model).map(one).collect();
        let own = own.join(", ");
        format!("  - {{name: {model}, columns: [{{name: id, data_tests: [{own}]}}]}}\n")
    };
    format!("models:\n{}", models.iter().map(entry).collect::<String>())
}
