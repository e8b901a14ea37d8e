//! A fake engine for tests: it logs statements, tracks which relations exist, and gives prepared
//! answers. It has two profiles: one with transactions and renames, and one that commits each
//! statement on its own and publishes by a pointer in its catalog, provided that the version which
//! was read is still current.

use super::{
    AdapterTraits, BatchConcurrency, Cancel, Cell, ColumnChange, Content, Dialect, EachRow,
    EngineCapabilities, EngineError, EngineErrorKind, EngineSpec, ExistingColumn, ExistingRelation,
    Opener, Publication, ReferenceName, Relation, RelationKind, Reply, ScratchTables, SeedLoad,
    SeedLoadReport, SeedLoading, StateRow, TransactionSupport, Warehouse, WriteConcurrency, duckdb,
};
use crate::source::SqlText;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const DIALECT: Dialect = Dialect {
    quote: '"',
    max_identifier: None,
    ignores_case: true,
    sees_databases: true,
    names_databases: true,
    reference_name: ReferenceName::Whole,
};

const fn abilities(transactions: TransactionSupport, scratch: ScratchTables) -> EngineCapabilities {
    EngineCapabilities {
        transactions,
        scratch,
        seed_loading: SeedLoading::Stream,
        fuses_row_tests: false,
        index_after_rename: true,
        unique_constraint_names: false,
        is_shared: false,
        writers: WriteConcurrency::Many,
        batches: BatchConcurrency::Usual,
        brackets_queries: true,
        keeps_types_of_queries: true,
        times_are_texts: false,
        alters_types: true,
        locks_for_columns: false,
        reads_files: true,
        has_functions: true,
        has_overloads: true,
        default_strategy: ("delete+insert", "append"),
        strategies: &["append", "delete+insert", "merge", "microbatch"],
    }
}

const ADAPTER: AdapterTraits = duckdb::SPEC.adapter;

/// Templates use the built-in macros of DuckDB, so the engine has its name.
const fn spec(label: &'static str, abilities: EngineCapabilities) -> EngineSpec {
    EngineSpec {
        name: "duckdb",
        label,
        dialect: DIALECT,
        capabilities: abilities,
        adapter: ADAPTER,
        types: duckdb::SPEC.types,
        volatile_functions: &[],
        embedded_version: None,
        target: duckdb::SPEC.target,
    }
}

/// Any statements in one transaction; candidates are renamed.
pub(crate) static TRANSACTIONAL: EngineSpec =
    spec("transactional", abilities(TransactionSupport::Full, ScratchTables::Temporary));

/// Single statements, a pointer in the catalog, no temporary tables.
pub(crate) static POINTER: EngineSpec =
    spec("pointer", abilities(TransactionSupport::OneStatement, ScratchTables::Named));

/// The state that all connections to a fake database share.
#[derive(Default)]
pub(crate) struct FakeState {
    /// The statements, in order.
    pub(crate) log: Vec<String>,
    /// The existing relations by identifier, each with a version number.
    pub(crate) relations: BTreeMap<String, u32>,
    /// A statement that contains this text fails, once per entry.
    pub(crate) failures: Vec<(String, EngineErrorKind)>,
    /// A statement that contains this text makes the driver panic.
    pub(crate) panics: Vec<String>,
    /// The columns that every `describe_query` returns.
    pub(crate) columns: Vec<ExistingColumn>,
    /// The counts of tests (`select count`...) whose query contains this text; all others count 0.
    pub(crate) counts: Vec<(String, i64)>,
    versions: u32,
}

/// A connection to a fake database; clones are further connections to it.
#[derive(Clone)]
pub(crate) struct FakeWarehouse {
    spec: &'static EngineSpec,
    state: Arc<Mutex<FakeState>>,
    /// In a transaction, the previous versions of changed relations, in the order of the changes.
    undo: Option<Vec<(String, Option<u32>)>>,
}

