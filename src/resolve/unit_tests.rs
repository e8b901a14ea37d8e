//! Resolves unit tests: their rows, from whatever they are written in, and one test for each version
//! of a model.

use super::cache::{NodeDescription, ResolvedItem};
use super::fixtures::FixtureReader;
use super::{Job, NodeMaker, ResolveContext};
use crate::config::{Json, JsonMap, Yaml, YamlMap, python_quoted, python_str};
use crate::diag::{Code, Diagnostic};
use crate::manifest::{
    Checksum, Fixture, FixtureRows, Given, GivenNode, Node, NodeKind, RefCall, ResourceType,
    UnitTest, UnitTestOverrides,
};
use crate::parse::{EntryKind, Properties, PropertyEntry, VersionPatch, string_is_expression};
use serde_json::json;
use std::sync::Arc;

/// The name of the tested model, without a version after it.
fn model_name(entry: &PropertyEntry) -> String {
    let text = entry.map.get("model").and_then(Yaml::scalar_text).unwrap_or_default();
    text.split_whitespace().next().unwrap_or_default().to_owned()
}

/// The jobs that make the nodes of an entry: one, or one for each version of the model that is to be
/// tested.
pub(super) fn unit_test_jobs<'j>(
    ground: &ResolveContext<'j>,
    file: &'j Arc<Properties>,
    index: usize,
) -> Vec<Job<'j>> {
    let entry = &file.entries[index];
    let model = model_name(entry);
    let described = ground
        .entries
        .get(EntryKind::Describes(ResourceType::Model), &file.package, &model)
        .filter(|(described, _)| !described.patch.versions.is_empty());
    let Some((describing, described_in)) = described else {
        return vec![Job {
            item: ResolvedItem::Entry(file.clone(), index),
            described: None,
            make: Box::new(move |maker| Some(maker.unit_test(file, entry, None))),
        }];
    };
    let versions = VersionFilter::read(entry.map.get("versions"));
    let all = describing.patch.versions.iter().enumerate();
    let tested: Vec<_> = all.filter(|(_, patch)| versions.contains(&patch.version)).collect();
    if tested.is_empty() {
        return vec![Job {
            item: ResolvedItem::Entry(file.clone(), index),
            described: Some(NodeDescription {
                entry: describing,
                file: described_in,
                version: None,
            }),
            make: Box::new(move |maker| {
                maker.refuse_unknown_versions(entry);
                None
            }),
        }];
    }
    let jobs = tested.into_iter().map(|(number, patch)| Job {
        item: ResolvedItem::UnitTest(file.clone(), index, number),
        described: Some(NodeDescription {
            entry: describing,
            file: described_in,
            version: Some(patch),
        }),
        make: Box::new(move |maker| Some(maker.unit_test(file, entry, Some(patch)))),
    });
    jobs.collect()
}

/// `versions:` of a unit test.
enum VersionFilter {
    All,
    Only(Vec<Json>),
    Without(Vec<Json>),
}

impl VersionFilter {
    fn read(written: Option<&Yaml>) -> VersionFilter {
        let listed = |key| {
            let list = written.and_then(Yaml::as_map).and_then(|map| map.get(key));
            list.map(|list| list.items().iter().map(Yaml::to_json).collect::<Vec<_>>())
        };
        match (listed("exclude"), listed("include")) {
            (Some(without), _) if !without.is_empty() => VersionFilter::Without(without),
            (_, Some(only)) if !only.is_empty() => VersionFilter::Only(only),
            _ => VersionFilter::All,
        }
    }

    fn contains(&self, version: &Json) -> bool {
        match self {
            VersionFilter::All => true,
            VersionFilter::Only(only) => only.contains(version),
            VersionFilter::Without(without) => !without.contains(version),
        }
    }
}

