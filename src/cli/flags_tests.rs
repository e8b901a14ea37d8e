//! Tests of the precedence of flags, variables and the project's `flags:`, and of the errors in
//! them.

use super::{Flags, MappingError};
use crate::cli::args::{Cli, Command};
use crate::config::{Json, JsonMap};
use crate::diag::WarningOptions;
use crate::load::LoadOptions;
use crate::manifest::ResourceType;
use crate::plan::StartOrder;
use crate::report::LogFormat;
use crate::secret::Scrubber;
use crate::select::{IndirectSelection, Selection};
use crate::system::MemorySystem;
use clap::Parser;
use serde_json::json;
use std::time::Duration;

/// Environment variables.
type Variables = &'static [(&'static str, &'static str)];
/// The arguments of a command line.
type Words = &'static [&'static str];

fn parse(words: &[&str]) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(std::iter::once("strata").chain(words.iter().copied()))
}

/// A parsed command line with its resolved flags.
struct Asked {
    cli: Cli,
    flags: Flags,
    problems: Vec<String>,
}

/// Resolves a command line with this environment, in a project with these `flags:`.
fn ask(words: &[&str], env: &[(&str, &str)], flags: &str) -> Asked {
    let project = format!("name: shop\nflags: {flags}\n");
    ask_in(&[("/project/project.yml", &project)], words, env)
}

fn ask_in(files: &[(&str, &str)], words: &[&str], env: &[(&str, &str)]) -> Asked {
    let mut system = MemorySystem::with_files(files.iter().copied());
    for (name, value) in env {
        system.set_env(name, value);
    }
    let written = words.iter().map(|word| (*word).to_owned()).collect();
    let cli = Cli { words: written, ..parse(words).unwrap() };
    let (flags, problems) = Flags::new(&cli, &system);
    Asked { cli, flags, problems }
}

impl Asked {
    fn options(&self) -> Result<LoadOptions, MappingError> {
        self.flags.load_options(&self.cli, Scrubber::default())
    }

    fn loaded(&self) -> LoadOptions {
        self.options().unwrap()
    }

    fn selection(&self) -> Selection {
        self.flags.selection(self.cli.command.selection().unwrap())
    }
}

#[test]
fn a_flag_beats_its_variable_and_this_the_project() {
    let (flag, off): (Words, Words) = (&["build", "--fail-fast"], &["build", "--no-fail-fast"]);
    let none: Words = &["build"];
    let rows: [(Words, Variables, &str, bool); 9] = [
        (none, &[], "{}", false),
        (none, &[], "{fail_fast: true}", true),
        (none, &[("DBT_FAIL_FAST", "0")], "{fail_fast: true}", false),
        (none, &[("DBT_FAIL_FAST", "0"), ("DBT_ENGINE_FAIL_FAST", "1")], "{}", true),
        (none, &[("DBT_ENGINE_FAIL_FAST", "1"), ("STRATA_FAIL_FAST", "0")], "{}", false),
        (none, &[("STRATA_FAIL_FAST", ""), ("DBT_FAIL_FAST", "1")], "{}", true),
        (flag, &[("STRATA_FAIL_FAST", "0")], "{fail_fast: false}", true),
        (off, &[("STRATA_FAIL_FAST", "1")], "{fail_fast: true}", false),
        (none, &[("FAIL_FAST", "1")], "{FAIL_FAST: true}", false),
    ];
    for (words, env, project, expected) in rows {
        let asked = ask(words, env, project);
        assert!(asked.problems.is_empty(), "{:?}", asked.problems);
        assert_eq!(asked.flags.fail_fast, expected, "{words:?} {env:?} {project}");
    }
}

#[test]
fn texts_have_the_same_precedence() {
    let rows: [(Words, Variables, &str, Option<&str>); 6] = [
        (&["ls"], &[], "{}", None),
        (&["ls"], &[], "{target: file}", Some("file")),
        (&["ls"], &[("DBT_TARGET", "dbt")], "{target: file}", Some("dbt")),
        (&["ls"], &[("DBT_ENGINE_TARGET", "engine"), ("DBT_TARGET", "dbt")], "{}", Some("engine")),
        (&["ls"], &[("STRATA_TARGET", "own"), ("DBT_ENGINE_TARGET", "e")], "{}", Some("own")),
        (&["ls", "-t", "flag"], &[("STRATA_TARGET", "own")], "{target: file}", Some("flag")),
    ];
    for (words, env, project, expected) in rows {
        let target = ask(words, env, project).loaded().target;
        assert_eq!(target.as_deref(), expected, "{words:?} {env:?} {project}");
    }
}

