//! Lines of files that may come from anybody.

use crate::input::LINE_BYTES_MAX;
use std::io::{self, BufRead, Read};

/// Reads the next line with its line break. Returns the number of bytes that were read: 0 at the end
/// of the file, and more than `LINE_BYTES_MAX` if the line is longer and was cut. A file without line
/// breaks can have any length at no cost, so nothing should be read behind such a line.
pub(crate) fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<usize> {
    line.clear();
    reader.by_ref().take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', line)
}

/// Returns all lines, without their line breaks. One that is too long is the last one, and is cut.
pub(crate) fn lines(mut reader: impl BufRead) -> impl Iterator<Item = io::Result<Vec<u8>>> {
    let mut is_cut = false;
    std::iter::from_fn(move || {
        let mut line = Vec::new();
        if is_cut {
            return None;
        }
        match read_line(&mut reader, &mut line) {
            Ok(0) => None,
            Ok(read) => {
                is_cut = read > LINE_BYTES_MAX;
                line.truncate(line.strip_suffix(b"\n").unwrap_or(&line).len());
                Some(Ok(line))
            }
            Err(error) => Some(Err(error)),
        }
    })
}
