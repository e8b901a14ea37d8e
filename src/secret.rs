//! Values that must never be shown.
//!
//! In: credentials and the values of `DBT_ENV_SECRET...` variables. Out: `Secret`, which cannot be printed or
//! serialised, and `Scrubber`, which every sink of text passes its output through.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, RwLock};

/// The prefix of variables whose values are secret (dbt's name, without a last underscore).
pub(crate) const SECRET_PREFIX: &str = "DBT_ENV_SECRET";

/// A credential. Only the code that hands it to a driver calls `reveal`.
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

/// Knows the texts of all secrets of an invocation and replaces them by `*****`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scrubber {
    texts: Arc<RwLock<Vec<Secret>>>,
}

impl Scrubber {
    /// Registers a secret. Very short values are left out: replacing `a` everywhere would tell more than it hides.
    pub(crate) fn register(&self, secret: &Secret) {
        if secret.reveal().trim().len() < 3 {
            return;
        }
        // Artifacts and JSON lines hold it escaped.
        let json = serde_json::to_string(secret.reveal()).unwrap_or_default();
        let json = json.get(1..json.len().saturating_sub(1)).unwrap_or_default();
        if json != secret.reveal() && json.len() > 2 {
            self.add(&Secret::new(json));
        }
        self.add(secret);
    }

    /// Whether a text has a secret in it.
    pub(crate) fn finds(&self, text: &str) -> bool {
        matches!(self.scrub(text), Cow::Owned(_))
    }

    fn add(&self, secret: &Secret) {
        let mut texts = self.texts.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !texts.contains(secret) {
            texts.push(secret.clone());
            // Longest first, so that a secret that contains another one leaves no rest.
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
}
