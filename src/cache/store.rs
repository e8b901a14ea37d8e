//! Files of caches, below the target path. One that is missing, broken or of another build of the
//! tool counts as empty: that costs time only.

use crate::system::{System, SystemError};
use camino::Utf8Path;
use std::io::Read;

/// What a command leaves in a file for the next one.
pub(crate) trait Stored: Sized {
    /// The file's name.
    const FILE: &'static str;

    fn to_bytes(&mut self) -> Vec<u8>;

    /// What `to_bytes` of the same build gave; none of bytes that cannot be read.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

/// What begins each file: formats are those of one build.
const BUILD: &[u8] = crate::BUILD.as_bytes();

/// What an earlier command has stored, if it can be used.
pub(crate) fn read_stored<T: Stored>(system: &dyn System, target_path: &Utf8Path) -> Option<T> {
    let mut bytes = Vec::new();
    system.open(&target_path.join(T::FILE)).ok()?.read_to_end(&mut bytes).ok()?;
    T::from_bytes(bytes.strip_prefix(BUILD)?)
}

pub(crate) fn write_stored<T: Stored>(
    system: &dyn System,
    target_path: &Utf8Path,
    value: &mut T,
) -> Result<(), SystemError> {
    let bytes = value.to_bytes();
    system.write_stream(&target_path.join(T::FILE), &mut |out| {
        out.write_all(BUILD)?;
        out.write_all(&bytes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::MemorySystem;

    #[derive(Debug, PartialEq)]
    struct Number(u8);

    impl Stored for Number {
        const FILE: &'static str = "number.bin";

        fn to_bytes(&mut self) -> Vec<u8> {
            vec![self.0]
        }

        fn from_bytes(bytes: &[u8]) -> Option<Number> {
            let [number] = bytes else { return None };
            Some(Number(*number))
        }
    }

    #[test]
    fn what_is_written_is_read_by_the_same_build() {
        let system = MemorySystem::with_files([]);
        let folder = Utf8Path::new("/p/target");
        assert_eq!(read_stored::<Number>(&system, folder), None);
        write_stored(&system, folder, &mut Number(7)).unwrap();
        assert_eq!(read_stored(&system, folder), Some(Number(7)));
        let path = folder.join(Number::FILE);
        for other in ["", "another build", &format!("{}too long", crate::BUILD)] {
            system.write_atomic(&path, other.as_bytes()).unwrap();
            assert_eq!(read_stored::<Number>(&system, folder), None, "{other}");
        }
        system.write_atomic(&path, &[BUILD, &[8]].concat()).unwrap();
        assert_eq!(read_stored(&system, folder), Some(Number(8)), "behind the build");
    }
}
