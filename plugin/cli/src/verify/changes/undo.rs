//! Undoes candidate changes one by one, until a record's head is right.

use super::candidates::{
    combinations, dotted, fractions_of_32_bits, integer_in, is_null_member, name_of, pairs, rounded, without,
};
use super::edit::{Edit, Value, each, rewrite};
use super::{Change, key_value};
use flb_audit_core::Tape;
use flb_audit_core::record::tape::Dialect;
use flb_audit_core::verify::{Checked, Checker};
use std::collections::BTreeSet;

/// The maximum number of bytes that are hashed in the search for changes: about a
/// second's work.
const WORK_BYTES_MAX: usize = 64 << 20;
/// The maximum number of values of one kind that are distinguished in a record.
const CANDIDATES_MAX: usize = 64;
/// The maximum number of spellings of names that are tried.
const SPELLINGS_MAX: usize = 2048;
const INTEGERS_MAX: u128 = 8192;
/// The maximum number of names that are tried for removed members.
const NAMES_MAX: usize = 1024;

/// Members that stores and transports are known to add: MongoDB, Logstash, Beats and
/// Elastic's ingest pipelines, Splunk, Loki, Google Cloud.
const ADDED: [&str; 24] = [
    "_id",
    "_index",
    "_score",
    "_type",
    "_source_type",
    "_time",
    "_raw",
    "_msg",
    "_stream",
    "@version",
    "agent",
    "ecs",
    "data_stream",
    "event.ingested",
    "event.dataset",
    "event.module",
    "input",
    "insertId",
    "receiveTimestamp",
    "fluentd_time",
    "ingestion_time",
    "_ingest",
    "_timestamp",
    "_partition",
];

/// Common names of members.
const NAMES: [&str; 40] = [
    "name",
    "value",
    "id",
    "user",
    "data",
    "error",
    "message",
    "msg",
    "code",
    "result",
    "reason",
    "status",
    "parent",
    "details",
    "description",
    "metadata",
    "namespace",
    "annotations",
    "labels",
    "type",
    "source",
    "target",
    "object",
    "old",
    "new",
    "before",
    "after",
    "request",
    "response",
    "requestObject",
    "responseObject",
    "responseElements",
    "requestParameters",
    "additionalEventData",
    "errorCode",
    "errorMessage",
    "deletedAt",
    "expires",
    "email",
    "actor",
];

/// Undoes changes.
pub(super) struct Undo {
    checker: Checker,
    tape: Tape,
    work: usize,
    /// Sets of members that turned out to be added in earlier records.
    known: Vec<Vec<String>>,
    /// Names that a removed member may have had.
    names: Vec<String>,
}

