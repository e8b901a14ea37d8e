//! `parse`, `docs`, `deps`, `debug`, `clean`, `init`: commands that maintain a project.

use super::super::args::{CleanCommand, SelectionArgs};
use super::super::exit::Exit;
use super::super::{CommandResult, Invocation};
use crate::ops::{self, DepsOptions, DocsOptions, InitOptions, OpsError, OrphanChoice, OrphanFate};
use crate::packages::{NewPackage, NewPackageError, NewPackageSource};
use crate::report::{
    print_check, print_cleaned, print_deps, print_docs, print_new_project, print_orphans,
    print_parsed, version_line,
};
use std::cell::RefCell;

pub(super) fn parse_files(invocation: Invocation<'_>) -> CommandResult {
    let Invocation { console, workspace, .. } = invocation;
    let report = ops::parse_project(workspace, &mut |n| console.notice(n))?;
    print_parsed(console, &report);
    Ok(Exit::success())
}

pub(super) fn write_docs(
    invocation: Invocation<'_>,
    selection: &SelectionArgs,
    compile: bool,
    empty: bool,
) -> CommandResult {
    let Invocation { flags, console, workspace } = invocation;
    let options = DocsOptions { selection: flags.selection(selection), compile, empty };
    let report = ops::generate_docs(workspace, &options, &mut |n| console.notice(n))?;
    print_docs(console, &report);
    Ok(Exit::of_check(!report.problems.is_empty()))
}

pub(super) fn install_packages(
    invocation: Invocation<'_>,
    added: Option<(&str, NewPackageSource)>,
    upgrade: bool,
    lock_only: bool,
) -> CommandResult {
    let Invocation { console, workspace, .. } = invocation;
    let add = added.map(|(text, source)| NewPackage::parse(text, source)).transpose();
    let add = add.map_err(|e| {
        let hint = match e {
            NewPackageError::NoVersion(_) => "write it behind an @: --add-package NAME@VERSION",
            NewPackageError::LocalVersion(_) => "leave the @ and the version out",
        };
        OpsError::usage_with_hint(e.to_string(), hint)
    })?;
    let options = DepsOptions { add, upgrade, lock_only };
    let report = ops::install_packages(workspace, &options, &mut |n| console.notice(n))?;
    print_deps(console, &report);
    Ok(Exit::success())
}

pub(super) fn check_setup(invocation: Invocation<'_>) -> CommandResult {
    let Invocation { console, workspace, .. } = invocation;
    console.out(&version_line());
    // The two closures share the console: checks and diagnostics alternate.
    let shared = RefCell::new(&mut *console);
    let is_well =
        ops::debug_setup(workspace, &mut |n| shared.borrow_mut().notice(n), &mut |check| {
            print_check(*shared.borrow(), check)
        })?;
    if is_well {
        console.out("all checks passed");
    }
    Ok(Exit::of_check(!is_well))
}

/// `clean`: what was generated or, with its subcommand, relations that no node accounts for.
pub(super) fn clean(
    invocation: Invocation<'_>,
    command: Option<&CleanCommand>,
    outside: bool,
) -> CommandResult {
    match command {
        Some(CleanCommand::Relations { names, all, dry_run }) => {
            clean_relations(invocation, names, *all, *dry_run)
        }
        None => remove_generated(invocation, outside),
    }
}

fn remove_generated(invocation: Invocation<'_>, outside: bool) -> CommandResult {
    let Invocation { console, workspace, .. } = invocation;
    let removed = ops::clean_project(workspace, outside, &mut |n| console.notice(n))?;
    print_cleaned(console, &removed);
    Ok(Exit::success())
}

fn clean_relations(
    invocation: Invocation<'_>,
    names: &[String],
    all: bool,
    is_dry: bool,
) -> CommandResult {
    let choice = match (all, names) {
        (true, _) => OrphanChoice::All,
        (false, []) => OrphanChoice::Listed,
        (false, names) => OrphanChoice::Named(names.to_vec()),
    };
    let Invocation { console, workspace, .. } = invocation;
    let orphans = ops::clean_relations(workspace, &choice, is_dry, &mut |n| console.notice(n))?;
    print_orphans(console, &orphans);
    let has_refused = orphans.iter().any(|o| matches!(o.fate, OrphanFate::Refused(_)));
    Ok(Exit::of_check(has_refused))
}

pub(super) fn make_project(
    invocation: Invocation<'_>,
    name: Option<String>,
    sample: bool,
) -> CommandResult {
    let Invocation { console, workspace, .. } = invocation;
    let system = workspace.settings().system.as_ref();
    let report = ops::init_project(system, &InitOptions { name, sample })?;
    print_new_project(console, &report);
    Ok(Exit::success())
}
