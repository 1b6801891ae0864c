//! Secrets that what stands before them tells: `password=`, `Bearer`, the
//! user in a URL.

use super::base64::decode;
use super::entropy::{is_mask, is_random};
use core::ops::Range;

/// How long what only stands for a value may be, in bytes. What is longer is
/// taken for a value, so that to refuse one never costs more than this.
const PLACEHOLDER_BYTES_MAX: usize = 40;

/// Words in the place of a value that are none, in small letters.
const PLACEHOLDERS: &[&[u8]] = &[
    b"true",
    b"false",
    b"null",
    b"nil",
    b"none",
    b"undefined",
    b"empty",
    b"redacted",
    b"masked",
    b"hidden",
    b"hidden_due_to_security_reasons",
    b"filtered",
    b"omitted",
    b"removed",
    b"unset",
    b"yes",
    b"no",
    b"required",
    b"optional",
    b"0",
    b"1",
    // A function of SQL, around the value that is meant.
    b"password(",
];

/// Whether `value` only stands for one: a word such as `null`, a mask, a
/// variable.
fn is_placeholder(value: &[u8]) -> bool {
    let bare = value.trim_ascii();
    let bare = bare.strip_prefix(b"[").and_then(|bare| bare.strip_suffix(b"]")).unwrap_or(bare);
    let is_word = PLACEHOLDERS.iter().any(|word| bare.eq_ignore_ascii_case(word));
    value.len() <= PLACEHOLDER_BYTES_MAX && (is_word || is_mask(bare) || is_variable(bare))
}

/// Whether this is a variable: `$NAME`, `$1` and `${…}` of shells and SQL,
/// `{{…}}` of templates, `<…>` of manuals, `%s`, `?`.
fn is_variable(value: &[u8]) -> bool {
    let is_name = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
    match value {
        [b'$', b'{' | b'(', ..] | [b'{', b'{', ..] | [b'<', .., b'>'] | b"%s" | b"?" => true,
        [b'$', name @ ..] => name.iter().all(is_name),
        _ => false,
    }
}

/// An assignment, `key=value`, `"key": "value"` or `--key value`.
struct Assignment<'a> {
    key: &'a [u8],
    /// Whether `=` or a quote says that a value follows, and not prose.
    is_certain: bool,
    value: &'a [u8],
    start: usize,
}

impl<'a> Assignment<'a> {
    fn read(text: &'a [u8]) -> Option<Self> {
        let is_key = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        let key_start = usize::from(matches!(text.first(), Some(b'?' | b'&')));
        let key_end = key_start + text.get(key_start..)?.iter().position(|byte| !is_key(byte))?;
        let is_between =
            |byte: &u8| matches!(byte, b' ' | b'\t' | b'"' | b'\'' | b'\\' | b']' | b':' | b'=' | b'>');
        let start = key_end + text.get(key_end..)?.iter().position(|byte| !is_between(byte))?;
        let between = text.get(key_end..start)?;
        let value = text.get(start..)?;
        let has = |wanted: u8| between.contains(&wanted);
        let is_quoted = matches!(between.last(), Some(b'"' | b'\''));
        let is_certain = has(b'=') || is_quoted || !has(b':');
        Some(Assignment { key: text.get(key_start..key_end)?, is_certain, value, start })
    }

    fn range(&self) -> Range<usize> {
        self.start..self.start + self.value.len()
    }
}

/// The value given to a password. Of what follows a colon without quotes a
/// word of small letters is prose, `password: incorrect`.
pub(super) fn password(text: &[u8]) -> Option<Range<usize>> {
    let assignment = Assignment::read(text)?;
    let is_prose = !assignment.is_certain
        && assignment.value.len() <= PLACEHOLDER_BYTES_MAX
        && assignment.value.iter().all(u8::is_ascii_lowercase);
    (!is_prose && !is_placeholder(assignment.value)).then(|| assignment.range())
}

/// What ahead of `token` makes it no secret: positions in listings, and what
/// makes a request idempotent or tells its kind.
const HARMLESS: &[&[u8]] = &[
    b"next",
    b"page",
    b"pagination",
    b"continuation",
    b"continue",
    b"sync",
    b"marker",
    b"start",
    b"starting",
    b"resume",
    b"cursor",
    b"client",
    b"request",
    b"idempotency",
    b"creation",
    b"change",
    b"task",
    b"public",
    b"creator",
    b"reservation",
];

