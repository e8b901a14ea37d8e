//! Compares the real binary with tables of what dbt 1.11 does with seeds and with small projects
//! (`tests/dbt/*.json`). Known differences are listed beside each table with their reasons. A
//! listed difference that no longer exists is a failure, too.

mod external;
mod listing;
mod projects;
mod seeds;

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;

fn table(name: &str) -> Value {
    let path = format!("{}/tests/dbt/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}")))
        .unwrap()
}

/// Fails unless exactly the known differences were found among the rows that were compared.
fn compare(different: BTreeMap<String, String>, known: &Value, looked_at: &dyn Fn(&str) -> bool) {
    let reasons = known.as_object().unwrap();
    let new: Vec<(&String, &String)> =
        different.iter().filter(|(name, _)| !reasons.contains_key(*name)).collect();
    let mended: Vec<&String> =
        reasons.keys().filter(|name| looked_at(name) && !different.contains_key(*name)).collect();
    if let Some(path) = std::env::var_os("STRATA_TABLE_REPORT") {
        fs::write(path, serde_json::to_string_pretty(&different).unwrap()).unwrap();
    }
    assert!(new.is_empty(), "{} rows differ from dbt: {new:#?}", new.len());
    assert!(mended.is_empty(), "no longer different, to be taken out of the list: {mended:#?}");
}
