//! Sources: the files and objects that a command line names, and standard input.

use super::address::Address;
use super::decompress::{Decompressed, decompress, peek};
use super::objects::{Object, Period, Stores};
use super::record::BATCH_BYTES;
use super::stored::{Hashing, Kept, Stored};
use crate::frames;
use crate::stdout::shown;
use crate::whole;
use anyhow::{Context, Result, bail};
use flb_audit_core::chain::state;
use flb_audit_ledger::{frame, manifest};
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A file, an object or standard input.
pub(crate) struct Source {
    origin: Origin,
    /// The hash of the stored bytes, if it is requested.
    stored: Option<Kept>,
}

/// The place that the bytes of a source come from.
enum Origin {
    Stdin,
    File(PathBuf),
    Object(Object),
}

/// The properties that tell one version of a file or an object from another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Version {
    pub(crate) bytes: u64,
    /// The ETag of an object, and its version if the address names one. For a file: its times and
    /// its inode.
    pub(crate) tag: String,
}

/// An opened source.
pub(super) enum Opened {
    /// The decompressed bytes.
    Bytes(Decompressed),
    /// A file of encrypted frames.
    Frames(File),
}

impl Source {
    /// Returns the sources that a command line names. No name, or `-`, is standard input.
    pub(crate) fn all(files: Vec<PathBuf>) -> Result<Vec<Source>> {
        let files = files.into_iter().map(|path| (path, ())).collect();
        Ok(Source::all_in(files, None)?.into_iter().map(|(source, ())| source).collect())
    }

    /// Returns the sources that a command line names, each with the value that belongs to
    /// its name. Of objects whose keys have a date, only those of the period are
    /// returned.
    pub(crate) fn all_in<T: Clone + Default>(
        files: Vec<(PathBuf, T)>,
        period: Option<&Period>,
    ) -> Result<Vec<(Source, T)>> {
        if files.is_empty() && io::stdin().is_terminal() {
            bail!("nothing to read: name log files, or pipe records into standard input");
        }
        let files = if files.is_empty() { vec![(PathBuf::from("-"), T::default())] } else { files };
        let (mut stores, mut sources) = (Stores::default(), Vec::new());
        for (path, with) in files {
            let of = |origin| (Source { origin, stored: None }, with.clone());
            match Address::of(&path)? {
                Some(address) => {
                    sources.extend(stores.list(address, period)?.into_iter().map(Origin::Object).map(of));
                }
                None if path.as_os_str() == "-" => sources.push(of(Origin::Stdin)),
                None => sources.push(of(Origin::File(path))),
            }
        }
        Ok(sources)
    }

    /// Requests the hash of the bytes.
    pub(crate) fn hash(&mut self) {
        self.stored = Some(Kept::default());
    }

    /// Returns the length and the hash of the bytes that were read, if the hash was
    /// requested.
    pub(crate) fn stored(&self) -> Option<Stored> {
        self.stored.as_ref()?.get()
    }

    /// Returns the version, if the source has one.
    pub(crate) fn version(&self) -> Option<Version> {
        match &self.origin {
            Origin::Stdin => None,
            Origin::File(path) => {
                let metadata = path.metadata().ok()?;
                // Whoever writes a file can set the time of its last change. Only the kernel sets
                // the time at which its status changed.
                let changed = metadata.modified().ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
                let of_kernel = format!("{}.{:09}", metadata.ctime(), metadata.ctime_nsec());
                let tag = format!("{} {of_kernel} {}", changed.as_nanos(), metadata.ino());
                Some(Version { bytes: metadata.len(), tag })
            }
            Origin::Object(object) => Some(Version { bytes: object.len()?, tag: object.tag()? }),
        }
    }

    /// Checks whether reading waits for a network.
    pub(super) fn is_remote(&self) -> bool {
        matches!(self.origin, Origin::Object(_))
    }

    /// Returns the name for display.
    pub(crate) fn name(&self) -> String {
        match &self.origin {
            Origin::Stdin => "standard input".into(),
            Origin::File(path) => shown(&path.to_string_lossy()),
            Origin::Object(object) => shown(&object.name()),
        }
    }

    /// Returns a name that no other source has. It is the name for display, unless that shows some
    /// characters of a path as others.
    pub(crate) fn key(&self) -> String {
        let name = self.name();
        let path = match &self.origin {
            Origin::Stdin => return name,
            Origin::File(path) => path.as_os_str().as_encoded_bytes().to_vec(),
            Origin::Object(object) => object.name().into_bytes(),
        };
        if path == name.as_bytes() {
            return name;
        }
        let bytes: String = path.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{name} (bytes {bytes})")
    }

