//! Records in a temporary file, as the blocks of a part.
//!
//! A record takes a fingerprint if it continues from the one before it in its block, and
//! otherwise two. Each block is sorted by itself, which is enough for logs that come roughly
//! in order. If that leaves a part too long, all its blocks are sorted together.

use super::block::{Block, BlockRecords, Sighting};
use super::{ZSTD_LEVEL, array, expand, length_of};
use flb_audit_core::chain::checkpoint::Checkpoint;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::mem;

/// The maximum number of records in a block. A checkpoint counts as several.
pub(super) const BLOCK_RECORDS_MAX: usize = 1 << 17;
/// The length of a record, in bytes, beyond which blocks are sorted together.
const RECORD_BYTES_MAX: u64 = 20;
/// The number of runs that are merged at a time. Each has a block in memory, which takes 5 MB
/// at the most if no record follows another.
const RUNS_MERGED_MAX: usize = 16;

/// Records in a temporary file.
pub(in crate::verify) struct Blocks {
    block: Vec<Sighting>,
    /// The number of records that would take the memory of `block`.
    weight: usize,
    file: BufWriter<File>,
    /// The beginnings of blocks in the file.
    starts: Vec<u64>,
    /// The length of the file.
    bytes: u64,
    records: u64,
}

impl Blocks {
    pub(in crate::verify) fn new() -> io::Result<Blocks> {
        let file = BufWriter::new(tempfile::tempfile()?);
        Ok(Blocks { block: Vec::new(), weight: 0, file, starts: Vec::new(), bytes: 0, records: 0 })
    }

    /// Adds a record.
    pub(in crate::verify) fn push(&mut self, sighting: Sighting) -> io::Result<()> {
        self.weight += weight(&sighting);
        self.block.push(sighting);
        if self.weight >= BLOCK_RECORDS_MAX { self.end_block() } else { Ok(()) }
    }

    fn end_block(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        self.records += self.block.len() as u64;
        self.weight = 0;
        let Block { said, heads } = Block::of(&mut self.block);
        let said = zstd::bulk::compress(&said, ZSTD_LEVEL)?;
        for column in [&said, &heads] {
            self.file.write_all(&length_of(column)?)?;
        }
        self.file.write_all(&said)?;
        self.file.write_all(&heads)?;
        self.starts.push(self.bytes);
        self.bytes += 8 + said.len() as u64 + heads.len() as u64;
        Ok(())
    }

    /// Returns the file with all blocks, at its start.
    fn into_file(mut self) -> io::Result<File> {
        self.end_block()?;
        let mut file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        Ok(file)
    }

    /// Returns the file with all blocks, at its start. If records take too much space, blocks
    /// are sorted together.
    pub(super) fn into_short_file(mut self) -> io::Result<File> {
        self.end_block()?;
        let mut runs: Vec<Vec<u64>> = self.starts.iter().map(|start| vec![*start]).collect();
        let is_long = self.bytes > self.records * RECORD_BYTES_MAX;
        let mut blocks = self;
        while is_long && runs.len() > 1 {
            let (starts, mut file) = (mem::take(&mut runs), blocks.into_file()?);
            blocks = Blocks::new()?;
            for merged in starts.chunks(RUNS_MERGED_MAX) {
                let first = blocks.starts.len();
                merge(&mut file, merged, &mut blocks)?;
                blocks.end_block()?;
                runs.push(blocks.starts[first..].to_vec());
            }
        }
        blocks.into_file()
    }

    /// Returns all records, in the order of the blocks.
    pub(in crate::verify) fn into_records(self) -> io::Result<Records> {
        let starts = self.starts.len() + usize::from(!self.block.is_empty());
        Ok(Records { file: self.into_file()?, blocks: starts })
    }
}

/// Returns the number of records that would take the memory of a record and its checkpoint,
/// whose certificates take more than the record itself.
fn weight(sighting: &Sighting) -> usize {
    let Some(Some(checkpoint)) = &sighting.checkpoint else { return 1 };
    let key = &checkpoint.key;
    let statements = [size_of_val(&key.certificates[..]), size_of_val(&key.since[..])];
    let bytes = size_of::<Checkpoint>() + statements.iter().sum::<usize>();
    1 + bytes.div_ceil(size_of::<Sighting>())
}

/// Merges runs of sorted blocks, whose beginnings are given, into other blocks.
fn merge(file: &mut File, runs: &[Vec<u64>], out: &mut Blocks) -> io::Result<()> {
    let mut runs: Vec<Run<'_>> = runs.iter().map(|starts| Run { starts, records: None }).collect();
    let mut next = Vec::new();
    for (number, run) in runs.iter_mut().enumerate() {
        if let Some(sighting) = run.next(file)? {
            next.push((sighting, number));
        }
    }
    while let Some(at) = (0..next.len()).min_by_key(|at| next[*at].0.order()) {
        let number = next[at].1;
        out.push(match runs[number].next(file)? {
            Some(sighting) => mem::replace(&mut next[at].0, sighting),
            None => next.swap_remove(at).0,
        })?;
    }
    Ok(())
}

