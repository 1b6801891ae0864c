//! Ledgers: which of their statements count, and the records that they have deleted.

use super::nodes::Trusted;
use super::{Chain, Ledger, Report};
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
    /// The numbers of the first and the last key that have signed records, if it has `signed`
    pub(super) keys: Option<(u64, u64)>,
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
        let keys = optional("keys").map(|keys| {
            let key = |key: &Value| key.as_integer().filter(|key| *key < 1 << 32);
            let [first, last] = keys.as_array()? else { return None };
            Some((key(first)?, key(last)?))
        });
        if keys == Some(None) {
            return None;
        }
        let keys = keys.flatten();
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
            signed: signed.flatten().filter(|_| keys.is_some()),
            unsettled: unsettled.filter(is_before),
            link,
            notes: notes.flatten().unwrap_or_default(),
            inner: text("inner").unwrap_or_default().to_owned(),
            keys: keys.filter(|_| signed.flatten().is_some()),
            is_said: false,
        })
    }

    /// Returns true if a head is listed as that of a record.
    pub(super) fn lists(&self, head: &Beginning) -> bool {
        let of_inner = self.inner.as_bytes().chunks(16).any(|of| of == seal::text(head).as_bytes());
        of_inner || self.heads.is_some_and(|(_, last)| last == *head)
    }

    /// Divides the extent behind a record, if it lists this head as that record's. Returns the part
    /// before, and keeps the rest.
    pub(super) fn divide(&mut self, (place, head): &(Place, Beginning)) -> Option<Extent> {
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

    pub(super) fn place(&self, number: u64) -> Place {
        (self.life.0, self.life.1.clone(), number)
    }

    /// Returns the place before the first record.
    pub(super) fn before(&self) -> Option<Place> {
        self.first.checked_sub(1).map_or_else(|| self.link.clone(), |before| Some(self.place(before)))
    }

    /// Returns the place of the last record, and its head.
    pub(super) fn end(&self) -> Option<(Place, Beginning)> {
        Some((self.place(self.last), self.heads?.1))
    }

    /// Returns the stop that record 0 states: the first record that may not have been delivered, the
    /// head before it, and the linked record.
    pub(super) fn stop(&self) -> Option<(&Place, &[u8; 32], &Place)> {
        let link = self.link.as_ref().filter(|link| self.first == 0 && link.0 < self.life.0)?;
        let (first, head) = self.unsettled.as_ref()?;
        Some((first, head, link))
    }

    /// Returns the head that a stop states.
    pub(super) fn stated(&self) -> Option<(Place, Beginning)> {
        let ((segment, run, number), head, _) = self.stop()?;
        Some(((*segment, run.clone(), number.checked_sub(1)?), beginning(head)))
    }

    /// Returns true if record 0 has a note.
    pub(super) fn says(&self, note: &str) -> bool {
        self.notes.iter().any(|of| of == note)
    }

    /// Returns true if a record is in the extent, behind its last signature.
    pub(super) fn is_unsigned(&self, record: &Place) -> bool {
        let from = self.signed.map_or(self.first, |signed| self.first.max(signed.saturating_add(1)));
        (record.0, &record.1) == (self.life.0, &self.life.1) && (from..=self.last).contains(&record.2)
    }

    /// Returns true if a record is in the extent, behind its last signature, and others of the extent
    /// follow that record.
    pub(super) fn is_within(&self, record: &Place) -> bool {
        self.is_behind(record) && self.signed != Some(record.2)
    }

    /// Returns true if a record is in the extent, at or behind its last signature, and others of the
    /// extent follow that record.
    pub(super) fn is_behind(&self, record: &Place) -> bool {
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

/// The maximum length of a statement's line, in bytes.
const STATEMENT_BYTES_MAX: usize = 8 << 20;
/// The maximum number of a manifest's extents.
const EXTENTS_MAX: usize = 12_288;

/// Returns the statement in a record, if it has the form of one, without the seal.
fn statement(record: &str) -> Option<Value> {
    let mut value = Value::parse(record).filter(|_| record.len() <= STATEMENT_BYTES_MAX)?;
    value.members_mut()?.retain(|(name, _)| name != "audit");
    let are = |names: &[&str], is_form: &dyn Fn(&Value) -> bool| {
        names.iter().all(|name| value.get(name).is_some_and(is_form))
    };
    let is_number = |value: &Value| value.as_integer().is_some();
    let is_string = |value: &Value| value.as_str().is_some();
    let are_extents = |value: &Value| {
        let is_extent = |of: &Value| Extent::read(of).is_some();
        value.as_array().is_some_and(|all| all.len() <= EXTENTS_MAX && all.iter().all(is_extent))
    };
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
