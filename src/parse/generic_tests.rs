//! Generic tests: an entry of `data_tests:` with its arguments becomes a test with dbt's name
//! (semantics 1.17, 3.4).

use super::nodes::NodeParser;
use crate::config::{Json, JsonMap, Yaml, YamlMap, python_quoted, python_str};
use crate::context::{NodeScope, RenderQuestion, RenderSession, RenderSubject, failure_diagnostic};
use crate::diag::{Code, DbtEvent, Diagnostic};
use crate::engine::Relation;
use crate::hash::md5_hex;
use crate::jinja::{CallName, MacroDef, NativeForm, native_shape};
use crate::load::LoadedFile;
use crate::manifest::{Column, NodeConfig, RefCall, ResourceType, SourceCall, TestSpec};
use crate::source::Span;
use minijinja::value::{Kwargs, Value};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The node that a test is attached to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum TestTarget {
    /// A model, seed or snapshot, or one version of a model.
    Node {
        kind: ResourceType,
        name: Arc<str>,
        version: Option<Json>,
    },
    Source {
        source: Arc<str>,
        table: Arc<str>,
    },
}

impl TestTarget {
    fn name(&self) -> String {
        match self {
            TestTarget::Node { name, version: Some(v), .. } => format!("{name}_v{}", python_str(v)),
            TestTarget::Node { name, .. } => name.to_string(),
            TestTarget::Source { source, table } => format!("{source}_{table}"),
        }
    }

    fn expression(&self) -> String {
        match self {
            TestTarget::Node { name, version: Some(v), .. } => {
                format!("ref('{name}', version='{}')", python_str(v))
            }
            TestTarget::Node { name, .. } => format!("ref('{name}')"),
            TestTarget::Source { source, table } => format!("source('{source}', '{table}')"),
        }
    }
}

/// A generic test before its target is resolved.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ParsedTest {
    pub(crate) target: TestTarget,
    pub(crate) package: Arc<str>,
    /// The full name, which is part of the unique id. The short name is that of the alias and the
    /// file.
    pub(crate) name: Arc<str>,
    pub(crate) short_name: Arc<str>,
    pub(crate) hash: String,
    pub(crate) test: Arc<str>,
    pub(crate) namespace: Option<Arc<str>>,
    pub(crate) kwargs: Arc<JsonMap>,
    pub(crate) column: Option<Arc<str>>,
    pub(crate) column_tags: Vec<String>,
    pub(crate) description: String,
    pub(crate) original_file_path: Arc<str>,
    pub(crate) path: Arc<str>,
    pub(crate) config: Vec<(String, Json, Span)>,
    /// The arguments of `config()` in the test's macro.
    pub(crate) macro_config: Vec<(String, Json, Option<Span>)>,
    pub(crate) refs: Vec<RefCall>,
    pub(crate) sources: Vec<SourceCall>,
    pub(crate) functions: Vec<RefCall>,
    pub(crate) macro_id: Option<Arc<str>>,
    pub(crate) span: Span,
}

/// Configs that older projects write beside a test's arguments, in the order in which dbt writes
/// them.
pub(crate) const CONFIG_KEYS: &[&str] = &[
    "severity",
    "tags",
    "enabled",
    "where",
    "limit",
    "warn_if",
    "error_if",
    "fail_calc",
    "store_failures",
    "store_failures_as",
    "meta",
    "database",
    "schema",
    "alias",
];

/// Whether a text is an expression even without braces.
pub(crate) fn string_is_expression(text: &str) -> bool {
    let text = text.trim();
    let Some(open) = text.find('(') else { return false };
    let name = text[..open].trim_end();
    matches!(name, "ref" | "source" | "var" | "env_var" | "doc" | "metric")
        && text.ends_with(')')
        && text.len() > open + 2
}

