//! Cases in files: a line has a detector's name, a tab, and a text in which the part to
//! redact stands between `⟦` and `⟧`.
//!
//! Secrets are generated here, so that no file contains one: `{w40}` is 40 letters and
//! digits, in the alphabets of `detectors::shape`; `{crc:ghp_}` is a token with 30
//! characters behind its prefix and the checksum of GitHub and npm; `{nl}` is a line
//! feed.

use crate::matcher::Hit;

/// Returns the cases of a file: each detector's name, and the text.
pub(crate) fn cases(file: &'static str) -> impl Iterator<Item = (&'static str, String)> {
    file.lines().map(|line| {
        let (name, text) = line.split_once('\t').expect("a name and a text");
        (name, written(text))
    })
}

/// Checks that the hits in a text are the marked parts, or prints how they differ.
pub(crate) fn is_met(name: &str, expected: &str, find: impl FnOnce(&[u8]) -> Vec<Hit>) -> bool {
    let text = bare(expected);
    let (mut found, mut from) = (String::new(), 0);
    for hit in find(text.as_bytes()) {
        found += &format!("{}⟦{}⟧", &text[from..hit.part.start], &text[hit.part.clone()]);
        from = hit.part.end;
    }
    found += &text[from..];
    if found != expected {
        println!("{name}: {found}\n  and not {expected}");
    }
    found == expected
}

/// Returns the text without its marks.
pub(crate) fn bare(expected: &str) -> String {
    expected.replace(['⟦', '⟧'], "")
}

/// Returns the text with the generated parts in place of those in braces. Other braces
/// stay.
fn written(text: &str) -> String {
    let (mut out, mut rest, mut random) = (String::new(), text, 11u32);
    while let Some((head, tail)) = rest.split_once('{') {
        out += head;
        match tail.split_once('}').and_then(|(run, behind)| Some((one(run, &mut random)?, behind))) {
            Some((run, behind)) => {
                out += &run;
                rest = behind;
            }
            None => {
                out.push('{');
                rest = tail;
            }
        }
    }
    out + rest
}

fn one(run: &str, random: &mut u32) -> Option<String> {
    if run == "nl" {
        return Some("\n".into());
    }
    if let Some(prefix) = run.strip_prefix("crc:") {
        return Some(with_checksum(prefix, &letters("w30", random)?));
    }
    letters(run, random)
}

/// Returns as many letters of an alphabet as `w40` and the like say.
fn letters(run: &str, random: &mut u32) -> Option<String> {
    let letters = match run.chars().next()? {
        'd' => "0123456789",
        'h' | 'x' => "0123456789abcdef",
        'l' => "abcdefghijklmnopqrstuvwxyz0123456789",
        'U' => "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
        'w' | 'a' | 'b' | 'B' | 'p' => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
        _ => return None,
    };
    let letter = |_| {
        *random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        letters.as_bytes()[(*random >> 16) as usize % letters.len()] as char
    };
    Some((0..run.get(1..)?.parse().ok()?).map(letter).collect())
}

/// Returns a token whose last six digits, in base 62, are the CRC-32 of its body.
fn with_checksum(prefix: &str, body: &str) -> String {
    let mut crc = u32::MAX;
    for byte in body.bytes() {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc % 2 == 0 { crc / 2 } else { (crc / 2) ^ 0xEDB8_8320 };
        }
    }
    let digits: Vec<char> = ('0'..='9').chain('A'..='Z').chain('a'..='z').collect();
    let digit = |place: u32| digits[(!crc / 62u32.pow(place)) as usize % 62];
    format!("{prefix}{body}{}", (0..6).rev().map(digit).collect::<String>())
}
