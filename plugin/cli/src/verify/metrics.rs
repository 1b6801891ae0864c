//! Writes the report of a verification as metrics, in the text format of OpenMetrics 1.0,
//! which Prometheus and node_exporter's textfile collector also read.
//!
//! Names end in their unit. A node has its name from the roster, from its fleet or from
//! the list of expected nodes. All chains that nobody vouches for are counted as one, with
//! an empty node. So a log cannot make more series than the operator has nodes.

use super::details::Details;
use super::nodes::{Absent, Why};
use super::report::{Chain, Logs, Report};
use crate::report::Envelope;
use crate::verdict::Verdict;
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{Duration, SystemTime};

/// The name of a metric, its description, and its value for a chain.
type OfChain = (&'static str, &'static str, fn(&Chain) -> Option<u64>);

/// The metrics of each chain.
const OF_CHAINS: [OfChain; 11] = [
    ("records", "Different records that are as they were sealed.", |chain| Some(chain.records)),
    ("signed_records", "Records that signatures of certified keys reach.", |chain| Some(chain.signed)),
    ("missing_records", "Records that are known to be missing.", |chain| Some(chain.missing)),
    ("undelivered_records", "Records that were sealed shortly before a stop and are not here.", |chain| {
        Some(chain.undelivered)
    }),
    ("altered_records", "Records that are not the ones that were sealed.", |chain| Some(chain.altered)),
    ("raw_records", "Records that were sealed as raw text, since they could not be read.", |chain| {
        Some(chain.raw)
    }),
    ("valid_records", "Records that are valid by their schema.", |chain| Some(chain.schema.valid)),
    ("invalid_records", "Records that are invalid by their schema.", |chain| Some(chain.schema.invalid)),
    ("unchecked_records", "Records whose schema could not be run to its end.", |chain| {
        Some(chain.schema.unchecked)
    }),
    ("last_record_timestamp_seconds", "The time of the latest record.", |chain| {
        (chain.records > 0).then_some(chain.to)
    }),
    ("unanchored_seconds", "From the last record that an anchor proves to the latest checkpoint.", |chain| {
        Some(chain.unanchored_seconds.unwrap_or_default())
    }),
];

/// The first bytes of the metrics.
pub(super) const START: &[u8] = b"# TYPE flb_audit_";

/// Writes a report as metrics. `begun` is the time at which the verification began.
pub(super) fn openmetrics(report: &Report, begun: SystemTime, took: Duration) -> String {
    let (report, details) = (&report.said, &report.details);
    let absent = &details.attendance.absent;
    let mut out = Metrics::default();
    let end = (begun + took).duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    out.family("verify_timestamp_seconds", "When the verification ended.");
    out.sample("verify_timestamp_seconds", &[], end.as_secs());
    out.family("verify_duration_seconds", "How long the verification took.");
    out.sample("verify_duration_seconds", &[], format_args!("{:.3}", took.as_secs_f64()));
    out.family("verify_exit_code", "The exit code of `flb-audit verify`: docs/operating.md lists them.");
    out.sample("verify_exit_code", &[], report.verdict().code());
    out.family("findings", "Findings of all chains by verdict.");
    for verdict in Verdict::all().filter(|verdict| *verdict != Verdict::Intact) {
        out.sample("findings", &[("verdict", &word(verdict))], report.count(verdict));
    }
    let nodes = nodes(&report.verified);
    out.family("chain_findings", "Findings of one chain by verdict.");
    for ((labels, verdict), count) in findings(report, &nodes, absent) {
        out.sample("chain_findings", &labels.with(("verdict", &word(verdict))), count);
    }
    for (name, help, value) in OF_CHAINS {
        let name = format!("chain_{name}");
        out.family(&name, help);
        // Counts are added up. For times, the latest counts.
        let is_time = name.ends_with("_seconds");
        for (labels, chains) in &nodes {
            let values = chains.iter().filter_map(|chain| value(chain));
            let value = if is_time { values.max() } else { values.reduce(u64::saturating_add) };
            if let Some(value) = value {
                out.sample(&name, &labels.all(), value);
            }
        }
    }
    out.family("chain_notes", "Records with a note: docs/seal-format.md says what each means.");
    for (labels, chains) in &nodes {
        let mut notes = BTreeMap::<&str, u64>::new();
        for (note, count) in chains.iter().flat_map(|chain| &chain.notes) {
            *notes.entry(note).or_default() += count;
        }
        for (note, count) in notes {
            out.sample("chain_notes", &labels.with(("note", note)), count);
        }
    }
    add_tallies(&mut out, &tallies(details, &nodes));
    out.family("chain_policy_info", "The digest of the policy that is in force at the end of a chain.");
    for (labels, chains) in nodes.iter().filter(|(labels, _)| !labels.node.is_empty()) {
        for policy in chains.iter().filter_map(|chain| chain.policies.last()) {
            out.sample("chain_policy_info", &labels.with(("digest", &policy.digest)), 1);
        }
    }
    out.0 + "# EOF\n"
}

/// The seals' statements on the redactions and schemas of one node's chain.
#[derive(Default)]
struct OfSeals<'a> {
    redacted_records: u64,
    /// The number of redactions by each rule.
    rules: BTreeMap<&'a str, u64>,
    /// The number of invalid records by schema.
    invalid: BTreeMap<&'a str, u64>,
}

/// The maximum number of rules, and of schemas, that are distinguished for a chain.
const NAMES_MAX: usize = 100;
/// The name under which all others are counted.
const OTHERS: &str = "(others)";

