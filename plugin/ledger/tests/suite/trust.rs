//! The ledger's trust in clients and in its own files.

use flb_audit_core::chain::enrollment::{self, Enrollment, Role};
use flb_audit_core::chain::keyring::KeyRing;
use flb_audit_core::chain::signature::SecretKey;
use flb_audit_core::chain::state::Header;
use flb_audit_core::chain::{ChainId, anchor};
use flb_audit_core::hash::Algorithm;
use flb_audit_core::verify::{Checked, Checker, Sealed, read_enrollment};
use flb_audit_ledger::faults::Faults;
use flb_audit_ledger::manifest::{self, Manifest, Statement};
use flb_audit_ledger::{Ledger, Settings};
use ledger_fixtures::{Filter, TAG, chunk, directory, numbers, open, plain, records, text};
use serde_json::{Value, json};
use std::fs;
use tempfile::TempDir;

pub(crate) fn small() -> Settings {
    Settings { file_bytes: 2000, ..Settings::default() }
}

pub(crate) fn statements(directory: &TempDir) -> Vec<Statement> {
    let text = text(&directory.path().join(manifest::FILE_NAME));
    text.lines().filter_map(|line| manifest::read(line.as_bytes())).collect()
}

pub(crate) fn manifests(directory: &TempDir) -> Vec<Manifest> {
    let manifest = |statement| match statement {
        Statement::File(manifest) => Some(manifest),
        _ => None,
    };
    statements(directory).into_iter().filter_map(manifest).collect()
}

fn sealed(record: &Value) -> Sealed {
    match Checker::default().check(record.to_string().as_bytes()) {
        Ok(Checked::Sealed(sealed)) => *sealed,
        other => panic!("{other:?}"),
    }
}

/// Returns a record that looks sealed and is not.
fn shaped(chain: &str, segment: u64, sequence: u64) -> Value {
    json!({"number": sequence, "password": "hunter2", "audit": {
        "chain": chain, "run": "aaaaaa", "seg": segment, "seq": sequence, "tag": "t", "time": "1.0",
        "v": "1.2", "prev": "A".repeat(43), "head": "A".repeat(43)}})
}

#[test]
fn what_only_looks_sealed_is_sealed_here() {
    let directory = directory();
    let mut ledger = open(&directory, &Settings::default());
    ledger.store(TAG, &chunk(&[shaped("~AAAAAAAAAAA", 1, 0)])).expect("stored");
    let [held] = &records(&directory)[..] else { panic!("{:?}", records(&directory)) };
    let held: Value = serde_json::from_str(held).expect("JSON");
    assert!(sealed(&held).is_intact);
    assert_eq!(held["audit_"]["head"], "A".repeat(43));
}

/// Records of the ledger's own chain that a client sends do not move the chain, whether
/// they are intact or not.
#[test]
fn no_client_moves_the_chain() {
    let directory = directory();
    open(&directory, &Settings::default()).store(TAG, &chunk(&plain(0, 2))).expect("stored");
    let own: Value = serde_json::from_str(&records(&directory)[0]).expect("JSON");
    let chain = own["audit"]["chain"].as_str().expect("a chain");
    let claims = [shaped(chain, u64::MAX, u64::MAX), shaped(chain, 1, 5)];
    open(&directory, &Settings::default()).store(TAG, &chunk(&claims)).expect("stored");
    // A record that the ledger holds is not stored again. An intact one that it does not
    // hold is stored.
    let other = ledger_fixtures::directory();
    open(&other, &Settings::default()).store(TAG, &chunk(&plain(7, 1))).expect("stored");
    let foreign: Value = serde_json::from_str(&records(&other)[0]).expect("JSON");
    assert_eq!(foreign["audit"]["chain"], chain);
    open(&directory, &Settings::default()).store(TAG, &chunk(&[own.clone(), foreign])).expect("stored");
    assert_eq!(records(&directory).len(), 5);
    let last: Value = serde_json::from_str(&records(&directory)[4]).expect("JSON");
    assert_eq!((&last["number"], sealed(&last).place.segment), (&json!(7), 3));
}

#[test]
fn with_a_roster_only_its_chains_are_believed() {
    let sealed_record = Filter::new(1).seal(&plain(0, 1)).remove(0);
    let chain = sealed_record["audit"]["chain"].as_str().expect("a chain").to_owned();
    for (name, is_believed) in [(chain.as_str(), true), ("AAAAAAAAAAAA", false)] {
        let name = ChainId::from_text(name.as_bytes()).expect("a name");
        for property in [&[("roster", "others.json")][..], &[]] {
            let directory = directory();
            ledger_fixtures::believe(directory.path(), &[name]);
            fs::copy(directory.path().join("roster.json"), directory.path().join("others.json"))
                .expect("copied");
            let settings = ledger_fixtures::settings(property);
            open(&directory, &settings)
                .store(TAG, &chunk(std::slice::from_ref(&sealed_record)))
                .expect("stored");
            assert_eq!(!records(&directory)[0].contains("audit_"), is_believed);
        }
    }
}

