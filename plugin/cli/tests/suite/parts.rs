//! Parts of logs: what `verify --part` writes and `merge` reads. That merging parts returns
//! the report of one verification is checked with the model, on every log of its games.

use crate::inputs::{Bench, lines};
use flb_audit_core::chain::{Chain, ChainId, GENESIS, Place, Run};
use flb_audit_core::hash::Algorithm;
use flb_audit_core::record::notes::Notes;
use flb_audit_core::{Event, Sealer};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// Writes a part of these logs.
fn part(bench: &Bench, part: &str, logs: &[&str]) {
    let output = bench.run(&[&["verify", "--part", part], logs].concat());
    assert_eq!(said(&output), (Some(0), String::new(), String::new()));
}

/// Returns what `verify` and `merge` say of logs and of their parts.
fn both(bench: &Bench, logs: &[&str], parts: &[&str]) -> [(Option<i32>, String, String); 2] {
    let with = |command: &str, paths: &[&str]| {
        said(&bench.run(&[&[command, "--roster", "roster.json"], paths].concat()))
    };
    [with("verify", logs), with("merge", parts)]
}

#[test]
fn parts_in_any_order_and_number_are_judged_as_the_whole() {
    let bench = Bench::new();
    let altered = lines()[3].replace("rocket", "racket").replace("tab", "tub");
    bench.write("a", format!("{}\n{}\n", lines()[0], lines()[4]));
    bench.write("b", format!("{}\nno record\n{{\"un\":\"sealed\"}}\n", lines()[1]));
    bench.write("c", format!("{altered}\n{}\n{}\n", lines()[1], lines()[5]));
    for (name, logs) in [("a.part", ["a"]), ("b.part", ["b"]), ("c.part", ["c"])] {
        part(&bench, name, &logs);
    }
    part(&bench, "bc.part", &["c", "b"]);
    part(&bench, "gone.part", &["gone"]);
    let read = |name: &str| fs::read(bench.path(name)).expect("a part");
    bench.write("all.part", [read("c.part"), read("a.part"), read("c.part"), read("b.part")].concat());
    let [whole, merged] = both(&bench, &["a", "b", "c"], &["c.part", "a.part", "b.part"]);
    assert!(whole.1.contains("TAMPERED") && whole.1.contains("UNSEALED") && whole.1.contains("lacks"));
    assert!(whole.1.contains("1 duplicates (harmless)"));
    assert_eq!(whole, merged);
    for parts in [&["bc.part", "a.part"][..], &["all.part"], &["a.part", "b.part", "all.part", "a.part"]] {
        assert_eq!(both(&bench, &["a", "b", "c"], parts)[1], whole, "{parts:?}");
    }
    let [whole, merged] = both(&bench, &["a", "gone"], &["gone.part", "a.part"]);
    assert!(whole.1.contains("UNREADABLE: gone:1"), "{}", whole.1);
    assert_eq!(whole, merged);
}

/// Two parts of one log have one name only if the same keys have read it: otherwise one would be
/// taken for the other. A part has no secret key.
#[test]
fn a_part_is_named_after_the_keys_that_have_read_it() {
    const ONE: &str =
        concat!("AGE-SECRET-", "KEY-12WM435JCM247SV4F40GQUTE5N9MQNX8VE2V4J376Z7LZ579S5THSA4H9T8");
    const OTHER: &str =
        concat!("AGE-SECRET-", "KEY-1MSGTURG8UC3SJ00UWKWGFP3FQ65ARGG463GR3RFVN58H06EKYM9STSX9UA");
    let bench = Bench::new();
    bench.write("log", lines().join("\n"));
    let name = |keys: &str| {
        bench.write("key", keys);
        let output = bench.run(&["verify", "--part", "part", "--identity", "key", "log"]);
        assert_eq!(said(&output), (Some(0), String::new(), String::new()));
        let part = fs::read(bench.path("part")).expect("a part");
        assert!(!part.windows(12).any(|text| text == &ONE.as_bytes()[20..32]));
        part[16..48].to_vec()
    };
    part(&bench, "without", &["log"]);
    let without = fs::read(bench.path("without")).expect("a part")[16..48].to_vec();
    let (one, other, both) = (name(ONE), name(OTHER), name(&format!("{ONE}\n{OTHER}\n")));
    let names = [&without, &one, &other, &both];
    assert!((1..4).all(|at| !names[..at].contains(&names[at])), "{names:?}");
    assert_eq!(name(&format!("# another file\n{ONE}\n")), one);
    assert_eq!(name(&format!("{OTHER}\n{ONE}\n{ONE}\n")), both);
}

