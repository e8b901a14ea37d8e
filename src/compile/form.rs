//! SQL with open references, to be bound to relations later.
//!
//! A text that uses only variables, macros and references renders to the same SQL for all bindings,
//! apart from the names of the relations. So it is rendered once and bound as often as needed: to
//! the nodes' own relations, to a candidate, to relations without rows (`--empty`), to the CTEs of
//! ephemeral models.

use crate::context::{Bindings, LogLine, RenderRead};
use crate::diag::Diagnostic;
use crate::engine::EngineSpec;
use crate::jinja::{Rendered, find_marked};
use crate::manifest::{Manifest, NodeId};
use crate::source::{Origin, SqlText};
use std::collections::BTreeSet;

/// A node's rendered text with open references, and the record of that render.
#[derive(Debug)]
pub(crate) struct UnboundSql {
    pub(super) pieces: Vec<UnboundPiece>,
    pub(super) logs: Vec<LogLine>,
    pub(super) warnings: Vec<Diagnostic>,
    pub(super) reads: BTreeSet<RenderRead>,
}

#[derive(Debug, PartialEq)]
pub(super) enum UnboundPiece {
    Text(SqlText),
    Reference { node: NodeId, origin: Option<Origin> },
}

/// A form with its references bound, but without the CTEs that it needs.
pub(super) struct BoundText {
    pub(super) sql: SqlText,
    /// The ephemeral models that it refers to, each once, in the order of their first references.
    pub(super) ctes: Vec<NodeId>,
}

impl UnboundSql {
    /// Puts the bound relations in the places of the references. `None` if a referenced node has no
    /// relation.
    pub(super) fn bind(
        &self,
        manifest: &Manifest,
        bindings: &Bindings,
        engine: &'static EngineSpec,
    ) -> Option<BoundText> {
        let (mut sql, mut ctes) = (SqlText::new(), Vec::new());
        for piece in &self.pieces {
            match piece {
                UnboundPiece::Text(text) => sql.push(text),
                UnboundPiece::Reference { node, origin } => {
                    let printed = bindings.print_reference(manifest, *node, engine)?;
                    match origin {
                        Some(origin) => sql.push_from(&printed.text, *origin),
                        None => sql.push_str(&printed.text),
                    }
                    if printed.needs_cte && !ctes.contains(node) {
                        ctes.push(*node);
                    }
                }
            }
        }
        Some(BoundText { sql: sql.trimmed(), ctes })
    }
}

/// Splits a text rendered with `Bindings::open` at its references. `None` if the text depends on
/// more than the names of the references, for example because a template inspected one; then it has
/// to be rendered for each binding.
pub(super) fn cut_pieces(
    rendered: Rendered,
    manifest: &Manifest,
    engine: &'static EngineSpec,
) -> Option<Vec<UnboundPiece>> {
    if rendered.is_inspected {
        return None;
    }
    let own = Bindings::default();
    let mut rest = rendered.sql;
    let mut pieces = Vec::new();
    // From the end, so that the earlier positions stay valid.
    for marked in find_marked(rest.as_str())?.into_iter().rev() {
        let node = NodeId(marked.number);
        manifest.nodes.get(node.index())?;
        let printed = own.print_reference(manifest, node, engine)?;
        if printed.text != marked.text {
            return None;
        }
        pieces.push(UnboundPiece::Text(rest.split_off(marked.end)));
        let reference = rest.split_off(marked.start);
        pieces.push(UnboundPiece::Reference { node, origin: reference.first_origin() });
    }
    pieces.push(UnboundPiece::Text(rest));
    pieces.reverse();
    Some(pieces)
}

#[cfg(test)]
mod tests {
    use crate::compile::Compiler;
    use crate::context::Bindings;
    use crate::engine::{ExistingRelations, Relation};
    use crate::system::{MemorySystem, System};
    use crate::workspace::testing::workspace;
    use std::sync::Arc;

    /// A compiler for a project with the models `a`, `b` and `m`, and the ephemeral model `e`,
    /// which reads `a`.
    fn compiler(m: &str) -> Compiler {
        let files = [
            ("/project/project.yml", "name: shop"),
            ("/project/models/a.sql", "select 1 as id"),
            ("/project/models/b.sql", "select 1 as id"),
            (
                "/project/models/e.sql",
                "{{ config(materialized='ephemeral') }}select id from {{ ref('a') }}",
            ),
            ("/project/macros/m.sql", "{% macro from_a() %}from {{ ref('a') }}{% endmacro %}"),
            ("/project/models/m.sql", m),
        ];
        let system: Arc<dyn System> = Arc::new(MemorySystem::with_files(files));
        let reading = workspace(system).read().unwrap();
        assert!(!reading.has_errors(), "{:?}", reading.diagnostics);
        reading.revision.unwrap().compiler(Vec::new())
    }

