//! Tests of why nodes are built or not.

use super::*;
use crate::diag::{Code, Diagnostic};
use crate::engine::{ExistingRelation, RelationKind};
use crate::outcome::StoredRelation;
use crate::resolve::testing::project;
use std::collections::HashSet;
use std::sync::Arc;

/// A source and its descendants: `raw.t -> a -> b -> c`, all tables.
const CHAIN: [(&str, &str); 5] = [
    ("project.yml", "name: shop\nmodels: {+materialized: table}\n"),
    ("models/s.yml", "sources: [{name: raw, tables: [{name: t}]}]"),
    ("models/a.sql", "select * from {{ source('raw', 't') }}"),
    ("models/b.sql", "select * from {{ ref('a') }}"),
    ("models/c.sql", "select * from {{ ref('b') }}"),
];
const SOURCE: &str = "source.shop.raw.t";

fn own(sql: &str) -> NodeDefinition {
    let parts = [("SQL".to_owned(), sql.to_owned())].into();
    NodeDefinition { parts: Arc::new(parts), ..NodeDefinition::default() }
}

/// A project in which every node is up to date. The version of a source is `10`, that of any other
/// node its name.
struct World {
    manifest: Manifest,
    own: FastMap<NodeId, NodeDefinition>,
    before: FastMap<String, PublicationFingerprint>,
    existing: ExistingRelations,
    sources: FastMap<NodeId, String>,
    assume_sources: bool,
    edits_only: bool,
    /// The names of nodes that the command may not build.
    unselected: Vec<&'static str>,
}

impl World {
    fn new(files: &[(&str, &str)]) -> World {
        let (manifest, said) = project(files);
        assert!(said.iter().all(|d| !d.is_error()), "{said:?}");
        let version = |node: &Node| match node.resource_type() {
            ResourceType::Source => "10".to_owned(),
            ResourceType::Test => "pass".to_owned(),
            _ => node.name.to_string(),
        };
        let fingerprint = |node: &Node| {
            let parents = read_parents(&manifest, node).into_iter().map(|id| manifest.node(id));
            PublicationFingerprint {
                own: (*own("1").parts).clone(),
                version: version(node),
                parents: parents.map(|p| (p.unique_id.to_string(), version(p))).collect(),
                stored: None,
            }
        };
        let is_source = |node: &&Node| node.resource_type() == ResourceType::Source;
        let is_stored = |node: &&Node| {
            let kind = node.resource_type();
            kind == ResourceType::Test || kind.is_refable() && !node.is_ephemeral()
        };
        let stored = manifest.all().filter(is_stored);
        World {
            own: stored.clone().map(|node| (node.id, own("1"))).collect(),
            before: stored.map(|node| (node.unique_id.to_string(), fingerprint(node))).collect(),
            existing: ExistingRelations::Unknown,
            sources: manifest.all().filter(is_source).map(|n| (n.id, version(n))).collect(),
            assume_sources: false,
            edits_only: false,
            unselected: Vec::new(),
            manifest,
        }
    }

    fn chain() -> World {
        World::new(&CHAIN)
    }

    fn node(&self, name: &str) -> &Node {
        self.manifest.all().find(|node| &*node.name == name).unwrap()
    }

    fn own(&mut self, name: &str) -> &mut NodeDefinition {
        let id = self.node(name).id;
        self.own.get_mut(&id).unwrap()
    }

    fn before(&mut self, name: &str) -> &mut PublicationFingerprint {
        let id = self.node(name).unique_id.clone();
        self.before.get_mut(&*id).unwrap()
    }

    fn forget(&mut self, name: &str) {
        let id = self.node(name).unique_id.clone();
        self.before.remove(&*id);
    }

    fn judge(&self) -> Judgement {
        judge_nodes(&ComparisonInputs {
            manifest: &self.manifest,
            definitions: &self.own,
            recorded: &self.before,
            existing: &self.existing,
            source_versions: &self.sources,
            assume_sources: self.assume_sources,
            edits_only: self.edits_only,
            is_selected: &|id| !self.unselected.contains(&&*self.manifest.node(id).name),
        })
    }

