//! Signatures of checkpoints, each for itself and on any core: held against the public
//! key that the roster has for the chain, or that a fleet vouches for.

use super::Verdict;
use super::enrolled::Membership;
use crate::roster::Roster;
use flb_audit_core::chain::ChainId;
use flb_audit_core::chain::certificate::{Handover, KnownKeys, NotCertified};
use flb_audit_core::chain::checkpoint::Checkpoint;
use flb_audit_core::chain::enrollment::{Enrollment, NotEnrolled, Role};
use flb_audit_core::chain::signature::PublicKey;
use std::collections::HashMap;

/// A checkpoint whose key belongs to its chain and was in force there, with a valid
/// signature by that key. Only [`Verifier::verify`] makes one.
pub(crate) struct GoodCheckpoint {
    index: u32,
    since: Vec<Handover>,
    membership: Option<Box<Membership>>,
    role: Role,
}

impl GoodCheckpoint {
    /// Returns the number of the key that has signed it.
    pub(crate) fn index(&self) -> u32 {
        self.index
    }

    /// Returns the chain's enrollment, if a fleet has enrolled the chain.
    pub(crate) fn membership(&self) -> Option<&Membership> {
        self.membership.as_deref()
    }

    /// Checks that its chain is a ledger's, as the chain's key 0 has stated, and the fleet if
    /// it has enrolled the chain.
    pub(crate) fn is_of_ledger(&self) -> bool {
        self.role == Role::Ledger
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

/// A checkpoint whose signature was verified.
pub(crate) type Judged = Result<GoodCheckpoint, BadCheckpoint>;

/// The reason why a checkpoint proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Flaw {
    /// No roster was given.
    NoRoster,
    /// The roster does not have the chain.
    NotInRoster,
    /// No fleet has enrolled the chain, as far as the checkpoint says.
    NoEnrollment,
    /// The enrollment that the checkpoint states does not hold.
    NotEnrolled(NotEnrolled),
    /// The chain was enrolled for a time that was over.
    Expired,
    /// The roster has another key or node for the chain.
    Disagrees,
    /// The signing key is not a certified key of the chain.
    Key(NotCertified),
    /// The signing key came into force later.
    TooEarly,
    /// The signature was not made with the key that the checkpoint names.
    Signature,
    /// The checkpoint lacks a part, or has one that no filter writes.
    Malformed,
}

/// Verifies checkpoints one by one.
pub(crate) struct Verifier<'a> {
    roster: Option<&'a Roster>,
    known: HashMap<ChainId, KnownKeys>,
    /// The last enrollment of each chain that the fleet's signature is known to fit.
    enrolled: HashMap<ChainId, Enrollment>,
}

/// The number of chains that are remembered. Beyond it, the memory starts anew.
const CHAINS_MAX: usize = 100_000;

impl<'a> Verifier<'a> {
    pub(crate) fn new(roster: Option<&'a Roster>) -> Self {
        Verifier { roster, known: HashMap::new(), enrolled: HashMap::new() }
    }

    /// Verifies a checkpoint; none is one that cannot be read. `seconds` is the time of its
    /// record, if that is known.
    pub(crate) fn verify(
        &mut self,
        checkpoint: Option<&Checkpoint>,
        seconds: Option<u64>,
    ) -> Result<GoodCheckpoint, BadCheckpoint> {
        // Without a roster nothing is judged, so no checkpoint is malformed either.
        let flaw = if self.roster.is_some() { Flaw::Malformed } else { Flaw::NoRoster };
        let checkpoint = checkpoint.ok_or(BadCheckpoint { index: 0, flaw })?;
        let index = checkpoint.key.index;
        self.flaw(checkpoint, seconds).map_err(|flaw| BadCheckpoint { index, flaw })?;
        let fleet = self.roster.and_then(Roster::fleet);
        let membership = checkpoint.key.enrollment.as_ref().filter(|_| fleet.is_some()).map(|of| {
            let Enrollment { node, since, until, role, .. } = &**of;
            (Box::new(Membership { node: node.clone(), since: *since, until: *until }), *role)
        });
        // The chain states its role, and its enrollment may permit less.
        let (membership, permitted) = membership.map_or((None, Role::Ledger), |(of, role)| (Some(of), role));
        let role = checkpoint.key.role().min(permitted);
        Ok(GoodCheckpoint { index, since: checkpoint.key.since.clone(), membership, role })
    }

