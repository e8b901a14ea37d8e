//! Writes `sources.json` v3.

use super::{ArtifactMetadata, head, time};
use crate::config::Json;
use crate::outcome::SourceFreshness;
use crate::system::{System, SystemError};
use camino::Utf8Path;
use jiff::Timestamp;
use serde_json::json;
use std::io::{self, Write};

pub(crate) fn write_sources(
    system: &dyn System,
    path: &Utf8Path,
    sources: &[SourceFreshness],
    seconds: f64,
    metadata: &ArtifactMetadata,
) -> Result<(), SystemError> {
    system.write_stream(path, &mut |out| write_json(out, sources, seconds, metadata))
}

fn write_json(
    out: &mut dyn Write,
    sources: &[SourceFreshness],
    seconds: f64,
    metadata: &ArtifactMetadata,
) -> io::Result<()> {
    write!(out, "{{\"metadata\": {}, \"results\": [", head("sources/v3", metadata))?;
    for (i, source) in sources.iter().enumerate() {
        out.write_all(if i == 0 { b"\n" } else { b",\n" })?;
        out.write_all(line(source).to_string().as_bytes())?;
    }
    write!(out, "\n], \"elapsed_time\": {seconds}}}\n")
}

fn line(source: &SourceFreshness) -> Json {
    let result = &source.result;
    let Some(measured) = &source.measured else {
        return json!({
            "unique_id": &*result.unique_id,
            "error": result.outcome.message,
            "status": "runtime error",
        });
    };
    let timing: Vec<Json> = result
        .timing
        .iter()
        .map(|t| json!({ "name": t.name, "started_at": time(t.started), "completed_at": time(t.completed) }))
        .collect();
    json!({
        "unique_id": &*result.unique_id,
        "max_loaded_at": instant(measured.max_loaded_at),
        "snapshotted_at": instant(measured.snapshotted_at),
        "max_loaded_at_time_ago_in_s": measured.age,
        "status": measured.status.as_str(),
        "criteria": source.criteria.to_json(),
        "adapter_response": result.outcome.adapter_response,
        "timing": timing,
        "thread_id": result.thread,
        "execution_time": result.seconds,
    })
}

/// A time as Python prints it, with microseconds only if they are not zero.
fn instant(at: Timestamp) -> String {
    let format = if at.subsec_microsecond() == 0 && at.subsec_millisecond() == 0 {
        "%Y-%m-%dT%H:%M:%S+00:00"
    } else {
        "%Y-%m-%dT%H:%M:%S%.6f+00:00"
    };
    at.strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::instant;

    #[test]
    fn times_are_those_of_python() {
        let of = |text: &str| instant(text.parse().unwrap());
        assert_eq!(of("2024-01-01T10:00:00Z"), "2024-01-01T10:00:00+00:00");
        assert_eq!(of("2024-01-01T10:00:00.5Z"), "2024-01-01T10:00:00.500000+00:00");
        assert_eq!(of("0001-01-01T00:00:00Z"), "0001-01-01T00:00:00+00:00");
    }
}
