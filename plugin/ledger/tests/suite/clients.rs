//! Clients without a key, whose records continue a chain that is not theirs.

use crate::trust::manifests;
use flb_audit_core::Sealer;
use flb_audit_core::chain::keyring::KeyRing;
use flb_audit_core::chain::{Chain, Link, Place, Unsettled};
use flb_audit_core::record::notes::Notes;
use flb_audit_ledger::Ledger;
use flb_audit_ledger::manifest::{Extent, Manifest};
use ledger_fixtures::{TAG, chunk, plain, recipient, reseal, schedule};
use serde_json::{Value, json};

/// Two lives of a filter, with checkpoints at the records 0 and 20 of the first and at
/// the record 0 of the second. The second says that its state was set back, and that a stop may have
/// lost the records from 25 on.
struct Lives {
    first: Vec<Value>,
    second: Vec<Value>,
}

impl Lives {
    fn new(sealer: &mut Sealer<'static>, seal_next: impl Fn(Chain) -> Sealer<'static>) -> Lives {
        let seal = |sealer: &mut Sealer<'static>, from| {
            let signed = |(at, record)| schedule::seal_one(sealer, record, at % 20 == 0);
            plain(from, 30).iter().enumerate().map(signed).collect::<Vec<_>>()
        };
        let first = seal(sealer, 0);
        let before = sealer.chain().clone();
        let unsettled = Unsettled { place: Place { sequence: 25, ..before.next }, head: before.head };
        let link = Link { place: Place { sequence: 29, ..before.next }, unsettled: Some(unsettled) };
        let next = Place { segment: 2, sequence: 0, ..before.next };
        let second = seal(&mut seal_next(Chain { next, link: Some(link), ..before }), 30);
        Lives { first, second }
    }

    /// Returns `count` forged records that continue the record before this number.
    fn forged(&self, from: usize, count: usize, text: &str) -> Vec<Value> {
        let mut records = self.first[..from].to_vec();
        for number in from..from + count {
            let mut record = self.first[from.min(29)].clone();
            record["audit"]["seq"] = json!(number);
            record["text"] = json!(text);
            records.push(record);
        }
        reseal(&mut records, from);
        records.split_off(from)
    }
}

/// An extent: the segment, the first and the last record, and the last checkpoint.
type Part = (u64, u64, u64, Option<u64>);

/// Returns the manifest of a file with these records.
fn closed(make: impl Fn(&Lives) -> Vec<Value>, is_encrypted: bool, is_reopened: bool) -> (Lives, Manifest) {
    let (mut sealer, ring) = schedule::filter();
    let lives = Lives::new(&mut sealer, |chain| {
        let mut notes = Notes::STATE_SET_BACK;
        notes.insert(Notes::NO_STATE);
        let mut sealer = Sealer::new(chain, notes, None).expect("a sealer");
        sealer.set_signer(ring.signer().unwrap_or_else(|_| panic!("no key"))).expect("memory");
        sealer
    });
    let manifest = closed_of(&ring, &make(&lives), is_encrypted, is_reopened);
    (lives, manifest)
}

/// Returns the manifest of a file with these records of a chain with these keys.
fn closed_of(ring: &KeyRing, records: &[Value], is_encrypted: bool, is_reopened: bool) -> Manifest {
    let directory = tempfile::tempdir().expect("a directory");
    schedule::set_up(directory.path(), ring);
    let recipient = recipient();
    let properties = [("file_size", "1M"), ("recipients", recipient.as_str())];
    let settings = |size| {
        let mut properties = properties;
        properties[0].1 = size;
        ledger_fixtures::settings(&properties[..1 + usize::from(is_encrypted)])
    };
    let size = if is_reopened { "1M" } else { "1k" };
    let mut ledger = Ledger::open(directory.path(), settings(size), None).expect("opened");
    ledger.store(TAG, &chunk(records)).expect("stored");
    if is_reopened {
        drop(ledger);
        ledger = Ledger::open(directory.path(), settings("1k"), None).expect("opened");
    }
    ledger.store(TAG, &chunk(&plain(0, 1))).expect("stored");
    manifests(&directory).remove(0)
}

/// Returns the extents of the filter in the manifest of a file with these records.
fn extents(make: impl Fn(&Lives) -> Vec<Value>, is_encrypted: bool, is_reopened: bool) -> Vec<Part> {
    let (lives, manifest) = closed(&make, is_encrypted, is_reopened);
    assert_eq!(manifest.loose, 0);
    let own = lives.first[0]["audit"]["chain"].as_str();
    let of_filter = manifest.extents.iter().filter(|extent| Some(extent.chain.as_str()) == own);
    for extent in of_filter.clone() {
        check_list(extent, &make(&lives));
        check_beginning(extent, &lives);
    }
    let mut extents: Vec<Part> =
        of_filter.map(|extent| (extent.seg, extent.first, extent.last, extent.signed)).collect();
    extents.sort_unstable();
    extents
}

