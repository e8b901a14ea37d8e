//! The projects of the specs and the sample project give equal relations on DuckDB and on Postgres.
//! Numbers may differ by 1e-9, other values are compared as text, and types by the table below.

use super::server::{Server, rows as server_rows};
use crate::found::{Found, builds, on_duckdb, packed, table};
use crate::project::Project;
use crate::specs::{commands, every_section};
use std::collections::BTreeMap;

/// The types of DuckDB, with the types of Postgres that correspond to them. Days between dates are
/// BIGINT in DuckDB, sums of integers HUGEINT and averages DOUBLE, where Postgres has integer,
/// bigint and numeric.
const EQUIVALENT: &[(&str, &[&str])] = &[
    ("BIGINT", &["bigint", "numeric", "integer"]),
    ("BOOLEAN", &["boolean"]),
    ("DATE", &["date"]),
    ("DECIMAL", &["numeric"]),
    ("DOUBLE", &["double precision", "numeric"]),
    ("FLOAT", &["real", "double precision"]),
    ("HUGEINT", &["bigint", "numeric"]),
    ("INTEGER", &["integer"]),
    ("INTERVAL", &["interval"]),
    ("SMALLINT", &["smallint"]),
    ("TIMESTAMP", &["timestamp without time zone"]),
    ("TIMESTAMP WITH TIME ZONE", &["timestamp with time zone"]),
    ("TINYINT", &["smallint"]),
    ("VARCHAR", &["text", "character varying", "name"]),
];

fn on_postgres(server: &Server, base: &str) -> BTreeMap<String, Found> {
    let mut client = server.connect();
    let mut out = BTreeMap::new();
    for name in server_rows(
        &mut client,
        &format!(
            "select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace where (n.nspname = '{base}' or n.nspname like '{base}\\_%') and c.relkind in ('r', 'v', 'm')"
        ),
    ) {
        let (schema, table_name) = name.split_once('.').unwrap();
        let columns: Vec<(String, String)> = server_rows(&mut client, &format!(
            "select attname || '|' || format_type(atttypid, atttypmod) from pg_attribute where attrelid = '\"{schema}\".\"{table_name}\"'::regclass and attnum > 0 and not attisdropped order by attnum"
        ))
        .iter()
        .map(|l| l.split_once('|').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap())
        .collect();
        let lines = server_rows(
            &mut client,
            &format!("select {} from \"{schema}\".\"{table_name}\"", packed(&columns, "text")),
        );
        let short = if schema == base {
            table_name.to_owned()
        } else {
            format!("{}.{table_name}", &schema[base.len() + 1..])
        };
        out.insert(short, table(lines, columns));
    }
    out
}

fn type_fits(duckdb: &str, postgres: &str) -> bool {
    let plain = |t: &str| t.split('(').next().unwrap_or(t).to_owned();
    let fits = EQUIVALENT.iter().find(|(name, _)| *name == plain(duckdb)).map(|(_, all)| *all);
    fits.is_some_and(|all| all.contains(&plain(postgres).as_str()))
}

fn cell_fits(a: &Option<String>, b: &Option<String>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) if a != b => match (a.parse::<f64>(), b.parse::<f64>()) {
            (Ok(x), Ok(y)) => (x - y).abs() <= 1e-9 * x.abs().max(y.abs()).max(1.0),
            _ => false,
        },
        (a, b) => a == b,
    }
}

/// The differences, one per line.
fn differences(
    duckdb: &BTreeMap<String, Found>,
    postgres: &BTreeMap<String, Found>,
) -> Vec<String> {
    let mut out = Vec::new();
    if !duckdb.keys().eq(postgres.keys()) {
        out.push(format!("relations {:?} and {:?}", duckdb.keys(), postgres.keys()));
    }
    for (name, a) in duckdb {
        let Some(b) = postgres.get(name) else { continue };
        let names = |f: &Found| f.columns.iter().map(|(n, _)| n.clone()).collect::<Vec<_>>();
        if names(a) != names(b) {
            out.push(format!("{name}: columns {:?} and {:?}", names(a), names(b)));
            continue;
        }
        for (i, ((column, x), (_, y))) in a.columns.iter().zip(&b.columns).enumerate() {
            // Each engine has its own rule for the type of a column that has only nulls.
            let nulls = a.rows.iter().chain(&b.rows).all(|row| row[i].is_none());
            if !nulls && !type_fits(x, y) {
                out.push(format!("{name}.{column}: type {x} and {y}"));
            }
        }
        if a.rows.len() != b.rows.len() {
            out.push(format!("{name}: {} and {} rows", a.rows.len(), b.rows.len()));
        }
        let other = a
            .rows
            .iter()
            .zip(&b.rows)
            .find(|(x, y)| !x.iter().zip(*y).all(|(x, y)| cell_fits(x, y)));
        out.extend(other.map(|(x, y)| format!("{name}: row {x:?} and {y:?}")));
    }
    out
}

