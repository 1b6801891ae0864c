//! The chains whose seals the ledger believes.

use crate::fleet::{self, Fleet};
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

/// The roster that `flb-audit init` maintains, and the fleet that vouches for other chains.
/// Without either file, no seal is believed.
pub(crate) struct Roster {
    path: PathBuf,
    fleet_path: PathBuf,
    /// The lengths and modification times of both files when they were read.
    read: [Option<(u64, SystemTime)>; 2],
    fleet: Option<Fleet>,
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
    /// Reads the roster and the fleet in a directory. It is an error if one that is named
    /// does not exist.
    pub(crate) fn open(directory: &Path, roster: Option<&str>, fleet: Option<&str>) -> Result<Roster> {
        let path = directory.join(roster.unwrap_or(FILE_NAME));
        let fleet_path = directory.join(fleet.unwrap_or(fleet::FILE_NAME));
        let (chains, known) = (HashMap::new(), HashMap::new());
        let read = [None; 2];
        let mut opened = Roster { path, fleet_path, read, fleet: None, chains, known, remembered: 0 };
        opened.read(roster.is_some(), fleet.is_some())?;
        Ok(opened)
    }

    /// Reads the files again if they have changed. Returns whether they have.
    pub(crate) fn read_again(&mut self) -> Result<bool> {
        let before = self.read;
        self.read(false, false)?;
        Ok(self.read != before)
    }

    fn read(&mut self, has_roster: bool, has_fleet: bool) -> Result<()> {
        let read = [version(&self.path, has_roster)?, version(&self.fleet_path, has_fleet)?];
        if read[0] != self.read[0] {
            self.chains = match read[0] {
                None => HashMap::new(),
                Some(_) => {
                    let file = File::open(&self.path).named(&self.path)?;
                    let Chains(chains) = serde_json::from_reader(BufReader::new(file))
                        .map_err(|source| Error::NotARoster { path: self.path.clone(), source })?;
                    chains
                }
            };
        }
        if read[1] != self.read[1] {
            self.fleet = match read[1] {
                None => None,
                Some(_) => {
                    let text = fs::read(&self.fleet_path).named(&self.fleet_path)?;
                    let directory = self.fleet_path.parent().unwrap_or(Path::new("."));
                    let fleet = Fleet::read(directory, &text)?;
                    Some(fleet.ok_or_else(|| Error::NotAFleet { path: self.fleet_path.clone() })?)
                }
            };
        }
        if read != self.read {
            (self.read, self.known, self.remembered) = (read, HashMap::new(), 0);
        }
        Ok(())
    }

    /// Checks that a chain is in the roster, or that the fleet has enrolled it for this time,
    /// in seconds since 1970.
    pub(crate) fn has(&self, chain: &ChainId, seconds: u64) -> bool {
        self.chains.contains_key(chain) || self.fleet.as_ref().is_some_and(|fleet| fleet.has(chain, seconds))
    }

    /// Returns the chain's key 0: the roster has it, or the fleet vouches for it. If both
    /// do, they have to agree.
    fn root(&mut self, checkpoint: &Checkpoint, seconds: u64) -> Option<PublicKey> {
        let listed = self.chains.get(&checkpoint.chain).copied();
        match &mut self.fleet {
            Some(fleet) if checkpoint.key.enrollment.is_some() => {
                fleet.root(checkpoint, seconds).filter(|root| listed.is_none_or(|listed| listed == *root))
            }
            _ => listed,
        }
    }

    /// Writes the enrollments of chains that have become known.
    pub(crate) fn write_enrolled(&mut self) -> Result<()> {
        self.fleet.as_mut().map_or(Ok(()), Fleet::write)
    }

    /// Checks that a certified key of its chain has signed a checkpoint. `seconds` is the
    /// time of its record. From then on, a chain that the fleet has enrolled is known.
    pub(crate) fn has_signed(&mut self, checkpoint: &Checkpoint, seconds: u64) -> bool {
        let is_signed = self.is_signed(checkpoint, seconds);
        if let (true, Some(fleet), Some(enrollment)) =
            (is_signed, &mut self.fleet, checkpoint.key.enrollment.as_deref())
        {
            return fleet.enroll(checkpoint.chain, enrollment).is_ok();
        }
        is_signed
    }

    fn is_signed(&mut self, checkpoint: &Checkpoint, seconds: u64) -> bool {
        let chain = checkpoint.chain;
        let Some(root) = self.root(checkpoint, seconds) else {
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

/// Returns the length and modification time of a file, or `None` if it does not exist.
fn version(path: &Path, must_exist: bool) -> Result<Option<(u64, SystemTime)>> {
    let file = match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound && !must_exist => return Ok(None),
        file => file.named(path)?,
    };
    Ok(Some((file.len(), file.modified().unwrap_or(SystemTime::UNIX_EPOCH))))
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
