//! Objects from `https://`, and answers that end early. A part of an object never counts
//! as the object.

use super::faulty::{Fault, Server};
use super::{Said, counted, verify};
use crate::attacks::Log;
use std::fs;
use tempfile::TempDir;

fn bench() -> (TempDir, Log) {
    let (dir, log) = (tempfile::tempdir().expect("a directory"), Log::of("sshd"));
    fs::write(dir.path().join("roster.json"), log.roster()).expect("written");
    fs::write(dir.path().join("log.ndjson"), log.text()).expect("written");
    (dir, log)
}

fn said(fault: Fault) -> (Said, Vec<String>) {
    let (dir, log) = bench();
    let server = Server::start(log.text(), fault);
    let said = Said::of(&mut verify(dir.path(), &[&server.address("logs/a.ndjson?signature=secret-1")]));
    let requests = server.requests.lock().expect("no panic").clone();
    assert!(!said.out.contains("secret-1") && !said.error.contains("secret-1"), "{fault:?}: {}", said.out);
    (said, requests)
}

#[test]
fn answers_that_break_off_are_taken_up_again() {
    let (dir, log) = bench();
    let local = Said::of(&mut verify(dir.path(), &["log.ndjson"])).report();
    assert_eq!(counted(&local).1, log.records.len() as u64);
    for (fault, requests_min) in [(Fault::None, 1), (Fault::FailsTwice, 3), (Fault::Breaks, 4)] {
        let (said, requests) = said(fault);
        assert_eq!(counted(&said.report()), counted(&local), "{fault:?}");
        assert!(requests.len() >= requests_min, "{fault:?}: {requests:?}");
        assert!(
            requests.iter().all(|it| it.starts_with("GET /logs/a.ndjson?signature=secret-1 ")),
            "{requests:?}"
        );
    }
}

#[test]
fn part_of_an_object_is_not_the_object() {
    for (fault, what) in
        [(Fault::BreaksWithoutTag, ""), (Fault::Changes, "overwritten"), (Fault::NotThere, "no such object")]
    {
        let (said, _) = said(fault);
        let report = said.report();
        let found = report["findings"].as_array().expect("findings").iter().find(|found| {
            found["verdict"] == "unreadable" && found["what"].as_str().is_some_and(|said| said.contains(what))
        });
        assert!(found.is_some(), "{fault:?}: {report}");
    }
}
