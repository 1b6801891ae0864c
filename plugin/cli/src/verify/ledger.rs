//! Reads the manifests and tombstones in a ledger's directory, and compares its files
//! with them.

use super::closed_file::{self, Hashed};
use super::spans::Why;
use super::{Verdict, Verifier};
use crate::input::{LINE_BYTES_MAX, decompressed_bytes_max};
use crate::lines::{lines, read_line};
use crate::report::Findings;
use crate::roster::Roster;
use crate::terminal;
use anyhow::{Context, Result};
use flb_audit_core::chain::ChainId;
use flb_audit_core::verify::{Checked, Checker, Sealed};
use flb_audit_ledger::manifest::{self, DamageKind, Extent, Manifest, Statement, closed_name, open_name};
use flb_audit_ledger::statements::{ClosedFile, Statements};
use flb_audit_ledger::tree::{self, Tree};
use flb_audit_ledger::{DecryptionKeys, frame};
use indicatif::ProgressBar;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The number of bytes that are read at once.
const BUFFER_BYTES: usize = 1 << 20;

/// The error of a statement that is good in itself but counts for nothing.
pub(super) const MISPLACED: &str = "not of this ledger, or not at this place";

/// The error of statements that somebody has signed who may not.
pub(super) const NO_LEDGER: &str = "it says which records a ledger holds or has deleted, and its chain is not a ledger's, \
    so it counts for nothing: somebody may have forged it with the key of a node. If a fleet has enrolled the chain of a \
    ledger as a filter's, enroll it again with `flb-audit init --ledger`";

/// The error of a file in a ledger's directory that the ledger has not written.
pub(crate) const NOT_LISTED: &str = "no manifest says what it holds";

/// The ledgers that a command line names.
#[derive(Default)]
pub(crate) struct Ledgers(Vec<LedgerFiles>);

/// One ledger, as its good manifests and tombstones describe it.
#[derive(Default)]
pub(crate) struct LedgerFiles {
    /// The files that have to match their manifests.
    closed: Vec<(PathBuf, Manifest)>,
    /// The manifests of records that are not here to be checked, each with the reason.
    not_here: Vec<(Manifest, Why)>,
    findings: Vec<(Verdict, String)>,
}

impl LedgerFiles {
    /// Returns the manifests of records that are not here to be checked, each with the
    /// reason.
    fn not_here(&self) -> impl Iterator<Item = (&Manifest, Why)> {
        self.not_here.iter().map(|(manifest, why)| (manifest, *why))
    }

    /// Takes the extents of these records, each with the manifest and the reason.
    pub(super) fn extents(&mut self) -> impl Iterator<Item = (Extent, &Manifest, Why)> {
        self.not_here.iter_mut().flat_map(|(manifest, why)| {
            let extents = std::mem::take(&mut manifest.extents);
            extents.into_iter().map(|extent| (extent, &*manifest, *why))
        })
    }
}

/// A file to be read, and the number of the ledger that it belongs to.
type Owned = (PathBuf, Option<usize>);

impl Ledgers {
    /// Replaces the directory of each ledger by its files. With a roster, only statements
    /// signed by its keys count.
    pub(crate) fn expand(named: Vec<PathBuf>, roster: Option<&Roster>) -> Result<(Vec<Owned>, Ledgers)> {
        let mut ledgers = Ledgers::default();
        let mut files: Vec<Owned> = Vec::new();
        let whole = |path: &Path| path.canonicalize().ok();
        let (directories, mut named): (Vec<PathBuf>, Vec<PathBuf>) =
            named.into_iter().partition(|path| path.join(manifest::FILE_NAME).is_file());
        // A ledger that is named twice, or whose files are named as well, has each record once.
        let mut of_ledgers = BTreeSet::new();
        for directory in directories {
            if whole(&directory).is_none_or(|whole| of_ledgers.insert(whole)) {
                ledgers
                    .add(&directory, roster, &mut files)
                    .with_context(|| format!("{}: cannot be read", directory.display()))?;
            }
        }
        if !of_ledgers.is_empty() {
            let own: BTreeSet<PathBuf> = files.iter().filter_map(|(path, _)| whole(path)).collect();
            named.retain(|path| whole(path).is_none_or(|whole| !own.contains(&whole)));
        }
        files.extend(named.into_iter().map(|path| (path, None)));
        Ok((files, ledgers))
    }