    fn verdict(&self, name: &str) -> Option<Verdict> {
        self.judge().verdicts.remove(&self.node(name).id)
    }

    /// The codes of the verdicts on nodes; `-` for a node without a verdict.
    fn codes(&self, names: &str) -> Vec<&'static str> {
        let code = |name| self.verdict(name).map_or("-", |verdict| verdict.code());
        names.split(' ').map(code).collect()
    }
}

/// The codes of `a`, `b` and `c` after a change to the chain.
fn codes_after(change: impl FnOnce(&mut World)) -> Vec<&'static str> {
    let mut world = World::chain();
    change(&mut world);
    world.codes("a b c")
}

#[test]
fn what_changed_is_built_and_what_follows_perhaps() {
    assert_eq!(codes_after(|_| {}), ["same", "same", "same"]);
    assert_eq!(codes_after(|w| *w.own("b") = own("2")), ["same", "changed", "follows"]);
    assert_eq!(codes_after(|w| w.forget("a")), ["new", "follows", "follows"]);
    assert_eq!(
        codes_after(|w| w.before("a").version = "other".to_owned()),
        ["same", "parent", "follows"]
    );
    let id = World::chain().node("t").id;
    let source = |version: &str| (id, version.to_owned());
    assert_eq!(codes_after(|w| w.sources.extend([source("10")])), ["same", "same", "same"]);
    assert_eq!(codes_after(|w| w.sources.extend([source("11")])), ["source", "follows", "follows"]);
    assert_eq!(codes_after(|w| w.sources.clear()), ["unknown", "follows", "follows"]);
}

#[test]
fn a_node_follows_the_first_of_its_parents_that_may_change() {
    let d = ("models/d.sql", "select * from {{ ref('b') }}, {{ ref('x') }}, {{ ref('a') }}");
    let x = ("models/x.sql", "select 1 as id");
    let mut world = World::new(&[&CHAIN[..], &[d, x]].concat());
    *world.own("a") = own("2");
    let follows = Verdict::MaybeStale(Reason::Follows("model.shop.b".to_owned()));
    assert_eq!(world.verdict("d"), Some(follows));
    world.before("x").version = "other".to_owned();
    assert_eq!(world.codes("x d"), ["same", "parent"], "a parent that did change says more");
}

#[test]
fn a_parent_that_changed_is_named_with_both_versions() {
    let mut world = World::chain();
    let source = world.node("t").id;
    world.sources.insert(source, "11".to_owned());
    let (id, before, now) = (SOURCE.to_owned(), "10".to_owned(), "11".to_owned());
    assert_eq!(world.verdict("a"), Some(Verdict::Stale(Reason::Source { id, before, now })));
    world.unselected = vec!["a"];
    world.before("a").version = "other".to_owned();
    let parent = |before: &str| {
        let (id, before) = ("model.shop.a".to_owned(), before.to_owned());
        Some(Verdict::Stale(Reason::Parent { id, before, now: "other".to_owned() }))
    };
    assert_eq!(world.verdict("b"), parent("a"));
    world.before("b").parents.clear();
    assert_eq!(world.verdict("b"), parent(""), "it did not read it before");
}

#[test]
fn what_the_command_may_not_build_gets_no_verdict() {
    let mut world = World::chain();
    world.unselected = vec!["a"];
    *world.own("a") = own("2");
    assert_eq!(world.codes("a b c"), ["-", "same", "same"]);
    world.forget("a");
    assert_eq!(world.codes("a b c"), ["-", "unknown", "follows"]);
    let unknown = Verdict::Stale(Reason::Unknown("model.shop.a".to_owned()));
    assert_eq!(world.verdict("b"), Some(unknown));
    let c = world.node("c").id;
    world.own.remove(&c);
    assert_eq!(world.codes("c"), ["-"], "nobody said how it is defined");
    assert_eq!(world.codes("t"), ["-"], "a source is not built");
}

