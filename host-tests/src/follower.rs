//! Follows one chain without the help of the verifier.

use crate::guest::intact;
use flb_audit_core::chain::GENESIS;
use flb_audit_core::verify::Sealed;

/// The last record of a chain so far.
#[derive(Default)]
pub struct Follower {
    last: Option<Sealed>,
}

impl Follower {
    /// Checks that a record follows the last one, in its segment or as the first of the
    /// next, and returns its seal. Panics otherwise.
    #[track_caller]
    pub fn follow(&mut self, text: &[u8]) -> Sealed {
        let sealed = intact(text);
        match &self.last {
            None => {
                assert_eq!((sealed.place.segment, sealed.place.sequence), (1, 0));
                assert_eq!((sealed.previous, sealed.link), (GENESIS, None));
            }
            Some(last) => {
                assert_eq!((sealed.chain, sealed.previous), (last.chain, last.head));
                if sealed.place.sequence > 0 {
                    assert_eq!(
                        (sealed.place.segment, sealed.place.run),
                        (last.place.segment, last.place.run)
                    );
                    assert_eq!(sealed.place.sequence, last.place.sequence + 1);
                    assert_eq!(sealed.link, None);
                } else {
                    assert_eq!(sealed.place.segment, last.place.segment + 1);
                    assert_ne!(sealed.place.run, last.place.run);
                    assert_eq!(sealed.link.map(|link| link.place), Some(last.place));
                }
            }
        }
        self.last = Some(sealed);
        sealed
    }
}
