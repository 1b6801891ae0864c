//! Records that are not here to be checked, and why that is no gap: they were
//! deleted, as tombstones say, or they are encrypted.

use super::chains::Life;
use flb_audit_core::chain::{ChainId, Place};
use flb_audit_ledger::manifest::{Extent, Link, Manifest};
use std::collections::HashMap;
use std::ops::RangeInclusive;

/// All of them.
#[derive(Default)]
pub(super) struct Absent {
    extents: HashMap<(ChainId, Life), Vec<RangeInclusive<u64>>>,
    /// What lives went on from whose first record is absent.
    links: HashMap<(ChainId, Life), Place>,
    /// How many records were deleted.
    pub(super) deleted: u64,
}

impl Absent {
    /// What a life went on from whose first record is absent.
    pub(super) fn link(&self, chain: ChainId, life: Life) -> Option<Place> {
        self.links.get(&(chain, life)).copied()
    }

    /// What of these records is not absent for a reason.
    pub(super) fn without(
        &self,
        chain: ChainId,
        life: Life,
        records: RangeInclusive<u64>,
    ) -> Vec<RangeInclusive<u64>> {
        let mut left = vec![records];
        for absent in self.extents.get(&(chain, life)).into_iter().flatten() {
            let cut = |range: RangeInclusive<u64>| {
                let (start, end) = (*range.start(), *range.end());
                let before = absent.start().checked_sub(1).map(|last| start..=end.min(last));
                let after = absent.end().checked_add(1).map(|first| start.max(first)..=end);
                [before, after].into_iter().flatten().filter(|range| !range.is_empty())
            };
            left = left.into_iter().flat_map(cut).collect();
        }
        left
    }

    /// Adds some records.
    pub(super) fn add(&mut self, extent: &Extent) {
        let Some(flb_audit_core::chain::Life { chain, segment, run }) = extent.life() else {
            return;
        };
        let extents = self.extents.entry((chain, (segment, run))).or_default();
        match extents.iter_mut().find(|range| range.end().checked_add(1) == Some(extent.first)) {
            Some(range) => *range = *range.start()..=extent.last,
            None => extents.push(extent.first..=extent.last),
        }
        if let Some(link) = extent.link.as_ref().and_then(Link::place) {
            self.links.insert((chain, (segment, run)), link);
        }
    }

    /// Adds those of a file that was deleted.
    pub(super) fn add_deleted(&mut self, manifest: &Manifest) {
        self.deleted = self.deleted.saturating_add(manifest.records);
        manifest.extents.iter().for_each(|extent| self.add(extent));
    }
}
