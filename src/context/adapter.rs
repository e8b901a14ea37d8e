//! `adapter`: the object through which templates query and change the database.
//!
//! At parse, stubs answer (semantics 1.2). At compile, `ExistingRelations` answers questions about
//! the node's own relation. Any other question stops the render, and the node is compiled just
//! before it is built.

use super::column::ColumnValue;
use super::constraints::{
    column_definitions, constraint_suffix, model_constraints, resolve_references,
};
use super::none;
use super::reads::RenderQuestion;
use super::relation::RelationValue;
use super::session::{Abort, DatabaseAccess, Phase, RenderSession, TemplateWarning};
use super::statements::{self, Fetch, run_statement};
use crate::config::{Json, python_str};
use crate::engine::{ExistingColumn, ExistingRelation, Relation};
use crate::jinja::{
    Args, CallName, METHODS, MacroDef, dict, error, from_json, list, to_json, with_extension,
};
use crate::source::SqlText;
use minijinja::value::{Object, ObjectRepr, Tuple, Value};
use minijinja::{Error, State};
use std::sync::Arc;

pub(super) fn adapter_value(session: &Arc<RenderSession>) -> Value {
    Value::from_object(Adapter { session: session.clone() })
}

#[derive(Debug)]
struct Adapter {
    session: Arc<RenderSession>,
}

/// The methods that templates can also take as values, without calling them.
const NAMES: &[&str] = &[
    "add_query",
    "already_exists",
    "cache_added",
    "cache_dropped",
    "cache_renamed",
    "check_schema_exists",
    "commit",
    "convert_type",
    "create_schema",
    "disable_transactions",
    "dispatch",
    "drop_relation",
    "drop_schema",
    "execute",
    "expand_target_column_types",
    "external_read_location",
    "external_root",
    "external_write_options",
    "get_binding_char",
    "get_column_schema_from_query",
    "get_columns_in_relation",
    "get_columns_in_select_sql",
    "get_columns_in_table",
    "get_hard_deletes_behavior",
    "get_incremental_strategy_macro",
    "get_missing_columns",
    "get_relation",
    "get_seed_file_path",
    "get_temp_relation_path",
    "is_ducklake",
    "is_motherduck",
    "location_exists",
    "parse_index",
    "quote",
    "quote_as_configured",
    "quote_seed_column",
    "rename_relation",
    "render_raw_columns_constraints",
    "render_raw_model_constraints",
    "standardize_grants_dict",
    "store_relation",
    "truncate_relation",
    "type",
    "valid_incremental_strategies",
    "verify_database",
    "warn_once",
];

impl Object for Adapter {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(match key.as_str()? {
            "behavior" => Value::from_object(Behavior(self.session.clone())),
            "Relation" => Value::from_object(super::relation::RelationClass),
            "config" => super::builtins::runtime_config(&self.session),
            METHODS => Value::from(NAMES.to_vec()),
            _ => return None,
        })
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let session = with_extension::<RenderSession>(state)?;
        let given = args;
        let args = Args::parse(given)?;
        if let Some(found) = pure(&session, state, method, &args)? {
            return Ok(found);
        }
        if session.phase == Phase::Parse {
            return parse_stub(method);
        }
        if method == "get_columns_in_relation"
            && let Some(own) = own_columns_macro(&session)
        {
            return own.call(state, given);
        }
        if let Some(found) = question(&session, method, &args)? {
            return Ok(found);
        }
        command(&session, state, method, &args)
    }
}

/// `adapter.behavior.<flag>`: whether a flag is on. `adapter.behavior.<flag>.no_warn` has the same
/// value.
#[derive(Debug)]
struct Behavior(Arc<RenderSession>);

impl Object for Behavior {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let on = self.0.project.flags_set.contains(key.as_str()?);
        Some(Value::from_object(Flag(on)))
    }
}

#[derive(Debug)]
struct Flag(bool);

impl Object for Flag {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        matches!(key.as_str(), Some("no_warn" | "setting")).then(|| Value::from(self.0))
    }

    fn is_true(self: &Arc<Self>) -> bool {
        self.0
    }
}

