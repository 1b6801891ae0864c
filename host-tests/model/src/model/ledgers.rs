//! Ledgers: which of their statements count, and the records that they have deleted.

use super::nodes::Trusted;
use super::{Chain, Ledger, Report, position};
use crate::json::Value;
use crate::seal::{self, Place, Read, Record};
use std::collections::{BTreeMap, BTreeSet};

/// The bytes that the first 16 characters of a head stand for. Heads of extents are compared by them.
pub(super) type Beginning = [u8; 12];

/// Returns the beginning of a head.
pub(super) fn beginning(head: &[u8; 32]) -> Beginning {
    std::array::from_fn(|at| head[at])
}

/// Records of one segment and run that a manifest lists.
#[derive(Clone)]
pub(super) struct Extent {
    pub(super) chain: String,
    pub(super) life: (u64, String),
    pub(super) first: u64,
    pub(super) last: u64,
    /// The head before the first record, and the head of the last record
    pub(super) heads: Option<(Beginning, Beginning)>,
    /// The number of the last record with a good signature
    pub(super) signed: Option<u64>,
    /// The record that the first one links to
    pub(super) link: Option<Place>,
    /// The first record that may not have been delivered, and the head before it
    pub(super) unsettled: Option<(Place, [u8; 32])>,
    /// The notes of record 0 that say something of the node's state
    pub(super) notes: Vec<String>,
    /// The first 16 characters of the heads of the first records
    inner: String,
    /// The number of the key that has signed record 0
    key: Option<u64>,
    /// True if record 0 counts as covered
    pub(super) is_said: bool,
}

impl Extent {
    fn read(of: &Value) -> Option<Extent> {
        let number = |name: &str| of.get(name)?.as_integer();
        let text = |name: &str| of.get(name)?.as_str();
        let head = |name: &str| Some(beginning(&seal::bytes(text(name)?)?));
        let optional = |name: &str| of.get(name).filter(|value| **value != Value::Null);
        let is_string = |name: &&str| optional(name).is_none_or(|value| value.as_str().is_some());
        let place = |of: &Value| {
            let number = |name: &str| of.get(name)?.as_integer();
            Some((number("seg")?, of.get("run")?.as_str()?.to_owned(), number("seq")?))
        };
        let link = optional("link").map(place);
        let unsettled = optional("link").and_then(|link| link.get("unsettled"));
        let unsettled = unsettled.filter(|value| **value != Value::Null);
        let unsettled = unsettled.map(|of| Some((place(of)?, of.get("head")?.as_str()?)));
        let notes = optional("notes").map(|notes| {
            let words = notes.as_array()?.iter().map(|word| Some(word.as_str()?.to_owned()));
            words.collect::<Option<Vec<String>>>()
        });
        let signed = optional("signed").map(Value::as_integer);
        let key = optional("key").map(|key| key.as_integer().filter(|key| *key < 1 << 32));
        if key == Some(None) {
            return None;
        }
        if link == Some(None) || unsettled == Some(None) || notes == Some(None) || signed == Some(None) {
            return None;
        }
        if !["prev", "head", "inner"].iter().all(is_string) {
            return None;
        }
        let link = link.flatten();
        let unsettled = unsettled.flatten().and_then(|(first, head)| Some((first, seal::bytes(head)?)));
        let is_before = |(first, _): &(Place, [u8; 32])| {
            let link = link.as_ref().map(|(segment, _, number)| (*segment, number.saturating_add(1)));
            link.is_some_and(|behind| (first.0, first.2) <= behind)
        };
        Some(Extent {
            chain: text("chain")?.to_owned(),
            life: (number("seg")?, text("run")?.to_owned()),
            first: number("first")?,
            last: number("last")?,
            heads: head("prev").zip(head("head")),
            signed: signed.flatten(),
            unsettled: unsettled.filter(is_before),
            link,
            notes: notes.flatten().unwrap_or_default(),
            inner: text("inner").unwrap_or_default().to_owned(),
            key: key.flatten(),
            is_said: false,
        })
    }