/// A parsed test entry.
struct Entry {
    test: String,
    namespace: Option<String>,
    name: Option<String>,
    description: String,
    args: JsonMap,
    /// Whether there is an argument outside of `arguments:`.
    has_loose_arguments: bool,
    config: Vec<(String, Json, Span)>,
}

pub(super) fn build(
    parser: &NodeParser<'_>,
    package: &Arc<str>,
    file: &LoadedFile,
    target: &TestTarget,
    columns: &[Column],
    specs: &[TestSpec],
    out: &mut Vec<Diagnostic>,
) -> Vec<ParsedTest> {
    let mut tests = Vec::new();
    // As in dbt, the tests of a node come before those of its columns.
    let (own, of_columns) =
        (specs.iter().filter(|s| s.column.is_none()), specs.iter().filter(|s| s.column.is_some()));
    for spec in own.chain(of_columns) {
        let column = spec.column.and_then(|i| columns.get(i));
        if let Some(entry) = read(&spec.definition, out) {
            tests.extend(one(
                parser,
                package,
                file,
                target,
                column,
                entry,
                spec.definition.span,
                out,
            ));
        }
    }
    tests
}

/// Reads `unique`, `{accepted_values: {...}}` or `{name: x, test_name: unique, ...}`.
fn read(y: &Yaml, out: &mut Vec<Diagnostic>) -> Option<Entry> {
    match read_entry(y) {
        Ok(entry) => Some(entry),
        Err(wrong) => {
            let d = Diagnostic::error(Code::TestArguments, wrong.to_string());
            out.push(d.primary(y.span, "this is no test"));
            None
        }
    }
}

/// Why a YAML value is not a test.
#[derive(Debug, thiserror::Error)]
enum NoTest {
    #[error("a test is a name or a mapping, not {0}")]
    Kind(&'static str),
    #[error("a test is a mapping with one key, the test's name, and its arguments below")]
    Keys,
    #[error("the arguments of test `{test}` are a mapping, not {kind}")]
    Arguments { test: String, kind: &'static str },
}

/// The name of a test as it is written, its arguments, and the mapping that contains both.
struct Head<'a> {
    name: String,
    body: Option<&'a Yaml>,
    beside: Option<&'a YamlMap>,
}

fn read_head(y: &Yaml) -> Result<Head<'_>, NoTest> {
    let Some(map) = y.as_map() else {
        let name = y.as_str().ok_or_else(|| NoTest::Kind(y.kind()))?;
        return Ok(Head { name: name.to_owned(), body: None, beside: None });
    };
    if let Some(name) = map.get("test_name") {
        let name = name.scalar_text().unwrap_or_default();
        return Ok(Head { name, body: None, beside: Some(map) });
    }
    // `name`, `config` and `description` may be beside the test's own key.
    let own = map.iter().filter(|(k, _)| !matches!(&*k.text, "name" | "config" | "description"));
    match own.collect::<Vec<_>>().as_slice() {
        [(key, body)] => {
            Ok(Head { name: key.text.to_string(), body: Some(*body), beside: Some(map) })
        }
        _ => Err(NoTest::Keys),
    }
}

fn read_entry(y: &Yaml) -> Result<Entry, NoTest> {
    let Head { name: full, body, beside } = read_head(y)?;
    let mut entry = Entry {
        test: String::new(),
        namespace: None,
        name: None,
        description: String::new(),
        args: JsonMap::new(),
        has_loose_arguments: false,
        config: Vec::new(),
    };
    // As in dbt, trailing white space is ignored.
    let name = full.trim_end();
    match name.split_once('.') {
        Some((namespace, test)) => {
            entry.namespace = Some(namespace.to_owned());
            entry.test = test.to_owned();
        }
        None => entry.test = name.to_owned(),
    }
    if let Some(body) = body.filter(|body| !body.is_null()) {
        let wrong = || NoTest::Arguments { test: full.clone(), kind: body.kind() };
        for (key, value) in body.as_map().ok_or_else(wrong)?.iter() {
            entry.set(&key.text, value);
        }
    }
    for (key, value) in beside.into_iter().flat_map(|map| map.iter()) {
        if *key.text != *full && &*key.text != "test_name" {
            entry.set(&key.text, value);
        }
    }
    Ok(entry)
}

