//! External inputs that are read while a value is made. The value can be reused as long as the
//! inputs are the same.

use super::KeyWriter;
use crate::hash::{FastMap, Fingerprint};
use serde::{Deserialize, Serialize};
use std::hash::Hash;

/// A question about an external input, to be answered anew in each command.
pub(crate) trait Question: Clone + Eq + Hash + Ord {
    /// Adds the question to a key. `None` if its answer is different each time.
    fn write(&self, key: KeyWriter) -> Option<KeyWriter>;
}

/// A question with the answer that it got; an answer of `None` means "not found".
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Read<Q> {
    pub(crate) question: Q,
    pub(crate) answer: Option<Fingerprint>,
}

impl<Q: Question> Read<Q> {
    /// A fingerprint of question and answer; `None` if the answer is different each time.
    pub(crate) fn fingerprint(&self) -> Option<Fingerprint> {
        let key = self.question.write(KeyWriter::new("read"))?;
        Some(key.fingerprint(self.answer).finish())
    }
}

/// The reads of many values. Most values read the same things, so each read is held once and values
/// refer to it by index.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent, bound(serialize = "Q: Serialize", deserialize = "Q: Deserialize<'de>"))]
pub(super) struct ReadTable<Q: Eq + Hash> {
    reads: Vec<Read<Q>>,
    /// The index of each read. Not stored, so it is built again before reads are added to a table
    /// from a file.
    #[serde(skip)]
    numbers: FastMap<Read<Q>, u32>,
}

impl<Q: Eq + Hash> Default for ReadTable<Q> {
    fn default() -> ReadTable<Q> {
        ReadTable { reads: Vec::new(), numbers: FastMap::default() }
    }
}

/// For each read of a table, whether its answer is still the same.
pub(crate) struct Answers(Vec<bool>);

impl Answers {
    /// Whether the answers to all of these reads are still the same.
    pub(super) fn hold(&self, reads: &[u32]) -> bool {
        reads.iter().all(|r| self.0.get(*r as usize).copied().unwrap_or(false))
    }
}

impl<Q: Question> ReadTable<Q> {
    /// Answers each question once. `answer` returns `None` for a question that has another answer
    /// each time, and `Some(None)` for "not found".
    pub(super) fn answers(
        &self,
        mut answer: impl FnMut(&Q) -> Option<Option<Fingerprint>>,
    ) -> Answers {
        let same = |r: &Read<Q>| answer(&r.question).is_some_and(|now| now == r.answer);
        Answers(self.reads.iter().map(same).collect())
    }

    /// A fingerprint of each read; `None` for one whose answer is different each time.
    pub(super) fn fingerprints(&self) -> Vec<Option<Fingerprint>> {
        self.reads.iter().map(Read::fingerprint).collect()
    }

    /// The reads with these indices.
    pub(super) fn of<'a>(&'a self, numbers: &'a [u32]) -> impl Iterator<Item = &'a Read<Q>> {
        numbers.iter().filter_map(|n| self.reads.get(*n as usize))
    }

    /// The indices of reads; new ones are added.
    pub(super) fn numbers(&mut self, reads: impl IntoIterator<Item = Read<Q>>) -> Vec<u32> {
        if self.numbers.len() != self.reads.len() {
            self.numbers = self.reads.iter().cloned().zip(0..).collect();
        }
        reads.into_iter().map(|read| self.number(read)).collect()
    }

    fn number(&mut self, read: Read<Q>) -> u32 {
        *self.numbers.entry(read).or_insert_with_key(|read| {
            self.reads.push(read.clone());
            (self.reads.len() - 1) as u32
        })
    }

