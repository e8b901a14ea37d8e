//! The projects of the specs and the sample project give equal relations on DuckDB and on SQLite.
//! The type of a column on DuckDB decides how its values are compared, since SQLite has no dates,
//! booleans and decimals.

use super::{FILE, PROFILES, cell};
use crate::found::{Found, builds, on_duckdb, table};
use crate::project::Project;
use crate::specs::{Section, commands, every_section};
use rusqlite::{Connection, OpenFlags};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// How values of a column are compared.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rule {
    /// Integers, texts, and dates and times as ISO texts.
    Identical,
    /// `true` is 1, `false` is 0.
    ZeroOrOne,
    /// Rounded to its digits after the point.
    Rounded(usize),
    /// The relative difference is at most 1e-9.
    Close,
}

/// The rule for a type of DuckDB; `None` if SQLite has nothing that corresponds to it.
fn rule(data_type: &str) -> Option<Rule> {
    let name = data_type.split('(').next().unwrap_or(data_type);
    Some(match name {
        "BIGINT" | "HUGEINT" | "INTEGER" | "SMALLINT" | "TINYINT" | "UBIGINT" => Rule::Identical,
        "VARCHAR" | "DATE" | "TIMESTAMP" => Rule::Identical,
        // The type of a column that has only nulls.
        "\"NULL\"" => Rule::Identical,
        "BOOLEAN" => Rule::ZeroOrOne,
        "DECIMAL" => {
            let scale = data_type.split([',', ')']).nth(1)?;
            Rule::Rounded(scale.trim().parse().ok()?)
        }
        "DOUBLE" | "FLOAT" => Rule::Close,
        _ => return None,
    })
}

fn fits(rule: Rule, duckdb: &Option<String>, sqlite: &Option<String>) -> bool {
    let (Some(a), Some(b)) = (duckdb, sqlite) else { return duckdb == sqlite };
    let numbers = || Some((a.parse::<f64>().ok()?, b.parse::<f64>().ok()?));
    match rule {
        Rule::Identical => a == b,
        Rule::ZeroOrOne => {
            (a.as_str(), b.as_str()) == ("true", "1") || (a.as_str(), b.as_str()) == ("false", "0")
        }
        Rule::Rounded(scale) => numbers().is_some_and(|(_, y)| {
            let rounded = format!("{y:.scale$}");
            rounded == *a
                || (rounded.trim_start_matches('-').bytes().all(|c| b"0.".contains(&c))
                    && rounded.trim_start_matches('-') == a)
        }),
        Rule::Close => numbers().is_some_and(|(x, y)| (x - y).abs() <= 1e-9 * x.abs().max(y.abs())),
    }
}

/// All relations of the files, by name. Those of a schema with its own file are named
/// `SCHEMA.NAME`.
pub(super) fn on_sqlite(folder: &Path, main: &str) -> BTreeMap<String, Found> {
    let mut out = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let Some(schema) =
            path.file_name().and_then(|n| n.to_str()).and_then(|n| n.strip_suffix(".db"))
        else {
            continue;
        };
        let prefix = if schema == main {
            String::new()
        } else {
            format!("{}.", schema.trim_start_matches("main_"))
        };
        let db = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let names = "select name from sqlite_schema where type in ('table', 'view') and name not like 'sqlite%'";
        for name in super::rows(&db, names) {
            out.insert(format!("{prefix}{name}"), read(&db, &name));
        }
    }
    out
}

fn read(db: &Connection, relation: &str) -> Found {
    // This panics for a view with a function that only the connections of builds have.
    let mut statement = db.prepare(&format!("select * from \"{relation}\"")).unwrap();
    let columns: Vec<(String, String)> = statement
        .columns()
        .map(|c| (c.name().to_owned(), c.decl_type().unwrap_or_default().to_owned()))
        .collect();
    let width = columns.len();
    let mut lines = Vec::new();
    let mut rows = statement.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let cells: Vec<String> =
            (0..width).map(|i| cell(row, i).unwrap_or("\u{2}".to_owned())).collect();
        lines.push(cells.join("\u{1}"));
    }
    table(lines, columns)
}

/// The differences, one per line.
pub(super) fn differences(
    duckdb: &BTreeMap<String, Found>,
    sqlite: &BTreeMap<String, Found>,
) -> Vec<String> {
    let mut out = Vec::new();
    if !duckdb.keys().eq(sqlite.keys()) {
        out.push(format!("relations {:?} and {:?}", duckdb.keys(), sqlite.keys()));
    }
    for (name, a) in duckdb {
        let Some(b) = sqlite.get(name) else { continue };
        let names = |f: &Found| f.columns.iter().map(|(n, _)| n.clone()).collect::<Vec<_>>();
        if names(a) != names(b) {
            out.push(format!("{name}: columns {:?} and {:?}", names(a), names(b)));
            continue;
        }
        let mut rules = Vec::new();
        for (column, data_type) in &a.columns {
            match rule(data_type) {
                Some(rule) => rules.push(rule),
                None => out.push(format!("{name}.{column}: no rule for {data_type}")),
            }
        }
        if rules.len() < a.columns.len() {
            continue;
        }
        if a.rows.len() != b.rows.len() {
            out.push(format!("{name}: {} and {} rows", a.rows.len(), b.rows.len()));
        }
        // Sorts the rows of both sides by what the rules compare, so that they match.
        let (left, right) = (in_order(&rules, &a.rows), in_order(&rules, &b.rows));
        let same = |x: &[Option<String>], y: &[Option<String>]| {
            (0..rules.len()).all(|i| fits(rules[i], &x[i], &y[i]))
        };
        let other = left.iter().zip(&right).find(|(x, y)| !same(x, y));
        out.extend(other.map(|(x, y)| format!("{name}: row {x:?} and {y:?}")));
    }
    out
}

