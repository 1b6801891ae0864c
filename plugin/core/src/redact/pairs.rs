//! Names and values that stand apart: in two members of one object, in elements of an
//! array, in the arguments of a command.

use super::known::{Known, find_out};
use super::level::{Frame, Level, NO_KEY, Place};
use super::name::{NAME_BYTES_MAX, Name};
use super::path::{Last, write_path};
use super::scan::{Hit, Look, Seen};
use super::walk::{Walk, plain};
use crate::memory::{OutOfMemory, put, put_byte};
use crate::policy::paths::Ruling;
use crate::record::tape::{Kind, Tape};
use crate::text::inner;
use alloc::vec::Vec;
use core::mem;
use core::ops::Range;

/// The maximum number of arguments, and of their bytes, that are looked at as one
/// command.
const ARGUMENTS_MAX: usize = 256;
const ARGUMENTS_BYTES_MAX: usize = 8 << 10;

/// Keys of arguments, and of the command beside them.
const ARGUMENTS: [&[u8]; 3] = [b"args", b"arguments", b"argv"];
const PROGRAMS: [&[u8]; 6] = [b"command", b"cmd", b"exe", b"executable", b"program", b"entrypoint"];
/// The maximum length of such a command, in bytes, and the number of members that are searched for
/// it: many lists of arguments may stand beside one command.
const PROGRAM_BYTES_MAX: usize = 128;
const MEMBERS_MAX: usize = 16;

/// The number of containers around an object that are searched for what the object is
/// about: `items[].requestObject.data`.
const OUTER_MAX: usize = 6;

