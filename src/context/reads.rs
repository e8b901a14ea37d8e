//! What a render asks of the world outside its text. A result can be used again as long as the
//! answers are the same.

use super::ContextProject;
use crate::config::{Json, JsonMap};
use crate::engine::Target;
use crate::hash::{FastMap, Fingerprint};
use crate::jinja::{CallName, MacroDef};
use crate::system::System;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A question. Variables and macros are looked for from a package.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Question {
    Var {
        package: Arc<str>,
        name: String,
    },
    HasVar {
        package: Arc<str>,
        name: String,
    },
    Env(String),
    Macro {
        package: Arc<str>,
        call: CallName,
    },
    /// All names of macros: what is most like a name that is not defined.
    MacroNames(Arc<str>),
    Target,
    Flags,
    Arguments,
    /// The id of the invocation.
    Invocation,
    /// When the command began.
    Started,
    MetadataEnv,
    /// The time, at the moment of asking.
    Now,
    /// `graph`.
    Graph,
    /// `model`, as a mapping.
    Node,
    /// What the command has selected.
    Selected,
}

/// A question with the answer that it got; none is "not found".
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Read {
    pub(crate) question: Question,
    pub(crate) answer: Option<Fingerprint>,
}

impl Read {
    /// A read that no answer satisfies: what has it is made again each time.
    pub(crate) fn never() -> Read {
        Read { question: Question::Now, answer: None }
    }

    /// Of the question and its answer; none for one that no answer satisfies.
    pub(crate) fn print(&self) -> Option<Fingerprint> {
        let answer = self.answer.map(Fingerprint::hex).unwrap_or_default();
        (self.question != Question::Now)
            .then(|| Fingerprint::of_parts([format!("{:?}", self.question), answer]))
    }
}

/// The reads of many results, each held once: most results ask the same. A result has their
/// numbers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct ReadTable {
    reads: Vec<Read>,
    /// Made when a read is added: a table that was stored comes without.
    #[serde(skip)]
    numbers: FastMap<Read, u32>,
}

/// Which reads of a table still get the answer that they got.
pub(crate) struct Answers(Vec<bool>);

impl Answers {
    /// Whether a result that made these reads can be used again.
    pub(crate) fn hold(&self, reads: &[u32]) -> bool {
        reads.iter().all(|r| self.0.get(*r as usize).copied().unwrap_or(false))
    }
}

impl ReadTable {
    /// Asks each question once.
    pub(crate) fn answers(&self, context: &ContextProject) -> Answers {
        let same = |r: &Read| context.answer(&r.question).is_some_and(|now| now == r.answer);
        Answers(self.reads.iter().map(same).collect())
    }

    /// A print of each read; none for one that no answer satisfies.
    pub(crate) fn prints(&self) -> Vec<Option<Fingerprint>> {
        self.reads.iter().map(Read::print).collect()
    }

    /// The reads of a result.
    pub(crate) fn of<'a>(&'a self, numbers: &'a [u32]) -> impl Iterator<Item = &'a Read> {
        numbers.iter().filter_map(|n| self.reads.get(*n as usize))
    }

    /// The numbers of reads; those that are not there yet are added.
    pub(crate) fn numbers(&mut self, reads: impl IntoIterator<Item = Read>) -> Vec<u32> {
        if self.numbers.len() != self.reads.len() {
            self.numbers = self.reads.iter().cloned().zip(0..).collect();
        }
        reads.into_iter().map(|read| self.number(read)).collect()
    }

    fn number(&mut self, read: Read) -> u32 {
        *self.numbers.entry(read).or_insert_with_key(|read| {
            self.reads.push(read.clone());
            (self.reads.len() - 1) as u32
        })
    }

    /// Forgets reads that no result has any more; `users` are the numbers of all results.
    pub(crate) fn compact<'a>(&mut self, users: impl Iterator<Item = &'a mut Vec<u32>>) {
        let all = std::mem::take(&mut self.reads);
        self.numbers.clear();
        let mut moved: Vec<Option<u32>> = vec![None; all.len()];
        for read in users.flatten() {
            let old = *read as usize;
            *read = match all.get(old) {
                Some(kept) => *moved[old].get_or_insert_with(|| self.number(kept.clone())),
                // Of a damaged file: a number that never holds.
                None => u32::MAX,
            };
        }
    }
}

/// Answers that hold for the whole command. Only prints are kept: values may be nobody's business.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub(super) target: Fingerprint,
    pub(super) flags: Fingerprint,
    pub(super) arguments: Fingerprint,
    pub(super) invocation: Fingerprint,
    pub(super) started: Fingerprint,
    pub(super) metadata: Fingerprint,
}

impl Facts {
    pub(crate) fn target(&self) -> Fingerprint {
        self.target
    }

    pub(crate) fn new(
        target: &Target,
        settings: &super::ContextSettings,
        started: jiff::Timestamp,
        system: &dyn System,
    ) -> Facts {
        let json = |map: &JsonMap| Fingerprint::of(&Json::Object(map.clone()).to_string());
        let members = target.connection.members();
        let extra = format!(
            "{}
{}",
            members.external_root, members.disable_transactions
        );
        let shown = Json::Object(super::project::target_json(target)).to_string();
        let metadata = super::metadata_env(system).flat_map(|(name, value)| [name, value]);
        Facts {
            target: Fingerprint::of_parts([&*target.database, &*target.schema, &shown, &extra]),
            flags: json(&settings.flags),
            arguments: json(&settings.args),
            invocation: Fingerprint::of(&settings.invocation_id),
            started: Fingerprint::of(&started.to_string()),
            metadata: Fingerprint::of_parts(metadata),
        }
    }
}

/// What is the same when a value is.
pub(super) fn print_of(value: Option<&Json>) -> Option<Fingerprint> {
    value.map(|v| Fingerprint::of(&v.to_string()))
}

/// What is the same when a definition is.
pub(crate) fn macro_print(found: Option<&MacroDef>) -> Option<Fingerprint> {
    found.map(|def| def.print)
}

impl ContextProject {
    /// The answer that a question gets now. None: it gets another one each time.
    pub(crate) fn answer(&self, question: &Question) -> Option<Option<Fingerprint>> {
        let facts = &self.facts;
        Some(match question {
            Question::Var { package, name } => print_of(self.vars.find(package, name)),
            Question::HasVar { package, name } => {
                self.vars.find(package, name).map(|_| Fingerprint::of(name))
            }
            Question::Env(name) => self.system.env(name).map(|value| Fingerprint::of(&value)),
            Question::Macro { package, call } => macro_print(
                self.registry().and_then(|r| r.find_call(package, call)).map(|def| &**def),
            ),
            Question::MacroNames(package) => self.registry().map(|r| {
                let mut names: Vec<&str> = r.names(package).collect();
                names.sort_unstable();
                Fingerprint::of_parts(names)
            }),
            Question::Target => Some(facts.target),
            Question::Flags => Some(facts.flags),
            Question::Arguments => Some(facts.arguments),
            Question::Invocation => Some(facts.invocation),
            Question::Started => Some(facts.started),
            Question::MetadataEnv => Some(facts.metadata),
            Question::Now | Question::Graph | Question::Node | Question::Selected => return None,
        })
    }

    /// A read made now.
    pub(crate) fn read(&self, question: Question) -> Read {
        let answer = self.answer(&question).flatten();
        Read { question, answer }
    }
}
