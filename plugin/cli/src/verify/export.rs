//! Verifies the directory that `flb-audit export` writes: records, their proofs, and the
//! manifests to which the proofs lead.
//!
//! An export is part of a ledger, so records before the first and after the last one are
//! not missed. Missing records between them are reported, unless they were deleted.

use super::ledger::{Good, MISPLACED, NO_LEDGER, Refused, damaged};
use super::signatures::{BadCheckpoint, Flaw};
use super::spans::{Span, Spans, Why};
use super::wording::{extent, named};
use super::{Verdict, Verifier};
use crate::export::{PROOFS, Proof, RECORDS};
use crate::input::check_is_file;
use crate::lines::lines;
use crate::report::{Envelope, Findings};
use crate::roster::Roster;
use crate::stdout;
use crate::terminal::{self, PROVEN};
use anyhow::{Context, Result};
use flb_audit_core::chain::{ChainId, Life, Place, Position};
use flb_audit_core::hash::Hash;
use flb_audit_core::verify::{Checked, Checker, Sealed};
use flb_audit_ledger::manifest::{self, FILE_NAME};
use flb_audit_ledger::statements::{ClosedFile, Statements};
use indicatif::ProgressBar;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// Checks whether a directory has the files of an export. That does not make it an
/// export: anybody who can write to the store can add files, so the operator has to say
/// that it is one.
pub(super) fn looks_like_export(directory: &Path) -> bool {
    directory.join(PROOFS).is_file() && directory.join(RECORDS).is_file()
}

/// The result of verifying an export.
pub(super) struct Exported(Envelope<Counts>);

/// The counts of the report.
#[derive(Serialize)]
struct Counts {
    /// The number of lines.
    records: u64,
    /// The number of records that are as they were sealed and whose proofs lead to a
    /// manifest.
    proven: u64,
    /// The number of records without a proof.
    unproven: u64,
    /// The number of records that are known to be missing.
    missing: u64,
    /// The number of manifests that count.
    manifests: usize,
    /// The node whose chain has signed the manifests.
    #[serde(skip_serializing_if = "Option::is_none")]
    ledger: Option<String>,
    /// The last of the manifests and tombstones, which tells from which state of the ledger
    /// the export was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
}

/// The head before each record of a life, and its own head, by the record's number.
type Heads = BTreeMap<u64, (Hash, Hash)>;

/// The state while an export is read.
struct Reading<'a> {
    directory: &'a Path,
    progress: ProgressBar,
    roster: Option<&'a Roster>,
    findings: Findings,
    stated: Statements,
    /// The nodes of chains that a fleet has enrolled, as their statements say.
    enrolled: BTreeMap<ChainId, String>,
    deleted: Spans,
    /// The records that the files which are kept hold.
    kept: Spans,
    /// The places of the manifests, which are records, too.
    places: BTreeSet<(Life, u64)>,
    lives: BTreeMap<ChainId, BTreeMap<Life, Heads>>,
    /// For each life whose first record is here: the record from which the life
    /// continues.
    links: HashMap<Life, Place>,
    /// The places in files that have been proven.
    proven: HashSet<(u64, u64)>,
    /// The records that have been proven.
    proven_records: HashSet<(Life, u64)>,
    /// The records without a proof that are listed in a file which is kept, each with its line.
    listed: Vec<(String, Life, u64)>,
    records: u64,
    unproven: u64,
    missing: u64,
}

impl Exported {
    /// Checks an export's directory.
    pub(super) fn check(directory: &Path, roster: Option<&Roster>) -> Result<Exported> {
        let len = |name: &str| directory.join(name).metadata().ok().map(|file| file.len());
        let bytes = [FILE_NAME, RECORDS, PROOFS].into_iter().map(len).sum();
        let mut reading = Reading {
            directory,
            progress: terminal::progress(bytes),
            roster,
            findings: Findings::default(),
            stated: Statements::default(),
            enrolled: BTreeMap::new(),
            deleted: Spans::default(),
            kept: Spans::default(),
            places: BTreeSet::new(),
            lives: BTreeMap::new(),
            links: HashMap::new(),
            proven: HashSet::new(),
            proven_records: HashSet::new(),
            listed: Vec::new(),
            records: 0,
            unproven: 0,
            missing: 0,
        };
        reading.read_manifests()?;
        reading.read_records()?;
        reading.progress.finish_and_clear();
        reading.check_listed();
        reading.find_missing();
        Ok(reading.finish())
    }

