//! Buckets: prefixes and patterns, versions and locks.

use super::{Said, counted, verify};
use crate::attacks::Log;
use host_tests::program::flb_audit;
use host_tests::s3::{REMEDY, Server};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The number of records in an object.
const OBJECT_RECORDS: usize = 7;

/// A server, and a directory with a log, its parts and its roster.
struct Bench {
    server: Server,
    dir: TempDir,
    log: Log,
}

impl Bench {
    fn new() -> Option<Bench> {
        let Some(server) = Server::start().expect("an S3 server") else {
            eprintln!("{REMEDY}");
            return None;
        };
        let (dir, log) = (tempfile::tempdir().expect("a directory"), Log::of("sshd"));
        fs::write(dir.path().join("roster.json"), log.roster()).expect("written");
        fs::write(dir.path().join("log.ndjson"), log.text()).expect("written");
        Some(Bench { server, dir, log })
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, text).expect("written");
        path
    }

    fn put(&mut self, bucket: &str, key: &str, text: &str) -> Option<String> {
        let file = self.write("object", text);
        self.server.put(bucket, key, &file).expect("put")
    }

    /// Puts the log into a bucket, one object for each hour. Returns the number of
    /// objects.
    fn put_log(&mut self, bucket: &str) -> usize {
        let lines: Vec<String> = self.log.text().lines().map(|line| format!("{line}\n")).collect();
        let objects = lines.chunks(OBJECT_RECORDS);
        for (hour, part) in objects.clone().enumerate() {
            let key = format!("logs/2026/11/{:02}/{:02}/app-{hour}.ndjson", 1 + hour / 24, hour % 24);
            self.put(bucket, &key, &part.concat());
        }
        objects.len()
    }

    fn said(&self, command: &mut Command) -> Said {
        Said::of(command.current_dir(self.path()).envs(self.server.environment()))
    }

    fn verify(&self, inputs: &[&str]) -> Said {
        self.said(&mut verify(self.path(), inputs))
    }

    /// Returns the number of records that `verify` reads from these addresses.
    #[track_caller]
    fn records(&self, inputs: &[&str]) -> u64 {
        counted(&self.verify(inputs).report()).1
    }
}

#[test]
fn a_log_in_a_bucket_is_verified_as_in_a_file() {
    let Some(mut bench) = Bench::new() else { return };
    bench.server.bucket("logs", false, false).expect("a bucket");
    let objects = bench.put_log("logs");
    assert!(objects > 24, "the log is of more than a day");
    let local = bench.verify(&["log.ndjson"]).report();
    for address in ["s3://logs", "s3://logs/", "s3://logs/logs", "s3://logs/logs/", "s3://logs/**.ndjson"] {
        let report = bench.verify(&[address]).report();
        assert_eq!(counted(&report), counted(&local), "{address}");
        assert_eq!(report["chains"], local["chains"], "{address}");
    }
    // An altered record is found, and the finding names its object.
    let altered = bench.log.text().lines().next().expect("a line").replacen("\"tag\":\"", "\"tag\":\"x", 1);
    bench.put("logs", "logs/2026/11/01/00/altered.ndjson", &altered);
    let report = bench.verify(&["s3://logs/logs/"]).report();
    assert_eq!(report["verdict"], "tampered");
    let name = "s3://logs/logs/2026/11/01/00/altered.ndjson";
    assert!(report["findings"].as_array().expect("findings").iter().any(|found| found["source"] == name));
}

