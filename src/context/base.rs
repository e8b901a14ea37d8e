//! The members of every context: variables, environment, conversions, log.

use super::reads::RenderQuestion;
use super::session::{Abort, LogLine};
use super::{function, none};
use crate::config::{Json, parse_yaml};
use crate::hash::{FastMap, md5_hex};
use crate::jinja::{
    check_json, dict, error, from_json, has_mark, list, python_json, render_inner, set_value,
    sort_json_keys, to_json,
};
use crate::secret::SECRET_PREFIX;
use crate::source::FileId;
use minijinja::value::{Object, ObjectRepr, Tuple, Value};
use minijinja::{Error, State};
use std::sync::Arc;

#[expect(clippy::too_many_lines, reason = "a line or two for each member")]
pub(super) fn install_base_members(out: &mut FastMap<&'static str, Value>) {
    out.insert("var", Value::from_object(Var));
    out.insert("env_var", function(env_var));
    out.insert(
        "log",
        function(|_, session, args| {
            let line = LogLine {
                text: args.text(0, "msg")?,
                info: args.flag(1, "info", false),
                print: false,
            };
            session.record().logs.push(line);
            Ok(Value::from(""))
        }),
    );
    out.insert(
        "print",
        function(|_, session, args| {
            let line = LogLine { text: args.text(0, "msg")?, info: true, print: true };
            session.record().logs.push(line);
            Ok(Value::from(""))
        }),
    );
    out.insert(
        "adapter_macro",
        function(|_, _, _| {
            let message =
                "The \"adapter_macro\" macro has been deprecated: call `adapter.dispatch`";
            Err(error(message))
        }),
    );
    out.insert("debug", function(|_, _, _| Ok(Value::from(""))));
    out.insert(
        "tojson",
        function(|_, _, args| {
            let value = args.require(0, "value")?;
            check_json(value)?;
            let value = to_json(value);
            let value =
                if args.flag(2, "sort_keys", false) { sort_json_keys(value) } else { value };
            Ok(Value::from(python_json(&value, false)))
        }),
    );
    out.insert(
        "fromjson",
        function(|_, _, args| match serde_json::from_str::<Json>(&args.text(0, "string")?) {
            Ok(json) => Ok(from_json(&json)),
            Err(_) => Ok(args.get(1, "default").cloned().unwrap_or_else(none)),
        }),
    );
    out.insert(
        "fromyaml",
        function(|_, _, args| {
            let parsed = parse_yaml(FileId(0), &args.text(0, "value")?);
            if parsed.diagnostics.iter().any(crate::diag::Diagnostic::is_error) {
                return Ok(args.get(1, "default").cloned().unwrap_or_else(none));
            }
            Ok(from_json(&parsed.value.to_json()))
        }),
    );
    out.insert(
        "toyaml",
        function(|_, _, args| {
            let value = args.require(0, "value")?;
            if check_json(value).is_err() {
                return Ok(args.get(1, "default").cloned().unwrap_or_else(none));
            }
            let value = to_json(value);
            let value =
                if args.flag(2, "sort_keys", false) { sort_json_keys(value) } else { value };
            let mut text = String::new();
            write_yaml(&value, 0, &mut text);
            Ok(Value::from(text))
        }),
    );
    out.insert(
        "set",
        function(|_, _, args| {
            let none = none();
            set(args.require(0, "value")?, Some(args.get(1, "default").unwrap_or(&none)))
        }),
    );
    out.insert("set_strict", function(|_, _, args| set(args.require(0, "value")?, None)));
    out.insert(
        "zip",
        function(|_, _, args| match zip(&args.positional) {
            Ok(value) => Ok(value),
            Err(e) => args.named.get("default").cloned().ok_or(e),
        }),
    );
    out.insert("zip_strict", function(|_, _, args| zip(&args.positional)));
    out.insert(
        "local_md5",
        function(|_, session, args| {
            let text = args.text(0, "value")?;
            if has_mark(&text) {
                // With other references in place of the marks, the text would have a different
                // hash.
                session.note_references_asked();
            }
            Ok(Value::from(md5_hex(&text)))
        }),
    );
    out.insert(
        "diff_of_two_dicts",
        function(|_, _, args| {
            diff_of_two_dicts(args.require(0, "dict_a")?, args.require(1, "dict_b")?)
        }),
    );
    out.insert("context_macro_stack", list(Vec::new()));
    out.insert(
        "render",
        function(|state, _, args| {
            let text = args.text(0, "string")?;
            render_inner(state, &text).map(Value::from)
        }),
    );
    out.insert(
        "write",
        function(|_, session, args| {
            session.record().written = Some(args.text(0, "payload")?);
            Ok(Value::from(""))
        }),
    );
    out.insert(
        "try_or_compiler_error",
        function(|state, session, args| {
            let message = args.text(0, "message_if_exception")?;
            let f = args.require(1, "func")?.clone();
            let rest: Vec<Value> = args.positional.iter().skip(2).cloned().collect();
            f.call(state, &rest).map_err(|_| session.stop(Abort::Raised(message)))
        }),
    );
    out.insert("validation", Value::from_object(Validation));
}

#[derive(Debug)]
struct Var;

