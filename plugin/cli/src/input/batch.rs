//! Batches: parts of a source that hold whole texts.

use super::encoding::MARK;
use super::framing::is_array;
use super::split::{Splitter, lines};
use super::{At, BATCH_BYTES, Broken, ELEMENTS_MAX, Place, Record, Unread};
use crate::frames::{self, Unopened};
use flb_audit_ledger::DecryptionKeys;
use flb_audit_ledger::frame::Frame;
use memchr::memchr_iter;
use std::ops::Range;

/// A part of a source: whole texts.
pub(super) struct Batch {
    pub(super) source: usize,
    /// The number of the first text.
    pub(super) first: u64,
    pub(super) bytes: Vec<u8>,
    /// Where the texts are; none if they are lines.
    pub(super) elements: Option<Vec<Range<usize>>>,
    /// The frame that has them; then this is its body.
    pub(super) frame: Option<Frame>,
}

/// Checks that a record has few enough elements to be read into memory.
pub(super) fn check_elements(text: &[u8]) -> Result<(), Unread> {
    if has_many_elements(text) {
        return Err(Unread::Broken(format!("a record of more than {ELEMENTS_MAX} elements")));
    }
    Ok(())
}

/// A comma in a string counts, too, since only reading tells it from another.
fn has_many_elements(text: &[u8]) -> bool {
    text.len() > BATCH_BYTES && memchr_iter(b',', text).count() > ELEMENTS_MAX
}

impl Batch {
    /// Returns the texts, each with its place; empty lines are none.
    pub(super) fn texts(&self) -> impl Iterator<Item = (At, &[u8])> {
        let ranges: Box<dyn Iterator<Item = (u64, Range<usize>)>> = match &self.elements {
            Some(elements) => Box::new((0..).zip(elements.iter().cloned())),
            None => Box::new((0..).zip(lines(&self.bytes)).flat_map(|(number, line)| {
                let text = &self.bytes[line.clone()];
                let start = text.iter().position(|byte| !byte.is_ascii_whitespace());
                match start.map(|at| text[at]) {
                    None => vec![],
                    Some(b'[') if is_array(text.trim_ascii_start()) && !has_many_elements(text) => {
                        let mut splitter = Splitter::default();
                        splitter.scan(text, true);
                        let elements = splitter.elements.into_iter();
                        elements.map(|e| (number, line.start + e.start..line.start + e.end)).collect()
                    }
                    Some(_) => vec![(number, line)],
                }
            })),
        };
        ranges.map(|(number, range)| {
            let text = &self.bytes[range];
            // Files that were put together have marks between them.
            (At { source: self.source, number: self.first + number }, text.strip_prefix(MARK).unwrap_or(text))
        })
    }

    /// Hands the records of an encrypted frame to `see`, or why it has none.
    pub(super) fn see_frame(
        &self,
        frame: Frame,
        identities: Option<&DecryptionKeys>,
        mut see: impl FnMut(At, Result<Record<'_>, Unread>) -> Result<(), NobodyReads>,
    ) -> Result<(), NobodyReads> {
        let at = At { source: self.source, number: self.first };
        if !frame.is_whole {
            see(at, Err(Unread::Altered(frame.at)))?;
        }
        match identities.map(|identities| frames::open(identities, &frame, &self.bytes)) {
            Some(Ok(text)) => {
                let places = (self.first..).map(|number| At { number, ..at });
                for ((at, text), stated) in places.zip(frames::lines(&text)).zip(&frame.records) {
                    let (stated, place) = (Some(*stated), &Place::default());
                    see(at, check_elements(text).map(|()| Record { text, stated, place }))?;
                }
                Ok(())
            }
            Some(Err(Unopened::Damaged(what))) => {
                let reason = format!("the frame at byte {} is damaged: {what}", frame.at);
                see(at, Err(Unread::Broken(reason)))
            }
            Some(Err(Unopened::NotForThese)) | None => see(at, Err(Unread::Encrypted(Box::new(frame)))),
        }
    }
}

/// A command has failed, and takes no more records.
pub(super) struct NobodyReads;

/// What a source is read as, part by part.
pub(super) type Part = Result<Batch, Broken>;
