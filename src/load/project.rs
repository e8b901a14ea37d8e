//! Finds and reads the project, its profile and its packages.

use super::files::{path_below, read_package};
use super::{
    LoadedPackage, LoadedProject, NeedsOwner, PackageNeeds, PackagesText, YamlRenderer,
    read_package_needs, version,
};
use crate::config::{
    Json, JsonMap, PackagesFile, ProfileOptions, ProjectOptions, SelectorDefinition, Yaml,
    check_moved_keys, parse_profile, parse_project, parse_selectors, parse_yaml, renders_late,
};
use crate::context::{
    ConstantFingerprints, ContextProject, InvocationContext, VarSource, invocation_members,
    vars_json,
};
use crate::diag::{Code, Diagnostic, nearest_name};
use crate::engine::{OutputContext, Target, default_target, placeholder_target, read_target};
use crate::secret::{SECRET_PREFIX, Scrubber, Secret};
use crate::source::{FileId, SourceMap, Span};
use crate::system::{System, SystemError, normalize_path};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

/// The options for loading a project, from the command line.
#[derive(Clone, Debug, Default)]
pub(crate) struct LoadOptions {
    pub(crate) project_dir: Option<Utf8PathBuf>,
    pub(crate) profiles_dir: Option<Utf8PathBuf>,
    pub(crate) profile: Option<String>,
    pub(crate) target: Option<String>,
    pub(crate) target_path: Option<Utf8PathBuf>,
    pub(crate) vars: JsonMap,
    pub(crate) threads: Option<usize>,
    pub(crate) settings: InvocationContext,
    pub(crate) scrubber: Scrubber,
    /// The folder of installed packages, in place of the one in the project file.
    pub(crate) packages_install_path: Option<String>,
    /// Whether to load without installed packages and without a profile, as `deps` and `clean` do.
    pub(crate) without_packages: bool,
    /// Whether to ignore `require-dbt-version`.
    pub(crate) ignore_version: bool,
}

/// Beside the project file.
const VARS_FILE: &str = "vars.yml";
const CATALOGS_FILE: &str = "catalogs.yml";
const PROJECT_FILES: [&str; 2] = ["project.yml", "dbt_project.yml"];

pub(crate) fn find_project_file(system: &dyn System, folder: &Utf8Path) -> Option<Utf8PathBuf> {
    PROJECT_FILES.iter().map(|name| folder.join(name)).find(|p| system.is_file(p))
}

/// The profiles file. If `--profiles-dir` or its variable is set, only that folder is searched,
/// else the working directory, the project and `~/.dbt`, in this order.
pub(crate) fn profiles_file(
    system: &dyn System,
    options: &LoadOptions,
    project: &Utf8Path,
) -> Option<Utf8PathBuf> {
    if let Some(dir) = &options.profiles_dir {
        let file = normalize_path(&system.current_dir().join(dir)).join("profiles.yml");
        return system.is_file(&file).then_some(file);
    }
    let home = system.home_dir().map(|h| h.join(".dbt"));
    let folders = [Some(system.current_dir()), Some(project.to_owned()), home];
    folders.into_iter().flatten().map(|f| f.join("profiles.yml")).find(|f| system.is_file(f))
}

struct Loader<'a> {
    system: &'a Arc<dyn System>,
    options: &'a LoadOptions,
    map: SourceMap,
    out: Vec<Diagnostic>,
    root: Utf8PathBuf,
    started: jiff::Timestamp,
}

