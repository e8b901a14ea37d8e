//! The dbt dialect of Jinja on unmodified minijinja: the language only.
//!
//! In: template texts with their `FileId`, macro definitions, a `Scope` that answers names. Out:
//! rendered text with origins, values, and what a text defines and calls. Must not know: relations,
//! databases, nodes; those are members that `context` supplies through `Scope`.
//!
//! How it works: a *pre-pass* rewrites what minijinja lacks (mutable literals, `do` of any
//! expression, block tags such as `test`), with a list of edits that map every later position back
//! to the original text. Each macro is a template of its own, compiled when it is first called;
//! `MacroRef`, the value of its name, imports it into the calling state, so that `caller()` and
//! macros passed as values keep working. `return(v)` stores `v` in the state and raises an error
//! that the macro's `MacroRef` catches. Member functions learn the position of their call from
//! `__at(offset, f)`, which the pre-pass writes around the names in `POSITIONAL`.

mod blocks;
mod builtin;
mod edits;
mod environment;
mod expressions;
mod filters;
mod format;
mod layout;
mod markers;
mod marks;
mod methods;
mod native;
mod number;
mod operators;
mod prepass;
mod python;
mod registry;
mod runtime;
mod set;
mod unrendered;
mod values;
mod variables;
mod views;

pub(crate) use blocks::{BlockKind, find_blocks};
pub(crate) use builtin::BUILTIN_FILES;
pub(crate) use environment::{
    ParseRendering, RenderFailure, Rendered, Renderer, Scope, TextOrigin, render_inner,
};
pub(crate) use filters::{check_json, python_json, sort_json_keys};
pub(crate) use markers::{ends_in_marker, native_value, no_config_value};
pub(crate) use marks::{find_marked, has_mark, mark_piece};
pub(crate) use methods::METHODS;
pub(crate) use native::{NativeForm, is_constant, native_shape};
pub(crate) use number::decimal_value;
pub(crate) use operators::add_values;
#[cfg(any(test, fuzzing))]
pub(crate) use prepass::rewrite_expression;
pub(crate) use prepass::{CallName, calls_of};
pub(crate) use python::{ORDER, REPR, python_repr, python_text, sort_values};
pub(crate) use registry::{DispatchAdapter, MacroDef, MacroRegistry, parse_macro_file};
pub(crate) use runtime::{Args, call_site, error, return_value, with_extension};
pub(crate) use set::set_value;
pub(crate) use unrendered::{is_read_statically, unrendered_config};
pub(crate) use values::{dict, from_json, list, make_pair, to_json};
pub(crate) use variables::{VariableCall, names_variable, variable_calls};
