//! The generator of docs/seal-verdicts.json: small logs, each with one thing wrong.

mod absent;
mod chains;
mod clients;
mod damaged;
mod files;
mod fits;
mod fleets;
mod forms;
mod ledgers;
mod listed;
pub(crate) mod random;
mod readings;
mod rules;
mod said;
mod starts;
mod stops;
mod store;

use flb_audit_model::forge::{Enroller, Forge, anchor, audit_mut, number, object, rehash, set, string};
use flb_audit_model::json::Value;
use flb_audit_model::model::{Ledger, Log};
use flb_audit_model::seal;

/// A log that is being made.
#[derive(Clone)]
struct Case {
    forge: Forge,
    records: Vec<Value>,
    /// Lines in addition to the records
    lines: Vec<String>,
    ledgers: Vec<Ledger>,
    roster: Option<Vec<Value>>,
    fleet: Option<Value>,
    expected: Option<Vec<String>>,
    anchors: Option<Vec<String>>,
    /// The checkpoints with which the log begins
    from: Option<Vec<String>>,
    heard: Option<(u64, u64)>,
}

/// The number of records in a segment.
const SEGMENT: u64 = 6;
/// The index of the last checkpoint: record 3 of segment 3.
const CHECKPOINT: usize = 15;
const LAST: usize = 17;

fn at(segment: usize, sequence: usize) -> usize {
    (segment - 1) * SEGMENT as usize + sequence
}

/// Three segments of six records, with checkpoints at 0 and 3, under keys 1, 2, 3.
fn honest(chain: &str, salt: u8) -> Case {
    sealed_by(Forge::new(chain, salt))
}

fn sealed_by(mut forge: Forge) -> Case {
    let mut records = Vec::new();
    for run in ["run--1", "run--2", "run--3"] {
        if !records.is_empty() {
            forge.restart(run, None);
        }
        forge.rotate();
        records.extend((0..SEGMENT).map(|n| forge.seal(&format!("{{\"n\":{n}}}"), n % 3 == 0, &[])));
    }
    let roster = Some(vec![forge.roster()]);
    let (lines, ledgers, anchors, from, heard) = (Vec::new(), Vec::new(), None, None, None);
    Case { forge, records, lines, ledgers, roster, fleet: None, expected: None, anchors, from, heard }
}

fn base() -> Case {
    honest("vectors-0001", 1)
}

impl Case {
    fn log(self) -> Log {
        let lines = self.records.iter().map(Value::text).chain(self.lines).collect();
        let roster = self.roster.map(|roster| Value::Array(roster).text());
        let fleet = self.fleet.map(|fleet| fleet.text());
        let Case { ledgers, expected, anchors, from, heard, .. } = self;
        Log { lines, ledgers, roster, fleet, expected, anchors, from, heard }
    }

    fn audit(&mut self, at: usize) -> &mut Vec<(String, Value)> {
        audit_mut(&mut self.records[at]).expect("a seal")
    }

    /// Sets a member of a seal, as anybody can without a key.
    fn set(mut self, at: usize, name: &str, value: Value) -> Self {
        set(self.audit(at), name, value);
        self
    }

    fn without(mut self, at: usize, name: &str) -> Self {
        self.audit(at).retain(|(key, _)| key != name);
        self
    }

    fn rehash(mut self, at: usize) -> Self {
        rehash(&mut self.records[at]);
        self
    }

    fn resign(mut self, at: usize) -> Self {
        self.forge.clone().resign(&mut self.records[at]);
        self
    }

    fn cut(mut self, len: usize) -> Self {
        self.records.truncate(len);
        self
    }

    fn delete(mut self, gone: impl IntoIterator<Item = usize>) -> Self {
        let gone: Vec<usize> = gone.into_iter().collect();
        let mut at = 0;
        self.records.retain(|_| {
            at += 1;
            !gone.contains(&(at - 1))
        });
        self
    }

    /// Alters what a checkpoint says about its key, and signs it again.
    fn key(mut self, at: usize, alter: impl FnOnce(&mut Vec<(String, Value)>)) -> Self {
        let key = self.audit(at).iter_mut().find(|(name, _)| name == "key").expect("a key");
        alter(key.1.members_mut().expect("members"));
        self.resign(at)
    }

