//! Addresses of machines.

use super::{Detector, triggers};
use flb_audit_core::policy::Boundary;
use flb_audit_core::policy::Validator;

pub(super) const NETWORK: &[Detector] = &[
    Detector {
        name: "ipv4",
        pack: "network",
        what: "IPv4 addresses, not versions of four or five parts",
        trigger: triggers::DIGITS,
        lead: r"([A-Za-z][A-Za-z0-9._-]*/)?[0-9]{1,3}\.[0-9]{1,3}\.[0-9]",
        pattern: r"([A-Za-z][A-Za-z0-9._-]*/)?[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}",
        shapes: "",
        before: Boundary::Ipv4,
        after: Boundary::Ipv4,
        validator: Validator::Ipv4,
        class: "ip",
        action: "truncate",
        source: "RFC 3986 section 3.2.2, RFC 9110 section 10.1.5",
    },
    Detector {
        name: "ipv6",
        pack: "network",
        what: "IPv6 addresses, compressed, with an IPv4 address at the end or with a zone",
        trigger: triggers::GROUPS,
        lead: "[0-9A-Fa-f:]{1,35}:",
        pattern: r"[0-9A-Fa-f:]{2,39}([0-9]?\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3})?(%[A-Za-z0-9._-]{1,15})?",
        shapes: "",
        before: Boundary::Ipv6,
        after: Boundary::Ipv6,
        validator: Validator::Ipv6,
        class: "ip",
        action: "truncate",
        source: "RFC 4291 section 2.2, RFC 4007 section 11, RFC 5952",
    },
    Detector {
        name: "mac",
        pack: "network",
        what: "MAC addresses in pairs",
        trigger: triggers::GROUPS,
        lead: "([0-9A-Fa-f]{2}:){2}|([0-9A-Fa-f]{2}-){4}",
        pattern: "([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}",
        shapes: "",
        before: Boundary::Ipv6,
        after: Boundary::Ipv6,
        validator: Validator::Mac,
        class: "mac",
        action: "mask",
        source: "IEEE 802-2014 section 8.1",
    },
];
