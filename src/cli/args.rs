//! The command line as clap types, without logic. Doc comments here are the help that users see.

use crate::config::why_idle;
use crate::export::airflow::Granularity;
use crate::ops::ErdFormat;
use crate::packages::NewPackageSource;
use crate::report::{ListOutput, LogFormat, LogLevel};
use crate::workspace::ChangeOptions;
use camino::Utf8PathBuf;
use clap::{Args, Parser, Subcommand, ValueEnum};

/// Build, test and publish SQL models.
#[derive(Debug, Parser)]
#[command(name = "strata", version = crate::VERSION, about, long_version = long_version(), propagate_version = false, disable_help_subcommand = true)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) global: GlobalArgs,
    #[command(subcommand)]
    pub(super) command: Command,
    /// All words of the command line, without the program's.
    #[arg(skip)]
    pub(super) words: Vec<String>,
}

/// An argument that is not a number, or is zero.
#[derive(Debug, thiserror::Error)]
#[error("a number of at least 1 is needed")]
struct TooSmall;

fn at_least_one(text: &str) -> Result<usize, TooSmall> {
    text.parse().ok().filter(|n| *n > 0).ok_or(TooSmall)
}

fn long_version() -> String {
    crate::report::version_line().trim_start_matches("strata ").to_owned()
}

