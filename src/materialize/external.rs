//! Stores a node as a file outside the database, with a view over it.
//!
//! A file of this machine is written beside the published one, read by the candidate view, and
//! renamed once its tests have passed. Where that cannot be done (an address such as `s3://`, or
//! options that add to what is there) the file is written in its place.

use super::candidate::{candidate_of, finish_inside, finish_outside};
use super::delta::{drop_scratch, keep_rows, scratch_of};
use super::{
    AuditSubject, HookTime, MaterializationJob, MaterializationOutcome, PublicMacroArg,
    PublicMacroCall, StepResult, Steps,
};
use crate::engine::{ExistingRelation, Relation, RelationKind, rejected_name};
use crate::outcome::NodeError;
use serde::Deserialize;

/// Where a node's file goes and how it is written, as the macros say.
#[derive(Clone, Debug, Deserialize)]
struct FilePlace {
    location: String,
    /// The pattern by which the file, or all files of a folder, are read.
    read_location: String,
    write_options: String,
    format: String,
    /// Whether it is a folder of files.
    is_folder: bool,
    /// Whether the options add to what is there.
    adds: bool,
}

impl FilePlace {
    /// Whether the file can be written beside the published one and renamed.
    fn can_move(&self) -> bool {
        !self.location.contains("://") && !self.adds
    }

    /// The place beside this one with a suffix behind the file's name.
    fn beside(&self, suffix: &str) -> FilePlace {
        let (folder, name) = match self.location.trim_end_matches('/').rsplit_once('/') {
            Some((folder, name)) => (format!("{folder}/"), name),
            None => (String::new(), self.location.as_str()),
        };
        let (stem, extension) = match name.split_once('.') {
            Some((stem, extension)) if !self.is_folder => (stem, format!(".{extension}")),
            _ => (name, String::new()),
        };
        self.at(format!("{folder}{stem}__{suffix}{extension}"))
    }

    /// The same file at another location.
    fn at(&self, location: String) -> FilePlace {
        let read_location = match self.read_location.strip_prefix(&self.location) {
            Some(rest) => format!("{location}{rest}"),
            None => location.clone(),
        };
        FilePlace { location, read_location, ..self.clone() }
    }
}

/// A view over a file, as the macro that makes it is asked for.
struct FileView<'a> {
    relation: &'a Relation,
    place: &'a FilePlace,
    /// The rows, if there are none: the file has a row of nulls then, which the view leaves out.
    empty: Option<&'a Relation>,
}

impl FileView<'_> {
    fn create(&self, steps: &mut dyn Steps) -> StepResult {
        let rows =
            self.empty.map_or(PublicMacroArg::None, |rows| PublicMacroArg::Relation(rows.clone()));
        let args = vec![
            PublicMacroArg::Relation(self.relation.clone()),
            PublicMacroArg::Text(self.place.read_location.clone()),
            PublicMacroArg::Text(self.place.format.clone()),
            rows,
        ];
        steps.call_macro(&PublicMacroCall::new("strata_external_view_sql", args))
    }
}

pub(super) fn store_external(
    job: &MaterializationJob,
    steps: &mut dyn Steps,
) -> Result<MaterializationOutcome, NodeError> {
    let target = job.target.clone().with_kind(RelationKind::View);
    let (candidate, scratch) = (candidate_of(job, RelationKind::View), scratch_of(job));
    steps.run_hooks(HookTime::BeforeOutside)?;
    steps.run_hooks(HookTime::BeforeInside)?;
    let place = find_place(job, &target, steps)?;
    let written = if place.can_move() { place.beside("dbt_tmp") } else { place.clone() };
    job.drop_leftover(&candidate, steps)?;
    drop_scratch(job, &scratch, steps)?;
    keep_rows(job, &scratch, steps)?;
    let is_empty = fill_empty(&scratch, steps)?;
    let empty = is_empty.then_some(&scratch);
    let view = FileView { relation: &candidate, place: &written, empty };
    let made = write_file(&scratch, &written, place.can_move(), steps);
    if let Err(e) = made.and_then(|()| view.create(steps)) {
        if place.can_move() {
            // The next build removes what is left, if this fails.
            let _ = steps.remove_file(&written.location);
        }
        return Err(e);
    }
    if !steps.audit(&AuditSubject::Candidate(candidate.clone()))? {
        steps.drop_relation(&view_of(&candidate))?;
        let kept = keep_rejected(job, &place, &written, empty, steps)?;
        drop_scratch(job, &scratch, steps)?;
        return Ok(MaterializationOutcome::Rejected(kept));
    }
    if place.can_move() {
        steps.move_file(&written.location, &place.location)?;
    }
    if job.has_transactions() {
        steps.begin()?;
    }
    steps.drop_relation(&view_of(&candidate))?;
    if let Some(old) = &job.existing {
        steps.drop_relation(old)?;
    }
    FileView { relation: &target, place: &place, empty }.create(steps)?;
    job.drop_leftover(&rejected_name(&job.target, job.engine.dialect), steps)?;
    drop_scratch(job, &scratch, steps)?;
    finish_inside(job, RelationKind::View, steps)?;
    steps.finish()?;
    if place.can_move() {
        steps.remove_file(&place.beside("rejected").location)?;
    }
    finish_outside(job, steps)?;
    Ok(MaterializationOutcome::Published)
}

