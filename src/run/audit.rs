//! The tests that guard a node, run on its candidate or inside its transaction.

use super::Shared;
use super::build::Machine;
use super::execute::NodeError;
use super::fused;
use super::pool::Pool;
use super::test::{Kept, TestRun, passed_test, run_test};
use crate::context::{Bindings, Db};
use crate::engine::{Relation, Warehouse};
use crate::manifest::NodeId;
use crate::materialize::Audited;
use crate::outcome::RunStatus;
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

impl Machine<'_> {
    /// Runs the guards; true when none failed. Inside a transaction one after the other on its
    /// connection, since no other sees the delta; else in parallel.
    pub(super) fn audit(&mut self, audited: &Audited) -> Result<bool, NodeError> {
        let shared = self.exec.shared;
        let bindings = match audited {
            Audited::Candidate(relation) => {
                Bindings::default().with(self.exec.node.id, relation.clone())
            }
            Audited::Inside => Bindings::default(),
        };
        let bindings = Arc::new(bindings);
        let session = self.exec.session.clone();
        let mut own = session.take_warehouse();
        let inside = matches!(audited, Audited::Inside);
        let relation = match audited {
            Audited::Candidate(relation) => Some(relation),
            Audited::Inside => self.exec.node.relation.as_ref(),
        };
        let passed = match (relation, &mut own) {
            (Some(relation), Some(own)) => fused::passed(
                shared,
                self.guards,
                self.exec.node.id,
                relation,
                inside,
                own.as_mut(),
            ),
            _ => HashSet::new(),
        };
        let one =
            |id: NodeId, own: &mut Option<Box<dyn Warehouse>>, kept: Option<&mut Vec<Kept>>| {
                timed(|| match passed.contains(&id) {
                    _ if shared.interrupt.is_set() => TestRun::skipped("interrupted"),
                    true => passed_test(shared, id, &bindings, self.existing, own),
                    false => run_test(shared, id, &bindings, self.existing, own, kept),
                })
            };
        if !inside && self.guards.len() - passed.len() > 1 && shared.options.threads > 1 {
            self.results = in_parallel(
                shared,
                self.pool,
                self.guards,
                &|id, own| one(id, own, None),
                &mut own,
            );
        } else {
            let mut aborted = false;
            for id in self.guards {
                let (run, seconds) = if aborted {
                    (TestRun::skipped("an earlier test ended the transaction"), 0.0)
                } else {
                    one(*id, &mut own, inside.then_some(&mut self.kept))
                };
                // A statement that fails ends the transaction: what follows cannot run in it.
                aborted |= inside && run.outcome.status == RunStatus::Error;
                self.results.push((*id, run, seconds));
            }
        }
        if let Some(own) = own {
            *session.db() = Db::Live(own);
        }
        if let Audited::Candidate(candidate) = audited {
            self.publish_names(candidate);
        }
        self.exec.may_go_on()?;
        // The transaction is lost with the connection, or by a deadlock: all of it is done again.
        if let Some(e) =
            self.results.iter_mut().find_map(|(_, r, _)| r.lost.take()).filter(|_| inside)
        {
            return Err(e);
        }
        Ok(!self
            .results
            .iter()
            .any(|(_, r, _)| matches!(r.outcome.status, RunStatus::Fail | RunStatus::Error)))
    }

    /// The artifact of a test shows the published name, not that of the candidate it was run on.
    fn publish_names(&mut self, candidate: &Relation) {
        let dialect = self.exec.shared.compiler.manifest.project.dialect;
        let Some(target) = &self.exec.node.relation else { return };
        let (from, to) = (candidate.render(dialect), target.render(dialect));
        for (_, run, _) in &mut self.results {
            if let Some(sql) = &run.outcome.compiled {
                run.outcome.compiled = Some(Arc::new(sql.as_str().replace(&from, &to).into()));
            }
        }
    }
}

fn timed<T>(f: impl FnOnce() -> T) -> (T, f64) {
    let clock = super::worker::Clock::start();
    let value = f();
    (value, clock.seconds())
}

/// Runs one test on a connection, and says how long it took.
type RunOne<'a> = dyn Fn(NodeId, &mut Option<Box<dyn Warehouse>>) -> (TestRun, f64) + Sync + 'a;

/// Runs tests on the node's connection and on those that are idle; results in the order of the
/// tests. An idle one is given back after each test: a node that is ready to be built waits for no
/// more than that.
fn in_parallel(
    shared: &Shared,
    pool: &Pool,
    tests: &[NodeId],
    one: &RunOne<'_>,
    own: &mut Option<Box<dyn Warehouse>>,
) -> Vec<(NodeId, TestRun, f64)> {
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, TestRun, f64)>> = Mutex::new(Vec::new());
    let work = |warehouse: &mut Option<Box<dyn Warehouse>>| {
        let i = next.fetch_add(1, Ordering::Relaxed);
        let Some(id) = tests.get(i) else { return false };
        let (run, seconds) = one(*id, warehouse);
        results.lock().unwrap_or_else(PoisonError::into_inner).push((i, run, seconds));
        true
    };
    std::thread::scope(|scope| {
        for _ in 1..shared.options.threads.min(tests.len()) {
            let Some(first) = pool.spare() else { break };
            let work = &work;
            let mut spare = Some(first);
            let helper = move || {
                while spare.is_some() {
                    let more = work(&mut spare);
                    pool.give(spare.take());
                    spare = if more { pool.spare() } else { None };
                }
            };
            let builder = std::thread::Builder::new().stack_size(super::worker::STACK);
            let _ = builder.spawn_scoped(scope, helper);
        }
        while work(own) {}
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(i, ..)| *i);
    results.into_iter().map(|(i, run, seconds)| (tests[i], run, seconds)).collect()
}
