//! Network addresses: IPv4, IPv6, MAC.

use core::ops::Range;

/// An IPv4 address in dotted decimals, octets without leading zeros (RFC
/// 3986 section 3.2.2). A product's name may stand before it, `name/`: with
/// it `120.0.0.0` is a version (RFC 9110 section 10.1.5). `0.0.0.0` is nobody's
/// (RFC 1122 section 3.2.1.3).
pub(super) fn ipv4(text: &[u8]) -> Option<Range<usize>> {
    let start = text.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
    let address = text.get(start..)?;
    let is_version = start > 0 && address.ends_with(b".0.0");
    let is_none = address == b"0.0.0.0";
    (octets(address) && !is_version && !is_none).then_some(start..text.len())
}

fn octets(text: &[u8]) -> bool {
    let octet = |digits: &[u8]| {
        matches!(
            digits,
            [b'0'..=b'9']
                | [b'1'..=b'9', b'0'..=b'9']
                | [b'1', b'0'..=b'9', b'0'..=b'9']
                | [b'2', b'0'..=b'4', b'0'..=b'9']
                | [b'2', b'5', b'0'..=b'5']
        )
    };
    text.split(|byte| *byte == b'.').count() == 4 && text.split(|byte| *byte == b'.').all(octet)
}

/// An IPv6 address in a form of RFC 4291 section 2.2, with the zone of RFC
/// 4007 section 11 if it has one.
pub(super) fn is_ipv6(text: &[u8]) -> bool {
    let zone = text.iter().position(|byte| *byte == b'%');
    let (address, has_zone) = match zone {
        Some(at) => (text.get(..at).unwrap_or_default(), at + 1 < text.len()),
        None => (text, true),
    };
    let gap = address.windows(2).position(|pair| pair == b"::");
    let groups = match gap {
        None => groups(address, true).filter(|count| *count == 8),
        Some(at) => {
            let (head, tail) = address.split_at_checked(at).unwrap_or_default();
            let tail = tail.get(2..).unwrap_or_default();
            let count = |part: &[u8], is_last| if part.is_empty() { Some(0) } else { groups(part, is_last) };
            // `::` stands for one group at least (RFC 5952 section 4.2.2 of
            // two, but those who write read RFC 4291).
            count(head, false)
                .zip(count(tail, true))
                .map(|(a, b)| a + b)
                .filter(|count| (1..=7).contains(count))
        }
    };
    has_zone && groups.is_some()
}

/// How many groups of 16 bits there are; two of them may be an IPv4 address
/// at the end.
fn groups(text: &[u8], is_last: bool) -> Option<usize> {
    let (mut count, total) = (0, text.split(|byte| *byte == b':').count());
    for (index, group) in text.split(|byte| *byte == b':').enumerate() {
        count += match group.len() {
            1..=4 if group.iter().all(u8::is_ascii_hexdigit) => 1,
            _ if is_last && index + 1 == total && octets(group) => 2,
            _ => return None,
        };
    }
    Some(count)
}

/// A MAC address as IEEE 802 writes EUI-48, in pairs, or in Cisco's three
/// groups of four; not the one of all zeros, which stands for none.
pub(super) fn is_mac(text: &[u8]) -> bool {
    let (group, separator) = match text.len() {
        17 => (3, text.get(2)),
        14 => (5, text.get(4)),
        _ => return false,
    };
    let is_in_place = |(at, byte): (usize, &u8)| match at % group == group - 1 {
        true => Some(byte) == separator && matches!((byte, group), (b':' | b'-', 3) | (b'.', 5)),
        false => byte.is_ascii_hexdigit(),
    };
    let is_zero = text.iter().all(|byte| matches!(byte, b'0' | b':' | b'-' | b'.'));
    text.iter().enumerate().all(is_in_place) && !is_zero
}