    pub(super) fn verdict(&self) -> Verdict {
        self.0.verdict()
    }

    /// Returns the report as JSON.
    pub(super) fn to_json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(&self.0)? + "\n")
    }
}

/// Writes the report for a person. An export has no anchor, so the word `intact` would
/// claim too much.
impl fmt::Display for Exported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write_findings(f)?;
        let name = if self.verdict() == Verdict::Intact { PROVEN } else { self.verdict().name() };
        let Counts { records, proven, manifests, unproven, missing, ledger, state } = &self.0.verified;
        let ledger = ledger.as_deref().map_or_else(|| "somebody".into(), stdout::shown);
        writeln!(
            f,
            "{name}: of {records} records {proven} are intact, and stored so by the ledger of {ledger}, as {manifests} \
             manifests state; {unproven} have no proof, {missing} between them are missing"
        )?;
        match state {
            Some(state) => writeln!(f, "the ledger's last statement in it is {state}"),
            None => Ok(()),
        }
    }
}

impl Reading<'_> {
    fn add(&mut self, verdict: Verdict, what: impl Into<String>) {
        self.findings.add(verdict, None, None, what);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn lines(&self, name: &str) -> Result<impl Iterator<Item = io::Result<Vec<u8>>> + use<>> {
        let path = self.path(name);
        let file = check_is_file(&path).and_then(|()| File::open(&path));
        let file = file.with_context(|| {
            let (path, directory) = (path.display(), self.directory.display());
            format!("{path}: cannot be read; is {directory} a directory that `flb-audit export` has made?")
        })?;
        Ok(lines(BufReader::new(self.progress.wrap_read(file))))
    }

    fn read_manifests(&mut self) -> Result<()> {
        let (mut checker, mut verifier) = (Checker::default(), Verifier::new(self.roster));
        let mut good = Good::default();
        for (number, line) in (1..).zip(self.lines(FILE_NAME)?) {
            let line = line?;
            let at = format!("{}:{number}", self.path(FILE_NAME).display());
            let sealed = match checker.check(&line) {
                Ok(Checked::Sealed(sealed)) if sealed.is_intact => sealed,
                Ok(Checked::Sealed(_)) => {
                    self.add(Verdict::Tampered, format!("{at}: not the manifest that was sealed"));
                    continue;
                }
                _ => {
                    self.add(Verdict::Unreadable, format!("{at}: no sealed manifest"));
                    continue;
                }
            };
            self.places.insert((sealed.place.life(sealed.chain), sealed.place.sequence));
            let is_of_ledger = match verifier.verify(sealed.checkpoint().as_ref(), Some(sealed.seconds)) {
                Ok(checkpoint) => {
                    if let Some(of) = checkpoint.membership() {
                        self.enrolled.insert(sealed.chain, of.node.clone());
                    }
                    checkpoint.is_of_ledger()
                }
                Err(BadCheckpoint { flaw: Flaw::NoRoster, .. }) => true,
                Err(bad) => {
                    self.add(bad.flaw.verdict(), format!("{at}: {}", bad.what()));
                    continue;
                }
            };
            let Some(statement) = manifest::read(&line) else {
                self.add(Verdict::Unreadable, format!("{at}: no manifest"));
                continue;
            };
            good.add(number, statement, *sealed, is_of_ledger);
        }
        let mut refused = Vec::new();
        let (stated, is_of_ledger) = good.put_together(|number, why| refused.push((number, why)));
        for (number, why) in refused {
            let at = format!("{}:{number}", self.path(FILE_NAME).display());
            match why {
                Refused::Misplaced => self.add(Verdict::Tampered, format!("{at}: {MISPLACED}")),
                Refused::NoLedger => self.add(Verdict::KeyNotCertified, format!("{at}: {NO_LEDGER}")),
            }
        }
        self.stated = stated;
        if let Some(chain) = self.stated.chain().filter(|_| !is_of_ledger) {
            self.findings.add(Verdict::KeyNotCertified, Some(chain), None, NO_LEDGER);
        }
        let (mut deleted, mut kept) = (Vec::new(), Vec::new());
        for ClosedFile { manifest, is_deleted } in self.stated.iter() {
            if let Some((verdict, what)) = damaged(self.directory, manifest) {
                self.findings.add(verdict, None, None, what);
            }
            let all = match is_deleted {
                true if is_of_ledger => &mut deleted,
                true => continue,
                false => &mut kept,
            };
            for run in &manifest.extents {
                let Some(life) = run.life() else { continue };
                all.push((life, Span::new(run.first..=run.last, Why::Deleted)));
            }
        }
        (self.deleted, self.kept) = (deleted.into_iter().collect(), kept.into_iter().collect());
        Ok(())
    }

    fn read_records(&mut self) -> Result<()> {
        let (mut checker, mut verifier) = (Checker::default(), Verifier::new(self.roster));
        let mut proofs = self.lines(PROOFS)?;
        for (number, line) in (1..).zip(self.lines(RECORDS)?) {
            let line = line?;
            let at = format!("{}:{number}", self.path(RECORDS).display());
            self.records += 1;
            let proof = proofs.next().transpose()?;
            match checker.check(&line) {
                Ok(Checked::Sealed(sealed)) if sealed.is_intact => {
                    self.add_record(&at, &sealed);
                    let checkpoint = sealed.checkpoint();
                    if sealed.is_checkpoint
                        && let Err(bad) = verifier.verify(checkpoint.as_ref(), Some(sealed.seconds))
                        // The manifests' signatures prove the record, so the roster need
                        // not have its chain.
                        && !matches!(bad.flaw, Flaw::NoRoster | Flaw::NotInRoster)
                    {
                        self.add(bad.flaw.verdict(), format!("{at}: {}", bad.what()));
                    }
                    let record = (sealed.place.life(sealed.chain), sealed.place.sequence);
                    self.check_proof(&at, (&line, record), proof.as_deref());
                }
                Ok(Checked::Sealed(_)) => {
                    self.add(Verdict::Tampered, format!("{at}: not the record that was sealed"));
                }
                Ok(_) => self.add(Verdict::Unsealed, format!("{at}: a record without a seal")),
                Err(why) => self.add(Verdict::Unreadable, format!("{at}: {why}")),
            }
        }
        let more = proofs.count();
        if more > 0 {
            let path = self.path(PROOFS);
            self.add(Verdict::Gap, format!("{}: more proofs than records: {more}", path.display()));
        }
        Ok(())
    }

    fn add_record(&mut self, at: &str, sealed: &Sealed) {
        let (life, sequence) = (sealed.place.life(sealed.chain), sealed.place.sequence);
        let heads = (sealed.previous, sealed.head);
        let of_life = self.lives.entry(sealed.chain).or_default().entry(life).or_default();
        if *of_life.entry(sequence).or_insert(heads) != heads {
            self.add(Verdict::Tampered, format!("{at}: not the record that stands at this place elsewhere"));
        }
        if let Some(link) = sealed.link.filter(|_| sequence == 0) {
            self.links.insert(life, link.place);
        }
    }

    fn check_proof(&mut self, at: &str, (line, record): (&[u8], (Life, u64)), proof: Option<&[u8]>) {
        let Some(text) = proof else {
            self.add(Verdict::Tampered, format!("{at}: a record more than there are proofs"));
            return;
        };
        let proof: Proof = match serde_json::from_slice(text) {
            Ok(Some(proof)) => proof,
            Ok(None) => {
                self.unproven += 1;
                let (life, sequence) = record;
                if self.kept.without(&life, &(sequence..=sequence)).is_empty() {
                    self.listed.push((at.to_owned(), life, sequence));
                }
                self.add(Verdict::Unsigned, format!("{at}: no proof: its file was not closed yet"));
                return;
            }
            Err(error) => {
                self.add(Verdict::Unreadable, format!("{at}: its proof: {error}"));
                return;
            }
        };
        let file = proof.file;
        let Some(ClosedFile { manifest, is_deleted }) = self.stated.get(file) else {
            self.add(
                Verdict::Tampered,
                format!("{at}: no good manifest of file {file}, which it is to be in"),
            );
            return;
        };
        if proof.records != manifest.records || proof.root(line).as_ref() != Some(&manifest.root) {
            self.add(Verdict::Tampered, format!("{at}: not proven to be in file {file}"));
        } else if *is_deleted {
            let what = format!(
                "{at}: in file {file}, which the ledger has deleted: the manifests are those of a later state of the \
                 ledger, so they do not say what was left out"
            );
            self.add(Verdict::Tampered, what);
        } else if !self.proven.insert((file, proof.index)) {
            self.add(Verdict::Tampered, format!("{at}: here twice"));
        } else {
            self.proven_records.insert(record);
        }
    }

    /// Reports records without a proof that stand in a file which is kept. The open file may have
    /// such a record again, but then its proof is here, too.
    fn check_listed(&mut self) {
        for (at, life, sequence) in std::mem::take(&mut self.listed) {
            if !self.proven_records.contains(&(life, sequence)) {
                let what = format!("{at}: without the proof that it is the record which a manifest lists");
                self.add(Verdict::Tampered, what);
            }
        }
    }

    /// Reports the missing records between the records of each chain.
    fn find_missing(&mut self) {
        let mut gaps: Vec<(Life, RangeInclusive<u64>)> = Vec::new();
        let mut torn: Vec<(Life, u64)> = Vec::new();
        for (chain, lives) in &self.lives {
            for (at, (life, sequences)) in lives.iter().enumerate() {
                // Records before the first one may lie outside of the exported period.
                let first = sequences.first_key_value().map_or(0, |(first, _)| *first);
                let mut next = if at == 0 { first } else { 0 };
                let mut before = None;
                for (&sequence, &(previous, head)) in sequences {
                    if sequence > next {
                        gaps.push((*life, next..=sequence - 1));
                    } else if before.is_some_and(|before| before != previous) {
                        torn.push((*life, sequence));
                    }
                    next = sequence.saturating_add(1);
                    before = Some(head);
                }
                if let Some(link) = self.links.get(life).filter(|_| at > 0) {
                    let before = link.life(*chain);
                    let last = lives.get(&before).and_then(BTreeMap::last_key_value);
                    let first = last.map_or(0, |(last, _)| last.saturating_add(1));
                    if first <= link.sequence {
                        gaps.push((before, first..=link.sequence));
                    }
                }
            }
        }
        for (life, sequence) in torn {
            let what = format!(
                "{} does not follow from the record before it",
                named(Position { segment: life.segment, sequence })
            );
            self.findings.add(Verdict::Tampered, Some(life.chain), None, what);
        }
        for (life, gap) in gaps {
            for left in self.deleted.without(&life, &gap) {
                self.find_not_stated(life, left);
            }
        }
    }

    /// Reports missing records, except those that are manifests: manifests are records of
    /// the ledger's own chain, too.
    fn find_not_stated(&mut self, life: Life, gap: RangeInclusive<u64>) {
        let stated = self.places.range((life, *gap.start())..=(life, *gap.end()));
        let stated: Vec<u64> = stated.map(|(_, sequence)| *sequence).collect();
        let mut next = Some(*gap.start());
        for end in stated
            .into_iter()
            .map(|at| (at.checked_sub(1), at.checked_add(1)))
            .chain([(Some(*gap.end()), None)])
        {
            if let (Some(first), Some(last)) = (next, end.0)
                && first <= last
            {
                self.missing = self.missing.saturating_add((last - first).saturating_add(1));
                let what = format!(
                    "chain {}: {} of segment {} (run {}) not here: left out, or of another time",
                    life.chain,
                    extent(first, last),
                    life.segment,
                    life.run
                );
                self.add(Verdict::Gap, what);
            }
            next = end.1;
        }
    }

    /// Returns the node whose chain has signed the manifests.
    fn ledger(&self) -> Option<String> {
        let chain = self.stated.chain()?;
        let entry = self.roster?.of(&chain).map(|entry| &entry.node);
        entry.or_else(|| self.enrolled.get(&chain)).cloned()
    }

    fn finish(mut self) -> Exported {
        if self.roster.is_none() {
            let what = Flaw::NoRoster.what(0);
            self.add(Verdict::Unsigned, what);
        }
        if self.records == 0 {
            self.add(Verdict::NothingFound, "no record in it");
        }
        let counts = Counts {
            records: self.records,
            proven: self.proven.len() as u64,
            unproven: self.unproven,
            missing: self.missing,
            manifests: self.stated.iter().count(),
            ledger: self.ledger(),
            state: self.stated.state(),
        };
        Exported(Envelope::new(counts, self.findings))
    }
}
