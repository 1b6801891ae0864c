//! Secrets that a command is given as plain arguments, or through its standard input:
//! `mysqladmin password …`, `config set authToken …`, `echo … | passwd --stdin`.

use super::bounds::{skip_closers, skip_space};
use super::literal::is_literal;
use super::steps::{self, Steps};
use super::validate::{is_placeholder, is_prose, is_short_password};
use super::value;
use core::ops::Range;

/// The maximum distance from a name back to the start of its command, in bytes.
const COMMAND_BYTES_MAX: usize = 256;

/// Words before a name whose value follows without a sign.
const SETTERS: [&[u8]; 7] = [b"set", b"setx", b"setenv", b"env", b"export", b"config", b"put"];

/// Returns the bytes of the command that stand before `at`.
#[inline(never)]
pub(super) fn head(text: &[u8], at: usize) -> &[u8] {
    let head = text.get(at.saturating_sub(COMMAND_BYTES_MAX)..at).unwrap_or_default();
    let is_break = |at: &usize| match head[*at] {
        b'\n' => *at == 0 || head[at - 1] != b'\\',
        byte => matches!(byte, b';' | b'|' | b'&' | b'(' | b'`'),
    };
    head.get((0..head.len()).rev().find(is_break).map_or(0, |at| at + 1)..).unwrap_or_default()
}

/// Skips the name of a field of Linux' audit records, and the space before it: ` a2=`. Returns `at`
/// if there is none.
pub(super) fn skip_field(text: &[u8], at: usize) -> usize {
    let start = skip_space(text, at);
    let Some([b'a', rest @ ..]) = text.get(start..) else { return at };
    let digits = rest.iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
    if digits > 0 && rest.get(digits) == Some(&b'=') { start + digits + 2 } else { at }
}

/// Returns the words of a command, without quotes.
pub(super) fn words(text: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    let is_gap = |byte: &u8| *byte <= b' ' || matches!(byte, b'"' | b'\'' | b',' | b'[' | b'\\');
    text.split(is_gap).filter(|word| !word.is_empty())
}

/// Returns the place of the next argument from `at` on, and the place behind it. An argument in
/// quotes is returned without them.
#[inline(never)]
fn argument(text: &[u8], at: usize, steps: &mut Steps) -> Option<(Range<usize>, usize)> {
    let start = skip_space(text, at);
    if matches!(text.get(start)?, b'\n' | b'\r' | b';' | b'|' | b'&' | b'<' | b'>') {
        return None;
    }
    if is_literal(text, start) {
        let part = value::read(text, start, steps)?.part;
        let end = part.end + 1;
        return Some((part, end));
    }
    let len = text.get(start..)?.iter().take_while(|byte| **byte > b' ').count();
    steps.take(steps::WALK * len).ok()?;
    Some((start..start + len, start + len)).filter(|_| len > 0)
}

/// Returns the arguments of a command from `at` on that are no options.
#[inline(never)]
fn operands(text: &[u8], at: usize, steps: &mut Steps, take: &mut dyn FnMut(Range<usize>) -> bool) {
    let mut at = at;
    for _ in 0..8 {
        let Some((part, end)) = argument(text, at, steps) else { return };
        at = end;
        let is_option = matches!(text.get(part.start), Some(b'-'));
        if !is_option && !take(part) {
            return;
        }
    }
}

/// Returns the operand with this number.
fn operand(text: &[u8], at: usize, number: usize, steps: &mut Steps) -> Option<Range<usize>> {
    let (mut seen, mut found) = (0, None);
    operands(text, at, steps, &mut |part| {
        seen += 1;
        found = (seen > number).then_some(part);
        found.is_none()
    });
    secret(text, found?)
}

/// Returns the last operand.
fn last_operand(text: &[u8], at: usize, steps: &mut Steps) -> Option<Range<usize>> {
    let mut last = None;
    operands(text, at, steps, &mut |part| {
        last = Some(part);
        true
    });
    secret(text, last?)
}

#[inline(never)]
fn secret(text: &[u8], part: Range<usize>) -> Option<Range<usize>> {
    let value = text.get(part.clone())?;
    (!value.is_empty() && !is_placeholder(value)).then_some(part)
}

/// Returns the secret of a program whose name is `name`.
pub(super) fn of_program(
    text: &[u8],
    name: &Range<usize>,
    from: usize,
    steps: &mut Steps,
) -> Option<Range<usize>> {
    let program = text.get(name.clone())?;
    if program.eq_ignore_ascii_case(b"ConvertTo-SecureString") {
        return operand(text, name.end, 0, steps).filter(|part| part.start >= from);
    }
    let part = match program {
        b"passwd" if words(head(text, name.start)).next_back() == Some(b"openssl") => {
            last_operand(text, name.end, steps)
        }
        b"passwd" | b"chpasswd" | b"password-stdin" => {
            let given = input(text, name, steps)?;
            match text.get(given.clone())?.iter().position(|byte| *byte == b':') {
                Some(user) if program == b"chpasswd" => Some(given.start + user + 1..given.end),
                _ => Some(given),
            }
        }
        b"htpasswd" | b"mosquitto_passwd" => {
            let (options, _) = argument(text, name.end, steps)?;
            let is_batch = matches!(text.get(options)?, [b'-', letters @ ..] if letters.contains(&b'b'));
            is_batch.then(|| last_operand(text, name.end, steps)).flatten()
        }
        b"change_password" | b"wpa_passphrase" => operand(text, name.end, 1, steps),
        _ => None,
    };
    part.filter(|part| part.start >= from && !part.is_empty())
}

