//! Parts: what a verification has read of a part of the logs.
//!
//! A part has what was read, and no conclusions. So a log may be split anywhere: `merge`
//! adds the records of all parts to one state, as `verify` adds them, and draws the
//! conclusions that `verify` draws. Checkpoints are in parts with their signatures, which
//! are verified when parts are merged. So a part outlives changes of rosters and fleets.
//!
//! Whoever merges parts trusts them as the verifier's own memory.
//!
//! | bytes | a part |
//! |---|---|
//! | 0..16 | [`START`], with the format's version |
//! | 16..48 | the part's name: SHA-256 over the names and hashes of its inputs, and over how they were read |
//! | 48..80 | SHA-256 over all behind byte 80 |
//! | 80..88 | the number of bytes behind byte 88, little-endian |
//! | 88.. | the summary, compressed JSON, behind its length in 4 bytes |
//! | .. | blocks: the lengths of the two columns in 4 bytes each, and the columns |
//!
//! Parts may stand in one file one after the other, so `cat` makes one file of many. A
//! part that comes again is skipped by its name.

mod block;
mod blocks;

mod checkpoint;
mod said;

pub(super) use block::Sighting;
use blocks::BLOCK_RECORDS_MAX;
pub(super) use blocks::Blocks;

use super::bytes::Damaged;
use super::chains::{Chains, Unopened};
use super::changes::Altered;
use super::reading::{Other, Reading};
use crate::durable::Replacement;
use crate::input::{self, At, Inputs, Source};
use crate::report::Finding;
use crate::verdict::Verdict;
use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use block::Block;
use flb_audit_core::chain::checkpoint::Checkpoint;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::File;
use std::io::{self, BufRead, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

/// The first bytes of a part. The last of them is the format's version.
const START: [u8; 16] = *b"flb-audit part\n\x03";
/// The first bytes of a part in any version.
pub(super) const MAGIC: &[u8] = START.first_chunk::<15>().expect("15 of 16 bytes");
/// The place of the hash behind the start and the name.
const HASH_AT: u64 = 48;
/// The maximum length of a column or a summary, in bytes.
const COLUMN_BYTES_MAX: u64 = 1 << 30;
/// The level of compression. A column of a block is nearly always zeros.
const ZSTD_LEVEL: i32 = 3;

/// The contents of a part beside its records.
#[derive(Serialize, Deserialize)]
struct Summary {
    /// The names of the inputs, with what was read of each. Records have the places of
    /// their names.
    sources: Vec<(String, Option<input::Stored>)>,
    /// The findings that are of no chain: the first of each kind, and the number of each.
    findings: Vec<SavedFinding>,
    counts: BTreeMap<Verdict, u64>,
    encrypted: BTreeMap<String, Unopened>,
    /// The first altered records, in base64.
    altered: Vec<(String, u64, String)>,
    inputs: Inputs,
}

/// A finding that is of no chain: its verdict, its place, and what it says.
type SavedFinding = (Verdict, Option<(String, u64)>, String);

/// A part while its inputs are read.
pub(super) struct Part<'a> {
    chains: Chains<'a>,
    altered: Altered,
    blocks: Blocks,
    /// The numbers of the inputs that could not be read on.
    pub(super) broken: BTreeSet<usize>,
}

impl<'a> Part<'a> {
    /// Begins a part. `chains` has the names of the inputs, and takes what is no sealed
    /// record.
    pub(super) fn new(chains: Chains<'a>) -> Result<Self> {
        let blocks = Blocks::new().context("no temporary file can be made")?;
        Ok(Part { chains, altered: Altered::default(), blocks, broken: BTreeSet::new() })
    }

    /// Adds what was read of a text.
    pub(super) fn add(
        &mut self,
        at: At,
        reading: Reading<Option<Checkpoint>>,
        altered: Option<Vec<u8>>,
    ) -> Result<()> {
        if let Some(text) = altered {
            self.altered.add(self.chains.findings.names[at.source].clone(), at.number, text);
        }
        match reading {
            Reading::Other(other) => {
                if matches!(other, Other::Broken(_)) {
                    self.broken.insert(at.source);
                }
                self.chains.add_other(at, other);
            }
            Reading::Sealed(sealed, checkpoint, said) => {
                let checkpoint = checkpoint.map(|claimed| claimed.map(Box::new));
                self.blocks.push(Sighting { at, sealed, checkpoint, said: said.map(Arc::from) })?;
            }
        }
        Ok(())
    }

