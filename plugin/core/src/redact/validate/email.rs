//! E-mail addresses, as they stand in running text.

use core::ops::Range;

/// The maximum length of a local part and of a domain, in bytes (RFC 5321 section
/// 4.5.3.1).
const LOCAL_BYTES_MAX: usize = 64;
const DOMAIN_BYTES_MAX: usize = 255;
/// The maximum length of a domain's label, in bytes (RFC 1035 section 2.3.4).
const LABEL_BYTES_MAX: usize = 63;

/// Ends of texts that look like an address but are none: names of SSH algorithms (RFC
/// 4251 section 6), systemd's units (systemd.unit(5)), and file names of pictures for
/// screens of double density.
const NO_DOMAINS: &[&[u8]] = &[
    b"@openssh.com",
    b"@libssh.org",
    b".service",
    b".socket",
    b".device",
    b".mount",
    b".automount",
    b".swap",
    b".target",
    b".path",
    b".timer",
    b".slice",
    b".scope",
    b"x.png",
    b"x.jpg",
    b"x.svg",
];

/// Users of services that everybody shares, in URLs of repositories: `git@github.com:ann/shop`.
const NO_PERSONS: [&[u8]; 3] = [b"git", b"hg", b"svn"];

/// Returns the address in `text`, without punctuation beyond ASCII, which the pattern
/// takes for letters. The at sign may be percent-encoded (RFC 3986 section 2.1).
pub(super) fn address(text: &[u8]) -> Option<Range<usize>> {
    let text = text.get(..end(text)).unwrap_or(text);
    let at = text.iter().rposition(|byte| matches!(byte, b'@' | b'%'))?;
    let start = punctuation(text);
    let local = text.get(start..at)?;
    let domain = text.get(at + if text.get(at) == Some(&b'%') { 3 } else { 1 }..)?;
    let is_label = |label: &[u8]| {
        (1..=LABEL_BYTES_MAX).contains(&label.len()) && !label.starts_with(b"-") && !label.ends_with(b"-")
    };
    let is_address = (1..=LOCAL_BYTES_MAX).contains(&local.len())
        && !NO_PERSONS.contains(&local)
        && domain.len() <= DOMAIN_BYTES_MAX
        && domain.contains(&b'.')
        && domain.split(|byte| *byte == b'.').all(is_label)
        && domain.rsplit(|byte| *byte == b'.').next().is_some_and(is_top)
        && !NO_DOMAINS.iter().any(|end| text.ends_with(end));
    is_address.then_some(start..text.len())
}

/// Returns the end of the address in a match that may be longer: the pattern also takes
/// hyphens and the words behind them, and letters beyond ASCII behind a label of ASCII.
fn end(text: &[u8]) -> usize {
    let last = text.iter().rposition(|byte| !byte.is_ascii_alphabetic());
    if last.and_then(|last| text.get(last)) == Some(&b'.') {
        return text.len();
    }
    let start = text.iter().rposition(|byte| *byte == b'.').map_or(0, |at| at + 1);
    let label = text.get(start..).unwrap_or_default();
    let letters = label.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let is_over = label.get(letters).is_some_and(|byte| *byte == b'-' || !byte.is_ascii());
    match letters >= 2 && is_over && !label.starts_with(b"xn--") {
        true => start + letters,
        false => text.len(),
    }
}

/// Checks whether a label can be the last one of a domain: letters, all in ASCII or all
/// beyond it, or an IDN's A-label (RFC 5890 section 2.3.2.1).
fn is_top(label: &[u8]) -> bool {
    let is_native = !label.iter().any(u8::is_ascii) && core::str::from_utf8(label).is_ok();
    let is_ascii = label.iter().all(u8::is_ascii_alphabetic);
    label.len() >= 2 && (is_ascii || is_native || label.starts_with(b"xn--"))
}

/// Returns the number of bytes of punctuation at the start of `text`: punctuation of
/// Latin-1, of General Punctuation, and of CJK Symbols and Punctuation.
fn punctuation(text: &[u8]) -> usize {
    let mut start = 0;
    loop {
        start += match text.get(start..) {
            Some([0xC2, 0x80..=0xBF, ..]) => 2,
            Some([0xE2, 0x80 | 0x81, _, ..] | [0xE3, 0x80, _, ..]) => 3,
            _ => return start,
        };
    }
}
