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

    /// Decodes the records, in their order. The first error is the last item.
    pub fn records(&self) -> Records<'_> {
        Records { rest: &self.bytes, at: 0, group: None }
    }
}

/// The time of a record.
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

/// An error: from here on, the chunk is not a sequence of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The place in the chunk, in bytes.
    pub at: usize,
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "no record at byte {}", self.at)
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

/// The seconds that mark the beginning and the end of a group: -1 and -2.
const GROUP_BEGIN: u32 = u32::MAX;
const GROUP_END: u32 = u32::MAX - 1;

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let Some((time, metadata, body, after)) = read_item(self.rest) else {
                self.rest = &[];
                return Some(Err(Malformed { at: self.at }));
            };
            self.at += self.rest.len() - after.len();
            self.rest = after;
            match time {
                Time { seconds: GROUP_BEGIN, nanoseconds: 0 } => self.group = Some(Group { metadata, body }),
                Time { seconds: GROUP_END, nanoseconds: 0 } => self.group = None,
                time => return Some(Ok(Record { time, metadata, body, group: self.group })),
            }
        }
        None
    }
}

type Item<'a> = (Time, Map<'a>, Map<'a>, &'a [u8]);

/// Reads `[time, body]` or `[[time, metadata], body]`.
fn read_item(bytes: &[u8]) -> Option<Item<'_>> {
    let header = value::enter_pair(bytes)?;
    let (time, metadata, body) = match value::enter_pair(header) {
        Some(inner) => {
            let (time, rest) = value::read(inner)?;
            let (metadata, rest) = value::read(rest)?;
            (time, metadata, rest)
        }
        None => {
            let (time, rest) = value::read(header)?;
            (time, Value::Map(Map::EMPTY), rest)
        }
    };
    let (Value::Map(metadata), (Value::Map(body), after)) = (metadata, value::read(body)?) else {
        return None;
    };
    Some((read_time(&time)?, metadata, body, after))
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
        Value::Unsigned(seconds) => Time { seconds: u32::try_from(*seconds).ok()?, nanoseconds: 0 },
        Value::Float(seconds) => {
            Time { seconds: *seconds as u32, nanoseconds: (seconds.fract() * 1e9) as u32 }
        }
        _ => return None,
    })
}
