//! A Fluent Bit filter that records its calls.
//!
//! `abi` is the boundary, with all unsafe code. The rest writes each call as a line.
#![deny(unsafe_code)]

#[allow(unsafe_code)]
mod abi;

use abi::File;
use core::fmt::{self, Display, Formatter, Write as _};
use std::io::{Result, Write as _};

/// The stream, in the first accessible path. Calls are added at its end.
const FILE_NAME: &str = "stream.ndjson";

/// The arguments of one call by Fluent Bit.
struct Call<'a> {
    tag: &'a [u8],
    sec: u32,
    nsec: u32,
    /// The record's text, which need not be JSON.
    record: &'a [u8],
}

/// The open stream, and the line that goes into it.
struct Recorder {
    file: File,
    line: Vec<u8>,
}

impl Recorder {
    fn open() -> Option<Recorder> {
        let file = File::append_in_first_preopen(FILE_NAME).ok()?;
        Some(Recorder { file, line: Vec::new() })
    }

    /// Adds the call to the stream. If there is no memory for the line, or if it cannot
    /// be written, the line is left out, and the record passes all the same.
    fn record(&mut self, call: &Call<'_>) {
        self.line.clear();
        // All memory is reserved here, because a vector that cannot grow traps.
        if self.line.try_reserve(call.line_bytes_max()).is_err() {
            return;
        }
        if call.write(&mut self.line).is_ok() {
            let _ = self.file.append(&self.line);
        }
    }
}

impl Call<'_> {
    /// Returns the maximum length of the line, in bytes.
    fn line_bytes_max(&self) -> usize {
        /// The length of `\u00XX`, which replaces a control character of one byte.
        const ESCAPE_BYTES_MAX: usize = 6;
        /// The length of the names, the two numbers, and the text between them.
        const FRAME_BYTES_MAX: usize = 80;
        let texts = self.tag.len().saturating_add(self.record.len());
        texts.saturating_mul(ESCAPE_BYTES_MAX).saturating_add(FRAME_BYTES_MAX)
    }

    fn write(&self, line: &mut Vec<u8>) -> Result<()> {
        line.write_all(b"{\"tag\":")?;
        serde_json::to_writer(&mut *line, &format_args!("{}", Text(self.tag)))?;
        write!(line, ",\"sec\":{},\"nsec\":{},\"record\":", self.sec, self.nsec)?;
        serde_json::to_writer(&mut *line, &format_args!("{}", Text(self.record)))?;
        line.write_all(b"}\n")
    }
}

/// Bytes as text. Bytes that are not UTF-8 become U+FFFD.
struct Text<'a>(&'a [u8]);

impl Display for Text<'_> {
    fn fmt(&self, text: &mut Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            text.write_str(chunk.valid())?;
            if !chunk.invalid().is_empty() {
                text.write_char(char::REPLACEMENT_CHARACTER)?;
            }
        }
        Ok(())
    }
}
