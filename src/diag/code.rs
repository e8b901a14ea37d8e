//! The stable codes of diagnostics, with their pages for `strata explain CODE`.

// engine-name: the pages of `explain` tell what users of an engine see.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! codes {
    ($($name:ident $code:literal $title:literal $page:literal;)*) => {
        /// The stable code of a kind of diagnostic: `E0` configuration and YAML, `E1` Jinja, `E2`
        /// graph, `E3` SQL, `E4` database, `W` warnings.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub(crate) enum Code { $($name),* }

        impl Code {
    /// How dbt classes such an error of a node, at the start of its message in `run_results.json`.
    pub(crate) fn dbt_class(self) -> Option<&'static str> {
        match self {
            // The database is not at fault, and dbt has no such error.
            Code::NotBuilt => None,
            Code::Materialization | Code::SeedData => Some("Compilation Error"),
            _ if self.as_str().starts_with("E3") || self.as_str().starts_with("E4") => {
                Some("Database Error")
            }
            _ if self.as_str().starts_with("E9") => Some("Runtime Error"),
            _ => Some("Compilation Error"),
        }
    }

            pub(crate) const ALL: &[Code] = &[$(Code::$name),*];

            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Code::$name => $code),* }
            }

            pub(crate) fn title(self) -> &'static str {
                match self { $(Code::$name => $title),* }
            }

            fn page(self) -> &'static str {
                match self { $(Code::$name => $page),* }
            }
        }
    };
}

