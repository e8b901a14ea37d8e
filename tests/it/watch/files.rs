//! What editors, version control and people do to files.

use super::SHOP;
use super::driver::{Watch, equals_a_fresh_build};
use crate::project::Project;
use std::fs;

const MID: &str =
    "{{ config(materialized='table') }} select id, amount + 3 as amount from {{ ref('stg') }}";

#[test]
fn an_editor_that_writes_beside_and_renames() {
    let p = Project::new(SHOP);
    let mut w = Watch::start(&p, &[]);
    p.write("models/.mid.sql.swp", "a swap file");
    p.write("models/mid.sql~", MID);
    fs::rename(p.path().join("models/mid.sql~"), p.path().join("models/mid.sql")).unwrap();
    assert_eq!(w.build().built(), ["mart", "mid"]);
    // Some editors rename the old file to a backup first.
    fs::rename(p.path().join("models/mid.sql"), p.path().join("models/mid.sql.bak")).unwrap();
    p.write("models/mid.sql", &MID.replace('3', "4"));
    w.settle();
    w.stop();
    assert_eq!(p.rows("select total::int from mart"), ["72"]);
    equals_a_fresh_build(&p);
}

#[test]
fn files_that_are_renamed_deleted_and_restored() {
    let p = Project::new(SHOP);
    let mut w = Watch::start(&p, &[]);
    fs::rename(p.path().join("models/other.sql"), p.path().join("models/another.sql")).unwrap();
    let build = w.settle();
    assert_eq!(build.built(), ["another"]);
    let stg = p.read("models/stg.sql");
    p.remove("models/stg.sql");
    let read = w.reading();
    assert_eq!(read.read("errors"), 1, "what reads it misses it");
    p.write("models/stg.sql", &stg);
    w.settle();
    // A file that is written with the same content has not changed.
    p.write("models/stg.sql", &stg);
    p.write("models/mid.sql", MID);
    assert_eq!(w.build().built(), ["mart", "mid"]);
    w.stop();
    p.database().execute_batch("drop table other").unwrap();
    equals_a_fresh_build(&p);
}

/// `git checkout` and some editors write files this way.
#[test]
fn a_file_that_is_removed_and_written_anew_was_never_gone() {
    let p = Project::new(SHOP);
    let mut w = Watch::start(&p, &[]);
    for row in ["1 as id, 10 as amount", "1 as id, 11 as amount"] {
        p.remove("models/stg.sql");
        p.write("models/stg.sql", &format!("select {row}"));
        let build = w.settle();
        let readings = build.lines.iter().filter(|l| l["event"] == "read");
        assert!(readings.clone().all(|l| l["errors"] == 0), "{:#?}", build.lines);
        assert!(build.built().contains(&"stg".to_owned()), "{:#?}", build.lines);
    }
    w.stop();
}

#[test]
fn hundreds_of_files_at_once() {
    const N: usize = 500;
    let p = Project::new(&[]);
    let write = |factor: usize| {
        for i in 0..N {
            let reads = if i < 10 {
                String::new()
            } else {
                format!(" from {{{{ ref('m{:03}') }}}}", i % 10)
            };
            p.write(
                &format!("models/m{i:03}.sql"),
                &format!("select {i} * {factor} as n{i}{reads}"),
            );
        }
    };
    write(1);
    let mut w = Watch::start(&p, &[]);
    assert_eq!(w.first.built().len(), N);
    write(2);
    let all = w.settle();
    let read = all.lines.iter().filter(|l| l["event"] == "read").count();
    assert!(read < 20, "{read} readings of one burst");
    w.stop();
    assert_eq!(p.rows("select n0::int + (select n499::int from m499) from m000"), ["998"]);
    equals_a_fresh_build(&p);
}

