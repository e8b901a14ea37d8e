use super::error::PackageError;
use super::resolve::*;
use super::version::*;
use crate::config::{Json, PackageSpec, PackagesFile, parse_packages, parse_yaml};
use crate::diag::Diagnostic;
use crate::source::FileId;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Packages by what is shown of them, with the YAML of what they need; hub versions by name.
#[derive(Default)]
struct FakeIndex {
    packages: BTreeMap<String, (String, Vec<PackageSpec>)>,
    releases: BTreeMap<String, Vec<HubRelease>>,
}

fn specs(text: &str) -> Vec<PackageSpec> {
    let tree = parse_yaml(FileId(0), text).value;
    let read = parse_packages(PackagesFile::Packages, &tree, &tree);
    assert!(read.diagnostics.is_empty(), "{:?}", read.diagnostics);
    read.value
}

impl FakeIndex {
    fn with(mut self, shown: &str, name: &str, needs: &str) -> FakeIndex {
        self.packages.insert(shown.into(), (name.into(), specs(needs)));
        self
    }

    fn release(mut self, package: &str, version: &str, dbt: &[&str], needs: &str) -> FakeIndex {
        let require_dbt_version = dbt.iter().map(|s| (*s).to_owned()).collect();
        let release = HubRelease { version: version.into(), require_dbt_version };
        self.releases.entry(package.into()).or_default().push(release);
        let name = package.rsplit('/').next().unwrap_or_default();
        self.with(&format!("{package} {version}"), name, needs)
    }
}

impl PackageIndex for FakeIndex {
    fn list_releases(&mut self, package: &str) -> Result<Arc<[HubRelease]>, PackageError> {
        let found = self.releases.get(package).map(|r| r.clone().into());
        let hub = "the hub".to_owned();
        found.ok_or(PackageError::NotOnHub { package: package.to_owned(), hub })
    }

    fn describe_package(
        &mut self,
        package: &PinnedPackage,
    ) -> Result<Arc<PackageFacts>, PackageError> {
        let (name, needs) = self.packages.get(&package.to_string()).cloned().unwrap_or_default();
        Ok(Arc::new(PackageFacts::placed(name, needs)))
    }
}

const RULES: VersionRules<'_> = VersionRules { dbt_version: "1.11.16", is_checked: true };

fn resolve_with(
    index: &mut FakeIndex,
    text: &str,
    rules: VersionRules<'_>,
) -> Result<Vec<String>, Vec<Diagnostic>> {
    let resolved = resolve_packages(&specs(text), index, rules);
    let resolved = resolved.and_then(|resolved| {
        check_names(&resolved, "shop")?;
        Ok(resolved)
    });
    match resolved {
        Ok(resolved) => Ok(resolved.iter().map(|r| r.package.to_string()).collect()),
        Err(ResolveFailure::Diagnostics(list)) => Err(list),
        Err(ResolveFailure::Interrupted) => panic!(),
    }
}

fn resolve(index: FakeIndex, text: &str) -> Result<Vec<String>, Vec<Diagnostic>> {
    resolve_with(&mut { index }, text, RULES)
}

fn refusal(index: FakeIndex, text: &str) -> Diagnostic {
    let mut list = resolve(index, text).unwrap_err();
    assert_eq!(list.len(), 1, "{list:?}");
    list.remove(0)
}

#[test]
fn versions_are_those_that_dbt_chooses() {
    let table: Json = serde_json::from_str(include_str!("../../tests/dbt/packages.json")).unwrap();
    let texts = |row: &Json| -> Vec<String> { serde_json::from_value(row.clone()).unwrap() };
    let mut chosen = 0;
    for row in table["versions"].as_array().unwrap() {
        let specifiers: Vec<_> =
            texts(&row[0]).iter().map(|s| VersionSpecifier::parse(s).unwrap()).collect();
        let Ok(range) = reduce_versions(&specifiers) else {
            assert!(row[3].is_null(), "{row}");
            continue;
        };
        let is_named = specifiers.iter().any(VersionSpecifier::is_prerelease);
        let with_prereleases = row[1].as_bool().unwrap() || is_named;
        let installable = sort_installable(&texts(&row[2]), with_prereleases).unwrap();
        assert_eq!(installable, texts(&row[3]), "{row}");
        let choice = choose_version(&range, &installable).unwrap();
        assert_eq!(choice.as_deref(), row[4].as_str(), "{row}");
        chosen += usize::from(choice.is_some());
    }
    assert!(chosen > 50, "{chosen}");
}

#[test]
fn packages_of_packages_narrow_the_choice() {
    let index = || {
        FakeIndex::default()
            .release(
                "o/a",
                "1.0.0",
                &[],
                "packages: [{package: o/b, version: ['>=1.0.0', '<2.0.0']}]",
            )
            .release("o/b", "1.0.0", &[], "packages: []")
            .release("o/b", "1.5.0", &[], "packages: []")
            .release("o/b", "2.0.0", &[], "packages: []")
            .with("x", "x", "packages: [{package: o/b, version: '>=2.0.0'}]")
    };
    let text = "packages: [{package: o/b, version: '>=1.0.0'}, {package: o/a, version: 1.0.0}]";
    assert_eq!(resolve(index(), text).unwrap(), ["o/b 1.5.0", "o/a 1.0.0"]);
    let d = refusal(index(), "packages: [{package: o/a, version: 1.0.0}, {local: x}]");
    assert!(d.message.contains("no version fits all of"), "{d:?}");
    assert!(d.message.contains(">=1.0.0, <2.0.0, >=2.0.0"), "{d:?}");
    let labels: Vec<&str> = d.primary.iter().chain(&d.secondary).map(|l| l.text.as_str()).collect();
    assert_eq!(labels, ["asked for by a", "asked for by x"]);
}