/// What `load_project` found.
pub(crate) struct LoadOutcome {
    /// `None` if an error keeps the project from being loaded.
    pub(crate) project: Option<LoadedProject>,
    /// The files that were read, if there is no project; a project has its own map.
    pub(crate) map: SourceMap,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// Loads the project. The sources are `None` if there is no usable project; the diagnostics say
/// why. Files keep the ids that they have in `map`.
pub(crate) fn load_project(
    system: &Arc<dyn System>,
    options: &LoadOptions,
    map: SourceMap,
) -> Result<LoadOutcome, SystemError> {
    let mut out = Vec::new();
    for (_, value) in
        system.env_all().into_iter().filter(|(name, _)| name.starts_with(SECRET_PREFIX))
    {
        options.scrubber.register(&Secret::new(&value));
    }
    let here = system.current_dir();
    let start = options
        .project_dir
        .as_ref()
        .map_or_else(|| here.clone(), |d| normalize_path(&here.join(d)));
    let file = match &options.project_dir {
        Some(_) => find_project_file(system.as_ref(), &start),
        None => start.ancestors().find_map(|dir| find_project_file(system.as_ref(), dir)),
    };
    let Some(file) = file else {
        out.push(
            Diagnostic::error(Code::ProjectFile, format!("no project.yml or dbt_project.yml in {start}"))
                .help("change to a project's folder, give --project-dir, or make a project with `strata init`"),
        );
        return Ok(LoadOutcome { project: None, map, diagnostics: out });
    };
    let root = file.parent().unwrap_or(Utf8Path::new(".")).to_owned();
    let mut loader = Loader { system, options, map, out, root, started: system.now() };
    let sources = loader.project(&file)?;
    loader.tell_unused_files();
    match sources {
        Some((packages, rest)) => {
            let Loader { map, out, .. } = loader;
            // The sources own the map now; callers that need only the map take it from there.
            Ok(LoadOutcome {
                project: Some(rest.finish(map, packages)),
                map: SourceMap::default(),
                diagnostics: out,
            })
        }
        None => Ok(LoadOutcome { project: None, map: loader.map, diagnostics: loader.out }),
    }
}

/// The parts of `LoadedProject` except the map and the packages.
struct Rest {
    target: Target,
    target_path: Utf8PathBuf,
    profiles_path: Option<Utf8PathBuf>,
    selectors: Vec<SelectorDefinition>,
    needs: PackageNeeds,
    package_context: Arc<ContextProject>,
    context: Arc<ContextProject>,
}

impl Rest {
    fn finish(self, map: SourceMap, packages: Vec<LoadedPackage>) -> LoadedProject {
        LoadedProject {
            map,
            packages,
            target: self.target,
            target_path: self.target_path,
            profiles_path: self.profiles_path,
            selectors: self.selectors,
            needs: self.needs,
            package_context: self.package_context,
            context: self.context,
        }
    }
}

impl Loader<'_> {
    /// A path as messages show it: relative to the root project if it is in it.
    fn shown(&self, path: &Utf8Path) -> Utf8PathBuf {
        shown(&self.root, path)
    }

    fn yaml(&mut self, path: &Utf8Path) -> Result<Yaml, SystemError> {
        let text = self.system.read(path)?;
        let id = self.map.add(&self.shown(path), text.clone());
        Ok(parse_yaml(id, &text).drain_into(&mut self.out))
    }

    /// A context for YAML files: the base members and, once it is known, the target.
    fn context(
        &self,
        name: &str,
        target: &Target,
        vars: VarSource,
        secrets: bool,
    ) -> Arc<ContextProject> {
        Arc::new(ContextProject {
            name: name.into(),
            members: invocation_members(
                name,
                target,
                &self.options.settings,
                self.started,
                self.system.as_ref(),
            ),
            target: target.clone(),
            dialect: target.engine.dialect,
            vars,
            system: self.system.clone(),
            store_failures: self.options.settings.flags.get("STORE_FAILURES")
                == Some(&Json::Bool(true)),
            registry: OnceLock::new(),
            facts: ConstantFingerprints::new(
                target,
                &self.options.settings,
                self.started,
                self.system.as_ref(),
            ),
            secrets,
            quoting: target.engine.adapter.quoting,
            explicit_overrides: true,
            wants_test_arguments: true,
            packages: Json::Null,
            flags_set: BTreeSet::new(),
        })
    }

