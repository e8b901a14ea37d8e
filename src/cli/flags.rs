//! Resolves flags from the command line, environment variables and the project's `flags:`.

use super::args::{Cli, EventTimeArgs, GlobalArgs, LogFormatArg, LogLevelArg, SelectionArgs};
use super::env_file::{LoadedEnvFile, load_env_file};
use super::event_times::{EventTimeError, read_event_times, read_sample};
use super::invocation_args::{list_arguments, masked_words};
use crate::config::{Json, JsonMap, Yaml, YamlMap, parse_yaml};
use crate::context::InvocationContext;
use crate::diag::WarningOptions;
use crate::engine::WaitTimeouts;
use crate::load::{LoadOptions, find_project_file, profiles_file};
use crate::manifest::{EventWindow, ResourceType, utc_of};
use crate::ops::ScheduledTask;
use crate::plan::StartOrder;
use crate::report::{ConsoleStyle, LogFileSettings, LogLevel};
use crate::secret::{SECRET_PREFIX, Scrubber};
use crate::select::{IndirectSelection, RetriedNodes, Selection};
use crate::source::FileId;
use crate::system::{System, normalize_path};
use crate::workspace::{DeferOptions, EventTimeOptions};
use camino::{Utf8Path, Utf8PathBuf};
use std::time::Duration;

/// As dbt's: 10 MiB.
const DEFAULT_LOG_BYTES: u64 = 10 * 1024 * 1024;

/// The resolved flags of a command.
#[derive(Debug)]
pub(super) struct Flags {
    style: ConsoleStyle,
    /// `None`: there is no project, or no log is wanted.
    pub(super) log: Option<LogFileSettings>,
    pub(super) env_file: Option<LoadedEnvFile>,
    pub(super) write_json: bool,
    pub(super) cache: bool,
    pub(super) warn_error: bool,
    pub(super) warnings: WarningOptions,
    warning_options: JsonMap,
    pub(super) start_order: StartOrder,
    version_check: bool,
    pub(super) patience: WaitTimeouts,
    pub(super) fail_fast: bool,
    pub(super) full_refresh: bool,
    pub(super) store_failures: bool,
    pub(super) empty: bool,
    pub(super) no_audit: bool,
    pub(super) times: EventTimeOptions,
    /// Whether the on-run hooks run around `source freshness`.
    pub(super) freshness_hooks: bool,
    pub(super) state: Option<Utf8PathBuf>,
    pub(super) defer: Option<DeferOptions>,
    indirect: IndirectSelection,
    pub(super) resource_types: Vec<ResourceType>,
    pub(super) exclude_resource_types: Vec<ResourceType>,
    nodes: Option<Vec<String>>,
    /// The nodes that `retry` repeats.
    pub(super) retried: Option<RetriedNodes>,
    /// What the scheduler's environment says; `None` if no scheduler started the command.
    pub(super) task: Option<ScheduledTask>,
    threads: Option<usize>,
    vars: Option<String>,
    pub(super) project_dir: Option<Utf8PathBuf>,
    pub(super) profiles_dir: Option<Utf8PathBuf>,
    pub(super) profile: Option<String>,
    pub(super) target: Option<String>,
    pub(super) target_path: Option<Utf8PathBuf>,
}

/// Looks up settings that are not flags of this command line, and collects the errors in them.
struct Lookup<'a> {
    system: &'a dyn System,
    project: YamlMap,
    problems: Vec<String>,
}

