//! The rest of a record: all values that have no place in its event.

use super::run::Run;
use crate::memory::OutOfMemory;
use crate::record::RECORD_DEPTH_MAX;
use crate::record::tape::{ENTERED, Kind, Node, PATCHED, REMOVED, TAKEN};

/// A container whose rest is being written.
#[derive(Clone, Copy, Default)]
struct Open {
    /// The container's places on the record's tape and in the event.
    from: u32,
    to: u32,
    /// True if a part of the container is left.
    has_rest: bool,
}

/// The token for elements that are taken; tokens begin with it.
pub(super) const NULL: &[u8] = b"null";

impl Run<'_, '_> {
    /// Writes the rest of the record as one object, if there is any. Members stay at their
    /// paths; in the place of an element that is taken there is `null`.
    #[inline(never)]
    pub(super) fn rest(&mut self, key: u16, key_len: u16) -> Result<(), OutOfMemory> {
        let first = self.event.len();
        self.key(key, key_len)?;
        let mut open = [Open::default(); RECORD_DEPTH_MAX + 1];
        let mut depth = 0;
        self.enter(0, &mut open, &mut depth)?;
        let mut at = 1;
        while let Some(inside) = depth.checked_sub(1).and_then(|top| open.get(top)) {
            let (from, to) = (inside.from as usize, inside.to as usize);
            let is_object = self.tape.nodes[from].kind == Kind::Object;
            if at >= self.tape.after(from) {
                let has_rest = inside.has_rest;
                depth -= 1;
                let within = depth.checked_sub(1).and_then(|top| open.get_mut(top));
                self.leave(to, has_rest, within);
                continue;
            }
            let value = if is_object { at + 1 } else { at };
            let (key, node) = (self.tape.nodes[at], self.tape.nodes[value]);
            if is_object && key.has(REMOVED) || node.has(TAKEN) {
                if !is_object {
                    self.null()?;
                }
                at = self.tape.after(value);
                continue;
            }
            if is_object {
                self.push(key)?;
            }
            if node.has(ENTERED) && !node.has(REMOVED) {
                self.enter(value, &mut open, &mut depth)?;
                at = value + 1;
                continue;
            }
            self.copy(value)?;
            if let Some(inside) = depth.checked_sub(1).and_then(|top| open.get_mut(top)) {
                inside.has_rest = true;
            }
            at = self.tape.after(value);
        }
        if self.event.len() <= first + 2 {
            self.event.truncate(first);
        }
        Ok(())
    }

    fn enter(&mut self, from: usize, open: &mut [Open], depth: &mut usize) -> Result<(), OutOfMemory> {
        let to = self.event.len() as u32;
        let node = self.tape.nodes[from];
        if let Some(place) = open.get_mut(*depth) {
            // An empty one is a value like any other.
            *place = Open { from: from as u32, to, has_rest: node.next as usize == from + 1 };
            *depth += 1;
        }
        self.push(node)
    }

    /// Ends a container, or takes it back if nothing of it is left.
    fn leave(&mut self, to: usize, has_rest: bool, within: Option<&mut Open>) {
        let len = self.event.len();
        let Some(within) = within else {
            if let Some(node) = self.event.get_mut(to) {
                node.next = len as u32;
            }
            return;
        };
        if has_rest {
            within.has_rest = true;
            if let Some(node) = self.event.get_mut(to) {
                node.next = len as u32;
            }
            return;
        }
        let is_element = self.event.get(within.to as usize).is_some_and(|node| node.kind == Kind::Array);
        if is_element {
            self.event.truncate(to);
            // There is room: a node was just taken back.
            let _ = self.null();
        } else {
            self.event.truncate(to - 1);
        }
    }

    fn null(&mut self) -> Result<(), OutOfMemory> {
        let (start, end) = (self.tokens, self.tokens + NULL.len() as u32);
        self.push(Node { start, end, next: 0, kind: Kind::Word, flags: PATCHED })
    }
}