    /// Warns of files beside the project file that dbt reads and that have no effect here.
    fn tell_unused_files(&mut self) {
        if self.system.is_file(&self.root.join(CATALOGS_FILE)) {
            let message = format!(
                "`{CATALOGS_FILE}` has no effect: it says where other databases keep tables of Iceberg"
            );
            self.out.push(Diagnostic::warning(Code::Ignored, message));
        }
    }

    fn check_version(&mut self, options: &ProjectOptions) {
        if !self.options.ignore_version {
            version::check_requirements(
                &options.require_version,
                crate::DBT_VERSION,
                &mut self.out,
            );
        }
    }

    fn cli_vars(&self) -> VarSource {
        VarSource { cli: self.options.vars.clone(), root: Json::Null, packages: HashMap::new() }
    }

    fn project(
        &mut self,
        file: &Utf8Path,
    ) -> Result<Option<(Vec<LoadedPackage>, Rest)>, SystemError> {
        let tree = self.yaml(file)?;
        let failed = self.out.iter().any(Diagnostic::is_error);
        if failed {
            return Ok(None);
        }
        // The profile comes first, since project files may use `target`.
        let (name, profile) = self.profile_name(&tree);
        let project_name = tree
            .as_map()
            .and_then(|m| m.get("name"))
            .and_then(Yaml::as_str)
            .unwrap_or("project")
            .to_owned();
        let before = self.out.len();
        let (target, profiles_path) = match self.target(&project_name, &name, profile)? {
            Some(found) => found,
            None if self.options.without_packages => {
                // Packages may be installed before there are any credentials.
                self.out.truncate(before);
                (placeholder_target(&project_name), None)
            }
            None => return Ok(None),
        };
        let file_vars = self.vars_file(&self.root.clone())?;
        let known = VarSource { root: vars_json(file_vars.as_ref()), ..self.cli_vars() };
        let context = self.context(&project_name, &target, known, false);
        let renderer = YamlRenderer::new(&context, &project_name.as_str().into());
        let rendered = renderer.tree(&tree, &renders_late, &mut self.out);
        let id = self.map.find(&self.shown(file)).unwrap_or(FileId(0));
        let Some(mut options) = parse_project(id, &rendered).drain_into(&mut self.out) else {
            return Ok(None);
        };
        if file.file_name() != Some(PROJECT_FILES[0]) {
            self.out.extend(check_moved_keys(&rendered));
        }
        options.unrendered = Some(tree);
        if let Some(path) = &self.options.packages_install_path {
            options.packages_install_path.clone_from(path);
        }
        self.take_vars(&mut options, file_vars);
        self.check_version(&options);
        let target_path = self.target_path(&options);
        let install = normalize_path(&self.root.join(&options.packages_install_path));
        let package_context = self.context(&context.name, &context.target, self.cli_vars(), true);
        let needs = self.needs(&options, &package_context)?;
        let mut packages = Vec::new();
        let skip = [install.clone(), target_path.clone()];
        let root = self.root.clone();
        let files = self.files(&root, &options, &skip)?;
        packages.push(LoadedPackage { options, root: self.root.clone(), files });
        if !self.options.without_packages {
            self.packages(&install, &needs, &context, &mut packages)?;
        }
        let selectors = self.selectors(&renderer)?;
        let vars = VarSource {
            cli: self.options.vars.clone(),
            root: vars_json(packages[0].options.vars.as_ref()),
            packages: packages
                .iter()
                .skip(1)
                .map(|p| (p.name().clone(), vars_json(p.options.vars.as_ref())))
                .collect(),
        };
        let mut quoting = target.engine.adapter.quoting;
        for (part, written) in quoting.iter_mut().zip(packages[0].options.quoting) {
            *part = written.unwrap_or(*part);
        }
        let mut context = self.context(packages[0].name(), &target, vars, false);
        if let Some(context) = Arc::get_mut(&mut context) {
            context.quoting = quoting;
            let flags = &packages[0].options.flags;
            let flag = "require_explicit_package_overrides_for_builtin_materializations";
            context.explicit_overrides = flags.is_set(flag, true);
            let flag = "require_generic_test_arguments_property";
            context.wants_test_arguments = flags.is_set(flag, true);
            context.packages = packages_json(&packages);
            context.flags_set = flags.names_set().map(str::to_owned).collect();
        }
        Ok(Some((
            packages,
            Rest { target, target_path, profiles_path, selectors, needs, package_context, context },
        )))
    }