#[test]
fn what_is_no_part_is_an_error_that_says_why() {
    let bench = Bench::new();
    bench.write("log", lines().join("\n"));
    part(&bench, "part", &["log"]);
    let good = fs::read(bench.path("part")).expect("a part");
    let altered = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    let cases: [(&[u8], &str); 9] = [
        (b"", "not a part, as `flb-audit verify --part` writes them"),
        (lines()[0].as_bytes(), "not a part, as `flb-audit verify --part` writes them"),
        (&altered(0), "not a part, as `flb-audit verify --part` writes them"),
        (&altered(15), "a part in a version of the format that this flb-audit does not know"),
        (&good[..40], "a damaged part, or not all of one; make it again"),
        (&good[..good.len() - 1], "a damaged part, or not all of one; make it again"),
        (&altered(50), "a damaged part, or not all of one; make it again"),
        (&altered(good.len() - 1), "a damaged part, or not all of one; make it again"),
        (&[&good[..], b"{}"].concat(), "what comes behind a part in it is not a part"),
    ];
    for (bytes, why) in cases {
        bench.write("damaged", bytes);
        let (code, printed, error) = said(&bench.run(&["merge", "--roster", "roster.json", "damaged"]));
        assert_eq!((code, printed.as_str()), (Some(1), ""), "{why}");
        assert!(error.contains("damaged: ") && error.contains(why), "{why}: {error}");
    }
}

/// The places in a part of the length of what follows, and of that of its summary.
const LENGTH_AT: usize = 80;
const SUMMARY_AT: usize = LENGTH_AT + 8;

/// Returns a part with the summary of a good one, and with these columns in place of its blocks.
fn with_blocks(good: &[u8], columns: &[&[u8]]) -> Vec<u8> {
    let summary = u32::from_le_bytes(good[SUMMARY_AT..SUMMARY_AT + 4].try_into().expect("4 bytes"));
    let mut body = good[SUMMARY_AT..SUMMARY_AT + 4 + summary as usize].to_vec();
    for block in columns {
        let said = zstd::bulk::compress(block, 3).expect("compressed");
        body.extend_from_slice(&(said.len() as u32).to_le_bytes());
        body.extend_from_slice(&0_u32.to_le_bytes());
        body.extend_from_slice(&said);
    }
    let body = [&(body.len() as u64).to_le_bytes()[..], &body].concat();
    [&good[..48], &Sha256::digest(&body), &body].concat()
}

/// Returns the column of a block with one record that is not intact. `traits` follow its place.
fn one_record(flags: u8, traits: &[u8]) -> Vec<u8> {
    // A life, which begins with a record of the first input.
    let life = [&[1 | flags, 0, 0, 0][..], b"parts-chain1", &[1], b"run-01"].concat();
    [&life, traits].concat()
}

/// Traits that say nothing, with their length.
const NO_TRAITS: [u8; 4] = [3, 0, 0, 0];
const TRAITS: u8 = 1 << 4;
const CHECKPOINT: u8 = 1 << 5;

