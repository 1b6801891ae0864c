//! Checks of `tail`: lines that it does not read, or reads twice.

use super::{Check, Hit, Scene, Severity};
use crate::config::{Section, Setting, size};
use crate::wildcard;
use std::collections::BTreeMap;
use std::path::Path;

/// The maximum length of lines in most logs, in bytes. Lines of Kubernetes are often
/// longer than 77 KB.
const LINE_BYTES_WANTED: u64 = 1_000_000;
/// The length that the filter accepts.
const BUFFER_MAX_SIZE: &str = "16M";

pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "tail-long-line",
        severity: Severity::Error,
        why: "At the first line that is longer than `buffer_max_size`, `tail` stops reading the file for good. What \
              was sealed until then verifies, and nothing says that the rest is missing.",
        remedy: "Set `skip_long_lines`. A line that is longer is then dropped, with a warning in Fluent Bit's log; \
                 `buffer_max_size` says which.",
        find: |scene| {
            let stops = |tail: &Section| tail.is_off("skip_long_lines") && tail.is_off("truncate_long_lines");
            tails(scene, stops, |at, tail| {
                let limit = tail.text("buffer_max_size").unwrap_or("32k");
                let message = format!("tail stops reading a file at the first line over {limit}");
                Hit::new(tail.place, message).set(at, "skip_long_lines", "on")
            })
        },
    },
    Check {
        id: "tail-buffer",
        severity: Severity::Warning,
        why: "Lines that are longer than `buffer_max_size`, 32k if it is not set, are not read. Audit events of \
              Kubernetes are often longer than 77 KB.",
        remedy: "Set `buffer_max_size` to more than your longest line. The filter takes records of up to 16 MiB. The \
                 buffer grows only when a line needs it.",
        find: |scene| {
            let is_small = |tail: &Section| match tail.setting("buffer_max_size") {
                Setting::Absent => true,
                Setting::Unknown => false,
                Setting::Is(value) => size(value).is_some_and(|bytes| bytes < LINE_BYTES_WANTED),
            };
            tails(scene, is_small, |at, tail| {
                let limit = tail.text("buffer_max_size").unwrap_or("32k");
                Hit::new(tail.place_of("buffer_max_size"), format!("lines over {limit} are lost")).set(
                    at,
                    "buffer_max_size",
                    BUFFER_MAX_SIZE,
                )
            })
        },
    },
    Check {
        id: "tail-truncates",
        severity: Severity::Warning,
        why: "With `truncate_long_lines` a long line is cut before it is sealed. The cut line is not JSON \
              any more, and the rest of the line is lost.",
        remedy: "Set `buffer_max_size` to more than your longest line, and use `skip_long_lines` instead.",
        find: |scene| {
            tails(
                scene,
                |tail| tail.is_on("truncate_long_lines"),
                |at, tail| {
                    Hit::new(tail.place_of("truncate_long_lines"), "long lines are cut")
                        .set(at, "truncate_long_lines", "off")
                        .set(at, "skip_long_lines", "on")
                },
            )
        },
    },
    Check {
        id: "tail-db",
        severity: Severity::Error,
        why: "Without a database, `tail` forgets at each restart how far it has read. It then begins at the end of each \
              file, so that lines are lost, or, with `read_from_head`, at the beginning, so that all lines come again.",
        remedy: "Set `db` to a file of its own for each `tail`, on a disk that outlives the restart.",
        find: |scene| {
            tails(
                scene,
                |tail| tail.setting("db").is_absent(),
                |at, tail| {
                    let message = "tail forgets at a restart how far it was";
                    Hit::new(tail.place, message).set(
                        at,
                        "db",
                        format!("/var/lib/fluent-bit/{}.db", stem(tail)),
                    )
                },
            )
        },
    },
    Check {
        id: "tail-db-shared",
        severity: Severity::Error,
        why: "Two inputs with one database overwrite each other's positions, and clean up each other's files.",
        remedy: "Give each `tail` a database of its own.",
        find: |scene| {
            let (mut seen, mut hits) = (BTreeMap::new(), Vec::new());
            for (index, tail) in scene.inputs().filter(|(_, input)| input.is("tail")) {
                let Some(db) = tail.text("db") else { continue };
                if let Some(first) = seen.insert(db, index) {
                    let line = scene.config.sections[first].place.line;
                    let message = format!("{db} is the database of the input in line {line}, too");
                    hits.push(Hit::new(tail.place_of("db"), message));
                }
            }
            hits
        },
    },
    Check {
        id: "tail-start",
        severity: Severity::Warning,
        why: "A file that is not in the database is read from its end: lines from before the first start are never \
              read, and neither is a file that was made while Fluent Bit was stopped.",
        remedy: "Set `read_from_head`.",
        find: |scene| {
            tails(
                scene,
                |tail| tail.is_off("read_from_head"),
                |at, tail| {
                    let message = "lines from before the first start are not read";
                    Hit::new(tail.place_of("read_from_head"), message).set(at, "read_from_head", "on")
                },
            )
        },
    },
    Check {
        id: "tail-rotation",
        severity: Severity::Warning,
        why: "If a file is rotated while Fluent Bit is stopped, the lines that it has not read are in a file with \
              another name, which `path` does not name.",
        remedy: "Let `path` name the rotated files, too, and leave compressed ones out. Fluent Bit forgets a rotated \
                 file when it stops, so after a restart it may read it again: records come twice, and none is lost.",
        find: |scene| {
            let mut hits = Vec::new();
            for (at, tail) in scene.audited().filter(|(_, input)| input.is("tail")) {
                let paths = tail.list("path").unwrap_or_default();
                let wider: Vec<String> = paths.iter().map(|path| with_rotated(path, &paths)).collect();
                let missed: Vec<_> =
                    paths.iter().zip(&wider).filter(|(path, wider)| *path != wider).collect();
                if let Some((path, _)) = missed.first() {
                    let message = format!("{path} misses the file that it becomes when it is rotated");
                    let hit = Hit::new(tail.place_of("path"), message).set(at, "path", wider.join(","));
                    let has_exclude = tail.has("exclude_path");
                    hits.push(if has_exclude { hit } else { hit.set(at, "exclude_path", "*.gz") });
                }
            }
            hits
        },
    },
    Check {
        id: "tail-ignores",
        severity: Severity::Warning,
        why: "With `ignore_older`, what was written before that time is not read: lines are lost if Fluent Bit was \
              stopped, or held up, for longer.",
        remedy: "Leave `ignore_older` out for logs that are sealed.",
        find: |scene| {
            let ignores = |tail: &Section| tail.text("ignore_older").is_some_and(|time| time.trim() != "0");
            tails(scene, ignores, |_, tail| {
                Hit::new(tail.place_of("ignore_older"), "files that are older than this are left out")
            })
        },
    },
];

