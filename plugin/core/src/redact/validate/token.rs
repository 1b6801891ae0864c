//! Tokens whose own form tells them: prefixes, checksums, JSON inside.

use super::base64::decode;
use super::entropy::{is_random, is_spread};
use crate::crc::crc32;
use core::ops::Range;

/// How many characters of a token are its checksum, and how many they cover.
const CHECKSUM_CHARS: usize = 6;
const CHECKED_CHARS: usize = 30;
/// How many a refresh token of GitHub has.
const REFRESH_CHARS: usize = 76;

/// A token of GitHub's kind, `ghp_` or `npm_` and 36 letters and digits: the
/// last six are the CRC-32 of the 30 before, in base 62, the digits first and
/// then capitals (GitHub, "Behind GitHub's new authentication token formats",
/// "Announcing npm's new access token format"). Whether a refresh token,
/// `ghr_` and 76, has a checksum is not said: it is told by its looks.
pub(super) fn has_checksum(text: &[u8]) -> bool {
    let start = text.iter().position(|byte| *byte == b'_').map_or(0, |at| at + 1);
    let body = text.get(start..).unwrap_or_default();
    if body.len() == REFRESH_CHARS && text.starts_with(b"ghr_") {
        return is_spread(body);
    }
    let Some((checked, checksum)) = body.split_at_checked(CHECKED_CHARS) else { return false };
    if checksum.len() != CHECKSUM_CHARS {
        return false;
    }
    let mut rest = crc32(checked);
    let mut is_equal = true;
    for &byte in checksum.iter().rev() {
        let digit = match rest % 62 {
            digit @ 0..=9 => b'0' + digit as u8,
            digit @ 10..=35 => b'A' + (digit - 10) as u8,
            digit => b'a' + (digit - 36) as u8,
        };
        is_equal &= digit == byte;
        rest /= 62;
    }
    is_equal
}

/// A token whose part behind its prefix looks random, which examples in
/// documentation mostly do not.
pub(super) fn is_random_token(text: &[u8]) -> bool {
    let start = text.iter().take(PREFIX_BYTES_MAX).rposition(|byte| matches!(byte, b'_' | b'-' | b'.'));
    let body = text.get(start.map_or(0, |at| at + 1)..).unwrap_or_default();
    body.len() >= BODY_BYTES_MIN && is_spread(body)
}

/// The longest prefix of a vendor's token, in bytes, and the shortest body.
const PREFIX_BYTES_MAX: usize = 12;
const BODY_BYTES_MIN: usize = 16;

/// The shortest session token, in characters: AWS gives no length, those seen
/// have 250 and more.
const SESSION_TOKEN_CHARS_MIN: usize = 100;

/// An AWS session token, by its length: the prefix is in the pattern.
pub(super) fn is_session_token(text: &[u8]) -> bool {
    text.len() >= SESSION_TOKEN_CHARS_MIN
}

/// How much of a JWT's header is looked at, in characters.
const HEADER_CHARS_MAX: usize = 512;

/// A JWT, a JWS or a JWE in compact form: its header is an object in JSON
/// with an `alg` (RFC 7515 section 4.1.1, RFC 7516 section 4.1.1).
pub(super) fn is_jwt(text: &[u8]) -> bool {
    let header = text.split(|byte| *byte == b'.').next().unwrap_or_default();
    let header = header.get(..HEADER_CHARS_MAX).unwrap_or(header);
    let mut last = [0; 5];
    let has_algorithm = decode(header).flatten().any(|byte| {
        last.rotate_left(1);
        last[4] = byte;
        last == *b"\"alg\""
    });
    decode(header).take(2).eq([Some(b'{'), Some(b'"')]) && has_algorithm
}

/// How long an AWS secret access key is, in characters.
const SECRET_KEY_CHARS: usize = 40;

/// The AWS secret access key at the end of `text`, behind the id that it
/// belongs to: base64, random, and neither hexadecimal, as a commit, nor a
/// path.
pub(super) fn secret_access_key(text: &[u8]) -> Option<Range<usize>> {
    let start = text.len().checked_sub(SECRET_KEY_CHARS)?;
    let key = text.get(start..)?;
    is_secret_access_key(key).then_some(start..text.len())
}

fn is_secret_access_key(key: &[u8]) -> bool {
    let is_hexadecimal = key.iter().all(u8::is_ascii_hexdigit);
    let is_base64 = key.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'));
    let has_capitals = key.iter().any(u8::is_ascii_uppercase) && key.iter().any(u8::is_ascii_lowercase);
    is_base64 && !is_hexadecimal && has_capitals && is_random(key)
}
