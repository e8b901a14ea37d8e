//! The entity-relationship diagram: tables, their columns, and the references between them.
//!
//! In: `KeyGraph`, `Manifest`, the nodes to show, column types of a catalog. Out: `Diagram`, and
//! from it DBML, Mermaid and SVG text. Must not know: databases, where the text goes.

mod catalog;
mod dbml;
mod layout;
mod mermaid;
mod model;
mod svg;

pub(crate) use catalog::{CatalogTypes, catalog_file};
pub(crate) use dbml::write_dbml;
pub(crate) use mermaid::write_mermaid;
pub(crate) use model::{Diagram, build_diagram};
pub(crate) use svg::write_svg;
