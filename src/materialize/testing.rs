//! Tests of all materializations, on both profiles of the fake engine.

use super::{
    AuditSubject, HookTime, MaterializationJob, MaterializationOutcome, PublicMacroArg,
    PublicMacroCall, SeedColumn, SeedJob, SeedLoadOutcome, StepResult, Steps, store_node,
};
use crate::diag::{Code, Diagnostic};
use crate::engine::testing::{FakeWarehouse, POINTER, TRANSACTIONAL};
use crate::engine::{
    ColumnChange, EngineError, EngineSpec, ExistingColumn, ExistingRelation, Publication, Relation,
    RelationKind, SqlType, Warehouse,
};
use crate::manifest::{ConfigLayer, Materialization, NodeConfig, ResourceType, TypedConfig};
use crate::outcome::NodeError;
use crate::source::{FileId, Span, SqlText};
use serde_json::json;
use std::sync::Arc;

/// Runs steps on a fake database, without templates.
struct FakeSteps {
    warehouse: FakeWarehouse,
    published: Option<ExistingRelation>,
    passes: bool,
    in_transaction: bool,
    /// Whether the file of an external model is written in its place.
    adds: bool,
    /// The indexes of a materialized view that differ from its config.
    index_changes: &'static str,
}

impl FakeSteps {
    fn new(warehouse: &FakeWarehouse, job: &MaterializationJob, passes: bool) -> FakeSteps {
        let published = job.existing.clone();
        FakeSteps {
            warehouse: warehouse.clone(),
            published,
            passes,
            in_transaction: false,
            adds: false,
            index_changes: "",
        }
    }

    fn note(&self, text: String) {
        self.warehouse.state().log.push(text);
    }
}

fn failed(e: EngineError) -> NodeError {
    NodeError::lasting(Diagnostic::error(Code::Runtime, e.message))
}

impl Steps for FakeSteps {
    fn execute(&mut self, sql: SqlText) -> StepResult {
        self.warehouse.execute(&sql).map(drop).map_err(failed)
    }

    fn create_overload(&mut self, index: usize, call: &PublicMacroCall) -> StepResult {
        self.log(format!("overload {index}"));
        self.call_macro(call)
    }

    fn call_macro(&mut self, call: &PublicMacroCall) -> StepResult {
        let creates = [
            "create_table_as",
            "get_create_view_as_sql",
            "get_create_materialized_view_as_sql",
            "strata_copy_table",
            "strata_external_view_sql",
            "strata_snapshot_table",
        ];
        let relation = call.args.iter().find_map(|arg| match arg {
            PublicMacroArg::Relation(relation) => Some(relation),
            _ => None,
        });
        let sql = match relation.filter(|_| {
            creates.contains(&call.name.as_str()) || call.name == "strata_snapshot_staging"
        }) {
            Some(relation) => match call.args.last() {
                Some(PublicMacroArg::Text(query)) if call.name == "strata_copy_table" => {
                    format!("create \"{}\" as {query}", relation.identifier())
                }
                _ => format!("create \"{}\"", relation.identifier()),
            },
            None => format!("{}()", call.name),
        };
        self.execute(SqlText::from(sql))
    }

    fn ask_macro(&mut self, call: &PublicMacroCall) -> Result<String, NodeError> {
        self.note(format!("ask {}", call.name));
        Ok(match call.name.as_str() {
            "strata_external_place" => {
                let place = json!({
                    "location": "out/m.csv", "read_location": "out/m.csv", "format": "csv",
                    "write_options": "format csv", "is_folder": false, "adds": self.adds,
                });
                place.to_string()
            }
            "strata_describe_index_changes" => self.index_changes.to_owned(),
            _ => String::new(),
        })
    }

    fn warn(&mut self, message: String) {
        self.note(format!("warn {message}"));
    }

    fn log(&mut self, message: String) {
        self.note(format!("log {message}"));
    }

    fn skip(&mut self, message: String) {
        self.note(message);
    }

    fn locate_file(&self, path: &str) -> String {
        path.to_owned()
    }

    fn move_file(&mut self, from: &str, to: &str) -> StepResult {
        self.note(format!("move {from} to {to}"));
        Ok(())
    }

    fn remove_file(&mut self, path: &str) -> StepResult {
        self.note(format!("remove {path}"));
        Ok(())
    }

    fn run_hooks(&mut self, time: HookTime) -> StepResult {
        self.note(format!("hooks {time:?}"));
        Ok(())
    }

