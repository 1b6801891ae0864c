//! Opening, removing and syncing files.

use crate::{Named, Result};
use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::path::Path;

/// Returns the options to open files with. New files are private to their owner.
#[cfg(unix)]
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Returns the options to open files with. The component's directory decides who can
/// read them.
#[cfg(not(unix))]
pub(crate) fn private() -> OpenOptions {
    OpenOptions::new()
}

/// Removes a file and syncs its directory.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => {
            removed.named(path)?;
            path.parent().map_or(Ok(()), sync_directory)
        }
    }
}

/// Syncs the names in a directory, so that they survive a loss of power.
pub(crate) fn sync_directory(directory: &Path) -> Result<()> {
    if cfg!(windows) {
        return Ok(());
    }
    File::open(directory).and_then(|directory| directory.sync_all()).named(directory)
}