    /// Writes the part. `settings` are the settings on which its contents depend beside
    /// the inputs.
    pub(super) fn write(
        mut self,
        path: &Path,
        inputs: Inputs,
        sources: &[Source],
        settings: &[String],
    ) -> Result<()> {
        let mut blocks = self.blocks.into_short_file().context("no space for the part's records")?;
        let encrypted = std::mem::take(&mut self.chains.encrypted);
        let (first, counts) = self.chains.findings.into_first();
        let finding = |Finding { verdict, at, what, .. }| {
            (verdict, at.map(|(name, number): (Arc<str>, u64)| (name.to_string(), number)), what)
        };
        let altered = self.altered.into_kept();
        let summary = Summary {
            sources: sources.iter().map(|source| (source.name(), source.stored())).collect(),
            findings: first.into_iter().map(finding).collect(),
            counts,
            encrypted: encrypted.into_iter().map(|(name, unopened)| (name.to_string(), unopened)).collect(),
            altered: altered
                .map(|(name, number, text)| (name.to_string(), number, STANDARD.encode(text)))
                .collect(),
            inputs,
        };
        let summary = zstd::bulk::compress(&serde_json::to_vec(&summary)?, ZSTD_LEVEL)?;
        let mut file = Replacement::of(path)?;
        let what = || format!("{}: cannot be written", path.display());
        write(&mut file, &name_of(sources, settings), &summary, &mut blocks).with_context(what)?;
        file.end()
    }
}

fn write(file: &mut Replacement, name: &[u8; 32], summary: &[u8], blocks: &mut File) -> io::Result<()> {
    let length = 4 + summary.len() as u64 + blocks.metadata()?.len();
    file.write_all(&[&START[..], name, &[0; 32]].concat())?;
    let mut hash = Sha256::new();
    let mut put = |bytes: &[u8]| {
        hash.update(bytes);
        file.write_all(bytes)
    };
    put(&length.to_le_bytes())?;
    put(&length_of(summary)?)?;
    put(summary)?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = blocks.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        put(&buffer[..count])?;
    }
    file.seek(SeekFrom::Start(HASH_AT))?;
    file.write_all(&hash.finalize())
}

fn length_of(column: &[u8]) -> io::Result<[u8; 4]> {
    u32::try_from(column.len()).map(u32::to_le_bytes).map_err(io::Error::other)
}

/// Returns the name of a part: of two parts of one name, one is enough.
fn name_of(sources: &[Source], settings: &[String]) -> [u8; 32] {
    let mut hash = Sha256::new_with_prefix(START);
    let mut put = |text: &[u8]| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    put(env!("CARGO_PKG_VERSION").as_bytes());
    put(&(settings.len() as u64).to_le_bytes());
    settings.iter().for_each(|setting| put(setting.as_bytes()));
    let mut inputs: Vec<_> = sources.iter().map(|source| (source.name(), source.stored())).collect();
    inputs.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    for (name, stored) in inputs {
        put(name.as_bytes());
        let stored = stored.map(|stored| [&stored.sha256[..], &stored.bytes.to_le_bytes()].concat());
        put(&stored.unwrap_or_default());
    }
    hash.finalize().into()
}

/// A block as it is stored, and the names of its part's inputs.
pub(super) struct Stored {
    pub(super) sources: Arc<[Arc<str>]>,
    said: Vec<u8>,
    heads: Vec<u8>,
}

impl Stored {
    /// Returns the records of the block.
    pub(super) fn read(self) -> Result<Vec<Sighting>> {
        let said = expand(&self.said)?;
        let mut sightings = Vec::new();
        let block = Block { said, heads: self.heads };
        let mut is_too_long = false;
        let read = block.read(self.sources.len(), |sighting| {
            is_too_long = sightings.len() == BLOCK_RECORDS_MAX;
            sightings.push(sighting);
            if is_too_long { Err(Damaged) } else { Ok(()) }
        });
        ensure!(!is_too_long, "a block has more than {BLOCK_RECORDS_MAX} records");
        read?;
        Ok(sightings)
    }
}

/// The contents of all parts beside their records.
#[derive(Default)]
pub(super) struct Rest {
    pub(super) altered: Altered,
    pub(super) inputs: Inputs,
    /// The logs, with what was read of each.
    pub(super) sources: BTreeSet<(String, Option<input::Stored>)>,
    findings: Vec<(Vec<Finding>, BTreeMap<Verdict, u64>)>,
    encrypted: Vec<(Arc<str>, Unopened)>,
}

impl Rest {
    fn add(&mut self, summary: Summary) -> Result<Arc<[Arc<str>]>, Damaged> {
        let finding = |(verdict, at, what): SavedFinding| {
            let at = at.map(|(name, number)| (name.into(), number));
            Finding { verdict, chain: None, node: None, position: None, at, what }
        };
        self.findings.push((summary.findings.into_iter().map(finding).collect(), summary.counts));
        self.encrypted.extend(summary.encrypted.into_iter().map(|(name, unopened)| (name.into(), unopened)));
        self.inputs.merge(summary.inputs);
        for (name, number, text) in summary.altered {
            self.altered.add(name.into(), number, STANDARD.decode(text).map_err(|_| Damaged)?);
        }
        let names = summary.sources.iter().map(|(name, _)| Arc::from(name.as_str())).collect();
        self.sources.extend(summary.sources);
        Ok(names)
    }

