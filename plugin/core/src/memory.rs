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
        out.try_reserve(bytes.len()).map_err(|_| OutOfMemory)?;
    }
    out.extend_from_slice(bytes);
    Ok(())
}

/// Appends one byte, in the same way.
#[inline(always)]
pub(crate) fn put_byte(out: &mut Vec<u8>, byte: u8) -> Result<(), OutOfMemory> {
    if out.len() == out.capacity() {
        out.try_reserve(1).map_err(|_| OutOfMemory)?;
    }
    out.push(byte);
    Ok(())
}
