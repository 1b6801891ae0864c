//! Secrets that are known by the text before them: `password=`, `Bearer`, the user in a
//! URL.

use super::base64::decode;
use super::entropy::{is_mask, is_random};
use core::ops::Range;

/// The maximum length of a placeholder, in bytes. A longer text counts as a value, so
/// that refusing a placeholder never costs more than this.
const PLACEHOLDER_BYTES_MAX: usize = 40;

/// Words that may stand in place of a value, in small letters.
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
];

/// Checks whether `value` is only a placeholder: a word such as `null`, a mask, or a
/// variable.
pub(crate) fn is_placeholder(value: &[u8]) -> bool {
    let bare = value.trim_ascii();
    let bare = bare.strip_prefix(b"[").and_then(|bare| bare.strip_suffix(b"]")).unwrap_or(bare);
    let is_word = PLACEHOLDERS.iter().any(|word| bare.eq_ignore_ascii_case(word));
    value.len() <= PLACEHOLDER_BYTES_MAX && (is_word || is_mask(bare) || is_variable(bare))
}

/// Checks for a variable: `$NAME`, `$1` and `${…}` of shells and SQL, `{{…}}` of
/// templates, `<…>` of manuals, `%s`, `?`.
fn is_variable(value: &[u8]) -> bool {
    let is_name = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
    match value {
        [b'$', b'{' | b'(', ..] | [b'{', b'{', ..] | [b'<', .., b'>'] | b"%s" | b"?" => true,
        [b'$', name @ ..] => name.iter().all(is_name),
        _ => false,
    }
}

/// Checks whether the form of a value says that it is no secret: an Amazon Resource Name,
/// or a hash that Vault has made.
pub(crate) fn is_exempt(value: &[u8]) -> bool {
    const HASHED: &[u8] = b"hmac-sha256:";
    let is_hash = |hash: &[u8]| hash.len() == 64 && hash.iter().all(u8::is_ascii_hexdigit);
    value.starts_with(b"arn:aws") || value.strip_prefix(HASHED).is_some_and(is_hash)
}

/// Checks whether whoever sent the record has hidden the value already: only asterisks, or AWS's
/// words.
pub(crate) fn is_hidden(value: &[u8]) -> bool {
    value == b"HIDDEN_DUE_TO_SECURITY_REASONS" || !value.is_empty() && value.iter().all(|byte| *byte == b'*')
}

/// Checks whether the value is one word in small letters: `password: incorrect`.
pub(crate) fn is_prose(value: &[u8]) -> bool {
    let is_end = |byte: &u8| matches!(byte, b'.' | b',' | b'!' | b'?' | b':');
    let len = value.iter().rposition(|byte| !is_end(byte)).map_or(0, |last| last + 1);
    value.len() <= PLACEHOLDER_BYTES_MAX && value.iter().take(len).all(u8::is_ascii_lowercase)
}

/// Checks whether the value of `pass` or `pwd` is a password: no number, no path, and no
/// word for an outcome.
pub(crate) fn is_short_password(value: &[u8]) -> bool {
    const WORDS: &[&[u8]] =
        &[b"ok", b"fail", b"failed", b"pass", b"passed", b"success", b"error", b"skip", b"skipped", b"done"];
    let is_number =
        value.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'%' | b'/' | b'-'));
    let is_path = matches!(value, [b'/' | b'~' | b'.', ..] | [_, b':', b'\\' | b'/', ..]);
    let is_word = WORDS.iter().any(|word| value.eq_ignore_ascii_case(word));
    let is_short = value.len() <= 1 || is_number && value.len() < 6;
    !(is_short || is_path || is_word || is_placeholder(value))
}

/// The number of bytes of a value that decide whether it is random.
const RANDOM_BYTES_MAX: usize = 256;

