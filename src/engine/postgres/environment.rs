//! Completes a Postgres output as libpq does: from `PG*` variables, the password file and defaults
//! (PostgreSQL documentation, "Environment Variables" and "The Password File").

use super::{PostgresOptions, SslMode};
use crate::config::JsonMap;
use crate::diag::{Code, Diagnostic};
use crate::engine::OutputContext;
use crate::secret::Secret;
use crate::system::System;
use camino::{Utf8Path, Utf8PathBuf};

/// The folders in which servers create their sockets: Debian's and Postgres' default.
const SOCKET_FOLDERS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// An output that may lack values.
pub(super) struct IncompleteOutput {
    pub(super) options: PostgresOptions,
    pub(super) database: String,
    pub(super) visible: JsonMap,
}

/// Completes an output. Relative paths of certificates are resolved against the project's folder.
pub(super) fn complete_output(
    target: &mut IncompleteOutput,
    surroundings: &OutputContext<'_>,
    out: &mut Vec<Diagnostic>,
) {
    let system = surroundings.system;
    let home = system.home_dir();
    complete_address(target, system);
    complete_sslmode(&mut target.options, system, out);
    complete_certificates(&mut target.options, surroundings, home.as_deref());
    let options = &mut target.options;
    if let Some(name) =
        read_variable(system, "PGAPPNAME").filter(|_| options.application_name == "strata")
    {
        options.application_name = name;
    }
    complete_password(target, system, home.as_deref(), out);
}

/// An environment variable; `None` if it is unset or empty.
fn read_variable(system: &dyn System, key: &str) -> Option<String> {
    system.env(key).filter(|value| !value.is_empty())
}

/// Fills in port, host, user and database, and shows them in `target`.
fn complete_address(target: &mut IncompleteOutput, system: &dyn System) {
    let p = &mut target.options;
    let port = p.port.or_else(|| read_variable(system, "PGPORT").and_then(|t| t.parse().ok()));
    let port = port.unwrap_or(5432);
    p.port = Some(port);
    p.host = p
        .host
        .take()
        .or_else(|| read_variable(system, "PGHOSTADDR"))
        .or_else(|| read_variable(system, "PGHOST"))
        .or_else(|| Some(find_local_server(system, port)));
    p.user = p
        .user
        .take()
        .or_else(|| read_variable(system, "PGUSER"))
        .or_else(|| read_variable(system, "USER"))
        .or_else(|| read_variable(system, "LOGNAME"));
    if target.database.is_empty() {
        let database = read_variable(system, "PGDATABASE").or_else(|| p.user.clone());
        let database = database.unwrap_or_default();
        target.database = database.clone();
        for key in ["database", "dbname"] {
            target.visible.insert(key.to_owned(), database.as_str().into());
        }
    }
    // `target` shows the values in effect, whatever their origin.
    for (key, value) in [("host", p.host.as_deref()), ("user", p.user.as_deref())] {
        if let Some(value) = value {
            target.visible.insert(key.to_owned(), value.into());
        }
    }
    target.visible.insert("port".to_owned(), port.into());
}

/// The folder of the local server's socket for a port, or `localhost` if there is no socket.
fn find_local_server(system: &dyn System, port: u16) -> String {
    let socket = SOCKET_FOLDERS.iter().find(|folder| {
        system.list(Utf8Path::new(folder)).iter().any(|f| *f == format!(".s.PGSQL.{port}"))
    });
    socket.map_or("localhost", |folder| *folder).to_owned()
}

fn complete_sslmode(options: &mut PostgresOptions, system: &dyn System, out: &mut Vec<Diagnostic>) {
    if options.sslmode.is_none()
        && let Some(text) = read_variable(system, "PGSSLMODE")
    {
        options.sslmode = SslMode::parse(&text);
        if options.sslmode.is_none() {
            let known = SslMode::NAMES.join(", ");
            out.push(Diagnostic::error(
                Code::Profile,
                format!("PGSSLMODE is `{text}`, not one of {known}"),
            ));
        }
    }
}

fn complete_certificates(
    options: &mut PostgresOptions,
    surroundings: &OutputContext<'_>,
    home: Option<&Utf8Path>,
) {
    let OutputContext { system, root } = *surroundings;
    for (field, variable, file) in [
        (&mut options.sslrootcert, "PGSSLROOTCERT", "root.crt"),
        (&mut options.sslcert, "PGSSLCERT", "postgresql.crt"),
        (&mut options.sslkey, "PGSSLKEY", "postgresql.key"),
    ] {
        // The files are only read when they are needed, because parsing needs no server.
        *field = field
            .take()
            .or_else(|| read_variable(system, variable))
            .map(|path| absolute_path(path, root, home))
            .or_else(|| find_in_home(system, home?, file));
    }
}

/// The absolute path of a certificate. `~/` is the home folder; `system` is a keyword, not a path.
fn absolute_path(path: String, root: &Utf8Path, home: Option<&Utf8Path>) -> String {
    if path == "system" {
        return path;
    }
    match (path.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest).into_string(),
        _ => root.join(path).into_string(),
    }
}

