//! The entries of `packages.yml`, `dependencies.yml` and `package-lock.yml`, checked as dbt checks them.

use super::scalar::{python_json, python_str};
use super::{Json, JsonMap, Key, Yaml, YamlMap, YamlValue};
use crate::diag::{Checked, Code, Diagnostic, nearest_name};
use crate::secret::{Secret, mask_address};
use crate::source::Span;
use std::fmt;

/// An address that may hold credentials. What is shown has none.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PackageUrl {
    rendered: Secret,
    /// The text of the file, with its Jinja.
    written: Secret,
}

impl PackageUrl {
    pub(crate) fn new(rendered: &str, written: &str) -> PackageUrl {
        PackageUrl { rendered: Secret::new(rendered), written: Secret::new(written) }
    }

    /// The address with its credentials.
    pub(crate) fn reveal(&self) -> &str {
        self.rendered.reveal()
    }

    /// The text of the file, which may hold credentials that were written there in plain.
    pub(crate) fn reveal_written(&self) -> &str {
        self.written.reveal()
    }
}

impl fmt::Display for PackageUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask_address(self.rendered.reveal()))
    }
}

impl fmt::Debug for PackageUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Where a package comes from, and which of it is asked for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PackageSource {
    Local {
        path: String,
    },
    Hub {
        name: String,
        /// The version specifiers, which are read when packages are resolved.
        versions: Vec<String>,
        install_prerelease: bool,
    },
    Git {
        url: PackageUrl,
        revision: Option<String>,
        warn_unpinned: bool,
        subdirectory: Option<String>,
    },
    Tarball {
        url: PackageUrl,
        name: String,
    },
    /// dbt Cloud knows where it is; nothing else does.
    Private {
        name: String,
    },
}

/// A package that a project requires.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PackageSpec {
    pub(crate) source: PackageSource,
    pub(crate) span: Span,
    /// What dbt hashes of the entry: rendered, and as it is written.
    contract: Secret,
}

impl PackageSpec {
    /// The name of a package of the hub.
    pub(crate) fn hub_name(&self) -> Option<&str> {
        match &self.source {
            PackageSource::Hub { name, .. } => Some(name),
            _ => None,
        }
    }

    /// What dbt hashes of the entry; it may hold secrets.
    pub(crate) fn reveal_contract(&self) -> &str {
        self.contract.reveal()
    }
}

/// The file that a list of packages stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PackagesFile {
    Packages,
    Dependencies,
    Lock,
}

impl PackagesFile {
    pub(crate) fn name(self) -> &'static str {
        match self {
            PackagesFile::Packages => "packages.yml",
            PackagesFile::Dependencies => "dependencies.yml",
            PackagesFile::Lock => "package-lock.yml",
        }
    }
}

/// Reads the `packages:` list of a rendered tree. `written` is the tree before it was rendered.
pub(crate) fn parse_packages(
    file: PackagesFile,
    tree: &Yaml,
    written: &Yaml,
) -> Checked<Vec<PackageSpec>> {
    let (mut specs, mut out) = (Vec::new(), Vec::new());
    check_file_keys(file, tree, &mut out);
    let written = list_of(written);
    for (i, entry) in list_of(tree).iter().enumerate() {
        match read_package(entry, written.get(i).unwrap_or(entry)) {
            Ok(spec) => specs.push(spec),
            Err(refusal) => out.push(*refusal.at(entry.span).0),
        }
    }
    Checked::new(specs, out)
}

fn list_of(tree: &Yaml) -> &[Yaml] {
    tree.as_map().and_then(|m| m.get("packages")).map(Yaml::items).unwrap_or_default()
}

fn check_file_keys(file: PackagesFile, tree: &Yaml, out: &mut Vec<Diagnostic>) {
    let known: &[&str] = match file {
        // Its other keys, such as `projects`, are dbt Cloud's.
        PackagesFile::Dependencies => return,
        PackagesFile::Packages => &["packages"],
        PackagesFile::Lock => &["packages", "sha1_hash"],
    };
    let Some(map) = tree.as_map() else { return };
    for (key, _) in map.iter().filter(|(key, _)| !known.contains(&&*key.text)) {
        let message = format!("{} has no key `{}`", file.name(), key.text);
        let d = Diagnostic::error(Code::Package, message).primary(key.span, "");
        out.push(match &*key.text {
            "projects" => d.help("`projects:` stands in dependencies.yml"),
            other => d.did_you_mean(nearest_name(other, known.iter().copied())),
        });
    }
}

/// Why an entry is refused.
struct Refusal(Box<Diagnostic>);

impl Refusal {
    fn at(self, span: Span) -> Refusal {
        Refusal(Box::new(self.0.primary(span, "")))
    }

    fn help(self, text: &str) -> Refusal {
        Refusal(Box::new(self.0.help(text)))
    }
}

fn wrong(message: impl Into<String>) -> Refusal {
    Refusal(Box::new(Diagnostic::error(Code::Package, message)))
}