#[test]
fn a_block_of_a_part_has_a_maximum_number_of_records() {
    const RECORDS_MAX: usize = 1 << 17;
    let bench = Bench::new();
    bench.write("log", lines().join("\n"));
    part(&bench, "part", &["log"]);
    let good = fs::read(bench.path("part")).expect("a part");
    let block = |records: usize| [one_record(TRAITS, &NO_TRAITS), vec![0; 4 * (records - 1)]].concat();
    for (blocks, records) in [
        (vec![block(1)], Some(1)),
        (vec![block(RECORDS_MAX)], Some(RECORDS_MAX)),
        (vec![block(RECORDS_MAX), block(RECORDS_MAX)], Some(2 * RECORDS_MAX)),
        (vec![block(RECORDS_MAX + 1)], None),
        (vec![block(1), block(RECORDS_MAX + 1)], None),
    ] {
        let columns: Vec<&[u8]> = blocks.iter().map(Vec::as_slice).collect();
        bench.write("made.part", with_blocks(&good, &columns));
        let output = bench.run(&["merge", "--json", "--roster", "roster.json", "made.part"]);
        let (code, printed, error) = said(&output);
        let Some(records) = records else {
            assert_eq!((code, printed.as_str()), (Some(1), ""), "{error}");
            assert!(error.contains("a damaged part: a block has more than 131072 records"), "{error}");
            continue;
        };
        let report: serde_json::Value = serde_json::from_str(&printed).expect(&error);
        assert_eq!(report["counts"]["tampered"], records, "{printed}");
    }
}

/// Whatever a part claims, memory is taken for what is there.
#[test]
#[cfg(unix)]
fn absurd_numbers_in_a_part_take_no_memory() {
    let bench = Bench::new();
    bench.write("log", lines().join("\n"));
    part(&bench, "part", &["log"]);
    let good = fs::read(bench.path("part")).expect("a part");
    // 2^60: seven bits a byte, the lowest first.
    let absurd = [&[0x80_u8; 8][..], &[0x10]].concat();
    let of = |columns: Vec<u8>| with_blocks(&good, &[&columns]);
    let traits = |text: &[&[u8]]| {
        let text = text.concat();
        of(one_record(TRAITS, &[&[text.len() as u8], &text[..]].concat()))
    };
    let checkpoint = |text: &[&[u8]]| {
        of(one_record(TRAITS | CHECKPOINT, &[&NO_TRAITS[..], &[1], &[0; 96], &[0], &text.concat()].concat()))
    };
    let with = |at: usize, bytes: &[u8]| {
        let mut part = good.clone();
        part[at..at + bytes.len()].copy_from_slice(bytes);
        part
    };
    for (name, made, why) in [
        ("its length", with(LENGTH_AT, &(1_u64 << 60).to_le_bytes()), ""),
        ("the length of a column", with(SUMMARY_AT, &u32::MAX.to_le_bytes()), "a length in it is wrong"),
        ("the length of traits", of(one_record(TRAITS, &absurd)), ""),
        ("its notes", traits(&[&[0, 0], &absurd]), ""),
        ("its redactions", traits(&[&[0, 0, 0, 0], &absurd]), ""),
        ("its violations", traits(&[&[0, 0, 0, 0, 0], &absurd]), ""),
        ("its certificates", checkpoint(&[&absurd]), ""),
        ("its handovers", checkpoint(&[&[0], &absurd]), ""),
    ] {
        bench.write("made.part", made);
        let output = Command::new("sh")
            .args(["-c", "ulimit -v 1500000; exec \"$0\" merge --roster roster.json made.part"])
            .arg(env!("CARGO_BIN_EXE_flb-audit"))
            .current_dir(bench.path(""))
            .output()
            .expect("run");
        let (code, printed, error) = said(&output);
        assert_eq!((code, printed.as_str()), (Some(1), ""), "{name}: {error}");
        assert!(error.contains("a damaged part") && error.contains(why), "{name}: {error}");
    }
}

