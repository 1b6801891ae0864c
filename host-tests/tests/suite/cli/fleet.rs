//! Fleets: their keys, the chains that they enroll, and what `verify` says of nodes.

use super::Place;
use flb_audit_core::chain::enrollment::{self, Role};
use flb_audit_core::chain::keyring::{self, KeyRing};
use flb_audit_host::filter::{Generation, Limits};
use host_tests::guest::{FILTER, returned};
use host_tests::streams;
use serde_json::Value;
use std::fs;

/// Seals some records in a state directory, which goes on from before.
fn seal(place: &Place, state: &str, count: usize) -> String {
    let limits = Limits { directory: Some(place.path(state)), ..Limits::default() };
    let mut host = FILTER.host(Generation::Lasting, limits);
    let calls = streams::calls("sudo").expect("a stream");
    let mut text = String::new();
    for call in calls.iter().cycle().take(count) {
        text += &String::from_utf8(returned(host.call(call).expect("a call"))).expect("UTF-8");
        text += "\n";
    }
    text
}

/// A place with a fleet, and a key that it has lent.
fn fleet() -> Place {
    let place = Place::new();
    place.ok(&["fleet", "init", "fleet"]);
    place.ok(&["fleet", "lend", "fleet", "enroll.key"]);
    place
}

fn verify(place: &Place, more: &[&str]) -> (Option<i32>, Value) {
    let mut arguments = vec!["verify", "--json", "--fleet", "fleet/fleet.json", "log"];
    arguments.extend(more);
    let output = place.run(&arguments);
    let report = serde_json::from_slice(&output.stdout);
    (output.status.code(), report.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr))))
}

/// The private part of a key file.
fn secret(place: &Place, name: &str) -> String {
    let file: Value = serde_json::from_slice(&place.read(name)).expect("JSON");
    file["enrollment_key"].as_str().expect("a key").to_owned()
}

#[test]
fn keys_of_fleets_are_made_once_and_shown_nowhere() {
    let place = fleet();
    #[cfg(unix)]
    for name in ["fleet/fleet.key", "enroll.key"] {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(place.path(name)).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let keys = [secret(&place, "fleet/fleet.key"), secret(&place, "enroll.key")];
    for name in ["fleet/fleet.json", "fleet/fleet.key", "enroll.key"] {
        let text = String::from_utf8(place.read(name)).expect("UTF-8");
        assert_eq!(text.contains(&keys[0]), name == "fleet/fleet.key", "{name}");
    }
    // Messages on files in each other's place, and on damaged ones, show no key.
    place.write(
        "damaged.key",
        &String::from_utf8(place.read("enroll.key")).expect("UTF-8").replacen('{', "[", 1),
    );
    place.write("long.key", &format!("{{\"enrollment_key\":\"{}A\"}}", keys[1]));
    let mut said = vec![
        place.fails(&["fleet", "init", "fleet"]),
        place.fails(&["fleet", "lend", "fleet", "enroll.key"]),
        place.fails(&["fleet", "lend", "fleet", "none.key", "--valid", "0s"]),
        place.fails(&["init", "st", "--node", "n", "--enroll", "fleet/fleet.json"]),
        place.fails(&["init", "st", "--node", "n", "--enroll", "damaged.key"]),
        place.fails(&["init", "st", "--node", "n", "--enroll", "long.key"]),
        place.fails(&["init", "st", "--node", "a b", "--enroll", "enroll.key"]),
        place.fails(&["verify", "--fleet", "fleet/fleet.key", "enroll.key"]),
        place.fails(&["verify", "--fleet", "enroll.key", "enroll.key"]),
    ];
    assert!(!place.path("st").exists(), "a chain was made that nobody enrolled");
    said.push(place.ok(&["init", "st", "--node", "n", "--enroll", "enroll.key"]));
    said.push(seal(&place, "st", 3));
    for key in &keys {
        assert!(said.iter().all(|said| !said.contains(key.as_str())), "{said:?}");
    }
    // A lent key lends no other.
    fs::create_dir(place.path("thief")).expect("a directory");
    fs::copy(place.path("enroll.key"), place.path("thief/fleet.key")).expect("copied");
    assert!(place.fails(&["fleet", "lend", "thief", "more.key"]).contains("cannot lend others"));
}

#[test]
fn enrolled_chains_are_known_and_others_are_not() {
    let place = fleet();
    place.ok(&["init", "a", "--node", "node-a", "--enroll", "enroll.key"]);
    place.ok(&["init", "b", "--node", "node-b", "--enroll", "fleet/fleet.key"]);
    place.ok(&["init", "c", "--node", "node-c", "--roster", "roster.json"]);
    let (a, b, c) = (seal(&place, "a", 3), seal(&place, "b", 3), seal(&place, "c", 3));
    place.write("log", &format!("{a}{b}"));
    let (code, report) = verify(&place, &[]);
    assert_eq!(code, Some(3), "{report:#}");
    assert_eq!(report["signed"], 2, "the first record of each is a checkpoint");
    let nodes: Vec<&str> = report["chains"]
        .as_array()
        .expect("chains")
        .iter()
        .filter_map(|chain| chain["node"].as_str())
        .collect();
    assert!(nodes.contains(&"node-a") && nodes.contains(&"node-b"), "{nodes:?}");
    place.write("log", &format!("{a}{b}{c}"));
    assert_eq!(verify(&place, &[]).0, Some(21), "a chain that nobody has enrolled");
    assert_eq!(verify(&place, &["--roster", "roster.json"]).0, Some(3), "the roster has it");
    // Another fleet's chains are strangers.
    place.ok(&["fleet", "init", "other"]);
    let output = place.run(&["verify", "--fleet", "other/fleet.json", "log"]);
    assert_eq!(output.status.code(), Some(21));
    // A chain is enrolled before its first record, or never.
    let late = place.run(&["init", "c", "--node", "node-c", "--if-missing", "--enroll", "enroll.key"]);
    assert_eq!(late.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&late.stderr).contains("can no longer be enrolled"));
    assert!(!place.path("c").join(enrollment::FILE_NAME).exists());
    // Checkpoints carry it, and what is in them can be kept as anchors.
    place.write("log", &a);
    let anchors = place.ok(&["checkpoints", "log"]);
    assert!(anchors.contains("\"fleet\""), "{anchors}");
    place.write("anchors", &anchors);
    place.write("log", "{}\n");
    let (_, report) = verify(&place, &["--anchors", "anchors"]);
    assert!(report["counts"]["gap"] == 1, "{report:#}");
}

