//! What `ls` prints, beside what dbt prints: nodes, their order aside, in all forms of output.

use super::table;
use crate::project::Project;

/// Lines in one order, JSON with its keys sorted.
fn in_order<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    let sorted = |line: &str| match serde_json::from_str::<serde_json::Value>(line) {
        Ok(json) => sort_keys(json).to_string(),
        Err(_) => line.to_owned(),
    };
    let mut lines: Vec<String> = lines.map(sorted).collect();
    lines.sort_unstable();
    lines
}

fn sort_keys(mut json: serde_json::Value) -> serde_json::Value {
    json.sort_all_objects();
    json
}

#[test]
fn selections_list_what_they_list_in_dbt() {
    let table = table("listing.json");
    let files = table["files"].as_object().unwrap();
    let files: Vec<(&str, &str)> =
        files.iter().map(|(path, text)| (path.as_str(), text.as_str().unwrap())).collect();
    let p = Project::new(&files);
    let mut different = Vec::new();
    for case in table["cases"].as_array().unwrap() {
        let words: Vec<&str> =
            case["args"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
        let ran = p.run(&[&["-q", "ls"], words.as_slice()].concat());
        let lines = in_order(ran.out.lines());
        let of_dbt = case["lines"].as_array().unwrap().iter().map(|line| line.as_str().unwrap());
        let of_dbt = in_order(of_dbt);
        if case["succeeds"] != (ran.code == 0) || lines != of_dbt {
            different.push(format!("{words:?}: {} {lines:#?}\n  dbt: {of_dbt:#?}", ran.code));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}