/// Checks that an extent lists the beginnings of the heads of its first 1023 records except the last
/// one, if no signature reaches them, and otherwise none.
fn check_list(extent: &Extent, records: &[Value]) {
    let inner = extent.inner.as_deref().unwrap_or_default();
    let count = if extent.signed.is_none() { (extent.last - extent.first).min(1023) } else { 0 };
    assert_eq!(inner.len() as u64, 16 * count, "{} to {}", extent.first, extent.last);
    let mut prev = extent.prev.as_deref().expect("a head");
    for (number, beginning) in (extent.first..).zip(inner.as_bytes().chunks(16)) {
        let is_next = |seal: &&Value| {
            (&seal["seg"], &seal["seq"], &seal["prev"]) == (&json!(extent.seg), &json!(number), &json!(prev))
                && seal["head"].as_str().is_some_and(|head| head.as_bytes().starts_with(beginning))
        };
        let record = records.iter().map(|record| &record["audit"]).find(is_next);
        prev = record
            .and_then(|seal| seal["head"].as_str())
            .unwrap_or_else(|| panic!("record {number} from {}", extent.first));
    }
}

/// Checks that an extent has what the first record of its life says, if it begins with that record.
fn check_beginning(extent: &Extent, lives: &Lives) {
    let first = [&lives.first[0], &lives.second[0]][extent.seg as usize - 1];
    let is_stating = (extent.seg, extent.first) == (2, 0);
    let link = if is_stating { &first["audit"]["link"] } else { &Value::Null };
    assert_eq!(json!(extent.link), *link);
    let key = &first["audit"]["key"]["n"];
    assert_eq!(json!(extent.keys), extent.signed.map_or(Value::Null, |_| json!([key, key])));
    assert_eq!(json!(extent.notes), if is_stating { json!(["state-set-back"]) } else { Value::Null });
}

