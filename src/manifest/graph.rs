//! The dependency graph.

use super::NodeId;
use fixedbitset::FixedBitSet;
use petgraph::Direction;
use petgraph::algo::{tarjan_scc, toposort};
use petgraph::graph::{DiGraph, NodeIndex};

/// The edges from parents to children, over the ids of one manifest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Graph {
    graph: DiGraph<(), (), u32>,
}

fn at(id: NodeId) -> NodeIndex<u32> {
    NodeIndex::new(id.index())
}

impl Graph {
    pub(crate) fn new(nodes: usize) -> Graph {
        let mut graph = DiGraph::with_capacity(nodes, nodes * 2);
        for _ in 0..nodes {
            graph.add_node(());
        }
        Graph { graph }
    }

    /// Adds an edge, which must not exist yet.
    pub(crate) fn add_edge(&mut self, parent: NodeId, child: NodeId) {
        self.graph.add_edge(at(parent), at(child), ());
    }

    pub(crate) fn len(&self) -> usize {
        self.graph.node_count()
    }

    /// The children of a node, sorted so that output is stable.
    pub(crate) fn children(&self, id: NodeId) -> Vec<NodeId> {
        let mut out: Vec<_> = self
            .graph
            .neighbors_directed(at(id), Direction::Outgoing)
            .map(|i| NodeId(i.index() as u32))
            .collect();
        out.sort_unstable();
        out
    }

    /// The nodes within `depth` steps (`None`: any number) in one direction. A start node is
    /// included only if it is reached from another one.
    pub(crate) fn reach(&self, from: &FixedBitSet, up: bool, depth: Option<usize>) -> FixedBitSet {
        let direction = if up { Direction::Incoming } else { Direction::Outgoing };
        let mut seen = FixedBitSet::with_capacity(self.len());
        let mut frontier: Vec<usize> = from.ones().collect();
        let mut step = 0;
        while !frontier.is_empty() && depth.is_none_or(|d| step < d) {
            let mut next = Vec::new();
            for node in frontier {
                for n in self.graph.neighbors_directed(NodeIndex::new(node), direction) {
                    if !seen.put(n.index()) {
                        next.push(n.index());
                    }
                }
            }
            frontier = next;
            step += 1;
        }
        seen
    }

    pub(crate) fn has_path(&self, from: NodeId, to: NodeId) -> bool {
        petgraph::algo::has_path_connecting(&self.graph, at(from), at(to), None)
    }

    /// The nodes with parents before children; `None` if there is a cycle.
    pub(crate) fn order(&self) -> Option<Vec<NodeId>> {
        toposort(&self.graph, None)
            .ok()
            .map(|o| o.into_iter().map(|i| NodeId(i.index() as u32)).collect())
    }

    /// Each cycle as the nodes along it, in dependency order.
    pub(crate) fn cycles(&self) -> Vec<Vec<NodeId>> {
        let mut out = Vec::new();
        for component in tarjan_scc(&self.graph) {
            let is_self_loop =
                component.len() == 1 && self.graph.contains_edge(component[0], component[0]);
            if component.len() > 1 || is_self_loop {
                out.push(self.cycle(&component));
            }
        }
        out.sort();
        out
    }

    /// The shortest way from a node of the component back to itself.
    fn cycle(&self, component: &[NodeIndex<u32>]) -> Vec<NodeId> {
        let start = component.iter().copied().min().unwrap_or_default();
        let mut previous = vec![None; self.len()];
        let mut queue = std::collections::VecDeque::from([start]);
        while let Some(node) = queue.pop_front() {
            let mut next: Vec<_> =
                self.graph.neighbors(node).filter(|n| component.contains(n)).collect();
            next.sort_unstable();
            for n in next {
                if n == start {
                    let mut path = vec![NodeId(node.index() as u32)];
                    let mut at = node;
                    while let Some(p) = previous[at.index()] {
                        at = p;
                        path.push(NodeId(at.index() as u32));
                    }
                    path.reverse();
                    return path;
                }
                if previous[n.index()].is_none() {
                    previous[n.index()] = Some(node);
                    queue.push_back(n);
                }
            }
        }
        component.iter().map(|i| NodeId(i.index() as u32)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(u32, u32)]) -> Graph {
        let mut g = Graph::new(6);
        for (a, b) in edges {
            g.add_edge(NodeId(*a), NodeId(*b));
        }
        g
    }

    #[test]
    fn reach_counts_steps() {
        let g = graph(&[(0, 1), (1, 2), (2, 3), (0, 4)]);
        let mut start = FixedBitSet::with_capacity(6);
        start.insert(0);
        assert_eq!(g.reach(&start, false, Some(1)).ones().collect::<Vec<_>>(), [1, 4]);
        assert_eq!(g.reach(&start, false, None).count_ones(..), 4);
        assert!(g.has_path(NodeId(0), NodeId(3)) && !g.has_path(NodeId(3), NodeId(0)));
    }

    #[test]
    fn circles_are_found_with_their_path() {
        let g = graph(&[(0, 1), (1, 2), (2, 0), (3, 0), (5, 5)]);
        assert_eq!(g.cycles(), [vec![NodeId(0), NodeId(1), NodeId(2)], vec![NodeId(5)]]);
        assert_eq!(g.order(), None);
    }
}
