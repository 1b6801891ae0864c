//! The chains whose records the ledger takes as they are sealed.

use crate::{Error, Named, Result};
use flb_audit_core::chain::ChainId;
use flb_audit_core::chain::certificate::KnownKeys;
use flb_audit_core::chain::checkpoint::Checkpoint;
use flb_audit_core::chain::signature::PublicKey;
use serde::Deserialize;
use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The name of the roster in a ledger's directory, if none is configured.
pub const FILE_NAME: &str = "roster.json";

/// The roster that `flb-audit init` keeps. Without the file no seal is believed.
pub(crate) struct Roster {
    path: PathBuf,
    /// The file's length and time, when it was read.
    read: Option<(u64, SystemTime)>,
    chains: HashMap<ChainId, KnownKeys>,
}

/// One chain of a node, as far as it matters here.
#[derive(Deserialize)]
struct Entry {
    chain: String,
    key: String,
}

impl Roster {
    /// Reads the roster in a directory. It has to be there if it is named.
    pub(crate) fn open(directory: &Path, name: Option<&str>) -> Result<Roster> {
        let path = directory.join(name.unwrap_or(FILE_NAME));
        let mut roster = Roster { path, read: None, chains: HashMap::new() };
        roster.read(name.is_some())?;
        Ok(roster)
    }

    /// Reads the file if it has changed since. Returns whether it has.
    pub(crate) fn read_again(&mut self) -> Result<bool> {
        let before = self.read;
        self.read(false)?;
        Ok(self.read != before)
    }

    fn read(&mut self, must_exist: bool) -> Result<()> {
        let file = match fs::metadata(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound && !must_exist => {
                (self.read, self.chains) = (None, HashMap::new());
                return Ok(());
            }
            file => file.named(&self.path)?,
        };
        let read = Some((file.len(), file.modified().unwrap_or(SystemTime::UNIX_EPOCH)));
        if read != self.read {
            let text = fs::read(&self.path).named(&self.path)?;
            self.chains = chains(&text)
                .map_err(|what| Error::new(format!("{}: not a roster: {what}", self.path.display())))?;
            self.read = read;
        }
        Ok(())
    }

    /// Checks that a chain is in the roster.
    pub(crate) fn has(&self, chain: &ChainId) -> bool {
        self.chains.contains_key(chain)
    }

    /// Checks that a key of its chain has signed a checkpoint.
    pub(crate) fn has_signed(&mut self, checkpoint: &Checkpoint) -> bool {
        let Some(known) = self.chains.get_mut(&checkpoint.chain) else {
            return false;
        };
        let (Ok(key), Ok(message)) = (known.verify(&checkpoint.key), checkpoint.message()) else {
            return false;
        };
        let position = checkpoint.place.position();
        key.has_signed(&message, &checkpoint.signature)
            && checkpoint.key.since.iter().all(|since| since.place.position() <= position)
    }
}

fn chains(text: &[u8]) -> std::result::Result<HashMap<ChainId, KnownKeys>, String> {
    let entries: Vec<Entry> = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let chain = |entry: &Entry| {
        let chain = ChainId::from_text(entry.chain.as_bytes())?;
        Some((chain, KnownKeys::new(chain, PublicKey::from_text(entry.key.as_bytes())?)))
    };
    let chains: Option<_> = entries.iter().map(chain).collect();
    chains.ok_or_else(|| "a chain or a key is not base64url".to_owned())
}
