//! The report of a verification, for a person and as JSON.

use super::Verdict;
use super::chain_log::{ChainLog, SchemaCounts};
use super::chains::{Chains, Followed};
use super::changes::Resemblances;
use super::details::Details;
use super::ends::Unreached;
use super::enrolled::Term;
use crate::input::Inputs;
use crate::report::Envelope;
use crate::roster::Roster;
use crate::stdout;
use crate::terminal::print_report;
use crate::time::utc;
use flb_audit_core::chain::{ChainId, Life, Position};
use flb_audit_core::hash::Hash;
use flb_audit_core::text::base64url::hash_text;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::time::Duration;

/// The report of a verification of logs.
pub(super) struct Report {
    pub(super) said: Envelope<Logs>,
    /// The part that only metrics and pages show.
    pub(super) details: Details,
}

/// The counts of the report.
#[derive(Serialize)]
pub(super) struct Logs {
    /// The number of distinct sealed records.
    pub(super) records: u64,
    /// The number of repeated records.
    pub(super) duplicates: u64,
    /// The number of records that the holders of the roster's keys have sealed:
    /// signatures cover them. For all other records there is only their hash, which
    /// anybody can compute.
    pub(super) signed: u64,
    /// The number of records that are known to be missing.
    pub(super) missing: u64,
    /// The number of missing records that were sealed shortly before a filter stopped.
    pub(super) undelivered: u64,
    /// The number of records that a ledger's retention has deleted, according to its
    /// tombstones.
    pub(super) deleted: u64,
    /// The number of records that are encrypted and were not checked.
    pub(super) encrypted: u64,
    /// The number of records with top-level keys that the seal does not cover.
    pub(super) records_with_unsealed_keys: u64,
    /// The number of records with more keys of ignored names than are tried.
    pub(super) records_with_ignored_keys_over: u64,
    /// The ways in which inputs were stored, and the places of records in them.
    pub(super) inputs: Inputs,
    /// The known changes by stores that altered records resemble.
    pub(super) resemblances: Resemblances,
    pub(super) chains: Vec<Chain>,
}

#[derive(Serialize)]
pub(super) struct Chain {
    pub(super) chain: String,
    /// The node's name in the roster or in a fleet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) node: Option<String>,
    /// The nodes to which a fleet assigned the chain, each with its period.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) enrolled: Vec<Term>,
    pub(super) is_ephemeral: bool,
    pub(super) records: u64,
    pub(super) duplicates: u64,
    /// The number of records that signatures cover.
    pub(super) signed: u64,
    /// The stretches of records that no signature covers: the first ones.
    pub(super) unsigned: Vec<Range>,
    pub(super) missing: u64,
    pub(super) undelivered: u64,
    /// The number of records that are not as they were sealed.
    pub(super) altered: u64,
    /// The number of records that could not be parsed and were sealed as raw text.
    pub(super) raw: u64,
    /// The number of records with each note.
    pub(super) notes: BTreeMap<&'static str, u64>,
    /// The policies in force, in their order, as signed checkpoints name them.
    pub(super) policies: Vec<PolicyInForce>,
    /// The numbers of records by schema result.
    pub(super) schema: SchemaCounts,
    pub(super) segments: usize,
    pub(super) last_segment: u64,
    pub(super) last_sequence: u64,
    /// Segment and number of the checkpoint with which the log begins, if `--from` names
    /// one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) from_checkpoint: Option<(u64, u64)>,
    /// Segment and number of the last record signed by a key of the roster.
    pub(super) signed_to: Option<(u64, u64)>,
    /// Segment and number of the last record that an anchor proves.
    pub(super) anchored_to: Option<(u64, u64)>,
    /// The seconds between the last anchored record and the latest record, by the times
    /// of the records. Absent if the latest record is anchored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unanchored_seconds: Option<u64>,
    /// The times of the earliest and the latest record, in seconds since 1970.
    pub(super) from: u64,
    pub(super) to: u64,
}

/// A policy, and the first and last checkpoint that name it.
#[derive(Serialize)]
pub(super) struct PolicyInForce {
    /// The digest that `flb-audit explain` prints.
    pub(super) digest: String,
    /// Segment and number of the first and the last checkpoint.
    pub(super) from: (u64, u64),
    pub(super) to: (u64, u64),
}