/// If there is no roster, no seal is believed, however well a record is sealed.
#[test]
fn without_a_roster_no_seal_is_believed() {
    let directory = directory();
    let roster = directory.path().join("roster.json");
    let was = fs::read(&roster).expect("read");
    fs::remove_file(&roster).expect("removed");
    let mut filter = Filter::new(1);
    let sealed_records = filter.seal(&plain(0, 3));
    let mut ledger = open(&directory, &Settings::default());
    ledger.store(TAG, &chunk(&sealed_records[..1])).expect("stored");
    // The roster appears while the ledger runs.
    fs::write(&roster, was).expect("written");
    ledger.store(TAG, &chunk(&sealed_records[1..])).expect("stored");
    let renamed: Vec<bool> = records(&directory).iter().map(|record| record.contains("audit_")).collect();
    assert_eq!(renamed, [true, false, false]);
    let missing = ledger_fixtures::settings(&[("roster", "others.json")]);
    assert!(Ledger::open(directory.path(), missing, None).is_err());
}

/// A directory of a ledger whose chain a fleet has enrolled until a time, if there is one.
fn enrolled(fleet: &SecretKey, until: Option<u64>) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let mut next = 10;
    let ring = KeyRing::named_after_key(Role::Filter, &mut |seed| {
        next += 1;
        *seed = [next; 32];
        true
    });
    let ring = ring.unwrap_or_else(|_| panic!("no keys"));
    let root = ring.public().expect("a key");
    let of = (root, Role::Filter);
    let enrollment = Enrollment::sign("node-1".to_owned(), of, (1, until), None, fleet).expect("signed");
    let header = Header { id: ring.chain(), algorithm: Algorithm::Sha512_256 };
    for (name, bytes) in [
        ("chain.state", header.to_file().to_vec()),
        ("chain.key", ring.to_file().to_vec()),
        ("chain.checkpoint", vec![0; anchor::FILE_BYTES]),
        ("chain.enrollment", enrollment.to_file().expect("written")),
    ] {
        fs::write(directory.path().join(name), bytes).expect("written");
    }
    directory
}

fn values(directory: &TempDir) -> Vec<Value> {
    records(directory).iter().map(|record| serde_json::from_str(record).expect("JSON")).collect()
}

/// Returns for each record in a ledger whether its seal was believed.
fn are_believed(directory: &TempDir) -> Vec<bool> {
    records(directory).iter().map(|record| !record.contains("audit_")).collect()
}

#[test]
fn chains_that_the_fleet_has_enrolled_are_believed() {
    let (fleet, other) = (SecretKey::from_seed(&[1; 32].into()), SecretKey::from_seed(&[2; 32].into()));
    let source = enrolled(&fleet, None);
    open(&source, &Settings::default()).store(TAG, &chunk(&plain(0, 4))).expect("stored");
    let sealed_records = values(&source);
    let stated = |key: &SecretKey| json!({"fleet": key.public().to_string()}).to_string();
    for (name, key, property, expected) in [
        ("fleet.json", &fleet, &[][..], true),
        ("mine.json", &fleet, &[("fleet", "mine.json")], true),
        ("mine.json", &fleet, &[], false),
        ("fleet.json", &other, &[], false),
    ] {
        let directory = directory();
        fs::write(directory.path().join(name), stated(key)).expect("written");
        let settings = ledger_fixtures::settings(property);
        open(&directory, &settings).store(TAG, &chunk(&sealed_records[..2])).expect("stored");
        // After a restart, the chain is known without another checkpoint.
        open(&directory, &settings).store(TAG, &chunk(&sealed_records[2..])).expect("stored");
        assert_eq!(are_believed(&directory), [expected; 4], "{name} {property:?}");
    }
    // Without the checkpoint that states the enrollment, nobody vouches for the chain.
    let directory = directory();
    fs::write(directory.path().join("fleet.json"), stated(&fleet)).expect("written");
    open(&directory, &Settings::default()).store(TAG, &chunk(&sealed_records[1..])).expect("stored");
    assert_eq!(are_believed(&directory), [false; 3]);
    // A file that a fleet has not signed makes nothing known.
    fs::write(directory.path().join("ledger.enrolled"), "{\"torn\n\n{}\n").expect("written");
    open(&directory, &Settings::default()).store(TAG, &chunk(&sealed_records[..1])).expect("stored");
    assert_eq!(are_believed(&directory)[3..], [true]);
    let missing = ledger_fixtures::settings(&[("fleet", "none.json")]);
    assert!(Ledger::open(directory.path(), missing, None).is_err());
    fs::write(directory.path().join("fleet.json"), "{}").expect("written");
    let refused = Ledger::open(directory.path(), Settings::default(), None).err().expect("refused");
    assert!(refused.to_string().contains("fleet.json: not the public part of a fleet's key"), "{refused}");
}

