//! The path of the value that a walk looks at, in the notation of the evidence.

use super::level::{Level, NO_KEY};
use crate::memory::{OutOfMemory, put, put_byte};
use crate::policy::paths::Ruling;
use crate::record::tape::Tape;
use crate::text;
use crate::text::{Characters, inner};
use alloc::vec::Vec;

/// The maximum length of a path in the evidence, in bytes, and of one key in characters.
const PATH_BYTES_MAX: usize = 512;
const PATH_KEY_BYTES_MAX: usize = 64;

/// Says whether a path shows its last key, which may itself have to be redacted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    Shown,
    Hidden,
}

/// Writes the path of the value that is being looked at. The keys within a value to which a rule
/// applies are a part of what has to go, and are hidden.
pub(super) fn write_path(
    level: &Level,
    source: &[u8],
    last: Last,
    path: &mut Vec<u8>,
) -> Result<(), OutOfMemory> {
    path.clear();
    put(path, &level.path)?;
    for (at, frame) in level.open.iter().enumerate() {
        if path.len() > PATH_BYTES_MAX {
            return put(path, b"...");
        }
        if frame.key == NO_KEY {
            put(path, b"[]")?;
            continue;
        }
        if !matches!(path.last(), None | Some(b'|')) {
            put_byte(path, b'.')?;
        }
        let is_own_key_hidden = last == Last::Hidden && at + 1 == level.open.len();
        if is_own_key_hidden || matches!(frame.place.ruling, Ruling::Rule(_)) {
            put_byte(path, b'*')?;
        } else {
            write_key(&level.tape, source, frame.key as usize, path)?;
        }
    }
    Ok(())
}

/// Writes a key as it stands in a path: in quotes if it has other characters than
/// letters, digits, `_` and `-`, and cut if it is too long.
fn write_key(tape: &Tape, source: &[u8], key: usize, path: &mut Vec<u8>) -> Result<(), OutOfMemory> {
    let Some(node) = tape.nodes.get(key) else {
        return Ok(());
    };
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let token = tape.text(node, source);
    let text = inner(token);
    if text.len() <= PATH_KEY_BYTES_MAX && !text.is_empty() && text.iter().all(is_plain) {
        return put(path, text);
    }
    let mut start = [0; 4 * PATH_KEY_BYTES_MAX];
    let mut len = 0;
    let mut characters = Characters::of(text);
    for character in characters.by_ref().take(PATH_KEY_BYTES_MAX) {
        len += character.encode_utf8(&mut start[len..]).len();
    }
    text::write(&start[..len], path)?;
    if characters.next().is_some() { put(path, b"...") } else { Ok(()) }
}
