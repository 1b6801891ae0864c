//! Random ledgers: what their manifests list, what they have deleted, and what is left.

use super::damaged::{going_on, six};
use super::rules::stopped;
use super::store::{Store, head, key_numbers, text};
use super::*;
use std::ops::Range;

/// Numbers that decide what a log is like. Behind the last one, all are 0.
struct Tape<'a>(std::slice::Iter<'a, u8>);

impl Tape<'_> {
    fn below(&mut self, limit: usize) -> usize {
        usize::from(*self.0.next().unwrap_or(&0)) % limit
    }

    fn is_one_in(&mut self, count: usize) -> bool {
        self.below(count) == count - 1
    }
}

/// Returns the records of a chain whose node may have been killed, or may have lost its state.
fn sealed(tape: &mut Tape<'_>) -> Case {
    let (how, keys, link) = (tape.below(6), 1 + tape.below(2), 1 + tape.below(6));
    match how {
        0 => base(),
        1 => stopped(link as u64 - 1),
        2 => six(),
        3 => going_on(six(), "state-damaged", keys, None),
        4 => going_on(six(), "state-set-back", keys, Some(link)),
        _ => going_on(six(), "rounded", keys, Some(link)),
    }
}

/// Returns the length of the row of records of one segment that begins at an index.
fn row(records: &[Value], at: usize) -> usize {
    let of = |record: &Value| (text(record, "seg"), text(record, "run"));
    records[at..].iter().take_while(|record| of(record) == of(&records[at])).count()
}

/// Returns the beginnings of the heads of all records but the last one.
fn inner(records: &[Value]) -> Value {
    let heads = records[..records.len() - 1].iter().map(|record| text(record, "head"));
    string(&heads.map(|head| head.as_str().expect("a head")[..16].to_owned()).collect::<String>())
}

/// Changes an extent, as an older or a damaged ledger may have written it.
fn alter(extent: &mut Value, tape: &mut Tape<'_>) {
    let (how, more) = (tape.below(14), tape.below(256));
    let last = extent.get("last").and_then(Value::as_integer).expect("a number");
    let members = extent.members_mut().expect("members");
    let mut without = |names: &[&str]| members.retain(|(name, _)| !names.contains(&name.as_str()));
    match how {
        0 => without(&["signed"]),
        1 => without(&["link"]),
        2 => without(&["notes"]),
        3 => without(&["inner"]),
        4 => without(&["prev", "head"]),
        5 => set(members, "signed", number(last.saturating_sub(more as u64 % 3))),
        6 => set(members, "head", head(more as u8)),
        7 => set(members, "prev", head(more as u8)),
        8 => set(members, "last", number(last + 1 + more as u64 % 2)),
        12 => set(members, "keys", key_numbers(more as u64 % 8, more as u64 / 8 % 8)),
        13 => without(&["keys"]),
        9 => {
            let word = ["state-damaged", "state-set-back"][more % 2];
            set(members, "notes", Value::Array(vec![string(word)]));
        }
        _ => {
            let link = members.iter_mut().find(|(name, _)| name == "link");
            let unsettled =
                link.and_then(|(_, link)| link.members_mut()?.iter_mut().find(|of| of.0 == "unsettled"));
            if let Some(members) = unsettled.and_then(|(_, unsettled)| unsettled.members_mut()) {
                match how {
                    10 => set(members, "seq", number(more as u64 % 8)),
                    _ => set(members, "head", head(more as u8)),
                }
            }
        }
    }
}

/// Returns the log that some bytes decide.
pub(crate) fn log(bytes: &[u8]) -> Log {
    let mut tape = Tape(bytes.iter());
    let tape = &mut tape;
    let case = sealed(tape);
    let all = case.records.clone();
    let mut files: Vec<Vec<Range<usize>>> = vec![Vec::new()];
    let mut at = 0;
    while at < all.len() {
        let end = at + row(&all, at).min(1 + tape.below(6));
        if tape.is_one_in(8) {
            at += 1;
            continue;
        }
        if tape.is_one_in(3) {
            files.push(Vec::new());
        }
        files.last_mut().expect("a file").push(at..end);
        // Records can come again.
        at = if tape.is_one_in(16) { at } else { end };
    }
    let closed = tape.below(files.len() + 1);
    let mut stores = [Store::of(case.clone(), 31), Store::of(case, 32)];
    let second_from = if tape.is_one_in(6) { tape.below(files.len()) } else { files.len() };
    for (number, file) in files.iter().take(closed).enumerate() {
        let of = usize::from(number >= second_from);
        let change = |manifest: &mut Value| {
            let members = manifest.members_mut().expect("members");
            let extents = members.iter_mut().find(|(name, _)| name == "extents");
            let Some((_, Value::Array(extents))) = extents else { return };
            for (extent, records) in extents.iter_mut().zip(file) {
                if extent.get("signed").is_none() && records.len() > 1 {
                    set(extent.members_mut().expect("members"), "inner", inner(&all[records.clone()]));
                }
                if tape.is_one_in(10) {
                    alter(extent, tape);
                }
            }
        };
        stores[of] = stores[of].clone().close_as(file, change);
        if !tape.is_one_in(24) {
            let number = stores[of].files;
            stores[of] = stores[of].clone().delete(number);
        }
    }
    let [first, second] = stores;
    let mut left: Vec<Value> =
        files[closed..].iter().flatten().flat_map(|file| all[file.clone()].to_vec()).collect();
    if tape.is_one_in(4) {
        left.push(all[tape.below(all.len())].clone());
    }
    if tape.is_one_in(6) && !left.is_empty() {
        // Somebody without a key writes a record anew.
        let at = tape.below(left.len());
        audit_mut(&mut left[at]).expect("a seal").retain(|(name, _)| name != "key" && name != "sig");
        set(left[at].members_mut().expect("members"), "n", number(99));
        rehash(&mut left[at]);
    }
    let is_second = second.files > 0;
    let mut log = first.open_of(|_| left);
    if is_second {
        let second = second.open(0..0);
        log.ledgers.extend(second.ledgers);
        log.roster.iter_mut().zip(second.roster).for_each(|(all, of)| all.extend(of.last().cloned()));
    }
    let mut checkpoints = all.iter().filter_map(anchor).filter(|_| tape.is_one_in(5)).collect::<Vec<_>>();
    if tape.is_one_in(5)
        && let Some(from) = checkpoints.pop()
    {
        log.from = Some(vec![from.text()]);
    }
    if !checkpoints.is_empty() {
        for anchor in checkpoints.iter_mut().filter(|_| tape.is_one_in(3)) {
            set(anchor.members_mut().expect("members"), "delivered", Value::Bool(true));
        }
        log.anchors = Some(checkpoints.iter().map(Value::text).collect());
    }
    log.log()
}