/// In whatever order the records stand, as long as most of their neighbours are in the part.
#[test]
fn a_part_takes_20_bytes_a_record_at_the_most() {
    // The last log has several blocks (`cli::verify::part::blocks`).
    for (records, is_shuffled) in [(5000, false), (5000, true), (300_000, true)] {
        let id = ChainId::from_text(b"parts-chain1").expect("a chain's name");
        let next = Place { segment: 1, run: Run::from_text(b"run-01").expect("a run's name"), sequence: 0 };
        let chain = Chain { id, algorithm: Algorithm::default(), next, head: GENESIS, link: None };
        let mut sealer = Sealer::new(chain, Notes::NONE, None).expect("memory");
        let mut lines = Vec::new();
        for number in 0..records {
            let record = format!("{{\"number\":{number}}}");
            let (record, record_len) = (Some(record.as_bytes()), record.len());
            let seconds = 1_795_161_600 + number as u32 / 7;
            let event = Event { tag: b"app.audit", seconds, nanoseconds: 0, record, record_len };
            let sealed = sealer.seal(&event).strip_suffix(b"\0").expect("a NUL");
            lines.push(sealed.to_vec());
        }
        let mut random = 1_u64;
        for at in (1..records).rev().filter(|_| is_shuffled) {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            lines.swap(at, (random >> 33) as usize % (at + 1));
        }
        let bench = Bench::new();
        bench.write("log", lines.join(&b'\n'));
        part(&bench, "part", &["log"]);
        let bytes = fs::metadata(bench.path("part")).expect("a part").len();
        assert!(bytes <= records as u64 * 20, "{records}, shuffled: {is_shuffled}: {bytes} bytes");
        let [whole, merged] = both(&bench, &["log"], &["part"]);
        assert_eq!(whole, merged);
    }
}

/// The examples of work on many machines print the report of one verification.
#[test]
#[cfg(unix)]
fn the_examples_judge_as_the_whole() {
    let bench = Bench::new();
    let names: Vec<String> = (0..lines().len()).map(|number| format!("{number}.ndjson")).collect();
    for (name, line) in names.iter().zip(lines()) {
        bench.write(name, line);
    }
    let paths = names.iter().map(|name| bench.path(name).display().to_string() + "\n");
    bench.write("logs", paths.collect::<String>());
    let logs: Vec<&str> = names.iter().map(String::as_str).collect();
    let whole = both(&bench, &logs, &[])[0].1.clone();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let run = |command: &mut Command| {
        let program = Path::new(env!("CARGO_BIN_EXE_flb-audit")).parent().expect("a directory");
        let old = std::env::var("PATH").expect("a path");
        command.env("PATH", format!("{}:{old}", program.display())).current_dir(bench.path(""));
        String::from_utf8(command.output().expect("run").stdout).expect("UTF-8")
    };
    let example = root.join("examples/fleet/parts.sh");
    assert_eq!(run(Command::new(example).args(["logs", "3", "--roster", "roster.json"])), whole);
    let python = root.join("target/spark/bin/python");
    if !python.is_file() {
        println!("skipped: Spark is not in target/spark; .ci/run installs it");
        return;
    }
    let job = root.join("examples/fleet/spark/job.py");
    let arguments = ["--logs", "logs", "--shares", "2", "--roster", "roster.json"];
    assert_eq!(run(Command::new(python).arg(job).args(arguments)), whole);
}

#[test]
fn a_ledgers_directory_is_no_part() {
    let bench = Bench::new();
    fs::create_dir(bench.path("ledger")).expect("a directory");
    bench.write("ledger/manifests.ndjson", "");
    let (code, _, error) = said(&bench.run(&["verify", "--part", "part", "ledger"]));
    assert_eq!(code, Some(1));
    assert!(
        error.contains("a ledger's directory cannot be a part") && error.contains("verify ledger"),
        "{error}"
    );
    assert!(!bench.path("part").exists());
}
