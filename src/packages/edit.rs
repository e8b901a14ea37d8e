//! Adds a package to the text of `packages.yml` or `dependencies.yml`.
//!
//! dbt writes the file anew and loses its comments. Here only the lines of the packages change, if the list is in block
//! style; the result is read again, and where it is not what it should be, the file is written anew as well.

use super::yaml_text::scalar_text;
use crate::config::{Json, JsonMap, Yaml, parse_yaml, python_json};
use crate::diag::Diagnostic;
use crate::secret::mask_address;
use crate::source::FileId;

/// Where a new package comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NewPackageSource {
    Hub,
    Git,
    Local,
}

impl NewPackageSource {
    fn keys(self) -> (&'static str, &'static str) {
        match self {
            NewPackageSource::Hub => ("package", "version"),
            NewPackageSource::Git => ("git", "revision"),
            NewPackageSource::Local => ("local", "version"),
        }
    }
}

/// A package of `--add-package`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewPackage {
    pub(crate) source: NewPackageSource,
    pub(crate) name: String,
    /// A version, a revision, or conditions with commas between them.
    pub(crate) version: Option<String>,
}

/// Why a text is no package to add.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NewPackageError {
    #[error("`{0}` has no version")]
    NoVersion(String),
    #[error("`{0}` is a local package, which has no version")]
    LocalVersion(String),
}

impl NewPackage {
    /// Reads `NAME@VERSION`. Only a folder has no version.
    pub(crate) fn parse(
        text: &str,
        source: NewPackageSource,
    ) -> Result<NewPackage, NewPackageError> {
        // The `@` of `git@host:owner/name.git` comes before the address.
        let is_version = |version: &str| {
            !version.is_empty() && (source != NewPackageSource::Git || !version.contains(':'))
        };
        let split = text.rsplit_once('@').filter(|(name, v)| !name.is_empty() && is_version(v));
        let (name, version) = match split {
            Some((name, version)) => (name, Some(version.to_owned())),
            None => (text, None),
        };
        match (source, &version) {
            (NewPackageSource::Local, Some(_)) => Err(NewPackageError::LocalVersion(text.into())),
            (NewPackageSource::Hub | NewPackageSource::Git, None) => {
                Err(NewPackageError::NoVersion(text.into()))
            }
            _ => Ok(NewPackage { source, name: name.to_owned(), version }),
        }
    }

    fn entry(&self) -> JsonMap {
        let (name_key, version_key) = self.source.keys();
        let mut entry = JsonMap::new();
        entry.insert(name_key.to_owned(), Json::from(self.name.as_str()));
        if let Some(version) = &self.version {
            let value = match version.contains(',') {
                true => version.split(',').map(|v| Json::from(v.trim())).collect(),
                false => Json::from(version.as_str()),
            };
            entry.insert(version_key.to_owned(), value);
        }
        entry
    }
}

