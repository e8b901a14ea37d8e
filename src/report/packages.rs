//! What `deps` does and has done.

use super::console::{Console, count_of};
use crate::ops::{AddedPackage, DepsReport, Installation};
use crate::packages::{FetchStep, LOCK_FILE};
use serde_json::json;

pub(crate) fn print_deps(console: &Console, report: &DepsReport) {
    if let Some(AddedPackage { name, file, replaced }) = &report.added {
        console.say(&format!("added {name} to {}", file.name()));
        for other in replaced {
            console.say(&format!("it replaces {other}"));
        }
    }
    if !report.is_asked {
        console.say("packages.yml asks for no packages");
    }
    if report.is_lock_written {
        console.say(&format!("wrote {LOCK_FILE}"));
    }
    match &report.installation {
        Installation::LeftAlone => {}
        Installation::InPlace(count) => {
            console.say(&format!("{} in place", count_of(*count, "package")));
        }
        Installation::Installed(packages) => {
            for (name, source) in packages {
                console.say(&format!("installed {name} from {source}"));
            }
        }
    }
    for (package, version) in &report.newer {
        console.say(&format!("{package}: {version} is out"));
    }
}

impl Console {
    /// Shows how packages are fetched: as lines that come and go on a terminal, else a line for each.
    pub(super) fn fetch_step(&mut self, step: &FetchStep) {
        match step {
            FetchStep::Started { what } => {
                if !self.show_work(what) {
                    self.emit_event("progress", json!({ "message": what }), what);
                }
            }
            FetchStep::Received { what, bytes, total } => {
                let of = total.map(|total| format!(" of {}", megabytes(total))).unwrap_or_default();
                self.change_work(what, &format!("{what}  {}{of}", megabytes(*bytes)));
            }
            FetchStep::Retried { what, attempt } => {
                let text = format!("{what}: failed, retry {attempt}");
                self.emit_event("progress", json!({ "message": text }), &text);
            }
            FetchStep::Ended { what } => self.end_work(what),
        }
    }
}

fn megabytes(bytes: usize) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_megabytes() {
        assert_eq!(megabytes(1_250_000), "1.2 MB");
    }
}