fn in_order<'a>(rules: &[Rule], rows: &'a [Vec<Option<String>>]) -> Vec<&'a Vec<Option<String>>> {
    let key = |(value, rule): (&Option<String>, &Rule)| {
        let value = value.as_deref()?;
        Some(match rule {
            Rule::Identical => value.to_owned(),
            Rule::ZeroOrOne => value.replace("true", "1").replace("false", "0"),
            Rule::Rounded(_) | Rule::Close => {
                format!("{:.5}", value.parse::<f64>().unwrap_or_default() + 0.0)
            }
        })
    };
    let mut out: Vec<&Vec<Option<String>>> = rows.iter().collect();
    out.sort_by_cached_key(|row| row.iter().zip(rules).map(key).collect::<Vec<_>>());
    out
}

/// Sections whose relations cannot be equal, with the reason.
const EXCEPTIONS: &[(&str, &str)] = &[("Merge", "there is no `merge`")];

/// Runs a section on both engines and returns the differences.
fn compare(section: &Section) -> Option<Vec<String>> {
    if section.is_for_duckdb() {
        return None;
    }
    let mut files: Vec<(&str, &str)> =
        section.files.iter().map(|(p, t)| (p.as_str(), t.as_str())).collect();
    if !files.iter().any(|(p, _)| *p == "project.yml" || *p == "dbt_project.yml") {
        files.push(("project.yml", "name: spec\nprofile: shop\n"));
    }
    let (duck, lite) = (Project::new(&files), super::project(&files));
    let mut wrong = Vec::new();
    for (mut args, _) in commands(&section.consoles) {
        // Overrides the profile that the spec's project names.
        args.extend(["--profile".to_owned(), "shop".to_owned()]);
        let (Some(a), Some(b)) = (builds(&duck, &args), builds(&lite, &args)) else { continue };
        if a.code != b.code {
            wrong
                .push(format!("{args:?} ended with {} and {}\n{}{}", a.code, b.code, b.out, b.err));
        }
    }
    let file = duck.path().join("shop.duckdb");
    if !file.is_file() {
        return None;
    }
    wrong.extend(differences(&on_duckdb(&file), &on_sqlite(lite.path(), "shop")));
    Some(wrong)
}

#[test]
fn the_specs_build_equal_relations() {
    let mut compared = 0;
    let mut wrong = Vec::new();
    let mut different = BTreeSet::new();
    for (chapter, section) in every_section() {
        let Some(found) = compare(&section) else { continue };
        compared += 1;
        let listed = EXCEPTIONS.iter().any(|(title, _)| *title == section.title);
        if listed && !found.is_empty() {
            different.insert(section.title.clone());
        }
        if !listed {
            wrong.extend(found.into_iter().map(|d| format!("{chapter}, {}: {d}", section.title)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let stale: Vec<&str> =
        EXCEPTIONS.iter().map(|(t, _)| *t).filter(|t| !different.contains(*t)).collect();
    assert!(stale.is_empty(), "these are equal by now: {stale:?}");
    assert!(compared >= 15, "only {compared} sections were compared");
}

#[test]
fn the_sample_is_equal() {
    let p = Project::new(&[]);
    p.ok(&["init", "demo", "--sample"]);
    let build = |target: &str| {
        let args = [
            "build",
            "--project-dir",
            "demo",
            "--profiles-dir",
            "demo",
            "--target",
            target,
            "--threads",
            "4",
        ];
        let ran = p.ok(&args);
        assert!(ran.out.contains("24 built, 244 passed, 2 no-op"), "{}", ran.out);
    };
    build("dev");
    let duckdb = on_duckdb(&p.path().join("demo/sample.duckdb"));
    // The second build applies deltas.
    for _ in 0..2 {
        build("sqlite");
        let wrong = differences(&duckdb, &on_sqlite(&p.path().join("demo"), "sample"));
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

#[test]
fn each_type_has_its_rule() {
    let some = |text: &str| Some(text.to_owned());
    let fit =
        |data_type: &str, a: &str, b: &str| fits(rule(data_type).unwrap(), &some(a), &some(b));
    assert!(fit("DATE", "2024-01-31", "2024-01-31") && !fit("DATE", "2024-01-31", "2024"));
    assert!(fit("BOOLEAN", "true", "1") && !fit("BOOLEAN", "false", "false"));
    assert!(
        fit("DECIMAL(18,2)", "0.30", "0.30000000000000004")
            && !fit("DECIMAL(18,2)", "0.30", "0.31")
    );
    assert!(fit("DECIMAL(18,2)", "0.00", "-0.0") && !fit("DECIMAL(18,2)", "-0.01", "0.01"));
    assert!(fit("DOUBLE", "1e3", "1000.0000001") && !fit("DOUBLE", "1", "1.00001"));
    assert!(!fit("INTEGER", "1", "1.0"), "a whole number stays one");
    assert!(rule("INTERVAL").is_none());
    assert!(PROFILES.contains(FILE));
}
