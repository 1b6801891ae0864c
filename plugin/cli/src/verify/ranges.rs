//! Ranges of record numbers.

use std::ops::RangeInclusive;

/// Returns the parts of `records` that are not in `others`, which are in the order of
/// their first records.
pub(super) fn without<'a>(
    records: &RangeInclusive<u64>,
    others: impl IntoIterator<Item = &'a RangeInclusive<u64>>,
) -> Vec<RangeInclusive<u64>> {
    let mut left = Vec::new();
    let mut next = Some(*records.start());
    for other in others {
        let Some(from) = next.filter(|from| from <= records.end()) else { break };
        if *other.end() < from || other.start() > records.end() {
            continue;
        }
        if *other.start() > from {
            left.push(from..=*other.start() - 1);
        }
        next = other.end().checked_add(1);
    }
    left.extend(next.filter(|from| from <= records.end()).map(|from| from..=*records.end()));
    left
}

/// Returns the parts of `records` that are not in `others`, which are in order and do not overlap.
/// Others before `records` take no time.
pub(super) fn without_sorted(
    records: &RangeInclusive<u64>,
    others: &[RangeInclusive<u64>],
) -> Vec<RangeInclusive<u64>> {
    let from = others.partition_point(|other| other.end() < records.start());
    let to = others.partition_point(|other| other.start() <= records.end());
    without(records, others.get(from..to).unwrap_or_default())
}

/// Sorts ranges, and joins those that overlap.
pub(super) fn joined(mut ranges: Vec<RangeInclusive<u64>>) -> Vec<RangeInclusive<u64>> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_unstable_by_key(|range| *range.start());
    let mut joined: Vec<RangeInclusive<u64>> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.start() <= last.end() => *last = *last.start()..=*last.end().max(range.end()),
            _ => joined.push(range),
        }
    }
    joined
}