#[test]
fn unknown_sources_can_be_assumed_unchanged() {
    let recorded = |assume: bool| {
        codes_after(|w| {
            w.sources.clear();
            w.assume_sources = assume;
            w.before("a").parents.insert(SOURCE.to_owned(), UNKNOWN.to_owned());
        })
    };
    assert_eq!(recorded(true), ["same", "same", "same"]);
    assert_eq!(recorded(false), ["unknown", "follows", "follows"]);
}

#[test]
fn versions_are_those_that_can_be_read_now() {
    let versions = |world: &World| {
        let found = world.judge().versions;
        let mut named: Vec<(String, String)> = found
            .into_iter()
            .map(|(id, v)| (world.manifest.node(id).name.to_string(), v))
            .collect();
        named.sort();
        named.into_iter().map(|(name, version)| format!("{name}={version}")).collect::<Vec<_>>()
    };
    let mut world = World::chain();
    world.unselected = vec!["b"];
    world.before("c").version = "other".to_owned();
    assert_eq!(versions(&world), ["a=a", "b=b", "c=other", "t=10"]);
    world.forget("a");
    world.sources.clear();
    assert_eq!(versions(&world), ["b=b", "c=other", "t=unknown"]);
}

#[test]
fn what_may_differ_by_itself_is_built_unless_only_edits_count() {
    let volatile = |w: &mut World| w.own("a").volatile = Some("random".to_owned());
    let asking = |w: &mut World| w.own("a").introspective = true;
    assert_eq!(codes_after(volatile), ["volatile", "follows", "follows"]);
    assert_eq!(codes_after(asking), ["introspective", "follows", "follows"]);
    let both = |w: &mut World| {
        volatile(w);
        asking(w);
    };
    assert_eq!(codes_after(both)[0], "volatile");
    for change in [&volatile as &dyn Fn(&mut World), &asking, &both] {
        let edits = codes_after(|w| {
            change(w);
            w.edits_only = true;
        });
        assert_eq!(edits, ["same", "same", "same"]);
    }
    let edited = codes_after(|w| {
        *w.own("a") = own("2");
        w.edits_only = true;
    });
    assert_eq!(edited, ["changed", "follows", "follows"]);
}

/// `raw.t -> v -> w`, where `v` is of the given kind and `w` is a table.
fn with_view(kind: &str) -> World {
    let v = format!(
        "{{{{ config(materialized='{kind}') }}}} select * from {{{{ source('raw', 't') }}}}"
    );
    let w = ("models/w.sql", "select * from {{ ref('v') }}");
    World::new(&[CHAIN[0], CHAIN[1], ("models/v.sql", &*v), w])
}

#[test]
fn a_view_hands_on_what_makes_it_unknown() {
    for (kind, of_w) in [("view", "unknown"), ("table", "follows")] {
        let mut world = with_view(kind);
        assert_eq!(world.codes("v w"), ["same", "same"], "{kind}");
        world.sources.clear();
        assert_eq!(world.codes("v w"), ["unknown", of_w], "{kind}");
        world.edits_only = true;
        assert_eq!(world.codes("v w"), ["unknown", of_w], "{kind}");
    }
    let mut world = with_view("view");
    world.sources.clear();
    let unknown = Verdict::Stale(Reason::Unknown(SOURCE.to_owned()));
    assert_eq!(world.verdict("w"), Some(unknown));
    world.own("v").volatile = Some("now".to_owned());
    assert_eq!(world.codes("w"), ["unknown"], "what it reads comes first");
    world.unselected = vec!["v"];
    assert_eq!(world.codes("v w"), ["-", "unknown"]);
}

