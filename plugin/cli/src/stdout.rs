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
    has_reader: bool,
}

impl Stdout {
    pub(crate) fn new() -> Self {
        Stdout { out: BufWriter::new(io::stdout().lock()), has_reader: true }
    }

    /// Returns true as long as no write has found the reader gone.
    pub(crate) fn has_reader(&self) -> bool {
        self.has_reader
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if self.has_reader {
            self.has_reader = reader_is_there(self.out.write_all(bytes))?;
        }
        Ok(())
    }

    /// Hands on what is still held back.
    pub(crate) fn end(mut self) -> Result<()> {
        if self.has_reader {
            reader_is_there(self.out.flush())?;
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

/// A name or path out of a log, in which control characters are escaped: none
/// starts a line of its own, or speaks to a terminal.
pub(crate) fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}

/// Tells a reader that went away from a failure to print.
pub(crate) fn reader_is_there(printed: io::Result<()>) -> Result<bool> {
    match printed {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        printed => printed.map(|()| true).context("standard output: cannot be written"),
    }
}
