//! Decrypts the records in a ledger's encrypted files.

use crate::whole;
use anyhow::{Context, Result};
use clap::Args;
use flb_audit_ledger::frame::{Frame, START};
use flb_audit_ledger::{Closed, DecryptionKeys};
use memchr::memchr_iter;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// The option that names a decryption key.
#[derive(Args)]
pub(crate) struct Identity {
    /// The file of an age identity (AGE-SECRET-KEY-1…) that opens encrypted files, as
    /// `age-keygen` writes it. It may hold several identities
    #[arg(long = "identity", value_name = "FILE")]
    path: Option<PathBuf>,
}

impl Identity {
    /// Reads the file, if one is given.
    pub(crate) fn read(&self) -> Result<Option<DecryptionKeys>> {
        let read = |path: &PathBuf| {
            let shown = path.display();
            let text = whole::read(path).with_context(|| format!("{shown}: cannot be read"))?;
            DecryptionKeys::read(&text)
                .with_context(|| format!("{shown}: not a file of age identities, as `age-keygen` writes it"))
        };
        self.path.as_ref().map(read).transpose()
    }
}

/// The reason why a frame cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unopened {
    /// The frame is encrypted to other recipients.
    NotForThese,
    /// The frame differs from a frame that a ledger writes.
    Damaged(&'static str),
}

/// Decrypts a frame, and returns the lines of its records.
pub(crate) fn open(
    identities: &DecryptionKeys,
    frame: &Frame,
    body: &[u8],
) -> std::result::Result<Vec<u8>, Unopened> {
    let decrypted = identities.decrypt(body).map_err(|closed| match closed {
        Closed::NotForThese => Unopened::NotForThese,
        Closed::Damaged => Unopened::Damaged("it is not what was encrypted"),
    })?;
    let mut lines = Vec::new();
    let decoder = zstd::stream::read::Decoder::with_buffer(BufReader::new(decrypted));
    // Reading one byte more than expected shows that there are more.
    let read = decoder.and_then(|decoder| decoder.take(frame.header.bytes + 1).read_to_end(&mut lines));
    read.map_err(|_| Unopened::Damaged("it is not what was encrypted"))?;
    let count = memchr_iter(b'\n', &lines).count();
    if lines.len() as u64 != frame.header.bytes || !lines.ends_with(b"\n") || count != frame.records.len() {
        return Err(Unopened::Damaged("its records are not those that its header states"));
    }
    Ok(lines)
}

/// Splits the result of `open` into lines.
pub(crate) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\n").unwrap_or(line))
}

/// Checks whether a path is an encrypted file of a ledger, by its name or its first
/// frame.
pub(crate) fn is_frames(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut start = [0; START.len()];
    let mut read = || File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok();
    name.ends_with(".frames") || name.ends_with(".frames.open") || read() && start == START
}