#[test]
fn folders_and_the_profile_come_from_flags_or_variables() {
    let flags: Words = &["ls", "--profiles-dir", "a", "--profile", "b", "--target-path", "c"];
    let env: Variables = &[
        ("DBT_PROFILES_DIR", "/profiles"),
        ("DBT_PROFILE", "p"),
        ("STRATA_TARGET_PATH", "out"),
        ("DBT_STATE", "before"),
    ];
    let folders = |asked: &Asked| {
        let LoadOptions { profiles_dir, profile, target_path, .. } = asked.loaded();
        (profiles_dir.unwrap().to_string(), profile.unwrap(), target_path.unwrap().to_string())
    };
    let given = ask(flags, env, "{}");
    assert_eq!(folders(&given), ("a".to_owned(), "b".to_owned(), "c".to_owned()));
    let set = ask(&["ls"], env, "{}");
    assert_eq!(folders(&set), ("/profiles".to_owned(), "p".to_owned(), "out".to_owned()));
    assert_eq!(set.flags.state.as_ref().unwrap(), "before");
    let state = ask(&["ls", "--state", "now"], env, "{}").flags.state;
    assert_eq!(state.unwrap(), "now");
}

#[test]
fn the_flags_of_a_project_are_those_of_the_folder_that_is_named() {
    let on = "name: other\nflags: {fail_fast: true}\n";
    let files = [("/project/project.yml", "name: shop"), ("/other/dbt_project.yml", on)];
    let is_on = |words: &[&str], env: &[(&str, &str)]| ask_in(&files, words, env).flags.fail_fast;
    assert!(!is_on(&["build"], &[]));
    assert!(is_on(&["build", "--project-dir", "../other"], &[]));
    assert!(is_on(&["build"], &[("DBT_PROJECT_DIR", "/other")]));
    let above = [("/project.yml", on)];
    assert!(ask_in(&above, &["build"], &[]).flags.fail_fast, "of a folder above the working one");
    assert!(!ask_in(&above, &["build", "--project-dir", "."], &[]).flags.fail_fast);
}

#[test]
fn words_for_yes_and_no_are_read_in_any_case() {
    for yes in ["1", "true", "True", "t", "yes", "Y", "ON"] {
        assert!(ask(&["build"], &[("STRATA_FAIL_FAST", yes)], "{}").flags.fail_fast, "{yes}");
    }
    for no in ["0", "false", "FALSE", "f", "no", "N", "off"] {
        assert!(!ask(&["build"], &[("DBT_WRITE_JSON", no)], "{}").flags.write_json, "{no}");
    }
}