    /// Returns all ledgers, by number.
    pub(super) fn all(&mut self) -> impl Iterator<Item = &mut LedgerFiles> {
        self.0.iter_mut()
    }

    /// Returns the number of records that were deleted according to tombstones.
    pub(super) fn deleted(&self) -> u64 {
        let deleted = self.0.iter().flat_map(LedgerFiles::not_here).filter(|(_, why)| *why == Why::Deleted);
        deleted.fold(0, |sum, (manifest, _)| sum.saturating_add(manifest.records))
    }

    /// Reads the manifests of an export: a ledger of which no file is here. Returns with it the
    /// statements that count, without their extents. The ledger has deleted the records of number 0,
    /// and keeps those of number 1, which may have been left out.
    pub(super) fn of_export(directory: &Path, roster: Option<&Roster>) -> io::Result<(Ledgers, Statements)> {
        let (mut deleted, mut kept) = (LedgerFiles::default(), LedgerFiles::default());
        let (mut stated, _, is_of_ledger) = deleted.read_manifests(directory, roster)?;
        for ClosedFile { manifest, is_deleted } in stated.files_mut() {
            deleted.findings.extend(damaged(directory, manifest));
            let extents = std::mem::take(&mut manifest.extents);
            let mut listed = Manifest { extents, ..manifest.clone() };
            if !*is_deleted {
                listed.extents.iter_mut().for_each(|extent| extent.inner = None);
                kept.not_here.push((listed, Why::Encrypted));
            } else if is_of_ledger {
                deleted.not_here.push((listed, Why::Deleted));
            }
        }
        Ok((Ledgers(vec![deleted, kept]), stated))
    }

    fn add(&mut self, directory: &Path, roster: Option<&Roster>, files: &mut Vec<Owned>) -> io::Result<()> {
        let owner = Some(self.0.len());
        let mut ledger = LedgerFiles::default();
        let (stated, is_whole, is_of_ledger) = ledger.read_manifests(directory, roster)?;
        files.push((directory.join(manifest::FILE_NAME), owner));
        for RecordFile { path, number, is_own } in record_files(directory, &stated, is_whole)? {
            if !is_own && number.is_some() {
                ledger.findings.push((Verdict::Tampered, format!("{}: {NOT_LISTED}", path.display())));
            }
            files.push((path, owner.filter(|_| is_own)));
        }
        for ClosedFile { manifest, is_deleted } in stated.into_files() {
            ledger.findings.extend(damaged(directory, &manifest));
            let path = path_of(directory, &manifest);
            let is_here = path.is_file();
            if is_here {
                let mut manifest = manifest.clone();
                // Only records that are not here can need it.
                manifest.extents.iter_mut().for_each(|extent| extent.inner = None);
                ledger.closed.push((path, manifest));
            } else if !is_deleted || !is_of_ledger {
                let what = format!(
                    "{}: not here, with {} records, and no tombstone {}says why",
                    path.display(),
                    manifest.records,
                    if is_deleted { "of a ledger " } else { "" }
                );
                ledger.findings.push((Verdict::Gap, what));
            }
            if !is_of_ledger {
                continue;
            }
            if is_deleted {
                ledger.not_here.push((manifest, Why::Deleted));
            } else if is_here && manifest.is_encrypted() {
                ledger.not_here.push((manifest, Why::Encrypted));
            }
        }
        self.0.push(ledger);
        Ok(())
    }

