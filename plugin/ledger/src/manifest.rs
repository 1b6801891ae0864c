//! What the ledger says of its closed files: manifests and tombstones.
//!
//! They are records of the ledger's own chain, sealed and, if the chain has
//! keys, signed each; so none can be taken away without a trace. All are in one
//! file, [`FILE_NAME`], which grows by some hundred bytes a file and is never
//! cut short.

use crate::closed_files::ClosedFiles;
use crate::frame;
use crate::ledger_chain::Tail;
use crate::record_index::RecordIndex;
use crate::tail::{Expected, Mark};
use crate::tree::Node;
use crate::{Error, Named, Result, faults, private};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flb_audit_core::chain::{ChainId, Life, Place, Run};
use flb_audit_core::hash::Hash;
use flb_audit_core::text::base64url::{hash_from_text, hash_text};
use flb_audit_core::verify::{Checked, Checker, Sealed};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The file's name.
pub const FILE_NAME: &str = "manifests.ndjson";
/// The tag under which they are sealed.
pub const TAG: &str = "flb-audit.ledger";

/// How much is read at once, in bytes.
const READ_BYTES: usize = 256 << 10;
/// How long a line may be, in bytes: a manifest has at most 8192 extents.
const LINE_BYTES_MAX: u64 = 8 << 20;
/// After how many lines the clock is looked at.
const LINES_A_LOOK: u64 = 64;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ledger", rename_all = "lowercase")]
pub enum Statement {
    /// A file was closed.
    File(Manifest),
    /// A file was deleted.
    Deleted(Tombstone),
}

/// What a closed file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The file's number, from 1 on.
    pub number: u64,
    /// Its file.
    pub file: String,
    /// How many records it has; of a damaged one, how many lines, or records in
    /// frames that are whole.
    pub records: u64,
    /// Their lines together, in bytes.
    pub bytes: u64,
    /// The file as it is stored, in bytes.
    pub stored_bytes: u64,
    /// SHA-256 of the file as it is stored, in hexadecimal.
    pub sha256: String,
    /// The root of the Merkle tree over the records, in base64url; of damaged
    /// frames, over those before the damage.
    pub root: String,
    /// The earliest time of a record, in seconds since 1970.
    pub from: u64,
    /// The latest.
    pub to: u64,
    /// When it was closed, likewise.
    pub closed: u64,
    /// Which of its records are intact and follow one another by heads.
    pub extents: Vec<Extent>,
    /// How many of its records are in none of these: they are not as they were
    /// sealed, or there were too many extents.
    #[serde(default)]
    pub loose: u64,
    /// That not all of it could be read: then its file is as it was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damaged: Option<Damage>,
}

/// How a file was found that is not as the ledger had written it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DamageKind {
    /// Some of it cannot be read.
    #[default]
    Damaged,
    /// It has records that the ledger has not written.
    Altered,
    /// Its end is not there.
    Cut,
    /// Nothing is left that says how the ledger had written it.
    Unknown,
}

/// What of a file is not as the ledger had written it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// How it was found.
    #[serde(default)]
    pub kind: DamageKind,
    /// Where the first line or frame begins that is not, or may not be, as it was
    /// written, in bytes.
    pub at: u64,
    /// How many lines, or frames, are such.
    pub lines: u64,
    /// How many records there are before the first of these.
    pub before: u64,
    /// And after it.
    pub after: u64,
}

/// Records of one life that follow one another: each is intact, and goes on from the
/// head of the one before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// The chain.
    pub chain: String,
    /// The segment of the chain.
    pub seg: u64,
    /// And its run.
    pub run: String,
    /// The first record's number.
    pub first: u64,
    /// The last one's.
    pub last: u64,
    /// The head before the first record, in base64url; none of a record in a frame
    /// that is not as it was sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prev: Option<String>,
    /// The head of the last record, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// The number of the last record that is a checkpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<u64>,
    /// The record that the life goes on from, if the first is its first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<Link>,
}

/// A record of an earlier life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Its segment of the chain.
    pub seg: u64,
    /// And the run.
    pub run: String,
    /// Its number.
    pub seq: u64,
}

