//! The first state of a record: it was parsed.

use super::changes;
use super::signatures::{BadCheckpoint, GoodCheckpoint, Verifier};
use super::tally::Said;
use crate::input::Record;
use flb_audit_core::verify::{Checked, Checker, Sealed};
use flb_audit_ledger::frame::Frame;
use flb_audit_ledger::tree;

/// The result of reading one record of the input.
#[allow(
    clippy::large_enum_variant,
    reason = "nearly all are the largest, and a box would cost each an allocation"
)]
pub(super) enum Reading {
    Sealed(Sealed, Option<Box<Result<GoodCheckpoint, BadCheckpoint>>>, Option<Box<Said>>),
    Unsealed,
    Malformed,
    UnknownVersion,
    Unreadable(String),
    /// A record or frame that was changed, with the evidence.
    Altered(String),
    Encrypted(Box<Frame>),
}

impl Reading {
    /// Returns true if the text had a seal and is not the text that was sealed.
    pub(super) fn is_altered(&self, text: &[u8]) -> bool {
        match self {
            Reading::Sealed(sealed, ..) => !sealed.is_intact,
            Reading::Malformed => true,
            Reading::Unreadable(_) => changes::may_be_key_value(text),
            _ => false,
        }
    }
}

/// Reads a record.
pub(super) fn read(
    checker: &mut Checker,
    signatures: &mut Verifier<'_>,
    record: &Record<'_>,
    is_tallied: bool,
) -> Reading {
    let text = record.text;
    match checker.check(text) {
        Ok(Checked::Sealed(sealed)) if !is_as_stated(&sealed, record) => {
            Reading::Altered("not the record that its frame states".to_owned())
        }
        Ok(Checked::Sealed(sealed)) => {
            let signed = sealed
                .is_checkpoint
                .then(|| signatures.verify(sealed.checkpoint().as_ref(), Some(sealed.seconds)));
            let said = is_tallied.then(|| Said::of(&sealed)).flatten();
            Reading::Sealed(*sealed, signed.map(Box::new), said)
        }
        Ok(Checked::Unsealed) => Reading::Unsealed,
        Ok(Checked::UnknownVersion) => Reading::UnknownVersion,
        Ok(_) => Reading::Malformed,
        Err(unreadable) => Reading::Unreadable(unreadable.to_string()),
    }
}

/// Checks that a record is the one that its frame names. Records outside of frames always
/// pass.
fn is_as_stated(sealed: &Sealed, record: &Record<'_>) -> bool {
    record.stated.is_none_or(|stated| {
        // If a record is not as it was sealed, its frame has the hash of its line as
        // head.
        (stated.life, stated.sequence) == (sealed.place.life(sealed.chain), sealed.place.sequence)
            && (stated.head == sealed.head || stated.head == tree::leaf(record.text))
    })
}
