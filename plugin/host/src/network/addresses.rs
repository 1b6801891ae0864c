//! Addresses behind which is this node, its link, or a cloud's metadata.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Single addresses at which clouds serve metadata or credentials, beside those that are
/// link-local: Azure's and Alibaba's.
const METADATA: [Ipv4Addr; 2] = [Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(100, 100, 100, 200)];

/// The ranges for IPv6, by their first 32 bits: those of AWS and of Google.
const METADATA_V6: [[u16; 2]; 2] = [[0xfd00, 0x0ec2], [0xfd20, 0x00ce]];

/// True for an address that no name may lead to.
pub(super) fn is_guarded(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_guarded_v4(address),
        IpAddr::V6(address) => embedded(address).map_or_else(|| is_guarded_v6(address), is_guarded_v4),
    }
}

fn is_guarded_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || first == 0
        // Assigned to protocols; one of them is Oracle's metadata.
        || (first, second, third) == (192, 0, 0)
        // Reserved, and broadcasts.
        || first >= 240
        || METADATA.contains(&address)
}

fn is_guarded_v6(address: Ipv6Addr) -> bool {
    let [first, second, third, ..] = address.segments();
    address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        // Link-local, and site-local of old.
        || (first & 0xff80) == 0xfe80
        // Translated to an address that cannot be told, or tunnelled to one.
        || (first, second, third) == (0x64, 0xff9b, 1)
        || (first, second) == (0x2001, 0)
        || METADATA_V6.contains(&[first, second])
}

/// Returns the IPv4 address that packets to this address end at: mapped, compatible,
/// translated (64:ff9b::/96) or by 6to4.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let of = |high: u16, low: u16| Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    match [a, b, c, d, e, f] {
        [0, 0, 0, 0, 0, 0xffff] | [0x64, 0xff9b, 0, 0, 0, 0] => of(g, h),
        [0, 0, 0, 0, 0, 0] if (g, h) > (0, 1) => of(g, h),
        [0x2002, ..] => of(b, c),
        _ => None,
    }
}
