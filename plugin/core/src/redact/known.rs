//! The facts about a key that hold wherever it stands, by a policy.

use super::actor::Actor;
use super::fields;
use super::name::Name;
use super::scan::{Look, Scanner, Seen};
use crate::automaton::Compact;
use crate::policy::Policy;
use crate::recognize::{KeyNumber, NO_NUMBER};

/// The facts about a key of a record.
#[derive(Clone, Copy, Debug)]
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

impl Known {
    fn is_plain(&self) -> bool {
        self.rule.is_none()
            && self.name == Name::Plain
            && matches!(self.actor, Actor::Unsaid | Actor::Identifies)
            && !(self.names_value || self.names_kind || self.is_content)
            && !(self.is_watched || self.is_found)
    }
}

/// Computes the facts about a key.
#[cold]
pub(super) fn find_out(scanner: &mut Scanner<'_>, key: &[u8]) -> Known {
    let is_found = scanner.look(key, Look::Everything) == Seen::Found;
    let Policy { keys, paths, first_key_rule, dictionary, .. } = &scanner.policy;
    let number = if paths.is_some() { dictionary.find(key, key.len()) } else { NO_NUMBER };
    let rule = keys.as_ref().and_then(|keys| first_accepted(keys, key));
    let mut known = Known {
        rule: rule.map(|rule| first_key_rule.saturating_add(rule)),
        name: if scanner.policy.name_rule.is_some() { Name::of(key) } else { Name::Plain },
        actor: if scanner.policy.asks_who { Actor::of(key) } else { Actor::Unsaid },
        names_name: fields::names_name(key) || key == b"kind",
        names_kind: matches!(key, b"resource" | b"kind"),
        is_content: matches!(key, b"data" | b"stringData" | b"binaryData" | b"value"),
        names_value: fields::names_value(key),
        is_watched: paths.as_ref().is_some_and(|paths| paths.is_watched(number)),
        is_found,
        number,
        is_plain: false,
    };
    known.is_plain = known.is_plain();
    known
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
