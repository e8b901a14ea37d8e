//! Tests of how nodes are defined, and of what is taken from the cache.

use super::super::CompileCache;
use super::super::testing::{File, assert_changes, compiler, define, id_of, parts_of, with};
use super::define_nodes;
use crate::compile::Compiler;
use crate::hash::Fingerprint;
use crate::manifest::StaticSql;
use crate::resolve::testing::project;
use std::sync::Arc;

/// Makes a text one that has to be compiled.
const UNSTEADY: &str = "{% if execute %}{% endif %}";
const EPHEMERAL: &str = "{{ config(materialized='ephemeral') }}";
const ALIASED: &str = "{{ config(alias='x') }} select 1 as id";

/// The text of a model as it is known without compiling it.
fn steady(sql: &str) -> Option<StaticSql> {
    let (manifest, _) = project(&[
        ("models/a.sql", "select 1 as id"),
        ("models/b.sql", "select 1 as id"),
        ("models/m.sql", sql),
        (
            "macros/m.sql",
            "{% macro plain(x) %}{{ x }} + {{ var('n', 1) }}{% endmacro %}\
             {% macro asks() %}{{ this }}{% endmacro %}",
        ),
    ]);
    manifest.get("model.shop.m").unwrap().text.as_ref().unwrap().steady.clone()
}

#[test]
fn a_text_is_rendered_once_unless_running_may_make_it_another() {
    let same = [
        "select 1 as id",
        "{{ config(materialized='table') }} select {{ plain('id') }} from {{ ref('a') }} \
         -- {{ target.name }}",
        "{% set x = ref('a') %}{% for i in range(2) %}select {{ i }} from {{ x }}{% endfor %}",
    ];
    for sql in same {
        assert!(steady(sql).is_some(), "{sql}");
    }
    let other = [
        "{% if execute %}select 1{% endif %}",
        "select '{{ this }}' as x",
        "select '{{ asks() }}' as x",
        "select 1 {% if is_incremental() %}where true{% endif %}",
        "select '{{ config.get('x') }}' as x",
        "select '{{ ref('a').identifier }}' as x",
        "select '{{ ref('a').render() }}' as x",
        "select {% if ref('a') == ref('b') %}1{% else %}2{% endif %} as x",
        "select '{{ run_started_at }}' as x",
        "select {{ nobody() }}",
        "{% set rows = run_query('select 1') %}select 1",
        "select {{ adapter.quote('x') }} from {{ ref('a') }}",
    ];
    for sql in other {
        assert!(steady(sql).is_none(), "{sql}");
    }
}

#[test]
fn what_a_text_refers_to_counts_by_place() {
    let sets = "{% set x = ref('a') %}{% set y = ref('b') %}";
    let print = |sql: &str| steady(sql).unwrap().fingerprint;
    let text = print(&format!("{sets}select * from {{{{ x }}}}, {{{{ y }}}}"));
    assert_ne!(text, print(&format!("{sets}select * from {{{{ y }}}}, {{{{ x }}}}")));
    assert_eq!(text, print("select *  from {{ ref('a') }}, -- two\n {{ ref('b') }}"));
    assert_eq!(
        steady("select current_date as d").unwrap().volatile.as_deref(),
        Some("current_date")
    );
}

#[test]
fn only_what_is_run_by_itself_has_sql() {
    let ephemeral = format!("{EPHEMERAL} select 1 as id");
    let compiler = compiler(
        &[
            ("models/a.sql", "select 1 as id"),
            ("models/e.sql", &*ephemeral),
            ("models/p.py", "def model(dbt, session):\n    return 1\n"),
        ],
        &[],
    );
    let ids = ["a", "e", "p"].map(|name| id_of(&compiler, name));
    let defined = define_nodes(&compiler, &ids, &mut CompileCache::default());
    assert_eq!(defined.len(), 3);
    assert_eq!(ids.map(|id| defined[&id].parts.contains_key("SQL")), [true, false, false]);
}

#[test]
fn a_text_changes_with_the_names_of_what_it_reads_and_with_ephemeral_models() {
    for (of_m, of_e) in [("", ""), (UNSTEADY, ""), ("", UNSTEADY)] {
        let m =
            format!("{of_m}select * from {{{{ ref('e') }}}} join {{{{ ref('b') }}}} using (id)");
        let e = format!("{EPHEMERAL}{of_e}select id from {{{{ ref('a') }}}}");
        let (e_changed, e_noted) = (e.replace("select id", "select 2 as id"), format!("{e} -- e"));
        let (a, b) = ("select 1 as id", "select * from {{ ref('c') }}");
        let b_aliased = format!("{{{{ config(alias='x') }}}}{b}");
        let files = [
            ("models/a.sql", a),
            ("models/b.sql", b),
            ("models/c.sql", a),
            ("models/e.sql", &*e),
            ("models/m.sql", &*m),
        ];
        assert_changes(
            "m",
            &files,
            &[
                ("models/a.sql", a, ALIASED, &["SQL"]),
                ("models/b.sql", b, &b_aliased, &["SQL"]),
                ("models/e.sql", &e, &e_changed, &["SQL"]),
                ("models/e.sql", &e, &e_noted, &[]),
                ("models/a.sql", a, "select 2 as id", &[]),
                ("models/c.sql", a, ALIASED, &[]),
            ],
        );
    }
    let rows: &[(&str, &str, &str, &[&str])] =
        &[("models/m.sql", "select 1 as id", ALIASED, &["SQL", "config"])];
    assert_changes("m", &[], rows);
}

