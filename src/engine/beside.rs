//! The names of relations that a build creates beside the published ones.

use super::{Dialect, EngineSpec, Relation, ScratchTables};
use crate::hash::md5_hex;

/// What the name of a candidate ends in, and the names of its constraints where those of the published table are in the way.
pub(crate) const CANDIDATE_SUFFIX: &str = "__dbt_tmp";
const REJECTED_SUFFIX: &str = "__rejected";
const BACKUP_SUFFIX: &str = "__dbt_backup";

/// The name under which the next version of a relation is built. It is dbt's, so that what a database's users have set up for
/// such names (filters of monitoring, replication, backups) holds, and what an interrupted dbt left there is replaced.
pub(crate) fn candidate_name(relation: &Relation, dialect: Dialect) -> Relation {
    beside(relation, CANDIDATE_SUFFIX, dialect)
}

/// The name under which a version that failed its tests is kept for inspection.
pub(crate) fn rejected_name(relation: &Relation, dialect: Dialect) -> Relation {
    beside(relation, REJECTED_SUFFIX, dialect)
}

/// The name under which dbt keeps the old version while it puts the new one in its place. Nothing is built under it here; what an
/// interrupted dbt left is dropped.
pub(crate) fn backup_name(relation: &Relation, dialect: Dialect) -> Relation {
    beside(relation, BACKUP_SUFFIX, dialect)
}

/// The name of a relation, and the names that its build may use beside it.
pub(crate) fn helper_names(relation: &Relation, dialect: Dialect) -> [Relation; 4] {
    [
        relation.clone(),
        candidate_name(relation, dialect),
        rejected_name(relation, dialect),
        backup_name(relation, dialect),
    ]
}

/// The name of a table for rows that only the current build may see: a temporary table of the
/// session, or a table beside the relation.
pub(crate) fn scratch_name(relation: &Relation, engine: &EngineSpec) -> Relation {
    match engine.capabilities.scratch {
        ScratchTables::Temporary => {
            let mut out = relation.renamed("strata_delta");
            out.path[0] = None;
            out.path[1] = None;
            out
        }
        ScratchTables::Named => beside(relation, "__delta", engine.dialect),
    }
}

/// The name with a suffix. A name that would exceed the identifier limit is truncated and gets a
/// hash, so that long names remain distinct.
fn beside(relation: &Relation, suffix: &str, dialect: Dialect) -> Relation {
    let name = relation.identifier();
    let fits = dialect.max_identifier.is_none_or(|max| name.len() + suffix.len() <= max);
    let full = if fits {
        format!("{name}{suffix}")
    } else {
        let max = dialect.max_identifier.unwrap_or(usize::MAX);
        let mut keep = max - suffix.len() - 9;
        while !name.is_char_boundary(keep) {
            keep -= 1;
        }
        format!("{}_{}{suffix}", &name[..keep], &md5_hex(name)[..8])
    };
    let mut out = relation.renamed(&full);
    out.kind = relation.kind;
    out
}

/// Whether a name is one that a build uses beside a relation. Users may have such names too, so
/// callers that drop relations ask this only about relations that a swap cannot recreate.
pub(crate) fn is_helper_name(name: &str) -> bool {
    [CANDIDATE_SUFFIX, REJECTED_SUFFIX, BACKUP_SUFFIX].iter().any(|suffix| name.ends_with(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::testing::{POINTER, TRANSACTIONAL};
    use crate::engine::{RelationKind, duckdb, postgres};

    #[test]
    fn names_beside_a_relation() {
        let t = Relation::new(Some("d"), Some("s"), "t").with_kind(RelationKind::View);
        let names = helper_names(&t, duckdb::DIALECT);
        let found = names.each_ref().map(|r| (r.identifier(), r.schema(), r.kind));
        let view = Some(RelationKind::View);
        let expected =
            ["t", "t__dbt_tmp", "t__rejected", "t__dbt_backup"].map(|name| (name, Some("s"), view));
        assert_eq!(found, expected);
        assert_eq!(["t__dbt_tmp", "t__rejected", "t"].map(is_helper_name), [true, true, false]);
        let scratch = [&TRANSACTIONAL, &POINTER].map(|engine| scratch_name(&t, engine));
        assert_eq!(scratch[0].path, [None, None, Some("strata_delta".into())]);
        assert_eq!(scratch[1].short(), "s.t__delta");
    }

    #[test]
    fn long_names_stay_apart() {
        let a = Relation::new(None, Some("s"), &"x".repeat(60));
        let b = Relation::new(None, Some("s"), &format!("{}y", "x".repeat(59)));
        let (ca, cb) =
            (candidate_name(&a, postgres::DIALECT), candidate_name(&b, postgres::DIALECT));
        assert!(ca.identifier().len() <= 63 && ca.identifier() != cb.identifier());
        assert_eq!(
            candidate_name(&a, duckdb::DIALECT).identifier(),
            format!("{}__dbt_tmp", "x".repeat(60))
        );
        let wide = Relation::new(None, Some("s"), &"ä".repeat(30));
        let cut = candidate_name(&wide, postgres::DIALECT);
        let kept = "ä".repeat(22);
        let rest = cut.identifier().strip_prefix(&kept).unwrap();
        assert!(rest.starts_with('_') && rest.ends_with("__dbt_tmp"), "{rest}: no half letters");
    }
}
