//! Nodes become SQL.
//!
//! In: the manifest, an engine, bindings, what exists, a database or none. Out: `Compiled`: SQL
//! that remembers its origins, or why there is none. Without a database a question that only a run
//! can answer gives `CompileError::NeedsDatabase`; the worker compiles such a node just before it
//! builds it. Must not know: how nodes are built, plans, output.

mod call;
mod form;
mod node;
mod project;

pub(crate) use call::MacroCall;
pub(crate) use node::{CompileError, Compiled, Compiler, render_hook, unit_of};
pub(crate) use project::{CompiledForm, CompiledNode, CompiledProject, compile_project};