#[test]
fn versions_that_do_not_accept_dbt_are_left_out() {
    let mut index = FakeIndex::default()
        .release("o/a", "1.0.0", &[">=1.0.0", "<2.0.0"], "packages: []")
        .release("o/a", "2.0.0", &[">=2.0.0"], "packages: []");
    let text = "packages: [{package: o/a, version: '>=1.0.0'}]";
    assert_eq!(resolve_with(&mut index, text, RULES).unwrap(), ["o/a 1.0.0"]);
    let unchecked = VersionRules { is_checked: false, ..RULES };
    assert_eq!(resolve_with(&mut index, text, unchecked).unwrap(), ["o/a 2.0.0"]);
    let d = refusal(index, "packages: [{package: o/a, version: 2.0.0}]");
    assert!(d.help.iter().any(|h| h.contains("--no-version-check")), "{d:?}");
}

#[test]
fn prereleases_are_installed_if_asked_for() {
    let index = || {
        FakeIndex::default().release("o/a", "1.0.0", &[], "packages: []").release(
            "o/a",
            "1.1.0-rc1",
            &[],
            "packages: []",
        )
    };
    for (ask, version) in [
        ("version: '>=1.0.0'", "o/a 1.0.0"),
        ("version: '>=1.0.0', install_prerelease: true", "o/a 1.1.0-rc1"),
        ("version: '>=1.1.0-rc1'", "o/a 1.1.0-rc1"),
    ] {
        let text = format!("packages: [{{package: o/a, {ask}}}]");
        assert_eq!(resolve(index(), &text).unwrap(), [version], "{ask}");
    }
}

#[test]
fn one_repository_has_one_revision() {
    let index = || {
        FakeIndex::default()
            .with("x", "x", "packages: [{git: 'https://h/p.git', revision: v2}]")
            .with("https://h/p at v1", "p", "packages: []")
            .with("https://h/p at HEAD", "p", "packages: []")
    };
    let text = "packages: [{git: 'https://h/p', revision: v1}, {local: x}]";
    let d = refusal(index(), text);
    assert!(d.message.contains("in several revisions: v1, v2"), "{d:?}");
    // One that names no revision takes that of the other.
    let text = "packages: [{git: 'https://h/p'}, {git: 'https://h/p.git', revision: v1}]";
    assert_eq!(resolve(index(), text).unwrap(), ["https://h/p at v1"]);
}

#[test]
fn names_are_unique() {
    let index = || {
        FakeIndex::default().with("a", "p", "packages: []").with("b", "p", "packages: []").with(
            "c",
            "shop",
            "packages: []",
        )
    };
    let d = refusal(index(), "packages: [{local: a}, {local: b}]");
    assert!(d.message.contains("named `p`, a name that another package has"), "{d:?}");
    let d = refusal(index(), "packages: [{local: c}]");
    assert!(d.message.contains("a name that the project itself has"), "{d:?}");
}

#[test]
fn packages_that_ask_for_each_other_are_no_circle() {
    let index = FakeIndex::default().with("a", "a", "packages: [{local: b}]").with(
        "b",
        "b",
        "packages: [{local: a}]",
    );
    assert_eq!(resolve(index, "packages: [{local: a}]").unwrap(), ["a", "b"]);
}

#[test]
fn what_cannot_be_found_is_refused_with_its_place() {
    for (text, message, help) in [
        ("packages: [{package: o/none, version: 1.0.0}]", "is not on the hub", "look the name up"),
        ("packages: [{package: o/a, version: '>=1.0.0,<2.0.0'}]", "is no version", "as a list"),
        (
            "packages: [{package: o/a, version: 9.0.0}]",
            "no version of `o/a` fits",
            "there are 1.0.0",
        ),
        ("packages: [{private: o/p}]", "is a private package", "with `git:`"),
        (
            "packages: [{local: o/a}, {package: o/a, version: 1.0.0}]",
            "as a local package",
            "one way",
        ),
    ] {
        let index = FakeIndex::default().release("o/a", "1.0.0", &[], "packages: []");
        let d = refusal(index, text);
        assert!(d.message.contains(message) && d.primary.is_some(), "{text}: {d:?}");
        assert!(d.help.iter().any(|h| h.contains(help)), "{text}: {d:?}");
    }
}

#[test]
fn a_lock_needs_no_index() {
    let locked = specs("packages: [{package: o/a, version: 1.2.3, name: a}, {local: x}]");
    let pinned = pin_locked(&locked, &mut FakeIndex::default(), RULES).unwrap();
    let shown: Vec<String> = pinned.iter().map(|(package, _)| package.to_string()).collect();
    assert_eq!(shown, ["o/a 1.2.3", "x"]);
}
