//! Which of the records that ledgers have deleted count, by the section *Extents that fit* of
//! docs/seal-format.md.

use super::ledgers::{Beginning, Extent, beginning};
use super::{Chain, position};
use crate::seal::{Place, Record};
use std::collections::{BTreeMap, BTreeSet};

/// A record's place and the beginning of its head.
type End = (Place, Beginning);

/// Which records of an extent count.
enum Fit {
    /// All of them.
    Whole,
    /// Those up to `signed`, if the extent has it and it is one of its records. If the flag is set, not
    /// if the last one is signed.
    Signed(bool),
    /// All of them, if the extent joins others at both ends.
    IfJoined,
}

/// The evidence on the records next to those of extents.
struct Evidence<'a> {
    chain: &'a Chain,
    is_known: bool,
    has_signatures: bool,
    /// The records here that a signature leads to.
    led: BTreeSet<(Place, [u8; 32])>,
    stated: BTreeSet<End>,
    /// The heads that what follows records states of them, each with whether that is a record 0 of a
    /// state that was set back.
    next: BTreeMap<Place, BTreeSet<(Beginning, bool)>>,
    /// The ends from which intact records continue, whether these count or not.
    tied: BTreeSet<End>,
    /// The ends of records that no intact record continues, and of extents up to a signature.
    ends: BTreeMap<Place, BTreeSet<Beginning>>,
    /// The records to which segments link.
    ended: BTreeSet<Place>,
    /// Records of which is known that they, or later ones, were sealed.
    sealed: BTreeSet<Place>,
    /// The records that extents name as signed.
    signed: BTreeSet<Place>,
    /// The ends of records and extents that count, from which others may continue.
    vouching: Vec<End>,
}

impl Chain {
    /// Returns the deleted records of which the heads at both ends fit the records that are here,
    /// and each other.
    pub(super) fn fitting(&self) -> Vec<Extent> {
        let mut extents = self.extents.clone();
        self.believe(&mut extents);
        let stated = self.stated(&extents);
        let mut extents = self.divided(extents, &stated);
        let mut evidence = Evidence::of(self, &extents, stated);
        extents.sort_by_key(|extent| std::cmp::Reverse(extent.place(extent.last)));
        let (mut fitting, mut waiting) = (Vec::new(), Vec::new());
        for mut extent in extents {
            let start = extent.before().zip(extent.heads.map(|(prev, _)| prev));
            match evidence.judge(&extent) {
                Fit::Whole => {}
                Fit::IfJoined => {
                    evidence.tied.extend(start);
                    waiting.push(extent);
                    continue;
                }
                Fit::Signed(is_other_last) => {
                    let signed = extent.signed.filter(|signed| extent.first <= *signed);
                    let Some(signed) = signed.filter(|signed| *signed < extent.last || !is_other_last) else {
                        continue;
                    };
                    if signed < extent.last {
                        (extent.last, extent.heads) = (signed, None);
                    }
                }
            }
            evidence.add_extent(&extent, start);
            fitting.push(extent);
        }
        while let Some(end) = evidence.vouching.pop() {
            if evidence.is_continued(&end.0) {
                continue;
            }
            let continues = |extent: &mut Extent| {
                extent.before().as_ref() == Some(&end.0)
                    && extent.heads.is_some_and(|(prev, _)| prev == end.1)
            };
            for extent in waiting.extract_if(.., continues) {
                evidence.vouching.extend(extent.end());
                fitting.push(extent);
            }
        }
        fitting
    }

    /// Takes `signed` out of the extents of which the key may not have been in force there.
    fn believe(&self, extents: &mut [Extent]) {
        let good = || self.good.iter().chain(&self.start);
        let of_extents = extents.iter().filter_map(|of| {
            let ((first, last), signed) = of.keys.zip(of.signed)?;
            Some([((of.life.0, of.first), first), ((of.life.0, signed), last)])
        });
        let used = good().map(|(place, _, good)| (position(place), good.n)).chain(of_extents.flatten());
        let used: BTreeSet<((u64, u64), u64)> = used.collect();
        let since = || good().flat_map(|(.., good)| &good.since);
        let was_in_force = |key: u64, at: (u64, u64)| {
            !used.iter().any(|(place, n)| *place >= at && *n < key)
                && !since().any(|(n, place, _)| *n <= key && position(place) > at)
        };
        for extent in extents {
            let Some(((first, last), signed)) = extent.keys.zip(extent.signed) else { continue };
            if !was_in_force(last, (extent.life.0, signed)) {
                (extent.signed, extent.keys) = (None, None);
            } else {
                extent.is_said = extent.first == 0 && was_in_force(first, (extent.life.0, 0));
            }
        }
    }