/// Methods that need no database and have the same result in both phases. `None`: `method` is not
/// one of them.
#[expect(clippy::too_many_lines, reason = "an arm for each method")]
fn pure(
    session: &Arc<RenderSession>,
    state: &mut State<'_, '_>,
    method: &str,
    args: &Args,
) -> Result<Option<Value>, Error> {
    let dialect = session.project.dialect;
    Ok(Some(match method {
        "dispatch" => {
            let name = args.text(0, "macro_name")?;
            let namespace =
                args.get(1, "macro_namespace").filter(|v| !v.is_none()).map(Value::to_string);
            let registry =
                session.project.registry().ok_or_else(|| error("macros are not loaded yet"))?;
            let found = registry.dispatch(&session.package, &name, namespace.as_deref());
            session.record_macro_read(
                CallName::Dispatch(name, namespace),
                found.as_ref().ok().map(|def| &***def),
            );
            registry.value_of(found.map_err(|e| error(e.to_string()))?).unwrap_or_default()
        }
        "type" => Value::from(&*session.project.target.adapter),
        "quote" => Value::from(dialect.quoted(&args.text(0, "identifier")?)),
        "quote_as_configured" => {
            let (name, key) = (args.text(0, "identifier")?, args.text(1, "quote_key")?);
            let i =
                ["database", "schema", "identifier"].iter().position(|k| *k == key).unwrap_or(2);
            Value::from(if session.project.quoting[i] { dialect.quoted(&name) } else { name })
        }
        "quote_seed_column" => {
            let name = args.text(0, "column")?;
            let quote =
                args.get(1, "quote_config").filter(|v| !v.is_none()).is_none_or(Value::is_true);
            Value::from(if quote { dialect.quoted(&name) } else { name })
        }
        "is_motherduck" | "is_ducklake" => Value::from(false),
        "disable_transactions" => {
            session.record_read(RenderQuestion::Target);
            Value::from(session.project.target.connection.adapter_members().disable_transactions)
        }
        "external_root" => {
            session.record_read(RenderQuestion::Target);
            Value::from(session.project.target.connection.adapter_members().external_root)
        }
        "get_binding_char" => Value::from(session.project.target.engine.adapter.binding_char),
        "cache_added" | "cache_dropped" | "cache_renamed" | "verify_database" => Value::from(""),
        "warn_once" => {
            let warning = TemplateWarning::raised(args.text(0, "msg")?, None);
            session.record().warnings.push(warning);
            Value::from("")
        }
        "valid_incremental_strategies" => {
            let strategies = session.project.target.engine.capabilities.strategies;
            list(strategies.iter().copied().map(Value::from).collect())
        }
        "get_incremental_strategy_macro" => {
            let strategy = args.text(1, "strategy")?.replace('+', "_");
            let name = format!("get_incremental_{strategy}_sql");
            match own_macro(session, CallName::Plain(name.clone())) {
                Some(found) => found,
                None => {
                    return Err(error(format!(
                        "incremental strategy `{strategy}` needs a macro `{name}`, which does not exist"
                    )));
                }
            }
        }
        "get_hard_deletes_behavior" => hard_deletes(session, args.require(0, "config")?)?,
        "parse_index" => parse_index(args.require(0, "raw_index")?)?,
        "convert_type" => convert_type(args)?,
        "render_raw_columns_constraints" => column_definitions(
            args.require(0, "raw_columns")?,
            dialect,
            &mut resolve_references(state, dialect),
        )?,
        "render_raw_model_constraints" => model_constraints(
            args.require(0, "raw_constraints")?,
            &constraint_suffix(session),
            &mut resolve_references(state, dialect),
        )?,
        "standardize_grants_dict" => grants(args.require(0, "grants_table")?)?,
        "external_write_options" => Value::from(external_write_options(args)?),
        "external_read_location" => Value::from(external_read_location(args)?),
        "get_seed_file_path" => Value::from(seed_path(session, args.require(0, "model")?)),
        "get_temp_relation_path" => {
            let name = args.require(0, "model")?.get_attr("name")?.to_string();
            Value::from(format!("__dbt_temp_{name}"))
        }
        "location_exists" => {
            // Files come and go: what asks for one is never reused.
            session.record_read(RenderQuestion::Now);
            Value::from(session.project.system.is_file(args.text(0, "location")?.as_str().into()))
        }
        _ => return Ok(None),
    }))
}

