//! The walk that finds the values which a mapping names. Texts that it finds are put into their
//! canonical form, so that comparing and cutting their bytes is comparing and cutting values.

use super::program::{ELEMENTS_MAX, NONE, Program, STEPS_MAX};
use crate::memory::OutOfMemory;
use crate::record::notes::Notes;
use crate::record::tape::{ENTERED, Kind, NOT_CANONICAL, Node, PATCHED, REMOVED, Tape};
use crate::text::{self, Characters, inner};

/// The number of members of an element in which the one is looked for that tells it.
const MEMBERS_MAX: usize = 64;
/// An element may be looked into for its place and for one of its members.
const OPEN_MAX: usize = 2 * STEPS_MAX + 2;

/// A container that is walked.
#[derive(Clone, Copy, Default)]
struct Open {
    /// The container's next key or element.
    next: u32,
    end: u32,
    state: u16,
    /// The number of that element; [`NONE`] in an object.
    element: u16,
}

/// Fills slots with the places of values, from the container at `root` on.
#[inline(never)]
pub(super) fn walk(
    program: &Program<'_>,
    tape: &mut Tape,
    source: &[u8],
    root: usize,
    state: u16,
    slots: &mut [u32],
) -> Result<(), OutOfMemory> {
    let mut open = [Open::default(); OPEN_MAX];
    let mut depth = 0;
    enter(tape, root, state, &mut open, &mut depth);
    while let Some(walked) = depth.checked_sub(1).and_then(|top| open.get_mut(top)) {
        let (mut at, end, state) = (walked.next as usize, walked.end as usize, walked.state);
        if walked.element == NONE {
            depth -= 1;
            while at < end {
                let Some([key, value]) = tape.nodes.get(at..).and_then(<[Node]>::first_chunk) else { break };
                let (member, is_container) = (at + 1, value.is_container());
                let is_canonical = !value.has(NOT_CANONICAL);
                at = if is_container { value.next as usize } else { at + 2 };
                if key.has(REMOVED) {
                    continue;
                }
                let mut key = *key;
                if key.has(NOT_CANONICAL) {
                    make_canonical(tape, source, member - 1)?;
                    key = tape.nodes[member - 1];
                }
                let start = key.start as usize + 1;
                let len = (key.end as usize - 1).saturating_sub(start);
                let text = tape.buffer(&key, source).get(start..).unwrap_or_default();
                let edge = program.member(state, text, len);
                let Some(edge) = edge else { continue };
                found(tape, edge.slot, member, slots);
                if !is_canonical {
                    make_canonical(tape, source, member)?;
                }
                if is_container && edge.to != NONE {
                    // The object goes on behind this member.
                    walked.next = at as u32;
                    depth += 1;
                    enter(tape, member, edge.to, &mut open, &mut depth);
                    break;
                }
            }
            continue;
        }
        if at >= end {
            depth -= 1;
            continue;
        }
        walked.next = tape.after(at) as u32;
        let index = usize::from(walked.element);
        walked.element += 1;
        let Some(found) = program.states(state.into()) else { continue };
        let is_numbered = index < usize::from(found.elements);
        if index >= ELEMENTS_MAX || !is_numbered && found.picks == 0 {
            depth -= 1;
            continue;
        }
        if is_numbered && let Some(edge) = program.element(state, index) {
            set(slots, edge.slot, at);
            make_canonical(tape, source, at)?;
            enter(tape, at, edge.to, &mut open, &mut depth);
        }
        let picks = found.pick..found.pick.saturating_add(found.picks);
        let pick = picks.filter_map(|pick| program.picks(pick.into())).find(|pick| {
            slots.get(usize::from(pick.slot)) == Some(&0)
                && has_member(
                    tape,
                    source,
                    at,
                    program.text(pick.key, pick.key_len),
                    program.text(pick.text, pick.text_len),
                )
        });
        if let Some(pick) = pick {
            set(slots, pick.slot, at);
            enter(tape, at, pick.to, &mut open, &mut depth);
        }
    }
    Ok(())
}

/// Puts a text or a key of the record into its canonical form. It stays where it is if it has that
/// form already.
#[inline(never)]
pub(super) fn make_canonical(tape: &mut Tape, source: &[u8], value: usize) -> Result<(), OutOfMemory> {
    let node = tape.nodes[value];
    if !node.has(NOT_CANONICAL) || !matches!(node.kind, Kind::String | Kind::Key) {
        return Ok(());
    }
    // A text that was replaced was written so.
    if !node.has(PATCHED) {
        let start = tape.patch.len();
        text::rewrite(
            source.get(node.start as usize..node.end as usize).unwrap_or_default(),
            &mut tape.patch,
        )?;
        tape.point_at_patch(value, node.kind, start);
    }
    tape.nodes[value].flags &= !NOT_CANONICAL;
    Ok(())
}

/// Goes into a container, if there is something to look for in it.
fn enter(tape: &mut Tape, at: usize, state: u16, open: &mut [Open; OPEN_MAX], depth: &mut usize) {
    let node = &mut tape.nodes[at];
    if state == NONE || !node.is_container() || node.has(REMOVED) {
        return;
    }
    if let Some(place) = open.get_mut(*depth) {
        node.flags |= ENTERED;
        let element = if node.kind == Kind::Object { NONE } else { 0 };
        *place = Open { next: at as u32 + 1, end: node.next, state, element };
        *depth += 1;
    }
}

fn set(slots: &mut [u32], slot: u16, value: usize) {
    if let Some(place) = slots.get_mut(usize::from(slot)) {
        *place = value as u32;
    }
}

/// Puts a member into its slot. Forgets the one that was found before under this slot, and all
/// that was found in it: as in the canonical form, only the last of several members with one key
/// stays.
#[inline(always)]
fn found(tape: &mut Tape, slot: u16, value: usize, slots: &mut [u32]) {
    let Some(place) = slots.get_mut(usize::from(slot)) else { return };
    let earlier = core::mem::replace(place, value as u32);
    if earlier != 0 {
        remove(tape, earlier, slots);
    }
}

#[cold]
fn remove(tape: &mut Tape, value: u32, slots: &mut [u32]) {
    let within = value..tape.after(value as usize) as u32;
    slots.iter_mut().filter(|slot| within.contains(slot)).for_each(|slot| *slot = 0);
    tape.remove(value as usize - 1);
    tape.notes.insert(Notes::DUPLICATE_KEYS);
}

/// Checks that an element is an object with a member of this key and text.
fn has_member(tape: &Tape, source: &[u8], element: usize, key: &[u8], text: &[u8]) -> bool {
    let nodes = &tape.nodes;
    nodes[element].kind == Kind::Object
        && tape.keys(element).take(MEMBERS_MAX).any(|at| {
            !nodes[at].has(REMOVED)
                && is_text(tape, source, at, key)
                && nodes[at + 1].kind == Kind::String
                && is_text(tape, source, at + 1, text)
        })
}

/// Checks that a string or a key is this text, which is in canonical form.
#[inline(never)]
pub(super) fn is_text(tape: &Tape, source: &[u8], index: usize, wanted: &[u8]) -> bool {
    let node = &tape.nodes[index];
    let text = inner(tape.text(node, source));
    if node.has(NOT_CANONICAL) { Characters::of(text).eq(Characters::of(wanted)) } else { text == wanted }
}
