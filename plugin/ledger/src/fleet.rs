//! The fleet whose enrollments make chains known to the ledger, in place of entries in the
//! roster.
//!
//! A chain is known from the first checkpoint on that states its enrollment. So that it is
//! known after a restart as well, the enrollment is kept in a file, one a line. The fleet
//! has signed each line, so the file is read without being trusted.

use crate::disk::{private, sync_directory};
use crate::{Error, Named, Result, faults};
use flb_audit_core::chain::ChainId;
use flb_audit_core::chain::checkpoint::Checkpoint;
use flb_audit_core::chain::enrollment::{Enrollment, chain_of};
use flb_audit_core::chain::signature::PublicKey;
use flb_audit_core::verify::read_enrollment;
use serde::Deserialize;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// The name of the fleet's public part in a ledger's directory, unless another is
/// configured.
pub(crate) const FILE_NAME: &str = "fleet.json";
/// The name of the file with the enrollments that were seen.
const ENROLLED_FILE: &str = "ledger.enrolled";
/// The maximum number of chains that are known by their enrollments. Who has a fleet's key
/// could enroll any number of them.
const CHAINS_MAX: usize = 100_000;
/// The maximum number of verified enrollments that are remembered, with some 500 bytes
/// each. Beyond it, all are forgotten.
const VERIFIED_MAX: usize = 4096;
/// The maximum length of the file with enrollments that is read, in bytes.
const ENROLLED_BYTES_MAX: u64 = 256 << 20;

/// The fleet, and the chains that it has enrolled.
pub(crate) struct Fleet {
    key: PublicKey,
    /// The file with the enrollments that were seen.
    path: PathBuf,
    /// The end of the time in which each chain may seal (exclusive), in seconds since 1970.
    chains: HashMap<ChainId, Option<u64>>,
    /// Enrollments that came lately and that the fleet has signed, so that they need not be
    /// verified again.
    verified: HashMap<ChainId, Enrollment>,
    /// The enrollments that are not in the file yet, one a line.
    unwritten: Vec<u8>,
}

/// The part of the fleet's file that is needed here.
#[derive(Deserialize)]
struct PublicPart {
    fleet: String,
}

impl Fleet {
    /// Reads the fleet's public part, and the enrollments that were seen before. Returns
    /// `None` if the text is not the public part of a fleet.
    pub(crate) fn read(directory: &Path, text: &[u8]) -> Result<Option<Fleet>> {
        let key = serde_json::from_slice(text)
            .ok()
            .and_then(|part: PublicPart| PublicKey::from_text(part.fleet.as_bytes()));
        let Some(key) = key else { return Ok(None) };
        let path = directory.join(ENROLLED_FILE);
        let mut fleet =
            Fleet { key, path, chains: HashMap::new(), verified: HashMap::new(), unwritten: Vec::new() };
        fleet.read_enrolled()?;
        Ok(Some(fleet))
    }

    fn read_enrolled(&mut self) -> Result<()> {
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            file => file.named(&self.path)?,
        };
        for line in BufReader::new(file.take(ENROLLED_BYTES_MAX)).split(b'\n') {
            // A torn or foreign line is one that the fleet has not signed.
            if let Some(enrollment) = read_enrollment(&line.named(&self.path)?) {
                let chain = chain_of(&enrollment.root);
                if enrollment.verify(&chain, &self.key).is_ok() {
                    self.add(chain, enrollment.until);
                }
            }
        }
        Ok(())
    }

    /// Makes a chain known. Returns false if that changes nothing.
    fn add(&mut self, chain: ChainId, until: Option<u64>) -> bool {
        let before = self.chains.get(&chain).copied();
        let later = match before {
            None if self.chains.len() >= CHAINS_MAX => return false,
            None => until,
            Some(before) => before.zip(until).map(|(one, other)| one.max(other)),
        };
        self.chains.insert(chain, later);
        before != Some(later)
    }

    /// Checks that the chain was enrolled for this time, as a checkpoint of it has stated.
    pub(crate) fn has(&self, chain: &ChainId, seconds: u64) -> bool {
        self.chains.get(chain).is_some_and(|until| until.is_none_or(|until| seconds < until))
    }

    /// Returns the key 0 that a checkpoint states, if the fleet vouches for it at this time.
    pub(crate) fn root(&mut self, checkpoint: &Checkpoint, seconds: u64) -> Option<PublicKey> {
        let enrollment = checkpoint.key.enrollment.as_deref()?;
        if enrollment.until.is_some_and(|until| until <= seconds) {
            return None;
        }
        if self.verified.get(&checkpoint.chain) != Some(enrollment) {
            enrollment.verify(&checkpoint.chain, &self.key).ok()?;
            if self.verified.len() >= VERIFIED_MAX {
                self.verified.clear();
            }
            self.verified.insert(checkpoint.chain, enrollment.clone());
        }
        Some(enrollment.root)
    }

    /// Makes the chain of a checkpoint known whose signature and enrollment are good.
    pub(crate) fn enroll(&mut self, chain: ChainId, enrollment: &Enrollment) -> Result<()> {
        if self.add(chain, enrollment.until) {
            enrollment.write(&mut self.unwritten)?;
            self.unwritten.push(b'\n');
        }
        Ok(())
    }

    /// Writes new enrollments into the file. Until then, no record of these chains may be
    /// stored.
    pub(crate) fn write(&mut self) -> Result<()> {
        if self.unwritten.is_empty() {
            return Ok(());
        }
        let is_new = fs::metadata(&self.path).is_err();
        let mut file = private().create(true).append(true).open(&self.path).named(&self.path)?;
        let before = file.metadata().named(&self.path)?.len();
        // The line before may be torn.
        let lines = [b"\n", &self.unwritten[..]].concat();
        faults::append(&mut file, &lines).and_then(|()| file.sync_data()).named(&self.path)?;
        // A component's writes may fail late.
        let (len, expected) =
            (fs::metadata(&self.path).named(&self.path)?.len(), before + lines.len() as u64);
        if len != expected {
            return Err(Error::NotWritten { path: self.path.clone(), len, expected });
        }
        if is_new {
            sync_directory(self.path.parent().unwrap_or(Path::new(".")))?;
        }
        self.unwritten.clear();
        Ok(())
    }
}
