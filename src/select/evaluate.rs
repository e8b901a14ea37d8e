//! Evaluates resolved expressions to sets of nodes. Evaluation cannot fail.

use super::expr::{Criterion, CriterionMethod, IndirectSelection, Resolved, SelectorExpr};
use crate::manifest::{Manifest, NodeId, NodeKind};
use fixedbitset::FixedBitSet;

/// The selected nodes, and the undecided tests: those that a later operator may still add.
type Sets = (FixedBitSet, FixedBitSet);

struct Evaluator<'a> {
    manifest: &'a Manifest,
}

pub(super) fn evaluate_expression(
    expr: &SelectorExpr<Resolved>,
    manifest: &Manifest,
) -> FixedBitSet {
    Evaluator { manifest }.expr(expr).0
}

impl Evaluator<'_> {
    fn expr(&self, expr: &SelectorExpr<Resolved>) -> Sets {
        match expr {
            SelectorExpr::Criterion(c) => self.criterion(c),
            SelectorExpr::Union(parts, mode) => self.combine(parts, *mode, |a, b| a.union_with(b)),
            SelectorExpr::Intersection(parts, mode) => {
                self.combine(parts, *mode, |a, b| a.intersect_with(b))
            }
            SelectorExpr::Difference(a, b) => {
                let (mut direct, mut indirect) = self.expr(a);
                let (without, other) = self.expr(b);
                indirect.union_with(&direct);
                direct.difference_with(&without);
                let mut gone = without;
                gone.union_with(&other);
                indirect.difference_with(&gone);
                (direct, indirect)
            }
        }
    }

    fn combine(
        &self,
        parts: &[SelectorExpr<Resolved>],
        mode: IndirectSelection,
        op: impl Fn(&mut FixedBitSet, &FixedBitSet),
    ) -> Sets {
        let mut result: Option<Sets> = None;
        for part in parts {
            let (direct, mut indirect) = self.expr(part);
            indirect.union_with(&direct);
            match &mut result {
                None => result = Some((direct, indirect)),
                Some((d, i)) => {
                    op(d, &direct);
                    op(i, &indirect);
                }
            }
        }
        let (direct, indirect) = result.unwrap_or_else(|| (self.empty(), self.empty()));
        (self.incorporate(direct, &indirect, mode), indirect)
    }

    fn empty(&self) -> FixedBitSet {
        FixedBitSet::with_capacity(self.manifest.nodes.len())
    }

    fn criterion(&self, c: &Criterion<Resolved>) -> Sets {
        let CriterionMethod::Method(set) = &c.method else { return (self.empty(), self.empty()) };
        let graph = &self.manifest.graph;
        let mut selected = set.clone();
        if c.at_operator {
            let mut down = graph.reach(set, false, None);
            down.union_with(set);
            selected.union_with(&graph.reach(&down, true, None));
            selected.union_with(&down);
        }
        if let Some(depth) = c.parents {
            selected.union_with(&graph.reach(set, true, depth));
        }
        if let Some(depth) = c.children {
            selected.union_with(&graph.reach(set, false, depth));
        }
        self.expand(selected, c.indirect)
    }

    fn is_test(&self, index: usize) -> bool {
        matches!(self.manifest.nodes[index].kind, NodeKind::Test(_) | NodeKind::UnitTest(_))
    }

    fn parents_in(&self, test: usize, set: &FixedBitSet) -> bool {
        self.manifest.nodes[test].depends_on.iter().all(|p| set.contains(p.index()))
    }

    /// Adds the tests of the selected nodes, by the mode.
    fn expand(&self, selected: FixedBitSet, mode: IndirectSelection) -> Sets {
        let mut undecided = self.empty();
        if mode == IndirectSelection::Empty {
            return (selected, undecided);
        }
        let graph = &self.manifest.graph;
        let mut wide = selected.clone();
        if mode == IndirectSelection::Buildable {
            wide.union_with(&graph.reach(&selected, true, None));
            for node in &self.manifest.nodes {
                if matches!(node.kind, NodeKind::Source(_)) {
                    wide.insert(node.id.index());
                }
            }
        }
        let mut direct = selected.clone();
        for id in selected.ones() {
            for child in graph.children(NodeId(id as u32)) {
                let test = child.index();
                if !self.is_test(test) {
                    continue;
                }
                let joins = match mode {
                    IndirectSelection::Eager => true,
                    IndirectSelection::Cautious => self.parents_in(test, &selected),
                    IndirectSelection::Buildable => self.parents_in(test, &wide),
                    IndirectSelection::Empty => false,
                };
                if joins { direct.insert(test) } else { undecided.insert(test) }
            }
        }
        (direct, undecided)
    }

    /// Decides again on undecided tests, after an operator has combined sets.
    fn incorporate(
        &self,
        direct: FixedBitSet,
        undecided: &FixedBitSet,
        mode: IndirectSelection,
    ) -> FixedBitSet {
        let mut wide = direct.clone();
        match mode {
            IndirectSelection::Eager | IndirectSelection::Empty => return direct,
            IndirectSelection::Cautious => {}
            IndirectSelection::Buildable => {
                wide.union_with(&self.manifest.graph.reach(&direct, true, None))
            }
        }
        let mut out = direct;
        for test in undecided.ones().filter(|i| self.is_test(*i)) {
            if self.parents_in(test, &wide) {
                out.insert(test);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::super::{NodeSet, Selection, select_nodes};
    use crate::manifest::{Manifest, ResourceType};
    use crate::resolve::testing::project;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::sync::LazyLock;

    /// raw -> stg_a, stg_b -> mid -> mart; a test on stg_a, and one between stg_a and stg_b.
    static SHOP: LazyLock<Manifest> = LazyLock::new(|| {
        let model = |parents: &[&str]| {
            parents.iter().map(|p| format!("{{{{ ref('{p}') }}}} ")).collect::<String>()
        };
        let (stg_a, stg_b) =
            (format!("{{{{ config(tags='x') }}}} {}", model(&["raw"])), model(&["raw"]));
        let (mid, mart) =
            (model(&["stg_a", "stg_b"]), format!("{{{{ config(tags='x') }}}} {}", model(&["mid"])));
        let yaml = "models:\n- name: stg_a\n  columns:\n  - name: id\n    data_tests: [unique, {relationships: {arguments: {to: ref('stg_b'), field: id}}}]\n";
        let files = [
            ("seeds/raw.csv", "id\n1\n"),
            ("models/staging/stg_a.sql", stg_a.as_str()),
            ("models/staging/stg_b.sql", stg_b.as_str()),
            ("models/mid.sql", mid.as_str()),
            ("models/marts/mart.sql", mart.as_str()),
            ("models/s.yml", yaml),
        ];
        project(&files).0
    });

    fn names(set: &NodeSet) -> BTreeSet<String> {
        set.iter().map(|id| SHOP.node(id).name.to_string()).collect()
    }

    fn selected(select_: &[&str], exclude: &[&str], indirect: &str) -> BTreeSet<String> {
        let texts = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
        let selection = Selection {
            select: texts(select_),
            exclude: texts(exclude),
            indirect: super::super::IndirectSelection::parse(indirect).unwrap(),
            ..Selection::default()
        };
        let checked = select_nodes(&SHOP, &selection, &[], None, &ResourceType::ALL);
        assert!(checked.diagnostics.is_empty(), "{:?}", checked.diagnostics);
        names(&checked.value)
    }

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|n| (*n).to_owned()).collect()
    }

    const UNIQUE: &str = "unique_stg_a_id";
    const RELATES: &str = "relationships_stg_a_id__id__ref_stg_b_";

    #[test]
    fn tests_join_by_mode() {
        assert_eq!(selected(&["stg_a"], &[], "eager"), set(&["stg_a", UNIQUE, RELATES]));
        assert_eq!(selected(&["stg_a"], &[], "cautious"), set(&["stg_a", UNIQUE]));
        assert_eq!(
            selected(&["stg_a", "stg_b"], &[], "cautious"),
            set(&["stg_a", "stg_b", UNIQUE, RELATES])
        );
        assert_eq!(selected(&["mid"], &[], "buildable"), set(&["mid"]));
        assert_eq!(selected(&["stg_a"], &[], "empty"), set(&["stg_a"]));
        // A test that one criterion adds is removed by another (semantics 1.14).
        assert_eq!(selected(&["stg_a"], &["stg_b"], "eager"), set(&["stg_a", UNIQUE]));
    }

    /// The ancestors or descendants of a node by the graph alone, without tests.
    fn reach(name: &str, up: bool) -> BTreeSet<String> {
        let node = SHOP.nodes.iter().find(|n| &*n.name == name).unwrap();
        let mut start = fixedbitset::FixedBitSet::with_capacity(SHOP.nodes.len());
        start.insert(node.id.index());
        let mut found = SHOP.graph.reach(&start, up, None);
        found.insert(node.id.index());
        found.ones().map(|i| SHOP.nodes[i].name.to_string()).collect()
    }

    fn criterion() -> impl Strategy<Value = String> {
        let base = prop_oneof![
            Just("raw"),
            Just("stg_a"),
            Just("stg_b"),
            Just("mid"),
            Just("mart"),
            Just("tag:x"),
            Just("marts"),
            Just("path:models/staging"),
            Just("*"),
        ];
        (base, 0..4u8).prop_map(|(b, op)| match op {
            0 => b.to_owned(),
            1 => format!("+{b}"),
            2 => format!("{b}+"),
            _ => format!("1+{b}+1"),
        })
    }

    proptest! {
        #[test]
        fn sets_follow_their_laws(a in criterion(), b in criterion()) {
            let one = |s: &str| selected(&[s], &[], "empty");
            let both = format!("{a},{b}");
            prop_assert_eq!(selected(&[&a, &b], &[], "empty"), &one(&a) | &one(&b));
            prop_assert_eq!(one(&both), &one(&a) & &one(&b));
            prop_assert_eq!(selected(&[&a], &[&b], "empty"), &one(&a) - &one(&b));
            prop_assert_eq!(selected(&[&a], &[&a], "empty"), set(&[]));
        }

        #[test]
        fn a_plus_reaches_what_the_graph_reaches(name in prop_oneof![Just("raw"), Just("stg_a"), Just("mid"), Just("mart")]) {
            prop_assert_eq!(selected(&[&format!("+{name}")], &[], "empty"), reach(name, true));
            prop_assert_eq!(selected(&[&format!("{name}+")], &[], "empty"), reach(name, false));
        }
    }
}
