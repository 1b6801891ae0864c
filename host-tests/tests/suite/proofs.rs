//! Proofs, notes and silent nodes, with the programs that ship.

use flb_audit_host::filter::{Generation, Limits};
use host_tests::guest::{FILTER, returned};
use host_tests::program::run_in;
use host_tests::streams;
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// Runs a program that must succeed, and returns its output.
fn printed(arguments: &[&str], dir: &Path) -> String {
    let output = run_in(arguments, dir);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Creates two lives of a node's chain, in `log`, and another node that is only in the
/// roster. Returns the chain's name.
fn node() -> (TempDir, String) {
    node_of(60)
}

/// Does the same with this number of records, 30 in each life.
fn node_of(records: usize) -> (TempDir, String) {
    let dir = tempfile::tempdir().expect("a directory");
    for name in ["st", "other"] {
        printed(&["init", name, "--node", name, "--roster", "roster.json"], dir.path());
    }
    let limits = Limits { directory: Some(dir.path().join("st")), ..Limits::default() };
    let mut host = FILTER.host(Generation::Lasting, limits);
    let mut log = Vec::new();
    for call in streams::calls("postgresql-audit").expect("a stream").iter().take(records) {
        log.extend(returned(host.call(call).expect("a call")));
        log.push(b'\n');
        if log.iter().filter(|byte| **byte == b'\n').count() % 30 == 0 {
            host.restart();
        }
    }
    fs::write(dir.path().join("log"), log).expect("a file");
    let roster: Value =
        serde_json::from_slice(&fs::read(dir.path().join("roster.json")).expect("a roster")).expect("JSON");
    let chain = roster[0]["chain"].as_str().expect("a chain").to_owned();
    (dir, chain)
}

#[test]
fn a_proof_stands_for_one_record() {
    let (dir, chain) = node();
    let prove = |seq: &str| {
        let of = ["prove", "log", "--chain", &chain, "--seg", "1", "--seq", seq];
        serde_json::from_str::<Value>(&printed(&of, dir.path())).expect("JSON")
    };
    let code = |proof: &Value, roster: &[&str]| {
        fs::write(dir.path().join("proof"), proof.to_string()).expect("a file");
        run_in(&[&["verify", "--proof", "proof"], roster].concat(), dir.path()).status.code()
    };
    let with = ["--roster", "roster.json"];
    for (seq, leaves) in [("0", 0), ("7", 23), ("29", 1)] {
        let proof = prove(seq);
        assert_eq!(proof["leaves"].as_array().map(Vec::len), Some(leaves), "record {seq}");
        assert_eq!(code(&proof, &with), Some(0), "record {seq}");
        assert_eq!(code(&proof, &[]), Some(4), "record {seq}");
    }
    let good = prove("7");
    let says = |proof: &Value| {
        fs::write(dir.path().join("proof"), proof.to_string()).expect("a file");
        printed(&["verify", "--proof", "proof", "--roster", "roster.json"], dir.path())
    };
    let under = format!(
        "proven: record 7 of segment 1 of chain {chain} is under the checkpoint at record 0 of segment 2"
    );
    let by = "; whoever has had key 0 of the chain, or a later one, has sealed it\n";
    assert_eq!(says(&good), format!("{under}{by}"));
    // The signature does not cover a member that an output has added.
    let text = good["record"].as_str().expect("a record").replacen('{', "{\"date\":1,", 1);
    let mut with_date = good.clone();
    with_date["record"] = json!(text);
    assert_eq!(
        says(&with_date),
        format!("{under}, without 1 of its members, which are not under the seal{by}")
    );
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut proof = good.clone();
        change(&mut proof);
        code(&proof, &with)
    };
    let record = good["record"].as_str().expect("a record");
    assert_eq!(changed(&|proof| proof["record"] = json!(record.replacen(':', ": ", 1))), Some(0));
    assert_eq!(changed(&|proof| proof["record"] = json!(record.replacen("{\"", "{\"x", 1))), Some(20));
    assert_eq!(changed(&|proof| proof["leaves"][3] = proof["leaves"][4].clone()), Some(20));
    assert_eq!(changed(&|proof| drop(proof["leaves"].as_array_mut().expect("leaves").pop())), Some(20));
    assert_eq!(changed(&|proof| proof["checkpoint"]["sig"] = json!("A".repeat(86))), Some(20));
    assert_eq!(changed(&|proof| proof["checkpoint"]["key"]["certs"] = json!([])), Some(21));
    assert_eq!(changed(&|proof| proof["checkpoint"] = json!({})), Some(1));
    // The record is here, but the records that lead to a checkpoint are not.
    let of = ["prove", "log", "--chain", &chain, "--seg", "2", "--seq", "7"];
    assert_eq!(run_in(&of, dir.path()).status.code(), Some(1));
}