/// Returns what a command gets through its standard input: `echo … | command`,
/// `command <<< …`.
fn input(text: &[u8], name: &Range<usize>, steps: &mut Steps) -> Option<Range<usize>> {
    let rest = text.get(name.end..)?;
    let line = rest.iter().take(COMMAND_BYTES_MAX).take_while(|byte| **byte != b'\n').count();
    if let Some(at) = rest.get(..line)?.windows(3).position(|word| word == b"<<<") {
        let (part, _) = argument(text, name.end + at + 3, steps)?;
        return secret(text, part);
    }
    let start = name.start.saturating_sub(COMMAND_BYTES_MAX);
    let before = text.get(start..name.start)?;
    steps.take(steps::WALK * before.len()).ok()?;
    let pipe = before.iter().rposition(|byte| *byte == b'|')?;
    let sender = head(text, start + pipe);
    let at = start + pipe - sender.len();
    let (program, mut end) = argument(text, at, steps)?;
    if !matches!(text.get(program)?, b"echo" | b"printf") {
        return None;
    }
    let mut last = None;
    while let Some((part, next)) = argument(text, end, steps).filter(|(part, _)| part.end <= start + pipe) {
        let is_option = matches!(text.get(part.clone())?, [b'-', _]);
        let is_format = matches!(text.get(part.clone())?, [b'%', b's', ..]);
        if !is_option && !is_format {
            last = Some(last.map_or(part.start, |first: Range<usize>| first.start)..part.end);
        }
        end = next;
    }
    secret(text, last?)
}

/// Returns the argument behind the name of a secret: `config set authToken …`,
/// `mysqladmin password …`, `login ann password …`, or a line of two words.
pub(super) fn of_command(
    text: &[u8],
    name: &Range<usize>,
    behind: usize,
    steps: &mut Steps,
) -> Option<Range<usize>> {
    let start = skip_space(text, behind);
    if start == behind {
        return None;
    }
    let (part, end) = argument(text, start, steps)?;
    let value = text.get(part.clone())?;
    if !is_short_password(value) || is_prose(value) || matches!(value, [b'-' | b'=' | b'(', ..]) {
        return None;
    }
    let head = head(text, name.start);
    steps.take(steps::WALK * head.len()).ok()?;
    // The name may be the end of a word, as in `//host/:_authToken`.
    let word = head.iter().rev().take_while(|byte| **byte > b' ').count();
    let head = head.get(..head.len() - word)?;
    let is_last = text.get(skip_closers(text, end)..)?.iter().take(8).find(|byte| **byte != b' ');
    let is_last = matches!(is_last, None | Some(b'\n' | b'\r' | b';' | b'|' | b'-'));
    let is_telling = is_last || value.iter().any(|byte| !byte.is_ascii_alphabetic());
    let mut before = words(head).rev().filter(|word| word.first() != Some(&b'-'));
    let last = before.next();
    let is_set = last.is_some_and(|word| SETTERS.iter().any(|setter| word.eq_ignore_ascii_case(setter)));
    let is_named = before.next() == Some(b"login") || words(head).any(|word| word == b"mysqladmin");
    let is_line = last.is_none() && is_last && value.iter().any(|byte| !byte.is_ascii_alphabetic());
    (is_set && is_telling || is_named || is_line).then_some(part)
}

/// Returns the password of `net user` and `net use`, which ends at `at`.
pub(super) fn of_net(text: &[u8], at: usize, steps: &mut Steps) -> Option<Range<usize>> {
    let is_user = text.get(..at)?.trim_ascii_end().ends_with(b"r") || text.get(..at)?.ends_with(b"R ");
    let (mut seen, mut found) = (0, None);
    operands(text, at, steps, &mut |part| {
        let word = text.get(part.clone()).unwrap_or_default();
        let is_other = match word {
            [b'/', ..] => true,
            [b'\\', ..] | [_, b':'] => !is_user,
            // An assignment says by itself what it is.
            word => word.get(..4).is_some_and(|word| word.eq_ignore_ascii_case(b"pass")),
        };
        seen += usize::from(!is_other);
        found = (!is_other && seen > usize::from(is_user)).then_some(part);
        found.is_none()
    });
    let part = secret(text, found?)?;
    (text.get(part.clone())? != b"*").then_some(part)
}

/// Returns the first operand behind `at`: `vault login …`.
pub(super) fn first(text: &[u8], at: usize, steps: &mut Steps) -> Option<Range<usize>> {
    let (part, _) = argument(text, at, steps)?;
    let value = text.get(part.clone())?;
    let is_word = matches!(value, [b'-', ..]) || is_prose(value);
    (!is_word && is_short_password(value)).then_some(part)
}

/// Returns the password of `user/password@host` among the operands behind `at`.
pub(super) fn of_oracle(text: &[u8], at: usize, steps: &mut Steps) -> Option<Range<usize>> {
    let mut found = None;
    operands(text, at, steps, &mut |part| {
        let word = text.get(part.clone()).unwrap_or_default();
        let slash = word.iter().position(|byte| *byte == b'/').filter(|slash| *slash > 0);
        found = slash.map(|slash| {
            let end = word.iter().rposition(|byte| *byte == b'@').filter(|at| *at > slash);
            part.start + slash + 1..end.map_or(part.end, |end| part.start + end)
        });
        found.is_none()
    });
    secret(text, found?)
}
