//! The rules of a policy, and their layout in its table.
//!
//! A rule has 24 bytes:
//!
//! | bytes | |
//! |---|---|
//! | 0..4, 4..8 | its name and its class in the strings: 24 bits of offset, 8 of length |
//! | 8 | action |
//! | 9 | the number of characters that `partial` leaves |
//! | 10 | kind: 0 detector, 1 key, 2 path, 3 names of secrets, 4 identities of actors |
//! | 11, 12, 13 | for a detector: validator, boundary before, boundary after |
//! | 14 | for a detector: the length of its lead in bytes, if the lead is the trigger and has a fixed length, else 0 |
//! | 15 | 1 if the rule is for secrets, which are searched for in kept values too; 2 if it is for data that identifies a person, which stays if it identifies the actor; else 0 |
//! | 16..20, 20..24 | for a detector with a pattern: offsets of two [`Compact`] automata, for its lead, backwards, if the length is 0, and for its pattern. If the highest bit of the second is set, the other bits are the offset of its shapes: `policy/shape.rs`. For a rule of gitleaks, the second is the offset of that rule: `policy/leak.rs` |

use super::action::Action;
use super::boundary::Boundary;
use super::validator::Validator;
use crate::automaton::Compact;

/// Stands for a missing automaton.
pub const NO_AUTOMATON: u32 = u32::MAX;
/// The bit that marks a place as one of shapes, not of a pattern.
pub(super) const SHAPES: u32 = 1 << 31;
// The places of a rule's parts.
const NAME_AT: usize = 0;
const CLASS_AT: usize = 4;
const ACTION_AT: usize = 8;
const PARAMETER_AT: usize = 9;
pub(super) const KIND_AT: usize = 10;
const VALIDATOR_AT: usize = 11;
const BEFORE_AT: usize = 12;
const AFTER_AT: usize = 13;
const LEAD_LEN_AT: usize = 14;
pub(super) const CONCERN_AT: usize = 15;
const LEAD_AT: usize = 16;
const PATTERN_AT: usize = 20;
pub(super) const RULE_BYTES: usize = 24;

/// The bits of a string's place that hold its start. The other bits hold its length.
const STRING_START: u32 = (1 << 24) - 1;

/// The values that a rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Texts, keys and numbers, wherever they are.
    Detector = 0,
    /// The values of keys that match.
    Key = 1,
    /// The values at paths that match.
    Path = 2,
    /// The values of keys that name secrets.
    Name = 3,
    /// Values that identify an actor.
    Identity = 4,
}

/// The kind of value that a rule is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Concern {
    /// Any value, unless it is kept.
    #[default]
    Any = 0,
    /// Secrets. Kept values are searched for them, too.
    Secret = 1,
    /// Data that identifies a person. It stays if that person is the actor.
    Identity = 2,
}

/// One rule of a policy.
#[derive(Clone, Copy, Debug)]
pub struct Rule<'a> {
    /// The name: that of its detector, or the one that the policy gives.
    pub name: &'a [u8],
    /// The class. It separates the HMACs of different things with equal text.
    pub class: &'a [u8],
    /// The action on a value that the rule finds.
    pub action: Action,
    /// The values that it looks at.
    pub kind: Kind,
    /// The kind of value that it is about.
    pub concern: Concern,
}

impl Concern {
    /// Reads the concern of a rule.
    pub(super) fn read(bytes: &[u8; RULE_BYTES]) -> Concern {
        match bytes[CONCERN_AT] {
            1 => Concern::Secret,
            2 => Concern::Identity,
            _ => Concern::Any,
        }
    }
}

/// The part from the start of a detector's match to the end of its trigger.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lead<'a> {
    /// This many bytes: the lead is the trigger itself.
    Trigger(usize),
    /// The part that this automaton finds backwards.
    Automaton(Compact<'a>),
}

/// The parts of a detector that are compared with a text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Detector<'a> {
    pub(crate) lead: Lead<'a>,
    /// The place of its pattern, or of its rule of gitleaks, in the automata.
    pub(crate) pattern: u32,
    pub(crate) validator: Validator,
    pub(crate) before: Boundary,
    pub(crate) after: Boundary,
}

impl Kind {
    fn from_id(id: u8) -> Option<Kind> {
        Some(match id {
            0 => Kind::Detector,
            1 => Kind::Key,
            2 => Kind::Path,
            3 => Kind::Name,
            4 => Kind::Identity,
            _ => return None,
        })
    }
}

