//! The timeline of a chain: the times of its segments, gaps, checkpoints, anchors and key
//! changes.
//!
//! For most records only the place is kept, not the time. The times of checkpoints and of
//! the ends of each life are known. Between these, times are interpolated.

use super::chain_log::ChainLog;
use super::chains::Followed;
use super::gaps::Cause;
use flb_audit_core::chain::{Life, Position};
use std::collections::BTreeMap;

/// The number of points of time that are distinguished on a timeline.
pub(super) const POINTS: u16 = 1000;
/// The maximum number of segments, and of key changes, that are listed.
const LISTED_MAX: usize = 50;

/// The times of some records of a chain, in seconds since 1970.
#[derive(Default)]
struct Clock(BTreeMap<Position, u64>);

impl Clock {
    /// Returns the time of a record, exact or interpolated.
    fn time(&self, at: Position) -> u64 {
        let before = self.0.range(..=at).next_back();
        let after = self.0.range(at..).next();
        let (Some((one, from)), Some((other, to))) = (before, after) else {
            return before.or(after).map_or(0, |(_, time)| *time);
        };
        let is_between = one.segment == other.segment && other.sequence > one.sequence && to > from;
        if !is_between {
            return *from;
        }
        let part = u128::from(at.sequence - one.sequence) * u128::from(to - from);
        from + (part / u128::from(other.sequence - one.sequence)) as u64
    }
}

/// One segment.
pub(super) struct SegmentRow {
    pub(super) segment: u64,
    pub(super) run: String,
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) from: u64,
    pub(super) to: u64,
}

/// A key that came into force.
pub(super) struct KeyChange {
    pub(super) index: u32,
    pub(super) at: Position,
    pub(super) time: u64,
}

/// Part of a timeline, in [`POINTS`] from its beginning.
pub(super) type Part = (u16, u16);

/// The timeline of one chain.
pub(super) struct Timeline {
    clock: Clock,
    from: u64,
    to: u64,
    /// The times of records, in separate parts.
    pub(super) records: Vec<Part>,
    /// The times of records that are missing without an explanation, or altered.
    pub(super) missing: Vec<Part>,
    /// The times of records that are not here for a known reason.
    pub(super) accounted: Vec<Part>,
    pub(super) checkpoints: Vec<u16>,
    pub(super) anchors: Vec<u16>,
    pub(super) keys: Vec<u16>,
    pub(super) policies: Vec<u16>,
    pub(super) checkpoint_count: usize,
    pub(super) anchor_count: usize,
    pub(super) key_count: usize,
    /// The first changes of keys.
    pub(super) key_changes: Vec<KeyChange>,
    pub(super) segments: Vec<SegmentRow>,
}

impl Timeline {
    /// Makes the timeline of a chain. `times` has the times of the first and the last
    /// record of each life.
    pub(super) fn of(chain: &ChainLog, followed: &Followed, times: &BTreeMap<Life, (u64, u64)>) -> Timeline {
        let mut timeline = Timeline::new(chain, followed, times);
        for (life, stretches) in followed.stretches.iter() {
            let Some((from, to)) = times.get(&life).copied() else { continue };
            timeline.records.push((timeline.point(from), timeline.point(to)));
            if timeline.segments.len() < LISTED_MAX {
                let ends = (stretches.first(), stretches.last());
                let (first, last) = (ends.0.map(|s| *s.records.start()), ends.1.map(|s| *s.records.end()));
                timeline.segments.push(SegmentRow {
                    segment: life.segment,
                    run: life.run.to_string(),
                    first: first.unwrap_or_default(),
                    last: last.unwrap_or_default(),
                    from,
                    to,
                });
            }
        }
        for (after, to, cause) in followed.gaps.all() {
            let next = Position { sequence: to.sequence.saturating_add(1), ..to };
            let part = (timeline.position(after), timeline.position(next));
            match cause {
                Cause::Unknown | Cause::Altered => timeline.missing.push(part),
                Cause::Stop | Cause::Deleted | Cause::BeforeStart | Cause::Encrypted => {
                    timeline.accounted.push(part);
                }
            }
        }
        for parts in [&mut timeline.records, &mut timeline.missing, &mut timeline.accounted] {
            join(parts);
        }
        timeline
    }

    /// Returns a timeline with all points, but without the parts.
    fn new(chain: &ChainLog, followed: &Followed, times: &BTreeMap<Life, (u64, u64)>) -> Timeline {
        let mut clock = Clock(chain.checkpoint_times.iter().collect());
        for (life, stretches) in followed.stretches.iter() {
            let (Some(time), Some(first), Some(last)) =
                (times.get(&life), stretches.first(), stretches.last())
            else {
                continue;
            };
            let at = |sequence: u64| Position { segment: life.segment, sequence };
            clock.0.entry(at(*first.records.start())).or_insert(time.0);
            clock.0.entry(at(*last.records.end())).or_insert(time.1);
        }
        let mut timeline = Timeline {
            clock,
            from: chain.from,
            to: chain.to,
            records: Vec::new(),
            missing: Vec::new(),
            accounted: Vec::new(),
            checkpoints: Vec::new(),
            anchors: Vec::new(),
            keys: Vec::new(),
            policies: Vec::new(),
            checkpoint_count: chain.checkpoint_times.len(),
            anchor_count: chain.anchors.len(),
            key_count: chain.keys.since().count(),
            key_changes: Vec::new(),
            segments: Vec::new(),
        };
        timeline.checkpoints = timeline.points(chain.checkpoint_times.iter().map(|(at, _)| at));
        timeline.anchors = timeline.points(chain.anchors.iter().copied());
        timeline.keys = timeline.points(chain.keys.since().map(|(_, place, _)| place.position()));
        timeline.policies = timeline.points(chain.policies.values().map(|(from, _)| *from));
        let listed = chain.keys.since().take(LISTED_MAX);
        let change = |(index, at)| KeyChange { index, at, time: timeline.clock.time(at) };
        timeline.key_changes = listed.map(|(index, place, _)| change((index, place.position()))).collect();
        timeline
    }

    /// Returns the time of a record, exact or interpolated.
    pub(super) fn time(&self, at: Position) -> u64 {
        self.clock.time(at)
    }

    /// Returns the point of a record's time.
    pub(super) fn position(&self, at: Position) -> u16 {
        self.point(self.clock.time(at))
    }

    fn point(&self, time: u64) -> u16 {
        let whole = self.to.saturating_sub(self.from);
        if whole == 0 {
            return 0;
        }
        let part = time.clamp(self.from, self.to) - self.from;
        (u128::from(part) * u128::from(POINTS) / u128::from(whole)) as u16
    }

    /// Returns the points of some records, each once.
    fn points(&self, of: impl Iterator<Item = Position>) -> Vec<u16> {
        let mut points: Vec<u16> = of.map(|at| self.position(at)).collect();
        points.sort_unstable();
        points.dedup();
        points
    }
}

/// Joins parts that touch, so that there are never many.
fn join(parts: &mut Vec<Part>) {
    parts.sort_unstable();
    let mut joined: Vec<Part> = Vec::new();
    for (from, to) in parts.drain(..) {
        match joined.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => joined.push((from, to)),
        }
    }
    *parts = joined;
}
