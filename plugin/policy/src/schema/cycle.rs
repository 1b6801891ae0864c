//! Finds schemas that apply themselves to the same value: its validity would depend on
//! nothing but itself.

use super::program::{Block, BlockId};

/// Returns a block that leads back to itself without stepping into the value, if there is
/// one.
pub(super) fn find(blocks: &[Block]) -> Option<BlockId> {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        New,
        Open,
        Done,
    }
    let mut states = vec![State::New; blocks.len()];
    for root in 0..blocks.len() {
        if states[root] != State::New {
            continue;
        }
        states[root] = State::Open;
        let mut open = vec![(root, 0)];
        while let Some((block, next)) = open.last_mut() {
            let Some(target) = blocks[*block].same.get(*next).copied() else {
                states[*block] = State::Done;
                open.pop();
                continue;
            };
            *next += 1;
            match states[target] {
                State::New => {
                    states[target] = State::Open;
                    open.push((target, 0));
                }
                State::Open => return Some(target),
                State::Done => {}
            }
        }
    }
    None
}