/// Consecutive records of one life.
#[derive(Serialize)]
pub(super) struct Range {
    seg: u64,
    run: String,
    first: u64,
    last: u64,
}

/// The maximum number of ranges that are listed for a chain.
const RANGES_MAX: usize = 100;

impl Report {
    pub(super) fn new(
        mut chains: Chains<'_>,
        followed: &BTreeMap<ChainId, Followed>,
        (inputs, resemblances): (Inputs, Resemblances),
        roster: Option<&Roster>,
        deleted: u64,
        details: Details,
    ) -> io::Result<Self> {
        let found: Vec<Chain> = chains
            .chains
            .iter()
            .map(|(id, chain)| Chain::new(id, chain, followed.get(id), roster, chains.enrolled.of(id)))
            .collect();
        let encrypted = chains.encrypted();
        // All of the chains' rows have been read now, and nothing counts if one could not be.
        chains.spool.rows.check()?;
        if found.is_empty() && encrypted == 0 && !chains.are_too_many {
            chains.findings.add(Verdict::NothingFound, None, None, "no sealed record in the input");
        }
        let logs = Logs {
            records: found.iter().map(|chain| chain.records).sum(),
            duplicates: found.iter().map(|chain| chain.duplicates).sum(),
            signed: found.iter().map(|chain| chain.signed).sum(),
            missing: found.iter().fold(0, |sum, chain| chain.missing.saturating_add(sum)),
            undelivered: found.iter().fold(0, |sum, chain| chain.undelivered.saturating_add(sum)),
            deleted,
            encrypted,
            records_with_unsealed_keys: chains.with_unsealed_keys,
            records_with_ignored_keys_over: chains.with_ignored_keys_over,
            inputs,
            resemblances,
            chains: found,
        };
        let nodes: BTreeMap<String, String> =
            logs.chains.iter().filter_map(|chain| Some((chain.chain.clone(), chain.node.clone()?))).collect();
        let mut said = Envelope::new(logs, chains.findings);
        said.name_nodes(|chain| nodes.get(chain).map(String::as_str));
        Ok(Report { said, details })
    }

    pub(super) fn verdict(&self) -> Verdict {
        self.said.verdict()
    }

    /// Prints the report.
    pub(super) fn print(&self, is_json: bool) -> anyhow::Result<()> {
        if is_json { stdout::print(&self.to_json()?) } else { print_report(&self.to_string()) }
    }

    /// Returns the report as JSON.
    pub(super) fn to_json(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string_pretty(&self.said)? + "\n")
    }
}

impl Chain {
    fn new(
        id: &ChainId,
        chain: &ChainLog,
        followed: Option<&Followed>,
        roster: Option<&Roster>,
        enrolled: Vec<Term>,
    ) -> Self {
        let end = followed.and_then(Followed::end);
        let pair = |position: Position| (position.segment, position.sequence);
        let in_force = |(digest, (first, last)): (&Hash, &(Position, Position))| PolicyInForce {
            digest: String::from_utf8_lossy(&hash_text(digest)).into_owned(),
            from: pair(*first),
            to: pair(*last),
        };
        let mut policies: Vec<PolicyInForce> = chain.policies.iter().map(in_force).collect();
        policies.sort_by_key(|policy| policy.from);
        Chain {
            chain: id.to_string(),
            node: match roster.and_then(|roster| roster.of(id)) {
                Some(entry) => Some(entry.node.clone()),
                None => enrolled.last().map(|term| term.node.clone()),
            },
            enrolled,
            is_ephemeral: id.is_ephemeral(),
            records: chain.records,
            duplicates: chain.duplicates,
            signed: followed.map_or(0, |followed| followed.coverage.records),
            unsigned: followed.map_or_else(Vec::new, unsigned),
            missing: chain.missing,
            undelivered: chain.undelivered,
            raw: chain.raw,
            notes: chain.notes.clone(),
            policies,
            altered: chain.altered,
            schema: chain.checked,
            segments: chain.segments.len(),
            last_segment: end.map_or(0, |end| end.segment),
            last_sequence: end.map_or(0, |end| end.sequence),
            from_checkpoint: chain.first_checkpoint().map(|start| pair(start.place.position())),
            signed_to: chain.keys.last_signed.map(pair),
            anchored_to: chain.anchored.map(|place| pair(place.position())),
            unanchored_seconds: (chain.anchored < end).then(|| chain.unanchored_seconds()),
            from: chain.from,
            to: chain.to,
        }
    }
}

