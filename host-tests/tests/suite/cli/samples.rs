//! Samples on the pages: what they show is what the program prints, and recorded streams
//! can be replayed.

use super::Place;
use super::outputs::component;
use host_tests::page::{Block, blocks};
use host_tests::root;
use serde_json::{Value, json};
use std::fs;

fn read(page: &str) -> String {
    fs::read_to_string(root().join(page)).expect("a page")
}

/// Returns the lines of the block in which this text stands.
fn lines(page: &str, text: &str) -> Vec<String> {
    let page = read(page);
    let block = blocks(&page).into_iter().find(|block| block.text.contains(text)).expect("a block");
    block.text.lines().map(str::to_owned).collect()
}

/// Checks lines of a sample: each is printed, in this order. A line that ends with `…` is
/// the beginning of one that is printed, and a line of only that stands for any lines.
#[track_caller]
fn assert_shown(shown: &[String], printed: &str) {
    let mut lines = printed.lines();
    for line in shown.iter().filter(|line| *line != "…") {
        let is_printed = |printed: &str| match line.strip_suffix('…') {
            Some(start) => printed.starts_with(start.trim_end()),
            None => printed == *line,
        };
        assert!(lines.any(is_printed), "the page has:\n{line}\nthe program prints:\n{printed}");
    }
}

/// Returns a text with other names in place of the keys, chains and digests in it.
fn anonymous(text: &str) -> String {
    let is_of_name = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
    let (mut result, mut rest) = (String::new(), text);
    while let Some(start) = rest.find(is_of_name) {
        let word = rest[start..].split(|character| !is_of_name(character)).next().unwrap_or_default();
        result += &rest[..start];
        let is_name = word.len() == 43 || result.ends_with("chain ") && word.len() == 12;
        result += if is_name { "NAME" } else { word };
        rest = &rest[start + word.len()..];
    }
    result + rest
}

#[test]
fn the_readme_shows_what_verify_prints() {
    let shown: Vec<String> =
        lines("README.md", "intact, anchored").iter().map(|line| anonymous(line)).collect();
    let place = Place::new();
    place.ok(&["init", "state", "--node", "web-1", "--roster", "roster.json"]);
    let call = |at: u64| json!({"tag": "kube.audit", "sec": 1_795_161_600 + 184 * at / 2048, "nsec": 0, "record": "{}"});
    let calls: Vec<String> = (0..2049).map(|at| call(at).to_string()).collect();
    place.write("calls.ndjson", &calls.join("\n"));
    place.write("log", &place.ok(&["replay", "--state", "state", "calls.ndjson"]));
    place.write("anchors.ndjson", &place.ok(&["checkpoints", "log"]));
    let printed = place.ok(&["verify", "--roster", "roster.json", "--anchors", "anchors.ndjson", "log"]);
    assert_shown(&shown[1..], &anonymous(&printed));
}

#[test]
fn the_page_of_the_doctor_shows_what_it_prints() {
    let readme = read("README.md");
    let config = blocks(&readme).into_iter().find(|block| block.language == "yaml").expect("a config");
    let is_kept = |line: &&str| !["buffer_max_size", "skip_long_lines"].iter().any(|key| line.contains(key));
    let place = Place::new();
    place.write("fluent-bit.yaml", &config.text.lines().filter(is_kept).collect::<Vec<_>>().join("\n"));
    let output = place.run(&["doctor", "--config-only", "fluent-bit.yaml"]);
    let shown = lines("docs/doctor.md", "$ flb-audit doctor");
    assert_shown(&shown[1..], &String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_page_of_fleets_shows_what_is_printed() {
    let place = Place::new();
    let printed = [
        place.ok(&["fleet", "init", "fleet"]),
        place.ok(&["fleet", "lend", "fleet", "enroll.key", "--valid", "90days"]),
    ];
    let plain = |text: &str| {
        let text = anonymous(&text.replace("/srv/fleet", "fleet"));
        let zero = |character: char| if character.is_ascii_digit() { '0' } else { character };
        text.chars().map(zero).collect::<String>()
    };
    let shown = lines("docs/fleet.md", "$ flb-audit fleet init");
    let shown: Vec<String> =
        shown.iter().filter(|line| !line.starts_with('$')).map(|line| plain(line)).collect();
    assert!(shown.len() > 2, "{shown:?}");
    assert_shown(&shown, &plain(&printed.concat()));
}

#[test]
fn notes_of_build_are_as_the_page_shows_them() {
    let shown = lines("docs/policy.md", "is no keyword");
    let place = Place::new();
    place.write("policy.yaml", "version: 1\nschema:\n  - {tag: app, file: login.json, name: login}\n");
    place.write("login.json", "{\"type\": \"object\",\n  \"owner\": \"x\"}\n");
    let output = place.run(&["build", "--policy", "policy.yaml"]);
    assert_shown(&shown[1..], &String::from_utf8_lossy(&output.stderr));
}

/// The page of outputs shows calls with some of their members.
#[test]
fn calls_of_an_output_have_the_members_on_the_page() {
    let place = Place::new();
    fs::create_dir(place.path("data")).expect("a directory");
    let call = json!({"tag": "app", "sec": 1, "nsec": 0, "record": "{\"a\":1}"});
    place.write("stream.ndjson", &call.to_string());
    let count = component("out_count.wasm");
    let printed = place.ok(&[
        "replay",
        "--output",
        &count,
        "--dir",
        "data",
        "--config",
        "file=counts",
        "stream.ndjson",
    ]);
    let shown = lines("docs/output.md", "{\"call\":\"init\"");
    for (shown, printed) in shown[1..].iter().zip(printed.lines()) {
        let printed: Value = serde_json::from_str(printed).expect("JSON");
        let shown: Value = serde_json::from_str(&shown.replace(",…", "")).expect("JSON");
        for (name, value) in shown.as_object().expect("a call") {
            let found = &printed[name];
            let is_same = value == found || value.is_number() && found.is_number();
            assert!(is_same, "{name}: the page has {value}, and {found} is printed");
        }
    }
}

#[test]
fn recorded_streams_on_the_pages_can_be_replayed() {
    for page in ["docs/operating.md", "examples/record/README.md"] {
        let text = read(page);
        let is_stream = |block: &Block<'_>| block.language == "json" && block.text.contains("\"nsec\"");
        let block = blocks(&text).into_iter().find(is_stream).expect("a stream");
        let place = Place::new();
        place.write("stream.ndjson", &block.text.replace(",…", ""));
        let printed = place.ok(&["replay", "stream.ndjson"]);
        assert_eq!(printed.lines().count(), block.text.lines().count(), "{page}");
        assert!(!printed.contains("\"error\""), "{page}: {printed}");
    }
}
