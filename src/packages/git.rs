//! Packages from git repositories, through the program `git`.
//!
//! A repository is fetched into a bare one, one commit deep, and packed by `git archive`; no file of it is checked
//! out and none of its hooks run. Credentials of an address go to git through its environment, not through its
//! arguments, which other users of the machine can see.

use crate::config::PackageUrl;
use crate::secret::mask_address;
use crate::system::{ProgramCall, ProgramEnd, System, SystemError};
use camino::Utf8Path;
use url::Url;

use super::resolve::DEFAULT_REVISION;

#[derive(Debug, thiserror::Error)]
pub(crate) enum GitError {
    #[error("the program `git` cannot be run: {0}")]
    NoProgram(SystemError),
    #[error("git cannot {action} {url}: {said}")]
    Failed { action: &'static str, url: PackageUrl, said: String },
    #[error("the repository {url} has no branch, tag or commit `{revision}`")]
    NoRevision { url: PackageUrl, revision: String },
    #[error("the repository {0} has no commits")]
    NoCommits(PackageUrl),
    #[error("the repository {url} has no folder `{folder}` at {revision}")]
    NoFolder { url: PackageUrl, folder: String, revision: String },
    #[error("interrupted")]
    Interrupted,
    #[error(transparent)]
    System(#[from] SystemError),
}

/// What git says where it is not let in.
const DENIALS: [&str; 6] = [
    "could not read Username",
    "could not read Password",
    "Authentication failed",
    "Permission denied",
    "Host key verification failed",
    "terminal prompts disabled",
];

impl GitError {
    pub(crate) fn hints(&self) -> Vec<String> {
        let hint = match self {
            GitError::NoProgram(_) => "install git, or take the package from the hub or a tarball",
            GitError::Failed { said, .. } if DENIALS.iter().any(|denial| said.contains(denial)) => {
                "git was not let in: use an SSH address, a credential helper of git, or a token as in \
                 https://{{ env_var('DBT_ENV_SECRET_GIT_TOKEN') }}@host/owner/name.git"
            }
            GitError::Failed { .. } => "check the address and the network with `git ls-remote`",
            GitError::NoRevision { .. } => {
                "`git ls-remote` lists branches and tags; a commit is written with all its 40 digits"
            }
            GitError::NoCommits(_) => "check the address",
            GitError::NoFolder { .. } => "check `subdirectory:`, a path in the repository",
            _ => return Vec::new(),
        };
        vec![hint.to_owned()]
    }
}

/// A revision as the repository knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundRevision {
    pub(crate) commit: String,
    /// What is fetched: a reference, or the commit.
    reference: String,
}

/// An address without credentials, and the credentials for git's environment.
struct GitAddress<'a> {
    url: &'a PackageUrl,
    plain: String,
    /// The scheme, host and port that the credentials are for.
    host: String,
    login: Option<(String, String)>,
}

impl<'a> GitAddress<'a> {
    fn new(url: &'a PackageUrl) -> GitAddress<'a> {
        let whole =
            GitAddress { url, plain: url.reveal().to_owned(), host: String::new(), login: None };
        let Ok(mut parsed) = Url::parse(url.reveal()) else { return whole };
        let has_login = !parsed.username().is_empty() || parsed.password().is_some();
        if !has_login || !matches!(parsed.scheme(), "http" | "https") {
            return whole;
        }
        let decode =
            |text: &str| String::from_utf8_lossy(&super::http::decode_percent(text)).into_owned();
        let login = (decode(parsed.username()), decode(parsed.password().unwrap_or_default()));
        // Neither fails for an address that has a host.
        let _ = parsed.set_username("");
        let _ = parsed.set_password(None);
        let host = parsed.origin().ascii_serialization();
        GitAddress { url, plain: parsed.to_string(), host, login: Some(login) }
    }
}

/// The key of a repository and folder in the cache: the address without credentials.
pub(super) fn plain_address(url: &PackageUrl) -> String {
    GitAddress::new(url).plain
}

/// Runs git in a folder that is removed afterwards.
pub(crate) struct GitProgram<'a> {
    pub(crate) system: &'a dyn System,
    pub(crate) folder: &'a Utf8Path,
    pub(crate) is_stopped: &'a dyn Fn() -> bool,
}

