//! `deps`: installs packages. Local ones are linked; others come in a later version.

use super::project::own_sources;
use super::{CliError, Exit, Invocation};
use crate::config::{PackageSpec, parse_yaml};
use crate::load::find_project_file;
use crate::source::FileId;
use crate::system::normalize;

pub(crate) fn deps(inv: &mut Invocation) -> Exit {
    let sources = own_sources(inv)?;
    let package = sources.root();
    let install = normalize(&package.root.join(&package.options.packages_install_path));
    if sources.package_specs.is_empty() {
        inv.console.say("packages.yml asks for no packages");
        return Ok(0);
    }
    let mut missing = Vec::new();
    let mut names = vec![package.name().to_string()];
    for spec in &sources.package_specs {
        match spec {
            PackageSpec::Local { path, .. } => {
                let folder = normalize(&package.root.join(path));
                let Some(file) = find_project_file(inv.system.as_ref(), &folder) else {
                    return Err(CliError::usage(format!("{folder} has no project file")));
                };
                let text = inv.system.read(&file)?;
                let tree = parse_yaml(FileId(0), &text).value;
                let name = tree
                    .as_map()
                    .and_then(|m| m.get("name"))
                    .and_then(|y| y.as_str().map(str::to_owned));
                let Some(name) = name else {
                    return Err(CliError::usage(format!("{file} has no `name`")));
                };
                if names.contains(&name) {
                    let other = if name == names[0] {
                        "the project itself has"
                    } else {
                        "another package has"
                    };
                    return Err(CliError::usage(format!(
                        "the package in {path} is named `{name}`, a name that {other}"
                    )));
                }
                names.push(name.clone());
                inv.system.symlink(&folder, &install.join(&name))?;
                inv.console.say(&format!("installed {name} from {path}"));
            }
            PackageSpec::Hub { name, .. } => missing.push(name.clone()),
            PackageSpec::Git { url, .. } => missing.push(url.clone()),
            PackageSpec::Tarball { url, name, .. } => {
                missing.push(name.clone().unwrap_or_else(|| url.clone()))
            }
        }
    }
    if missing.is_empty() {
        return Ok(0);
    }
    Err(CliError::Usage {
        message: format!("this version installs local packages only, not {}", missing.join(", ")),
        hints: vec![format!("install them with dbt, or put their folders into {install}")],
    })
}