/// Checks whether the value of a key or a token looks random.
pub(crate) fn is_random_value(value: &[u8]) -> bool {
    let value = value.get(..RANDOM_BYTES_MAX).unwrap_or(value);
    let is_end =
        |byte: &u8| matches!(byte, b'.' | b',' | b'!' | b'?' | b':' | b')' | b']' | b'}' | b'=' | b'>');
    let len = value.iter().rposition(|byte| !is_end(byte)).map_or(0, |last| last + 1);
    let value = value.get(..len).unwrap_or_default();
    let is_token = |byte: &u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'.' | b'_' | b'~' | b'+' | b'/' | b'%' | b'-' | b'=' | b'|' | b':')
    };
    let is_key_id = matches!(value, [b'A', b'K' | b'S', b'I', b'A', ..]) && value.len() == 20;
    value.iter().all(is_token) && !is_uuid(value) && !is_key_id && is_random(value)
}

/// Checks for a UUID in the notation of RFC 9562 section 4.
fn is_uuid(text: &[u8]) -> bool {
    let is_in_place = |(at, byte): (usize, &u8)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    text.len() == 36 && text.iter().enumerate().all(is_in_place)
}

/// The password beside a token that is the user (GitHub, "Easier builds and deployments using Git over
/// HTTPS and OAuth").
pub(crate) const NO_PASSWORD: &[u8] = b"x-oauth-basic";

/// Finds the password in `scheme://user:password@` (RFC 3986 section 3.2.1). Many passwords are
/// written there with a `/`, `?` or `#` that is not encoded. What begins with a port is no password.
pub(super) fn url_password(text: &[u8]) -> Option<Range<usize>> {
    let user = text.windows(3).position(|three| three == b"://")? + 3;
    let start = user + text.get(user..)?.iter().position(|byte| *byte == b':')? + 1;
    let end = text.len().checked_sub(1)?;
    let password = text.get(start..end)?;
    if password == NO_PASSWORD {
        return Some(user..start - 1);
    }
    let port = password.iter().take_while(|byte| !matches!(byte, b'/' | b'?' | b'#')).count();
    let is_address = port < password.len() && password.iter().take(port).all(u8::is_ascii_digit)
        || text.get(user) == Some(&b'[');
    (!password.is_empty() && !is_address && !is_placeholder(password)).then_some(start..end)
}

/// Finds the password in `user:password@tcp(` (Go's MySQL driver) or `user/password@//`
/// (Oracle).
pub(super) fn user_password(text: &[u8]) -> Option<Range<usize>> {
    let end = text.iter().rposition(|byte| *byte == b'@')?;
    let user = text.iter().position(|byte| matches!(byte, b':' | b'/'))?;
    let password = text.get(user + 1..end)?;
    let is_scheme = password.starts_with(b"//");
    (!password.is_empty() && !is_scheme && !is_placeholder(password)).then_some(user + 1..end)
}

/// The minimum length of credentials that only the scheme announces, in bytes.
const CREDENTIALS_BYTES_MIN: usize = 16;

/// Finds the credentials behind `Bearer ` or `Basic ` in running text, if they look
/// random or decode to a user and a password: `basic authentication` does not.
pub(super) fn credentials(text: &[u8]) -> Option<Range<usize>> {
    let space = text.iter().rposition(|byte| *byte == b' ')?;
    let value = text.get(space + 1..)?;
    let is_secret = match text.get(..6)?.eq_ignore_ascii_case(b"bearer") {
        true => value.len() >= CREDENTIALS_BYTES_MIN && is_random(value),
        false => value.len() >= 8 && holds_user_and_password(value),
    };
    is_secret.then_some(space + 1..text.len())
}

/// Checks whether a text in base64 holds `user:password`, in printable characters (RFC
/// 7617 section 2).
fn holds_user_and_password(value: &[u8]) -> bool {
    let is_printable = |byte: Option<u8>| byte.is_some_and(|byte| !byte.is_ascii_control());
    decode(value).all(is_printable) && decode(value).any(|byte| byte == Some(b':'))
}
