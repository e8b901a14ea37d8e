//! `init`: creates a project that can be built as it is.

// engine-name: a new project gets a profile that works at once.

use super::OpsError;
use crate::load::find_project_file;
use crate::system::{System, normalize_path};
use camino::Utf8PathBuf;

/// A file of the sample project, embedded in the binary.
struct SampleFile {
    path: &'static str,
    text: &'static str,
}

const SAMPLE: &[SampleFile] = include!(concat!(env!("OUT_DIR"), "/sample_files.rs"));

#[derive(Clone, Debug, Default)]
pub(crate) struct InitOptions {
    pub(crate) name: Option<String>,
    pub(crate) sample: bool,
}

pub(crate) struct InitReport {
    pub(crate) name: String,
    /// The number of files that were created.
    pub(crate) files: usize,
}

pub(crate) fn init_project(
    system: &dyn System,
    options: &InitOptions,
) -> Result<InitReport, OpsError> {
    let here = system.current_dir();
    let name = options.name.clone().unwrap_or_else(|| {
        if options.sample { "strata_sample".to_owned() } else { "my_project".to_owned() }
    });
    let legal = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !legal {
        return Err(OpsError::usage(format!(
            "`{name}` is no project name: letters, digits and underscores only"
        )));
    }
    let folder = normalize_path(&here.join(&name));
    if find_project_file(system, &folder).is_some() || !system.list(&folder).is_empty() {
        return Err(OpsError::usage_with_hint(
            format!("{folder} is there already, and not empty"),
            "give another name: strata init NAME",
        ));
    }
    let files: Vec<(Utf8PathBuf, String)> = if options.sample {
        SAMPLE.iter().map(|f| (Utf8PathBuf::from(f.path), f.text.to_owned())).collect()
    } else {
        starter(&name)
    };
    for (path, text) in &files {
        system.write_atomic(&folder.join(path), text.as_bytes())?;
    }
    if options.sample {
        system.write_atomic(&folder.join(".gitignore"), b"/build\n/sample.*\n")?;
    }
    Ok(InitReport { name, files: files.len() })
}

fn starter(name: &str) -> Vec<(Utf8PathBuf, String)> {
    let file = |path: &str, text: &str| (Utf8PathBuf::from(path), text.replace("{name}", name));
    vec![
        file(
            "project.yml",
            "name: {name}\nprofile: {name}\n\nmodels:\n  {name}:\n    staging:\n      +materialized: view\n    marts:\n      +materialized: table\n",
        ),
        file(
            "profiles.yml",
            "{name}:\n  target: dev\n  outputs:\n    dev:\n      type: duckdb\n      path: {name}.duckdb\n      threads: 4\n",
        ),
        file(
            "packages.yml",
            "# The packages that this project uses, such as\n#\n#   - package: dbt-labs/dbt_utils\n#     version: [\">=1.3.0\", \"<2.0.0\"]\n#\n# `strata deps` installs them; `strata deps --add-package dbt-labs/dbt_utils@1.3.0` adds one.\npackages: []\n",
        ),
        file(".gitignore", "/target\n/dbt_packages\n/logs\n/{name}.duckdb\n/{name}.duckdb.wal\n"),
        file(
            "seeds/raw_orders.csv",
            "order_id,customer,ordered_on,amount\n1,Ada,2024-01-03,12.50\n2,Grace,2024-01-04,8.00\n3,Ada,2024-02-01,20.00\n",
        ),
        file(
            "models/staging/stg_orders.sql",
            "select\n    order_id,\n    customer as customer_name,\n    ordered_on,\n    amount\nfrom {{ ref('raw_orders') }}\n",
        ),
        file(
            "models/staging/staging.yml",
            "version: 2\n\nmodels:\n  - name: stg_orders\n    description: One row per order.\n    columns:\n      - name: order_id\n        data_tests: [unique, not_null]\n",
        ),
        file(
            "models/marts/customers.sql",
            "select\n    customer_name,\n    count(*) as orders,\n    sum(amount) as revenue,\n    min(ordered_on) as first_order_on\nfrom {{ ref('stg_orders') }}\ngroup by customer_name\n",
        ),
        file(
            "models/marts/marts.yml",
            "version: 2\n\nmodels:\n  - name: customers\n    description: One row per customer, with what they ordered.\n    columns:\n      - name: customer_name\n        data_tests: [unique, not_null]\n",
        ),
    ]
}