#[test]
fn an_enrolled_chain_is_used_again_without_a_key() {
    let place = fleet();
    let init = ["init", "st", "--node", "node-a", "--if-missing", "--enroll", "enroll.key"];
    place.ok(&init);
    let file = place.path("st").join(enrollment::FILE_NAME);
    let before = fs::read(&file).expect("a file");
    let log = seal(&place, "st", 3);
    fs::rename(place.path("enroll.key"), place.path("kept.key")).expect("renamed");
    assert!(place.ok(&init).contains("enrolled as node-a"));
    assert_eq!(fs::read(&file).expect("a file"), before);
    // A node that is renamed needs one.
    let renamed = ["init", "st", "--node", "node-b", "--if-missing", "--enroll", "kept.key"];
    assert!(place.ok(&renamed).contains("enrolled as node-b"));
    place.write("log", &(log + &seal(&place, "st", 3)));
    let (code, report) = verify(&place, &[]);
    assert_eq!(code, Some(3), "{report:#}");
    let chain = &report["chains"][0];
    let names: Vec<&Value> =
        chain["enrolled"].as_array().expect("names").iter().map(|term| &term["node"]).collect();
    assert!(
        names.len() == 2
            && names.contains(&&Value::from("node-a"))
            && names.contains(&&Value::from("node-b")),
        "{names:?}"
    );
    // A damaged certificate is not stated, and the chain is a stranger's from then on.
    let mut damaged = fs::read(&file).expect("a file");
    damaged[20] ^= 1;
    fs::write(&file, damaged).expect("written");
    let more = seal(&place, "st", 3);
    assert!(!more.contains("\"fleet\""), "{more}");
    let first = more.lines().next().unwrap_or_default();
    assert!(first.contains("\"notes\":[\"enrollment-damaged\"]"), "{more}");
    place.write("log", &(String::from_utf8(place.read("log")).expect("UTF-8") + &more));
    assert_eq!(verify(&place, &[]).0, Some(21));
}

