//! The ledger's statements about its closed files: manifests and tombstones.
//!
//! Statements are records of the ledger's own chain. Each is sealed and, if the chain has
//! keys, signed, so none can be removed without a trace. All of them are in one file,
//! [`FILE_NAME`], which grows with each closed file and is never shortened.

use crate::batch::Beginning;
use crate::runs::{RUNS_DUE, RUNS_MAX};
use crate::tree::Node;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flb_audit_core::chain::checkpoint::CHECKPOINT_RECORDS_MAX;
use flb_audit_core::chain::{self, ChainId, Life, Place, Run};
use flb_audit_core::hash::Hash;
use flb_audit_core::record::notes::Notes;
use flb_audit_core::text::base64url::{hash_from_text, hash_text};
use serde::{Deserialize, Serialize};

/// The file's name.
pub const FILE_NAME: &str = "manifests.ndjson";
/// The tag under which statements are sealed.
pub const TAG: &str = "flb-audit.ledger";

/// The maximum length of a statement, in bytes. A manifest has at most [`EXTENTS_MAX`] extents, of some
/// 330 bytes each, and the beginnings of 131,072 heads: together 6.2 MB.
pub(crate) const LINE_BYTES_MAX: usize = 8 << 20;
/// The maximum number of extents in a manifest. Runs that a filter has signed can be divided
/// even if a chunk of a client has filled up the runs.
pub(crate) const EXTENTS_MAX: usize = RUNS_MAX + RUNS_DUE;

/// A statement about a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "ledger", rename_all = "lowercase")]
pub enum Statement {
    /// A file was closed.
    File(Manifest),
    /// A file was deleted.
    Deleted(Tombstone),
}

/// The content of a closed file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The file's number, counted from 1.
    pub number: u64,
    /// The file's name.
    pub file: String,
    /// The number of records. For a damaged file: the number of lines, or of records in
    /// whole frames.
    pub records: u64,
    /// The length of the records' lines together, in bytes.
    pub bytes: u64,
    /// The length of the stored file, in bytes.
    pub stored_bytes: u64,
    /// SHA-256 of the stored file, in hexadecimal.
    pub sha256: String,
    /// The root of the Merkle tree over the records, in base64url. For damaged frames:
    /// over the records before the damage.
    pub root: String,
    /// The earliest time of a record, in seconds since 1970.
    pub from: u64,
    /// The latest time of a record, in seconds since 1970.
    pub to: u64,
    /// The time at which the file was closed, in seconds since 1970.
    pub closed: u64,
    /// The intact records that follow one another by heads.
    pub extents: Vec<Extent>,
    /// The number of records that are in no extent: they are not as they were sealed, or
    /// there were too many extents.
    #[serde(default)]
    pub loose: u64,
    /// The damage, if some of the file could not be read. The file then stays as it was
    /// found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damaged: Option<Damage>,
}

/// The way in which a file differs from the file as the ledger wrote it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DamageKind {
    /// Some of it cannot be read.
    #[default]
    Damaged,
    /// The file has records that the ledger has not written.
    Altered,
    /// The end of the file is missing.
    Cut,
    /// No evidence is left of how the ledger had written the file.
    Unknown,
}

/// The part of a file that differs from the file as the ledger wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// The kind of damage.
    #[serde(default)]
    pub kind: DamageKind,
    /// The place of the first line or frame that was, or may have been, changed, in
    /// bytes.
    pub at: u64,
    /// The number of lines or frames that were, or may have been, changed.
    pub lines: u64,
    /// The number of records before the first of these.
    pub before: u64,
    /// The number of records after the first of these.
    pub after: u64,
}

/// The number of a head's first characters in [`Extent::inner`]. They are 12 bytes, so that
/// to find a record with another's beginning takes 2^96 hashes.
pub const BEGINNING_LEN: usize = 16;
/// The maximum number of heads in [`Extent::inner`]. A filter with keys seals no more records
/// than these in a row without signing one.
const LISTED_MAX: usize = CHECKPOINT_RECORDS_MAX as usize - 1;