impl Lookup<'_> {
    /// The value of a setting and where it was found. Searched in this order: `STRATA_<NAME>`,
    /// `DBT_ENGINE_<NAME>`, `DBT_<NAME>`, `flags:`.
    fn text(&self, name: &str) -> Option<(String, String)> {
        for prefix in ["STRATA_", "DBT_ENGINE_", "DBT_"] {
            let key = format!("{prefix}{name}");
            if let Some(value) = self.system.env(&key).filter(|v| !v.is_empty()) {
                return Some((value, key));
            }
        }
        let key = name.to_lowercase();
        let written = self.project.get(&key)?;
        Some((written.scalar_text()?, format!("`{key}` in the project's flags")))
    }

    fn flag(&mut self, name: &str, default: bool) -> bool {
        match self.text(name) {
            None => default,
            Some((value, from)) => match value.to_ascii_lowercase().as_str() {
                "1" | "true" | "t" | "yes" | "y" | "on" => true,
                "0" | "false" | "f" | "no" | "n" | "off" => false,
                _ => {
                    self.problems.push(format!("{from} is true or false, not `{value}`"));
                    default
                }
            },
        }
    }

    /// A number of seconds from the flag, else from the setting.
    fn duration(&mut self, given: Option<f64>, setting: &str) -> Option<Duration> {
        let (text, from) = match given {
            Some(seconds) => {
                (seconds.to_string(), format!("--{}", setting.to_lowercase().replace('_', "-")))
            }
            None => self.text(setting)?,
        };
        let parsed =
            text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        if parsed.is_none() {
            self.problems.push(format!("{from} is a number of seconds, not `{text}`"));
        }
        parsed
    }

    /// The settings of the log file. As in dbt, the level and the format of the console are those
    /// of the file, too, unless it has its own.
    fn log_file(
        &mut self,
        g: &GlobalArgs,
        console: Option<LogFormatArg>,
        project: &ProjectSettings,
        here: &Utf8Path,
    ) -> Option<LogFileSettings> {
        let written = self.text("LOG_PATH").map(|(path, _)| path.into());
        let folder = match g.log_path.clone().or(written) {
            Some(path) => normalize_path(&here.join(path)),
            None => project.root.as_ref()?.join(project.log_path.as_deref().unwrap_or("logs")),
        };
        let level = g.log_level_file.or_else(|| self.word("LOG_LEVEL_FILE")).or(g.log_level);
        let format = g.log_format_file.or_else(|| self.word("LOG_FORMAT_FILE")).or(console);
        let max_bytes = g.log_file_max_bytes.or_else(|| {
            let (text, from) = self.text("LOG_FILE_MAX_BYTES")?;
            let bytes = text.parse().ok();
            if bytes.is_none() {
                self.problems.push(format!("{from} is a number of bytes, not `{text}`"));
            }
            bytes
        });
        Some(LogFileSettings {
            folder,
            level: level.map_or(Some(LogLevel::Debug), LogLevelArg::least),
            format: LogFormatArg::of_lines(format),
            max_bytes: max_bytes.unwrap_or(DEFAULT_LOG_BYTES),
        })
    }

    /// The file of environment variables, if one is wanted and found. It may be wanted by what the
    /// environment itself or the project's `flags:` say.
    fn env_file(&mut self, g: &GlobalArgs) -> Option<LoadedEnvFile> {
        let is_wanted =
            either(g.env_file.is_some(), g.no_env_file, || self.flag("ENV_FILE", false));
        if !is_wanted {
            return None;
        }
        let named = g.env_file.clone().flatten();
        load_env_file(self.system, named.as_deref()).unwrap_or_else(|problem| {
            self.problems.push(problem.to_string());
            None
        })
    }

    /// A setting that is one of the words of a flag.
    fn word<T: clap::ValueEnum>(&mut self, name: &str) -> Option<T> {
        let (text, from) = self.text(name)?;
        match T::from_str(&text, true) {
            Ok(word) => Some(word),
            Err(_) => {
                self.problems.push(format!("{from} has no value `{text}`"));
                None
            }
        }
    }

    /// Whether all warnings are errors, and the options of individual warnings. Flags of the
    /// command line override both settings.
    fn warnings(&mut self, all: bool, given: Option<&str>) -> (bool, JsonMap) {
        const BOTH: &str = "all warnings are errors, or those of `warn_error_options`: not both";
        if all || given.is_some() {
            if all && given.is_some() {
                self.problems.push(BOTH.to_owned());
            }
            return (
                all,
                given.map(|text| self.options("--warn-error-options", text)).unwrap_or_default(),
            );
        }
        let all = self.flag("WARN_ERROR", false);
        let options =
            match (self.text("WARN_ERROR_OPTIONS"), self.project.get("warn_error_options")) {
                (Some((text, from)), _) => self.options(&from, &text),
                (None, Some(written)) => written.to_json().as_object().cloned().unwrap_or_default(),
                (None, None) => JsonMap::new(),
            };
        if all && !options.is_empty() {
            self.problems.push(BOTH.to_owned());
        }
        (all, options)
    }

    fn options(&mut self, from: &str, text: &str) -> JsonMap {
        read_mapping(from, text).unwrap_or_else(|problem| {
            self.problems.push(problem.to_string());
            JsonMap::new()
        })
    }

    /// The event times of a command that builds, from its flags or their variables.
    fn event_times(&mut self, given: Option<&EventTimeArgs>) -> EventTimeOptions {
        let Some(given) = given else { return EventTimeOptions::default() };
        let variable = |name: &str| self.variable(name);
        let start = given.event_time_start.clone().or_else(|| variable("EVENT_TIME_START"));
        let end = given.event_time_end.clone().or_else(|| variable("EVENT_TIME_END"));
        let sample = given.sample.clone().or_else(|| variable("SAMPLE"));
        let now = utc_of(self.system.now());
        let window = read_event_times(start.as_deref(), end.as_deref());
        let sample = sample.map(|text| read_sample(&text, now)).transpose();
        EventTimeOptions { window: self.noting(window), sample: self.noting(sample) }
    }

    /// What was read, or nothing if that is wrong.
    fn noting(&mut self, read: Result<Option<EventWindow>, EventTimeError>) -> Option<EventWindow> {
        read.unwrap_or_else(|problem| {
            self.problems.push(problem.to_string());
            None
        })
    }

    /// The value of a variable that has no counterpart in the project file.
    fn variable(&self, name: &str) -> Option<String> {
        let keys = ["STRATA_", "DBT_ENGINE_", "DBT_"].map(|prefix| format!("{prefix}{name}"));
        keys.iter().find_map(|key| self.system.env(key).filter(|value| !value.is_empty()))
    }

    fn start_order(&mut self) -> StartOrder {
        match self.text("START_ORDER") {
            None => StartOrder::default(),
            Some((v, _)) if v == "level" => StartOrder::Level,
            Some((v, _)) if v == "longest_path" => StartOrder::LongestPath,
            Some((v, from)) => {
                self.problems.push(format!("{from} is `level` or `longest_path`, not `{v}`"));
                StartOrder::default()
            }
        }
    }
}