/// A ledger's role is in its keys and in its enrollment. A key that nodes have enrolls no
/// ledgers.
#[test]
fn ledgers_are_made_and_enrolled_as_such() {
    let place = fleet();
    let made = place.ok(&["init", "l", "--ledger", "--node", "n/ledger", "--roster", "roster.json"]);
    assert!(made.contains("the ledger: dir: l"), "{made}");
    place.ok(&["init", "f", "--node", "n", "--roster", "roster.json"]);
    let of_keys = |dir: &str| {
        let (ring, _) =
            KeyRing::from_file(&place.read(&format!("{dir}/{}", keyring::FILE_NAME))).expect("keys");
        ring.role()
    };
    assert_eq!([of_keys("l"), of_keys("f")], [Role::Ledger, Role::Filter]);

    let enroll = ["init", "e", "--ledger", "--if-missing", "--node", "n/ledger", "--enroll"];
    let said = place.fails(&[&enroll[..], &["enroll.key"]].concat());
    assert!(said.contains("`flb-audit fleet lend --ledger` makes a key for ledgers"), "{said}");
    assert!(!place.path("e").exists());
    let lent = place.ok(&["fleet", "lend", "fleet", "ledger.key", "--ledger"]);
    assert!(lent.contains("also of ledgers"), "{lent}");
    let role = |place: &Place, dir: &str| {
        let file = place.read(&format!("{dir}/{}", enrollment::FILE_NAME));
        let text = enrollment::from_file(&file).expect("an enrollment");
        serde_json::from_slice::<Value>(text).expect("JSON")["role"].clone()
    };
    let said = place.ok(&[&enroll[..], &["ledger.key"]].concat());
    assert!(said.contains("enrolled as the ledger n/ledger since"), "{said}");
    assert_eq!(role(&place, "e"), "ledger");
    // The ledger finds the fleet beside its chain. A file of another fleet stays.
    assert!(said.contains("e/fleet.json: the ledger believes the chains that this fleet"), "{said}");
    assert_eq!(place.read("e/fleet.json"), place.read("fleet/fleet.json"));
    fs::remove_file(place.path("e/fleet.json")).expect("removed");
    place.ok(&[&enroll[..], &["ledger.key"]].concat());
    assert_eq!(place.read("e/fleet.json"), place.read("fleet/fleet.json"));
    place.ok(&["fleet", "init", "another"]);
    let another = place.read("another/fleet.json");
    place.write("e/fleet.json", &String::from_utf8(another.clone()).expect("UTF-8"));
    let said = place.ok(&[&enroll[..], &["ledger.key"]].concat());
    assert!(said.contains("e/fleet.json names another fleet, and is left unchanged"), "{said}");
    assert_eq!(place.read("e/fleet.json"), another);
    fs::remove_file(place.path("ledger.key")).expect("removed");
    place.ok(&[&enroll[..], &["ledger.key"]].concat());
    place.ok(&["fleet", "lend", "fleet", "ledger.key", "--ledger"]);
    // This key enrolls filters, too. A chain that was enrolled with the wrong role is enrolled
    // again.
    let again = ["init", "f", "--if-missing", "--node", "n", "--enroll", "ledger.key"];
    place.ok(&again);
    assert_eq!(role(&place, "f"), Value::Null);
    assert!(!place.path("f/fleet.json").exists());
    place.ok(&[&again[..], &["--ledger"]].concat());
    assert_eq!(role(&place, "f"), "ledger");
    assert_eq!(place.read("f/fleet.json"), place.read("fleet/fleet.json"));
    // A lent key that was altered to allow more is no key.
    let text = String::from_utf8(place.read("enroll.key")).expect("UTF-8");
    place.write("forged.key", &text.replace("\"since\"", "\"role\":\"ledger\",\"since\""));
    let said = place.fails(&["init", "g", "--ledger", "--node", "g", "--enroll", "forged.key"]);
    assert!(said.contains("forged.key: the fleet that this key names did not lend it"), "{said}");
    place.ok(&["init", "g", "--node", "g", "--enroll", "forged.key"]);
    place.write("log", &seal(&place, "g", 3));
    let (code, report) = verify(&place, &[]);
    assert_eq!(code, Some(21), "{report:#}");
    place.write("log", &seal(&place, "e", 3));
    assert_eq!(verify(&place, &[]).0, Some(3));
}

