//! The chains whose records the ledger takes as they are sealed.

use crate::{Error, Named, Result};
use flb_audit_core::chain::ChainId;
use flb_audit_core::chain::certificate::KnownKeys;
use flb_audit_core::chain::checkpoint::Checkpoint;
use flb_audit_core::chain::signature::PublicKey;
use serde::Deserialize;
use std::collections::HashMap;
use std::path::Path;

/// The roster that `flb-audit init` keeps.
pub(crate) struct Roster {
    chains: HashMap<ChainId, KnownKeys>,
}

/// One chain of a node, as far as it matters here.
#[derive(Deserialize)]
struct Entry {
    chain: String,
    key: String,
}

impl Roster {
    /// Reads a roster.
    pub(crate) fn read(path: &Path) -> Result<Roster> {
        let text = std::fs::read(path).named(path)?;
        let not_a_roster = |what: &str| Error::new(format!("{}: not a roster: {what}", path.display()));
        let entries: Vec<Entry> =
            serde_json::from_slice(&text).map_err(|error| not_a_roster(&error.to_string()))?;
        let chain = |entry: &Entry| {
            let chain = ChainId::from_text(entry.chain.as_bytes())?;
            Some((chain, KnownKeys::new(chain, PublicKey::from_text(entry.key.as_bytes())?)))
        };
        let chains = entries.iter().map(chain).collect::<Option<_>>();
        Ok(Roster { chains: chains.ok_or_else(|| not_a_roster("a chain or a key is not base64url"))? })
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
