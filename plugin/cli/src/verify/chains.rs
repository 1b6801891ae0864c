//! All chains of a log: the records as they are read, in any order, and the evaluation
//! when all have been read.

use super::Verdict;
use super::beginning::Beginning;
use super::chain_log::{BATCH_ROWS_MAX, ChainLog, Start, Store};
use super::coverage::Coverage;
use super::enrolled::Enrolled;
use super::forks::Forks;
use super::gaps::Gaps;
use super::history::History;
use super::ledger::{LedgerFiles, Ledgers};
use super::part::{Blocks, Sighting};
use super::reading::{Other, Reading};
use super::rows::Rows;
use super::segment::{Added, Stretches};
use super::signatures::{BadCheckpoint, Flaw, GoodCheckpoint, Judged};
use super::spans::{Span, Spans, When};
use super::spool::{Fingerprint, Spool};
use super::stops::Stops;
use super::tally::{Said, Tallies};
use crate::input::At;
use crate::report::{Finding, Findings};
use crate::roster::Roster;
use flb_audit_core::chain::checkpoint::Checkpoint;
use flb_audit_core::chain::{ChainId, GENESIS, Life, Place};
use flb_audit_core::verify::{Anchor, Sealed};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::sync::Arc;

/// The maximum number of chains that are followed although nobody vouches for them.
const UNKNOWN_CHAINS_MAX: usize = 10_000;

/// The end of the finding on a record of which two versions are here.
const IN_TWO_VERSIONS: &str = "is here in two versions";

/// Checks that a checkpoint is bad because nobody vouches for its chain.
fn is_of_chain(judged: &Judged) -> bool {
    matches!(judged, Err(BadCheckpoint { flaw, .. }) if flaw.is_of_chain())
}

/// The records that were read of all chains.
pub(super) struct Chains<'a> {
    pub(super) chains: BTreeMap<ChainId, ChainLog>,
    pub(super) findings: Findings,
    /// The checkpoints with which the log begins, as `--from` names them.
    pub(super) starts: BTreeMap<ChainId, Checkpoint>,
    /// The good anchors, as `--anchors` names them.
    pub(super) anchors: Vec<KeptAnchor>,
    pub(super) roster: Option<&'a Roster>,
    /// The chains that a fleet has enrolled.
    pub(super) enrolled: Enrolled,
    /// The chains of ledgers, as good checkpoints state it.
    pub(super) ledgers: BTreeSet<ChainId>,
    /// The number of chains that are followed although nobody vouches for them yet.
    unknown_chains: usize,
    /// True if more of them are here than are followed.
    is_crowded: bool,
    /// True if there were so many of them that none is followed.
    pub(super) are_too_many: bool,
    /// The records of the others: the fleet may vouch for their chains in a checkpoint that
    /// is read later.
    waiting: Option<Blocks>,
    /// The number of records with keys that are not under the seal.
    pub(super) with_unsealed_keys: u64,
    /// The number of records with more keys of ignored names than are tried.
    pub(super) with_ignored_keys_over: u64,
    /// The encrypted records that could not be read, by the name of their source.
    pub(super) encrypted: BTreeMap<Arc<str>, Unopened>,
    /// True if there are identities that might open encrypted records.
    pub(super) has_identities: bool,
    /// The period in which nodes have to be heard, in seconds since 1970.
    pub(super) heard: RangeInclusive<u64>,
    pub(super) spool: Spool,
    /// The records that manifests state but that are not here to be checked, by ledger.
    pub(super) spans: Vec<Spans>,
    /// The seals' statements on redactions and schemas, if they are requested.
    pub(super) tallies: Option<Tallies>,
}

/// The encrypted records of one source that could not be read.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct Unopened {
    records: u64,
    /// The number of the first one.
    first: u64,
    /// True if identities were there.
    has_identities: bool,
}

impl Unopened {
    /// Returns the sum of two.
    pub(super) fn and(self, other: Unopened) -> Unopened {
        Unopened {
            records: self.records.saturating_add(other.records),
            first: self.first.min(other.first),
            has_identities: self.has_identities | other.has_identities,
        }
    }
}

/// A good anchor.
pub(super) struct KeptAnchor {
    pub(super) chain: ChainId,
    pub(super) place: Place,
    pub(super) head: Fingerprint,
    is_delivered: bool,
}

/// The evaluation of a chain after all records have been read.
pub(super) struct Followed {
    pub(super) stretches: Stretches,
    pub(super) coverage: Coverage,
    pub(super) stops: Stops,
    pub(super) gaps: Gaps,
    /// The records that manifests state but that are not here to be checked.
    pub(super) spans: Spans,
    /// The last record of each life that is here or was reported as missing.
    pub(super) ends: Rows<Life, u64>,
    /// The records from which more than one life continues.
    pub(super) forks: Forks,
    /// The forks of which both sides are covered.
    pub(super) covered_forks: Forks,
}