    /// Compares closed files with their manifests.
    pub(super) fn check(&mut self, identities: Option<&DecryptionKeys>, findings: &mut Findings) {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let next = AtomicUsize::new(0);
        let closed: Vec<&(PathBuf, Manifest)> = self.0.iter().flat_map(|ledger| &ledger.closed).collect();
        let len = |(path, _): &&(PathBuf, Manifest)| path.metadata().ok().map(|file| file.len());
        let progress = &terminal::progress(closed.iter().map(len).sum());
        let check = || {
            let mut found = Vec::new();
            while let Some((path, manifest)) = closed.get(next.fetch_add(1, Ordering::Relaxed)) {
                let name = path.display();
                let is_as_stated = match path.metadata() {
                    Ok(file) if file.len() != manifest.stored_bytes => Ok(false),
                    Ok(_) if manifest.is_encrypted() => {
                        closed_file::is_as_stated(path, manifest, identities, progress)
                    }
                    Ok(_) => is_as_stated(path, manifest, progress),
                    Err(error) => Err(error),
                };
                match is_as_stated {
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
            let threads: Vec<_> = (0..cores.min(closed.len())).map(|_| scope.spawn(check)).collect();
            let joined = threads.into_iter().map(|thread| {
                thread.join().unwrap_or_else(|_| {
                    vec![(Verdict::Unreadable, "the check of a closed file has failed".to_owned())]
                })
            });
            joined.flatten().collect()
        });
        progress.finish_and_clear();
        let before = self.0.iter_mut().flat_map(|ledger| std::mem::take(&mut ledger.findings));
        for (verdict, what) in before.chain(found) {
            findings.add(verdict, None, None, what);
        }
    }
}

impl LedgerFiles {
    /// Reads the statements that count: they are intact, sealed as statements and, with a
    /// roster, signed by a key of one chain. Also returns whether all lines are such
    /// statements, and whether the chain is a ledger's. If it is not, they account for
    /// nothing.
    fn read_manifests(
        &mut self,
        directory: &Path,
        roster: Option<&Roster>,
    ) -> io::Result<(Statements, bool, bool)> {
        let path = directory.join(manifest::FILE_NAME);
        let (mut good, mut is_whole) = (Good::default(), true);
        let (mut checker, mut verifier) = (Checker::default(), Verifier::new(roster));
        for (number, line) in (1..).zip(lines(BufReader::new(File::open(&path)?))) {
            let line = line?;
            // A bad line makes a finding when it is read as a record, and proves nothing
            // here.
            let Ok(Checked::Sealed(sealed)) = checker.check(&line) else {
                is_whole = false;
                continue;
            };
            // A statement can take more memory than its line, so the line is read as one only if it
            // counts.
            let is_statement = sealed.is_intact && sealed.is_statement();
            let judged = verifier.verify(sealed.checkpoint().as_ref(), Some(sealed.seconds));
            let is_of_ledger = match (judged, roster) {
                (Ok(checkpoint), _) => Some(checkpoint.is_of_ledger()),
                (Err(_), None) => Some(true),
                (Err(_), Some(_)) => None,
            };
            let of_ledger = is_of_ledger.filter(|_| is_statement);
            match of_ledger.and_then(|is_of_ledger| Some((manifest::read(&line)?, is_of_ledger))) {
                Some((statement, is_of_ledger)) => good.add(number, statement, *sealed, is_of_ledger),
                None => is_whole = false,
            }
        }
        let (stated, is_of_ledger) = good.put_together(|number, why| match why {
            Refused::Misplaced => {
                let what = format!("{}:{number}: {MISPLACED}", path.display());
                self.findings.push((Verdict::Tampered, what));
            }
            // It makes a finding when it is read as a record.
            Refused::NoLedger => is_whole = false,
        });
        Ok((stated, is_whole, is_of_ledger))
    }
}

/// The good statements of a file, in their order.
#[derive(Default)]
pub(super) struct Good {
    statements: Vec<(u64, Statement, Sealed)>,
    /// The chains that are ledgers', as one of these statements says.
    ledgers: BTreeSet<ChainId>,
}

impl Good {
    /// Adds the statement in the line of this number.
    pub(super) fn add(&mut self, number: u64, statement: Statement, sealed: Sealed, is_of_ledger: bool) {
        if is_of_ledger {
            self.ledgers.insert(sealed.chain);
        }
        self.statements.push((number, statement, sealed));
    }

    /// Puts the statements together. If any of them is a ledger's, those of other chains
    /// are refused. Passes the number of each refused line to `refuse`. Returns the
    /// statements, and whether they are a ledger's.
    pub(super) fn put_together(self, mut refuse: impl FnMut(u64, Refused)) -> (Statements, bool) {
        let Good { statements, ledgers } = self;
        let mut stated = Statements::default();
        for (number, statement, sealed) in statements {
            if !ledgers.is_empty() && !ledgers.contains(&sealed.chain) {
                refuse(number, Refused::NoLedger);
            } else if !stated.add(statement, &sealed) {
                refuse(number, Refused::Misplaced);
            }
        }
        (stated, !ledgers.is_empty())
    }
}

/// The reason why a good statement counts for nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// The statement's chain is not a ledger's.
    NoLedger,
    /// The statement is of another ledger, or at another place.
    Misplaced,
}