/// The value of a flag that has a counterpart; without either, that of `otherwise`.
fn either(yes: bool, no: bool, otherwise: impl FnOnce() -> bool) -> bool {
    if no { false } else { yes || otherwise() }
}

impl Flags {
    /// Resolves all flags, and adds the variables of an `.env` file to the environment first. Also
    /// returns the errors in them.
    #[expect(clippy::too_many_lines, reason = "a line or two for each flag")]
    pub(super) fn new(cli: &Cli, system: &dyn System) -> (Flags, Vec<String>) {
        let g = &cli.global;
        let mut lookup = Lookup { system, project: YamlMap::default(), problems: Vec::new() };
        let project_dir =
            g.project_dir.clone().or_else(|| lookup.text("PROJECT_DIR").map(|(v, _)| v.into()));
        let profiles_dir =
            g.profiles_dir.clone().or_else(|| lookup.text("PROFILES_DIR").map(|(v, _)| v.into()));
        let found = ProjectSettings::read(system, project_dir.as_deref(), profiles_dir);
        lookup.project = found.flags.clone();
        let env_file = lookup.env_file(g);
        let path = |l: &Lookup<'_>, name: &str| l.text(name).map(|(v, _)| Utf8PathBuf::from(v));
        let format = match g.log_format {
            Some(f) => Some(f),
            None => match lookup.text("LOG_FORMAT") {
                Some((v, _)) if v == "json" => Some(LogFormatArg::Json),
                _ => None,
            },
        };
        let colours = match (g.use_colors, g.no_use_colors) {
            (_, true) => Some(false),
            (true, _) => Some(true),
            _ => lookup.text("USE_COLORS").map(|_| lookup.flag("USE_COLORS", true)),
        };
        let printing = !g.no_print && lookup.flag("PRINT", true) && !lookup.flag("NO_PRINT", false);
        let style = ConsoleStyle {
            format: LogFormatArg::of_lines(format),
            quiet: g.quiet
                || g.log_level.is_some_and(LogLevelArg::is_quiet)
                || lookup.flag("QUIET", false),
            debug: g.debug
                || g.log_level == Some(LogLevelArg::Debug)
                || lookup.flag("DEBUG", false),
            colours,
            print: printing,
            all_deprecations: either(g.show_all_deprecations, g.no_show_all_deprecations, || {
                lookup.flag("SHOW_ALL_DEPRECATIONS", false)
            }),
        };
        let defer = either(g.defer, g.no_defer, || lookup.flag("DEFER", false));
        let favors_state =
            either(g.favor_state, g.no_favor_state, || lookup.flag("FAVOR_STATE", false));
        let defer_folder = g.defer_state.clone().or_else(|| path(&lookup, "DEFER_STATE"));
        let patience = WaitTimeouts {
            lock: lookup.duration(g.lock_timeout, "LOCK_TIMEOUT"),
            build: lookup.duration(g.wait_timeout, "WAIT_TIMEOUT"),
        };
        let (warn_error, warning_options) =
            lookup.warnings(g.warn_error, g.warn_error_options.as_deref());
        let warnings = if warn_error {
            Ok(WarningOptions::all_errors())
        } else {
            WarningOptions::read(&warning_options)
        };
        let warnings = warnings.unwrap_or_else(|problem| {
            lookup.problems.push(problem.to_string());
            WarningOptions::default()
        });
        let log = lookup.log_file(g, format, &found, &system.current_dir());
        let mut flags = Flags {
            style,
            log,
            env_file,
            cache: !g.no_cache && lookup.flag("PARTIAL_PARSE", true),
            write_json: !g.no_write_json && lookup.flag("WRITE_JSON", true),
            warn_error,
            warnings,
            warning_options,
            start_order: lookup.start_order(),
            version_check: !g.no_version_check
                && (g.version_check || lookup.flag("VERSION_CHECK", true)),
            patience,
            fail_fast: g.fail_fast || (!g.no_fail_fast && lookup.flag("FAIL_FAST", false)),
            full_refresh: lookup.flag("FULL_REFRESH", false),
            store_failures: lookup.flag("STORE_FAILURES", false),
            empty: lookup.flag("EMPTY", false),
            no_audit: lookup.flag("NO_AUDIT", false),
            times: lookup.event_times(cli.command.event_times()),
            freshness_hooks: lookup.flag("SOURCE_FRESHNESS_RUN_PROJECT_HOOKS", true),
            state: g.state.clone().or_else(|| path(&lookup, "STATE")),
            defer: defer.then_some(DeferOptions { folder: defer_folder, favors_state }),
            indirect: IndirectSelection::default(),
            resource_types: Vec::new(),
            exclude_resource_types: Vec::new(),
            nodes: system
                .env("STRATA_NODES")
                .filter(|_| cli.command.takes_nodes())
                .map(|v| v.split_whitespace().map(str::to_owned).collect()),
            retried: None,
            task: scheduled_task(system, cli.command.takes_nodes()),
            // These have no variables in dbt, so only the `STRATA_` ones are read.
            threads: system.env("STRATA_THREADS").and_then(|v| v.parse().ok()),
            vars: system.env("STRATA_VARS"),
            project_dir,
            profiles_dir: g.profiles_dir.clone().or_else(|| path(&lookup, "PROFILES_DIR")),
            profile: g.profile.clone().or_else(|| lookup.text("PROFILE").map(|(v, _)| v)),
            target: g.target.clone().or_else(|| lookup.text("TARGET").map(|(v, _)| v)),
            target_path: g.target_path.clone().or_else(|| path(&lookup, "TARGET_PATH")),
        };
        if let Some(s) = cli.command.selection() {
            let mode = s
                .indirect_selection
                .clone()
                .or_else(|| lookup.text("INDIRECT_SELECTION").map(|(v, _)| v));
            match mode.as_deref().map(IndirectSelection::parse) {
                None => {}
                Some(Some(mode)) => flags.indirect = mode,
                Some(None) => lookup
                    .problems
                    .push("--indirect-selection is eager, cautious, buildable or empty".to_owned()),
            }
            let variable = |l: &Lookup<'_>, name: &str| {
                l.text(name).map(|(v, _)| v).into_iter().collect::<Vec<_>>()
            };
            let given = if s.resource_type.is_empty() {
                variable(&lookup, "RESOURCE_TYPES")
            } else {
                s.resource_type.clone()
            };
            let without = if s.exclude_resource_type.is_empty() {
                variable(&lookup, "EXCLUDE_RESOURCE_TYPES")
            } else {
                s.exclude_resource_type.clone()
            };
            flags.resource_types = types(&given, &mut lookup.problems);
            flags.exclude_resource_types = types(&without, &mut lookup.problems);
        }
        (flags, lookup.problems)
    }

    /// The keys in the options of warnings that have other names now.
    pub(super) fn old_warning_keys(&self) -> impl Iterator<Item = &str> {
        let keys = self.warning_options.keys().map(String::as_str);
        keys.filter(|key| matches!(*key, "include" | "exclude"))
    }

    pub(super) fn style(&self) -> ConsoleStyle {
        self.style.clone()
    }

    pub(super) fn selection(&self, args: &SelectionArgs) -> Selection {
        Selection {
            select: args.all_selected(),
            exclude: args.exclude.clone(),
            selector: args.selector.clone(),
            indirect: self.indirect,
            resource_types: self.resource_types.clone(),
            exclude_resource_types: self.exclude_resource_types.clone(),
            nodes: self.nodes.clone(),
            retried: self.retried.clone(),
        }
    }

    /// The selection of `ls`, where `--models` also restricts the resource type to models.
    pub(super) fn list_selection(&self, args: &SelectionArgs) -> Selection {
        let mut selection = self.selection(args);
        if !args.models.is_empty() {
            selection.resource_types = vec![ResourceType::Model];
        }
        selection
    }

    pub(super) fn load_options(
        &self,
        cli: &Cli,
        scrubber: Scrubber,
    ) -> Result<LoadOptions, MappingError> {
        let vars = match cli.global.vars.as_ref().or(self.vars.as_ref()) {
            Some(text) => read_mapping("--vars", text)?,
            None => JsonMap::new(),
        };
        let which = cli.command.name();
        let masked = mask_secret_vars(&vars);
        let words = masked_words(cli, &masked);
        let names = [
            ("WHICH", Json::from(which)),
            ("FULL_REFRESH", Json::from(self.full_refresh || full_refresh(cli))),
            ("STORE_FAILURES", Json::from(self.store_failures || store_failures(cli))),
            ("EMPTY", Json::from(self.empty || empty(cli))),
            ("INVOCATION_COMMAND", Json::from(format!("dbt {words}").trim_end())),
            ("WARN_ERROR", Json::from(self.warn_error)),
            ("WARN_ERROR_OPTIONS", Json::Object(self.warning_options.clone())),
            ("FAIL_FAST", Json::from(self.fail_fast)),
            ("DEBUG", Json::from(self.style.debug)),
            ("QUIET", Json::from(self.style.quiet)),
            ("NO_PRINT", Json::from(!self.style.print)),
            ("INTROSPECT", Json::from(introspects(cli))),
            (
                "TARGET_PATH",
                self.target_path.as_ref().map_or(Json::Null, |p| Json::from(p.as_str())),
            ),
            ("LOG_PATH", Json::from("logs")),
            (
                "PROFILES_DIR",
                self.profiles_dir.as_ref().map_or(Json::Null, |p| Json::from(p.as_str())),
            ),
            ("LOG_FORMAT", Json::from("default")),
            ("PRINTER_WIDTH", Json::from(80)),
            ("USE_COLORS", Json::from(self.style.colours.unwrap_or(true))),
            ("WRITE_JSON", Json::from(self.write_json)),
            ("CACHE_SELECTED_ONLY", Json::from(false)),
            ("USE_EXPERIMENTAL_PARSER", Json::from(false)),
            ("STATIC_PARSER", Json::from(true)),
            ("VERSION_CHECK", Json::from(self.version_check)),
            ("SEND_ANONYMOUS_USAGE_STATS", Json::from(false)),
            ("INDIRECT_SELECTION", Json::from(self.indirect.as_str())),
        ];
        let shared = names.iter().filter(|(name, _)| *name != "NO_PRINT" && *name != "TARGET_PATH");
        let mut args: JsonMap =
            shared.map(|(name, value)| (name.to_lowercase(), value.clone())).collect();
        args.insert("print".to_owned(), Json::from(self.style.print));
        args.extend(list_arguments(cli, self, &masked));
        args.retain(|_, value| !value.is_null());
        let settings = InvocationContext {
            flags: names.into_iter().map(|(k, v)| (k.to_owned(), v)).collect(),
            args,
            invocation_id: cli.global.invocation_id.unwrap_or_else(uuid::Uuid::new_v4).to_string(),
        };
        Ok(LoadOptions {
            project_dir: self.project_dir.clone(),
            profiles_dir: self.profiles_dir.clone(),
            profile: self.profile.clone(),
            target: self.target.clone(),
            target_path: self.target_path.clone(),
            vars,
            threads: if cli.global.single_threaded {
                Some(1)
            } else {
                cli.global.threads.or(self.threads)
            },
            settings,
            scrubber,
            packages_install_path: cli.global.packages_install_path.clone(),
            without_packages: false,
            ignore_version: !self.version_check,
        })
    }
}