impl Manifest {
    /// Whether its records are encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.file.contains(".frames")
    }

    /// Whether its file is called as one of this number is.
    pub(crate) fn has_a_name_of_its_number(&self) -> bool {
        let names = [open_name, closed_name, frame::open_name, frame::closed_name];
        names.into_iter().any(|name| name(self.number) == self.file)
    }

    /// How its file was found, in words; none if it is as it was written.
    pub fn found(&self) -> Option<String> {
        let Damage { kind, at, lines, before, after } = self.damaged.as_ref()?;
        let parts = if self.is_encrypted() { "frames" } else { "lines" };
        Some(match kind {
            DamageKind::Damaged if self.is_encrypted() => format!(
                "damaged at byte {at}: frames that are not as they were written: {lines}, after {before} records and \
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
                "cut short: {parts} before the cut, which cannot be told from others without their end: {lines}"
            ),
            DamageKind::Unknown => format!(
                "without anything that says how the ledger had written it: {parts} of which nothing is known: {lines}"
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
        link: Option<Place>,
    ) -> Extent {
        let text = |hash: &Hash| String::from_utf8_lossy(&hash_text(hash)).into_owned();
        let Life { chain, segment: seg, run } = life;
        let link = link.map(|link| Link { seg: link.segment, run: link.run.to_string(), seq: link.sequence });
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
            link,
        }
    }

    /// The head before the first record, and that of the last one.
    pub fn heads(&self) -> Option<(Hash, Hash)> {
        let hash = |text: &Option<String>| hash_from_text(text.as_ref()?.as_bytes());
        Some((hash(&self.prev)?, hash(&self.head)?))
    }

    /// The life; none if the names are none.
    pub fn life(&self) -> Option<Life> {
        let (chain, run) = (self.chain.as_bytes(), self.run.as_bytes());
        Some(Life { chain: ChainId::from_text(chain)?, segment: self.seg, run: Run::from_text(run)? })
    }
}

impl Link {
    /// Where it stands; none if the run's name is none.
    pub fn place(&self) -> Option<Place> {
        let run = Run::from_text(self.run.as_bytes())?;
        Some(Place { segment: self.seg, run, sequence: self.seq })
    }
}

/// Why a file is no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// The file's number.
    pub number: u64,
    /// The file that was deleted.
    pub file: String,
    /// As in its manifest.
    pub sha256: String,
    /// How many records it had.
    pub records: u64,
    /// The property that asked for it: `keep_size` or `keep_age`.
    pub by: String,
}

impl Tombstone {
    /// Whether it is that of the file with this manifest.
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

/// A root as it stands in a manifest.
pub fn root_text(root: &Node) -> String {
    URL_SAFE_NO_PAD.encode(root)
}

/// Reads a line; none if it is no statement. Whether it was sealed as one, and
/// not as a record that came, is for others to see.
pub fn read(line: &[u8]) -> Option<Statement> {
    serde_json::from_slice(line).ok()
}

/// The file of all statements.
pub(crate) struct Manifests {
    file: File,
    path: PathBuf,
    pub(crate) files: ClosedFiles,
    /// The record of the last one that was appended after the journal was written.
    pub(crate) last: Option<Tail>,
    /// Whether all of it is as the ledger has written it.
    pub(crate) is_proven: bool,
    hash: Sha256,
    bytes: u64,
    /// Stretches that are not the ledger's: they stay, and are never believed.
    pub(crate) foreign: Vec<Range<u64>>,
    /// How many bytes of a torn line were cut off.
    pub(crate) cut_bytes: u64,
    /// Where the first line begins that is no statement, in bytes, and how many such
    /// lines there are. They stay, and nobody says anew what they have said: it may
    /// have been altered to that end.
    pub(crate) damaged: Option<(u64, u64)>,
}

impl Manifests {
    /// How the file ends.
    pub(crate) fn mark(&self) -> Mark {
        Mark { bytes: self.bytes, digest: self.hash.clone().finalize().into() }
    }