#[test]
fn another_branch() {
    let p = Project::new(SHOP);
    p.write(".gitignore", "target/\n*.duckdb*\n");
    let git = |args: &[&str]| {
        let done = std::process::Command::new("git")
            .args([
                "-c",
                "user.name=t",
                "-c",
                "user.email=t@example.invalid",
                "-c",
                "commit.gpgsign=false",
            ])
            .args(args)
            .current_dir(p.path())
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    git(&["init", "-q", "-b", "main"]);
    git(&["add", "."]);
    git(&["commit", "-qm", "one"]);
    git(&["checkout", "-qb", "other"]);
    p.write("models/mid.sql", MID);
    p.write("models/deep/new/leaf.sql", "select count(*) as n from {{ ref('mart') }}");
    p.write("models/more.sql", "select 1 as x");
    p.remove("models/other.sql");
    git(&["add", "."]);
    git(&["commit", "-qm", "two"]);
    git(&["checkout", "-q", "main"]);
    let mut w = Watch::start(&p, &[]);
    git(&["checkout", "-q", "other"]);
    let all = w.settle();
    assert!(
        all.built().contains(&"leaf".to_owned()) && all.built().contains(&"more".to_owned()),
        "{:?}",
        all.built()
    );
    assert_eq!(p.rows("select total::int from mart"), ["69"]);
    git(&["checkout", "-q", "main"]);
    w.settle();
    git(&["checkout", "-q", "other"]);
    w.settle();
    w.stop();
    p.database().execute_batch("drop table other").unwrap();
    equals_a_fresh_build(&p);
}

#[test]
fn folders_that_appear_later_and_files_of_the_project() {
    let p = Project::new(&[("models/a.sql", "select 1 as x")]);
    let mut w = Watch::start(&p, &[]);
    // A new folder that contains a file at once.
    p.write("seeds/s.csv", "id\n1\n");
    let all = w.settle();
    assert_eq!(all.built(), ["s"]);
    p.write("macros/m.sql", "{% macro two() %}2{% endmacro %}");
    p.write("models/sub/b.sql", "select {{ two() }} as y from {{ ref('s') }}");
    let all = w.settle();
    assert_eq!(all.built(), ["b"]);
    // A packages file that did not exist before.
    p.write("packages.yml", "packages: [{local: ../nowhere}]\n");
    let read = w.reading();
    assert_eq!(read.read("errors"), 1);
    p.remove("packages.yml");
    w.settle();
    p.write("project.yml", "name: shop\nprofile: shop\nmodel-paths: [models, more]\n");
    w.settle();
    p.write("more/c.sql", "select 3 as z");
    let all = w.settle();
    assert_eq!(all.built(), ["c"]);
    // An error in the project file, which is then corrected.
    p.write("project.yml", "name: [\n");
    assert!(w.reading().read("errors") > 0);
    p.write(
        "project.yml",
        "name: shop\nprofile: shop\nmodel-paths: [models, more]\nmodels: {+materialized: table}\n",
    );
    let all = w.settle();
    assert_eq!(all.built(), ["a", "b", "c"]);
    // Another target has another database.
    p.write(
        "profiles.yml",
        "shop: {target: other, outputs: {other: {type: duckdb, path: elsewhere.duckdb}}}\n",
    );
    let all = w.settle();
    assert_eq!(all.built(), ["a", "b", "c", "s"]);
    w.stop();
    assert!(p.path().join("elsewhere.duckdb").is_file());
}

#[test]
fn by_polling() {
    let p = Project::new(SHOP);
    let mut w = Watch::start(&p, &["--poll"]);
    // Polling compares modification times, which some file systems store in whole seconds.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    p.write("models/mid.sql", MID);
    assert_eq!(w.build().built(), ["mart", "mid"]);
    w.stop();
    equals_a_fresh_build(&p);
}

#[test]
fn a_file_that_could_not_be_read_is_read_again_when_it_is_mended() {
    let p = Project::new(SHOP);
    let mut w = Watch::start(&p, &[]);
    fs::write(p.path().join("models/stg.sql"), b"select 1 as id, 12 as amount -- caf\xe9").unwrap();
    assert!(w.reading().read("errors") > 0);
    p.write("models/stg.sql", "select 1 as id, 12 as amount -- café");
    let build = w.settle();
    assert!(build.built().contains(&"stg".to_owned()), "{:#?}", build.lines);
    w.stop();
    equals_a_fresh_build(&p);
}

#[cfg(unix)]
#[test]
fn what_links_lead_to_is_watched() {
    use std::os::unix::fs::symlink;
    let elsewhere = tempfile::tempdir().unwrap();
    let there = elsewhere.path().canonicalize().unwrap();
    fs::create_dir(there.join("v1")).unwrap();
    fs::write(there.join("l.sql"), "select 1 as one").unwrap();
    fs::write(there.join("v1/d.sql"), "select 1 as one").unwrap();
    let p = Project::new(SHOP);
    symlink(there.join("l.sql"), p.path().join("models/l.sql")).unwrap();
    symlink(there.join("v1"), p.path().join("models/linkd")).unwrap();
    let mut w = Watch::start(&p, &[]);
    fs::write(there.join("l.sql"), "select 2 as one").unwrap();
    assert_eq!(w.build().built(), ["l"]);
    fs::write(there.join("unrelated.txt"), "x").unwrap();
    fs::write(there.join("v1/d.sql"), "select 3 as one").unwrap();
    assert_eq!(w.build().built(), ["d"]);
    w.stop();
    assert_eq!(p.rows("select l.one, d.one from l, d"), ["2|3"]);
}