/// The results of dbt's adapter at parse time.
fn parse_stub(method: &str) -> Result<Value, Error> {
    Ok(match method {
        "get_relation" | "load_relation" => none(),
        "check_schema_exists" => Value::from(false),
        "get_columns_in_relation"
        | "get_missing_columns"
        | "list_relations"
        | "get_columns_in_table"
        | "get_column_schema_from_query"
        | "get_columns_in_select_sql" => list(Vec::new()),
        "execute" => Value::from(Tuple::from(vec![Value::from(""), statements::empty_table()])),
        "add_query" => Value::from(Tuple::from(vec![none(), none()])),
        "create_schema"
        | "drop_schema"
        | "drop_relation"
        | "truncate_relation"
        | "rename_relation"
        | "expand_target_column_types"
        | "already_exists"
        | "commit"
        | "store_relation" => Value::from(""),
        other => return Err(unknown_method(other)),
    })
}

/// At parse, the text of a node may call what is not there, as in dbt: it is its run that fails.
fn unknown_method(method: &str) -> Error {
    Error::new(minijinja::ErrorKind::UnknownMethod, format!("adapter has no `{method}`"))
}

fn part(args: &Args, i: usize, key: &str) -> Option<String> {
    args.get(i, key).filter(|v| !v.is_none() && !v.is_undefined()).map(Value::to_string)
}

fn relation_arg(args: &Args, i: usize, key: &str) -> Result<Relation, Error> {
    RelationValue::of(args.require(i, key)?)
        .ok_or_else(|| error(format!("`{key}` is not a relation")))
}

/// Methods that query relations and columns. `None`: `method` is not one of them.
fn question(
    session: &Arc<RenderSession>,
    method: &str,
    args: &Args,
) -> Result<Option<Value>, Error> {
    let engine = session.project.target.engine;
    let dialect = session.project.dialect;
    Ok(Some(match method {
        "get_relation" => {
            let identifier = part(args, 2, "identifier").unwrap_or_default();
            let mut wanted = Relation::new(
                part(args, 0, "database").as_deref(),
                part(args, 1, "schema").as_deref(),
                &identifier,
            );
            wanted.quote = session.project.quoting;
            match find(session, &wanted)? {
                Some(found) => RelationValue::value(found.relation.with_kind(found.kind), engine),
                None => none(),
            }
        }
        "get_columns_in_relation" | "get_columns_in_table" => {
            let relation = relation_arg(args, 0, "relation")?;
            let columns = columns_of(session, &relation)?;
            list(columns.iter().map(|c| ColumnValue::value(c, engine)).collect())
        }
        "get_missing_columns" => {
            let (from, to) =
                (relation_arg(args, 0, "from_relation")?, relation_arg(args, 1, "to_relation")?);
            let known = columns_of(session, &to)?;
            let missing = columns_of(session, &from)?;
            let missing = missing.iter().filter(|c| !known.iter().any(|k| k.name == c.name));
            list(missing.map(|c| ColumnValue::value(c, engine)).collect())
        }
        "get_column_schema_from_query" | "get_columns_in_select_sql" => {
            let sql = SqlText::from(args.text(0, "sql")?);
            let columns = live(session, |w| w.describe_query(&sql), sql.as_str())?;
            list(columns.iter().map(|c| ColumnValue::value(c, engine)).collect())
        }
        "check_schema_exists" => {
            let (database, schema) = (args.text(0, "database")?, args.text(1, "schema")?);
            let schemas = live(session, |w| w.list_schemas(), "")?;
            Value::from(schemas.iter().any(|(d, s)| {
                dialect.folded(d) == dialect.folded(&database)
                    && dialect.folded(s) == dialect.folded(&schema)
            }))
        }
        "expand_target_column_types" => Value::from(""),
        _ => return Ok(None),
    }))
}

/// Runs a query on the connection. Without a connection the render stops.
fn live<T>(
    session: &Arc<RenderSession>,
    ask: impl FnOnce(&mut dyn crate::engine::Warehouse) -> Result<T, crate::engine::EngineError>,
    sql: &str,
) -> Result<T, Error> {
    match session.db() {
        DatabaseAccess::Live(connection) => {
            let result = connection.with(ask);
            result.map_err(|e| session.stop(Abort::Database { error: e, sql: sql.to_owned() }))
        }
        DatabaseAccess::None | DatabaseAccess::Offline | DatabaseAccess::Deferred => {
            Err(session.stop(Abort::NeedsDatabase))
        }
    }
}

