//! Cache keys: fingerprints that are written part by part.

use crate::hash::Fingerprint;
use serde::Serialize;

/// Writes a key. Each part is written with its kind and its length, so that different lists of
/// parts never give the same bytes.
pub(crate) struct KeyWriter {
    bytes: Vec<u8>,
}

impl KeyWriter {
    /// Starts a key for values of one kind. Keys of different kinds never collide.
    pub(crate) fn new(kind: &str) -> KeyWriter {
        KeyWriter { bytes: Vec::with_capacity(256) }.text(kind)
    }

    fn part(mut self, kind: u8, bytes: &[u8]) -> KeyWriter {
        self.bytes.push(kind);
        self.bytes.extend((bytes.len() as u64).to_le_bytes());
        self.bytes.extend(bytes);
        self
    }

    pub(crate) fn text(self, text: &str) -> KeyWriter {
        self.part(b't', text.as_bytes())
    }

    /// Adds a text that may be missing; `None` differs from an empty text.
    pub(crate) fn optional(self, text: Option<&str>) -> KeyWriter {
        match text {
            Some(text) => self.text(text),
            None => self.part(b'-', &[]),
        }
    }

    /// Adds a list of texts; their order counts.
    pub(crate) fn texts<T: AsRef<str>>(mut self, texts: impl IntoIterator<Item = T>) -> KeyWriter {
        let mut count: u64 = 0;
        for text in texts {
            self = self.text(text.as_ref());
            count += 1;
        }
        self.part(b'l', &count.to_le_bytes())
    }

    pub(crate) fn number(self, number: u64) -> KeyWriter {
        self.part(b'n', &number.to_le_bytes())
    }

    pub(crate) fn flag(self, is_set: bool) -> KeyWriter {
        self.part(b'f', &[u8::from(is_set)])
    }

    pub(crate) fn fingerprint(self, fingerprint: Option<Fingerprint>) -> KeyWriter {
        match fingerprint {
            Some(fingerprint) => self.part(b'p', fingerprint.as_bytes()),
            None => self.part(b'-', &[]),
        }
    }

    /// Adds all fields of a value, in their serialized form. Maps must have a stable order.
    pub(crate) fn value<T: Serialize + ?Sized>(self, value: &T) -> KeyWriter {
        // Serialization fails only for maps of unknown length, which no derived type has.
        let bytes = rmp_serde::to_vec(value).unwrap_or_default();
        self.part(b'v', &bytes)
    }

    pub(crate) fn finish(self) -> Fingerprint {
        Fingerprint::of_bytes(&self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(write: impl FnOnce(KeyWriter) -> KeyWriter) -> Fingerprint {
        write(KeyWriter::new("test")).finish()
    }

    #[test]
    fn different_parts_have_different_keys() {
        let none: [&str; 0] = [];
        let print = Fingerprint::of("a");
        let keys = [
            key(|k| k),
            key(|k| k.text("")),
            key(|k| k.text("ab").text("c")),
            key(|k| k.text("a").text("bc")),
            key(|k| k.optional(None)),
            key(|k| k.optional(None).optional(None)),
            key(|k| k.texts(none)),
            key(|k| k.texts(["a", "b"]).texts(none)),
            key(|k| k.texts(["a"]).texts(["b"])),
            key(|k| k.texts(["a"])),
            key(|k| k.text("a").texts(none)),
            key(|k| k.number(1)),
            key(|k| k.number(2)),
            key(|k| k.flag(true)),
            key(|k| k.flag(false)),
            key(|k| k.value("a")),
            key(|k| k.value(&["a", "b"])),
            key(|k| k.value(&["b", "a"])),
            key(|k| k.fingerprint(Some(print))),
            key(|k| k.text(&print.hex())),
            KeyWriter::new("other").finish(),
        ];
        for (i, one) in keys.iter().enumerate() {
            assert!(keys[..i].iter().all(|other| other != one), "{i}");
        }
        assert_eq!(key(|k| k.optional(Some("a"))), key(|k| k.text("a")));
    }
}
