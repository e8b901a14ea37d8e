//! Reads an archive of a package: checks every entry, hashes what it holds and, where asked, writes it to a folder.
//!
//! Archives come from strangers. An entry that would leave the folder, a link that leads out of it, a device, or more
//! than a package can be in size or number refuses the whole archive.

use crate::hash::Fingerprint;
use crate::system::{System, SystemError, TreeEntry, TreeKind};
use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Arc;
use tar::{Archive, Entry, EntryType};

/// The number of bytes that a package may have unpacked.
const MOST_BYTES: u64 = 512 << 20;
/// The number of files and folders.
const MOST_ENTRIES: usize = 50_000;
/// The size of the files whose text is needed to resolve packages.
const MOST_TEXT: u64 = 1 << 20;

/// The files whose texts say what a package is and needs.
const TOLD: [&str; 4] = ["project.yml", "dbt_project.yml", "packages.yml", "dependencies.yml"];

#[derive(Debug, thiserror::Error)]
pub(crate) enum ArchiveError {
    #[error("it is damaged or no .tar.gz ({0})")]
    Damaged(io::Error),
    #[error("`{0}` would be outside of its folder")]
    Outside(String),
    #[error("the link `{path}` leads to `{target}`, which may be outside")]
    LinkOutside { path: String, target: String },
    #[error("`{0}` is neither a file, a folder nor a symbolic link")]
    Special(String),
    #[error("`{0}` is there twice, in ways that do not go together")]
    Twice(String),
    #[error("it is larger than {} MB unpacked", MOST_BYTES >> 20)]
    TooLarge,
    #[error("it has more than {MOST_ENTRIES} entries")]
    TooMany,
    #[error("it has {0} entries at its top instead of one folder")]
    NotOneFolder(usize),
    #[error("it is empty")]
    Empty,
    #[error(transparent)]
    System(#[from] SystemError),
}

/// How an archive is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ArchiveFormat {
    /// `.tar.gz` with one folder, which is left out when it is unpacked.
    Folder,
    /// `.tar` without such a folder, as `git archive` writes it.
    Bare,
}

/// What an archive holds.
#[derive(Clone, Debug)]
pub(crate) struct ArchiveContent {
    /// The fingerprint of all paths and contents; `fingerprint_folder` says the same of the unpacked folder.
    pub(crate) fingerprint: Fingerprint,
    /// The texts of the files that say what the package is and needs, unless it was unpacked.
    pub(crate) texts: BTreeMap<&'static str, Arc<str>>,
}

/// Where an archive is unpacked.
#[derive(Clone, Copy)]
pub(crate) struct UnpackTarget<'a> {
    pub(crate) system: &'a dyn System,
    pub(crate) folder: &'a Utf8Path,
}

/// Checks an archive, and unpacks it if there is a target.
pub(crate) fn read_archive(
    input: impl Read,
    format: ArchiveFormat,
    target: Option<UnpackTarget<'_>>,
) -> Result<ArchiveContent, ArchiveError> {
    match format {
        ArchiveFormat::Folder => {
            let input = flate2::read::MultiGzDecoder::new(input);
            Unpacking::new(format, target).read(input)
        }
        ArchiveFormat::Bare => Unpacking::new(format, target).read(input),
    }
}

/// The fingerprint of an unpacked folder. `None` if it holds what no archive can have put there.
pub(crate) fn fingerprint_folder(
    system: &dyn System,
    folder: &Utf8Path,
) -> Result<Option<Fingerprint>, SystemError> {
    let mut content = BTreeMap::new();
    for TreeEntry { path, kind } in system.list_tree(folder)? {
        let part = match kind {
            TreeKind::File => ContentPart::File(system.fingerprint(&folder.join(&path))?),
            TreeKind::Link(target) => ContentPart::Link(target),
            TreeKind::Other => return Ok(None),
        };
        content.insert(path, part);
    }
    Ok(Some(fingerprint_content(&content)))
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum ContentPart {
    Folder,
    File(Fingerprint),
    Link(String),
}

/// Folders do not count: an empty one means nothing.
fn fingerprint_content(content: &BTreeMap<Utf8PathBuf, ContentPart>) -> Fingerprint {
    let parts = content.iter().flat_map(|(path, part)| match part {
        ContentPart::Folder => Vec::new(),
        ContentPart::File(print) => vec![path.to_string(), "file".to_owned(), print.hex()],
        ContentPart::Link(target) => vec![path.to_string(), "link".to_owned(), target.clone()],
    });
    Fingerprint::of_parts(parts)
}

struct Unpacking<'a> {
    format: ArchiveFormat,
    target: Option<UnpackTarget<'a>>,
    content: BTreeMap<Utf8PathBuf, ContentPart>,
    texts: BTreeMap<&'static str, Arc<str>>,
    /// The names at the top of the archive.
    tops: Vec<String>,
    bytes_left: u64,
    entries: usize,
}

