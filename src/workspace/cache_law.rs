//! Property test of the resident project: after any edits, reading with caches gives the same as
//! reading everything anew.

use super::ProjectReading;
use super::testing::{is_thorough, workspace, written_manifest};
use crate::changes::NodeDefinition;
use crate::diag::diagnostic_json;
use crate::manifest::NodeId;
use crate::system::{CachedSystem, MemorySystem, System};
use camino::Utf8Path;
use proptest::prelude::*;
use std::sync::Arc;

/// Files and their possible contents. An index past the end means that the file is absent.
const FILES: &[(&str, &[&str])] = &[
    (
        "project.yml",
        &[
            "name: shop\n",
            "name: shop\nvars: {n: 1, flag: true}\n",
            "name: shop\nvars: {n: 2}\nmodels: {shop: {marts: {+tags: [m], +materialized: table}}}\n",
            "name: shop\nmodels: {shop: {nowhere: {+tags: [m]}}}\non-run-end: ['select {{ one() }}']\n",
            "name: shop\nmodels: {+post-hook: \"select '{{ this }}' from {{ ref('a') }} -- {{ one() }}\"}\n",
        ],
    ),
    (
        "models/a.sql",
        &[
            "select 1 as x",
            "select {{ one() }} as x",
            "select {{ var('n', 5) }} as x",
            "{{ config(alias='other', tags=['t']) }} select {{ shop.one() }} as x",
            "select {{ nope() }} as x",
            "select {% if %}",
            "{{ config(enabled=var('flag', false)) }} select 1 as x",
        ],
    ),
    (
        "models/marts/b.sql",
        &[
            "select * from {{ ref('a') }}",
            "select * from {{ ref('c') }}",
            "select * from {{ ref('gone') }}",
            "select '{{ this }}' as t",
        ],
    ),
    (
        "models/c.sql",
        &[
            "select * from {{ source('raw', 't') }}",
            "select * from {{ ref('b') }}",
            "{{ outer(1) }}",
            "{{ env_var('E', 'none') }}",
        ],
    ),
    ("models/d.sql", &["select 1 as y", "select * from {{ ref('a') }} -- {{ target.schema }}"]),
    (
        "models/s.yml",
        &[
            "models: [{name: a, description: \"{{ doc('about') }}\", columns: [{name: x, data_tests: [unique, own]}]}]\n",
            "models: [{name: a, columns: [{name: x, data_tests: [not_null, {relationships: {to: ref('b'), field: x}}]}]}, {name: zz}]\nsources: [{name: raw, tables: [{name: t}]}]\n",
            "sources: [{name: raw, schema: \"s_{{ var('n', 0) }}\", tables: [{name: t, data_tests: [missing_test]}]}]\nexposures: [{name: e, type: dashboard, owner: {name: o}, depends_on: [ref('a')]}]\n",
            "models: [\n",
            "models: [{name: b, config: {materialized: table}, versions: [{v: 1}]}]\nunit_tests: [{name: u, model: a, given: [], expect: {rows: []}}]\n",
        ],
    ),
    (
        "macros/m.sql",
        &[
            "{% macro one() %}1{% endmacro %}",
            "{% macro one() %}2{% endmacro %}{% macro outer(n) %}select {{ n }} + {{ one() }} as z{% endmacro %}",
            "\n\n{% macro outer(n) %}select {{ adapter.dispatch('inner')(n) }}{% endmacro %}{% macro default__inner(n) %}{{ n }} as z from {{ ref('a') }}{% endmacro %}",
            "{% macro one() %}{{ }}{% endmacro %}",
            "{% macro one() %}{{ config(tags=['from_macro']) }}{{ exceptions.raise_compiler_error('no') }}{% endmacro %}",
        ],
    ),
    (
        "macros/n.sql",
        &[
            "{% macro generate_schema_name(custom, node) %}{{ custom or 'base' }}_{{ var('n', 9) }}{% endmacro %}",
            "{% test own(model, column_name) %}select * from {{ model }} where {{ one() }} = 0{% endtest %}",
            "{% macro one() %}3{% endmacro %}",
        ],
    ),
    (
        "models/docs.md",
        &[
            "{% docs about %}text{% enddocs %}",
            "{% docs about %}other{% enddocs %}",
            "{% docs else %}x{% enddocs %}",
        ],
    ),
    ("seeds/e.csv", &["id\n1\n", "id\n2\n"]),
    (
        "snapshots/f.sql",
        &[
            "{% snapshot f %}{{ config(strategy='check', unique_key='x', check_cols='all') }} select * from {{ ref('a') }}{% endsnapshot %}",
            "{% snapshot f %}",
        ],
    ),
    (".dbtignore", &["d.sql\n", "marts/\n"]),
];

/// The definitions of all nodes, as text, as far as they are the same in every process.
fn definitions(reading: &ProjectReading) -> Vec<String> {
    let Some(revision) = &reading.revision else { return Vec::new() };
    let ids: Vec<NodeId> = revision.manifest.nodes.iter().map(|node| node.id).collect();
    let defined = revision.define_nodes(&ids).nodes;
    let text = |id: &NodeId| {
        let NodeDefinition { parts, volatile, introspective, error } = &defined[id];
        let error = error.as_ref().map(|d| &d.message);
        let name = &revision.manifest.node(*id).unique_id;
        format!("{name}: {parts:?} {volatile:?} {introspective} {error:?}")
    };
    ids.iter().map(text).collect()
}

/// The observable result of a reading: its diagnostics with their positions, and the manifest as it
/// is written.
fn seen(reading: &ProjectReading) -> (Vec<String>, String) {
    let mut said: Vec<String> =
        reading.diagnostics.iter().map(|d| diagnostic_json(d, &reading.map).to_string()).collect();
    said.sort();
    let Some(revision) = &reading.revision else { return (said, String::new()) };
    (said, written_manifest(&revision.manifest))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if is_thorough() { 48 } else { 8 }, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_cached_gives_what_reading_anew_gives(
        first in prop::collection::vec(0usize..8, FILES.len()),
        edits in prop::collection::vec((0..FILES.len(), 0usize..8), 1..12),
        stored in any::<bool>(),
    ) {
        let inner: Arc<dyn System> = Arc::new(MemorySystem::with_files([]));
        let write = |file: usize, variant: usize| {
            let (path, texts) = FILES[file];
            let path = Utf8Path::new("/project").join(path);
            match texts.get(variant) {
                Some(text) => inner.write_atomic(&path, text.as_bytes()).unwrap(),
                None if file == 0 => inner.write_atomic(&path, texts[0].as_bytes()).unwrap(),
                None => inner.remove(&path).unwrap(),
            }
            path
        };
        first.iter().enumerate().for_each(|(file, variant)| { write(file, *variant); });
        let system = Arc::new(CachedSystem::new(inner.clone(), |_| true));
        let mut resident = workspace(system.clone());
        resident.read().unwrap();
        for (file, variant) in edits {
            let path = write(file, variant);
            system.find_changed_paths([path.as_path()]);
            if stored {
                // Round-trips the caches, as if another process had stored them.
                resident.store_and_read_caches();
            }
            let now = resident.read().unwrap();
            let cold = workspace(inner.clone()).read().unwrap();
            prop_assert_eq!(definitions(&now), definitions(&cold), "after {} became {}", path, variant);
            let (now, cold) = (seen(&now), seen(&cold));
            prop_assert_eq!(&now.0, &cold.0, "after {} became {}", path, variant);
            prop_assert!(now.1 == cold.1, "after {} became {}: the manifests differ", path, variant);
        }
    }
}
