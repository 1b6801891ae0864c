//! The module that ships, in all generations of Fluent Bit.

use flb_audit_core::chain::state::{FILE_BYTES, FILE_NAME, SLOT_BYTES};
use flb_audit_core::hash::Algorithm;
use flb_audit_host::filter::{Generation, Limits};
use flb_audit_host::stream::Call;
use host_tests::changes::changes;
use host_tests::follower::Follower;
use host_tests::guest::{FILTER, directory, intact, limits, module, notes, pass, returned};
use host_tests::{root, streams};
use serde_json::Value;
use std::fs;
use wasmparser::{Parser, Payload};

/// The most bytes that a seal adds to a record without notes and redactions: 240, and
/// nine for the policy's digest.
const GROWTH_BYTES_MAX: usize = 240 + 9;
/// The longest permitted module, in bytes, because Fluent Bit 4.0 parses it for every
/// chunk. The policy that ships takes 113,000, Ed25519 40,000, of which 30,000 are
/// tables, normalization
/// 25,000.
const MODULE_BYTES_MAX: usize = 513_500;

/// The places in the streams at which the shipped policy redacts.
const REDACTED_PATHS: &[&str] = &[".responseStatus.message"];

/// Returns the calls of two streams.
fn calls() -> Vec<Call> {
    let calls =
        ["cloudtrail", "kubernetes-audit"].map(|name| streams::calls(name).expect("a stream")).concat();
    assert!(calls.len() >= 600);
    calls
}

#[test]
fn streams_are_sealed_into_one_chain() {
    for generation in Generation::ALL {
        for algorithm in Algorithm::ALL {
            let directory = directory(algorithm);
            let mut host = FILTER.host(generation, limits(&directory));
            let mut follower = Follower::default();
            for (at, call) in calls().iter().enumerate() {
                let text = returned(host.call(call).expect("a call"));
                let sealed = follower.follow(&text);
                let (segment, sequence) = match generation {
                    Generation::PerChunk => (at / 50 + 1, at % 50),
                    _ => (1, at),
                };
                assert_eq!((sealed.place.segment, sealed.place.sequence), (segment as u64, sequence as u64));
                assert_eq!(sealed.seconds, u64::from(call.sec));
                assert!(!sealed.is_raw && !sealed.chain.is_ephemeral());
                assert_eq!(notes(&text), [""; 0]);
                let mut record: Value = serde_json::from_slice(&text).expect("JSON");
                let audit = record.as_object_mut().and_then(|fields| fields.remove("audit")).expect("a seal");
                let came: Value = serde_json::from_str(&call.record).expect("JSON");
                for change in changes(&came, &record, &audit) {
                    assert!(REDACTED_PATHS.contains(&&*change.path), "{change:?}");
                }
                assert_eq!(audit["tag"], *call.tag);
                assert_eq!(audit["time"], format!("{}.{:09}", call.sec, call.nsec));
                let version = audit["v"].as_str().and_then(|version| version.rsplit_once('.'));
                assert_eq!(version.map(|(version, _)| version), Some(&*format!("1.{}", algorithm as u8)));
                if at % 50 == 49 {
                    host.end_chunk();
                }
            }
        }
    }
}

#[test]
fn without_a_state_a_chain_ends_with_its_guest() {
    for generation in Generation::ALL {
        let mut host = FILTER.host(generation, Limits::default());
        let mut chains = Vec::new();
        for _ in 0..3 {
            let mut follower = Follower::default();
            for at in 0..5 {
                let text = pass(&mut host);
                let sealed = follower.follow(&text);
                assert!(sealed.chain.is_ephemeral());
                assert_eq!(notes(&text), if at == 0 { vec!["no-state"] } else { vec![] });
                chains.push(sealed.chain);
            }
            host.end_chunk();
            if generation != Generation::PerChunk {
                host.restart();
            }
        }
        chains.dedup();
        assert_eq!(chains.len(), 3);
    }
}

#[test]
fn a_chain_goes_on_after_a_restart_in_mid_stream() {
    let directory = directory(Algorithm::default());
    let mut host = FILTER.host(Generation::Lasting, limits(&directory));
    let mut follower = Follower::default();
    let mut starts = 0;
    for (at, call) in streams::calls("cloudtrail").expect("a stream").iter().enumerate() {
        let sealed = follower.follow(&returned(host.call(call).expect("a call")));
        starts += u64::from(sealed.place.sequence == 0);
        assert_eq!(sealed.place.segment, starts);
        // Restarts after one record, after two more, after three more …
        if (1..20).any(|lives| lives * (lives + 1) / 2 == at + 1) {
            host.restart();
        }
    }
    assert_eq!(starts, 20);
}