impl FakeWarehouse {
    pub(crate) fn new(spec: &'static EngineSpec) -> FakeWarehouse {
        FakeWarehouse { spec, state: Arc::default(), undo: None }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, FakeState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add_table(&mut self, identifier: &str) {
        let version = self.next_version();
        self.set(identifier, Some(version));
    }

    fn next_version(&self) -> u32 {
        let mut state = self.state();
        state.versions += 1;
        state.versions
    }

    /// Sets the version under a name; `None` removes it. In a transaction, records the previous
    /// one.
    fn set(&mut self, identifier: &str, version: Option<u32>) {
        let old = {
            let mut state = self.state();
            match version {
                Some(version) => state.relations.insert(identifier.to_owned(), version),
                None => state.relations.remove(identifier),
            }
        };
        if let Some(undo) = &mut self.undo {
            undo.push((identifier.to_owned(), old));
        }
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), EngineError> {
        let version = self.state().relations.get(from).copied();
        let missing = || EngineError::new(EngineErrorKind::Sql, format!("no `{from}`"));
        let version = version.ok_or_else(missing)?;
        self.set(from, None);
        self.set(to, Some(version));
        Ok(())
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.state().log.clone()
    }

    fn is_transactional(&self) -> bool {
        self.spec.capabilities.transactions == TransactionSupport::Full
    }

    fn write_down(&self, text: impl Into<String>) -> Result<(), EngineError> {
        let text = text.into();
        let mut state = self.state();
        assert!(!state.panics.iter().any(|part| text.contains(part)), "told to panic");
        let failing = state.failures.iter().position(|(part, _)| text.contains(part));
        state.log.push(text);
        match failing {
            Some(i) => {
                let (part, kind) = state.failures.remove(i);
                Err(EngineError::new(kind, format!("told to fail at `{part}`")))
            }
            None => Ok(()),
        }
    }
}

struct WriteDown(FakeWarehouse);

impl Cancel for WriteDown {
    fn cancel(&self) {
        let _ = self.0.write_down("cancel");
    }
}

impl Warehouse for FakeWarehouse {
    fn engine(&self) -> &'static EngineSpec {
        self.spec
    }

    fn version(&mut self) -> Result<String, EngineError> {
        Ok("1".to_owned())
    }

    fn begin(&mut self) -> Result<(), EngineError> {
        assert!(self.is_transactional(), "there are no transactions");
        self.write_down("begin")?;
        assert!(self.undo.is_none(), "a transaction is open");
        self.undo = Some(Vec::new());
        Ok(())
    }

    fn commit(&mut self) -> Result<(), EngineError> {
        self.write_down("commit")?;
        assert!(self.undo.take().is_some(), "no transaction is open");
        Ok(())
    }

    fn rollback(&mut self) -> Result<(), EngineError> {
        self.write_down("rollback")?;
        for (identifier, version) in self.undo.take().into_iter().flatten().rev() {
            self.set(&identifier, version);
        }
        Ok(())
    }

    fn execute(&mut self, sql: &SqlText) -> Result<Reply, EngineError> {
        self.write_down(sql.as_str())?;
        // Of a build's statements, only `create` creates a relation.
        let mut words = sql.as_str().split_whitespace();
        if words.next() == Some("create")
            && let Some(name) = words.find(|w| w.contains('"'))
        {
            let identifier = name.rsplit('"').nth(1).unwrap_or_default();
            self.add_table(identifier);
        }
        Ok(Reply::ok())
    }

    fn stream_rows(&mut self, sql: &SqlText, each: &mut EachRow<'_>) -> Result<Reply, EngineError> {
        self.write_down(sql.as_str())?;
        let counts = self.state().counts.clone();
        let found = counts.iter().find(|(part, _)| sql.as_str().contains(part));
        let count = found.map_or(0, |(_, count)| *count);
        let failed = Cell::Bool(count > 0);
        let _ = each(vec![Cell::Int(count), failed.clone(), failed]);
        Ok(Reply::ok())
    }

    fn describe_query(&mut self, _: &SqlText) -> Result<Vec<ExistingColumn>, EngineError> {
        Ok(self.state().columns.clone())
    }

    fn list_relations(
        &mut self,
        database: &str,
        schema: &str,
    ) -> Result<Vec<ExistingRelation>, EngineError> {
        let relation = |name: &String| {
            let relation = Relation::new(Some(database), Some(schema), name);
            let columns = self.state().columns.clone();
            ExistingRelation::new(relation, RelationKind::Table, columns)
        };
        let names: Vec<String> = self.state().relations.keys().cloned().collect();
        Ok(names.iter().map(relation).collect())
    }

    fn list_columns(&mut self, relation: &Relation) -> Result<Vec<ExistingColumn>, EngineError> {
        let state = self.state();
        let is_there = state.relations.contains_key(relation.identifier());
        Ok(if is_there { state.columns.clone() } else { Vec::new() })
    }

    fn list_schemas(&mut self) -> Result<Vec<(String, String)>, EngineError> {
        Ok(Vec::new())
    }

    fn find_relations(
        &mut self,
        relations: &[Relation],
    ) -> Result<Vec<ExistingRelation>, EngineError> {
        let state = self.state();
        let there = relations.iter().filter(|r| state.relations.contains_key(r.identifier()));
        let found = there.map(|relation| {
            let columns = state.columns.clone();
            ExistingRelation::new(relation.clone(), RelationKind::Table, columns)
        });
        Ok(found.collect())
    }