fn tallies<'a>(
    details: &'a Details,
    nodes: &BTreeMap<Labels<'a>, Vec<&'a Chain>>,
) -> BTreeMap<Labels<'a>, OfSeals<'a>> {
    let by_name: BTreeMap<&str, &Labels<'a>> = nodes.keys().map(|labels| (labels.chain, labels)).collect();
    let mut tallies: BTreeMap<_, OfSeals> =
        nodes.keys().map(|labels| (labels.clone(), OfSeals::default())).collect();
    for (chain, tally) in &details.tallies.of_chains {
        let labels = chain.and_then(|chain| by_name.get(&*chain.to_string()).copied());
        let of_seals = tallies.entry(labels.unwrap_or(&Labels::UNKNOWN).clone()).or_default();
        of_seals.redacted_records += tally.redacted_records;
        for (rule, count) in &tally.rules.counts {
            add(&mut of_seals.rules, rule, *count);
        }
        if tally.rules.others > 0 {
            add(&mut of_seals.rules, OTHERS, tally.rules.others);
        }
        for (schema, of_schema) in &tally.schemas {
            add(&mut of_seals.invalid, if schema.is_empty() { OTHERS } else { schema }, of_schema.invalid);
        }
    }
    tallies
}

fn add<'a>(counts: &mut BTreeMap<&'a str, u64>, name: &'a str, count: u64) {
    let has_place = counts.len() < NAMES_MAX || counts.contains_key(name);
    let counted = counts.entry(if has_place { name } else { OTHERS }).or_default();
    *counted = counted.saturating_add(count);
}

fn add_tallies(out: &mut Metrics, tallies: &BTreeMap<Labels<'_>, OfSeals<'_>>) {
    out.family("chain_redacted_records", "Records in which something was redacted.");
    for (labels, of_seals) in tallies {
        out.sample("chain_redacted_records", &labels.all(), of_seals.redacted_records);
    }
    out.family("chain_redactions", "How often a rule has redacted something.");
    for (labels, of_seals) in tallies {
        for (rule, count) in &of_seals.rules {
            out.sample("chain_redactions", &labels.with(("rule", rule)), count);
        }
    }
    out.family("chain_schema_invalid_records", "Records that are invalid by this schema.");
    for (labels, of_seals) in tallies {
        for (schema, count) in &of_seals.invalid {
            out.sample("chain_schema_invalid_records", &labels.with(("schema", schema)), count);
        }
    }
}

/// The name of a verdict in JSON reports.
fn word(verdict: Verdict) -> String {
    json!(verdict).as_str().unwrap_or_default().to_owned()
}

/// The labels of a chain. Both are empty for all chains that nobody vouches for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Labels<'a> {
    node: &'a str,
    chain: &'a str,
}

impl<'a> Labels<'a> {
    const UNKNOWN: Labels<'static> = Labels { node: "", chain: "" };

    fn of(chain: &'a Chain) -> Self {
        chain.node.as_deref().map_or(Labels::UNKNOWN, |node| Labels { node, chain: &chain.chain })
    }

    fn all(&self) -> [(&'static str, &'a str); 2] {
        [("node", self.node), ("chain", self.chain)]
    }

    fn with<'b>(&self, other: (&'static str, &'b str)) -> [(&'static str, &'b str); 3]
    where
        'a: 'b,
    {
        [("node", self.node), ("chain", self.chain), other]
    }
}

/// The maximum number of chains that are told apart. All others count as one.
const CHAINS_MAX: usize = 10_000;

fn nodes(logs: &Logs) -> BTreeMap<Labels<'_>, Vec<&Chain>> {
    let mut nodes = BTreeMap::<_, Vec<_>>::new();
    for chain in &logs.chains {
        let labels = Labels::of(chain);
        let has_place = nodes.len() < CHAINS_MAX || nodes.contains_key(&labels);
        nodes.entry(if has_place { labels } else { Labels::UNKNOWN }).or_default().push(chain);
    }
    nodes
}

/// Counts findings by chain. A node without any record here has its name, too.
fn findings<'a>(
    report: &Envelope<Logs>,
    nodes: &BTreeMap<Labels<'a>, Vec<&'a Chain>>,
    absent: &'a [Absent],
) -> BTreeMap<(Labels<'a>, Verdict), u64> {
    let labels_of = |absent: &'a Absent| Labels {
        node: &absent.node,
        chain: absent.chain.as_ref().map_or("", |chain| str::from_utf8(chain.as_bytes()).unwrap_or_default()),
    };
    let absent_nodes = absent.iter().map(labels_of);
    let by_name: BTreeMap<&str, Labels<'a>> =
        nodes.keys().cloned().chain(absent_nodes).map(|labels| (labels.chain, labels)).collect();
    let mut findings = BTreeMap::new();
    for (chain, verdict, count) in report.counts_of_chains() {
        let labels = by_name.get(&chain[..]).unwrap_or(&Labels::UNKNOWN).clone();
        *findings.entry((labels, verdict)).or_default() += count;
    }
    let without_chain = |of: &&Absent| of.chain.is_none() && of.why == Why::Silent;
    for absent in absent.iter().filter(without_chain) {
        *findings.entry((labels_of(absent), Verdict::Silent)).or_default() += 1;
    }
    findings
}

/// The text that is being written.
#[derive(Default)]
struct Metrics(String);

impl Metrics {
    fn family(&mut self, name: &str, help: &str) {
        let _ = writeln!(self.0, "# TYPE flb_audit_{name} gauge\n# HELP flb_audit_{name} {help}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let _ = write!(self.0, "flb_audit_{name}");
        for (at, (label, text)) in labels.iter().enumerate() {
            let separator = if at == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{separator}{label}=\"{}\"", escaped(text));
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{end} {value}");
    }
}

/// Escapes a label's value: OpenMetrics 1.0, section "Escaping".
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