/// The new text of a file, and the packages that the new one replaces.
#[derive(Clone, Debug)]
pub(crate) struct EditedPackages {
    pub(crate) text: String,
    pub(crate) removed: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum EditError {
    #[error("it cannot be read")]
    Unreadable(Vec<Diagnostic>),
    #[error("its `packages:` is no list of mappings")]
    NoList,
}

/// Adds a package. Entries of the same package are replaced, by dbt's rule: their name or address
/// has the new name in it, with `-` and `_` alike.
pub(crate) fn add_package(text: &str, new: &NewPackage) -> Result<EditedPackages, EditError> {
    let tree = read_text(text)?;
    let mut root = match tree.to_json() {
        Json::Object(map) => map,
        Json::Null => JsonMap::new(),
        _ => return Err(EditError::NoList),
    };
    let list = tree.as_map().and_then(|m| m.get("packages"));
    let items = list.map(Yaml::items).unwrap_or_default();
    if items.iter().any(|item| item.as_map().is_none()) {
        return Err(EditError::NoList);
    }
    let variants = name_variants(&new.name);
    let is_same = |item: &Yaml| identifier(item).is_some_and(|id| names_package(&id, &variants));
    let kept: Vec<Json> = items.iter().filter(|i| !is_same(i)).map(Yaml::to_json).collect();
    let gone: Vec<&Yaml> = items.iter().filter(|item| is_same(item)).collect();
    let removed = gone.iter().filter_map(|item| identifier(item));
    let removed = removed.map(|id| mask_address(&id).into_owned()).collect();
    let mut packages = kept;
    packages.push(Json::Object(new.entry()));
    root.insert("packages".to_owned(), Json::Array(packages));
    let expected = Json::Object(root);
    let edited = edit_lines(text, items, &gone, new);
    let text = edited
        .filter(|text| read_text(text).is_ok_and(|tree| tree.to_json() == expected))
        .unwrap_or_else(|| dump_file(&expected));
    Ok(EditedPackages { text, removed })
}

fn read_text(text: &str) -> Result<Yaml, EditError> {
    let read = parse_yaml(FileId(0), text);
    match read.diagnostics.iter().any(Diagnostic::is_error) {
        true => Err(EditError::Unreadable(read.diagnostics)),
        false => Ok(read.value),
    }
}

/// The name or address of an entry.
fn identifier(item: &Yaml) -> Option<String> {
    let map = item.as_map()?;
    let keys = ["package", "git", "local", "tarball", "private"];
    keys.into_iter().find_map(|key| map.get_text(key).filter(|text| !text.is_empty()))
}

/// A name as hubs and repositories may spell it.
fn name_variants(name: &str) -> Vec<String> {
    let short = name.rsplit('/').next().unwrap_or(name);
    [name, short]
        .into_iter()
        .flat_map(|name| [name.to_owned(), name.replace('_', "-"), name.replace('-', "_")])
        .filter(|name| !name.is_empty())
        .collect()
}

/// Whether one of the names stands in an identifier as a whole, between slashes and dots.
fn names_package(identifier: &str, variants: &[String]) -> bool {
    variants.iter().any(|name| {
        let Some(at) = identifier.find(name.as_str()) else { return false };
        let is_edge = |c: Option<char>| c.is_none_or(|c| "/.".contains(c));
        is_edge(identifier[..at].chars().next_back())
            && is_edge(identifier[at + name.len()..].chars().next())
    })
}

/// The text with the lines of the entries that are gone taken out and those of the new one put
/// behind the last. `None` unless each entry begins with a line of its own.
fn edit_lines(text: &str, items: &[Yaml], gone: &[&Yaml], new: &NewPackage) -> Option<String> {
    let line_start = |at: usize| text[..at].rfind('\n').map_or(0, |i| i + 1);
    let line_end = |at: usize| text[at..].find('\n').map_or(text.len(), |i| at + i + 1);
    let mut places = Vec::new();
    for item in items {
        let first = text.get(..item.span.start as usize)?.len();
        let start = line_start(first);
        let indent = text[start..first].strip_suffix("- ")?;
        if !indent.bytes().all(|b| b == b' ') {
            return None;
        }
        places.push((start, line_end(last_place(item).max(first)), indent.len()));
    }
    let (_, end, indent) = *places.last()?;
    let mut out = String::new();
    let mut at = 0;
    for (item, (from, to, _)) in items.iter().zip(&places) {
        if gone.iter().any(|other| other.span == item.span) {
            out.push_str(text.get(at..*from)?);
            at = *to;
        }
    }
    out.push_str(text.get(at..end)?);
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
    out.push_str(&entry_lines(new, indent));
    out.push_str(text.get(end..)?);
    Some(out)
}

/// The end of the last scalar of a value.
fn last_place(y: &Yaml) -> usize {
    use crate::config::YamlValue;
    match &y.value {
        YamlValue::Map(map) => map
            .iter()
            .map(|(key, value)| last_place(value).max(key.span.end as usize))
            .max()
            .unwrap_or(y.span.end as usize),
        YamlValue::Seq(items) if !items.is_empty() => {
            items.iter().map(last_place).max().unwrap_or_default()
        }
        // A block scalar ends behind its newline.
        _ => (y.span.end as usize).saturating_sub(usize::from(y.has_final_newline())),
    }
}

fn entry_lines(new: &NewPackage, indent: usize) -> String {
    let mut out = String::new();
    for (i, (key, value)) in new.entry().iter().enumerate() {
        let mark = if i == 0 { "- " } else { "  " };
        let value = match value {
            Json::String(text) => scalar_text(text),
            // A list in one line: JSON is YAML.
            other => python_json(other),
        };
        out.push_str(&format!("{}{mark}{key}: {value}\n", " ".repeat(indent)));
    }
    out
}

/// The file as dbt writes it: block style, keys sorted.
fn dump_file(value: &Json) -> String {
    let mut out = String::new();
    dump_value(value, 0, &mut out);
    out
}

fn dump_value(value: &Json, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    match value {
        Json::Object(map) if !map.is_empty() => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            for (i, (key, value)) in entries.into_iter().enumerate() {
                if i > 0 || indent == 0 {
                    out.push_str(&pad);
                }
                out.push_str(&scalar_text(key));
                out.push(':');
                dump_nested(value, indent, out);
            }
        }
        Json::Array(items) if !items.is_empty() => {
            for item in items {
                out.push_str(&format!("{pad}- "));
                dump_value(item, indent + 2, out);
            }
        }
        scalar => {
            out.push_str(&dump_scalar(scalar));
            out.push('\n');
        }
    }
}