/// A client knows the newest record of a chain, and sends a forged one that continues it
/// before the filter's own record comes. An extent ends where two records continue one, and at
/// the last checkpoint: what is behind it may be forged.
#[test]
fn an_extent_ends_where_two_records_continue_one() {
    type Case = (&'static str, fn(&Lives) -> Vec<Value>, &'static [Part]);
    let cases: [Case; 11] = [
        (
            "more forged ones than a filter seals without a signature",
            |of| [&of.first[..10], &of.forged(10, 1500, "a")].concat(),
            &[(1, 0, 0, Some(0)), (1, 1, 1509, None)],
        ),
        (
            "the forged ones first",
            |of| [&of.first[..10], &of.forged(10, 2, "a"), &of.first[10..15]].concat(),
            &[(1, 0, 0, Some(0)), (1, 1, 9, None), (1, 10, 11, None), (1, 10, 14, None)],
        ),
        (
            "the forged ones last",
            |of| [&of.first[..15], &of.forged(10, 2, "a")].concat(),
            &[(1, 0, 0, Some(0)), (1, 1, 9, None), (1, 10, 11, None), (1, 10, 14, None)],
        ),
        (
            "several forged ones",
            |of| {
                [&of.first[..10], &of.forged(10, 2, "a"), &of.forged(10, 1, "b"), &of.first[10..15]].concat()
            },
            &[(1, 0, 0, Some(0)), (1, 1, 9, None), (1, 10, 10, None), (1, 10, 11, None), (1, 10, 14, None)],
        ),
        (
            "a forged one at each place",
            |of| {
                let forged =
                    (1..4).flat_map(|at| [of.first[at - 1].clone(), of.forged(at, 1, "a").remove(0)]);
                forged.chain(of.first[3..6].to_vec()).collect()
            },
            &[
                (1, 0, 0, Some(0)),
                (1, 1, 1, None),
                (1, 1, 1, None),
                (1, 2, 2, None),
                (1, 2, 2, None),
                (1, 3, 3, None),
                (1, 3, 5, None),
            ],
        ),
        (
            "before a checkpoint",
            |of| [&of.first[..20], &of.forged(20, 1, "a"), &of.first[20..25]].concat(),
            &[
                (1, 0, 0, Some(0)),
                (1, 1, 19, None),
                (1, 20, 20, None),
                (1, 20, 20, Some(20)),
                (1, 21, 24, None),
            ],
        ),
        (
            "after a checkpoint",
            |of| [&of.first[..21], &of.forged(21, 1, "a"), &of.first[21..25]].concat(),
            &[(1, 0, 20, Some(20)), (1, 21, 21, None), (1, 21, 24, None)],
        ),
        (
            "the record that they continue comes last",
            |of| [&of.forged(10, 2, "a"), &of.first[10..15], &of.first[..10]].concat(),
            &[(1, 0, 0, Some(0)), (1, 1, 9, None), (1, 10, 11, None), (1, 10, 14, None)],
        ),
        (
            "before a checkpoint that covers all",
            |of| [&of.first[..25], &of.forged(10, 2, "a")].concat(),
            &[(1, 0, 20, Some(20)), (1, 10, 11, None), (1, 21, 24, None)],
        ),
        (
            "before the next life",
            |of| [&of.first[..30], &of.forged(30, 2, "a"), &of.second[..5]].concat(),
            &[
                (1, 0, 20, Some(20)),
                (1, 21, 29, None),
                (1, 30, 31, None),
                (2, 0, 0, Some(0)),
                (2, 1, 4, None),
            ],
        ),
        (
            "after the next life",
            |of| [&of.second[..5], &of.first[..30], &of.forged(30, 2, "a")].concat(),
            &[
                (1, 0, 20, Some(20)),
                (1, 21, 29, None),
                (1, 30, 31, None),
                (2, 0, 0, Some(0)),
                (2, 1, 4, None),
            ],
        ),
    ];
    let mut wrong = Vec::new();
    for (name, make, expected) in cases {
        for (is_encrypted, is_reopened) in [(false, false), (false, true), (true, false), (true, true)] {
            let found = extents(make, is_encrypted, is_reopened);
            if found != expected {
                wrong.push(format!("{name}, {is_encrypted}, {is_reopened}: {found:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A client fills up the runs of a manifest with records that continue none. The extents of
/// the filter still end at its last checkpoints.
#[test]
fn a_flood_leaves_room_for_the_ends_of_others() {
    let flood = |of: &Lives| {
        let lone = |number: u64| {
            let mut two = of.first[..2].to_vec();
            two[1]["audit"]["seq"] = json!(1000 + 2 * number);
            reseal(&mut two, 1);
            two.remove(1)
        };
        [of.first[..25].to_vec(), of.second[..5].to_vec(), (0..8200).map(lone).collect()].concat()
    };
    let (_, manifest) = closed(flood, false, false);
    let ends: Vec<(u64, u64)> =
        manifest.extents.iter().map(|extent| (extent.first, extent.last)).take(4).collect();
    assert_eq!(ends, [(0, 20), (21, 24), (0, 0), (1, 4)]);
    assert_eq!((manifest.extents.len(), manifest.loose), (8193, 11));
}

/// A chunk of a client has more records than a file is meant to have. The manifest lists no more
/// heads than of so many records, so the ledger can read its line again.
#[test]
fn a_large_chunk_makes_no_longer_manifest() {
    let flood = |of: &Lives| {
        let forged = (0..137).flat_map(|number| of.forged(10, 1024, &number.to_string()));
        [of.first[..10].to_vec(), forged.collect()].concat()
    };
    let (_, manifest) = closed(flood, false, false);
    let heads = |extents: &[Extent]| {
        extents.iter().flat_map(|extent| &extent.inner).map(String::len).sum::<usize>() / 16
    };
    let counts: Vec<usize> =
        manifest.extents.iter().map(|extent| heads(std::slice::from_ref(extent))).collect();
    assert_eq!(counts[..3], [0, 8, 1023]);
    assert_eq!((manifest.records, heads(&manifest.extents)), (140_298, 131_072));
}

/// Returns records that follow one another: for each of these keys one that it has signed, and one
/// that nothing has signed. The first key is in force.
fn signed_by(keys: &[u32]) -> (KeyRing, Vec<Value>) {
    let (mut sealer, first) = schedule::filter();
    let mut ring = first.hand_over(sealer.chain().next, sealer.chain().head, &mut random).expect("a key");
    let mut records = Vec::new();
    for key in keys {
        while ring.index() < *key {
            ring = ring.hand_over(sealer.chain().next, sealer.chain().head, &mut random).expect("a key");
        }
        sealer.set_signer(ring.signer().expect("a signer")).expect("memory");
        records.extend(
            [true, false].map(|is_signed| schedule::seal_one(&mut sealer, &plain(0, 1)[0], is_signed)),
        );
    }
    (first, records)
}

fn random(seed: &mut [u8; 32]) -> bool {
    *seed = [7; 32];
    true
}

/// An extent names the first and the last key that have signed its records, in whichever order these
/// come. It names none if a key between them has signed nothing, as no filter does.
#[test]
fn an_extent_names_the_keys_that_have_signed_it() {
    for (keys, named) in [
        (&[1][..], Some([1, 1])),
        (&[1, 1, 2], Some([1, 2])),
        (&[2, 3, 4], Some([2, 4])),
        (&[1, 3], None),
        (&[1, 3, 4, 5], None),
    ] {
        let (ring, records) = signed_by(keys);
        let reversed: Vec<Value> = records.iter().rev().cloned().collect();
        for (records, is_encrypted, is_reopened) in [
            (&records, false, false),
            (&reversed, false, true),
            (&records, true, false),
            (&reversed, true, true),
        ] {
            let manifest = closed_of(&ring, records, is_encrypted, is_reopened);
            let chain = records[0]["audit"]["chain"].as_str();
            let signed = manifest.extents.iter().filter(|extent| Some(extent.chain.as_str()) == chain);
            let signed: Vec<_> = signed.filter(|extent| extent.signed.is_some()).collect();
            let [extent] = signed[..] else { panic!("{keys:?}: {signed:?}") };
            assert_eq!(extent.keys, named, "{keys:?}, encrypted: {is_encrypted}, reopened: {is_reopened}");
        }
    }
}