/// One of libpq's default files; `None` if it does not exist.
fn find_in_home(system: &dyn System, home: &Utf8Path, name: &str) -> Option<String> {
    let file = home.join(".postgresql").join(name);
    system.is_file(&file).then(|| file.into_string())
}

fn complete_password(
    target: &mut IncompleteOutput,
    system: &dyn System,
    home: Option<&Utf8Path>,
    out: &mut Vec<Diagnostic>,
) {
    let p = &mut target.options;
    if p.password.is_none() {
        p.password = read_variable(system, "PGPASSWORD").map(|t| Secret::new(&t));
    }
    if p.password.is_some() {
        return;
    }
    let file = read_variable(system, "PGPASSFILE")
        .map(Utf8PathBuf::from)
        .or_else(|| Some(home?.join(".pgpass")));
    let Some(file) = file.filter(|f| system.is_file(f)) else { return };
    if !system.is_private(&file) {
        let message = format!("{file} is not used: others can read it");
        out.push(Diagnostic::warning(Code::Profile, message).help(format!("chmod 600 {file}")));
        return;
    }
    let host = p.host.as_deref().filter(|h| !SOCKET_FOLDERS.contains(h)).unwrap_or("localhost");
    let port = p.port.unwrap_or(5432).to_string();
    let wanted = [host, &port, &target.database, p.user.as_deref().unwrap_or_default()];
    let text = system.read(&file).map(|t| t.to_string()).unwrap_or_default();
    p.password = password_of(&text, wanted).map(|t| Secret::new(&t));
}

/// Looks up a password in lines of the form `host:port:database:user:password`. `*` matches
/// anything, and `\` escapes the next character.
fn password_of(text: &str, wanted: [&str; 4]) -> Option<String> {
    text.lines().filter(|l| !l.starts_with('#')).find_map(|line| {
        let fields = fields(line);
        let [host, port, database, user, password] = <[String; 5]>::try_from(fields).ok()?;
        let fits = [host, port, database, user].iter().zip(wanted).all(|(f, w)| f == "*" || f == w);
        fits.then_some(password)
    })
}

fn fields(line: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        let field = out.len() - 1;
        match c {
            '\\' => out[field].extend(chars.next()),
            // The password is the rest of the line, including colons.
            ':' if out.len() < 5 => out.push(String::new()),
            c => out[field].push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_yaml;
    use crate::engine::{Target, read_target};
    use crate::source::FileId;
    use crate::system::MemorySystem;

    fn target(yaml: &str, system: &MemorySystem) -> (Target, PostgresOptions, Vec<Diagnostic>) {
        let tree = parse_yaml(FileId(0), yaml).value;
        let surroundings = OutputContext { system, root: Utf8Path::new("/project") };
        let checked = read_target("p", "pg", &tree, &surroundings);
        let target = checked.value.unwrap();
        let options = target.options::<PostgresOptions>().unwrap().clone();
        (target, options, checked.diagnostics)
    }

    #[test]
    fn the_environment_fills_what_is_open() {
        let mut system = MemorySystem::default();
        for (key, value) in
            [("PGHOST", "db"), ("PGUSER", "ann"), ("PGPASSWORD", "pw1"), ("PGSSLMODE", "require")]
        {
            system.set_env(key, value);
        }
        let (t, p, out) = target("type: postgres\nport: 6000", &system);
        assert!(out.is_empty());
        assert_eq!(
            (p.host.as_deref(), p.port, p.user.as_deref()),
            (Some("db"), Some(6000), Some("ann"))
        );
        assert_eq!(
            (&*t.database, p.password, p.sslmode),
            ("ann", Some(Secret::new("pw1")), Some(SslMode::Require))
        );
    }

    #[test]
    fn the_profile_wins_and_sockets_are_found() {
        let mut system = MemorySystem::with_files([("/tmp/.s.PGSQL.5432", "")]);
        system.set_env("PGUSER", "ann");
        let (t, p, _) = target("type: postgres\nuser: bob\ndbname: d", &system);
        assert_eq!(
            (p.host.as_deref(), p.user.as_deref(), &*t.database),
            (Some("/tmp"), Some("bob"), "d")
        );
    }

    #[test]
    fn the_password_of_a_socket_is_that_of_this_machine() {
        let files = [
            ("/tmp/.s.PGSQL.5432", ""),
            ("/secret/pass", "db:*:*:*:of the other\nlocalhost:5432:d:bob:of this one"),
        ];
        let mut system = MemorySystem::with_files(files);
        system.set_env("PGPASSFILE", "/secret/pass");
        let (_, local, _) = target("type: postgres\nuser: bob\ndbname: d", &system);
        assert_eq!(local.password, Some(Secret::new("of this one")));
        let (_, far, _) = target("type: postgres\nhost: db\nuser: bob\ndbname: d", &system);
        assert_eq!(far.password, Some(Secret::new("of the other")));
    }

    #[test]
    fn password_file() {
        let text = "# comment\nother:5432:*:*:no\ndb:*:shop:ann:se\\:c:ret\n*:*:*:*:last";
        assert_eq!(password_of(text, ["db", "5432", "shop", "ann"]).as_deref(), Some("se:c:ret"));
        assert_eq!(password_of(text, ["db", "5432", "x", "ann"]).as_deref(), Some("last"));
    }
}
