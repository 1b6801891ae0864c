//! More chains than are followed: the verdict does not depend on the order of reading, and
//! chains that a fleet has enrolled are always followed.

use crate::inputs::Bench;
use flb_audit_core::chain::enrollment::{self, Enrollment, Role};
use flb_audit_core::chain::keyring::KeyRing;
use flb_audit_core::chain::signature::{SecretKey, Seed};
use flb_audit_core::chain::{Chain, ChainId, GENESIS, Place, Run};
use flb_audit_core::hash::Algorithm;
use flb_audit_core::record::notes::Notes;
use flb_audit_core::{Event, Sealer};
use serde_json::{Value, json};
use std::fs;
use std::process::Command;

/// The number of unknown chains that are followed.
const FOLLOWED: usize = 10_000;

fn sealer(id: ChainId) -> Sealer<'static> {
    let next = Place { segment: 1, run: Run::FIRST, sequence: 0 };
    let chain = Chain { id, algorithm: Algorithm::default(), next, head: GENESIS, link: None };
    Sealer::new(chain, Notes::NONE, None).expect("memory")
}

fn seal(sealer: &mut Sealer<'_>, record: &str) -> String {
    let (record, record_len) = (Some(record.as_bytes()), record.len());
    let event = Event { tag: b"t", seconds: 1_795_161_600, nanoseconds: 0, record, record_len };
    let sealed = sealer.seal(&event).strip_suffix(b"\0").expect("a text's end");
    String::from_utf8(sealed.to_vec()).expect("UTF-8")
}

/// Records of chains without keys, whose names come before all others. Of the first chain,
/// two versions of a record are here.
fn strangers(count: usize) -> Vec<String> {
    let id = |number: usize| ChainId::from_text(format!("-------{number:05}").as_bytes()).expect("a name");
    let mut lines: Vec<String> =
        (0..count).map(|number| seal(&mut sealer(id(number)), "{\"a\":1}")).collect();
    lines.push(seal(&mut sealer(id(0)), "{\"a\":2}"));
    lines
}

fn fleet() -> SecretKey {
    SecretKey::from_seed(&Seed::from([1; 32]))
}

/// Six records of an enrolled chain. The first and the fourth are checkpoints, and the second
/// of these says nothing of the enrollment unless `is_always`.
fn enrolled(is_always: bool) -> Vec<String> {
    let mut count = 0u64;
    let ring = KeyRing::named_after_key(Role::Filter, &mut |seed| {
        count += 1;
        seed[..8].copy_from_slice(&count.to_le_bytes());
        true
    });
    let ring = ring.expect("keys");
    let of = (ring.public().expect("a key"), Role::Filter);
    let made = Enrollment::sign("node-1".to_owned(), of, (1_795_161_000, None), None, &fleet());
    let file = made.expect("memory").to_file().expect("memory");
    let mut sealer = sealer(ring.chain());
    let mut signer = ring.signer().expect("a signer");
    signer.enroll(enrollment::from_file(&file).expect("an enrollment")).expect("memory");
    sealer.set_signer(signer).expect("memory");
    let record = |number: usize| {
        if number.is_multiple_of(3) {
            sealer.sign_next();
        }
        if number == 3 && !is_always {
            sealer.set_signer(ring.signer().expect("a signer")).expect("memory");
        }
        seal(&mut sealer, &format!("{{\"number\":{number}}}"))
    };
    (0..6).map(record).collect()
}

/// Verifies lines in this order. Returns what does not depend on where a line stands.
fn verify(lines: &[&String], arguments: &[&str]) -> Value {
    let directory = tempfile::tempdir().expect("a directory");
    let (log, public) = (directory.path().join("log"), directory.path().join("fleet.json"));
    fs::write(&log, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).expect("written");
    fs::write(&public, json!({"fleet": fleet().public().to_string()}).to_string()).expect("written");
    let mut verify = Command::new(env!("CARGO_BIN_EXE_flb-audit"));
    let verify = verify.current_dir(&directory).args(["verify", "--json", "log"]).args(arguments);
    let output = verify.output().expect("run");
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    let names = ["verdict", "counts", "signed", "missing", "records"];
    names.into_iter().map(|name| (name.to_owned(), report[name].clone())).collect()
}