impl Object for Var {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let session = crate::jinja::with_extension::<super::RenderSession>(state)?;
        let args = crate::jinja::Args::parse(args)?;
        let name = args.text(0, "var_name")?;
        if name.starts_with(SECRET_PREFIX) && !session.project.secrets {
            return Err(session.stop(Abort::SecretEnv(name)));
        }
        let found = session.var(&name).cloned();
        match (found, args.get(1, "default")) {
            (Some(Json::String(text)), _)
                if ["{{", "{%", "{#"].iter().any(|mark| text.contains(mark)) =>
            {
                session.enter_variable(&name)?;
                let rendered = render_inner(state, &text).map(Value::from);
                session.leave_variable();
                rendered
            }
            (Some(value), _) => Ok(from_json(&value)),
            (None, Some(default)) => Ok(default.clone()),
            (None, None) if session.leaves_variables() => {
                // At run, a variable that is not set is an error.
                session.note_unsteady();
                Ok(none())
            }
            (None, None) => Err(session.stop(Abort::MissingVar(name))),
        }
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let session = crate::jinja::with_extension::<super::RenderSession>(state)?;
        let name = args.first().map(Value::to_string).unwrap_or_default();
        match method {
            "has_var" => {
                let is_overridden =
                    session.overrides().is_some_and(|overrides| overrides.vars.contains_key(&name));
                let found =
                    is_overridden || session.project.vars.find(&session.package, &name).is_some();
                session
                    .record_read(RenderQuestion::HasVar { package: session.package.clone(), name });
                Ok(Value::from(found))
            }
            _ => Err(Error::from(minijinja::ErrorKind::UnknownMethod)),
        }
    }
}

fn env_var(
    _: &mut State<'_, '_>,
    session: &Arc<super::RenderSession>,
    args: crate::jinja::Args,
) -> Result<Value, Error> {
    let name = args.text(0, "var")?;
    if name.starts_with(SECRET_PREFIX) && !session.project.secrets {
        return Err(session.stop(Abort::SecretEnv(name)));
    }
    if let Some(value) = session.overrides().and_then(|overrides| overrides.env_vars.get(&name)) {
        return Ok(from_json(value));
    }
    let found = session.project.env(&name);
    if !name.starts_with(SECRET_PREFIX) {
        session.record_read(RenderQuestion::Env(name.clone()));
    }
    match (found, args.get(1, "default")) {
        (Some(value), _) => Ok(Value::from(value)),
        (None, Some(default)) if !default.is_none() => Ok(Value::from(default.to_string())),
        _ => Err(session.stop(Abort::MissingEnv(name))),
    }
}

fn set(value: &Value, default: Option<&Value>) -> Result<Value, Error> {
    match value.try_iter().and_then(set_value) {
        Ok(set) => Ok(set),
        Err(e) => default.cloned().ok_or(e),
    }
}

fn zip(args: &[Value]) -> Result<Value, Error> {
    let mut iters = args.iter().map(Value::try_iter).collect::<Result<Vec<_>, _>>()?;
    let mut out = Vec::new();
    while !iters.is_empty() {
        let Some(row) = iters.iter_mut().map(Iterator::next).collect::<Option<Vec<_>>>() else {
            break;
        };
        out.push(Value::from(Tuple::from(row)));
    }
    Ok(list(out))
}

fn diff_of_two_dicts(a: &Value, b: &Value) -> Result<Value, Error> {
    let mut out = Vec::new();
    for key in a.try_iter()? {
        let mine: Vec<Value> = a.get_item(&key)?.try_iter()?.collect();
        let other_key = b.try_iter()?.find(|k| lower_text(k) == lower_text(&key));
        let missing: Vec<Value> = match other_key {
            None => mine,
            Some(other) => {
                let theirs: Vec<String> =
                    b.get_item(&other)?.try_iter()?.map(|v| lower_text(&v)).collect();
                mine.into_iter().filter(|v| !theirs.contains(&lower_text(v))).collect()
            }
        };
        if !missing.is_empty() {
            out.push((key, list(missing)));
        }
    }
    Ok(dict(out))
}

fn lower_text(value: &Value) -> String {
    value.to_string().to_lowercase()
}

/// Writes YAML in block style with an indent of two; only as complete as needed to be read back.
fn write_yaml(value: &Json, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    match value {
        Json::Object(map) if !map.is_empty() => {
            for (k, v) in map {
                out.push_str(&format!("{pad}{k}:"));
                nested(v, indent, out);
            }
        }
        Json::Array(items) if !items.is_empty() => {
            for item in items {
                out.push_str(&format!("{pad}-"));
                nested(item, indent, out);
            }
        }
        scalar => out.push_str(&format!("{pad}{}\n", yaml_scalar(scalar))),
    }
}

fn nested(value: &Json, indent: usize, out: &mut String) {
    let container = matches!(value, Json::Object(m) if !m.is_empty())
        || matches!(value, Json::Array(a) if !a.is_empty());
    if container {
        out.push('\n');
        write_yaml(value, indent + 2, out);
    } else {
        out.push_str(&format!(" {}\n", yaml_scalar(value)));
    }
}

fn yaml_scalar(value: &Json) -> String {
    match value {
        Json::String(s) => {
            let plain = !s.is_empty()
                && s.chars()
                    .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ' '))
                && parse_yaml(FileId(0), s).value.as_str() == Some(s);
            if plain { s.clone() } else { format!("'{}'", s.replace('\'', "''")) }
        }
        other => other.to_string(),
    }
}

/// `validation`. `any('view', 'table')` is accepted and validates nothing.
#[derive(Debug)]
struct Validation;

impl Object for Validation {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        _: &[Value],
    ) -> Result<Value, Error> {
        match method {
            "any" => Ok(none()),
            _ => Err(error(format!("validation has no `{method}`"))),
        }
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        (key.as_str() == Some("any")).then(|| Value::from_object(Validation))
    }
}
