//! Nodes: which chain belonged to which one, when, as the roster and a fleet's
//! enrollments say; and which nodes are silent, or not expected.

use super::Verdict;
use super::chain_log::ChainLog;
use super::chains::{Chains, Followed};
use super::ends::is_heard;
use super::ledger::NO_LEDGER;
use super::spans::{self, When};
use crate::fleet::is_name_of;
use crate::roster::Roster;
use crate::time::utc;
use crate::whole;
use anyhow::{Context, Result, ensure};
use flb_audit_core::chain::enrollment::NODE_BYTES_MAX;
use flb_audit_core::chain::{ChainId, Life};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// The nodes that are expected to be there.
pub(super) struct Expected(BTreeSet<String>);

impl Expected {
    /// Reads lists of nodes, as `kubectl get nodes -o name` prints them. Returns `None` if
    /// there are no lists. A roster may have any names, so each of its names may be on a list.
    pub(super) fn read(paths: &[PathBuf], roster: Option<&Roster>) -> Result<Option<Expected>> {
        let is_known = |node: &str| {
            let mut entries = roster.into_iter().flat_map(Roster::entries);
            entries.any(|entry| is_name_of(&entry.node, node))
        };
        let mut nodes = BTreeSet::new();
        for path in paths {
            let text = whole::read_text(path);
            let text = text.with_context(|| format!("{}: cannot be read", path.display()))?;
            let before = nodes.len();
            for (number, line) in (1..).zip(text.lines()) {
                let line = line.trim();
                if line.is_empty() || line.starts_with('#') {
                    continue;
                }
                let node = line.strip_prefix("node/").unwrap_or(line);
                ensure!(
                    may_be_name(node) || is_known(node),
                    "{}:{number}: not a node's name: it is longer than {NODE_BYTES_MAX} bytes, or has a quotation mark \
                     or a control character; write a node a line, as `kubectl get nodes -o name` prints them",
                    path.display()
                );
                nodes.insert(node.to_owned());
            }
            ensure!(
                nodes.len() > before || before > 0,
                "{}: no node in it; `kubectl get nodes -o name` prints such a list",
                path.display()
            );
        }
        Ok((!paths.is_empty()).then_some(Expected(nodes)))
    }

    /// Checks that a name is that of an expected node, or of a chain of one.
    fn has(&self, name: &str) -> bool {
        self.0.contains(name) || name.split_once('/').is_some_and(|(node, _)| self.0.contains(node))
    }
}

/// Checks that a text may be the name of a node that the roster does not have. A line of JSON has
/// quotation marks.
fn may_be_name(text: &str) -> bool {
    text.len() <= NODE_BYTES_MAX && !text.contains(|char: char| char == '"' || char.is_control())
}

/// A node, or one of its chains by name, as far as the records show it.
#[derive(Default)]
struct Node {
    /// When it was there: from, and up to, exclusive.
    times: Vec<(u64, u64)>,
    /// True if a record of the time that is asked for is covered, or encrypted.
    is_heard: bool,
    /// True if an encrypted file that has records of that time has records of it, of
    /// whatever time.
    may_be_heard: bool,
    /// True if there is a record of that time, covered or not.
    has_records: bool,
    is_retired: bool,
    /// True if one of its chains at that time is not a ledger's.
    has_filter: bool,
    /// True if anything of it is here, of any time.
    is_here: bool,
    /// The newest chain of the node.
    chain: Option<ChainId>,
}

impl Node {
    fn is_there_in(&self, asked: &RangeInclusive<u64>) -> bool {
        self.times.iter().any(|(from, to)| from <= asked.end() && asked.start() < to)
    }
}

/// The nodes that were asked about, apart from those whose records are here as they should.
#[derive(Default)]
pub(super) struct Attendance {
    /// The nodes without any record here, by name.
    pub(super) absent: Vec<Absent>,
    /// The nodes that are not expected, with the chains that sealed records.
    pub(super) unexpected: Vec<(String, ChainId)>,
    /// The number of nodes on the lists of expected ones.
    pub(super) expected: Option<usize>,
    /// True if nodes that sent nothing are findings.
    pub(super) is_asked: bool,
}

/// A node without any record here.
pub(super) struct Absent {
    pub(super) node: String,
    /// The node's newest chain, if one is known.
    pub(super) chain: Option<ChainId>,
    pub(super) why: Why,
}

/// The reason for which nothing of a node is here.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// The silence is a finding.
    Silent,
    /// The node was retired.
    Retired,
    /// The node is not on the list of expected ones.
    NotExpected,
    /// The node was not there in the time that was asked for.
    NotThere,
    /// The verification did not ask for silent nodes.
    NotAsked,
}