/// The report and the page of a chain that nobody vouches for name the file that it is in.
#[test]
fn a_stranger_is_reported_with_its_file() {
    let bench = Bench::new();
    let (enrolled, [other, ..]) = (enrolled(true), &strangers(1)[..]) else { panic!("no stranger") };
    bench.write("fleet.json", json!({"fleet": fleet().public().to_string()}).to_string());
    bench.write("a.ndjson", format!("{}\n{other}\n", enrolled[..3].join("\n")));
    bench.write("b.ndjson", format!("{other}\n{}\n", enrolled[3..].join("\n")));
    let keyless = "UNSIGNED: a.ndjson:4: chain -------00000: it has no checkpoints";
    let unlisted =
        format!("KEY NOT CERTIFIED: a.ndjson:1: chain {}: the roster does not", chain_of(&enrolled[0]));
    for (ground, finding) in [(["--fleet", "fleet.json"], keyless), (["--roster", "roster.json"], &unlisted)]
    {
        let mut said = Vec::new();
        for logs in [["a.ndjson", "b.ndjson"], ["b.ndjson", "a.ndjson"]] {
            let page = [&["verify", "--html", "page.html"], &ground[..], &logs].concat();
            let output = bench.run(&page);
            said.push(String::from_utf8(output.stdout).expect("UTF-8"));
        }
        for (part, log) in [("a.part", "a.ndjson"), ("b.part", "b.ndjson")] {
            assert!(bench.run(&["verify", "--part", part, log]).status.success());
        }
        let output = bench.run(&[&["merge"], &ground[..], &["b.part", "a.part"]].concat());
        said.push(String::from_utf8(output.stdout).expect("UTF-8"));
        assert!(said.iter().all(|said| said.contains(finding)), "{finding}: {said:#?}");
        let page = fs::read_to_string(bench.path("page.html")).expect("a page");
        let (_, findings) = page.split_once("id=\"findings\"").expect("findings");
        assert!(findings.contains("a.ndjson"), "{finding}: {findings}");
    }
}

fn chain_of(line: &str) -> String {
    let record: Value = serde_json::from_str(line).expect("JSON");
    record["audit"]["chain"].as_str().expect("a chain").to_owned()
}

#[test]
fn the_order_of_reading_decides_nothing() {
    let enrolled = enrolled(true);
    for (count, arguments, verdict, signed) in [
        (FOLLOWED, &["--fleet", "fleet.json"][..], "tampered", 4),
        (FOLLOWED + 1, &["--fleet", "fleet.json"], "key_not_certified", 4),
        (FOLLOWED + 1, &[], "unreadable", 0),
    ] {
        let strangers = strangers(count);
        let mut lines: Vec<&String> = strangers.iter().chain(&enrolled).collect();
        let first = verify(&lines, arguments);
        assert_eq!((&first["verdict"], &first["signed"]), (&verdict.into(), &signed.into()), "{first:#}");
        assert_eq!(first["missing"], 0);
        lines.reverse();
        assert_eq!(verify(&lines, arguments), first);
        // The chain's checkpoints come when the places of all others are taken.
        lines.sort_by_key(|line| (line.contains("\"sig\""), line.contains("\"a\":2")));
        assert_eq!(verify(&lines, arguments), first);
    }
}

/// A checkpoint that the fleet does not vouch for comes long before the one that it vouches
/// for, or long after it.
#[test]
fn a_crowd_makes_no_flaw_forgotten() {
    let (enrolled, strangers) = (enrolled(false), strangers(FOLLOWED));
    let many = strangers.iter().cycle().take(80_000);
    let order = |ends: [&[String]; 2]| {
        let [one, other] = ends;
        let lines = strangers.iter().chain(many.clone()).chain(one).chain(many.clone()).chain(other);
        verify(&lines.collect::<Vec<_>>(), &["--fleet", "fleet.json"])
    };
    let (good, flawed) = enrolled.split_at(1);
    let first = order([good, flawed]);
    assert_eq!(first["counts"]["key_not_certified"], 1, "{first}");
    assert_eq!(order([flawed, good]), first);
}
