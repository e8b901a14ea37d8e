//! `deps` with a hub, tarballs and repositories on this machine.

use crate::project::{Project, Ran, interrupt};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// How a path of the server is answered.
#[derive(Clone, Debug, Default)]
struct Page {
    body: Vec<u8>,
    /// The number of requests that are answered with 503 before.
    failures: usize,
    /// What the header `Authorization` has to be.
    login: Option<String>,
    location: Option<String>,
    hangs: bool,
}

#[derive(Default)]
struct Pages {
    pages: HashMap<String, Page>,
    requests: Vec<String>,
}

/// A web server on a free port of this machine, until it is dropped.
pub(crate) struct Server {
    pub(crate) address: String,
    pages: Arc<Mutex<Pages>>,
    is_stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = format!("http://{}/", listener.local_addr().unwrap());
        let (pages, is_stopped) = (Arc::<Mutex<Pages>>::default(), Arc::<AtomicBool>::default());
        let (served, stopped) = (pages.clone(), is_stopped.clone());
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::SeqCst) {
                match listener.accept() {
                    Ok((stream, _)) => {
                        let (pages, stopped) = (served.clone(), stopped.clone());
                        std::thread::spawn(move || answer(stream, &pages, &stopped));
                    }
                    Err(_) => std::thread::sleep(Duration::from_millis(2)),
                }
            }
        });
        Server { address, pages, is_stopped, thread: Some(thread) }
    }

    fn put(&self, path: &str, page: Page) {
        self.pages.lock().unwrap().pages.insert(format!("/{path}"), page);
    }

    fn put_bytes(&self, path: &str, body: Vec<u8>) {
        self.put(path, Page { body, ..Page::default() });
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.pages.lock().unwrap().requests)
    }

    /// Serves the only version of a package of the hub, with these files.
    pub(crate) fn serve_package(&self, package: &str, version: &str, files: &[(&str, &str)]) {
        let short = package.rsplit('/').next().unwrap();
        let file = format!("{short}-{version}.tar.gz");
        let inside: Vec<(String, &str)> =
            files.iter().map(|(path, text)| (format!("{short}-{version}/{path}"), *text)).collect();
        let inside: Vec<(&str, &str)> =
            inside.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        self.put_bytes(&file, tarball(&inside));
        let facts = serde_json::json!({
            "name": short,
            "packages": [],
            "require_dbt_version": [">=1.3.0", "<2.0.0"],
            "downloads": {"tarball": format!("{}{file}", self.address)},
        });
        let mut versions = serde_json::Map::new();
        versions.insert(version.to_owned(), facts);
        let page = serde_json::json!({"name": short, "namespace": "o", "versions": versions});
        self.put_bytes(&format!("api/v1/{package}.json"), page.to_string().into_bytes());
    }

    /// Serves the index of a hub.
    pub(crate) fn serve_index(&self, packages: &[&str]) {
        self.put_bytes("api/v1/index.json", serde_json::to_vec(packages).unwrap());
    }

    /// Serves a hub whose packages have these versions, each with what it asks for and accepts.
    fn serve_hub(&self, packages: Releases<'_>) {
        let names: Vec<&str> = packages.iter().map(|(name, _)| *name).collect();
        self.put_bytes("api/v1/index.json", serde_json::to_vec(&names).unwrap());
        for (package, versions) in packages {
            let short = package.rsplit('/').next().unwrap();
            let mut all = serde_json::Map::new();
            for (version, needs, dbt) in *versions {
                let file = format!("{short}-{version}.tar.gz");
                let project = format!("name: {short}\nversion: '{version}'\n");
                let model = format!("select '{version}' as version");
                let model_path = format!("{short}-{version}/models/{short}_model.sql");
                let project_path = format!("{short}-{version}/dbt_project.yml");
                let files = [(project_path.as_str(), &*project), (&model_path, &model)];
                self.put_bytes(&file, tarball(&files));
                let facts = serde_json::json!({
                    "name": short,
                    "packages": serde_json::from_str::<serde_json::Value>(needs).unwrap(),
                    "require_dbt_version": serde_json::from_str::<serde_json::Value>(dbt).unwrap(),
                    "downloads": {"tarball": format!("{}{file}", self.address)},
                });
                all.insert((*version).to_owned(), facts);
            }
            let page = serde_json::json!({"name": short, "namespace": "o", "versions": all});
            self.put_bytes(&format!("api/v1/{package}.json"), page.to_string().into_bytes());
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::SeqCst);
        self.thread.take().unwrap().join().unwrap();
    }
}