    /// Divides the extent behind a record, if it lists this head as that record's. Returns the part
    /// before, and keeps the rest.
    fn divide(&mut self, (place, head): &(Place, Beginning)) -> Option<Extent> {
        let is_inside = (place.0, &place.1) == (self.life.0, &self.life.1)
            && (self.first..self.last).contains(&place.2)
            && self.signed.is_none();
        let number = is_inside.then(|| place.2 - self.first)? as usize;
        if self.inner.as_bytes().chunks(16).nth(number) != Some(seal::text(head).as_bytes()) {
            return None;
        }
        let (before, behind) = self.heads.map(|(prev, last)| ((prev, *head), (*head, last))).unzip();
        let part = Extent { last: place.2, heads: before, ..self.clone() };
        let inner = self.inner.split_off(16 * (number + 1));
        (self.first, self.heads, self.link, self.inner) = (place.2 + 1, behind, None, inner);
        Some(part)
    }

    fn place(&self, number: u64) -> Place {
        (self.life.0, self.life.1.clone(), number)
    }

    /// Returns the place before the first record.
    fn before(&self) -> Option<Place> {
        self.first.checked_sub(1).map_or_else(|| self.link.clone(), |before| Some(self.place(before)))
    }

    /// Returns the stop that record 0 states: the first record that may not have been delivered, the
    /// head before it, and the linked record.
    pub(super) fn stop(&self) -> Option<(&Place, &[u8; 32], &Place)> {
        let link = self.link.as_ref().filter(|link| self.first == 0 && link.0 < self.life.0)?;
        let (first, head) = self.unsettled.as_ref()?;
        Some((first, head, link))
    }

    /// Returns the head that a stop states.
    fn stated(&self) -> Option<(Place, Beginning)> {
        let ((segment, run, number), head, _) = self.stop()?;
        Some(((*segment, run.clone(), number.checked_sub(1)?), beginning(head)))
    }

    /// Returns true if record 0 has a note.
    pub(super) fn says(&self, note: &str) -> bool {
        self.notes.iter().any(|of| of == note)
    }

    /// Returns true if a record is in the extent, behind its last signature.
    fn is_unsigned(&self, record: &Place) -> bool {
        let from = self.signed.map_or(self.first, |signed| self.first.max(signed.saturating_add(1)));
        (record.0, &record.1) == (self.life.0, &self.life.1) && (from..=self.last).contains(&record.2)
    }

    /// Returns true if a record is in the extent, behind its last signature, and others of the extent
    /// follow that record.
    fn is_within(&self, record: &Place) -> bool {
        self.is_behind(record) && self.signed != Some(record.2)
    }

    /// Returns true if a record is in the extent, at or behind its last signature, and others of the
    /// extent follow that record.
    fn is_behind(&self, record: &Place) -> bool {
        let from = self.signed.map_or(self.first, |signed| signed.max(self.first));
        (record.0, &record.1) == (self.life.0, &self.life.1) && (from..self.last).contains(&record.2)
    }
}

/// A file of a ledger, as its manifest describes it.
struct File {
    manifest: Value,
    is_deleted: bool,
}

/// The files of a ledger whose manifests count, by number.
#[derive(Default)]
struct Files {
    chain: Option<String>,
    files: BTreeMap<u64, File>,
}

impl Files {
    /// Takes in a statement. Returns false if it does not count.
    fn add(&mut self, chain: &str, statement: &Value) -> bool {
        if self.chain.get_or_insert_with(|| chain.to_owned()) != chain {
            return false;
        }
        let member = |of: &Value, name: &str| of.get(name).map(Value::text);
        let Some(number) = statement.get("number").and_then(Value::as_integer) else { return false };
        let named = |end: &str| string(&format!("{number:08}.{end}"));
        match self.files.get_mut(&number) {
            _ if is_tombstone(statement) => {
                let names = ["number", "file", "sha256", "records"];
                let is_of = |file: &&mut File| {
                    names.iter().all(|name| member(&file.manifest, name) == member(statement, name))
                };
                let file = self.files.get_mut(&number).filter(|file| !file.is_deleted).filter(is_of);
                file.map(|file| file.is_deleted = true).is_some()
            }
            Some(file) => file.manifest == *statement,
            None => {
                let ends = ["ndjson", "ndjson.zst", "frames.open", "frames"];
                let is_named = ends.iter().any(|end| statement.get("file") == Some(&named(end)));
                if is_named {
                    self.files.insert(number, File { manifest: statement.clone(), is_deleted: false });
                }
                is_named
            }
        }
    }
}

