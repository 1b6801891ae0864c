//! The boundary to WASI: all unsafe code of these programs but their entry points.

const NANOSECONDS_A_SECOND: u64 = 1_000_000_000;

/// An accessible path.
pub type Directory = wasip1::Fd;

/// Returns all accessible paths.
pub(crate) fn preopens() -> impl Iterator<Item = Directory> {
    /// The first descriptor after the standard streams.
    const FIRST_PREOPEN: wasip1::Fd = 3;
    // SAFETY: only the descriptor is passed, and any value is valid.
    (FIRST_PREOPEN..).take_while(|directory| unsafe { wasip1::fd_prestat_get(*directory) }.is_ok())
}

/// Returns the names in a directory that are UTF-8.
pub(crate) fn names(directory: Directory) -> Vec<String> {
    /// A `dirent`: cookie, inode, length of the name, type.
    const HEADER_BYTES: usize = 24;
    const LENGTH_AT: usize = 16;
    let mut names = Vec::new();
    let mut buffer = vec![0; 4096];
    let mut cookie = 0;
    loop {
        // SAFETY: the buffer is as long as it is said to be.
        let read = unsafe { wasip1::fd_readdir(directory, buffer.as_mut_ptr(), buffer.len(), cookie) };
        let Some(mut rest) = read.ok().and_then(|read| buffer.get(..read)) else {
            return names;
        };
        let is_last = rest.len() < buffer.len();
        let before = cookie;
        while let Some((header, more)) = rest.split_at_checked(HEADER_BYTES) {
            let next = header.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
            let length = header.get(LENGTH_AT..).and_then(|bytes| bytes.first_chunk());
            let length = length.map_or(0, |bytes| u32::from_le_bytes(*bytes)) as usize;
            // An entry that is cut off is read again with the next call, from its start.
            let Some((name, more)) = more.split_at_checked(length) else {
                break;
            };
            if let Ok(name) = core::str::from_utf8(name)
                && !matches!(name, "." | "..")
            {
                names.push(name.to_owned());
            }
            (rest, cookie) = (more, next);
        }
        if is_last || cookie == before {
            return names;
        }
    }
}

/// Reads the start of a file. Returns `None` if the file does not exist.
pub fn read(directory: Directory, path: &str, buffer: &mut [u8]) -> Option<usize> {
    // SAFETY: only a descriptor and a string are passed.
    let file = unsafe { wasip1::path_open(directory, 0, path, 0, wasip1::RIGHTS_FD_READ, 0, 0) }.ok()?;
    let part = wasip1::Iovec { buf: buffer.as_mut_ptr(), buf_len: buffer.len() };
    // SAFETY: the buffer is as long as it is said to be.
    let read = unsafe { wasip1::fd_read(file, &[part]) };
    // SAFETY: only the descriptor is passed, which is not used again.
    let _ = unsafe { wasip1::fd_close(file) };
    read.ok()
}

/// Replaces the content of a file, and creates the file if it does not exist. Failures are
/// ignored.
pub fn write(directory: Directory, path: &str, bytes: &[u8]) {
    let (flags, rights) = (wasip1::OFLAGS_CREAT | wasip1::OFLAGS_TRUNC, wasip1::RIGHTS_FD_WRITE);
    // SAFETY: only a descriptor and a string are passed.
    let Ok(file) = (unsafe { wasip1::path_open(directory, 0, path, flags, rights, 0, 0) }) else {
        return;
    };
    let part = wasip1::Ciovec { buf: bytes.as_ptr(), buf_len: bytes.len() };
    // SAFETY: the bytes are as many as they are said to be.
    let _ = unsafe { wasip1::fd_write(file, &[part]) };
    // SAFETY: only the descriptor is passed, which is not used again.
    let _ = unsafe { wasip1::fd_close(file) };
}

/// Returns the time of the last write to a file, in seconds since 1970, or `None` if the file
/// does not exist.
pub fn written(directory: Directory, path: &str) -> Option<u64> {
    // SAFETY: only a descriptor and a string are passed.
    let file = unsafe { wasip1::path_filestat_get(directory, 0, path) }.ok()?;
    Some(file.mtim / NANOSECONDS_A_SECOND)
}

/// Returns the time, in seconds since 1970, or 0 if there is no clock.
pub fn seconds() -> u64 {
    // SAFETY: only numbers are passed.
    let now = unsafe { wasip1::clock_time_get(wasip1::CLOCKID_REALTIME, NANOSECONDS_A_SECOND) };
    now.unwrap_or(0) / NANOSECONDS_A_SECOND
}

/// Prints to standard output, which the host turns into records.
pub fn print(mut bytes: &[u8]) {
    const STANDARD_OUTPUT: wasip1::Fd = 1;
    while !bytes.is_empty() {
        let part = wasip1::Ciovec { buf: bytes.as_ptr(), buf_len: bytes.len() };
        // SAFETY: the bytes are as many as they are said to be.
        match unsafe { wasip1::fd_write(STANDARD_OUTPUT, &[part]) } {
            Ok(written) if written > 0 => bytes = bytes.get(written..).unwrap_or_default(),
            _ => return,
        }
    }
}
