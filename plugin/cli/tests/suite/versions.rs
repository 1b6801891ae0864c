//! Records in several versions: anybody can make another version of a record that continues from
//! the same one.

use crate::inputs::Bench;
use flb_audit_core::chain::keyring::KeyRing;
use flb_audit_core::chain::{Chain, ChainId, GENESIS, Place, Run};
use flb_audit_core::hash::Algorithm;
use flb_audit_core::record::notes::Notes;
use flb_audit_core::text::base64url::hash_from_text;
use flb_audit_core::{Event, Sealer};
use serde_json::Value;

const CHAIN: &str = "chain-000001";

/// Returns a sealer that continues behind a record, or begins the chain.
fn sealer(last: Option<&str>) -> Sealer<'static> {
    let record = last.map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let id = ChainId::from_text(CHAIN.as_bytes()).expect("a name");
    let sequence = record.as_ref().map_or(0, |record| record["audit"]["seq"].as_u64().expect("a number") + 1);
    let head = |record: &Value| {
        hash_from_text(record["audit"]["head"].as_str().expect("a head").as_bytes()).expect("a head")
    };
    let next = Place { segment: 1, run: Run::FIRST, sequence };
    let head = record.as_ref().map_or(GENESIS, head);
    Sealer::new(Chain { id, algorithm: Algorithm::default(), next, head, link: None }, Notes::NONE, None)
        .expect("memory")
}

fn seal(sealer: &mut Sealer<'_>, record: &str) -> String {
    let (record, record_len) = (Some(record.as_bytes()), record.len());
    let event = Event { tag: b"t", seconds: 1_795_161_600, nanoseconds: 0, record, record_len };
    let sealed = sealer.seal(&event).strip_suffix(b"\0").expect("a text's end");
    String::from_utf8(sealed.to_vec()).expect("UTF-8")
}

/// Six records, of which the first and the last are checkpoints.
fn log() -> Vec<String> {
    let mut count = 0;
    let mut random = |seed: &mut [u8; 32]| {
        count += 1;
        seed[0] = count;
        true
    };
    let ring = KeyRing::new(ChainId::from_text(CHAIN.as_bytes()).expect("a name"), &mut random);
    let mut sealer = sealer(None);
    sealer.set_signer(ring.expect("keys").signer().expect("a signer")).expect("memory");
    let record = |number: usize| {
        if number.is_multiple_of(5) {
            sealer.sign_next();
        }
        seal(&mut sealer, &format!("{{\"number\":{number}}}"))
    };
    (0..6).map(record).collect()
}

/// Other versions of the record behind this one, of which some have a lower head, and some a higher
/// one, each with a record that continues from it.
fn others(last: &str) -> String {
    let of = |number: usize| {
        let mut sealer = sealer(Some(last));
        let [one, next] = [0, 1].map(|at| seal(&mut sealer, &format!("{{\"other\":{number},\"at\":{at}}}")));
        format!("{one}\n{next}\n")
    };
    (0..8).map(of).collect()
}

#[test]
fn a_record_is_proven_whatever_other_versions_are_here() {
    let (bench, log) = (Bench::new(), log());
    bench.write("log", log.join("\n"));
    for of in [2, 3, 4] {
        bench.write("others", others(&log[of - 1]));
        for files in [["log", "others"], ["others", "log"]] {
            let of = ["prove", "--chain", CHAIN, "--seg", "1", "--seq", "2"];
            let output = bench.run(&[&of[..], &files].concat());
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{files:?}: {said}");
            let proof: Value = serde_json::from_slice(&output.stdout).expect("a proof");
            assert_eq!(proof["record"], log[2].as_str(), "{files:?}");
            assert_eq!(proof["leaves"].as_array().map(Vec::len), Some(3), "{files:?}");
        }
    }
    // Without the log, none of them can be proven.
    let output = bench.run(&["prove", "--chain", CHAIN, "--seg", "1", "--seq", "4", "others"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && said.contains("are not all in these logs"), "{said}");
}
