//! Memory that may run out: buffers grow with an error, never with a trap.

use alloc::vec::Vec;

/// The guest could not get the memory that a record needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

/// Appends to a buffer, reporting failure instead of aborting. The guest has it
/// once, for its size.
#[cfg_attr(target_family = "wasm", inline(never))]
pub(crate) fn put(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), OutOfMemory> {
    if out.capacity() - out.len() < bytes.len() {
        out.try_reserve(bytes.len()).map_err(|_| OutOfMemory)?;
    }
    out.extend_from_slice(bytes);
    Ok(())
}

/// Appends one byte, likewise.
#[inline(always)]
pub(crate) fn put_byte(out: &mut Vec<u8>, byte: u8) -> Result<(), OutOfMemory> {
    if out.len() == out.capacity() {
        out.try_reserve(1).map_err(|_| OutOfMemory)?;
    }
    out.push(byte);
    Ok(())
}