fn answer(mut stream: TcpStream, pages: &Mutex<Pages>, is_stopped: &AtomicBool) {
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !request.windows(4).any(|w| w == b"\r\n\r\n") {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(n) => request.extend_from_slice(&buffer[..n]),
        }
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    let login = request.lines().find_map(|l| {
        let (name, value) = l.split_once(": ")?;
        name.eq_ignore_ascii_case("authorization").then(|| value.to_owned())
    });
    let (status, page) = {
        let mut pages = pages.lock().unwrap();
        pages.requests.push(format!("{path} {}", login.clone().unwrap_or_default()));
        match pages.pages.get_mut(&path) {
            None => ("404 Not Found", Page::default()),
            Some(page) if page.failures > 0 => {
                page.failures -= 1;
                ("503 Service Unavailable", Page::default())
            }
            Some(page) if page.login.is_some() && page.login != login => {
                ("401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"", Page::default())
            }
            Some(page) if page.location.is_some() => ("302 Found", page.clone()),
            Some(page) => ("200 OK", page.clone()),
        }
    };
    while page.hangs && !is_stopped.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(10));
    }
    let location = page.location.map(|to| format!("Location: {to}\r\n")).unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{location}\r\n",
        page.body.len()
    );
    // The client may be gone.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&page.body));
}

fn tarball(files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        // Its own methods refuse names such as `../x`.
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, text.as_bytes()).unwrap();
    }
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&builder.into_inner().unwrap()).unwrap();
    gz.finish().unwrap()
}

pub(crate) fn git(folder: &Path, args: &[&str]) -> String {
    let identity = ["-c", "user.name=t", "-c", "user.email=t@example.invalid"];
    let mut command = Command::new("git");
    command.args(identity).args(args).current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null");
    let output = command.env_remove("GIT_DIR").output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A repository below the project's folder with a package `tools` in two commits, the first of which
/// is tagged `v1`, and a package `inner` in the folder `sub`.
fn repository(p: &Project) -> String {
    for (path, text) in [
        ("repo/dbt_project.yml", "name: tools\n"),
        ("repo/models/tool.sql", "select 1 as v"),
        ("repo/.gitattributes", "models export-ignore\n"),
        ("repo/sub/dbt_project.yml", "name: inner\n"),
        ("repo/sub/models/inner_model.sql", "select 1 as id"),
    ] {
        p.write(path, text);
    }
    let folder = p.path().join("repo");
    git(&folder, &["init", "--quiet", "-b", "main"]);
    git(&folder, &["add", "."]);
    git(&folder, &["commit", "--quiet", "-m", "one"]);
    git(&folder, &["tag", "-a", "v1", "-m", "one"]);
    p.write("repo/models/tool.sql", "select 2 as v");
    git(&folder, &["commit", "--quiet", "-am", "two"]);
    format!("file://{}", folder.display())
}

/// Runs `deps` with a cache below the project's folder.
fn deps(p: &Project, args: &[&str], env: &[(&str, &str)]) -> Ran {
    Ran::from(deps_command(p, args, env).output().unwrap())
}

fn deps_command(p: &Project, args: &[&str], env: &[(&str, &str)]) -> Command {
    let mut all = vec!["deps"];
    all.extend(args);
    let mut command = p.command(&all);
    command.env("XDG_CACHE_HOME", p.path().join("cache")).envs(env.iter().copied());
    command
}

fn ok(ran: Ran) -> Ran {
    assert_eq!(ran.code, 0, "{}\n{}", ran.out, ran.err);
    ran
}

/// All texts below a folder, of which none may have a secret.
fn texts_below(folder: &Path) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        all.push_str(&path.display().to_string());
        match path.is_dir() {
            true => all.push_str(&texts_below(&path)),
            false => all.push_str(&String::from_utf8_lossy(&std::fs::read(&path).unwrap())),
        }
    }
    all
}