impl Entry {
    /// Sets an argument, or a key beside the arguments.
    fn set(&mut self, key: &str, value: &Yaml) {
        let inner = || value.as_map().into_iter().flat_map(|m| m.iter());
        match key {
            "name" => self.name = value.scalar_text(),
            "description" => self.description = value.scalar_text().unwrap_or_default(),
            "config" => {
                let config = inner().map(|(k, v)| (k.text.to_string(), v.to_json(), v.span));
                self.config.extend(config);
            }
            "arguments" if value.as_map().is_some() || value.is_null() => {
                self.args.extend(inner().map(|(k, v)| (k.text.to_string(), v.to_json())));
            }
            k if CONFIG_KEYS.contains(&k) => {
                self.config.push((k.to_owned(), value.to_json(), value.span));
            }
            k => {
                self.has_loose_arguments |= k != "column_name";
                self.args.insert(k.to_owned(), value.to_json());
            }
        }
    }
}

fn misses_arguments(test: &str, span: Span) -> Diagnostic {
    let event = DbtEvent::MissingArgumentsPropertyInGenericTestDeprecation;
    let message = format!("the arguments of the test `{test}` stand beside its configs");
    let d = Diagnostic::dbt_warning(Code::Deprecated, event, message).primary(span, "");
    d.help("write them below the key `arguments`")
}

#[expect(clippy::too_many_arguments, reason = "what one test is made of")]
fn one(
    parser: &NodeParser<'_>,
    package: &Arc<str>,
    file: &LoadedFile,
    target: &TestTarget,
    column: Option<&Column>,
    entry: Entry,
    span: Span,
    out: &mut Vec<Diagnostic>,
) -> Option<ParsedTest> {
    let mut kwargs = entry.args.clone();
    if let Some(column) = column {
        let quoted = column.quote.unwrap_or(false);
        let name =
            if quoted { parser.context.dialect.quoted(&column.name) } else { column.name.clone() };
        kwargs.insert("column_name".into(), Json::from(name));
    }
    kwargs.insert(
        "model".into(),
        Json::from(format!("{{{{ get_where_subquery({}) }}}}", target.expression())),
    );
    let (full, short) = match &entry.name {
        Some(name) => (name.clone(), name.clone()),
        None => names(&entry, target, &kwargs),
    };
    let hash = identity_hash(&full, &entry, &kwargs);
    let registry = parser.renderer.registry();
    let macro_name = format!("test_{}", entry.test);
    let call = match &entry.namespace {
        Some(ns) => CallName::Package(ns.clone(), macro_name),
        None => CallName::Plain(macro_name),
    };
    let def = registry.find_call(package, &call);
    parser.record_read(RenderQuestion::Macro { package: package.clone(), call });
    if def.is_none() {
        parser.record_read(RenderQuestion::MacroNames(package.clone()));
        let prefix = entry.namespace.as_deref().map(|n| format!("{n}.")).unwrap_or_default();
        let tests = registry.names(package).filter_map(|n| n.strip_prefix("test_"));
        out.push(
            Diagnostic::warning(
                Code::UnknownTest,
                format!("there is no test `{prefix}{}`; it will fail when it runs", entry.test),
            )
            .primary(span, "no `{% test %}` has this name")
            .did_you_mean(crate::diag::nearest_name(&entry.test, tests)),
        );
    }
    if entry.has_loose_arguments && parser.context.wants_test_arguments {
        out.push(misses_arguments(&entry.test, span));
    }
    let mut test = ParsedTest {
        target: target.clone(),
        package: package.clone(),
        name: full.into(),
        short_name: short.into(),
        hash,
        test: entry.test.into(),
        namespace: entry.namespace.map(Arc::from),
        kwargs: Arc::new(kwargs),
        column: column.map(|c| c.name.as_str().into()),
        column_tags: column.map(|c| c.tags.clone()).unwrap_or_default(),
        description: entry.description,
        original_file_path: file.original_file_path.clone(),
        path: file.path.clone(),
        config: entry.config,
        macro_config: Vec::new(),
        refs: Vec::new(),
        sources: Vec::new(),
        functions: Vec::new(),
        macro_id: def.map(|d| d.unique_id.clone()),
        span,
    };
    capture(parser, &mut test, def.cloned(), out);
    Some(test)
}