    /// Returns the stored length in bytes, if it is known.
    pub(super) fn len(&self) -> Option<u64> {
        match &self.origin {
            Origin::Stdin => None,
            Origin::File(path) => path.metadata().ok().map(|metadata| metadata.len()),
            Origin::Object(object) => object.len(),
        }
    }

    pub(super) fn open(&self, progress: &ProgressBar) -> io::Result<Opened> {
        match &self.origin {
            Origin::Stdin => {
                let bytes = BufReader::new(progress.wrap_read(self.hashing(io::stdin())));
                decompress(bytes, BATCH_BYTES).map(Opened::Bytes)
            }
            Origin::File(path) => self.open_file(path, progress),
            Origin::Object(object) => {
                let bytes = progress.wrap_read(self.hashing(object.open()?));
                let (start, mut bytes) =
                    peek(BufReader::with_capacity(BATCH_BYTES, bytes), frame::START.len())?;
                if start != frame::START {
                    return decompress(bytes, BATCH_BYTES).map(Opened::Bytes);
                }
                let mut file = tempfile::tempfile()?;
                io::copy(&mut bytes, &mut file)?;
                file.rewind()?;
                Ok(Opened::Frames(file))
            }
        }
    }

    fn open_file(&self, path: &Path, progress: &ProgressBar) -> io::Result<Opened> {
        check_is_file(path)?;
        if frames::is_frames(path) {
            // Frames are not read in one pass, so the file, which is usually closed, is
            // hashed separately.
            if let Some(kept) = &self.stored {
                kept.set(Stored::of(File::open(path)?)?);
            }
            return File::open(path).map(Opened::Frames);
        }
        let file = progress.wrap_read(self.hashing(File::open(path)?));
        decompress(BufReader::with_capacity(BATCH_BYTES, file), BATCH_BYTES).map(Opened::Bytes)
    }

    fn hashing<R: Read>(&self, bytes: R) -> Hashing<R> {
        Hashing::new(bytes, self.stored.as_ref())
    }
}

/// A name, and its bytes.
type Named = (String, Box<dyn BufRead + Send>);

/// Opens a file beside the logs, or the objects at a URL one after the other, without decompression.
pub(crate) fn open(path: &Path) -> Result<Box<dyn Iterator<Item = Result<Named>>>> {
    let what = |name: &str| format!("{name}: cannot be read");
    let Some(address) = Address::of(path)? else {
        let name = path.display().to_string();
        let file = whole::open(path).with_context(|| what(&name))?;
        let bytes: Box<dyn BufRead + Send> = Box::new(BufReader::new(file));
        return Ok(Box::new(std::iter::once(Ok((name, bytes)))));
    };
    let objects = Stores::default().list(address, None)?.into_iter();
    Ok(Box::new(objects.map(move |object| {
        let name = object.name();
        let bytes = object.open().with_context(|| what(&name))?;
        let bytes: Box<dyn BufRead + Send> = Box::new(BufReader::new(bytes));
        Ok((name, bytes))
    })))
}

/// Decompresses what was opened, as logs are.
pub(crate) fn decompressed(bytes: Box<dyn BufRead + Send>) -> io::Result<Box<dyn BufRead + Send>> {
    decompress(bytes, BATCH_BYTES).map(|decompressed| decompressed.bytes)
}

/// Returns an argument of a command line without the secrets that a URL may have.
pub(crate) fn without_secrets(argument: &str) -> String {
    match Address::of(Path::new(argument)) {
        Ok(Some(Address::Web(web))) => web.to_string(),
        _ => argument.to_owned(),
    }
}

/// Checks whether an argument names objects by a date in their keys.
pub(crate) fn has_date(path: &Path) -> Result<bool> {
    Ok(matches!(Address::of(path)?, Some(Address::Bucket { keys, .. }) if keys.has_date()))
}

/// Checks that a path is a regular file. Opening a pipe would wait for a writer, and a
/// device has no end.
pub(crate) fn check_is_file(path: &Path) -> io::Result<()> {
    let metadata = whole::metadata(path)?;
    if metadata.is_dir() {
        return Err(io::Error::other(if path.join(manifest::FILE_NAME).is_file() {
            "a ledger's directory, which only `verify` and `export` read as a whole; name the files in it, or what \
             `flb-audit export` writes"
        } else if path.join(state::FILE_NAME).is_file() {
            "a directory with a chain's state but without manifests.ndjson: it belongs to a filter, or to an empty ledger"
        } else {
            "a directory that is not a ledger, since it has no manifests.ndjson; name the files in it"
        }));
    }
    if !metadata.is_file() {
        return Err(io::Error::other("a pipe or a device; pipe it into standard input"));
    }
    Ok(())
}
