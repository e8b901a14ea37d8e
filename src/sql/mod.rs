//! SQL as text, as far as it is understood without a database.
//!
//! In: SQL. Out: where statements begin and end, what makes two texts the same, whether a query may
//! give something else tomorrow, a query with CTEs in front. Must not know: templates, nodes, what
//! a name means.

mod ctes;
mod pieces;
mod split;

pub(crate) use ctes::inject_ctes;
pub(crate) use pieces::{find_volatile, normalize_sql};
pub(crate) use split::{first_word, split_statements};