impl<'a> Chains<'a> {
    pub(super) fn new(heard: RangeInclusive<u64>, ledgers: &mut Ledgers, roster: Option<&'a Roster>) -> Self {
        let mut chains = Chains {
            heard,
            roster,
            enrolled: Enrolled::default(),
            ledgers: BTreeSet::new(),
            chains: BTreeMap::new(),
            findings: Findings::default(),
            starts: BTreeMap::new(),
            anchors: Vec::new(),
            unknown_chains: 0,
            is_crowded: false,
            are_too_many: false,
            waiting: None,
            with_unsealed_keys: 0,
            with_ignored_keys_over: 0,
            encrypted: BTreeMap::new(),
            has_identities: false,
            spool: Spool::new(),
            spans: Vec::new(),
            tallies: None,
        };
        chains.spans = ledgers.all().map(|ledger| chains.spans_of(ledger)).collect();
        chains
    }

    fn spans_of(&mut self, ledger: &mut LedgerFiles) -> Spans {
        let mut spans = Vec::new();
        for (run, manifest, why) in ledger.extents() {
            let is_of_the_time = manifest.from <= *self.heard.end() && manifest.to >= *self.heard.start();
            let is_within = self.heard.contains(&manifest.from) && self.heard.contains(&manifest.to);
            let Some(life) = run.life() else { continue };
            let beginning = (run.first == 0).then(|| {
                Box::new(Beginning::new(run.notes(), run.link.as_ref().and_then(|link| link.read())))
            });
            let edges = run
                .heads()
                .map(|(prev, head)| [prev, head].map(|head| Fingerprint::of(&head).shortened()).into());
            let (signed, keys) = run.signed.zip(run.keys).unzip();
            let inner = run.inner.unwrap_or_default().into();
            let listed = Span::new(run.first..=run.last, why);
            let when = match () {
                () if is_within => When::Within,
                () if is_of_the_time => When::Unclear,
                () => When::Not,
            };
            spans.push((life, Span { beginning, edges, signed, inner, keys, when, ..listed }));
        }
        spans.into_iter().collect()
    }

    /// Adds a good checkpoint with which the log of its chain begins. Of several, the
    /// earliest counts.
    pub(super) fn add_start(&mut self, start: &Checkpoint) {
        let position = start.place.position();
        if self.starts.get(&start.chain).is_none_or(|other| position < other.place.position()) {
            self.starts.insert(start.chain, start.clone());
        }
    }

    /// Adds a good anchor.
    pub(super) fn add_anchor(&mut self, anchor: &Anchor) {
        let Anchor { checkpoint, is_delivered } = anchor;
        let head = Fingerprint::of(&checkpoint.head);
        let (chain, place, is_delivered) = (checkpoint.chain, checkpoint.place, *is_delivered);
        self.anchors.push(KeptAnchor { chain, place, head, is_delivered });
    }

    /// Adds the chains of which no record is here, but anchors, if a ledger lists records of them.
    fn add_absent(&mut self) {
        for id in self.anchors.iter().map(|anchor| anchor.chain) {
            if self.spans.iter().any(|spans| spans.lives_of(id).next().is_some()) {
                self.chains.entry(id).or_insert_with(|| ChainLog::new(&self.spool.rows));
            }
        }
    }

    /// Returns the last record of each life that an anchor says was delivered.
    fn delivered(&self) -> BTreeMap<Life, u64> {
        let mut delivered = BTreeMap::new();
        for anchor in self.anchors.iter().filter(|anchor| anchor.is_delivered) {
            let last = delivered.entry(anchor.place.life(anchor.chain)).or_default();
            *last = anchor.place.sequence.max(*last);
        }
        delivered
    }

    /// Adds the reading of one record. `ledger` is the number of the ledger whose file it
    /// is in, if it is in one.
    pub(super) fn add(&mut self, at: At, ledger: Option<usize>, reading: Reading<Judged>) -> io::Result<()> {
        match reading {
            Reading::Other(other) => {
                self.add_other(at, other);
                Ok(())
            }
            Reading::Sealed(sealed, checkpoint, said) => {
                self.add_sealed(at, ledger, &sealed, checkpoint.map(|judged| *judged), said.as_deref())
            }
        }
    }

