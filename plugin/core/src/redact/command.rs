//! Passwords in options of commands, such as `-p` and `--user name:password`.

use super::arguments;
use super::steps::{self, Steps};
use super::validate::{NO_PASSWORD, is_placeholder, is_prose, is_random_value, is_short_password};
use super::value;
use core::ops::Range;

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
    (b"curl", true, b'E', Form::Behind(b':')),
    (b"http", true, b'a', Form::Behind(b':')),
    (b"xh", true, b'a', Form::Behind(b':')),
    (b"ab", true, b'A', Form::Behind(b':')),
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
    (b"ldappasswd", true, b's', Form::Any),
    (b"openssl", true, b'k', Form::Any),
    (b"openssl", true, b'K', Form::Any),
    (b"swift", true, b'K', Form::Any),
    (b"snmp", false, b'A', Form::Any),
    (b"snmp", false, b'X', Form::Any),
    (b"kadmin", true, b'w', Form::Any),
    (b"ipa-client-install", true, b'w', Form::Any),
    (b"vsql", true, b'w', Form::Any),
    (b"security", true, b'w', Form::Any),
    (b"security", true, b'p', Form::Any),
    (b"security", true, b'P', Form::Any),
    (b"certutil", true, b'p', Form::Any),
    (b"veracrypt", true, b'p', Form::Any),
    (b"p4", true, b'P', Form::Any),
    (b"winexe", true, b'U', Form::Behind(b'%')),
];

/// The letters of these options: bit n stands for the letter whose lowest six bits are n.
const LETTERS: u64 = {
    let (mut letters, mut at) = (1 << (b'p' & 63) | 1 << (b'P' & 63), 0);
    while at < COMMANDS.len() {
        letters |= 1 << (COMMANDS[at].2 & 63);
        at += 1;
    }
    letters
};

/// Options of several letters whose value is a user and a password.
const USER_OPTIONS: [&[u8]; 7] =
    [b"user", b"proxy-user", b"creds", b"src-creds", b"dest-creds", b"cert", b"auth"];

/// Returns the password of the option or the command that a trigger ends in or behind.
pub(super) fn password(
    text: &[u8],
    trigger_end: usize,
    from: usize,
    steps: &mut Steps,
) -> Option<Range<usize>> {
    let before = text.get(..trigger_end)?;
    let part = match before {
        [.., before, b'-', letter] if letter.is_ascii_alphabetic() => {
            short_option(text, trigger_end, *before, *letter, steps)
        }
        [.., b' ', b'/', b'p' | b'P', b':'] => windows_option(text, trigger_end, b"/u:", steps),
        [.., b' ', b'/', b'r' | b'R', b'p' | b'P', b' '] => windows_option(text, trigger_end, b"/ru", steps),
        [.., b' ' | b'='] => behind_word(text, trigger_end, steps),
        _ => None,
    };
    part.filter(|part| part.start >= from && !part.is_empty())
}

/// The maximum length of a word that is looked for before a space or a sign, in bytes.
const WORD_BYTES_MAX: usize = 12;

/// Returns the password behind a long option, or among the arguments of a command.
#[inline(never)]
fn behind_word(text: &[u8], at: usize, steps: &mut Steps) -> Option<Range<usize>> {
    let before = text.get(at.saturating_sub(WORD_BYTES_MAX + 1)..at - 1)?;
    let is_letter = |byte: &&u8| byte.is_ascii_alphabetic() || **byte == b'-';
    let word = before.get(before.len() - before.iter().rev().take_while(is_letter).count()..)?;
    if let Some(name) = word.strip_prefix(b"-") {
        let name = name.strip_prefix(b"-").unwrap_or(name);
        return if USER_OPTIONS.contains(&name) { long_option(text, at, steps) } else { None };
    }
    match word {
        b"sqlplus" | b"expdp" | b"impdp" => arguments::of_oracle(text, at, steps),
        b"login" | b"unseal" => arguments::first(text, at, steps),
        _ if word.eq_ignore_ascii_case(b"user") || word.eq_ignore_ascii_case(b"use") => {
            arguments::of_net(text, at, steps)
        }
        _ => None,
    }
}

/// Returns the password in `/p:…`, if the option for the user stands before it.
#[inline(never)]
fn windows_option(text: &[u8], at: usize, user: &[u8], steps: &mut Steps) -> Option<Range<usize>> {
    let head = arguments::head(text, at);
    steps.take(steps::WALK * head.len()).ok()?;
    if !arguments::words(head)
        .any(|word| word.len() >= user.len() && word[..user.len()].eq_ignore_ascii_case(user))
    {
        return None;
    }
    let part = value::read(text, at, steps)?.part;
    (!is_placeholder(text.get(part.clone())?)).then_some(part)
}

