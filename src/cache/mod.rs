//! A cache of values together with everything that they were made from.
//!
//! In: keys, questions about external inputs with the answers that they got, values; bytes that
//! another process stored. Out: a value, as long as its key and the answers to its questions are
//! the same; bytes to store. Must not know: what is cached, and who answers.
//!
//! A value depends on two things. The inputs that its maker was given are its key, a fingerprint
//! that is written part by part (`KeyWriter`). The external inputs that its maker read on its own
//! are its reads. Most values read the same things, so a cache holds each read once, and answers
//! each question once (`Answers`).

mod entries;
mod key;
mod reads;
mod store;

pub(crate) use entries::Cache;
pub(crate) use key::KeyWriter;
pub(crate) use reads::{Answers, Question, Read};
pub(crate) use store::{CacheFile, read_cache_file, write_cache_file};
