//! Writes a record out again, in the order in which its members came.

use crate::memory::{OutOfMemory, put};
use crate::record::RECORD_DEPTH_MAX;
use crate::record::tape::{Kind, REMOVED, Tape};
use alloc::vec::Vec;

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
    let mut open = [0; RECORD_DEPTH_MAX];
    let mut depth = 0;
    let mut index = value;
    let end = tape.after(value);
    let mut needs_comma = false;
    loop {
        while depth > 0 && tape.after(open[depth - 1]) == index {
            depth -= 1;
            let is_object = tape.nodes[open[depth]].kind == Kind::Object;
            put(out, if is_object { b"}" } else { b"]" })?;
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
            put(out, b",")?;
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
                put(out, if node.kind == Kind::Object { b"{" } else { b"[" })?;
                open[depth] = index;
                depth += 1;
            }
            Kind::Key => {
                put(out, tape.text(node, source))?;
                put(out, b":")?;
            }
            _ => {
                put(out, tape.text(node, source))?;
                needs_comma = true;
            }
        }
        index += 1;
    }
}