/// The kinds of entries, with the keys that each may have.
const KINDS: [(&str, &[&str]); 5] = [
    ("local", &["name"]),
    ("tarball", &["name"]),
    ("git", &["revision", "warn-unpinned", "subdirectory", "name"]),
    ("private", &["provider", "revision", "warn-unpinned", "subdirectory", "name"]),
    ("package", &["version", "install_prerelease", "name"]),
];

fn read_package(entry: &Yaml, written: &Yaml) -> Result<PackageSpec, Refusal> {
    const KIND_NAMES: &str = "`package`, `git`, `tarball` or `local`";
    let Some(map) = entry.as_map() else {
        return Err(wrong(format!(
            "a package is a mapping with {KIND_NAMES}, not {}",
            entry.kind()
        )));
    };
    let kinds: Vec<_> = KINDS.iter().filter(|(kind, _)| map.get(kind).is_some()).collect();
    let (kind, keys) = match kinds[..] {
        [] => return Err(wrong(format!("a package needs {KIND_NAMES}"))),
        [kind] => *kind,
        [(a, _), (b, _), ..] => {
            return Err(wrong(format!("a package has `{a}` or `{b}`, not both"))
                .help("write two entries if both are wanted"));
        }
    };
    let is_unknown = |key: &Key| *key.text != *kind && !keys.contains(&&*key.text);
    if let Some((key, _)) = map.iter().find(|(key, _)| is_unknown(key)) {
        let d = wrong(format!("a package with `{kind}` has no key `{}`", key.text)).at(key.span).0;
        let d = d.did_you_mean(nearest_name(&key.text, keys.iter().copied()));
        return Err(Refusal(Box::new(d.note(format!("its other keys are {}", keys.join(", "))))));
    }
    // What dbt fills in where a key is left out belongs to its hash.
    let filled: &[(&str, Json)] = match kind {
        "git" => &[("revision", Json::Null), ("subdirectory", Json::Null)],
        "private" => {
            &[("provider", Json::Null), ("revision", Json::Null), ("subdirectory", Json::Null)]
        }
        "package" => &[("install_prerelease", Json::Bool(false))],
        _ => &[],
    };
    let mut contract: JsonMap = filled.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
    if matches!(kind, "git" | "private") {
        contract.insert("warn-unpinned".into(), Json::Null);
    }
    contract.extend(map.iter().map(|(k, v)| (k.text.to_string(), v.to_json())));
    if contract.get("name").is_some_and(Json::is_null) {
        contract.remove("name");
    }
    contract.insert("unrendered".into(), written.to_json());
    Ok(PackageSpec {
        source: read_source(kind, map, written)?,
        span: entry.span,
        contract: Secret::new(&python_json(&Json::Object(contract))),
    })
}

fn read_source(kind: &str, map: &YamlMap, written: &Yaml) -> Result<PackageSource, Refusal> {
    let text = required_text(map, kind)?;
    let written = written.as_map().and_then(|m| m.get(kind)).and_then(Yaml::as_str);
    let url = PackageUrl::new(&text, written.unwrap_or(&text));
    let name = optional_text(map, "name")?;
    Ok(match kind {
        "local" => PackageSource::Local { path: text },
        "git" => PackageSource::Git {
            url,
            revision: revision_of(map)?,
            warn_unpinned: optional_bool(map, "warn-unpinned")?.unwrap_or(true),
            subdirectory: optional_text(map, "subdirectory")?.filter(|s| !s.is_empty()),
        },
        "tarball" => PackageSource::Tarball {
            url,
            name: name.ok_or_else(|| {
                wrong("a package with `tarball` needs a `name`").help("add `name:`, its folder")
            })?,
        },
        "private" => PackageSource::Private { name: text },
        _ => {
            let versions = versions_of(map, &text)?;
            if !text.contains('/') {
                return Err(wrong(format!("`{text}` is no name of a package on the hub"))
                    .help("write the owner, too, such as dbt-labs/dbt_utils"));
            }
            let install_prerelease = optional_bool(map, "install_prerelease")?.unwrap_or(false);
            PackageSource::Hub { name: text, versions, install_prerelease }
        }
    })
}

fn required_text(map: &YamlMap, key: &str) -> Result<String, Refusal> {
    match optional_text(map, key)? {
        Some(text) if !text.is_empty() => Ok(text),
        _ => Err(wrong(format!("`{key}` is empty")).help("write which package is meant")),
    }
}

fn optional_text(map: &YamlMap, key: &str) -> Result<Option<String>, Refusal> {
    match map.get(key) {
        None => Ok(None),
        Some(y) if y.is_null() => Ok(None),
        Some(y) => match y.as_str() {
            Some(text) => Ok(Some(text.to_owned())),
            None => Err(wrong(format!("`{key}` is text, not {}", y.kind())).at(y.span)),
        },
    }
}