fn string(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn is_tombstone(statement: &Value) -> bool {
    statement.get("ledger") == Some(&string("deleted"))
}

/// Returns the statement in a record, if it has the form of one, without the seal.
fn statement(record: &str) -> Option<Value> {
    let mut value = Value::parse(record)?;
    value.members_mut()?.retain(|(name, _)| name != "audit");
    let are = |names: &[&str], is_form: &dyn Fn(&Value) -> bool| {
        names.iter().all(|name| value.get(name).is_some_and(is_form))
    };
    let is_number = |value: &Value| value.as_integer().is_some();
    let is_string = |value: &Value| value.as_str().is_some();
    let are_extents =
        |value: &Value| value.as_array().is_some_and(|all| all.iter().all(|of| Extent::read(of).is_some()));
    let is_form = match value.get("ledger")?.as_str()? {
        "file" => {
            are(&["number", "records", "bytes", "stored_bytes", "from", "to", "closed"], &is_number)
                && are(&["file", "sha256", "root"], &is_string)
                && are(&["extents"], &are_extents)
        }
        "deleted" => are(&["number", "records"], &is_number) && are(&["file", "sha256", "by"], &is_string),
        _ => false,
    };
    is_form.then_some(value)
}

/// Returns the records that a ledger has deleted. Adds the findings on its files.
pub(super) fn deleted(ledger: &Ledger, trusted: &Trusted, report: &mut Report) -> Vec<Extent> {
    let (mut good, mut ledgers, mut is_whole) = (Vec::new(), BTreeSet::new(), true);
    for line in &ledger.manifests {
        let read = match seal::read(line) {
            Read::Sealed(record) if record.is_intact && is_statement(&record) => Some(record),
            _ => None,
        };
        let Some((record, statement)) = read.zip(statement(line)) else {
            is_whole = false;
            continue;
        };
        let is_of_ledger = match trusted.is_any() {
            false => Some(true),
            true => trusted.judge(&record, true).ok().map(|good| trusted.is_of_ledger(&good)),
        };
        let Some(is_of_ledger) = is_of_ledger else {
            is_whole = false;
            continue;
        };
        if is_of_ledger {
            ledgers.insert(record.chain.clone());
        }
        good.push((record.chain.clone(), statement));
    }
    let mut files = Files::default();
    for (chain, statement) in good {
        if !ledgers.is_empty() && !ledgers.contains(&chain) {
            is_whole = false;
        } else if !files.add(&chain, &statement) {
            report.add("tampered", format!("a statement of {chain} at a wrong place"));
        }
    }
    let last = files.files.last_key_value().map_or(0, |(number, _)| *number);
    let is_own =
        ledger.number == last.saturating_add(1) || ledger.number == last || !is_whole && ledger.number > last;
    if !is_own {
        report.add("tampered", format!("file {} has no manifest", ledger.number));
    }
    let mut extents = Vec::new();
    for (number, File { manifest, is_deleted }) in files.files {
        if !is_deleted || ledgers.is_empty() {
            report.add("gap", format!("file {number} is not here"));
        } else {
            let all = manifest.get("extents").and_then(Value::as_array).unwrap_or_default();
            extents.extend(all.iter().filter_map(Extent::read));
        }
    }
    extents
}

fn is_statement(record: &Record) -> bool {
    record.notes.iter().any(|note| note == "statement")
}

impl Chain {
    /// Returns the deleted records of which the heads at both ends fit the records that are here,
    /// and each other.
    pub(super) fn fitting(&self) -> Vec<Extent> {
        // The heads of records, as those after them state them, and as they state themselves.
        let mut wanted: BTreeMap<Place, Beginning> = BTreeMap::new();
        // The places that are followed by more than a record 0 of a state that was set back.
        let mut continued: BTreeSet<Place> = BTreeSet::new();
        let mut ends: BTreeMap<Place, BTreeSet<Beginning>> = BTreeMap::new();
        // The ends of records and extents that count, from which others may continue.
        let start = self.start.iter().map(|(place, head, _)| (place.clone(), beginning(head)));
        let mut vouching: Vec<(Place, Beginning)> = start.collect();
        // The last record of each segment and run of which is known that it was sealed.
        let mut sealed: BTreeMap<(u64, String), u64> = BTreeMap::new();
        let know = |sealed: &mut BTreeMap<(u64, String), u64>, place: &Place| {
            let last = sealed.entry((place.0, place.1.clone())).or_default();
            *last = place.2.max(*last);
        };
        let mut stated = self.stated();
        stated.iter().for_each(|(place, _)| know(&mut sealed, place));
        let is_known = !self.covered.is_empty() || !self.anchors.is_empty() || self.start.is_some();
        let is_signed = is_known || self.extents.iter().any(|extent| extent.signed.is_some());
        let led = self.led(&stated);
        let is_led = |record: &Record| led.contains(&(record.place.clone(), record.head));
        let counts = |record: &Record| !is_known || is_led(record);
        for record in self.all().filter(|record| counts(record)) {
            know(&mut sealed, &record.place);
            record.link.iter().for_each(|(link, _)| know(&mut sealed, link));
        }
        // The places to which segments link that count.
        let mut ended: BTreeSet<Place> = BTreeSet::new();
        let next = |place: &Place| (place.0, place.1.clone(), place.2 + 1);
        // The places of which several heads are wanted.
        let mut disputed: BTreeSet<Place> = BTreeSet::new();
        let is_other = |wanted: &BTreeMap<Place, Beginning>, (place, head): &(Place, Beginning)| {
            wanted.get(place).is_some_and(|known| known != head)
        };
        // The ends from which intact records continue, whether these count or not.
        let mut tied: BTreeSet<(Place, Beginning)> = BTreeSet::new();
        for record in self.all() {
            let (segment, run, number) = &record.place;
            let place = number.checked_sub(1).map(|before| (*segment, run.clone(), before));
            tied.extend(place.map(|place| (place, beginning(&record.prev))));
            let before = record.place.2.checked_sub(1);
            let before = before.map(|before| (record.place.0, record.place.1.clone(), before));
            let linked = record.link.as_ref().map(|(link, _)| link.clone());
            let is_set_back = record.place.2 == 0 && record.notes.iter().any(|note| note == "state-set-back");
            if counts(record) {
                let place = before.or_else(|| linked.clone());
                continued.extend(place.clone().filter(|_| !is_set_back || !is_led(record)));
                let place = place.map(|place| (place, beginning(&record.prev)));
                disputed.extend(place.clone().filter(|of| is_other(&wanted, of)).map(|of| of.0));
                wanted.extend(place);
            }
            ended.extend(linked.filter(|_| is_led(record) && !is_set_back));
            let after = self.records.get(&next(&record.place));
            if !after.is_some_and(|after| after.iter().any(|of| of.prev == record.head)) {
                ends.entry(record.place.clone()).or_default().insert(beginning(&record.head));
                vouching.extend(counts(record).then(|| (record.place.clone(), beginning(&record.head))));
            }
        }
        let mut extents = self.divided(&stated);
        // Anybody could have made up an end without a signature, unless there are none.
        for extent in extents.iter().filter(|of| !is_signed || of.signed >= Some(of.last)) {
            let known = ends.entry(extent.place(extent.last)).or_default();
            known.extend(extent.heads.map(|(_, head)| head));
        }
        // If several extents end with one record, the last one that is listed comes first.
        extents.reverse();
        extents.sort_by_key(|extent| std::cmp::Reverse(extent.place(extent.last)));
        let signed: BTreeSet<Place> = extents.iter().filter_map(|of| Some(of.place(of.signed?))).collect();
        let (mut fitting, mut waiting) = (Vec::new(), Vec::new());
        for mut extent in extents {
            extent.is_said = self.was_in_force(&extent);
            if let Some((prev, head)) = extent.heads {
                let before = extent.before();
                let end = extent.place(extent.last);
                let followed = wanted.get(&end);
                let is_stated = stated.contains(&(end.clone(), head));
                let is_denied = followed.is_some_and(|followed| *followed != head)
                    || disputed.contains(&end)
                    || stated.iter().any(|(place, of)| *place == end && *of != head)
                    || extent.signed.is_none() && stated.iter().any(|(place, _)| extent.is_within(place))
                    || signed.iter().any(|place| extent.is_unsigned(place));
                let is_replaced = is_denied
                    || !is_stated
                        && (self.replaces(&extent, head, &led)
                            || stated.iter().any(|(place, _)| extent.is_within(place))
                            || ended.iter().any(|end| extent.is_behind(end))
                            || sealed.get(&extent.life).is_some_and(|last| *last > extent.last));
                if followed.is_none() && !is_stated && is_signed && extent.signed.is_none() {
                    let is_here = self.records.contains_key(&extent.place(extent.first));
                    // A segment begins with a signature.
                    let is_tied = tied.contains(&(end, head));
                    if let Some(before) =
                        before.filter(|_| extent.first > 0 && is_tied && !is_here && !is_replaced)
                    {
                        tied.insert((before, prev));
                        waiting.push(extent);
                    }
                    continue;
                }
                let contradicts =
                    before.as_ref().and_then(|at| ends.get(at)).is_some_and(|heads| !heads.contains(&prev));
                if is_denied || followed.is_none() && (contradicts || is_replaced) {
                    let counts =
                        |signed: &u64| *signed >= extent.first && !(is_denied && *signed >= extent.last);
                    let Some(signed) = extent.signed.filter(counts) else { continue };
                    (extent.last, extent.heads) = (signed.min(extent.last), None);
                }
                continued
                    .extend(before.clone().filter(|_| !(extent.is_said && extent.says("state-set-back"))));
                let before = before.map(|at| (at, prev));
                disputed.extend(before.clone().filter(|of| is_other(&wanted, of)).map(|of| of.0));
                wanted.extend(before);
            }
            let is_set_back = extent.is_said && extent.says("state-set-back");
            stated.extend(Some(&extent).filter(|extent| extent.is_said).and_then(Extent::stated));
            ended.extend(extent.link.clone().filter(|_| is_signed && extent.first == 0 && !is_set_back));
            know(&mut sealed, &extent.place(extent.last));
            extent.link.iter().filter(|_| extent.first == 0).for_each(|link| know(&mut sealed, link));
            vouching.extend(extent.heads.map(|(_, head)| (extent.place(extent.last), head)));
            fitting.push(extent);
        }
        while let Some((end, head)) = vouching.pop() {
            // Something else follows.
            if continued.contains(&end) {
                continue;
            }
            let continues = |extent: &mut Extent| {
                extent.before().as_ref() == Some(&end) && extent.heads.is_some_and(|(prev, _)| prev == head)
            };
            for extent in waiting.extract_if(.., continues) {
                vouching.extend(extent.heads.map(|(_, head)| (extent.place(extent.last), head)));
                fitting.push(extent);
            }
        }
        fitting
    }

    /// Returns true if the key that has signed record 0 of an extent may have been in force there.
    fn was_in_force(&self, extent: &Extent) -> bool {
        let Some(key) = extent.key.filter(|_| extent.first == 0 && extent.signed.is_some()) else {
            return false;
        };
        let at = (extent.life.0, 0);
        let good = || self.good.iter().chain(&self.start);
        let of_extents = self.extents.iter().filter(|of| of.first == 0);
        let of_extents = of_extents.filter_map(|of| Some(((of.life.0, 0), of.key?)));
        let mut used = good().map(|(place, _, good)| (position(place), good.n)).chain(of_extents);
        let mut since = good().flat_map(|(.., good)| &good.since);
        !used.any(|(place, n)| place >= at && n < key)
            && !since.any(|(n, place, _)| *n <= key && position(place) > at)
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
    /// to a stop, and handovers.
    fn stated(&self) -> BTreeSet<(Place, Beginning)> {
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
        of_stops.chain(of_anchors).chain(of_handovers).collect()
    }

    /// Returns the extents, divided where a record or another extent continues from within them, or
    /// where a head is stated.
    fn divided(&self, stated: &BTreeSet<(Place, Beginning)>) -> Vec<Extent> {
        let of_records = self.all().filter_map(|record| {
            let (segment, run, number) = &record.place;
            let Some(before) = number.checked_sub(1) else {
                return Some((record.link.as_ref()?.0.clone(), beginning(&record.prev)));
            };
            let before = (*segment, run.clone(), before);
            let here = self.records.get(&before).into_iter().flatten();
            here.into_iter().all(|of| of.head != record.prev).then(|| (before, beginning(&record.prev)))
        });
        let of_extents = self.extents.iter().filter_map(|extent| Some((extent.before()?, extent.heads?.0)));
        let of_stops = self.extents.iter().filter_map(Extent::stated);
        let starts: BTreeSet<(Place, Beginning)> =
            of_records.chain(of_extents).chain(stated.iter().cloned()).chain(of_stops).collect();
        let mut divided = Vec::new();
        for mut extent in self.extents.iter().cloned() {
            divided.extend(starts.iter().filter_map(|start| extent.divide(start)).collect::<Vec<_>>());
            divided.push(extent);
        }
        divided
    }

    /// Returns true if covered records take the place of records of an extent behind its last
    /// signature: of its last one or, if that is not here, of any.
    fn replaces(&self, extent: &Extent, head: Beginning, led: &BTreeSet<(Place, [u8; 32])>) -> bool {
        let covered = self.all().filter(|record| led.contains(&(record.place.clone(), record.head)));
        let inside = covered.filter(|record| {
            let (segment, run, number) = &record.place;
            let is_unsigned = extent.signed.is_none_or(|signed| signed < *number);
            (*segment, run) == (extent.life.0, &extent.life.1)
                && (extent.first..=extent.last).contains(number)
                && is_unsigned
        });
        let inside: Vec<&Record> = inside.collect();
        let is_last = |record: &&Record| record.place.2 == extent.last && beginning(&record.head) == head;
        !inside.is_empty() && !inside.iter().any(is_last)
    }

    /// Returns the extents of some segment and run, up to the last signature that the ledger had seen.
    pub(super) fn signed(extents: &[Extent], life: &(u64, String)) -> Vec<Extent> {
        let of_life = extents.iter().filter(|extent| extent.life == *life);
        let signed = of_life.filter_map(|extent| {
            let last = extent.signed?.min(extent.last);
            Some(Extent { last, ..extent.clone() })
        });
        signed.collect()
    }

    /// Returns the first of some records that a ledger has deleted, and the last one that follows it.
    pub(super) fn first_of(
        extents: &[Extent],
        life: &(u64, String),
        (first, last): (u64, u64),
    ) -> Option<(u64, u64)> {
        let of_life = extents.iter().filter(|extent| extent.life == *life);
        let inside = of_life.map(|extent| (extent.first.max(first), extent.last.min(last)));
        inside.filter(|(first, last)| first <= last).min()
    }

    /// Checks that records which no signature covers are the rest of what a ledger has deleted: the
    /// ledger has seen a signature less than 1024 records before.
    pub(super) fn is_rest_of_deleted(&self, first: &Record, last: u64) -> bool {
        let life = (first.place.0, first.place.1.clone());
        let (mut at, mut head) = (first.place.2, beginning(&first.prev));
        let signed = loop {
            let ends_here = |extent: &&Extent| {
                extent.life == life
                    && extent.last.checked_add(1) == Some(at)
                    && extent.heads.is_some_and(|(_, end)| end == head)
            };
            let Some(extent) = self.extents.iter().find(ends_here) else { break None };
            if extent.signed.is_some() {
                break extent.signed;
            }
            let Some((prev, _)) = extent.heads else { break None };
            (at, head) = (extent.first, prev);
        };
        !self.all().any(is_statement) && signed.is_some_and(|signed| last.saturating_sub(signed) < 1024)
    }
}