impl NodeMaker<'_> {
    fn refuse_unknown_versions(&mut self, entry: &PropertyEntry) {
        let message = format!(
            "the unit test `{}` is of versions that `{}` does not have",
            entry.name,
            model_name(entry)
        );
        let place = entry.map.get("versions").map_or(entry.span, |y| y.span);
        self.out.push(Diagnostic::error(Code::YamlShape, message).primary(place, "named here"));
    }

    /// A unit test of a model, or of one of its versions.
    fn unit_test(
        &mut self,
        file: &Properties,
        entry: &PropertyEntry,
        version: Option<&VersionPatch>,
    ) -> Node {
        let written = entry.map.get("model").and_then(Yaml::scalar_text).unwrap_or_default();
        if version.is_none() {
            self.check_no_versions(entry);
        }
        let test = UnitTest {
            model: written.as_str().into(),
            version: version.map(|patch| patch.version.clone()),
            given: self.given(file, entry),
            expect: FixtureReader::new(self, file, entry).expected(),
            overrides: entry.map.get("overrides").and_then(Yaml::as_map).map(overrides),
            versions: versions_json(entry.map.get("versions").and_then(Yaml::as_map)),
        };
        let name = test.versioned_name(&entry.name);
        let id = format!("unit_test.{}.{written}.{name}", file.package);
        let checksum = unit_test_checksum(&test);
        let span = entry.map.get("model").map_or(entry.span, |y| y.span);
        let kind = NodeKind::UnitTest(Box::new(test));
        let mut node = self.yaml_node(ResourceType::UnitTest, file, entry, id, kind);
        node.checksum = Checksum { name: "sha256".into(), value: checksum };
        // The model is in the same package. A version may follow after a space: `orders 2`.
        let mut words = written.split_whitespace();
        let model = words.next().unwrap_or_default();
        let version = version.map(|patch| python_str(&patch.version).into());
        node.refs.push(RefCall {
            package: Some(file.package.clone()),
            name: model.into(),
            version: version.or_else(|| words.next().map(Arc::from)),
            span: Some(span),
        });
        node
    }

    /// As in dbt, only a model with versions can be tested by version.
    fn check_no_versions(&mut self, entry: &PropertyEntry) {
        let Some(versions) = entry.map.get("versions").filter(|y| y.as_map().is_some()) else {
            return;
        };
        if matches!(VersionFilter::read(Some(versions)), VersionFilter::All) {
            return;
        }
        let message = format!(
            "the unit test `{}` names versions, and its model `{}` has none",
            entry.name,
            model_name(entry)
        );
        self.out.push(
            Diagnostic::error(Code::YamlShape, message)
                .primary(versions.span, "named here")
                .help("leave out `versions`"),
        );
    }

    fn given(&mut self, file: &Properties, entry: &PropertyEntry) -> Vec<Given> {
        let items = entry.map.get("given").map(Yaml::items).unwrap_or_default();
        let mut all = Vec::with_capacity(items.len());
        for map in items.iter().filter_map(Yaml::as_map) {
            let Some(input) = map.get("input").and_then(Yaml::scalar_text) else { continue };
            let span = map.get("input").map_or(entry.span, |y| y.span);
            let node = self.given_node(&input, file, span);
            let fixture = FixtureReader::new(self, file, entry).given(map, &node, span);
            all.push(Given { input, node, span, fixture });
        }
        all
    }

    fn given_node(
        &mut self,
        input: &str,
        file: &Properties,
        span: crate::source::Span,
    ) -> GivenNode {
        if input.trim() == "this" {
            return GivenNode::This;
        }
        if !string_is_expression(input) {
            return GivenNode::Unreadable;
        }
        let Some((refs, sources)) = self.expression_references(input, &file.package, span) else {
            return GivenNode::Unreadable;
        };
        let found = refs.into_iter().next().map(GivenNode::Ref);
        let found = found.or_else(|| sources.into_iter().next().map(GivenNode::Source));
        found.unwrap_or(GivenNode::Unreadable)
    }
}

fn overrides(map: &YamlMap) -> Arc<UnitTestOverrides> {
    let part = |key| {
        let part = map.get(key).map(Yaml::to_json);
        part.and_then(|json| json.as_object().cloned()).unwrap_or_default()
    };
    Arc::new(UnitTestOverrides {
        macros: part("macros"),
        vars: part("vars"),
        env_vars: part("env_vars"),
    })
}

