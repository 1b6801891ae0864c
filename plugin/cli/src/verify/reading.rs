//! The first state of a record: it was parsed.

use super::changes::{self, Altered};
use super::tally::Said;
use crate::ignored::IgnoredKeys;
use crate::input::{self, At, Inputs, Record, Seen, Source, Unread, Worker};
use anyhow::Result;
use flb_audit_core::chain::checkpoint::Checkpoint;
use flb_audit_core::record::tape::Unreadable;
use flb_audit_core::verify::{Checked, Checker, Sealed};
use flb_audit_ledger::frame::Frame;
use flb_audit_ledger::{DecryptionKeys, RecordId, tree};

/// The result of reading one text of the input. `S` is what a checkpoint says.
#[allow(
    clippy::large_enum_variant,
    reason = "nearly all are the largest, and a box would cost each an allocation"
)]
pub(super) enum Reading<S> {
    Sealed(Sealed, Option<Box<S>>, Option<Box<Said>>),
    Other(Other),
}

/// A text that is no sealed record.
pub(super) enum Other {
    Unsealed,
    Malformed,
    UnknownVersion,
    Unreadable(String),
    /// The rest of the input, or a text that is too large, which was not read.
    Broken(String),
    /// A record or frame that was changed, with the evidence.
    Altered(String),
    Encrypted(Box<Frame>),
}

impl<S> Reading<S> {
    /// Returns true if the text had a seal and is not the text that was sealed.
    fn is_altered(&self, text: &[u8]) -> bool {
        match self {
            Reading::Sealed(sealed, ..) => !sealed.is_intact,
            Reading::Other(Other::Malformed) => true,
            Reading::Other(Other::Unreadable(_)) => changes::may_be_key_value(text),
            Reading::Other(_) => false,
        }
    }
}

/// Reads all sources. `claims` returns, for each core, what makes a checkpoint's claim into
/// `S`; a checkpoint that cannot be read is `None`. Passes on what was read of each text,
/// with a copy of its start if it is no longer what was sealed.
pub(super) fn read<S: Send, C: FnMut(Option<Checkpoint>, u64) -> S>(
    sources: &[Source],
    keys: Option<&DecryptionKeys>,
    ignored: &IgnoredKeys,
    is_tallied: bool,
    claims: impl Fn() -> C + Sync,
    mut sink: impl FnMut(At, Reading<S>, Option<Vec<u8>>) -> Result<()>,
) -> Result<Inputs> {
    let worker = || Reader { checker: Checker::new(ignored.clone().all()), claim: claims(), is_tallied };
    input::read_encrypted(sources, keys, worker, |(at, reading, kept)| sink(at, reading, kept))
}

/// The worker of one core.
struct Reader<C> {
    checker: Checker,
    claim: C,
    is_tallied: bool,
}

/// The reading of a text, with a copy of its start if it is no longer what was sealed.
type Made<S> = (At, Reading<S>, Option<Vec<u8>>);

impl<S, C: FnMut(Option<Checkpoint>, u64) -> S> Worker<Made<S>> for Reader<C> {
    fn see(&mut self, at: At, record: Result<Record<'_>, Unread>) -> Seen<Made<S>> {
        let Reader { checker, claim, is_tallied } = self;
        let other = match record {
            Ok(Record { text, stated, .. }) => {
                let reading = look(checker.check(text), claim, *is_tallied, (text, stated));
                return seen(at, reading, text);
            }
            Err(Unread::Broken(reason)) => Other::Broken(reason),
            Err(torn @ Unread::Torn) => Other::Unreadable(torn.to_string()),
            Err(Unread::Encrypted(frame)) => Other::Encrypted(frame),
            Err(altered @ Unread::Altered(_)) => Other::Altered(altered.to_string()),
        };
        seen(at, Reading::Other(other), b"")
    }

    fn see_all(&mut self, texts: &[(At, &[u8])], mut pass: impl FnMut(Seen<Made<S>>)) {
        let Reader { checker, claim, is_tallied } = self;
        let to_check: Vec<&[u8]> = texts.iter().map(|(_, text)| *text).collect();
        let mut checked_texts = texts.iter();
        checker.check_all(&to_check, |checked| {
            if let Some(&(at, text)) = checked_texts.next() {
                pass(seen(at, look(checked, claim, *is_tallied, (text, None)), text));
            }
        });
    }
}

fn seen<S>(at: At, reading: Reading<S>, text: &[u8]) -> Seen<Made<S>> {
    let kept = if reading.is_altered(text) { Altered::copy(text) } else { None };
    match reading {
        Reading::Other(Other::Unsealed | Other::Unreadable(_) | Other::Broken(_)) => {
            Seen::Other((at, reading, kept))
        }
        _ => Seen::Record((at, reading, kept)),
    }
}

/// Returns what was read of a text. `stated` is the record that its frame names.
fn look<S>(
    checked: Result<Checked<'_>, Unreadable>,
    claim: &mut impl FnMut(Option<Checkpoint>, u64) -> S,
    is_tallied: bool,
    (text, stated): (&[u8], Option<RecordId>),
) -> Reading<S> {
    Reading::Other(match checked {
        Ok(Checked::Sealed(sealed)) if !is_as_stated(&sealed, text, stated) => {
            Other::Altered("not the record that its frame states".to_owned())
        }
        Ok(Checked::Sealed(sealed)) => {
            let claimed = sealed.is_checkpoint.then(|| claim(sealed.checkpoint(), sealed.seconds));
            let said = is_tallied.then(|| Said::of(&sealed)).flatten();
            return Reading::Sealed(*sealed, claimed.map(Box::new), said);
        }
        Ok(Checked::Unsealed) => Other::Unsealed,
        Ok(Checked::UnknownVersion) => Other::UnknownVersion,
        Ok(_) => Other::Malformed,
        Err(unreadable) => Other::Unreadable(unreadable.to_string()),
    })
}

/// Checks that a record is the one that its frame names. Records outside of frames always
/// pass.
fn is_as_stated(sealed: &Sealed, text: &[u8], stated: Option<RecordId>) -> bool {
    stated.is_none_or(|stated| {
        // If a record is not as it was sealed, its frame has the hash of its line as
        // head.
        (stated.life, stated.sequence) == (sealed.place.life(sealed.chain), sealed.place.sequence)
            && (stated.head == sealed.head || stated.head == tree::leaf(text))
    })
}
