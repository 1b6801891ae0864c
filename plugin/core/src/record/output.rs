//! Writes a record out again, in the order in which its members came.

use crate::memory::{OutOfMemory, put, put_byte};
use crate::record::RECORD_DEPTH_MAX;
use crate::record::tape::{Kind, PATCHED, REMOVED, Tape};
use alloc::vec::Vec;

/// The nesting of most records. Room for more is made only where it is needed, since it has to be
/// cleared.
pub(crate) const USUAL_DEPTH: usize = 16;

/// Writes the record without its closing brace.
pub(crate) fn write_open(tape: &Tape, source: &[u8], out: &mut Vec<u8>) -> Result<(), OutOfMemory> {
    let root = &tape.nodes[0];
    if tape.nodes.len() == 1 {
        // The white space that may stand between the braces is left out.
        return put(out, b"{");
    }
    if !tape.is_changed() {
        return put(out, &source[root.start as usize..root.end as usize - 1]);
    }
    write(tape, source, 0, out)?;
    out.pop();
    Ok(())
}

/// Writes a value as a whole, node by node, even if it was removed from its container.
pub(crate) fn write(tape: &Tape, source: &[u8], value: usize, out: &mut Vec<u8>) -> Result<(), OutOfMemory> {
    let (mut few, mut all);
    let open: &mut [usize] = if tape.depth < USUAL_DEPTH {
        few = [0; USUAL_DEPTH];
        &mut few
    } else {
        all = [0; RECORD_DEPTH_MAX];
        &mut all
    };
    let mut depth = 0;
    let mut index = value;
    let end = tape.after(value);
    let mut needs_comma = false;
    loop {
        while depth > 0 && tape.after(open[depth - 1]) == index {
            depth -= 1;
            let is_object = tape.nodes[open[depth]].kind == Kind::Object;
            put_byte(out, if is_object { b'}' } else { b']' })?;
            needs_comma = true;
        }
        let Some(node) = tape.nodes.get(index).filter(|_| index < end) else {
            return Ok(());
        };
        let is_removed = node.has(REMOVED) && index != value;
        if is_removed && node.kind == Kind::Key {
            index = tape.after(index + 1);
            continue;
        }
        if needs_comma {
            put_byte(out, b',')?;
        }
        needs_comma = false;
        match node.kind {
            _ if is_removed => {
                put(out, b"null")?;
                needs_comma = true;
                index = tape.after(index);
                continue;
            }
            Kind::Object | Kind::Array => {
                put_byte(out, if node.kind == Kind::Object { b'{' } else { b'[' })?;
                open[depth] = index;
                depth += 1;
            }
            Kind::Key => {
                let value = &tape.nodes[index + 1];
                // A member that stands in one piece in the source is copied in one piece.
                let is_one = (node.flags | value.flags) & PATCHED == 0
                    && !value.is_container()
                    && value.start == node.end + 1;
                if is_one {
                    put(out, &source[node.start as usize..value.end as usize])?;
                    needs_comma = true;
                    index += 2;
                    continue;
                }
                put(out, tape.text(node, source))?;
                put_byte(out, b':')?;
            }
            _ => {
                put(out, tape.text(node, source))?;
                needs_comma = true;
            }
        }
        index += 1;
    }
}
