//! Memory that may run out: buffers that cannot grow return an error instead of trapping.

use alloc::vec::Vec;

/// Error: the guest could not get the memory that a record needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

/// Appends to a buffer, and returns an error instead of aborting. In the guest it is not
/// inlined, to keep the module small.
#[cfg_attr(target_family = "wasm", inline(never))]
pub(crate) fn put(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), OutOfMemory> {
    if out.capacity() - out.len() < bytes.len() {
        grow(out, bytes.len())?;
    }
    out.extend_from_slice(bytes);
    Ok(())
}

/// Makes room. It is a function of its own because it needs a frame on the stack, and what
/// calls it for every piece of a record does not.
#[cold]
#[inline(never)]
fn grow(out: &mut Vec<u8>, more: usize) -> Result<(), OutOfMemory> {
    out.try_reserve(more).map_err(|_| OutOfMemory)
}

/// Appends one byte, in the same way.
#[inline(always)]
pub(crate) fn put_byte(out: &mut Vec<u8>, byte: u8) -> Result<(), OutOfMemory> {
    if out.len() == out.capacity() {
        grow(out, 1)?;
    }
    out.push(byte);
    Ok(())
}
