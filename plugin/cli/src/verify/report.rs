//! What a verification says: for a person, and for a machine.

use super::Verdict;
use super::chains::{Chains, SchemaCounts};
use crate::input::Source;
use crate::report::{FINDINGS_MAX, Finding};
use crate::roster::Roster;
use crate::stdout;
use flb_audit_core::chain::ChainId;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// The whole of it; as JSON, this is its shape.
#[derive(Serialize)]
pub(super) struct Report {
    verdict: Verdict,
    exit_code: u8,
    /// Different sealed records.
    records: u64,
    /// Records that came again, the same.
    duplicates: u64,
    /// Records that are known to be missing.
    missing: u64,
    /// Records that a ledger's retention has deleted, as its tombstones say.
    deleted: u64,
    /// Records that are encrypted, and were not checked.
    encrypted: u64,
    /// Records with top-level keys that the seal does not cover.
    records_with_unsealed_keys: u64,
    chains: Vec<Chain>,
    /// How many findings there are of each kind.
    counts: BTreeMap<Verdict, u64>,
    /// The first of each kind.
    findings: Vec<Found>,
}

#[derive(Serialize)]
struct Chain {
    chain: String,
    /// As the roster has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    is_ephemeral: bool,
    records: u64,
    duplicates: u64,
    missing: u64,
    /// Records sealed as raw text, since they could not be read.
    raw: u64,
    /// What schemas say of them.
    schema: SchemaCounts,
    segments: usize,
    last_segment: u64,
    last_sequence: u64,
    /// Segment and number of the last record under a key of the roster's.
    signed_to: Option<(u64, u64)>,
    /// And of the last one that an anchor proves.
    anchored_to: Option<(u64, u64)>,
    /// Seconds since 1970.
    from: u64,
    to: u64,
}

#[derive(Serialize)]
struct Found {
    verdict: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    chain: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    /// Line, or element of an array, from 1 on.
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
    what: String,
}

impl Report {
    pub(super) fn new(chains: Chains, sources: &[Source], roster: Option<&Roster>) -> Self {
        let found: Vec<Chain> =
            chains.chains.iter().map(|(id, chain)| Chain::new(id, chain, roster)).collect();
        let encrypted = chains.encrypted();
        let nothing = (found.is_empty() && encrypted == 0).then_some(Verdict::NothingFound);
        let verdict = Verdict::worst(chains.findings.counts.keys().copied().chain(nothing));
        let show = |finding: Finding| Found {
            verdict: finding.verdict,
            chain: finding.chain.map(|id| id.to_string()),
            source: finding.at.map(|at| sources[at.source].name()),
            number: finding.at.map(|at| at.number),
            what: finding.what,
        };
        let findings = chains.findings.kept.into_values().rev().flatten().map(show).collect();
        Report {
            verdict,
            exit_code: verdict.code(),
            records: found.iter().map(|chain| chain.records).sum(),
            duplicates: found.iter().map(|chain| chain.duplicates).sum(),
            missing: found.iter().map(|chain| chain.missing).sum(),
            deleted: chains.absent.deleted,
            encrypted,
            records_with_unsealed_keys: chains.with_unsealed_keys,
            chains: found,
            counts: chains.findings.counts,
            findings,
        }
    }

    pub(super) fn verdict(&self) -> Verdict {
        self.verdict
    }
}

impl Chain {
    fn new(id: &ChainId, chain: &super::chains::Chain, roster: Option<&Roster>) -> Self {
        let (last_segment, last_sequence) = chain.end().unwrap_or_default();
        Chain {
            chain: id.to_string(),
            node: roster.and_then(|roster| roster.of(id)).map(|entry| entry.node.clone()),
            is_ephemeral: id.is_ephemeral(),
            records: chain.records,
            duplicates: chain.duplicates,
            missing: chain.missing,
            raw: chain.raw,
            schema: chain.checked,
            segments: chain.segments(),
            last_segment,
            last_sequence,
            signed_to: chain.keys.last_signed,
            anchored_to: chain.anchored,
            from: chain.from,
            to: chain.to,
        }
    }
}