/// Returns the records of a chain that no signature covers.
fn unsigned(followed: &Followed) -> Vec<Range> {
    let mut ranges = Vec::new();
    for Unreached { life: Life { segment, run, .. }, first, last, .. } in followed.unreached() {
        if ranges.len() == RANGES_MAX {
            break;
        }
        ranges.push(Range { seg: segment, run: run.to_string(), first, last });
    }
    ranges
}

/// The maximum number of chains, and of findings of a kind, that are listed for a person.
const SHOWN_MAX: usize = 10;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let logs = &self.said.verified;
        for chain in logs.chains.iter().take(SHOWN_MAX) {
            write!(f, "chain {}", chain.chain)?;
            if let Some(node) = &chain.node {
                write!(f, " of {}", stdout::shown(node))?;
            }
            write!(f, "  {} records", chain.records)?;
            if chain.records == 0 {
                writeln!(f, " as they were sealed")?;
                continue;
            }
            write!(f, " in {} segments, {} to {}", chain.segments, utc(chain.from), utc(chain.to))?;
            writeln!(f, ", last: segment {}, record {}", chain.last_segment, chain.last_sequence)?;
            for Term { node, since, until, .. } in &chain.enrolled {
                write!(f, "  enrolled as {} on {}", stdout::shown(node), utc(*since))?;
                writeln!(f, "{}", until.map_or_else(String::new, |until| format!(", until {}", utc(until))))?;
            }
            if let Some((segment, record)) = chain.from_checkpoint {
                writeln!(
                    f,
                    "  begins with segment {segment}, record {record}; nothing before is looked for"
                )?;
            }
            for (count, what) in [
                (chain.duplicates, "duplicates (harmless)"),
                (chain.missing, "missing"),
                (chain.undelivered, "sealed shortly before the filter stopped, and not here"),
                (chain.raw, "sealed as raw text, since they could not be read"),
                (chain.schema.valid, "valid by their schema"),
                (chain.schema.invalid, "invalid by their schema"),
                (
                    chain.schema.quarantined,
                    "of the invalid ones in quarantine: `flb-audit restore` takes them out",
                ),
                (chain.schema.dropped, "of the invalid ones dropped: only their seals are left"),
                (chain.schema.unchecked, "not checked against a schema; their seals say why"),
            ] {
                if count > 0 {
                    writeln!(f, "  {count} {what}")?;
                }
            }
            for (note, count) in chain.notes.iter().filter(|(note, _)| is_of_the_node(note)) {
                writeln!(f, "  {count} records note {note}: see docs/seal-format.md, Notes")?;
            }
            for PolicyInForce { digest, from, .. } in chain.policies.iter().take(SHOWN_MAX) {
                writeln!(f, "  policy {digest} from segment {}, record {}", from.0, from.1)?;
            }
            if chain.altered > chain.records {
                writeln!(
                    f,
                    "  {} of {} records are altered: a filter or an output behind filter_audit.wasm changes \
                     them; see docs/operating.md",
                    chain.altered,
                    chain.altered.saturating_add(chain.records)
                )?;
            }
            if chain.is_ephemeral {
                let why = match () {
                    () if chain.notes.contains_key("state-damaged") => "the filter's state was damaged",
                    () if chain.notes.contains_key("state-not-writable") => {
                        "the filter could not write its state: it belongs to another user, or cannot be written at all"
                    }
                    () => "the filter had no state directory",
                };
                writeln!(f, "  ephemeral: {why}, so nothing links it to others")?;
            }
        }
        if logs.chains.len() > SHOWN_MAX {
            writeln!(f, "… and {} more chains", logs.chains.len() - SHOWN_MAX)?;
        }
        write!(f, "{}", logs.inputs)?;
        if logs.deleted > 0 {
            writeln!(f, "{} records were deleted by retention, as signed tombstones state", logs.deleted)?;
        }
        if logs.encrypted > 0 {
            writeln!(f, "{} records are encrypted, and were not checked", logs.encrypted)?;
        }
        if logs.records_with_unsealed_keys > 0 {
            let count = logs.records_with_unsealed_keys;
            writeln!(f, "{count} records have keys that are not under the seal")?;
        }
        self.said.write_findings(f)?;
        write!(f, "{}", logs.resemblances)?;
        writeln!(f, "{}: {}", self.name(), self.meaning())
    }
}

