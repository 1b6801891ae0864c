//! The directory of a ledger: what its manifests and tombstones say, and
//! whether its files are as they say.

use super::chains::{Findings, Life};
use super::{Verdict, Verifier};
use crate::roster::Roster;
use anyhow::{Context, Result};
use flb_audit_core::check::{Checked, Checker};
use flb_audit_core::seal::{ChainId, Place, Run};
use flb_audit_ledger::manifest::{self, Manifest, Statement, active_name, closed_name};
use flb_audit_ledger::tree::{self, Tree};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// How much of a file is read at once, in bytes.
const BUFFER_BYTES: usize = 1 << 20;

/// What was deleted by tombstones.
#[derive(Default)]
pub(super) struct Deleted {
    extents: HashMap<(ChainId, Life), Vec<RangeInclusive<u64>>>,
    /// What lives went on from whose first record was deleted.
    links: HashMap<(ChainId, Life), Place>,
    /// How many records.
    pub(super) records: u64,
}

impl Deleted {
    /// What a life went on from whose first record was deleted.
    pub(super) fn link(&self, chain: ChainId, life: Life) -> Option<Place> {
        self.links.get(&(chain, life)).copied()
    }

    /// What of these records was not deleted.
    pub(super) fn without(
        &self,
        chain: ChainId,
        life: Life,
        records: RangeInclusive<u64>,
    ) -> Vec<RangeInclusive<u64>> {
        let mut left = vec![records];
        for deleted in self.extents.get(&(chain, life)).into_iter().flatten() {
            let cut = |range: RangeInclusive<u64>| {
                let (start, end) = (*range.start(), *range.end());
                let before = deleted.start().checked_sub(1).map(|last| start..=end.min(last));
                let after = deleted.end().checked_add(1).map(|first| start.max(first)..=end);
                [before, after].into_iter().flatten().filter(|range| !range.is_empty())
            };
            left = left.into_iter().flat_map(cut).collect();
        }
        left
    }

    pub(super) fn add(&mut self, manifest: &Manifest) {
        self.records = self.records.saturating_add(manifest.records);
        for extent in &manifest.extents {
            let chain = ChainId::from_text(extent.chain.as_bytes());
            if let (Some(chain), Some(run)) = (chain, Run::from_text(extent.run.as_bytes())) {
                let extents = self.extents.entry((chain, (extent.seg, run))).or_default();
                extents.push(extent.first..=extent.last);
                if let Some(link) = &extent.link
                    && let Some(link_run) = Run::from_text(link.run.as_bytes())
                {
                    let link = Place { segment: link.seg, run: link_run, sequence: link.seq };
                    self.links.insert((chain, (extent.seg, run)), link);
                }
            }
        }
    }
}

/// The ledgers among what a command line names.
#[derive(Default)]
pub(crate) struct Ledgers {
    pub(super) deleted: Deleted,
    /// Files that are to be as their manifests say.
    closed: Vec<(PathBuf, Manifest)>,
    findings: Vec<(Verdict, String)>,
}

impl Ledgers {
    /// Puts the files of each ledger in place of its directory. With a roster,
    /// only what its keys have signed says anything.
    pub(crate) fn expand(named: Vec<PathBuf>, roster: Option<&Roster>) -> Result<(Vec<PathBuf>, Ledgers)> {
        let mut ledgers = Ledgers::default();
        let mut files = Vec::new();
        for path in named {
            if path.join(manifest::FILE_NAME).is_file() {
                ledgers
                    .add(&path, roster, &mut files)
                    .with_context(|| format!("{}: cannot be read", path.display()))?;
            } else {
                files.push(path);
            }
        }
        Ok((files, ledgers))
    }

