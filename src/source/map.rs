//! Interned files, and conversion of byte offsets to lines and columns.

use crate::hash::FastMap;
use camino::Utf8Path;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cell::Cell;
use std::sync::Arc;

/// The id of a file, which stays the same for the lifetime of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct FileId(pub(crate) u32);

thread_local! {
    /// The file of the stored data that is being deserialized.
    static READ: Cell<FileId> = const { Cell::new(FileId(u32::MAX)) };
}

/// Deserializes data that belongs to one file. Spans are stored without file ids, since these are
/// valid in one process only.
pub(crate) fn of_file<T>(file: FileId, read: impl FnOnce() -> T) -> T {
    let before = READ.replace(file);
    let value = read();
    READ.set(before);
    value
}

impl Serialize for FileId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

impl<'de> Deserialize<'de> for FileId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<FileId, D::Error> {
        <()>::deserialize(deserializer)?;
        Ok(READ.get())
    }
}

/// A byte range `[start, end)` of an original file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Span {
    pub(crate) file: FileId,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    pub(crate) fn new(file: FileId, start: usize, end: usize) -> Span {
        let start = u32::try_from(start).unwrap_or(u32::MAX);
        let end = u32::try_from(end).unwrap_or(u32::MAX).max(start);
        Span { file, start, end }
    }

    /// A span for errors that concern a whole file.
    pub(crate) fn file(file: FileId) -> Span {
        Span { file, start: 0, end: 0 }
    }
}

/// Line and column, counted from one; the column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LineCol {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

#[derive(Clone, Debug)]
struct SourceFile {
    path: Arc<str>,
    text: Arc<str>,
}

/// All files that were read, by id and by path.
#[derive(Clone, Debug, Default)]
pub(crate) struct SourceMap {
    files: Vec<SourceFile>,
    by_path: FastMap<Arc<str>, FileId>,
}

impl SourceMap {
    /// Adds a file, or replaces the text of an existing one.
    pub(crate) fn add(&mut self, path: &Utf8Path, text: Arc<str>) -> FileId {
        if let Some(&id) = self.by_path.get(path.as_str()) {
            self.files[id.0 as usize].text = text;
            return id;
        }
        let id = FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        let path: Arc<str> = path.as_str().into();
        self.files.push(SourceFile { path: path.clone(), text });
        self.by_path.insert(path, id);
        id
    }

    pub(crate) fn path(&self, id: FileId) -> &Utf8Path {
        Utf8Path::new(&*self.files[id.0 as usize].path)
    }

    /// Whether the file may contain credentials, so that its lines must not be shown.
    pub(crate) fn is_private(&self, id: FileId) -> bool {
        self.path(id).file_name() == Some("profiles.yml")
    }

    pub(crate) fn text(&self, id: FileId) -> &Arc<str> {
        &self.files[id.0 as usize].text
    }

    pub(crate) fn find(&self, path: &Utf8Path) -> Option<FileId> {
        self.by_path.get(path.as_str()).copied()
    }

    pub(crate) fn line_col(&self, file: FileId, byte: u32) -> LineCol {
        line_col(self.text(file), byte as usize)
    }
}

/// The line and column of a byte offset. Offsets beyond the end are clamped.
pub(crate) fn line_col(text: &str, byte: usize) -> LineCol {
    let mut byte = byte.min(text.len());
    while !text.is_char_boundary(byte) {
        byte -= 1;
    }
    let before = &text[..byte];
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |i| i + 1);
    LineCol { line, column: before[start..].chars().count() + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        assert_eq!(line_col("aé\nxżz", 7), LineCol { line: 2, column: 3 });
        assert_eq!(line_col("ab", 99), LineCol { line: 1, column: 3 });
    }

    #[test]
    fn a_file_added_twice_keeps_its_number() {
        let mut map = SourceMap::default();
        let a = map.add("a.sql".into(), "1".into());
        let b = map.add("b.sql".into(), "2".into());
        assert_eq!(map.add("a.sql".into(), "3".into()), a);
        assert_ne!(a, b);
        assert_eq!(&**map.text(a), "3");
    }
}
