//! Values that must never be shown.
//!
//! In: credentials and the values of `DBT_ENV_SECRET...` variables. Out: `Secret`, which cannot be
//! printed or serialised; `Scrubber`, which masks the values of those variables in messages and log
//! lines; `mask_credentials`, which masks credentials where drivers print them. The text of a
//! credential is not searched for: a password like `postgres` is a word in every artifact.
//! Artifacts, generated files and data are never masked.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, RwLock};

/// The prefix of variables with secret values. As in dbt, without a trailing underscore.
pub(crate) const SECRET_PREFIX: &str = "DBT_ENV_SECRET";

/// A credential. Only the code that passes it to a driver calls `reveal`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(Arc<str>);

impl Secret {
    pub(crate) fn new(text: &str) -> Secret {
        Secret(text.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("*****")
    }
}

/// Replaces the values of an invocation's secret variables by `*****`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scrubber {
    texts: Arc<RwLock<Vec<Secret>>>,
}

impl Scrubber {
    /// Registers a secret. Very short values are ignored: replacing `a` everywhere would reveal
    /// more than it hides.
    pub(crate) fn register(&self, secret: &Secret) {
        if secret.reveal().trim().len() < 3 {
            return;
        }
        // Artifacts and JSON lines contain the escaped form.
        let json = serde_json::to_string(secret.reveal()).unwrap_or_default();
        let json = json.get(1..json.len().saturating_sub(1)).unwrap_or_default();
        if json != secret.reveal() && json.len() > 2 {
            self.add(&Secret::new(json));
        }
        self.add(secret);
    }

    fn add(&self, secret: &Secret) {
        let mut texts = self.texts.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !texts.contains(secret) {
            texts.push(secret.clone());
            // Longest first, so that no part of a secret remains if it contains another one.
            texts.sort_by_key(|s| std::cmp::Reverse(s.reveal().len()));
        }
    }

    pub(crate) fn scrub<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let texts = self.texts.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut out = Cow::Borrowed(text);
        for secret in texts.iter() {
            if out.contains(secret.reveal()) {
                out = Cow::Owned(out.replace(secret.reveal(), "*****"));
            }
        }
        out
    }
}

/// The placeholder of a secret variable while values of profiles and packages are rendered. As in
/// dbt, filters never see the secret, so no part of it can appear in a message.
pub(crate) fn secret_placeholder(name: &str) -> String {
    format!("{PLACEHOLDER_START}{name}{PLACEHOLDER_END}")
}

const PLACEHOLDER_START: &str = "$$$STRATA_SECRET_START$$$";
const PLACEHOLDER_END: &str = "$$$STRATA_SECRET_END$$$";