fn find(
    session: &Arc<RenderSession>,
    wanted: &Relation,
) -> Result<Option<ExistingRelation>, Error> {
    let dialect = session.project.dialect;
    let this = session.subject.this.as_ref().is_some_and(|t| t.same(wanted, dialect));
    if this && let Some(runtime) = session.runtime.as_ref().filter(|r| r.existing.is_known()) {
        let key = session.subject.this.clone().unwrap_or_else(|| wanted.clone());
        if let Some(found) = runtime.existing.find(&key) {
            return Ok(Some(found.clone()));
        }
        // The node's own relation may have been created since by its own hooks or materialization.
        if session.only_compiles() || matches!(session.db(), DatabaseAccess::Offline) {
            return Ok(None);
        }
    } else if this && matches!(session.db(), DatabaseAccess::Offline) {
        return Ok(None);
    }
    // The engine has folded the case of names that the project does not quote.
    let wanted = wanted.stored(dialect);
    let database = wanted.database().unwrap_or(&session.project.target.database).to_owned();
    let schema = wanted.schema().unwrap_or(&session.project.target.schema).to_owned();
    let all = live(session, |w| w.list_relations(&database, &schema), "")?;
    Ok(all
        .into_iter()
        .find(|r| dialect.folded(r.relation.identifier()) == dialect.folded(wanted.identifier())))
}

fn columns_of(
    session: &Arc<RenderSession>,
    relation: &Relation,
) -> Result<Vec<ExistingColumn>, Error> {
    let this =
        session.subject.this.as_ref().is_some_and(|t| t.same(relation, session.project.dialect));
    if this && matches!(session.db(), DatabaseAccess::Offline) {
        let existing = session.runtime.as_ref().map(|r| &r.existing);
        return Ok(existing
            .and_then(|e| e.find(relation))
            .map(|r| r.columns.clone())
            .unwrap_or_default());
    }
    live(session, |w| w.list_castable_columns(relation), "")
}

/// Methods that change the database or run SQL.
fn command(
    session: &Arc<RenderSession>,
    state: &mut State<'_, '_>,
    method: &str,
    args: &Args,
) -> Result<Value, Error> {
    Ok(match method {
        "execute" => {
            let fetch = if args.flag(2, "fetch", false) {
                Fetch::Rows(args.get(3, "limit").and_then(Value::as_usize))
            } else {
                Fetch::Nothing
            };
            // dbt-duckdb never begins a transaction if `disable_transactions` is set.
            let begin = args.flag(1, "auto_begin", false)
                && !session.project.target.connection.adapter_members().disable_transactions;
            let (response, table) = run_statement(session, &args.text(0, "sql")?, fetch, begin)?;
            Value::from(Tuple::from(vec![response, table]))
        }
        "add_query" | "run" => {
            let begin = args.flag(1, "auto_begin", method == "add_query");
            run_statement(session, &args.text(0, "sql")?, Fetch::Nothing, begin)?;
            Value::from(Tuple::from(vec![none(), none()]))
        }
        "commit" => {
            commit(session)?;
            Value::from("")
        }
        // These methods call macros of the same names, which a project can override.
        "create_schema" | "drop_schema" | "drop_relation" | "truncate_relation"
        | "rename_relation" | "store_relation" => {
            let found = own_macro(
                session,
                CallName::Plain(format!("{}__{method}", session.project.target.adapter)),
            )
            .or_else(|| own_macro(session, CallName::Plain(format!("default__{method}"))));
            let found = found.ok_or_else(|| error(format!("adapter has no `{method}`")))?;
            let mut all = args.positional.clone();
            if !args.named.is_empty() {
                all.push(Value::from(minijinja::value::Kwargs::from_iter(args.named.clone())));
            }
            let answer = found.call(state, &all)?;
            if matches!(method, "create_schema" | "drop_schema") {
                // As in dbt, these two commit before they return.
                commit(session)?;
            }
            answer
        }
        other => return Err(error(format!("adapter has no `{other}`"))),
    })
}

/// The macro that `call` resolves to in the session's package, as a value.
fn own_macro(session: &RenderSession, call: CallName) -> Option<Value> {
    let def = session.find_macro(call)?;
    session.project.registry()?.value_of(&def)
}

