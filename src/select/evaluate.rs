//! Resolved expressions to sets. Evaluation cannot fail.

use super::expr::{Criterion, Expr, Indirect, Named, Resolved};
use super::methods::{StateCache, matches};
use super::previous::PreviousState;
use crate::manifest::{Manifest, NodeId, NodeKind};
use fixedbitset::FixedBitSet;

/// Selected nodes, and tests that a later check may still add.
type Sets = (FixedBitSet, FixedBitSet);

struct Evaluator<'a> {
    manifest: &'a Manifest,
    previous: Option<&'a PreviousState>,
    cache: StateCache,
}

pub(super) fn evaluate(expr: &Expr<Resolved>, manifest: &Manifest, previous: Option<&PreviousState>) -> FixedBitSet {
    Evaluator { manifest, previous, cache: StateCache::default() }.expr(expr).0
}

impl Evaluator<'_> {
    fn expr(&mut self, expr: &Expr<Resolved>) -> Sets {
        match expr {
            Expr::Criterion(c) => self.criterion(c),
            Expr::Union(parts, mode) => self.combine(parts, *mode, |a, b| a.union_with(b)),
            Expr::Intersection(parts, mode) => self.combine(parts, *mode, |a, b| a.intersect_with(b)),
            Expr::Difference(a, b) => {
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
        &mut self,
        parts: &[Expr<Resolved>],
        mode: Indirect,
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

    fn criterion(&mut self, c: &Criterion<Resolved>) -> Sets {
        let Named::Method(method) = &c.method else { return (self.empty(), self.empty()) };
        let mut set = self.empty();
        for node in &self.manifest.nodes {
            if matches(method, self.manifest, node, self.previous, &mut self.cache) {
                set.insert(node.id.index());
            }
        }
        let graph = &self.manifest.graph;
        let mut selected = set.clone();
        if c.at {
            let mut down = graph.reach(&set, false, None);
            down.union_with(&set);
            selected.union_with(&graph.reach(&down, true, None));
            selected.union_with(&down);
        }
        if let Some(depth) = c.parents {
            selected.union_with(&graph.reach(&set, true, depth));
        }
        if let Some(depth) = c.children {
            selected.union_with(&graph.reach(&set, false, depth));
        }
        self.expand(selected, c.indirect)
    }

    fn is_test(&self, index: usize) -> bool {
        matches!(self.manifest.nodes[index].kind, NodeKind::Test(_) | NodeKind::UnitTest(_))
    }

    fn parents_in(&self, test: usize, set: &FixedBitSet) -> bool {
        self.manifest.nodes[test].depends_on.iter().all(|p| set.contains(p.index()))
    }

    /// Adds the tests of what is selected, by the mode.
    fn expand(&self, selected: FixedBitSet, mode: Indirect) -> Sets {
        let mut undecided = self.empty();
        if mode == Indirect::Empty {
            return (selected, undecided);
        }
        let graph = &self.manifest.graph;
        let mut wide = selected.clone();
        if mode == Indirect::Buildable {
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
                    Indirect::Eager => true,
                    Indirect::Cautious => self.parents_in(test, &selected),
                    Indirect::Buildable => self.parents_in(test, &wide),
                    Indirect::Empty => false,
                };
                if joins { direct.insert(test) } else { undecided.insert(test) }
            }
        }
        (direct, undecided)
    }

    /// Looks again at undecided tests behind an operator.
    fn incorporate(&self, direct: FixedBitSet, undecided: &FixedBitSet, mode: Indirect) -> FixedBitSet {
        let mut wide = direct.clone();
        match mode {
            Indirect::Eager | Indirect::Empty => return direct,
            Indirect::Cautious => {}
            Indirect::Buildable => wide.union_with(&self.manifest.graph.reach(&direct, true, None)),
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
