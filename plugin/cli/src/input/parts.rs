//! Lines that container engines have split. Each holds a part of a longer line, and the
//! parts of one stream follow one another.

use super::place::Place;
use memchr::memrchr;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The maximum number of streams that are put together at a time.
const STREAMS_MAX: usize = 8;
/// The maximum number of parts of a line. Engines cut after 8 KiB or more, so that the longest
/// line has a quarter of them.
const PARTS_MAX: usize = 16 << 10;
/// The maximum number of lines at the end of a batch that are checked for parts.
const LINES_AT_END: usize = 16;

/// A part of a line, as a container engine writes it.
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
    /// Parses a line of a container engine. Returns `None` for other lines.
    pub(super) fn of(line: &'a [u8]) -> Option<Self> {
        Self::of_cri(line).or_else(|| Self::of_docker(line))
    }

    /// Parses a CRI line: a time, the stream, `P` for a part or `F` for the last part,
    /// and the text.
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

    /// Parses a Docker line: an object with the text, which ends with a line break in the
    /// last part.
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

/// Checks whether a batch of lines ends before the last part of a line.
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

/// Parts that wait for their last one. `T` is the result of each part by itself.
pub(super) struct Parts<T> {
    waiting: BTreeMap<Vec<u8>, (Vec<u8>, Vec<T>)>,
}

/// The result of adding a line.
pub(super) enum Added<T> {
    /// The line is not a part.
    Alone(T),
    /// The line is a part, and more parts follow.
    Waits,
    /// The line is the last part, or the last that is kept: the whole text, its place, and the results of the
    /// parts, which count if the whole is not a record.
    Whole(Vec<u8>, Place, Vec<T>),
}

impl<T> Parts<T> {
    pub(super) fn new() -> Self {
        Parts { waiting: BTreeMap::new() }
    }

    /// Adds a line that is not a record, with its result.
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
        if !part.is_last && text.len() <= bytes_max && parts.len() < PARTS_MAX {
            return Added::Waits;
        }
        let (text, parts) = self.waiting.remove(&*part.stream).unwrap_or_default();
        Added::Whole(text, part.place(), parts)
    }

    /// Returns the results of the parts that still wait, and forgets the parts.
    pub(super) fn take(&mut self) -> impl Iterator<Item = T> + use<T> {
        std::mem::take(&mut self.waiting).into_values().flat_map(|(_, parts)| parts)
    }
}
