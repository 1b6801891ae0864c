//! Encodings: UTF-8 with a byte order mark, and UTF-16. Both become UTF-8.

use super::decompress::peek;
use std::io::{self, BufRead, BufReader, Read};

/// The byte order mark in UTF-8.
pub(super) const MARK: &[u8] = "\u{feff}".as_bytes();
/// The byte that replaces half a character. It is not valid in UTF-8, so no text with it
/// is JSON.
const NO_CHARACTER: u8 = 0xff;

/// A source in UTF-8.
pub(super) struct Decoded {
    pub(super) bytes: Box<dyn BufRead + Send>,
    /// The encoding of the source, if it was not plain UTF-8.
    pub(super) encoding: Option<&'static str>,
}

/// Decodes UTF-16 of either byte order. UTF-16 is recognised by its mark, or without one
/// by the brace or bracket with which a log starts.
pub(super) fn decode(bytes: Box<dyn BufRead + Send>) -> io::Result<Decoded> {
    let (start, mut bytes) = peek(bytes, MARK.len())?;
    let (unit, skipped): (fn([u8; 2]) -> u16, usize) = match start[..] {
        [0xff, 0xfe, ..] => (u16::from_le_bytes, 2),
        [0xfe, 0xff, ..] => (u16::from_be_bytes, 2),
        [b'{' | b'[', 0, ..] => (u16::from_le_bytes, 0),
        [0, b'{' | b'[', ..] => (u16::from_be_bytes, 0),
        _ if start == MARK => {
            bytes.read_exact(&mut [0; MARK.len()])?;
            return Ok(Decoded { bytes: Box::new(bytes), encoding: Some("UTF-8 with a byte order mark") });
        }
        _ => return Ok(Decoded { bytes: Box::new(bytes), encoding: None }),
    };
    bytes.read_exact(&mut [0; 2][..skipped])?;
    let utf8 = Utf8 { utf16: bytes, unit, high: None, ready: Vec::new(), at: 0 };
    Ok(Decoded { bytes: Box::new(BufReader::with_capacity(BLOCK_BYTES, utf8)), encoding: Some("UTF-16") })
}

/// The number of bytes that are decoded at once.
const BLOCK_BYTES: usize = 64 << 10;

/// A reader that converts UTF-16 to UTF-8.
struct Utf8<R> {
    utf16: R,
    unit: fn([u8; 2]) -> u16,
    /// The first half of a surrogate pair.
    high: Option<u16>,
    /// The decoded bytes, and the number of those that have been read.
    ready: Vec<u8>,
    at: usize,
}

impl<R: Read> Utf8<R> {
    fn decode_block(&mut self) -> io::Result<()> {
        self.ready.clear();
        self.at = 0;
        let mut block = Vec::new();
        self.utf16.by_ref().take(BLOCK_BYTES as u64).read_to_end(&mut block)?;
        let (pairs, odd) = block.as_chunks::<2>();
        let is_end = block.len() < BLOCK_BYTES;
        for pair in pairs {
            self.push((self.unit)(*pair));
        }
        if is_end && self.high.take().is_some() {
            self.ready.push(NO_CHARACTER);
        }
        if !odd.is_empty() {
            self.ready.push(NO_CHARACTER);
        }
        Ok(())
    }

    fn push(&mut self, unit: u16) {
        if let Some(high) = self.high.take() {
            if let Some(Ok(character)) = char::decode_utf16([high, unit]).next() {
                return self.push_character(character);
            }
            self.ready.push(NO_CHARACTER);
        }
        match char::from_u32(unit.into()) {
            Some(character) => self.push_character(character),
            None if unit < 0xdc00 => self.high = Some(unit),
            None => self.ready.push(NO_CHARACTER),
        }
    }

    fn push_character(&mut self, character: char) {
        self.ready.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

impl<R: Read> Read for Utf8<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.ready.len() {
            self.decode_block()?;
        }
        let read = (&self.ready[self.at..]).read(buffer)?;
        self.at += read;
        Ok(read)
    }
}
