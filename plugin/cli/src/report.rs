//! The envelope of all verification reports, for logs, exports and proofs: the verdict,
//! the counts, and the findings.

use crate::input::At;
use crate::stdout::shown;
use crate::verdict::Verdict;
use flb_audit_core::chain::{ChainId, Position};
use serde::{Serialize, Serializer};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::sync::Arc;

/// The maximum number of findings of a kind that are listed in JSON. All are counted.
const FINDINGS_MAX: usize = 100;
/// The maximum number of findings of a kind that are listed for a person.
const SHOWN_MAX: usize = 10;

/// A finding: one thing that is wrong. Findings have an order, so that a report does not
/// depend on the order of reading.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    pub(crate) verdict: Verdict,
    pub(crate) chain: Option<ChainId>,
    /// The node that it is about, if that is not the chain's.
    pub(crate) node: Option<String>,
    pub(crate) position: Option<Position>,
    /// The name of the source, and the number of the text in it.
    pub(crate) at: Option<(Arc<str>, u64)>,
    pub(crate) what: String,
}

/// All findings, by verdict.
pub(crate) struct Findings {
    /// The maximum number of findings of a kind that are kept.
    kept_max: usize,
    /// The names of the sources that are being read.
    pub(crate) names: Arc<[Arc<str>]>,
    /// The first findings of each kind, at least one, in the order of findings.
    kept: BTreeMap<Verdict, Vec<Finding>>,
    /// The number of findings of each kind.
    pub(crate) counts: BTreeMap<Verdict, u64>,
    /// The number of findings of each kind, by chain.
    counts_of_chains: BTreeMap<(ChainId, Verdict), u64>,
}

impl Default for Findings {
    fn default() -> Self {
        Findings::keeping(FINDINGS_MAX)
    }
}

impl Findings {
    /// Returns an empty collection, which keeps the first `kept_max` findings of each
    /// kind.
    pub(crate) fn keeping(kept_max: usize) -> Self {
        let names = Arc::new([]);
        let (kept, counts, counts_of_chains) = Default::default();
        Findings { kept_max, names, kept, counts, counts_of_chains }
    }

    /// Counts a finding, and keeps it if it is among the first of its kind.
    pub(crate) fn add(
        &mut self,
        verdict: Verdict,
        chain: Option<ChainId>,
        at: Option<At>,
        what: impl Into<String>,
    ) {
        let at = self.named(at);
        self.push(Finding { verdict, chain, node: None, position: None, at, what: what.into() });
    }

    /// Adds a finding about a node.
    pub(crate) fn add_of_node(
        &mut self,
        verdict: Verdict,
        chain: Option<ChainId>,
        node: &str,
        what: impl Into<String>,
    ) {
        let node = Some(node.to_owned());
        self.push(Finding { verdict, chain, node, position: None, at: None, what: what.into() });
    }

    /// Adds a finding at a place of a chain.
    pub(crate) fn add_at(
        &mut self,
        verdict: Verdict,
        chain: ChainId,
        position: Position,
        at: Option<At>,
        what: impl Into<String>,
    ) {
        let (chain, position, at) = (Some(chain), Some(position), self.named(at));
        self.push(Finding { verdict, chain, node: None, position, at, what: what.into() });
    }

    fn named(&self, at: Option<At>) -> Option<(Arc<str>, u64)> {
        at.and_then(|at| Some((self.names.get(at.source)?.clone(), at.number)))
    }

    /// Adds a finding.
    pub(crate) fn push(&mut self, finding: Finding) {
        let Finding { verdict, chain, .. } = finding;
        *self.counts.entry(verdict).or_default() += 1;
        if let Some(chain) = chain {
            *self.counts_of_chains.entry((chain, verdict)).or_default() += 1;
        }
        self.keep(finding);
    }

    /// Withdraws findings on a chain: their number, and how their texts end.
    pub(crate) fn withdraw(&mut self, verdict: Verdict, chain: ChainId, number: u64, end: &str) {
        fn less<K: Ord>(counts: &mut BTreeMap<K, u64>, key: K, number: u64) {
            let left = counts.get(&key).map_or(0, |count| count.saturating_sub(number));
            if left == 0 {
                counts.remove(&key)
            } else {
                counts.insert(key, left)
            };
        }
        if number > 0 {
            less(&mut self.counts, verdict, number);
            less(&mut self.counts_of_chains, (chain, verdict), number);
            let is_of = |finding: &Finding| finding.chain == Some(chain) && finding.what.ends_with(end);
            if let Some(kept) = self.kept.get_mut(&verdict) {
                kept.retain(|finding| !is_of(finding));
            }
        }
    }

    /// Keeps a finding as long as it may be among the first of its kind.
    fn keep(&mut self, finding: Finding) {
        let kept = self.kept.entry(finding.verdict).or_default();
        kept.push(finding);
        if kept.len() >= self.kept_max.saturating_mul(2) {
            kept.sort_unstable();
            kept.truncate(self.kept_max);
        }
    }

    /// Adds the findings of another part of the input that are of no chain: the first of
    /// each kind, and the number of each.
    pub(crate) fn merge(&mut self, first: Vec<Finding>, counts: BTreeMap<Verdict, u64>) {
        for (verdict, count) in counts {
            let known = self.counts.entry(verdict).or_default();
            *known = known.saturating_add(count);
        }
        first.into_iter().for_each(|finding| self.keep(finding));
    }

