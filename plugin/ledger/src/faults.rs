//! Faults that tests inject: a full disk, operations that fail, and a process that is
//! killed between any two operations.

use std::cell::Cell;
use std::io::{self, ErrorKind, Write};

thread_local! {
    /// The number of bytes that can still be appended to files. `None` is no limit.
    static ROOM: Cell<Option<u64>> = const { Cell::new(None) };
    /// The number of operations on files that still succeed. `None` is no limit.
    static OPERATIONS: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Limits for the ledgers of this thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// The number of bytes that can still be appended to files.
    pub room: Option<u64>,
    /// The number of operations that succeed. All later ones are done, but report a
    /// failure.
    pub operations: Option<u64>,
}

impl Faults {
    /// Puts these limits into force.
    pub fn inject(self) {
        ROOM.set(self.room);
        OPERATIONS.set(self.operations);
    }
}

/// Appends to a file as much as there is room for.
pub(crate) fn append(file: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let len = bytes.len() as u64;
    match ROOM.get() {
        Some(room) if room < len => {
            ROOM.set(Some(0));
            file.write_all(&bytes[..room as usize])?;
            Err(ErrorKind::StorageFull.into())
        }
        room => {
            ROOM.set(room.map(|room| room - len));
            file.write_all(bytes)
        }
    }
}

/// Counts an operation that has been done. Returns an error if it is to fail.
pub(crate) fn done() -> io::Result<()> {
    match OPERATIONS.get() {
        Some(0) => Err(io::Error::other("no operation succeeds any more")),
        left => {
            OPERATIONS.set(left.map(|left| left - 1));
            Ok(())
        }
    }
}