impl GitProgram<'_> {
    /// The commit that a revision means: a tag, a branch or a whole commit, in this order.
    pub(crate) fn find_revision(
        &self,
        url: &PackageUrl,
        revision: &str,
    ) -> Result<FoundRevision, GitError> {
        if is_commit(revision) {
            return Ok(FoundRevision { commit: revision.into(), reference: revision.into() });
        }
        let missing = || GitError::NoRevision { url: url.clone(), revision: revision.to_owned() };
        if !may_be_reference(revision) {
            return Err(missing());
        }
        let address = GitAddress::new(url);
        let (tag, branch) = (format!("refs/tags/{revision}"), format!("refs/heads/{revision}"));
        let peeled = format!("{tag}^{{}}");
        let names: Vec<&str> = match revision {
            DEFAULT_REVISION => vec![DEFAULT_REVISION],
            _ => vec![&tag, &peeled, &branch],
        };
        let mut args = vec!["ls-remote", "--quiet", "--", &address.plain];
        args.extend(&names);
        let said = self.run("read", &address, &args)?;
        let commit_of = |name: &str| {
            said.lines().filter_map(|line| line.split_once('\t')).find(|(_, n)| *n == name)
        };
        // An annotated tag is an object of its own; its peeled line has the commit.
        let found = [(&*peeled, &*tag), (&*tag, &*tag), (&*branch, &*branch)]
            .into_iter()
            .chain([(DEFAULT_REVISION, DEFAULT_REVISION)])
            .find_map(|(name, reference)| Some((commit_of(name)?.0, reference)));
        match found {
            Some((commit, reference)) => {
                Ok(FoundRevision { commit: commit.into(), reference: reference.into() })
            }
            None if revision == DEFAULT_REVISION => Err(GitError::NoCommits(url.clone())),
            None => Err(missing()),
        }
    }

    /// Fetches a revision and packs it, or a folder of it, into a file. Returns the commit: a branch
    /// may have moved meanwhile.
    pub(crate) fn pack_revision(
        &self,
        url: &PackageUrl,
        revision: &FoundRevision,
        subdirectory: Option<&str>,
        file: &Utf8Path,
    ) -> Result<String, GitError> {
        let address = GitAddress::new(url);
        self.run("prepare", &address, &["init", "--quiet", "--bare", "--template="])?;
        // The package is all of the tree, as in a working copy.
        let attributes = self.folder.join("info/attributes");
        self.system.write_stream(&attributes, &mut |out| {
            out.write_all(b"* -export-ignore -export-subst\n")
        })?;
        let reference = revision.reference.as_str();
        let fetch = ["fetch", "--quiet", "--depth=1", "--no-tags", "--", &address.plain, reference];
        self.run("fetch", &address, &fetch).map_err(|e| missing_commit(e, revision))?;
        let commit =
            self.run("read", &address, &["rev-parse", "--verify", "FETCH_HEAD^{commit}"])?;
        let commit = commit.trim().to_owned();
        let tree = match subdirectory {
            Some(folder) => {
                let tree = format!("{commit}:{folder}");
                let kind = self.run("read", &address, &["cat-file", "-t", &tree]);
                if !kind.is_ok_and(|kind| kind.trim() == "tree") {
                    let (folder, revision) = (folder.to_owned(), reference.to_owned());
                    return Err(GitError::NoFolder { url: url.clone(), folder, revision });
                }
                tree
            }
            None => commit.clone(),
        };
        let output = format!("--output={file}");
        self.run("pack", &address, &["archive", "--format=tar", &output, &tree])?;
        Ok(commit)
    }

    fn run(
        &self,
        action: &'static str,
        address: &GitAddress<'_>,
        args: &[&str],
    ) -> Result<String, GitError> {
        let mut env = vec![
            ("LC_ALL", Some("C")),
            ("GIT_TERMINAL_PROMPT", Some("0")),
            // Set where the command runs in a hook of git; they would lead to another repository.
            ("GIT_DIR", None),
            ("GIT_WORK_TREE", None),
            ("GIT_INDEX_FILE", None),
        ];
        if self.system.env("GIT_ALLOW_PROTOCOL").is_none() {
            env.push(("GIT_ALLOW_PROTOCOL", Some("file:git:http:https:ssh")));
        }
        let mut all = vec!["-c", "gc.auto=0", "-c", "maintenance.auto=false"];
        // The helper is asked for this server alone.
        let helper = format!(
            "credential.{}.helper=!f() {{ printf 'username=%s\\npassword=%s\\n' \"$STRATA_GIT_USER\" \"$STRATA_GIT_PASSWORD\"; }}; f",
            address.host
        );
        if let Some((user, password)) = &address.login {
            all.extend(["-c", "credential.helper=", "-c", &helper]);
            env.push(("STRATA_GIT_USER", Some(user)));
            env.push(("STRATA_GIT_PASSWORD", Some(password)));
        }
        all.extend(args);
        let call = ProgramCall {
            program: "git",
            args: &all,
            folder: self.folder,
            env: &env,
            is_stopped: self.is_stopped,
        };
        match self.system.run_program(&call).map_err(GitError::NoProgram)? {
            ProgramEnd::Stopped => Err(GitError::Interrupted),
            ProgramEnd::Done { is_success: true, stdout, .. } => Ok(stdout),
            // A terminal sends Ctrl-C to git, too.
            ProgramEnd::Done { .. } if (self.is_stopped)() => Err(GitError::Interrupted),
            ProgramEnd::Done { stderr, .. } => Err(GitError::Failed {
                action,
                url: address.url.clone(),
                said: shown_error(&stderr, address),
            }),
        }
    }
}

