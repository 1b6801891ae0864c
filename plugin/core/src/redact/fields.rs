//! Values in markup and in fields: elements, pairs of a name and a value, and the
//! credentials behind `Authorization:`.

use super::bounds::find;
use super::steps::{self, Steps};
use super::validate::{is_placeholder, is_random_value, is_short_password};
use super::value;
use core::ops::Range;

/// The maximum length of an element's attributes, in bytes.
const ATTRIBUTES_BYTES_MAX: usize = 256;

/// Returns the content of an element with this name: `<password>…<`.
pub(super) fn element(text: &[u8], name: &Range<usize>, steps: &mut Steps) -> Option<Range<usize>> {
    let head = text.get(..name.start)?;
    let prefix =
        head.iter().rev().take(32).take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b':').count();
    let is_namespace = prefix == 0 || head.last() == Some(&b':');
    if !is_namespace || head.get(head.len().checked_sub(prefix + 1)?) != Some(&b'<') {
        return None;
    }
    if !matches!(text.get(name.end)?, b'>' | b' ' | b'\t' | b'\r' | b'\n') {
        return None;
    }
    content(text, name.end, steps)
}

/// Returns the content behind the tag that continues at `at`.
fn content(text: &[u8], at: usize, steps: &mut Steps) -> Option<Range<usize>> {
    let rest = text.get(at..)?;
    let close = rest.iter().take(ATTRIBUTES_BYTES_MAX).position(|byte| matches!(byte, b'>' | b'<'))?;
    if rest.get(close) != Some(&b'>') || close > 0 && rest.get(close - 1) == Some(&b'/') {
        return None;
    }
    let start = at + close + 1;
    if let Some(cdata) = text.get(start..)?.strip_prefix(b"<![CDATA[") {
        let start = text.len() - cdata.len();
        let end = find(text, start, b"]]>").unwrap_or(text.len());
        steps.take(steps::WALK * (end - start)).ok()?;
        return Some(start..end);
    }
    let close = text.get(start..)?.iter().position(|byte| *byte == b'<');
    let len = close.unwrap_or(text.len() - start);
    steps.take(steps::SCOUT * len).ok()?;
    let part = text.get(start..start + len)?;
    // `<password> is required` is no element: it is never closed.
    let is_content = !part.trim_ascii().is_empty() && (close.is_some() || part.first() != Some(&b' '));
    is_content.then_some(start..start + len)
}

/// Checks whether a name says that its value is the name of something else: `name`,
/// `parameterKey`, `header`.
pub(super) fn names_name(name: &[u8]) -> bool {
    is_name(last_word(name))
}

/// Checks the last word of a name as [`names_name`] does. Words of other lengths are not
/// compared: every key is asked about.
pub(super) fn is_name(last: &[u8]) -> bool {
    let words: &[&[u8]] = match last.len() {
        1 => &[b"k", b"n"],
        2 => &[b"id"],
        3 => &[b"key", b"var", b"env", b"arg"],
        4 => &[b"name", b"attr", b"prop", b"flag", b"item"],
        5 => &[b"field", b"param", b"label", b"entry"],
        6 => &[b"header", b"option", b"column", b"config"],
        7 => &[b"setting"],
        8 => &[b"property", b"variable", b"argument"],
        9 => &[b"attribute", b"parameter"],
        _ => &[],
    };
    words.iter().any(|word| last.eq_ignore_ascii_case(word))
}

/// Checks whether a name says that its value belongs to the name beside it: `value`,
/// `parameterValue`, `val`.
pub(super) fn names_value(name: &[u8]) -> bool {
    is_value(last_word(name))
}

/// Checks the last word of a name as [`names_value`] does.
pub(super) fn is_value(last: &[u8]) -> bool {
    let words: &[&[u8]] = match last.len() {
        1 => &[b"v"],
        2 => &[b"to"],
        3 => &[b"val", b"new", b"old"],
        4 => &[b"data", b"text", b"from"],
        5 => &[b"value", b"after"],
        6 => &[b"values", b"string", b"before"],
        7 => &[b"content", b"default", b"current", b"payload"],
        8 => &[b"contents", b"previous", b"newvalue", b"oldvalue"],
        _ => &[],
    };
    words.iter().any(|word| last.eq_ignore_ascii_case(word))
}