impl Undo {
    /// Prepares to undo changes of records like these.
    pub(super) fn new<'a>(ignored: Vec<String>, records: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut names = BTreeSet::new();
        let mut tape = Tape::new();
        for text in records {
            if tape.read(text, Dialect::Json).is_ok() {
                each(&tape, text, |value| {
                    if value.key.is_some() && !value.is_of_seal() && names.len() < NAMES_MAX {
                        names.extend(name_of(value.name));
                    }
                });
            }
        }
        let letters = ('a'..='z').chain('A'..='Z').map(String::from);
        let names = NAMES.iter().map(|name| (*name).to_owned()).chain(letters).chain(names).collect();
        Undo { checker: Checker::new(ignored), tape, work: WORK_BYTES_MAX, known: vec![], names }
    }

    /// Returns the change after whose undoing the record is as it was sealed.
    pub(super) fn change(&mut self, text: &[u8]) -> Option<Change> {
        if let Some(json) = key_value::to_json(text) {
            return self.is_intact(&json).then_some(Change::KeyValue);
        }
        let mut tape = std::mem::take(&mut self.tape);
        let change = tape.read(text, Dialect::Json).ok().and_then(|()| {
            self.nulls_added(&tape, text)
                .or_else(|| self.members_added(&tape, text))
                .or_else(|| self.integers_as_text(&tape, text))
                .or_else(|| self.dots_replaced(&tape, text))
                .or_else(|| self.integers_rounded(&tape, text))
                .or_else(|| self.nulls_removed(&tape, text))
                .or_else(|| fractions_of_32_bits(&tape, text))
        });
        self.tape = tape;
        change
    }

    fn is_intact(&mut self, text: &[u8]) -> bool {
        matches!(self.checker.check(text), Ok(Checked::Sealed(sealed)) if sealed.is_intact)
    }

    /// Checks whether the record is intact after these edits. Returns false when the
    /// limit of work is reached.
    fn is_intact_with(
        &mut self,
        tape: &Tape,
        text: &[u8],
        added: &[u8],
        edit: impl FnMut(Value<'_>) -> Edit,
    ) -> bool {
        self.work = self.work.saturating_sub(text.len());
        self.work > 0 && self.is_intact(&rewrite(tape, text, added, edit))
    }

    fn members_added(&mut self, tape: &Tape, text: &[u8]) -> Option<Change> {
        let mut members = Vec::new();
        each(tape, text, |value| {
            if value.depth == 1 {
                members.extend(name_of(value.name));
            }
        });
        let audit = members.iter().position(|name| name == "audit")?;
        let (before, behind) = (&members[..audit], &members[audit + 1..]);
        let known = |names: &[String]| {
            names.iter().filter(|name| ADDED.contains(&name.as_str())).cloned().collect::<Vec<_>>()
        };
        let all: Vec<String> = before.iter().chain(behind).take(CANDIDATES_MAX).cloned().collect();
        let mut tries = self.known.clone();
        tries.push(behind.to_vec());
        tries.push(known(&all));
        tries.push([known(before), behind.to_vec()].concat());
        tries.extend((1..=before.len().min(8)).map(|count| before[..count].to_vec()));
        tries.extend(all.iter().map(|name| vec![name.clone()]));
        tries.extend(pairs(all.len()).map(|(a, b)| vec![all[a].clone(), all[b].clone()]));
        for names in tries {
            let is_here = !names.is_empty() && names.iter().all(|name| all.contains(name));
            if is_here && self.is_intact_with(tape, text, b"", |value| without(&value, &names)) {
                if !self.known.contains(&names) {
                    self.known.push(names.clone());
                }
                return Some(Change::MembersAdded(names));
            }
        }
        None
    }

    fn integers_as_text(&mut self, tape: &Tape, text: &[u8]) -> Option<Change> {
        let (mut nodes, mut is_in_seal) = (Vec::new(), false);
        each(tape, text, |value| {
            if integer_in(&value).is_some() {
                is_in_seal |= value.is_of_seal();
                if !value.is_of_seal() && nodes.len() < CANDIDATES_MAX {
                    nodes.push(value.node);
                }
            }
        });
        if nodes.is_empty() && !is_in_seal {
            return None;
        }
        // Some of the texts may have been text before.
        let kept = std::iter::once(vec![]).chain(combinations(&nodes)).chain([nodes.clone()]);
        for kept in kept {
            let without_nulls = [false, true];
            for drops_nulls in without_nulls {
                let is_intact = self.is_intact_with(tape, text, b"", |value| match integer_in(&value) {
                    _ if drops_nulls && is_null_member(&value) => Edit::Drop,
                    Some(integer) if !kept.contains(&value.node) => Edit::Replace(integer.to_vec()),
                    _ => Edit::Keep,
                });
                if is_intact {
                    return Some(Change::IntegersAsText);
                }
            }
        }
        None
    }

    fn nulls_added(&mut self, tape: &Tape, text: &[u8]) -> Option<Change> {
        let mut nodes = Vec::new();
        each(tape, text, |value| {
            if is_null_member(&value) && nodes.len() < CANDIDATES_MAX {
                nodes.push(value.node);
            }
        });
        if nodes.is_empty() {
            return None;
        }
        let kept = std::iter::once(vec![]).chain(combinations(&nodes));
        for kept in kept {
            let is_intact = self.is_intact_with(tape, text, b"", |value| {
                if is_null_member(&value) && !kept.contains(&value.node) { Edit::Drop } else { Edit::Keep }
            });
            if is_intact {
                return Some(Change::NullsAdded);
            }
        }
        let only_top = self.is_intact_with(tape, text, b"", |value| {
            if is_null_member(&value) && value.depth == 1 { Edit::Drop } else { Edit::Keep }
        });
        only_top.then_some(Change::NullsAdded)
    }

    fn dots_replaced(&mut self, tape: &Tape, text: &[u8]) -> Option<Change> {
        // Each key, with its possible original spellings.
        let mut keys: Vec<(usize, Vec<Vec<u8>>)> = Vec::new();
        each(tape, text, |value| {
            let Some(key) = value.key.filter(|_| !value.is_of_seal()) else { return };
            let spellings = dotted(value.name);
            if !spellings.is_empty() {
                keys.push((key, spellings));
            }
        });
        if keys.is_empty() {
            return None;
        }
        let combinations =
            keys.iter().fold(1_usize, |product, (_, spellings)| product.saturating_mul(spellings.len() + 1));
        for number in (1..combinations.min(SPELLINGS_MAX)).rev() {
            let mut rest = number;
            let mut chosen = Vec::new();
            for (key, spellings) in &keys {
                // The last choice is the key as it stands.
                if let Some(spelling) =
                    spellings.len().checked_sub(rest % (spellings.len() + 1)).and_then(|at| spellings.get(at))
                {
                    chosen.push((*key, spelling));
                }
                rest /= spellings.len() + 1;
            }
            let is_intact = self.is_intact_with(tape, text, b"", |value| {
                let spelled = chosen.iter().find(|(key, _)| value.key == Some(*key));
                spelled.map_or(Edit::Keep, |(_, spelling)| Edit::Rename(spelling.to_vec()))
            });
            if is_intact {
                return Some(Change::DotsReplaced);
            }
        }
        None
    }

    fn integers_rounded(&mut self, tape: &Tape, text: &[u8]) -> Option<Change> {
        let mut integers = Vec::new();
        each(tape, text, |value| integers.extend(rounded(&value).map(|range| (value.node, range))));
        let count = |(_, (first, last)): &(usize, (i128, i128))| last.abs_diff(*first) + 1;
        let all = integers.iter().fold(1_u128, |product, integer| product.saturating_mul(count(integer)));
        if integers.is_empty() || all > INTEGERS_MAX {
            return None;
        }
        for number in 0..all {
            let mut rest = number;
            let mut chosen = Vec::new();
            for integer @ (node, (first, _)) in &integers {
                chosen.push((*node, first + (rest % count(integer)) as i128));
                rest /= count(integer);
            }
            let is_intact = self.is_intact_with(tape, text, b"", |value| {
                let other = chosen.iter().find(|(node, _)| *node == value.node);
                other.map_or(Edit::Keep, |(_, integer)| Edit::Replace(integer.to_string().into_bytes()))
            });
            if is_intact {
                return Some(Change::IntegersRounded);
            }
        }
        None
    }

    fn nulls_removed(&mut self, tape: &Tape, text: &[u8]) -> Option<Change> {
        for name in self.names.clone() {
            let member = serde_json::to_string(&name).ok()? + ":null";
            if self.is_intact_with(tape, text, member.as_bytes(), |_| Edit::Keep) {
                return Some(Change::NullsRemoved(vec![name]));
            }
        }
        None
    }
}