/// `versions:` with both of its keys.
fn versions_json(map: Option<&YamlMap>) -> Json {
    let Some(map) = map else { return Json::Null };
    let part = |key| map.get(key).map(Yaml::to_json).unwrap_or_default();
    json!({ "include": part("include"), "exclude": part("exclude") })
}

/// The checksum by which dbt finds a changed unit test: the SHA-256 of its parts as Python prints
/// them.
fn unit_test_checksum(test: &UnitTest) -> String {
    let versions = match &test.versions {
        Json::Null => "None".to_owned(),
        versions => format!(
            "UnitTestNodeVersions(include={}, exclude={})",
            python_str(&versions["include"]),
            python_str(&versions["exclude"])
        ),
    };
    let given = test.given.iter().map(|given| {
        let input = format!("input={}, ", python_quoted(&given.input));
        format!("UnitTestInputFixture({input}{})", fixture_text(&given.fixture))
    });
    let given = given.collect::<Vec<_>>().join(", ");
    let expect = format!("UnitTestOutputFixture({})", fixture_text(&test.expect));
    let dict = |map: &JsonMap| python_str(&Json::Object(map.clone()));
    let overrides = test.overrides.as_deref().map_or("None".to_owned(), |o| {
        let (macros, vars, env_vars) = (dict(&o.macros), dict(&o.vars), dict(&o.env_vars));
        format!("UnitTestOverrides(macros={macros}, vars={vars}, env_vars={env_vars})")
    });
    let mut text = format!("{}-{versions}-[{given}]-{expect}-{overrides}", test.model);
    for given in test.given.iter().filter(|given| given.fixture.file().is_some()) {
        text.push_str(&format!("-{}", rows_text(&given.fixture, false)));
    }
    crate::hash::sha256_hex(&text)
}

fn fixture_text(fixture: &Fixture) -> String {
    let name = match fixture.format.as_str() {
        "csv" => "CSV",
        "sql" => "SQL",
        _ => "Dict",
    };
    format!(
        "rows={}, format=<UnitTestFormat.{name}: '{}'>, fixture={}",
        rows_text(fixture, true),
        fixture.format.as_str(),
        fixture.file().map_or("None".to_owned(), python_quoted)
    )
}

fn rows_text(fixture: &Fixture, quoted: bool) -> String {
    match &fixture.rows {
        FixtureRows::Query(text) if quoted => python_quoted(text),
        FixtureRows::Query(text) => text.to_string(),
        FixtureRows::Table(rows) => {
            python_str(&rows.iter().map(crate::manifest::FixtureRow::to_json).collect())
        }
    }
}

/// Checks what a unit test of a model that calls `is_incremental` has to say, as dbt does.
pub(super) fn check_incremental(nodes: &[Arc<Node>]) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for node in nodes {
        let NodeKind::UnitTest(test) = &node.kind else { continue };
        let Some(model) = node.depends_on.first().map(|id| &nodes[id.index()]) else { continue };
        if !calls_is_incremental(model) {
            continue;
        }
        let overridden = test.overrides.as_deref().and_then(UnitTestOverrides::is_incremental);
        let has_this = test.given.iter().any(|given| given.node == GivenNode::This);
        let (what, help) = match overridden {
            None => (
                "does not say what `is_incremental()` is",
                "add `overrides: {macros: {is_incremental: true}}`, or false",
            ),
            Some(true) if !has_this => (
                "has no input `this`, the rows that the model has before",
                "add `- input: this` with its `rows` under `given`",
            ),
            Some(_) => continue,
        };
        let message = format!(
            "the unit test `{}` of the incremental model `{}` {what}",
            node.name, model.name
        );
        out.push(Diagnostic::error(Code::YamlShape, message).primary(node.span, "").help(help));
    }
    out
}

/// Whether the text of a model calls `is_incremental`, so that its unit tests have to override it.
pub(super) fn calls_is_incremental(model: &Node) -> bool {
    model.macros.iter().any(|id| &**id == "macro.dbt.is_incremental")
}
