//! Writes `run_results.json` v6.

use super::{ArtifactMetadata, head, time};
use crate::config::Json;
use crate::outcome::{BatchResults, RunResult};
use crate::secret::Scrubber;
use crate::system::{System, SystemError};
use camino::Utf8Path;
use serde_json::json;
use std::io::{self, Write};

pub(crate) fn write_run_results(
    system: &dyn System,
    folder: &Utf8Path,
    results: &[RunResult],
    seconds: f64,
    metadata: &ArtifactMetadata,
    scrubber: &Scrubber,
) -> Result<(), SystemError> {
    system.write_stream(&folder.join("run_results.json"), &mut |out| {
        write_json(out, results, seconds, metadata, scrubber)
    })
}

fn write_json(
    out: &mut dyn Write,
    results: &[RunResult],
    seconds: f64,
    metadata: &ArtifactMetadata,
    scrubber: &Scrubber,
) -> io::Result<()> {
    let head = head("run-results/v6", metadata);
    write!(out, "{{\"metadata\": {head}, \"results\": [")?;
    for (i, result) in results.iter().enumerate() {
        out.write_all(if i == 0 { b"\n" } else { b",\n" })?;
        out.write_all(line(result, scrubber).to_string().as_bytes())?;
    }
    write!(out, "\n], \"elapsed_time\": {seconds}, \"args\": {}}}\n", metadata.args)
}

/// An entry of the results. Only the message may contain secrets: the engine or a template made it.
fn line(result: &RunResult, scrubber: &Scrubber) -> Json {
    let outcome = &result.outcome;
    let timing: Vec<Json> = result
        .timing
        .iter()
        .map(|t| json!({ "name": t.name, "started_at": time(t.started), "completed_at": time(t.completed) }))
        .collect();
    json!({
        "status": outcome.status.as_str(),
        "timing": timing,
        "thread_id": result.thread,
        "execution_time": result.seconds,
        "adapter_response": outcome.adapter_response,
        "message": result.artifact_message().map(|m| scrubber.scrub(&m).into_owned()),
        "failures": outcome.failures,
        "unique_id": &*crate::manifest::artifact_id(&result.unique_id),
        "compiled": outcome.compiled.is_some(),
        "compiled_code": outcome.compiled.as_ref().map(|c| c.as_str()),
        "relation_name": result.relation_name,
        "batch_results": outcome.batches.as_ref().map(BatchResults::to_json),
    })
}