/// Checks whether a member describes the secret that its object is about, and is no part of it: its
/// name, its kind, its times. `last` is the last word of the member's name.
pub(super) fn describes(last: &[u8]) -> bool {
    let words: &[&[u8]] = match last.len() {
        2 => &[b"at", b"by", b"id"],
        3 => &[b"alg", b"arn", b"ttl"],
        4 => &[b"name", b"kind", b"type", b"mode", b"path", b"role", b"size", b"time", b"user"],
        5 => &[b"count", b"email", b"label", b"owner", b"scope", b"state"],
        6 => &[
            b"action", b"format", b"issuer", b"labels", b"policy", b"reason", b"region", b"scopes", b"status",
        ],
        7 => &[b"expires", b"version"],
        8 => &[b"audience", b"decision", b"encoding", b"location", b"metadata", b"optional", b"provider"],
        9 => &[b"algorithm", b"namespace"],
        11 => &[b"replication"],
        _ => &[],
    };
    words.iter().any(|word| last.eq_ignore_ascii_case(word))
}

/// Returns the last word of a name.
pub(super) fn last_word(name: &[u8]) -> &[u8] {
    let is_break = |at: usize| {
        let (before, byte) = (name[at - 1], name[at]);
        !before.is_ascii_alphanumeric() || byte.is_ascii_uppercase() && !before.is_ascii_uppercase()
    };
    let start = (1..name.len()).rev().take(32).find(|at| is_break(*at)).unwrap_or(0);
    name.get(start..).unwrap_or_default()
}

/// Returns the value that stands beside this name: `name="password" value="…"`,
/// `{"key":"password","value":"…"}`, `name="password">…<`, and parts of forms.
pub(super) fn pair(text: &[u8], name: &Range<usize>, steps: &mut Steps) -> Option<Range<usize>> {
    let head = text.get(..name.start)?;
    let Some(&quote) = head.last().filter(|byte| matches!(byte, b'"' | b'\'')) else {
        return yaml_pair(text, name, steps);
    };
    let backslashes = head.iter().rev().skip(1).take(8).take_while(|byte| **byte == b'\\').count();
    // `name=` or `"name": ` stands before it.
    let head = head.get(..head.len() - 1 - backslashes)?.trim_ascii_end();
    let (sign, head) = head.split_last()?;
    let is_odd = |byte: &u8| matches!(byte, b'"' | b'\'' | b'\\' | b' ');
    let end = head.iter().rev().take(12).take_while(|byte| is_odd(byte)).count();
    let head = head.get(..head.len() - end)?;
    let len =
        head.iter().rev().take(32).take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    if !matches!(sign, b'=' | b':') || !names_name(head.get(head.len() - len..)?) {
        return None;
    }
    let mut at = name.end + backslashes;
    if text.get(at) != Some(&quote) {
        return None;
    }
    at += 1;
    match text.get(at..)? {
        [b'\r', b'\n', b'\r', b'\n', ..] | [b'\n', b'\n', ..] => {
            let start = at + if text[at] == b'\r' { 4 } else { 2 };
            let rest = text.get(start..)?;
            let len = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(rest.len());
            steps.take(steps::SCOUT * len).ok()?;
            return Some(start..start + len);
        }
        [b'>', ..] => return content(text, at, steps),
        _ => {}
    }
    let is_between =
        |byte: &u8| matches!(byte, b',' | b' ' | b'\t' | b'\r' | b'\n' | b'"' | b'\'' | b'\\' | b';');
    at += text.get(at..)?.iter().take(32).take_while(|byte| is_between(byte)).count();
    let rest = text.get(at..)?;
    let len = rest.iter().take(32).take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    if !names_value(rest.get(..len)?) {
        return None;
    }
    at += len;
    let is_assigning = |byte: &u8| matches!(byte, b'"' | b'\'' | b'\\' | b' ' | b'=' | b':');
    let signs = text.get(at..)?.iter().take(12).take_while(|byte| is_assigning(byte));
    let sign =
        signs.enumerate().filter(|(_, byte)| matches!(byte, b'=' | b':')).map(|(sign, _)| sign).last()?;
    at += sign + 1;
    at += text.get(at..)?.iter().take(8).take_while(|byte| **byte == b' ').count();
    value::read(text, at, steps).map(|value| value.part)
}

/// Returns the value that stands beside this name in YAML: `name: PASSWORD`, and `value: …` on
/// the next line or behind a comma.
fn yaml_pair(text: &[u8], name: &Range<usize>, steps: &mut Steps) -> Option<Range<usize>> {
    let is_word = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_';
    let head = text.get(..name.start)?;
    let spaces = head.iter().rev().take(8).take_while(|byte| **byte == b' ').count();
    let head = head.get(..head.len() - spaces)?.strip_suffix(b":")?;
    let len = head.iter().rev().take(32).take_while(is_word).count();
    if spaces == 0 || !names_name(head.get(head.len() - len..)?) {
        return None;
    }
    let is_between = |byte: &&u8| matches!(byte, b',' | b' ' | b'\t' | b'\r' | b'\n');
    let start = name.end + text.get(name.end..)?.iter().take(64).take_while(is_between).count();
    let rest = text.get(start..)?;
    let len = rest.iter().take(32).take_while(is_word).count();
    if start == name.end || !names_value(rest.get(..len)?) || rest.get(len..len + 2) != Some(b": ") {
        return None;
    }
    value::read_assigned(text, start, start + len + 2, true, steps).map(|value| value.part)
}

