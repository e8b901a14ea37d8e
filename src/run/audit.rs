//! Runs the tests that guard a node, on its candidate or inside its transaction.

use super::comment::make_comment;
use super::fused;
use super::node::NodeRun;
use super::steps::NodeSteps;
use super::test::{FailingRows, TestRun, passed_test, run_test};
use super::worker::{Clock, STACK};
use crate::engine::{Connection, Lease, Pool};
use crate::manifest::NodeId;
use crate::materialize::AuditSubject;
use crate::outcome::{NodeError, RunStatus, SkipReason};
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

pub(super) struct GuardResult {
    pub(super) test: NodeId,
    pub(super) run: TestRun,
    pub(super) seconds: f64,
}

impl GuardResult {
    /// Whether the result keeps the node from being published.
    pub(super) fn has_failed(&self) -> bool {
        matches!(self.run.outcome.status, RunStatus::Fail | RunStatus::Error)
    }
}

impl NodeSteps<'_> {
    /// Runs the guards and returns whether none failed. Inside a transaction they run one after the
    /// other on its connection, because no other connection sees the delta; otherwise in parallel.
    pub(super) fn run_guards(&mut self, audited: &AuditSubject) -> Result<bool, NodeError> {
        let node = self.run.node;
        let own = self.run.shared.compiler.bindings(false);
        let (bindings, relation) = match audited {
            AuditSubject::Candidate(candidate) => {
                let bound = own.with(node.id, candidate.clone());
                (bound, Some(candidate))
            }
            AuditSubject::Inside => (own, node.relation.as_ref()),
        };
        let bindings = Arc::new(bindings);
        let passed = match relation {
            Some(relation) => fused::find_passed_tests(&self.run, self.guards, relation),
            None => HashSet::new(),
        };
        let guards = Guards { run: NodeRun { bindings: &bindings, ..self.run }, passed };
        match audited {
            AuditSubject::Inside => self.run_inside(&guards)?,
            AuditSubject::Candidate(_) => {
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
            // A failed statement aborts the transaction, so the remaining tests cannot run in it.
            is_aborted |= result.run.outcome.status == RunStatus::Error;
            self.results.push(result);
        }
        self.may_go_on()?;
        // A lost connection or a deadlock ended the transaction: the whole attempt has to be
        // repeated.
        match self.results.iter_mut().find_map(|result| result.run.lost.take()) {
            Some(lost) => Err(lost),
            None => Ok(()),
        }
    }

    /// Recompiles each test for its artifact, to show the published name instead of the
    /// candidate's. A test that fails to compile now keeps the SQL that ran.
    fn show_published_name(&mut self) {
        let published =
            NodeRun { bindings: &Arc::new(self.run.shared.compiler.bindings(false)), ..self.run };
        for result in &mut self.results {
            if result.run.outcome.compiled.is_some()
                && let Ok(compiled) = published.of(result.test).compile()
            {
                result.run.outcome.compiled = Some(compiled.sql);
            }
        }
    }
}

/// The guards of a node, ready to run.
struct Guards<'a> {
    /// The node's own run, with bindings for the guards.
    run: NodeRun<'a>,
    /// Tests that a fused scan has already shown to pass.
    passed: HashSet<NodeId>,
}

impl Guards<'_> {
    /// Runs a test on a connection and measures its time. With `failing_rows`, the test runs inside
    /// a transaction.
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
            match make_comment(own.shared, own.node) {
                Ok(comment) => {
                    let before = connection.with(|warehouse| warehouse.set_comment(comment));
                    let run = run_test(&own, failing_rows);
                    connection.with(|warehouse| warehouse.set_comment(before));
                    run
                }
                Err(e) => TestRun::failed(NodeError::lasting(*e)),
            }
        };
        GuardResult { test, run, seconds: clock.seconds() }
    }

    /// Runs tests on the node's connection and on idle ones. The results are in the order of the
    /// tests.
    fn run_all(&self, tests: &[NodeId], pool: &Arc<Pool>) -> Vec<GuardResult> {
        let threads = self.run.shared.options.threads.min(tests.len());
        let worth_it = tests.len() - self.passed.len() > 1 && threads > 1;
        let queue = Queue { tests, next: AtomicUsize::new(0), results: Mutex::default() };
        std::thread::scope(|scope| {
            for _ in 1..if worth_it { threads } else { 1 } {
                let Some(first) = pool.lease_spare() else { break };
                let queue = &queue;
                // If no thread can be started, the loop below runs the tests.
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

    /// Runs tests on idle connections, beginning with `first`. The connection is returned after
    /// each test, so that a node that becomes ready waits for one test at most.
    fn help(&self, queue: &Queue<'_>, pool: &Arc<Pool>, first: Lease) {
        let mut spare = Some(first);
        while let Some(lease) = spare.take() {
            let has_more = self.run_next(queue, &lease);
            drop(lease);
            spare = if has_more { pool.lease_spare() } else { None };
        }
    }

    /// Runs the next test that no thread has taken; `false` if there is none.
    fn run_next(&self, queue: &Queue<'_>, connection: &Connection) -> bool {
        let turn = queue.next.fetch_add(1, Ordering::Relaxed);
        let Some(test) = queue.tests.get(turn) else { return false };
        let result = self.run_one(*test, connection, None);
        queue.results.lock().unwrap_or_else(PoisonError::into_inner).push((turn, result));
        true
    }
}

/// The tests that several threads share.
struct Queue<'a> {
    tests: &'a [NodeId],
    next: AtomicUsize,
    results: Mutex<Vec<(usize, GuardResult)>>,
}
