//! Logs in any order, with more incomplete pages than wait in memory (`cli::verify::spool`).

use crate::inputs::Bench;
use flb_audit_core::chain::{Chain, ChainId, GENESIS, Place, Run};
use flb_audit_core::hash::Algorithm;
use flb_audit_core::record::notes::Notes;
use flb_audit_core::{Event, Sealer};
use serde_json::Value;

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
    let mut random = 1_u64;
    for at in (1..lines.len()).rev() {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        lines.swap(at, (random >> 33) as usize % (at + 1));
    }
    assert_eq!(verify(&lines), in_order);
}

fn seal(sealer: &mut Sealer<'_>, record: &[u8]) -> Vec<u8> {
    let (record, record_len) = (Some(record), record.len());
    let event = Event { tag: b"t", seconds: 1_795_161_600, nanoseconds: 0, record, record_len };
    sealer.seal(&event).strip_suffix(b"\0").expect("a NUL").to_vec()
}
