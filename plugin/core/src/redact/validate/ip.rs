//! Network addresses: IPv4, IPv6, MAC.

use core::net::{Ipv4Addr, Ipv6Addr};
use core::ops::Range;
use core::str::{FromStr, from_utf8};

/// Finds an IPv4 address in dotted decimals, without leading zeros (RFC 3986 section
/// 3.2.2). The name of a product may stand before it, as in `name/`; then `120.0.0.0` is
/// a version (RFC 9110 section 10.1.5). `0.0.0.0` belongs to nobody (RFC 1122 section
/// 3.2.1.3).
pub(super) fn ipv4(text: &[u8]) -> Option<Range<usize>> {
    let start = text.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
    let address = text.get(start..)?;
    let is_version = start > 0 && address.ends_with(b".0.0");
    let is_none = address == b"0.0.0.0";
    (is_address::<Ipv4Addr>(address) && !is_version && !is_none).then_some(start..text.len())
}

fn is_address<A: FromStr>(text: &[u8]) -> bool {
    from_utf8(text).is_ok_and(|text| text.parse::<A>().is_ok())
}

/// Checks for an IPv6 address in a form of RFC 4291 section 2.2, with a zone (RFC 4007
/// section 11) if it has one.
pub(super) fn is_ipv6(text: &[u8]) -> bool {
    let zone = text.iter().position(|byte| *byte == b'%');
    let (address, has_zone) = match zone {
        Some(at) => (text.get(..at).unwrap_or_default(), at + 1 < text.len()),
        None => (text, true),
    };
    // `::` alone stands for no address (RFC 4291 section 2.5.2).
    has_zone && address != b"::" && is_address::<Ipv6Addr>(address)
}

/// Checks for a MAC address in the pairs of IEEE 802's EUI-48, or in Cisco's three groups
/// of four. The address of all zeros stands for none, and is not accepted.
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
