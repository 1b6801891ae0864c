//! The catalogue of detectors: what is looked for, and how.
//!
//! A detector is three patterns and a validator. The triggers of all that are
//! switched on make one automaton, the scout, which every byte of a text goes
//! through once; so triggers are few, short, and rare in logs that are in
//! order. Where one ends, `lead` is walked backwards to where the
//! match starts, and from there `pattern` forwards to its ends; of those the
//! longest is taken that boundary and validator let pass.
//!
//! Tokens of vendors have shapes in place of patterns, which take less room.
//!
//! Detectors of values that a name tells have no lead and no pattern: their
//! validator reads the text from the trigger on.
//!
//! No text makes that quadratic. A lead that repeats without bound ends at
//! what its trigger has, or the engine cuts it; a pattern that does is either
//! never refused once it is long, or a later trigger in it has a byte ahead
//! that its own boundary refuses.

mod network;
mod pii;
pub mod shape;
mod tokens;
mod triggers;
mod values;
mod vendors;

use flb_audit_core::policy::Boundary;
use flb_audit_core::policy::Validator;

/// One kind of value that is looked for.
#[derive(Clone, Copy, Debug)]
pub struct Detector {
    /// Its name in policies and seals.
    pub name: &'static str,
    /// The pack that it is switched on with.
    pub pack: &'static str,
    /// What it finds.
    pub what: &'static str,
    /// What makes the engine look closer, found anywhere.
    pub trigger: &'static str,
    /// From the start of a match to the end of the trigger.
    pub lead: &'static str,
    /// The whole match, from its start on.
    pub pattern: &'static str,
    /// What it looks like in place of these three, in the form of [`shape`]; empty if it
    /// has them.
    pub shapes: &'static str,
    /// What may stand before it.
    pub before: Boundary,
    /// What may stand behind it.
    pub after: Boundary,
    /// What tells it from what only looks like it, and the part that is to go.
    pub validator: Validator,
    /// The class of its values: those of one class join under `hmac`.
    pub class: &'static str,
    /// What is done with it unless a policy says otherwise.
    pub action: &'static str,
    /// Where its form is laid down.
    pub source: &'static str,
}

/// All detectors, pack by pack.
pub fn detectors() -> impl Iterator<Item = &'static Detector> {
    [tokens::TOKENS, vendors::VENDORS, values::VALUES, pii::PII, network::NETWORK].into_iter().flatten()
}