fn full_refresh(cli: &Cli) -> bool {
    use super::args::Command;
    match &cli.command {
        Command::Build { run, .. } | Command::Plan { run, .. } => run.full_refresh,
        Command::Run { full_refresh, .. }
        | Command::Seed { full_refresh, .. }
        | Command::Clone { full_refresh, .. } => *full_refresh,
        Command::Compile { rendering, .. } | Command::Show { rendering, .. } => {
            rendering.full_refresh
        }
        _ => false,
    }
}

fn introspects(cli: &Cli) -> bool {
    use super::args::Command;
    match &cli.command {
        Command::Compile { rendering, .. } | Command::Show { rendering, .. } => {
            !rendering.no_introspect
        }
        _ => true,
    }
}

fn store_failures(cli: &Cli) -> bool {
    use super::args::Command;
    match &cli.command {
        Command::Build { run, .. } | Command::Plan { run, .. } => run.store_failures,
        Command::Test { store_failures, .. } => *store_failures,
        _ => false,
    }
}

fn empty(cli: &Cli) -> bool {
    use super::args::Command;
    match &cli.command {
        Command::Build { run, .. } | Command::Plan { run, .. } => run.rows.empty,
        Command::Run { rows, .. }
        | Command::Snapshot { rows, .. }
        | Command::Compile { rows, .. } => rows.empty,
        _ => false,
    }
}