/// The `get_columns_in_relation` of the project or a package, if one overrides the built-in macro.
fn own_columns_macro(session: &RenderSession) -> Option<Value> {
    const NAME: &str = "get_columns_in_relation";
    let def = find_foreign_macro(session, CallName::Plain(NAME.to_owned())).or_else(|| {
        let dispatched = CallName::Dispatch(NAME.to_owned(), Some("dbt".to_owned()));
        find_foreign_macro(session, dispatched)
    })?;
    session.project.registry()?.value_of(&def)
}

/// The macro that `call` resolves to in the session's package, unless it is a built-in one.
fn find_foreign_macro(session: &RenderSession, call: CallName) -> Option<Arc<MacroDef>> {
    let registry = session.project.registry()?;
    session.find_macro(call).filter(|def| !registry.is_internal(def))
}

/// Commits, if the session controls its transactions.
fn commit(session: &RenderSession) -> Result<(), Error> {
    session
        .commit()
        .map_err(|error| session.stop(Abort::Database { error, sql: "commit".to_owned() }))
}

/// The effective `hard_deletes`. `config` is a mapping, or the node's `config` object, whose values
/// are not attributes.
fn hard_deletes(session: &RenderSession, config: &Value) -> Result<Value, Error> {
    let invalidate = config_value(session, config, "invalidate_hard_deletes");
    match (invalidate, config_value(session, config, "hard_deletes")) {
        (Some(_), Some(_)) => {
            Err(error("set either `hard_deletes` or `invalidate_hard_deletes`, not both"))
        }
        (Some(flag), None) => Ok(Value::from(if flag.is_true() { "invalidate" } else { "ignore" })),
        (None, Some(value)) => match value.as_str() {
            Some("invalidate" | "new_record" | "ignore") => Ok(value),
            _ => Err(error(format!(
                "`hard_deletes` is ignore, invalidate or new_record, not {value}"
            ))),
        },
        (None, None) => Ok(Value::from("ignore")),
    }
}

/// The value of a key in the given config, else in the node's. `None` if it is not set or null.
fn config_value(session: &RenderSession, config: &Value, key: &str) -> Option<Value> {
    let given = config.get_attr(key).ok().filter(|v| !v.is_undefined());
    let found = given.or_else(|| session.subject.config.get(key).map(from_json));
    found.filter(|v| !v.is_none())
}

/// Parses an index config. It is validated because a wrong one would result in SQL that is invalid
/// or means something else.
fn parse_index(raw: &Value) -> Result<Value, Error> {
    let json = to_json(raw);
    match json.get("columns") {
        None => return Err(error("an index needs `columns`: 'columns' is a required property")),
        Some(columns) if !columns.is_array() => {
            return Err(wrong_index(&json, "columns", "array"));
        }
        Some(_) => {}
    }
    if json.get("unique").is_some_and(|u| !u.is_boolean() && !u.is_null()) {
        return Err(wrong_index(&json, "unique", "boolean"));
    }
    let columns = json.get("columns").cloned().unwrap_or_default();
    let mut map = serde_json::Map::new();
    map.insert("columns".into(), columns);
    map.insert("unique".into(), json.get("unique").cloned().unwrap_or(Json::Bool(false)));
    map.insert("type".into(), json.get("type").cloned().unwrap_or(Json::Null));
    Ok(Value::from_object(Index(Json::Object(map))))
}

fn wrong_index(index: &Json, key: &str, kind: &str) -> Error {
    let value = index.get(key).cloned().unwrap_or_default();
    error(format!("`{key}` of an index: {value} is not of type '{kind}'"))
}

/// An index config: `columns`, `unique`, `type`, and `render(relation)` for its name.
#[derive(Debug)]
struct Index(Json);

impl Object for Index {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key.as_str()?).map(from_json)
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        match method {
            "render" => {
                // An index keeps its name when its table is renamed, so the index on the next
                // version of the table needs a different one.
                let relation = args.first().map(Value::to_string).unwrap_or_default();
                let unlike = uuid::Uuid::new_v4();
                Ok(Value::from(crate::hash::md5_hex(&format!("{}_{relation}_{unlike}", self.0))))
            }
            _ => Err(Error::from(minijinja::ErrorKind::UnknownMethod)),
        }
    }
}

