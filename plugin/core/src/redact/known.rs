//! The facts about a key that hold wherever it stands, by a policy.

use super::actor::Actor;
use super::fields;
use super::name::Name;
use super::scan::{Look, Scanner, Seen};
use crate::automaton::Compact;
use crate::policy::Policy;
use crate::recognize::{KeyNumber, NO_NUMBER};

/// The facts about a key of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// The first rule whose pattern matches the key.
    pub(super) rule: Option<u16>,
    /// The statement of the key about its value, as a name.
    pub(super) name: Name,
    /// The statement of the key about the actor.
    pub(super) actor: Actor,
    /// True if the value may name a secret whose own value stands beside it.
    pub(super) names_name: bool,
    /// True if the value may say that a Kubernetes object is about Secrets.
    pub(super) names_kind: bool,
    /// True if the value may be the content of such an object.
    pub(super) is_content: bool,
    /// True if the value may belong to a name beside it.
    pub(super) names_value: bool,
    /// True if the path of a rule may lead over the key.
    pub(super) is_watched: bool,
    /// True if a detector finds something in the key itself.
    pub(super) is_found: bool,
    /// The number by which paths refer to the key.
    pub(super) number: KeyNumber,
    /// True if none of these facts concerns a glance, as for most keys.
    pub(super) is_plain: bool,
}

/// The names and actors, by their numbers in a word.
const NAMES: [Name; 8] = [
    Name::Plain,
    Name::Password,
    Name::Credential,
    Name::Token,
    Name::Random,
    Name::Short,
    Name::Cookie,
    Name::Authorization,
];
const ACTORS: [Actor; 6] =
    [Actor::Unsaid, Actor::Identifies, Actor::Is, Actor::IsAnywhere, Actor::Other, Actor::Prose];

impl Known {
    /// Returns the facts as one number: from the lowest bits on, 16 bits for the number of
    /// the key and 16 for the rule, 4 each for name and actor, and the others.
    pub(super) fn to_word(self) -> u64 {
        u64::from(self.number)
            | u64::from(self.rule.unwrap_or_default()) << 16
            | (self.name as u64) << 32
            | (self.actor as u64) << 36
            | u64::from(self.rule.is_some()) << 40
            | u64::from(self.names_name) << 41
            | u64::from(self.names_kind) << 42
            | u64::from(self.is_content) << 43
            | u64::from(self.names_value) << 44
            | u64::from(self.is_watched) << 45
            | u64::from(self.is_found) << 46
            | u64::from(self.is_plain()) << 47
    }

    /// Returns the facts that [`Known::to_word`] has put into a number.
    #[inline(always)]
    pub(super) fn from_word(word: u64) -> Self {
        let is_fact = |at: u32| word >> (40 + at) & 1 != 0;
        Known {
            number: word as u16,
            rule: is_fact(0).then_some((word >> 16) as u16),
            name: NAMES[(word >> 32) as usize & 7],
            actor: ACTORS.get((word >> 36) as usize & 15).copied().unwrap_or(Actor::Unsaid),
            names_name: is_fact(1),
            names_kind: is_fact(2),
            is_content: is_fact(3),
            names_value: is_fact(4),
            is_watched: is_fact(5),
            is_found: is_fact(6),
            is_plain: is_fact(7),
        }
    }

    fn is_plain(&self) -> bool {
        self.rule.is_none()
            && self.name == Name::Plain
            && matches!(self.actor, Actor::Unsaid | Actor::Identifies)
            && !(self.names_value || self.names_kind || self.is_content)
            && !(self.is_watched || self.is_found)
    }
}

/// Computes the facts about a key, as a [`Memo`](super::memo::Memo) remembers them.
#[cold]
pub(super) fn find_out(scanner: &mut Scanner<'_>, key: &[u8]) -> u64 {
    let Policy { paths, dictionary, .. } = &scanner.policy;
    let number = if paths.is_some() { dictionary.find(key, key.len()) } else { NO_NUMBER };
    // The policy's table has the facts about the keys that it names: a filter in Fluent Bit 4.0
    // would find them out again for every chunk.
    if let Some(facts) = dictionary.facts(number) {
        return facts;
    }
    let is_found = scanner.look(key, Look::Everything) == Seen::Found;
    let Policy { keys, paths, first_key_rule, .. } = &scanner.policy;
    let rule = keys.as_ref().and_then(|keys| first_accepted(keys, key));
    let last = fields::last_word(key);
    let known = Known {
        rule: rule.map(|rule| first_key_rule.saturating_add(rule)),
        name: if scanner.policy.name_rule.is_some() { Name::of(key) } else { Name::Plain },
        actor: if scanner.policy.asks_who { Actor::of(key) } else { Actor::Unsaid },
        names_name: fields::is_name(last) || key == b"kind",
        names_kind: matches!(key, b"resource" | b"kind" | b"@type"),
        is_content: matches!(key, b"data" | b"stringData" | b"binaryData" | b"value"),
        // In Kubernetes, `valueFrom` names the place of a value.
        names_value: fields::is_value(last) && key != b"valueFrom",
        is_watched: paths.as_ref().is_some_and(|paths| paths.is_watched(number)),
        is_found,
        number,
        is_plain: false,
    };
    known.to_word()
}

/// Returns the least id that an automaton accepts anywhere in a text.
fn first_accepted(keys: &Compact<'_>, text: &[u8]) -> Option<u16> {
    let mut state = keys.start(None);
    let mut first = keys.accepted(state).min();
    for &byte in text {
        state = keys.step(state, byte);
        if keys.is_special(state) {
            first = keys.accepted(state).chain(first).min();
        }
    }
    keys.accepted(keys.step_end(state)).chain(first).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_survive_in_a_number() {
        for (at, name) in NAMES.into_iter().enumerate() {
            for (other, actor) in ACTORS.into_iter().enumerate() {
                for fact in 0..7 {
                    let mut known = Known {
                        number: 515 + at as u16,
                        rule: (fact == 0).then_some(40_000 + other as u16),
                        name,
                        actor,
                        names_name: fact == 1,
                        names_kind: fact == 2,
                        is_content: fact == 3,
                        names_value: fact == 4,
                        is_watched: fact == 5,
                        is_found: fact == 6,
                        is_plain: false,
                    };
                    known.is_plain = known.is_plain();
                    assert_eq!(Known::from_word(known.to_word()), known);
                }
            }
        }
    }
}