/// The value given to a key or a token, if it looks random.
pub(super) fn random_value(text: &[u8]) -> Option<Range<usize>> {
    let assignment = Assignment::read(text)?;
    let key = assignment.key;
    let ends_with = |word: &[u8]| {
        key.len().checked_sub(word.len()).is_some_and(|at| key[at..].eq_ignore_ascii_case(word))
    };
    let name = key.len().checked_sub(5).filter(|_| ends_with(b"token")).and_then(|at| key.get(..at));
    let name = name.map(|name| name.trim_ascii_end()).map(|name| match name {
        [name @ .., b'_' | b'-' | b'.'] => name,
        name => name,
    });
    let is_harmless = name.is_some_and(|name| {
        HARMLESS.iter().any(|word| {
            name.len().checked_sub(word.len()).is_some_and(|at| name[at..].eq_ignore_ascii_case(word))
        }) || is_uuid(assignment.value)
    });
    let is_key_id =
        matches!(assignment.value, [b'A', b'K' | b'S', b'I', b'A', ..]) && assignment.value.len() == 20;
    let is_value =
        assignment.is_certain || text.get(..assignment.start).is_some_and(|head| head.ends_with(b" "));
    (is_value && !is_harmless && !is_key_id && is_random(assignment.value)).then(|| assignment.range())
}

/// A UUID as RFC 9562 section 4 writes it.
fn is_uuid(text: &[u8]) -> bool {
    let is_in_place = |(at, byte): (usize, &u8)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    text.len() == 36 && text.iter().enumerate().all(is_in_place)
}

/// The password in `scheme://user:password@` (RFC 3986 section 3.2.1).
pub(super) fn url_password(text: &[u8]) -> Option<Range<usize>> {
    let user = text.windows(3).position(|three| three == b"://")? + 3;
    let start = user + text.get(user..)?.iter().position(|byte| *byte == b':')? + 1;
    let end = text.len().checked_sub(1)?;
    let password = text.get(start..end)?;
    (!password.is_empty() && !is_placeholder(password)).then_some(start..end)
}

/// What follows the scheme in an `Authorization` field (RFC 9110 section
/// 11.6.2). Of AWS's only the signature: the key id in it says who signed.
pub(super) fn authorization(text: &[u8]) -> Option<Range<usize>> {
    let is_between = |byte: &u8| matches!(byte, b' ' | b'"' | b'\'' | b'\\' | b']' | b':' | b'=');
    let field_end = text.iter().position(is_between)?;
    let scheme = field_end + text.get(field_end..)?.iter().position(|byte| !is_between(byte))?;
    let rest = text.get(scheme..)?;
    let space = rest.iter().position(|byte| *byte == b' ')?;
    let start = scheme + space + rest.get(space..)?.iter().position(|byte| *byte != b' ')?;
    let start = match rest.get(..4)?.eq_ignore_ascii_case(b"aws4") {
        true => text.windows(10).position(|ten| ten == b"Signature=").map_or(start, |at| at + 10),
        false => start,
    };
    let value = text.get(start..)?;
    (!value.is_empty() && !is_placeholder(value)).then_some(start..text.len())
}

/// The shortest credentials that a scheme alone tells, in bytes.
const CREDENTIALS_BYTES_MIN: usize = 16;

/// What follows `Bearer ` or `Basic ` in the midst of a text, if it looks
/// random: `basic authentication` does not.
pub(super) fn credentials(text: &[u8]) -> Option<Range<usize>> {
    let space = text.iter().rposition(|byte| *byte == b' ')?;
    let value = text.get(space + 1..)?;
    let is_secret = match text.get(..6)?.eq_ignore_ascii_case(b"bearer") {
        true => value.len() >= CREDENTIALS_BYTES_MIN && is_random(value),
        false => value.len() >= 8 && holds_user_and_password(value),
    };
    is_secret.then_some(space + 1..text.len())
}

/// Whether base64 holds `user:password`, in printable characters (RFC 7617
/// section 2).
fn holds_user_and_password(value: &[u8]) -> bool {
    let is_printable = |byte: Option<u8>| byte.is_some_and(|byte| !byte.is_ascii_control());
    decode(value).all(is_printable) && decode(value).any(|byte| byte == Some(b':'))
}

/// What stands behind the last opening quote: the password in SQL.
pub(super) fn quoted(text: &[u8]) -> Option<Range<usize>> {
    let start = text.iter().position(|byte| *byte == b'\'')? + 1;
    let value = text.get(start..)?;
    (!value.is_empty() && !is_placeholder(value)).then_some(start..text.len())
}