#[test]
fn a_view_hands_on_what_differs_each_time() {
    for (kind, of_w, of_w_alone) in [("view", "volatile", "volatile"), ("table", "follows", "same")]
    {
        let mut world = with_view(kind);
        world.own("v").volatile = Some("now".to_owned());
        assert_eq!(world.codes("v w"), ["volatile", of_w], "{kind}");
        world.unselected = vec!["v"];
        assert_eq!(world.codes("v w"), ["-", of_w_alone], "{kind}");
        world.edits_only = true;
        assert_eq!(world.codes("v w"), ["-", "same"], "{kind}");
    }
    let mut world = with_view("view");
    world.own("v").volatile = Some("now".to_owned());
    assert_eq!(world.verdict("w"), Some(Verdict::Stale(Reason::Volatile("now".to_owned()))));
}

#[test]
fn what_is_read_through_an_ephemeral_model_is_a_parent() {
    let ephemeral = "{{ config(materialized='ephemeral') }} select * from";
    let e = format!("{ephemeral} {{{{ ref('a') }}}}, {{{{ source('raw', 't') }}}}");
    let f = format!("{ephemeral} {{{{ ref('e') }}}}, {{{{ ref('b') }}}}");
    let m = "select * from {{ ref('f') }}, {{ ref('a') }}, {{ ref('c') }}";
    let read = [("models/e.sql", &*e), ("models/f.sql", &*f), ("models/m.sql", m)];
    let mut world = World::new(&[&CHAIN[..], &read].concat());
    let parents = read_parents(&world.manifest, world.node("m")).into_iter();
    let mut names: Vec<&str> = parents.map(|id| &*world.manifest.node(id).name).collect();
    names.sort_unstable();
    assert_eq!(names, ["a", "b", "c", "t"], "each once, and no ephemeral model");
    let all = reached(&world.manifest, world.node("m"));
    assert_eq!(all.len(), 6, "with the ephemeral ones");
    world.unselected = vec!["a", "b", "c"];
    world.before("b").version = "other".to_owned();
    assert_eq!(world.codes("e f m"), ["-", "-", "parent"]);
}

#[test]
fn a_test_that_did_not_pass_is_run_again() {
    let test = ("tests/q.sql", "select * from {{ ref('a') }}");
    let mut world = World::new(&[&CHAIN[..], &[test]].concat());
    for (status, expected) in [
        ("pass", "same"),
        ("warn", "same"),
        ("fail", "not_passed"),
        ("error", "not_passed"),
        ("skipped", "not_passed"),
    ] {
        world.before("q").version = status.to_owned();
        assert_eq!(world.codes("q"), [expected], "{status}");
    }
    let reason = Reason::NotPassed("skipped".to_owned());
    assert_eq!(world.verdict("q"), Some(Verdict::Stale(reason)));
    *world.own("q") = own("2");
    assert_eq!(world.codes("q"), ["changed"], "what it says comes first");
    world.before("q").own = (*own("2").parts).clone();
    world.before("q").version = "pass".to_owned();
    *world.own("a") = own("2");
    assert_eq!(world.codes("q"), ["follows"]);
}

#[test]
fn what_cannot_be_compiled_is_built_to_say_so() {
    let broken = |w: &mut World| {
        let why = Diagnostic::error(Code::JinjaRender, "halt");
        w.own("a").error = Some(Box::new(why));
    };
    assert_eq!(codes_after(broken), ["broken", "follows", "follows"]);
    let unknown = codes_after(|w| {
        broken(w);
        w.forget("a");
    });
    assert_eq!(unknown, ["new", "follows", "follows"]);
}

