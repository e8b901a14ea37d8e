//! `package-lock.yml`, as dbt writes it, so that either tool can use what the other has written.

use super::git::plain_address;
use super::resolve::{PinnedPackage, ResolvedPackage};
use super::yaml_text::scalar_text;
use crate::config::{PackageSource, PackageSpec, PackageUrl};
use crate::hash::sha1_hex;
use crate::secret::{Scrubber, mask_address};

pub(crate) const LOCK_FILE: &str = "package-lock.yml";

/// A package of the lock file with the name of its folder.
#[derive(Clone, Debug)]
pub(crate) struct LockEntry {
    pub(crate) package: PinnedPackage,
    pub(crate) name: String,
}

impl LockEntry {
    /// The entry of a package: of a repository it names the commit.
    pub(crate) fn of(resolved: &ResolvedPackage) -> LockEntry {
        let mut package = resolved.package.clone();
        if let (PinnedPackage::Git { revision, .. }, Some(commit)) =
            (&mut package, &resolved.facts.commit)
        {
            revision.clone_from(commit);
        }
        LockEntry { package, name: resolved.facts.name.clone() }
    }
}

/// Gives an address of the lock file the credentials that the packages file has in plain.
pub(crate) fn restore_login(package: &mut PinnedPackage, specs: &[PackageSpec]) {
    let (PinnedPackage::Git { url, .. } | PinnedPackage::Tarball { url, .. }) = package else {
        return;
    };
    if !url.reveal_written().contains("*****@") {
        return;
    }
    let plain = plain_address(url);
    let asked = specs.iter().find_map(|spec| match &spec.source {
        PackageSource::Git { url, .. } | PackageSource::Tarball { url, .. } => {
            (plain_address(url) == plain).then_some(url)
        }
        _ => None,
    });
    if let Some(asked) = asked {
        *url = PackageUrl::new(asked.reveal(), url.reveal_written());
    }
}

/// dbt's `sha1_hash` of the packages that a project asks for: it changes with any of them.
pub(crate) fn hash_specs(specs: &[PackageSpec]) -> String {
    let mut contracts: Vec<&str> = specs.iter().map(PackageSpec::reveal_contract).collect();
    contracts.sort_unstable();
    sha1_hex(&contracts.join("\n"))
}

/// The text of a lock file, and the addresses that stand there without the credentials that the
/// packages file holds in plain.
pub(crate) struct LockText {
    pub(crate) text: String,
    pub(crate) scrubbed: Vec<String>,
}

/// Writes addresses with their Jinja, so that no secret variable gets into the file.
pub(crate) fn write_lock(entries: &[LockEntry], hash: &str, scrubber: &Scrubber) -> LockText {
    let mut scrubbed = Vec::new();
    let mut lines = vec!["packages:".to_owned()];
    for entry in entries {
        let fields = fields_of(entry, |written| {
            let masked = scrub_address(written, scrubber);
            if masked != written {
                scrubbed.push(masked.clone());
            }
            masked
        });
        for (i, (key, value)) in fields.iter().enumerate() {
            let mark = if i == 0 { '-' } else { ' ' };
            lines.push(format!("  {mark} {key}: {}", scalar_text(value)));
        }
    }
    if entries.is_empty() {
        lines[0].push_str(" []");
    }
    lines.push(format!("sha1_hash: {}\n", scalar_text(hash)));
    LockText { text: lines.join("\n"), scrubbed }
}

/// The keys of an entry, sorted as PyYAML sorts them.
fn fields_of(
    entry: &LockEntry,
    mut address: impl FnMut(&str) -> String,
) -> Vec<(&'static str, String)> {
    let name = ("name", entry.name.clone());
    match &entry.package {
        PinnedPackage::Local { path } => vec![("local", path.clone()), name],
        PinnedPackage::Hub { name: package, version, .. } => {
            vec![name, ("package", package.clone()), ("version", version.clone())]
        }
        PinnedPackage::Tarball { url, .. } => {
            vec![name, ("tarball", address(url.reveal_written()))]
        }
        PinnedPackage::Git { url, revision, subdirectory, .. } => {
            let mut fields =
                vec![("git", address(url.reveal_written())), name, ("revision", revision.clone())];
            fields.extend(subdirectory.clone().map(|folder| ("subdirectory", folder)));
            fields
        }
    }
}

/// An address without the credentials that are written in it. What Jinja puts there stays.
fn scrub_address(written: &str, scrubber: &Scrubber) -> String {
    let scrubbed = scrubber.scrub(written).into_owned();
    if scrubbed.contains("{{") {
        return scrubbed;
    }
    // A query stays: it is a part of the address.
    let (address, query) = match scrubbed.split_once('?') {
        Some((address, query)) => (address, format!("?{query}")),
        None => (scrubbed.as_str(), String::new()),
    };
    format!("{}{query}", mask_address(address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Json, PackageUrl, PackagesFile, parse_packages, parse_yaml};
    use crate::source::FileId;

    /// dbt fails in its own code for the first, and takes the key of the second for its own.
    const DIFFERENT: [&str; 2] = ["packages: null", "packages: [{local: x, unrendered: {a: 1}}]"];

    #[test]
    fn hashes_are_those_of_dbt() {
        let table = include_str!("../../tests/dbt/packages.json");
        let table: Json = serde_json::from_str(table).unwrap();
        for row in table["hashes"].as_array().unwrap() {
            let text = row[0].as_str().unwrap();
            if DIFFERENT.contains(&text) {
                continue;
            }
            let tree = parse_yaml(FileId(0), text).value;
            let read = parse_packages(PackagesFile::Packages, &tree, &tree);
            let hash = read.diagnostics.is_empty().then(|| hash_specs(&read.value));
            assert_eq!(hash.as_deref(), row[1].as_str(), "{text}: {:?}", read.diagnostics);
        }
    }

    #[test]
    fn a_lock_has_no_credentials() {
        let url = |text: &str| PackageUrl::new("https://me:hunter2@example.org/x.git", text);
        let git = |text: &str| LockEntry {
            name: "x".into(),
            package: PinnedPackage::Git {
                url: url(text),
                revision: "0".repeat(40),
                warn_unpinned: true,
                subdirectory: Some("sub".into()),
            },
        };
        let entries = [
            git("https://me:{{ env_var('DBT_ENV_SECRET_T') }}@example.org/x.git"),
            git("https://me:hunter2@example.org/x.git"),
        ];
        let lock = write_lock(&entries, "ab", &Scrubber::default());
        let expected = "packages:
  - git: https://me:{{ env_var('DBT_ENV_SECRET_T') }}@example.org/x.git
    name: x
    revision: '0000000000000000000000000000000000000000'
    subdirectory: sub
  - git: https://*****@example.org/x.git
    name: x
    revision: '0000000000000000000000000000000000000000'
    subdirectory: sub
sha1_hash: ab
";
        assert_eq!(lock.text, expected);
        assert_eq!(lock.scrubbed, ["https://*****@example.org/x.git"]);
    }
}