    /// The target path: that of the command line, else the project file's.
    fn target_path(&self, options: &ProjectOptions) -> Utf8PathBuf {
        let given = self.options.target_path.clone();
        let path = given.or_else(|| options.target_path.clone().map(Utf8PathBuf::from));
        normalize_path(&self.root.join(path.unwrap_or_else(|| "target".into())))
    }

    fn files(
        &mut self,
        root: &Utf8Path,
        options: &ProjectOptions,
        skip: &[Utf8PathBuf],
    ) -> Result<Vec<super::LoadedFile>, SystemError> {
        let base = self.root.clone();
        read_package(
            self.system.as_ref(),
            root,
            options,
            skip,
            &|p| shown(&base, p),
            &mut self.map,
            &mut self.out,
        )
    }

    /// The profile's name, and the span where the project file names it.
    fn profile_name(&mut self, tree: &Yaml) -> (Option<String>, Option<Span>) {
        if let Some(name) = &self.options.profile {
            return (Some(name.clone()), None);
        }
        let written = tree.as_map().and_then(|m| m.get("profile"));
        match written {
            Some(y) => {
                let context =
                    self.context("project", &placeholder_target("project"), self.cli_vars(), false);
                let renderer = YamlRenderer::new(&context, &"project".into());
                let rendered =
                    y.as_str().and_then(|text| renderer.value(text, y.span, &mut self.out));
                (rendered.as_ref().unwrap_or(y).scalar_text(), Some(y.span))
            }
            None => (None, None),
        }
    }

    fn target(
        &mut self,
        project: &str,
        name: &Option<String>,
        asked: Option<Span>,
    ) -> Result<Option<(Target, Option<Utf8PathBuf>)>, SystemError> {
        let root = self.root.clone();
        let Some(path) = profiles_file(self.system.as_ref(), self.options, &root) else {
            if let Some(dir) = &self.options.profiles_dir {
                self.out.push(
                    Diagnostic::error(Code::Profile, format!("no profiles.yml in {dir}"))
                        .help("give another --profiles-dir, or leave it out"),
                );
                return Ok(None);
            }
            if let Some(wanted) = self.options.target.as_ref().or(self.options.profile.as_ref()) {
                self.out.push(Diagnostic::error(
                    Code::Profile,
                    format!("`{wanted}` cannot be used: there is no profiles.yml"),
                ));
                return Ok(None);
            }
            let mut target = default_target(project, &self.root);
            target.threads = self.options.threads.unwrap_or(target.threads);
            return Ok(Some((target, None)));
        };
        let before = self.out.len();
        let tree = self.yaml(&path)?;
        if self.out[before..].iter().any(Diagnostic::is_error) {
            // A key missing in a file with syntax errors is not worth reporting.
            return Ok(None);
        }
        let name = name.clone().unwrap_or_else(|| "default".to_owned());
        let Some(profile) = parse_profile(&tree, &name, asked).drain_into(&mut self.out) else {
            return Ok(None);
        };
        let placeholder = placeholder_target(project);
        let context = self.context(project, &placeholder, self.cli_vars(), true);
        let renderer = YamlRenderer::new(&context, &project.into());
        let target = self.choose(&profile, &renderer);
        let Some(target) = target else { return Ok(None) };
        let Some(output) = profile.outputs.get(&target) else {
            let names: Vec<&str> = profile.outputs.iter().map(|(k, _)| &*k.text).collect();
            let asked = profile.target.as_ref().filter(|_| self.options.target.is_none());
            self.out.push(
                Diagnostic::error(
                    Code::Profile,
                    format!("profile `{name}` has no target `{target}`"),
                )
                .primary(asked.map_or(profile.span, |t| t.span), "looked for here")
                .note(format!("targets there: {}", names.join(", ")))
                .did_you_mean(nearest_name(&target, names.iter().copied())),
            );
            return Ok(None);
        };
        let before = self.out.len();
        let rendered = renderer.tree(output, &|_| false, &mut self.out);
        if self.out[before..].iter().any(Diagnostic::is_error) {
            return Ok(None);
        }
        let surroundings = OutputContext { system: self.system.as_ref(), root: &self.root };
        let read = read_target(&name, &target, &rendered, &surroundings);
        let mut target = read.drain_into(&mut self.out);
        if let Some(target) = &mut target {
            target.threads = self.options.threads.unwrap_or(target.threads);
        }
        Ok(target.map(|t| (t, Some(path))))
    }