    /// Adds what was read of a text that is no sealed record.
    pub(super) fn add_other(&mut self, at: At, other: Other) {
        let (verdict, what) = match other {
            Other::Encrypted(frame) => {
                let (records, first) = (frame.records.len() as u64, at.number);
                let name = self.findings.names[at.source].clone();
                return self
                    .add_unopened(name, Unopened { records, first, has_identities: self.has_identities });
            }
            Other::Altered(why) => (Verdict::Tampered, why),
            Other::Unsealed => (Verdict::Unsealed, "a record without a seal".to_owned()),
            Other::Malformed => (Verdict::Tampered, "a seal that no filter writes".to_owned()),
            Other::UnknownVersion => (
                Verdict::Unreadable,
                "a seal in a version of the format that this flb-audit does not know; use a later one"
                    .to_owned(),
            ),
            Other::Unreadable(why) | Other::Broken(why) => (Verdict::Unreadable, why),
        };
        self.findings.add(verdict, None, Some(at), what);
    }

    /// Adds encrypted records of a source that could not be read.
    pub(super) fn add_unopened(&mut self, source: Arc<str>, unopened: Unopened) {
        let of_source = self.encrypted.get(&source);
        let unopened = of_source.map_or(unopened, |of_source| of_source.and(unopened));
        self.encrypted.insert(source, unopened);
    }

    /// Returns the number of records that could not be read because they are encrypted.
    pub(super) fn encrypted(&self) -> u64 {
        self.encrypted.values().fold(0, |sum, unopened| unopened.records.saturating_add(sum))
    }

    /// Reports for each source the records that could not be read because they are
    /// encrypted.
    pub(super) fn report_encrypted(&mut self) {
        for (source, Unopened { records, first, has_identities }) in &self.encrypted {
            let why =
                if *has_identities { "none of the identities opens them" } else { "no --identity was given" };
            let what = format!("{records} records not checked, from here on: they are encrypted, and {why}");
            let at = Some((source.clone(), *first));
            self.findings.push(Finding {
                verdict: Verdict::Encrypted,
                chain: None,
                node: None,
                position: None,
                at,
                what,
            });
        }
    }

    pub(super) fn add_sealed(
        &mut self,
        at: At,
        ledger: Option<usize>,
        sealed: &Sealed,
        checkpoint: Option<Judged>,
        said: Option<&Said>,
    ) -> io::Result<()> {
        let place = sealed.place;
        let (number, sequence) = (place.segment, place.sequence);
        let good = checkpoint.as_ref().and_then(|judged| judged.as_ref().ok());
        if good.is_some_and(GoodCheckpoint::is_of_ledger) {
            self.ledgers.insert(sealed.chain);
        }
        let membership = good.and_then(GoodCheckpoint::membership);
        if let Some(of) = membership
            && self.enrolled.add(sealed.chain, of, sealed.is_intact.then_some(sealed.seconds))
            && self.chains.contains_key(&sealed.chain)
            && self.roster.is_none_or(|roster| roster.of(&sealed.chain).is_none())
        {
            self.unknown_chains = self.unknown_chains.saturating_sub(1);
        }
        // These findings do not depend on other records, so the chain need not be followed.
        if let Some(Err(bad)) = checkpoint.as_ref().filter(|judged| !is_of_chain(judged)) {
            let what = format!("record {sequence} of segment {number}: {}", bad.what());
            self.findings.add_at(bad.flaw.verdict(), sealed.chain, place.position(), Some(at), what);
        }
        if !sealed.is_intact {
            let what = format!("record {sequence} of segment {number} is not the one that was sealed");
            self.findings.add_at(Verdict::Tampered, sealed.chain, place.position(), Some(at), what);
        }
        if self.is_followed(sealed.chain) {
            return self.follow_record(Some(at), ledger, sealed, checkpoint, said);
        }
        self.is_crowded = true;
        if self.roster.is_some_and(|roster| roster.fleet().is_some()) {
            let waiting = match &mut self.waiting {
                Some(waiting) => waiting,
                None => self.waiting.insert(Blocks::new()?),
            };
            let flaw = checkpoint.and_then(|judged| judged.err()).map(|bad| bad.flaw);
            let flaw = Flaw::OF_CHAIN.iter().position(|of_chain| Some(*of_chain) == flaw);
            // The number of its ledger stands in the place of its source, and that of its flaw in
            // the place of its own number.
            let number = flaw.map_or(0, |flaw| flaw as u64 + 1);
            let at = At { source: ledger.map_or(0, |ledger| ledger + 1), number };
            waiting.push(Sighting { at, sealed: *sealed, checkpoint: None, said: None })?;
        }
        Ok(())
    }