/// Flags that stand before or after the command.
#[derive(Args, Debug, Default)]
pub(super) struct GlobalArgs {
    /// The project's folder [default: the working directory or one above it].
    #[arg(long, global = true, value_name = "DIR", help_heading = "Project")]
    pub(super) project_dir: Option<Utf8PathBuf>,
    /// The folder of profiles.yml.
    #[arg(long, global = true, value_name = "DIR", help_heading = "Project")]
    pub(super) profiles_dir: Option<Utf8PathBuf>,
    /// The profile to use.
    #[arg(long, global = true, help_heading = "Project")]
    pub(super) profile: Option<String>,
    /// The profile's target to use.
    #[arg(short, long, global = true, help_heading = "Project")]
    pub(super) target: Option<String>,
    /// Where generated files go.
    #[arg(long, global = true, value_name = "DIR", help_heading = "Project")]
    pub(super) target_path: Option<Utf8PathBuf>,
    /// Variables, as YAML: '{name: value}'.
    #[arg(long, global = true, value_name = "YAML", help_heading = "Project")]
    pub(super) vars: Option<String>,
    /// Variables of the environment from a file [default: the nearest `.env`, from the working
    /// directory upwards]. The shell's come first.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        num_args = 0..=1,
        require_equals = true,
        overrides_with = "no_env_file",
        help_heading = "Project"
    )]
    pub(super) env_file: Option<Option<Utf8PathBuf>>,
    #[arg(long, global = true, hide = true, overrides_with = "env_file")]
    pub(super) no_env_file: bool,
    /// How many nodes are built at once.
    #[arg(long, global = true, value_name = "N", value_parser = at_least_one, help_heading = "Project")]
    pub(super) threads: Option<usize>,
    /// How long to wait for a database that another process holds.
    #[arg(long, global = true, value_name = "SECONDS", help_heading = "Project")]
    pub(super) lock_timeout: Option<f64>,
    /// How long to wait for a relation that another run is building (an hour).
    #[arg(long, global = true, value_name = "SECONDS", help_heading = "Project")]
    pub(super) wait_timeout: Option<f64>,
    /// Stop at the first failure.
    #[arg(
        short = 'x',
        long,
        global = true,
        overrides_with = "no_fail_fast",
        help_heading = "Project"
    )]
    pub(super) fail_fast: bool,
    #[arg(long, global = true, hide = true)]
    pub(super) no_fail_fast: bool,
    /// Artifacts of an earlier run, for `state:` and `result:` selectors.
    #[arg(long, global = true, value_name = "DIR", help_heading = "Project")]
    pub(super) state: Option<Utf8PathBuf>,
    /// Read relations that are not there from the state of --state or --defer-state.
    #[arg(long, global = true, overrides_with = "no_defer", help_heading = "Project")]
    pub(super) defer: bool,
    #[arg(long, global = true, hide = true)]
    pub(super) no_defer: bool,
    /// Artifacts of the state to defer to [default: --state].
    #[arg(long, global = true, value_name = "DIR", help_heading = "Project")]
    pub(super) defer_state: Option<Utf8PathBuf>,
    /// Defer for all nodes that are not selected, whether they are there or not.
    #[arg(long, global = true, overrides_with = "no_favor_state", help_heading = "Project")]
    pub(super) favor_state: bool,
    #[arg(long, global = true, hide = true)]
    pub(super) no_favor_state: bool,

    /// Print errors and results only.
    #[arg(short, long, global = true, overrides_with = "no_quiet", help_heading = "Output")]
    pub(super) quiet: bool,
    #[arg(long, global = true, hide = true)]
    no_quiet: bool,
    /// Print everything.
    #[arg(short, long, global = true, overrides_with = "no_debug", help_heading = "Output")]
    pub(super) debug: bool,
    #[arg(long, global = true, hide = true)]
    no_debug: bool,
    /// Lines for people (text) or for machines (json).
    #[arg(long, global = true, value_enum, help_heading = "Output")]
    pub(super) log_format: Option<LogFormatArg>,
    /// Use colours.
    #[arg(long, global = true, overrides_with = "no_use_colors", help_heading = "Output")]
    pub(super) use_colors: bool,
    /// Use no colours.
    #[arg(long, global = true, help_heading = "Output")]
    pub(super) no_use_colors: bool,
    /// Do not show what templates print.
    #[arg(long, global = true, help_heading = "Output")]
    pub(super) no_print: bool,
    #[arg(long, global = true, hide = true)]
    pub(super) print: bool,
    /// Do not write artifacts.
    #[arg(long, global = true, help_heading = "Output")]
    pub(super) no_write_json: bool,
    #[arg(long, global = true, hide = true)]
    pub(super) write_json: bool,
    /// Do not use what an earlier command has parsed, and leave nothing for the next one.
    #[arg(long, global = true, alias = "no-partial-parse", help_heading = "Project")]
    pub(super) no_cache: bool,
    /// Treat warnings as errors.
    #[arg(long, global = true, help_heading = "Output")]
    pub(super) warn_error: bool,

    /// Which warnings are errors or silent: '{error: all, warn: [NAME], silence: [NAME]}'.
    #[arg(long, global = true, value_name = "YAML", help_heading = "Output")]
    pub(super) warn_error_options: Option<String>,
    #[arg(long, global = true, value_enum, hide = true)]
    pub(super) log_level: Option<LogLevelArg>,
    /// The folder of the log file, `strata.log` [default: logs, in the project].
    #[arg(long, global = true, value_name = "DIR", help_heading = "Output")]
    pub(super) log_path: Option<Utf8PathBuf>,
    /// What the log file holds, from this level upwards [default: debug]; `none` for no file.
    #[arg(long, global = true, value_enum, value_name = "LEVEL", help_heading = "Output")]
    pub(super) log_level_file: Option<LogLevelArg>,
    /// The format of the log file.
    #[arg(long, global = true, value_enum, value_name = "FORMAT", help_heading = "Output")]
    pub(super) log_format_file: Option<LogFormatArg>,
    /// The size in bytes at which a new log file is begun; 0 for none [default: 10485760].
    #[arg(long, global = true, value_name = "BYTES", hide = true)]
    pub(super) log_file_max_bytes: Option<u64>,
    #[arg(long, global = true, hide = true, overrides_with = "no_single_threaded")]
    pub(super) single_threaded: bool,
    #[arg(long, global = true, hide = true)]
    no_single_threaded: bool,

    // Flags of dbt for features that Strata does not have. They are accepted so that scripts keep
    // working; `idle_flags` reports those that have no effect.
    #[arg(long, global = true, hide = true)]
    printer_width: Option<String>,
    #[arg(long, global = true, hide = true)]
    partial_parse: bool,
    #[arg(long, global = true, hide = true)]
    partial_parse_file_path: Option<String>,
    #[arg(long, global = true, hide = true)]
    static_parser: bool,
    #[arg(long, global = true, hide = true)]
    no_static_parser: bool,
    #[arg(long, global = true, hide = true)]
    use_experimental_parser: bool,
    #[arg(long, global = true, hide = true)]
    no_use_experimental_parser: bool,
    #[arg(long, global = true, hide = true)]
    pub(super) version_check: bool,
    #[arg(long, global = true, hide = true, overrides_with = "version_check")]
    pub(super) no_version_check: bool,
    #[arg(long, global = true, hide = true)]
    send_anonymous_usage_stats: bool,
    #[arg(long, global = true, hide = true)]
    no_send_anonymous_usage_stats: bool,
    #[arg(long, global = true, hide = true)]
    populate_cache: bool,
    #[arg(long, global = true, hide = true)]
    no_populate_cache: bool,
    #[arg(long, global = true, hide = true)]
    cache_selected_only: bool,
    #[arg(long, global = true, hide = true)]
    no_cache_selected_only: bool,
    #[arg(long, global = true, hide = true)]
    use_colors_file: bool,
    #[arg(long, global = true, hide = true)]
    no_use_colors_file: bool,
    /// Show a warning that something is out of date each time, not only the first one of a kind.
    #[arg(
        long,
        global = true,
        overrides_with = "no_show_all_deprecations",
        help_heading = "Output"
    )]
    pub(super) show_all_deprecations: bool,
    #[arg(long, global = true, hide = true)]
    pub(super) no_show_all_deprecations: bool,
    #[arg(long, global = true, hide = true, overrides_with = "no_macro_debugging")]
    macro_debugging: bool,
    #[arg(long, global = true, hide = true)]
    no_macro_debugging: bool,
    #[arg(long, global = true, hide = true, overrides_with = "no_log_cache_events")]
    log_cache_events: bool,
    #[arg(long, global = true, hide = true)]
    no_log_cache_events: bool,
    #[arg(long, global = true, hide = true)]
    partial_parse_file_diff: bool,
    #[arg(long, global = true, hide = true)]
    no_partial_parse_file_diff: bool,
    /// The id of this command in its artifacts and log.
    #[arg(long, global = true, hide = true)]
    pub(super) invocation_id: Option<uuid::Uuid>,
    /// The folder of installed packages, in place of the project file's.
    #[arg(long, global = true, hide = true)]
    pub(super) packages_install_path: Option<String>,
    #[arg(short = 'r', long, global = true, hide = true)]
    record_timing_info: Option<String>,
    #[arg(long, global = true, hide = true)]
    use_fast_test_edges: bool,
    #[arg(long, global = true, hide = true)]
    no_use_fast_test_edges: bool,
    #[arg(long, global = true, hide = true, overrides_with = "no_upload_to_artifacts_ingest_api")]
    upload_to_artifacts_ingest_api: bool,
    #[arg(long, global = true, hide = true)]
    no_upload_to_artifacts_ingest_api: bool,
}

