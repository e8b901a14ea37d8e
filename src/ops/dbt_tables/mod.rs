//! Compares Strata with tables of dbt 1.11's results (`tests/dbt/*.json`). Each row of `jinja.json`
//! is a template with the results of `dbt parse` and `dbt compile` on DuckDB.

#![expect(
    clippy::disallowed_methods,
    reason = "reads the tables, and writes a report for whoever asks"
)]

mod configs;
mod manifests;
mod row_diff;
mod semantic;
mod shapes;
mod state;

use crate::compile::CompileError;
use crate::config::{Json, float_text, is_whole};
use crate::context::Bindings;
use crate::diag::Diagnostic;
use crate::engine::{Connection, ExistingRelations};
use crate::run::CancelToken;
use crate::system::{MemorySystem, System};
use crate::workspace::testing::is_thorough;
use crate::workspace::{ProjectReading, Settings, Workspace};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

fn table(name: &str) -> Json {
    let path = format!("{}/tests/dbt/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Settings of a project with these files.
fn settings_of(files: &BTreeMap<String, String>) -> Settings {
    let files: Vec<(String, &str)> =
        files.iter().map(|(p, t)| (format!("/project/{p}"), t.as_str())).collect();
    let system: Arc<dyn System> =
        Arc::new(MemorySystem::with_files(files.iter().map(|(p, t)| (p.as_str(), *t))));
    crate::workspace::testing::settings(system)
}

fn read_project(settings: Settings) -> ProjectReading {
    Workspace::new(settings, CancelToken::default()).read().unwrap()
}

/// JSON as YAML 1.1 that reads back as the same values: floats get a point, and a sign in the
/// exponent.
fn yaml(value: &Json) -> String {
    match value {
        Json::Number(n) if !is_whole(n) => {
            let text = float_text(n.as_f64().unwrap_or(f64::NAN));
            match text.split_once('e') {
                Some((mantissa, exponent)) if !mantissa.contains('.') => {
                    format!("{mantissa}.0e{exponent}")
                }
                _ => text,
            }
        }
        Json::Array(items) => {
            format!("[{}]", items.iter().map(yaml).collect::<Vec<_>>().join(", "))
        }
        Json::Object(map) => {
            let pairs: Vec<String> = map
                .iter()
                .map(|(k, v)| format!("{}: {}", Json::from(k.as_str()), yaml(v)))
                .collect();
            format!("{{{}}}", pairs.join(", "))
        }
        other => other.to_string(),
    }
}

const PROFILES: &str = "p: {target: dev, outputs: {dev: {type: duckdb, path: ':memory:', schema: main, threads: 1}}}\n";

/// One row in this many is checked.
fn share() -> usize {
    if is_thorough() { 1 } else { 20 }
}

/// Writes the differences to the file that `STRATA_TABLE_REPORT` names, if it is set.
fn report(wrong: &[Json]) {
    if let Some(path) = std::env::var_os("STRATA_TABLE_REPORT") {
        std::fs::write(path, serde_json::to_string_pretty(wrong).unwrap()).unwrap();
    }
}

/// The result of parsing and compiling a template.
#[derive(Debug, PartialEq)]
enum Answer {
    ParseError,
    RunError,
    Sql(String),
}

fn expected(case: &Json) -> Option<Answer> {
    match (case["parse"].as_str(), case["run"].as_str()) {
        (Some("error"), _) => Some(Answer::ParseError),
        (_, Some("error")) => Some(Answer::RunError),
        (_, Some("ok")) => {
            Some(Answer::Sql(case["sql"].as_str().unwrap_or_default().trim().to_owned()))
        }
        _ => None,
    }
}

/// The results for templates that share macros and variables, with the error messages.
fn answers(base: &Json, cases: &[&Json]) -> Vec<(Answer, String)> {
    let mut files = BTreeMap::new();
    for (path, text) in base.as_object().unwrap() {
        if let Some(text) = text.as_str() {
            files.insert(path.clone(), text.to_owned());
        }
    }
    files.insert("profiles.yml".to_owned(), PROFILES.to_owned());
    if let Some(vars) = cases[0].get("vars").filter(|v| !v.is_null()) {
        let file = files.entry("dbt_project.yml".to_owned()).or_default();
        file.push_str(&format!("vars: {}\n", yaml(vars)));
    }
    if let Some(macros) = cases[0].get("macros").and_then(Json::as_str) {
        files.insert("macros/m.sql".to_owned(), macros.to_owned());
    }
    let path = |case: &Json| format!("models/{}.sql", case["model"].as_str().unwrap());
    for case in cases {
        files.insert(path(case), case["template"].as_str().unwrap().to_owned());
    }
    let reading = read_project(settings_of(&files));
    let said = |case: &Json| {
        let own = path(case);
        let here = |d: &&Diagnostic| {
            let place = d.primary.as_ref().map(|l| reading.map.path(l.span.file).as_str());
            d.is_error()
                && (cases.len() == 1
                    || place == Some(&own)
                    || d.notes.iter().any(|n| {
                        n.contains(&format!("model.p.{}`", case["model"].as_str().unwrap()))
                    }))
        };
        reading.diagnostics.iter().find(here).map(|d| d.message.clone())
    };
    let Some(revision) = &reading.revision else {
        let why = reading.diagnostics.first().map(|d| d.message.clone()).unwrap_or_default();
        return cases.iter().map(|_| (Answer::ParseError, why.clone())).collect();
    };
    let connection = Connection::new(revision.connect().unwrap());
    let compiler = revision.compiler(Vec::new());
    let existing = Arc::new(ExistingRelations::Unknown);
    let bindings = Arc::new(Bindings::default());
    let mut out = Vec::new();
    for case in cases {
        if let Some(message) = said(case) {
            out.push((Answer::ParseError, message));
            continue;
        }
        let id = format!("model.p.{}", case["model"].as_str().unwrap());
        let Some(node) = revision.manifest.get(&id) else {
            out.push((Answer::ParseError, "there is no such node".to_owned()));
            continue;
        };
        out.push(match compiler.compile(node.id, &bindings, &existing, Some(&connection)) {
            Ok(compiled) => (Answer::Sql(compiled.sql.as_str().trim().to_owned()), String::new()),
            Err(CompileError::Diagnostic(d)) => (Answer::RunError, d.message),
            Err(CompileError::NeedsDatabase) => (Answer::RunError, "needs the database".to_owned()),
        });
    }
    out
}

#[test]
fn templates_answer_as_in_dbt() {
    let table = table("jinja.json");
    let known = self::table("jinja-known.json");
    let mut groups: BTreeMap<(String, String), Vec<&Json>> = BTreeMap::new();
    for case in table["templates"].as_array().unwrap() {
        groups
            .entry((case["macros"].to_string(), case["vars"].to_string()))
            .or_default()
            .push(case);
    }
    let (mut wrong, mut mended, mut right) = (Vec::new(), Vec::new(), 0);
    let groups: Vec<&Vec<&Json>> = groups.values().step_by(share()).collect();
    let answered: Vec<Vec<(Answer, String)>> =
        groups.par_iter().map(|cases| answers(&table["project"], cases)).collect();
    for (cases, answers) in groups.iter().zip(answered) {
        for (case, (answer, message)) in cases.iter().zip(answers) {
            let Some(expected) = expected(case) else { continue };
            let template = case["template"].as_str().unwrap();
            let model = case["model"].as_str().unwrap();
            let reason = known.get(model).and_then(|known| known["reason"].as_str());
            match (answer == expected, reason) {
                (true, None) => right += 1,
                (true, Some(_)) => mended.push(model.to_owned()),
                (false, Some(_)) => {}
                (false, None) => wrong.push(serde_json::json!({
                    "model": model, "template": template, "macros": case["macros"], "vars": case["vars"],
                    "dbt": format!("{expected:?}"), "here": format!("{answer:?}"), "message": message, "said": case["message"],
                })),
            }
        }
    }
    report(&wrong);
    assert!(
        mended.is_empty(),
        "no longer different, to be taken out of jinja-known.json: {mended:#?}"
    );
    let first: Vec<&Json> = wrong.iter().take(5).collect();
    assert!(wrong.is_empty(), "{} of {} differ: {first:#?}", wrong.len(), wrong.len() + right);
}
