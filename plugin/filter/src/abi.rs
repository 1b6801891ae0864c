//! The boundary to Fluent Bit and to WASI: all unsafe code of this guest.
//!
//! Fluent Bit calls `char *audit(char *tag, u32 tag_len, u32 sec, u32 nsec, char *record,
//! u32 record_len)` and reads the result as a C string. It puts tag and record at
//! addresses from `malloc`, and passes them to `free` at once, at the end of a chunk, or
//! never. So `malloc` has two slots that take turns, for the tag and the record of one
//! call, and `free` does nothing.

use crate::Guest;
use core::cell::UnsafeCell;
use core::ffi::CStr;
use flb_audit_core::Event;
use flb_audit_core::chain::state::Clocks;
use flb_audit_core::chain::storage::Storage;
use flb_audit_core::policy::MODULE_MARK;
use flb_audit_core::record::notes::Notes;

pub(crate) use wasip1::Errno;

/// The state of the module. A guest has one thread, and Fluent Bit never calls it during
/// another call.
struct OneThread<T>(UnsafeCell<T>);

// SAFETY: wasm32-unknown-unknown without atomics has no threads.
unsafe impl<T> Sync for OneThread<T> {}

/// The guest, from its first record on; `None` if there was no memory for it.
static GUEST: OneThread<Option<Guest>> = OneThread(UnsafeCell::new(None));

/// The memory in which the host puts tag and record.
struct Slots {
    slots: [Vec<u8>; 2],
    next: usize,
}

static SLOTS: OneThread<Slots> =
    OneThread(UnsafeCell::new(Slots { slots: [Vec::new(), Vec::new()], next: 0 }));

/// The place where `flb-audit build` writes the address and the length of the policy's
/// table. Without a policy, both are zero.
#[repr(C)]
struct PolicyPlace {
    mark: [u8; 16],
    address: usize,
    len: usize,
}

#[used]
static POLICY_PLACE: PolicyPlace = PolicyPlace { mark: *MODULE_MARK, address: 0, len: 0 };

/// Returns the table that `flb-audit build` has put into this module.
pub(crate) fn policy_in_module() -> Option<&'static [u8]> {
    // SAFETY: a static always exists. The read is volatile, since its content is no
    // longer the one that the compiler saw.
    let place = unsafe { core::ptr::read_volatile(&raw const POLICY_PLACE) };
    if place.address == 0 {
        return None;
    }
    // SAFETY: a data segment of that length is at that address, behind all memory that
    // this code was given, and nothing writes there.
    Some(unsafe { core::slice::from_raw_parts(place.address as *const u8, place.len) })
}

/// The replacement of a record if there was not even memory to redact it.
const UNREDACTABLE: &CStr = c"{\"raw\":\"[unscanned]\"}";

/// WAMR treats a module with this function as a reactor. It has nothing to do: the
/// segment opens with its first record.
#[unsafe(no_mangle)]
extern "C" fn _initialize() {}

/// Returns memory for a tag or a record of `size` bytes. It is valid until the second
/// call after this one. Returns null if there is no memory.
#[unsafe(no_mangle)]
extern "C" fn malloc(size: usize) -> *mut u8 {
    // SAFETY: one thread, and nothing else holds a reference across calls.
    let slots = unsafe { &mut *SLOTS.0.get() };
    let slot = &mut slots.slots[slots.next];
    slots.next = 1 - slots.next;
    let size = size.max(16);
    if slot.capacity() < size {
        let twice = slot.capacity().saturating_mul(2).max(size);
        *slot = Vec::new();
        if slot.try_reserve_exact(twice).is_err() && slot.try_reserve_exact(size).is_err() {
            return core::ptr::null_mut();
        }
    }
    slot.as_mut_ptr()
}

/// Does nothing: the slots are kept.
#[unsafe(no_mangle)]
extern "C" fn free(_pointer: *mut u8) {}

