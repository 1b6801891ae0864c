//! A ledger while it is written: its files, and the statements on these. All closed files are
//! deleted, so nothing has to be compressed.

use super::*;
use flb_audit_model::model::Ledger;
use std::ops::Range;

/// A ledger with the records of one chain, while it is written.
#[derive(Clone)]
pub(super) struct Store {
    pub(super) case: Case,
    pub(super) ledger: Forge,
    pub(super) manifests: Vec<Value>,
    pub(super) files: u64,
}

pub(super) fn text(record: &Value, name: &str) -> Value {
    record.get("audit").and_then(|audit| audit.get(name)).cloned().unwrap_or(Value::Null)
}

pub(super) fn note(word: &str) -> [(&'static str, Value); 1] {
    [("notes", Value::Array(vec![string(word)]))]
}

/// Returns the extents of some records of one segment that follow one another.
pub(super) fn extent(records: &[Value]) -> Value {
    let (first, last) = (records.first().expect("a record"), records.last().expect("a record"));
    let signed = records.iter().rev().find(|record| text(record, "key") != Value::Null);
    let mut members: Vec<(String, Value)> =
        ["chain", "seg", "run"].map(|name| (name.to_owned(), text(first, name))).to_vec();
    let mut push = |name: &str, value: Value| members.push((name.to_owned(), value));
    push("first", text(first, "seq"));
    push("last", text(last, "seq"));
    push("prev", text(first, "prev"));
    push("head", text(last, "head"));
    signed.into_iter().for_each(|record| push("signed", text(record, "seq")));
    for name in ["link", "notes"].into_iter().filter(|name| text(first, name) != Value::Null) {
        push(name, text(first, name));
    }
    let keys = records.iter().filter_map(|record| text(record, "key").get("n")?.as_integer());
    let keys: Vec<u64> = keys.collect();
    if keys.is_sorted_by(|one, other| (*one..=one + 1).contains(other)) {
        let ends = keys.first().zip(keys.last());
        ends.into_iter().for_each(|(first, last)| push("keys", key_numbers(*first, *last)));
    }
    Value::Object(members)
}

/// Returns the `keys` of an extent.
pub(super) fn key_numbers(first: u64, last: u64) -> Value {
    Value::Array(vec![number(first), number(last)])
}

/// Changes a manifest: the first extent is signed up to a record, by a key.
pub(super) fn signed_by(key: u64, signed: u64) -> impl Fn(&mut Value) {
    move |manifest| {
        in_extent("signed", Some(number(signed)))(manifest);
        in_extent("keys", Some(key_numbers(key, key)))(manifest);
    }
}

impl Store {
    pub(super) fn new() -> Store {
        Store::of(base(), 31)
    }

    pub(super) fn of(case: Case, salt: u8) -> Store {
        let mut ledger = Forge::new(&format!("vectors-l{salt:03}"), salt);
        ledger.is_ledger = true;
        ledger.rotate();
        Store { case, ledger, manifests: Vec::new(), files: 0 }
    }

    pub(super) fn state(&mut self, statement: &Value) {
        let statement = self.ledger.seal(&statement.text(), true, &note("statement"));
        self.manifests.push(statement);
    }

    pub(super) fn manifest(&self, records: &[Range<usize>]) -> Value {
        let number_of = |count: usize| number(count as u64);
        let extents = records.iter().map(|records| extent(&self.case.records[records.clone()])).collect();
        let count = records.iter().map(|records| records.len()).sum();
        let file = self.files + 1;
        object([
            ("ledger", string("file")),
            ("number", number(file)),
            ("file", string(&format!("{file:08}.ndjson.zst"))),
            ("records", number_of(count)),
            ("bytes", number_of(count * 900)),
            ("stored_bytes", number_of(count * 100)),
            ("sha256", string(&format!("{file:064x}"))),
            ("root", string(&"A".repeat(43))),
            ("from", number(1_795_161_600)),
            ("to", number(1_795_161_606)),
            ("closed", number(1_795_161_700)),
            ("extents", Value::Array(extents)),
            ("loose", number(0)),
        ])
    }

    /// Closes a file with these records, each range in one segment.
    pub(super) fn close(mut self, records: &[Range<usize>]) -> Store {
        let manifest = self.manifest(records);
        self.state(&manifest);
        self.files += 1;
        self
    }

    pub(super) fn close_as(mut self, records: &[Range<usize>], alter: impl FnOnce(&mut Value)) -> Store {
        let mut manifest = self.manifest(records);
        alter(&mut manifest);
        self.state(&manifest);
        self.files += 1;
        self
    }

    pub(super) fn tombstone(&self, file: u64) -> Value {
        let manifest = self
            .manifests
            .iter()
            .find(|of| of.get("ledger") == Some(&string("file")) && of.get("number") == Some(&number(file)));
        let of = |name: &str| manifest.and_then(|of| of.get(name)).cloned().unwrap_or(number(1));
        object([
            ("ledger", string("deleted")),
            ("number", number(file)),
            ("file", of("file")),
            ("sha256", of("sha256")),
            ("records", of("records")),
            ("by", string("keep_age")),
        ])
    }

    pub(super) fn delete(self, file: u64) -> Store {
        self.delete_as(file, |_| ())
    }

    pub(super) fn delete_as(mut self, file: u64, alter: impl FnOnce(&mut Value)) -> Store {
        let mut tombstone = self.tombstone(file);
        alter(&mut tombstone);
        self.state(&tombstone);
        self
    }

    /// Returns the case in which the ledger has these records in its open file.
    pub(super) fn open(self, kept: Range<usize>) -> Case {
        self.open_of(|records| records[kept].to_vec())
    }

    pub(super) fn open_of(self, kept: impl FnOnce(&[Value]) -> Vec<Value>) -> Case {
        let open = kept(&self.case.records).iter().map(Value::text).collect();
        let manifests = self.manifests.iter().map(Value::text).collect();
        let mut case = self.case;
        case.records.clear();
        case.roster.iter_mut().for_each(|roster| roster.push(self.ledger.roster()));
        case.ledgers.push(Ledger { manifests, number: self.files + 1, open });
        case
    }
}

/// Returns a head that no record has.
pub(super) fn head(byte: u8) -> Value {
    string(&seal::text(&[byte; 32]))
}

pub(super) fn member(name: &'static str, value: Value) -> impl Fn(&mut Value) {
    move |of| set(of.members_mut().expect("members"), name, value.clone())
}

/// Changes a member of a manifest's first extent.
pub(super) fn in_extent(name: &'static str, value: Option<Value>) -> impl Fn(&mut Value) {
    move |of| {
        let Some((_, Value::Array(extents))) =
            of.members_mut().and_then(|all| all.iter_mut().find(|(name, _)| name == "extents"))
        else {
            return;
        };
        let members = extents[0].members_mut().expect("members");
        members.retain(|(of, _)| of != name);
        members.extend(value.clone().map(|value| (name.to_owned(), value)));
    }
}

pub(super) const FIRST: Range<usize> = 0..SEGMENT as usize;
pub(super) const ALL: usize = LAST + 1;

pub(super) fn second() -> Range<usize> {
    at(2, 0)..at(3, 0)
}
