//! Compiles nodes to SQL.
//!
//! In: the manifest, an engine, bindings, existing relations, a database or none. Out: `Compiled`:
//! SQL that remembers its origins, or the reason why there is none. Without a database, a query
//! that only a run can answer gives `CompileError::NeedsDatabase`; the worker then compiles the
//! node just before it builds it. Must not know: how nodes are built, plans, output.

mod call;
mod form;
mod node;
mod project;
mod unit_test;

pub(crate) use call::MacroCall;
pub(crate) use node::{CompileError, Compiled, Compiler, overrides_in, render_hook, subject_of};
pub(crate) use project::{CompiledForm, CompiledNode, CompiledProject, compile_project};
pub(crate) use unit_test::UnitTestScene;