    /// Adds the findings to those of chains.
    pub(super) fn add_to(&mut self, chains: &mut Chains<'_>) {
        for (first, counts) in std::mem::take(&mut self.findings) {
            chains.findings.merge(first, counts);
        }
        for (source, unopened) in std::mem::take(&mut self.encrypted) {
            chains.add_unopened(source, unopened);
        }
    }
}

/// Reads parts, each once.
#[derive(Default)]
pub(super) struct Parts {
    names: HashSet<[u8; 32]>,
    pub(super) rest: Rest,
}

impl Parts {
    /// Reads the parts in a file, and passes their blocks to `see`. Fails if one of them
    /// is damaged, which shows only at its end.
    pub(super) fn read(
        &mut self,
        shown: &str,
        mut file: impl BufRead,
        mut see: impl FnMut(Stored) -> Result<()>,
    ) -> Result<()> {
        let mut is_first = true;
        loop {
            let unread = file.fill_buf().with_context(|| format!("{shown}: cannot be read"))?;
            if unread.is_empty() && !is_first {
                return Ok(());
            }
            let mut start = [0; START.len()];
            let is_read = file.read_exact(&mut start).is_ok();
            if !is_read || start[..START.len() - 1] != START[..START.len() - 1] {
                let what =
                    if is_first { "not a part" } else { "what comes behind a part in it is not a part" };
                bail!("{shown}: {what}, as `flb-audit verify --part` writes them");
            }
            ensure!(
                start == START,
                "{shown}: a part in a version of the format that this flb-audit does not know; make it with this one"
            );
            let damaged = || format!("{shown}: a damaged part, or not all of one; make it again");
            self.read_one(&mut file, &mut see).with_context(damaged)?;
            is_first = false;
        }
    }

    fn read_one(
        &mut self,
        file: &mut impl BufRead,
        see: &mut impl FnMut(Stored) -> Result<()>,
    ) -> Result<()> {
        let (name, stated) = (array::<32>(file)?, array::<32>(file)?);
        let length = array::<8>(file)?;
        let mut body = Body { file, left: u64::from_le_bytes(length), hash: Sha256::new_with_prefix(length) };
        if !self.names.insert(name) {
            return body.skip();
        }
        let summary = body.column()?;
        let summary = body.take(summary)?;
        let summary = expand(&summary).and_then(|text| serde_json::from_slice(&text).map_err(|_| Damaged));
        let sources = summary.and_then(|summary| self.rest.add(summary))?;
        while body.left > 0 {
            let (said, heads) = (body.column()?, body.column()?);
            let (said, heads) = (body.take(said)?, body.take(heads)?);
            see(Stored { sources: sources.clone(), said, heads })?;
        }
        ensure!(body.hash.finalize()[..] == stated, "its hash does not fit its contents");
        Ok(())
    }
}

/// The rest of a part.
struct Body<'a, R> {
    file: &'a mut R,
    left: u64,
    hash: Sha256,
}

impl<R: BufRead> Body<'_, R> {
    /// Reads the length of a column.
    fn column(&mut self) -> Result<u64> {
        let length: [u8; 4] = self.take(4)?[..].try_into()?;
        Ok(u32::from_le_bytes(length).into())
    }

    fn take(&mut self, count: u64) -> Result<Vec<u8>> {
        ensure!(count <= self.left && count <= COLUMN_BYTES_MAX, "a length in it is wrong");
        let mut bytes = Vec::new();
        self.file.take(count).read_to_end(&mut bytes)?;
        ensure!(bytes.len() as u64 == count, "it ends too early");
        self.hash.update(&bytes);
        self.left -= count;
        Ok(bytes)
    }

    fn skip(self) -> Result<()> {
        let skipped = io::copy(&mut self.file.take(self.left), &mut io::sink())?;
        ensure!(skipped == self.left, "it ends too early");
        Ok(())
    }
}

fn array<const N: usize>(file: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn expand(bytes: &[u8]) -> Result<Vec<u8>, Damaged> {
    let mut expanded = Vec::new();
    let decoder = zstd::stream::read::Decoder::new(bytes).map_err(|_| Damaged)?;
    decoder.take(COLUMN_BYTES_MAX).read_to_end(&mut expanded).map_err(|_| Damaged)?;
    Ok(expanded)
}