/// Records of one life that follow one another: each is intact, and goes on from the
/// head of the one before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// The chain.
    pub chain: String,
    /// The segment's run.
    pub seg: u64,
    /// The run of that segment.
    pub run: String,
    /// The number of the first record.
    pub first: u64,
    /// The number of the last record.
    pub last: u64,
    /// The head before the first record, in base64url. Missing for a record in a frame
    /// that is not as it was sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prev: Option<String>,
    /// The head of the last record, in base64url. Missing if `prev` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// The number of the last record that is a checkpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<u64>,
    /// The numbers of the first and the last key that have signed records. All keys between them
    /// have done so as well: otherwise this is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<[u32; 2]>,
    /// The record that the life continues from, if the extent begins with the life's
    /// first record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<Link>,
    /// The notes on the node's state in the life's first record, if the extent begins with it
    /// and there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<Vec<String>>,
    /// The beginnings of the heads of the first records, [`BEGINNING_LEN`] characters each.
    /// The head of the last record is never among them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inner: Option<String>,
}

/// A record of an earlier life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The segment of the chain.
    pub seg: u64,
    /// The segment's run.
    pub run: String,
    /// The record's number.
    pub seq: u64,
    /// The records up to this one that may never have been delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsettled: Option<Unsettled>,
}

/// The first of the records that may never have been delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsettled {
    /// The segment of the chain.
    pub seg: u64,
    /// The segment's run.
    pub run: String,
    /// The record's number.
    pub seq: u64,
    /// The head before the record, in base64url.
    pub head: String,
}

impl Manifest {
    /// Checks whether the file's records are encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.file.contains(".frames")
    }

    /// Describes the damage in words. Returns `None` if the file is as it was written.
    pub fn found(&self) -> Option<String> {
        let Damage { kind, at, lines, before, after } = self.damaged.as_ref()?;
        let parts = if self.is_encrypted() { "frames" } else { "lines" };
        Some(match kind {
            DamageKind::Damaged if self.is_encrypted() => format!(
                "damaged at byte {at}: {lines} frames are not as they were written, after {before} records and \
                                  before {after}"
            ),
            DamageKind::Damaged => format!(
                "damaged at byte {at}: lines that are no sealed records: {lines}, after {before} records and before \
                 {after}"
            ),
            DamageKind::Altered => format!(
                "altered at byte {at} or behind it: {parts} that the ledger may not have written: {lines}, after {before} \
                 records"
            ),
            DamageKind::Cut => format!(
                "cut short: {parts} before the cut, which cannot be verified without their end: {lines}"
            ),
            DamageKind::Unknown => format!(
                "without anything that says how the ledger had written it: {parts} of unknown origin: {lines}"
            ),
        })
    }
}

impl Extent {
    pub(crate) fn new(
        life: Life,
        first: u64,
        last: u64,
        heads: Option<(&Hash, &Hash)>,
        beginning: Option<Beginning>,
    ) -> Extent {
        let Life { chain, segment: seg, run } = life;
        let (prev, head) = heads.map(|(prev, head)| (text(prev), text(head))).unzip();
        Extent {
            chain: chain.to_string(),
            seg,
            run: run.to_string(),
            first,
            last,
            prev,
            head,
            signed: None,
            keys: None,
            link: beginning.and_then(|beginning| beginning.link).map(Link::from),
            notes: beginning.and_then(|beginning| state_words(beginning.notes)),
            inner: None,
        }
    }

    /// Adds the beginnings of the heads of the first records, of up to [`LISTED_MAX`].
    pub(crate) fn with_inner<'a>(mut self, heads: impl IntoIterator<Item = &'a Hash>) -> Extent {
        for head in heads.into_iter().take(LISTED_MAX) {
            let beginning = hash_text(head).map(char::from).into_iter().take(BEGINNING_LEN);
            self.inner.get_or_insert_default().extend(beginning);
        }
        self
    }

    /// Removes what is listed of heads beyond this number. Returns the number of heads that are
    /// listed then.
    pub(crate) fn limit_inner(&mut self, heads: usize) -> usize {
        self.inner.as_mut().map_or(0, |inner| {
            inner.truncate(heads * BEGINNING_LEN);
            inner.len() / BEGINNING_LEN
        })
    }

    /// Returns the head before the first record, and the head of the last record.
    pub fn heads(&self) -> Option<(Hash, Hash)> {
        let hash = |text: &Option<String>| hash_from_text(text.as_ref()?.as_bytes());
        Some((hash(&self.prev)?, hash(&self.head)?))
    }

    /// Returns the notes on the node's state, as far as their words are known.
    pub fn notes(&self) -> Notes {
        let mut notes = Notes::NONE;
        self.notes.iter().flatten().for_each(|word| notes.insert(Notes::from_word(word.as_bytes())));
        notes
    }

    /// Returns the life. Returns `None` if a name does not parse.
    pub fn life(&self) -> Option<Life> {
        let (chain, run) = (self.chain.as_bytes(), self.run.as_bytes());
        Some(Life { chain: ChainId::from_text(chain)?, segment: self.seg, run: Run::from_text(run)? })
    }
}