#[test]
fn records_grow_by_so_many_bytes() {
    let directory = directory(Algorithm::default());
    let mut host = FILTER.host(Generation::Lasting, limits(&directory));
    for (at, call) in calls().iter().enumerate() {
        let text = returned(host.call(call).expect("a call"));
        let record: Value = serde_json::from_slice(&text).expect("JSON");
        if record["audit"].get("redacted").is_some() {
            continue;
        }
        // Counts every sequence number as if it had six digits.
        let growth = text.len() - call.record.len() + 6 - at.to_string().len();
        assert!(growth <= GROWTH_BYTES_MAX, "record {at} grew by {growth} bytes");
    }
}

#[test]
fn memory_stays_as_it_is() {
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(4 << 20));
    let many = format!("{{\"a\":[{}1]}}", "1,".repeat(100_000));
    for generation in Generation::ALL {
        let directory = directory(Algorithm::default());
        let mut host = FILTER.host(generation, limits(&directory));
        let calls = calls();
        for call in &calls {
            returned(host.call(call).expect("a call"));
        }
        let warm = host.memory_bytes();
        assert!(warm < 2 << 20, "{warm} bytes");
        for call in calls.iter().cycle().take(3000) {
            returned(host.call(call).expect("a call"));
        }
        assert_eq!(host.memory_bytes(), warm, "{generation:?}");
        // Large, small, large …: the memory for the first records is enough for all later
        // ones.
        let mut after = Vec::new();
        for _ in 0..8 {
            for record in [&large, &many] {
                intact(&returned(host.call_bytes(b"tag", 0, 0, record.as_bytes()).expect("a call")));
            }
            pass(&mut host);
            after.push(host.memory_bytes());
        }
        assert_eq!(after[1..], [after[1]; 7], "{generation:?}");
        assert!(after[1] < 64 << 20, "{} bytes", after[1]);
    }
}

/// Returns the module's initial pages of memory, its imports, and its exports.
fn outline() -> (usize, Vec<(String, String)>, Vec<String>) {
    let bytes = fs::read(module()).expect("the module");
    let (mut pages, mut imports, mut exports) = (0, Vec::new(), Vec::new());
    for payload in Parser::new(0).parse_all(&bytes) {
        match payload.expect("a module") {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.expect("an import");
                    imports.push((import.module.to_owned(), import.name.to_owned()));
                }
            }
            Payload::MemorySection(section) => {
                pages = section.into_iter().next().expect("a memory").expect("a memory").initial as usize;
            }
            Payload::ExportSection(section) => {
                exports.extend(section.into_iter().map(|export| export.expect("an export").name.to_owned()));
            }
            _ => {}
        }
    }
    exports.sort();
    (pages, imports, exports)
}

#[test]
fn the_module_is_small_and_asks_for_little() {
    let len = fs::metadata(module()).expect("the module").len() as usize;
    assert!(len <= MODULE_BYTES_MAX, "{len} bytes");
    let (_, imports, exports) = outline();
    // Two of these are globals that the linker always exports.
    assert_eq!(exports, ["__data_end", "__heap_base", "_initialize", "audit", "free", "malloc", "memory"]);
    for (module, name) in imports {
        assert_eq!(module, "wasi_snapshot_preview1", "{name}");
    }
}

/// A host without room for a record passes a zero pointer.
#[test]
fn a_record_that_did_not_fit_is_sealed_as_missing() {
    let (pages, ..) = outline();
    let memory_bytes_max = (pages + 8) << 16;
    for generation in Generation::ALL {
        let directory = directory(Algorithm::default());
        let mut host = FILTER.host(generation, Limits { memory_bytes_max, ..limits(&directory) });
        let mut follower = Follower::default();
        follower.follow(&pass(&mut host));
        let record = vec![b'x'; 1 << 20];
        let text = returned(host.call_bytes(b"tag", 0, 0, &record).expect("a call"));
        assert!(follower.follow(&text).is_raw);
        let value: Value = serde_json::from_slice(&text).expect("JSON");
        assert_eq!(value["audit"]["error"], "no record given");
        assert_eq!(value["audit"]["raw_bytes"], 1 << 20);
        // A tag of that size did not fit either.
        let text = returned(host.call_bytes(&record, 0, 0, b"{}").expect("a call"));
        follower.follow(&text);
        assert_eq!(notes(&text), ["tag-cut"]);
        follower.follow(&pass(&mut host));
    }
}

