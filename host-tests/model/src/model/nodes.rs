//! Assigns chains to nodes, and finds nodes that are silent or not expected.

use super::{Chain, Log, Report, files};
use crate::json::Value;
use crate::seal::{self, Bad, Enrollment, Good, Record};
use std::collections::{BTreeMap, BTreeSet};

/// Key 0 and node of a chain in the roster.
type Entry = ([u8; 32], String);

/// The roster and the fleet.
pub(super) struct Trusted {
    roster: Option<BTreeMap<String, Entry>>,
    fleet: Option<[u8; 32]>,
}

/// The statement of a good checkpoint on whose its chain is.
#[derive(Clone)]
pub(super) struct Claim {
    node: String,
    since: u64,
    until: Option<u64>,
    /// The time of the checkpoint, if its record is intact
    at: Option<u64>,
}

impl Claim {
    pub(super) fn of(enrollment: &Enrollment, at: Option<u64>) -> Claim {
        let Enrollment { node, since, until, .. } = enrollment.clone();
        Claim { node, since, until, at }
    }
}

impl Trusted {
    pub(super) fn of(log: &Log) -> Trusted {
        let fleet = log.fleet.as_deref().and_then(Value::parse);
        Trusted {
            roster: log.roster.as_deref().map(|text| {
                let entries = Value::parse(text).unwrap_or(Value::Null);
                let entry = |entry: &Value| {
                    let text = |name: &str| Some(entry.get(name)?.as_str()?.to_owned());
                    Some((text("chain")?, (seal::bytes(&text("key")?)?, text("node")?)))
                };
                entries.as_array().unwrap_or_default().iter().filter_map(entry).collect()
            }),
            fleet: fleet.and_then(|fleet| seal::bytes(fleet.get("fleet")?.as_str()?)),
        }
    }

    /// Checks that there is a roster or a fleet.
    pub(super) fn is_any(&self) -> bool {
        self.roster.is_some() || self.has_fleet()
    }

    pub(super) fn has_fleet(&self) -> bool {
        self.fleet.is_some()
    }

    /// Checks that the roster has a chain.
    pub(super) fn has(&self, chain: &str) -> bool {
        self.roster.as_ref().is_some_and(|roster| roster.contains_key(chain))
    }

    /// Judges a checkpoint of the log, or an anchor.
    pub(super) fn judge(&self, record: &Record, is_here: bool) -> Result<Good, Bad> {
        seal::judge(record, |enrollment| self.key_0(record, is_here, enrollment))
    }

    /// Returns true if a good checkpoint says that its chain is a ledger's.
    pub(super) fn is_of_ledger(&self, good: &Good) -> bool {
        let is_permitted = !self.has_fleet() || good.enrollment.as_ref().is_none_or(|of| of.is_ledger);
        good.is_of_ledger && is_permitted
    }

    /// Returns key 0 of the chain of a checkpoint, if somebody vouches for it.
    fn key_0(
        &self,
        record: &Record,
        is_here: bool,
        enrollment: Option<&Enrollment>,
    ) -> Result<[u8; 32], Bad> {
        let entry = self.roster.as_ref().and_then(|roster| roster.get(&record.chain));
        match (entry, self.fleet.zip(enrollment)) {
            (Some((key, ..)), None) => Ok(*key),
            (None, None) => Err(Bad::NotCertified),
            (entry, Some((fleet, of))) => {
                let agrees = entry.is_none_or(|(key, node)| (*key, node) == (of.key_0, &of.node));
                let is_over = is_here && of.until.is_some_and(|until| until <= record.seconds);
                let is_good = agrees && !is_over && of.is_of(&record.chain, &fleet);
                if is_good { Ok(of.key_0) } else { Err(Bad::NotCertified) }
            }
        }
    }
}

/// One name of one chain.
struct Name<'a> {
    chain: &'a str,
    name: String,
    since: u64,
    /// The start of the time in which a node of this name was there
    from: u64,
    /// The end of that time (exclusive)
    until: u64,
    /// The time of the last good checkpoint with this name
    last: Option<u64>,
    /// When the node was retired, which may be after it was renamed
    retired: Option<u64>,
}

fn is_name_of(name: &str, node: &str) -> bool {
    name == node || name.starts_with(&format!("{node}/"))
}

fn seconds_of(text: &str) -> u64 {
    files::seconds_of(text).unwrap_or_default()
}