#[test]
fn the_part_that_is_written_is_named_before_what_follows_from_it() {
    let parts = |list: &[(&str, &str)]| -> BTreeMap<String, String> {
        list.iter().map(|(part, value)| ((*part).to_owned(), (*value).to_owned())).collect()
    };
    let all = [("SQL", "1"), ("config", "{}"), ("contract", "1"), ("hooks", "1")];
    type Pairs<'a> = &'a [(&'a str, &'a str)];
    let rows: [(Pairs<'_>, &str, &str); 5] = [
        (&[("SQL", "2"), ("config", "2"), ("contract", "2"), ("hooks", "2")], "SQL", "2"),
        (&[("SQL", "1"), ("config", "2"), ("contract", "2"), ("hooks", "1")], "config", "2"),
        (&[("SQL", "1"), ("config", "{}"), ("contract", "2"), ("hooks", "2")], "contract", "2"),
        (&[("SQL", "1"), ("config", "{}"), ("contract", "1")], "hooks", ""),
        (&[all[0], all[1], all[2], all[3], ("macro", "1")], "macro", "1"),
    ];
    for (now, part, value) in rows {
        let mut world = World::chain();
        world.before("a").own = parts(&all);
        world.own("a").parts = Arc::new(parts(now));
        let before = all.iter().find(|(name, _)| *name == part).map_or("", |(_, value)| *value);
        let (part, before) = (part.to_owned(), before.to_owned());
        let reason = Reason::Own { part, before, now: value.to_owned() };
        assert_eq!(world.verdict("a"), Some(Verdict::Stale(reason)));
        world.own("a").parts = Arc::new(parts(&all));
        assert_eq!(world.verdict("a"), Some(Verdict::Fresh));
    }
}

/// The columns of the published relation `a`.
const COLUMNS: [(&str, &str); 2] = [("id", "INTEGER"), ("x", "TEXT")];

/// A world in which the publication of `a` recorded its relation: a table with the id 7.
fn with_stored() -> World {
    let mut world = World::chain();
    let relation = world.node("a").relation.as_ref().unwrap();
    let stored = StoredRelation {
        relation: relation.render(world.manifest.project.dialect),
        kind: "table".to_owned(),
        columns: COLUMNS.map(|(name, kind)| (name.to_owned(), kind.to_owned())).to_vec(),
        id: Some("7".to_owned()),
        rows: None,
    };
    world.before("a").stored = Some(stored);
    world
}

/// A relation in the database: its kind, columns with types, and id.
type Standing<'a> = (RelationKind, &'a [(&'a str, &'a str)], Option<&'a str>);

impl World {
    /// A database that holds only `a`, or nothing.
    fn standing(mut self, a: Option<Standing<'_>>) -> World {
        let dialect = self.manifest.project.dialect;
        let column = |(name, data_type): &(&str, &str)| ExistingColumn {
            name: (*name).to_owned(),
            data_type: (*data_type).to_owned(),
        };
        let relation = self.node("a").relation.clone().unwrap();
        let found = a.map(|(kind, columns, id)| ExistingRelation {
            id: id.map(str::to_owned),
            ..ExistingRelation::new(relation, kind, columns.iter().map(column).collect())
        });
        self.existing =
            ExistingRelations::known(dialect, found.into_iter().collect(), HashSet::new());
        self
    }
}

#[test]
fn what_stands_in_the_database_is_what_was_published() {
    use RelationKind::{Table, View};
    let rows: [(Standing<'_>, &str); 9] = [
        ((Table, &COLUMNS, Some("7")), ""),
        ((Table, &COLUMNS, None), ""),
        ((Table, &COLUMNS, Some("8")), "it was made again"),
        ((View, &COLUMNS, Some("7")), "a view, not a table"),
        ((Table, &COLUMNS[..1], Some("7")), "column x TEXT"),
        ((Table, &[COLUMNS[0], COLUMNS[1], ("y", "DATE")], Some("7")), "column y DATE"),
        ((Table, &[COLUMNS[0], ("x", "DATE")], Some("7")), "column x DATE"),
        ((Table, &[COLUMNS[0], ("z", "TEXT")], Some("7")), "column z TEXT"),
        ((Table, &[COLUMNS[1], COLUMNS[0]], Some("7")), "the order of its columns"),
    ];
    for (standing, expected) in rows {
        let world = with_stored().standing(Some(standing));
        let altered = Verdict::Stale(Reason::Altered(expected.to_owned()));
        let expected = if expected.is_empty() { Verdict::Fresh } else { altered };
        assert_eq!(world.verdict("a"), Some(expected), "{standing:?}");
    }
    let mut gone = with_stored().standing(None);
    assert_eq!(gone.verdict("a"), Some(Verdict::Stale(Reason::Missing)));
    gone.before("a").stored = None;
    assert_eq!(gone.verdict("a"), Some(Verdict::Fresh), "nothing is known of what was stored");
    assert_eq!(with_stored().verdict("a"), Some(Verdict::Fresh), "nor of the database");
    let mut unnumbered = with_stored().standing(Some((Table, &COLUMNS[..], Some("7"))));
    unnumbered.before("a").stored.as_mut().unwrap().id = None;
    assert_eq!(unnumbered.verdict("a"), Some(Verdict::Fresh));
}

#[test]
fn a_node_that_is_called_otherwise_is_built_under_its_name() {
    let mut world = with_stored();
    let name = world.before("a").stored.clone().unwrap().relation;
    world.before("a").stored.as_mut().unwrap().relation = "other".to_owned();
    let (part, before) = ("name".to_owned(), "other".to_owned());
    let reason = Reason::Own { part, before, now: name };
    assert_eq!(world.verdict("a"), Some(Verdict::Stale(reason)));
}

#[test]
fn reasons_have_codes_and_texts() {
    let long = "0123456789abcdef";
    let part = |part: &str, before: &str, now: &str| {
        let (part, before, now) = (part.to_owned(), before.to_owned(), now.to_owned());
        Reason::Own { part, before, now }
    };
    let [a, t, before, now] = ["model.shop.a", SOURCE, "view:0123456789", "11"].map(str::to_owned);
    for (reason, code, text) in [
        (Reason::New, "new", "no record of an earlier build"),
        (Reason::Missing, "missing", "its relation is gone"),
        (Reason::Altered("a view".to_owned()), "altered", "altered outside: a view"),
        (part("name", "x", "y"), "changed", "name changed: x -> y"),
        (part("empty", "", "true"), "changed", "is built with --empty"),
        (part("empty", "true", ""), "changed", "was built with --empty"),
        (part("hooks", "", long), "changed", "hooks are new (01234567)"),
        (part("contract", "", long), "changed", "contract is new (01234567)"),
        (part("hooks", long, ""), "changed", "hooks are gone (01234567)"),
        (part("contract", long, ""), "changed", "contract is gone (01234567)"),
        (part("SQL", long, "abc"), "changed", "SQL changed: 01234567 -> abc"),
        (part("config", "", r#"{"x":1}"#), "changed", "config x changed: not set -> 1"),
        (
            part("config", r#"{"k":"same","x":[1],"y":"a"}"#, r#"{"k":"same","x":[2]}"#),
            "changed",
            "config x changed: [1] -> [2], config y changed: a -> not set",
        ),
        (
            Reason::Parent { id: a.clone(), before, now: now.clone() },
            "parent",
            "a changed: 01234567 -> 11",
        ),
        (
            Reason::Source { id: t.clone(), before: long.to_owned(), now },
            "source",
            "raw.t has new rows: 0123456789abcdef -> 11",
        ),
        (
            Reason::Unknown(t),
            "unknown",
            "reads raw.t, of which nothing tells whether it has changed",
        ),
        (Reason::Volatile("now".to_owned()), "volatile", "uses now, which differs each time"),
        (Reason::Introspective, "introspective", "asks the database while it is compiled"),
        (Reason::Broken, "broken", "cannot be compiled"),
        (Reason::NotPassed("fail".to_owned()), "not_passed", "the last result was fail"),
        (Reason::Follows(a), "follows", "if a changes"),
        (Reason::Follows("alone".to_owned()), "follows", "if alone changes"),
    ] {
        assert_eq!((reason.code(), &*reason.to_string()), (code, text));
    }
}

#[test]
fn a_change_of_config_shows_both_values() {
    let reason = Reason::Own {
        part: "config".into(),
        before: r#"{"materialized":"view"}"#.into(),
        now: r#"{"materialized":"table","unique_key":"id"}"#.into(),
    };
    assert_eq!(
        reason.to_string(),
        "config materialized changed: view -> table, config unique_key changed: not set -> id"
    );
}

#[test]
fn verdicts_say_what_is_to_be_done_and_why() {
    let follows = Reason::Follows("model.shop.a".to_owned());
    for (verdict, reason, word, code, text) in [
        (
            Verdict::Stale(Reason::Missing),
            Some(Reason::Missing),
            "build",
            "missing",
            "its relation is gone",
        ),
        (Verdict::MaybeStale(follows.clone()), Some(follows), "maybe", "follows", "if a changes"),
        (Verdict::Fresh, None, "same", "same", "unchanged"),
    ] {
        assert_eq!(verdict.reason(), reason.as_ref());
        assert_eq!((verdict.word(), verdict.code()), (word, code));
        assert_eq!(verdict.to_string(), text);
    }
}

#[test]
fn a_view_has_the_version_of_what_it_says_and_reads() {
    let map = |key: &str, value: &str| -> BTreeMap<String, String> {
        [(key.to_owned(), value.to_owned())].into()
    };
    let version = version_of_view(&map("SQL", "1"), &map("model.shop.a", "1"));
    assert!(
        version.strip_prefix("view:").is_some_and(|fingerprint| fingerprint.len() == 32),
        "{version}"
    );
    assert_eq!(version, version_of_view(&map("SQL", "1"), &map("model.shop.a", "1")));
    for (parts, parents) in [
        (map("SQL", "2"), map("model.shop.a", "1")),
        (map("config", "1"), map("model.shop.a", "1")),
        (map("SQL", "1"), map("model.shop.a", "2")),
        (map("SQL", "1"), map("model.shop.b", "1")),
        (map("SQL", "1"), BTreeMap::new()),
    ] {
        assert_ne!(version, version_of_view(&parts, &parents), "{parts:?} {parents:?}");
    }
}

#[test]
fn a_print_of_all_definitions_changes_with_each() {
    let print = |world: &World| fingerprint_definitions(&world.manifest, &world.own);
    let mut prints = vec![print(&World::chain())];
    assert_eq!(prints[0], print(&World::chain()));
    let changes: [&dyn Fn(&mut NodeDefinition); 6] = [
        &|own| own.volatile = Some("now".to_owned()),
        &|own| own.introspective = true,
        &|own| own.error = Some(Box::new(Diagnostic::error(Code::JinjaRender, "halt"))),
        &|own| own.parts = Arc::new([("SQL".to_owned(), "2".to_owned())].into()),
        &|own| own.parts = Arc::new([("config".to_owned(), "1".to_owned())].into()),
        &|own| own.parts = Arc::default(),
    ];
    for change in changes {
        let mut world = World::chain();
        change(world.own("a"));
        prints.push(print(&world));
    }
    let source =
        |of_table: &str| format!("sources: [{{name: raw, tables: [{{name: t{of_table}}}]}}]");
    for (path, text) in [
        (
            "models/a.sql",
            "{{ config(materialized='view') }} select * from {{ source('raw', 't') }}",
        ),
        ("models/a.sql", "{{ config(alias='x') }} select * from {{ source('raw', 't') }}"),
        ("models/a.sql", "{{ config(schema='x') }} select * from {{ source('raw', 't') }}"),
        ("models/a.sql", "{{ config(database='x') }} select * from {{ source('raw', 't') }}"),
        ("models/a.sql", "select 1 as id"),
        ("models/s.yml", &*source(", loaded_at_field: at")),
        ("models/s.yml", &*source(", loaded_at_query: at")),
        ("models/x.sql", "select 1 as id"),
    ] {
        let mut files: Vec<(&str, &str)> =
            CHAIN.into_iter().filter(|file| file.0 != path).collect();
        files.push((path, text));
        prints.push(print(&World::new(&files)));
    }
    let count = prints.len();
    prints.sort_unstable();
    prints.dedup();
    assert_eq!(prints.len(), count, "each is another");
}
