//! Property test of the resident project: after any edits, reading with caches gives the same as
//! reading everything anew.

use super::testing::{is_thorough, settings, workspace, written_manifest};
use super::{Notice, ProjectReading, Settings, Workspace, WorkspaceError, repeat_reading};
use crate::changes::NodeDefinition;
use crate::diag::diagnostic_json;
use crate::manifest::NodeId;
use crate::run::CancelToken;
use crate::system::{CachedSystem, MemorySystem, System};
use camino::{Utf8Path, Utf8PathBuf};
use proptest::prelude::*;
use std::sync::Arc;

/// Files and their possible contents. An index past the end means that the file is absent.
const FILES: &[(&str, &[&str])] = &[
    (
        "project.yml",
        &[
            "name: shop\n",
            "name: shop\nvars: {n: 1, flag: true}\non-run-start: [\"{{ log('flag is ' ~ var('flag'), info=true) }}\"]\nunknown: 1\n",
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
    (
        "models/d.sql",
        &[
            "select 1 as y",
            "select * from {{ ref('a') }} -- {{ target.schema }}",
            "{{ log('n is ' ~ var('n', 0), info=true) }}select 2 as y",
        ],
    ),
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
    (
        "models/more.md",
        &["{% docs about %}text{% enddocs %}", "\n{% docs about %}text{% enddocs %}"],
    ),
    ("packages.yml", &["packages: [{local: gone}]\n"]),
    ("selectors.yml", &["selectors: [\n"]),
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

/// The project's files in memory, in variants.
struct Variants {
    system: Arc<dyn System>,
}

impl Variants {
    fn new(first: &[usize]) -> Variants {
        let variants = Variants { system: Arc::new(MemorySystem::with_files([])) };
        first.iter().enumerate().for_each(|(file, variant)| {
            variants.write(file, *variant);
        });
        variants
    }

    /// Writes a variant of a file, and gives its path.
    fn write(&self, file: usize, variant: usize) -> Utf8PathBuf {
        let (path, texts) = FILES[file];
        let path = Utf8Path::new("/project").join(path);
        match texts.get(variant) {
            Some(text) => self.system.write_atomic(&path, text.as_bytes()).unwrap(),
            None if file == 0 => self.system.write_atomic(&path, texts[0].as_bytes()).unwrap(),
            None => self.system.remove(&path).unwrap(),
        }
        path
    }
}

/// What a command says that reads the project in a process of its own: its log lines and warnings,
/// and the number of nodes or the errors.
fn told(system: &Arc<dyn System>, cache: bool) -> (Vec<String>, bool) {
    let settings = Settings { cache, ..settings(system.clone()) };
    let mut workspace = Workspace::new(settings.clone(), CancelToken::default());
    let mut said = Vec::new();
    let mut map = Arc::default();
    let mut notices = |notice| match notice {
        Notice::Files(files) => map = files,
        Notice::Diagnostics(all) => {
            said.extend(all.iter().map(|d| diagnostic_json(d, &map).to_string()));
        }
        Notice::Run(event) => said.push(format!("{event:?}")),
        Notice::Packages(_) => {}
    };
    let files = workspace.load_files().unwrap();
    let record = workspace.find_reading(&files);
    let is_known = record.is_some();
    let result = match record {
        Some(record) => {
            let told = repeat_reading(&settings, &record, files, &mut notices);
            told.map(|()| record.nodes)
        }
        None => workspace.open_loaded(files, &mut notices).map(|r| r.manifest.nodes.len()),
    };
    said.push(match result {
        Ok(nodes) => format!("{nodes} nodes"),
        Err(WorkspaceError::Diagnostics(all)) => {
            let messages: Vec<&String> = all.iter().map(|d| &d.message).collect();
            format!("{messages:?}")
        }
        Err(e) => format!("{e:?}"),
    });
    (said, is_known)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if is_thorough() { 48 } else { 8 }, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_cached_gives_what_reading_anew_gives(
        first in prop::collection::vec(0usize..8, FILES.len()),
        edits in prop::collection::vec((0..FILES.len(), 0usize..8), 1..12),
        stored in any::<bool>(),
    ) {
        let variants = Variants::new(&first);
        let inner = variants.system.clone();
        let system = Arc::new(CachedSystem::new(inner.clone(), |_| true));
        let mut resident = workspace(system.clone());
        resident.read().unwrap();
        for (file, variant) in edits {
            let path = variants.write(file, variant);
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

    #[test]
    fn what_a_record_repeats_is_what_reading_anew_says(
        first in prop::collection::vec(0usize..8, FILES.len()),
        edits in prop::collection::vec((0..FILES.len(), 0usize..8), 1..12),
    ) {
        let variants = Variants::new(&first);
        for (file, variant) in edits {
            let path = variants.write(file, variant);
            let (cold, _) = told(&variants.system, false);
            let (first, _) = told(&variants.system, true);
            let (again, is_known) = told(&variants.system, true);
            prop_assert_eq!(&first, &cold, "after {} became {}", path, variant);
            prop_assert_eq!(&again, &cold, "again, after {} became {}", path, variant);
            let is_whole = cold.last().is_some_and(|last| last.ends_with(" nodes"));
            prop_assert_eq!(is_known, is_whole, "what has no error is kept");
        }
    }
}