/// How many chains are listed for a person, and findings of a kind.
const SHOWN_MAX: usize = 10;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chain in self.chains.iter().take(SHOWN_MAX) {
            write!(f, "chain {}", chain.chain)?;
            if let Some(node) = &chain.node {
                write!(f, " of {}", stdout::shown(node))?;
            }
            write!(f, "  {} records", chain.records)?;
            write!(f, " in {} segments, {} to {}", chain.segments, utc(chain.from), utc(chain.to))?;
            writeln!(f, ", last: segment {}, record {}", chain.last_segment, chain.last_sequence)?;
            for (count, what) in [
                (chain.duplicates, "came again, the same: fine"),
                (chain.missing, "missing"),
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
            if chain.is_ephemeral {
                writeln!(f, "  ephemeral: the filter had no state directory, so nothing links it to others")?;
            }
        }
        if self.chains.len() > SHOWN_MAX {
            writeln!(f, "… and {} more chains", self.chains.len() - SHOWN_MAX)?;
        }
        if self.deleted > 0 {
            writeln!(f, "{} records were deleted by retention: tombstones say which", self.deleted)?;
        }
        if self.encrypted > 0 {
            writeln!(f, "{} records are encrypted, and were not checked", self.encrypted)?;
        }
        if self.records_with_unsealed_keys > 0 {
            let count = self.records_with_unsealed_keys;
            writeln!(f, "{count} records have keys that are not under the seal")?;
        }
        for (verdict, count) in self.counts.iter().rev() {
            let shown = self.findings.iter().filter(|finding| finding.verdict == *verdict).take(SHOWN_MAX);
            for finding in shown {
                write!(f, "{}: ", verdict.name().to_uppercase())?;
                if let (Some(source), Some(number)) = (&finding.source, finding.number) {
                    write!(f, "{source}:{number}: ")?;
                }
                if let Some(chain) = &finding.chain {
                    write!(f, "chain {chain}: ")?;
                }
                writeln!(f, "{}", stdout::shown(&finding.what))?;
            }
            if *count > SHOWN_MAX as u64 {
                let more = count - SHOWN_MAX as u64;
                writeln!(f, "{}: {more} more; --json lists {FINDINGS_MAX}", verdict.name().to_uppercase())?;
            }
        }
        writeln!(f, "{}: {}", self.verdict.name(), self.meaning())
    }
}

impl Report {
    fn meaning(&self) -> String {
        match self.verdict {
            Verdict::Intact => format!(
                "all {} records are as they were sealed, none is missing, and anchors prove the last of each chain",
                self.records
            ),
            Verdict::TailUnanchored => format!(
                "all {} records are as they were sealed, and none is missing between the first and the last of \
                 each chain; records after the last anchor cannot be missed here",
                self.records
            ),
            Verdict::Unsigned => format!(
                "all {} records fit together, and none is missing between the first and the last of each chain; \
                 but whoever can write the log can seal it anew",
                self.records
            ),
            Verdict::Encrypted => format!(
                "{} records are encrypted and were not checked; the {} others fit together, and none is missing \
                 between the first and the last of each chain",
                self.encrypted, self.records
            ),
            Verdict::UncleanStop | Verdict::StateDamaged => self.verdict.meaning().into(),
            Verdict::Silent => "there are nodes from which nothing came".into(),
            Verdict::KeyNotCertified => {
                "there are signatures, or lacks of them, that the holder of the roster's key cannot have made".into()
            }
            Verdict::Gap => format!("{} records are missing; the {} here are as they were sealed", self.missing, self.records),
            Verdict::LinkBroken => "segments do not follow from one another; compare the state directory's history".into(),
            Verdict::Conflict => "one chain was written from two places; give each filter a state directory of its own".into(),
            Verdict::Unsealed => "there are records that no filter has sealed".into(),
            Verdict::Unreadable => {
                "not all of the input could be read, so nothing can be said of the whole; if it is an output of \
                 Fluent Bit, set its format to JSON lines (`format json_lines`, or `plain` for `file`)"
                    .into()
            }
            Verdict::NothingFound => "no sealed record in the input, so nothing was verified".into(),
            Verdict::Tampered => "records are not what was sealed".into(),
        }
    }
}

/// A time as in RFC 3339, to the second, in UTC.
fn utc(seconds: u64) -> String {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    humantime::format_rfc3339_seconds(time).to_string()
}