impl Cli {
    /// Flags that are given and have no effect, each with the reason.
    pub(super) fn idle_flags(&self) -> Vec<(&'static str, &'static str)> {
        let command = [
            ("--sqlparse", self.command.selection().is_some_and(|s| s.sqlparse.is_some())),
            ("--export-saved-queries", self.command.exports_saved_queries()),
            ("--static", self.command.is_static()),
            ("--select", self.command.selection().is_some_and(SelectionArgs::is_overruled)),
        ];
        let given = self.global.unused().into_iter().chain(command).filter(|(_, given)| *given);
        given.filter_map(|(flag, _)| Some((flag, why_idle_flag(flag)?))).collect()
    }
}

impl GlobalArgs {
    /// The flags that have no effect, and whether each is given.
    fn unused(&self) -> Vec<(&'static str, bool)> {
        vec![
            ("--use-colors-file", self.use_colors_file),
            ("--printer-width", self.printer_width.is_some()),
            ("--partial-parse-file-path", self.partial_parse_file_path.is_some()),
            ("--use-experimental-parser", self.use_experimental_parser),
            ("--send-anonymous-usage-stats", self.send_anonymous_usage_stats),
            ("--populate-cache", self.populate_cache),
            ("--cache-selected-only", self.cache_selected_only),
            ("--macro-debugging", self.macro_debugging),
            ("--log-cache-events", self.log_cache_events),
            ("--record-timing-info", self.record_timing_info.is_some()),
            ("--upload-to-artifacts-ingest-api", self.upload_to_artifacts_ingest_api),
        ]
    }
}

/// The reason why a flag has no effect: that of its counterpart in `flags:`, or one of its own.
fn why_idle_flag(flag: &str) -> Option<&'static str> {
    match flag {
        "--partial-parse-file-path" => Some("it is kept below the target path"),
        "--log-cache-events" => Some("`--debug` prints all there is"),
        "--record-timing-info" => Some("there is no profile of Python to write"),
        "--upload-to-artifacts-ingest-api" => Some("nothing is uploaded"),
        "--sqlparse" => Some("no such parser is used"),
        "--export-saved-queries" => Some("saved queries are exported by dbt Cloud"),
        "--select" => Some("`--selector` says what is selected"),
        "--static" => Some("there is no page to put the artifacts into"),
        _ => why_idle(&flag.trim_start_matches('-').replace('-', "_")),
    }
}

