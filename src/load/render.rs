//! Renders the Jinja in YAML values. A value that is a single expression keeps the expression's
//! type.

use crate::config::{Json, Key, Yaml, YamlMap, YamlValue, is_whole};
use crate::context::{
    ContextProject, NodeScope, RenderRead, RenderSession, RenderSubject, failure_diagnostic,
};
use crate::diag::{Code, Diagnostic};
use crate::jinja::{
    MacroDef, MacroRegistry, NativeForm, Renderer, Scope, ends_in_marker, is_constant,
    native_shape, native_value,
};
use crate::manifest::{NodeConfig, ResourceType};
use crate::source::Span;
use minijinja::value::Value;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Renders YAML trees with one context. Macros are not available in YAML.
#[derive(Debug)]
pub(crate) struct YamlRenderer {
    renderer: Renderer,
    project: Arc<ContextProject>,
    package: Arc<str>,
    /// The external inputs that the values read.
    reads: RefCell<BTreeSet<RenderRead>>,
    /// Whether a value below a password key of a profile is being rendered.
    in_password: Cell<bool>,
}

impl YamlRenderer {
    pub(crate) fn new(project: &Arc<ContextProject>, package: &Arc<str>) -> YamlRenderer {
        YamlRenderer {
            renderer: Renderer::new(Arc::new(MacroRegistry::default())),
            project: project.clone(),
            package: package.clone(),
            reads: RefCell::default(),
            in_password: Cell::default(),
        }
    }

    pub(crate) fn reads(self) -> BTreeSet<RenderRead> {
        self.reads.into_inner()
    }

    /// A copy of the tree with all values rendered, except those at paths for which `keep` holds.
    /// In paths, `#` stands for a list index.
    pub(crate) fn tree(
        &self,
        tree: &Yaml,
        keep: &dyn Fn(&[&str]) -> bool,
        out: &mut Vec<Diagnostic>,
    ) -> Yaml {
        self.walk(tree, &mut Vec::new(), keep, out)
    }

