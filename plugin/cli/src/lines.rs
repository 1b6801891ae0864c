//! Lines of files that may come from anybody.

use std::io::{self, BufRead, Read};

/// The maximum length of a line that is kept, in bytes. Longer lines are cut, so they are
/// not valid JSON.
const LINE_BYTES_MAX: u64 = 32 << 20;

/// Reads the next line with its line break. Returns its length in bytes, which is 0 at
/// the end of the file.
pub(crate) fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<u64> {
    line.clear();
    let mut read = reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', line)? as u64;
    let mut is_whole = read < LINE_BYTES_MAX || line.ends_with(b"\n");
    while !is_whole {
        let rest = reader.fill_buf()?;
        let end = rest.iter().position(|byte| *byte == b'\n');
        let len = end.map_or(rest.len(), |end| end + 1);
        is_whole = end.is_some() || len == 0;
        reader.consume(len);
        read += len as u64;
    }
    Ok(read)
}

/// Returns all lines, without their line breaks.
pub(crate) fn lines(mut reader: impl BufRead) -> impl Iterator<Item = io::Result<Vec<u8>>> {
    std::iter::from_fn(move || {
        let mut line = Vec::new();
        match read_line(&mut reader, &mut line) {
            Ok(0) => None,
            Ok(_) => {
                line.truncate(line.strip_suffix(b"\n").unwrap_or(&line).len());
                Some(Ok(line))
            }
            Err(error) => Some(Err(error)),
        }
    })
}