/// Returns all names of all chains.
fn names<'a>(log: &Log, chains: &'a BTreeMap<String, Chain>, entries: &'a Value) -> Vec<Name<'a>> {
    let fleet = log.fleet.as_deref().and_then(Value::parse).unwrap_or(Value::Null);
    let retired = |name: &str, since: u64| {
        let all = fleet.get("retired").and_then(Value::as_array).unwrap_or_default();
        let text =
            |of: &Value, name: &str| of.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let of = all.iter().filter(|of| is_name_of(name, &text(of, "node")));
        of.map(|of| seconds_of(&text(of, "at"))).filter(|at| *at > since).min()
    };
    let first_record = |chain: &str| {
        let of = chains.get(chain)?;
        let is_good = |record: &&Record| {
            of.good.iter().any(|(place, head, _)| (place, head) == (&record.place, &record.head))
        };
        of.all().filter(is_good).map(|record| record.seconds).min()
    };
    let mut names = Vec::new();
    for (chain, of) in chains {
        let all: BTreeSet<&String> = of.claims.iter().map(|claim| &claim.node).collect();
        let first = |name: &String| {
            of.claims.iter().filter(|claim| claim.node == *name).map(|claim| claim.since).min()
        };
        let mut order: Vec<(u64, &String)> =
            all.iter().filter_map(|name| Some((first(name)?, *name))).collect();
        order.sort_unstable();
        for (at, (since, name)) in order.iter().enumerate() {
            let so: Vec<_> = of.claims.iter().filter(|claim| claim.node == **name).collect();
            let is_for_good = so.iter().any(|claim| claim.until.is_none());
            let until = so.iter().filter_map(|claim| claim.until).max().filter(|_| !is_for_good);
            let (next, gone) = (order.get(at + 1).map(|next| next.0), retired(name, *since));
            names.push(Name {
                chain,
                name: (*name).clone(),
                since: *since,
                from: first_record(chain).filter(|_| at == 0).unwrap_or(*since).min(*since),
                until: [next, until, gone].into_iter().flatten().min().unwrap_or(u64::MAX),
                last: so.iter().filter_map(|claim| claim.at).max(),
                retired: gone,
            });
        }
    }
    for entry in entries.as_array().unwrap_or_default() {
        let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
        if !names.iter().any(|of| (of.chain, of.name.as_str()) == (text("chain"), text("node"))) {
            let since = seconds_of(text("created"));
            let gone = retired(text("node"), since);
            let is_enrolled = chains.get(text("chain")).is_some_and(|of| !of.claims.is_empty());
            let first = first_record(text("chain")).filter(|_| !is_enrolled);
            names.push(Name {
                chain: text("chain"),
                name: text("node").to_owned(),
                since,
                from: first.unwrap_or(since).min(since),
                until: gone.unwrap_or(u64::MAX),
                last: None,
                retired: gone,
            });
        }
    }
    names
}

/// Looks for nodes that are silent, and for those that are not expected.
pub(super) fn check(log: &Log, chains: &BTreeMap<String, Chain>, report: &mut Report) {
    if log.roster.is_none() && log.fleet.is_none() {
        return;
    }
    let entries = log.roster.as_deref().and_then(Value::parse).unwrap_or(Value::Null);
    let names = names(log, chains, &entries);
    let (from, to) = log.heard.unwrap_or((0, u64::MAX));
    let expected: Option<Vec<&str>> = log.expected.as_ref().map(|lines| {
        lines.iter().map(|line| line.trim()).map(|line| line.strip_prefix("node/").unwrap_or(line)).collect()
    });
    for of in &names {
        if of.retired.is_some_and(|at| of.last.is_some_and(|last| last >= at)) {
            report.add("unexpected", format!("{} goes on", of.name));
        }
        let is_before =
            |other: &&Name| (other.since, other.chain) < (of.since, of.chain) && other.name == of.name;
        if of.last.is_some() && names.iter().filter(is_before).any(|other| other.last > Some(of.since)) {
            report.add("unexpected", format!("{} is claimed twice", of.name));
        }
    }
    let is_heard = |chain: &str| {
        chains.get(chain).is_some_and(|chain| {
            chain.all().any(|record| chain.is_covered(record) && (from..=to).contains(&record.seconds))
        })
    };
    for name in names.iter().map(|of| of.name.as_str()).collect::<BTreeSet<&str>>() {
        let so = || names.iter().filter(|of| of.name == name);
        let is_heard = so().any(|of| is_heard(of.chain));
        let is_there = so().any(|of| of.from <= to && from < of.until);
        let is_expected = expected.as_ref().is_none_or(|expected| {
            expected
                .iter()
                .any(|node| name == *node || name.split_once('/').is_some_and(|(of, _)| of == *node))
        });
        if !is_expected && is_heard && !so().any(|of| of.retired.is_some()) {
            report.add("unexpected", name.to_owned());
        }
        if is_expected && is_there && !is_heard && (log.heard.is_some() || expected.is_some()) {
            report.add("silent", name.to_owned());
        }
    }
    for node in expected.into_iter().flatten() {
        let is_filter = |of: &Name| {
            of.from <= to && from < of.until && chains.get(of.chain).is_none_or(|chain| !chain.is_ledger)
        };
        if !names.iter().any(|of| of.name == node || is_filter(of) && is_name_of(&of.name, node)) {
            report.add("silent", node.to_owned());
        }
    }
}
