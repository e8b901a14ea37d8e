//! Macro definitions, and the lookup of macros by name.
//!
//! A plain name is looked up from the *node being rendered* (semantics 1.1): in its package, the
//! root project, then the built-in macros. `package.name` is looked up in that package only,
//! `dbt.name` in the built-in macros.

use super::blocks::{Block, BlockKind, StrayTag, split_blocks};
use super::edits::{Edits, Rewriter};
use super::expressions::is_word_char;
use super::prepass::{CallName, TemplateRewriter};
use super::runtime::MacroRef;
use super::variables::{VariableCall, variable_calls};
use crate::diag::{Checked, Code, DbtEvent, Diagnostic};
use crate::hash::{FastMap, Fingerprint};
use crate::source::{FileId, Span};
use minijinja::value::Value;
use std::collections::HashMap;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MacroArg {
    pub(crate) name: String,
    pub(crate) has_default: bool,
}

/// A macro. It is compiled when it is first called.
#[derive(Debug)]
pub(crate) struct MacroDef {
    pub(crate) package: Arc<str>,
    /// The name with dbt's prefixes: `test_x`, `materialization_x_default`.
    pub(crate) name: Arc<str>,
    pub(crate) unique_id: Arc<str>,
    pub(crate) file: FileId,
    /// The path of the file, relative to its package.
    pub(crate) path: Arc<str>,
    /// The span of the block.
    pub(crate) span: Span,
    pub(crate) args: Vec<MacroArg>,
    pub(crate) calls: Vec<CallName>,
    /// The calls of `var` and `env_var` in the macro.
    pub(crate) variables: Vec<VariableCall>,
    /// The fingerprint of its name, path and text, on which renders that use it depend.
    pub(crate) fingerprint: Fingerprint,
    /// The name of its template: `package/path#name`.
    pub(super) template: Arc<str>,
    pub(super) text: String,
    pub(super) edits: Edits,
    pub(super) varargs: bool,
    pub(super) kwargs: bool,
    /// The languages of the models that a materialization builds; of any other block none.
    pub(crate) languages: Vec<String>,
}

/// The materializations of dbt and its adapters, which a package may replace only if the root
/// project allows it.
const BUILT_IN: [&str; 12] = [
    "table",
    "view",
    "incremental",
    "seed",
    "snapshot",
    "materialized_view",
    "test",
    "unit",
    "clone",
    "external",
    "table_function",
    "function",
];

impl MacroDef {
    /// The name of the macro in its template. The prefix keeps minijinja from treating the name as
    /// private.
    pub(super) fn symbol(&self) -> String {
        format!("m__{}", self.name)
    }
}

/// Parses the macros, tests and materializations in a file.
pub(crate) fn parse_macro_file(
    file: FileId,
    package: &Arc<str>,
    path: &str,
    text: &str,
) -> Checked<Vec<MacroDef>> {
    let (mut defs, mut out) = (Vec::new(), Vec::new());
    let path: Arc<str> = path.into();
    let kinds = [BlockKind::Macro, BlockKind::Test, BlockKind::Materialization];
    let (blocks, strays) = split_blocks(text, &kinds);
    out.extend(strays.into_iter().map(|stray| unexpected_tag(file, stray)));
    for block in blocks {
        let name_span = Span::new(file, block.name_at, block.name_at + block.name.len().max(1));
        if block.name.is_empty() {
            out.push(
                Diagnostic::error(Code::MacroSyntax, "a macro needs a name")
                    .primary(name_span, "expected a name"),
            );
            continue;
        }
        if block.unclosed {
            out.push(
                Diagnostic::error(
                    Code::MacroSyntax,
                    format!("the block `{}` is never closed", block.name),
                )
                .primary(Span::new(file, block.start, block.body.0), "opened here"),
            );
            continue;
        }
        match define(file, package, &path, text, &block) {
            Ok(def) => defs.push(def),
            Err(e) => {
                let d = Diagnostic::error(Code::MacroSyntax, e.to_string());
                out.push(d.primary(name_span, ""));
            }
        }
    }
    Checked::new(defs, out)
}

