//! Analyzes SQL as text, as far as is possible without a database.
//!
//! In: SQL. Out: the ranges of statements, a normal form for comparing texts, the volatile parts of
//! a query, a query with CTEs added. Must not know: templates, nodes, what a name means.

mod ctes;
mod pieces;
mod split;

pub(crate) use ctes::inject_ctes;
pub(crate) use pieces::{find_volatile, normalize_sql};
pub(crate) use split::{first_word, split_statements};
