//! Compiles the notation of tokens' shapes into the shapes of a table.
//!
//! `dop_v1_{h64}` is `dop_v1_` and 64 characters of the alphabet `h`; `{w20-60}` is 20 to
//! 60 of `w`, `{B200+}` is 200 and more; `{uuid}` is a UUID in small letters. Spaces
//! separate alternatives.

use flb_audit_core::policy::{Alphabet, Part, Shape};

/// The number of characters of a token that trigger, and the minimum of it.
const TRIGGER_CHARS: usize = 3;
const TRIGGER_CHARS_MIN: usize = 2;
/// Ends of literals that occur in most records of Kubernetes' audit log. More characters
/// have to trigger in their place, and in place of ends that occur in UUIDs and
/// addresses.
const COMMON_ENDS: [&str; 4] = ["es/", "it.", "v1.", "nt-"];
const COMMON_CHARS: usize = 9;
/// The maximum length of a run for which a shape sets no limit.
const RUN_MAX: u16 = 1024;

/// The shapes of a detector, and the trigger of all of them.
pub(crate) struct Shapes {
    pub(crate) table: Vec<u8>,
    pub(crate) trigger: String,
}

/// Reads shapes. An error names the shape that is wrong.
pub(crate) fn read(text: &str) -> Result<Shapes, String> {
    let mut triggers = Vec::new();
    let mut shapes = Vec::new();
    for text in text.split(' ') {
        let parts = parts(text).ok_or_else(|| format!("`{text}` is no shape"))?;
        let (trigger, lead_len) = trigger(&parts).ok_or_else(|| format!("nothing triggers `{text}`"))?;
        let trigger = regex_syntax::escape(&trigger);
        if !triggers.contains(&trigger) {
            triggers.push(trigger);
        }
        shapes.push(Shape { lead_len, parts });
    }
    let table = Shape::write(&shapes).ok_or("too long")?;
    Ok(Shapes { table, trigger: triggers.join("|") })
}

/// Returns the trigger of some shapes.
pub fn triggers(text: &str) -> Result<String, String> {
    read(text).map(|shapes| shapes.trigger)
}

/// Returns the parts of one shape.
fn parts(text: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let open = rest.find('{').unwrap_or(rest.len());
        if open > 0 {
            parts.push(Part::Literal(rest.as_bytes()[..open].to_vec()));
        }
        let Some(run) = rest.get(open + 1..) else { break };
        let (run, behind) = run.split_once('}')?;
        rest = behind;
        if run == "uuid" {
            for (at, count) in [8, 4, 4, 4, 12].into_iter().enumerate() {
                if at > 0 {
                    parts.push(Part::Literal(b"-".to_vec()));
                }
                parts.push(Part::Run(Alphabet::SmallHex, count, count));
            }
            continue;
        }
        let (class, count) = run.split_at_checked(1)?;
        let (least, most) = match (count.strip_suffix('+'), count.split_once('-')) {
            (Some(least), _) => (least.parse().ok()?, RUN_MAX),
            (None, Some((least, most))) => (least.parse().ok()?, most.parse().ok()?),
            (None, None) => (count.parse().ok()?, count.parse().ok()?),
        };
        parts.push(Part::Run(alphabet(class)?, least, most));
    }
    Some(parts)
}

fn alphabet(class: &str) -> Option<Alphabet> {
    Some(match class {
        "d" => Alphabet::Digits,
        "h" => Alphabet::SmallHex,
        "x" => Alphabet::Hex,
        "l" => Alphabet::SmallLettersAndDigits,
        "U" => Alphabet::CapitalsAndDigits,
        "a" => Alphabet::LettersAndDigits,
        "w" => Alphabet::Base64Url,
        "b" => Alphabet::Base64,
        "B" => Alphabet::PaddedBase64,
        "p" => Alphabet::Printable,
        _ => return None,
    })
}

/// Returns the characters that trigger, and the distance from the start of the token to
/// their end. They are the last characters of the first literal that is long enough and
/// has a fixed place.
fn trigger(parts: &[Part]) -> Option<(String, u8)> {
    let mut at = 0;
    let mut best: Option<(String, u8)> = None;
    for part in parts {
        match part {
            Part::Literal(bytes) => {
                let end = u8::try_from(at + bytes.len()).ok()?;
                let mut tail = &bytes[bytes.len().saturating_sub(TRIGGER_CHARS)..];
                if tail.iter().all(u8::is_ascii_alphabetic) {
                    // Three letters occur in many words.
                    tail = &bytes[bytes.len().saturating_sub(TRIGGER_CHARS + 1)..];
                }
                let is_of_ids = tail.iter().all(|byte| byte.is_ascii_hexdigit() || b"-.".contains(byte));
                if is_of_ids || COMMON_ENDS.iter().any(|end| tail == end.as_bytes()) {
                    tail = &bytes[bytes.len().saturating_sub(COMMON_CHARS)..];
                }
                let is_longer = best.as_ref().is_none_or(|(other, _)| tail.len() > other.len());

                if tail.len() >= TRIGGER_CHARS_MIN && is_longer {
                    best = Some((String::from_utf8(tail.to_vec()).ok()?, end));
                }
                at += bytes.len();
            }
            Part::Run(_, least, most) if least == most => at += usize::from(*least),
            Part::Run(..) => break,
        }
        if best.as_ref().is_some_and(|(trigger, _)| trigger.len() >= TRIGGER_CHARS) {
            break;
        }
    }
    best
}
