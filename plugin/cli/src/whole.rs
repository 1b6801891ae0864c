//! The files that a command line names beside the logs. They may be endless or huge by mistake, or
//! because somebody put something else in their place.
//!
//! Regular files are read, and pipes without a name, as a shell makes them for `<(zcat FILE)`.
//! Named pipes and devices are refused: nobody may ever write to the one, and the other may never
//! end. A file that is read as a whole has a maximum length. Logs have rules of their own, because
//! a log may be read in several passes.

use std::fs::{self, File, Metadata};
use std::io::{Error, ErrorKind, Read, Result};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

/// The maximum length of a module, table, policy, schema, roster, list or key, in bytes.
pub(crate) const FILE_BYTES_MAX: u64 = 64 << 20;
/// The maximum number of links that are followed, as in Linux.
const LINKS_MAX: usize = 40;

/// Opens a file, unless it may never end.
pub(crate) fn open(path: &Path) -> Result<File> {
    check(path)?;
    File::open(path)
}

/// Checks that a path is a regular file or a pipe without a name. The check comes before the file
/// is opened, because opening a named pipe waits for a writer.
fn check(path: &Path) -> Result<()> {
    let metadata = metadata(path)?;
    if metadata.is_dir() {
        return Err(Error::new(ErrorKind::IsADirectory, "a directory; name a file"));
    }
    if !metadata.is_file() && !is_pipe_of_shell(path) {
        let said =
            "a named pipe or a device, which may never end; copy its contents to a file, and name that file";
        return Err(Error::new(ErrorKind::InvalidInput, said));
    }
    Ok(())
}

/// Returns the metadata of a file. There is no file if the shell has left a pattern as it is, or if
/// the name is a URL that nothing here reads.
pub(crate) fn metadata(path: &Path) -> Result<Metadata> {
    fs::metadata(path).map_err(|error| {
        let name = path.to_string_lossy();
        match error.kind() {
            ErrorKind::NotFound if name.contains("://") => {
                let said = "no such file; logs, anchors and parts can be objects by s3://, gs://, az:// and https://";
                Error::new(ErrorKind::NotFound, said)
            }
            ErrorKind::NotFound if name.contains(['*', '?', '[']) => {
                Error::new(ErrorKind::NotFound, "no file matches this pattern")
            }
            _ => error,
        }
    })
}

/// Checks whether a path is a pipe without a name, which can be read only once. Opening it does not
/// wait, and reading it ends with the program that writes.
pub(crate) fn is_pipe_of_shell(path: &Path) -> bool {
    if !fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo()) {
        return false;
    }
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        let directory = path.parent().map(Path::to_owned).unwrap_or_default();
        let whole = fs::canonicalize(&directory).unwrap_or_default();
        let Ok(target) = fs::read_link(&path) else {
            // On some systems, an open file is no link.
            return whole == Path::new("/dev/fd");
        };
        // Only the system writes links there.
        if whole.starts_with("/proc") && target.as_os_str().as_bytes().starts_with(b"pipe:[") {
            return true;
        }
        path = directory.join(target);
    }
    false
}

/// Reads a file of at most [`FILE_BYTES_MAX`] bytes.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    read_up_to(path, FILE_BYTES_MAX)
}

/// Reads a file of text.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    String::from_utf8(read(path)?).map_err(|_| Error::new(ErrorKind::InvalidData, "it is not UTF-8"))
}

/// Reads a file of at most so many bytes.
pub(crate) fn read_up_to(path: &Path, bytes_max: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(too_long(bytes_max));
    }
    Ok(bytes)
}

fn too_long(bytes_max: u64) -> Error {
    let said = format!(
        "it has more than {bytes_max} bytes, which is the limit for such a file; check that it is the one you mean"
    );
    Error::new(ErrorKind::FileTooLarge, said)
}