/// One chain under one name.
struct Claim {
    chain: ChainId,
    node: String,
    since: u64,
    until: u64,
    /// The first time at which the node was there: by its chain's records, it may have been there
    /// before the chain was made.
    from: u64,
    /// The time of the last good checkpoint that says so.
    last: Option<u64>,
    /// When the node was retired, which may be after it was renamed.
    retired: Option<u64>,
}

impl Chains<'_> {
    /// Checks that the roster or a fleet vouches for a chain.
    pub(super) fn is_known(&self, chain: &ChainId) -> bool {
        self.roster.is_some_and(|roster| roster.of(chain).is_some()) || self.enrolled.has(chain)
    }

    /// Reports chains that make the statements of ledgers, and are not ledgers'.
    pub(super) fn check_roles(&mut self) {
        for (id, chain) in &self.chains {
            let Some(first) = chain.states_from.filter(|_| !self.ledgers.contains(id)) else { continue };
            self.findings.add_at(Verdict::KeyNotCertified, *id, first, None, NO_LEDGER.to_owned());
        }
    }

    /// Holds the nodes of the roster, and those that a fleet has enrolled, against what is
    /// here and what is expected. With a limited time, a node is heard only by a record
    /// that its key has sealed, and silent only for the time in which it was there. Returns
    /// the nodes that are absent or not expected.
    pub(super) fn check_nodes(
        &mut self,
        roster: &Roster,
        expected: Option<&Expected>,
        is_limited: bool,
        followed: &BTreeMap<ChainId, Followed>,
    ) -> Attendance {
        let is_any_asked = is_limited || expected.is_some();
        let (of_that_time, in_that_time) =
            if is_limited { (" of that time", " in that time") } else { ("", "") };
        let mut attendance = Attendance {
            expected: expected.map(|expected| expected.0.len()),
            is_asked: is_any_asked,
            ..Attendance::default()
        };
        let claims = self.claims(roster);
        self.check_claims(&claims);
        let mut nodes: BTreeMap<&str, Node> = BTreeMap::new();
        for claim in &claims {
            let node = nodes.entry(&claim.node).or_default();
            node.times.push((claim.from, claim.until));
            let encrypted = self.encrypted_of(&claim.chain, followed.get(&claim.chain));
            node.may_be_heard |= encrypted != When::Not;
            node.is_heard |= encrypted == When::Within
                || is_heard(self.chains.get(&claim.chain), followed.get(&claim.chain));
            node.has_records |= self.chains.get(&claim.chain).is_some_and(ChainLog::has_records_of_the_time);
            node.is_retired |= claim.retired.is_some();
            let is_there = claim.from <= *self.heard.end() && *self.heard.start() < claim.until;
            node.has_filter |= is_there && !self.ledgers.contains(&claim.chain);
            node.is_here |= encrypted != When::Not || self.chains.contains_key(&claim.chain);
            node.chain = Some(claim.chain);
        }
        for (name, node) in &nodes {
            let is_expected = expected.is_none_or(|expected| expected.has(name));
            if !is_expected && node.is_heard && !node.is_retired {
                let what =
                    format!("node {name} is not expected, and its chain has sealed records{of_that_time}");
                self.findings.add_of_node(Verdict::Unexpected, node.chain, name, what);
                attendance.unexpected.extend(node.chain.map(|chain| ((*name).to_owned(), chain)));
            }
            let is_there = node.is_there_in(&self.heard);
            let is_unclear = node.may_be_heard && !node.is_heard;
            if is_unclear && if is_expected { is_any_asked && is_there } else { !node.is_retired } {
                let what = format!(
                    "nobody can tell whether node {name} sent records{of_that_time}: encrypted files have records of it, \
                     and not all records in these files are of that time"
                );
                self.findings.add_of_node(Verdict::Encrypted, node.chain, name, what);
            }
            let is_silent = is_any_asked && is_expected && !node.is_heard && is_there && !is_unclear;
            if !node.is_here {
                let why = match () {
                    () if is_silent => Why::Silent,
                    () if !is_expected => Why::NotExpected,
                    () if node.is_retired => Why::Retired,
                    () if is_any_asked => Why::NotThere,
                    () => Why::NotAsked,
                };
                attendance.absent.push(Absent { node: (*name).to_owned(), chain: node.chain, why });
            }
            if is_silent {
                let mut what = format!("nothing that its key has sealed came from node {name}{in_that_time}");
                if node.has_records {
                    what += "; records of it are here, and no signature reaches them: not certified";
                }
                self.findings.add_of_node(Verdict::Silent, node.chain, name, what);
            }
        }
        for name in expected.iter().flat_map(|expected| &expected.0) {
            // A ledger that lives must not hide that nothing came from the filters of its node.
            let is_known = |(of, node): (&&str, &Node)| of == name || node.has_filter && is_name_of(of, name);
            if !nodes.iter().any(is_known) {
                let what =
                    format!("node {name} is expected, and no chain of it is known that is not a ledger's");
                self.findings.add_of_node(Verdict::Silent, None, name, what);
                attendance.absent.push(Absent { node: name.clone(), chain: None, why: Why::Silent });
            }
        }
        attendance.absent.sort_by(|one, other| one.node.cmp(&other.node));
        attendance
    }

    /// Returns whether encrypted records of a chain, which are not here, are of the time that is asked
    /// for. Records that no signature reaches count only if they join others, and cannot tell.
    fn encrypted_of(&self, id: &ChainId, followed: Option<&Followed>) -> When {
        let fitting = followed.map(|followed| &followed.spans);
        let fitting = fitting.filter(|spans| spans.lives_of(*id).next().is_some());
        let listed = self.spans.iter().flat_map(|spans| spans.of_chain(*id));
        let signed = listed.filter(|(_, span)| fitting.is_none() && span.signed.is_some());
        let is_here = |life: &Life, last: u64| followed.is_some_and(|followed| followed.has(life, last));
        let mut when = When::Not;
        for (life, span) in fitting.into_iter().flat_map(|spans| spans.of_chain(*id)).chain(signed) {
            match span.when {
                _ if span.why == spans::Why::Deleted || is_here(life, *span.records.end()) => {}
                When::Not => {}
                When::Within if span.signed.is_some() => return When::Within,
                When::Within | When::Unclear => when = When::Unclear,
            }
        }
        when
    }

    /// Returns which chains are whose, those that came first first.
    fn claims(&self, roster: &Roster) -> Vec<Claim> {
        let mut claims = Vec::new();
        for chain in self.enrolled.by_chain.keys() {
            let terms = self.enrolled.of(chain);
            for (at, term) in terms.iter().enumerate() {
                // A node that was renamed is there under the new name.
                let next = terms.get(at + 1).map(|next| next.since);
                let retired = roster.fleet().and_then(|fleet| fleet.retired_at(&term.node, term.since));
                let until = [next, term.until, retired].into_iter().flatten().min().unwrap_or(u64::MAX);
                let first = self.first_time(chain).filter(|_| at == 0);
                claims.push(Claim {
                    chain: *chain,
                    node: term.node.clone(),
                    since: term.since,
                    until,
                    from: first.unwrap_or(term.since).min(term.since),
                    last: term.to,
                    retired,
                });
            }
        }
        claims.sort_by_key(|claim| (claim.since, claim.chain));
        for entry in roster.entries() {
            let is_enrolled = |claim: &Claim| claim.chain == entry.chain && claim.node == entry.node;
            if !self.enrolled.has(&entry.chain) || !claims.iter().any(is_enrolled) {
                let since = entry.created_at().unwrap_or_default();
                let retired = roster.fleet().and_then(|fleet| fleet.retired_at(&entry.node, since));
                let first = self.first_time(&entry.chain).filter(|_| !self.enrolled.has(&entry.chain));
                claims.push(Claim {
                    chain: entry.chain,
                    node: entry.node.clone(),
                    since,
                    until: retired.unwrap_or(u64::MAX),
                    from: first.unwrap_or(since).min(since),
                    last: None,
                    retired,
                });
            }
        }
        claims
    }

    /// Returns the time of the chain's earliest record that is a good checkpoint.
    fn first_time(&self, chain: &ChainId) -> Option<u64> {
        self.chains.get(chain)?.checkpoint_times.iter().map(|(_, time)| time).min()
    }

    /// Looks for chains that seal on after another was enrolled in their place, or after
    /// their node was retired.
    fn check_claims(&mut self, claims: &[Claim]) {
        let mut before: BTreeMap<&str, &Claim> = BTreeMap::new();
        for claim in claims.iter().filter(|claim| claim.last.is_some()) {
            let last = claim.last.unwrap_or_default();
            if let Some(retired) = claim.retired.filter(|retired| last >= *retired) {
                let what = format!(
                    "node {} was retired at {}, and this chain of it sealed records until {}",
                    claim.node,
                    utc(retired),
                    utc(last)
                );
                self.findings.add(Verdict::Unexpected, Some(claim.chain), None, what);
            }
            let other = before.get(claim.node.as_str()).copied();
            if let Some(other) = other.filter(|other| other.last > Some(claim.since)) {
                let what = format!(
                    "two chains claim node {}: this one since {}, and {} went on until {}",
                    claim.node,
                    utc(claim.since),
                    other.chain,
                    utc(other.last.unwrap_or_default())
                );
                self.findings.add(Verdict::Unexpected, Some(claim.chain), None, what);
            }
            if other.is_none_or(|other| other.last < claim.last) {
                before.insert(&claim.node, claim);
            }
        }
    }
}