    fn load_seed(&mut self, table: &Relation, _: &SeedJob) -> Result<SeedLoadOutcome, NodeError> {
        self.note(format!("load {}", table.identifier()));
        Ok(SeedLoadOutcome::Loaded)
    }

    fn alter_columns(
        &mut self,
        table: &Relation,
        statements: &[String],
        takes_away: bool,
    ) -> StepResult {
        let change = ColumnChange {
            relation: table,
            statements,
            takes_away,
            is_built_later: &|_| false,
            pause: &|_| {},
        };
        self.warehouse.alter_columns(&change).map(drop).map_err(failed)
    }

    fn drop_relation(&mut self, relation: &ExistingRelation) -> StepResult {
        self.warehouse.drop_relation(relation).map(drop).map_err(failed)
    }

    fn describe_relation(&mut self, relation: &Relation) -> Result<Vec<ExistingColumn>, NodeError> {
        self.note(format!("describe {}", relation.identifier()));
        Ok(self.warehouse.state().columns.clone())
    }

    fn describe_query(&mut self) -> Result<Vec<ExistingColumn>, NodeError> {
        self.note("describe the query".to_owned());
        Ok(self.warehouse.state().columns.clone())
    }

    fn begin(&mut self) -> StepResult {
        self.in_transaction = true;
        self.warehouse.begin().map_err(failed)
    }

    fn commit(&mut self) -> StepResult {
        self.in_transaction = false;
        self.warehouse.commit().map_err(failed)
    }

    fn audit(&mut self, audited: &AuditSubject) -> Result<bool, NodeError> {
        self.note(match audited {
            AuditSubject::Candidate(candidate) => format!("audit {}", candidate.identifier()),
            AuditSubject::Inside => "audit inside".to_owned(),
        });
        Ok(self.passes)
    }

    fn publish(&mut self, candidate: &Relation, kind: RelationKind) -> StepResult {
        let published = Relation::new(Some("db"), Some("main"), "m");
        let publication = Publication {
            published: &published,
            existing: self.published.as_ref(),
            candidate,
            kind,
            has_hooks: false,
            is_built_later: &|_| false,
            take_turn: &|| {},
            pause: &|_| {},
        };
        self.warehouse.publish(&publication).map(drop).map_err(failed)
    }

    fn reattach_objects(&mut self) -> StepResult {
        Ok(())
    }

    fn finish(&mut self) -> StepResult {
        self.note("finish".to_owned());
        if std::mem::take(&mut self.in_transaction) {
            self.warehouse.commit().map_err(failed)?;
        }
        Ok(())
    }

    fn roll_back(&mut self) -> StepResult {
        if std::mem::take(&mut self.in_transaction) {
            self.warehouse.rollback().map_err(failed)?;
        }
        Ok(())
    }

    fn keep_rejected(
        &mut self,
        candidate: &Relation,
        kept: &Relation,
        kind: RelationKind,
    ) -> StepResult {
        self.warehouse.keep_rejected(candidate, kept, kind).map(drop).map_err(failed)
    }
}

fn columns(list: &[(&str, &str)]) -> Vec<ExistingColumn> {
    let column = |(name, data_type): &(&str, &str)| ExistingColumn {
        name: (*name).to_owned(),
        data_type: (*data_type).to_owned(),
    };
    list.iter().map(column).collect()
}

/// A test case: a node `m`, its existing table, and whether its guards pass.
struct Case {
    materialization: Materialization,
    spec: &'static EngineSpec,
    config: Vec<(&'static str, serde_json::Value)>,
    /// The columns of the existing table; `None` if there is none.
    existing: Option<Vec<ExistingColumn>>,
    /// The columns of the node's query.
    query: Vec<ExistingColumn>,
    passes: bool,
}

impl Case {
    fn new(materialization: Materialization, spec: &'static EngineSpec) -> Case {
        let query = columns(&[("a", "INTEGER")]);
        Case { materialization, spec, config: Vec::new(), existing: None, query, passes: true }
    }

    fn over(mut self, existing: &[(&str, &str)]) -> Case {
        self.existing = Some(columns(existing));
        self
    }

    fn with(mut self, key: &'static str, value: serde_json::Value) -> Case {
        self.config.push((key, value));
        self
    }

    fn query(mut self, query: &[(&str, &str)]) -> Case {
        self.query = columns(query);
        self
    }

    fn failing(mut self) -> Case {
        self.passes = false;
        self
    }

