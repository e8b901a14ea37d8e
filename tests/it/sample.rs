//! The sample project at the repository's root, built by the real binary.

use crate::project::{binary, clean, rows};
use duckdb::Connection;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

#[path = "../../examples/generate_sample.rs"]
#[expect(dead_code, reason = "the program around it is not called")]
mod generate_sample;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_committed_seeds_are_the_generators_output() {
    let out = TempDir::new().unwrap();
    generate_sample::generate(5_000, 42, out.path()).unwrap();
    let mut total = 0;
    for name in
        ["marketing_spend.csv", "users.csv", "user_touchpoints.csv", "revenue_and_rewards.csv"]
    {
        let (made, kept) = (
            fs::read(out.path().join(name)).unwrap(),
            fs::read(root().join("seeds").join(name)).unwrap(),
        );
        assert!(
            made == kept,
            "{name} differs: run the example `generate_sample --users 5000 --seed 42 --out seeds`"
        );
        total += kept.len();
    }
    assert!(total < 4 << 20, "the seeds are {total} bytes");
}

const MARTS: [&str; 8] = [
    "budget_recommendation",
    "campaign_performance",
    "channel_attribution",
    "channel_performance",
    "cohort_ltv",
    "daily_performance",
    "user_ltv",
    "users_enriched",
];

/// `init --sample` in an empty folder, then two builds.
#[test]
fn the_sample_builds_twice_and_its_numbers_agree() {
    let folder = TempDir::new().unwrap();
    let strata = |args: &[&str], at: &Path| {
        let mut command = Command::new(binary());
        clean(&mut command);
        let output = command.args(args).current_dir(at).output().unwrap();
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(output.status.success(), "strata {args:?}\n{text}");
        text
    };
    strata(&["init", "demo", "--sample"], folder.path());
    let project = folder.path().join("demo");
    let build = || {
        let text = strata(&["build", "--threads", "4"], &project);
        assert!(text.contains("24 built, 244 passed, 2 no-op"), "{text}");
        // All rows of the marts, in their order and with all digits.
        let database = Connection::open(project.join("sample.duckdb")).unwrap();
        MARTS.map(|mart| {
            rows(&database, &format!("select cast(mart as varchar) from {mart} as mart"))
        })
    };
    let (first, second) = (build(), build());
    for (n, mart) in MARTS.iter().enumerate() {
        assert!(
            !first[n].is_empty() && first[n] == second[n],
            "{mart} differs from build to build"
        );
    }
    let shown = strata(&["show", "channel_performance", "--limit", "2"], &project);
    assert!(shown.contains("channel") && shown.contains("2 rows shown"), "{shown}");
    let database = Connection::open(project.join("sample.duckdb")).unwrap();
    // Spend and revenue are equal in the raw data and in the marts, to the cent.
    let check = "select (select sum(spend) from marketing_spend) = (select sum(spend) from channel_performance), \
                 (select sum(revenue) from revenue_and_rewards) = (select sum(total_revenue) from users_enriched)";
    assert_eq!(rows(&database, check), ["true|true"]);
}

#[test]
fn every_model_and_column_is_described() {
    let folder = TempDir::new().unwrap();
    let mut command = Command::new(binary());
    clean(&mut command);
    let output = command
        .args([
            "ls",
            "--resource-type",
            "model",
            "seed",
            "--output",
            "json",
            "--output-keys",
            "name",
            "description",
            "columns",
        ])
        .args([
            "--project-dir",
            root().to_str().unwrap(),
            "--target-path",
            folder.path().to_str().unwrap(),
        ])
        .output()
        .unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().count() >= 20);
    for line in text.lines() {
        let node: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(
            !node["description"].as_str().unwrap().is_empty(),
            "{} has no description",
            node["name"]
        );
        let columns = node["columns"].as_object().unwrap();
        assert!(!columns.is_empty(), "{} describes no columns", node["name"]);
        for (name, column) in columns {
            assert!(
                !column["description"].as_str().unwrap().is_empty(),
                "{}.{name} has no description",
                node["name"]
            );
        }
    }
}