const MODEL: (&str, &str) = ("models/a.sql", "select 1 as id");

type Releases<'a> = &'a [(&'a str, &'a [(&'a str, &'a str, &'a str)])];

const HUB: Releases<'_> = &[
    (
        "o/a",
        &[
            ("1.0.0", r#"[{"package": "o/b", "version": [">=0.1.0", "<0.3.0"]}]"#, r#"">=1.0.0""#),
            ("2.0.0", "[]", r#"[">=9.0.0"]"#),
        ],
    ),
    ("o/b", &[("0.1.0", "[]", "[]"), ("0.2.0", "[]", "[]"), ("0.3.0", "[]", "[]")]),
];

#[test]
fn packages_of_the_hub_are_locked_and_need_no_network_again() {
    let server = Server::start();
    server.serve_hub(HUB);
    let address = server.address.clone();
    let hub = [("DBT_PACKAGE_HUB_URL", address.as_str())];
    let p = Project::new(&[
        MODEL,
        ("packages.yml", "packages:\n  - package: o/a\n    version: [\">=1.0.0\", \"<3.0.0\"]\n"),
    ]);
    let first = ok(deps(&p, &[], &hub));
    assert!(first.out.contains("installed a from o/a 1.0.0"), "{}", first.out);
    assert!(first.out.contains("installed b from o/b 0.2.0"), "{}", first.out);
    assert!(first.out.contains("o/b 0.2.0: 0.3.0 is out"), "{}", first.out);
    assert!(!first.out.contains("2.0.0"), "{}", first.out);
    // As dbt 1.11.16 wrote it.
    let lock = "packages:\n  - name: a\n    package: o/a\n    version: 1.0.0\n  - name: b\n    package: o/b\n    version: 0.2.0\nsha1_hash: 53252afd6ecfd5fdfb891d399e1271228a4267a2\n";
    assert_eq!(p.read("package-lock.yml"), lock);
    let listed = p.ok(&["ls", "--resource-type", "model"]);
    assert_eq!(listed.out, "a.a_model\nb.b_model\nshop.a\n");
    // An archive that was damaged in the cache is fetched again.
    std::fs::remove_dir_all(p.path().join("dbt_packages")).unwrap();
    let cache = p.path().join("cache/strata/packages/1");
    for entry in std::fs::read_dir(cache).unwrap().map(|e| e.unwrap().path()) {
        if entry.extension().is_some_and(|e| e == "gz") {
            std::fs::write(&entry, "damaged").unwrap();
        }
    }
    assert!(ok(deps(&p, &[], &hub)).out.contains("downloading o/b 0.2.0"));
    drop(server);
    let again = ok(deps(&p, &[], &hub));
    assert_eq!(again.out, "2 packages in place\n");
    // What was changed or removed comes back from the cache.
    p.write("dbt_packages/b/models/b_model.sql", "select 'changed'");
    std::fs::remove_dir_all(p.path().join("dbt_packages/a")).unwrap();
    p.write("dbt_packages/old/dbt_project.yml", "name: old\n");
    let restored = ok(deps(&p, &[], &hub));
    assert_eq!(restored.out, "installed a from o/a 1.0.0\ninstalled b from o/b 0.2.0\n");
    assert_eq!(p.read("dbt_packages/b/models/b_model.sql"), "select '0.2.0' as version");
    assert!(!p.path().join("dbt_packages/old").exists());
    assert!(!texts_below(p.path()).contains(".strata-"), "the workshop is gone");
}

#[test]
fn a_failure_leaves_the_packages_as_they_were() {
    let server = Server::start();
    server.serve_hub(HUB);
    let hub = [("DBT_PACKAGE_HUB_URL", server.address.as_str())];
    let p = Project::new(&[MODEL, ("packages.yml", "packages: [{package: o/b, version: 0.1.0}]")]);
    ok(deps(&p, &[], &hub));
    let before = (texts_below(&p.path().join("dbt_packages")), p.read("package-lock.yml"));
    server
        .put_bytes("evil.tar.gz", tarball(&[("x/dbt_project.yml", "name: x"), ("x/../../y", "")]));
    server.put("hangs.tar.gz", Page { hangs: true, ..Page::default() });
    let tarball = |name: &str| {
        format!(
            "packages:\n  - package: o/b\n    version: 0.1.0\n  - tarball: {}{name}\n    name: x\n",
            server.address
        )
    };
    for (text, message) in [
        (tarball("evil.tar.gz"), "`x/../../y` would be outside of its folder"),
        (tarball("none.tar.gz"), "answers 404 Not Found"),
        (tarball("api/v1/index.json"), "it is damaged or no .tar.gz"),
        (tarball("a-1.0.0.tar.gz").replace("127.0.0.1", "example.invalid"), "plain HTTP"),
        (tarball("b-0.1.0.tar.gz").replace("name: x", "name: ../x"), "`../x` is no name"),
        (tarball("b-0.1.0.tar.gz").replace("name: x", "name: b"), "that another package has"),
    ] {
        p.write("packages.yml", &text);
        let ran = deps(&p, &[], &hub);
        assert!(ran.code == 2 && ran.err.contains(message), "{message}: {}", ran.err);
        assert!(ran.err.contains("packages.yml:4:5"), "{}", ran.err);
        assert!(!p.path().join("y").exists());
        let now = (texts_below(&p.path().join("dbt_packages")), p.read("package-lock.yml"));
        assert_eq!(now, before, "{message}");
    }
    p.write("packages.yml", &tarball("hangs.tar.gz"));
    let mut command = deps_command(&p, &[], &hub);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    server.requests();
    while !server.requests().iter().any(|r| r.contains("hangs")) {
        std::thread::sleep(Duration::from_millis(5));
    }
    interrupt(&child);
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert!(
        ran.code == 2 && ran.err.contains("the installed packages are as they were"),
        "{ran:?}"
    );
    let now = (texts_below(&p.path().join("dbt_packages")), p.read("package-lock.yml"));
    assert_eq!(now, before);
    assert!(!texts_below(p.path()).contains(".strata-"), "the workshop is gone");
}

#[test]
fn what_may_pass_by_itself_is_tried_again() {
    let server = Server::start();
    server.serve_hub(HUB);
    let files = [("x/dbt_project.yml", "name: x")];
    server.put("x.tar.gz", Page { body: tarball(&files), failures: 2, ..Page::default() });
    server.put("moved.tar.gz", Page { location: Some("/x.tar.gz".into()), ..Page::default() });
    let text = format!("packages: [{{tarball: '{}moved.tar.gz', name: x}}]", server.address);
    let p = Project::new(&[MODEL, ("packages.yml", &text)]);
    let ran = ok(deps(&p, &[], &[]));
    assert!(ran.out.contains("failed, retry 2"), "{}", ran.out);
    assert!(p.path().join("dbt_packages/x/dbt_project.yml").exists());
}

#[test]
fn what_is_not_on_this_machine_goes_through_the_proxy() {
    let server = Server::start();
    let proxy = server.address.replace("http://", "http://me:hunter22@");
    let text = "packages: [{tarball: 'https://example.invalid/x.tar.gz', name: x}]";
    let p = Project::new(&[MODEL, ("packages.yml", text)]);
    let mut command = deps_command(&p, &[], &[("HTTPS_PROXY", &proxy)]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while !server.requests().iter().any(|r| r.starts_with("example.invalid:443 ")) {
        std::thread::sleep(Duration::from_millis(5));
    }
    // It would be tried again.
    interrupt(&child);
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert!(ran.code == 2 && !format!("{ran:?}").contains("hunter22"), "{ran:?}");
}

#[test]
fn git_packages_are_pinned_to_their_commit() {
    let p = Project::new(&[MODEL]);
    let url = repository(&p);
    let folder = p.path().join("repo");
    let (one, two) = (git(&folder, &["rev-parse", "v1^{}"]), git(&folder, &["rev-parse", "main"]));
    let ask = |rest: &str| format!("packages:\n  - git: {url}\n{rest}");
    for (rest, commit, text) in [
        ("    revision: v1\n", &one, "select 1 as v"),
        ("    revision: main\n    warn-unpinned: false\n", &two, "select 2 as v"),
        (&*format!("    revision: {one}\n"), &one, "select 1 as v"),
    ] {
        p.write("packages.yml", &ask(rest));
        let ran = ok(deps(&p, &[], &[]));
        assert!(ran.err.is_empty(), "{}", ran.err);
        // A file that `export-ignore` would leave out of an archive is there.
        assert_eq!(p.read("dbt_packages/tools/models/tool.sql"), text);
        assert!(p.read("package-lock.yml").contains(&format!("revision: {commit}")), "{rest}");
    }
    p.write("packages.yml", &ask("    subdirectory: sub\n"));
    let ran = ok(deps(&p, &[], &[]));
    assert!(
        ran.err.contains("warning[W0010]") && ran.err.contains("packages.yml:2:5"),
        "{}",
        ran.err
    );
    assert_eq!(p.read("dbt_packages/inner/models/inner_model.sql"), "select 1 as id");
    assert!(p.read("package-lock.yml").contains("subdirectory: sub"));
    let before = p.read("package-lock.yml");
    assert_eq!(deps(&p, &["--warn-error", "--upgrade"], &[]).code, 2);
    // The branch moves on, but the lock stays until it is made anew.
    p.write("repo/sub/models/inner_model.sql", "select 3 as id");
    git(&folder, &["commit", "--quiet", "-am", "three"]);
    assert_eq!(ok(deps(&p, &[], &[])).out, "1 package in place\n");
    assert_eq!(p.read("package-lock.yml"), before);
    let ran = ok(deps(&p, &["--upgrade", "--lock"], &[]));
    assert!(ran.out.contains("wrote package-lock.yml"), "{}", ran.out);
    assert_eq!(p.read("dbt_packages/inner/models/inner_model.sql"), "select 1 as id");
    // Without the cache, the repository is asked again.
    std::fs::remove_dir_all(p.path().join("cache")).unwrap();
    ok(deps(&p, &[], &[]));
    assert_eq!(p.read("dbt_packages/inner/models/inner_model.sql"), "select 3 as id");
    for (rest, message) in [
        ("    revision: none\n", "has no branch, tag or commit `none`"),
        ("    revision: '--upload-pack=x'\n", "has no branch, tag or commit"),
        ("    revision: 0123456789012345678901234567890123456789\n", "no branch, tag or commit"),
        ("    revision: v1\n    subdirectory: none\n", "has no folder `none`"),
        ("    revision: v1\n    subdirectory: ../x\n", "has no folder `../x`"),
        ("    revision: v1\n    subdirectory: models\n", "has no project file"),
    ] {
        p.write("packages.yml", &ask(rest));
        let ran = deps(&p, &[], &[]);
        assert!(ran.code == 2 && ran.err.contains(message), "{rest}: {}", ran.err);
    }
}

#[test]
#[cfg(unix)]
fn git_packages_come_over_ssh() {
    use std::os::unix::fs::PermissionsExt;
    let p = Project::new(&[MODEL]);
    repository(&p);
    // Runs on this machine what would run on the host.
    p.write("ssh", "#!/bin/sh\nfor last; do :; done\nexec sh -c \"$last\"\n");
    let ssh = p.path().join("ssh");
    std::fs::set_permissions(&ssh, PermissionsExt::from_mode(0o755)).unwrap();
    let repo = p.path().join("repo").display().to_string();
    p.write(
        "packages.yml",
        &format!("packages: [{{git: 'git@example.invalid:{repo}', revision: v1}}]"),
    );
    ok(deps(&p, &[], &[("GIT_SSH_COMMAND", ssh.to_str().unwrap())]));
    assert_eq!(p.read("dbt_packages/tools/models/tool.sql"), "select 1 as v");
}

#[test]
fn credentials_are_used_and_never_shown_or_stored() {
    let server = Server::start();
    let host = server.address.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let files = [("x/dbt_project.yml", "name: x")];
    // me:hunter22
    let login = Some("Basic bWU6aHVudGVyMjI=".to_owned());
    server.put("x.tar.gz", Page { body: tarball(&files), login, ..Page::default() });
    let env = [("DBT_ENV_SECRET_TOKEN", "hunter22")];
    let written = format!("http://me:{{{{ env_var('DBT_ENV_SECRET_TOKEN') }}}}@{host}/x.tar.gz");
    let p = Project::new(&[MODEL]);
    p.write("packages.yml", &format!("packages:\n  - tarball: \"{written}\"\n    name: x\n"));
    let ran = ok(deps(&p, &[], &env));
    assert!(p.read("package-lock.yml").contains(&format!("tarball: {written}")));
    assert!(!format!("{ran:?}").contains("hunter22") && ran.out.contains("*****@"), "{ran:?}");
    assert!(!texts_below(p.path()).contains("hunter22"));
    // Credentials in plain stand in packages.yml alone, where the next run finds them.
    let plain = format!("http://me:hunter22@{host}/x.tar.gz");
    p.write("packages.yml", &format!("packages:\n  - tarball: {plain}\n    name: x\n"));
    let ran = ok(deps(&p, &[], &[]));
    assert!(ran.err.contains("warning[W0011]") && !ran.err.contains("hunter22"), "{}", ran.err);
    assert!(p.read("package-lock.yml").contains(&format!("http://*****@{host}/x.tar.gz")));
    std::fs::remove_dir_all(p.path().join("cache")).unwrap();
    ok(deps(&p, &[], &[]));
    // Git gets them, too, and tells them nowhere.
    p.write(
        "packages.yml",
        &format!("packages: [{{git: \"{}\"}}]", written.replace("x.tar.gz", "repo.git")),
    );
    server.put(
        "repo.git/info/refs?service=git-upload-pack",
        Page { login: Some("none".into()), ..Page::default() },
    );
    server.requests();
    let ran = deps(&p, &[], &env);
    assert!(ran.code == 2 && ran.err.contains("git was not let in"), "{}", ran.err);
    assert!(!format!("{ran:?}").contains("hunter22"), "{ran:?}");
    let requests = server.requests();
    assert!(requests.iter().any(|r| r.ends_with("Basic bWU6aHVudGVyMjI=")), "{requests:?}");
}

#[test]
fn a_package_is_added_to_the_file() {
    let server = Server::start();
    server.serve_hub(HUB);
    let hub = [("DBT_PACKAGE_HUB_URL", server.address.as_str())];
    let p = Project::new(&[MODEL, ("lib/dbt_project.yml", "name: lib\n")]);
    let url = repository(&p);
    ok(deps(&p, &["--add-package", "o/b@>=0.1.0,<0.3.0"], &hub));
    assert_eq!(
        p.read("packages.yml"),
        "packages:\n  - package: o/b\n    version:\n      - '>=0.1.0'\n      - <0.3.0\n"
    );
    p.write("packages.yml", &format!("# ours\n{}", p.read("packages.yml")));
    let ran = ok(deps(&p, &["--add-package", &format!("{url}@v1"), "--source", "git"], &hub));
    assert!(ran.out.contains("installed tools"), "{}", ran.out);
    ok(deps(&p, &["--add-package", "lib", "--source", "local"], &hub));
    let ran = ok(deps(&p, &["--add-package", "o/b@0.1.0"], &hub));
    assert!(ran.out.contains("it replaces o/b"), "{}", ran.out);
    let text = p.read("packages.yml");
    assert!(
        text.starts_with("# ours\n")
            && text.ends_with("  - local: lib\n  - package: o/b\n    version: 0.1.0\n"),
        "{text}"
    );
    assert_eq!(ok(deps(&p, &[], &hub)).out, "3 packages in place\n");
    for (args, message) in [
        (&["--add-package", "o/none@1.0.0"][..], "`o/none` is not on the hub"),
        (&["--add-package", "o/b"], "has no version"),
        (&["--add-package", "lib@1", "--source", "local"], "a local package, which has no version"),
    ] {
        let ran = deps(&p, args, &hub);
        assert!(ran.code == 2 && ran.err.contains(message), "{}", ran.err);
        assert_eq!(p.read("packages.yml"), text, "it is as it was");
    }
}

#[test]
fn a_lock_of_dbt_is_used_and_one_that_does_not_fit_is_made_anew() {
    let p = Project::new(&[
        MODEL,
        ("dependencies.yml", "packages:\n  - local: '{{ x }}'\nprojects: []\n"),
        ("{{ x }}/dbt_project.yml", "name: lib\n"),
        ("{{ x }}/packages.yml", "packages: [{local: \"{{ var('other', 'other') }}\"}]"),
        ("other/dbt_project.yml", "name: other\n"),
    ]);
    ok(deps(&p, &["--lock"], &[]));
    // As dbt 1.11.16 wrote it: the project's dependencies.yml is not rendered, files of packages are.
    let lock = "packages:\n  - local: '{{ x }}'\n    name: lib\n  - local: other\n    name: other\nsha1_hash: bb6d3ff0f8e90089c50974cad84228ad53887174\n";
    assert_eq!(p.read("package-lock.yml"), lock);
    assert!(!p.path().join("dbt_packages").exists());
    p.write("package-lock.yml", "packages: [");
    let ran = deps(&p, &[], &[]);
    assert!(ran.code == 2 && ran.err.contains("package-lock.yml:1"), "{}", ran.err);
    assert!(ran.err.contains("strata deps --upgrade"), "{}", ran.err);
    ok(deps(&p, &["--upgrade", "--lock"], &[]));
    assert_eq!(p.read("package-lock.yml"), lock);
    p.write("packages.yml", "packages: [{local: other}]");
    let ran = p.run(&["parse"]);
    assert!(ran.code == 2 && ran.err.contains("stands in packages.yml and in"), "{}", ran.err);
    p.remove("dependencies.yml");
    ok(deps(&p, &[], &[]));
    assert!(p.path().join("dbt_packages/other/dbt_project.yml").exists());
    p.write("packages.yml", "packages: []");
    let ran = ok(deps(&p, &[], &[]));
    assert!(ran.out.contains("asks for no packages"), "{}", ran.out);
    assert!(std::fs::read_dir(p.path().join("dbt_packages")).unwrap().next().is_none());
    assert_eq!(
        p.read("package-lock.yml"),
        "packages: []\nsha1_hash: da39a3ee5e6b4b0d3255bfef95601890afd80709\n"
    );
}

#[test]
fn a_path_into_an_installed_package_makes_its_macros_those_of_the_project() {
    let p = Project::new(&[
        (
            "dbt_project.yml",
            "name: shop\nprofile: shop\nmacro-paths: [macros, dbt_packages/tools/macros]\n",
        ),
        ("packages.yml", "packages: [{local: tools}, {local: lib}]"),
        ("tools/dbt_project.yml", "name: tools\n"),
        ("tools/macros/m.sql", "{% macro three() %}3{% endmacro %}"),
        ("lib/dbt_project.yml", "name: lib\n"),
        // A package sees its own macros and those of the project, not those of other packages.
        ("lib/models/m.sql", "select {{ three() }} as n"),
    ]);
    ok(deps(&p, &[], &[]));
    p.ok(&["build"]);
    assert_eq!(p.rows("select n from m"), ["3"]);
}
