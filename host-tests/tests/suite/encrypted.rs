//! What `flb-audit` says of an encrypted ledger, to who has an identity and to who
//! has not.

use flb_audit_ledger::{Settings, frame, manifest};
use host_tests::program::flb_audit;
use ledger_fixtures::{Filter, TAG, chunk, key, key_file, open, plain, recipient};
use ring::digest::{Context, SHA256};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use tempfile::TempDir;

const RECORDS: u64 = 200;

/// A ledger of two chains and several lives, with five closed files and a few
/// frames in the sixth, and keys.
struct Home {
    ledger: TempDir,
    keys: TempDir,
}

impl Home {
    fn new() -> Self {
        let (ledger, keys) = (ledger_fixtures::directory(), tempfile::tempdir().expect("a directory"));
        key_file(&keys.path().join("right"), key());
        key_file(&keys.path().join("wrong"), &age::x25519::Identity::generate());
        let home = Home { ledger, keys };
        let mut filter = Filter::new(1);
        for first in 0..20 {
            let mut records = filter.seal(&plain(10 * first, 5));
            records.extend(plain(10 * first + 5, 5));
            let size = if first < 15 { "12k" } else { "1M" };
            open(&home.ledger, &settings(size)).store(TAG, &chunk(&records)).expect("stored");
        }
        home
    }

    fn at(&self, name: &str) -> PathBuf {
        self.ledger.path().join(name)
    }

    /// Where the newest file is.
    fn newest(&self) -> PathBuf {
        let is_open = |name: &String| name.ends_with(".frames.open");
        self.at(&ledger_fixtures::names(&self.ledger).into_iter().find(is_open).expect("an open file"))
    }

    fn run(&self, command: &str, key: &str, arguments: &[&str]) -> Output {
        let mut program = flb_audit();
        program.arg(command).args(arguments);
        if !key.is_empty() {
            program.arg("--identity").arg(self.keys.path().join(key));
        }
        program.stdin(Stdio::null()).output().expect("dist/flb-audit")
    }