    fn compile(compiler: &Compiler, bindings: Bindings) -> String {
        let id = compiler.manifest.get("model.shop.m").unwrap().id;
        let existing = Arc::new(ExistingRelations::Unknown);
        let compiled = compiler.compile(id, &Arc::new(bindings), &existing, None);
        compiled.unwrap_or_else(|e| panic!("{e:?}")).sql.as_str().to_owned()
    }

    fn has_form(compiler: &Compiler) -> bool {
        let node = compiler.manifest.get("model.shop.m").unwrap();
        compiler.unbound_sql_of(node).is_some()
    }

    /// Bindings in which `a` is replaced by another relation.
    fn candidate(compiler: &Compiler) -> Bindings {
        let a = compiler.manifest.get("model.shop.a").unwrap().id;
        Bindings::default().with(a, Relation::new(None, Some("main"), "other"))
    }

    /// Asserts that binding a form gives the same as rendering with the same bindings.
    fn assert_same_as_rendered(m: &str) {
        let (bound, rendered) = (compiler(m), compiler(m));
        rendered.forget_unbound_sql();
        let all: [fn(&Compiler) -> Bindings; 3] =
            [|_| Bindings::default(), |_| Bindings::new(true), candidate];
        for bindings in all {
            let (now, then) =
                (compile(&bound, bindings(&bound)), compile(&rendered, bindings(&rendered)));
            assert_eq!(now, then, "{m}");
        }
    }

    #[test]
    fn what_is_bound_is_what_would_be_rendered() {
        let texts = [
            "select 1 as id",
            "select * from {{ ref('a') }} join {{ ref('b') }} using (id)",
            "select * {{ from_a() }} union all select * {{ from_a() }}",
            "{% set sql %}select * from {{ ref('a') }}{% endset %}{{ sql }} where true",
            "{% set x = ref('a') ~ ' as x' %}select * from {{ x }}",
            "select * from {{ ref('e') }} join {{ ref('a') }} using (id)",
            "{{ log('x') }}{% for r in [ref('a'), ref('b')] %}select * from {{ r }}{{ ' union all ' if not loop.last }}{% endfor %}",
        ];
        for text in texts {
            assert!(has_form(&compiler(text)), "{text}");
            assert_same_as_rendered(text);
        }
    }

    #[test]
    fn what_looks_into_a_reference_is_rendered_for_each_binding() {
        let texts = [
            "select '{{ (ref('a') | string).split('.') | last }}' as x",
            "{% set s %}{{ ref('a') }}{% endset %}select {{ s | length }} as n",
            "{% set s %}{{ ref('a') }}{% endset %}select * from {{ s | upper }}",
            "{% set s %}{{ ref('a') }}{% endset %}select * from {{ s | replace('\"', '') }}",
            "{% set s %}{{ ref('a') }}{% endset %}select {{ 1 if 'other' in s else 0 }} as x",
            "{% set s %}{{ ref('a') }}{% endset %}select '{{ local_md5(s) }}' as x",
            "{% set s %}{{ ref('a') }}{% endset %}select '{{ s[1:4] }}' as x",
            "{% set s %}{{ ref('a') }}{% endset %}select '{{ s | tojson }}' as x",
        ];
        for text in texts {
            assert!(!has_form(&compiler(text)), "{text}");
            assert_same_as_rendered(text);
        }
    }

    #[test]
    fn a_bound_reference_keeps_its_place() {
        let compiler = compiler("select * from {{ ref('a') }}");
        let id = compiler.manifest.get("model.shop.m").unwrap().id;
        let bindings = Arc::new(candidate(&compiler));
        let compiled =
            compiler.compile(id, &bindings, &Arc::new(ExistingRelations::Unknown), None).unwrap();
        assert_eq!(compiled.sql.as_str(), "select * from \"main\".\"other\"");
        let span = compiled.sql.locate("select * from \"ma".len(), 1).unwrap();
        assert_eq!((span.start, span.end), (17, 25), "the call that refers to it");
    }
}