fn dump_nested(value: &Json, indent: usize, out: &mut String) {
    match value {
        Json::Object(map) if !map.is_empty() => {
            out.push_str(&format!("\n{}", " ".repeat(indent + 2)));
            dump_value(value, indent + 2, out);
        }
        Json::Array(items) if !items.is_empty() => {
            out.push('\n');
            dump_value(value, indent + 2, out);
        }
        scalar => {
            out.push(' ');
            out.push_str(&dump_scalar(scalar));
            out.push('\n');
        }
    }
}

fn dump_scalar(value: &Json) -> String {
    match value {
        Json::String(text) => scalar_text(text),
        other => python_json(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(text: &str, source: NewPackageSource, name: &str, version: &str) -> EditedPackages {
        let version = Some(version).filter(|v| !v.is_empty()).map(str::to_owned);
        add_package(text, &NewPackage { source, name: name.into(), version }).unwrap()
    }

    #[test]
    fn the_rest_of_the_file_stays_as_it_is() {
        let text = "# ours\npackages:\n  - package: a/b  # pinned\n    version: 1.0.0\n\n  # next\n  - local: x\n# end\n";
        let edited = add(text, NewPackageSource::Hub, "a/c", ">=1.0.0,<2.0.0");
        assert_eq!(
            edited.text,
            "# ours\npackages:\n  - package: a/b  # pinned\n    version: 1.0.0\n\n  # next\n  - local: x\n  - package: a/c\n    version: [\">=1.0.0\", \"<2.0.0\"]\n# end\n"
        );
        let again = add(text, NewPackageSource::Git, "https://example.org/x/b.git", "v1");
        assert!(again.text.contains("- package: a/b") && again.removed.is_empty(), "{again:?}");
        let replaced = add(text, NewPackageSource::Hub, "a/b", "2.0.0");
        assert_eq!(
            replaced.text,
            "# ours\npackages:\n\n  # next\n  - local: x\n  - package: a/b\n    version: 2.0.0\n# end\n"
        );
        assert_eq!(replaced.removed, ["a/b"]);
    }

    #[test]
    fn other_files_are_written_anew() {
        let new = |text: &str| add(text, NewPackageSource::Local, "../x", "").text;
        assert_eq!(new(""), "packages:\n  - local: ../x\n");
        assert_eq!(new("packages: []\n"), "packages:\n  - local: ../x\n");
        assert_eq!(
            new("packages: [{package: a/b, version: [1.0.0, 2.0.0]}]\nprojects: [{name: p}]\n"),
            "packages:\n  - package: a/b\n    version:\n      - 1.0.0\n      - 2.0.0\n  - local: ../x\nprojects:\n  - name: p\n"
        );
        assert!(add_package("packages: [x]", &new_local()).is_err());
        assert!(add_package("packages: [", &new_local()).is_err());
    }

    fn new_local() -> NewPackage {
        NewPackage { source: NewPackageSource::Local, name: "x".into(), version: None }
    }

    #[test]
    fn a_package_to_add_has_a_version() {
        use NewPackageSource::{Git, Hub, Local};
        let parse = |text, source| {
            NewPackage::parse(text, source).map(|new| (new.name, new.version.unwrap_or_default()))
        };
        let pair = |a: &str, b: &str| Ok((a.to_owned(), b.to_owned()));
        assert_eq!(parse("o/a@1.0.0", Hub), pair("o/a", "1.0.0"));
        assert_eq!(parse("git@h:o/a.git@v1", Git), pair("git@h:o/a.git", "v1"));
        assert_eq!(parse("../x", Local), pair("../x", ""));
        assert!(parse("git@h:o/a.git", Git).is_err() && parse("o/a", Hub).is_err());
        assert!(parse("../x@1", Local).is_err());
    }

    #[test]
    fn one_package_is_found_by_its_hub_and_its_repository() {
        for (identifier, name, is_same) in [
            ("https://example.org/o/dbt-utils.git", "o/dbt_utils", true),
            ("o/dbt_utils", "https://example.org/o/dbt-utils.git", false),
            ("o/dbt-core-utils", "o/dbt-core", false),
            ("o/dbt_utils", "dbt-utils", true),
        ] {
            assert_eq!(names_package(identifier, &name_variants(name)), is_same, "{identifier}");
        }
    }
}