    fn walk<'a>(
        &self,
        y: &'a Yaml,
        path: &mut Vec<&'a str>,
        keep: &dyn Fn(&[&str]) -> bool,
        out: &mut Vec<Diagnostic>,
    ) -> Yaml {
        if keep(path) {
            return y.clone();
        }
        match &y.value {
            YamlValue::Str(text) => match self.value_at(path, text, y.span, out) {
                Some(value) => value,
                // Jinja2 removes the last newline of a text, even if the text has no Jinja.
                None => match text.strip_suffix('\n') {
                    Some(text) => Yaml { span: y.span, value: YamlValue::Str(text.into()) },
                    None => y.clone(),
                },
            },
            YamlValue::Seq(items) => {
                path.push("#");
                let items = items.iter().map(|i| self.walk(i, path, keep, out)).collect();
                path.pop();
                Yaml { span: y.span, value: YamlValue::Seq(items) }
            }
            YamlValue::Map(map) => {
                let mut rendered = YamlMap::default();
                for (key, value) in map.iter() {
                    path.push(&key.text);
                    let value = self.walk(value, path, keep, out);
                    path.pop();
                    rendered.entries.push((self.key(key, out), value));
                }
                Yaml { span: y.span, value: YamlValue::Map(rendered) }
            }
            _ => y.clone(),
        }
    }

    fn key(&self, key: &Key, out: &mut Vec<Diagnostic>) -> Key {
        match self.value(&key.text, key.span, out).and_then(|y| y.scalar_text()) {
            Some(text) => Key { text: text.into(), span: key.span },
            None => key.clone(),
        }
    }

    fn value_at(
        &self,
        path: &[&str],
        text: &str,
        span: Span,
        out: &mut Vec<Diagnostic>,
    ) -> Option<Yaml> {
        self.in_password.set(path.contains(&"password") || path.contains(&"pass"));
        let value = self.value(text, span, out);
        self.in_password.set(false);
        value
    }

    /// The rendered value of a text. `None` if it has no Jinja, or rendering fails, which is
    /// reported.
    pub(crate) fn value(&self, text: &str, span: Span, out: &mut Vec<Diagnostic>) -> Option<Yaml> {
        let shape = native_shape(text);
        if shape == NativeForm::Plain {
            return None;
        }
        let session = self.session(span);
        let scope = Arc::new(YamlScope(NodeScope(session.clone())));
        let result = match shape {
            // Jinja2 folds constants before the type could be kept, so they become texts.
            NativeForm::Expression(expression)
                if !is_constant(expression) || ends_in_marker(expression) =>
            {
                let value =
                    self.renderer.evaluate(true, expression, &self.package, scope, session.clone());
                value.map(|value| self.native(expression, &value, span, out))
            }
            _ => {
                let text = self.renderer.render_detached(
                    true,
                    text,
                    &self.package,
                    scope,
                    session.clone(),
                );
                text.map(|text| Some(Json::String(text)))
            }
        };
        let value = match result {
            Ok(json) if self.project.secrets => {
                json.map(|json| yaml_of(&self.with_secrets(json), span))
            }
            Ok(json) => json.map(|json| yaml_of(&json, span)),
            // A password may look like Jinja by chance.
            Err(_) if self.project.secrets && self.in_password.get() => None,
            Err(failure) => {
                out.push(failure_diagnostic(&failure, &session, span));
                None
            }
        };
        self.reads.borrow_mut().extend(session.take_record().reads);
        value
    }

    /// The value of an expression. `None` if YAML has no such value, which is reported.
    fn native(
        &self,
        expression: &str,
        value: &Value,
        span: Span,
        out: &mut Vec<Diagnostic>,
    ) -> Option<Json> {
        match native_value(expression, value) {
            Ok((json, warning)) => {
                if let Some(text) = warning {
                    out.push(Diagnostic::warning(Code::JinjaRender, text).primary(span, ""));
                }
                Some(json)
            }
            Err(e) => {
                let d = Diagnostic::error(Code::JinjaRender, e.to_string()).primary(span, "");
                out.push(d.help("give it a default: `{{ var('name', 'default') }}`"));
                None
            }
        }
    }

    fn with_secrets(&self, json: Json) -> Json {
        match json {
            Json::String(text) => Json::String(self.project.with_secrets(&text)),
            Json::Array(items) => items.into_iter().map(|i| self.with_secrets(i)).collect(),
            Json::Object(map) => map.into_iter().map(|(k, v)| (k, self.with_secrets(v))).collect(),
            other => other,
        }
    }

    fn session(&self, span: Span) -> Arc<RenderSession> {
        let subject = RenderSubject {
            unique_id: "yaml".into(),
            name: "yaml".into(),
            kind: ResourceType::Model,
            file: Some(span.file),
            this: None,
            config: Arc::new(NodeConfig::default()),
            node: None,
            model: Json::Null,
            compiled: None,
            extra: Vec::new(),
            overrides: None,
            overload: None,
        };
        RenderSession::parse_strictly(&self.project, &self.package, subject)
    }
}

/// Members that are not available in YAML, which is read without nodes and without a database.
const OF_TEMPLATES: [&str; 10] = [
    "adapter", "config", "database", "execute", "graph", "model", "ref", "schema", "source", "this",
];

#[derive(Debug)]
struct YamlScope(NodeScope);

impl Scope for YamlScope {
    fn member(&self, name: &str) -> Option<Value> {
        if OF_TEMPLATES.contains(&name) { None } else { self.0.member(name) }
    }

    fn record_macro_lookup(&self, package: Option<&str>, name: &str, found: Option<&MacroDef>) {
        self.0.record_macro_lookup(package, name, found);
    }

    fn record_macro_listing(&self) {
        self.0.record_macro_listing();
    }

    fn names(&self) -> Vec<&'static str> {
        self.0.names().into_iter().filter(|name| !OF_TEMPLATES.contains(name)).collect()
    }
}

/// JSON as a YAML tree in which all values have the same span.
pub(crate) fn yaml_of(json: &Json, span: Span) -> Yaml {
    let value = match json {
        Json::Null => YamlValue::Null,
        Json::Bool(b) => YamlValue::Bool(*b),
        Json::Number(n) => match n.as_i64() {
            Some(i) => YamlValue::Int(i),
            None if is_whole(n) => YamlValue::BigInt(n.to_string().into()),
            None => YamlValue::Float(n.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(s) => YamlValue::Str(s.as_str().into()),
        Json::Array(items) => YamlValue::Seq(items.iter().map(|i| yaml_of(i, span)).collect()),
        Json::Object(map) => YamlValue::Map(YamlMap {
            entries: map
                .iter()
                .map(|(k, v)| (Key { text: k.as_str().into(), span }, yaml_of(v, span)))
                .collect(),
        }),
    };
    Yaml { span, value }
}
