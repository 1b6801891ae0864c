//! Standard output: nothing else here writes to it.

use anyhow::{Context, Result};
use std::io::{self, BufWriter, ErrorKind, StdoutLock, Write};

/// Standard output, until its reader goes away, as `head` does: that is no
/// failure. What comes after is dropped, and the exit code is the command's.
///
/// Anything else that keeps a command from printing is an error, which is seen
/// at the latest by `end`.
pub(crate) struct Stdout {
    out: BufWriter<StdoutLock<'static>>,
    is_read: bool,
}

impl Stdout {
    pub(crate) fn new() -> Self {
        Stdout { out: BufWriter::new(io::stdout().lock()), is_read: true }
    }

    /// Whether there is still a reader, as far as is known.
    pub(crate) fn is_read(&self) -> bool {
        self.is_read
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if self.is_read {
            self.is_read = is_read(self.out.write_all(bytes))?;
        }
        Ok(())
    }

    /// Hands on what is still held back.
    pub(crate) fn end(mut self) -> Result<()> {
        if self.is_read {
            is_read(self.out.flush())?;
        }
        Ok(())
    }
}

/// Prints all that a command has to say.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = Stdout::new();
    out.write(text.as_bytes())?;
    out.end()
}

/// Tells a reader that went away from a failure to print.
pub(crate) fn is_read(printed: io::Result<()>) -> Result<bool> {
    match printed {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        printed => printed.map(|()| true).context("standard output: cannot be written"),
    }
}