/// Schemes that are followed by one word.
const SCHEMES: &[&[u8]] = &[
    b"basic",
    b"bearer",
    b"negotiate",
    b"ntlm",
    b"token",
    b"apikey",
    b"dpop",
    b"privatetoken",
    b"concealed",
    b"gnap",
    b"splunk",
    b"bot",
    b"key",
    b"jwt",
    b"genie-key",
    b"sso-key",
    b"zoho-oauthtoken",
];
/// Schemes that are followed by parameters, to the end of the field.
const PARAMETER_SCHEMES: &[&[u8]] = &[
    b"digest",
    b"hoba",
    b"mutual",
    b"oauth",
    b"scram-sha-1",
    b"scram-sha-256",
    b"vapid",
    b"aws4-hmac-sha256",
    b"sharedaccesssignature",
    b"sharedkey",
    b"hawk",
    b"signature",
    b"aws",
    b"mac",
    b"goog4-rsa-sha256",
];

/// Returns the credentials in an `Authorization` field that starts at `start` (RFC 9110
/// section 11.6.2). For AWS, that is only the signature: the key id in the field says who
/// signed.
pub(super) fn authorization(text: &[u8], start: usize, steps: &mut Steps) -> Option<Range<usize>> {
    let is_open = |byte: &u8| matches!(byte, b'"' | b'\'' | b'\\' | b'[' | b' ' | b'{' | b'(');
    let start = start + text.get(start..)?.iter().take(8).take_while(|byte| is_open(byte)).count();
    let field = text.get(start..)?;
    let is_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    let scheme_len = field.iter().take(32).take_while(|byte| is_scheme(byte)).count();
    let scheme = field.get(..scheme_len)?;
    let is_of = |schemes: &[&[u8]]| schemes.iter().any(|known| known.eq_ignore_ascii_case(scheme));
    // A shell has a backslash before the space: `Authorization:\ Bearer\ …`.
    let behind = field.get(scheme_len..)?;
    let spaces = behind.iter().take(8).take_while(|byte| matches!(byte, b' ' | b'\\')).count();
    let spaces = if spaces > 0 && behind.get(spaces - 1) == Some(&b' ') { spaces } else { 0 };
    let credentials = start + scheme_len + spaces;
    let is_secret = |part: Range<usize>| {
        let value = text.get(part.clone())?;
        (!value.is_empty() && !is_placeholder(value)).then_some(part)
    };
    if spaces > 0 && is_of(PARAMETER_SCHEMES) {
        let end = value::field_end(text, credentials, steps)?;
        let signature = find(text.get(..end)?, credentials, b"Signature=").map(|at| at + 10);
        let is_aws = scheme.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"aws4"));
        return is_secret(signature.filter(|_| is_aws).unwrap_or(credentials)..end);
    }
    if spaces > 0 && is_of(SCHEMES) {
        let rest = text.get(credentials..)?;
        let word = rest
            .iter()
            .take(64)
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        let is_parameter = matches!(rest.get(word.count()), Some(b'='));
        if is_parameter
            && rest.iter().take(64).position(|byte| *byte == b'=').is_some_and(|at| {
                !matches!(rest.get(at + 1), None | Some(b'=' | b' ' | b'\r' | b'\n' | b'\'' | b','))
                    || matches!(rest.get(at + 1), Some(b'\''))
            })
        {
            return is_secret(credentials..value::field_end(text, credentials, steps)?);
        }
        return is_secret(value::read(text, credentials, steps)?.part);
    }
    // There is no scheme, or an unknown one.
    let is_word =
        |value: &[u8]| value.iter().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'.' | b'-'));
    let is_credential = |start: usize, steps: &mut Steps| {
        let near = value::near(text, start);
        let value = near.get(value::read(near, start, steps)?.part)?;
        (is_random_value(value) || !is_word(value) && is_short_password(value)).then_some(start)
    };
    let found = is_credential(start, steps)
        .or_else(|| (spaces > 0 && is_word(scheme)).then(|| is_credential(credentials, steps)).flatten())?;
    value::read(text, found, steps).map(|value| value.part)
}
