//! Batches: parts of a source that hold whole texts.

use super::encoding::MARK;
use super::framing::is_array;
use super::place::Place;
use super::record::{At, BATCH_BYTES, Broken, ELEMENTS_MAX, Record, Unread};
use super::split::{Splitter, lines};
use crate::frames::{self, Unopened};
use flb_audit_ledger::DecryptionKeys;
use flb_audit_ledger::frame::Frame;
use memchr::memchr_iter;
use std::ops::Range;

/// The reason why an array cannot be read to its end.
pub(super) const CUT_OFF: &str = "an array without its end: it is cut off";

/// A part of a source: whole texts.
pub(super) struct Batch {
    pub(super) source: usize,
    /// The number of the first text.
    pub(super) first: u64,
    pub(super) bytes: Vec<u8>,
    /// The places of the texts, or `None` if they are lines.
    pub(super) elements: Option<Vec<Range<usize>>>,
    /// The frame of these records. The batch is then the frame's body.
    pub(super) frame: Option<Frame>,
}

/// Checks that a record has few enough elements to be read into memory.
pub(crate) fn check_elements(text: &[u8]) -> Result<(), Unread> {
    if has_many_elements(text) {
        return Err(Unread::Broken(format!(
            "a record with more than {ELEMENTS_MAX} elements, which is the limit"
        )));
    }
    Ok(())
}

/// Checks whether a large text has too many elements. Commas in strings count, too,
/// because only parsing distinguishes them.
fn has_many_elements(text: &[u8]) -> bool {
    text.len() > BATCH_BYTES && memchr_iter(b',', text).count() > ELEMENTS_MAX
}

impl Batch {
    /// Returns the texts with their places, without empty lines. A text that cannot be read
    /// has the reason in its place.
    pub(super) fn texts(&self) -> impl Iterator<Item = (At, Result<&[u8], Unread>)> {
        // None stands for the end of an array that is cut off.
        let ranges: Box<dyn Iterator<Item = (u64, Option<Range<usize>>)>> = match &self.elements {
            Some(elements) => Box::new((0..).zip(elements.iter().cloned().map(Some))),
            None => Box::new((0..).zip(lines(&self.bytes)).flat_map(|(number, line)| {
                let text = &self.bytes[line.clone()];
                let start = text.iter().position(|byte| !byte.is_ascii_whitespace());
                match start.map(|at| text[at]) {
                    None => vec![],
                    Some(b'[') if is_array(text.trim_ascii_start()) && !has_many_elements(text) => {
                        let mut splitter = Splitter::default();
                        splitter.scan(text, true);
                        let is_cut_off = splitter.is_in_array();
                        let elements = splitter.elements.into_iter();
                        let elements = elements.map(|e| Some(line.start + e.start..line.start + e.end));
                        let elements = elements.chain(is_cut_off.then_some(None));
                        elements.map(|element| (number, element)).collect()
                    }
                    Some(_) => vec![(number, Some(line))],
                }
            })),
        };
        ranges.map(|(number, range)| {
            let at = At { source: self.source, number: self.first + number };
            let Some(range) = range else { return (at, Err(Unread::Broken(CUT_OFF.to_owned()))) };
            let text = &self.bytes[range];
            // Files that were concatenated have byte order marks between them.
            let text = text.strip_prefix(MARK).unwrap_or(text);
            (at, check_elements(text).map(|()| text))
        })
    }

    /// Passes the records of an encrypted frame to `see`, or the reason why they cannot
    /// be read.
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

/// The receiver of the records has failed and takes no more of them.
pub(super) struct NobodyReads;

/// The next batch of a source, or the reason why reading it stopped.
pub(super) type Part = Result<Batch, Broken>;