/// Parses resource types; `default` alone means no restriction. `all` names analyses, too, which
/// `ls` leaves out by default.
fn types(names: &[String], problems: &mut Vec<String>) -> Vec<ResourceType> {
    let mut out = Vec::new();
    for name in names.iter().flat_map(|n| n.split_whitespace()) {
        match ResourceType::parse(name) {
            Some(kind) => out.push(kind),
            None if name == "default" => {}
            None if name == "all" => return ResourceType::ALL.to_vec(),
            None => problems.push(format!(
                "`{name}` is no resource type: {}",
                ResourceType::ALL.map(ResourceType::as_str).join(", ")
            )),
        }
    }
    out
}

/// The variables of a scheduler if `STRATA_ORCHESTRATED` is 1. Those about its file are read only
/// if `held` is set, as it is for commands that take their nodes from the file.
fn scheduled_task(system: &dyn System, held: bool) -> Option<ScheduledTask> {
    system.env("STRATA_ORCHESTRATED").filter(|v| v == "1")?;
    let get = |name: &str| system.env(name).filter(|v| held && !v.is_empty());
    Some(ScheduledTask {
        graph: get("STRATA_GRAPH"),
        spec: get("STRATA_GRAPH_SPEC"),
        file: get("STRATA_GRAPH_FILE"),
        task: get("STRATA_TASK"),
    })
}