/// Replaces placeholders by their values. A placeholder that a filter has changed is left as it is.
pub(crate) fn fill_placeholders(text: &str, value_of: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(PLACEHOLDER_START) {
        out.push_str(before);
        match after
            .split_once(PLACEHOLDER_END)
            .and_then(|(name, after)| Some((value_of(name)?, after)))
        {
            Some((value, after)) => {
                out.push_str(&value);
                rest = after;
            }
            None => {
                out.push_str(PLACEHOLDER_START);
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// An address as it may be shown: without the credentials and the query of a URL. The user of an
/// SSH address (`ssh://git@host`, `git@host:path`) is no secret.
pub(crate) fn mask_address(text: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = text.split_once("://") else { return Cow::Borrowed(text) };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let shown = match authority.rsplit_once('@') {
        Some((user, host)) if scheme.ends_with("ssh") => match user.split_once(':') {
            Some((user, _)) => format!("{user}:*****@{host}"),
            None => authority.to_owned(),
        },
        Some((_, host)) => format!("*****@{host}"),
        None => authority.to_owned(),
    };
    let path = match path.split_once('?') {
        Some((path, _)) => format!("{path}?*****"),
        None => path.to_owned(),
    };
    Cow::Owned(format!("{scheme}://{shown}{path}"))
}

/// Masks credentials in messages of drivers: the password of a URL (RFC 3986, "userinfo") and the
/// values of keywords in connection strings (libpq: `password=x`, `password = 'x y'`).
pub(crate) fn mask_credentials(text: &str) -> Cow<'_, str> {
    let masked = mask_keywords(&mask_urls(text));
    if masked == text { Cow::Borrowed(text) } else { Cow::Owned(masked) }
}

fn mask_urls(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        out.push_str(before);
        out.push_str("://");
        let end =
            after.find(|c: char| c.is_whitespace() || "/?#'\"`".contains(c)).unwrap_or(after.len());
        rest = after;
        if let Some((user, _)) =
            after[..end].rsplit_once('@').and_then(|(info, _)| info.split_once(':'))
        {
            let at = after[..end].rfind('@').unwrap_or(end);
            out.push_str(user);
            out.push_str(":*****");
            rest = &after[at..];
        }
    }
    out.push_str(rest);
    out
}

fn mask_keywords(text: &str) -> String {
    const KEYWORDS: [&str; 6] =
        ["password", "passwd", "pwd", "secret_access_key", "session_token", "motherduck_token"];
    let lower = text.to_ascii_lowercase();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some((start, word)) =
        KEYWORDS.iter().filter_map(|w| Some((at + lower[at..].find(w)?, *w))).min()
    {
        let name_end = start + word.len();
        let value = keyword_value(text, name_end);
        out.push_str(&text[at..value.start]);
        if !value.is_empty() {
            out.push_str("*****");
        }
        at = value.end;
    }
    out.push_str(&text[at..]);
    out
}

/// The range of the value after `=`; empty if no `=` follows.
fn keyword_value(text: &str, name_end: usize) -> std::ops::Range<usize> {
    let equals = skip_blanks(text, name_end);
    if !text[equals..].starts_with('=') {
        return name_end..name_end;
    }
    let start = skip_blanks(text, equals + 1);
    let quote = text[start..].chars().next().filter(|c| matches!(c, '\'' | '"'));
    let end = match quote {
        Some(quote) => text[start + 1..].find(quote).map_or(text.len(), |i| start + 1 + i + 1),
        None => text[start..].find(ends_value).map_or(text.len(), |i| start + i),
    };
    start..end
}

fn skip_blanks(text: &str, from: usize) -> usize {
    text.len() - text[from..].trim_start().len()
}

/// Whether a character ends an unquoted value.
fn ends_value(c: char) -> bool {
    c.is_whitespace() || ";&,)'\"".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_replaced_longest_first() {
        let scrubber = Scrubber::default();
        scrubber.register(&Secret::new("hunter"));
        scrubber.register(&Secret::new("hunter2"));
        scrubber.register(&Secret::new("x"));
        assert_eq!(scrubber.scrub("hunter2 and hunter x"), "***** and ***** x");
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "*****");
    }

    #[test]
    fn credentials_are_masked_where_drivers_put_them() {
        for (text, masked) in [
            (
                "cannot reach postgres://me:a@b:c@host:5432/db?x=1",
                "cannot reach postgres://me:*****@host:5432/db?x=1",
            ),
            ("see https://example.org/a:b@c", "see https://example.org/a:b@c"),
            ("host=h password=secret dbname=d", "host=h password=***** dbname=d"),
            ("PASSWORD = 'two words', x", "PASSWORD = *****, x"),
            (
                "password authentication failed for user \"main\"",
                "password authentication failed for user \"main\"",
            ),
            ("pwd=", "pwd="),
            ("é password=é", "é password=*****"),
        ] {
            assert_eq!(mask_credentials(text), masked);
        }
    }

    #[test]
    fn addresses_are_shown_without_credentials() {
        for (text, shown) in [
            ("https://me:pass@example.org/x.git", "https://*****@example.org/x.git"),
            ("https://token@example.org/x.git", "https://*****@example.org/x.git"),
            ("https://me:p@ss@example.org", "https://*****@example.org"),
            ("https://example.org/x.tgz?token=abc", "https://example.org/x.tgz?*****"),
            ("ssh://git@example.org/x.git", "ssh://git@example.org/x.git"),
            ("ssh://me:pass@example.org/x.git", "ssh://me:*****@example.org/x.git"),
            ("git@example.org:a/b.git", "git@example.org:a/b.git"),
            ("https://example.org/a@b", "https://example.org/a@b"),
        ] {
            assert_eq!(mask_address(text), shown);
        }
    }

    #[test]
    fn placeholders_become_values_unless_they_were_changed() {
        let text = format!("https://u:{}@host", secret_placeholder("T"));
        let value = |name: &str| (name == "T").then(|| "abc".to_owned());
        assert_eq!(fill_placeholders(&text, value), "https://u:abc@host");
        let changed: String = secret_placeholder("T").chars().rev().collect();
        assert_eq!(fill_placeholders(&changed, value), changed);
        let unknown = secret_placeholder("U");
        assert_eq!(fill_placeholders(&unknown, value), unknown);
    }
}
