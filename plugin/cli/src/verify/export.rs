//! Verifies the directory that `flb-audit export` writes: records, their proofs, and the
//! manifests to which the proofs lead.
//!
//! An export is part of a ledger. Its records and manifests are followed as those of the ledger
//! are, by the same rules, but records before the first and after the last one of a chain are not
//! missed, and no signature has to reach a record: the manifest of the record's file vouches for it.

use super::Verdict;
use super::chain_log::Start;
use super::chains::Chains;
use super::ledger::Ledgers;
use super::reading::Other;
use super::signatures::{Flaw, Verifier};
use super::spans::Spans;
use super::spool::Fingerprint;
use crate::export::{PROOFS, Proof, RECORDS};
use crate::input::{At, check_is_file};
use crate::lines::lines;
use crate::report::Envelope;
use crate::roster::Roster;
use crate::stdout;
use crate::terminal::{self, PROVEN};
use anyhow::{Context, Result};
use flb_audit_core::chain::{ChainId, Life, Place};
use flb_audit_core::verify::{Checked, Checker, Sealed};
use flb_audit_ledger::manifest::{self, FILE_NAME};
use flb_audit_ledger::statements::{ClosedFile, Statements};
use indicatif::ProgressBar;
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

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

/// The records of the ledger's own directory, by the number of a ledger.
const OWN: Option<usize> = Some(0);
/// The ledger with the spans of the files that are kept.
const KEPT: usize = 1;
/// The numbers of the files that are read, as sources.
const OF_MANIFESTS: usize = 0;
const OF_RECORDS: usize = 1;

/// The first and the last record of a chain.
struct Ends {
    first: Start,
    last: Place,
}

/// The state while an export is read.
struct Reading<'a> {
    directory: &'a Path,
    progress: ProgressBar,
    roster: Option<&'a Roster>,
    chains: Chains<'a>,
    stated: Statements,
    /// The ends of each chain in the export.
    ends: BTreeMap<ChainId, Ends>,
    /// The places in files that have been proven.
    proven: HashSet<(u64, u64)>,
    /// The records that have been proven.
    proven_records: HashSet<(Life, u64)>,
    /// The records without a proof that are listed in a file which is kept, each with its line.
    listed: Vec<(At, Life, u64)>,
    records: u64,
    unproven: u64,
}