#[test]
fn patterns_and_dates_choose_objects() {
    let Some(mut bench) = Bench::new() else { return };
    bench.server.bucket("logs", false, false).expect("a bucket");
    bench.put_log("logs");
    bench.put("logs", "logs/readme.txt", "no log\n");
    let of = |objects: u64| objects * OBJECT_RECORDS as u64;
    for (inputs, records) in [
        (&["s3://logs/logs/2026/11/01/05/app-5.ndjson"][..], of(1)),
        (&["s3://logs/logs/2026/11/01/0*/*.ndjson"], of(10)),
        (&["s3://logs/logs/2026/11/01/*"], 0),
        (&["s3://logs/logs/2026/11/01/**"], of(24)),
        (&["s3://logs/**/01/*/app-1*.ndjson", "s3://logs/**/app-2.ndjson"], of(12)),
        (&["s3://logs/logs/%Y/%m/%d/%H/*", "--since", "2026-11-01", "--until", "2026-11-02"], of(24)),
        (&["s3://logs/logs/%Y/%m/%d/", "--since", "2026-11-01", "--until", "2026-11-02"], of(24)),
        (
            &[
                "s3://logs/logs/%Y/%m/%d/%H/*",
                "--since",
                "2026-11-01T20:30:00Z",
                "--until",
                "2026-11-01T23:00:00Z",
            ],
            of(3),
        ),
        (&["s3://logs/logs/%Y/", "--since", "2027-01-01"], 0),
    ] {
        if records == 0 {
            let said = bench.verify(inputs);
            assert_eq!(said.code, Some(1), "{inputs:?}: {}", said.out);
            assert!(said.error.contains("no such object"), "{}", said.error);
        } else {
            assert_eq!(bench.records(inputs), records, "{inputs:?}");
        }
    }
    let verify = |inputs: &[&str]| bench.said(flb_audit().arg("verify").args(inputs));
    let said = verify(&["s3://logs/logs/%d/", "--since", "2026-11-01"]);
    assert!(said.error.contains("every larger part"), "{}", said.error);
    let said = verify(&["s3://logs/logs/", "--since", "2026-11-01"]);
    assert!(said.error.contains("need --roster"), "{}", said.error);
    let said = verify(&["s3://logs/logs/%Y/%m/%d/**", "--since", "2026-11-02"]);
    assert!(said.error.is_empty() && said.code != Some(1), "{}", said.error);
}

#[test]
fn versions_and_locks_are_read() {
    let Some(mut bench) = Bench::new() else { return };
    bench.server.bucket("versions", true, false).expect("a bucket");
    bench.server.bucket("locked", true, true).expect("a bucket");
    let local = counted(&bench.verify(&["log.ndjson"]).report());
    let text = bench.log.text();
    for bucket in ["versions", "locked"] {
        let first = bench.put(bucket, "a.ndjson", &text).expect("a version");
        assert_eq!(counted(&bench.verify(&[&format!("s3://{bucket}/a.ndjson")]).report()), local);
        // Somebody who can write the bucket replaces the log. The newest version counts,
        // and the first one still exists.
        let cut: Vec<&str> = text.lines().skip(3).collect();
        bench.put(bucket, "a.ndjson", &cut.join("\n"));
        assert_eq!(bench.verify(&[&format!("s3://{bucket}/a.ndjson")]).report()["verdict"], "gap");
        let version = format!("s3://{bucket}/a.ndjson?versionId={first}");
        assert_eq!(counted(&bench.verify(&[&version]).report()), local);
        // Deleting it leaves a marker. Without a lock, a version can be deleted, too.
        assert!(bench.server.delete(bucket, "a.ndjson", None).expect("an answer"));
        let said = bench.verify(&[&format!("s3://{bucket}/")]);
        assert_eq!(said.code, Some(1), "{}", said.out);
        assert_eq!(counted(&bench.verify(&[&version]).report()), local);
        let deleted = bench.server.delete(bucket, "a.ndjson", Some(&first)).expect("an answer");
        assert_eq!(deleted, bucket == "versions");
    }
}

