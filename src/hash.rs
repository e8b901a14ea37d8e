//! Content hashes.
//!
//! In: texts. Out: the checksums of dbt's artifacts, and `Fingerprint`, by which results
//! are cached and compared. Never hashed: modification times, absolute paths.

use foldhash::fast::RandomState;
use md5::Md5;
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// Maps and sets with a fast hash, for keys that are not chosen by an attacker. The standard hash
/// is several times slower for small keys.
pub(crate) type FastMap<K, V> = std::collections::HashMap<K, V, RandomState>;
pub(crate) type FastSet<T> = std::collections::HashSet<T, RandomState>;

/// The first 16 bytes of a BLAKE3 hash of some content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Fingerprint([u8; 16]);

impl Fingerprint {
    pub(crate) fn of(text: &str) -> Fingerprint {
        Fingerprint::of_parts([text])
    }

    /// The fingerprint of several texts. Lengths are hashed, too, so that the boundaries matter.
    pub(crate) fn of_parts<T: AsRef<str>>(parts: impl IntoIterator<Item = T>) -> Fingerprint {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            let bytes = part.as_ref().as_bytes();
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        }
        Fingerprint::finish(&hasher)
    }

    pub(crate) fn of_bytes(bytes: &[u8]) -> Fingerprint {
        let mut hasher = blake3::Hasher::new();
        hasher.update(bytes);
        Fingerprint::finish(&hasher)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The fingerprint of a stream of bytes, which need not fit into memory.
    pub(crate) fn of_stream(input: &mut dyn std::io::Read) -> std::io::Result<Fingerprint> {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(input)?;
        Ok(Fingerprint::finish(&hasher))
    }

    /// The fingerprint of the bytes that a hasher was given.
    pub(crate) fn of_hasher(hasher: &blake3::Hasher) -> Fingerprint {
        Fingerprint::finish(hasher)
    }

    fn finish(hasher: &blake3::Hasher) -> Fingerprint {
        let mut out = [0; 16];
        hasher.finalize_xof().fill(&mut out);
        Fingerprint(out)
    }

    pub(crate) fn hex(self) -> String {
        hex(&self.0)
    }

    /// Parses the text of `hex`; `None` if it is not one.
    pub(crate) fn from_hex(text: &str) -> Option<Fingerprint> {
        let digits: Vec<u8> =
            text.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect::<Option<_>>()?;
        let bytes: Vec<u8> =
            digits.chunks(2).map(|d| d.iter().fold(0, |byte, digit| byte * 16 + digit)).collect();
        bytes.try_into().ok().map(Fingerprint)
    }

    /// The first half of the digits of `hex`.
    pub(crate) fn short(self) -> String {
        hex(&self.0[..8])
    }
}

/// Converts bytes to lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|b| [DIGITS[usize::from(b >> 4)] as char, DIGITS[usize::from(b & 15)] as char])
        .collect()
}

/// The MD5 hash of a text in 32 hexadecimal digits, as dbt prints it.
pub(crate) fn md5_hex(text: &str) -> String {
    hex(&Md5::digest(text.as_bytes()))
}

/// The lower-case SHA-1 of a text: dbt's hash of a lock file.
pub(crate) fn sha1_hex(text: &str) -> String {
    hex(&Sha1::digest(text.as_bytes()))
}

/// The SHA-256 hash of a text, as in dbt's checksums.
pub(crate) fn sha256_hex(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(Fingerprint::of_parts(["ab", "c"]), Fingerprint::of_parts(["a", "bc"]));
        let streamed = |text: &str| Fingerprint::of_stream(&mut text.as_bytes()).unwrap();
        assert!(streamed("a") != streamed("b") && streamed("a").hex().len() == 32);
        assert_eq!(Fingerprint::from_hex(&streamed("a").hex()), Some(streamed("a")));
        assert_eq!(Fingerprint::from_hex("12"), None);
    }

    #[test]
    fn known_answers() {
        assert_eq!(md5_hex("abc"), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(
            sha256_hex(""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