/// A commit that the server does not have is no failure of the network.
fn missing_commit(error: GitError, revision: &FoundRevision) -> GitError {
    const UNKNOWN: [&str; 3] = ["not our ref", "couldn't find remote ref", "unadvertised object"];
    match error {
        GitError::Failed { url, said, .. } if UNKNOWN.iter().any(|text| said.contains(text)) => {
            GitError::NoRevision { url, revision: revision.reference.clone() }
        }
        other => other,
    }
}

/// What git said, without credentials and without its advice of several lines.
fn shown_error(stderr: &str, address: &GitAddress<'_>) -> String {
    let mut text = stderr.replace(address.url.reveal(), &mask_address(address.url.reveal()));
    if let Some((user, password)) = &address.login {
        for secret in [password, user].into_iter().filter(|s| s.len() > 2) {
            text = text.replace(secret.as_str(), "*****");
        }
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let told: Vec<&str> = lines
        .filter(|line| !line.starts_with("hint:") && !line.starts_with("warning:"))
        .take(4)
        .collect();
    match told.is_empty() {
        true => "it says nothing".to_owned(),
        false => told.join("; "),
    }
}

pub(super) fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether git accepts the name, by the rules of `git check-ref-format` that matter here.
fn may_be_reference(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(['-', '/'])
        && !name.ends_with(['/', '.'])
        && !name.contains("..")
        && !name.contains("@{")
        && !name.contains(|c: char| c.is_control() || " ~^:?*[\\".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_taken_out_of_the_address() {
        let url = PackageUrl::new("https://me:a%40b@example.org:8443/x.git", "");
        let address = GitAddress::new(&url);
        assert_eq!(address.plain, "https://example.org:8443/x.git");
        assert_eq!(address.host, "https://example.org:8443");
        assert_eq!(address.login, Some(("me".to_owned(), "a@b".to_owned())));
        let said = shown_error("fatal: https://me:a%40b@example.org:8443/x.git and a@b", &address);
        assert_eq!(said, "fatal: https://*****@example.org:8443/x.git and *****");
        for text in ["git@example.org:a/b.git", "ssh://git@example.org/x", "/folder", "file:///x"] {
            let url = PackageUrl::new(text, text);
            assert_eq!(GitAddress::new(&url).plain, text);
        }
    }

    #[test]
    fn names_that_are_options_or_patterns_are_no_revisions() {
        for name in ["", "-x", "--upload-pack=x", "a b", "a..b", "v*", "a:b", "a^", "@{1}"] {
            assert!(!may_be_reference(name), "{name}");
        }
        assert!(may_be_reference("release/1.0") && is_commit(&"0a".repeat(20)));
    }
}
