//! `retry`: the command line of an earlier run again, for the nodes that did not succeed in it.
//!
//! In: this command line, and the `run_results.json` of the earlier run, which dbt may have written.
//! Out: the command line to carry out, and the nodes. As in dbt, the earlier run's arguments count,
//! but for paths and `--warn-error`; of this command line only `--vars` and `--threads` do.

use super::args::{Cli, GlobalArgs};
use super::flags::Flags;
use crate::config::{Json, JsonMap, Yaml, parse_yaml};
use crate::load::find_project_file;
use crate::ops::OpsError;
use crate::outcome::BatchResults;
use crate::select::RetriedNodes;
use crate::source::FileId;
use crate::system::{System, normalize_path};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Parser;
use std::collections::HashMap;
use std::sync::Arc;

/// An earlier run, as its artifact tells.
#[derive(Debug)]
struct EarlierRun {
    args: JsonMap,
    results: Vec<(String, String)>,
    /// The batches of nodes some of whose batches succeeded, by unique id.
    batches: HashMap<String, BatchResults>,
    started: Option<jiff::Timestamp>,
}

/// The command to carry out in place of `retry`.
#[derive(Debug)]
pub(super) struct RetriedCommand {
    pub(super) cli: Cli,
    pub(super) nodes: RetriedNodes,
}

/// The command that `retry` repeats. `None`: there is nothing to repeat.
pub(super) fn find_retried_command(
    cli: &Cli,
    flags: &Flags,
    system: &dyn System,
) -> Result<Option<RetriedCommand>, OpsError> {
    let folder = run_folder(flags, system);
    let file = folder.join("run_results.json");
    let run = match system.read(&file) {
        Ok(text) => read_run(&text),
        Err(e) if e.not_found() => None,
        Err(e) => return Err(e.into()),
    };
    let Some(run) = run else {
        return Err(OpsError::usage_with_hint(
            format!("{folder} has no run_results.json of an earlier run"),
            "--state DIR names the folder of another run's artifacts",
        ));
    };
    let nodes = run.nodes(flags.warn_error);
    if nodes.failed.is_empty() {
        return Ok(None);
    }
    let words = run.words(&cli.global)?;
    let retried = Cli::try_parse_from(&words).map_err(|e| {
        let message = e.to_string();
        let line = message.lines().next().unwrap_or_default().to_owned();
        OpsError::usage(format!("the arguments of the earlier run cannot be repeated: {line}"))
    })?;
    Ok(Some(RetriedCommand { cli: Cli { words: words[1..].to_vec(), ..retried }, nodes }))
}

/// The folder of the earlier run's artifacts: `--state`, else the target path.
fn run_folder(flags: &Flags, system: &dyn System) -> Utf8PathBuf {
    let here = system.current_dir();
    if let Some(state) = &flags.state {
        return normalize_path(&here.join(state));
    }
    let start =
        flags.project_dir.as_ref().map_or(here.clone(), |dir| normalize_path(&here.join(dir)));
    let file = start.ancestors().find_map(|dir| find_project_file(system, dir));
    let root = file.as_ref().and_then(|file| file.parent()).unwrap_or(&start);
    let given = flags.target_path.as_ref().map(ToString::to_string);
    let folder = given.or_else(|| written_target_path(system, file.as_deref()?));
    normalize_path(&root.join(folder.unwrap_or_else(|| "target".to_owned())))
}

/// The `target-path` of a project file.
fn written_target_path(system: &dyn System, file: &Utf8Path) -> Option<String> {
    let text = system.read(file).ok()?;
    let tree = parse_yaml(FileId(0), &text).value;
    tree.as_map().and_then(|map| map.get("target-path")).and_then(Yaml::scalar_text)
}

fn read_run(text: &str) -> Option<EarlierRun> {
    let mut json: Json = serde_json::from_str(text).ok()?;
    let args = json.get_mut("args")?.as_object_mut().map(std::mem::take)?;
    let results = json.get("results")?.as_array()?.iter();
    let batches = results.clone().filter_map(batches_to_repeat).collect();
    let results = results.filter_map(|r| Some((text_of(r, "unique_id")?, text_of(r, "status")?)));
    let results = results.collect();
    // The batches of the earlier run reach up to when it began.
    let metadata = json.get("metadata").cloned().unwrap_or_default();
    let times = ["invocation_started_at", "generated_at"];
    let started = times.iter().find_map(|key| text_of(&metadata, key)?.parse().ok());
    Some(EarlierRun { args, results, batches, started })
}

fn text_of(json: &Json, key: &str) -> Option<String> {
    Some(json.get(key)?.as_str()?.to_owned())
}

/// The batches of a result, if some of them succeeded and others did not. Where all failed, they are
/// found anew.
fn batches_to_repeat(result: &Json) -> Option<(String, BatchResults)> {
    let batches = BatchResults::read(result.get("batch_results")?)?;
    let is_divided = !batches.successful.is_empty() && !batches.failed.is_empty();
    Some((text_of(result, "unique_id")?, batches)).filter(|_| is_divided)
}