    /// Drops the reads that no value uses; `users` are the indices in all values, which are
    /// renumbered.
    pub(super) fn compact<'a>(&mut self, users: impl Iterator<Item = &'a mut Vec<u32>>) {
        let all = std::mem::take(&mut self.reads);
        self.numbers.clear();
        let mut moved: Vec<Option<u32>> = vec![None; all.len()];
        for read in users.flatten() {
            let old = *read as usize;
            *read = match all.get(old) {
                Some(known) => *moved[old].get_or_insert_with(|| self.number(known.clone())),
                // The file was damaged: use an index that no read has, so that the value is never
                // reused.
                None => u32::MAX,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number as a question. The answer to an odd one is different each time.
    #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
    struct Number(u64);

    impl Question for Number {
        fn write(&self, key: KeyWriter) -> Option<KeyWriter> {
            self.0.is_multiple_of(2).then(|| key.number(self.0))
        }
    }

    fn read(number: u64, answer: Option<&str>) -> Read<Number> {
        Read { question: Number(number), answer: answer.map(Fingerprint::of) }
    }

    fn table() -> ReadTable<Number> {
        let mut table = ReadTable::default();
        table.numbers([read(0, Some("a")), read(2, None), read(4, Some("a"))]);
        table
    }

    #[test]
    fn a_read_is_known_by_its_question_and_its_answer() {
        let reads = [
            read(0, None),
            read(0, Some("a")),
            read(0, Some("b")),
            read(2, None),
            read(2, Some("a")),
        ];
        let prints = reads.map(|read| read.fingerprint().unwrap());
        for (i, one) in prints.iter().enumerate() {
            assert!(!prints[..i].contains(one), "{i}");
        }
        assert_eq!(read(1, Some("a")).fingerprint(), None, "nothing that is answered lasts");
    }

    #[test]
    fn each_read_is_held_once_and_has_a_number() {
        let mut table = table();
        assert_eq!(table.numbers([read(4, Some("a")), read(0, Some("a"))]), [2, 0]);
        assert_eq!(table.numbers([read(4, Some("b")), read(4, Some("b"))]), [3, 3]);
        assert_eq!(table.reads.len(), 4);
        let of: Vec<&Read<Number>> = table.of(&[3, 1, 9]).collect();
        assert_eq!(of, [&read(4, Some("b")), &read(2, None)]);
        assert_eq!(table.fingerprints().len(), 4);
    }

    #[test]
    fn what_was_stored_keeps_its_numbers() {
        let bytes = rmp_serde::to_vec(&table()).unwrap();
        let mut again: ReadTable<Number> = rmp_serde::from_slice(&bytes).unwrap();
        assert_eq!(again.numbers([read(2, None), read(6, None), read(0, Some("a"))]), [1, 3, 0]);
        assert_eq!(again.reads.len(), 4);
    }

    #[test]
    fn a_value_holds_while_each_of_its_reads_gets_its_answer() {
        let answers = table().answers(|Number(number)| match number {
            0 | 2 => Some(Some(Fingerprint::of("a"))),
            _ => None,
        });
        assert!(answers.hold(&[0]) && answers.hold(&[]));
        for reads in [&[1][..], &[2], &[0, 1], &[2, 0], &[9]] {
            assert!(!answers.hold(reads), "{reads:?}");
        }
        let missing = table().answers(|_| Some(None));
        assert!(missing.hold(&[1]) && !missing.hold(&[0]), "\"not found\" is an answer");
        let mut asked = Vec::new();
        table().answers(|question| {
            asked.push(question.0);
            None
        });
        assert_eq!(asked, [0, 2, 4], "each once");
    }

    #[test]
    fn reads_without_a_value_are_forgotten() {
        let mut table = table();
        let (mut one, mut two, mut damaged) = (vec![2, 0], vec![2], vec![7, 2]);
        table.compact([&mut one, &mut two, &mut damaged].into_iter());
        let of = |numbers: &[u32]| table.of(numbers).cloned().collect::<Vec<_>>();
        assert_eq!(of(&one), [read(4, Some("a")), read(0, Some("a"))]);
        assert_eq!(of(&two), [read(4, Some("a"))]);
        assert_eq!(damaged[0], u32::MAX, "what is not there never holds");
        assert_eq!(of(&damaged), [read(4, Some("a"))]);
        assert_eq!(table.reads.len(), 2);
        assert_eq!(table.numbers([read(0, Some("a"))]), one[1..], "numbers are those of now");
    }
}
