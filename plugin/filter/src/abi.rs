//! The boundary to Fluent Bit and to WASI: all unsafe code of this guest.
//!
//! Fluent Bit calls `char *audit(char *tag, u32 tag_len, u32 sec, u32 nsec,
//! char *record, u32 record_len)` and reads the result as a C string. It puts
//! tag and record where `malloc` says, and gives them back to `free`, at once,
//! at the end of a chunk, or never. So `malloc` has two slots that take turns,
//! for the tag and the record of one call, and `free` does nothing.

use crate::Guest;
use core::cell::UnsafeCell;
use core::ffi::CStr;
use flb_audit_core::Event;
use flb_audit_core::chain::state::Clocks;
use flb_audit_core::chain::storage::Storage;
use flb_audit_core::policy::MODULE_MARK;
use flb_audit_core::record::notes::Notes;

pub(crate) use wasip1::Errno;

/// State of the module. A guest has one thread, and Fluent Bit never calls it
/// while it is being called.
struct OneThread<T>(UnsafeCell<T>);

// SAFETY: wasm32-unknown-unknown without atomics has no threads.
unsafe impl<T> Sync for OneThread<T> {}

/// The guest, from its first record on; none if there was no memory for it.
static GUEST: OneThread<Option<Guest>> = OneThread(UnsafeCell::new(None));

/// Where the host puts tag and record.
struct Slots {
    slots: [Vec<u8>; 2],
    next: usize,
}

static SLOTS: OneThread<Slots> =
    OneThread(UnsafeCell::new(Slots { slots: [Vec::new(), Vec::new()], next: 0 }));

/// Where `flb-audit build` writes the address and the length of the policy's
/// table; without one, both are zero.
#[repr(C)]
struct PolicyPlace {
    mark: [u8; 16],
    address: usize,
    len: usize,
}

#[used]
static POLICY_PLACE: PolicyPlace = PolicyPlace { mark: *MODULE_MARK, address: 0, len: 0 };

/// The table that `flb-audit build` has put into this module.
pub(crate) fn policy_in_module() -> Option<&'static [u8]> {
    // SAFETY: a static is always there. Volatile, since what is in it now is
    // not what the compiler saw.
    let place = unsafe { core::ptr::read_volatile(&raw const POLICY_PLACE) };
    if place.address == 0 {
        return None;
    }
    // SAFETY: a data segment of that length stands at that address, behind
    // all memory that this code was given, and nothing writes there.
    Some(unsafe { core::slice::from_raw_parts(place.address as *const u8, place.len) })
}

/// What stands for a record where there was no memory even to redact it.
const UNREDACTABLE: &CStr = c"{\"raw\":\"[unscanned]\"}";

/// WAMR takes a module that has this for a reactor. There is nothing to do:
/// the segment opens with its first record.
#[unsafe(no_mangle)]
extern "C" fn _initialize() {}

/// Room for a tag or a record of `size` bytes, until the call after the next;
/// null where there is no memory for it.
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

/// The slots are kept.
#[unsafe(no_mangle)]
extern "C" fn free(_pointer: *mut u8) {}

/// Seals a record. The result stands until the next call.
///
/// # Safety
///
/// Each pointer is null or that of as many bytes as the length after it says.
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
        // Without a seal, which the verifier will miss, but not lost, unless
        // it would have to be redacted.
        return if policy_in_module().is_some() { UNREDACTABLE.as_ptr().cast() } else { record };
    };
    // SAFETY: as the caller promises.
    let (tag_text, record) = unsafe { (bytes(tag, tag_len), bytes(record, record_len)) };
    let notes = if tag_text.is_none() && tag_len > 0 { Notes::TAG_CUT } else { Notes::NONE };
    let event = Event { tag: tag_text.unwrap_or_default(), seconds, nanoseconds, record, record_len };
    guest.seal(&event, notes)
}

/// # Safety
///
/// The pointer is null or that of `len` bytes, which stay as they are for `'a`.
unsafe fn bytes<'a>(pointer: *const u8, len: usize) -> Option<&'a [u8]> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: as the caller promises.
    Some(unsafe { core::slice::from_raw_parts(pointer, len) })
}

/// Fills `bytes` from the host's source of randomness; false if it has none.
pub(crate) fn fill_random(bytes: &mut [u8]) -> bool {
    // SAFETY: the buffer is as long as it is said to be.
    unsafe { wasip1::random_get(bytes.as_mut_ptr(), bytes.len()) }.is_ok()
}

/// Seconds since some time before this guest's life, on a clock that nobody
/// sets; 0 if there is none.
pub(crate) fn seconds() -> u64 {
    const NANOSECONDS_A_SECOND: u64 = 1_000_000_000;
    nanoseconds(wasip1::CLOCKID_MONOTONIC) / NANOSECONDS_A_SECOND
}

/// The clocks of the thread that calls this guest.
pub(crate) fn clocks() -> Clocks {
    let used = nanoseconds(wasip1::CLOCKID_THREAD_CPUTIME_ID);
    Clocks { now: nanoseconds(wasip1::CLOCKID_MONOTONIC), used }
}

/// The time of a clock; 0 if there is no such clock.
fn nanoseconds(clock: wasip1::Clockid) -> u64 {
    // SAFETY: only numbers are passed.
    unsafe { wasip1::clock_time_get(clock, 1) }.unwrap_or_default()
}

/// An open file.
pub(crate) struct File(wasip1::Fd);

/// What a file is opened for.
#[derive(Clone, Copy)]
pub(crate) enum Access {
    Read,
    ReadAndWrite,
}

/// Opens the first file called `name` in a preopened directory. An error means
/// that it is there and cannot be opened so.
pub(crate) fn find_in_preopens(name: &str, access: Access) -> Result<Option<File>, Errno> {
    Ok(find(name, access)?.map(|(_, file)| file))
}

/// The same, with the directory.
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
    // SAFETY: only the descriptor is passed, and any will do.
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

/// How often it is tried to take a lock that another writer has: a second or two. Who
/// has it may have been killed, and clocks may stand still.
const LOCK_TRIES_MAX: u32 = 400_000;

/// A file that one writer at a time makes, so that two filters on one directory do not
/// destroy each other's keys.
pub(crate) struct Lock {
    directory: wasip1::Fd,
    name: &'static str,
}

impl Lock {
    /// Makes the file in the directory that has a file called `beside`. None if there is
    /// no such directory, or nothing can be made in it.
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
        // SAFETY: only a descriptor and a string are passed. What is not removed is
        // waited for, once.
        let _ = unsafe { wasip1::path_unlink_file(self.directory, self.name) };
    }
}

fn close(fd: wasip1::Fd) {
    // SAFETY: the descriptor is this guest's, and nobody uses it any more.
    let _ = unsafe { wasip1::fd_close(fd) };
}

impl File {
    /// The whole file, which is of no more than `bytes_max`.
    pub(crate) fn read(&self, bytes_max: usize) -> Result<Vec<u8>, Errno> {
        let mut bytes = Vec::new();
        loop {
            let len = bytes.len();
            // A file may be allowed less than what is read at once.
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