    /// Returns the records here that are covered, or from which the heads of records that are here lead
    /// to a stated head.
    fn led(&self, stated: &BTreeSet<(Place, Beginning)>) -> BTreeSet<(Place, [u8; 32])> {
        let mut led = self.covered.clone();
        for (place, head) in stated {
            let (mut number, mut head) = (place.2, *head);
            while let Some(record) = self
                .records
                .get(&(place.0, place.1.clone(), number))
                .and_then(|here| here.iter().find(|record| beginning(&record.head) == head))
            {
                led.insert((record.place.clone(), record.head));
                head = beginning(&record.prev);
                let Some(before) = number.checked_sub(1) else { break };
                number = before;
            }
        }
        led
    }

    /// Returns the heads that signatures state of records: anchors, the links of covered records 0
    /// to a stop, handovers, covered records that continue none that is here, and extents with a
    /// signature.
    fn stated(&self, extents: &[Extent]) -> BTreeSet<(Place, Beginning)> {
        let of_stops = self.all().filter(|record| self.is_covered(record)).filter_map(|record| {
            let (link, unsettled) = record.link.as_ref()?;
            let ((segment, run, number), head) = unsettled.as_ref().filter(|_| link.0 < record.place.0)?;
            Some(((*segment, run.clone(), number.checked_sub(1)?), beginning(head)))
        });
        let of_anchors = self.anchors.iter().map(|(place, head)| (place.clone(), beginning(head)));
        let all = self.good.iter().chain(&self.start).flat_map(|(.., good)| &good.since);
        let of_handovers = all.filter_map(|(_, (segment, run, number), head)| {
            Some(((*segment, run.clone(), number.checked_sub(1)?), beginning(head)))
        });
        let of_covered = self.all().filter(|record| self.is_covered(record)).filter_map(|record| {
            let (segment, run, number) = &record.place;
            let before = (*segment, run.clone(), number.checked_sub(1)?);
            let here = self.records.get(&before).into_iter().flatten();
            here.into_iter().all(|of| of.head != record.prev).then(|| (before, beginning(&record.prev)))
        });
        let of_extents = extents.iter().filter_map(|extent| {
            extent.signed?;
            Some((extent.place(extent.first.checked_sub(1)?), extent.heads?.0))
        });
        of_stops.chain(of_anchors).chain(of_handovers).chain(of_covered).chain(of_extents).collect()
    }

    /// Divides extents where a record or another extent continues from within them, or
    /// where a head is stated.
    fn divided(&self, extents: Vec<Extent>, stated: &BTreeSet<(Place, Beginning)>) -> Vec<Extent> {
        let of_records = self.all().filter_map(|record| {
            let (segment, run, number) = &record.place;
            let Some(before) = number.checked_sub(1) else {
                return Some((record.link.as_ref()?.0.clone(), beginning(&record.prev)));
            };
            let before = (*segment, run.clone(), before);
            let here = self.records.get(&before).into_iter().flatten();
            here.into_iter().all(|of| of.head != record.prev).then(|| (before, beginning(&record.prev)))
        });
        let of_extents = extents.iter().filter_map(|extent| Some((extent.before()?, extent.heads?.0)));
        let of_stops = extents.iter().filter_map(Extent::stated);
        let starts: BTreeSet<(Place, Beginning)> =
            of_records.chain(of_extents).chain(stated.iter().cloned()).chain(of_stops).collect();
        let mut divided = Vec::new();
        for mut extent in extents {
            divided.extend(starts.iter().filter_map(|start| extent.divide(start)).collect::<Vec<_>>());
            divided.push(extent);
        }
        divided
    }
}