/// Renders the arguments in their order, `model` last, then the macro, and records their references
/// as those of the test. The built-in tests have no references except in their arguments, so their
/// macros are not rendered.
fn capture(
    parser: &NodeParser<'_>,
    test: &mut ParsedTest,
    def: Option<Arc<MacroDef>>,
    out: &mut Vec<Diagnostic>,
) {
    let internal = def.as_ref().is_some_and(|d| parser.renderer.registry().is_internal(d));
    let plain = test.kwargs.iter().all(|(k, v)| k == "model" || !needs_render(v));
    if internal && plain {
        own_reference(test);
        return;
    }
    let session =
        RenderSession::parse(parser.context, &test.package, subject_of_test(parser, test));
    render(parser, test, def.filter(|_| !internal), &session, out);
    let record = session.take_record();
    let placed = |s: Option<Span>| s.or(Some(test.span));
    let calls = |calls: Vec<RefCall>| {
        calls.into_iter().map(|r| RefCall { span: placed(r.span), ..r }).collect()
    };
    (test.refs, test.functions) = (calls(record.refs), calls(record.functions));
    test.sources =
        record.sources.into_iter().map(|s| SourceCall { span: placed(s.span), ..s }).collect();
    test.macro_config = record.config;
    parser.note(record.reads);
}

fn render(
    parser: &NodeParser<'_>,
    test: &ParsedTest,
    def: Option<Arc<MacroDef>>,
    session: &Arc<RenderSession>,
    out: &mut Vec<Diagnostic>,
) {
    let mut values: Vec<(String, Value)> = Vec::new();
    for (key, value) in &*test.kwargs {
        match evaluate_argument(parser.renderer, false, &test.package, session, value, test.span) {
            Ok(v) => values.push((key.clone(), v)),
            Err(d) => {
                out.push(*d);
                return;
            }
        }
    }
    if let Some(def) = def {
        let args = [Value::from(Kwargs::from_iter(values))];
        let scope = Arc::new(NodeScope(session.clone()));
        if let Err(failure) =
            parser.renderer.call_macro(false, &def, &args, &test.package, scope, session.clone())
        {
            out.push(
                failure_diagnostic(&failure, session, test.span)
                    .secondary(test.span, "for this test"),
            );
        }
    }
}

/// Adds the reference to the test's target as its only one.
fn own_reference(test: &mut ParsedTest) {
    match &test.target {
        TestTarget::Node { name, version, .. } => test.refs.push(RefCall {
            package: None,
            name: name.clone(),
            version: version.as_ref().map(|v| python_str(v).into()),
            span: Some(test.span),
        }),
        TestTarget::Source { source, table } => {
            test.sources.push(SourceCall {
                source: source.clone(),
                table: table.clone(),
                span: Some(test.span),
            });
        }
    }
}

fn needs_render(value: &Json) -> bool {
    match value {
        Json::String(s) => s.contains("{{") || s.contains("{%") || string_is_expression(s),
        Json::Array(items) => items.iter().any(needs_render),
        Json::Object(map) => map.values().any(needs_render),
        _ => false,
    }
}

