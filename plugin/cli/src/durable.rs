//! Files that survive a loss of power and never exist half-written.

use anyhow::{Context, Result, ensure};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Creates a directory that only its owner can read, unless it exists. Missing parent
/// directories are created with the usual permissions.
pub(crate) fn make_directory(path: &Path) -> Result<()> {
    let what = || format!("{}: cannot be made", path.display());
    if path.is_dir() {
        return Ok(());
    }
    ensure!(!path.exists(), "{}: exists and is not a directory; name another directory", path.display());
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(what)?;
    }
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        // Another process has created it in the meantime.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made.with_context(what),
    }
}

/// Creates a file that only its owner can read and write.
pub(crate) fn create_new(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Creates or replaces a file: the bytes are written beside it, synced and renamed. A
/// link is kept, and its target is replaced.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = Replacement::of(path)?;
    file.write_all(bytes).with_context(|| file.what())?;
    file.end()
}

/// Refuses to replace a file that does not begin as those do which the option writes, so that a
/// typing error destroys no log, key or device. `other` says what such a file is. Also fails if a
/// new file cannot be made, so that this is known before long work.
pub(crate) fn check_replaced(path: &Path, option: &str, starts: &[&[u8]], other: &str) -> Result<()> {
    let name = path.display();
    let Ok(metadata) = fs::metadata(path) else {
        return Replacement::check(path);
    };
    ensure!(metadata.is_file(), "{name}: exists and is not a regular file; {option} must name a file");
    let mut start = Vec::new();
    let longest = starts.iter().map(|start| start.len()).max().unwrap_or(0) as u64;
    let read = File::open(path).and_then(|file| file.take(longest).read_to_end(&mut start));
    read.with_context(|| format!("{name}: cannot be read"))?;
    ensure!(
        start.is_empty() || starts.iter().any(|of_option| start.starts_with(of_option)),
        "{name}: exists and is {other}; {option} does not overwrite it"
    );
    Ok(())
}

/// A file that is being written, to create or replace another one. The other one stays
/// until [`Replacement::end`].
pub(crate) struct Replacement {
    file: NamedTempFile,
    target: PathBuf,
    path: PathBuf,
}

impl Replacement {
    pub(crate) fn of(path: &Path) -> Result<Replacement> {
        let target = target_of(path);
        check_directory(directory_of(&target))
            .with_context(|| format!("{}: cannot be written", path.display()))?;
        let mut builder = tempfile::Builder::new();
        // The file gets the permissions of an ordinary file, not of a temporary one.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
        let file = builder.tempfile_in(directory_of(&target));
        let file = file.with_context(|| format!("{}: cannot be written", path.display()))?;
        Ok(Replacement { file, target, path: path.to_owned() })
    }

    /// Checks that a file could be created or replaced.
    pub(crate) fn check(path: &Path) -> Result<()> {
        Replacement::of(path).map(drop)
    }

    fn what(&self) -> String {
        format!("{}: cannot be written", self.path.display())
    }

    /// Puts the file in its place.
    pub(crate) fn end(self) -> Result<()> {
        let what = self.what();
        self.file.as_file().sync_all().with_context(|| what.clone())?;
        self.file.persist(&self.target).with_context(|| what.clone())?;
        sync_directory(directory_of(&self.target)).context(what)
    }
}

impl Write for Replacement {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for Replacement {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// Checks that the directory exists in which something is to be made.
pub(crate) fn check_directory(dir: &Path) -> Result<()> {
    let is_missing = fs::metadata(dir).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
    ensure!(!is_missing, "{}: no such directory; make it first", dir.display());
    Ok(())
}

/// Returns the target of a path, after links.
fn target_of(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// Returns the directory that a file is in.
pub(crate) fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Waits until no other process holds the lock on a file's directory, and holds the lock
/// until the returned file is dropped. Directories can be locked only on Unix.
pub(crate) fn lock_directory_of(path: &Path) -> Result<Option<File>> {
    if !cfg!(unix) {
        return Ok(None);
    }
    let target = target_of(path);
    let dir = directory_of(&target);
    let what = || format!("{}: cannot be locked", dir.display());
    let file = File::open(dir).with_context(what)?;
    file.lock().with_context(what)?;
    Ok(Some(file))
}

/// Syncs a directory, so that the names of new files survive a loss of power.
pub(crate) fn sync_directory(dir: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
}