    fn fingerprint_content(
        &mut self,
        relation: &Relation,
        _: &[ExistingColumn],
    ) -> Result<Content, EngineError> {
        let version = self.state().relations.get(relation.identifier()).copied();
        Ok(Content { rows: 1, fingerprint: version.unwrap_or_default().to_string() })
    }

    fn create_schema(&mut self, _: &str, schema: &str) -> Result<(), EngineError> {
        self.write_down(format!("create schema {schema}"))
    }

    fn load_seed(&mut self, load: &mut SeedLoad<'_>) -> Result<SeedLoadReport, EngineError> {
        self.write_down(format!("load {}", load.table.identifier()))?;
        let mut rows = 0;
        loop {
            match load.rows.next_row() {
                Ok(true) => rows += 1,
                Ok(false) => break,
                Err(e) => return Err(EngineError::new(EngineErrorKind::Runtime, e.to_string())),
            }
        }
        Ok(SeedLoadReport { rows: Some(rows), executed: Vec::new() })
    }

    fn publish(&mut self, publication: &Publication<'_>) -> Result<Vec<String>, EngineError> {
        (publication.take_turn)();
        let (candidate, published) =
            (publication.candidate.identifier(), publication.published.identifier());
        self.write_down(format!("publish {candidate} as {published}"))?;
        assert!(!self.is_transactional() || self.undo.is_some(), "no transaction is open");
        let there = self.state().relations.contains_key(published);
        // The version that was read must still be current: another process may have published
        // meanwhile.
        if !self.is_transactional() && there != publication.existing.is_some() {
            let message = "another version was published meanwhile";
            return Err(EngineError::new(EngineErrorKind::Conflict, message));
        }
        self.rename(candidate, published)?;
        Ok(Vec::new())
    }

    fn keep_rejected(
        &mut self,
        candidate: &Relation,
        rejected: &Relation,
        _: RelationKind,
    ) -> Result<Vec<String>, EngineError> {
        let (from, to) = (candidate.identifier(), rejected.identifier());
        self.write_down(format!("keep {from} as {to}"))?;
        self.rename(from, to)?;
        Ok(Vec::new())
    }

    fn drop_relation(&mut self, relation: &ExistingRelation) -> Result<Vec<String>, EngineError> {
        let name = relation.relation.identifier();
        self.write_down(format!("drop {name}"))?;
        self.set(name, None);
        Ok(Vec::new())
    }

    fn alter_columns(&mut self, change: &ColumnChange<'_>) -> Result<Vec<String>, EngineError> {
        self.write_down(format!("alter {}", change.statements.join("; ")))?;
        Ok(Vec::new())
    }

    fn read_state(&mut self, _: &Relation) -> Result<Vec<(String, String)>, EngineError> {
        Ok(Vec::new())
    }

    fn create_state_table(&mut self, _: &Relation) -> Result<(), EngineError> {
        Ok(())
    }

    fn record_state(&mut self, _: &Relation, notes: &[StateRow<'_>]) -> Result<(), EngineError> {
        let nodes: Vec<&str> = notes.iter().map(|note| note.node).collect();
        self.write_down(format!("note {}", nodes.join(", ")))
    }

    fn count_rows(&mut self, _: &Relation, _: &[String]) -> Result<Vec<Cell>, EngineError> {
        Ok(Vec::new())
    }

    fn ensure_connected(&mut self) -> Result<(), EngineError> {
        Ok(())
    }

    fn lock(&mut self, _: &Relation, _: &dyn Fn(Option<&str>)) -> Result<(), EngineError> {
        Ok(())
    }

    fn unlock(&mut self, _: &Relation) {}

    fn connection_opener(&self) -> Result<Opener, EngineError> {
        let other = self.clone();
        Ok(Arc::new(move || {
            other.write_down("open")?;
            Ok(Box::new(FakeWarehouse { undo: None, ..other.clone() }))
        }))
    }

    fn cancel_handle(&self) -> Arc<dyn Cancel> {
        Arc::new(WriteDown(self.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_that_writes_no_parquet_says_so() {
        let mut fake = FakeWarehouse::new(&TRANSACTIONAL);
        let file =
            super::super::ParquetFile { json_path: "[]", columns: &[], parquet_path: "a.parquet" };
        let error = fake.write_parquet(&file).unwrap_err();
        assert_eq!(error.kind, EngineErrorKind::Unsupported);
        assert_eq!(error.message, "transactional writes no Parquet files");
    }
}
