//! The statement of a policy on each value of a record, to explain why the value stayed
//! or went.

use super::actor::Whose;
use super::level::Place;
use super::path::{Last, write_path};
use super::redactor::Redactor;
use crate::memory::OutOfMemory;
use crate::policy::paths::Ruling;
use crate::record::tape::{Kind, Tape};

/// The statement on a value in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// The value stays, except for secrets in it.
    Kept,
    /// The value stays, and nothing looks at it.
    Opaque,
    /// All detectors look at the value, but addresses stay at places for the actor.
    Mention,
    /// This rule applies to the value.
    Rule(u16),
    /// The value is an actor, by its key: data that identifies the actor stays.
    Actor,
    /// The policy says nothing: all detectors look at the value.
    Nothing,
}

impl Redactor<'_> {
    /// Calls `visit` for every value on a tape that is no container, with its path in the
    /// notation of the evidence. The tape has to be recognized before.
    pub fn explain(
        &mut self,
        tape: &mut Tape,
        source: &[u8],
        mut visit: impl FnMut(&[u8], Said),
    ) -> Result<(), OutOfMemory> {
        core::mem::swap(&mut self.walk.levels[0].tape, tape);
        let result = self.explain_values(source, &mut visit);
        core::mem::swap(&mut self.walk.levels[0].tape, tape);
        result
    }

    fn explain_values(
        &mut self,
        source: &[u8],
        visit: &mut impl FnMut(&[u8], Said),
    ) -> Result<(), OutOfMemory> {
        self.walk.scanner.begin(source.len());
        let mut level = core::mem::take(&mut self.walk.levels[0]);
        let path = self.walk.scanner.policy.paths.map_or(0, |paths| paths.start(0, level.tape.variant));
        level.begin(Place { path, ..Place::default() });
        let mut result = Ok(());
        for index in 1..level.tape.nodes.len() {
            let node = level.tape.nodes[index];
            if node.is_container() || node.kind == Kind::Key {
                continue;
            }
            result = self.walk.descend(&mut level, source, index).and_then(|place| {
                write_path(&level, source, Last::Shown, &mut self.walk.path)?;
                let said = match (place.ruling, place.whose) {
                    (Ruling::Keep, _) => Said::Kept,
                    (Ruling::Opaque, _) => Said::Opaque,
                    (Ruling::Mention, _) => Said::Mention,
                    (Ruling::Rule(rule), _) => Said::Rule(rule),
                    (_, Whose::Actor) => Said::Actor,
                    _ => Said::Nothing,
                };
                visit(&self.walk.path, said);
                Ok(())
            });
            if result.is_err() {
                break;
            }
        }
        self.walk.levels[0] = level;
        result
    }
}
