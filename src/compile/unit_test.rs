//! Compiles the tested model of a unit test, with queries in place of its inputs.

use super::node::{CompileError, Compiled, Compiler, subject_of};
use crate::config::Json;
use crate::context::{Bindings, BoundQuery, DatabaseAccess, RenderSession, RenderSubject};
use crate::engine::ExistingRelations;
use crate::manifest::{ConfigLayer, Node, NodeId, UnitTest, UnitTestOverrides};
use crate::source::SqlText;
use crate::sql::inject_ctes;
use serde_json::json;
use std::sync::Arc;

/// The environment in which the texts of a unit test are rendered.
#[derive(Clone, Copy)]
pub(crate) struct UnitTestScene<'a> {
    pub(crate) node: &'a Node,
    pub(crate) test: &'a UnitTest,
    pub(crate) tested: &'a Node,
    pub(crate) existing: &'a Arc<ExistingRelations>,
    pub(crate) db: &'a DatabaseAccess,
}

impl UnitTestScene<'_> {
    /// The tested model as a template sees it: `model` is the unit test, as in dbt.
    fn subject(
        self,
        compiler: &Compiler,
        overrides: Option<Arc<UnitTestOverrides>>,
    ) -> RenderSubject {
        let name: Arc<str> = self.test.versioned_name(&self.node.name).into();
        let mut model = compiler.manifest.node_json(self.tested);
        for (key, value) in [
            ("name", Json::from(&*name)),
            ("alias", Json::from(&*name)),
            ("resource_type", Json::from("unit_test")),
            ("unique_id", Json::from(&*self.node.unique_id)),
            ("original_file_path", Json::from(&*self.node.original_file_path)),
            ("tested_node_unique_id", Json::from(&*self.tested.unique_id)),
        ] {
            model.insert(key.into(), value);
        }
        let mut config = (*self.node.config).clone();
        config.merge("materialized", json!("unit"), ConfigLayer::Properties, None);
        RenderSubject {
            unique_id: self.node.unique_id.clone(),
            name,
            kind: self.node.resource_type(),
            this: None,
            config: Arc::new(config),
            node: None,
            model: Json::Object(model),
            overrides,
            ..subject_of(self.tested)
        }
    }
}

impl Compiler {
    /// Compiles the tested model. References are printed as `bindings` say, and the queries that
    /// stand for nodes become CTEs.
    pub(crate) fn compile_tested(
        &self,
        scene: UnitTestScene<'_>,
        overrides: Option<Arc<UnitTestOverrides>>,
        bindings: &Arc<Bindings>,
    ) -> Result<Compiled, CompileError> {
        let UnitTestScene { tested, existing, db, .. } = scene;
        self.check_sql(tested)?;
        let subject = scene.subject(self, overrides);
        let session = self.session_of(subject, tested, bindings, existing, db.clone());
        let compiled = self.render_in_session(tested, &session)?;
        self.add_ctes(compiled, bindings, existing, db)
    }

    /// A session for the macros that write the rows of a fixture; `name` is that of its input.
    pub(crate) fn fixture_session(
        &self,
        scene: UnitTestScene<'_>,
        name: &str,
    ) -> Arc<RenderSession> {
        let mut subject = scene.subject(self, None);
        if let Some(model) = subject.model.as_object_mut() {
            model.insert("name".into(), Json::from(name));
        }
        let bindings = Arc::default();
        self.session_of(subject, scene.tested, &bindings, scene.existing, scene.db.clone())
    }

    /// A query with the CTEs that it refers to.
    pub(crate) fn complete_query(
        &self,
        query: BoundQuery,
        bindings: &Arc<Bindings>,
        existing: &Arc<ExistingRelations>,
        db: &DatabaseAccess,
    ) -> Result<Arc<SqlText>, CompileError> {
        let (ctes, _) = self.definitions(&query.ctes, bindings, existing, db)?;
        Ok(Arc::new(inject_ctes((*query.sql).clone(), &ctes)))
    }

    /// A node's own text with the given bindings, without the CTEs that it refers to.
    pub(crate) fn compile_body(
        &self,
        id: NodeId,
        bindings: &Arc<Bindings>,
        existing: &Arc<ExistingRelations>,
        db: &DatabaseAccess,
    ) -> Result<Compiled, CompileError> {
        let node = self.manifest.node(id);
        self.check_sql(node)?;
        match self.bind_form(node, bindings) {
            Some(bound) => Ok(bound),
            None => self.render(node, bindings, existing, db),
        }
    }
}