    /// Adds a sealed statement, for good.
    pub(crate) fn append(&mut self, statement: &Statement, line: &[u8]) -> Result<()> {
        let before = self.file.metadata().named(&self.path)?.len();
        faults::append(&mut self.file, line).and_then(|()| self.file.sync_data()).named(&self.path)?;
        let (len, expected) =
            (std::fs::metadata(&self.path).named(&self.path)?.len(), before + line.len() as u64);
        if len != expected {
            return Err(Error::NotWritten { path: self.path.clone(), len, expected });
        }
        self.hash.update(line);
        self.bytes += line.len() as u64;
        self.files.follow(statement);
        Ok(())
    }
}

/// The file of all statements while it is read, which takes a while if a ledger has
/// closed millions of files.
pub(crate) struct Reading {
    manifests: Manifests,
    reader: BufReader<File>,
    len: u64,
    chain: ChainId,
    expected: Option<Expected>,
    checker: Checker,
    line: Vec<u8>,
}

impl Reading {
    /// Begins to read. Statements are what this chain has sealed as such.
    pub(crate) fn open(directory: &Path, chain: ChainId, expected: Option<Expected>) -> Result<Reading> {
        let path = directory.join(FILE_NAME);
        let file = private().read(true).append(true).create(true).open(&path).named(&path)?;
        // In a component, a file that is appended to is read from its end.
        let reader = BufReader::with_capacity(READ_BYTES, File::open(&path).named(&path)?);
        let len = file.metadata().named(&path)?.len();
        let manifests = Manifests {
            file,
            path,
            files: ClosedFiles::default(),
            last: None,
            is_proven: false,
            hash: Sha256::new(),
            bytes: 0,
            foreign: Vec::new(),
            cut_bytes: 0,
            damaged: None,
        };
        let (checker, line) = (Checker::default(), Vec::new());
        Ok(Reading { manifests, reader, len, chain, expected, checker, line })
    }

    /// How much has been read, in percent.
    pub(crate) fn percent(&self) -> u64 {
        self.manifests.bytes.saturating_mul(100) / self.len.max(1)
    }

    /// Reads on until `is_late` says that it has taken long enough. Returns true at the
    /// end of the file.
    pub(crate) fn read(&mut self, index: &mut RecordIndex, is_late: impl Fn() -> bool) -> Result<bool> {
        for lines in 1_u64.. {
            if !self.read_line(index)? {
                let expected = self.expected.as_ref();
                self.manifests.is_proven = expected.is_some_and(Expected::is_reached);
                return Ok(true);
            }
            if lines.is_multiple_of(LINES_A_LOOK) && is_late() {
                break;
            }
        }
        Ok(false)
    }

    /// What was read.
    pub(crate) fn finish(self) -> Manifests {
        self.manifests
    }

    /// Takes in a line. Returns false at the end.
    fn read_line(&mut self, index: &mut RecordIndex) -> Result<bool> {
        let Reading { manifests, reader, expected, line, .. } = self;
        line.clear();
        if let Some(expected) = expected {
            expected.reach(manifests.bytes, || manifests.mark().digest);
        }
        if reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', line).named(&manifests.path)? == 0 {
            return Ok(false);
        }
        let is_long = line.len() as u64 == LINE_BYTES_MAX;
        let Some(text) = line.strip_suffix(b"\n").or(is_long.then_some(&line[..])) else {
            manifests.cut_bytes = line.len() as u64;
            manifests.file.set_len(manifests.bytes).named(&manifests.path)?;
            return Ok(false);
        };
        let unit = Sha256::digest(text).into();
        let (at, end) = (manifests.bytes, manifests.bytes + line.len() as u64);
        let is_appended = expected.as_mut().and_then(|expected| expected.is_appended(at, &unit));
        let read = read(text).filter(|_| is_appended != Some(false));
        let sealed = read.as_ref().and_then(|_| match self.checker.check(text) {
            Ok(Checked::Sealed(sealed)) => Some(sealed),
            _ => None,
        });
        let is_own =
            |sealed: &Sealed| sealed.is_intact && sealed.is_statement() && sealed.chain == self.chain;
        let before = manifests.files.last();
        if let (Some(statement), Some(sealed)) = (read, sealed.filter(|sealed| is_own(sealed)))
            && manifests.files.follow(&statement)
        {
            match statement {
                Statement::File(manifest) if manifest.number > before => {
                    index.add(manifest.number, manifest.extents);
                }
                Statement::File(_) => {}
                Statement::Deleted(tombstone) => index.forget(tombstone.number),
            }
            if is_appended == Some(true) {
                manifests.last = Some((sealed.place, sealed.head));
            }
        } else {
            manifests.damaged.get_or_insert((at, 0)).1 += 1;
        }
        if is_appended == Some(false) {
            match manifests.foreign.last_mut().filter(|last| last.end == at) {
                Some(last) => last.end = end,
                None => manifests.foreign.push(at..end),
            }
        }
        manifests.hash.update(&*line);
        manifests.bytes = end;
        Ok(true)
    }
}