    fn job(&self) -> MaterializationJob {
        let target = Relation::new(Some("db"), Some("main"), "m");
        let mut config = NodeConfig::default();
        for (key, value) in &self.config {
            config.merge(key, value.clone(), ConfigLayer::InFile, None);
        }
        let existing = self
            .existing
            .clone()
            .map(|columns| ExistingRelation::new(target.clone(), RelationKind::Table, columns));
        let is_seed = self.materialization == Materialization::Seed;
        let kind = match self.materialization {
            Materialization::Seed => ResourceType::Seed,
            Materialization::Snapshot => ResourceType::Snapshot,
            _ => ResourceType::Model,
        };
        MaterializationJob {
            target,
            span: Span::file(FileId(0)),
            existing,
            has_inside_post_hooks: config.get("post-hook").is_some(),
            config: Arc::new(TypedConfig::read(kind, &config)),
            full_refresh: false,
            engine: self.spec,
            has_outside_post_hooks: false,
            has_inside_pre_hooks: false,
            is_described: true,
            leftovers: Vec::new(),
            seed: is_seed.then(seed),
            function: None,
            overloads: 0,
        }
    }

    /// The log of the database without hooks, the ending, and the relations that exist then.
    fn run(&self) -> (Vec<String>, Result<MaterializationOutcome, NodeError>, Vec<String>) {
        let mut warehouse = FakeWarehouse::new(self.spec);
        warehouse.state().columns = self.query.clone();
        if self.existing.is_some() {
            warehouse.add_table("m");
        }
        let job = self.job();
        let mut steps = FakeSteps::new(&warehouse, &job, self.passes);
        let ending = store_node(self.materialization, &job, &mut steps);
        let log = warehouse.log().into_iter().filter(|l| !l.starts_with("hooks")).collect();
        let there = warehouse.state().relations.keys().cloned().collect();
        (log, ending, there)
    }