#[test]
fn an_enrollment_that_is_over_is_not_believed() {
    let fleet = SecretKey::from_seed(&[1; 32].into());
    let source = enrolled(&fleet, Some(2));
    open(&source, &Settings::default()).store(TAG, &chunk(&plain(0, 2))).expect("stored");
    let directory = directory();
    let stated = json!({"fleet": fleet.public().to_string()});
    fs::write(directory.path().join("fleet.json"), stated.to_string()).expect("written");
    open(&directory, &Settings::default()).store(TAG, &chunk(&values(&source))).expect("stored");
    assert_eq!(are_believed(&directory), [false; 2]);
}

/// A damaged enrollment keeps no ledger from storing, and its records say so.
#[test]
fn a_damaged_enrollment_is_noted() {
    let source = enrolled(&SecretKey::from_seed(&[1; 32].into()), None);
    let path = source.path().join("chain.enrollment");
    let mut file = fs::read(&path).expect("read");
    file[20] ^= 1;
    fs::write(&path, file).expect("written");
    open(&source, &Settings::default()).store(TAG, &chunk(&plain(0, 2))).expect("stored");
    let notes: Vec<Value> =
        values(&source).into_iter().map(|mut record| record["audit"]["notes"].take()).collect();
    assert_eq!(notes, [json!(["enrollment-damaged"]), Value::Null]);
}

/// A ledger that is enrolled as a filter warns, until it is enrolled again.
#[test]
fn a_ledger_that_is_enrolled_as_a_filter_says_so() {
    let fleet = SecretKey::from_seed(&[1; 32].into());
    let source = enrolled(&fleet, None);
    let warned = open(&source, &Settings::default()).take_lines();
    assert!(warned.iter().any(|(_, line)| line.contains("`flb-audit init --ledger`")), "{warned:?}");
    let path = source.path().join("chain.enrollment");
    let file = fs::read(&path).expect("read");
    let before = enrollment::from_file(&file).and_then(read_enrollment).expect("an enrollment");
    let again = Enrollment::sign(before.node, (before.root, Role::Ledger), (2, None), None, &fleet);
    fs::write(&path, again.and_then(|again| again.to_file()).expect("signed")).expect("written");
    assert_eq!(open(&source, &Settings::default()).take_lines(), []);
}

/// A checkpoint is believed only if a key that the roster's key certifies has signed it.
#[test]
fn checkpoints_have_to_be_signed() {
    let directory = directory();
    let mut ledger = open(&directory, &Settings::default());
    ledger.store(TAG, &chunk(&plain(0, 2))).expect("stored");
    // This is a signed record of another ledger, with the name of a chain in this roster.
    let checkpoint: Value = serde_json::from_str(&records(&directory)[0]).expect("JSON");
    assert!(sealed(&checkpoint).is_checkpoint);
    let other = ledger_fixtures::directory();
    let chain = sealed(&checkpoint).chain;
    ledger_fixtures::believe(other.path(), &[chain]);
    fs::write(
        other.path().join("chain.state"),
        Header { id: ChainId::from_random([9; 9]), algorithm: Algorithm::Sha512_256 }.to_file(),
    )
    .expect("written");
    for name in ["chain.key", "chain.checkpoint"] {
        fs::remove_file(other.path().join(name)).expect("removed");
    }
    let mut ledger = open(&other, &Settings::default());
    ledger.store(TAG, &chunk(&[checkpoint])).expect("stored");
    assert!(records(&other)[0].contains("audit_"));
}

/// Somebody fills a gap with records that are intact by themselves. These records form
/// runs of their own, which do not join the others.
#[test]
fn manifests_claim_only_what_follows_by_heads() {
    for properties in
        [&[("file_size", "1k")][..], &[("file_size", "1k"), ("recipients", &ledger_fixtures::recipient())]]
    {
        let directory = directory();
        let settings = ledger_fixtures::settings(properties);
        let honest = Filter::new(1).seal(&plain(0, 30));
        let forged = Filter::new(1).seal(&plain(100, 30));
        let mixed: Vec<_> =
            [&honest[20..], &honest[..10], &forged[10..20], &forged[20..21]].concat().to_vec();
        open(&directory, &settings).store(TAG, &chunk(&mixed)).expect("stored");
        // This time, the manifest is made from the files on the disk.
        open(&directory, &settings).store(TAG, &chunk(&plain(0, 1))).expect("stored");
        let manifest = manifests(&directory).remove(0);
        let text =
            |hash| String::from_utf8(flb_audit_core::text::base64url::hash_text(&hash).into()).expect("text");
        let ends = |records: &[Value]| {
            let (first, last) = (sealed(&records[0]), sealed(&records[records.len() - 1]));
            let places = (first.place.sequence, last.place.sequence);
            (places, Some(text(first.previous)), Some(text(last.head)))
        };
        let mut found: Vec<_> = manifest
            .extents
            .iter()
            .map(|extent| ((extent.first, extent.last), extent.prev.clone(), extent.head.clone()))
            .collect();
        let mut expected = vec![ends(&honest[..10]), ends(&honest[20..]), ends(&forged[10..21])];
        found.sort();
        expected.sort();
        assert_eq!((found, manifest.loose), (expected, 0));
    }
}

