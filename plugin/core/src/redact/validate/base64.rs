//! A decoder of base64 that needs no buffer.

/// Returns the bytes that `text` holds in base64 or base64url (RFC 4648 sections 4 and
/// 5), padded or not. A character outside both alphabets yields `None`.
pub(super) fn decode(text: &[u8]) -> impl Iterator<Item = Option<u8>> {
    let unpadded = text.iter().filter(|byte| **byte != b'=');
    unpadded
        .scan((0u32, 0u32), |(bits, count), &byte| {
            let Some(six) = value(byte) else { return Some(Some(None)) };
            *bits = *bits << 6 | u32::from(six);
            *count += 6;
            if *count < 8 {
                return Some(None);
            }
            *count -= 8;
            Some(Some(Some((*bits >> *count) as u8)))
        })
        .flatten()
}

fn value(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}