fn optional_bool(map: &YamlMap, key: &str) -> Result<Option<bool>, Refusal> {
    match map.get(key) {
        None => Ok(None),
        Some(y) if y.is_null() => Ok(None),
        Some(y) => match y.as_bool() {
            Some(value) => Ok(Some(value)),
            None => {
                let message = format!("`{key}` is true or false, not {}", y.kind());
                Err(wrong(message).at(y.span))
            }
        },
    }
}

/// A text or a number, as text: `revision: 0.8` is a number in YAML.
fn loose_text(y: &Yaml) -> Option<String> {
    match y.to_json() {
        Json::String(text) => Some(text).filter(|_| y.as_str().is_some()),
        json @ Json::Number(_) => Some(python_str(&json)),
        _ => None,
    }
}

fn revision_of(map: &YamlMap) -> Result<Option<String>, Refusal> {
    let Some(y) = map.get("revision").filter(|y| !y.is_null()) else { return Ok(None) };
    let Some(text) = loose_text(y) else {
        let message = format!("`revision` is a branch, a tag or a commit, not {}", y.kind());
        return Err(wrong(message).at(y.span).help("put it in quotes"));
    };
    Ok(Some(text))
}

fn versions_of(map: &YamlMap, package: &str) -> Result<Vec<String>, Refusal> {
    let Some(y) = map.get("version").filter(|y| !y.is_null()) else {
        return Err(missing_version(package));
    };
    if matches!(y.value, YamlValue::Int(_) | YamlValue::BigInt(_)) {
        return Err(wrong("a version is text, not a number").at(y.span).help("put it in quotes"));
    }
    let versions = y.items().iter().map(|item| {
        loose_text(item)
            .ok_or_else(|| wrong(format!("a version is text, not {}", item.kind())).at(item.span))
    });
    let versions = versions.collect::<Result<Vec<_>, _>>()?;
    match versions.iter().all(String::is_empty) {
        true => Err(missing_version(package)),
        false => Ok(versions),
    }
}

fn missing_version(package: &str) -> Refusal {
    wrong(format!("`{package}` has no `version`"))
        .help("a package of the hub needs one, such as `version: [\">=1.0.0\", \"<2.0.0\"]`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_yaml;
    use crate::source::FileId;

    fn parse(text: &str) -> Checked<Vec<PackageSpec>> {
        let tree = parse_yaml(FileId(0), text).value;
        parse_packages(PackagesFile::Packages, &tree, &tree)
    }

    #[test]
    fn what_dbt_refuses_is_refused() {
        for (text, message) in [
            ("packages: [x]", "is a mapping"),
            ("packages: [{}]", "a package needs"),
            ("packages: [{git: x, package: a/b, version: 1.0.0}]", "not both"),
            ("packages: [{git: x, warn_unpinned: false}]", "has no key `warn_unpinned`"),
            ("packages: [{git: ''}]", "`git` is empty"),
            ("packages: [{git: x, revision: [a, b]}]", "a branch, a tag or a commit"),
            ("packages: [{git: x, revision: 2020-01-01}]", "not a date"),
            ("packages: [{local: 1}]", "`local` is text"),
            ("packages: [{tarball: x}]", "needs a `name`"),
            ("packages: [{tarball: x, name: y, subdirectory: z}]", "no key `subdirectory`"),
            ("packages: [{package: a/b}]", "has no `version`"),
            ("packages: [{package: a/b, version: []}]", "has no `version`"),
            ("packages: [{package: a/b, version: ''}]", "has no `version`"),
            ("packages: [{package: a/b, version: true}]", "a version is text"),
            ("packages: [{package: ab, version: 1.0.0}]", "no name of a package on the hub"),
            ("packages: [{package: a/b, version: 1.0.0, install_prerelease: 'yes'}]", "true or"),
            ("packages: []\nprojects: []", "has no key `projects`"),
        ] {
            let found = parse(text).diagnostics;
            assert!(found.iter().any(|d| d.message.contains(message)), "{text}: {found:?}");
            assert!(found.iter().all(|d| d.primary.is_some()), "{text}");
        }
    }

    #[test]
    fn numbers_are_revisions_and_versions() {
        let specs = parse("packages: [{git: x, revision: 1.0}, {package: a/b, version: 1.5}]");
        assert!(specs.diagnostics.is_empty());
        let [git, hub] = &specs.value[..] else { panic!() };
        assert!(
            matches!(&git.source, PackageSource::Git { revision: Some(r), .. } if r == "1.0"),
            "{git:?}"
        );
        assert!(
            matches!(&hub.source, PackageSource::Hub { versions, .. } if versions == &["1.5"]),
            "{hub:?}"
        );
    }

    #[test]
    fn credentials_are_not_shown() {
        let specs = parse("packages: [{git: 'https://me:hunter2@example.org/x.git'}]").value;
        assert!(!format!("{specs:?}").contains("hunter2"), "{specs:?}");
    }
}
