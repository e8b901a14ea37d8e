//! The answers of the hub: the list of all packages, and the versions of one.

use super::error::PackageError;
use super::resolve::HubRelease;
use crate::config::{Json, Yaml};
use crate::load::yaml_of;
use crate::source::{FileId, Span};
use indexmap::IndexMap;
use std::sync::Arc;

/// dbt's hub, unless `DBT_PACKAGE_HUB_URL` names another.
const DEFAULT_HUB: &str = "https://hub.getdbt.com/";

/// The address that the hub's paths are appended to.
pub(super) fn hub_base(variable: Option<String>) -> String {
    variable.filter(|url| !url.is_empty()).unwrap_or_else(|| DEFAULT_HUB.to_owned())
}

pub(super) fn index_address(base: &str) -> String {
    format!("{base}api/v1/index.json")
}

pub(super) fn package_address(base: &str, package: &str) -> String {
    format!("{base}api/v1/{package}.json")
}

/// A package of the hub with all its versions.
#[derive(Clone, Debug)]
pub(super) struct HubPackage {
    pub(super) releases: Arc<[HubRelease]>,
    versions: IndexMap<String, Json>,
    /// The name that the package has now, if it has moved.
    pub(super) moved_to: Option<String>,
}

/// A version of a package, and where it is.
#[derive(Clone, Debug)]
pub(super) struct HubDownload {
    pub(super) name: String,
    pub(super) tarball: String,
    /// The packages that it asks for, as a tree with the key `packages`.
    pub(super) needs: Yaml,
}

/// Reads the list of all packages.
pub(super) fn read_index(address: &str, text: &[u8]) -> Result<Vec<String>, PackageError> {
    let json: Json = read_json(address, text)?;
    let Json::Array(names) = json else { return Err(wrong(address, "it is no list")) };
    Ok(names.into_iter().filter_map(|name| name.as_str().map(str::to_owned)).collect())
}

/// Reads a package with its versions.
pub(super) fn read_hub_package(
    address: &str,
    package: &str,
    text: &[u8],
) -> Result<HubPackage, PackageError> {
    let json = read_json(address, text)?;
    let Some(Json::Object(versions)) = json.get("versions") else {
        return Err(wrong(address, "it has no `versions`"));
    };
    if json.get("name").is_none() {
        return Err(wrong(address, "it has no `name`"));
    }
    for key in ["name", "packages", "downloads"] {
        if !versions.values().any(|version| version.get(key).is_some()) {
            return Err(wrong(address, &format!("no version has `{key}`")));
        }
    }
    let releases = versions.iter().map(|(version, facts)| HubRelease {
        version: version.clone(),
        require_dbt_version: texts_of(facts.get("require_dbt_version")),
    });
    let releases = releases.collect();
    let is_moved = ["redirectnamespace", "redirectname"].iter().any(|key| json.get(key).is_some());
    let owner = first_text(&json, ["redirectnamespace", "namespace"]);
    let now = format!("{owner}/{}", first_text(&json, ["redirectname", "name"]));
    Ok(HubPackage {
        releases,
        versions: versions.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
        moved_to: (is_moved && now != package).then_some(now),
    })
}

impl HubPackage {
    pub(super) fn download(
        &self,
        address: &str,
        package: &str,
        version: &str,
    ) -> Result<HubDownload, PackageError> {
        let Some(facts) = self.versions.get(version) else {
            let (package, version) = (package.to_owned(), version.to_owned());
            return Err(PackageError::GoneFromHub { package, version });
        };
        let tarball = facts.get("downloads").and_then(|d| d.get("tarball"));
        let (Some(name), Some(tarball)) =
            (facts.get("name").and_then(Json::as_str), tarball.and_then(Json::as_str))
        else {
            let problem = format!("version {version} has no `name` or no `downloads.tarball`");
            return Err(wrong(address, &problem));
        };
        let needs = serde_json::json!({ "packages": facts.get("packages") });
        Ok(HubDownload {
            name: name.to_owned(),
            tarball: tarball.to_owned(),
            needs: yaml_of(&needs, Span::file(FileId(u32::MAX))),
        })
    }
}

/// The first of these keys that has a text.
fn first_text<'a>(json: &'a Json, keys: [&str; 2]) -> &'a str {
    let mut texts = keys.iter().filter_map(|key| json.get(key).and_then(Json::as_str));
    texts.find(|text| !text.is_empty()).unwrap_or_default()
}

fn read_json(address: &str, text: &[u8]) -> Result<Json, PackageError> {
    serde_json::from_slice(text).map_err(|_| wrong(address, "it is not JSON"))
}

fn wrong(address: &str, problem: &str) -> PackageError {
    PackageError::HubAnswer { address: address.to_owned(), problem: problem.to_owned() }
}

/// A text or a list of texts; nothing counts as an empty list.
fn texts_of(value: Option<&Json>) -> Vec<String> {
    match value {
        Some(Json::String(text)) if !text.is_empty() => vec![text.clone()],
        Some(Json::Array(items)) => {
            items.iter().filter_map(|i| i.as_str().map(str::to_owned)).collect()
        }
        _ => Vec::new(),
    }
}