/// What a command works on.
#[derive(Args, Debug, Default)]
pub(super) struct SelectionArgs {
    /// Nodes to work on: names, tag:x, path:x, +name+, ... (a space means or, a comma means and).
    #[arg(short, long, num_args = 1.., action = clap::ArgAction::Append, help_heading = "Selection")]
    pub(super) select: Vec<String>,
    #[arg(short, long, visible_alias = "model", num_args = 1.., action = clap::ArgAction::Append, hide = true)]
    pub(super) models: Vec<String>,
    /// Nodes to leave out.
    #[arg(long, num_args = 1.., action = clap::ArgAction::Append, help_heading = "Selection")]
    pub(super) exclude: Vec<String>,
    /// A selector of selectors.yml.
    #[arg(long, value_name = "NAME", help_heading = "Selection")]
    pub(super) selector: Option<String>,
    /// Which tests join their parents: eager, cautious, buildable or empty.
    #[arg(long, value_name = "MODE", help_heading = "Selection")]
    pub(super) indirect_selection: Option<String>,
    /// Only nodes of these types.
    #[arg(long, num_args = 1.., action = clap::ArgAction::Append, value_name = "TYPE", alias = "resource-types", help_heading = "Selection")]
    pub(super) resource_type: Vec<String>,
    #[arg(long, hide = true, value_name = "YAML")]
    sqlparse: Option<String>,
    /// No nodes of these types.
    #[arg(long, num_args = 1.., action = clap::ArgAction::Append, value_name = "TYPE", alias = "exclude-resource-types", help_heading = "Selection")]
    pub(super) exclude_resource_type: Vec<String>,
}

impl SelectionArgs {
    /// Whether a named selector stands beside names, which then do not count, as in dbt.
    fn is_overruled(&self) -> bool {
        let has_names = [&self.select, &self.models, &self.exclude].iter().any(|n| !n.is_empty());
        self.selector.is_some() && has_names
    }

    pub(super) fn all_selected(&self) -> Vec<String> {
        self.select.iter().chain(&self.models).cloned().collect()
    }
}

#[derive(Args, Debug, Default)]
pub(super) struct BuildArgs {
    /// Rebuild incremental models and seeds from nothing.
    #[arg(short, long)]
    pub(super) full_refresh: bool,
    /// Keep failing rows of tests in tables.
    #[arg(long)]
    pub(super) store_failures: bool,
    #[command(flatten)]
    pub(super) rows: EmptyArgs,
    /// Publish first, then test, as dbt does.
    #[arg(long)]
    pub(super) no_audit: bool,
    #[command(flatten)]
    pub(super) unused: UnusedBuildArgs,
    #[command(flatten)]
    pub(super) changed: ChangedArgs,
    #[command(flatten)]
    pub(super) times: EventTimeArgs,
}

#[derive(Args, Debug, Default)]
pub(super) struct EmptyArgs {
    /// Read no rows: check that the SQL runs.
    #[arg(long, overrides_with = "no_empty")]
    pub(super) empty: bool,
    #[arg(long, hide = true)]
    no_empty: bool,
}

/// Flags of dbt's `build` that have no effect.
#[derive(Args, Debug, Default)]
pub(super) struct UnusedBuildArgs {
    #[arg(long, hide = true, overrides_with = "no_export_saved_queries")]
    export_saved_queries: bool,
    #[arg(long, hide = true)]
    no_export_saved_queries: bool,
    #[arg(long, hide = true)]
    include_saved_query: bool,
    #[arg(long, hide = true)]
    no_include_saved_query: bool,
    #[arg(long, hide = true)]
    show: bool,
}

/// Which event times are built and read.
#[derive(Args, Debug, Default)]
pub(super) struct EventTimeArgs {
    /// Build the batches of microbatch models from this time on (UTC).
    #[arg(long, value_name = "TIME")]
    pub(super) event_time_start: Option<String>,
    /// Build the batches of microbatch models up to this time (UTC).
    #[arg(long, value_name = "TIME")]
    pub(super) event_time_end: Option<String>,
    /// Read only rows of this window: '3 days', or '{start: TIME, end: TIME}'.
    #[arg(long, value_name = "WINDOW")]
    pub(super) sample: Option<String>,
}

#[derive(Args, Debug, Default)]
pub(super) struct ChangedArgs {
    /// Only what has changed since the last build, or reads something that has.
    #[arg(long, conflicts_with_all = ["full_refresh", "empty", "sample"])]
    pub(super) changed: bool,
    /// Take sources as unchanged of which nothing tells whether they are (with --changed).
    #[arg(long, requires = "changed")]
    pub(super) assume_sources_unchanged: bool,
}