impl<'a> Evidence<'a> {
    fn of(chain: &'a Chain, extents: &[Extent], stated: BTreeSet<End>) -> Evidence<'a> {
        let is_known = !chain.covered.is_empty() || !chain.anchors.is_empty() || chain.start.is_some();
        let has_signatures = is_known || extents.iter().any(|extent| extent.signed.is_some());
        let mut ends: BTreeMap<Place, BTreeSet<Beginning>> = BTreeMap::new();
        // Anybody could have made up an end without a signature, unless there are none.
        for extent in extents.iter().filter(|of| !has_signatures || of.signed >= Some(of.last)) {
            let known = ends.entry(extent.place(extent.last)).or_default();
            known.extend(extent.heads.map(|(_, head)| head));
        }
        let mut evidence = Evidence {
            chain,
            is_known,
            has_signatures,
            led: chain.led(&stated),
            next: BTreeMap::new(),
            tied: BTreeSet::new(),
            ends,
            ended: BTreeSet::new(),
            sealed: stated.iter().map(|(place, _)| place.clone()).collect(),
            signed: extents.iter().filter_map(|of| Some(of.place(of.signed?))).collect(),
            vouching: chain.start.iter().map(|(place, head, _)| (place.clone(), beginning(head))).collect(),
            stated,
        };
        chain.all().for_each(|record| evidence.add_record(record));
        evidence
    }

    fn is_led(&self, record: &Record) -> bool {
        self.led.contains(&(record.place.clone(), record.head))
    }

    /// Takes in a record that is here.
    fn add_record(&mut self, record: &Record) {
        let (segment, run, number) = record.place.clone();
        let (prev, end) = (beginning(&record.prev), (record.place.clone(), beginning(&record.head)));
        let before = number.checked_sub(1).map(|before| (segment, run.clone(), before));
        let link = record.link.as_ref().map(|(link, _)| link.clone());
        let is_led = self.is_led(record);
        let holds = !self.is_known || is_led;
        let is_set_back = is_led && number == 0 && record.notes.iter().any(|note| note == "state-set-back");
        self.tied.extend(before.clone().map(|before| (before, prev)));
        if holds {
            self.sealed.insert(record.place.clone());
            self.sealed.extend(link.clone());
            self.add_next(before.or_else(|| link.clone()).map(|before| (before, prev)), is_set_back);
        }
        self.ended.extend(link.filter(|_| is_led && !is_set_back));
        let after = self.chain.records.get(&(segment, run, number + 1)).into_iter().flatten();
        if !after.into_iter().any(|after| after.prev == record.head) {
            self.ends.entry(end.0.clone()).or_default().insert(end.1);
            self.vouching.extend(holds.then_some(end));
        }
    }

    /// Takes in an extent of which records count. `start` is the place before its first one, with the
    /// head.
    fn add_extent(&mut self, extent: &Extent, start: Option<End>) {
        let is_set_back = extent.is_said && extent.says("state-set-back");
        let link = extent.link.clone().filter(|_| extent.first == 0);
        self.add_next(start, is_set_back);
        self.stated.extend(extent.stated().filter(|_| extent.is_said));
        self.ended.extend(link.clone().filter(|_| self.has_signatures && !is_set_back));
        self.sealed.insert(extent.place(extent.last));
        self.sealed.extend(link);
        self.vouching.extend(extent.end());
    }

    fn add_next(&mut self, start: Option<End>, is_set_back: bool) {
        if let Some((place, prev)) = start {
            self.next.entry(place).or_default().insert((prev, is_set_back));
        }
    }

    /// Returns true if something follows a record, other than a record 0 of a state that was set back.
    fn is_continued(&self, place: &Place) -> bool {
        self.next.get(place).is_some_and(|next| next.iter().any(|(_, is_set_back)| !is_set_back))
    }

    /// Returns the first fit that one of the rules decides.
    fn judge(&self, extent: &Extent) -> Fit {
        // 1
        let Some((place, head)) = extent.end() else { return Fit::Whole };
        let next = self.next.get(&place);
        let is_stated = self.stated.contains(&(place.clone(), head));
        let states_within = self.stated.iter().any(|(place, _)| extent.is_within(place));
        // 2 to 5
        if next.is_some_and(|next| next.iter().any(|(prev, _)| *prev != head))
            || self.stated.iter().any(|(of, other)| *of == place && *other != head)
            || extent.signed.is_none() && states_within
            || self.signed.iter().any(|place| extent.is_unsigned(place))
        {
            return Fit::Signed(true);
        }
        // 6
        if next.is_some() {
            return Fit::Whole;
        }
        // 7
        let has_to_join = self.has_signatures && extent.signed.is_none() && !is_stated;
        if !has_to_join && self.is_contradicted(extent) {
            return Fit::Signed(false);
        }
        // 8
        if is_stated {
            return Fit::Whole;
        }
        // 9
        let is_of_life = |sealed: &&Place| (sealed.0, &sealed.1) == (place.0, &place.1);
        if self.sealed.iter().filter(is_of_life).any(|sealed| sealed.2 > place.2)
            || states_within
            || self.is_replaced(extent)
            || self.ended.iter().any(|end| extent.is_behind(end))
        {
            return Fit::Signed(false);
        }
        // 10
        if has_to_join {
            let is_here = self.chain.records.contains_key(&extent.place(extent.first));
            let can_join = extent.first > 0 && !is_here && self.tied.contains(&(place, head));
            return if can_join { Fit::IfJoined } else { Fit::Signed(false) };
        }
        // 11
        Fit::Whole
    }

    /// Returns true if the place before the extent is known, with other heads only.
    fn is_contradicted(&self, extent: &Extent) -> bool {
        let known = extent.before().and_then(|before| self.ends.get(&before));
        extent.heads.zip(known).is_some_and(|((prev, _), known)| !known.contains(&prev))
    }

    /// Returns true if a signature leads to a record in the place of one of an extent behind its last
    /// signature.
    fn is_replaced(&self, extent: &Extent) -> bool {
        self.chain.all().any(|record| self.is_led(record) && extent.is_unsigned(&record.place))
    }
}
