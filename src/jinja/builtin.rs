//! The built-in macros, embedded in the binary.

#[derive(Debug)]
pub(crate) struct BuiltinFile {
    /// `core` for the macros of all adapters, else the adapter's name.
    pub(crate) folder: &'static str,
    pub(crate) path: &'static str,
    pub(crate) text: &'static str,
}

/// All files under `src/jinja/builtin/`, sorted by path.
pub(crate) const BUILTIN_FILES: &[BuiltinFile] =
    include!(concat!(env!("OUT_DIR"), "/builtin_files.rs"));
