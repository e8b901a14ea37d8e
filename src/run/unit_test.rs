//! Runs a unit test: the tested model on rows that are written by hand, in one query that only reads.
//!
//! The types of an input's columns are those of its relation. A relation that is not there yet has
//! the columns that its query would return, so that nothing has to be built before.

use super::failure::{compile_failure, internal_error, sql_error};
use super::input_columns::InputColumns;
use super::node::NodeRun;
use super::test::TestRun;
use crate::compile::{CompileError, UnitTestScene};
use crate::config::Json;
use crate::context::{Bindings, BoundQuery, DatabaseAccess, NodeScope, failure_diagnostic};
use crate::diag::{Code, Diagnostic};
use crate::engine::{Cell, ExistingColumn, Table};
use crate::jinja::{dict, from_json, list};
use crate::manifest::{
    Fixture, FixtureCell, FixtureRow, FixtureRows, FoundNode, Given, GivenNode, Node, NodeId,
    NodeKind, RowsFrom, UnitTest, UnitTestOverrides,
};
use crate::outcome::{NodeError, NodeOutcome, RowDiff, RunStatus, describe_difference};
use crate::source::{Origin, SqlText};
use minijinja::value::Value;
use std::sync::Arc;

/// The column that tells the two sides of the comparison apart.
const SIDE: &str = "actual_or_expected";

pub(super) fn run_unit_test(run: &NodeRun<'_>, test: &UnitTest) -> TestRun {
    let Some(tested) = run.node.depends_on.first().map(|id| run.manifest().node(*id)) else {
        let e = internal_error(&format!("the unit test `{}` has no model", run.node.name));
        return TestRun::failed(e);
    };
    let db = DatabaseAccess::Live(run.connection.clone());
    let scene = UnitTestScene { node: run.node, test, tested, existing: run.existing, db: &db };
    let rehearsal = Rehearsal { run, scene };
    match rehearsal.carry_out() {
        Ok(done) => done,
        Err(e) => TestRun::failed(e),
    }
}

/// One run of a unit test.
struct Rehearsal<'a> {
    run: &'a NodeRun<'a>,
    scene: UnitTestScene<'a>,
}