    fn log(&self) -> Vec<String> {
        self.run().0
    }
}

fn seed() -> SeedJob {
    let column = SeedColumn {
        name: "a".to_owned(),
        found: Some(SqlType::Integer { bits: 32, signed: true }),
        data_type: "INTEGER".to_owned(),
    };
    SeedJob {
        path: "/p/s.csv".to_owned(),
        file: "s.csv".to_owned(),
        columns: vec![column],
        rows: Some(1),
        offsets_dropped: Vec::new(),
        provisional: None,
        delimiter: ",".to_owned(),
        quote_columns: true,
    }
}

const PROFILES: [&EngineSpec; 2] = [&TRANSACTIONAL, &POINTER];

#[test]
fn a_table_is_swapped_in_after_its_audit() {
    for spec in PROFILES {
        let (log, ending, there) = Case::new(Materialization::Table, spec).run();
        let mut expected = vec!["create \"m__dbt_tmp\"", "audit m__dbt_tmp"];
        let is_transactional = spec.label == TRANSACTIONAL.label;
        if is_transactional {
            expected.push("begin");
        }
        expected.extend(["publish m__dbt_tmp as m", "create_indexes()", "finish"]);
        if is_transactional {
            expected.push("commit");
        }
        assert_eq!(log, expected, "{}", spec.label);
        assert_eq!(ending.unwrap(), MaterializationOutcome::Published);
        assert_eq!(there, ["m"]);
    }
}

#[test]
fn a_materialized_view_with_other_indexes_is_made_left_or_refused() {
    for (word, changes, made, warned, refused) in [
        ("apply", "+ index on a", true, false, false),
        ("continue", "", true, false, false),
        ("continue", "+ index on a", false, true, false),
        ("fail", "", true, false, false),
        ("fail", "+ index on a", false, false, true),
    ] {
        let case = Case::new(Materialization::MaterializedView, &TRANSACTIONAL)
            .with("on_configuration_change", json!(word));
        let mut job = case.job();
        let (relation, kind) = (job.target.clone(), RelationKind::MaterializedView);
        job.existing = Some(ExistingRelation::new(relation, kind, Vec::new()));
        let mut warehouse = FakeWarehouse::new(case.spec);
        warehouse.add_table("m");
        let fake = FakeSteps::new(&warehouse, &job, true);
        let mut steps = FakeSteps { index_changes: changes, ..fake };
        let ending = store_node(Materialization::MaterializedView, &job, &mut steps);
        let log = warehouse.log();
        let has = |text: &str| log.iter().any(|line| line.starts_with(text));
        assert_eq!(has("publish"), made, "{word}: {log:?}");
        assert_eq!(has("warn"), warned, "{word}");
        assert_eq!(ending.is_err(), refused, "{word}");
        assert_eq!(has("ask"), word != "apply", "{word}: it asks only if the answer counts");
    }
}

#[test]
fn a_file_gets_its_name_after_its_audit() {
    for spec in PROFILES {
        let (log, ending, there) = Case::new(Materialization::External, spec).run();
        let at = |text: &str| {
            log.iter().position(|line| line == text).unwrap_or_else(|| panic!("{text}: {log:?}"))
        };
        let order = [
            "remove out/m__dbt_tmp.csv",
            "write_to_file()",
            "create \"m__dbt_tmp\"",
            "audit m__dbt_tmp",
            "move out/m__dbt_tmp.csv to out/m.csv",
            "create \"m\"",
            "finish",
        ];
        let places: Vec<usize> = order.iter().map(|text| at(text)).collect();
        assert!(places.is_sorted(), "{}: {log:?}", spec.label);
        assert_eq!(ending.unwrap(), MaterializationOutcome::Published);
        assert!(there.contains(&"m".to_owned()) && !there.contains(&"m__dbt_tmp".to_owned()));
        let (log, ending, there) = Case::new(Materialization::External, spec).failing().run();
        assert!(log.iter().any(|l| l == "move out/m__dbt_tmp.csv to out/m__rejected.csv"));
        assert!(!log.iter().any(|l| l.ends_with("to out/m.csv")), "{log:?}");
        assert!(matches!(ending.unwrap(), MaterializationOutcome::Rejected(Some(_))));
        assert!(there.contains(&"m__rejected".to_owned()) && !there.contains(&"m".to_owned()));
    }
}

#[test]
fn what_does_not_pass_is_kept_under_another_name() {
    for spec in PROFILES {
        for materialization in [Materialization::Table, Materialization::View] {
            let case = Case::new(materialization, spec).over(&[("a", "INTEGER")]).failing();
            let (log, ending, there) = case.run();
            assert_eq!(log.last().unwrap(), "keep m__dbt_tmp as m__rejected");
            let kept = Relation::new(Some("db"), Some("main"), "m__rejected");
            let MaterializationOutcome::Rejected(Some(found)) = ending.unwrap() else {
                panic!("published")
            };
            assert_eq!(found.identifier(), kept.identifier());
            assert_eq!(there, ["m", "m__rejected"], "the published table is as it was");
        }
    }
}

#[test]
fn post_hooks_in_the_transaction_are_audited_inside_the_swap() {
    let case = Case::new(Materialization::Table, &TRANSACTIONAL).with("post-hook", json!("x"));
    let log = case.log();
    assert_eq!(
        log[1..],
        [
            "begin",
            "publish m__dbt_tmp as m",
            "create_indexes()",
            "audit inside",
            "finish",
            "commit"
        ]
    );
    let (log, _, there) = case.failing().run();
    assert_eq!(log[5..], ["rollback", "keep m__dbt_tmp as m__rejected"]);
    assert_eq!(there, ["m__rejected"], "nothing was published before");
    // Without transactions, nothing could be rolled back, so the candidate is audited.
    let case = Case::new(Materialization::Table, &POINTER).with("post-hook", json!("x"));
    assert_eq!(case.log()[1..3], ["audit m__dbt_tmp", "publish m__dbt_tmp as m"]);
}

#[test]
fn a_delta_is_applied_inside_a_transaction() {
    let case = Case::new(Materialization::Incremental, &TRANSACTIONAL)
        .over(&[("a", "INTEGER")])
        .with("unique_key", json!("a"));
    let log = case.log();
    assert_eq!(
        log,
        [
            "begin",
            "create \"strata_delta\"",
            "describe strata_delta",
            "get_incremental_delete_insert_sql()",
            "drop table if exists \"strata_delta\"",
            "audit inside",
            "finish",
            "commit",
        ]
    );
    let (log, ending, _) = case.failing().run();
    assert_eq!(log.last().unwrap(), "rollback");
    assert_eq!(ending.unwrap(), MaterializationOutcome::Rejected(None));
}

#[test]
fn a_delta_is_applied_to_a_copy_where_there_are_no_transactions() {
    let case = Case::new(Materialization::Incremental, &POINTER).over(&[("a", "INTEGER")]);
    let log = case.log();
    assert_eq!(
        log,
        [
            "describe the query",
            "create \"m__dbt_tmp\" as select \"a\" from \"db\".\"main\".\"m\"",
            "drop m__delta",
            "create \"m__delta\"",
            "describe m__delta",
            "get_incremental_append_sql()",
            "drop m__delta",
            "audit m__dbt_tmp",
            "publish m__dbt_tmp as m",
            "create_indexes()",
            "finish",
        ]
    );
    let (_, _, there) = case.failing().run();
    assert_eq!(there, ["m", "m__rejected"], "nothing of the delta is seen");
}

#[test]
fn new_columns_are_there_before_the_delta_is_written() {
    for spec in PROFILES {
        let case = Case::new(Materialization::Incremental, spec)
            .over(&[("a", "INTEGER")])
            .query(&[("a", "INTEGER"), ("b", "DATE")])
            .with("on_schema_change", json!("append_new_columns"));
        let log = case.log();
        let written = log.iter().position(|l| l.starts_with("get_incremental")).unwrap();
        if spec.label == TRANSACTIONAL.label {
            let added = "alter alter table \"db\".\"main\".\"m\" add column \"b\" DATE";
            assert!(log[..written].contains(&added.to_owned()), "{log:?}");
        } else {
            assert!(!log.iter().any(|l| l.starts_with("alter")), "{log:?}");
            let copy = "create \"m__dbt_tmp\" as select \"a\", cast(null as DATE) as \"b\" from \"db\".\"main\".\"m\"";
            assert!(log.contains(&copy.to_owned()), "the copy has it: {log:?}");
        }
    }
}

#[test]
fn a_model_that_stops_at_other_columns_writes_nothing() {
    for spec in PROFILES {
        let case = Case::new(Materialization::Incremental, spec)
            .over(&[("a", "INTEGER")])
            .query(&[("b", "DATE")])
            .with("on_schema_change", json!("fail"));
        let (log, ending, _) = case.run();
        let message = ending.unwrap_err().diagnostic.message.clone();
        assert!(message.contains("new [b], missing [a]"), "{message}");
        assert!(!log.iter().any(|l| l.starts_with("get_incremental")), "{log:?}");
    }
}

#[test]
fn a_first_build_is_that_of_a_table() {
    for spec in PROFILES {
        for materialization in [Materialization::Incremental, Materialization::Snapshot] {
            let log = Case::new(materialization, spec).log();
            assert_eq!(log[..2], ["create \"m__dbt_tmp\"", "audit m__dbt_tmp"]);
        }
    }
}

const SNAPSHOT: [(&str, &str); 5] = [
    ("a", "INTEGER"),
    ("dbt_scd_id", "VARCHAR"),
    ("dbt_updated_at", "DATE"),
    ("dbt_valid_from", "DATE"),
    ("dbt_valid_to", "DATE"),
];

#[test]
fn versions_are_merged_in_place_or_on_a_copy() {
    let log = Case::new(Materialization::Snapshot, &TRANSACTIONAL).over(&SNAPSHOT).log();
    let staged = ["create \"strata_delta\"", "describe strata_delta", "snapshot_merge_sql()"];
    assert_eq!(log[1..4], staged);
    assert_eq!(log[5..], ["audit inside", "finish", "commit"]);
    let case = Case::new(Materialization::Snapshot, &POINTER).over(&SNAPSHOT);
    let log = case.log();
    let on_copy = [
        "create \"m__dbt_tmp\" as select * from \"db\".\"main\".\"m\"",
        "create \"m__delta\"",
        "describe m__delta",
    ];
    assert_eq!(log[..3], on_copy);
    assert_eq!(log[5..7], ["audit m__dbt_tmp", "publish m__dbt_tmp as m"]);
    let other = Case::new(Materialization::Snapshot, &POINTER).over(&[("a", "INTEGER")]);
    let message = other.run().1.unwrap_err().diagnostic.message.clone();
    assert!(message.ends_with("it is not the table of this snapshot"), "{message}");
}

#[test]
fn a_seed_fills_a_candidate() {
    for spec in PROFILES {
        let log = Case::new(Materialization::Seed, spec).log();
        let create = "create table \"db\".\"main\".\"m__dbt_tmp\" (\"a\" INTEGER)";
        assert_eq!(log[..3], [create, "load m__dbt_tmp", "audit m__dbt_tmp"]);
        let other = Case::new(Materialization::Seed, spec).over(&[("b", "INTEGER")]);
        let message = other.run().1.unwrap_err().diagnostic.message.clone();
        assert!(message.contains("`--full-refresh` makes the table anew"), "{message}");
    }
}

#[test]
fn a_publication_depends_on_the_version_that_was_read() {
    let case = Case::new(Materialization::Table, &POINTER);
    let mut warehouse = FakeWarehouse::new(case.spec);
    let job = case.job();
    let mut steps = FakeSteps::new(&warehouse, &job, true);
    // Another session publishes the node while it is being built.
    warehouse.add_table("m");
    let e = store_node(case.materialization, &job, &mut steps).unwrap_err();
    assert_eq!(e.diagnostic.message, "another version was published meanwhile");
}