impl EarlierRun {
    fn nodes(&self, warnings_fail: bool) -> RetriedNodes {
        let repeats_operations = self.command() == Some("run-operation");
        let (batches, started) = (Arc::new(self.batches.clone()), self.started);
        let mut nodes = RetriedNodes { batches, started, ..RetriedNodes::default() };
        for (id, status) in &self.results {
            let fails = match status.as_str() {
                "error" | "fail" | "skipped" | "runtime error" | "partial success" => true,
                "warn" => warnings_fail,
                _ => false,
            };
            if fails && (repeats_operations || !id.starts_with("operation.")) {
                nodes.failed.push(id.clone());
            } else if id.starts_with("test.") {
                nodes.passed_tests.push(id.clone());
            }
        }
        nodes
    }

    fn command(&self) -> Option<&str> {
        self.args.get("which").and_then(Json::as_str)
    }

    /// The words of the earlier command line, with the paths, `--vars` and `--threads` of this one.
    fn words(&self, now: &GlobalArgs) -> Result<Vec<String>, OpsError> {
        let mut words = vec!["strata".to_owned()];
        match self.command() {
            Some("generate") => words.extend(["docs", "generate"].map(str::to_owned)),
            Some(name @ ("build" | "run" | "test" | "seed" | "snapshot" | "compile" | "clone")) => {
                words.push(name.to_owned());
            }
            Some("run-operation") => {
                words.push("run-operation".to_owned());
                words.push(self.text("macro").unwrap_or_default());
                words.extend(["--args".to_owned(), self.json("args")]);
            }
            other => {
                let other = other.unwrap_or("the earlier command").to_owned();
                let message = format!("`{other}` is not a command that can be retried");
                return Err(OpsError::usage(message));
            }
        }
        for key in ["select", "exclude", "resource_types", "exclude_resource_types"] {
            let items = self.args.get(key).and_then(Json::as_array).map(Vec::as_slice);
            let items: Vec<&str> =
                items.unwrap_or_default().iter().filter_map(Json::as_str).collect();
            if !items.is_empty() {
                words.push(flag_of(key));
                words.extend(items.into_iter().map(str::to_owned));
            }
        }
        for key in ["selector", "target", "profile", "state", "event_time_start", "event_time_end"]
        {
            if let Some(value) = self.text(key) {
                words.extend([flag_of(key), value]);
            }
        }
        if let Some(sample) = self.args.get("sample").filter(|value| value.is_object()) {
            words.extend(["--sample".to_owned(), sample.to_string()]);
        }
        if let Some(mode) = self.text("indirect_selection").filter(|mode| mode != "eager") {
            words.extend([flag_of("indirect_selection"), mode]);
        }
        for key in [
            "full_refresh",
            "store_failures",
            "empty",
            "fail_fast",
            "no_audit",
            "defer",
            "favor_state",
        ] {
            if self.args.get(key) == Some(&Json::Bool(true)) {
                words.push(flag_of(key));
            }
        }
        self.add_vars(now, &mut words)?;
        let threads = now.threads.map(|n| n.to_string()).or_else(|| {
            self.args.get("threads").filter(|n| n.is_number()).map(ToString::to_string)
        });
        words.extend(threads.into_iter().flat_map(|n| ["--threads".to_owned(), n]));
        let paths = [
            ("--project-dir", &now.project_dir),
            ("--profiles-dir", &now.profiles_dir),
            ("--target-path", &now.target_path),
            ("--defer-state", &now.defer_state),
        ];
        for (flag, path) in paths {
            words.extend(path.iter().flat_map(|path| [flag.to_owned(), path.to_string()]));
        }
        for (flag, given) in [
            ("--warn-error", now.warn_error),
            ("--quiet", now.quiet),
            ("--debug", now.debug),
            ("--no-write-json", now.no_write_json),
        ] {
            words.extend(given.then(|| flag.to_owned()));
        }
        Ok(words)
    }

    /// The variables: those of this command line, else those of the earlier one.
    fn add_vars(&self, now: &GlobalArgs, words: &mut Vec<String>) -> Result<(), OpsError> {
        let vars = match &now.vars {
            Some(given) => given.clone(),
            None => {
                let earlier = self.args.get("vars").and_then(Json::as_object);
                let mut masked = earlier.into_iter().flatten().filter(|(_, v)| **v == "*****");
                if let Some((name, _)) = masked.next() {
                    return Err(OpsError::usage_with_hint(
                        format!(
                            "the value of `{name}` is secret, so the earlier run did not keep it"
                        ),
                        "give the variables again: --vars '{..}'",
                    ));
                }
                if earlier.is_none_or(JsonMap::is_empty) {
                    return Ok(());
                }
                self.json("vars")
            }
        };
        words.extend(["--vars".to_owned(), vars]);
        Ok(())
    }

    fn text(&self, key: &str) -> Option<String> {
        self.args.get(key).and_then(Json::as_str).map(str::to_owned)
    }

    fn json(&self, key: &str) -> String {
        self.args.get(key).filter(|v| !v.is_null()).map_or("{}".to_owned(), Json::to_string)
    }
}