    fn flaw(&mut self, checkpoint: &Checkpoint, seconds: Option<u64>) -> Result<(), Flaw> {
        let root = self.root(checkpoint, seconds)?;
        if self.known.len() >= CHAINS_MAX {
            self.known.clear();
        }
        // The roster has one key 0 for a chain, and a fleet's chains are named after theirs.
        let fresh = || KnownKeys::new(checkpoint.chain, root);
        let known = self.known.entry(checkpoint.chain).or_insert_with(fresh);
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

    /// Returns the chain's key 0: the roster has it, or a fleet vouches for it.
    fn root(&mut self, checkpoint: &Checkpoint, seconds: Option<u64>) -> Result<PublicKey, Flaw> {
        let chain = checkpoint.chain;
        let roster = self.roster.ok_or(Flaw::NoRoster)?;
        let entry = roster.of(&chain);
        let Some(fleet) = roster.fleet() else {
            return entry.map(|entry| entry.key).ok_or(Flaw::NotInRoster);
        };
        let Some(of) = checkpoint.key.enrollment.as_deref() else {
            return entry.map(|entry| entry.key).ok_or(Flaw::NoEnrollment);
        };
        if self.enrolled.get(&chain) != Some(of) {
            of.verify(&chain, &fleet.fleet).map_err(Flaw::NotEnrolled)?;
            if self.enrolled.len() >= CHAINS_MAX {
                self.enrolled.clear();
            }
            self.enrolled.insert(chain, of.clone());
        }
        match () {
            () if entry.is_some_and(|entry| (entry.key, &entry.node) != (of.root, &of.node)) => {
                Err(Flaw::Disagrees)
            }
            () if of.until.zip(seconds).is_some_and(|(until, at)| until <= at) => Err(Flaw::Expired),
            () => Ok(of.root),
        }
    }
}

impl Flaw {
    /// The flaws of which each makes one finding for the chain, and not one for each
    /// checkpoint: nobody vouches for the chain.
    pub(crate) const OF_CHAIN: [Flaw; 10] = [
        Flaw::NoRoster,
        Flaw::NotInRoster,
        Flaw::NoEnrollment,
        Flaw::NotEnrolled(NotEnrolled::LentKey),
        Flaw::NotEnrolled(NotEnrolled::Time),
        Flaw::NotEnrolled(NotEnrolled::Role),
        Flaw::NotEnrolled(NotEnrolled::Signature),
        Flaw::NotEnrolled(NotEnrolled::Chain),
        Flaw::Expired,
        Flaw::Disagrees,
    ];

    /// Says whether nobody vouches for the chain.
    pub(crate) fn is_of_chain(self) -> bool {
        Flaw::OF_CHAIN.contains(&self)
    }

    /// Returns the verdict on a log with this flaw.
    pub(crate) fn verdict(self) -> Verdict {
        match self {
            Flaw::NoRoster => Verdict::Unsigned,
            Flaw::NotInRoster
            | Flaw::NoEnrollment
            | Flaw::NotEnrolled(_)
            | Flaw::Expired
            | Flaw::Disagrees
            | Flaw::Key(_)
            | Flaw::TooEarly => Verdict::KeyNotCertified,
            Flaw::Signature | Flaw::Malformed => Verdict::Tampered,
        }
    }

    /// Describes the flaw for the report.
    pub(crate) fn what(self, index: u32) -> String {
        match self {
            Flaw::NoRoster => "neither --roster nor --fleet was given, so nobody vouches for its keys".into(),
            Flaw::NotInRoster => "the roster does not have this chain, so nobody vouches for its keys".into(),
            Flaw::NoEnrollment => {
                "the fleet has not enrolled this chain, or not all of its checkpoints say so: nobody vouches for its \
                 keys"
                    .into()
            }
            Flaw::NotEnrolled(why) => format!("the enrollment proves nothing, so nobody vouches for its keys: {}", match why {
                NotEnrolled::LentKey => "the fleet has not lent the key that signed it",
                NotEnrolled::Time => "the key that signed it was lent for another time",
                NotEnrolled::Role => "the key that signed it was lent for filters, and this chain is a ledger's",
                NotEnrolled::Chain => "it is another chain's",
                _ => "the fleet has not signed it",
            }),
            Flaw::Expired => "its enrollment had expired, so nobody vouches for its keys any more".into(),
            Flaw::Disagrees => "the roster has another key or node for this chain than the fleet".into(),
            Flaw::Key(NotCertified::Certificate(of)) => {
                format!(
                    "key {index} does not go back to the chain's first key: the certificate of key {of} is not good"
                )
            }
            Flaw::Key(NotCertified::Handover(of)) => {
                format!(
                    "key {index} was not handed over: the handover to key {of} is not signed by the key before it"
                )
            }
            Flaw::Key(_) => format!("key {index} is not certified"),
            Flaw::TooEarly => format!("key {index} was not in force yet"),
            Flaw::Signature => format!("the signature is not that of key {index}"),
            Flaw::Malformed => "a checkpoint without a signature, or one that no filter writes".into(),
        }
    }
}
