//! What has been seen of one segment, in whatever order it came.
//!
//! Of every record two fingerprints are kept, of the head before it and of
//! its own: 64 bits each, under a key that is drawn anew every time, so that
//! nobody can prepare two heads that look the same. They stand in pages; a
//! page that is full and whole goes to the spool, which is a file once it is
//! large. So memory is bounded as long as records come about in order.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::RangeInclusive;
use tempfile::SpooledTempFile;

/// A keyed hash of a head.
pub(super) type Fingerprint = u64;

const PAGE_RECORDS: usize = 64;

/// How much of the spool is kept in memory, in bytes.
const SPOOL_MEMORY_BYTES_MAX: usize = 64 << 20;

/// The heads of full pages.
pub(super) struct Spool {
    file: SpooledTempFile,
    pages: u64,
}

impl Spool {
    pub(super) fn new() -> Self {
        Spool { file: SpooledTempFile::new(SPOOL_MEMORY_BYTES_MAX), pages: 0 }
    }

    fn push(&mut self, heads: &[Fingerprint; PAGE_RECORDS]) -> io::Result<u64> {
        let mut bytes = [0; 8 * PAGE_RECORDS];
        for (to, head) in bytes.chunks_exact_mut(8).zip(heads) {
            to.copy_from_slice(&head.to_le_bytes());
        }
        self.file.seek(SeekFrom::End(0))?;
        self.file.write_all(&bytes)?;
        self.pages += 1;
        Ok(self.pages - 1)
    }

    fn head(&mut self, page: u64, record: usize) -> io::Result<Fingerprint> {
        let mut bytes = [0; 8];
        self.file.seek(SeekFrom::Start(8 * (page * PAGE_RECORDS as u64 + record as u64)))?;
        self.file.read_exact(&mut bytes)?;
        Ok(Fingerprint::from_le_bytes(bytes))
    }
}

enum Page {
    Open(Box<OpenPage>),
    /// All records are here and each goes on from the one before.
    Full {
        before: Fingerprint,
        last: Fingerprint,
        spooled: u64,
    },
}

#[derive(Default)]
struct OpenPage {
    seen: u64,
    before: Heads,
    heads: Heads,
}

struct Heads([Fingerprint; PAGE_RECORDS]);

impl Default for Heads {
    fn default() -> Self {
        Heads([0; PAGE_RECORDS])
    }
}

impl OpenPage {
    fn has(&self, record: usize) -> bool {
        self.seen >> record & 1 == 1
    }

    fn is_whole(&self) -> bool {
        self.seen == u64::MAX && self.before.0[1..] == self.heads.0[..PAGE_RECORDS - 1]
    }
}

/// How a record compares with what was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// It is the first of its number.
    New,
    /// It is the same as one before.
    Duplicate,
    /// There was another of its number.
    Different,
}

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// These are not here.
    Missing(RangeInclusive<u64>),
    /// This record does not go on from the one before it.
    Broken(u64),
}

/// What has been seen of one segment.
#[derive(Default)]
pub(super) struct Segment {
    pages: BTreeMap<u64, Page>,
    last: u64,
}

impl Segment {
    pub(super) fn add(
        &mut self,
        sequence: u64,
        before: Fingerprint,
        head: Fingerprint,
        spool: &mut Spool,
    ) -> io::Result<Added> {
        self.last = self.last.max(sequence);
        let (number, record) = split(sequence);
        let page = self.pages.entry(number).or_insert_with(|| Page::Open(Box::default()));
        let open = match page {
            Page::Full { spooled, .. } => {
                let same = spool.head(*spooled, record)? == head;
                return Ok(if same { Added::Duplicate } else { Added::Different });
            }
            Page::Open(open) => open,
        };
        if open.has(record) {
            let same = open.heads.0[record] == head && open.before.0[record] == before;
            return Ok(if same { Added::Duplicate } else { Added::Different });
        }
        open.seen |= 1 << record;
        open.before.0[record] = before;
        open.heads.0[record] = head;
        if open.is_whole() {
            *page = Page::Full {
                before: open.before.0[0],
                last: open.heads.0[PAGE_RECORDS - 1],
                spooled: spool.push(&open.heads.0)?,
            };
        }
        Ok(Added::New)
    }

    /// The number of the last record seen.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// The head before the segment, if its first record is here.
    pub(super) fn before(&self) -> Option<Fingerprint> {
        match self.pages.get(&0)? {
            Page::Full { before, .. } => Some(*before),
            Page::Open(open) => open.has(0).then(|| open.before.0[0]),
        }
    }

    /// The head before a record, if that or the one before it is here.
    pub(super) fn before_record(&self, sequence: u64, spool: &mut Spool) -> io::Result<Option<Fingerprint>> {
        let Some(before) = sequence.checked_sub(1) else {
            return Ok(self.before());
        };
        let (number, record) = split(sequence);
        match self.pages.get(&number) {
            Some(Page::Open(open)) if open.has(record) => Ok(Some(open.before.0[record])),
            _ => self.head(before, spool),
        }
    }

    /// The head after a record, if it is here.
    pub(super) fn head(&self, sequence: u64, spool: &mut Spool) -> io::Result<Option<Fingerprint>> {
        let (number, record) = split(sequence);
        Ok(match self.pages.get(&number) {
            Some(Page::Full { spooled, .. }) => Some(spool.head(*spooled, record)?),
            Some(Page::Open(open)) if open.has(record) => Some(open.heads.0[record]),
            _ => None,
        })
    }

    /// All that is wrong between the segment's first record and its last.
    pub(super) fn flaws(&self) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        let mut next = 0;
        let mut head = None;
        let mut see = |sequence: u64, before: Fingerprint, last: Fingerprint, count: u64| {
            if sequence > next {
                flaws.push(Flaw::Missing(next..=sequence - 1));
            } else if head.is_some_and(|head| head != before) {
                flaws.push(Flaw::Broken(sequence));
            }
            head = Some(last);
            next = sequence.saturating_add(count);
        };
        for (number, page) in &self.pages {
            let first = number * PAGE_RECORDS as u64;
            match page {
                Page::Full { before, last, .. } => see(first, *before, *last, PAGE_RECORDS as u64),
                Page::Open(open) => {
                    for record in (0..PAGE_RECORDS).filter(|record| open.has(*record)) {
                        see(first + record as u64, open.before.0[record], open.heads.0[record], 1);
                    }
                }
            }
        }
        flaws
    }
}

impl Segment {
    /// The records that are here, in stretches of which none is missing.
    pub(super) fn stretches(&self) -> Vec<RangeInclusive<u64>> {
        let mut stretches = Vec::new();
        let mut first = 0;
        for flaw in self.flaws() {
            if let Flaw::Missing(missing) = flaw {
                if *missing.start() > first {
                    stretches.push(first..=missing.start() - 1);
                }
                first = missing.end() + 1;
            }
        }
        stretches.push(first..=self.last);
        stretches
    }
}

fn split(sequence: u64) -> (u64, usize) {
    let records = PAGE_RECORDS as u64;
    (sequence / records, (sequence % records) as usize)
}