/// Returns the path of a closed file by its number and form, without relying on the name
/// in its manifest.
pub(crate) fn path_of(directory: &Path, manifest: &Manifest) -> PathBuf {
    let number = manifest.number;
    let is_damaged = manifest.damaged.is_some();
    if !manifest.is_encrypted() {
        let name = if is_damaged { open_name } else { closed_name };
        return directory.join(name(number));
    }
    let (active, closed) =
        (directory.join(frame::open_name(number)), directory.join(frame::closed_name(number)));
    // A crash while the file was closed has left it under its old name.
    if is_damaged || !closed.is_file() && active.is_file() { active } else { closed }
}

/// Returns the finding for a file that the ledger found damaged, whether the file still
/// exists or not. The signed manifest does not make its records good.
pub(super) fn damaged(directory: &Path, manifest: &Manifest) -> Option<(Verdict, String)> {
    let verdict = match manifest.damaged.as_ref()?.kind {
        DamageKind::Altered => Verdict::Tampered,
        DamageKind::Cut => Verdict::Gap,
        DamageKind::Damaged | DamageKind::Unknown => Verdict::Unreadable,
    };
    let what = format!("{}: found {}", path_of(directory, manifest).display(), manifest.found()?);
    Some((verdict, what))
}

/// A file in a ledger's directory that may have records.
pub(crate) struct RecordFile {
    pub(crate) path: PathBuf,
    /// The file's number, if the file's name has one.
    pub(crate) number: Option<u64>,
    /// True if the ledger has written it.
    pub(crate) is_own: bool,
}

/// Returns all files that may have records, whatever their names, in order. `is_whole` says that all
/// lines of the manifests are statements.
pub(crate) fn record_files(
    directory: &Path,
    stated: &Statements,
    is_whole: bool,
) -> io::Result<Vec<RecordFile>> {
    let open = stated.last().saturating_add(1);
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if let Some((number, "ndjson" | "ndjson.zst" | "frames" | "frames.open")) = name.split_once('.')
            && name != manifest::FILE_NAME
        {
            let is_closed =
                |number: &u64| [closed_name(*number), frame::closed_name(*number)].contains(&name);
            let number: Option<u64> = number.parse().ok();
            let closed = number.filter(is_closed);
            let is_open_name =
                number.is_some_and(|number| [open_name(number), frame::open_name(number)].contains(&name));
            let path = directory.join(&name);
            let of_number = number.and_then(|number| stated.get(number));
            let is_listed = of_number.is_some_and(|it| path_of(directory, &it.manifest) == path);
            // A crash while a file is closed leaves both of its files. If manifests are
            // damaged, the open file has a later number.
            let is_own = is_listed
                || is_open_name && number == Some(open)
                || is_open_name && number == Some(stated.last())
                || is_open_name && !is_whole && number >= Some(open)
                || closed == Some(open) && is_open(directory, open);
            files.push(RecordFile { path, number, is_own });
        }
    }
    files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// Checks whether an open file of this number exists.
fn is_open(directory: &Path, number: u64) -> bool {
    [open_name(number), frame::open_name(number)].iter().any(|name| directory.join(name).is_file())
}

/// Checks that a file has the hash, the records and the root of its manifest.
fn is_as_stated(path: &Path, manifest: &Manifest, progress: &ProgressBar) -> io::Result<bool> {
    let mut stored = Hashed::open(path, progress)?;
    let decoded: Box<dyn Read + '_> = match manifest.damaged {
        None => Box::new(zstd::stream::read::Decoder::new(&mut stored)?),
        Some(_) => Box::new(&mut stored),
    };
    let mut plain = BufReader::with_capacity(BUFFER_BYTES, decoded);
    let (mut tree, mut records, mut bytes) = (Tree::default(), 0, 0);
    let bytes_max = manifest.bytes.min(decompressed_bytes_max(manifest.stored_bytes));
    let mut line = Vec::new();
    loop {
        let read = read_line(&mut plain, &mut line)?;
        bytes += read as u64;
        if read > LINE_BYTES_MAX || bytes > bytes_max {
            return Ok(false);
        }
        if read == 0 {
            break;
        }
        tree.add(tree::leaf(line.strip_suffix(b"\n").unwrap_or(&line)));
        records += 1;
    }
    drop(plain);
    let root = manifest::root_text(&tree.root());
    let is_same = (records, bytes) == (manifest.records, manifest.bytes) && root == manifest.root;
    Ok(is_same && stored.into_hex()? == manifest.sha256)
}
