//! Logs whose texts try to become part of the page.

use super::made_up::MadeUp;
use super::markup::Page;
use super::page;
use serde_json::json;
use std::fs;
use std::path::Path;

/// Texts that must not run or hide anything, at any place.
pub(super) const ATTACKS: [&str; 12] = [
    "<script>window.hit=1;alert(1)</script>",
    "\"><img src=x onerror=\"window.hit=1\">",
    "'><svg/onload=window.hit=1>",
    "</style></script></title></bdi></td></table><script>window.hit=1</script>",
    "<!-- ",
    "]]>",
    "javascript:window.hit=1",
    "&lt;script&gt;",
    "\u{202e}gnp.exe\u{202c}",
    "\u{2066}x\u{200b}\u{feff}\u{e0041}",
    "\u{0}\u{1b}[31m\u{7f}\u{85}\r\n\t",
    "http://example.com/pixel.png",
];

/// Writes a log, a roster and file names, all with hostile texts.
pub(super) fn write(directory: &Path) {
    let mut log = String::new();
    for (at, attack) in ATTACKS.iter().enumerate() {
        let mut chain = MadeUp::new(at);
        let more = json!({
            "tag": attack, "schema": attack, "redacted": [format!("{attack} {attack} {attack}"), attack],
            "invalid": [format!("{attack} {attack} {attack}"), attack], "renamed": attack, "error": attack,
        });
        log += &chain.record(json!({"m": attack}), more);
        chain.record(json!({}), json!({}));
        log += &chain.record(json!({"m": attack}), json!({}));
        log += &format!("{}\n", json!({"no seal": attack}));
        log += &format!("{{\"torn {}\n", attack.replace(['\n', '\r'], " "));
    }
    fs::write(directory.join("log.ndjson"), log).expect("written");
    let entry = |at: usize, attack: &str| {
        json!({
            "node": attack, "chain": format!("{at:012}"), "created": "2026-11-20T08:00:00Z",
            "key": "1FfkkuPMRVyG0QhvsaQ6eyQZS-zIZPThpNYFUtrBcZI",
        })
    };
    let roster: Vec<_> = ATTACKS.iter().enumerate().map(|(at, attack)| entry(at, attack)).collect();
    fs::write(directory.join("roster.json"), json!(roster).to_string()).expect("written");
    // A file name cannot contain `/`.
    fs::write(directory.join("<img src=x onerror=window.hit=1>\u{202e}.ndjson"), "{\"torn").expect("written");
}

pub(super) const ARGUMENTS: [&str; 2] =
    ["<img src=x onerror=window.hit=1>\u{202e}.ndjson", "--since=2026-11-20"];

#[test]
fn nothing_of_a_log_becomes_markup() {
    let dir = tempfile::tempdir().expect("a directory");
    write(dir.path());
    let text = page(dir.path(), &ARGUMENTS);
    let page = Page::read(&text);
    page.check_references();
    assert_eq!((page.count("script"), page.count("style"), page.count("title")), (1, 1, 1));
    // The policy comes before everything that it restricts, and it allows hashes only.
    let policy = &page.elements[3].1["content"];
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    // Names of nodes and rules are still shown.
    assert!(page.text().contains("<script>window.hit=1;alert(1)</script>"), "{}", page.text());
}

#[test]
fn nothing_of_a_log_is_invisible() {
    let dir = tempfile::tempdir().expect("a directory");
    write(dir.path());
    let text = page(dir.path(), &ARGUMENTS);
    let is_hidden = |character: &char| {
        character.is_control() && *character != '\n'
            || matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
            || matches!(character, '\u{feff}' | '\u{e0000}'..='\u{e007f}')
    };
    let hidden: Vec<char> = text.chars().filter(is_hidden).collect();
    assert!(hidden.is_empty(), "{hidden:?}");
    assert!(text.contains("\\u{202e}gnp.exe"), "what was hidden is written out");
}
