//! A record of the input, its place, and the reasons why it cannot be read.

use super::place::Place;
use flb_audit_ledger::RecordId;
use flb_audit_ledger::frame::Frame;
use std::fmt;

/// The number of bytes that are read before they are handed to a core.
pub(super) const BATCH_BYTES: usize = 1 << 20;
/// The maximum length of a line or element, in bytes. It is twice the length of the
/// longest record that a filter seals, because a seal is added and outputs escape
/// characters.
pub(crate) const LINE_BYTES_MAX: usize = 2 * flb_audit_core::RECORD_BYTES_MAX;
/// The maximum number of elements of a record that is longer than a batch. Each element
/// takes memory.
pub(super) const ELEMENTS_MAX: usize = 4 << 20;

/// The place of a record in the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct At {
    /// The index of the source.
    pub(crate) source: usize,
    /// The number of the line, or of the element of an array, counted from 1.
    pub(crate) number: u64,
}

/// A record of the input.
pub(crate) struct Record<'a> {
    pub(crate) text: &'a [u8],
    /// The record's id, as its frame states it.
    pub(crate) stated: Option<RecordId>,
    /// The place of the record in the text with this number.
    pub(crate) place: &'a Place,
}

/// The reason why a part of the input cannot be read.
pub(crate) enum Unread {
    /// This part, or the rest of the source, cannot be read.
    Broken(String),
    /// A torn line. The whole record behind it is passed on as well.
    Torn,
    /// The frame that begins at this byte is not as it was written, or not in its place.
    /// The part of it that can be read is passed on as well.
    Altered(u64),
    /// A frame that no decryption key opens.
    Encrypted(Box<Frame>),
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unread::Broken(reason) => f.write_str(reason),
            Unread::Torn => {
                f.write_str("a torn line: half of a record, and a whole one behind it, which was read")
            }
            Unread::Altered(at) => {
                write!(f, "the frame at byte {at} is not as it was written after the one before it")
            }
            Unread::Encrypted(_) => {
                f.write_str("encrypted; `flb-audit export --identity FILE` writes its records in the clear")
            }
        }
    }
}

/// The place from which a source could not be read on.
pub(super) struct Broken {
    pub(super) at: At,
    pub(super) reason: String,
}