#[test]
fn a_wrong_value_is_told_with_where_it_comes_from() {
    const BOTH: &str = "all warnings are errors, or those of `warn_error_options`: not both";
    let types = "`modle` is no resource type: model, seed, snapshot, analysis, test, unit_test, \
        source, exposure, export, function, metric, semantic_model, saved_query, operation";
    let none: Words = &["build"];
    let rows: [(Words, Variables, &str, &str); 15] = [
        (none, &[("DBT_FAIL_FAST", "maybe")], "{}", "DBT_FAIL_FAST is true or false, not `maybe`"),
        (
            none,
            &[],
            "{fail_fast: maybe}",
            "`fail_fast` in the project's flags is true or false, not `maybe`",
        ),
        (
            none,
            &[("STRATA_START_ORDER", "x")],
            "{}",
            "STRATA_START_ORDER is `level` or `longest_path`, not `x`",
        ),
        (
            none,
            &[("DBT_LOCK_TIMEOUT", "soon")],
            "{}",
            "DBT_LOCK_TIMEOUT is a number of seconds, not `soon`",
        ),
        (
            &["build", "--lock-timeout=-1"],
            &[],
            "{}",
            "--lock-timeout is a number of seconds, not `-1`",
        ),
        (
            &["build", "--wait-timeout=inf"],
            &[],
            "{}",
            "--wait-timeout is a number of seconds, not `inf`",
        ),
        (
            &["build", "--indirect-selection", "all"],
            &[],
            "{}",
            "--indirect-selection is eager, cautious, buildable or empty",
        ),
        (&["build", "--resource-type", "modle"], &[], "{}", types),
        (none, &[("DBT_EXCLUDE_RESOURCE_TYPES", "test modle")], "{}", types),
        (
            &["build", "--warn-error-options", "[W0007]"],
            &[],
            "{}",
            "--warn-error-options takes a YAML mapping: --warn-error-options '{name: value}'",
        ),
        (
            none,
            &[("DBT_WARN_ERROR_OPTIONS", "all")],
            "{}",
            "DBT_WARN_ERROR_OPTIONS takes a YAML mapping: DBT_WARN_ERROR_OPTIONS '{name: value}'",
        ),
        (
            none,
            &[],
            "{warn_error_options: {errors: []}}",
            "`errors` is no key of warn_error_options: error, warn, silence",
        ),
        (&["build", "--warn-error", "--warn-error-options", "{error: all}"], &[], "{}", BOTH),
        (none, &[("DBT_WARN_ERROR", "1")], "{warn_error_options: {silence: [W0007]}}", BOTH),
        (none, &[], "{warn_error: true, warn_error_options: {error: all}}", BOTH),
    ];
    for (words, env, project, expected) in rows {
        assert_eq!(ask(words, env, project).problems, [expected], "{words:?} {env:?} {project}");
    }
}

