//! Standard output. No other code here writes to it.

use anyhow::{Context, Result};
use std::io::{self, BufWriter, ErrorKind, StdoutLock, Write};

/// Standard output, until its reader closes it, as `head` does. That is no failure: all
/// later output is dropped, and the exit code is the command's.
///
/// Any other failure to print is an error, which `end` reports at the latest.
pub(crate) struct Stdout {
    out: BufWriter<StdoutLock<'static>>,
    has_reader: bool,
}

impl Stdout {
    pub(crate) fn new() -> Self {
        Stdout { out: BufWriter::new(io::stdout().lock()), has_reader: true }
    }

    /// Returns true until a write finds that the reader is gone.
    pub(crate) fn has_reader(&self) -> bool {
        self.has_reader
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if self.has_reader {
            self.has_reader = reader_is_there(self.out.write_all(bytes))?;
        }
        Ok(())
    }

    /// Writes the buffered rest.
    pub(crate) fn end(mut self) -> Result<()> {
        if self.has_reader {
            reader_is_there(self.out.flush())?;
        }
        Ok(())
    }
}

/// Prints the whole output of a command.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = Stdout::new();
    out.write(text.as_bytes())?;
    out.end()
}

/// Escapes the control characters in a name or path from a log, so that it cannot start a
/// line or control a terminal.
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

/// Distinguishes a reader that is gone, which gives false, from a failure to print.
fn reader_is_there(printed: io::Result<()>) -> Result<bool> {
    match printed {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        printed => printed.map(|()| true).context("standard output: cannot be written"),
    }
}