    fn choose(&mut self, profile: &ProfileOptions, renderer: &YamlRenderer) -> Option<String> {
        if let Some(target) = &self.options.target {
            return Some(target.clone());
        }
        let Some(written) = &profile.target else { return Some("default".to_owned()) };
        let rendered =
            written.as_str().and_then(|text| renderer.value(text, written.span, &mut self.out));
        rendered.as_ref().unwrap_or(written).scalar_text()
    }

    fn needs(
        &mut self,
        options: &ProjectOptions,
        context: &Arc<ContextProject>,
    ) -> Result<PackageNeeds, SystemError> {
        let mut texts = Vec::new();
        for file in [PackagesFile::Packages, PackagesFile::Dependencies] {
            let path = self.root.join(file.name());
            if self.system.is_file(&path) {
                let text = self.system.read(&path)?;
                texts.push(PackagesText { file, shown: self.shown(&path), text });
            }
        }
        let renderer = YamlRenderer::new(context, &options.name);
        let needs = read_package_needs(&texts, NeedsOwner::Project, &renderer, &mut self.map);
        Ok(needs.drain_into(&mut self.out))
    }

    /// Loads the installed packages. Each is a folder with a project file.
    fn packages(
        &mut self,
        install: &Utf8Path,
        needs: &PackageNeeds,
        context: &Arc<ContextProject>,
        packages: &mut Vec<LoadedPackage>,
    ) -> Result<(), SystemError> {
        let mut found = Vec::new();
        for name in self.system.list(install) {
            let folder = install.join(&name);
            if let Some(file) = find_project_file(self.system.as_ref(), &folder) {
                found.push((folder, file));
            }
        }
        let asked = needs.specs.len();
        if found.len() < asked {
            let message = format!(
                "{asked} packages are asked for, {} are installed in {}",
                found.len(),
                self.shown(install)
            );
            self.out.push(
                Diagnostic::error(Code::Package, message)
                    .primary_if(needs.specs.first().map(|spec| spec.span), "asked for here")
                    .help("run `strata deps` to install them"),
            );
        }
        let mut loaded = Vec::new();
        for (folder, file) in found {
            let tree = self.yaml(&file)?;
            let name: Arc<str> = tree
                .as_map()
                .and_then(|m| m.get("name"))
                .and_then(Yaml::as_str)
                .unwrap_or("package")
                .into();
            let renderer = YamlRenderer::new(context, &name);
            let rendered = renderer.tree(&tree, &renders_late, &mut self.out);
            let id = self.map.find(&self.shown(&file)).unwrap_or(FileId(0));
            let mut complaints = Vec::new();
            let options = parse_project(id, &rendered).drain_into(&mut complaints);
            // Only errors are shown: the user cannot fix warnings in a package.
            self.out.extend(complaints.into_iter().filter(Diagnostic::is_error));
            let Some(mut options) = options else { continue };
            options.unrendered = Some(tree);
            let file_vars = self.vars_file(&folder)?;
            self.take_vars(&mut options, file_vars);
            self.check_version(&options);
            let skip = [normalize_path(&folder.join(&options.packages_install_path))];
            let files = self.files(&folder, &options, &skip)?;
            loaded.push(LoadedPackage { options, root: folder, files });
        }
        let root = packages.first().map(|root| root.name().clone());
        if let Some(own) = loaded.iter().find(|package| Some(package.name()) == root.as_ref()) {
            let message = format!(
                "the package in {} is named `{}`, as the project itself is",
                self.shown(&own.root),
                own.name()
            );
            self.out.push(Diagnostic::error(Code::Package, message).help("rename one of them"));
        }
        loaded.sort_by(|a, b| a.name().cmp(b.name()));
        for pair in loaded.windows(2) {
            if pair[0].name() == pair[1].name() {
                self.out.push(Diagnostic::error(
                    Code::Package,
                    format!("two installed packages are named `{}`", pair[0].name()),
                ));
            }
        }
        packages.extend(loaded);
        Ok(())
    }

