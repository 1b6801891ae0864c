//! The top-level members that the filter adds to a record, or puts in its place.

/// The key under which a record carries its seal.
pub const AUDIT: &str = "audit";
/// The key under which the text of an unreadable record stands.
pub const RAW: &str = "raw";
/// The key under which such a text stands in base64 (RFC 4648 section 4), if it is not UTF-8.
pub const RAW_BASE64: &str = "raw_base64";
/// The key under which the text of a quarantined record stands.
pub const QUARANTINE: &str = "quarantine";
