//! The chains that a fleet has enrolled, as good checkpoints state it.

use flb_audit_core::chain::ChainId;
use serde::Serialize;
use std::collections::BTreeMap;

/// The statement of a good checkpoint that its chain is a node's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Membership {
    /// The node, or one of its chains: `NODE/CHAIN`.
    pub(crate) node: String,
    /// When it was enrolled, in seconds since 1970.
    pub(crate) since: u64,
    /// The end of the enrollment (exclusive).
    pub(crate) until: Option<u64>,
}

/// The time for which a chain was a node's. All times are seconds since 1970.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Term {
    pub(super) node: String,
    /// When the chain was first enrolled so.
    pub(super) since: u64,
    /// The end of this enrollment (exclusive).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<u64>,
    /// The time of the first good checkpoint that says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<u64>,
    /// The time of the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) to: Option<u64>,
}

/// The maximum number of a chain's names that are remembered.
const TERMS_MAX: usize = 100;

/// The chains that a fleet has enrolled, as good checkpoints state it.
#[derive(Default)]
pub(super) struct Enrolled {
    pub(super) by_chain: BTreeMap<ChainId, BTreeMap<String, Term>>,
}

impl Enrolled {
    /// Adds a good checkpoint's statement. `at` is the time of its record, if the record
    /// is intact. Returns whether the chain was not known before.
    pub(super) fn add(&mut self, chain: ChainId, of: &Membership, at: Option<u64>) -> bool {
        let is_new = !self.by_chain.contains_key(&chain);
        let terms = self.by_chain.entry(chain).or_default();
        if terms.len() == TERMS_MAX && !terms.contains_key(&of.node) {
            return is_new;
        }
        let Membership { node, since, until, .. } = of.clone();
        let fresh = Term { node: node.clone(), since, until, from: None, to: None };
        let term = terms.entry(node).or_insert(fresh);
        term.since = term.since.min(since);
        term.until = term.until.zip(until).map(|(one, other)| one.max(other));
        term.from = at.map(|at| term.from.unwrap_or(at).min(at)).or(term.from);
        term.to = term.to.max(at);
        is_new
    }

    /// Returns the chains.
    pub(super) fn chains(&self) -> impl Iterator<Item = &ChainId> {
        self.by_chain.keys()
    }

    /// Checks that a good checkpoint of the chain is here.
    pub(super) fn has(&self, chain: &ChainId) -> bool {
        self.by_chain.contains_key(chain)
    }

    /// Returns whose chain it was, the first first.
    pub(super) fn of(&self, chain: &ChainId) -> Vec<Term> {
        let mut terms: Vec<Term> =
            self.by_chain.get(chain).into_iter().flat_map(BTreeMap::values).cloned().collect();
        terms.sort_by(|one, other| (one.since, &one.node).cmp(&(other.since, &other.node)));
        terms
    }
}
