//! What became of the batches of a model, as `run_results.json` has it.

use crate::config::Json;
use crate::manifest::{EventWindow, iso_text};
use jiff::civil::DateTime;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BatchResults {
    pub(crate) successful: Vec<EventWindow>,
    /// Those that failed or were not tried.
    pub(crate) failed: Vec<EventWindow>,
}

impl BatchResults {
    pub(crate) fn to_json(&self) -> Json {
        serde_json::json!({
            "successful": windows_json(&self.successful), "failed": windows_json(&self.failed),
        })
    }

    /// Reads `batch_results` of an artifact. `None` if they are not of this form.
    pub(crate) fn read(json: &Json) -> Option<BatchResults> {
        Some(BatchResults {
            successful: read_windows(json.get("successful")?)?,
            failed: read_windows(json.get("failed")?)?,
        })
    }
}

fn windows_json(windows: &[EventWindow]) -> Json {
    windows.iter().map(|window| [iso_text(window.start), iso_text(window.end)]).collect()
}

fn read_windows(json: &Json) -> Option<Vec<EventWindow>> {
    json.as_array()?.iter().map(read_window).collect()
}

fn read_window(json: &Json) -> Option<EventWindow> {
    match json.as_array()?.as_slice() {
        [start, end] => Some(EventWindow { start: read_time(start)?, end: read_time(end)? }),
        _ => None,
    }
}

/// Batches are in UTC, whose offset artifacts write as `+00:00` or `Z`.
fn read_time(json: &Json) -> Option<DateTime> {
    let text = json.as_str()?;
    text.trim_end_matches("+00:00").trim_end_matches('Z').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn results_are_written_and_read() {
        let day =
            |d: &str| json!([format!("2024-01-0{d}T00:00:00+00:00"), "2024-01-09T12:00:00+00:00"]);
        let written = json!({ "successful": [day("1"), day("2")], "failed": [day("3")] });
        let read = BatchResults::read(&written).unwrap();
        assert_eq!((read.successful.len(), read.failed.len()), (2, 1));
        assert_eq!(read.to_json(), written);
        let of_dbt = json!({ "successful": [], "failed": [["2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"]] });
        assert_eq!(BatchResults::read(&of_dbt).unwrap().failed.len(), 1);
        assert_eq!(BatchResults::read(&json!(null)), None);
        assert_eq!(BatchResults::read(&json!({ "successful": [], "failed": [["x", "y"]] })), None);
    }
}
