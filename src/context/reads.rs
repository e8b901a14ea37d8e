//! The external inputs that a render reads (variables, environment, target, macros), with
//! fingerprints of their values. A result can be reused from the cache while these are the same
//! (`cache`).

use super::ContextProject;
use crate::cache::{self, KeyWriter};
use crate::config::{Json, JsonMap};
use crate::engine::Target;
use crate::hash::Fingerprint;
use crate::jinja::{CallName, MacroDef};
use crate::system::System;
use camino::Utf8Path;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// An external input. Variables and macros are looked up from a package.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum RenderQuestion {
    Var {
        package: Arc<str>,
        name: String,
    },
    HasVar {
        package: Arc<str>,
        name: String,
    },
    Env(String),
    /// The content of a file, by its path.
    File(String),
    Macro {
        package: Arc<str>,
        call: CallName,
    },
    /// All names of macros that a package can call. Read for the hint to an undefined name.
    MacroNames(Arc<str>),
    Target,
    Flags,
    Arguments,
    Invocation,
    /// The time at which the command started.
    Started,
    /// Whether a moment, in microseconds since 1970 (UTC), is past.
    IsPast(i64),
    MetadataEnv,
    /// The current time.
    Now,
    Graph,
    /// `model` as a mapping.
    Node,
    /// The selection of the command.
    Selected,
}

impl cache::Question for RenderQuestion {
    fn write(&self, key: KeyWriter) -> Option<KeyWriter> {
        Some(match self {
            RenderQuestion::Var { package, name } => key.text("var").text(package).text(name),
            RenderQuestion::HasVar { package, name } => {
                key.text("has var").text(package).text(name)
            }
            RenderQuestion::Env(name) => key.text("env").text(name),
            RenderQuestion::File(path) => key.text("file").text(path),
            RenderQuestion::Macro { package, call } => {
                let key = key.text("macro").text(package);
                match call {
                    CallName::Plain(name) => key.text("plain").text(name),
                    CallName::Package(package, name) => {
                        key.text("package").text(package).text(name)
                    }
                    CallName::Dispatch(name, package) => {
                        key.text("dispatch").text(name).optional(package.as_deref())
                    }
                }
            }
            RenderQuestion::MacroNames(package) => key.text("macro names").text(package),
            RenderQuestion::Target => key.text("target"),
            RenderQuestion::Flags => key.text("flags"),
            RenderQuestion::Arguments => key.text("arguments"),
            RenderQuestion::Invocation => key.text("invocation"),
            RenderQuestion::Started => key.text("started"),
            RenderQuestion::IsPast(moment) => key.text("is past").text(&moment.to_string()),
            RenderQuestion::MetadataEnv => key.text("metadata"),
            RenderQuestion::Graph => key.text("graph"),
            RenderQuestion::Node => key.text("node"),
            RenderQuestion::Selected => key.text("selected"),
            RenderQuestion::Now => return None,
        })
    }
}

/// An external input that a render read, with the fingerprint of its value.
pub(crate) type RenderRead = cache::Read<RenderQuestion>;

impl RenderRead {
    /// A read that is never up to date, so the result that depends on it is never reused.
    pub(crate) fn never() -> RenderRead {
        RenderRead { question: RenderQuestion::Now, answer: None }
    }
}

/// Fingerprints of inputs that are constant during a command. The values are not stored, since they
/// may be secret.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConstantFingerprints {
    pub(super) target: Fingerprint,
    pub(super) flags: Fingerprint,
    pub(super) arguments: Fingerprint,
    pub(super) invocation: Fingerprint,
    pub(super) started: Fingerprint,
    pub(super) metadata: Fingerprint,
}

impl ConstantFingerprints {
    pub(crate) fn target(&self) -> Fingerprint {
        self.target
    }

    pub(crate) fn new(
        target: &Target,
        settings: &super::InvocationContext,
        started: jiff::Timestamp,
        system: &dyn System,
    ) -> ConstantFingerprints {
        let members = target.connection.adapter_members();
        let extra = format!(
            "{}
{}",
            members.external_root, members.disable_transactions
        );
        let shown = Json::Object(super::project::target_json(target)).to_string();
        let metadata = super::metadata_env(system).flat_map(|(name, value)| [name, value]);
        ConstantFingerprints {
            target: Fingerprint::of_parts([&*target.database, &*target.schema, &shown, &extra]),
            flags: fingerprint_map(&settings.flags),
            arguments: fingerprint_map(&settings.args),
            invocation: Fingerprint::of(&settings.invocation_id),
            started: Fingerprint::of(&started.to_string()),
            metadata: Fingerprint::of_parts(metadata),
        }
    }
}

fn fingerprint_map(map: &JsonMap) -> Fingerprint {
    Fingerprint::of(&Json::Object(map.clone()).to_string())
}

/// The fingerprint of a value; `None` if there is none.
pub(super) fn fingerprint_json(value: Option<&Json>) -> Option<Fingerprint> {
    value.map(|v| Fingerprint::of(&v.to_string()))
}

/// The fingerprint of a macro's definition; `None` if there is no macro.
pub(crate) fn fingerprint_macro(found: Option<&MacroDef>) -> Option<Fingerprint> {
    found.map(|def| def.fingerprint)
}

impl ContextProject {
    /// Whether an input that was read is the same now.
    pub(crate) fn still_answers(&self, read: &RenderRead) -> bool {
        self.answer(&read.question) == Some(read.answer)
    }

    /// The current fingerprint of an input; `Some(None)` if the input does not exist. `None`: the
    /// input differs at every read.
    pub(crate) fn answer(&self, question: &RenderQuestion) -> Option<Option<Fingerprint>> {
        let facts = &self.facts;
        Some(match question {
            RenderQuestion::Var { package, name } => {
                fingerprint_json(self.vars.find(package, name))
            }
            RenderQuestion::HasVar { package, name } => {
                self.vars.find(package, name).map(|_| Fingerprint::of(name))
            }
            RenderQuestion::Env(name) => self.system.env(name).map(|value| Fingerprint::of(&value)),
            RenderQuestion::File(path) => self.system.fingerprint(Utf8Path::new(path)).ok(),
            RenderQuestion::Macro { package, call } => fingerprint_macro(
                self.registry().and_then(|r| r.find_call(package, call)).map(|def| &**def),
            ),
            RenderQuestion::MacroNames(package) => self.registry().map(|r| {
                let mut names: Vec<&str> = r.names(package).collect();
                names.sort_unstable();
                Fingerprint::of_parts(names)
            }),
            RenderQuestion::Target => Some(facts.target),
            RenderQuestion::Flags => Some(facts.flags),
            RenderQuestion::Arguments => Some(facts.arguments),
            RenderQuestion::Invocation => Some(facts.invocation),
            RenderQuestion::Started => Some(facts.started),
            RenderQuestion::IsPast(moment) => {
                self.is_past(*moment).then(|| Fingerprint::of("past"))
            }
            RenderQuestion::MetadataEnv => Some(facts.metadata),
            RenderQuestion::Now
            | RenderQuestion::Graph
            | RenderQuestion::Node
            | RenderQuestion::Selected => return None,
        })
    }

    /// Whether a moment, in microseconds since 1970 (UTC), is past.
    pub(crate) fn is_past(&self, moment: i64) -> bool {
        moment <= self.system.now().as_microsecond()
    }

    /// Reads an input now.
    pub(crate) fn read(&self, question: RenderQuestion) -> RenderRead {
        let answer = self.answer(&question).flatten();
        RenderRead { question, answer }
    }
}
