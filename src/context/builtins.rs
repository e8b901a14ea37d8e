//! `builtins`, and dbt's configuration object (`ref.config`, `adapter.config`).
//!
//! In: a session. Out: values. Packages use them to call members that a project's macros of the
//! same name hide, and to read versions of packages. Results that depend on the configuration are
//! valid for one command only. Must not know: how a name is found.

use super::reads::RenderQuestion;
use super::session::{NodeScope, RenderSession};
use crate::config::{Json, JsonMap};
use crate::jinja::{Scope, dict, from_json, list};
use minijinja::value::{Enumerator, Object, ObjectRepr, Value};
use minijinja::{Error, ErrorKind, State};
use std::fmt;
use std::sync::Arc;

/// The names that dbt 1.11 has in `builtins`.
pub(super) const NAMES: &[&str] = &[
    "_sql_results",
    "adapter",
    "adapter_macro",
    "api",
    "column",
    "compiled_code",
    "config",
    "context_macro_stack",
    "database",
    "dbt_metadata_envs",
    "dbt_version",
    "defer_relation",
    "diff_of_two_dicts",
    "env",
    "env_var",
    "exceptions",
    "execute",
    "flags",
    "fromjson",
    "fromyaml",
    "function",
    "graph",
    "invocation_args_dict",
    "invocation_id",
    "load_agate_table",
    "load_result",
    "local_md5",
    "log",
    "metric",
    "model",
    "modules",
    "post_hooks",
    "pre_hooks",
    "print",
    "project_name",
    "ref",
    "render",
    "return",
    "run_started_at",
    "schema",
    "selected_resources",
    "set",
    "set_strict",
    "source",
    "sql",
    "sql_now",
    "store_raw_result",
    "store_result",
    "submit_python_job",
    "target",
    "this",
    "thread_id",
    "tojson",
    "toyaml",
    "try_or_compiler_error",
    "validation",
    "var",
    "write",
    "zip",
    "zip_strict",
];

/// `builtins`: the members of the context, even if a macro has the same name.
pub(super) fn builtins_value(session: &Arc<RenderSession>) -> Value {
    Value::from_object(Builtins(session.clone()))
}

struct Builtins(Arc<RenderSession>);

impl fmt::Debug for Builtins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Builtins")
    }
}

impl Object for Builtins {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str().filter(|name| NAMES.contains(name))?;
        NodeScope(self.0.clone()).member(name)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(NAMES.iter().map(|name| Value::from(*name)).collect())
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        match (self.get_value(&Value::from(method)), method) {
            (Some(found), _) => found.call(state, args),
            (None, "get") => {
                let found = args.first().and_then(|key| self.get_value(key));
                Ok(found.unwrap_or_else(|| args.get(1).cloned().unwrap_or_else(super::none)))
            }
            (None, "keys") => Ok(list(NAMES.iter().map(|name| Value::from(*name)).collect())),
            (None, _) => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}

/// A function of the context with the attributes that dbt's functions have: `config` and `model`.
#[derive(Debug)]
struct Carrying {
    function: Value,
    session: Arc<RenderSession>,
}

pub(super) fn attach_session(session: &Arc<RenderSession>, function: Value) -> Value {
    Value::from_object(Carrying { function, session: session.clone() })
}

impl Object for Carrying {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "config" => Some(runtime_config(&self.session)),
            "model" => {
                self.session.note_unsteady();
                self.session.record_read(RenderQuestion::Node);
                Some(self.session.model())
            }
            other => self.function.get_attr(other).ok().filter(|v| !v.is_undefined()),
        }
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        self.function.call(state, args)
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        self.function.call_method(state, method, args)
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.function)
    }
}

/// The plain data of dbt's `RuntimeConfig`.
pub(super) fn runtime_config(session: &RenderSession) -> Value {
    session.note_unsteady();
    // It contains the whole project file, so what is made from it is not cached for other commands.
    session.record_read(RenderQuestion::Invocation);
    let project = &session.project;
    let quoting = ["database", "schema", "identifier"].iter().zip(project.quoting);
    let quoting: JsonMap = quoting.map(|(key, on)| ((*key).to_owned(), Json::Bool(on))).collect();
    let target = Json::Object(super::project::target_json(&project.target));
    let mut fields: Vec<(Value, Value)> = vec![
        (Value::from("quoting"), from_json(&Json::Object(quoting))),
        (Value::from("target_name"), Value::from(&*project.target.name)),
        (Value::from("profile_name"), Value::from(&*project.target.profile_name)),
        (Value::from("threads"), Value::from(project.target.threads)),
        (Value::from("credentials"), from_json(&target)),
        (Value::from("cli_vars"), from_json(&Json::Object(project.vars.cli.clone()))),
        (
            Value::from("args"),
            project.members.get("invocation_args_dict").cloned().unwrap_or_default(),
        ),
        (Value::from("vars"), Value::from_object(Vars(project.vars.root.clone()))),
    ];
    let packages = project.packages.as_object();
    if let Some(own) = packages.and_then(|all| all.get(&*project.name)).and_then(Json::as_object) {
        fields.extend(own.iter().map(|(k, v)| (Value::from(k.as_str()), from_json(v))));
    }
    fields.push((Value::from("dependencies"), from_json(&project.packages)));
    dict(fields)
}

/// `config.vars`: the variables in the root project's file.
#[derive(Debug)]
struct Vars(Json);

impl Object for Vars {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        _: &[Value],
    ) -> Result<Value, Error> {
        match (method, &self.0) {
            ("to_dict", Json::Object(_)) => Ok(from_json(&self.0)),
            ("to_dict", _) => Ok(dict(Vec::new())),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}