#[test]
fn out_of_memory_never_traps() {
    let (pages, ..) = outline();
    // The shipped policy redacts these at every place.
    let secrets = ["hunter2.example", "bob@example.com"];
    let [password, address] = secrets;
    let records = [
        String::from(r#"{"a":1}"#),
        format!("{{\"a\":\"{address}\",\"password\":\"{password}\"}}"),
        format!("{{\"a\":\"{}{address}\",\"password\":\"{password}\"}}", "x ".repeat(20_000)),
        format!("{{\"a\":[{}\"{address}\"],\"password\":\"{password}\"}}", "1,".repeat(50_000)),
        format!("{{\"a\":\"{{{}\\\"password\\\":\\\"{password}\\\"}}\"}}", "\\\"a\\\":1,".repeat(20_000)),
        format!("{}\"{address}\",\"password\":\"{password}\"", "\"a\",".repeat(30_000)),
        format!("{{\"a\":\"{}\"}}", "x".repeat(10_000)),
        format!("{{\"a\":[{}1]}}", "1,".repeat(50_000)),
        format!("{{\"a\":\"{}\",\"a\":nan}}", "\\u00e9".repeat(40_000)),
        format!("{{{}\"audit\":1}}", "\"a\":1e22,".repeat(20_000)),
        "\u{1}".repeat(300_000),
        format!("{{\"a\":\"{}\"}}", "x".repeat(3 << 20)),
    ];
    let (mut unstarted, mut cut, mut missing, mut whole) = (0, 0, 0, 0);
    // Adds single pages first, then larger steps.
    for extra in (0..40).chain((40..400).step_by(15)) {
        let memory_bytes_max = (pages + extra) << 16;
        let mut host = FILTER.host(Generation::Lasting, Limits { memory_bytes_max, ..Limits::default() });
        for record in records.iter().chain(records.iter().rev()) {
            let outcome = host.call_bytes(b"tag", 0, 0, record.as_bytes()).expect("a call");
            assert_eq!(outcome.trap, None, "{extra} pages more, {} bytes", record.len());
            let Some(text) = outcome.returned else {
                // The host had no room for the record, and the guest none for a message.
                assert!(extra < 2, "{extra} pages more: a record of {} bytes is lost", record.len());
                unstarted += 1;
                continue;
            };
            for secret in secrets {
                let is_there = text.windows(secret.len()).any(|part| part == secret.as_bytes());
                assert!(!is_there, "{extra} pages more: {secret} came out");
            }
            if text == br#"{"raw":"[unscanned]"}"# {
                assert!(extra < 2, "{extra} pages more: not sealed");
                unstarted += 1;
                continue;
            }
            let sealed = intact(&text);
            let value: Value = serde_json::from_slice(&text).expect("JSON");
            let error = value["audit"]["error"].as_str().unwrap_or_default();
            assert_eq!(sealed.is_raw, !error.is_empty());
            match error {
                "" | "not JSON at byte 0" | "not JSON at byte 3"
                    if !notes(&text).contains(&"truncated".into()) =>
                {
                    whole += 1
                }
                "no record given" => missing += 1,
                "out of memory" | "not JSON at byte 0" | "not JSON at byte 3" => cut += 1,
                other => panic!("{other}"),
            }
        }
    }
    println!("{unstarted} without a guest, {missing} missing, {cut} raw for want of memory, {whole} whole");
    assert!(missing > 0 && cut > 0 && whole > 0);
}

#[test]
fn two_filters_on_one_directory_are_told_apart() {
    let directory = directory(Algorithm::default());
    let mut hosts = [0; 2].map(|_| FILTER.host(Generation::Lasting, limits(&directory)));
    let mut last = [None; 2];
    for round in 0..20 {
        for (host, last) in hosts.iter_mut().zip(&mut last) {
            let sealed = intact(&pass(host));
            assert_eq!(sealed.place.sequence, round);
            if let Some(before) = last.replace(sealed) {
                assert_eq!((sealed.previous, sealed.chain), (before.head, before.chain));
                assert_eq!(sealed.place.run, before.place.run);
            }
        }
    }
    let [one, other] = last.map(|last| last.expect("a record"));
    assert_eq!((one.place.segment, other.place.segment), (1, 2));
    assert_ne!(one.place.run, other.place.run);
    // The next life continues one of them, with a segment number of its own.
    hosts[0].restart();
    let next = intact(&pass(&mut hosts[0]));
    assert_eq!(next.place.segment, 3);
    assert!(
        [one, other]
            .iter()
            .any(|last| next.link.map(|link| link.place) == Some(last.place) && next.previous == last.head)
    );
}

