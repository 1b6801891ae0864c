//! The records of a chunk that are to be appended.

use crate::record_id::RecordId;
use crate::tail::UNITS_MAX;
use flb_audit_core::chain::Link;
use flb_audit_core::hash::Hash;
use flb_audit_core::record::notes::Notes;
use flb_audit_core::verify::SealedRecord;

/// Records to be appended.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) lines: Vec<u8>,
    pub(crate) records: Vec<Entry>,
}

/// A record in a batch.
pub(crate) struct Entry {
    pub(crate) id: RecordId,
    /// The head before it. `None` if the record is not as it was sealed.
    pub(crate) prev: Option<Hash>,
    pub(crate) is_checkpoint: bool,
    /// The numbers of the first and the last key that have signed it and, if these are not known one
    /// by one, records before it.
    pub(crate) keys: Option<[u32; 2]>,
    /// The record's statements about the time before its life, if it is the life's first record.
    pub(crate) beginning: Option<Beginning>,
    pub(crate) seconds: u64,
    /// The length of its line, without the line break.
    pub(crate) len: usize,
}

/// The statements of a life's first record about the time before the life.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beginning {
    /// The record that the life continues from.
    pub(crate) link: Option<Link>,
    /// The record's notes.
    pub(crate) notes: Notes,
}

impl Entry {
    /// Returns the entry of the record on this line.
    pub(crate) fn of(sealed: &SealedRecord<'_>, line: &[u8]) -> Entry {
        let id = RecordId::of(sealed, line);
        let beginning = || Beginning { link: sealed.link, notes: sealed.notes };
        Entry {
            id,
            prev: sealed.is_intact.then_some(sealed.previous),
            is_checkpoint: sealed.is_checkpoint,
            keys: sealed.checkpoint().map(|checkpoint| [checkpoint.key.index; 2]),
            beginning: (id.sequence == 0).then(beginning),
            seconds: sealed.seconds,
            len: line.len(),
        }
    }
}

impl Batch {
    pub(crate) fn add(&mut self, line: &[u8], entry: Entry) {
        self.lines.extend_from_slice(line);
        self.lines.push(b'\n');
        self.records.push(entry);
    }

    /// Splits the batch into parts. Each part is appended separately.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        let mut rest = &self.lines[..];
        self.records.chunks(UNITS_MAX).map(move |records| {
            let len = records.iter().map(|record| record.len + 1).sum();
            let (lines, after) = rest.split_at(len);
            rest = after;
            Part { records, lines }
        })
    }
}

/// Records that are appended together, at most [`UNITS_MAX`].
pub(crate) struct Part<'a> {
    pub(crate) records: &'a [Entry],
    pub(crate) lines: &'a [u8],
}