fn view_of(relation: &Relation) -> ExistingRelation {
    ExistingRelation::new(relation.clone(), RelationKind::View, Vec::new())
}

fn find_place(
    job: &MaterializationJob,
    target: &Relation,
    steps: &mut dyn Steps,
) -> Result<FilePlace, NodeError> {
    let args = vec![PublicMacroArg::Relation(target.clone())];
    let text = steps.ask_macro(&PublicMacroCall::new("strata_external_place", args))?;
    let place: FilePlace = serde_json::from_str(text.trim())
        .map_err(|e| job.mistake(format!("the place of the file cannot be found out: {e}")))?;
    if place.location.contains("://") {
        return Ok(place);
    }
    let location = steps.locate_file(&place.location);
    Ok(place.at(location))
}

/// Adds a row of nulls if there are no rows, since a file has no types without any. Returns whether
/// it did.
fn fill_empty(scratch: &Relation, steps: &mut dyn Steps) -> Result<bool, NodeError> {
    let call = |name| PublicMacroCall::new(name, vec![PublicMacroArg::Relation(scratch.clone())]);
    if steps.ask_macro(&call("strata_external_is_empty"))?.trim().is_empty() {
        return Ok(false);
    }
    steps.call_macro(&call("strata_external_fill_sql"))?;
    Ok(true)
}

/// Writes the rows. A new file beside the published one replaces what a killed run has left.
fn write_file(
    scratch: &Relation,
    place: &FilePlace,
    is_beside: bool,
    steps: &mut dyn Steps,
) -> StepResult {
    if is_beside {
        steps.remove_file(&place.location)?;
    }
    let args = vec![
        PublicMacroArg::Relation(scratch.clone()),
        PublicMacroArg::Text(place.location.clone()),
        PublicMacroArg::Text(place.write_options.clone()),
    ];
    steps.call_macro(&PublicMacroCall::new("write_to_file", args))
}

/// Keeps a file that failed its tests, with a view over it. `None`: it was written in its place.
fn keep_rejected(
    job: &MaterializationJob,
    place: &FilePlace,
    written: &FilePlace,
    empty: Option<&Relation>,
    steps: &mut dyn Steps,
) -> Result<Option<Relation>, NodeError> {
    if !place.can_move() {
        steps.warn(format!(
            "{} is written in its place, and so has the rows that failed their tests",
            place.location
        ));
        return Ok(None);
    }
    let kept = place.beside("rejected");
    let rejected = rejected_name(&job.target, job.engine.dialect).with_kind(RelationKind::View);
    job.drop_leftover(&rejected, steps)?;
    steps.move_file(&written.location, &kept.location)?;
    FileView { relation: &rejected, place: &kept, empty }.create(steps)?;
    Ok(Some(rejected))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_beside_keeps_folder_and_extension() {
        let beside = |location: &str, read: &str, is_folder: bool| {
            let place = FilePlace {
                location: location.to_owned(),
                read_location: read.to_owned(),
                write_options: String::new(),
                format: "csv".to_owned(),
                is_folder,
                adds: false,
            };
            let found = place.beside("dbt_tmp");
            (found.location, found.read_location, place.can_move())
        };
        let of = |a: &str, b: &str, can_move: bool| (a.to_owned(), b.to_owned(), can_move);
        assert_eq!(
            beside("out/a.csv.gz", "out/a.csv.gz", false),
            of("out/a__dbt_tmp.csv.gz", "out/a__dbt_tmp.csv.gz", true)
        );
        assert_eq!(beside("a", "a", false), of("a__dbt_tmp", "a__dbt_tmp", true));
        assert_eq!(
            beside("/x.y/a.b", "/x.y/a.b/*/*.csv", true),
            of("/x.y/a.b__dbt_tmp", "/x.y/a.b__dbt_tmp/*/*.csv", true)
        );
        assert!(!beside("s3://b/a.csv", "s3://b/a.csv", false).2);
    }
}