/// The variables as artifacts and templates see them: the values of those with a secret name are
/// masked.
fn mask_secret_vars(vars: &JsonMap) -> JsonMap {
    let mut shown = vars.clone();
    for (_, value) in shown.iter_mut().filter(|(name, _)| name.starts_with(SECRET_PREFIX)) {
        *value = Json::from("*****");
    }
    shown
}

/// An error in the YAML of a flag.
#[derive(Debug, thiserror::Error)]
pub(super) enum MappingError {
    #[error("{flag}: {problem}")]
    Yaml { flag: String, problem: String },
    #[error("{0} takes a YAML mapping: {0} '{{name: value}}'")]
    NoMapping(String),
}

/// Reads the YAML mapping of `--vars`, `--args` or another flag.
pub(super) fn read_mapping(flag: &str, text: &str) -> Result<JsonMap, MappingError> {
    let parsed = parse_yaml(FileId(0), text);
    if let Some(d) = parsed.diagnostics.iter().find(|d| d.is_error()) {
        return Err(MappingError::Yaml { flag: flag.to_owned(), problem: d.message.clone() });
    }
    match parsed.value.to_json() {
        Json::Object(map) => Ok(map),
        Json::Null => Ok(JsonMap::new()),
        _ => Err(MappingError::NoMapping(flag.to_owned())),
    }
}

