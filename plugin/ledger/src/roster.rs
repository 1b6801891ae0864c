//! The chains whose seals the ledger believes.

use crate::{Error, Named, Result};
use flb_audit_core::chain::ChainId;
use flb_audit_core::chain::certificate::KnownKeys;
use flb_audit_core::chain::checkpoint::Checkpoint;
use flb_audit_core::chain::signature::PublicKey;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The name of the roster in a ledger's directory, unless another is configured.
pub const FILE_NAME: &str = "roster.json";

/// The roster that `flb-audit init` maintains. Without the file, no seal is believed.
pub(crate) struct Roster {
    path: PathBuf,
    /// The file's length and modification time when it was read.
    read: Option<(u64, SystemTime)>,
    /// The chains, each with its key 0.
    chains: HashMap<ChainId, PublicKey>,
    /// The verified keys of chains whose checkpoints came lately.
    known: HashMap<ChainId, KnownKeys>,
    /// The number of certificates and handovers in `known`.
    remembered: usize,
}

/// The maximum number of certificates, handovers and chains that are remembered as
/// verified, with some 300 bytes each. Beyond it, all are forgotten.
const REMEMBERED_MAX: usize = 16_384;

/// The part of a roster's entry that is needed here: one chain of a node.
#[derive(Deserialize)]
struct Entry {
    chain: String,
    key: String,
}

impl Roster {
    /// Reads the roster in a directory. It is an error if a roster that is named does not
    /// exist.
    pub(crate) fn open(directory: &Path, name: Option<&str>) -> Result<Roster> {
        let path = directory.join(name.unwrap_or(FILE_NAME));
        let (chains, known) = (HashMap::new(), HashMap::new());
        let mut roster = Roster { path, read: None, chains, known, remembered: 0 };
        roster.read(name.is_some())?;
        Ok(roster)
    }

    /// Reads the file again if it has changed. Returns whether it has.
    pub(crate) fn read_again(&mut self) -> Result<bool> {
        let before = self.read;
        self.read(false)?;
        Ok(self.read != before)
    }

    fn read(&mut self, must_exist: bool) -> Result<()> {
        let file = match fs::metadata(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound && !must_exist => {
                (self.read, self.chains, self.known) = (None, HashMap::new(), HashMap::new());
                self.remembered = 0;
                return Ok(());
            }
            file => file.named(&self.path)?,
        };
        let read = Some((file.len(), file.modified().unwrap_or(SystemTime::UNIX_EPOCH)));
        if read != self.read {
            let file = File::open(&self.path).named(&self.path)?;
            let Chains(chains) = serde_json::from_reader(BufReader::new(file))
                .map_err(|source| Error::NotARoster { path: self.path.clone(), source })?;
            (self.read, self.chains, self.known, self.remembered) = (read, chains, HashMap::new(), 0);
        }
        Ok(())
    }

    /// Checks that a chain is in the roster.
    pub(crate) fn has(&self, chain: &ChainId) -> bool {
        self.chains.contains_key(chain)
    }

    /// Checks that a certified key of its chain has signed a checkpoint.
    pub(crate) fn has_signed(&mut self, checkpoint: &Checkpoint) -> bool {
        let chain = checkpoint.chain;
        let Some(root) = self.chains.get(&chain).copied() else {
            return false;
        };
        if self.remembered > REMEMBERED_MAX {
            self.known.clear();
            self.remembered = 0;
        }
        let known = self.known.entry(chain).or_insert_with(|| {
            self.remembered += 1;
            KnownKeys::new(chain, root)
        });
        let before = known.remembered();
        let verified = known.verify(&checkpoint.key);
        self.remembered = self.remembered.saturating_add(known.remembered()).saturating_sub(before);
        let (Ok(key), Ok(message)) = (verified, checkpoint.message()) else {
            return false;
        };
        let position = checkpoint.place.position();
        key.has_signed(&message, &checkpoint.signature)
            && checkpoint.key.since.iter().all(|since| since.place.position() <= position)
    }
}

/// The chains of a roster. They are read entry by entry, because some rosters have very
/// many.
struct Chains(HashMap<ChainId, PublicKey>);

impl<'de> Deserialize<'de> for Chains {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_seq(ChainsVisitor)
    }
}

struct ChainsVisitor;

impl<'de> Visitor<'de> for ChainsVisitor {
    type Value = Chains;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of chains")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> std::result::Result<Chains, A::Error> {
        let mut chains = HashMap::new();
        while let Some(entry) = entries.next_element::<Entry>()? {
            let chain = ChainId::from_text(entry.chain.as_bytes());
            let key = PublicKey::from_text(entry.key.as_bytes());
            let (Some(chain), Some(key)) = (chain, key) else {
                return Err(A::Error::custom("a chain or a key is not base64url"));
            };
            chains.insert(chain, key);
        }
        Ok(Chains(chains))
    }
}