/// Returns hits for each `tail` of a sealed log that meets a condition.
fn tails(
    scene: &Scene<'_>,
    is_wrong: impl Fn(&Section) -> bool,
    hit: impl Fn(usize, &Section) -> Hit,
) -> Vec<Hit> {
    let tails = scene.audited().filter(|(_, input)| input.is("tail") && is_wrong(input));
    tails.map(|(index, tail)| hit(index, tail)).collect()
}

/// Returns a name for a database, from the tag or from the log's name.
fn stem(tail: &Section) -> String {
    let path = tail.list("path").and_then(|paths| paths.first().map(|path| path.to_string()));
    let from_path = || Path::new(&path?).file_stem()?.to_str().map(String::from);
    let name = tail.text("tag").map(String::from).or_else(from_path).unwrap_or_default();
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name: String = name.chars().filter(is_plain).collect();
    let name = name.trim_matches('.');
    if name.is_empty() { "tail".into() } else { name.into() }
}

/// Returns the path, or a path that also matches its rotated files.
fn with_rotated(path: &str, others: &[&str]) -> String {
    let Some((directory, name)) = path.rsplit_once('/') else { return path.into() };
    if name.is_empty() || name.contains('[') {
        return path.into();
    }
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => (stem, extension),
        _ => (name, ""),
    };
    let is_covered = |pattern: &str| {
        let plain = |text: &str| text.replace(['*', '?'], "x");
        let stamped = format!("{directory}/{}-2026-11-28T09-41-16.123.{}", plain(stem), plain(extension));
        let numbered = format!("{directory}/{}.1", plain(name));
        let brackets = || pattern.starts_with(&format!("{directory}/{stem}["));
        [stamped, numbered].iter().any(|rotated| wildcard::fits(pattern, rotated)) || brackets()
    };
    if others.iter().any(|pattern| is_covered(pattern)) {
        path.into()
    } else if extension.is_empty() {
        format!("{path},{path}[.-]*")
    } else {
        format!("{directory}/{stem}[.-]*")
    }
}
