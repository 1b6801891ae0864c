//! The records of a chunk. The ledger keeps a seal that it believes, and seals all other
//! records itself.

use crate::Result;
use crate::batch::Entry;
use crate::chunk::{Item, items, write_json};
use crate::roster::Roster;
use flb_audit_core::chain::ChainId;
use flb_audit_core::verify::{Checked, Checker, SealedRecord};
use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

/// A record of a chunk.
pub(crate) struct Incoming {
    pub(crate) seconds: u32,
    pub(crate) nanoseconds: u32,
    /// The place of its text in the intake's JSON.
    pub(crate) text: Range<usize>,
    /// The record as it is sealed. `None` if the ledger has to seal it.
    pub(crate) sealed: Option<Entry>,
}

/// Reads chunks. It keeps its memory between chunks.
pub(crate) struct Intake {
    checker: Checker,
    roster: Roster,
    /// The ledger's own chain.
    own: ChainId,
    /// The JSON of a chunk's records.
    pub(crate) json: Vec<u8>,
    /// The number of records in the chunk whose seal is not believed.
    pub(crate) doubted: u64,
    /// The number of bytes at the end of the chunk that cannot be decoded.
    pub(crate) unreadable: usize,
}

impl Intake {
    pub(crate) fn new(own: ChainId, roster: Roster) -> Self {
        Intake { checker: Checker::default(), roster, own, json: Vec::new(), doubted: 0, unreadable: 0 }
    }

    /// Reads the records of a chunk.
    pub(crate) fn read(&mut self, chunk: &[u8]) -> Result<Vec<Incoming>> {
        let mut incoming = self.read_once(chunk);
        // A node may have been added to the roster since the last chunk.
        if self.doubted > 0 && self.roster.read_again()? {
            incoming = self.read_once(chunk);
        }
        self.roster.write_enrolled()?;
        Ok(incoming)
    }

    fn read_once(&mut self, chunk: &[u8]) -> Vec<Incoming> {
        self.json.clear();
        self.doubted = 0;
        self.unreadable = 0;
        let mut incoming = Vec::new();
        for item in items(chunk) {
            let start = self.json.len();
            let time = match item {
                Item::Group => continue,
                Item::Record(record) => {
                    if write_json(record.body, &mut self.json).is_none() {
                        // The bytes are sealed as they are: the core says what is wrong
                        // with them.
                        self.json.truncate(start);
                        self.json.extend_from_slice(record.body);
                    }
                    record.time
                }
                Item::Other(bytes) => {
                    self.json.extend_from_slice(bytes);
                    None
                }
                Item::Unreadable(bytes) => {
                    self.unreadable = bytes.len();
                    self.json.extend_from_slice(bytes);
                    None
                }
            };
            let (seconds, nanoseconds) = time.unwrap_or_else(|| {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                (now.as_secs().try_into().unwrap_or(u32::MAX), 0)
            });
            let text = start..self.json.len();
            let sealed = self.sealed(text.clone());
            incoming.push(Incoming { seconds, nanoseconds, text, sealed });
        }
        incoming
    }

    /// Checks whether a record belongs to the ledger's own chain. Such a record is
    /// believed only if the ledger already holds it.
    pub(crate) fn is_own(&self, entry: &Entry) -> bool {
        entry.id.life.chain == self.own
    }

    fn sealed(&mut self, text: Range<usize>) -> Option<Entry> {
        let text = &self.json[text];
        // A record with an invalid seal is sealed again here; the invalid seal stays in
        // its content.
        let Ok(Checked::Sealed(sealed)) = self.checker.check(text) else {
            return None;
        };
        let is_believed = is_believed(&sealed, self.own, &mut self.roster);
        self.doubted += u64::from(!is_believed);
        is_believed.then(|| Entry::of(&sealed, text))
    }
}

fn is_believed(sealed: &SealedRecord<'_>, own: ChainId, roster: &mut Roster) -> bool {
    if !sealed.is_intact || sealed.chain == own {
        return sealed.is_intact;
    }
    if !sealed.is_checkpoint {
        return roster.has(&sealed.chain, sealed.seconds);
    }
    sealed.checkpoint().is_some_and(|checkpoint| roster.has_signed(&checkpoint, sealed.seconds))
}
