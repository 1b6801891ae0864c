//! The rest of a record: all values that have no place in its event.

use super::run::Run;
use crate::memory::OutOfMemory;
use crate::record::RECORD_DEPTH_MAX;
use crate::record::output::USUAL_DEPTH;
use crate::record::tape::{ENTERED, Kind, LEFT_OUT, REMOVED, TAKEN};

/// A container of which a part may have been taken.
#[derive(Clone, Copy, Default)]
struct Open {
    /// The container's key, or the container itself if it is an element.
    member: u32,
    /// The end of its contents.
    end: u32,
    is_object: bool,
    /// True if a part of the container is left.
    has_rest: bool,
}

impl Run<'_, '_> {
    /// Writes the rest of the record as one object, if there is any. Members stay at their
    /// paths; in the place of an element that is taken there is `null`.
    #[inline(never)]
    pub(super) fn rest(&mut self, key: u16, key_len: u16) -> Result<(), OutOfMemory> {
        self.marks.unmapped = self.event.text().len();
        let (mut few, mut all);
        let open: &mut [Open] = if self.tape.depth < USUAL_DEPTH {
            few = [Open::default(); USUAL_DEPTH];
            &mut few
        } else {
            all = [Open::default(); RECORD_DEPTH_MAX + 1];
            &mut all
        };
        if self.leave_out_taken(open) {
            self.key(key, key_len)?;
            self.write(0)?;
        }
        Ok(())
    }

    /// Leaves out all that has been taken. Returns true if anything is left.
    fn leave_out_taken(&mut self, open: &mut [Open]) -> bool {
        let mut is_any_left = false;
        let mut depth = 0;
        enter(
            open,
            &mut depth,
            Open { member: 0, end: self.tape.after(0) as u32, is_object: true, has_rest: false },
        );
        let mut at = 1;
        while let Some(inside) = depth.checked_sub(1).and_then(|top| open.get_mut(top)) {
            if at >= inside.end as usize {
                let closed = *inside;
                depth -= 1;
                match depth.checked_sub(1).and_then(|top| open.get_mut(top)) {
                    None => is_any_left = closed.has_rest,
                    Some(within) if closed.has_rest => within.has_rest = true,
                    Some(_) => self.leave_out(closed.member as usize),
                }
                continue;
            }
            let value = if inside.is_object { at + 1 } else { at };
            let (member, node) = (at, &self.tape.nodes[value]);
            at = self.tape.after(value);
            if inside.is_object && self.tape.nodes[member].has(REMOVED) {
                continue;
            }
            if node.has(TAKEN) {
                self.leave_out(member);
            } else if node.has(ENTERED) && !node.has(REMOVED) {
                let is_object = node.kind == Kind::Object;
                // An empty one is a value like any other.
                let has_rest = at == value + 1;
                enter(open, &mut depth, Open { member: member as u32, end: at as u32, is_object, has_rest });
                at = value + 1;
            } else {
                inside.has_rest = true;
                self.spend(value);
            }
        }
        is_any_left
    }

    fn leave_out(&mut self, member: usize) {
        let node = &mut self.tape.nodes[member];
        if !node.has(REMOVED) {
            node.flags |= REMOVED | LEFT_OUT;
        }
    }
}

fn enter(open: &mut [Open], depth: &mut usize, container: Open) {
    if let Some(place) = open.get_mut(*depth) {
        *place = container;
        *depth += 1;
    }
}