    /// Returns the first of each kind in the order of findings, the best kind first, and
    /// the number of each kind.
    pub(crate) fn into_first(self) -> (Vec<Finding>, BTreeMap<Verdict, u64>) {
        let first = self.kept.into_values().flat_map(|mut kept| {
            kept.sort_unstable();
            kept.truncate(self.kept_max);
            kept
        });
        (first.collect(), self.counts)
    }

    /// Returns each chain with each kind of its findings.
    pub(crate) fn chains(&self) -> impl Iterator<Item = (ChainId, Verdict)> {
        self.counts_of_chains.keys().copied()
    }

    /// Returns the verdict of the worst finding.
    pub(crate) fn verdict(&self) -> Verdict {
        Verdict::worst(self.counts.keys().copied())
    }
}

/// The JSON of a report. `T` has the counts of the verification; its members stand
/// between `exit_code` and `counts`.
#[derive(Serialize)]
pub(crate) struct Envelope<T> {
    verdict: Verdict,
    exit_code: u8,
    #[serde(flatten)]
    pub(crate) verified: T,
    /// The number of findings of each kind.
    counts: BTreeMap<Verdict, u64>,
    #[serde(skip)]
    counts_of_chains: BTreeMap<(ChainId, Verdict), u64>,
    /// The findings of each kind that were kept, the worst kind first.
    #[serde(serialize_with = "first_of_each_kind")]
    findings: Vec<Named>,
}

/// Lists the first findings of each kind.
fn first_of_each_kind<S: Serializer>(findings: &[Named], to: S) -> Result<S::Ok, S::Error> {
    let kinds = findings.chunk_by(|one, other| one.verdict == other.verdict);
    to.collect_seq(kinds.flat_map(|of_kind| of_kind.iter().take(FINDINGS_MAX)))
}

/// A finding as it is printed, with the names of its source and its chain.
#[derive(Serialize)]
pub(crate) struct Named {
    pub(crate) verdict: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) chain: Option<String>,
    /// The node that it is about, if one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) node: Option<String>,
    /// The place in the chain that the finding is about.
    #[serde(skip)]
    pub(crate) position: Option<Position>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<String>,
    /// The number of the line, or of the element of an array, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) number: Option<u64>,
    pub(crate) what: String,
    remedy: &'static str,
}

impl<T> Envelope<T> {
    /// Makes the report.
    pub(crate) fn new(verified: T, mut findings: Findings) -> Self {
        let verdict = findings.verdict();
        let name = |finding: Finding| Named {
            verdict: finding.verdict,
            chain: finding.chain.map(|id| id.to_string()),
            node: finding.node,
            position: finding.position,
            number: finding.at.as_ref().map(|(_, number)| *number),
            source: finding.at.map(|(source, _)| source.to_string()),
            what: finding.what,
            remedy: finding.verdict.remedy(),
        };
        let counts_of_chains = std::mem::take(&mut findings.counts_of_chains);
        let (mut first, counts) = findings.into_first();
        first.sort_by_key(|finding| Reverse(finding.verdict));
        let findings = first.into_iter().map(name).collect();
        Envelope { verdict, exit_code: verdict.code(), verified, counts, counts_of_chains, findings }
    }

    /// Adds the names of nodes to findings on chains.
    pub(crate) fn name_nodes<'a>(&mut self, node_of: impl Fn(&str) -> Option<&'a str>) {
        for finding in &mut self.findings {
            let node = || finding.chain.as_deref().and_then(&node_of).map(str::to_owned);
            finding.node = finding.node.take().or_else(node);
        }
    }

    /// Returns the number of findings of a kind.
    pub(crate) fn count(&self, verdict: Verdict) -> u64 {
        self.counts.get(&verdict).copied().unwrap_or_default()
    }

    /// Returns the number of findings of each kind, the worst kind first.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (Verdict, u64)> {
        self.counts.iter().rev().map(|(verdict, count)| (*verdict, *count))
    }

    /// Returns the findings that were kept, the worst kind first.
    pub(crate) fn findings(&self) -> &[Named] {
        &self.findings
    }

    /// Returns the number of findings by chain and kind.
    pub(crate) fn counts_of_chains(&self) -> impl Iterator<Item = (String, Verdict, u64)> {
        self.counts_of_chains.iter().map(|((chain, verdict), count)| (chain.to_string(), *verdict, *count))
    }

    pub(crate) fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Writes the findings for a person, one a line, the worst kind first. After each
    /// kind comes its remedy.
    pub(crate) fn write_findings(&self, out: &mut impl Write) -> fmt::Result {
        for (verdict, count) in self.counts.iter().rev() {
            let name = verdict.name().to_uppercase();
            let of_kind = self.findings.iter().filter(|finding| finding.verdict == *verdict);
            for Named { chain, node, source, number, what, .. } in of_kind.take(SHOWN_MAX) {
                write!(out, "{name}: ")?;
                if let (Some(source), Some(number)) = (source, number) {
                    write!(out, "{source}:{number}: ")?;
                }
                if let Some(chain) = chain {
                    match node {
                        Some(node) => write!(out, "chain {chain} of {}: ", shown(node))?,
                        None => write!(out, "chain {chain}: ")?,
                    }
                }
                writeln!(out, "{}", shown(what))?;
            }
            if *count > SHOWN_MAX as u64 {
                writeln!(
                    out,
                    "{name}: {} more; --json lists up to {FINDINGS_MAX} findings",
                    count - SHOWN_MAX as u64
                )?;
            }
            writeln!(out, "  to do: {}", verdict.remedy())?;
        }
        Ok(())
    }
}
