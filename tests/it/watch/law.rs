//! After each of several random edits, a watch has built the same as a full build.

use super::driver::{Watch, content, copy};
use crate::project::Project;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Files and their possible contents.
const FILES: &[(&str, &[&str])] = &[
    ("seeds/s.csv", &["id,v\n1,a\n2,b\n", "id,v\n1,a\n2,c\n3,d\n", "id,v\n3,a\n"]),
    (
        "macros/m.sql",
        &[
            "{% macro f(x) %}{{ x }} + 1{% endmacro %}",
            "{% macro f(x) %}{{ x }} * 2{% endmacro %}",
            "{% macro f(x) %}({{ x }} + 1){% endmacro %}",
        ],
    ),
    (
        "models/a.sql",
        &[
            "select id, v from {{ ref('s') }}",
            "select id, {{ f('id') }} as w, v from {{ ref('s') }}",
            "select id, upper(v) as v from {{ ref('s') }}",
        ],
    ),
    (
        "models/b.sql",
        &[
            "{{ config(materialized='table') }} select id, {{ f('id') }} as n from {{ ref('a') }}",
            "{{ config(materialized='view') }} select id, 0 as n from {{ ref('a') }}",
            "{{ config(materialized='ephemeral') }} select id, {{ f('id') }} as n from {{ ref('s') }}",
        ],
    ),
    (
        "models/c.sql",
        &[
            "{{ config(materialized='table') }} select sum(n)::int as t, count(*) as k from {{ ref('b') }}",
            "select max(n)::int as t, 1 as k from {{ ref('b') }}",
            "select nope from {{ ref('b') }}",
        ],
    ),
    (
        "models/d.sql",
        &[
            "{{ config(materialized='table') }} select t from {{ ref('c') }}",
            "select a.id, c.t from {{ ref('a') }} a cross join {{ ref('c') }} c",
            "select {{ var('x', 1) }} as t",
        ],
    ),
    (
        "project.yml",
        &[
            "name: shop\nprofile: shop\n",
            "name: shop\nprofile: shop\nvars: {x: 3}\nmodels: {+materialized: table}\n",
        ],
    ),
];

#[test]
fn relations_are_those_of_a_full_build() {
    let cases = std::env::var("STRATA_WATCH_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(2);
    let edits = prop::collection::vec((0..FILES.len(), 0usize..3), 5..8);
    let mut runner =
        TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    runner
        .run(&edits, |edits| {
            let p = Project::new(&[]);
            FILES.iter().for_each(|(path, texts)| p.write(path, texts[0]));
            let mut w = Watch::start(&p, &[]);
            for (i, (file, variant)) in edits.iter().enumerate() {
                let (path, texts) = FILES[*file];
                // The comment makes every edit a change.
                let mark = if path.ends_with(".sql") {
                    format!("\n-- {i}\n")
                } else if path.ends_with(".yml") {
                    format!("# {i}\n")
                } else {
                    String::new()
                };
                let text = format!("{}{mark}", texts[variant % texts.len()]);
                if text == p.read(path) {
                    continue;
                }
                p.write(path, &text);
                if w.reading().read("errors") == 0 {
                    w.build();
                }
            }
            w.stop();
            let fresh = copy(&p);
            // If the engine rejects a model, its old version remains published. Then only the
            // relations that the fresh build has are compared.
            let ran = fresh.run(&["build"]);
            let (now, full) = (content(&p.database()), content(&fresh.database()));
            if ran.code == 0 {
                let gone: Vec<&String> = full.iter().filter(|line| !now.contains(line)).collect();
                prop_assert!(
                    gone.is_empty(),
                    "{:?} is not there\nwatch: {:#?}\nfull: {:#?}\nedits: {:?}",
                    gone,
                    now,
                    full,
                    edits
                );
            }
            Ok(())
        })
        .unwrap();
}