/// There are more chains than fit into a manifest. Every record is held, and recognised
/// when it comes again.
#[test]
fn many_chains_are_bounded() {
    let directory = directory();
    let settings = Settings::default();
    let mut filters: Vec<Filter> = (0..10_000_u32).map(Filter::of).collect();
    ledger_fixtures::believe(directory.path(), &filters.iter().map(Filter::chain).collect::<Vec<_>>());
    let made: Vec<Value> =
        (0..).zip(&mut filters).map(|(at, filter)| filter.seal(&plain(at, 1)).remove(0)).collect();
    let mut ledger = open(&directory, &settings);
    for part in made.chunks(2500) {
        ledger.store(TAG, &chunk(part)).expect("stored");
    }
    drop(ledger);
    let mut ledger = open(&directory, &settings);
    for part in made.chunks(2500) {
        ledger.store(TAG, &chunk(part)).expect("stored");
    }
    assert_eq!(numbers(&directory).len(), 10_000);
    let manifests = manifests(&directory);
    assert!(!manifests.is_empty() && manifests.iter().all(|manifest| manifest.extents.len() <= 12_288));
}

/// A full disk wastes no key, however often writes fail: the ledger's keys have no gap.
#[test]
fn a_full_disk_spends_no_keys() {
    let directory = directory();
    let mut ledger = open(&directory, &Settings::default());
    ledger.store(TAG, &chunk(&plain(0, 5))).expect("stored");
    for room in (0..40).map(|at| at * 37) {
        Faults { room: Some(room), operations: None }.inject();
        let failed = ledger.store(TAG, &chunk(&plain(5, 20))).expect_err("full");
        assert!(failed.to_string().ends_with("no space left"), "{failed}");
    }
    Faults::default().inject();
    ledger.store(TAG, &chunk(&plain(5, 20))).expect("stored");
    assert_eq!(numbers(&directory), (0..25).collect::<Vec<_>>());
    let keys: Vec<u64> = records(&directory)
        .iter()
        .filter_map(|line| serde_json::from_str::<Value>(line).expect("JSON")["audit"]["key"]["n"].as_u64())
        .collect();
    assert!(keys.windows(2).all(|two| two[1] <= two[0] + 1), "{keys:?}");
}

/// The state file is damaged in part or as a whole.
#[test]
fn a_damaged_state_is_mended() {
    for damaged in [0..80, 80..240, 0..400, 100..101] {
        let directory = directory();
        let mut ledger = open(&directory, &Settings::default());
        ledger.store(TAG, &chunk(&plain(0, 5))).expect("stored");
        drop(ledger);
        let path = directory.path().join("chain.state");
        let mut bytes = fs::read(&path).expect("read");
        let end = bytes.len().min(damaged.end);
        bytes[damaged.start..end].fill(7);
        fs::write(&path, bytes).expect("written");
        let mut ledger = open(&directory, &Settings::default());
        ledger.store(TAG, &chunk(&plain(5, 5))).expect("stored");
        assert_eq!(numbers(&directory), (0..10).collect::<Vec<_>>());
        let last: Value = serde_json::from_str(&records(&directory)[5]).expect("JSON");
        assert_eq!((&last["audit"]["link"]["seq"], &last["audit"]["notes"]), (&json!(4), &Value::Null));
    }
}

/// Records that went into a directory that was removed are not acknowledged.
#[test]
fn a_directory_that_was_removed_is_noticed() {
    let directory = directory();
    let mut ledger = open(&directory, &Settings::default());
    ledger.store(TAG, &chunk(&plain(0, 5))).expect("stored");
    fs::remove_dir_all(directory.path()).expect("removed");
    for _ in 0..3 {
        ledger.store(TAG, &chunk(&plain(5, 5))).expect_err("gone");
    }
    let failed = ledger.store(TAG, &chunk(&plain(5, 5))).expect_err("gone");
    assert!(failed.to_string().contains("restart Fluent Bit"), "{failed}");
}