    /// Adds a record of a chain that is followed.
    fn follow_record(
        &mut self,
        at: Option<At>,
        ledger: Option<usize>,
        sealed: &Sealed,
        checkpoint: Option<Judged>,
        said: Option<&Said>,
    ) -> io::Result<()> {
        let place = sealed.place;
        let (number, sequence) = (place.segment, place.sequence);
        let (before, head) = (Fingerprint::of(&sealed.previous), Fingerprint::of(&sealed.head));
        let chain = self.chains.entry(sealed.chain).or_insert_with(|| ChainLog::new(&self.spool.rows));
        if let Some(at) = at
            && let Some(source) = self.findings.names.get(at.source)
        {
            chain.add_text(source, at.number, place.position());
        }
        chain.has_checkpoint |= sealed.is_checkpoint;
        match checkpoint {
            None => {}
            Some(Ok(good)) => {
                if sealed.is_intact {
                    let time = chain.checkpoint_times.entry_or(place.position(), || sealed.seconds);
                    *time = sealed.seconds.min(*time);
                    if let Some(digest) = sealed.policy {
                        chain.add_policy(digest, place.position());
                    }
                    if sealed.is_statement() {
                        let first = chain.states_from.get_or_insert(place.position());
                        *first = place.position().min(*first);
                    }
                }
                chain.keys.add(sealed.chain, &place, head, &good);
            }
            Some(Err(BadCheckpoint { flaw, .. })) if flaw.is_of_chain() => {
                chain.without_roster = chain.without_roster.max(Some(flaw));
            }
            Some(Err(_)) => {}
        }
        chain.store.add(ledger);
        let life = place.life(sealed.chain);
        let segment = Rc::make_mut(chain.segments.entry_or(life, Rc::default));
        if !sealed.is_intact {
            segment.add_altered(sequence);
            chain.altered += 1;
            return Ok(());
        }
        self.with_unsealed_keys += u64::from(sealed.unsealed_keys > 0);
        self.with_ignored_keys_over += u64::from(sealed.ignored_limit_hit);
        // A ledger's own statements are not redacted.
        if !sealed.is_statement() {
            segment.policies.add(sealed);
        }
        chain.from = chain.from.min(sealed.seconds);
        chain.to = chain.to.max(sealed.seconds);
        let is_heard = self.heard.contains(&sealed.seconds);
        let counts = match segment.add(sequence, (before, head), is_heard, &mut self.spool)? {
            Added::New => {
                chain.records += 1;
                true
            }
            Added::Duplicate => {
                chain.duplicates += 1;
                return Ok(());
            }
            Added::Different { other, counts } => {
                let versions = chain.versions.entry((life, sequence)).or_default();
                versions.insert(other);
                if !versions.insert((before, head)) {
                    chain.duplicates += 1;
                    return Ok(());
                }
                chain.conflicting += 1;
                let what = format!("record {sequence} of segment {number} {IN_TWO_VERSIONS}");
                self.findings.add_at(Verdict::Tampered, sealed.chain, place.position(), at, what);
                counts
            }
        };
        if let Some(tallies) = &mut self.tallies {
            let is_listed = |roster: &Roster| roster.fleet().is_some() || roster.of(&sealed.chain).is_some();
            let is_known = self.roster.is_none_or(is_listed);
            tallies.add(sealed, said, is_known);
        }
        chain.raw += u64::from(sealed.is_raw);
        chain.checked.add(sealed);
        for word in sealed.notes.words() {
            *chain.notes.entry(word).or_default() += 1;
        }
        if sequence == 0 && counts {
            segment.beginning = Beginning::new(sealed.notes, sealed.link);
        }
        Ok(())
    }

    /// Checks whether a chain is followed. Anybody can make up chains, so only a limited
    /// number of those that nobody vouches for are.
    fn is_followed(&mut self, chain: ChainId) -> bool {
        if self.is_known(&chain) || self.chains.contains_key(&chain) {
            return true;
        }
        let has_place = self.unknown_chains < UNKNOWN_CHAINS_MAX;
        self.unknown_chains += usize::from(has_place);
        has_place
    }