fn text(hash: &Hash) -> String {
    String::from_utf8_lossy(&hash_text(hash)).into_owned()
}

/// Returns the words of those notes that a verifier needs of a record that is not here.
fn state_words(notes: Notes) -> Option<Vec<String>> {
    let of_state = [Notes::STATE_DAMAGED, Notes::STATE_SET_BACK];
    let words = of_state.into_iter().filter(|note| notes.contains(*note)).flat_map(Notes::words);
    let words: Vec<String> = words.map(str::to_owned).collect();
    (!words.is_empty()).then_some(words)
}

impl From<chain::Link> for Link {
    fn from(chain::Link { place, unsettled }: chain::Link) -> Self {
        let unsettled = unsettled.map(|chain::Unsettled { place, head }| Unsettled {
            seg: place.segment,
            run: place.run.to_string(),
            seq: place.sequence,
            head: text(&head),
        });
        Link { seg: place.segment, run: place.run.to_string(), seq: place.sequence, unsettled }
    }
}

impl Link {
    /// Returns the link as it is in a seal. Returns `None` if the run's name does not parse. What
    /// `unsettled` says does not count if no filter writes it like this.
    pub fn read(&self) -> Option<chain::Link> {
        let place = place_of(self.seg, &self.run, self.seq)?;
        let unsettled = self.unsettled.as_ref().and_then(|Unsettled { seg, run, seq, head }| {
            let head = hash_from_text(head.as_bytes())?;
            Some(chain::Unsettled { place: place_of(*seg, run, *seq)?, head })
        });
        let is_before = |of: &chain::Unsettled| of.place.position() <= place.after().position();
        Some(chain::Link { place, unsettled: unsettled.filter(is_before) })
    }
}

fn place_of(segment: u64, run: &str, sequence: u64) -> Option<Place> {
    Some(Place { segment, run: Run::from_text(run.as_bytes())?, sequence })
}

/// The ledger's statement that it has deleted a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// The file's number.
    pub number: u64,
    /// The file that was deleted.
    pub file: String,
    /// SHA-256 of the file, as in its manifest.
    pub sha256: String,
    /// The number of records that it had.
    pub records: u64,
    /// The property that asked for the deletion: `keep_size` or `keep_age`.
    pub by: String,
}

impl Tombstone {
    /// Checks whether the tombstone is about the file of this manifest.
    pub fn is_of(&self, manifest: &Manifest) -> bool {
        (self.number, &self.file, &self.sha256, self.records)
            == (manifest.number, &manifest.file, &manifest.sha256, manifest.records)
    }
}

/// The name of the file that records are appended to.
pub fn open_name(number: u64) -> String {
    format!("{number:08}.ndjson")
}

/// The name of a closed file.
pub fn closed_name(number: u64) -> String {
    format!("{number:08}.ndjson.zst")
}

/// Returns a root as text, as it stands in a manifest.
pub fn root_text(root: &Node) -> String {
    URL_SAFE_NO_PAD.encode(root)
}

/// Reads a line. Returns `None` if it is not a statement, or has more bytes or extents than the ledger
/// writes. The caller has to check that the line was sealed as a statement and did not come as a
/// record.
pub fn read(line: &[u8]) -> Option<Statement> {
    // The kind is read first, so that nothing else of a long line is held in another form.
    let Kind { ledger } = parsed(line).filter(|_| line.len() <= LINE_BYTES_MAX)?;
    match ledger {
        About::File => {
            let manifest = parsed(line).filter(|manifest: &Manifest| manifest.extents.len() <= EXTENTS_MAX);
            manifest.map(Statement::File)
        }
        About::Deleted => parsed(line).map(Statement::Deleted),
    }
}

/// The kind of a statement.
#[derive(Deserialize)]
struct Kind {
    ledger: About,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum About {
    File,
    Deleted,
}

fn parsed<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Option<T> {
    serde_json::from_slice(line).ok()
}