#[test]
fn what_may_be_another_each_time_is_volatile() {
    let ephemeral = format!("{EPHEMERAL} select current_date as id");
    for (sql, expected) in [
        ("select 1 as id", None),
        ("select current_date as id", Some("current_date")),
        ("{% if execute %}{% endif %}select random() as id", Some("random")),
        ("select * from {{ ref('e') }}", Some("current_date")),
        ("select random() as r from {{ ref('e') }}", Some("random")),
        ("select '{{ run_started_at }}' as id", Some("run_started_at")),
        ("select '{{ invocation_id }}' as id", Some("invocation_id")),
        ("select '{{ modules.datetime.datetime.now() }}' as id", Some("the time")),
        ("{% if execute %}{{ target.name }}{% endif %} select '{{ var('v', 1) }}' as id", None),
        (
            "{{ config(materialized='incremental') }}select 1 as id \
             {% if is_incremental() %}where random() > 0{% endif %}",
            Some("random"),
        ),
    ] {
        let files = [("models/m.sql", sql), ("models/e.sql", &*ephemeral)];
        let defined = define(&compiler(&files, &[]), "m", &mut CompileCache::default());
        assert_eq!(defined.volatile.as_deref(), expected, "{sql}");
        assert!(!defined.introspective && defined.error.is_none(), "{sql}");
    }
}

const INTROSPECTIVE: &str = "{% if execute %}{{ run_query('select 1') }}{% endif %}select 1 as id";

#[test]
fn what_asks_the_database_is_known_by_its_text() {
    let file = ("models/m.sql", INTROSPECTIVE);
    let defined = define(&compiler(&[file], &[]), "m", &mut CompileCache::default());
    assert!(defined.introspective && defined.error.is_none());
    assert_eq!(defined.volatile, None);
    let (edited, noted) =
        (INTROSPECTIVE.replace("as id", "as key"), format!("{INTROSPECTIVE} -- one"));
    assert_changes(
        "m",
        &[file],
        &[
            ("models/m.sql", INTROSPECTIVE, &edited, &["SQL"]),
            ("models/m.sql", INTROSPECTIVE, &noted, &[]),
        ],
    );
}

const BROKEN: &str = "{{ exceptions.raise_compiler_error('halt') if execute }}select 1 as id";

#[test]
fn what_cannot_be_compiled_says_why() {
    let defined =
        define(&compiler(&[("models/m.sql", BROKEN)], &[]), "m", &mut CompileCache::default());
    assert_eq!(defined.parts["SQL"], Fingerprint::of("").short());
    assert!(!defined.introspective && defined.volatile.is_none());
    let why = defined.error.unwrap();
    assert!(why.message.contains("halt"), "{}", why.message);
}

#[test]
fn what_is_known_is_not_compiled_again() {
    let unsteady = format!("{UNSTEADY}select 1 as id");
    for (sql, first, second) in [
        ("select 1 as id", 0, 0),
        (&*unsteady, 1, 0),
        ("select '{{ run_started_at }}' as id", 1, 0),
        ("select '{{ modules.datetime.datetime.now() }}' as id", 1, 1),
        (INTROSPECTIVE, 1, 1),
        (BROKEN, 1, 1),
    ] {
        let compiler = compiler(&[("models/m.sql", sql)], &[]);
        let mut cache = CompileCache::default();
        let before = define(&compiler, "m", &mut cache);
        assert_eq!(cache.compiled(), first, "{sql}");
        assert_eq!(cache.is_changed(), first > 0, "{sql}");
        let now = define(&compiler, "m", &mut cache);
        assert_eq!(cache.compiled(), second, "{sql}");
        assert_eq!(before, now, "{sql}");
    }
}