impl<'a> Unpacking<'a> {
    fn new(format: ArchiveFormat, target: Option<UnpackTarget<'a>>) -> Unpacking<'a> {
        Unpacking {
            format,
            target,
            content: BTreeMap::new(),
            texts: BTreeMap::new(),
            tops: Vec::new(),
            bytes_left: MOST_BYTES,
            entries: 0,
        }
    }

    fn read(mut self, input: impl Read) -> Result<ArchiveContent, ArchiveError> {
        // Headers and padding count, too: long names are read into memory.
        let mut archive = Archive::new(input.take(2 * MOST_BYTES));
        for entry in archive.entries().map_err(ArchiveError::Damaged)? {
            self.entry(entry.map_err(ArchiveError::Damaged)?)?;
        }
        if self.content.is_empty() {
            return Err(ArchiveError::Empty);
        }
        if self.format == ArchiveFormat::Folder && self.tops.len() != 1 {
            return Err(ArchiveError::NotOneFolder(self.tops.len()));
        }
        let fingerprint = fingerprint_content(&self.content);
        Ok(ArchiveContent { fingerprint, texts: self.texts })
    }

    fn entry(&mut self, mut entry: Entry<'_, impl Read>) -> Result<(), ArchiveError> {
        let kind = entry.header().entry_type();
        if matches!(kind, EntryType::XGlobalHeader | EntryType::XHeader) {
            return Ok(());
        }
        self.entries += 1;
        if self.entries > MOST_ENTRIES {
            return Err(ArchiveError::TooMany);
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let path = inner_path(&name)?;
        let Some(path) = self.strip_top(&path, kind)? else { return Ok(()) };
        for above in path.ancestors().skip(1).filter(|a| !a.as_str().is_empty()) {
            match self.content.get(above) {
                None => {
                    self.content.insert(above.to_owned(), ContentPart::Folder);
                }
                Some(ContentPart::Folder) => {}
                Some(_) => return Err(ArchiveError::Twice(name)),
            }
        }
        let part = match kind {
            EntryType::Directory => ContentPart::Folder,
            EntryType::Regular | EntryType::Continuous => {
                ContentPart::File(self.store_file(&mut entry, &path)?)
            }
            EntryType::Symlink => {
                let target = entry.link_name_bytes().unwrap_or_default();
                let target = String::from_utf8_lossy(&target).into_owned();
                if !stays_inside(&path, &target) {
                    return Err(ArchiveError::LinkOutside { path: name, target });
                }
                if let Some(to) = self.target {
                    to.system.symlink(Utf8Path::new(&target), &to.folder.join(&path))?;
                }
                ContentPart::Link(target)
            }
            _ => return Err(ArchiveError::Special(name)),
        };
        match self.content.get(&path) {
            // A file may be there twice; the last one counts, as for `tar`.
            None | Some(ContentPart::File(_)) if !matches!(part, ContentPart::Folder) => {}
            None | Some(ContentPart::Folder) if part == ContentPart::Folder => {}
            _ => return Err(ArchiveError::Twice(name)),
        }
        self.content.insert(path, part);
        Ok(())
    }

    /// The path without the one folder at the top. `None` for that folder itself.
    fn strip_top(
        &mut self,
        path: &Utf8Path,
        kind: EntryType,
    ) -> Result<Option<Utf8PathBuf>, ArchiveError> {
        if self.format == ArchiveFormat::Bare {
            return Ok((!path.as_str().is_empty()).then(|| path.to_owned()));
        }
        let mut parts = path.components();
        let Some(top) = parts.next() else { return Ok(None) };
        if !self.tops.iter().any(|known| known == top.as_str()) {
            self.tops.push(top.as_str().to_owned());
            // With a target, nothing may be written that does not belong to the one folder.
            if self.tops.len() > 1 {
                return Err(ArchiveError::NotOneFolder(self.tops.len()));
            }
        }
        let rest = parts.as_path().to_owned();
        match rest.as_str().is_empty() {
            true if kind == EntryType::Directory => Ok(None),
            true => Err(ArchiveError::NotOneFolder(1)),
            false => Ok(Some(rest)),
        }
    }

    fn store_file(
        &mut self,
        entry: &mut Entry<'_, impl Read>,
        path: &Utf8Path,
    ) -> Result<Fingerprint, ArchiveError> {
        let size = entry.size();
        self.bytes_left = self.bytes_left.checked_sub(size).ok_or(ArchiveError::TooLarge)?;
        let told = TOLD.into_iter().find(|name| path == *name).filter(|_| size <= MOST_TEXT);
        let mut text = Vec::new();
        let mut hash = HashingReader { input: entry, hasher: blake3::Hasher::new() };
        match self.target {
            Some(to) => {
                let copied = to.system.write_stream(&to.folder.join(path), &mut |out| {
                    io::copy(&mut hash, out).map(drop)
                });
                copied?;
            }
            None if told.is_some() => {
                hash.read_to_end(&mut text).map_err(ArchiveError::Damaged)?;
            }
            None => {
                io::copy(&mut hash, &mut io::sink()).map_err(ArchiveError::Damaged)?;
            }
        }
        if let Some(name) = told.filter(|_| self.target.is_none()) {
            let text = String::from_utf8_lossy(&text);
            self.texts.insert(name, text.strip_prefix('\u{feff}').unwrap_or(&text).into());
        }
        Ok(Fingerprint::of_hasher(&hash.hasher))
    }
}

struct HashingReader<R> {
    input: R,
    hasher: blake3::Hasher,
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.input.read(buffer)?;
        self.hasher.update(&buffer[..n]);
        Ok(n)
    }
}

/// The path of an entry, if it stays in the folder on every system.
fn inner_path(name: &str) -> Result<Utf8PathBuf, ArchiveError> {
    let outside = || ArchiveError::Outside(name.to_owned());
    if name.contains(['\\', '\0', '\u{fffd}']) || name.len() > 1000 {
        return Err(outside());
    }
    let mut path = Utf8PathBuf::new();
    for part in Utf8Path::new(name).components() {
        match part {
            Utf8Component::CurDir => {}
            // A colon is a drive or a stream on Windows.
            Utf8Component::Normal(part) if !part.contains(':') => path.push(part),
            _ => return Err(outside()),
        }
    }
    Ok(path)
}

/// Whether a link surely stays in the folder: its target goes up first, and then down only, so that
/// it stays inside even where it passes other links.
fn stays_inside(path: &Utf8Path, target: &str) -> bool {
    if target.is_empty() || target.contains(['\\', '\0', '\u{fffd}', ':']) {
        return false;
    }
    let mut depth = path.components().count().saturating_sub(1);
    let mut is_down = false;
    for part in Utf8Path::new(target).components() {
        match part {
            Utf8Component::CurDir => {}
            Utf8Component::ParentDir if !is_down && depth > 0 => depth -= 1,
            Utf8Component::Normal(_) => is_down = true,
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::MemorySystem;
    use std::io::Write;

    /// Entries of a kind with a name and a content, or the target of a link.
    type Rows<'a> = &'a [(EntryType, &'a str, &'a str)];

    fn tar(rows: Rows<'_>) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (kind, name, content) in rows {
            let mut header = tar::Header::new_gnu();
            // The builder's own methods refuse names such as `../x`.
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(*kind);
            header.set_mode(0o644);
            let is_link = matches!(kind, EntryType::Symlink | EntryType::Link);
            if is_link {
                header.as_old_mut().linkname[..content.len()].copy_from_slice(content.as_bytes());
            }
            let data = if is_link { "" } else { content };
            header.set_size(data.len() as u64);
            header.set_cksum();
            builder.append(&header, data.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    }

    const FILE: EntryType = EntryType::Regular;
    const LINK: EntryType = EntryType::Symlink;

    #[test]
    fn what_leaves_the_folder_is_refused() {
        let cases: [(Rows<'_>, &str); 15] = [
            (&[(FILE, "a/../../x", "")], "outside of its folder"),
            (&[(FILE, "/etc/x", "")], "outside of its folder"),
            (&[(FILE, "a/b\\..\\x", "")], "outside of its folder"),
            (&[(FILE, "a/C:x", "")], "outside of its folder"),
            (&[(LINK, "a/l", "/etc/passwd")], "may be outside"),
            (&[(LINK, "a/l", "../x")], "may be outside"),
            (&[(LINK, "a/b/l", "../../x")], "may be outside"),
            (&[(LINK, "a/l", "b/..")], "may be outside"),
            (&[(LINK, "a/l", "b"), (FILE, "a/l/x", "")], "there twice"),
            (&[(LINK, "a/l", "b"), (FILE, "a/l", "")], "there twice"),
            (&[(FILE, "a/l", ""), (FILE, "a/l/x", "")], "there twice"),
            (&[(EntryType::Link, "a/l", "a/x")], "neither a file"),
            (&[(EntryType::Char, "a/l", "")], "neither a file"),
            (&[(FILE, "a/x", ""), (FILE, "b/x", "")], "instead of one folder"),
            (&[(FILE, "x", "")], "instead of one folder"),
        ];
        for (rows, message) in cases {
            let system = MemorySystem::default();
            let target = UnpackTarget { system: &system, folder: "/t".into() };
            let packed = gzip(&tar(rows));
            for target in [None, Some(target)] {
                let error = read_archive(&packed[..], ArchiveFormat::Folder, target).unwrap_err();
                assert!(error.to_string().contains(message), "{rows:?}: {error}");
            }
        }
        let damaged = read_archive(&b"<html>"[..], ArchiveFormat::Folder, None).unwrap_err();
        assert!(matches!(damaged, ArchiveError::Damaged(_)));
    }

    #[test]
    fn bombs_are_refused() {
        let mut header = tar::Header::new_gnu();
        header.set_path("a/zeros").unwrap();
        header.set_size(MOST_BYTES + 1);
        header.set_cksum();
        let error = read_archive(&gzip(header.as_bytes())[..], ArchiveFormat::Folder, None);
        assert!(matches!(error, Err(ArchiveError::TooLarge)), "{error:?}");
        let many: Vec<_> = (0..=MOST_ENTRIES).map(|_| (FILE, "a/x", "")).collect();
        let error = read_archive(&gzip(&tar(&many))[..], ArchiveFormat::Folder, None);
        assert!(matches!(error, Err(ArchiveError::TooMany)), "{error:?}");
    }

    #[test]
    fn the_folder_has_the_fingerprint_of_the_archive() {
        let rows: Rows<'_> = &[
            (EntryType::XGlobalHeader, "pax_global_header", ""),
            (EntryType::Directory, "p-1.0/", ""),
            (FILE, "p-1.0/dbt_project.yml", "name: p"),
            (FILE, "p-1.0/models/a.sql", "select 1"),
        ];
        let packed = gzip(&tar(rows));
        let system = MemorySystem::default();
        let scanned = read_archive(&packed[..], ArchiveFormat::Folder, None).unwrap();
        assert_eq!(scanned.texts.get("dbt_project.yml").map(|t| &**t), Some("name: p"));
        let target = UnpackTarget { system: &system, folder: "/t".into() };
        let unpacked = read_archive(&packed[..], ArchiveFormat::Folder, Some(target)).unwrap();
        assert_eq!(unpacked.fingerprint, scanned.fingerprint);
        assert_eq!(&*system.read("/t/models/a.sql".into()).unwrap(), "select 1");
        let folder = |system| fingerprint_folder(system, "/t".into()).unwrap();
        assert_eq!(folder(&system), Some(scanned.fingerprint));
        system.write_atomic("/t/models/a.sql".into(), b"select 2").unwrap();
        assert_ne!(folder(&system), Some(scanned.fingerprint));
    }

    #[test]
    fn links_inside_are_allowed() {
        for (path, target) in [("l", "x"), ("a/l", "../b/x"), ("a/b/l", "../../x"), ("l", "./a/x")]
        {
            assert!(stays_inside(path.into(), target), "{path} -> {target}");
        }
    }
}