impl Rehearsal<'_> {
    fn carry_out(&self) -> Result<TestRun, NodeError> {
        let test = self.scene.test;
        let bindings = Arc::new(self.bind_inputs()?);
        let compiled = self.compile(&bindings, test.overrides.clone())?;
        let columns = self.describe(&compiled.sql)?;
        let compared = self.compared_columns(&columns)?;
        let sql = self.comparing_query(&compiled.sql, &columns, &compared)?;
        let fetched = self.run.connection.with(|warehouse| warehouse.fetch(&sql, None));
        let (reply, table) = fetched.map_err(|e| self.sql_error(&e, &sql))?;
        let (actual, expected) = split_sides(table);
        let outcome = match describe_difference(&compared, &expected, &actual) {
            None => NodeOutcome { failures: Some(0), ..NodeOutcome::new(RunStatus::Pass) },
            Some(message) => NodeOutcome {
                failures: Some(1),
                message: Some(message),
                row_diff: Some(Arc::new(RowDiff::new(compared, expected, actual))),
                ..NodeOutcome::new(RunStatus::Fail)
            },
        };
        let outcome = NodeOutcome {
            adapter_response: reply.to_json(),
            place: Some(self.run.node.span),
            compiled: Some(compiled.sql.clone()),
            ..outcome
        };
        Ok(TestRun::ended(outcome, compiled))
    }

    fn compile(
        &self,
        bindings: &Arc<Bindings>,
        overrides: Option<Arc<UnitTestOverrides>>,
    ) -> Result<crate::compile::Compiled, NodeError> {
        let compiler = &self.run.shared.compiler;
        let compiled = compiler.compile_tested(self.scene, overrides, bindings);
        compiled.map_err(|e| self.compile_error(e))
    }

    fn compile_error(&self, e: CompileError) -> NodeError {
        let outcome = compile_failure(e, self.run.node);
        match outcome.failed {
            Some(failed) => NodeError::lasting(failed.diagnostic),
            None => internal_error("a text that cannot be compiled has no error"),
        }
    }

    fn sql_error(&self, e: &crate::engine::EngineError, sql: &SqlText) -> NodeError {
        let mut e = sql_error(e, sql, self.run.node.span);
        let d = (*e.diagnostic).clone();
        let name = &self.run.node.name;
        let help = format!("the unit test `{name}` may give or expect values of other types");
        *e.diagnostic = d.help(help);
        e
    }

    /// The columns of a query.
    fn describe(&self, sql: &SqlText) -> Result<Vec<ExistingColumn>, NodeError> {
        let columns = self.run.connection.with(|warehouse| warehouse.describe_query(sql));
        columns.map_err(|e| self.sql_error(&e, sql))
    }

    /// Binds each input to the query that makes its rows, and `this` last: its columns may be those
    /// of the tested model itself.
    fn bind_inputs(&self) -> Result<Bindings, NodeError> {
        let mut bindings = Bindings::closed();
        let given = &self.scene.test.given;
        let (this, others): (Vec<&Given>, Vec<&Given>) =
            given.iter().partition(|given| given.node == GivenNode::This);
        for given in others {
            let id = self.find_input(given)?;
            let node = self.run.manifest().node(id);
            let query = self.input_query(given, node, || self.columns_of(node, given))?;
            bindings.bind_query(id, input_name(node), query);
        }
        for given in this {
            let node = self.scene.tested;
            let query = self.input_query(given, node, || self.columns_of_this(&bindings))?;
            bindings.bind_query(node.id, input_name(node), query);
            bindings.bind_this(node.id);
        }
        Ok(bindings)
    }

    fn find_input(&self, given: &Given) -> Result<NodeId, NodeError> {
        let (lookup, package) = (&self.run.manifest().lookup, &self.run.node.package);
        let found = match &given.node {
            GivenNode::This => FoundNode::Node(self.scene.tested.id),
            GivenNode::Ref(call) => lookup.find_ref(
                call.package.as_deref(),
                &call.name,
                call.version.as_deref(),
                package,
            ),
            GivenNode::Source(call) => lookup.find_source(&call.source, &call.table, package),
            GivenNode::Unreadable => FoundNode::Nothing,
        };
        if let FoundNode::Node(id) = found {
            return Ok(id);
        }
        let (name, input) = (&self.run.node.name, &given.input);
        let message = format!("the input `{input}` of the unit test `{name}` was not found");
        let help = match given.node {
            GivenNode::Unreadable => "an input is `ref('..')`, `source('..', '..')` or `this`",
            _ => "an input is a model, a seed, a snapshot or a source of the project",
        };
        let d = Diagnostic::error(Code::UnknownRef, message).primary(given.span, "");
        Err(NodeError::lasting(d.help(help)))
    }

    /// The query that makes the rows of an input.
    fn input_query(
        &self,
        given: &Given,
        node: &Node,
        columns: impl FnOnce() -> Result<Vec<ExistingColumn>, NodeError>,
    ) -> Result<BoundQuery, NodeError> {
        let fixture = &given.fixture;
        let text = match &fixture.rows {
            FixtureRows::Query(text) => text.to_string(),
            FixtureRows::Table(_) if node.is_ephemeral() => {
                let message = format!(
                    "the input `{}` is an ephemeral model, which has no columns of its own",
                    given.input
                );
                let d = Diagnostic::error(Code::YamlShape, message).primary(given.span, "");
                return Err(NodeError::lasting(d.help("give its rows as `format: sql`")));
            }
            FixtureRows::Table(rows) => {
                let columns = columns()?;
                self.check_columns(rows, &columns, &format!("'{}'", node.display_name()))?;
                let rows = rows.iter().map(|row| row_value(row, &columns, fixture)).collect();
                let types = columns
                    .iter()
                    .map(|c| (Value::from(c.name.as_str()), Value::from(c.data_type.as_str())));
                let types = dict(types.collect::<Vec<_>>());
                self.write("get_fixture_sql", vec![list(rows), types], &node.name)?
            }
        };
        let mut sql = SqlText::new();
        sql.push_from(&text, Origin::Expr(fixture.span));
        Ok(BoundQuery { sql: Arc::new(sql), ctes: Vec::new() })
    }

    fn columns_of(&self, node: &Node, given: &Given) -> Result<Vec<ExistingColumn>, NodeError> {
        let columns = InputColumns::new(self.run, self.scene.existing, self.scene.db);
        match columns.find(node) {
            Ok(Some(columns)) => Ok(columns),
            Ok(None) => {
                let message = format!(
                    "the columns of `{}`, an input of the unit test `{}`, are not known",
                    node.display_name(),
                    self.run.node.name
                );
                let d = Diagnostic::error(Code::Runtime, message).primary(given.span, "");
                Err(NodeError::lasting(d.help(
                    "it is not in the database: build it, list its columns with their \
                     `data_type` in a properties file, or give the rows as `format: sql`",
                )))
            }
            Err(e) => Err(e),
        }
    }

    /// The columns of the tested model: those of its relation, or of its query on the other inputs.
    fn columns_of_this(&self, bindings: &Bindings) -> Result<Vec<ExistingColumn>, NodeError> {
        let columns = InputColumns::new(self.run, self.scene.existing, self.scene.db);
        if let Some(columns) = columns.of_relation(self.scene.tested)? {
            return Ok(columns);
        }
        let mut overrides = self.scene.test.overrides.as_deref().cloned().unwrap_or_default();
        overrides.macros.insert("is_incremental".into(), Json::Bool(false));
        let compiled = self.compile(&Arc::new(bindings.clone()), Some(Arc::new(overrides)))?;
        self.describe(&compiled.sql)
    }

    /// Checks that all columns of a fixture exist.
    fn check_columns(
        &self,
        rows: &[FixtureRow],
        columns: &[ExistingColumn],
        what: &str,
    ) -> Result<(), NodeError> {
        let all = rows.iter().flat_map(|row| &row.cells);
        let mut unknown = all.filter(|cell| find_column(columns, cell).is_none());
        let Some(cell) = unknown.next() else { return Ok(()) };
        let message =
            format!("Invalid column name: '{}' in unit test fixture for {what}.", cell.column);
        let names = columns.iter().map(|c| c.name.as_str());
        let near = crate::diag::nearest_name(&cell.column, names).map(str::to_owned);
        let d = Diagnostic::error(Code::YamlShape, message)
            .primary(cell.span, "given here")
            .did_you_mean(near);
        let listed: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
        Err(NodeError::lasting(d.note(format!("its columns are {}", listed.join(", ")))))
    }

    /// The names of the columns that are compared: those of the first expected row, or all.
    fn compared_columns(&self, columns: &[ExistingColumn]) -> Result<Vec<String>, NodeError> {
        let rows = match &self.scene.test.expect.rows {
            FixtureRows::Table(rows) => rows.as_slice(),
            FixtureRows::Query(_) => &[],
        };
        self.check_columns(rows, columns, "expected output")?;
        let Some((first, rest)) = rows.split_first() else {
            return Ok(columns.iter().map(|c| c.name.clone()).collect());
        };
        for row in rest {
            self.check_same_columns(first, row)?;
        }
        let found = first.cells.iter().filter_map(|cell| find_column(columns, cell));
        Ok(found.map(|column| column.name.clone()).collect())
    }

    fn check_same_columns(&self, first: &FixtureRow, row: &FixtureRow) -> Result<(), NodeError> {
        let has = |row: &FixtureRow, name: &str| {
            row.cells.iter().any(|cell| cell.column.eq_ignore_ascii_case(name))
        };
        let lacks = first.cells.iter().find(|cell| !has(row, &cell.column));
        let adds = row.cells.iter().find(|cell| !has(first, &cell.column));
        let (message, place) = match (lacks, adds) {
            (Some(cell), _) => (
                format!("this expected row lacks `{}`, which the first has", cell.column),
                row.span,
            ),
            (None, Some(cell)) => {
                (format!("the first expected row has no `{}`", cell.column), cell.span)
            }
            (None, None) => return Ok(()),
        };
        let d = Diagnostic::error(Code::YamlShape, message).primary(place, "");
        Err(NodeError::lasting(d.help("all expected rows have the same columns")))
    }

    /// The query that returns the actual and the expected rows.
    fn comparing_query(
        &self,
        main: &SqlText,
        columns: &[ExistingColumn],
        compared: &[String],
    ) -> Result<SqlText, NodeError> {
        let expect = &self.scene.test.expect;
        let quote = |name: &str| Value::from(self.run.engine().dialect.quoted(name));
        let expected = match &expect.rows {
            FixtureRows::Query(text) => text.to_string(),
            FixtureRows::Table(rows) => {
                let rows = rows.iter().map(|row| row_value(row, columns, expect)).collect();
                let lower = |c: &ExistingColumn| Value::from(c.name.to_lowercase());
                let types = columns.iter().map(|c| (lower(c), Value::from(c.data_type.as_str())));
                let quoted = columns.iter().map(|c| (lower(c), quote(&c.name)));
                let args = vec![
                    list(rows),
                    dict(types.collect::<Vec<_>>()),
                    dict(quoted.collect::<Vec<_>>()),
                ];
                self.write("get_expected_sql", args, &self.run.node.name)?
            }
        };
        let names = list(compared.iter().map(|name| quote(name)).collect());
        let args = vec![Value::from(main.as_str()), Value::from(expected.as_str()), names];
        let text = self.write("get_unit_test_sql", args, &self.run.node.name)?;
        Ok(SqlText::around(text, main))
    }

    /// The text that a public macro generates.
    fn write(&self, name: &str, args: Vec<Value>, input: &str) -> Result<String, NodeError> {
        let (compiler, node) = (&self.run.shared.compiler, self.run.node);
        let Some(def) = compiler.renderer.registry().lookup(&node.package, name).cloned() else {
            return Err(internal_error(&format!("there is no macro `{name}`")));
        };
        let session = compiler.fixture_session(self.scene, input);
        let scope = Arc::new(NodeScope(session.clone()));
        let called =
            compiler.renderer.call_macro(true, &def, &args, &node.package, scope, session.clone());
        called.map(|text| text.to_string()).map_err(|failure| {
            NodeError::lasting(failure_diagnostic(&failure, &session, node.span))
        })
    }
}