impl<'a> Rule<'a> {
    /// Reads a rule, whose names are in `strings`.
    pub(super) fn read(bytes: &[u8; RULE_BYTES], strings: &'a [u8]) -> Option<Self> {
        let string = |at: usize| {
            let place = u32::from_le_bytes(*bytes[at..].first_chunk()?);
            let (start, len) = (place & STRING_START, place >> STRING_START.count_ones());
            strings.get(start as usize..(start + len) as usize)
        };
        Some(Rule {
            name: string(NAME_AT)?,
            class: string(CLASS_AT)?,
            action: Action::from_id(bytes[ACTION_AT], bytes[PARAMETER_AT])?,
            kind: Kind::from_id(bytes[KIND_AT])?,
            concern: Concern::read(bytes),
        })
    }

    /// Writes a rule. `name` and `class` are the places of these in the strings.
    pub(super) fn to_bytes(
        self,
        name: [u8; 4],
        class: [u8; 4],
        detector: Option<DetectorParts>,
    ) -> [u8; RULE_BYTES] {
        let (action, parameter) = self.action.id();
        let mut bytes = [0; RULE_BYTES];
        let mut put = |at: usize, part: &[u8]| bytes[at..at + part.len()].copy_from_slice(part);
        put(NAME_AT, &name);
        put(CLASS_AT, &class);
        put(ACTION_AT, &[action]);
        put(PARAMETER_AT, &[parameter]);
        put(KIND_AT, &[self.kind as u8]);
        put(CONCERN_AT, &[self.concern as u8]);
        if let Some(detector) = detector {
            put(VALIDATOR_AT, &[detector.validator as u8]);
            put(BEFORE_AT, &[detector.before as u8]);
            put(AFTER_AT, &[detector.after as u8]);
            put(LEAD_LEN_AT, &[detector.lead_len]);
            put(LEAD_AT, &detector.lead.to_le_bytes());
            put(PATTERN_AT, &detector.pattern.to_le_bytes());
        }
        bytes
    }
}

/// Returns the place of a string, as a rule has it.
pub(super) fn string_place(start: usize, len: usize) -> [u8; 4] {
    (start as u32 | (len as u32) << STRING_START.count_ones()).to_le_bytes()
}

/// Returns the validator of a rule that is a detector.
pub(super) fn validator(bytes: &[u8; RULE_BYTES]) -> Option<Validator> {
    Validator::from_id(bytes[VALIDATOR_AT])
}

impl<'a> Detector<'a> {
    /// Reads the parts of a detector. `compact` finds an automaton by its place.
    pub(super) fn read(
        bytes: &[u8; RULE_BYTES],
        compact: impl FnOnce(u32) -> Option<Compact<'a>>,
    ) -> Option<Self> {
        let number = |at: usize| bytes[at..].first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
        Some(Detector {
            lead: match bytes[LEAD_LEN_AT] {
                0 => Lead::Automaton(compact(number(LEAD_AT)?)?),
                len => Lead::Trigger(len.into()),
            },
            pattern: number(PATTERN_AT)?,
            validator: validator(bytes)?,
            before: Boundary::from_id(bytes[BEFORE_AT])?,
            after: Boundary::from_id(bytes[AFTER_AT])?,
        })
    }
}

/// The part of a rule to write that only detectors have.
#[derive(Clone, Copy, Debug)]
pub struct DetectorParts {
    /// The check of a match of the pattern.
    pub validator: Validator,
    /// The boundary before a match.
    pub before: Boundary,
    /// The boundary after a match.
    pub after: Boundary,
    /// The length of the lead in bytes, if the lead is the trigger and has a fixed
    /// length, else 0.
    pub lead_len: u8,
    /// The offset of the lead's automaton in the automata, if the length is 0.
    pub lead: u32,
    /// The offset of the pattern's automaton in the automata.
    pub pattern: u32,
}

impl DetectorParts {
    /// Returns the parts of a detector with shapes, which are at a place in the automata.
    pub fn shapes(validator: Validator, before: Boundary, after: Boundary, place: u32) -> DetectorParts {
        // The shapes contain the places of their triggers.
        DetectorParts { validator, before, after, lead_len: 1, lead: NO_AUTOMATON, pattern: SHAPES | place }
    }
}
