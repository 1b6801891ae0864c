//! The formats that a schema may assert (JSON Schema Validation, section 7.3).

mod international;
mod name;
mod time;

pub(super) use international::Characters;

use core::net::{Ipv4Addr, Ipv6Addr};

/// A format. In a program it stands as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// RFC 3339, `date-time`
    DateTime,
    /// RFC 3339, `full-date`
    Date,
    /// RFC 3339, `full-time`
    Time,
    /// RFC 3339, `duration` of appendix A
    Duration,
    /// RFC 2673 section 3.2, dotted quad
    Ipv4,
    /// RFC 4291 section 2.2
    Ipv6,
    /// RFC 4122
    Uuid,
    /// RFC 5321 section 4.1.2, `Mailbox`
    Email,
    /// RFC 1123 section 2.1, and RFC 5891 section 4.2 for labels of Punycode, except for
    /// their normal form and writing direction
    Hostname,
    /// RFC 3986
    Uri,
}

impl Format {
    /// All formats by name. The index of a format is its number.
    pub const ALL: [(&'static str, Format); 10] = [
        ("date-time", Format::DateTime),
        ("date", Format::Date),
        ("time", Format::Time),
        ("duration", Format::Duration),
        ("ipv4", Format::Ipv4),
        ("ipv6", Format::Ipv6),
        ("uuid", Format::Uuid),
        ("email", Format::Email),
        ("hostname", Format::Hostname),
        ("uri", Format::Uri),
    ];

    /// Checks whether `text` has this format.
    pub(super) fn holds(self, text: &[u8], characters: &Characters<'_>) -> bool {
        match self {
            Format::DateTime => time::is_date_time(text),
            Format::Date => time::is_date(text),
            Format::Time => time::is_time(text),
            Format::Duration => time::is_duration(text),
            Format::Ipv4 => is_ipv4(text),
            Format::Ipv6 => is_ipv6(text),
            Format::Uuid => is_uuid(text),
            Format::Email => name::is_email(text),
            Format::Hostname => name::is_international_hostname(text, characters),
            Format::Uri => name::is_uri(text),
        }
    }
}

/// Checks for four octets in decimal, without leading zeros.
fn is_ipv4(text: &[u8]) -> bool {
    core::str::from_utf8(text).is_ok_and(|text| text.parse::<Ipv4Addr>().is_ok())
}

fn is_ipv6(text: &[u8]) -> bool {
    core::str::from_utf8(text).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

fn is_uuid(text: &[u8]) -> bool {
    text.len() == 36
        && text.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Removes `first` from the front, or returns `None` if it is not there.
fn strip(text: &[u8], first: u8) -> Option<&[u8]> {
    match text {
        [found, rest @ ..] if *found == first => Some(rest),
        _ => None,
    }
}