impl Exported {
    /// Checks an export's directory.
    pub(super) fn check(directory: &Path, roster: Option<&Roster>) -> Result<Exported> {
        let paths = [FILE_NAME, RECORDS, PROOFS].map(|name| directory.join(name));
        check_is_file(&paths[0]).with_context(|| unread(&paths[0], directory))?;
        let (mut ledgers, stated) =
            Ledgers::of_export(directory, roster).with_context(|| unread(&paths[0], directory))?;
        let len = |path: &PathBuf| path.metadata().ok().map(|file| file.len());
        let mut chains = Chains::new(0..=u64::MAX, &mut ledgers, roster);
        chains.findings.names = paths.iter().map(|path| Arc::from(path.display().to_string())).collect();
        ledgers.check(None, &mut chains.findings);
        let mut reading = Reading {
            directory,
            progress: terminal::progress(paths.iter().map(len).sum()),
            roster,
            chains,
            stated,
            ends: BTreeMap::new(),
            proven: HashSet::new(),
            proven_records: HashSet::new(),
            listed: Vec::new(),
            records: 0,
            unproven: 0,
        };
        reading.read_records()?;
        reading.read_manifests()?;
        reading.progress.finish_and_clear();
        reading.check_listed();
        reading.follow()?;
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

/// The error of a file that cannot be read.
fn unread(path: &Path, directory: &Path) -> String {
    let (path, directory) = (path.display(), directory.display());
    format!("{path}: cannot be read; is {directory} a directory that `flb-audit export` has made?")
}

impl Reading<'_> {
    fn add(&mut self, verdict: Verdict, at: At, what: impl Into<String>) {
        self.chains.findings.add(verdict, None, Some(at), what);
    }

    fn lines(&self, name: &str) -> Result<impl Iterator<Item = io::Result<Vec<u8>>> + use<>> {
        let path = self.directory.join(name);
        let file = check_is_file(&path).and_then(|()| File::open(&path));
        let file = file.with_context(|| unread(&path, self.directory))?;
        Ok(lines(BufReader::new(self.progress.wrap_read(file))))
    }

    fn read_records(&mut self) -> Result<()> {
        let (mut checker, mut verifier) = (Checker::default(), Verifier::new(self.roster));
        let mut proofs = self.lines(PROOFS)?;
        for (number, line) in (1..).zip(self.lines(RECORDS)?) {
            let (line, at) = (line?, At { source: OF_RECORDS, number });
            self.records += 1;
            let proof = proofs.next().transpose()?;
            match checker.check(&line) {
                Ok(Checked::Sealed(sealed)) => {
                    let judge = || verifier.verify(sealed.checkpoint().as_ref(), Some(sealed.seconds));
                    let judged = sealed.is_checkpoint.then(judge);
                    self.chains.add_sealed(at, OWN, &sealed, judged, None)?;
                    if sealed.is_intact {
                        self.widen(&sealed);
                        let record = (sealed.place.life(sealed.chain), sealed.place.sequence);
                        self.check_proof(at, (&line, record), proof.as_deref());
                    }
                }
                Ok(Checked::Unsealed) => self.chains.add_other(at, Other::Unsealed),
                Ok(Checked::UnknownVersion) => self.chains.add_other(at, Other::UnknownVersion),
                Ok(_) => self.chains.add_other(at, Other::Malformed),
                Err(why) => self.chains.add_other(at, Other::Unreadable(why.to_string())),
            }
        }
        let more = proofs.count();
        if more > 0 {
            let path = self.directory.join(PROOFS);
            let what = format!("{}: more proofs than records: {more}", path.display());
            self.chains.findings.add(Verdict::Gap, None, None, what);
        }
        Ok(())
    }

    /// Takes a record into the ends of its chain.
    fn widen(&mut self, sealed: &Sealed) {
        let Sealed { chain, place, head, .. } = *sealed;
        let order = |place: &Place| (place.life(chain), place.sequence);
        let first = Start { place, head: Fingerprint::of(&head), is_checkpoint: false };
        let ends = self.ends.entry(chain).or_insert(Ends { first, last: place });
        if order(&place) < order(&ends.first.place) {
            ends.first = first;
        }
        if order(&place) > order(&ends.last) {
            ends.last = place;
        }
    }

    /// Reads the manifests as records of their chain. Between the records of the export, they are
    /// not missing. All others may be missing, since the export need not have this chain.
    fn read_manifests(&mut self) -> Result<()> {
        let (mut checker, mut verifier) = (Checker::default(), Verifier::new(self.roster));
        let mut last: BTreeMap<ChainId, Sealed> = BTreeMap::new();
        for (number, line) in (1..).zip(self.lines(FILE_NAME)?) {
            let (line, at) = (line?, At { source: OF_MANIFESTS, number });
            let sealed = match checker.check(&line) {
                Ok(Checked::Sealed(sealed)) if sealed.is_intact => sealed,
                Ok(Checked::Sealed(_)) => {
                    self.add(Verdict::Tampered, at, "not the manifest that was sealed");
                    continue;
                }
                _ => {
                    self.add(Verdict::Unreadable, at, "no sealed manifest");
                    continue;
                }
            };
            let judged = verifier.verify(sealed.checkpoint().as_ref(), Some(sealed.seconds));
            match judged {
                Err(bad) if bad.flaw != Flaw::NoRoster => self.add(bad.flaw.verdict(), at, bad.what()),
                _ if !sealed.is_statement() || manifest::read(&line).is_none() => {
                    self.add(Verdict::Unreadable, at, "no manifest");
                }
                judged => {
                    self.chains.add_sealed(at, OWN, &sealed, Some(judged), None)?;
                    let is_later = last
                        .get(&sealed.chain)
                        .is_none_or(|last| last.place.position() < sealed.place.position());
                    if is_later {
                        last.insert(sealed.chain, *sealed);
                    }
                }
            }
        }
        for (chain, last) in last {
            if !self.ends.contains_key(&chain) {
                self.widen(&last);
            }
        }
        Ok(())
    }

    fn check_proof(&mut self, at: At, (line, record): (&[u8], (Life, u64)), proof: Option<&[u8]>) {
        let Some(text) = proof else {
            return self.add(Verdict::Tampered, at, "a record more than there are proofs");
        };
        let proof: Proof = match serde_json::from_slice(text) {
            Ok(Some(proof)) => proof,
            Ok(None) => return self.add_unproven(at, record),
            Err(error) => return self.add(Verdict::Unreadable, at, format!("its proof: {error}")),
        };
        let file = proof.file;
        let Some(ClosedFile { manifest, is_deleted }) = self.stated.get(file) else {
            let what = format!("no good manifest of file {file}, which it is to be in");
            return self.add(Verdict::Tampered, at, what);
        };
        if proof.records != manifest.records || proof.root(line).as_ref() != Some(&manifest.root) {
            self.add(Verdict::Tampered, at, format!("not proven to be in file {file}"));
        } else if *is_deleted {
            let what = format!(
                "in file {file}, which the ledger has deleted: the manifests are those of a later state of the \
                 ledger, so they do not say what was left out"
            );
            self.add(Verdict::Tampered, at, what);
        } else if !self.proven.insert((file, proof.index)) {
            self.add(Verdict::Tampered, at, "here twice");
        } else {
            self.proven_records.insert(record);
        }
    }

    fn add_unproven(&mut self, at: At, (life, sequence): (Life, u64)) {
        self.unproven += 1;
        let is_kept = |kept: &Spans| kept.without(&life, &(sequence..=sequence)).is_empty();
        if self.chains.spans.get(KEPT).is_some_and(is_kept) {
            self.listed.push((at, life, sequence));
        }
        self.add(Verdict::Unsigned, at, "no proof: its file was not closed yet");
    }

    /// Reports records without a proof that stand in a file which is kept. The open file may have
    /// such a record again, but then its proof is here, too.
    fn check_listed(&mut self) {
        for (at, life, sequence) in std::mem::take(&mut self.listed) {
            if !self.proven_records.contains(&(life, sequence)) {
                let what = "without the proof that it is the record which a manifest lists";
                self.add(Verdict::Tampered, at, what);
            }
        }
    }

    /// Follows the chains between their first and their last record.
    fn follow(&mut self) -> Result<()> {
        for (id, Ends { first, last }) in &self.ends {
            if let Some(chain) = self.chains.chains.get_mut(id) {
                (chain.start, chain.end) = (Some(*first), Some(*last));
            }
        }
        let followed = self.chains.follow()?;
        self.chains.check_keys(&followed)?;
        if self.roster.is_some() {
            self.chains.check_roles();
        }
        Ok(())
    }

    /// Returns the node whose chain has signed the manifests.
    fn ledger(&self) -> Option<String> {
        let chain = self.stated.chain()?;
        let entry = self.roster?.of(&chain).map(|entry| entry.node.clone());
        entry.or_else(|| Some(self.chains.enrolled.of(&chain).last()?.node.clone()))
    }

    fn finish(mut self) -> Exported {
        if self.roster.is_none() {
            self.chains.findings.add(Verdict::Unsigned, None, None, Flaw::NoRoster.what(0));
        }
        if self.records == 0 {
            self.chains.findings.add(Verdict::NothingFound, None, None, "no record in it");
        }
        let missing = self.chains.chains.values().fold(0_u64, |sum, chain| chain.missing.saturating_add(sum));
        let counts = Counts {
            records: self.records,
            proven: self.proven.len() as u64,
            unproven: self.unproven,
            missing,
            manifests: self.stated.iter().count(),
            ledger: self.ledger(),
            state: self.stated.state(),
        };
        Exported(Envelope::new(counts, self.chains.findings))
    }
}
