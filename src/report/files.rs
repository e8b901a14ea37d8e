//! Reports on generated files: the DAG file, diagrams and the catalog of column types.

use super::console::{Console, count_of};
use crate::diag::{Code, Diagnostic};
use crate::ops::{DagReport, DeliveredFile, Delivery, DeliveryState, ErdReport, RefreshReport};

pub(crate) fn print_dag(console: &mut Console, report: &DagReport) {
    for names in &report.merged {
        let message = format!("{} need each other: they are one task", names.join(", "));
        let warning = Diagnostic::warning(Code::Ignored, message).help("or use --by model");
        console.diagnostic(&warning);
    }
    let what = format!("{}, {}", count_of(report.tasks, "task"), count_of(report.tests, "test"));
    print_delivery(console, &report.delivery, &what);
}

pub(crate) fn print_erd(console: &mut Console, report: &ErdReport) {
    if let Some(refreshed) = &report.refreshed {
        print_refreshed(console, refreshed);
    }
    if report.untyped_columns > 0 && !report.delivery.is_check {
        let message = format!("{} have no type", count_of(report.untyped_columns, "column"));
        let help = "give them a `data_type`, or build and run `strata export erd --refresh`";
        console.diagnostic(&Diagnostic::warning(Code::Ignored, message).help(help));
    }
    let (tables, references) =
        (count_of(report.tables, "table"), count_of(report.references, "reference"));
    print_delivery(console, &report.delivery, &format!("{tables}, {references}"));
}

fn print_refreshed(console: &mut Console, report: &RefreshReport) {
    if !report.missing.is_empty() {
        let message = format!("not in the database: {}", report.missing.join(", "));
        let warning = Diagnostic::warning(Code::Ignored, message);
        console.diagnostic(&warning.help("the catalog has no types of theirs"));
    }
    print_delivery(console, &report.delivery, &count_of(report.relations, "relation"));
}

/// Reports written or checked files. `what` names their contents.
fn print_delivery(console: &Console, delivery: &Delivery, what: &str) {
    if delivery.is_stale() {
        let stale: Vec<String> = delivery.files.iter().filter_map(stale_text).collect();
        console.failure(&stale.join("; "), &stale_hints(delivery));
    } else if delivery.is_check {
        let paths: Vec<&str> = delivery.files.iter().map(|f| f.path.as_str()).collect();
        console.say(&format!("{} up to date: {what}", paths.join(", ")));
    } else {
        for file in &delivery.files {
            let done = match file.state {
                DeliveryState::Written => "written",
                _ => "is up to date",
            };
            console.say(&format!("{} {done}: {what}", file.path));
        }
    }
}

fn stale_text(file: &DeliveredFile) -> Option<String> {
    match file.state {
        DeliveryState::OutOfDate => Some(format!("{} is out of date", file.path)),
        DeliveryState::Missing => Some(format!("{} is not there", file.path)),
        DeliveryState::UpToDate | DeliveryState::Written => None,
    }
}

fn stale_hints(delivery: &Delivery) -> Vec<String> {
    let mut hints = vec![format!("write it again: {}", delivery.command)];
    for file in &delivery.files {
        if let Some(writer) = &file.other_writer {
            hints.push(format!("{} was written by: {writer}", file.path));
        }
    }
    hints
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivered(path: &str, state: DeliveryState, other: Option<&str>) -> DeliveredFile {
        DeliveredFile { path: path.to_owned(), state, other_writer: other.map(str::to_owned) }
    }

    #[test]
    fn a_stale_file_is_told_with_what_writes_it() {
        let files = vec![
            delivered("a", DeliveryState::OutOfDate, Some("strata export x --by model")),
            delivered("b", DeliveryState::Missing, None),
            delivered("c", DeliveryState::UpToDate, None),
        ];
        let delivery = Delivery { files, is_check: true, command: "strata export x".to_owned() };
        assert!(delivery.is_stale());
        let stale: Vec<String> = delivery.files.iter().filter_map(stale_text).collect();
        assert_eq!(stale, ["a is out of date", "b is not there"]);
        let hints = stale_hints(&delivery);
        assert_eq!(
            hints,
            ["write it again: strata export x", "a was written by: strata export x --by model"]
        );
    }
}
