//! The Merkle tree over a file's records, as in RFC 6962 section 2.1, with
//! SHA-256. An entry is a record's line without its line break.

use sha2::{Digest, Sha256};

/// A hash in the tree.
pub type Node = [u8; 32];

/// Returns the hash of an entry.
pub fn leaf(line: &[u8]) -> Node {
    let mut hash = Sha256::new();
    hash.update([0]);
    hash.update(line);
    hash.finalize().into()
}

/// Returns the hash of two nodes.
pub fn parent(left: &Node, right: &Node) -> Node {
    let mut hash = Sha256::new();
    hash.update([1]);
    hash.update(left);
    hash.update(right);
    hash.finalize().into()
}

/// Returns the root to which a path leads from the leaf at `index` of `entries`, as in
/// RFC 9162 section 2.1.3.2. Returns `None` if the path has the wrong length.
pub fn root_by(path: &[Node], leaf: Node, index: u64, entries: u64) -> Option<Node> {
    let (mut at, mut last) = (index, entries.checked_sub(1).filter(|last| index <= *last)?);
    let mut node = leaf;
    for other in path {
        if last == 0 {
            return None;
        }
        if at & 1 == 1 || at == last {
            node = parent(other, &node);
            // A node without a neighbour moves up unchanged.
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

    /// Returns the number of entries.
    pub fn entries(&self) -> u64 {
        let counts = (0..u64::BITS).zip(&self.subtrees).filter(|(_, subtree)| subtree.is_some());
        counts.map(|(height, _)| 1 << height).sum()
    }

    /// Returns the roots of the full subtrees that were completed after the first
    /// `before` entries, smallest first. With them, a tree of those first entries can
    /// continue without the entries themselves: see `grow`.
    pub(crate) fn grown(&self, before: u64) -> Vec<Node> {
        let heights = changed(before, self.entries());
        self.subtrees.iter().take(heights).flatten().copied().collect()
    }

    /// Adds entries by the `grown` of a tree that had as many entries before. Returns
    /// `None` if `grown` does not fit; then the tree is invalid and must not be used.
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

    /// Returns the root. The root of an empty tree is the hash of no bytes.
    pub fn root(&self) -> Node {
        let smallest_first = self.subtrees.iter().flatten();
        let root = smallest_first
            .fold(None, |right: Option<Node>, left| Some(right.map_or(*left, |right| parent(left, &right))));
        root.unwrap_or_else(|| Sha256::digest([]).into())
    }
}

/// Returns the height below which subtrees change when a tree grows from `before` to
/// `after` entries.
fn changed(before: u64, after: u64) -> usize {
    (u64::BITS - (before ^ after).leading_zeros()) as usize
}