/// What of the project file is read before the project, since it says how to read it. Errors in
/// the file are reported later, when the project is read.
#[derive(Default)]
struct ProjectSettings {
    root: Option<Utf8PathBuf>,
    flags: YamlMap,
    log_path: Option<String>,
}

impl ProjectSettings {
    /// As in dbt, the flags are those of the project file or, if it has none, those that an old
    /// profiles file has below `config`.
    fn read(
        system: &dyn System,
        dir: Option<&Utf8Path>,
        profiles_dir: Option<Utf8PathBuf>,
    ) -> ProjectSettings {
        let here = system.current_dir();
        let start = dir.map_or_else(|| here.clone(), |d| normalize_path(&here.join(d)));
        let file = match dir {
            Some(_) => find_project_file(system, &start),
            None => start.ancestors().find_map(|d| find_project_file(system, d)),
        };
        let root = file.as_ref().and_then(|f| f.parent()).map(Utf8Path::to_owned);
        let text = file.and_then(|f| system.read(&f).ok());
        let tree = text.map(|t| parse_yaml(FileId(0), &t).value);
        let map = tree.as_ref().and_then(Yaml::as_map);
        let flags = map.and_then(|m| m.get("flags")).and_then(Yaml::as_map).cloned();
        let flags = flags.or_else(|| {
            let options = LoadOptions { profiles_dir, ..LoadOptions::default() };
            let profiles = profiles_file(system, &options, root.as_deref()?)?;
            let tree = parse_yaml(FileId(0), &system.read(&profiles).ok()?).value;
            tree.as_map()?.get("config")?.as_map().cloned()
        });
        let log_path = map.and_then(|m| m.get("log-path")).and_then(Yaml::as_str);
        ProjectSettings {
            root,
            flags: flags.unwrap_or_default(),
            log_path: log_path.map(str::to_owned).filter(|path| !path.contains("{{")),
        }
    }
}

#[cfg(test)]
#[path = "flags_tests.rs"]
mod tests;