/// Blocks that are sorted together, of which one is in memory.
struct Run<'a> {
    /// The beginnings of the blocks that are still to be read.
    starts: &'a [u64],
    records: Option<BlockRecords>,
}

impl Run<'_> {
    fn next(&mut self, file: &mut File) -> io::Result<Option<Sighting>> {
        loop {
            if let Some(records) = &mut self.records
                && let Some(sighting) = records.next().map_err(io::Error::other)?
            {
                return Ok(Some(sighting));
            }
            let Some((start, rest)) = self.starts.split_first() else { return Ok(None) };
            file.seek(SeekFrom::Start(*start))?;
            self.records = Some(BlockRecords::of(read_block(file)?));
            self.starts = rest;
        }
    }
}

fn read_block(file: &mut impl Read) -> io::Result<Block> {
    let lengths = [array::<4>(file)?, array::<4>(file)?];
    let [mut said, mut heads] = lengths.map(|length| vec![0; u32::from_le_bytes(length) as usize]);
    file.read_exact(&mut said)?;
    file.read_exact(&mut heads)?;
    Ok(Block { said: expand(&said).map_err(io::Error::other)?, heads })
}

/// Records in a temporary file, to be read.
pub(in crate::verify) struct Records {
    file: File,
    /// The number of blocks.
    blocks: usize,
}

impl Records {
    /// Passes each record to `see`.
    pub(in crate::verify) fn read(
        &mut self,
        mut see: impl FnMut(Sighting) -> io::Result<()>,
    ) -> io::Result<()> {
        self.file.rewind()?;
        let mut file = BufReader::new(&mut self.file);
        for _ in 0..self.blocks {
            let mut records = BlockRecords::of(read_block(&mut file)?);
            while let Some(sighting) = records.next().map_err(io::Error::other)? {
                see(sighting)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::At;
    use flb_audit_core::chain::certificate::{Certificate, KeyStatement};
    use flb_audit_core::chain::enrollment::Role;
    use flb_audit_core::chain::signature::PublicKey;
    use flb_audit_core::chain::{ChainId, Place, Run};
    use flb_audit_core::hash::{Algorithm, Hash};
    use flb_audit_core::record::notes::Notes;
    use flb_audit_core::schema::Disposition;
    use flb_audit_core::verify::{Sealed, Validity};

    fn sighting(sequence: u64, certificates: u32) -> Sighting {
        let place = Place { segment: 1, run: Run::FIRST, sequence };
        let chain = ChainId::from_random([1; 9]);
        let sealed = Sealed {
            chain,
            algorithm: Algorithm::default(),
            place,
            previous: Hash::default(),
            head: Hash::default(),
            link: None,
            seconds: 0,
            policy_prefix: None,
            policy: None,
            notes: Notes::NONE,
            is_raw: false,
            is_intact: true,
            unsealed_keys: 0,
            ignored_limit_hit: false,
            is_checkpoint: certificates > 0,
            validity: Validity::NoSchema,
            disposition: Disposition::Mark,
        };
        let public = PublicKey::from_bytes([0; 32]);
        let certificate = |index| Certificate { index, public, role: Role::Filter, signature: [0; 64] };
        let key = KeyStatement {
            certificates: (0..certificates).map(certificate).collect(),
            ..KeyStatement::default()
        };
        let checkpoint = Checkpoint { chain, place, head: sealed.head, key, signature: [0; 64] };
        let checkpoint = sealed.is_checkpoint.then(|| Some(Box::new(checkpoint)));
        Sighting { at: At { source: 0, number: sequence }, sealed, checkpoint, said: None }
    }

    #[test]
    fn a_block_has_fewer_records_if_these_are_checkpoints() {
        for (certificates, blocks_min) in [(0, 0), (20, 1)] {
            let mut blocks = Blocks::new().expect("a file");
            let records = BLOCK_RECORDS_MAX as u64 / 4;
            for sequence in 0..records {
                blocks.push(sighting(sequence, certificates)).expect("space");
            }
            assert_eq!(blocks.starts.len().min(1), blocks_min);
            let mut read = 0;
            let mut count = |_| -> io::Result<()> {
                read += 1;
                Ok(())
            };
            blocks.into_records().expect("a file").read(&mut count).expect("records");
            assert_eq!(read, records);
        }
    }
}
