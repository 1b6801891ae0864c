//! Verifies the signatures of checkpoints with the public keys that the roster has for
//! their chains. Each signature is verified independently, on any core.

use super::Verdict;
use crate::roster::Roster;
use flb_audit_core::chain::ChainId;
use flb_audit_core::chain::certificate::{Handover, KnownKeys, NotCertified};
use flb_audit_core::chain::checkpoint::Checkpoint;
use std::collections::HashMap;

/// A checkpoint whose key belongs to its chain and was in force there, with a valid
/// signature by that key. Only [`Verifier::verify`] makes one.
pub(crate) struct GoodCheckpoint {
    index: u32,
    since: Vec<Handover>,
}

impl GoodCheckpoint {
    /// Returns the number of the key that has signed it.
    pub(crate) fn index(&self) -> u32 {
        self.index
    }

    /// Returns the handovers to that key and to the key before it.
    pub(crate) fn since(&self) -> &[Handover] {
        &self.since
    }
}

/// A checkpoint that proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadCheckpoint {
    /// The number of the key that it claims.
    pub(crate) index: u32,
    pub(crate) flaw: Flaw,
}

impl BadCheckpoint {
    /// Returns the reason why it proves nothing.
    pub(crate) fn what(&self) -> String {
        self.flaw.what(self.index)
    }
}

/// The reason why a checkpoint proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// No roster was given.
    NoRoster,
    /// The roster does not have the chain.
    NotInRoster,
    /// Its key is not a certified key of the chain.
    Key(NotCertified),
    /// Its key came into force later.
    TooEarly,
    /// The signature was not made with its key.
    Signature,
    /// It lacks a part, or has one that no filter writes.
    Malformed,
}

/// Verifies checkpoints one by one.
pub(crate) struct Verifier<'a> {
    roster: Option<&'a Roster>,
    known: HashMap<ChainId, KnownKeys>,
}

impl<'a> Verifier<'a> {
    pub(crate) fn new(roster: Option<&'a Roster>) -> Self {
        Verifier { roster, known: HashMap::new() }
    }

    /// Verifies a checkpoint. `None` stands for a checkpoint that could not be read.
    pub(crate) fn verify(
        &mut self,
        checkpoint: Option<&Checkpoint>,
    ) -> Result<GoodCheckpoint, BadCheckpoint> {
        let checkpoint = checkpoint.ok_or(BadCheckpoint { index: 0, flaw: Flaw::Malformed })?;
        let index = checkpoint.key.index;
        self.flaw(checkpoint).map_err(|flaw| BadCheckpoint { index, flaw })?;
        Ok(GoodCheckpoint { index, since: checkpoint.key.since.clone() })
    }

    fn flaw(&mut self, checkpoint: &Checkpoint) -> Result<(), Flaw> {
        let roster = self.roster.ok_or(Flaw::NoRoster)?;
        let root = roster.of(&checkpoint.chain).ok_or(Flaw::NotInRoster)?.key;
        let known =
            self.known.entry(checkpoint.chain).or_insert_with(|| KnownKeys::new(checkpoint.chain, root));
        let key = known.verify(&checkpoint.key).map_err(Flaw::Key)?;
        let message = checkpoint.message().map_err(|_| Flaw::Malformed)?;
        if !key.has_signed(&message, &checkpoint.signature) {
            return Err(Flaw::Signature);
        }
        let is_too_early = |handover: &Handover| checkpoint.place.position() < handover.place.position();
        if checkpoint.key.since.iter().any(is_too_early) {
            return Err(Flaw::TooEarly);
        }
        Ok(())
    }
}

impl Flaw {
    /// Returns the verdict on a log with this flaw.
    pub(crate) fn verdict(self) -> Verdict {
        match self {
            Flaw::NoRoster => Verdict::Unsigned,
            Flaw::NotInRoster | Flaw::Key(_) | Flaw::TooEarly => Verdict::KeyNotCertified,
            Flaw::Signature | Flaw::Malformed => Verdict::Tampered,
        }
    }

    /// Describes the flaw for the report.
    pub(crate) fn what(self, index: u32) -> String {
        match self {
            Flaw::NoRoster => "no --roster was given, so nobody vouches for its keys".into(),
            Flaw::NotInRoster => "the roster does not have this chain, so nobody vouches for its keys".into(),
            Flaw::Key(NotCertified::Certificate(of)) => {
                format!(
                    "key {index} does not go back to the roster's: the certificate of key {of} is not good"
                )
            }
            Flaw::Key(NotCertified::Handover(of)) => {
                format!(
                    "key {index} was not handed over: what the key before key {of} has to say of it is not good"
                )
            }
            Flaw::Key(_) => format!("key {index} is not certified"),
            Flaw::TooEarly => format!("key {index} was not in force yet"),
            Flaw::Signature => format!("the signature is not that of key {index}"),
            Flaw::Malformed => "a checkpoint without a signature, or one that no filter writes".into(),
        }
    }
}