impl ChangedArgs {
    pub(super) fn options(&self) -> Option<ChangeOptions> {
        let assume_sources = self.assume_sources_unchanged;
        self.changed.then_some(ChangeOptions { assume_sources, edits_only: false })
    }
}

/// How templates are rendered.
#[derive(Args, Debug, Default)]
pub(super) struct RenderingArgs {
    /// Render incremental models as if there was no table.
    #[arg(short, long)]
    pub(super) full_refresh: bool,
    #[arg(long, hide = true, overrides_with = "no_introspect")]
    introspect: bool,
    /// Ask the database nothing while templates are rendered.
    #[arg(long)]
    pub(super) no_introspect: bool,
}

/// Flags of `watch`.
#[derive(Args, Debug)]
pub(super) struct WatchFlags {
    /// Show the first rows of this model after each build.
    #[arg(long, value_name = "MODEL")]
    pub(super) show: Option<String>,
    /// How many rows to show.
    #[arg(long, default_value_t = 10)]
    pub(super) limit: usize,
    /// Check only; touch no database.
    #[arg(long)]
    pub(super) no_build: bool,
    /// Build no more than this many steps below what has changed; the rest is left stale.
    #[arg(long, value_name = "STEPS")]
    pub(super) depth: Option<usize>,
    /// Begin nothing more when a build has taken this many seconds; the rest is left stale.
    #[arg(long, value_name = "SECONDS")]
    pub(super) time_budget: Option<f64>,
    /// Look at the files again and again, where a file system tells of no changes.
    #[arg(long)]
    pub(super) poll: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Load seeds, build models, test them, publish what passes.
    Build {
        #[command(flatten)]
        selection: SelectionArgs,
        #[command(flatten)]
        run: BuildArgs,
    },
    /// Build models without testing them.
    Run {
        #[command(flatten)]
        selection: SelectionArgs,
        /// Rebuild incremental models from nothing.
        #[arg(short, long)]
        full_refresh: bool,
        #[command(flatten)]
        rows: EmptyArgs,
        #[command(flatten)]
        times: EventTimeArgs,
    },
    /// Run tests on what is published.
    Test {
        #[command(flatten)]
        selection: SelectionArgs,
        /// Keep failing rows in tables.
        #[arg(long)]
        store_failures: bool,
    },
    /// Load CSV files.
    Seed {
        #[command(flatten)]
        selection: SelectionArgs,
        /// Take new columns and types from the file.
        #[arg(short, long)]
        full_refresh: bool,
        #[arg(long, hide = true)]
        show: bool,
    },
    /// Note in snapshot tables what has changed since the last time.
    Snapshot {
        #[command(flatten)]
        selection: SelectionArgs,
        #[command(flatten)]
        rows: EmptyArgs,
    },
    /// Build and test again what did not succeed in the last run (or that of --state).
    Retry {
        #[arg(short, long, hide = true)]
        full_refresh: bool,
    },
    /// Make views of the relations of another state (--state), where there is nothing yet.
    Clone {
        #[command(flatten)]
        selection: SelectionArgs,
        /// Replace what is there.
        #[arg(short, long)]
        full_refresh: bool,
    },
    /// Print what a build would do, and what each test guards.
    Plan {
        #[command(flatten)]
        selection: SelectionArgs,
        #[command(flatten)]
        run: BuildArgs,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Stay beside the editor: after each save, check the project and build what has changed.
    Watch {
        #[command(flatten)]
        selection: SelectionArgs,
        #[command(flatten)]
        args: WatchFlags,
    },
    /// Write the SQL of nodes below the target path.
    Compile {
        #[command(flatten)]
        selection: SelectionArgs,
        /// Compile this text instead.
        #[arg(long, value_name = "SQL")]
        inline: Option<String>,
        #[command(flatten)]
        rendering: RenderingArgs,
        #[command(flatten)]
        rows: EmptyArgs,
        #[arg(long, hide = true, overrides_with = "no_inject_ephemeral_ctes")]
        inject_ephemeral_ctes: bool,
        /// Leave out the queries of ephemeral models.
        #[arg(long)]
        no_inject_ephemeral_ctes: bool,
        /// Print the SQL of each node as text, or as a JSON object with its name.
        #[arg(long, value_enum, default_value = "text")]
        output: ShowOutput,
    },
    /// Read the project and write manifest.json.
    Parse,
    /// List nodes.
    #[command(visible_alias = "list")]
    Ls {
        #[command(flatten)]
        selection: SelectionArgs,
        /// What to print of each node.
        #[arg(long, value_enum, default_value = "selector")]
        output: OutputArg,
        /// Keys of --output json.
        #[arg(long, num_args = 1.., value_name = "KEY")]
        output_keys: Vec<String>,
    },
    /// Print the first rows of a model or a query.
    Show {
        /// Models to show.
        #[arg(id = "model_name", value_name = "MODEL")]
        names: Vec<String>,
        #[command(flatten)]
        selection: SelectionArgs,
        /// Show this query instead.
        #[arg(long, value_name = "SQL")]
        inline: Option<String>,
        /// Show this query instead, which is no template.
        #[arg(long, value_name = "SQL", conflicts_with = "inline")]
        inline_direct: Option<String>,
        #[command(flatten)]
        rendering: RenderingArgs,
        /// How many rows; -1 for all.
        #[arg(long, default_value_t = 5, allow_negative_numbers = true)]
        limit: i64,
        /// A table (text) or JSON.
        #[arg(long, value_enum, default_value = "text")]
        output: ShowOutput,
    },
    /// Check how old the data of sources is.
    Source {
        #[command(subcommand)]
        command: SourceCommand,
    },
    /// Run a macro.
    RunOperation {
        /// Its name: `macro`, or `package.macro`.
        #[arg(id = "macro_name", value_name = "MACRO")]
        name: String,
        /// Its arguments, as YAML: '{name: value}'.
        #[arg(long, value_name = "YAML", default_value = "{}")]
        args: String,
    },
    /// Write catalog.json: the relations of the database.
    Docs {
        #[command(subcommand)]
        command: DocsCommand,
    },
    /// Hand the graph on: to Airflow, to sheets and files, to a diagram.
    Export {
        #[command(subcommand)]
        command: ExportCommand,
    },
    /// Install packages.
    Deps {
        /// Choose versions anew, even if package-lock.yml fits.
        #[arg(long)]
        upgrade: bool,
        /// Write package-lock.yml only.
        #[arg(long)]
        lock: bool,
        /// Add a package to packages.yml first: NAME@VERSION.
        #[arg(long, value_name = "PACKAGE")]
        add_package: Option<String>,
        /// Where the added package comes from.
        #[arg(long, value_enum, default_value_t, requires = "add_package")]
        source: PackageSourceFlag,
    },
    /// Check the project, the profile and the connection.
    Debug {
        #[arg(long, hide = true)]
        connection: bool,
        #[arg(long, hide = true)]
        config_dir: bool,
    },
    /// Remove generated files.
    Clean {
        #[command(subcommand)]
        command: Option<CleanCommand>,
        #[arg(long, hide = true)]
        clean_project_files_only: bool,
        /// Remove clean targets outside of the project, too.
        #[arg(long, overrides_with = "clean_project_files_only")]
        no_clean_project_files_only: bool,
    },
    /// Make a new project.
    Init {
        /// Its name, and that of its folder.
        name: Option<String>,
        /// Make the sample project instead of an empty one.
        #[arg(long)]
        sample: bool,
        #[arg(short, long, hide = true)]
        skip_profile_setup: bool,
    },
    /// Explain a code of an error or warning, such as E2003.
    Explain { code: String },
    /// Print completions for a shell.
    Completions { shell: ShellArg },
}

#[derive(Debug, Subcommand)]
pub(super) enum CleanCommand {
    /// List the relations in the project's schemas that no node accounts for, and drop those named.
    ///
    /// These are the relations of removed and renamed models, and whatever others keep in the same schemas. With --state,
    /// only the relations of nodes that the state's manifest has and the project has not.
    Relations {
        /// The relations to drop, with or without their schema.
        names: Vec<String>,
        /// Drop all that are listed.
        #[arg(long, conflicts_with = "names")]
        all: bool,
        /// List what would be dropped.
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum SourceCommand {
    /// Compare the newest row of each source with its `freshness`, and write sources.json.
    #[command(visible_alias = "snapshot-freshness")]
    Freshness {
        #[command(flatten)]
        selection: SelectionArgs,
        /// Write the results to this file.
        #[arg(short, long, value_name = "PATH")]
        output: Option<Utf8PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum DocsCommand {
    /// Compile the project and write catalog.json and manifest.json.
    Generate {
        #[command(flatten)]
        selection: SelectionArgs,
        /// Compile nothing, and take the relations of all nodes.
        #[arg(long)]
        no_compile: bool,
        #[arg(long, hide = true, overrides_with = "no_compile")]
        compile: bool,
        /// Write a catalog without relations.
        #[arg(long)]
        empty_catalog: bool,
        #[arg(long = "static", hide = true)]
        is_static: bool,
    },
}

/// The origin of a package of `deps --add-package`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum PackageSourceFlag {
    #[default]
    Hub,
    Git,
    Local,
}

impl From<PackageSourceFlag> for NewPackageSource {
    fn from(flag: PackageSourceFlag) -> NewPackageSource {
        match flag {
            PackageSourceFlag::Hub => NewPackageSource::Hub,
            PackageSourceFlag::Git => NewPackageSource::Git,
            PackageSourceFlag::Local => NewPackageSource::Local,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum ExportCommand {
    /// Write dags/PROJECT.py, which runs the project on Airflow 2.10, 2.11 and 3.
    Airflow {
        #[command(flatten)]
        selection: SelectionArgs,
        /// What one task holds.
        #[arg(long, value_enum, default_value = "model")]
        by: ByArg,
        /// Write nothing; exit with 1 when the file is not up to date.
        #[arg(long)]
        check: bool,
    },
    /// Write published relations into Google Sheets, as `exports:` say.
    Sheets {
        #[command(flatten)]
        selection: SelectionArgs,
        /// Write nothing; say what would change.
        #[arg(long)]
        dry_run: bool,
    },
    /// Write published relations into CSV, Parquet and JSON files, as `exports:` say.
    Files {
        #[command(flatten)]
        selection: SelectionArgs,
        /// Write nothing; say what would change.
        #[arg(long)]
        dry_run: bool,
    },
    /// Write docs/erd.dbml, docs/erd.mmd and docs/erd.svg: tables, columns and how they refer to
    /// each other.
    Erd {
        #[command(flatten)]
        selection: SelectionArgs,
        /// Only this format [default: all].
        #[arg(long, value_enum)]
        format: Option<ErdFormatArg>,
        /// Write nothing; exit with 1 when a file is not up to date. No database is asked.
        #[arg(long, conflicts_with = "refresh")]
        check: bool,
        /// First write docs/catalog.json, the column types of the target's relations.
        #[arg(long)]
        refresh: bool,
    },
}

impl ExportCommand {
    fn name(&self) -> &'static str {
        match self {
            ExportCommand::Airflow { .. } => "airflow",
            ExportCommand::Sheets { .. } => "sheets",
            ExportCommand::Files { .. } => "files",
            ExportCommand::Erd { .. } => "erd",
        }
    }

    fn selection(&self) -> &SelectionArgs {
        match self {
            ExportCommand::Airflow { selection, .. }
            | ExportCommand::Sheets { selection, .. }
            | ExportCommand::Files { selection, .. }
            | ExportCommand::Erd { selection, .. } => selection,
        }
    }
}

impl Command {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Command::Build { .. } => "build",
            Command::Run { .. } => "run",
            Command::Test { .. } => "test",
            Command::Seed { .. } => "seed",
            Command::Snapshot { .. } => "snapshot",
            Command::Retry { .. } => "retry",
            Command::Clone { .. } => "clone",
            Command::Plan { .. } => "plan",
            Command::Watch { .. } => "watch",
            Command::Compile { .. } => "compile",
            Command::Parse => "parse",
            Command::Ls { .. } => "list",
            Command::Show { .. } => "show",
            Command::Source { command: SourceCommand::Freshness { .. } } => "freshness",
            Command::RunOperation { .. } => "run-operation",
            Command::Docs { command: DocsCommand::Generate { .. } } => "generate",
            Command::Export { command } => command.name(),
            Command::Deps { .. } => "deps",
            Command::Debug { .. } => "debug",
            Command::Clean { .. } => "clean",
            Command::Init { .. } => "init",
            Command::Explain { .. } => "explain",
            Command::Completions { .. } => "completions",
        }
    }

    /// The command as users type it: its name, after the name of its group if it has one.
    pub(super) fn words(&self) -> String {
        let group = match self {
            Command::Source { .. } => "source ",
            Command::Docs { .. } => "docs ",
            Command::Export { .. } => "export ",
            _ => "",
        };
        format!("{group}{}", self.name())
    }

    pub(super) fn selection(&self) -> Option<&SelectionArgs> {
        match self {
            Command::Build { selection, .. }
            | Command::Run { selection, .. }
            | Command::Test { selection, .. }
            | Command::Seed { selection, .. }
            | Command::Snapshot { selection, .. }
            | Command::Clone { selection, .. }
            | Command::Plan { selection, .. }
            | Command::Watch { selection, .. }
            | Command::Compile { selection, .. }
            | Command::Ls { selection, .. }
            | Command::Show { selection, .. }
            | Command::Source { command: SourceCommand::Freshness { selection, .. } }
            | Command::Docs { command: DocsCommand::Generate { selection, .. } } => Some(selection),
            Command::Export { command } => Some(command.selection()),
            _ => None,
        }
    }

    fn exports_saved_queries(&self) -> bool {
        matches!(self, Command::Build { run, .. } if run.unused.export_saved_queries)
    }

    fn is_static(&self) -> bool {
        matches!(self, Command::Docs { command: DocsCommand::Generate { is_static: true, .. } })
    }

    /// The event times of a command that builds.
    pub(super) fn event_times(&self) -> Option<&EventTimeArgs> {
        match self {
            Command::Build { run, .. } | Command::Plan { run, .. } => Some(&run.times),
            Command::Run { times, .. } => Some(times),
            _ => None,
        }
    }

    /// Whether `STRATA_NODES` replaces the command's selection.
    pub(super) fn takes_nodes(&self) -> bool {
        match self {
            Command::Build { .. } | Command::Test { .. } => true,
            Command::Export { command } => {
                matches!(command, ExportCommand::Sheets { .. } | ExportCommand::Files { .. })
            }
            _ => false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogLevelArg {
    Debug,
    Info,
    Warn,
    Error,
    #[value(alias = "off")]
    None,
}

impl LogLevelArg {
    /// The least level that is written; `None` for no lines.
    pub(super) fn least(self) -> Option<LogLevel> {
        match self {
            LogLevelArg::Debug => Some(LogLevel::Debug),
            LogLevelArg::Info => Some(LogLevel::Info),
            LogLevelArg::Warn => Some(LogLevel::Warn),
            LogLevelArg::Error => Some(LogLevel::Error),
            LogLevelArg::None => None,
        }
    }

    pub(super) fn is_quiet(self) -> bool {
        matches!(self, LogLevelArg::Warn | LogLevelArg::Error | LogLevelArg::None)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormatArg {
    Text,
    Json,
    /// As dbt 1.12 reads the lines of a parser that it calls.
    #[value(hide = true)]
    Otel,
    #[value(hide = true)]
    Debug,
    #[value(hide = true)]
    Default,
}

impl LogFormatArg {
    pub(super) fn of_lines(given: Option<LogFormatArg>) -> LogFormat {
        match given {
            Some(LogFormatArg::Json) => LogFormat::Json,
            Some(LogFormatArg::Otel) => LogFormat::Otel,
            _ => LogFormat::Text,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum OutputArg {
    Selector,
    Name,
    Path,
    Json,
}

impl From<OutputArg> for ListOutput {
    fn from(arg: OutputArg) -> ListOutput {
        match arg {
            OutputArg::Selector => ListOutput::Selector,
            OutputArg::Name => ListOutput::Name,
            OutputArg::Path => ListOutput::Path,
            OutputArg::Json => ListOutput::Json,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ByArg {
    Model,
    Layer,
    Component,
    Project,
}

impl From<ByArg> for Granularity {
    fn from(arg: ByArg) -> Granularity {
        match arg {
            ByArg::Model => Granularity::Model,
            ByArg::Layer => Granularity::Layer,
            ByArg::Component => Granularity::Component,
            ByArg::Project => Granularity::Project,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ErdFormatArg {
    Dbml,
    Mermaid,
    Svg,
}

impl From<ErdFormatArg> for ErdFormat {
    fn from(arg: ErdFormatArg) -> ErdFormat {
        match arg {
            ErdFormatArg::Dbml => ErdFormat::Dbml,
            ErdFormatArg::Mermaid => ErdFormat::Mermaid,
            ErdFormatArg::Svg => ErdFormat::Svg,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ShowOutput {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ShellArg {
    Bash,
    Elvish,
    Fish,
    #[value(name = "powershell")]
    PowerShell,
    Zsh,
}

impl From<ShellArg> for clap_complete::Shell {
    fn from(arg: ShellArg) -> clap_complete::Shell {
        match arg {
            ShellArg::Bash => clap_complete::Shell::Bash,
            ShellArg::Elvish => clap_complete::Shell::Elvish,
            ShellArg::Fish => clap_complete::Shell::Fish,
            ShellArg::PowerShell => clap_complete::Shell::PowerShell,
            ShellArg::Zsh => clap_complete::Shell::Zsh,
        }
    }
}
