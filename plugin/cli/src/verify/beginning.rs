//! The statements of a life's first record about the time before the life.

use super::bytes::{Bytes, Damaged, put_number, put_text};
use super::rows::Stored;
use super::spool::Fingerprint;
use flb_audit_core::chain::{Life, Link, Place};
use flb_audit_core::record::notes::Notes;

/// The statements of one life's first record.
#[derive(Clone, Debug, Default)]
pub(super) struct Beginning {
    /// The notes on the node's state.
    pub(super) notes: Notes,
    /// The record from which the life continues.
    pub(super) link: Option<Place>,
    /// The first record before the life that may never have been delivered, and the head
    /// before that record.
    pub(super) unsettled: Option<(Place, Fingerprint)>,
}

impl Beginning {
    pub(super) fn new(notes: Notes, link: Option<Link>) -> Beginning {
        let unsettled = link.and_then(|link| link.unsettled);
        Beginning {
            notes,
            link: link.map(|link| link.place),
            unsettled: unsettled.map(|of| (of.place, Fingerprint::of(&of.head))),
        }
    }

    /// Checks whether two say the same of the time before their life.
    pub(super) fn says_as(&self, other: &Beginning) -> bool {
        let notes = |said: &Beginning| {
            [Notes::STATE_DAMAGED, Notes::STATE_SET_BACK].map(|note| said.notes.contains(note))
        };
        (self.link, self.unsettled, notes(self)) == (other.link, other.unsettled, notes(other))
    }

    /// Returns the stop that a life states: the record from which it continues, and the first one
    /// that may never have been delivered, with the head before that.
    pub(super) fn stop(&self, life: &Life) -> Option<(Place, (Place, Fingerprint))> {
        let link = self.link.filter(|link| link.segment < life.segment)?;
        Some((link, self.unsettled?))
    }
}

impl Stored for Beginning {
    fn put(&self, out: &mut Vec<u8>) {
        (self.link, self.unsettled).put(out);
        put_number(out, self.notes.words().count() as u64);
        self.notes.words().for_each(|word| put_text(out, word.as_bytes()));
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damaged> {
        let (link, unsettled) = Stored::take(from)?;
        let mut notes = Notes::NONE;
        for _ in 0..from.number()? {
            notes.insert(Notes::from_word(from.text()?));
        }
        Ok(Beginning { notes, link, unsettled })
    }
}