    fn verify(&self, key: &str) -> (Option<i32>, Value) {
        let output = self.run("verify", key, &["--json", &self.ledger.path().to_string_lossy()]);
        let what = String::from_utf8_lossy(&output.stderr);
        (output.status.code(), serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{what}")))
    }
}

fn settings(size: &str) -> Settings {
    ledger_fixtures::settings(&[("file_size", size), ("recipients", &recipient())])
}

/// Verdicts and what they are about, but for what is so without a roster.
fn findings(report: &Value) -> Vec<(String, String)> {
    let finding = |finding: &Value| {
        let text = |name: &str| finding[name].as_str().unwrap_or_default().to_owned();
        (text("verdict"), format!("{}: {}", text("source"), text("what")))
    };
    let findings = report["findings"].as_array().expect("findings").iter().map(finding);
    findings.filter(|(verdict, _)| verdict != "unsigned").collect()
}

#[test]
fn who_has_an_identity_verifies_all_of_it_and_who_has_not_is_told_so() {
    let home = Home::new();
    let (code, report) = home.verify("right");
    assert_eq!((code, findings(&report)), (Some(4), vec![]), "{report}");
    let manifests = ledger_fixtures::text(&home.at(manifest::FILE_NAME)).lines().count() as u64;
    assert!(manifests > 2, "{manifests}");
    assert_eq!((&report["records"], &report["encrypted"]), (&json!(RECORDS + manifests), &json!(0)));
    for (key, why) in [("", "no --identity was given"), ("wrong", "none of the identities opens them")] {
        let (code, report) = home.verify(key);
        assert_eq!(code, Some(5), "{report}");
        assert_eq!((&report["verdict"], &report["missing"]), (&json!("encrypted"), &json!(0)), "{report}");
        assert_eq!((&report["records"], &report["encrypted"]), (&json!(manifests), &json!(RECORDS)));
        let found = findings(&report);
        assert_eq!(found.len() as u64, manifests + 1, "{found:#?}");
        assert!(
            found.iter().all(|(verdict, what)| verdict == "encrypted" && what.contains(why)),
            "{found:#?}"
        );
        let output = home.run("verify", key, &[&home.ledger.path().to_string_lossy()]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("200 records are encrypted, and were not checked"), "{text}");
        assert_eq!(output.status.code(), Some(5));
    }
}

/// The frames of a file, without their digests.
fn split(file: &[u8]) -> Vec<Vec<u8>> {
    let windows = file.windows(frame::START.len()).enumerate();
    let starts = windows.filter(|(_, window)| *window == frame::START).map(|(at, _)| at);
    let starts: Vec<usize> = starts.chain([file.len()]).collect();
    starts.windows(2).map(|range| file[range[0]..range[1] - 32].to_vec()).collect()
}

/// The same as a file: whoever can write it can make its digests.
fn joined(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut digest = vec![0; 32];
    for frame in frames {
        let mut hash = Context::new(&SHA256);
        hash.update(&digest);
        hash.update(frame);
        digest = hash.finish().as_ref().to_vec();
        file.extend_from_slice(frame);
        file.extend_from_slice(&digest);
    }
    file
}

fn edit(path: &Path, alter: impl FnOnce(&mut Vec<u8>)) {
    let mut file = fs::read(path).expect("read");
    alter(&mut file);
    fs::write(path, file).expect("written");
}

fn edit_frames(path: &Path, alter: impl FnOnce(&mut Vec<Vec<u8>>)) {
    edit(path, |file| {
        let mut frames = split(file);
        assert_eq!(joined(&frames), *file);
        alter(&mut frames);
        *file = joined(&frames);
    });
}

/// A frame of one record that whoever knows the recipient can make.
fn forged(bytes: usize, lines: &[u8]) -> Vec<u8> {
    let compressed = ruzstd::encoding::compress_to_vec(lines, ruzstd::encoding::CompressionLevel::Fastest);
    let body = age::encrypt(&key().to_public(), &compressed).expect("encrypted");
    let extent = json!({"chain": "AQEBAQEBAQEB", "seg": 1, "run": "AQEBAQ", "first": 5000, "last": 5000});
    let rest = json!({"bytes": bytes, "stored_bytes": body.len(), "from": 0, "to": 0, "extents": [extent], "tree": []});
    let mut frame = format!("{{\"frame\":1,{}\n", &rest.to_string()[1..]).into_bytes();
    frame.extend_from_slice(&[7; 32]);
    frame.extend_from_slice(&body);
    frame
}

#[test]
fn what_is_not_as_it_was_is_found() {
    type Alter = fn(&Home);
    let closed = "00000002.frames";
    // By whom it is found: who has an identity, or everybody.
    const ALL: [&str; 3] = ["right", "wrong", ""];
    let cases: Vec<(&str, Alter, &[&str], &str, &str)> = vec![
        (
            "a body altered",
            |home| edit(&home.at("00000002.frames"), |file| flip(file, -100)),
            &ALL,
            "tampered",
            "not what its manifest says",
        ),
        (
            "a body altered, in it",
            |home| edit(&home.at("00000002.frames"), |file| flip(file, -100)),
            &["right"],
            "unreadable",
            "it is not what was encrypted",
        ),
        (
            "a header altered",
            |home| edit(&home.at("00000002.frames"), |file| flip(file, 60)),
            &ALL,
            "tampered",
            "not what its manifest says",
        ),
        (
            "the newest, a body altered",
            |home| edit(&home.newest(), |file| flip(file, -100)),
            &ALL,
            "tampered",
            "not as it was written",
        ),
        (
            "the newest, a start altered",
            |home| edit(&home.newest(), |file| flip(file, 3)),
            &ALL,
            "unreadable",
            "damaged at byte 0: not the header of a frame",
        ),
        (
            "the newest, a frame left out",
            |home| {
                edit(&home.newest(), |file| {
                    let frames = split(file);
                    file.drain(frames[0].len() + 32..frames[0].len() + frames[1].len() + 64);
                })
            },
            &ALL,
            "tampered",
            "not as it was written after the one before it",
        ),
        (
            "the newest, a frame left out with new digests",
            |home| edit_frames(&home.newest(), |frames| drop(frames.remove(1))),
            &["right"],
            "gap",
            "lacks record",
        ),
        (
            "the newest, frames swapped",
            |home| {
                edit(&home.newest(), |file| {
                    let frames = split(file);
                    let (one, two) = (frames[0].len() + 32, frames[1].len() + 32);
                    file[..one + two].rotate_left(one);
                })
            },
            &ALL,
            "tampered",
            "not as it was written",
        ),
        (
            "the newest, cut short",
            |home| edit(&home.newest(), |file| file.truncate(file.len() - 10)),
            &ALL,
            "unreadable",
            "the file ends before the frame does",
        ),
        (
            "a head altered, with a new digest",
            |home| {
                edit_frames(&home.newest(), |frames| {
                    let at = frames[0].iter().position(|byte| *byte == b'\n').expect("a header");
                    frames[0][at + 1] ^= 1;
                })
            },
            &["right"],
            "tampered",
            "not the record that its frame states",
        ),
        (
            "a body in another's place, with a new digest",
            |home| {
                edit_frames(&home.newest(), |frames| {
                    let header = frames[0].iter().position(|byte| *byte == b'\n').expect("a header");
                    frames[0].truncate(header + 1 + 10 * 32);
                    let body = frames[1]
                        .windows(21)
                        .position(|text| text == b"age-encryption.org/v1")
                        .expect("a body");
                    let body = frames[1][body..].to_vec();
                    frames[0].extend(body);
                })
            },
            &["right"],
            "unreadable",
            "",
        ),
        (
            "a closed one cut short by a frame, with new digests",
            |home| {
                edit_frames(&home.at("00000002.frames"), |frames| {
                    frames.pop();
                })
            },
            &ALL,
            "tampered",
            "00000002.frames: not what its manifest says",
        ),
        (
            "a frame that nobody has sealed",
            |home| edit_frames(&home.newest(), |frames| frames.push(forged(3, b"{}\n"))),
            &["right"],
            "unsealed",
            "",
        ),
        (
            "a frame of other records than it says",
            |home| edit_frames(&home.newest(), |frames| frames.push(forged(4, b"\n\n\n\n"))),
            &["right"],
            "unreadable",
            "it has not the records",
        ),
        (
            "a frame that grows",
            |home| edit_frames(&home.newest(), |frames| frames.push(forged(100, &vec![b' '; 64 << 20]))),
            &["right"],
            "unreadable",
            "it has not the records",
        ),
        (
            "a frame larger than any",
            |home| edit_frames(&home.newest(), |frames| frames.push(forged(1 << 40, b"{}\n"))),
            &ALL,
            "unreadable",
            "not the header of a frame",
        ),
        (
            "a frame of nobody's",
            |home| {
                edit_frames(&home.newest(), |frames| {
                    let mut frame = forged(3, b"{}\n");
                    // Within what is encrypted.
                    let at = frame.len() - 20;
                    frame[at..].fill(0);
                    frames.push(frame);
                })
            },
            &["right"],
            "unreadable",
            "is damaged",
        ),
        (
            "a header without an end",
            |home| {
                edit(&home.newest(), |file| {
                    file.extend_from_slice(frame::START);
                    file.extend(std::iter::repeat_n(b'"', 2 << 20));
                })
            },
            &ALL,
            "unreadable",
            "not the header of a frame",
        ),
        (
            "a closed one taken away",
            |home| fs::remove_file(home.at("00000002.frames")).expect("removed"),
            &ALL,
            "gap",
            "no tombstone says why",
        ),
        (
            "a closed one in another's place",
            |home| {
                let _ = fs::copy(home.at("00000003.frames"), home.at("00000002.frames")).expect("copied");
            },
            &ALL,
            "tampered",
            "00000002.frames: not what its manifest says",
        ),
        (
            "one without a manifest",
            |home| {
                let _ = fs::copy(home.at("00000003.frames"), home.at("00000099.frames")).expect("copied");
            },
            &ALL,
            "tampered",
            "00000099.frames: no manifest says what it holds",
        ),
    ];
    assert!(Home::new().at(closed).is_file());
    let whole = Home::new();
    for (name, alter, keys, verdict, what) in cases {
        let home = copy(&whole);
        alter(&home);
        for key in keys {
            let (code, report) = home.verify(key);
            let found = findings(&report);
            assert!(
                found.iter().any(|(found, why)| found == verdict && why.contains(what)),
                "{name}, {key}: no {verdict} {what}: {found:#?}"
            );
            assert!(code >= Some(5), "{name}, {key}: {code:?}");
        }
        for key in ALL {
            assert!(home.verify(key).0 >= Some(5), "{name}, {key}");
        }
    }
}

fn flip(file: &mut [u8], at: isize) {
    let at = if at < 0 { file.len() - at.unsigned_abs() } else { at.unsigned_abs() };
    file[at] ^= 1;
}

fn copy(home: &Home) -> Home {
    let copy = |from: &TempDir| {
        let to = tempfile::tempdir().expect("a directory");
        for name in ledger_fixtures::names(from) {
            fs::copy(from.path().join(&name), to.path().join(&name)).expect("copied");
        }
        to
    };
    Home { ledger: copy(&home.ledger), keys: copy(&home.keys) }
}

/// A crash between a manifest and the name of its file is no fault.
#[test]
fn a_file_that_is_being_closed_is_whole() {
    let home = Home::new();
    fs::rename(home.at("00000002.frames"), home.at("00000002.frames.open")).expect("renamed");
    let (code, report) = home.verify("right");
    assert_eq!((code, findings(&report)), (Some(4), vec![]), "{report}");
    assert_eq!(home.verify("").0, Some(5));
}

#[test]
fn an_export_has_the_records_and_proves_them() {
    let home = Home::new();
    let (ledger, target) =
        (home.ledger.path().to_string_lossy().into_owned(), tempfile::tempdir().expect("a directory"));
    let export = |key: &str, name: &str| {
        let to = target.path().join(name);
        (home.run("export", key, &[&ledger, "--output", &to.to_string_lossy()]), to)
    };
    let (output, to) = export("right", "export");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = fs::read_to_string(to.join("records.ndjson")).expect("read");
    let number = |line: &str| serde_json::from_str::<Value>(line).expect("JSON")["number"].as_u64();
    let numbers: BTreeSet<u64> = text.lines().filter_map(number).collect();
    assert_eq!(numbers, (0..RECORDS).collect());
    assert_eq!(text.lines().count() as u64, RECORDS);
    let verified = home.run("verify", "", &["--json", "--export", &to.to_string_lossy()]);
    let report: Value = serde_json::from_slice(&verified.stdout).expect("a report");
    assert!(matches!(verified.status.code(), Some(3 | 4)), "{report}");
    for (key, why) in [("", "no --identity was given"), ("wrong", "none of the identities opens it")] {
        let (output, _) = export(key, &format!("export {key}"));
        let what = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.code() == Some(1) && what.contains("00000001.frames") && what.contains(why),
            "{what}"
        );
    }
}

