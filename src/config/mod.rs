//! Parses configuration files.
//!
//! In: texts with their `FileId`. Out: YAML trees with a span on every key and value, read as
//! PyYAML reads them; the typed options of project files, profiles, packages and flags, each value
//! with its span. Must not know: files on disk, Jinja, the graph. Options are merged by `load` and
//! `resolve`.

mod airflow;
mod env_file;
mod exports;
mod flags;
mod packages;
mod profiles;
mod project;
mod scalar;
mod selectors;
mod shape;
mod yaml;

pub(crate) use airflow::{AirflowOptions, read_airflow};
pub(crate) use env_file::parse_env_file;
pub(crate) use exports::{
    ExportColumn, ExportTarget, ExportType, FileTarget, SheetMode, SheetTarget, check_export,
    read_export,
};
pub(crate) use flags::{COMPARE_UNRENDERED, ProjectFlags, why_idle};
pub(crate) use packages::{PackageSource, PackageSpec, PackageUrl, PackagesFile, parse_packages};
pub(crate) use profiles::{ProfileOptions, parse_profile};
pub(crate) use project::{
    CommentText, PathKind, ProjectOptions, QueryCommentOption, check_moved_keys, parse_project,
    renders_late,
};
pub(crate) use scalar::{float_text, is_whole, python_json, python_quoted, python_str};
pub(crate) use selectors::{SelectorDefinition, YamlCriterion, parse_selectors};
pub(crate) use shape::{
    Rules as ShapeRules, ValueRules, check_project, check_properties, check_shape, config_problem,
};
pub(crate) use yaml::{
    Key, Yaml, YamlMap, YamlValue, parse_yaml, refuse_unknown_keys, unknown_keys,
};

/// Plain data without spans: the values of configs and variables.
pub(crate) type Json = serde_json::Value;
pub(crate) type JsonMap = serde_json::Map<String, Json>;
