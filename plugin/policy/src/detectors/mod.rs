//! The catalogue of detectors: the values that are searched for, and how.
//!
//! A detector is three patterns and a validator. The triggers of all detectors that are
//! switched on make one automaton, the scout. Every byte of a text goes through it once,
//! so triggers are few, short, and rare in normal logs. Where a trigger ends, `lead` is
//! walked backwards to the start of the match, and from there `pattern` forwards to its
//! possible ends. The longest end that the boundary and the validator accept is taken.
//!
//! Tokens of vendors have shapes instead of patterns, which take less room.
//!
//! Detectors of values that a name announces have no lead and no pattern: their validator
//! reads the text from the trigger on.
//!
//! No text makes this quadratic. A lead that repeats without bound ends at a byte that
//! its trigger contains, or the engine cuts it. A pattern that repeats without bound is
//! either never refused once it is long, or a later trigger in it follows a byte that its
//! own boundary refuses.

mod network;
mod pii;
pub mod shape;
mod tokens;
mod triggers;
mod values;
mod vendors;

use flb_audit_core::policy::Boundary;
use flb_audit_core::policy::Validator;

/// A detector of one kind of value.
#[derive(Clone, Copy, Debug)]
pub struct Detector {
    /// The detector's name in policies and seals.
    pub name: &'static str,
    /// The pack that it is switched on with.
    pub pack: &'static str,
    /// A description of the values that it finds.
    pub what: &'static str,
    /// The pattern that makes the engine look closer, found anywhere.
    pub trigger: &'static str,
    /// The part from the start of a match to the end of the trigger.
    pub lead: &'static str,
    /// The whole match, from its start on.
    pub pattern: &'static str,
    /// The form of the value in place of these three patterns, in the notation of
    /// [`shape`]; empty if it has patterns.
    pub shapes: &'static str,
    /// The condition on the bytes before it.
    pub before: Boundary,
    /// The condition on the bytes behind it.
    pub after: Boundary,
    /// The check that it is not something similar, which also chooses the part to redact.
    pub validator: Validator,
    /// The class of its values. Equal values of one class have equal tokens under `hmac`.
    pub class: &'static str,
    /// The default action; a policy may choose another.
    pub action: &'static str,
    /// The source that defines its form.
    pub source: &'static str,
}

/// Returns all detectors, pack by pack.
pub fn detectors() -> impl Iterator<Item = &'static Detector> {
    [tokens::TOKENS, vendors::VENDORS, values::VALUES, pii::PII, network::NETWORK].into_iter().flatten()
}