#[test]
fn what_is_given_decides_which_warnings_are_errors_then_what_is_set() {
    let one: Words = &["build", "--warn-error-options", "{error: [NoNodeForYamlKey]}"];
    let named = json!({ "error": ["NoNodeForYamlKey"] });
    let silent = json!({ "silence": ["W0007"] });
    let file = "{warn_error_options: {error: [NoNodeForYamlKey]}}";
    let options = ("DBT_WARN_ERROR_OPTIONS", "{silence: [W0007]}");
    // The columns: arguments, variables, `flags:`, whether all warnings are errors, and the options
    // of individual warnings.
    type Set<'a> = Vec<(&'a str, &'a str)>;
    let rows: [(&[&str], Set<'_>, &str, bool, Json); 10] = [
        (&["build"], vec![], "{}", false, json!({})),
        (&["build", "--warn-error"], vec![], "{}", true, json!({})),
        (&["build"], vec![("STRATA_WARN_ERROR", "1")], "{}", true, json!({})),
        (&["build"], vec![], "{warn_error: true}", true, json!({})),
        (&["build"], vec![("DBT_WARN_ERROR", "0")], "{warn_error: true}", false, json!({})),
        (one, vec![("STRATA_WARN_ERROR", "1")], "{}", false, named.clone()),
        (one, vec![options], "{}", false, named.clone()),
        (&["build"], vec![options], file, false, silent),
        (&["build"], vec![], file, false, named),
        (&["build", "--warn-error"], vec![options], file, true, json!({})),
    ];
    for (words, env, project, all, options) in rows {
        let asked = ask(words, &env, project);
        let place = format!("{words:?} {env:?} {project}");
        assert!(asked.problems.is_empty(), "{place}: {:?}", asked.problems);
        let expected = match all {
            true => WarningOptions::all_errors(),
            false => WarningOptions::read(options.as_object().unwrap()).unwrap(),
        };
        assert_eq!(asked.flags.warnings, expected, "{place}");
        let flags = asked.loaded().settings.flags;
        assert_eq!(flags["WARN_ERROR"], json!(all), "{place}");
        assert_eq!(flags["WARN_ERROR_OPTIONS"], options, "{place}");
    }
}

#[test]
fn threads_come_from_a_flag_or_our_own_variable() {
    let rows: [(Words, Variables, Option<usize>); 6] = [
        (&["build"], &[], None),
        (&["build", "--threads", "3"], &[], Some(3)),
        (&["build"], &[("STRATA_THREADS", "4")], Some(4)),
        (&["build", "--threads", "3"], &[("STRATA_THREADS", "4")], Some(3)),
        (&["build", "--threads", "3", "--single-threaded"], &[], Some(1)),
        (&["build"], &[("DBT_THREADS", "5"), ("DBT_ENGINE_THREADS", "5")], None),
    ];
    for (words, env, expected) in rows {
        assert_eq!(ask(words, env, "{}").loaded().threads, expected, "{words:?} {env:?}");
    }
    for wrong in ["0", "-1", "x"] {
        let told = parse(&["build", &format!("--threads={wrong}")]).unwrap_err().to_string();
        assert!(told.contains("a number of at least 1 is needed"), "{told}");
    }
}

#[test]
fn variables_of_a_project_come_from_a_flag_or_our_own_variable() {
    let rows: [(Words, Variables, Json); 6] = [
        (&["build"], &[], json!({})),
        (
            &["build", "--vars", "{a: 1, b: [x, {c: }]}"],
            &[],
            json!({"a": 1, "b": ["x", {"c": null}]}),
        ),
        (&["build"], &[("STRATA_VARS", "a: yes")], json!({"a": true})),
        (&["build", "--vars", "{a: 1}"], &[("STRATA_VARS", "b: 2")], json!({"a": 1})),
        (&["build", "--vars", ""], &[("STRATA_VARS", "b: 2")], json!({})),
        (&["build"], &[("DBT_VARS", "a: 1")], json!({})),
    ];
    for (words, env, expected) in rows {
        let vars = Json::Object(ask(words, env, "{}").loaded().vars);
        assert_eq!(vars, expected, "{words:?} {env:?}");
    }
}

#[test]
fn variables_that_are_no_mapping_are_refused() {
    for wrong in ["[1]", "text", "3"] {
        let told = ask(&["build", "--vars", wrong], &[], "{}").options().unwrap_err().to_string();
        assert_eq!(told, "--vars takes a YAML mapping: --vars '{name: value}'", "{wrong}");
    }
    let told = ask(&["build", "--vars", "{a: "], &[], "{}").options().unwrap_err();
    assert!(matches!(&told, MappingError::Yaml { flag, .. } if flag == "--vars"), "{told}");
}

#[test]
fn secret_variables_reach_the_project_but_not_what_is_written() {
    let vars = "{DBT_ENV_SECRET_KEY: hunter2, key: open}";
    let options = ask(&["build", "--vars", vars], &[], "{}").loaded();
    assert_eq!(options.vars["DBT_ENV_SECRET_KEY"], json!("hunter2"));
    let shown = json!({ "DBT_ENV_SECRET_KEY": "*****", "key": "open" });
    assert_eq!(options.settings.args["vars"], shown);
}

#[test]
fn templates_see_all_flags() {
    let settings = ask(&["run"], &[], "{}").loaded().settings;
    let expected = json!({
        "WHICH": "run", "FULL_REFRESH": false, "STORE_FAILURES": false, "EMPTY": false,
        "INVOCATION_COMMAND": "dbt run", "WARN_ERROR": false, "WARN_ERROR_OPTIONS": {},
        "FAIL_FAST": false, "DEBUG": false, "QUIET": false, "NO_PRINT": false, "INTROSPECT": true,
        "TARGET_PATH": null, "LOG_PATH": "logs", "PROFILES_DIR": null, "LOG_FORMAT": "default",
        "PRINTER_WIDTH": 80, "USE_COLORS": true, "WRITE_JSON": true, "CACHE_SELECTED_ONLY": false,
        "USE_EXPERIMENTAL_PARSER": false, "STATIC_PARSER": true, "VERSION_CHECK": true,
        "SEND_ANONYMOUS_USAGE_STATS": false, "INDIRECT_SELECTION": "eager",
    });
    assert_eq!(Json::Object(settings.flags), expected);
    assert_eq!(settings.invocation_id.len(), 36);
}

#[test]
fn a_flag_is_what_templates_see() {
    let rows: [(Words, Variables, &str, Json); 25] = [
        (&["ls"], &[], "WHICH", json!("list")),
        (&["source", "freshness"], &[], "WHICH", json!("freshness")),
        (&["source", "freshness"], &[], "INVOCATION_COMMAND", json!("dbt source freshness")),
        (&["build", "-f"], &[], "FULL_REFRESH", json!(true)),
        (&["plan", "--full-refresh"], &[], "FULL_REFRESH", json!(true)),
        (&["run", "--full-refresh"], &[], "FULL_REFRESH", json!(true)),
        (&["seed", "--full-refresh"], &[], "FULL_REFRESH", json!(true)),
        (&["build", "--store-failures"], &[], "STORE_FAILURES", json!(true)),
        (&["test", "--store-failures"], &[], "STORE_FAILURES", json!(true)),
        (&["build", "--empty"], &[], "EMPTY", json!(true)),
        (&["run", "--empty"], &[], "EMPTY", json!(true)),
        (&["test"], &[("DBT_FULL_REFRESH", "1")], "FULL_REFRESH", json!(true)),
        (&["test"], &[("DBT_STORE_FAILURES", "1")], "STORE_FAILURES", json!(true)),
        (&["run"], &[("DBT_EMPTY", "1")], "EMPTY", json!(true)),
        (&["run", "-x"], &[], "FAIL_FAST", json!(true)),
        (&["run", "-d"], &[], "DEBUG", json!(true)),
        (&["run", "--log-level", "debug"], &[], "DEBUG", json!(true)),
        (&["run", "-q"], &[], "QUIET", json!(true)),
        (&["run", "--log-level", "error"], &[], "QUIET", json!(true)),
        (&["run", "--no-print"], &[], "NO_PRINT", json!(true)),
        (&["run"], &[("DBT_PRINT", "0")], "NO_PRINT", json!(true)),
        (&["run", "--no-use-colors"], &[], "USE_COLORS", json!(false)),
        (&["run", "--no-write-json"], &[], "WRITE_JSON", json!(false)),
        (&["run", "--no-version-check"], &[], "VERSION_CHECK", json!(false)),
        (&["run"], &[("DBT_INDIRECT_SELECTION", "empty")], "INDIRECT_SELECTION", json!("empty")),
    ];
    for (words, env, name, expected) in rows {
        let flags: JsonMap = ask(words, env, "{}").loaded().settings.flags;
        assert_eq!(flags[name], expected, "{words:?} {env:?} {name}");
    }
}

#[test]
fn a_version_is_checked_unless_that_is_switched_off() {
    let is_checked = |words: &[&str], env: &[(&str, &str)]| {
        !ask(words, env, "{version_check: true}").loaded().ignore_version
    };
    let off = [("DBT_VERSION_CHECK", "0")];
    assert!(is_checked(&["ls"], &[]));
    assert!(!is_checked(&["ls", "--no-version-check"], &[]));
    assert!(!is_checked(&["ls"], &off));
    assert!(is_checked(&["ls", "--version-check"], &off));
}

#[test]
fn how_output_looks_is_told_by_flags_or_variables() {
    let format = |words: &[&str], env: &[(&str, &str)]| ask(words, env, "{}").flags.style().format;
    assert_eq!(format(&["ls"], &[]), LogFormat::Text);
    assert_eq!(format(&["ls", "--log-format", "json"], &[]), LogFormat::Json);
    let json = [("DBT_LOG_FORMAT", "json")];
    assert_eq!(format(&["ls"], &json), LogFormat::Json);
    assert_eq!(format(&["ls", "--log-format", "text"], &json), LogFormat::Text);
    let colours =
        |words: &[&str], env: &[(&str, &str)]| ask(words, env, "{}").flags.style().colours;
    assert_eq!(colours(&["ls"], &[]), None, "as the terminal can");
    let off = [("DBT_USE_COLORS", "0")];
    assert_eq!(colours(&["ls"], &off), Some(false));
    assert_eq!(colours(&["ls", "--use-colors"], &off), Some(true));
    assert_eq!(colours(&["ls", "--no-use-colors"], &[("DBT_USE_COLORS", "1")]), Some(false));
}

#[test]
fn how_long_to_wait_is_in_seconds() {
    let flag = ["build", "--lock-timeout", "1.5"];
    let patience = ask(&flag, &[("STRATA_LOCK_TIMEOUT", "9")], "{wait_timeout: 10}").flags.patience;
    assert_eq!(patience.lock, Some(Duration::from_millis(1500)));
    assert_eq!(patience.build, Some(Duration::from_secs(10)));
    let patience = ask(&["build"], &[("STRATA_LOCK_TIMEOUT", "0")], "{}").flags.patience;
    assert_eq!((patience.lock, patience.build), (Some(Duration::ZERO), None));
}

#[test]
fn settings_without_a_flag_have_their_variable_and_their_place_in_the_project() {
    let order =
        |env: &[(&str, &str)], project: &str| ask(&["build"], env, project).flags.start_order;
    assert_eq!(order(&[], "{}"), StartOrder::Level);
    assert_eq!(order(&[], "{start_order: longest_path}"), StartOrder::LongestPath);
    let level = [("STRATA_START_ORDER", "level")];
    assert_eq!(order(&level, "{start_order: longest_path}"), StartOrder::Level);
    let hooks = |project: &str| ask(&["build"], &[], project).flags.freshness_hooks;
    assert!(hooks("{}") && !hooks("{source_freshness_run_project_hooks: false}"));
    let no_audit = ask(&["build"], &[("STRATA_NO_AUDIT", "1")], "{}").flags.no_audit;
    assert!(no_audit && !ask(&["build"], &[], "{}").flags.no_audit);
    let cache = |words: &[&str], env: &[(&str, &str)]| ask(words, env, "{}").flags.cache;
    assert!(cache(&["build"], &[]) && !cache(&["build"], &[("DBT_PARTIAL_PARSE", "0")]));
    assert!(!cache(&["build", "--no-partial-parse"], &[]));
}

#[test]
fn types_of_a_selection_come_from_its_flags_or_their_variables() {
    use ResourceType::{Model, Seed, Test};
    let env: Variables =
        &[("DBT_RESOURCE_TYPES", "model seed"), ("DBT_EXCLUDE_RESOURCE_TYPES", "test")];
    let set = ask(&["build"], env, "{}").selection();
    assert_eq!(set.resource_types, [Model, Seed]);
    assert_eq!(set.exclude_resource_types, [Test]);
    let words = ["build", "--resource-type", "test", "seed", "--exclude-resource-type", "model"];
    let given = ask(&words, env, "{}").selection();
    assert_eq!(given.resource_types, [Test, Seed]);
    assert_eq!(given.exclude_resource_types, [Model]);
    let usual = ask(&["build", "--resource-type", "default"], &[], "{}").selection();
    assert!(usual.resource_types.is_empty(), "{:?}", usual.resource_types);
    let all = ask(&["ls", "--resource-type", "model", "all"], &[], "{}").selection();
    assert_eq!(all.resource_types, ResourceType::ALL);
}

#[test]
fn which_tests_join_is_told_by_a_flag_a_variable_or_the_project() {
    let indirect = |words: &[&str], env: &[(&str, &str)], project: &str| {
        ask(words, env, project).selection().indirect
    };
    let (set, file) = ([("DBT_INDIRECT_SELECTION", "buildable")], "{indirect_selection: empty}");
    assert_eq!(indirect(&["build"], &[], "{}"), IndirectSelection::Eager);
    assert_eq!(indirect(&["build"], &[], file), IndirectSelection::Empty);
    assert_eq!(indirect(&["build"], &set, file), IndirectSelection::Buildable);
    let flag = ["build", "--indirect-selection", "cautious"];
    assert_eq!(indirect(&flag, &set, file), IndirectSelection::Cautious);
}

#[test]
fn a_selection_has_what_all_its_flags_name() {
    let words = ["ls", "--select", "a", "b", "-m", "c", "--exclude", "d", "--selector", "nightly"];
    let asked = ask(&words, &[], "{}");
    let selection = asked.selection();
    assert_eq!(selection.select, ["a", "b", "c"]);
    assert_eq!(selection.exclude, ["d"]);
    assert_eq!(selection.selector.as_deref(), Some("nightly"));
    assert!(selection.resource_types.is_empty());
    let listed = asked.flags.list_selection(asked.cli.command.selection().unwrap());
    assert_eq!(listed.resource_types, [ResourceType::Model], "`--models` lists models");
}

#[test]
fn nodes_of_a_scheduler_take_the_place_of_a_selection_where_a_command_takes_them() {
    let env: Variables = &[("STRATA_NODES", "model.shop.a  test.shop.t\n")];
    let nodes = |words: &[&str]| ask(words, env, "{}").selection().nodes;
    let both = || Some(vec!["model.shop.a".to_owned(), "test.shop.t".to_owned()]);
    for taking in [&["build"][..], &["test"], &["export", "sheets"], &["export", "files"]] {
        assert_eq!(nodes(taking), both(), "{taking:?}");
    }
    for other in [&["run"][..], &["ls"], &["plan"], &["export", "airflow"]] {
        assert_eq!(nodes(other), None, "{other:?}");
    }
}

#[test]
fn a_scheduler_is_known_by_its_variable() {
    let file = [("STRATA_GRAPH", "abc"), ("STRATA_GRAPH_SPEC", "by=model"), ("STRATA_TASK", "")];
    let task = |words: &[&str], is_orchestrated: &str| {
        let env = [&file[..], &[("STRATA_ORCHESTRATED", is_orchestrated)]].concat();
        ask(words, &env, "{}").flags.task
    };
    assert!(task(&["build"], "true").is_none() && task(&["build"], "").is_none());
    let build = task(&["build"], "1").unwrap();
    assert_eq!(build.graph.as_deref(), Some("abc"));
    assert_eq!(build.spec.as_deref(), Some("by=model"));
    assert_eq!((build.file, build.task), (None, None), "an empty variable is none");
    let compile = task(&["compile"], "1").unwrap();
    assert_eq!((compile.graph, compile.spec), (None, None), "it is not held to the file");
}

#[test]
fn arguments_of_a_macro_are_a_mapping() {
    let args = |text: &str| super::read_mapping("--args", text).map(Json::Object);
    assert_eq!(args("{a: [1, 2], b: x}").unwrap(), json!({"a": [1, 2], "b": "x"}));
    assert_eq!(args("").unwrap(), json!({}));
    let told = args("a").unwrap_err().to_string();
    assert_eq!(told, "--args takes a YAML mapping: --args '{name: value}'");
    let cli = parse(&["run-operation", "m"]).unwrap();
    assert!(matches!(&cli.command, Command::RunOperation { args, .. } if args == "{}"));
}

/// dbt's flags that are refused here: leftovers of its own, the version behind a command, and a
/// selection where nothing is selected.
const REFUSED: &[&str] = &[
    "--deprecated-defer",
    "--deprecated-favor-state",
    "--deprecated-no-print",
    "--deprecated-print",
    "--deprecated-state",
    "--version",
    "-V",
    "-v",
];

#[derive(serde::Deserialize)]
struct DbtCommand {
    command: String,
    flags: std::collections::BTreeMap<String, Option<String>>,
}

#[test]
fn each_flag_of_dbt_is_taken() {
    let table = include_str!("../../tests/dbt/flags.json");
    let commands: Vec<DbtCommand> = serde_json::from_str(table).unwrap();
    let mut tried = 0;
    // The site with the docs is not part of this tool.
    for DbtCommand { command, flags } in commands.iter().filter(|c| c.command != "docs serve") {
        let needed: &[&str] = if command == "run-operation" { &["macro"] } else { &[] };
        for (flag, value) in flags.iter().filter(|(flag, _)| !REFUSED.contains(&flag.as_str())) {
            let mut words: Vec<&str> = command.split(' ').collect();
            words.extend(needed);
            words.push(flag);
            words.extend(value.as_deref());
            if flag == "--source" {
                words.extend(["--add-package", "a/b@1.0.0"]);
            }
            let is_taken = parse(&words).is_ok();
            let selects = flag != "--indirect-selection" || !selects_nothing(command);
            assert_eq!(is_taken, selects, "{words:?}: {:?}", parse(&words).err());
            tried += 1;
        }
    }
    assert!(tried > 1000, "{tried} flags in the table");
}

fn selects_nothing(command: &str) -> bool {
    ["clean", "debug", "deps", "init", "parse", "retry", "run-operation"].contains(&command)
}
