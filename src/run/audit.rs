//! The tests that guard a node, run on its candidate or inside its transaction.

use super::fused;
use super::node::NodeRun;
use super::steps::NodeSteps;
use super::test::{FailingRows, TestRun, passed_test, run_test};
use super::worker::{Clock, STACK};
use crate::context::Bindings;
use crate::engine::{Connection, Lease, Pool};
use crate::manifest::NodeId;
use crate::materialize::Audited;
use crate::outcome::{NodeError, RunStatus, SkipReason};
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A guard that was run.
pub(super) struct GuardResult {
    pub(super) test: NodeId,
    pub(super) run: TestRun,
    pub(super) seconds: f64,
}

impl GuardResult {
    /// Whether it holds the node back.
    pub(super) fn has_failed(&self) -> bool {
        matches!(self.run.outcome.status, RunStatus::Fail | RunStatus::Error)
    }
}

impl NodeSteps<'_> {
    /// Runs the guards; true when none failed. Inside a transaction one after the other on its
    /// connection, since no other sees the delta; else in parallel.
    pub(super) fn run_guards(&mut self, audited: &Audited) -> Result<bool, NodeError> {
        let node = self.run.node;
        let (bindings, relation) = match audited {
            Audited::Candidate(candidate) => {
                let bound = Bindings::default().with(node.id, candidate.clone());
                (bound, Some(candidate))
            }
            Audited::Inside => (Bindings::default(), node.relation.as_ref()),
        };
        let bindings = Arc::new(bindings);
        let passed = match relation {
            Some(relation) => fused::find_passed(&self.run, self.guards, relation),
            None => HashSet::new(),
        };
        let guards = Guards { run: NodeRun { bindings: &bindings, ..self.run }, passed };
        match audited {
            Audited::Inside => self.run_inside(&guards)?,
            Audited::Candidate(_) => {
                self.results = guards.run_all(self.guards, self.pool);
                self.show_published_name();
            }
        }
        self.may_go_on()?;
        Ok(!self.results.iter().any(GuardResult::has_failed))
    }

    fn run_inside(&mut self, guards: &Guards<'_>) -> Result<(), NodeError> {
        let mut is_aborted = false;
        for test in self.guards {
            let result = if is_aborted {
                let run = TestRun::skipped(SkipReason::TransactionEnded);
                GuardResult { test: *test, run, seconds: 0.0 }
            } else {
                guards.run_one(*test, self.run.connection, Some(&mut self.failing_rows))
            };
            // A statement that fails ends the transaction: what follows cannot run in it.
            is_aborted |= result.run.outcome.status == RunStatus::Error;
            self.results.push(result);
        }
        self.may_go_on()?;
        // The transaction is lost with the connection, or by a deadlock: all of it is done again.
        match self.results.iter_mut().find_map(|result| result.run.lost.take()) {
            Some(lost) => Err(lost),
            None => Ok(()),
        }
    }

    /// The artifact of a test shows the published name, not that of the candidate it was run on. A
    /// test that cannot be compiled again shows what was run.
    fn show_published_name(&mut self) {
        let published = NodeRun { bindings: &Arc::new(Bindings::default()), ..self.run };
        for result in &mut self.results {
            if result.run.outcome.compiled.is_some()
                && let Ok(compiled) = published.of(result.test).compile()
            {
                result.run.outcome.compiled = Some(compiled.sql);
            }
        }
    }
}

/// The guards of a node, ready to be run.
struct Guards<'a> {
    /// The node's, with what the guards read.
    run: NodeRun<'a>,
    /// Those that a scan of many has passed.
    passed: HashSet<NodeId>,
}

impl Guards<'_> {
    /// Runs a test on a connection, and says how long it took. With `failing_rows`, inside a
    /// transaction.
    fn run_one(
        &self,
        test: NodeId,
        connection: &Connection,
        failing_rows: Option<&mut Vec<FailingRows>>,
    ) -> GuardResult {
        let clock = Clock::start();
        let own = NodeRun { connection, ..self.run.of(test) };
        let run = if self.run.shared.cancel.is_cancelled() {
            TestRun::skipped(SkipReason::Interrupted)
        } else if self.passed.contains(&test) {
            passed_test(&own)
        } else {
            run_test(&own, failing_rows)
        };
        GuardResult { test, run, seconds: clock.seconds() }
    }

    /// Runs tests on the node's connection and on those that are idle; results in the order of the
    /// tests.
    fn run_all(&self, tests: &[NodeId], pool: &Arc<Pool>) -> Vec<GuardResult> {
        let threads = self.run.shared.options.threads.min(tests.len());
        let worth_it = tests.len() - self.passed.len() > 1 && threads > 1;
        let queue = Queue { tests, next: AtomicUsize::new(0), results: Mutex::default() };
        std::thread::scope(|scope| {
            for _ in 1..if worth_it { threads } else { 1 } {
                let Some(first) = pool.lease_spare() else { break };
                let queue = &queue;
                // Without a thread the tests are run here.
                let _ = std::thread::Builder::new()
                    .stack_size(STACK)
                    .spawn_scoped(scope, move || self.help(queue, pool, first));
            }
            while self.run_next(&queue, self.run.connection) {}
        });
        let mut results = queue.results.into_inner().unwrap_or_else(PoisonError::into_inner);
        results.sort_by_key(|(turn, _)| *turn);
        results.into_iter().map(|(_, result)| result).collect()
    }

    /// Runs tests on idle connections, beginning with `first`. Each is given back after one test:
    /// a node that is ready to be built waits for no more than that.
    fn help(&self, queue: &Queue<'_>, pool: &Arc<Pool>, first: Lease) {
        let mut spare = Some(first);
        while let Some(lease) = spare.take() {
            let has_more = self.run_next(queue, &lease);
            drop(lease);
            spare = if has_more { pool.lease_spare() } else { None };
        }
    }

    /// Runs the next test that nobody has taken; false when there is none.
    fn run_next(&self, queue: &Queue<'_>, connection: &Connection) -> bool {
        let turn = queue.next.fetch_add(1, Ordering::Relaxed);
        let Some(test) = queue.tests.get(turn) else { return false };
        let result = self.run_one(*test, connection, None);
        queue.results.lock().unwrap_or_else(PoisonError::into_inner).push((turn, result));
        true
    }
}

/// Tests that several threads take from.
struct Queue<'a> {
    tests: &'a [NodeId],
    next: AtomicUsize,
    results: Mutex<Vec<(usize, GuardResult)>>,
}
