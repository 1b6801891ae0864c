//! Tokens that are known by their own form: prefixes, checksums, JSON inside.

use super::base64::decode;
use super::entropy::{is_random, is_spread};
use crate::crc::crc32;
use core::ops::Range;

/// The number of characters of a token's checksum, and of those that the checksum covers.
const CHECKSUM_CHARS: usize = 6;
const CHECKED_CHARS: usize = 30;
/// The length of a GitHub refresh token behind its prefix, in characters.
const REFRESH_CHARS: usize = 76;

/// Checks a token of GitHub's kind: `ghp_` or `npm_` and 36 letters and digits.
///
/// The last six characters are the CRC-32 of the 30 before, in base 62 with the digits
/// first and then capitals (GitHub, "Behind GitHub's new authentication token formats",
/// "Announcing npm's new access token format"). GitHub does not say whether a refresh
/// token, `ghr_` and 76 characters, has a checksum; it only has to look random.
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

/// Checks whether the part behind a token's prefix looks random. Examples in
/// documentation mostly do not.
pub(super) fn is_random_token(text: &[u8]) -> bool {
    let start = text.iter().take(PREFIX_BYTES_MAX).rposition(|byte| matches!(byte, b'_' | b'-' | b'.'));
    let body = text.get(start.map_or(0, |at| at + 1)..).unwrap_or_default();
    // In Slack's tokens, numbers stand before the random part.
    let tail = body.rsplit(|byte| *byte == b'-').next().unwrap_or_default();
    [body, tail].iter().any(|part| part.len() >= BODY_BYTES_MIN && is_spread(part))
}

/// The maximum length of a vendor's prefix, in bytes, and the minimum length of the rest.
const PREFIX_BYTES_MAX: usize = 12;
const BODY_BYTES_MIN: usize = 16;

/// The minimum length of a session token, in characters. AWS states no length; known
/// tokens have 250 and more.
const SESSION_TOKEN_CHARS_MIN: usize = 100;

/// Checks an AWS session token by its length. The pattern has checked the prefix.
pub(super) fn is_session_token(text: &[u8]) -> bool {
    text.len() >= SESSION_TOKEN_CHARS_MIN
}

/// The number of characters of a JWT's header that are looked at.
const HEADER_CHARS_MAX: usize = 512;

/// Checks for a JWT, a JWS or a JWE in compact form: its header is a JSON object with an
/// `alg` (RFC 7515 section 4.1.1, RFC 7516 section 4.1.1).
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

/// The length of an AWS secret access key, in characters.
const SECRET_KEY_CHARS: usize = 40;

/// Finds the AWS secret access key at the end of `text`, behind the id that it belongs
/// to. It is random base64, and neither hexadecimal, as a commit id is, nor a path.
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