#[test]
fn a_key_proves_nothing_from_before_it_came_into_force() {
    let (dir, chain) = node_of(90);
    let anchors = printed(&["checkpoints", "log"], dir.path());
    fs::write(dir.path().join("last"), anchors.lines().last().expect("a checkpoint")).expect("a file");
    let prove = |seg: &str, seq: &str, more: &[&str]| {
        let of = ["prove", "log", "--chain", &chain, "--seg", seg, "--seq", seq];
        run_in(&[&of, more].concat(), dir.path())
    };
    let proof = |seg: &str, seq: &str, more: &[&str]| {
        serde_json::from_slice::<Value>(&prove(seg, seq, more).stdout).expect("JSON")
    };
    let code = |proof: &Value| {
        fs::write(dir.path().join("proof"), proof.to_string()).expect("a file");
        run_in(&["verify", "--proof", "proof", "--roster", "roster.json"], dir.path()).status.code()
    };
    let under_last = ["--under", "last"];
    // The first key hands over at the record after this one.
    assert_eq!(code(&proof("1", "29", &under_last)), Some(0));
    assert_eq!(prove("1", "28", &under_last).status.code(), Some(1));
    assert_eq!(code(&proof("2", "0", &under_last)), Some(0));
    let mut backdated = proof("1", "28", &[]);
    let rest = proof("2", "0", &under_last);
    let leaves = backdated["leaves"].as_array_mut().expect("leaves");
    leaves.extend(rest["leaves"].as_array().expect("leaves").iter().cloned());
    assert_eq!(code(&backdated), Some(20));
    backdated["checkpoint"] = rest["checkpoint"].clone();
    assert_eq!(code(&backdated), Some(21));
}

#[test]
fn two_runs_of_a_segment_are_told_apart() {
    let (dir, chain) = node_of(30);
    let copied = dir.path().join("copy");
    fs::create_dir(&copied).expect("a directory");
    for entry in fs::read_dir(dir.path().join("st")).expect("a directory") {
        let path = entry.expect("an entry").path();
        fs::copy(&path, copied.join(path.file_name().expect("a name"))).expect("copied");
    }
    let mut log = Vec::new();
    for state in ["st", "copy"] {
        let limits = Limits { directory: Some(dir.path().join(state)), ..Limits::default() };
        let mut host = FILTER.host(Generation::Lasting, limits);
        for call in streams::calls("postgresql-audit").expect("a stream").iter().take(3) {
            log.extend(returned(host.call(call).expect("a call")));
            log.push(b'\n');
        }
    }
    fs::write(dir.path().join("both"), &log).expect("a file");
    let of = ["prove", "both", "--chain", &chain, "--seg", "2", "--seq", "0"];
    assert_eq!(run_in(&of, dir.path()).status.code(), Some(1));
    let text = String::from_utf8(log).expect("UTF-8");
    let firsts: Vec<Value> = [0, 3]
        .map(|line| serde_json::from_str(text.lines().nth(line).expect("a line")).expect("JSON"))
        .to_vec();
    for first in &firsts {
        let run = first["audit"]["run"].as_str().expect("a run");
        let proof: Value =
            serde_json::from_str(&printed(&[&of[..], &["--run", run]].concat(), dir.path())).expect("JSON");
        let record: Value = serde_json::from_str(proof["record"].as_str().expect("a record")).expect("JSON");
        assert_eq!(record, *first);
    }
}

#[test]
fn notes_are_what_their_readers_expect() {
    let (dir, chain) = node();
    let anchors = printed(&["checkpoints", "log"], dir.path());
    let notes = printed(&["checkpoints", "log", "--note"], dir.path());
    let mut lines = notes.lines();
    for (anchor, segment) in anchors.lines().zip(1..) {
        let anchor: Value = serde_json::from_str(anchor).expect("JSON");
        let text: Vec<&str> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
        let run = anchor["run"].as_str().expect("a run");
        assert_eq!(text[0], format!("flb-audit/{chain}/{segment}.{run}"));
        assert_eq!((text[1], text[3]), ("1", &*format!("key {segment}")));
        let signature = lines.next().expect("a signature");
        let name = format!("\u{2014} flb-audit/{chain}/key-{segment} ");
        let signature = decode(signature.strip_prefix(&name).expect("the key's name"));
        let certificates = anchor["key"]["certs"].as_array().expect("certificates");
        let public = certificates.last().expect("a certificate")["pub"].as_str().expect("a key");
        let public = decode(&(public.replace('-', "+").replace('_', "/") + "="));
        // Before the signature, there are four bytes of the hash of name and key.
        let named = [&name.as_bytes()[4..name.len() - 1], b"\n\x01", &public].concat();
        assert_eq!(signature[..4], ring::digest::digest(&ring::digest::SHA256, &named).as_ref()[..4]);
        let signed = text.join("\n") + "\n";
        UnparsedPublicKey::new(&ED25519, public).verify(signed.as_bytes(), &signature[4..]).expect("signed");
        assert_eq!(lines.next(), Some(""));
    }
    assert_eq!(lines.next(), None);
}

/// Decodes base64 (RFC 4648 section 4).
fn decode(text: &str) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let bits = text
        .trim_end_matches('=')
        .bytes()
        .map(value)
        .flat_map(|six| (0..6).rev().map(move |bit| six >> bit & 1));
    let bits: Vec<u8> = bits.collect();
    bits.chunks_exact(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | bit)).collect()
}

#[test]
fn a_silent_node_is_named() {
    let (dir, _) = node();
    let verify = |since: &str, until: &str| {
        let of = ["verify", "log", "--json", "--roster", "roster.json", "--since", since, "--until", until];
        let output = run_in(&of, dir.path());
        let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let findings = report["findings"].as_array().expect("findings");
        let silent = findings.iter().filter(|finding| finding["verdict"] == "silent");
        (output.status.code(), silent.map(|finding| finding["what"].to_string()).collect::<Vec<_>>())
    };
    let (code, silent) = verify("2000-01-01", "2100-01-01");
    assert_eq!(code, Some(14));
    assert!(silent.len() == 1 && silent[0].contains("node other"), "{silent:?}");
    let (_, silent) = verify("2100-01-01", "2100-01-02");
    assert_eq!(silent.len(), 2, "{silent:?}");
}