#[test]
fn the_specs_build_equal_relations_on_both_engines() {
    let Some(server) = Server::new("specs") else { return };
    let mut compared = 0;
    let mut wrong = Vec::new();
    for (chapter, section) in every_section() {
        let place = format!("{chapter}, {}", section.title);
        if section.is_for_duckdb() {
            continue;
        }
        let mut files: Vec<(&str, &str)> =
            section.files.iter().map(|(p, t)| (p.as_str(), t.as_str())).collect();
        if !files.iter().any(|(p, _)| *p == "project.yml" || *p == "dbt_project.yml") {
            files.push(("project.yml", "name: spec\nprofile: shop\n"));
        }
        let schema = server.schema("direct");
        server.run(&format!("do $$ declare s text; begin for s in select nspname from pg_namespace where nspname like '{schema}%' loop execute 'drop schema ' || quote_ident(s) || ' cascade'; end loop; end $$"));
        let (duck, pg) = (Project::new(&files), super::server::project(&server, &files));
        // Overrides the profile that the spec's project names.
        let profile = ["--profile".to_owned(), "shop".to_owned()];
        let all = commands(&section.consoles);
        let runs: Vec<Vec<String>> = all
            .into_iter()
            .map(|(args, _)| args.into_iter().chain(profile.clone()).collect())
            .collect();
        for args in &runs {
            let (Some(a), Some(b)) = (builds(&duck, args), builds(&pg, args)) else { continue };
            if a.code != b.code {
                wrong.push(format!(
                    "{place}: {args:?} ended with {} and {}\n{}{}",
                    a.code, b.code, b.out, b.err
                ));
            }
        }
        if !duck.path().join("shop.duckdb").is_file() {
            continue;
        }
        let different = differences(
            &on_duckdb(&duck.path().join("shop.duckdb")),
            &on_postgres(&server, &schema),
        );
        wrong.extend(different.into_iter().map(|d| format!("{place}: {d}")));
        compared += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared >= 15, "only {compared} sections were compared");
}

#[test]
fn the_sample_is_equal_on_both_engines() {
    let Some(server) = Server::new("sample") else { return };
    let p = Project::new(&[]);
    p.ok(&["init", "demo", "--sample"]);
    let profiles = server.profiles().replace("shop:\n", "bitcoin_rewards:\n");
    p.write("pg/profiles.yml", &profiles);
    let ran = p.ok(&["build", "--project-dir", "demo", "--profiles-dir", "demo", "--threads", "4"]);
    assert!(ran.out.contains("244 passed"), "{}", ran.out);
    let on = |target: &str| {
        let args = [
            "build",
            "--project-dir",
            "demo",
            "--profiles-dir",
            "pg",
            "--target",
            target,
            "--target-path",
            "built",
            "--threads",
            "4",
        ];
        let ran = p.ok(&args);
        assert!(ran.out.contains("24 built, 244 passed, 2 no-op"), "{}", ran.out);
    };
    let duckdb = on_duckdb(&p.path().join("demo/sample.duckdb"));
    // Directly, and through PgBouncer with TLS. The third build applies deltas.
    for target in ["direct", "pooled", "direct"] {
        on(target);
        let mut found = on_postgres(&server, &server.schema(target));
        found.remove("strata_lock");
        let wrong = differences(&duckdb, &found);
        assert!(wrong.is_empty(), "{target}:\n{}", wrong.join("\n"));
    }
}