impl Report {
    /// Returns the longest period at the end of a chain that no anchor proves, if there
    /// is one.
    pub(super) fn unanchored(&self) -> Option<humantime::FormattedDuration> {
        let seconds = self.said.verified.chains.iter().filter_map(|chain| chain.unanchored_seconds).max()?;
        Some(humantime::format_duration(Duration::from_secs(seconds)))
    }

    fn name(&self) -> String {
        match (self.verdict(), self.unanchored()) {
            (Verdict::Intact, Some(time)) => format!("intact, anchored but for the last {time}"),
            (verdict, _) => verdict.name().to_owned(),
        }
    }

    fn meaning(&self) -> String {
        let logs = &self.said.verified;
        match self.verdict() {
            Verdict::Intact if self.unanchored().is_some() => format!(
                "all {} records are intact, and signatures reach {} of them; none is missing up to the last one here, \
                 and anchors prove each chain as far as --max-unanchored wants",
                logs.records, logs.signed
            ),
            Verdict::Intact => format!(
                "all {} records are as they were sealed, none is missing, and anchors prove the last of each chain",
                logs.records
            ),
            Verdict::TailUnanchored => format!(
                "all {} records are intact, and signatures reach {} of them; none is missing between the first and \
                 the last of each chain; records after the last anchor cannot be missed here",
                logs.records, logs.signed
            ),
            Verdict::Unsigned => format!(
                "all {} records fit together, and none is missing between the first and the last of each chain; \
                 but whoever can write the log can seal it anew",
                logs.records
            ),
            Verdict::Encrypted => format!(
                "{} records are encrypted and were not checked; the {} others fit together, and none is missing \
                 between the first and the last of each chain",
                logs.encrypted, logs.records
            ),
            Verdict::UncleanStop => format!(
                "{} records were sealed shortly before a filter stopped and may never have left the node; the {} here \
                 fit together, and nothing else is missing between the first and the last of each chain",
                logs.undelivered, logs.records
            ),
            Verdict::StateDamaged => {
                "a node says under its seal that its state was damaged, so nothing links what came after to what came \
                 before; the records here fit together"
                    .into()
            }
            Verdict::Silent => "some nodes sent nothing".into(),
            Verdict::Unexpected => {
                "there are nodes that are not expected, or chains that still seal although another chain has replaced \
                 them: somebody may have used a stolen enrollment key"
                    .into()
            }
            Verdict::KeyNotCertified => {
                "some signatures are not by a certified key, or signatures are missing that have to be there".into()
            }
            Verdict::Gap if logs.missing == 0 => format!(
                "no record is known to be missing, but checkpoints that have to cover records are: {} are here, and \
                 signatures reach {} of these",
                logs.records, logs.signed
            ),
            Verdict::Gap => format!(
                "{} records are missing; {} are here, and signatures reach {} of these",
                logs.missing, logs.records, logs.signed
            ),
            Verdict::LinkBroken => "some segments do not continue an earlier one; compare the history of the state directory".into(),
            Verdict::Conflict => "one chain was written from two places; give each filter a state directory of its own".into(),
            Verdict::Unsealed => "some records were not sealed by a filter".into(),
            Verdict::Changed => "objects that were read before have changed, or are gone".into(),
            Verdict::Unreadable => {
                "not all of the input could be read, so nothing can be said of the whole; each place has its reason"
                    .into()
            }
            Verdict::NothingFound => "no sealed record in the input, so nothing was verified".into(),
            Verdict::Tampered => "some records differ from what was sealed".into(),
        }
    }
}

/// Checks whether a note is about the node and not about the record.
pub(super) fn is_of_the_node(note: &str) -> bool {
    ["no-state", "state-", "key-", "enrollment-", "hmac-key-", "policy-"]
        .iter()
        .any(|start| note.starts_with(start))
}
