//! Source text and places in it.
//!
//! In: file paths and texts. Out: `FileId`, `Span`, `SourceMap`, and `SqlText`, SQL that remembers
//! where each piece of it came from; and what makes two texts of SQL the same. Must not know: what
//! the text means. All spans are byte ranges of the original file.

mod map;
mod pieces;
mod sql_text;

pub(crate) use map::{FileId, SourceMap, Span, of_file};
pub(crate) use pieces::{normal, volatile};
pub(crate) use sql_text::{Origin, SqlText};