    fn add(&mut self, directory: &Path, roster: Option<&Roster>, files: &mut Vec<PathBuf>) -> io::Result<()> {
        let path = directory.join(manifest::FILE_NAME);
        let mut manifests: BTreeMap<u64, Option<Manifest>> = BTreeMap::new();
        let (mut checker, mut verifier) = (Checker::default(), Verifier::new(roster));
        for line in BufReader::new(File::open(&path)?).split(b'\n') {
            let line = line?;
            // What is not good is found as a record, and proves nothing here.
            let is_good = match checker.check(&line) {
                Ok(Checked::Sealed(sealed)) if sealed.is_intact && sealed.is_statement => {
                    roster.is_none()
                        || verifier.verify(checker.checkpoint(&line, &sealed).as_ref()).flaw.is_none()
                }
                _ => false,
            };
            match manifest::read(&line).filter(|_| is_good) {
                Some(Statement::Segment(manifest)) => {
                    self.findings.extend(damaged(directory, &manifest));
                    manifests.insert(manifest.number, Some(manifest));
                }
                Some(Statement::Deleted(tombstone)) => {
                    if let Some(manifest) = manifests.insert(tombstone.number, None).flatten() {
                        self.deleted.add(&manifest);
                    }
                }
                None => {}
            }
        }
        files.push(path);
        let named = |number: u64, name: String| -> (u64, PathBuf) { (number, directory.join(name)) };
        for number in numbers(directory)? {
            let (number, closed) = named(number, closed_name(number));
            let (_, active) = named(number, active_name(number));
            match manifests.get(&number) {
                // Deleted, but for a crash.
                Some(None) => {}
                Some(Some(manifest)) => files.push(path_of(directory, manifest)),
                // A crash in closing a segment has left both.
                None if active.is_file() => files.push(active),
                None => {
                    let what = format!("{}: no manifest says what it holds", closed.display());
                    self.findings.push((Verdict::Tampered, what));
                    files.push(closed);
                }
            }
        }
        for manifest in manifests.into_values().flatten() {
            let path = path_of(directory, &manifest);
            if path.is_file() {
                self.closed.push((path, manifest));
            } else {
                let what = format!(
                    "{}: not here, with {} records, and no tombstone says why",
                    path.display(),
                    manifest.records
                );
                self.findings.push((Verdict::Gap, what));
            }
        }
        Ok(())
    }

    /// Holds the files of closed segments against their manifests.
    pub(super) fn check(&mut self, findings: &mut Findings) {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let next = AtomicUsize::new(0);
        let check = || {
            let mut found = Vec::new();
            while let Some((path, manifest)) = self.closed.get(next.fetch_add(1, Ordering::Relaxed)) {
                let name = path.display();
                match is_as_stated(path, manifest) {
                    Ok(true) => {}
                    Ok(false) => {
                        found.push((Verdict::Tampered, format!("{name}: not what its manifest says")))
                    }
                    Err(error) => found.push((Verdict::Unreadable, format!("{name}: {error}"))),
                }
            }
            found
        };
        let found: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..cores.min(self.closed.len())).map(|_| scope.spawn(check)).collect();
            let joined = threads.into_iter().map(|thread| {
                thread.join().unwrap_or_else(|_| {
                    vec![(Verdict::Unreadable, "the check of a segment has failed".to_owned())]
                })
            });
            joined.flatten().collect()
        });
        for (verdict, what) in std::mem::take(&mut self.findings).into_iter().chain(found) {
            findings.add(verdict, None, None, what);
        }
    }
}

/// Where a closed segment is, whatever file its manifest names.
fn path_of(directory: &Path, manifest: &Manifest) -> PathBuf {
    let name = if manifest.damaged.is_some() { active_name } else { closed_name };
    directory.join(name(manifest.number))
}

/// What is to be said of a segment that was found damaged, whether it is still
/// there or not: that somebody has signed it makes nothing of it good.
pub(super) fn damaged(directory: &Path, manifest: &Manifest) -> Option<(Verdict, String)> {
    let damage = manifest.damaged.as_ref()?;
    let what = format!(
        "{}: found damaged at byte {}: lines that are no sealed records: {}, after {} records and before {}",
        path_of(directory, manifest).display(),
        damage.at,
        damage.lines,
        damage.before,
        damage.after
    );
    Some((Verdict::Unreadable, what))
}

/// The numbers of all segments that have a file, in order.
fn numbers(directory: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if let Some((number, "ndjson" | "ndjson.zst")) = name.split_once('.')
            && let Ok(number) = number.parse()
        {
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

/// Whether a file has the hash, the records and the root of its manifest.
fn is_as_stated(path: &Path, manifest: &Manifest) -> io::Result<bool> {
    let mut stored = Hashed { file: File::open(path)?, hash: Sha256::new() };
    let decoded: Box<dyn Read + '_> = match manifest.damaged {
        None => Box::new(zstd::stream::read::Decoder::new(&mut stored)?),
        Some(_) => Box::new(&mut stored),
    };
    let mut plain = BufReader::with_capacity(BUFFER_BYTES, decoded);
    let (mut tree, mut records, mut bytes) = (Tree::default(), 0, 0);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = plain.read_until(b'\n', &mut line)?;
        if read == 0 {
            break;
        }
        tree.add(tree::leaf(line.strip_suffix(b"\n").unwrap_or(&line)));
        records += 1;
        bytes += read as u64;
    }
    drop(plain);
    io::copy(&mut stored, &mut io::sink())?;
    let sha256: String = stored.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let root = manifest::root_text(&tree.root());
    Ok((records, bytes) == (manifest.records, manifest.bytes)
        && root == manifest.root
        && sha256 == manifest.sha256)
}

/// A file whose bytes are hashed as they are read.
struct Hashed {
    file: File,
    hash: Sha256,
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.hash.update(&buffer[..read]);
        Ok(read)
    }
}