/// Evaluates an argument of a generic test to the value that its macro gets.
pub(crate) fn evaluate_argument(
    renderer: &crate::jinja::Renderer,
    execute: bool,
    package: &Arc<str>,
    session: &Arc<RenderSession>,
    value: &Json,
    span: Span,
) -> Result<Value, Box<Diagnostic>> {
    let each = |v: &Json| evaluate_argument(renderer, execute, package, session, v, span);
    let scope = || Arc::new(NodeScope(session.clone()));
    let result = match value {
        Json::String(text) => {
            let expression = match native_shape(text) {
                NativeForm::Expression(e) => Some(e),
                NativeForm::Plain if string_is_expression(text) => Some(text.as_str()),
                NativeForm::Plain => return Ok(Value::from(text.as_str())),
                NativeForm::Template => None,
            };
            match expression {
                Some(e) => renderer.evaluate(execute, e, package, scope(), session.clone()),
                None => renderer
                    .render_detached(execute, text, package, scope(), session.clone())
                    .map(Value::from),
            }
        }
        Json::Array(items) => {
            return Ok(crate::jinja::list(items.iter().map(each).collect::<Result<_, _>>()?));
        }
        Json::Object(map) => {
            let pairs: Result<Vec<_>, Box<Diagnostic>> =
                map.iter().map(|(k, v)| Ok((Value::from(k.as_str()), each(v)?))).collect();
            return Ok(crate::jinja::dict(pairs?));
        }
        other => return Ok(crate::jinja::from_json(other)),
    };
    result.map_err(|failure| Box::new(failure_diagnostic(&failure, session, span)))
}

fn subject_of_test(parser: &NodeParser<'_>, test: &ParsedTest) -> RenderSubject {
    // At parse a reference is the node's own relation.
    let target = &parser.context.target;
    let this = Relation::new(Some(&target.database), Some(&target.schema), &test.short_name);
    RenderSubject {
        unique_id: format!("test.{}.{}.{}", test.package, test.name, test.hash).into(),
        name: test.name.clone(),
        kind: ResourceType::Test,
        file: None,
        this: Some(Relation { quote: parser.context.quoting, ..this }),
        config: Arc::new(NodeConfig::default()),
        node: None,
        model: Json::Object(JsonMap::new()),
        compiled: None,
        extra: Vec::new(),
        overrides: None,
        overload: None,
    }
}

/// The full and the short name of a test, as in dbt.
fn names(entry: &Entry, target: &TestTarget, kwargs: &JsonMap) -> (String, String) {
    let namespace = entry.namespace.as_deref().map(|n| format!("{n}_")).unwrap_or_default();
    let source = if matches!(target, TestTarget::Source { .. }) { "source_" } else { "" };
    let test = format!("{namespace}{source}{}", entry.test);
    let mut keys: Vec<&String> = kwargs.keys().filter(|k| *k != "model").collect();
    keys.sort();
    let mut flat = Vec::new();
    for key in keys {
        match &kwargs[key] {
            Json::Object(map) => flat.extend(map.values().map(python_str)),
            Json::Array(items) => flat.extend(items.iter().map(python_str)),
            other => flat.push(python_str(other)),
        }
    }
    let clean: Vec<String> = flat.iter().map(|text| squeeze(text)).collect();
    let identifier = format!("{test}_{}", target.name());
    let full = format!("{identifier}_{}", clean.join("__"));
    let short = if full.chars().count() >= 64 {
        format!("{}_{}", identifier.chars().take(30).collect::<String>(), md5_hex(&full))
    } else {
        full.clone()
    };
    (full, short)
}

/// Replaces each run of characters other than letters, digits and underscores by one underscore.
fn squeeze(text: &str) -> String {
    let mut out = String::new();
    let mut gap = false;
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || c == '_' {
            out.push(c);
            gap = false;
        } else if !gap {
            out.push('_');
            gap = true;
        }
    }
    out
}

