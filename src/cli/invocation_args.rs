//! What a command was called with, as `invocation_args_dict` and `run_results.json` have it: dbt's
//! names of the flags, those without a value left out.

use super::args::{Cli, Command};
use super::flags::{Flags, read_mapping};
use crate::config::{Json, JsonMap};
use crate::manifest::{EventWindow, ResourceType, iso_text, naive_text};

/// The command line, in which the values of secret variables are masked.
pub(super) fn masked_words(cli: &Cli, masked_vars: &JsonMap) -> String {
    let has_masked = masked_vars.values().any(|value| value == "*****");
    let mut is_vars = false;
    let words = cli.words.iter().map(|word| {
        let was_vars = std::mem::replace(&mut is_vars, word == "--vars");
        match word.strip_prefix("--vars=") {
            Some(_) if has_masked => format!("--vars={}", Json::Object(masked_vars.clone())),
            None if was_vars && has_masked => Json::Object(masked_vars.clone()).to_string(),
            _ => word.clone(),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The arguments, without those that templates see in `flags` as well.
pub(super) fn list_arguments(cli: &Cli, flags: &Flags, masked_vars: &JsonMap) -> JsonMap {
    let which = cli.command.name();
    let mut map = JsonMap::new();
    let text = |value: Option<String>| value.map_or(Json::Null, Json::from);
    let path = |value: Option<&camino::Utf8PathBuf>| text(value.map(ToString::to_string));
    let command = format!("strata {}", masked_words(cli, masked_vars));
    map.insert("which".into(), which.into());
    map.insert("invocation_command".into(), command.trim_end().into());
    map.insert("vars".into(), Json::Object(masked_vars.clone()));
    if let Some(selection) = cli.command.selection() {
        map.insert("select".into(), Json::from(selection.all_selected()));
        map.insert("exclude".into(), Json::from(selection.exclude.clone()));
        map.insert("selector".into(), text(selection.selector.clone()));
        let names = |types: &[ResourceType]| {
            Json::from(types.iter().map(|kind| kind.as_str()).collect::<Vec<_>>())
        };
        map.insert("resource_types".into(), names(&flags.resource_types));
        map.insert("exclude_resource_types".into(), names(&flags.exclude_resource_types));
    } else {
        map.insert("select".into(), Json::Array(Vec::new()));
        map.insert("exclude".into(), Json::Array(Vec::new()));
    }
    if let Command::RunOperation { name, args } = &cli.command {
        map.insert("macro".into(), name.as_str().into());
        let args = read_mapping("--args", args).unwrap_or_default();
        map.insert("args".into(), Json::Object(args));
    }
    map.insert("project_dir".into(), path(flags.project_dir.as_ref()));
    map.insert("profiles_dir".into(), path(flags.profiles_dir.as_ref()));
    map.insert("target_path".into(), path(flags.target_path.as_ref()));
    map.insert("profile".into(), text(flags.profile.clone()));
    map.insert("target".into(), text(flags.target.clone()));
    map.insert("threads".into(), cli.global.threads.map_or(Json::Null, Json::from));
    map.insert("state".into(), path(flags.state.as_ref()));
    let defer = flags.defer.as_ref();
    map.insert("defer".into(), Json::from(defer.is_some()));
    map.insert("favor_state".into(), Json::from(defer.is_some_and(|d| d.favors_state)));
    map.insert("defer_state".into(), path(defer.and_then(|d| d.folder.as_ref())));
    if let Some(window) = flags.times.window {
        map.insert("event_time_start".into(), naive_text(window.start).into());
        map.insert("event_time_end".into(), naive_text(window.end).into());
    }
    if let Some(EventWindow { start, end }) = flags.times.sample {
        let sample = serde_json::json!({ "start": iso_text(start), "end": iso_text(end) });
        map.insert("sample".into(), sample);
    }
    map.insert("no_audit".into(), Json::from(flags.no_audit || skips_audit(cli)));
    map.retain(|_, value| !value.is_null());
    map
}

fn skips_audit(cli: &Cli) -> bool {
    matches!(&cli.command, Command::Build { run, .. } if run.no_audit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::MemorySystem;
    use clap::Parser;
    use serde_json::json;

    fn arguments(words: &[&str]) -> JsonMap {
        let cli =
            Cli::try_parse_from(std::iter::once("strata").chain(words.iter().copied())).unwrap();
        let cli = Cli { words: words.iter().map(|w| (*w).to_owned()).collect(), ..cli };
        let (flags, problems) = Flags::new(&cli, &MemorySystem::default());
        assert!(problems.is_empty(), "{problems:?}");
        flags.load_options(&cli, Default::default()).unwrap().settings.args
    }

    #[test]
    fn the_arguments_of_a_command_have_the_names_that_dbt_gives_them() {
        let args = arguments(&[
            "build",
            "-s",
            "a",
            "b+",
            "--exclude",
            "c",
            "-f",
            "--resource-type",
            "model",
            "--threads",
            "2",
        ]);
        for (key, value) in [
            ("which", json!("build")),
            (
                "invocation_command",
                json!("strata build -s a b+ --exclude c -f --resource-type model --threads 2"),
            ),
            ("select", json!(["a", "b+"])),
            ("exclude", json!(["c"])),
            ("resource_types", json!(["model"])),
            ("full_refresh", json!(true)),
            ("threads", json!(2)),
            ("vars", json!({})),
            ("defer", json!(false)),
            ("indirect_selection", json!("eager")),
            ("print", json!(true)),
        ] {
            assert_eq!(args.get(key), Some(&value), "{key}");
        }
        assert!(!args.contains_key("selector") && !args.contains_key("target"), "{args:?}");
        let operation = arguments(&["run-operation", "m", "--args", "{x: [1, a]}"]);
        assert_eq!(operation["macro"], "m");
        assert_eq!(operation["args"], json!({ "x": [1, "a"] }));
    }

    #[test]
    fn secret_variables_are_masked_in_the_command_line_too() {
        for words in [
            &["run", "--vars", "{DBT_ENV_SECRET_X: hush, y: 1}"][..],
            &["run", "--vars={DBT_ENV_SECRET_X: hush, y: 1}"],
        ] {
            let args = arguments(words);
            assert_eq!(args["vars"], json!({ "DBT_ENV_SECRET_X": "*****", "y": 1 }));
            let said = Json::Object(args).to_string();
            assert!(!said.contains("hush"), "{said}");
        }
    }
}