    fn list(self, at: usize, name: &str, alter: impl FnOnce(&mut Vec<Value>)) -> Self {
        self.key(at, |key| {
            if let Some((_, Value::Array(list))) = key.iter_mut().find(|(key, _)| key == name) {
                alter(list);
            }
        })
    }

    fn anchored(mut self, at: &[usize]) -> Self {
        let anchors = at.iter().map(|at| anchor(&self.records[*at]).expect("a checkpoint").text());
        self.anchors = Some(anchors.collect());
        self
    }

    /// Adds checkpoints of the log as anchors, with `said` about their delivery.
    fn delivered(mut self, at: &[usize], said: &Value) -> Self {
        self = self.anchored(at);
        for anchor in self.anchors.iter_mut().flatten() {
            let mut value = Value::parse(anchor).expect("an anchor");
            set(value.members_mut().expect("members"), "delivered", said.clone());
            *anchor = value.text();
        }
        self
    }

    /// Adds checkpoints of the honest log as anchors.
    fn anchored_of(mut self, at: &[usize]) -> Self {
        self.anchors = base().anchored(at).anchors;
        self
    }

    /// Makes the log begin with some checkpoints of the honest one.
    fn from(mut self, at: &[usize]) -> Self {
        let all = base();
        let from = at.iter().map(|at| anchor(&all.records[*at]).expect("a checkpoint").text());
        self.from = Some(from.collect());
        self
    }

    fn line(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }
}

fn flipped(text: &Value) -> Value {
    let text = text.as_str().expect("text");
    let first = if text.starts_with('A') { "B" } else { "A" };
    string(&format!("{first}{}", &text[1..]))
}

/// Sets one of the bits of the last character that carry no data.
fn with_padding_bits(text: &Value) -> Value {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let text = text.as_str().expect("text");
    let (start, last) = text.split_at(text.len() - 1);
    let value = ALPHABET.iter().position(|byte| last.as_bytes()[0] == *byte).expect("a character");
    string(&format!("{start}{}", char::from(ALPHABET[value + 1])))
}

fn flip(members: &mut Value, name: &str) {
    let value = flipped(members.get(name).expect("a member"));
    set(members.members_mut().expect("members"), name, value);
}

/// Returns all vectors with their names.
pub(crate) fn all() -> Vec<(String, Log)> {
    let mut all: Vec<(String, Case)> = Vec::new();
    chains::honest_logs(&mut all);
    forms::forms(&mut all);
    forms::checkpoint_forms(&mut all);
    forms::statements_of_keys(&mut all);
    forms::what_is_read(&mut all);
    forms::members_of_outputs(&mut all);
    chains::missing(&mut all);
    chains::altered(&mut all);
    chains::links(&mut all);
    chains::conflicts(&mut all);
    stops::stops(&mut all);
    chains::stolen_keys(&mut all);
    chains::anchors(&mut all);
    chains::rosters(&mut all);
    chains::silent(&mut all);
    starts::starts(&mut all);
    fleets::fleets(&mut all);
    fleets::roles(&mut all);
    fleets::expected(&mut all);
    fleets::nodes(&mut all);
    chains::policies(&mut all);
    readings::escapes(&mut all);
    readings::what_anchors_and_lines_are(&mut all);
    readings::orders(&mut all);
    readings::keys(&mut all);
    readings::state_damaged(&mut all);
    rules::rules(&mut all);
    damaged::states(&mut all);
    files::rosters(&mut all);
    files::fleets(&mut all);
    files::empty_ones(&mut all);
    ledgers::ledgers(&mut all);
    absent::absent(&mut all);
    said::said(&mut all);
    listed::listed(&mut all);
    fits::fits(&mut all);
    clients::clients(&mut all);
    all.into_iter().map(|(name, case)| (name, case.log())).collect()
}

type All = Vec<(String, Case)>;

fn add(all: &mut All, name: impl Into<String>, case: Case) {
    all.push((name.into(), case));
}
