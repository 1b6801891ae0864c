//! The names of hosts, mailboxes and resources.

use super::{Characters, is_ipv4, is_ipv6, strip};

/// Checks a host name by RFC 1123 section 2.1: labels of letters, digits and inner
/// hyphens. A final dot is not allowed: it belongs to the DNS, not to the syntax of host
/// names.
pub(super) fn is_hostname(text: &[u8]) -> bool {
    text.len() <= 253 && text.split(|byte| *byte == b'.').all(is_label)
}

/// Checks a host name, and that the labels in Punycode stand for allowed ones.
pub(super) fn is_international_hostname(text: &[u8], characters: &Characters<'_>) -> bool {
    is_hostname(text)
        && text.split(|byte| *byte == b'.').all(|label| match label.split_first_chunk::<4>() {
            Some((prefix, encoded)) if prefix.eq_ignore_ascii_case(b"xn--") => characters.is_label(encoded),
            _ => true,
        })
}

fn is_label(label: &[u8]) -> bool {
    let is_inner = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    (1..=63).contains(&label.len())
        && label.iter().all(is_inner)
        && label.first() != Some(&b'-')
        && label.last() != Some(&b'-')
}

/// Checks an address by RFC 5321 section 4.1.2.
pub(super) fn is_email(text: &[u8]) -> bool {
    let domain = match strip(text, b'"') {
        Some(quoted) => after_quoted(quoted).and_then(|rest| strip(rest, b'@')),
        None => text.iter().position(|byte| *byte == b'@').and_then(|at| {
            let atoms = &text[..at];
            let are_atoms = atoms.split(|byte| *byte == b'.').all(is_atom);
            are_atoms.then(|| &text[at + 1..])
        }),
    };
    domain.is_some_and(|domain| match domain {
        [b'[', literal @ .., b']'] => match literal.split_first_chunk::<5>() {
            Some((tag, address)) if tag.eq_ignore_ascii_case(b"IPv6:") => is_ipv6(address),
            _ => is_ipv4(literal),
        },
        _ => is_hostname(domain),
    })
}

fn is_atom(atom: &[u8]) -> bool {
    let is_text = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(byte);
    !atom.is_empty() && atom.iter().all(is_text)
}

/// Returns the text behind a `Quoted-string`, given the text behind its first quote.
fn after_quoted(mut text: &[u8]) -> Option<&[u8]> {
    loop {
        text = match text {
            [b'"', rest @ ..] => return Some(rest),
            [b'\\', b' '..=b'~', rest @ ..] => rest,
            [b' '..=b'~', rest @ ..] if text[0] != b'\\' => rest,
            _ => return None,
        };
    }
}

/// Checks for a URI with its scheme (RFC 3986 section 3).
pub(super) fn is_uri(text: &[u8]) -> bool {
    let Some(colon) = text.iter().position(|byte| *byte == b':') else {
        return false;
    };
    let (scheme, rest) = (&text[..colon], &text[colon + 1..]);
    let is_scheme = scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
    let (rest, fragment) = split(rest, b'#');
    let (hierarchy, query) = split(rest, b'?');
    let (authority, path) = match hierarchy {
        [b'/', b'/', rest @ ..] => {
            let end = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
            (&rest[..end], &rest[end..])
        }
        _ => (&b""[..], hierarchy),
    };
    is_scheme
        && is_authority(authority)
        && is_made_of(path, b"/:@")
        && is_made_of(query, b"/?:@")
        && is_made_of(fragment, b"/?:@")
}

/// Splits a text at the first `mark`, which is left out.
fn split(text: &[u8], mark: u8) -> (&[u8], &[u8]) {
    match text.iter().position(|byte| *byte == mark) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, b""),
    }
}

/// Checks an authority (RFC 3986 section 3.2).
fn is_authority(authority: &[u8]) -> bool {
    let (user, rest) = match authority.iter().rposition(|byte| *byte == b'@') {
        Some(at) => (&authority[..at], &authority[at + 1..]),
        None => (&b""[..], authority),
    };
    let (is_host, port) = match strip(rest, b'[') {
        Some(literal) => {
            let (literal, port) = split(literal, b']');
            (rest.contains(&b']') && is_literal(literal), port)
        }
        None => {
            let end = rest.iter().position(|byte| *byte == b':').unwrap_or(rest.len());
            (is_made_of(&rest[..end], b""), &rest[end..])
        }
    };
    let is_port = match port {
        [] => true,
        [b':', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    is_made_of(user, b":") && is_host && is_port
}

/// Checks for `IPv6address` or `IPvFuture`.
fn is_literal(literal: &[u8]) -> bool {
    let [b'v' | b'V', rest @ ..] = literal else {
        return is_ipv6(literal);
    };
    let (version, address) = split(rest, b'.');
    let is_future = |byte: &u8| *byte != b'%' && is_made_of(&[*byte], b":");
    !version.is_empty()
        && version.iter().all(u8::is_ascii_hexdigit)
        && !address.is_empty()
        && address.iter().all(is_future)
}

/// Checks whether all characters are `unreserved`, `sub-delims`, percent-encoded or one
/// of `others`.
fn is_made_of(mut text: &[u8], others: &[u8]) -> bool {
    loop {
        text = match text {
            [] => return true,
            [b'%', high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => rest,
            [byte, rest @ ..]
                if byte.is_ascii_alphanumeric()
                    || b"-._~!$&'()*+,;=".contains(byte)
                    || others.contains(byte) =>
            {
                rest
            }
            _ => return false,
        };
    }
}
