//! What was made, with all that it was made of, so that it is not made again.
//!
//! In: keys, questions with the answers that they got, values; bytes that another process stored.
//! Out: a value, while its key is the same and its questions get the same answers; bytes to store.
//! Must not know: what is cached, and who answers.
//!
//! A value depends on two things. What its maker was given is its key, a fingerprint that is written
//! part by part (`KeyWriter`). What its maker asked of the world while it worked are its reads. Most
//! values ask the same, so a cache holds each read once, and asks each question once (`Answers`).

mod entries;
mod key;
mod reads;
mod store;

pub(crate) use entries::Cache;
pub(crate) use key::KeyWriter;
pub(crate) use reads::{Answers, Question, Read};
pub(crate) use store::{Stored, read_stored, write_stored};
