//! Sets of nodes.

use super::NodeId;
use fixedbitset::FixedBitSet;

/// A set of nodes of one manifest.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct NodeSet(FixedBitSet);

impl NodeSet {
    pub(crate) fn contains(&self, id: NodeId) -> bool {
        self.0.contains(id.index())
    }

    /// The ids in ascending order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.0.ones().map(|i| NodeId(i as u32))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.count_ones(..)
    }

    pub(crate) fn insert(&mut self, id: NodeId) {
        self.0.grow(id.index() + 1);
        self.0.insert(id.index());
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(NodeId) -> bool) {
        let gone: Vec<usize> = self.0.ones().filter(|i| !keep(NodeId(*i as u32))).collect();
        for i in gone {
            self.0.set(i, false);
        }
    }
}

impl From<FixedBitSet> for NodeSet {
    fn from(ids: FixedBitSet) -> NodeSet {
        NodeSet(ids)
    }
}

impl FromIterator<NodeId> for NodeSet {
    fn from_iter<I: IntoIterator<Item = NodeId>>(ids: I) -> NodeSet {
        let mut set = NodeSet::default();
        for id in ids {
            set.insert(id);
        }
        set
    }
}
