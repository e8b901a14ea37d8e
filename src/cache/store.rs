//! Cache files below the target path. A file that is missing, damaged or written by another build
//! of Strata counts as empty, which costs only time.

use crate::system::{System, SystemError};
use camino::Utf8Path;
use std::io::Read;

/// A value that one command stores in a file for the next.
pub(crate) trait CacheFile: Sized {
    /// The file's name.
    const FILE: &'static str;

    fn to_bytes(&mut self) -> Vec<u8>;

    /// Reads the result of `to_bytes` of the same build; `None` if the bytes are invalid.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;

    /// Reads the value from a file. What is not always needed may be left there for later.
    fn from_reader(mut reader: Box<dyn Read + Send>) -> Option<Self> {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).ok()?;
        Self::from_bytes(&bytes)
    }
}

/// The first bytes of each file. The format may differ between builds.
const BUILD: &[u8] = crate::BUILD.as_bytes();

/// The value stored by an earlier command; `None` if there is none, or if it cannot be read.
pub(crate) fn read_cache_file<T: CacheFile>(
    system: &dyn System,
    target_path: &Utf8Path,
) -> Option<T> {
    let mut reader = system.open(&target_path.join(T::FILE)).ok()?;
    let mut build = [0; BUILD.len()];
    reader.read_exact(&mut build).ok()?;
    if build == BUILD { T::from_reader(reader) } else { None }
}

pub(crate) fn write_cache_file<T: CacheFile>(
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

    impl CacheFile for Number {
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
        assert_eq!(read_cache_file::<Number>(&system, folder), None);
        write_cache_file(&system, folder, &mut Number(7)).unwrap();
        assert_eq!(read_cache_file(&system, folder), Some(Number(7)));
        let path = folder.join(Number::FILE);
        for other in ["", "another build", &format!("{}too long", crate::BUILD)] {
            system.write_atomic(&path, other.as_bytes()).unwrap();
            assert_eq!(read_cache_file::<Number>(&system, folder), None, "{other}");
        }
        system.write_atomic(&path, &[BUILD, &[8]].concat()).unwrap();
        assert_eq!(read_cache_file(&system, folder), Some(Number(8)), "behind the build");
    }
}