codes! {
    ProjectFile "E0001" "the project file is missing or wrong"
        "A project is a folder with a `project.yml` (or `dbt_project.yml`) that has at least `name:`. Strata looks in the \
         folder given by `--project-dir`, else in the working directory and the folders above it.";
    Yaml "E0002" "a YAML file cannot be read"
        "The file is not valid YAML. The place is where the parser gave up; the mistake is there or just before: a missing \
         colon, a tab used for indentation, a bracket or quote that is never closed, or text with `: ` or `{{` that needs \
         quotes around it.";
    YamlShape "E0003" "a YAML value has the wrong shape"
        "A list was found where a mapping is expected, or text where a number is, and so on. The message says what \
         is expected.";
    Profile "E0004" "the profile or target cannot be used"
        "The `profile:` of the project names an entry of `profiles.yml`, and its `target:` (or `--target`) one of that \
         entry's `outputs:`. Strata looks for `profiles.yml` in `--profiles-dir`, `STRATA_PROFILES_DIR` or \
         `DBT_PROFILES_DIR`, the working directory, the project folder and `~/.dbt`. Without any it builds into a DuckDB file in the \
         project folder.";
    MissingEnvVar "E0005" "an environment variable is not set"
        "`env_var('NAME')` without a default needs the variable to be set. Set it, in the shell or in an `.env` file that \
         `--env-file` reads, or give a default: `env_var('NAME', 'value')`.";
    SecretEnvVar "E0006" "a secret variable is read where its value could be shown"
        "Variables whose names begin with `DBT_ENV_SECRET` can be read in `profiles.yml` and `packages.yml` only.";
    Usage "E0007" "a flag or argument is wrong"
        "The command line, an environment variable or the `flags:` block of the project file has a value that Strata \
         does not understand.";
    Package "E0008" "a package is missing or cannot be read"
        "`packages.yml` or `dependencies.yml` names packages, from a hub, git repositories, tarballs or folders; `strata deps` \
         installs them, and those that they need, into `packages-install-path` (default `dbt_packages`).";
    Version "E0009" "the project requires another version"
        "`require-dbt-version` is compared with the dbt version whose behaviour Strata follows.";
    JinjaSyntax "E1001" "Jinja that cannot be parsed"
        "A tag is not closed, a block has no end, or an expression is not complete. The place is where the parser gave up.";
    JinjaRender "E1002" "Jinja that fails while it is rendered"
        "An expression failed: an undefined value was used, a function was called with wrong arguments, or a macro raised \
         an error. The place is the innermost expression of the project's own files.";
    UnknownMacro "E1003" "a macro that does not exist"
        "The name is neither a macro of the project, of an installed package, nor built in. Macros of packages are called \
         as `package.macro(...)`.";
    MacroSyntax "E1004" "a macro file cannot be parsed"
        "Every macro file of the project and its packages is parsed before any model, since a model may call any of them.";
    RaisedByProject "E1005" "an error that the project raised itself"
        "The project or a package called `exceptions.raise_compiler_error(...)` or a like function.";
    UnknownRef "E2001" "`ref` of a model that does not exist"
        "`ref('name')` finds models, seeds and snapshots by name, first in the package that asks, then in any other.";
    DisabledRef "E2002" "`ref` or `source` of something that is disabled"
        "The node exists but has `enabled: false`. Enable it, or stop using it.";
    Cycle "E2003" "models that depend on each other in a circle"
        "The message shows the circle. Break it: move what both need into a third model, or read from a source.";
    UnknownSource "E2004" "`source` of a table that is not declared"
        "`source('name', 'table')` needs an entry under `sources:` in a properties file.";
    DuplicateName "E2005" "two nodes with one name"
        "Two enabled models, seeds or snapshots of one package have the same name, or a name is described twice.";
    DuplicateRelation "E2006" "two nodes that build one relation"
        "Two nodes have the same database, schema and alias, so that one would overwrite the other.";
    UnknownNode "E2007" "a properties entry for something that does not exist"
        "A YAML file describes a model, seed, snapshot or macro that was not found.";
    Access "E2008" "`ref` of a model that may not be read from here"
        "A model with `access: private` can be read from its own group only; `protected` from its own package.";
    UnknownTest "E2009" "a test that does not exist"
        "`data_tests:` names a test that is neither built in nor a `{% test %}` of the project or a package.";
    TestArguments "E2010" "a test with wrong arguments"
        "A generic test is a name, or a mapping with the name as key and its arguments below.";
    Selector "E2011" "a selector that cannot be understood"
        "A criterion is `[@][N+][method:]value[+N]`; a space means or, a comma means and.";
    ModelVersion "E2012" "a model version that is wrong"
        "`versions:` lists the versions of a model; `ref('m', v=2)` names one of them.";
    Export "E2013" "an export that is declared wrongly"
        "An entry of `exports:` has a `name`, a `type` (google_sheets, csv, parquet, json), a `model` (`ref('name')`) and the \
         fields of its type. docs/exports.md lists them.";
    Airflow "E2014" "the `airflow:` block of the project file is wrong"
        "`airflow:` in the project file holds the options of `strata export airflow`. docs/airflow.md lists them.";
    NodeName "E2015" "a name that cannot be used"
        "Names of models, seeds, snapshots and tests have no blanks: selectors and relations could not name them. \
         `flags: {require_resource_names_without_spaces: false}` makes it a warning, as in dbt.";
    Semantic "E2016" "a semantic model, a metric or a saved query that is wrong"
        "Semantic models, metrics, saved queries and time spines are checked together, as dbt does: names, time dimensions, \
         entities, the inputs of metrics, filters. The message says what does not fit.";
    Batches "E2017" "a config of a model that is built in batches is wrong"
        "A model with `incremental_strategy: microbatch` needs `event_time` (a column), `begin` (a time in ISO format) and \
         `batch_size` (hour, day, month or year). `lookback` is a whole number, `concurrent_batches` true or false, and the \
         `event_time` of what it reads the name of a column.";
    BrokenContract "E2018" "a change that breaks the contract of a version"
        "By its contract in the state of `--state`, this version of a model had columns, types or constraints that it has no \
         longer, or it is gone. Those who read the version rely on them: add to the contract only, or make a new version. \
         Contracts are compared when a selector asks for `state:modified`, as in dbt.";
    SqlError "E3001" "SQL that the database does not accept"
        "The database rejected the compiled SQL. The place is the template text, or the expression, that made the part it \
         complains about.";
    Connection "E4001" "the database cannot be reached"
        "The connection of the target failed. `strata debug` checks it step by step.";
    Locked "E4002" "what is needed is held by another process"
        "One process at a time can write a DuckDB file, and one build at a time a relation on Postgres. A reader that stays in a \
         transaction keeps a relation from being replaced. The message says who it is. End that one, or wait longer: with \
         `--lock-timeout SECONDS` for a lock, with `--wait-timeout SECONDS` for another build.";
    Runtime "E4003" "a statement failed while it ran"
        "The database accepted the statement but could not finish it: a cast of bad data, a constraint, a full disk.";
    SeedData "E4004" "a seed file that cannot be loaded"
        "The CSV file has a row with the wrong number of fields, or a value that does not fit its column.";
    NotBuilt "E4005" "built, not published"
        "The new version of the relation was built beside the published one and a test that guards it failed. The \
         published relation is as it was; the new one is kept as `<name>__rejected` for inspection.";
    PythonNeeded "E4006" "something that needs Python"
        "Python models, dbt-duckdb plugins and filesystems need a Python process, which Strata does not have.";
    Unsupported "E4007" "something that is not there yet"
        "The project uses a feature that this version does not have.";
    Freshness "E4008" "the age of a source cannot be measured"
        "`strata source freshness` takes the newest value of `loaded_at_field`, or the one value that `loaded_at_query` \
         gives, and compares it with the time of the database. It must be a timestamp; cast what is a date or text.";
    ExportFailed "E4009" "an export failed"
        "The relation is published as before; what it was to be written to still has its old content. The message says what \
         was answered and what to do next.";
    Materialization "E4010" "a relation that its configs do not allow to be made"
        "The query is good, but what the model asks for does not fit it or what is there: a contract with other columns, a \
         `unique_key` without a column, changed columns with `on_schema_change: fail`. The message says what does not fit.";
    Internal "E9001" "a mistake of Strata itself"
        "Please report it with the command and, if you can, the file.";
    UnknownKey "W0001" "a key that nothing reads"
        "The key is not known at this place: perhaps a spelling mistake, or a key of another block.";
    DuplicateKey "W0002" "a key that is written twice"
        "In one YAML mapping the last of two equal keys wins.";
    UnusedConfig "W0003" "a configuration path that matches nothing"
        "An entry under `models:`, `seeds:` and so on in the project file applies to no node. Folders are given below the \
         project's name, and mappings such as `meta` need a `+` before the key.";
    Deprecated "W0004" "something that is out of date"
        "It still works; the message says what replaces it.";
    Ignored "W0005" "a flag or setting that has no effect"
        "It is accepted because dbt accepts it, but does nothing here.";
    EmptySelection "W0006" "a selection that matches nothing"
        "No node matches the selector. `strata ls` shows what is there.";
    NoteTest "W0007" "a test that could not be placed"
        "The test reads something that is disabled or missing and was left out.";
    EmptyModel "W0008" "a model without a query"
        "The file has no text, so nothing is built of it. dbt passes it over in silence.";
    UnknownEngine "W0009" "a target whose engine is not built in"
        "The project is read, listed and compiled as standard SQL, with the macros of any adapter. What needs a connection ends \
         with an error.";
    UnpinnedPackage "W0010" "a package from git without a fixed revision"
        "`packages.yml` names a repository without `revision:`, or with the branch `main` or `master`: what is installed may be \
         another thing each time the lock file is written. Name a tag or a commit, or write `warn-unpinned: false`.";
    ScrubbedAddress "W0011" "an address that is locked without its credentials"
        "`packages.yml` has credentials in plain, in an address. They are not written into `package-lock.yml`; `strata deps` takes \
         them from `packages.yml` again, dbt cannot. Put them into a variable: `{{ env_var('DBT_ENV_SECRET_GIT_TOKEN') }}`.";
    SemanticDoubt "W0012" "something doubtful in the semantic layer"
        "It works, but the numbers may not be what is meant: an input of a derived metric that its `expr` does not use, a \
         granularity that no time spine has. dbt warns of the same (`SemanticValidationFailure`).";
    DeprecatedModel "W0013" "a model that is out of date"
        "The `deprecation_date` of the model is past. Disable it, remove it, or change the date.";
    DeprecatedReference "W0014" "a model that reads one that is out of date"
        "The `deprecation_date` of the model that is read is past. Read another version or another model.";
    UpcomingDeprecation "W0015" "a model that reads one that will be out of date"
        "The model that is read has a `deprecation_date`. Read another version or another model before that day.";
    IdleBatches "W0016" "batches that do less than they could"
        "A model is built in batches, and nothing that it reads has an `event_time`, so that each batch reads all rows \
         (dbt's `MicrobatchModelNoEventTimeInputs`); or `concurrent_batches` is asked of an engine that writes one batch at a \
         time (`InvalidConcurrentBatchesConfig`).";
    ChangedContract "W0017" "a change that breaks a contract"
        "By its contract in the state of `--state`, a model without versions had columns, types or constraints that it has no \
         longer, or the model is gone: what reads it may fail. Add to the contract only, or give the model versions (dbt's \
         `UnversionedBreakingChange`). Contracts are compared when a selector asks for `state:modified`.";
    StateIsTarget "W0018" "a state that is overwritten"
        "`--state` names the target path, where this command writes its own artifacts: the next comparison is with those. Keep \
         the artifacts to compare with in another folder (dbt's `WarnStateTargetEqual`).";
    UserWarning "W1001" "a warning that the project raised itself"
        "The project or a package called `exceptions.warn(...)`.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The page of a code, in upper or lower case. `None` if there is no such code.
pub(crate) fn explain_code(code: &str) -> Option<String> {
    let code = Code::ALL.iter().find(|c| c.as_str().eq_ignore_ascii_case(code))?;
    Some(format!("{}: {}\n\n{}\n", code, code.title(), code.page()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "reads the reference")]
    fn the_reference_lists_all_codes() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference.md");
        let text = std::fs::read_to_string(path).unwrap();
        for code in Code::ALL {
            let line = format!("| {code} | {} |", code.title());
            assert!(text.contains(&line), "docs/reference.md lacks {line}");
        }
    }

    #[test]
    fn codes_are_unique_and_have_pages() {
        let mut seen = std::collections::HashSet::new();
        for code in Code::ALL {
            assert!(seen.insert(code.as_str()), "{code} twice");
            assert!(
                explain_code(code.as_str()).is_some_and(|p| p.len() > 60),
                "{code} has no page"
            );
        }
        assert_eq!(explain_code("nope"), None);
        assert!(explain_code("e2003").is_some());
    }
}
