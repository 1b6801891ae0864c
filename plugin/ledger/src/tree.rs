//! The Merkle tree over a file's records, as in RFC 6962 section 2.1, with
//! SHA-256. An entry is a record's line without its line break.

use sha2::{Digest, Sha256};

/// A hash in the tree.
pub type Node = [u8; 32];

/// The hash of an entry.
pub fn leaf(line: &[u8]) -> Node {
    let mut hash = Sha256::new();
    hash.update([0]);
    hash.update(line);
    hash.finalize().into()
}

/// The hash of two nodes.
pub fn parent(left: &Node, right: &Node) -> Node {
    let mut hash = Sha256::new();
    hash.update([1]);
    hash.update(left);
    hash.update(right);
    hash.finalize().into()
}

/// The root to which a path leads from the leaf at `index` of `entries`, as in RFC
/// 9162 section 2.1.3.2; none if it is not as long as it has to be.
pub fn root_by(path: &[Node], leaf: Node, index: u64, entries: u64) -> Option<Node> {
    let (mut at, mut last) = (index, entries.checked_sub(1).filter(|last| index <= *last)?);
    let mut node = leaf;
    for other in path {
        if last == 0 {
            return None;
        }
        if at & 1 == 1 || at == last {
            node = parent(other, &node);
            // What has no neighbour has gone up as it is.
            let levels = at.trailing_zeros();
            (at, last) = (at >> levels, last >> levels);
        } else {
            node = parent(&node, other);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    (last == 0).then_some(node)
}

/// A tree that grows. It keeps the roots of its full subtrees.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// The subtree of 2ⁿ entries, if there is one.
    subtrees: Vec<Option<Node>>,
}

impl Tree {
    /// Adds an entry.
    pub fn add(&mut self, leaf: Node) {
        let mut node = leaf;
        for subtree in &mut self.subtrees {
            match subtree.take() {
                Some(left) => node = parent(&left, &node),
                None => {
                    *subtree = Some(node);
                    return;
                }
            }
        }
        self.subtrees.push(Some(node));
    }

    /// How many entries it has.
    pub fn entries(&self) -> u64 {
        let counts = (0..u64::BITS).zip(&self.subtrees).filter(|(_, subtree)| subtree.is_some());
        counts.map(|(height, _)| 1 << height).sum()
    }

    /// What it has to know of the entries behind the first `before`, to go on
    /// without them: the roots of those full subtrees that have come about since,
    /// the smallest first.
    pub(crate) fn grown(&self, before: u64) -> Vec<Node> {
        let heights = changed(before, self.entries());
        self.subtrees.iter().take(heights).flatten().copied().collect()
    }

    /// Adds entries of which only this is known: `grown` of a tree that had as
    /// many before. None if that does not fit; then the tree is no tree any more.
    pub fn grow(&mut self, entries: u64, grown: &[Node]) -> Option<()> {
        let before = self.entries();
        let after = before.checked_add(entries)?;
        let heights = changed(before, after);
        self.subtrees.resize(self.subtrees.len().max(heights), None);
        let mut grown = grown.iter();
        for (height, subtree) in self.subtrees.iter_mut().take(heights).enumerate() {
            *subtree = if after >> height & 1 == 1 { Some(*grown.next()?) } else { None };
        }
        grown.next().is_none().then_some(())
    }

    /// The root; that of an empty tree is the hash of nothing.
    pub fn root(&self) -> Node {
        let smallest_first = self.subtrees.iter().flatten();
        let root = smallest_first
            .fold(None, |right: Option<Node>, left| Some(right.map_or(*left, |right| parent(left, &right))));
        root.unwrap_or_else(|| Sha256::digest([]).into())
    }
}

/// Up to which height subtrees change when a tree grows.
fn changed(before: u64, after: u64) -> usize {
    (u64::BITS - (before ^ after).leading_zeros()) as usize
}
