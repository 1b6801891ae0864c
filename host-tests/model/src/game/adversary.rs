//! An adversary who can write the store, and has no node's key.

use super::thief::Thief;
use super::{Step, Stolen};
use crate::forge::{Forge, anchor, audit_mut, number, rehash, set, string};
use crate::json::Value;
use crate::model::Log;

/// Changes a log as the script says. With stolen keys, some of the moves seal records.
pub fn attack(log: &mut Log, script: &[Step], stolen: Option<&Stolen>) {
    let honest = log.lines.clone();
    let mut thief = stolen.and_then(Thief::new);
    for (kind, one, two) in script {
        let (one, two) = (usize::from(*one), usize::from(*two));
        match &mut thief {
            Some(thief) if *kind >= 160 => drop(thief.act(log, one, two)),
            _ => act(log, &honest, (*kind, one, two)),
        }
    }
}

/// The members of a seal that a move may exchange.
const MEMBERS: [&str; 12] =
    ["chain", "seg", "run", "seq", "prev", "head", "link", "key", "sig", "notes", "time", "v"];

fn act(log: &mut Log, honest: &[String], (kind, one, two): (u8, usize, usize)) {
    if log.lines.is_empty() {
        log.lines.extend(honest.iter().take(one % 3).cloned());
        return;
    }
    let len = log.lines.len();
    let (at, other) = (one % len, two % len);
    let span = at..(at + 1 + two % 8).min(len);
    let copy = |at: usize| Value::parse(&log.lines[at]);
    match kind % 20 {
        0 => drop(log.lines.drain(span)),
        1 => log.lines.truncate(at),
        2 => log.lines.swap(at, other),
        3 => log.lines.push(log.lines[at].clone()),
        4 => log.lines.extend(honest.get(one % honest.len()).cloned()),
        5 => log.lines[at] = log.lines[at].replacen("\"record\"", "\"rec0rd\"", 1),
        6 => log.lines[at].truncate(two),
        7 => log.lines[at] = log.lines[at].replacen('{', "{\"date\":1.5,", 1),
        8 => {
            let from = format!("\"seq\":{},", two % 8);
            log.lines[at] = log.lines[at].replacen(&from, &format!("\"seq\":{}.0,", two % 8), 1);
        }
        9 | 10 => edit(log, at, |record| {
            set_body(record, two);
            (kind % 20 == 10).then(|| rehash(record));
        }),
        11..=13 => {
            let name = MEMBERS[two / 64 % MEMBERS.len()];
            let value = copy(other).and_then(|record| record.get("audit")?.get(name).cloned());
            edit(log, at, |record| {
                let Some(audit) = audit_mut(record) else { return };
                audit.retain(|(key, _)| key != name);
                audit.extend(value.map(|value| (name.to_owned(), value)));
                (kind % 20 > 11).then(|| rehash(record));
            });
        }
        14 => edit(log, at, |record| {
            let note = ["state-damaged", "state-set-back", "statement", "no-state"][two % 4];
            if let Some(audit) = audit_mut(record) {
                set(audit, "notes", Value::Array(vec![string(note)]));
            }
            rehash(record);
        }),
        15 => reseal(log, at, two),
        16 => append(log, at, two),
        17 => sign(log, at, two),
        18 => {
            if let (Some(anchors), Some(anchor)) = (
                &mut log.anchors,
                Value::parse(&honest[at % honest.len()]).and_then(|record| anchor(&record)),
            ) {
                let mut anchor = anchor;
                if let Some(members) = anchor.members_mut() {
                    set(members, "seq", number(two as u64 % 16));
                }
                anchors.push(anchor.text());
            }
        }
        _ => edit(log, at, |record| {
            if let Some(audit) = audit_mut(record) {
                let name = MEMBERS[two % MEMBERS.len()];
                audit.retain(|(key, _)| key != name);
            }
            rehash(record);
        }),
    }
}

fn edit(log: &mut Log, at: usize, change: impl FnOnce(&mut Value)) {
    if let Some(mut record) = Value::parse(&log.lines[at]) {
        change(&mut record);
        log.lines[at] = record.text();
    }
}

fn set_body(record: &mut Value, to: usize) {
    if let Some(members) = record.members_mut() {
        set(members, "value", number(to as u64));
    }
}

pub(super) fn of<'a>(record: &'a Value, name: &str) -> Option<&'a Value> {
    record.get("audit")?.get(name)
}

/// Alters a record, and computes the hashes of all later records of its life.
fn reseal(log: &mut Log, at: usize, to: usize) {
    let Some(first) = Value::parse(&log.lines[at]) else { return };
    let names = ["chain", "seg", "run"];
    let mut prev = None;
    for line in &mut log.lines[at..] {
        let Some(mut record) = Value::parse(line) else { continue };
        if names.iter().any(|name| of(&record, name) != of(&first, name)) {
            continue;
        }
        set_body(&mut record, to);
        if let (Some(prev), Some(audit)) = (prev.take(), audit_mut(&mut record)) {
            set(audit, "prev", prev);
            if to.is_multiple_of(2) {
                audit.retain(|(name, _)| name != "key" && name != "sig");
            }
        }
        rehash(&mut record);
        prev = of(&record, "head").cloned();
        *line = record.text();
    }
}

/// Appends a record that continues another, without a key or with a key of the
/// adversary's.
fn append(log: &mut Log, at: usize, how: usize) {
    let Some(before) = Value::parse(&log.lines[at]) else { return };
    let part = |name: &str| of(&before, name).and_then(Value::as_str).unwrap_or_default();
    let integer = |name: &str| of(&before, name).and_then(Value::as_integer).unwrap_or(1);
    let mut forge = Forge::new(part("chain"), 7);
    forge.place = (integer("seg"), part("run").to_owned(), integer("seq").saturating_add(1));
    forge.head = crate::seal::bytes(part("head")).unwrap_or_default();
    if how & 1 > 0 {
        forge.restart("evil--", (how & 2 > 0).then_some(how as u64 / 8 % 8));
        forge.rotate();
    }
    let record = forge.seal("{\"value\":7}", how & 4 > 0, &[]);
    log.lines.push(record.text());
}

/// Makes a record claim another record's key, with the adversary's signature or a copied
/// one.
fn sign(log: &mut Log, at: usize, how: usize) {
    let with_key =
        log.lines.iter().filter_map(|line| Value::parse(line)).filter(|record| of(record, "key").is_some());
    let all: Vec<Value> = with_key.collect();
    let Some(donor) = all.get(how.checked_rem(all.len()).unwrap_or(0)) else { return };
    let (key, signature) = (of(donor, "key").cloned(), of(donor, "sig").cloned());
    edit(log, at, |record| {
        set_body(record, how);
        if let (Some(audit), Some(key), Some(signature)) = (audit_mut(record), key, signature) {
            set(audit, "key", key);
            set(audit, "sig", signature);
        }
        match how & 1 {
            0 => drop(rehash(record)),
            _ => Forge::new("", 7).resign(record),
        }
    });
}