fn flag_of(key: &str) -> String {
    let name = match key {
        "resource_types" => "resource-type",
        "exclude_resource_types" => "exclude-resource-type",
        other => return format!("--{}", other.replace('_', "-")),
    };
    format!("--{name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn run(args: Json, results: &[(&str, &str)]) -> EarlierRun {
        let results: Vec<Json> = results
            .iter()
            .map(|(id, status)| json!({ "unique_id": id, "status": status }))
            .collect();
        read_run(&json!({ "args": args, "results": results }).to_string()).unwrap()
    }

    fn words(args: Json, now: &[&str]) -> Result<String, String> {
        let now = Cli::try_parse_from(["strata", "retry"].iter().chain(now)).unwrap();
        run(args, &[]).words(&now.global).map(|w| w[1..].join(" ")).map_err(|e| e.to_string())
    }

    #[test]
    fn arguments_of_the_earlier_run_count_but_paths_are_those_of_now() {
        let args = json!({
            "which": "build", "select": ["a", "b+"], "exclude": [], "full_refresh": true, "target": "prod",
            "resource_types": ["model"], "vars": {"x": 1}, "profiles_dir": "/old", "indirect_selection": "eager",
            "threads": 3, "empty": false, "printer_width": 80,
        });
        assert_eq!(
            words(args.clone(), &[]).unwrap(),
            "build --select a b+ --resource-type model --target prod --full-refresh --vars {\"x\":1} --threads 3"
        );
        assert_eq!(
            words(args, &["--vars", "{x: 2}", "--threads", "1", "--profiles-dir", "p"]).unwrap(),
            "build --select a b+ --resource-type model --target prod --full-refresh --vars {x: 2} --threads 1 --profiles-dir p"
        );
        assert_eq!(
            words(json!({ "which": "run-operation", "macro": "m", "args": {"a": 1} }), &[])
                .unwrap(),
            "run-operation m --args {\"a\":1}"
        );
        assert!(words(json!({ "which": "list" }), &[]).unwrap_err().contains("`list` is not"));
    }

    #[test]
    fn batches_that_failed_are_repeated_for_the_same_times() {
        let day = |day: u8| {
            json!([format!("2024-01-0{day}T00:00:00+00:00"), "2024-01-09T00:00:00+00:00"])
        };
        let result = |id: &str, good: &[u8], bad: &[u8]| {
            let days = |days: &[u8]| days.iter().map(|d| day(*d)).collect::<Vec<_>>();
            let batches = json!({ "successful": days(good), "failed": days(bad) });
            json!({ "unique_id": id, "status": "partial success", "batch_results": batches })
        };
        let text = json!({
            "metadata": { "generated_at": "2024-01-02T00:00:00Z", "invocation_started_at": "2024-01-01T00:00:00Z" },
            "args": { "which": "build", "sample": { "start": "a", "end": "b" }, "event_time_start": "2024-01-01T00:00:00" },
            "results": [result("model.p.a", &[1], &[2, 3]), result("model.p.b", &[], &[1])],
        });
        let run = read_run(&text.to_string()).unwrap();
        let nodes = run.nodes(false);
        assert_eq!(nodes.failed, ["model.p.a", "model.p.b"]);
        assert_eq!(nodes.batches.keys().collect::<Vec<_>>(), ["model.p.a"]);
        assert_eq!(nodes.batches["model.p.a"].failed.len(), 2);
        assert_eq!(nodes.started, Some("2024-01-01T00:00:00Z".parse().unwrap()));
        let words = run.words(&GlobalArgs::default()).unwrap()[1..].join(" ");
        let expected =
            r#"build --event-time-start 2024-01-01T00:00:00 --sample {"start":"a","end":"b"}"#;
        assert_eq!(words, expected);
    }

    #[test]
    fn secret_variables_have_to_be_given_again() {
        let args = json!({ "which": "run", "vars": { "DBT_ENV_SECRET_X": "*****" } });
        assert!(words(args.clone(), &[]).unwrap_err().contains("`DBT_ENV_SECRET_X` is secret"));
        assert!(words(args, &["--vars", "{DBT_ENV_SECRET_X: a}"]).is_ok());
    }

    #[test]
    fn what_did_not_succeed_is_repeated() {
        let all = [
            ("model.p.a", "success"),
            ("model.p.b", "error"),
            ("test.p.t", "pass"),
            ("test.p.w", "warn"),
            ("test.p.f", "fail"),
            ("model.p.c", "skipped"),
            ("operation.p.o", "error"),
        ];
        let build = run(json!({ "which": "build" }), &all);
        let nodes = build.nodes(false);
        assert_eq!(nodes.failed, ["model.p.b", "test.p.f", "model.p.c"]);
        assert_eq!(nodes.passed_tests, ["test.p.t", "test.p.w"]);
        assert!(build.nodes(true).failed.contains(&"test.p.w".to_owned()));
        let operation = run(json!({ "which": "run-operation" }), &all);
        assert!(operation.nodes(false).failed.contains(&"operation.p.o".to_owned()));
    }
}
