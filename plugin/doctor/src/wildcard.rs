//! Wildcards: the tags that a `match` matches, and the files that an include names.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// The maximum number of directory entries that one include examines.
const NAMES_MAX: usize = 10_000;
/// The maximum length of a pattern that is compared, in bytes. The work is the product of
/// two lengths.
const PATTERN_BYTES_MAX: usize = 1024;

/// The answer to a question about tags. Some tags are known only when Fluent Bit runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fit {
    No,
    Maybe,
    Yes,
}

/// Compares a `match` with a tag in which `*` stands for unknown text.
pub(crate) fn fit(pattern: &str, tag: &str) -> Fit {
    let (pattern, tag) = (pattern.as_bytes(), tag.as_bytes());
    if pattern.len() > PATTERN_BYTES_MAX || tag.len() > PATTERN_BYTES_MAX {
        return Fit::Maybe;
    }
    if fits_all(pattern, tag) {
        Fit::Yes
    } else if fits_some(pattern, tag) {
        Fit::Maybe
    } else {
        Fit::No
    }
}

/// Checks whether the pattern matches a path. Its `*` matches slashes, too.
pub(crate) fn fits(pattern: &str, path: &str) -> bool {
    pattern.len() <= PATTERN_BYTES_MAX && fits_name(pattern.as_bytes(), path.as_bytes())
}

/// Checks whether the pattern matches a name. `?` matches one byte.
fn fits_name(pattern: &[u8], name: &[u8]) -> bool {
    table(pattern, name, |pattern, name| pattern == name || pattern == b'?', |_| false)
}

/// Checks whether the pattern matches every possible tag. Only the pattern's own `*` can
/// match a `*` of the tag.
fn fits_all(pattern: &[u8], tag: &[u8]) -> bool {
    table(pattern, tag, |pattern, tag| pattern == tag && tag != b'*', |_| false)
}

/// Checks whether the pattern matches some possible tag.
fn fits_some(pattern: &[u8], tag: &[u8]) -> bool {
    table(pattern, tag, |pattern, tag| pattern == tag, |tag| tag == b'*')
}

/// Compares a pattern and a text, with one row for each byte of the pattern. `is_open`
/// marks the bytes of the text that stand for any text.
fn table(pattern: &[u8], text: &[u8], is_equal: fn(u8, u8) -> bool, is_open: fn(u8) -> bool) -> bool {
    let mut row = vec![false; text.len() + 1];
    row[0] = true;
    for at in 0..text.len() {
        row[at + 1] = row[at] && is_open(text[at]);
    }
    for &byte in pattern {
        let mut next = vec![false; text.len() + 1];
        next[0] = row[0] && byte == b'*';
        for at in 0..text.len() {
            next[at + 1] = if byte == b'*' {
                row[at + 1] || next[at]
            } else if is_open(text[at]) {
                // The `*` stands for this byte and what follows, or for nothing.
                row[at + 1] || row[at] || next[at]
            } else {
                row[at] && is_equal(byte, text[at])
            };
        }
        row = next;
    }
    row[text.len()]
}

/// Returns the files that match a path with `*` and `?`, in the order of their names.
pub(crate) fn files(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    let mut looked_at = 0;
    for component in pattern.components() {
        let Component::Normal(name) = component else {
            found.iter_mut().for_each(|path| path.push(component));
            continue;
        };
        let name = name.as_encoded_bytes();
        if !name.iter().any(|byte| matches!(byte, b'*' | b'?')) {
            found.iter_mut().for_each(|path| path.push(component));
            continue;
        }
        let mut next = Vec::new();
        for directory in found {
            let here = if directory.as_os_str().is_empty() { Path::new(".") } else { &directory };
            let Ok(entries) = fs::read_dir(here) else { continue };
            for entry in entries.flatten() {
                looked_at += 1;
                if looked_at > NAMES_MAX {
                    break;
                }
                let entry = entry.file_name();
                let is_hidden = entry.as_encoded_bytes().starts_with(b".") && !name.starts_with(b".");
                if !is_hidden && fits_name(name, entry.as_encoded_bytes()) {
                    next.push(directory.join(entry));
                }
            }
        }
        next.sort();
        found = next;
    }
    found.retain(|path| path.exists());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_match_fits_tags_as_in_fluent_bit() {
        for (pattern, tag, expected) in [
            ("*", "kube.audit", Fit::Yes),
            ("*", "", Fit::Yes),
            ("kube.*", "kube.", Fit::Yes),
            ("*.audit", "kube.audit", Fit::Yes),
            ("*.audit", "kube.audit.x", Fit::No),
            ("kube.audit", "Kube.audit", Fit::No),
            ("a*b*c", "a1b2b3c", Fit::Yes),
            ("kube.*", "kube.*", Fit::Yes),
            ("kube.var.*", "kube.*", Fit::Maybe),
            ("*.log", "kube.*", Fit::Maybe),
            ("kube.*.log", "kube.*", Fit::Maybe),
            ("app.*", "kube.*", Fit::No),
            ("app", "*", Fit::Maybe),
            ("x", "x*", Fit::Maybe),
            ("", "", Fit::Yes),
            ("", "a", Fit::No),
        ] {
            assert_eq!(fit(pattern, tag), expected, "{pattern} and {tag}");
        }
    }
}