#[test]
fn every_command_reads_buckets() {
    let Some(mut bench) = Bench::new() else { return };
    bench.server.bucket("logs", false, false).expect("a bucket");
    bench.put_log("logs");
    bench.write("policy.yaml", "version: 1\nschema:\n  - {tag: '*', file: schema.json, name: s}\n");
    bench.write("schema.json", "{}");
    assert!(bench.said(flb_audit().args(["hmac-key", "keys", "--id", "k1"])).code == Some(0));
    let chain = bench.log.records[0]["audit"]["chain"].as_str().expect("a chain").to_owned();
    for arguments in [
        &["checkpoints"][..],
        &["find", "--value", "no such value", "--key", "keys/hmac.key"],
        &["check", "--policy", "policy.yaml"],
        &["restore", "--roster", "roster.json"],
        &["prove", "--chain", &chain, "--seg", "1", "--seq", "0"],
    ] {
        let of = |input: &str| bench.said(flb_audit().args(arguments).arg(input));
        let (local, remote) = (of("log.ndjson"), of("s3://logs/logs/2026/"));
        // Objects are read in the order of their keys, which is the order of the log.
        assert_eq!((remote.code, remote.out), (local.code, local.out), "{arguments:?}: {}", remote.error);
    }
    // Anchors may be stored where the log's writers have no access.
    let anchors = bench.said(flb_audit().args(["checkpoints", "log.ndjson"])).out;
    bench.server.bucket("anchors", true, true).expect("a bucket");
    bench.put("anchors", "2026/11.ndjson", &anchors);
    let local = bench.write("anchors.ndjson", &anchors);
    let local = bench.verify(&["log.ndjson", "--anchors", &local.to_string_lossy()]).report();
    let report = bench.verify(&["s3://logs/logs/", "--anchors", "s3://anchors/2026/11.ndjson"]).report();
    assert_eq!(counted(&report), counted(&local));
}

#[test]
fn a_store_that_cannot_be_asked_is_named() {
    let Some(bench) = Bench::new() else { return };
    let said = bench.verify(&["s3://no-such-bucket/logs/"]);
    assert_eq!(said.code, Some(1));
    assert!(said.error.contains("s3://no-such-bucket/logs/"), "{}", said.error);
    for (address, what) in [("s3://", "a bucket is missing"), ("s3:///key", "a bucket is missing")] {
        let said = bench.verify(&[address]);
        assert_eq!(said.code, Some(1));
        assert!(said.error.contains(what), "{}", said.error);
    }
}

/// Each day reads the new objects, and names those that changed or are gone.
#[test]
fn a_state_remembers_objects() {
    let Some(mut bench) = Bench::new() else { return };
    bench.server.bucket("logs", true, false).expect("a bucket");
    let lines: Vec<String> = bench.log.text().lines().map(|line| format!("{line}\n")).collect();
    let [first, second, third] = [&lines[..900], &lines[900..1800], &lines[1800..]].map(<[String]>::concat);
    bench.put("logs", "day/1.ndjson", &first);
    bench.put("logs", "day/2.ndjson", &second);
    let all = "s3://logs/day/";
    let judge = |bench: &Bench| bench.verify(&["--state", "state", all]).report();
    assert_eq!(judge(&bench), bench.verify(&[all]).report());
    bench.put("logs", "day/3.ndjson", &third);
    let whole = bench.verify(&[all]).report();
    assert_eq!(judge(&bench), whole);
    let objects = fs::read_to_string(bench.path().join("state/objects.ndjson")).expect("objects");
    assert_eq!(objects.lines().count(), 3, "{objects}");
    // Object 3 was read on the second day.
    assert!(objects.lines().all(|line| line.contains("\"part\":1") == line.contains("day/3")), "{objects}");

    bench.put("logs", "day/2.ndjson", &second.replacen("\"tag\":\"", "\"tag\":\"x", 1));
    assert!(bench.server.delete("logs", "day/1.ndjson", None).expect("deleted"));
    for _ in 0..2 {
        let report = judge(&bench);
        // Records that were read before still count.
        assert_eq!(report["records"], whole["records"]);
        assert_eq!(report["counts"]["changed"], 2, "{}", report["findings"]);
        assert_eq!(report["counts"]["tampered"], 1, "{}", report["findings"]);
        let found = report["findings"].to_string();
        for what in [
            "s3://logs/day/1.ndjson: gone after it was read",
            "s3://logs/day/2.ndjson: changed after it was read",
        ] {
            assert!(found.contains(what), "{what:?} is not in {found}");
        }
    }
}
