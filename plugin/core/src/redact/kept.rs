//! The members of a record whose values stay, by the record's format. Each key is asked
//! about once, as long as records have the same format.

use crate::memory::put;
use crate::policy::paths::{Paths, Ruling};
use crate::recognize::{KeyNumber, Variant};
use alloc::vec::Vec;

/// The states of a key.
const NOT_ASKED: u8 = 0;
const GOES: u8 = 1;
const STAYS: u8 = 2;

/// The states of keys that are set at once, since one after the other takes a guest eight times as
/// many steps.
const NOT_ASKED_YET: [u8; 128] = [NOT_ASKED; 128];

/// The known states of keys, in records of one variant.
#[derive(Debug, Default)]
pub(super) struct Kept {
    variant: Variant,
    /// The states, indexed by the number of the key.
    known: Vec<u8>,
}

impl Kept {
    /// Makes room for `numbers` keys, and forgets everything if the variant is another
    /// one.
    pub(super) fn begin(&mut self, variant: Variant, numbers: usize) {
        if self.known.len() != numbers {
            self.known.clear();
            if self.known.try_reserve_exact(numbers).is_err() {
                return;
            }
            while self.known.len() < numbers {
                let more = (numbers - self.known.len()).min(NOT_ASKED_YET.len());
                // There is room.
                let _ = put(&mut self.known, &NOT_ASKED_YET[..more]);
            }
        } else if self.variant != variant {
            self.known.fill(NOT_ASKED);
        }
        self.variant = variant;
    }

    /// Returns true if the value of a member of the record stays as a whole.
    #[inline(always)]
    pub(super) fn stays(&mut self, paths: &Paths<'_>, key: KeyNumber) -> bool {
        match self.known.get(usize::from(key)) {
            None | Some(&GOES) => false,
            Some(&STAYS) => true,
            Some(_) => self.ask(paths, key),
        }
    }

    #[cold]
    fn ask(&mut self, paths: &Paths<'_>, key: KeyNumber) -> bool {
        let ruling = paths.ruling(paths.member(paths.start(0, self.variant), key));
        let stays = matches!(ruling, Ruling::Keep | Ruling::Opaque);
        if let Some(known) = self.known.get_mut(usize::from(key)) {
            *known = if stays { STAYS } else { GOES };
        }
        stays
    }
}
