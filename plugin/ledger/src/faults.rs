//! Faults that tests inject: a disk that is full, operations that fail, and a process
//! that is killed between any two of them.

use std::cell::Cell;
use std::io::{self, ErrorKind, Write};

thread_local! {
    /// How many bytes can still be appended to files; none: any number.
    static ROOM: Cell<Option<u64>> = const { Cell::new(None) };
    /// How many operations on files succeed; none: all.
    static OPERATIONS: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Limits what this thread's ledgers can do from here on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// How many bytes can still be appended to files.
    pub room: Option<u64>,
    /// After how many operations all fail that come: they are done, and say that they
    /// are not.
    pub operations: Option<u64>,
}

impl Faults {
    /// Puts these limits into force.
    pub fn inject(self) {
        ROOM.set(self.room);
        OPERATIONS.set(self.operations);
    }
}

/// Appends to a file, as far as there is room.
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

/// An operation on a file has been done.
pub(crate) fn done() -> io::Result<()> {
    match OPERATIONS.get() {
        Some(0) => Err(io::Error::other("no operation succeeds any more")),
        left => {
            OPERATIONS.set(left.map(|left| left - 1));
            Ok(())
        }
    }
}
