//! Compilers and definitions of in-memory projects, for this module's tests.

use super::{CompileCache, NodeDefinition, define_nodes};
use crate::compile::Compiler;
use crate::manifest::NodeId;
use crate::resolve::testing::read;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The path and the text of a project's file.
pub(super) type File<'a> = (&'a str, &'a str);

/// A compiler of a project without errors.
pub(super) fn compiler(files: &[File<'_>], env: &[(&str, &str)]) -> Compiler {
    let (project, said) = read(files, env);
    assert!(said.iter().all(|d| !d.is_error()), "{said:?}");
    let project = project.unwrap();
    let (manifest, map) = (project.manifest, Arc::new(project.map));
    Compiler::new(manifest, project.renderer, project.context, map, Vec::new())
}

/// The files with one of them replaced or added.
pub(super) fn with<'a>(files: &[File<'a>], path: &'a str, text: &'a str) -> Vec<File<'a>> {
    let others = files.iter().copied().filter(|file| file.0 != path);
    others.chain([(path, text)]).collect()
}

pub(super) fn id_of(compiler: &Compiler, name: &str) -> NodeId {
    let found = compiler.manifest.all().find(|node| &*node.name == name);
    found.unwrap_or_else(|| panic!("there is no {name}")).id
}

/// The definition of a node, computed with the given cache.
pub(super) fn define(compiler: &Compiler, name: &str, cache: &mut CompileCache) -> NodeDefinition {
    let id = id_of(compiler, name);
    define_nodes(compiler, &[id], cache).remove(&id).unwrap()
}

pub(super) fn parts_of(compiler: &Compiler, name: &str) -> BTreeMap<String, String> {
    (*define(compiler, name, &mut CompileCache::default()).parts).clone()
}

/// The names of the parts that differ between two projects.
pub(super) fn changed_parts(name: &str, before: &Compiler, after: &Compiler) -> Vec<String> {
    let (before, after) = (parts_of(before, name), parts_of(after, name));
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    names.into_iter().filter(|part| before.get(*part) != after.get(*part)).cloned().collect()
}

/// Asserts, for each row (path, old text, new text), which parts of a node change with the edit.
pub(super) fn assert_changes(name: &str, files: &[File<'_>], rows: &[(&str, &str, &str, &[&str])]) {
    for (path, before, after, expected) in rows {
        let of = |text: &str| compiler(&with(files, path, text), &[]);
        let changed = changed_parts(name, &of(before), &of(after));
        assert_eq!(changed, *expected, "{path}: {before} -> {after}");
    }
}