fn unexpected_tag(file: FileId, (word, start, end): StrayTag<'_>) -> Diagnostic {
    let event = DbtEvent::UnexpectedJinjaBlockDeprecation;
    let message = format!("`{word}` stands outside of a macro");
    let d = Diagnostic::dbt_warning(Code::Deprecated, event, message);
    d.primary(Span::new(file, start, end), "it has no effect")
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum HeaderError {
    #[error("`{0}` needs parentheses: `{0}()`")]
    NoParentheses(String),
    #[error("the parameter list is never closed")]
    NotClosed,
    #[error("expected a parameter name, found `{0}`")]
    NoName(char),
    #[error("unexpected `{text}` behind parameter `{name}`")]
    Behind { text: String, name: String },
}

/// The error for a dispatch without a matching macro.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("In dispatch: No macro named '{name}' found{within} for this adapter; searched for {}", .searched.join(", "))]
pub(crate) struct DispatchError {
    name: String,
    within: String,
    searched: Vec<String>,
}

/// Rewrites a block to a template that defines one macro.
fn define(
    file: FileId,
    package: &Arc<str>,
    path: &Arc<str>,
    text: &str,
    block: &Block,
) -> Result<MacroDef, HeaderError> {
    let name = full_name(text, block);
    let mut calls = Vec::new();
    let mut pass = TemplateRewriter::new(
        text,
        Rewriter::new(text, block.start, block.end - block.start),
        &mut calls,
        true,
    );
    let (word, word_at) = super::blocks::tag_word(text, block.start, block.body.0);
    let after_name = block.name_at + block.name.len();
    let tail = super::blocks::tag_tail(text, block.start, block.body.0);
    pass.rw.replace(word_at, word_at + word.len(), "macro");
    pass.rw.replace(block.name_at, after_name, &format!("m__{name}"));
    let body = &text[block.body.0..block.body.1];
    let mut args = Vec::new();
    let mut late = Vec::new();
    let (mut varargs, mut kwargs) = (false, false);
    if block.kind == BlockKind::Materialization {
        // The options in the header are removed, but its line ends are kept, so that positions do
        // not move.
        let lines: String = text[after_name..tail].chars().filter(|c| *c == '\n').collect();
        pass.rw.replace(after_name, tail, &format!("(){lines} "));
    } else {
        let open = text[after_name..tail].find('(').map(|i| after_name + i);
        let open = open.ok_or_else(|| HeaderError::NoParentheses(block.name.clone()))?;
        let close = header(&mut pass, open, tail, &mut args, &mut late)?;
        varargs = has_word(body, "varargs") && !has_arg(&args, "varargs");
        kwargs = has_word(body, "kwargs") && !has_arg(&args, "kwargs");
        let hidden: Vec<&str> = [("varargs=none", varargs), ("kwargs=none", kwargs)]
            .into_iter()
            .filter(|h| h.1)
            .map(|h| h.0)
            .collect();
        if !hidden.is_empty() {
            let comma = if args.is_empty() { "" } else { ", " };
            pass.rw.insert(close, &format!("{comma}{}", hidden.join(", ")));
        }
    }
    // Defaults that refer to earlier parameters are set in the body, where those parameters are
    // known.
    for (name, from, to) in late {
        let value = super::prepass::rewrite_expression(&text[from..to]);
        pass.rw.insert(
            block.body.0,
            &format!("{{% if {name} is undefined %}}{{% set {name} = {value} %}}{{% endif %}}"),
        );
    }
    pass.body(block.body.0, block.body.1);
    let (end_word, end_at) = super::blocks::tag_word(text, block.body.1, block.end);
    pass.rw.replace(end_at, end_at + end_word.len(), "endmacro");
    // `endmacro name` is legal in Jinja2, but minijinja accepts only `endmacro`.
    let end_tail = super::blocks::tag_tail(text, block.body.1, block.end);
    pass.rw.replace(end_at + end_word.len(), end_tail, " ");
    let (rewritten, edits) = pass.rw.finish(block.end);
    calls.sort();
    calls.dedup();
    Ok(MacroDef {
        package: package.clone(),
        fingerprint: Fingerprint::of_parts([
            &**package,
            &**path,
            &name,
            &text[block.start..block.end],
        ]),
        template: format!("{package}/{path}#{name}").into(),
        unique_id: format!("macro.{package}.{name}").into(),
        name: name.into(),
        file,
        path: path.clone(),
        span: Span::new(file, block.start, block.end),
        args,
        calls,
        variables: variable_calls(&text[block.start..block.end]),
        text: rewritten,
        edits,
        varargs,
        kwargs,
        languages: languages_of(block, &text[after_name..tail]),
    })
}

/// Parses the parameters and returns the offset of the closing parenthesis. Defaults are rewritten
/// and type annotations removed. A default that refers to an earlier parameter is removed and added
/// to `late`, as the parameter's name and the range of the expression.
fn header(
    pass: &mut TemplateRewriter<'_, '_>,
    open: usize,
    tail: usize,
    args: &mut Vec<MacroArg>,
    late: &mut Vec<(String, usize, usize)>,
) -> Result<usize, HeaderError> {
    let b = &pass.text.as_bytes()[..tail];
    let mut i = open + 1;
    loop {
        while i < tail && (b[i].is_ascii_whitespace() || b[i] == b',') {
            i += 1;
        }
        if i >= tail {
            return Err(HeaderError::NotClosed);
        }
        if b[i] == b')' {
            return Ok(i);
        }
        let start = i;
        while i < tail && (b[i].is_ascii_alphanumeric() || b[i] == b'_') {
            i += 1;
        }
        if i == start {
            return Err(HeaderError::NoName(char::from(b[i])));
        }
        let name = pass.text[start..i].to_owned();
        // Find the end of the parameter: the next comma or parenthesis outside of brackets and
        // strings.
        let (mut depth, mut eq) = (0i32, None);
        let mut colon = None;
        let from = i;
        while i < tail {
            match b[i] {
                q @ (b'\'' | b'"') => {
                    i += 1;
                    while i < tail && b[i] != q {
                        i += if b[i] == b'\\' { 2 } else { 1 };
                    }
                }
                b'(' | b'[' | b'{' => depth += 1,
                b')' if depth == 0 => break,
                b')' | b']' | b'}' => depth -= 1,
                b',' if depth == 0 => break,
                b'=' if depth == 0 && eq.is_none() => eq = Some(i),
                b':' if depth == 0 && eq.is_none() => colon = Some(i),
                _ => {}
            }
            i += 1;
        }
        if let Some(colon) = colon {
            pass.rw.replace(colon, eq.unwrap_or(i), "");
        }
        if let Some(eq) = eq.filter(|eq| names_arg(&pass.text[eq + 1..i], args)) {
            // A default that refers to an earlier parameter is set at the start of the body. After
            // another parameter with a default this one needs a default, too: the value of an
            // argument that is not given.
            let undefined = args.iter().any(|a| a.has_default);
            pass.rw.replace(eq, i, if undefined { "=__undefined" } else { "" });
            late.push((name.clone(), eq + 1, i));
        } else if let Some(eq) = eq {
            pass.expression(eq + 1, i);
        } else if colon.is_none() && !pass.text[from..i].trim().is_empty() {
            let text = pass.text[from..i].trim().to_owned();
            return Err(HeaderError::Behind { text, name });
        }
        args.push(MacroArg { name, has_default: eq.is_some() });
    }
}

fn has_arg(args: &[MacroArg], name: &str) -> bool {
    args.iter().any(|arg| arg.name == name)
}

/// Whether an expression refers to one of the parameters.
fn names_arg(expression: &str, args: &[MacroArg]) -> bool {
    args.iter().any(|arg| has_word(expression, &arg.name))
}

/// The name with dbt's prefixes.
fn full_name(text: &str, block: &Block) -> String {
    match block.kind {
        BlockKind::Test => format!("test_{}", block.name),
        BlockKind::Materialization => {
            let adapter = adapter_of(&text[block.name_at + block.name.len()..block.body.0]);
            format!("materialization_{}_{adapter}", block.name)
        }
        _ => block.name.clone(),
    }
}

fn adapter_of(header: &str) -> &str {
    let literal = header.find("adapter").and_then(|at| {
        let rest = &header[at..];
        let quote = rest.find(['\'', '"'])?;
        let rest = &rest[quote + 1..];
        Some(&rest[..rest.find(['\'', '"'])?])
    });
    literal.unwrap_or("default")
}

/// The texts in `supported_languages=[...]` of a materialization; without it, SQL.
fn languages_of(block: &Block, header: &str) -> Vec<String> {
    if block.kind != BlockKind::Materialization {
        return Vec::new();
    }
    let list = header.split("supported_languages").nth(1);
    let list = list.and_then(|rest| rest.get(rest.find('[')? + 1..rest.find(']')?));
    let Some(list) = list else { return vec!["sql".to_owned()] };
    let words = list.split(',').map(|word| word.trim().trim_matches(['\'', '"']));
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(i, _)| {
        !text[..i].chars().next_back().is_some_and(is_word_char)
            && !text[i + word.len()..].chars().next().is_some_and(is_word_char)
    })
}