/// Each state file, and the note in the first record after it.
#[test]
fn a_state_that_cannot_be_used_is_noted() {
    type Spoil = fn(&mut Vec<u8>);
    let cases: [(&str, Spoil); 6] = [
        ("an empty file", |file| file.clear()),
        ("a file that is none of ours", |file| file.fill(b'x')),
        ("a bit of the header", |file| file[12] ^= 1),
        ("half a header", |file| file.truncate(SLOT_BYTES / 2)),
        ("another layout", |file| file[8] = 2),
        ("zeros", |file| file.fill(0)),
    ];
    for (what, spoil) in cases {
        let directory = directory(Algorithm::default());
        let path = directory.path().join(FILE_NAME);
        let mut file = fs::read(&path).expect("a file");
        spoil(&mut file);
        fs::write(&path, &file).expect("a file");
        let text = pass(&mut FILTER.host(Generation::Lasting, limits(&directory)));
        assert_eq!(notes(&text), ["state-damaged"], "{what}");
        assert!(intact(&text).chain.is_ephemeral(), "{what}");
        assert_eq!(fs::read(&path).expect("a file"), file, "{what}: written");
    }
}

#[test]
fn a_chain_whose_head_is_lost_goes_on_without_a_link() {
    let directory = directory(Algorithm::Sha256);
    let path = directory.path().join(FILE_NAME);
    let mut host = FILTER.host(Generation::Lasting, limits(&directory));
    let first = intact(&pass(&mut host));
    for damage in [SLOT_BYTES..FILE_BYTES, SLOT_BYTES..SLOT_BYTES] {
        host.restart();
        let mut file = fs::read(&path).expect("a file");
        let is_damaged = !damage.is_empty();
        file[damage].fill(0xff);
        fs::write(&path, file).expect("a file");
        let text = pass(&mut host);
        let sealed = intact(&text);
        assert_eq!(sealed.chain, first.chain);
        assert_eq!(sealed.link.is_none(), is_damaged);
        assert_eq!(notes(&text), if is_damaged { vec!["state-damaged"] } else { vec![] });
    }
}

#[test]
fn a_torn_slot_costs_one_record() {
    let directory = directory(Algorithm::default());
    let path = directory.path().join(FILE_NAME);
    let mut host = FILTER.host(Generation::Lasting, limits(&directory));
    let sealed = [0; 4].map(|_| intact(&pass(&mut host)));
    let whole = fs::read(&path).expect("a file");
    let mut links = Vec::new();
    for slot in 1..3 {
        let mut torn = whole.clone();
        torn[slot * SLOT_BYTES + 40] ^= 0xff;
        fs::write(&path, torn).expect("a file");
        host.restart();
        links.push(intact(&pass(&mut host)).link.map(|link| link.place.sequence));
    }
    links.sort();
    assert_eq!(links, [Some(sealed[2].place.sequence), Some(sealed[3].place.sequence)]);
}

#[test]
fn a_state_that_cannot_be_written_is_noted() {
    let of = |limits: Limits, what: &str| {
        for generation in Generation::ALL {
            let mut host = FILTER.host(generation, limits.clone());
            let text = pass(&mut host);
            assert_eq!(notes(&text), ["state-not-writable"], "{what}");
            assert!(intact(&text).chain.is_ephemeral(), "{what}");
            assert_eq!(notes(&pass(&mut host)), [""; 0], "{what}");
        }
    };
    let directory = directory(Algorithm::default());
    of(Limits { is_writable: false, ..limits(&directory) }, "a directory for reading only");
    fs::remove_file(directory.path().join(FILE_NAME)).expect("a file");
    fs::create_dir(directory.path().join(FILE_NAME)).expect("a directory");
    of(limits(&directory), "a directory in place of the file");
}

#[test]
fn an_empty_directory_is_no_state() {
    let directory = tempfile::tempdir().expect("a directory");
    let text = pass(&mut FILTER.host(Generation::Lasting, limits(&directory)));
    assert_eq!(notes(&text), ["no-state"]);
    assert_eq!(fs::read_dir(directory.path()).expect("a directory").count(), 0);
}

/// Passes the fuzzer's seeds through the module that ships.
#[test]
fn odd_records_of_all_kinds_are_sealed() {
    for generation in Generation::ALL {
        let mut host = FILTER.host(generation, Limits::default());
        let mut follower = Follower::default();
        for entry in fs::read_dir(root().join("fuzz/seeds/call")).expect("a directory of seeds") {
            let seed = fs::read(entry.expect("a seed").path()).expect("a seed");
            follower.follow(&returned(host.call_bytes(&seed, 0, 0, &seed).expect("a call")));
        }
    }
}
