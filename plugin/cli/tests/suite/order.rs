//! Logs in any order, with more incomplete pages than wait in memory (`cli::verify::spool`), and
//! with more lives than a batch of rows has (`cli::verify::rows`).

use crate::inputs::Bench;
use flb_audit_core::chain::keyring::KeyRing;
use flb_audit_core::chain::{Chain, ChainId, GENESIS, Link, Place, Run, Unsettled};
use flb_audit_core::hash::Algorithm;
use flb_audit_core::record::notes::Notes;
use flb_audit_core::{Event, Sealer};
use serde_json::{Value, json};

/// The number of records in a page.
const PAGE: usize = 64;
/// The number of pages of which only some records are here: more than wait in memory.
const TORN: usize = 8_400;
/// The number of records that are here of such a page.
const FEW: usize = 10;
/// The number of pages that are all here, behind these.
const WHOLE: usize = 20;

#[test]
fn the_order_does_not_matter_however_many_pages_wait() {
    let id = ChainId::from_text(b"order-chain1").expect("a chain's name");
    let next = Place { segment: 1, run: Run::from_text(b"run-01").expect("a run's name"), sequence: 0 };
    let chain = Chain { id, algorithm: Algorithm::default(), next, head: GENESIS, link: None };
    let mut sealer = Sealer::new(chain, Notes::NONE, None).expect("memory");
    let mut before_last = sealer.chain().clone();
    let mut lines = Vec::new();
    for number in 0..(TORN + WHOLE) * PAGE {
        before_last = sealer.chain().clone();
        let sealed = seal(&mut sealer, b"{}");
        if number / PAGE >= TORN || number % PAGE < FEW {
            lines.push(sealed);
        }
    }
    // The last record once more, and another version of it.
    lines.push(lines[lines.len() - 1].clone());
    lines.push(seal(&mut Sealer::new(before_last, Notes::NONE, None).expect("memory"), b"{\"a\":1}"));
    let bench = Bench::new();
    let verify = |lines: &[Vec<u8>]| {
        bench.write("log", lines.join(&b'\n'));
        let output = bench.run(&["verify", "--json", "log"]);
        let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
        ["records", "duplicates", "missing", "counts", "chains"].map(|name| report[name].clone())
    };
    let in_order = verify(&lines);
    assert_eq!(in_order[0], TORN * FEW + WHOLE * PAGE);
    assert_eq!((&in_order[1], &in_order[2]), (&1.into(), &(TORN * (PAGE - FEW)).into()));
    lines.reverse();
    assert_eq!(verify(&lines), in_order);
    shuffle(&mut lines);
    assert_eq!(verify(&lines), in_order);
}

/// The number of lives, each under a key of its own.
const LIVES: u64 = 300;
/// The number of records of every life, apart from each tenth one, which has more than a page.
const LIFE: usize = 3;

#[test]
fn the_order_does_not_matter_however_many_lives_there_are() {
    let id = ChainId::from_text(b"order-chain2").expect("a chain's name");
    let mut count = 0_u64;
    let mut random = |seed: &mut [u8; 32]| {
        count += 1;
        seed[..8].copy_from_slice(&count.to_le_bytes());
        true
    };
    let mut ring = KeyRing::new(id, &mut random).expect("keys");
    let key = ring.public().expect("a key").to_string();
    let (mut head, mut link) = (GENESIS, None);
    let mut settled = Unsettled { place: Place { segment: 1, run: run(1), sequence: 0 }, head };
    let mut lines = Vec::new();
    for segment in 1..=LIVES {
        let next = Place { segment, run: run(segment), sequence: 0 };
        if segment > 1 {
            ring = ring.hand_over(next, head, &mut random).expect("the next key");
        }
        let chain = Chain { id, algorithm: Algorithm::default(), next, head, link };
        let mut sealer = Sealer::new(chain, Notes::NONE, None).expect("memory");
        sealer.set_signer(ring.signer().expect("a signer")).expect("memory");
        sealer.sign_next();
        let records = if segment % 10 == 0 { PAGE + LIFE } else { LIFE };
        let of_life: Vec<Vec<u8>> = (0..records).map(|_| seal(&mut sealer, b"{}")).collect();
        if segment % 20 == 0 {
            settled = Unsettled { place: next, head };
        }
        let before_last = Chain { head, next, link, ..sealer.chain().clone() };
        head = sealer.chain().head;
        let place = Place { sequence: records as u64 - 1, ..next };
        link = Some(Link { place, unsettled: Some(settled) });
        match segment {
            // A whole life is missing, the end of another, and a record within a third. A record
            // comes twice, and another in two versions.
            50 => {}
            100 => lines.extend_from_slice(&of_life[..LIFE - 1]),
            120 => lines.extend(of_life.into_iter().skip(1)),
            150 => lines.extend([&of_life[..], &of_life[1..2]].concat()),
            200 => {
                let mut other = Sealer::new(before_last, Notes::NONE, None).expect("memory");
                lines.extend(of_life);
                lines.push(seal(&mut other, b"{\"a\":1}"));
            }
            _ => lines.extend(of_life),
        }
    }
    let bench = Bench::new();
    let roster =
        json!([{"node": "lives", "chain": id.to_string(), "key": key, "created": "2026-01-01T00:00:00Z"}]);
    bench.write("roster.json", roster.to_string());
    let report = |arguments: &[&str]| {
        let output = bench.run(arguments);
        let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
        let mut findings = report["findings"].clone();
        for finding in findings.as_array_mut().expect("findings") {
            finding.as_object_mut().expect("a finding").remove("number");
        }
        (
            ["records", "duplicates", "signed", "missing", "counts", "chains"]
                .map(|name| report[name].clone()),
            findings,
        )
    };
    let verify = |lines: &[Vec<u8>]| {
        bench.write("log", lines.join(&b'\n'));
        let whole = report(&["verify", "--json", "--roster", "roster.json", "log"]);
        bench.write("one", lines[..lines.len() / 3].join(&b'\n'));
        bench.write("other", lines[lines.len() / 4..].join(&b'\n'));
        for log in ["one", "other"] {
            bench.run(&["verify", "--part", &format!("{log}.part"), log]);
        }
        let merged = report(&["merge", "--json", "--roster", "roster.json", "other.part", "one.part"]);
        let judged =
            |report: &([Value; 6], Value)| (report.0[0].clone(), report.0[2].clone(), report.0[4].clone());
        assert_eq!(judged(&merged), judged(&whole));
        whole
    };
    let in_order = verify(&lines);
    assert_eq!(in_order.0[4]["tampered"], 1);
    assert_eq!(in_order.0[1], 1);
    lines.reverse();
    assert_eq!(verify(&lines), in_order);
    shuffle(&mut lines);
    assert_eq!(verify(&lines), in_order);
}

fn run(segment: u64) -> Run {
    Run::from_random(*segment.to_le_bytes().first_chunk().expect("six bytes"))
}

fn shuffle(lines: &mut [Vec<u8>]) {
    let mut random = 1_u64;
    for at in (1..lines.len()).rev() {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        lines.swap(at, (random >> 33) as usize % (at + 1));
    }
}

fn seal(sealer: &mut Sealer<'_>, record: &[u8]) -> Vec<u8> {
    let (record, record_len) = (Some(record), record.len());
    let event = Event { tag: b"t", seconds: 1_795_161_600, nanoseconds: 0, record, record_len };
    sealer.seal(&event).strip_suffix(b"\0").expect("a NUL").to_vec()
}
