//! A chunk, and the records in it.

use crate::bindings::fluent_bit::output::delivery;
use crate::value::{self, Map, Text, Value};

/// Records under one tag.
#[derive(Clone, Debug)]
pub struct Chunk {
    tag: Vec<u8>,
    bytes: Vec<u8>,
}

impl Chunk {
    /// Makes a chunk of Fluent Bit's MessagePack.
    pub fn new(tag: Vec<u8>, bytes: Vec<u8>) -> Chunk {
        Chunk { tag, bytes }
    }

    /// Returns the tag, which need not be UTF-8.
    pub fn tag(&self) -> Text<'_> {
        Text::new(&self.tag)
    }

    /// Returns the records as MessagePack, one after the other.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the 32 bytes by which the chunk is recognised when it comes again. They
    /// are the same in every process. It can be called in `flush` only.
    pub fn id(&self) -> Vec<u8> {
        delivery::chunk_id()
    }

    /// Returns the number of times that this process has given this chunk to the
    /// component, including this time. It can be called in `flush` only.
    pub fn attempt(&self) -> u32 {
        delivery::attempt()
    }

    /// Decodes the records, in their order. Values that are not records are an error, and
    /// the records behind them follow. Only bytes that cannot be decoded end the chunk.
    pub fn records(&self) -> Records<'_> {
        Records { rest: &self.bytes, at: 0, group: None }
    }
}

/// The time of a record. A time outside the range becomes the nearest one within.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// The seconds since 1970.
    pub seconds: u32,
    /// The nanoseconds.
    pub nanoseconds: u32,
}

/// A record.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The time of the record.
    pub time: Time,
    /// The metadata, which is empty for most inputs.
    pub metadata: Map<'a>,
    /// The record's content.
    pub body: Map<'a>,
    /// The group of the record, such as OpenTelemetry's resources and scopes.
    pub group: Option<Group<'a>>,
}

/// The values that a group's records share.
#[derive(Clone, Copy, Debug)]
pub struct Group<'a> {
    /// The group's metadata.
    pub metadata: Map<'a>,
    /// The group's attributes.
    pub body: Map<'a>,
}

/// An error: a part of the chunk is not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The place in the chunk, in bytes.
    pub at: usize,
    /// The length of the part, in bytes.
    pub len: usize,
    /// True if the bytes cannot be decoded. Then the part is the rest of the chunk.
    pub is_rest: bool,
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Malformed { at, len, is_rest } = self;
        let what = if *is_rest { ", which are the rest of the chunk" } else { "" };
        write!(f, "no record at byte {at}: {len} bytes{what}")
    }
}

impl std::error::Error for Malformed {}

/// The records of a chunk.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
    at: usize,
    group: Option<Group<'a>>,
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let Some((marker, item, after)) = read_item(self.rest) else {
                return Some(Err(self.skip_malformed()));
            };
            self.advance(after);
            match marker {
                Some(Marker::Begin) => {
                    self.group = Some(Group { metadata: item.metadata, body: item.body });
                }
                Some(Marker::End) => self.group = None,
                None => return Some(Ok(Record { group: self.group, ..item })),
            }
        }
        None
    }
}

impl<'a> Records<'a> {
    fn advance(&mut self, after: &'a [u8]) {
        self.at += self.rest.len() - after.len();
        self.rest = after;
    }

    /// Skips values that are not records, up to the next record, as one part: a chunk may end
    /// with many zeros.
    fn skip_malformed(&mut self) -> Malformed {
        let at = self.at;
        while !self.rest.is_empty() && read_item(self.rest).is_none() {
            let Some((_, after)) = value::read(self.rest) else {
                if self.at == at {
                    self.advance(&[]);
                    return Malformed { at, len: self.at - at, is_rest: true };
                }
                break;
            };
            self.advance(after);
        }
        Malformed { at, len: self.at - at, is_rest: false }
    }
}

/// The beginning or the end of a group.
enum Marker {
    Begin,
    End,
}

/// Reads `[time, body]` or `[[time, metadata], body]`. The record has no group yet.
fn read_item(bytes: &[u8]) -> Option<(Option<Marker>, Record<'_>, &[u8])> {
    let header = value::enter_pair(bytes)?;
    let (time, metadata, body) = match value::enter_pair(header) {
        Some(inner) => {
            let (time, rest) = value::read(inner)?;
            let (metadata, rest) = value::read(rest)?;
            (time, Some(metadata), rest)
        }
        None => {
            let (time, rest) = value::read(header)?;
            (time, None, rest)
        }
    };
    let metadata = match metadata {
        Some(Value::Map(metadata)) => Some(metadata),
        Some(_) => return None,
        None => None,
    };
    let (Value::Map(body), after) = value::read(body)? else {
        return None;
    };
    let marker = metadata.and_then(|metadata| marker(&time, &metadata, &body));
    let metadata = metadata.unwrap_or(Map::EMPTY);
    Some((marker, Record { time: read_time(&time)?, metadata, body, group: None }, after))
}

/// Recognises a group's beginning and end as Fluent Bit writes them: a beginning has the time
/// -1 and metadata, an end has the time -2 and nothing else. A client can send these times as
/// well. So everything else is a record.
fn marker(time: &Value<'_>, metadata: &Map<'_>, body: &Map<'_>) -> Option<Marker> {
    match time {
        Value::Extension(0, [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]) => {
            (!metadata.is_empty()).then_some(Marker::Begin)
        }
        Value::Extension(0, [0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 0]) => {
            (metadata.is_empty() && body.is_empty()).then_some(Marker::End)
        }
        _ => None,
    }
}

fn read_time(time: &Value<'_>) -> Option<Time> {
    Some(match time {
        Value::Extension(0, bytes) => {
            let (seconds, nanoseconds) = bytes.split_first_chunk()?;
            Time {
                seconds: u32::from_be_bytes(*seconds),
                nanoseconds: u32::from_be_bytes(nanoseconds.try_into().ok()?),
            }
        }
        Value::Unsigned(seconds) => {
            Time { seconds: u32::try_from(*seconds).unwrap_or(u32::MAX), nanoseconds: 0 }
        }
        Value::Signed(_) => Time { seconds: 0, nanoseconds: 0 },
        // The casts saturate.
        Value::Float(seconds) if !seconds.is_nan() => {
            Time { seconds: *seconds as u32, nanoseconds: (seconds.fract() * 1e9) as u32 }
        }
        _ => return None,
    })
}
