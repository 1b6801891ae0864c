//! The nodes of a report, for `fleet status`.

use super::nodes::{Absent, Why};
use super::report::Report;
use crate::status::{Node, Status};
use crate::verdict::Verdict;
use std::collections::BTreeMap;

/// Returns the nodes of a report. Nodes that have never sent anything are among them, unless
/// they are retired or not expected.
pub(super) fn status_of(report: &Report) -> Status {
    let mut findings: BTreeMap<String, BTreeMap<Verdict, u64>> = BTreeMap::new();
    for (chain, verdict, count) in report.said.counts_of_chains() {
        findings.entry(chain).or_default().insert(verdict, count);
    }
    let mut nodes: BTreeMap<String, Node> = BTreeMap::new();
    for chain in &report.said.verified.chains {
        let name = chain.node.as_ref().unwrap_or(&chain.chain);
        let mut node = Node {
            chain: Some(chain.chain.clone()),
            segment: Some(chain.last_segment),
            last: Some(chain.to),
            policy: chain.policies.iter().max_by_key(|policy| policy.to).map(|it| it.digest.clone()),
            findings: findings.remove(&chain.chain).unwrap_or_default(),
        };
        if let Some(other) = nodes.remove(name) {
            let mut counts = other.findings.clone();
            for (verdict, count) in &node.findings {
                *counts.entry(*verdict).or_default() += count;
            }
            node = if other.last > node.last { other } else { node };
            node.findings = counts;
        }
        nodes.insert(name.clone(), node);
    }
    for Absent { node, chain, why } in &report.details.attendance.absent {
        if matches!(why, Why::Retired | Why::NotExpected) {
            continue;
        }
        let chain = chain.map(|chain| chain.to_string());
        let mut findings = chain.as_ref().and_then(|chain| findings.remove(chain)).unwrap_or_default();
        if *why == Why::Silent {
            findings.entry(Verdict::Silent).or_insert(1);
        }
        let node_of = Node { chain, segment: None, last: None, policy: None, findings };
        nodes.entry(node.clone()).or_insert(node_of);
    }
    Status { nodes }
}