    /// Follows the chains that have become known after records of them were read. If there
    /// are too many others, follows none of these, so that the order of reading decides
    /// nothing.
    fn settle_crowd(&mut self) -> io::Result<()> {
        if !std::mem::take(&mut self.is_crowded) {
            return Ok(());
        }
        let mut unknown: BTreeSet<ChainId> =
            self.chains.keys().filter(|chain| !self.is_known(chain)).copied().collect();
        let mut waiting = self.waiting.take().map(Blocks::into_records).transpose()?;
        if let Some(waiting) = &mut waiting {
            waiting.read(|Sighting { sealed, .. }| {
                if unknown.len() <= UNKNOWN_CHAINS_MAX && !self.is_known(&sealed.chain) {
                    unknown.insert(sealed.chain);
                }
                Ok(())
            })?;
        }
        // Without a fleet, no chain becomes known while records are read.
        let are_too_many = waiting.is_none() || unknown.len() > UNKNOWN_CHAINS_MAX;
        if are_too_many {
            self.are_too_many = true;
            let gone: Vec<ChainId> =
                self.chains.keys().filter(|chain| !self.is_known(chain)).copied().collect();
            for id in gone {
                let conflicting = self.chains.remove(&id).map_or(0, |chain| chain.conflicting);
                self.findings.withdraw(Verdict::Tampered, id, conflicting, IN_TWO_VERSIONS);
            }
            let verdict = if self.roster.is_some() { Verdict::KeyNotCertified } else { Verdict::Unreadable };
            let what = format!(
                "more than {UNKNOWN_CHAINS_MAX} chains are here that nobody vouches for: none of these was followed, and \
                 their records were only compared with their seals"
            );
            self.findings.add(verdict, None, None, what);
        }
        if let Some(waiting) = &mut waiting {
            waiting.read(|Sighting { at, sealed, .. }| {
                if are_too_many && !self.is_known(&sealed.chain) {
                    return Ok(());
                }
                let flaw = at.number.checked_sub(1).and_then(|flaw| Flaw::OF_CHAIN.get(flaw as usize));
                let checkpoint = flaw.map(|flaw| Err(BadCheckpoint { index: 0, flaw: *flaw }));
                self.follow_record(None, at.source.checked_sub(1), &sealed, checkpoint, None)
            })?;
        }
        Ok(())
    }

    /// Evaluates the chains after all records have been read.
    pub(super) fn follow(&mut self) -> io::Result<BTreeMap<ChainId, Followed>> {
        self.settle_crowd()?;
        self.add_absent();
        let genesis = Fingerprint::of(&GENESIS);
        let none = Spans::default();
        let delivered = self.delivered();
        self.anchors.sort_unstable_by_key(|anchor| (anchor.chain, anchor.place, anchor.head));
        let mut all = BTreeMap::new();
        for (id, chain) in &mut self.chains {
            if let Some(start) = self.starts.get(id) {
                let (place, head) = (start.place, Fingerprint::of(&start.head));
                chain.start = Some(Start { place, head, is_checkpoint: true });
                chain.keys.add_start(start);
            }
            let file = &self.spool.rows.clone();
            let mut stretches: Stretches = Rows::new(file, BATCH_ROWS_MAX);
            for (life, segment) in chain.segments.iter() {
                let of_life = segment.stretches(&mut self.spool)?;
                if !of_life.is_empty() {
                    stretches.insert(life, Rc::new(of_life));
                }
            }
            let coverage = Coverage::of(*id, chain, &stretches, &mut self.spool)?;
            let of_all;
            let spans = match chain.store {
                Store::Ledger(ledger) => self.spans.get(ledger).unwrap_or(&none),
                Store::None => {
                    let all = self.spans.iter().flat_map(|spans| spans.of_chain(*id));
                    of_all = all.map(|(life, span)| (*life, span.clone())).collect();
                    &of_all
                }
                Store::Mixed => &none,
            };
            let of_chain = self.anchors.partition_point(|anchor| anchor.chain < *id)
                ..self.anchors.partition_point(|anchor| anchor.chain <= *id);
            let anchors = &self.anchors[of_chain];
            let spans = spans.fitting(*id, &stretches, &coverage, chain, anchors, &mut self.spool)?;
            let stops = Stops::of(*id, chain, &stretches, &coverage, &spans, &delivered, file);
            let mut history = History {
                id: *id,
                chain,
                stretches: &stretches,
                coverage: &coverage,
                stops: &stops,
                spans: &spans,
                all_spans: &self.spans,
                genesis,
                spool: &mut self.spool,
                gaps: Gaps::default(),
                ends: Rows::new(file, BATCH_ROWS_MAX),
                forks: Forks::default(),
                covered_forks: Forks::default(),
                too_early: Vec::new(),
                add: |verdict, at, what: String| self.findings.add_at(verdict, *id, at, None, what),
            };
            history.follow()?;
            let (gaps, ends) = (history.gaps, history.ends);
            let (forks, covered_forks) = (history.forks, history.covered_forks);
            let followed = Followed { stretches, coverage, stops, gaps, spans, ends, forks, covered_forks };
            all.insert(*id, followed);
        }
        // Nothing is concluded from rows of which some could not be read.
        self.spool.rows.check()?;
        Ok(all)
    }
}
