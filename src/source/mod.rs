//! Source text, and locations in it.
//!
//! In: file paths and texts. Out: `FileId`, `Span`, `SourceMap`, and `SqlText`, SQL with the origin
//! of each piece of it. Must not know: what the text means. All spans are byte ranges of the
//! original file.

mod map;
mod sql_text;

pub(crate) use map::{FileId, SourceMap, Span, of_file};
pub(crate) use sql_text::{Origin, SqlText};
