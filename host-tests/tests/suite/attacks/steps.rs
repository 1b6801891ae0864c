//! The steps of attacks on a log.

use super::log::{Log, random};
use flb_audit_core::chain::keyring::KeyRing;
use flb_audit_core::chain::state::{Clocks, SLOT_BYTES, Slot, State, slot_offset};
use flb_audit_core::chain::{Chain, ChainId, Link, Place, Run, Unsettled};
use flb_audit_core::hash::Algorithm;
use flb_audit_core::record::notes::Notes;
use flb_audit_core::text::base64url::hash_from_text;
use flb_audit_core::{Event, Sealer};
use host_tests::specification;
use serde_json::{Value, json};

/// Takes a step. Panics if the log has nothing that the step applies to.
pub(super) fn take(log: &mut Log, step: &Value) {
    let (name, what) = match step {
        Value::String(name) => (name.as_str(), &Value::Null),
        _ => step
            .as_object()
            .and_then(|step| step.iter().next())
            .map(|(name, what)| (&**name, what))
            .expect("a step"),
    };
    match name {
        "cut_after" => log.records.truncate(at(log, what) + 1),
        "delete" => drop(log.records.remove(at(log, what))),
        "delete_checkpoints" => log.records.retain(|record| record["audit"].get("sig").is_none()),
        "delete_segment" => log.records.retain(|record| record["audit"]["seg"] != *what),
        "swap_segments" => {
            for record in &mut log.records {
                let (one, other) = (what[0].clone(), what[1].clone());
                let segment = &mut record["audit"]["seg"];
                *segment = if *segment == one {
                    other
                } else if *segment == other {
                    one
                } else {
                    segment.clone()
                };
            }
            sort(log);
        }
        "replay_segment" => {
            let copies = log.records.iter().filter(|record| record["audit"]["seg"] == what[0]).cloned();
            let copies: Vec<Value> = copies.map(|record| with(record, "seg", &what[1])).collect();
            log.records.extend(copies);
        }
        "renumber" => {
            let segment = log.records.iter_mut().filter(|record| record["audit"]["seg"] == *what);
            segment.zip(0..).for_each(|(record, number)| record["audit"]["seq"] = json!(number));
        }
        "insert" => {
            let here = at(log, what);
            let record = with_another_value(log.records[here].clone());
            log.records.insert(here, record);
        }
        "edit_value" => edit(log, what, with_another_value),
        "edit_key" => edit(log, what, |mut record| {
            let fields = record.as_object_mut().expect("an object");
            let key = fields.keys().find(|key| *key != "audit").expect("a member").clone();
            let value = fields.remove(&key).expect("a member");
            fields.insert(key + "_", value);
            record
        }),
        "set" => edit(log, &what["at"], |record| with(record, text(&what["member"]), &what["to"])),
        "remove" => edit(log, &what["at"], |mut record| {
            members(&mut record).remove(text(&what["member"])).expect("a member");
            record
        }),
        "copy" => {
            let value = log.records[at(log, &what["from"])]["audit"][text(&what["member"])].clone();
            edit(log, &what["at"], |record| with(record, text(&what["member"]), &value));
        }
        "swap_numbers" => {
            let (one, other) = (at(log, &what[0]), at(log, &what[1]));
            log.records[one]["audit"]["seq"] = what[1][1].clone();
            log.records[other]["audit"]["seq"] = what[0][1].clone();
        }
        "move_from_other_chain" => {
            let mut record = with(log.other[7].clone(), "chain", &log.records[0]["audit"]["chain"]);
            for (member, number) in [("seg", &what[0]), ("seq", &what[1])] {
                record = with(record, member, number);
            }
            log.records.push(record);
        }
        "replace_certificate" => edit(log, what, |mut record| {
            let public = specification::base64url(&[7; 32]);
            let certificates = record["audit"]["key"]["certs"].as_array_mut().expect("certificates");
            certificates.last_mut().expect("a certificate")["pub"] = json!(public);
            record
        }),
        "reseal" => {
            let end = what.get("to").map_or(log.records.len(), |to| at(log, to));
            let rest = log.records.split_off(end);
            reseal(log, at(log, &what["from"]), text(&what["keys"]));
            log.records.extend(rest);
        }
        "forge_tail" => forge_tail(log, what),
        "set_back" => {
            let mut from = log.copied.clone();
            if what == "state" {
                from.key = log.now.key.clone();
            }
            let more = log.go_on(&from, 60);
            log.records.extend(more);
        }
        "lose_power" => {
            let before = log.now.clone();
            let lived = log.go_on(&before, 20);
            // The head is synced when a segment opens, and the keys when they change.
            let state = State::read(&before.state).expect("a state");
            let chain = state.open_segment(place(&lived[0]["audit"]).run, None, Clocks::default()).chain;
            let slot = slot_offset(1 - state.slot_index) as usize;
            let mut set_back = log.now.clone();
            set_back.state = before.state;
            set_back.state[slot..slot + SLOT_BYTES].copy_from_slice(&Slot::of(&chain, 0).to_bytes());
            log.records.extend(lived);
            let more = log.go_on(&set_back, 20);
            log.records.extend(more);
        }
        "duplicate" => {
            let every = what.as_u64().expect("a number") as usize;
            let copies: Vec<Value> = log.records.iter().step_by(every).cloned().collect();
            log.records.extend(copies);
        }
        "shuffle" => {
            let mut state = 0x9e37_79b9_7f4a_7c15_u64;
            log.records.sort_by_cached_key(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state
            });
        }
        "interleave" => {
            for (place, record) in log.other.clone().iter().enumerate() {
                log.records.insert(2 * place, record.clone());
            }
        }
        "deliver_again" => {
            let again = log.records[at(log, &what[0])..at(log, &what[1])].to_vec();
            log.records.extend(again);
        }
        "add_keys" => {
            for record in &mut log.records {
                record["date"] = json!(1.5);
                record["@timestamp"] = json!("2026-11-20T08:00:00Z");
                record["_flb-key"] = json!("kube.audit");
            }
        }
        "restart" | "crash" => {
            let count = what.as_u64().expect("a number") as usize;
            for _ in 0..2 {
                let now = log.now.clone();
                let mut more = log.go_on(&now, 20);
                // Undelivered records are lost.
                more.truncate(if name == "crash" { 20 - count } else { 20 });
                log.records.extend(more);
            }
        }
        other => panic!("{other}: no such step"),
    }
}