    /// The variables of `vars.yml` beside a project file, which dbt 1.12 reads.
    fn vars_file(&mut self, root: &Utf8Path) -> Result<Option<Yaml>, SystemError> {
        let path = root.join(VARS_FILE);
        if !self.system.is_file(&path) {
            return Ok(None);
        }
        let tree = self.yaml(&path)?;
        let vars = tree.as_map().and_then(|map| map.get("vars")).filter(|vars| !vars.is_null());
        if let Some(vars) = vars.filter(|vars| vars.as_map().is_none()) {
            let message = format!("`vars` is a mapping, not {}", vars.kind());
            self.out.push(Diagnostic::error(Code::YamlShape, message).primary(vars.span, ""));
            return Ok(None);
        }
        Ok(vars.cloned())
    }

    /// Gives a project the variables of its `vars.yml`, unless its project file has some itself.
    fn take_vars(&mut self, options: &mut ProjectOptions, file_vars: Option<Yaml>) {
        let has_own =
            options.vars.as_ref().and_then(Yaml::as_map).is_some_and(|own| !own.entries.is_empty());
        match file_vars {
            Some(vars) if has_own => {
                let message =
                    format!("`{VARS_FILE}` is not read: the project file has variables, too");
                let d = Diagnostic::warning(Code::Ignored, message).primary(vars.span, "");
                self.out.push(d.help("dbt 1.12 refuses this; write all of them in one place"));
            }
            Some(vars) => options.vars = Some(vars),
            None => {}
        }
    }

    fn selectors(
        &mut self,
        renderer: &YamlRenderer,
    ) -> Result<Vec<SelectorDefinition>, SystemError> {
        let path = self.root.join("selectors.yml");
        if !self.system.is_file(&path) {
            return Ok(Vec::new());
        }
        let tree = self.yaml(&path)?;
        let rendered = renderer.tree(&tree, &|_| false, &mut self.out);
        Ok(parse_selectors(&rendered).drain_into(&mut self.out))
    }
}

/// The properties of packages that templates can read.
fn packages_json(packages: &[LoadedPackage]) -> Json {
    let entries = packages.iter().map(|p| (p.name().to_string(), Json::Object(package_json(p))));
    Json::Object(entries.collect())
}

fn package_json(package: &LoadedPackage) -> JsonMap {
    let options = &package.options;
    let mut map = JsonMap::new();
    map.insert("project_name".into(), Json::from(&**package.name()));
    map.insert("version".into(), options.version.as_deref().map_or(Json::Null, Json::from));
    map.insert("project_root".into(), Json::from(package.root.as_str()));
    map.insert("packages_install_path".into(), Json::from(options.packages_install_path.as_str()));
    for (key, folders) in options.all_paths() {
        map.insert(key.replace('-', "_"), Json::from(folders));
    }
    map
}

fn shown(root: &Utf8Path, path: &Utf8Path) -> Utf8PathBuf {
    path_below(root, path).into()
}