/// Checks whether the value of `kind`, `resource` or `@type`, with its quotes, denotes objects
/// that hold Kubernetes Secrets: `secrets`, `SecretList`, `core.k8s.io/v1.Secret`.
pub(super) fn is_of_secrets(text: &[u8]) -> bool {
    matches!(text, br#""secrets""# | br#""SecretList""#)
        || text.ends_with(br#".Secret""#)
        || text.ends_with(br#".SecretList""#)
}

/// Checks whether an object is within one that is about Secrets: an event says so in
/// `objectRef`, a list in its kind. The objects within need not say so.
fn is_in_secrets(level: &mut Level, source: &[u8]) -> bool {
    let Level { open, tape, .. } = level;
    open.iter_mut().rev().take(OUTER_MAX).any(|frame| {
        // The answer is kept for each object, which may contain many others.
        *frame.is_of_secrets.get_or_insert_with(|| {
            frame.key != NO_KEY && says_secrets(tape, source, frame.start as usize, frame.end as usize)
        })
    })
}

fn says_secrets(tape: &Tape, source: &[u8], object: usize, end: usize) -> bool {
    let text = |index: usize| tape.nodes.get(index).map(|node| tape.text(node, source));
    let mut key = object + 1;
    while key < end {
        let is_said = match text(key) {
            Some(br#""kind""# | br#""@type""#) => text(key + 1).is_some_and(is_of_secrets),
            Some(br#""objectRef""#) => has_secrets_resource(tape, source, key + 1),
            _ => false,
        };
        if is_said {
            return true;
        }
        key = tape.after(key + 1);
    }
    false
}

/// Checks whether an `objectRef` names Secrets as its resource.
fn has_secrets_resource(tape: &Tape, source: &[u8], object: usize) -> bool {
    let text = |index: usize| tape.nodes.get(index).map(|node| tape.text(node, source));
    let end = tape.after(object);
    let mut key = object + 1;
    while key < end {
        if text(key) == Some(br#""resource""#) {
            return text(key + 1).is_some_and(is_of_secrets);
        }
        key = tape.after(key + 1);
    }
    false
}

impl Walk<'_> {
    /// Returns the statement of a name in the innermost object about a value that stands
    /// beside it.
    pub(super) fn told(
        &mut self,
        level: &mut Level,
        source: &[u8],
        is_content: bool,
    ) -> Result<Name, OutOfMemory> {
        if self.scanner.policy.name_rule.is_none() {
            return Ok(Name::Plain);
        }
        let beside = self.told_beside(level, source)?;
        let is_secret = beside == Name::Plain && is_content && is_in_secrets(level, source);
        Ok(if is_secret { Name::Password } else { beside })
    }

    fn told_beside(&mut self, level: &mut Level, source: &[u8]) -> Result<Name, OutOfMemory> {
        let Some(frame) = level.open.last().copied() else { return Ok(Name::Plain) };
        if frame.is_told {
            return Ok(frame.tells);
        }
        let (mut key, mut tells) = (frame.start as usize + 1, Name::Plain);
        while key < frame.end as usize {
            let text = plain(&level.tape, source, key, &mut self.decoded)?;
            let known = Known::from_word(
                self.known_keys.ask(text, text.len(), |key| find_out(&mut self.scanner, key)),
            );
            // A JSON Patch (RFC 6902) names the member in its path.
            let is_path = text == b"path";
            if (known.names_name || is_path) && level.tape.nodes[key + 1].kind == Kind::String {
                let is_kind = text == b"kind";
                let name = plain(&level.tape, source, key + 1, &mut self.decoded)?;
                // A Kubernetes Secret has all its content in `data`.
                let is_name = name.len() <= NAME_BYTES_MAX && (!is_kind || name == b"Secret");
                let said = if is_name { Name::of(name) } else { Name::Plain };
                let said = if is_path && said != Name::Password { Name::Plain } else { said };
                if said != Name::Plain && (said != Name::Random || tells == Name::Plain) {
                    tells = said;
                }
            }
            key = level.tape.after(key + 1);
        }
        if let Some(frame) = level.open.last_mut() {
            (frame.tells, frame.is_told) = (tells, true);
        }
        Ok(tells)
    }

    /// Returns the place of an array's next element. The element before may have told
    /// that this one is a secret.
    pub(super) fn told_element(&mut self, level: &mut Level, source: &[u8], array: Frame) -> Place {
        let place = self.element(&level.tape, source, level.next, array.place);
        let is_option = || {
            let node = level.tape.nodes.get(level.next);
            node.is_some_and(|node| node.kind != Kind::String)
        };
        match (self.scanner.policy.name_rule, place.ruling) {
            (Some(rule), Ruling::None | Ruling::Mention | Ruling::Keep)
                if array.tells != Name::Plain && !is_option() =>
            {
                if let Some(frame) = level.open.last_mut() {
                    frame.tells = Name::Plain;
                }
                Place { ruling: Ruling::Rule(rule), name: array.tells, ..place }
            }
            _ => place,
        }
    }

    /// Looks at the elements of an array as one line of a shell, if options are among
    /// them.
    pub(super) fn arguments(
        &mut self,
        level: &mut Level,
        source: &[u8],
        array: usize,
    ) -> Result<(), OutOfMemory> {
        if self.scanner.policy.name_rule.is_none() || level.tape.nodes[array].kind != Kind::Array {
            return Ok(());
        }
        let end = level.tape.after(array);
        let Some(nodes) = level.tape.nodes.get(array + 1..end).filter(|nodes| nodes.len() <= ARGUMENTS_MAX)
        else {
            return Ok(());
        };
        let is_option = |node: &_| matches!(level.tape.text(node, source), [b'"', b'-', letter, ..] if letter.is_ascii_alphabetic() || *letter == b'-');
        // These checks come first: most arrays fail them at once, above all arrays of
        // containers.
        if !nodes.iter().all(|node| node.kind == Kind::String)
            || !nodes.iter().any(is_option)
            || nodes.iter().map(|node| (node.end - node.start) as usize).sum::<usize>() > ARGUMENTS_BYTES_MAX
        {
            return Ok(());
        }
        let mut line = mem::take(&mut self.line);
        line.clear();
        self.put_program(level, source, &mut line)?;
        let start = line.len();
        for index in array + 1..end {
            put(&mut line, plain(&level.tape, source, index, &mut self.decoded)?)?;
            put_byte(&mut line, b' ')?;
        }
        let result = match self.scanner.look(&line, Look::Told) {
            Seen::Found => self.redact_arguments(level, source, array..end, &line, start),
            _ => Ok(()),
        };
        self.line = line;
        result
    }

    /// Writes the command that stands beside its arguments: `"command":["mysql"],"args":["-px7"]`.
    fn put_program(&mut self, level: &Level, source: &[u8], line: &mut Vec<u8>) -> Result<(), OutOfMemory> {
        let Some([.., object, _]) = level.open.get(..).filter(|open| open.len() > 1) else { return Ok(()) };
        let text = |index: usize| level.tape.nodes.get(index).map(|node| level.tape.text(node, source));
        if object.key == NO_KEY
            || !text(object.key as usize).is_some_and(|key| ARGUMENTS.contains(&inner(key)))
        {
            return Ok(());
        }
        let mut key = object.start as usize + 1;
        for _ in 0..MEMBERS_MAX {
            if key >= object.end as usize {
                break;
            }
            let after = level.tape.after(key + 1);
            let is_program = text(key).is_some_and(|key| PROGRAMS.contains(&inner(key)));
            let len =
                || (key + 1..after).take(ARGUMENTS_MAX).filter_map(text).map(<[u8]>::len).sum::<usize>();
            if is_program && after - key <= ARGUMENTS_MAX && len() <= PROGRAM_BYTES_MAX {
                for index in key + 1..after {
                    put(line, plain(&level.tape, source, index, &mut self.decoded)?)?;
                    put_byte(line, b' ')?;
                }
                break;
            }
            key = after;
        }
        Ok(())
    }

    /// Redacts in each argument the findings from the line of all arguments, which start at
    /// `start`.
    fn redact_arguments(
        &mut self,
        level: &mut Level,
        source: &[u8],
        array: Range<usize>,
        line: &[u8],
        start: usize,
    ) -> Result<(), OutOfMemory> {
        write_path(level, source, Last::Shown, &mut self.path)?;
        let found = mem::take(&mut self.scanner.found);
        let (mut start, mut next) = (start, 0);
        for index in array.start + 1..array.end {
            let len = plain(&level.tape, source, index, &mut self.decoded)?.len();
            let argument = start..start + len;
            let (mut from, mut is_changed) = (start, false);
            self.written.clear();
            while let Some(Hit { rule, range, .. }) = found.get(next) {
                let part = range.start.max(argument.start)..range.end.min(argument.end);
                if part.start < part.end {
                    put(&mut self.written, line.get(from..part.start).unwrap_or_default())?;
                    let value = line.get(part.clone()).unwrap_or_default();
                    self.scanner.replace(*rule, value, &self.path, &mut self.written)?;
                    (from, is_changed) = (part.end, true);
                }
                if range.end > argument.end {
                    break;
                }
                next += 1;
            }
            if is_changed {
                put(&mut self.written, line.get(from..argument.end).unwrap_or_default())?;
                level.tape.set_text(index, Kind::String, &self.written)?;
            }
            start = argument.end + 1;
        }
        self.scanner.found = found;
        Ok(())
    }
}