/// The packages that a namespace's macros are looked up in: `dispatch:` of the root project.
pub(crate) type SearchOrders = HashMap<String, Vec<String>>;

#[derive(Clone, Debug, Default)]
pub(crate) struct DispatchAdapter {
    pub(crate) name: String,
    /// Materializations that the adapter implements itself. No `default` materialization replaces
    /// them, not even one of the root project.
    pub(crate) materializations: &'static [&'static str],
}

/// All macros of the project, its packages and the binary.
#[derive(Debug, Default)]
pub(crate) struct MacroRegistry {
    defs: Vec<Arc<MacroDef>>,
    values: Vec<Value>,
    packages: FastMap<Arc<str>, FastMap<Arc<str>, usize>>,
    internal: FastMap<Arc<str>, usize>,
    templates: FastMap<Arc<str>, usize>,
    /// The number of built-in definitions, which come first.
    built_in: usize,
    root: Arc<str>,
    adapter: DispatchAdapter,
    /// The prefixes that dispatch tries: the adapter's name, then `default`.
    prefixes: Vec<String>,
    search_orders: SearchOrders,
    /// The names of all installed packages, including those without macros.
    installed: Vec<Arc<str>>,
}

impl MacroRegistry {
    /// Later definitions of `internal` replace earlier ones, so the adapter's built-in macros must
    /// come after the core's.
    pub(crate) fn new(
        root: &Arc<str>,
        adapter: DispatchAdapter,
        installed: Vec<Arc<str>>,
        search_orders: SearchOrders,
        internal: Vec<Arc<MacroDef>>,
        project: Vec<Arc<MacroDef>>,
    ) -> MacroRegistry {
        let mut registry = MacroRegistry {
            root: root.clone(),
            prefixes: vec![adapter.name.clone(), "default".to_owned()],
            adapter,
            installed,
            search_orders,
            ..MacroRegistry::default()
        };
        let split = internal.len();
        registry.built_in = split;
        for (i, def) in internal.into_iter().chain(project).enumerate() {
            if i < split {
                registry.internal.insert(def.name.clone(), i);
            } else {
                registry
                    .packages
                    .entry(def.package.clone())
                    .or_default()
                    .insert(def.name.clone(), i);
            }
            registry.templates.insert(def.template.clone(), i);
            registry.values.push(Value::from_object(MacroRef::new(def.clone())));
            registry.defs.push(def);
        }
        registry
    }

