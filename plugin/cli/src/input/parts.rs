//! Lines that container engines have cut: each has a part of a longer one, and the parts
//! of one stream follow one another.

use super::place::Place;
use memchr::memrchr;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// How many streams are put together at a time.
const STREAMS_MAX: usize = 8;
/// How many lines at the end of a batch are looked at for parts.
const LINES_AT_END: usize = 16;

/// A part of a line, as an engine has written it.
pub(super) struct Part<'a> {
    stream: Cow<'a, [u8]>,
    text: Cow<'a, [u8]>,
    is_last: bool,
    engine: Engine,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Engine {
    Cri,
    Docker,
}

impl<'a> Part<'a> {
    /// Reads a line of an engine's; none if it is no such line.
    pub(super) fn of(line: &'a [u8]) -> Option<Self> {
        Self::of_cri(line).or_else(|| Self::of_docker(line))
    }

    /// A time, the stream, `P` for a part or `F` for the last, and the text.
    fn of_cri(line: &'a [u8]) -> Option<Self> {
        let mut words = line.splitn(4, |byte| *byte == b' ');
        let (time, stream, tag, text) = (words.next()?, words.next()?, words.next()?, words.next()?);
        if !time.first()?.is_ascii_digit() || !matches!(stream, b"stdout" | b"stderr") {
            return None;
        }
        let is_last = match tag.split(|byte| *byte == b':').next()? {
            b"F" => true,
            b"P" => false,
            _ => return None,
        };
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        Some(Part { stream: stream.into(), text: text.into(), is_last, engine: Engine::Cri })
    }

    /// An object with the text, which has a line break at the end if it is the last.
    fn of_docker(line: &'a [u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct DockerLine {
            log: String,
            #[serde(default)]
            stream: String,
        }
        if !line.starts_with(b"{\"log\":\"") {
            return None;
        }
        let line: DockerLine = serde_json::from_slice(line).ok()?;
        let (stream, is_last) = (line.stream.into_bytes().into(), line.log.ends_with('\n'));
        Some(Part { stream, text: line.log.into_bytes().into(), is_last, engine: Engine::Docker })
    }

    fn place(&self) -> Place {
        Place::default().in_lines(match self.engine {
            Engine::Cri => "CRI lines, put together",
            Engine::Docker => "log (Docker), put together",
        })
    }
}

/// Whether a batch of lines ends while parts are still to come.
pub(super) fn ends_open(lines: &[u8]) -> bool {
    let mut rest = lines.strip_suffix(b"\n").unwrap_or(lines);
    let mut streams = Vec::new();
    for _ in 0..LINES_AT_END {
        let start = memrchr(b'\n', rest).map_or(0, |end| end + 1);
        let Some(part) = Part::of(&rest[start..]) else { return false };
        if !streams.contains(&part.stream) {
            if !part.is_last {
                return true;
            }
            streams.push(part.stream);
        }
        if start == 0 {
            break;
        }
        rest = &rest[..start - 1];
    }
    false
}

/// Parts that wait for the last one. `T` is what each comes to by itself.
pub(super) struct Parts<T> {
    waiting: BTreeMap<Vec<u8>, (Vec<u8>, Vec<T>)>,
}

/// What a line was.
pub(super) enum Added<T> {
    /// No part of another.
    Alone(T),
    /// A part, and others are to come.
    Waits,
    /// The last part: the whole, where it stands, and what the parts come to if that is no
    /// record.
    Whole(Vec<u8>, Place, Vec<T>),
}

impl<T> Parts<T> {
    pub(super) fn new() -> Self {
        Parts { waiting: BTreeMap::new() }
    }

    /// Adds a line that is no record, and what it comes to by itself.
    pub(super) fn add(&mut self, line: &[u8], made: T, bytes_max: usize) -> Added<T> {
        let Some(part) = Part::of(line) else { return Added::Alone(made) };
        let is_waiting = self.waiting.contains_key(&*part.stream);
        let starts = part.text.trim_ascii_start().starts_with(b"{") && self.waiting.len() < STREAMS_MAX;
        if !is_waiting && (part.is_last || !starts) {
            return Added::Alone(made);
        }
        let (text, parts) = self.waiting.entry(part.stream.to_vec()).or_default();
        text.extend_from_slice(&part.text);
        parts.push(made);
        if !part.is_last && text.len() <= bytes_max {
            return Added::Waits;
        }
        let (text, parts) = self.waiting.remove(&*part.stream).unwrap_or_default();
        Added::Whole(text, part.place(), parts)
    }

    /// Gives back what the parts come to that still wait.
    pub(super) fn take(&mut self) -> impl Iterator<Item = T> + use<T> {
        std::mem::take(&mut self.waiting).into_values().flat_map(|(_, parts)| parts)
    }
}
