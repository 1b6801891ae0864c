//! The boundary to Fluent Bit and to WASI: all unsafe code of this guest.
//!
//! Fluent Bit calls `char *record(char *tag, u32 tag_len, u32 sec, u32 nsec,
//! char *record, u32 record_len)` and reads the result as a C string. The two
//! texts lie where `malloc` said and have a zero byte behind them, which the
//! lengths do not count. So the record as it came is also a result.

use crate::{Call, Recorder};
use core::cell::UnsafeCell;

/// The state that this module keeps between calls.
struct OneThread<T>(UnsafeCell<T>);

// SAFETY: wasm32-unknown-unknown without atomics has no threads.
unsafe impl<T> Sync for OneThread<T> {}

/// The open stream. `None` before the first call, and as long as it cannot be
/// opened: the next call tries again.
static RECORDER: OneThread<Option<Recorder>> = OneThread(UnsafeCell::new(None));

/// Room for the two texts of one call, and whether the second one is next.
static SLOTS: OneThread<([Vec<u8>; 2], bool)> = OneThread(UnsafeCell::new(([Vec::new(), Vec::new()], false)));

/// Tells WAMR that this module is a reactor.
#[unsafe(no_mangle)]
extern "C" fn _initialize() {}

/// Returns the two slots in turn. Returns null if there is no memory.
#[unsafe(no_mangle)]
extern "C" fn malloc(size: usize) -> *mut u8 {
    // SAFETY: one thread, and no call into this module holds a reference yet.
    let (slots, second) = unsafe { &mut *SLOTS.0.get() };
    let slot = &mut slots[usize::from(*second)];
    *second = !*second;
    // The old contents are dropped first, so that they are not copied.
    if slot.capacity() < size {
        *slot = Vec::new();
        if slot.try_reserve(size).is_err() {
            return core::ptr::null_mut();
        }
    }
    slot.as_mut_ptr()
}

/// Does nothing: some hosts free after a call, some never, and the slots work with both.
#[unsafe(no_mangle)]
extern "C" fn free(_pointer: *mut u8) {}

/// Adds the call to the stream and returns the record. If `malloc` had no memory, the
/// record is null, and so is the result: Fluent Bit drops the record.
///
/// # Safety
///
/// Each pointer is null or points to as many bytes as the length after it says.
#[unsafe(no_mangle)]
unsafe extern "C" fn record(
    tag: *const u8,
    tag_len: usize,
    sec: u32,
    nsec: u32,
    record: *const u8,
    record_len: usize,
) -> *const u8 {
    // SAFETY: one thread, and no call into this module holds a reference yet.
    let recorder = unsafe { &mut *RECORDER.0.get() };
    if recorder.is_none() {
        *recorder = Recorder::open();
    }
    if let Some(recorder) = recorder
        && !record.is_null()
    {
        // SAFETY: as the caller promises.
        let (tag, text) = unsafe { (bytes(tag, tag_len), bytes(record, record_len)) };
        recorder.record(&Call { tag, sec, nsec, record: text });
    }
    record
}

/// # Safety
///
/// The pointer is null or points to `len` bytes, which do not change during `'a`.
unsafe fn bytes<'a>(pointer: *const u8, len: usize) -> &'a [u8] {
    if pointer.is_null() {
        return &[];
    }
    // SAFETY: not null, and as the caller promises.
    unsafe { core::slice::from_raw_parts(pointer, len) }
}

/// A file to which bytes are only appended.
pub(crate) struct File(wasip1::Fd);

impl File {
    /// Opens `name` in the first accessible path, and creates it if it does not exist.
    pub(crate) fn append_in_first_preopen(name: &str) -> Result<File, wasip1::Errno> {
        /// The first descriptor after the standard streams.
        const FIRST_PREOPEN: wasip1::Fd = 3;
        // SAFETY: only a descriptor, a string and numbers are passed.
        let opened = unsafe {
            wasip1::path_open(
                FIRST_PREOPEN,
                0,
                name,
                wasip1::OFLAGS_CREAT,
                wasip1::RIGHTS_FD_WRITE,
                0,
                wasip1::FDFLAGS_APPEND,
            )
        };
        opened.map(File)
    }

    pub(crate) fn append(&self, mut bytes: &[u8]) -> Result<(), wasip1::Errno> {
        while !bytes.is_empty() {
            let part = wasip1::Ciovec { buf: bytes.as_ptr(), buf_len: bytes.len() };
            // SAFETY: the bytes are as many as they are said to be.
            let written = unsafe { wasip1::fd_write(self.0, &[part]) }?;
            bytes = match bytes.get(written..) {
                Some(rest) if written > 0 => rest,
                _ => return Err(wasip1::ERRNO_IO),
            };
        }
        Ok(())
    }
}
