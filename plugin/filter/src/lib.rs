//! The filter guest, which Fluent Bit calls for every record.
//!
//! `abi` is the boundary, with all unsafe code; `state` keeps the head of the chain in a
//! file, `keys` its keys; `policy` finds the policy. Everything else is in
//! `flb-audit-core`.
#![deny(unsafe_code)]

#[allow(unsafe_code)]
mod abi;
mod keys;
mod policy;
mod state;

use abi::{File, Lock};
use flb_audit_core::OutOfMemory;
use flb_audit_core::chain::writer::StateWriter;
use flb_audit_core::chain::{Chain, ChainId, GENESIS, Place, Run};
use flb_audit_core::record::notes::Notes;
use flb_audit_core::{Event, Sealer};
use keys::Keys;
use state::Segment;

/// One life of the filter, which is one segment of its chain.
struct Guest {
    sealer: Sealer<'static>,
    state: Option<StateWriter<File>>,
    keys: Option<Keys>,
    /// Keeps other filters from changing keys until the first record is sealed.
    lock: Option<Lock>,
    /// The notes of every record of this life.
    notes: Notes,
}

impl Guest {
    /// Opens a segment: of the chain in the state directory, or, if there is no state, of
    /// an ephemeral chain that ends with this guest.
    fn start() -> Result<Guest, OutOfMemory> {
        let mut random = [0; 15];
        // If randomness fails, all chains and runs get the same names, and `verify`
        // reports that.
        let _ = abi::fill_random(&mut random);
        let [run @ .., _, _, _, _, _, _, _, _, _] = random;
        let [_, _, _, _, _, _, id @ ..] = random;
        let run = Run::from_random(run);
        let (chain, notes, state, keys, lock) = match Segment::open(run) {
            Ok(Segment { chain, notes, state, keys, lock }) => (chain, notes, Some(state), keys, lock),
            Err(notes) => {
                let next = Place { segment: 1, run, sequence: 0 };
                let (id, algorithm) = (ChainId::ephemeral(id), Default::default());
                (Chain { id, algorithm, next, head: GENESIS, link: None }, notes, None, None, None)
            }
        };
        let (redactor, always) = policy::redactor();
        Ok(Guest { sealer: Sealer::new(chain, notes, redactor)?, state, keys, lock, notes: always })
    }

    /// Seals a record, and saves the new head before the record is handed on.
    fn seal(&mut self, event: &Event<'_>, notes: Notes) -> *const u8 {
        self.sealer.note(notes);
        self.sealer.note(self.notes);
        let now = abi::seconds();
        if let Some(keys) = &mut self.keys {
            keys.prepare(&mut self.sealer, now);
        }
        let sealed = self.sealer.seal(event).as_ptr();
        if let Some(state) = &mut self.state
            && state.write(self.sealer.chain(), now).is_err()
        {
            self.sealer.note(Notes::STATE_NOT_WRITTEN);
        }
        if let Some(keys) = &mut self.keys {
            keys.write_checkpoint(&self.sealer);
        }
        self.lock = None;
        sealed
    }
}