/// Seals a record. The result is valid until the next call.
///
/// # Safety
///
/// Each pointer is null or points to as many bytes as the length after it says.
#[unsafe(no_mangle)]
unsafe extern "C" fn audit(
    tag: *const u8,
    tag_len: usize,
    seconds: u32,
    nanoseconds: u32,
    record: *const u8,
    record_len: usize,
) -> *const u8 {
    // SAFETY: one thread, and nothing else holds a reference across calls.
    let guest = unsafe { &mut *GUEST.0.get() };
    if guest.is_none() {
        *guest = Guest::start().ok();
    }
    let Some(guest) = guest else {
        // The record goes out without a seal, which the verifier will miss. It is not
        // lost, unless it would have to be redacted.
        return if policy_in_module().is_some() { UNREDACTABLE.as_ptr().cast() } else { record };
    };
    // SAFETY: the caller guarantees it.
    let (tag_text, record) = unsafe { (bytes(tag, tag_len), bytes(record, record_len)) };
    let notes = if tag_text.is_none() && tag_len > 0 { Notes::TAG_CUT } else { Notes::NONE };
    let event = Event { tag: tag_text.unwrap_or_default(), seconds, nanoseconds, record, record_len };
    guest.seal(&event, notes)
}

/// # Safety
///
/// The pointer is null or points to `len` bytes, which do not change during `'a`.
unsafe fn bytes<'a>(pointer: *const u8, len: usize) -> Option<&'a [u8]> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: the caller guarantees it.
    Some(unsafe { core::slice::from_raw_parts(pointer, len) })
}

/// Fills `bytes` from the host's random source. Returns false if the source fails.
pub(crate) fn fill_random(bytes: &mut [u8]) -> bool {
    // SAFETY: the buffer is as long as it is said to be.
    unsafe { wasip1::random_get(bytes.as_mut_ptr(), bytes.len()) }.is_ok()
}

/// Returns the time of a monotonic clock, in seconds since a time before this guest
/// started, or 0 if there is no such clock.
pub(crate) fn seconds() -> u64 {
    const NANOSECONDS_A_SECOND: u64 = 1_000_000_000;
    nanoseconds(wasip1::CLOCKID_MONOTONIC) / NANOSECONDS_A_SECOND
}

/// Returns the clocks of the thread that calls this guest.
pub(crate) fn clocks() -> Clocks {
    let used = nanoseconds(wasip1::CLOCKID_THREAD_CPUTIME_ID);
    Clocks { now: nanoseconds(wasip1::CLOCKID_MONOTONIC), used }
}

/// Returns the time of a clock in nanoseconds, or 0 if there is no such clock.
fn nanoseconds(clock: wasip1::Clockid) -> u64 {
    // SAFETY: only numbers are passed.
    unsafe { wasip1::clock_time_get(clock, 1) }.unwrap_or_default()
}

/// An open file.
pub(crate) struct File(wasip1::Fd);

/// The kind of access to an open file.
#[derive(Clone, Copy)]
pub(crate) enum Access {
    Read,
    ReadAndWrite,
}

/// Opens the first file with this name in a preopened directory. An error means that the
/// file exists and cannot be opened with this access.
pub(crate) fn find_in_preopens(name: &str, access: Access) -> Result<Option<File>, Errno> {
    Ok(find(name, access)?.map(|(_, file)| file))
}