fn at(log: &Log, place: &Value) -> usize {
    log.find(place[0].as_u64().expect("a segment"), place[1].as_u64().expect("a number"))
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn edit(log: &mut Log, place: &Value, change: impl FnOnce(Value) -> Value) {
    let at = at(log, place);
    log.records[at] = change(log.records[at].take());
}

fn members(record: &mut Value) -> &mut serde_json::Map<String, Value> {
    record["audit"].as_object_mut().expect("a seal")
}

fn with(mut record: Value, member: &str, to: &Value) -> Value {
    record["audit"][member] = to.clone();
    record
}

fn with_another_value(mut record: Value) -> Value {
    let fields = record.as_object_mut().expect("an object");
    let (_, value) = fields.iter_mut().find(|(key, _)| *key != "audit").expect("a member");
    *value = json!("forged");
    record
}

fn sort(log: &mut Log) {
    log.records.sort_by_key(|record| (record["audit"]["seg"].as_u64(), record["audit"]["seq"].as_u64()));
}

/// Seals all records from one on again. `keys` says with what: without keys, with the
/// signatures that are there, with an intruder's own keys, or with the key in force.
fn reseal(log: &mut Log, from: usize, keys: &str) {
    let head = match from {
        0 => specification::base64url(&[0; 32]),
        _ => text(&log.records[from - 1]["audit"]["head"]).to_owned(),
    };
    let ring = match keys {
        "none" | "kept" => return rehash(&mut log.records[from..], head, keys == "kept"),
        "stranger" => stranger(log),
        "current" => log.now.keys(),
        other => panic!("{other}"),
    };
    let tail = log.records.split_off(from);
    let head = hash_from_text(head.as_bytes()).expect("a head");
    log.records.extend(seal_with(ring, head, tail));
}

fn stranger(log: &Log) -> KeyRing {
    let chain = ChainId::from_text(text(&log.records[0]["audit"]["chain"]).as_bytes()).expect("a chain");
    KeyRing::new(chain, &mut random).expect("keys")
}

fn rehash(records: &mut [Value], mut head: String, keeps_signatures: bool) {
    for record in records {
        record["audit"]["prev"] = json!(head);
        if !keeps_signatures {
            for member in ["key", "sig", "policy"] {
                members(record).remove(member);
            }
        }
        head = specification::base64url(&specification::seal(&record.to_string()).head);
        record["audit"]["head"] = json!(head);
    }
}

/// Seals records with these keys as the filter does. Places, tags and times stay, and
/// checkpoints stay checkpoints.
fn seal_with(mut ring: KeyRing, mut head: [u8; 32], records: Vec<Value>) -> Vec<Value> {
    let mut sealed = Vec::new();
    for mut record in records {
        let audit = record.as_object_mut().expect("an object").remove("audit").expect("a seal");
        let next = place(&audit);
        let chain = Chain {
            id: ring.chain(),
            algorithm: Algorithm::default(),
            next,
            head,
            link: audit
                .get("link")
                .map(|link| Link { place: place(link), unsettled: link.get("unsettled").map(unsettled) }),
        };
        let mut sealer = Sealer::new(chain, Notes::NONE, None).expect("memory");
        if next.sequence == 0 {
            ring = ring.hand_over(next, head, &mut random).expect("a key");
        }
        if audit.get("key").is_some() || next.sequence == 0 {
            sealer.set_signer(ring.signer().expect("a signer")).expect("memory");
            sealer.sign_next();
        }
        let (seconds, nanoseconds) = text(&audit["time"]).split_once('.').expect("a time");
        let body = record.to_string();
        let event = Event {
            tag: text(&audit["tag"]).as_bytes(),
            seconds: seconds.parse().expect("seconds"),
            nanoseconds: nanoseconds.parse().expect("nanoseconds"),
            record: Some(body.as_bytes()),
            record_len: body.len(),
        };
        let out = sealer.seal(&event).strip_suffix(b"\0").expect("a NUL").to_vec();
        sealed.push(serde_json::from_slice(&out).expect("JSON"));
        head = sealer.chain().head;
    }
    sealed
}

fn place(object: &Value) -> Place {
    Place {
        segment: object["seg"].as_u64().expect("a segment"),
        run: Run::from_text(text(&object["run"]).as_bytes()).expect("a run"),
        sequence: object["seq"].as_u64().expect("a number"),
    }
}

fn unsettled(object: &Value) -> Unsettled {
    let head = hash_from_text(text(&object["head"]).as_bytes()).expect("a head");
    Unsettled { place: place(object), head }
}

/// Appends records that no filter has sealed, to a segment or as a new one.
fn forge_tail(log: &mut Log, what: &Value) {
    let last = log.records.last().expect("a record")["audit"].clone();
    let goes_on = last["seg"] == what["segment"] && what.get("run").is_none();
    let first = if goes_on { last["seq"].as_u64().expect("a number") + 1 } else { 0 };
    let records = what["records"].as_u64().unwrap_or(5);
    let forged = (first..first + records).map(|number| {
        let mut record = json!({"forged": number, "audit": last});
        record["audit"]["seg"] = what["segment"].clone();
        record["audit"]["seq"] = json!(number);
        for member in ["key", "sig", "policy", "link"] {
            members(&mut record).remove(member);
        }
        if !goes_on {
            record["audit"]["run"] = json!("forged");
        }
        if number == 0 {
            record["audit"]["link"] = json!({"run": last["run"], "seg": last["seg"], "seq": last["seq"]});
        }
        record
    });
    let mut forged: Vec<Value> = forged.collect();
    let head = text(&last["head"]).to_owned();
    let ring = match text(&what["keys"]) {
        "none" => {
            rehash(&mut forged, head, false);
            return log.records.extend(forged);
        }
        "old" => log.copied.keys(),
        "stranger" => stranger(log),
        other => panic!("{other}"),
    };
    let head = hash_from_text(head.as_bytes()).expect("a head");
    log.records.extend(seal_with(ring, head, forged));
}
