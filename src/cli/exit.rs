//! Exit codes, and the summary for schedulers.
//!
//! 0: success; 1: a node or a test failed; 2: wrong usage, wrong configuration or an internal
//! error; 3: the project differs from the one that the scheduler's file was made from; 75
//! (`EX_TEMPFAIL` of `sysexits.h`): a retry may succeed, returned only to schedulers.

use crate::config::JsonMap;
use crate::ops::{OpsError, RunReport};
use crate::outcome::RunResult;
use crate::run::StatusTotals;

const FAILED: u8 = 1;
const UNUSABLE: u8 = 2;
const DRIFTED: u8 = 3;
const TRY_AGAIN: u8 = 75;

/// The number of failed nodes that a summary names at most.
const MOST: usize = 20;

#[derive(Debug, Default)]
pub(super) struct Exit {
    pub(super) code: u8,
    /// The members of the JSON summary that a scheduler gets.
    pub(super) summary: JsonMap,
}

impl Exit {
    pub(super) fn success() -> Exit {
        Exit::default()
    }

    /// The exit of a command that checks something.
    pub(super) fn of_check(has_failed: bool) -> Exit {
        Exit { code: if has_failed { FAILED } else { 0 }, ..Exit::default() }
    }

    /// The exit of a command that cannot do what was asked for.
    pub(super) fn unusable() -> Exit {
        Exit { code: UNUSABLE, ..Exit::default() }
    }

    pub(super) fn of_run(report: &RunReport, is_scheduled: bool) -> Exit {
        Exit { code: code_of_run(report, is_scheduled), summary: summarize(report) }
    }

    pub(super) fn of_error(e: &OpsError, is_scheduled: bool) -> Exit {
        let code = match e {
            OpsError::Drift { .. } => DRIFTED,
            e if is_scheduled && e.is_transient() => TRY_AGAIN,
            _ => UNUSABLE,
        };
        let mut summary = JsonMap::new();
        if e.diagnostics().is_none() {
            summary.insert("error".to_owned(), e.to_string().into());
        }
        Exit { code, summary }
    }
}

fn is_bad(result: &RunResult) -> bool {
    result.outcome.status.is_bad()
}

fn code_of_run(report: &RunReport, is_scheduled: bool) -> u8 {
    let results = &report.results;
    if !results.iter().any(|r| r.outcome.status.is_failure()) {
        return 0;
    }
    let is_transient = |r: &RunResult| r.outcome.failed.as_ref().is_some_and(|f| f.transient);
    let may_pass = report.is_interrupted || results.iter().filter(|r| is_bad(r)).all(is_transient);
    if is_scheduled && may_pass { TRY_AGAIN } else { FAILED }
}

/// The totals by status, the seconds, and the first unique ids of failed nodes and tests.
fn summarize(report: &RunReport) -> JsonMap {
    let mut totals = StatusTotals::default();
    report.results.iter().for_each(|r| totals.add(r.outcome.status));
    let mut summary: JsonMap = totals.iter().map(|(k, n)| (k.to_owned(), n.into())).collect();
    let bad = report.results.iter().filter(|r| is_bad(r));
    let failed: Vec<&str> = bad.map(|r| &*r.unique_id).take(MOST).collect();
    if !failed.is_empty() {
        summary.insert("failed".into(), failed.into());
    }
    let seconds = (report.seconds * 1000.0).round() / 1000.0;
    summary.insert("seconds".into(), seconds.into());
    summary
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::{Code, Diagnostic};
    use crate::outcome::{NodeOutcome, RunStatus};

    fn result(id: &str, outcome: NodeOutcome) -> RunResult {
        RunResult {
            unique_id: id.into(),
            outcome,
            thread: String::new(),
            seconds: 0.0,
            timing: Vec::new(),
            relation_name: None,
            title: None,
        }
    }

    fn error(is_transient: bool) -> NodeOutcome {
        NodeOutcome::error(Diagnostic::error(Code::SqlError, "no"), is_transient)
    }

    fn report(results: Vec<RunResult>) -> RunReport {
        RunReport { results, seconds: 1.23456, ..RunReport::default() }
    }

    #[test]
    fn codes_of_runs() {
        let ok = || result("model.a", NodeOutcome::new(RunStatus::Success));
        let skipped = || result("model.s", NodeOutcome::new(RunStatus::Skipped));
        assert_eq!(code_of_run(&report(vec![ok()]), true), 0);
        let failed = report(vec![ok(), result("model.b", error(false)), skipped()]);
        assert_eq!([code_of_run(&failed, false), code_of_run(&failed, true)], [1, 1]);
        let passing = report(vec![result("model.b", error(true)), skipped()]);
        assert_eq!([code_of_run(&passing, false), code_of_run(&passing, true)], [1, 75]);
        let both = report(vec![result("model.b", error(true)), result("c", error(false))]);
        assert_eq!(code_of_run(&both, true), 1);
        let stopped = RunReport { is_interrupted: true, ..failed };
        assert_eq!([code_of_run(&stopped, false), code_of_run(&stopped, true)], [1, 75]);
    }

    #[test]
    fn a_summary_has_totals_and_what_failed() {
        let results = vec![
            result("model.a", NodeOutcome::new(RunStatus::Success)),
            result("model.b", error(false)),
        ];
        let summary = serde_json::Value::Object(summarize(&report(results)));
        let expected = serde_json::json!({
            "error": 1, "success": 1, "failed": ["model.b"], "seconds": 1.235,
        });
        assert_eq!(summary, expected);
    }

    #[test]
    fn codes_of_errors() {
        let code = |e: &OpsError, is_scheduled| Exit::of_error(e, is_scheduled).code;
        assert_eq!(code(&OpsError::usage("no"), true), 2);
        assert_eq!(code(&OpsError::Drift { changes: Vec::new() }, false), 3);
        let told = OpsError::from(Diagnostic::error(Code::Yaml, "no"));
        assert!(Exit::of_error(&told, true).summary.is_empty(), "it has places, and is shown");
        let usage = Exit::of_error(&OpsError::usage("no"), true);
        assert_eq!(usage.summary["error"], "no");
    }
}