/// Returns the password in `--user name:password`.
fn long_option(text: &[u8], at: usize, steps: &mut Steps) -> Option<Range<usize>> {
    behind(text, value::read(text, at, steps)?.part, b':').filter(|part| {
        // Numbers and plain words are groups: `--user 1000:1000`, `--user node:node`.
        text.get(part.clone())
            .is_some_and(|value| is_short_password(value) && !is_number(value) && !is_prose(value))
    })
}

/// Returns the part of a value behind the user and a separator. A token may be the user: then the
/// password is empty, or a fixed word.
#[inline(never)]
fn behind(text: &[u8], part: Range<usize>, separator: u8) -> Option<Range<usize>> {
    let value = text.get(part.clone())?;
    let len = value.iter().position(|byte| *byte == separator)?;
    let (user, password) = (value.get(..len)?, value.get(len + 1..)?);
    if password == NO_PASSWORD || password.is_empty() && is_random_value(user) {
        return Some(part.start..part.start + len);
    }
    Some(part.start + len + 1..part.end)
}

/// Checks whether a value is a number, a port, an address or a range of them.
fn is_number(value: &[u8]) -> bool {
    let is_port = value.first().is_some_and(u8::is_ascii_digit) && value.contains(&b':');
    is_port || !value.iter().any(u8::is_ascii_alphabetic)
}

/// Returns the password of an option of one letter.
fn short_option(text: &[u8], at: usize, before: u8, letter: u8, steps: &mut Steps) -> Option<Range<usize>> {
    if before.is_ascii_alphanumeric() || LETTERS & 1 << (letter & 63) == 0 {
        return None;
    }
    let head = arguments::head(text, at - 2);
    // Each word of it is compared with all commands.
    steps.take(2 * steps::WALK * head.len()).ok()?;
    let is_gap =
        |byte: &u8| *byte <= b' ' || matches!(byte, b'/' | b'"' | b'\'' | b',' | b'[' | b'=' | b'\\');
    let words = head.split(is_gap).filter(|word| !matches!(word, [] | [b'-', ..]));
    let fits = |word: &[u8], (name, is_whole, by, _): &(&[u8], bool, u8, Form)| {
        let word = word.strip_suffix(b".exe").unwrap_or(word);
        *by == letter && if *is_whole { word == *name } else { word.starts_with(name) }
    };
    let known = words
        .filter_map(|word| COMMANDS.iter().find(|entry| fits(word, entry)))
        .map(|entry| entry.3)
        .next_back();
    let form = known.or_else(|| (matches!(letter, b'p' | b'P') && has_user(head)).then_some(Form::Any))?;
    let is_attached =
        text.get(at).is_some_and(|byte| *byte > b' ' && !matches!(byte, b'"' | b'\'' if before == *byte));
    let start = match (is_attached, form) {
        (true, _) => at,
        (false, Form::Attached) => return None,
        (false, _) => {
            let rest = text.get(at..)?;
            let is_between = |byte: &u8| matches!(byte, b' ' | b'\t' | b',') || *byte == before;
            let next = at + rest.iter().take(8).take_while(|byte| is_between(byte)).count();
            arguments::skip_field(text, next)
        }
    };
    // `-passin`, `-url` are other options.
    if text.get(start) == Some(&b'-') || is_attached && known.is_none() {
        return None;
    }
    let part = value::read(text, start, steps)?.part;
    let part = match form {
        Form::Behind(separator) => behind(text, part, separator)?,
        _ => part,
    };
    let value = text.get(part.clone())?;
    let is_password = match known {
        Some(_) => !value.is_empty() && !is_placeholder(value),
        None => is_short_password(value) && !is_number(value) && !is_prose(value),
    };
    is_password.then_some(part)
}

/// Checks whether a command has an option for a user, with its value.
fn has_user(head: &[u8]) -> bool {
    let mut words = arguments::words(head).peekable();
    while let Some(word) = words.next() {
        let is_user = matches!(word, b"-u" | b"-U" | b"-l" | b"-n" | b"--user" | b"--username" | b"-user");
        if is_user && words.peek().is_some_and(|value| value.first() != Some(&b'-')) {
            return true;
        }
    }
    false
}