    pub(crate) fn defs(&self) -> &[Arc<MacroDef>] {
        &self.defs
    }

    /// A single fingerprint of all macros.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of_parts(self.defs.iter().map(|d| d.fingerprint.hex()))
    }

    /// The built-in macros, including replaced ones.
    pub(crate) fn internal_defs(&self) -> &[Arc<MacroDef>] {
        &self.defs[..self.built_in]
    }

    /// Whether a macro is a built-in one. Those that other built-in ones replace are recognized by
    /// their package, whose name begins with `dbt` and which is not installed.
    pub(crate) fn is_internal(&self, def: &MacroDef) -> bool {
        self.internal.get(&def.name).is_some_and(|i| std::ptr::eq(&*self.defs[*i], def))
            || def.package.starts_with("dbt") && !self.installed.contains(&def.package)
    }

    pub(crate) fn is_package(&self, name: &str) -> bool {
        name == "dbt" || self.installed.iter().any(|p| &**p == name)
    }

    pub(super) fn template(&self, name: &str) -> Option<&Arc<MacroDef>> {
        self.templates.get(name).map(|i| &self.defs[*i])
    }

    fn find(&self, package: &str, name: &str) -> Option<usize> {
        self.find_own(package, name)
            .or_else(|| self.find_own(&self.root, name))
            .or_else(|| self.internal.get(name).copied())
    }

    /// The macro that is defined in a package itself.
    fn find_own(&self, package: &str, name: &str) -> Option<usize> {
        self.packages.get(package)?.get(name).copied()
    }

    fn find_in(&self, package: &str, name: &str) -> Option<usize> {
        if package == "dbt" {
            return self.internal.get(name).copied();
        }
        self.find_own(package, name)
    }

    /// The macro that a plain name resolves to in a node of `package`.
    pub(crate) fn lookup(&self, package: &str, name: &str) -> Option<&Arc<MacroDef>> {
        self.find(package, name).map(|i| &self.defs[i])
    }

    /// The macro that a plain name resolves to on the command line: the root project's, else a
    /// package's, else a built-in one.
    pub(crate) fn lookup_anywhere(&self, name: &str) -> Option<&Arc<MacroDef>> {
        let found = self
            .find_own(&self.root, name)
            .or_else(|| self.installed.iter().rev().find_map(|p| self.find_own(p, name)))
            .or_else(|| self.internal.get(name).copied())?;
        Some(&self.defs[found])
    }

    pub(crate) fn lookup_in(&self, package: &str, name: &str) -> Option<&Arc<MacroDef>> {
        self.find_in(package, name).map(|i| &self.defs[i])
    }

    /// The macro that a call resolves to in a node of `package`.
    pub(crate) fn find_call(&self, package: &str, call: &CallName) -> Option<&Arc<MacroDef>> {
        match call {
            CallName::Plain(name) => self.lookup(package, name),
            CallName::Package(p, name) => self.lookup_in(p, name),
            CallName::Dispatch(name, ns) => self.dispatch(package, name, ns.as_deref()).ok(),
        }
    }

    /// `None` if the macro is not registered.
    pub(crate) fn value_of(&self, def: &MacroDef) -> Option<Value> {
        self.templates.get(&def.template).map(|i| self.values[*i].clone())
    }

    /// The names of the macros visible in `package`, for suggestions.
    pub(crate) fn names<'a>(&'a self, package: &str) -> impl Iterator<Item = &'a str> {
        let own = self
            .packages
            .get(package)
            .into_iter()
            .chain(self.packages.get(&self.root))
            .flat_map(|m| m.keys());
        own.chain(self.internal.keys()).map(|n| &**n)
    }

    /// The names of the macros defined in a package.
    pub(crate) fn names_in<'a>(&'a self, package: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let internal = (package == "dbt").then_some(&self.internal);
        let own = self.packages.get(package).into_iter().flat_map(|m| m.keys());
        own.chain(internal.into_iter().flat_map(|m| m.keys())).map(|n| &**n)
    }

    pub(crate) fn packages(&self) -> impl Iterator<Item = &str> {
        self.packages.keys().map(|n| &**n)
    }

    /// Resolves `adapter.dispatch(name, namespace)` (semantics 3.3). The error lists the names that
    /// were tried.
    pub(crate) fn dispatch(
        &self,
        package: &str,
        name: &str,
        namespace: Option<&str>,
    ) -> Result<&Arc<MacroDef>, DispatchError> {
        let mut searched = Vec::new();
        let found = match namespace.map(|ns| (ns, self.search_orders.get(ns))) {
            Some((_, Some(order))) => {
                order.iter().find_map(|p| self.find_prefixed(package, Some(p), name, &mut searched))
            }
            Some((ns, None)) if self.is_package(ns) => [&*self.root, ns]
                .into_iter()
                .find_map(|p| self.find_prefixed(package, Some(p), name, &mut searched)),
            _ => self.find_prefixed(package, None, name, &mut searched),
        };
        match found {
            Some(i) => Ok(&self.defs[i]),
            None => {
                let within =
                    namespace.map(|ns| format!(" in namespace `{ns}`")).unwrap_or_default();
                Err(DispatchError { name: name.to_owned(), within, searched })
            }
        }
    }

    /// The adapter's implementation of a macro, among those visible in `package` or, if `within` is
    /// set, in that package only. The names that were not found are added to `searched`.
    fn find_prefixed(
        &self,
        package: &str,
        within: Option<&str>,
        name: &str,
        searched: &mut Vec<String>,
    ) -> Option<usize> {
        for prefix in &self.prefixes {
            let full = format!("{prefix}__{name}");
            let found = match within {
                Some(p) => self.find_in(p, &full),
                None => self.find(package, &full),
            };
            if found.is_some() {
                return found;
            }
            searched.push(within.map_or_else(|| full.clone(), |p| format!("{p}.{full}")));
        }
        None
    }

    /// Resolves a materialization (semantics 1.8): the adapter's prefix takes precedence over the
    /// package.
    pub(crate) fn materialization(
        &self,
        package: &str,
        name: &str,
        explicit_overrides: bool,
    ) -> Option<&Arc<MacroDef>> {
        for prefix in &self.prefixes {
            let full = format!("materialization_{name}_{prefix}");
            let root = self.find_own(&self.root, &full);
            let own = self.find_own(package, &full).filter(|_| package != &*self.root);
            let internal = self.internal.get(full.as_str()).copied();
            // A materialization that is implemented in Rust has no macro, but a package must not
            // replace it either.
            let built_in = internal.is_some() || BUILT_IN.contains(&name);
            let found = match root {
                Some(root) => Some(root),
                None if explicit_overrides && built_in => internal,
                None => own.or_else(|| self.find_in_others(package, &full)).or(internal),
            };
            if let Some(i) = found {
                return Some(&self.defs[i]);
            }
            if *prefix == self.adapter.name && self.adapter.materializations.contains(&name) {
                return None;
            }
        }
        None
    }

    /// A macro of a package that is neither `package` nor the root project.
    fn find_in_others(&self, package: &str, name: &str) -> Option<usize> {
        let mut others = self.installed.iter().filter(|p| **p != self.root && &***p != package);
        others.find_map(|p| self.find_own(p, name))
    }

    /// The unique ids of the macros that a text calls, for `depends_on.macros`.
    pub(crate) fn resolve_calls(&self, package: &str, calls: &[CallName]) -> Vec<Arc<str>> {
        let mut out = Vec::new();
        for call in calls {
            if let Some(def) = self.find_call(package, call)
                && !out.contains(&def.unique_id)
            {
                out.push(def.unique_id.clone());
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter() -> DispatchAdapter {
        DispatchAdapter { name: "duckdb".to_owned(), materializations: &["table", "incremental"] }
    }

    fn parse(package: &str, text: &str) -> Vec<Arc<MacroDef>> {
        let checked = parse_macro_file(FileId(0), &package.into(), "macros/x.sql", text);
        assert!(checked.diagnostics.is_empty(), "{:?}", checked.diagnostics);
        checked.value.into_iter().map(Arc::new).collect()
    }

    fn registry() -> MacroRegistry {
        let internal = parse(
            "dbt",
            "{% macro a() %}i{% endmacro %}{% macro default__d() %}i{% endmacro %}{% macro duckdb__d() %}i{% endmacro %}",
        );
        let mut project =
            parse("root", "{% macro a() %}r{% endmacro %}{% macro default__d() %}r{% endmacro %}");
        project.extend(parse(
            "pkg",
            "{% macro a() %}p{% endmacro %}{% macro duckdb__d() %}p{% endmacro %}",
        ));
        let installed = vec!["root".into(), "pkg".into()];
        MacroRegistry::new(&"root".into(), adapter(), installed, HashMap::new(), internal, project)
    }

    #[test]
    fn names_follow_the_node() {
        let r = registry();
        let package = |within, name| r.lookup(within, name).map(|d| d.package.to_string());
        assert_eq!(package("root", "a").as_deref(), Some("root"));
        assert_eq!(package("pkg", "a").as_deref(), Some("pkg"));
        assert_eq!(package("other", "a").as_deref(), Some("root"));
        assert_eq!(r.lookup_in("dbt", "a").map(|d| &*d.package), Some("dbt"));
    }

    #[test]
    fn dispatch_goes_by_package_then_prefix() {
        let r = registry();
        let found =
            |ns| r.dispatch("root", "d", ns).map(|d| format!("{}.{}", d.package, d.name)).unwrap();
        assert_eq!(found(Some("pkg")), "root.default__d");
        assert_eq!(found(None), "dbt.duckdb__d");
        assert!(
            r.dispatch("root", "zz", Some("pkg"))
                .unwrap_err()
                .to_string()
                .contains("pkg.duckdb__zz")
        );
    }

    #[test]
    fn headers() {
        let defs =
            parse("root", "{% macro m(a, b: str = 'x)', c=[1, 2]) -%}{{ varargs }}{% endmacro %}");
        assert_eq!(
            defs[0].args.iter().map(|a| (a.name.as_str(), a.has_default)).collect::<Vec<_>>(),
            [("a", false), ("b", true), ("c", true)]
        );
        assert!(
            defs[0].text.contains("m__m(a, b= 'x)', c= __l([1, 2]), varargs=none)"),
            "{}",
            defs[0].text
        );
        let defs = parse("root", "{% macro m(x, y=x + 1) %}{{ y }}{% endmacro %}");
        assert_eq!(
            defs[0].text,
            "{% macro m__m(x, y) %}{% if y is undefined %}{% set y = __add(x , 1) %}{% endif %}{{ y }}{% endmacro %}"
        );
        let defs =
            parse("root", "{% materialization t,\n adapter='duckdb' %}x{% endmaterialization %}");
        assert_eq!(&*defs[0].name, "materialization_t_duckdb");
        assert_eq!(defs[0].languages, ["sql"]);
        let options = "adapter='duckdb', supported_languages=['sql', \"python\"]";
        let text = format!("{{% materialization t, {options} %}}x{{% endmaterialization %}}");
        assert_eq!(parse("root", &text)[0].languages, ["sql", "python"]);
    }
}
