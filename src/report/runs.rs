//! Prints the conclusion of a run, after its events.

use super::console::Console;
use crate::ops::{NextCommand, RelationPlace, RunReport};

/// Prints where the relations are, and a next command to try.
pub(crate) fn print_run(console: &Console, report: &RunReport) {
    if console.is_json() {
        return;
    }
    if let Some(RelationPlace { database, schema }) = &report.place {
        console.say(&format!("the result is in {database}, schema {schema}"));
    }
    if let Some(next) = &report.next {
        console.say(&next_text(next));
    }
}

fn next_text(next: &NextCommand) -> String {
    // The suggested command must use the same target.
    let flag = |target: &Option<String>| {
        target.as_deref().map(|t| format!(" --target {t}")).unwrap_or_default()
    };
    match next {
        NextCommand::BuildAgain { names, changed, target } => {
            let changed = if *changed { " --changed" } else { "" };
            let them = if names.len() == 1 { "it" } else { "them" };
            let select: Vec<String> = names.iter().map(|name| format!("{name}+")).collect();
            let (select, there) = (select.join(" "), flag(target));
            format!("after mending {them}: strata build{changed} --select {select}{there}")
        }
        NextCommand::Show { name, target } => {
            format!("look at it: strata show {name}{}", flag(target))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_step_is_for_the_same_target() {
        let target = Some("prod".to_owned());
        let names = vec!["a".to_owned(), "b".to_owned()];
        let again = NextCommand::BuildAgain { names, changed: true, target: target.clone() };
        assert_eq!(
            next_text(&again),
            "after mending them: strata build --changed --select a+ b+ --target prod"
        );
        let one =
            NextCommand::BuildAgain { names: vec!["a".to_owned()], changed: false, target: None };
        assert_eq!(next_text(&one), "after mending it: strata build --select a+");
        let show = NextCommand::Show { name: "a".to_owned(), target };
        assert_eq!(next_text(&show), "look at it: strata show a --target prod");
    }
}
