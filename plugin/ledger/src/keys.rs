//! The keys of the ledger's own chain: when the next one comes into force, and
//! when a record is a checkpoint. As the filter does it, on files of the
//! standard library.

use crate::{Error, Named, Result};
use flb_audit_core::Sealer;
use flb_audit_core::chain::ChainId;
use flb_audit_core::chain::checkpoint::CHECKPOINT_RECORDS_MAX;
use flb_audit_core::chain::keyring::{self, KeyRing, SLOT_BYTES};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// How many records one key may be in force for.
const KEY_RECORDS_MAX: u64 = 65_536;
/// For how long; then the next record changes it.
const KEY_AGE_MAX: Duration = Duration::from_secs(900);
/// The first record this long after the last checkpoint is one, too.
const CHECKPOINT_AGE_MAX: Duration = Duration::from_secs(10);

/// The keys of the chain, in this life.
pub(crate) struct Keys {
    file: File,
    path: PathBuf,
    chain: ChainId,
    key: Option<Since>,
    checkpoint: Option<Since>,
}

/// How long ago something was.
struct Since {
    records: u64,
    at: Instant,
}

impl Since {
    fn now() -> Option<Self> {
        Some(Since { records: 0, at: Instant::now() })
    }
}

fn is_over(since: Option<&Since>, records_max: u64, age_max: Duration) -> bool {
    since.is_none_or(|since| since.records >= records_max || since.at.elapsed() >= age_max)
}

impl Keys {
    /// Opens the chain's key file; none if it has none.
    pub(crate) fn open(directory: &Path, chain: ChainId) -> Result<Option<Keys>> {
        let path = directory.join(keyring::FILE_NAME);
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file.named(&path)?,
        };
        let mut keys = Keys { file, path, chain, key: None, checkpoint: None };
        keys.read()?;
        Ok(Some(keys))
    }

    /// Sees before each record whether it is to be a checkpoint, and under
    /// which key.
    pub(crate) fn prepare(&mut self, sealer: &mut Sealer<'_>, is_signed: bool) -> Result<()> {
        if is_over(self.key.as_ref(), KEY_RECORDS_MAX, KEY_AGE_MAX) {
            self.change_key(sealer)?;
            (self.key, self.checkpoint) = (Since::now(), None);
        }
        if is_signed || is_over(self.checkpoint.as_ref(), CHECKPOINT_RECORDS_MAX, CHECKPOINT_AGE_MAX) {
            sealer.sign_next();
            self.checkpoint = Since::now();
        }
        for since in [&mut self.key, &mut self.checkpoint].into_iter().flatten() {
            since.records += 1;
        }
        Ok(())
    }

    fn change_key(&mut self, sealer: &mut Sealer<'_>) -> Result<()> {
        let (ring, slot) = self.read()?;
        let chain = sealer.chain();
        let next = ring
            .hand_over(chain.next, chain.head, &mut |seed| getrandom::fill(seed).is_ok())
            .map_err(|_| self.damaged("there is no next key"))?;
        let signer = next.signer().map_err(|_| self.damaged("there is no next key"))?;
        let mut bytes = Zeroizing::new(vec![0; SLOT_BYTES]);
        next.write_slot(&mut bytes);
        self.write(&bytes, 1 - slot)?;
        // The old key is destroyed before the new one is used.
        bytes.fill(0);
        self.write(&bytes, slot)?;
        sealer.set_signer(signer)?;
        Ok(())
    }

    fn read(&mut self) -> Result<(KeyRing, usize)> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(keyring::FILE_BYTES + 1));
        let max = keyring::FILE_BYTES as u64;
        let read =
            self.file.seek(SeekFrom::Start(0)).and_then(|_| (&self.file).take(max).read_to_end(&mut bytes));
        read.named(&self.path)?;
        let ring = KeyRing::from_file(&bytes).filter(|(ring, _)| ring.chain() == self.chain);
        ring.ok_or_else(|| self.damaged("damaged, or of another chain"))
    }

    fn write(&mut self, slot: &[u8], index: usize) -> Result<()> {
        self.file
            .seek(SeekFrom::Start(KeyRing::slot_offset(index)))
            .and_then(|_| self.file.write_all(slot))
            .and_then(|()| self.file.sync_data())
            .named(&self.path)
    }

    fn damaged(&self, what: &str) -> Error {
        Error::new(format!("{}: {what}", self.path.display()))
    }
}
