//! The memory of an instance, counted as it grows.

use wasmtime::ResourceLimiter;

/// The number of elements that an instance's tables may have together.
const TABLE_ELEMENTS_MAX: usize = 100_000;

/// The memory of an instance: all of its linear memories, and tables.
pub(super) struct Memory {
    pub(super) bytes: usize,
    pub(super) bytes_max: usize,
    elements: usize,
    /// True if it has asked for more memory than allowed.
    pub(super) is_full: bool,
}

impl Memory {
    pub(super) fn new(bytes_max: usize) -> Memory {
        Memory { bytes: 0, bytes_max, elements: 0, is_full: false }
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        let is_allowed = self.bytes.saturating_add(more) <= self.bytes_max;
        if is_allowed {
            self.bytes += more;
        } else {
            self.is_full = true;
        }
        Ok(is_allowed)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        let is_allowed = self.elements.saturating_add(more) <= TABLE_ELEMENTS_MAX;
        self.elements += if is_allowed { more } else { 0 };
        Ok(is_allowed)
    }
}