#[test]
fn a_text_is_compiled_again_when_something_that_it_is_made_of_is_another() {
    let m = format!(
        "{UNSTEADY}select {{{{ var('v') }}}}, {{{{ own() }}}} \
         from {{{{ ref('e') }}}}, {{{{ ref('b') }}}}"
    );
    let e = format!("{EPHEMERAL}select id from {{{{ ref('a') }}}}");
    let (own, model) =
        ("{% macro own() %}1{% endmacro %}{% macro other() %}1{% endmacro %}", "select 1 as id");
    let vars = "name: shop\nvars: {v: 1, x: 1}\n";
    let files = [
        ("project.yml", vars),
        ("macros/m.sql", own),
        ("models/a.sql", model),
        ("models/b.sql", model),
        ("models/e.sql", &*e),
        ("models/m.sql", &*m),
        ("models/p.yml", ""),
    ];
    for (path, text, expected) in [
        ("models/p.yml", "", 0),
        ("models/p.yml", "models: [{name: m, description: of m}]", 0),
        ("models/p.yml", "models: [{name: m, config: {materialized: table}}]", 1),
        ("models/m.sql", &*format!("{m} -- one"), 1),
        ("models/e.sql", &*format!("{e} where true"), 1),
        ("models/a.sql", ALIASED, 1),
        ("models/b.sql", ALIASED, 1),
        ("models/b.sql", "select 2 as id", 0),
        ("project.yml", &*vars.replace("v: 1", "v: 2"), 1),
        ("project.yml", &*vars.replace("x: 1", "x: 2"), 0),
        ("macros/m.sql", &*own.replace("own() %}1", "own() %}2"), 1),
        ("macros/m.sql", &*own.replace("other() %}1", "other() %}2"), 0),
    ] {
        let mut cache = CompileCache::default();
        define(&compiler(&files, &[]), "m", &mut cache);
        define(&compiler(&with(&files, path, text), &[]), "m", &mut cache);
        assert_eq!(cache.compiled(), expected, "{path}: {text}");
    }
}

#[test]
fn texts_of_nodes_that_are_gone_are_forgotten() {
    let (one, two) = (format!("{UNSTEADY}select 1 as id"), format!("{UNSTEADY}select 2 as id"));
    let both = compiler(&[("models/k.sql", &*one), ("models/m.sql", &*one)], &[]);
    let mut cache = CompileCache::default();
    let ids = ["k", "m"].map(|name| id_of(&both, name));
    define_nodes(&both, &ids, &mut cache);
    assert!(cache.texts.has("model.shop.k") && cache.texts.has("model.shop.m"));
    define(&compiler(&[("models/m.sql", &*two)], &[]), "m", &mut cache);
    assert!(!cache.texts.has("model.shop.k") && cache.texts.has("model.shop.m"));
}

/// Replaces the node `m` by that of another compiler, as two readings of a project share nodes.
fn sharing_m(mut compiler: Compiler, other: &Compiler) -> Compiler {
    let (id, same) = (id_of(&compiler, "m"), id_of(other, "m"));
    assert_eq!(id, same);
    let mut manifest = (*compiler.manifest).clone();
    manifest.nodes[id.index()] = other.manifest.nodes[id.index()].clone();
    compiler.manifest = Arc::new(manifest);
    compiler
}

const HOOK: &str = "models:\n  - name: m\n    config:\n      \
    pre-hook: \"select {{ own() }}, {{ var('v') }}\"\n";
const HOOKED: [File<'_>; 5] = [
    ("project.yml", "name: shop\nvars: {v: 1}\n"),
    ("macros/m.sql", "{% macro own() %}1{% endmacro %}"),
    ("models/a.sql", "select 1 as id"),
    ("models/m.sql", "select * from {{ ref('a') }}"),
    ("models/p.yml", HOOK),
];

#[test]
fn parts_are_taken_over_while_all_that_they_are_made_of_is_the_same() {
    let first = compiler(&HOOKED, &[]);
    let mut cache = CompileCache::default();
    let parts = define(&first, "m", &mut cache).parts;
    assert!(Arc::ptr_eq(&parts, &define(&first, "m", &mut cache).parts));
    let again = sharing_m(compiler(&HOOKED, &[]), &first);
    assert!(Arc::ptr_eq(&parts, &define(&again, "m", &mut cache).parts));
    for (path, text, part) in [
        ("macros/m.sql", "{% macro own() %}2{% endmacro %}", "hooks"),
        ("project.yml", "name: shop\nvars: {v: 2}\n", "hooks"),
        ("models/a.sql", ALIASED, "SQL"),
    ] {
        let other = sharing_m(compiler(&with(&HOOKED, path, text), &[]), &first);
        let mut cache = CompileCache::default();
        define(&first, "m", &mut cache);
        let now = define(&other, "m", &mut cache).parts;
        assert_ne!(now[part], parts[part], "{path}");
        assert_eq!(*now, parts_of(&other, "m"), "{path}");
    }
    let configured = HOOK.replace("config:\n", "config:\n      unique_key: id\n");
    let other = compiler(&with(&HOOKED, "models/p.yml", &configured), &[]);
    assert_ne!(define(&other, "m", &mut cache).parts["config"], parts["config"]);
}

#[test]
fn the_rows_of_a_seed_are_looked_at_each_time() {
    let compiler = compiler(&[("seeds/s.csv", "id\n1\n")], &[]);
    let mut cache = CompileCache::default();
    let before = define(&compiler, "s", &mut cache).parts;
    assert_eq!(define(&compiler, "s", &mut cache).parts, before);
    compiler.context.system.write_atomic("/project/seeds/s.csv".into(), b"id\n2\n").unwrap();
    let now = define(&compiler, "s", &mut cache).parts;
    assert_ne!(now["data"], before["data"]);
    assert_eq!(now["config"], before["config"]);
}