/// The type of a column of a result table, as the lower-case name of agate's type.
fn convert_type(args: &Args) -> Result<Value, Error> {
    let table = args.require(0, "agate_table")?;
    let i = args.require(1, "col_idx")?.as_usize().unwrap_or(0);
    let types: Vec<String> =
        table.get_attr("column_types")?.try_iter()?.map(|v| v.to_string()).collect();
    Ok(Value::from(types.get(i).map(|t| t.to_lowercase()).unwrap_or_else(|| "text".to_owned())))
}

/// Turns rows of (grantee, privilege) into `{privilege: [grantees]}`.
fn grants(table: &Value) -> Result<Value, Error> {
    let mut out: indexmap::IndexMap<String, Vec<Value>> = indexmap::IndexMap::new();
    for row in table.try_iter()? {
        let privilege = row.get_item(&Value::from("privilege_type"))?.to_string();
        out.entry(privilege).or_default().push(row.get_item(&Value::from("grantee"))?);
    }
    Ok(dict(out.into_iter().map(|(k, v)| (Value::from(k), list(v)))))
}

/// The options of `copy ... to`; a format that is not given is derived from the file's extension.
fn external_write_options(args: &Args) -> Result<String, Error> {
    let location = args.text(0, "write_location")?;
    let Json::Object(mut options) = to_json(args.require(1, "rendered_options")?) else {
        return Err(error("`options` is a mapping"));
    };
    if !options.contains_key("format") {
        let name = location.rsplit('/').next().unwrap_or_default();
        let extension = name.rsplit_once('.').map_or("", |(_, e)| e).to_lowercase();
        let format = match extension.as_str() {
            "" if options.contains_key("delimiter") => "csv".to_owned(),
            "" => "parquet".to_owned(),
            "txt" | "tsv" | "tab" => "csv".to_owned(),
            _ => extension,
        };
        options.insert("format".into(), Json::from(format));
    }
    if options.get("format").and_then(Json::as_str) == Some("csv")
        && !options.contains_key("header")
    {
        options.insert("header".into(), Json::from(1));
    }
    let rendered =
        options.iter().map(|(name, value)| format!("{name} {}", write_option(name, value)));
    Ok(rendered.collect::<Vec<_>>().join(", "))
}

/// The value of an option of `copy`. Texts are quoted, unless they are words or brackets.
fn write_option(name: &str, value: &Json) -> String {
    let by_columns = name.eq_ignore_ascii_case("partition_by");
    if let (true, Json::Array(columns)) = (by_columns, value) {
        return format!("({})", columns.iter().map(python_str).collect::<Vec<_>>().join(", "));
    }
    let text = python_str(value);
    let is_separator =
        ["delimiter", "quote", "escape", "null"].contains(&name.to_ascii_lowercase().as_str());
    let is_word = text.chars().all(|c| c.is_alphanumeric() || c == '_') && !text.is_empty();
    match () {
        () if by_columns && text.contains(',') && !text.starts_with('(') => format!("({text})"),
        () if text.starts_with('\'') || !is_separator && text.starts_with(['(', '{', '[']) => text,
        () if !is_separator && (is_word || value.is_number() || by_columns) => text,
        () => crate::engine::Dialect::literal(&text),
    }
}

/// The path from which an external file is read. Partitioned and per-thread writes create folders
/// of files.
fn external_read_location(args: &Args) -> Result<String, Error> {
    let location = args.text(0, "write_location")?;
    let Json::Object(options) = to_json(args.require(1, "rendered_options")?) else {
        return Ok(location);
    };
    let partitioned = options.get("partition_by").map(python_str);
    let threaded = options.get("per_thread_output").is_some_and(|v| v.as_bool() != Some(false));
    let extension = options.get("format").map(python_str).unwrap_or_else(|| "parquet".to_owned());
    let Some(parts) = partitioned else {
        return Ok(if threaded { format!("{location}/*.{extension}") } else { location });
    };
    let depth = parts.split(',').count();
    Ok(format!("{location}/{}*.{extension}", "*/".repeat(depth)))
}

fn seed_path(session: &RenderSession, model: &Value) -> String {
    let path = model.get_attr("original_file_path").map(|v| v.to_string()).unwrap_or_default();
    let root = model
        .get_attr("root_path")
        .ok()
        .filter(|v| !v.is_undefined() && !v.is_none())
        .map(|v| v.to_string());
    let root = root
        .or_else(|| session.runtime.as_ref().map(|r| r.manifest.project.root.to_string()))
        .unwrap_or_default();
    format!("{root}/{path}")
}