#[test]
fn expected_nodes_are_silent_and_others_unexpected() {
    let place = fleet();
    place.ok(&["init", "a", "--node", "node-a", "--enroll", "enroll.key"]);
    place.ok(&["init", "l", "--node", "node-a/ledger", "--enroll", "enroll.key"]);
    place.write("log", &(seal(&place, "a", 3) + &seal(&place, "l", 3)));
    place.write("nodes", "node/node-a\n\n# gone: node-x\n");
    assert_eq!(verify(&place, &["--expect", "nodes"]).0, Some(3));
    place.write("nodes", "node/node-b\n");
    let (code, report) = verify(&place, &["--expect", "nodes"]);
    assert_eq!(code, Some(15), "{report:#}");
    assert_eq!((&report["counts"]["unexpected"], &report["counts"]["silent"]), (&2.into(), &1.into()));
    place.write("more", "node-a\n");
    assert_eq!(verify(&place, &["--expect", "nodes", "--expect", "more"]).0, Some(14));
    let early = ["--expect", "more", "--since", "2001-01-01", "--until", "2001-01-02"];
    assert_eq!(verify(&place, &early).0, Some(3), "the node was not there then");
    place.write("none", "# nothing\n");
    assert!(
        place
            .fails(&["verify", "--fleet", "fleet/fleet.json", "--expect", "none", "log"])
            .contains("no node")
    );
}

#[test]
fn only_nodes_that_were_enrolled_are_retired() {
    let place = fleet();
    place.ok(&["init", "a", "--node", "node-17", "--enroll", "enroll.key"]);
    place.ok(&["init", "b", "--node", "web", "--roster", "roster.json"]);
    place.write("log", &seal(&place, "a", 3));
    place.write("anchors", &place.ok(&["checkpoints", "log"]));
    let before = place.read("fleet/fleet.json");
    let said = place.fails(&["fleet", "retire", "fleet", "node-71", "log"]);
    assert!(
        said.contains("no node `node-71` was ever enrolled") && said.contains("did you mean `node-17`?"),
        "{said}"
    );
    let said = place.fails(&["fleet", "retire", "fleet", "database", "anchors"]);
    assert!(said.contains("1 other nodes are in these files"), "{said}");
    // A node of another fleet is unknown, and so is one of a roster that is not named.
    place.ok(&["fleet", "init", "other"]);
    place.fails(&["fleet", "retire", "other", "node-17", "log"]);
    place.fails(&["fleet", "retire", "fleet", "web", "log"]);
    assert_eq!(place.run(&["fleet", "retire", "fleet", "node-17"]).status.code(), Some(2));
    assert_eq!(place.read("fleet/fleet.json"), before);
    for arguments in [["node-17", "log", ""], ["node-17", "anchors", ""], ["web", "--roster", "roster.json"]]
    {
        let arguments = arguments.into_iter().filter(|argument| !argument.is_empty());
        place.ok(&["fleet", "retire", "fleet"].into_iter().chain(arguments).collect::<Vec<_>>());
    }
    let fleet: Value = serde_json::from_slice(&place.read("fleet/fleet.json")).expect("JSON");
    let names: Vec<&Value> =
        fleet["retired"].as_array().expect("nodes").iter().map(|node| &node["node"]).collect();
    assert_eq!(names, ["node-17", "node-17", "web"]);
}

#[test]
fn a_copied_enrollment_makes_no_chain_known() {
    let place = fleet();
    place.ok(&["init", "a", "--node", "node-a", "--enroll", "enroll.key"]);
    place.ok(&["init", "thief", "--node", "node-a"]);
    let of = |state: &str| place.path(state).join(enrollment::FILE_NAME);
    fs::copy(of("a"), of("thief")).expect("copied");
    place.write("log", &seal(&place, "thief", 3));
    let (code, report) = verify(&place, &[]);
    assert_eq!((code, &report["signed"]), (Some(21), &0.into()), "{report:#}");
    assert!(place.path("thief").join(keyring::FILE_NAME).exists());
}
