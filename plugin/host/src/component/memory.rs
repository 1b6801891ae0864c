//! The memory of an instance, with a limit that is checked whenever it grows.

use wasmtime::ResourceLimiter;

/// The most elements in all tables of an instance.
const TABLE_ELEMENTS_MAX: usize = 100_000;

/// The use of memory by an instance, in all its linear memories and tables.
pub(super) struct Memory {
    pub(super) bytes: usize,
    pub(super) bytes_max: usize,
    elements: usize,
    /// True if the instance asked for more memory than allowed.
    pub(super) is_full: bool,
}

impl Memory {
    pub(super) fn new(bytes_max: usize) -> Memory {
        Memory { bytes: 0, bytes_max, elements: 0, is_full: false }
    }
}

/// Adds a growth to the used amount if the sum stays within the limit. Returns false
/// otherwise.
fn grow(used: &mut usize, used_max: usize, current: usize, desired: usize) -> bool {
    let sum = used.saturating_add(desired.saturating_sub(current));
    let is_allowed = sum <= used_max;
    if is_allowed {
        *used = sum;
    }
    is_allowed
}

impl ResourceLimiter for Memory {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let is_allowed = grow(&mut self.bytes, self.bytes_max, current, desired);
        self.is_full |= !is_allowed;
        Ok(is_allowed)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(grow(&mut self.elements, TABLE_ELEMENTS_MAX, current, desired))
    }
}