/// The name of the CTE that stands for an input, as in dbt.
fn input_name(node: &Node) -> String {
    match &node.kind {
        NodeKind::Source(source) => {
            format!("__dbt__cte__{}__{}", source.source_name, node.name)
        }
        _ => format!("__dbt__cte__{}", node.alias),
    }
}

fn find_column<'c>(
    columns: &'c [ExistingColumn],
    cell: &FixtureCell,
) -> Option<&'c ExistingColumn> {
    columns.iter().find(|column| column.name.eq_ignore_ascii_case(&cell.column))
}

/// A row for the macros that write fixtures. An empty value of a seed's file is null in columns
/// that hold no text, as it is when the seed is loaded.
fn row_value(row: &FixtureRow, columns: &[ExistingColumn], fixture: &Fixture) -> Value {
    let is_seed = fixture.from == RowsFrom::Seed;
    let values = row.cells.iter().map(|cell| {
        let is_text = find_column(columns, cell).is_some_and(|column| {
            let kind = column.data_type.to_lowercase();
            kind.contains("char") || kind.contains("text") || kind.contains("string")
        });
        let is_missing = is_seed && !is_text && cell.value == "";
        let value = if is_missing { Value::from(()) } else { from_json(&cell.value) };
        (Value::from(&*cell.column), value)
    });
    dict(values.collect::<Vec<_>>())
}

/// The actual and the expected rows of the comparison's result, without the column that tells them
/// apart.
fn split_sides(table: Table) -> (Vec<Vec<Cell>>, Vec<Vec<Cell>>) {
    let side = table.columns.iter().position(|c| c.name.eq_ignore_ascii_case(SIDE));
    let side = side.unwrap_or(table.columns.len().saturating_sub(1));
    let (mut actual, mut expected) = (Vec::new(), Vec::new());
    for mut row in table.rows {
        let of = row.remove(side);
        let rows = if of.display() == "expected" { &mut expected } else { &mut actual };
        rows.push(row);
    }
    (actual, expected)
}