/// The last ten digits of md5(full name + Python's `repr` of the metadata).
fn identity_hash(full: &str, entry: &Entry, kwargs: &JsonMap) -> String {
    let mut text = format!("{full}{{'kwargs': ");
    write_hashable(kwargs.iter(), &mut text);
    for (key, value) in
        [("name", &*entry.test), ("namespace", entry.namespace.as_deref().unwrap_or("None"))]
    {
        text.push_str(&format!(", '{key}': {}", python_quoted(value)));
    }
    text.push('}');
    let digest = md5_hex(&text);
    digest[digest.len() - 10..].to_owned()
}

/// Writes a mapping with its keys sorted at every level and scalars as Python's `str`. Lists keep
/// their order.
fn write_hashable<'a>(map: impl Iterator<Item = (&'a String, &'a Json)>, out: &mut String) {
    let mut pairs: Vec<_> = map.collect();
    pairs.sort_by_key(|(k, _)| *k);
    out.push('{');
    for (i, (key, value)) in pairs.into_iter().enumerate() {
        out.push_str(if i > 0 { ", " } else { "" });
        out.push_str(&python_quoted(key));
        out.push_str(": ");
        write_hashable_value(value, out);
    }
    out.push('}');
}

fn write_hashable_value(value: &Json, out: &mut String) {
    match value {
        Json::Object(map) => write_hashable(map.iter(), out),
        Json::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i > 0 { ", " } else { "" });
                write_hashable_value(item, out);
            }
            out.push(']');
        }
        Json::String(text) => out.push_str(&python_quoted(text)),
        other => out.push_str(&python_quoted(&python_str(other))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_yaml;
    use crate::source::FileId;

    fn entry(text: &str) -> Entry {
        read(&parse_yaml(FileId(0), text).value, &mut Vec::new()).unwrap()
    }

    fn model(name: &str) -> TestTarget {
        TestTarget::Node { kind: ResourceType::Model, name: name.into(), version: None }
    }

    /// The expected names and hashes are those of dbt 1.11.
    #[test]
    fn identities_as_dbt() {
        let e = entry("unique");
        let mut kwargs = e.args.clone();
        kwargs.insert("column_name".into(), Json::from("customer_id"));
        kwargs.insert("model".into(), Json::from("{{ get_where_subquery(ref('customers')) }}"));
        let (full, short) = names(&e, &model("customers"), &kwargs);
        assert_eq!(
            (full.as_str(), short.as_str()),
            ("unique_customers_customer_id", "unique_customers_customer_id")
        );
        assert_eq!(identity_hash(&full, &e, &kwargs), "c5af1ff4b1");

        let e = entry(
            "accepted_values: {values: [placed, shipped, completed, return_pending, returned]}",
        );
        let mut kwargs = e.args.clone();
        kwargs.insert("column_name".into(), Json::from("status"));
        kwargs.insert("model".into(), Json::from("{{ get_where_subquery(ref('orders')) }}"));
        let (full, short) = names(&e, &model("orders"), &kwargs);
        assert_eq!(
            full,
            "accepted_values_orders_status__placed__shipped__completed__return_pending__returned"
        );
        assert_eq!(short, "accepted_values_orders_1ce6ab157c285f7cd2ac656013faf758");
        assert_eq!(identity_hash(&full, &e, &kwargs), "be6b5b5ec3");
    }

    #[test]
    fn entries() {
        let e = entry(
            "dbt_utils.at_least_one: {arguments: {a: 1}, config: {severity: warn}, where: x > 1, name: n}",
        );
        assert_eq!(
            (e.namespace.as_deref(), e.test.as_str(), e.name.as_deref()),
            (Some("dbt_utils"), "at_least_one", Some("n"))
        );
        assert_eq!(e.args.len(), 1);
        assert_eq!(e.config.len(), 2);
        assert!(
            string_is_expression("ref('x')")
                && !string_is_expression("preference(x)")
                && !string_is_expression("ref")
        );
    }
}