/// Opens a file in the same way. Returns it with its directory.
fn find(name: &str, access: Access) -> Result<Option<(wasip1::Fd, File)>, Errno> {
    /// The first descriptor after the standard streams.
    const FIRST_PREOPEN: wasip1::Fd = 3;
    let rights = wasip1::RIGHTS_FD_READ
        | wasip1::RIGHTS_FD_SEEK
        | match access {
            Access::Read => 0,
            Access::ReadAndWrite => {
                wasip1::RIGHTS_FD_WRITE | wasip1::RIGHTS_FD_SYNC | wasip1::RIGHTS_FD_DATASYNC
            }
        };
    let mut directory = FIRST_PREOPEN;
    // SAFETY: only the descriptor is passed, and any value is valid.
    while unsafe { wasip1::fd_prestat_get(directory) }.is_ok() {
        // SAFETY: only a descriptor and a string are passed.
        match unsafe { wasip1::path_open(directory, 0, name, 0, rights, 0, 0) } {
            Ok(fd) => return Ok(Some((directory, File(fd)))),
            Err(wasip1::ERRNO_NOENT) => directory += 1,
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// The number of attempts to take a lock that another writer holds: they last a second or
/// two. The other writer may have been killed, and clocks may stand still, so time cannot
/// be the limit.
const LOCK_TRIES_MAX: u32 = 400_000;

/// A file that only one writer at a time can create, so that two filters on one directory
/// do not destroy each other's keys.
pub(crate) struct Lock {
    directory: wasip1::Fd,
    name: &'static str,
}

impl Lock {
    /// Creates the file in the directory that has a file called `beside`. Returns `None`
    /// if there is no such directory, or nothing can be created in it.
    pub(crate) fn take(name: &'static str, beside: &str) -> Option<Lock> {
        let (directory, File(fd)) = find(beside, Access::Read).ok()??;
        close(fd);
        let flags = wasip1::OFLAGS_CREAT | wasip1::OFLAGS_EXCL;
        for _ in 0..LOCK_TRIES_MAX {
            // SAFETY: only a descriptor and a string are passed.
            match unsafe { wasip1::path_open(directory, 0, name, flags, wasip1::RIGHTS_FD_WRITE, 0, 0) } {
                Ok(fd) => {
                    close(fd);
                    return Some(Lock { directory, name });
                }
                Err(wasip1::ERRNO_EXIST) => {}
                Err(_) => return None,
            }
        }
        Some(Lock { directory, name })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // SAFETY: only a descriptor and a string are passed. If the file cannot be
        // removed, the next writer waits for it, once.
        let _ = unsafe { wasip1::path_unlink_file(self.directory, self.name) };
    }
}

fn close(fd: wasip1::Fd) {
    // SAFETY: the descriptor belongs to this guest, and is not used any more.
    let _ = unsafe { wasip1::fd_close(fd) };
}

impl File {
    /// Returns the whole file, which may have up to `bytes_max` bytes.
    pub(crate) fn read(&self, bytes_max: usize) -> Result<Vec<u8>, Errno> {
        let mut bytes = Vec::new();
        loop {
            let len = bytes.len();
            // The limit of a file may be less than what is read at once.
            let room = (2 * len).max(1 << 10).min(bytes_max + 1).saturating_sub(len);
            if len > bytes_max || bytes.try_reserve(room).is_err() {
                return Err(wasip1::ERRNO_FBIG);
            }
            bytes.resize(len + room, 0);
            let read = self.read_at(&mut bytes[len..], len as u64)?;
            bytes.truncate(len + read);
            if read == 0 {
                return Ok(bytes);
            }
        }
    }
}

impl Storage for File {
    type Error = Errno;

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, Errno> {
        let part = wasip1::Iovec { buf: buffer.as_mut_ptr(), buf_len: buffer.len() };
        // SAFETY: the buffer is as long as it is said to be.
        unsafe { wasip1::fd_pread(self.0, &[part], offset) }
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), Errno> {
        let part = wasip1::Ciovec { buf: bytes.as_ptr(), buf_len: bytes.len() };
        // SAFETY: the bytes are as many as they are said to be.
        let written = unsafe { wasip1::fd_pwrite(self.0, &[part], offset) }?;
        if written == bytes.len() { Ok(()) } else { Err(wasip1::ERRNO_IO) }
    }

    fn sync(&self) -> Result<(), Errno> {
        // SAFETY: only the descriptor is passed.
        unsafe { wasip1::fd_datasync(self.0) }
    }
}
