//! Reads whole files: only regular ones, and only up to a limit.

use std::fs::{self, File};
use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;

/// The maximum length of a module, table, policy or schema, in bytes.
pub(crate) const FILE_BYTES_MAX: u64 = 64 << 20;

/// Reads a file. Refuses FIFOs and devices, which may never end, and files of more than
/// [`FILE_BYTES_MAX`] bytes.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    // The check comes first, because opening a FIFO waits for a writer.
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() && !metadata.is_dir() {
        return Err(Error::new(ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        let said = format!("it has more than {FILE_BYTES_MAX} bytes, which is the limit");
        return Err(Error::new(ErrorKind::FileTooLarge, said));
    }
    Ok(bytes)
}

/// Reads a file of text.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    String::from_utf8(read(path)?).map_err(|_| Error::new(ErrorKind::InvalidData, "it is not UTF-8"))
}
