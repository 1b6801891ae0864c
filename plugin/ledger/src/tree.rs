//! The Merkle tree over a segment's records, as in RFC 6962 section 2.1, with
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

    /// The root; that of an empty tree is the hash of nothing.
    pub fn root(&self) -> Node {
        let smallest_first = self.subtrees.iter().flatten();
        let root = smallest_first
            .fold(None, |right: Option<Node>, left| Some(right.map_or(*left, |right| parent(left, &right))));
        root.unwrap_or_else(|| Sha256::digest([]).into())
    }
}