/// What is no identity file is said to be none, and not shown.
#[test]
fn wrong_uses_are_told() {
    let home = Home::new();
    let ledger = home.ledger.path().to_string_lossy().into_owned();
    for text in ["", "# nothing\n", "secret words\n", "AGE-SECRET-KEY-1SECRETWORDS\n"] {
        fs::write(home.keys.path().join("bad"), text).expect("written");
        let output = home.run("verify", "bad", &[&ledger]);
        let what = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{what}");
        assert!(
            what.contains("no identity can be read from it") && !what.to_lowercase().contains("secret"),
            "{what}"
        );
    }
    let closed = home.at("00000002.frames").to_string_lossy().into_owned();
    let piped = flb_audit()
        .args(["verify", "--json"])
        .stdin(fs::File::open(&closed).expect("opened"))
        .output()
        .expect("dist/flb-audit");
    assert!(String::from_utf8_lossy(&piped.stdout).contains("cannot be read from a pipe"));
    let prove = home.run("prove", "", &[&closed, "--chain", "AQEBAQEBAQEB", "--seg", "1", "--seq", "1"]);
    assert!(String::from_utf8_lossy(&prove.stderr).contains("flb-audit export --identity"));
    // One file by itself.
    let output = home.run("verify", "right", &["--json", &closed]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    assert!(report["records"].as_u64() > Some(20), "{report}");
}
