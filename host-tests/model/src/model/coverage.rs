//! The reach of signatures: the section *Coverage*.

use super::{Chain, Key, position};
use crate::seal::Place;
use std::collections::{BTreeMap, BTreeSet};

impl Chain {
    /// Returns from which place each key is in force, which is never before the keys
    /// before it.
    pub(super) fn in_force(&self) -> BTreeMap<u64, (u64, u64)> {
        let mut first: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        let all = self.good.iter().chain(&self.start);
        for (n, place, _) in all.flat_map(|(.., good)| &good.since) {
            let known = first.entry(*n).or_insert(position(place));
            *known = position(place).min(*known);
        }
        let mut last = (0, 0);
        first.values_mut().for_each(|since| {
            last = last.max(*since);
            *since = last;
        });
        first
    }

    /// Returns the key as which a signature covers `to`, an earlier place where the head
    /// is `head`.
    pub(super) fn over(
        &self,
        mut by: Key,
        head: &[u8; 32],
        to: &Place,
        in_force: &BTreeMap<u64, (u64, u64)>,
    ) -> Option<Key> {
        while by.since > position(to) {
            let mut handovers = self.good.iter().chain(&self.start).flat_map(|(.., good)| &good.since);
            if !handovers.any(|(n, place, of)| *n == by.n && position(place) == by.since && of == head) {
                return None;
            }
            let n = by.n - 1;
            by = Key { n, since: if n == 0 { (0, 0) } else { *in_force.get(&n)? } };
        }
        Some(by)
    }

    /// Computes how far signatures reach.
    pub(super) fn cover(&mut self) {
        let in_force = self.in_force();
        let mut signed: BTreeSet<(Place, [u8; 32], Key)> = BTreeSet::new();
        for (place, head, good) in &self.good {
            let own = good.since.first().map_or((0, 0), |(_, place, _)| position(place));
            let before = in_force.range(..good.n).next_back().map_or((0, 0), |(_, since)| *since);
            let since = own.max(before);
            if since <= position(place) {
                signed.insert((place.clone(), *head, Key { n: good.n, since }));
            }
        }
        for (.., good) in self.good.iter().chain(&self.start) {
            for (n, (segment, run, number), head) in &good.since {
                let Some(before) = number.checked_sub(1) else { continue };
                let since = if *n == 1 { Some((0, 0)) } else { in_force.get(&(n - 1)).copied() };
                let since = since.unwrap_or((*segment, before));
                if since <= (*segment, before) {
                    signed.insert(((*segment, run.clone(), before), *head, Key { n: n - 1, since }));
                }
            }
        }
        loop {
            let mut reached = signed.clone();
            for (place, head, by) in &signed {
                let here = self.records.get(place).into_iter().flatten();
                for record in here.filter(|record| record.head == *head) {
                    let (segment, run, number) = &record.place;
                    let before = match (number.checked_sub(1), &record.link) {
                        (Some(before), _) => Some((*segment, run.clone(), before)),
                        (None, Some((link, _))) if link.0 < *segment => Some(link.clone()),
                        _ => None,
                    };
                    let Some(before) = before else { continue };
                    let over = self.over(*by, &record.prev, &before, &in_force);
                    reached.extend(over.map(|by| (before, record.prev, by)));
                }
            }
            if reached.len() == signed.len() {
                break;
            }
            signed = reached;
        }
        let signed: BTreeSet<(Place, [u8; 32])> =
            signed.into_iter().map(|(place, head, _)| (place, head)).collect();
        self.covered = self
            .all()
            .map(|record| (record.place.clone(), record.head))
            .filter(|at| signed.contains(at))
            .collect();
    }
}
