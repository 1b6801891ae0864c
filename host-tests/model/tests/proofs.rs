//! A proof states the place of its record. Somebody who has stolen a key can make that
//! up.

use flb_audit_model::forge::{Forge, anchor, head_of, set, string};
use flb_audit_model::json::Value;
use flb_audit_model::seal;
use serde_json::json;
use std::fs;

/// Returns the verdict of a proof.
fn verdict(forge: &Forge, record: &Value, leaves: &[String], checkpoint: &Value) -> String {
    let report = report(forge, record, leaves, checkpoint);
    report["verdict"].as_str().expect("a verdict").to_owned()
}

/// Returns the report on a proof.
fn report(forge: &Forge, record: &Value, leaves: &[String], checkpoint: &Value) -> serde_json::Value {
    let directory = tempfile::tempdir().expect("a directory");
    let (proof, roster) = (directory.path().join("proof"), directory.path().join("roster"));
    let checkpoint: serde_json::Value = serde_json::from_str(&checkpoint.text()).expect("JSON");
    let text = json!({"record": record.text(), "leaves": leaves, "checkpoint": checkpoint});
    fs::write(&proof, text.to_string()).expect("written");
    fs::write(&roster, Value::Array(vec![forge.roster()]).text()).expect("written");
    let arguments = ["verify".into(), "--proof".into(), proof.into(), "--roster".into(), roster.into()];
    let report = flb_audit::verify::report(arguments).expect("a report");
    serde_json::from_str(&report).expect("JSON")
}

fn leaf(record: &Value) -> String {
    let prev = record.get("audit").and_then(|audit| audit.get("prev")?.as_str()).expect("a head");
    let (leaf, _) = seal::hashes(record, "1.2", &seal::bytes(prev).expect("a head")).expect("hashes");
    seal::text(&leaf)
}

#[test]
fn a_record_is_where_its_checkpoint_and_leaves_say() {
    let mut forge = Forge::new("proofs-00001", 1);
    let mut records: Vec<Value> = (0..3).map(|_| forge.seal("{}", false, &[])).collect();
    forge.restart("run--2", None);
    records.extend((0..3).map(|number| forge.seal("{}", number == 2, &[])));
    let checkpoint = anchor(&records[5]).expect("a checkpoint");
    for first in 0..6 {
        let leaves: Vec<String> = records[first + 1..].iter().map(leaf).collect();
        assert_eq!(verdict(&forge, &records[first], &leaves, &checkpoint), "intact", "from {first}");
    }
    // Somebody with the key seals a record at another place, and puts it under the
    // checkpoint at record 2 of segment 2, with this number of leaves.
    for (segment, run, number, leaves, expected) in [
        (2, "run--2", 1, 1, "intact"),
        (2, "run--2", 1, 2, "tampered"),
        (2, "run--2", 1, 0, "tampered"),
        (2, "run--2", 7, 0, "tampered"),
        (2, "run--2", 7, 1, "tampered"),
        (2, "run--9", 1, 1, "tampered"),
        (3, "run--3", 0, 0, "tampered"),
        (1, "run--1", 7, 2, "tampered"),
        (1, "run--1", 7, 3, "intact"),
    ] {
        let mut thief = forge.clone();
        thief.place = (segment, run.to_owned(), number);
        let record = thief.seal("{\"made\":\"up\"}", false, &[]);
        let mut all = vec![record.clone()];
        all.extend((0..leaves).map(|_| thief.seal("{}", false, &[])));
        let head = head_of(all.last().expect("a record")).expect("a head");
        let place = (2, "run--2".to_owned(), 2);
        let signature = forge.sign(0, &seal::checkpoint_text(&forge.chain, 0, &place, &head));
        let mut under = checkpoint.clone();
        let members = under.members_mut().expect("members");
        set(members, "head", string(&seal::text(&head)));
        set(members, "sig", string(&signature));
        let leaves_of: Vec<String> = all[1..].iter().map(leaf).collect();
        let found = verdict(&forge, &record, &leaves_of, &under);
        assert_eq!(found, expected, "record {segment}.{run}.{number} over {leaves} leaves");
    }
}

/// A proof shows two handovers. Somebody who has the key before both can date them back.
#[test]
fn a_proof_names_the_key_that_could_have_made_it() {
    let mut forge = Forge::new("proofs-00002", 2);
    for number in 0..5 {
        forge.seal("{}", number == 0, &[]);
        forge.rotate();
    }
    // The thief has key 3, which came into force before record 3.
    let mut thief = Forge { place: (1, "run--1".to_owned(), 1), ..forge.clone() };
    for handover in &mut thief.handovers[3..] {
        *handover = (thief.place.clone(), thief.head);
    }
    let record = thief.seal("{\"made\":\"up\"}", true, &[]);
    let checkpoint = anchor(&record).expect("a checkpoint");
    let report = report(&forge, &record, &[], &checkpoint);
    assert_eq!(report["verdict"], "intact");
    let said = "whoever has had key 3 of the chain, or a later one, has sealed it";
    assert!(report.to_string().contains(said), "{report}");
}
