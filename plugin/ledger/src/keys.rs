//! The files of the ledger's own chain, and the keys in its key file.

use crate::{Error, Named, Result};
use flb_audit_core::Sealer;
use flb_audit_core::chain::enrollment::{self, Role};
use flb_audit_core::chain::keyring::{self, KeyRing, Newest};
use flb_audit_core::chain::rotation::{Failed, Rotation};
use flb_audit_core::chain::storage::Storage;
use flb_audit_core::chain::{ChainId, anchor};
use flb_audit_core::record::notes::Notes;
use flb_audit_core::verify::read_enrollment;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;
use zeroize::Zeroizing;

/// A file of the chain, kept open.
pub(crate) struct ChainFile {
    file: File,
    path: PathBuf,
}

impl ChainFile {
    /// Opens a file. Returns `None` if it does not exist.
    pub(crate) fn open(directory: &Path, name: &str) -> Result<Option<ChainFile>> {
        let path = directory.join(name);
        match OpenOptions::new().read(true).write(true).open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            file => Ok(Some(ChainFile { file: file.named(&path)?, path })),
        }
    }

    /// Returns an error that names the file.
    pub(crate) fn damaged(&self) -> Error {
        Error::Damaged { path: self.path.clone() }
    }
}

impl Storage for ChainFile {
    type Error = Error;

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let mut file = &self.file;
        let mut read = 0;
        file.seek(SeekFrom::Start(offset)).named(&self.path)?;
        while let Some(rest) = buffer.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match file.read(rest) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).named(&self.path),
            }
        }
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(offset)).and_then(|_| file.write_all(bytes)).named(&self.path)
    }

    fn sync(&self) -> Result<()> {
        self.file.sync_data().named(&self.path)
    }
}

/// Opens the file of the chain's keys. Returns `None` if the chain has none.
fn key_file(directory: &Path) -> Result<Option<ChainFile>> {
    let file = ChainFile::open(directory, keyring::FILE_NAME)?;
    // Only a chain with keys has a file for checkpoints.
    if file.is_none() && directory.join(anchor::FILE_NAME).exists() {
        return Err(Error::KeysMissing { path: directory.join(keyring::FILE_NAME) });
    }
    Ok(file)
}

/// Reads the chain's keys. Returns `None` if it has no keys.
pub(crate) fn read(directory: &Path) -> Result<Option<KeyRing>> {
    let Some(file) = key_file(directory)? else {
        return Ok(None);
    };
    let mut bytes = Zeroizing::new(vec![0; keyring::FILE_BYTES]);
    let read = file.read_at(&mut bytes, 0)?;
    match bytes.get(..read).and_then(KeyRing::from_file) {
        Some((ring, _)) => Ok(Some(ring)),
        None => Err(file.damaged()),
    }
}

/// The keys of the chain in this life.
pub(crate) struct Keys {
    rotation: Rotation<ChainFile>,
    /// The statements that the chain may make.
    pub(crate) role: Role,
    /// The file with the chain's enrollment, if there is one.
    enrollment: Option<Vec<u8>>,
    path: PathBuf,
    /// The start of this life, from which its clock counts.
    start: Instant,
}

impl Keys {
    /// Opens the chain's key file. Returns `None` if the chain has no keys. With the keys
    /// it returns the handover that put the key in force into use, if there is one.
    pub(crate) fn open(directory: &Path, chain: ChainId) -> Result<Option<(Keys, Option<Newest>)>> {
        let Some(file) = key_file(directory)? else {
            return Ok(None);
        };
        let path = file.path.clone();
        let (rotation, newest) = Rotation::open(file, chain).map_err(|failed| explained(failed, &path))?;
        let role = rotation.become_ledger().map_err(|failed| explained(failed, &path))?;
        let enrollment = directory.join(enrollment::FILE_NAME);
        let enrollment = match fs::read(&enrollment) {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            file => Some(file.named(&enrollment)?),
        };
        Ok(Some((Keys { rotation, role, enrollment, path, start: Instant::now() }, newest)))
    }

    /// Returns the reason why verifiers will not believe the ledger's statements, if there is
    /// one.
    pub(crate) fn distrust(&self) -> Option<&'static str> {
        let enrolled = self.enrollment.as_deref().and_then(enrollment::from_file).and_then(read_enrollment);
        match (self.role, enrolled.map(|of| of.role)) {
            (Role::Filter, _) => {
                Some("a filter has used this chain first: set up another directory with `flb-audit init`")
            }
            (_, Some(Role::Filter)) => {
                Some("the chain is enrolled as a filter's: enroll it again with `flb-audit init --ledger`")
            }
            _ => None,
        }
    }

    /// Returns a note if the chain's enrollment is damaged. Then checkpoints do not state it.
    pub(crate) fn notes(&self) -> Notes {
        match &self.enrollment {
            Some(file) if enrollment::from_file(file).is_none() => Notes::ENROLLMENT_DAMAGED,
            _ => Notes::NONE,
        }
    }

    /// Keeps the key in force for the first record, because it has sealed nothing yet.
    pub(crate) fn keep_key(&mut self) {
        self.rotation.keep_key();
    }

    /// Decides before each record whether it is a checkpoint, and under which key.
    /// Returns whether it is one.
    pub(crate) fn prepare(&mut self, sealer: &mut Sealer<'_>, is_signed: bool) -> Result<bool> {
        let mut random = |seed: &mut [u8; 32]| getrandom::fill(seed).is_ok();
        let now = self.start.elapsed().as_secs();
        let prepared = self.rotation.prepare(sealer.chain(), now, is_signed, &mut random);
        // After any failure, the ledger is opened anew.
        if let Some(failed) = prepared.failed {
            return Err(explained(failed, &self.path));
        }
        if let Some(mut signer) = prepared.signer {
            let enrollment = self.enrollment.as_deref().and_then(enrollment::from_file);
            signer.enroll(enrollment.unwrap_or_default())?;
            sealer.set_signer(signer)?;
        }
        if prepared.is_checkpoint {
            sealer.sign_next();
        }
        Ok(prepared.is_checkpoint)
    }
}

fn explained(failed: Failed<Error>, path: &Path) -> Error {
    let path = path.to_owned();
    match failed {
        Failed::Storage(error) => error,
        Failed::Damaged => Error::ForeignKeys { path },
        Failed::Foreign => Error::TwoLedgers { path },
        _ => Error::NoNextKey { path },
    }
}
