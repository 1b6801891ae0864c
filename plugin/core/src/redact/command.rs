//! Passwords in options of one letter, such as `-p`.

use super::steps::{self, Steps};
use super::validate::is_placeholder;
use super::value;
use crate::policy::Validator;
use core::ops::Range;

/// The maximum distance from an option back to its command, in bytes.
const COMMAND_BYTES_MAX: usize = 256;

/// The way in which an option takes its password.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Directly behind the letter only: `-phunter2`.
    Attached,
    /// Directly behind the letter, or as the next word.
    Any,
    /// Behind the user and this byte: `-u user:hunter2`.
    Behind(u8),
}

/// Each entry has the command's name; true if that is the whole name, and not only its
/// start; the letter; and the form.
const COMMANDS: &[(&[u8], bool, u8, Form)] = &[
    (b"mysql", false, b'p', Form::Attached),
    (b"mariadb", false, b'p', Form::Attached),
    (b"mongo", false, b'p', Form::Any),
    (b"curl", true, b'u', Form::Behind(b':')),
    (b"curl", true, b'U', Form::Behind(b':')),
    (b"http", true, b'a', Form::Behind(b':')),
    (b"https", true, b'a', Form::Behind(b':')),
    (b"sshpass", true, b'p', Form::Any),
    (b"login", true, b'p', Form::Any),
    (b"redis-cli", true, b'a', Form::Any),
    (b"valkey-cli", true, b'a', Form::Any),
    (b"sqlcmd", true, b'P', Form::Any),
    (b"bcp", true, b'P', Form::Any),
    (b"isql", true, b'P', Form::Any),
    (b"osql", true, b'P', Form::Any),
    (b"tsql", true, b'P', Form::Any),
    (b"ldap", false, b'w', Form::Any),
    (b"mosquitto_", false, b'P', Form::Any),
    (b"ipmitool", true, b'P', Form::Any),
    (b"smbclient", true, b'U', Form::Behind(b'%')),
    (b"rpcclient", true, b'U', Form::Behind(b'%')),
    (b"net", true, b'U', Form::Behind(b'%')),
    (b"7z", false, b'p', Form::Attached),
    (b"rar", true, b'p', Form::Attached),
    (b"unrar", true, b'p', Form::Attached),
    (b"zip", true, b'P', Form::Any),
    (b"unzip", true, b'P', Form::Any),
    (b"lftp", true, b'u', Form::Behind(b',')),
    (b"useradd", true, b'p', Form::Any),
    (b"usermod", true, b'p', Form::Any),
    (b"ncftp", false, b'p', Form::Any),
    (b"cqlsh", true, b'p', Form::Any),
    (b"vncpasswd", true, b'p', Form::Any),
    (b"ansible-vault", true, b'p', Form::Any),
];

/// Returns the password of the option whose letter is the last byte of a trigger.
pub(super) fn option(
    text: &[u8],
    trigger_end: usize,
    from: usize,
    steps: &mut Steps,
) -> Option<(Validator, Range<usize>)> {
    let [before, b'-', letter] = text.get(trigger_end.checked_sub(3)?..trigger_end)? else { return None };
    if before.is_ascii_alphanumeric() || !letter.is_ascii_alphabetic() {
        return None;
    }
    let head = text.get(trigger_end.saturating_sub(COMMAND_BYTES_MAX)..trigger_end - 2)?;
    let is_break = |byte: &u8| matches!(byte, b'\n' | b';' | b'|' | b'&' | b'(' | b'`');
    let start = head.iter().rposition(is_break).map_or(0, |at| at + 1);
    let is_gap =
        |byte: &u8| *byte <= b' ' || matches!(byte, b'/' | b'"' | b'\'' | b',' | b'[' | b'=' | b'\\');
    let head = head.get(start..)?;
    steps.take(steps::WALK * head.len()).ok()?;
    let words = head.split(is_gap).filter(|word| !matches!(word, [] | [b'-', ..]));
    let fits = |word: &[u8], (name, is_whole, by, _): &(&[u8], bool, u8, Form)| {
        by == letter && if *is_whole { word == *name } else { word.starts_with(name) }
    };
    let form = words
        .filter_map(|word| COMMANDS.iter().find(|entry| fits(word, entry)))
        .map(|entry| entry.3)
        .next_back()?;
    let is_attached = text
        .get(trigger_end)
        .is_some_and(|byte| *byte > b' ' && !matches!(byte, b'"' | b'\'' if before == byte));
    let start = match (is_attached, form) {
        (true, _) => trigger_end,
        (false, Form::Attached) => return None,
        (false, _) => {
            let rest = text.get(trigger_end..)?;
            let is_between = |byte: &u8| matches!(byte, b' ' | b'\t' | b',') || byte == before;
            trigger_end + rest.iter().take(8).take_while(|byte| is_between(byte)).count()
        }
    };
    // `-passin`, `-url` are other options.
    if text.get(start) == Some(&b'-') || start < from {
        return None;
    }
    let part = value::read(text, start, steps)?.part;
    let value = text.get(part.clone())?;
    let part = match form {
        Form::Behind(separator) => {
            part.start + value.iter().position(|byte| *byte == separator)? + 1..part.end
        }
        _ => part,
    };
    let value = text.get(part.clone())?;
    (!value.is_empty() && !is_placeholder(value)).then_some((Validator::Option, part))
}
