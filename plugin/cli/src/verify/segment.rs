//! The records that were read of one segment, in any order.
//!
//! For every intact record two fingerprints are kept: of the head before it and of its
//! own head. They are kept in pages. A page whose records are all here goes to the spool,
//! and a page with few records is small. If very many pages wait for records, because these
//! come in no order, further ones wait in a file.
//!
//! A life is a row of its chain ([`super::rows`]), and a short one is in the rows' file until a
//! record of it is read again. So memory grows neither with the number of lives, which may be
//! one for each chunk, nor with the numbers that records claim.
//!
//! If a record is here in two versions, the one with the lower head counts. So the order
//! of reading does not matter.

use super::beginning::Beginning;
use super::bytes::{Bytes, Damaged, put_number};
use super::rows::{Rows, Stored};
use super::spool::{Fingerprint, PAGE_RECORDS, Spool, Version};
use flb_audit_core::chain::Life;
use flb_audit_core::hash::Hash;
use flb_audit_core::policy::{DIGEST_TEXT_BYTES, policy_text};
use flb_audit_core::verify::Sealed;
use std::collections::BTreeMap;
use std::io;
use std::mem;
use std::ops::RangeInclusive;
use std::rc::Rc;

/// The maximum number of records that a page keeps one by one, if it is not the first of its
/// life. A first page is in a row, and so takes no memory for long.
const FEW_RECORDS_MAX: usize = 8;

/// The maximum number of records that a page keeps one by one if no further page may wait in
/// memory.
const FEW_IF_FULL_MAX: usize = 1;

/// A record's number within its page, and its two heads.
#[derive(Clone, Copy)]
struct Heads {
    record: u8,
    version: Version,
}

#[derive(Clone)]
enum Kept {
    Few(Vec<Heads>),
    Many(Box<[Option<Version>; PAGE_RECORDS]>),
    /// The page waits in the spool's file.
    Aside {
        page: u64,
        /// The records that are here, one bit each.
        here: u64,
    },
    /// All records are here, and each continues from the one before it.
    Whole {
        before: Fingerprint,
        last: Fingerprint,
        spooled: u64,
    },
}

impl Kept {
    /// Returns a page without records, which waits for many.
    fn waiting(spool: &mut Spool) -> io::Result<Kept> {
        if spool.is_full() {
            return Ok(Kept::Aside { page: spool.lay_aside()?, here: 0 });
        }
        spool.begin_waiting();
        Ok(Kept::Many(Box::new([None; PAGE_RECORDS])))
    }
}

#[derive(Clone)]
struct Page {
    heads: Kept,
    /// The records that are not as they were sealed, one bit each.
    altered: u64,
    /// The records in the requested period, one bit each.
    heard: u64,
}

impl Default for Page {
    fn default() -> Self {
        Page { heads: Kept::Few(Vec::new()), altered: 0, heard: 0 }
    }
}

impl Page {
    /// Returns a record of a page that is not whole.
    fn get(&self, record: usize, spool: &mut Spool) -> io::Result<Option<Version>> {
        Ok(match &self.heads {
            Kept::Few(few) => {
                few.iter().find(|heads| usize::from(heads.record) == record).map(|heads| heads.version)
            }
            Kept::Many(many) => many[record],
            Kept::Aside { page, here } if here >> record & 1 == 1 => Some(spool.get(*page, record)?),
            Kept::Aside { .. } | Kept::Whole { .. } => None,
        })
    }

    /// Returns all records of a page that is not whole, with their numbers.
    fn all(&self, spool: &mut Spool) -> io::Result<Vec<(usize, Version)>> {
        Ok(match &self.heads {
            Kept::Few(few) => {
                let mut few: Vec<_> =
                    few.iter().map(|heads| (usize::from(heads.record), heads.version)).collect();
                few.sort_unstable_by_key(|(record, _)| *record);
                few
            }
            Kept::Many(many) => {
                many.iter().enumerate().filter_map(|(record, version)| Some((record, (*version)?))).collect()
            }
            Kept::Aside { page, here } => {
                let all = spool.get_all(*page)?.into_iter().enumerate();
                all.filter(|(record, _)| here >> record & 1 == 1).collect()
            }
            Kept::Whole { .. } => Vec::new(),
        })
    }

    /// Adds a record to a page that is not whole, or replaces it. The page keeps at most
    /// `few_max` records one by one.
    fn insert(
        &mut self,
        few_max: usize,
        record: usize,
        version: Version,
        spool: &mut Spool,
    ) -> io::Result<()> {
        if let Kept::Few(few) = &mut self.heads {
            if let Some(there) = few.iter_mut().find(|heads| usize::from(heads.record) == record) {
                there.version = version;
                return Ok(());
            }
            if few.len() < few_max {
                few.reserve_exact(1);
                few.push(Heads { record: record as u8, version });
                return Ok(());
            }
            let few = mem::take(few);
            self.heads = Kept::waiting(spool)?;
            for heads in few {
                self.insert(few_max, usize::from(heads.record), heads.version, spool)?;
            }
        }
        match &mut self.heads {
            Kept::Many(many) => many[record] = Some(version),
            Kept::Aside { page, here } => {
                spool.put(*page, record, version)?;
                *here |= 1 << record;
            }
            Kept::Few(_) | Kept::Whole { .. } => {}
        }
        Ok(())
    }

    /// Puts the page into the spool, if all records are here and each continues from the one
    /// before it.
    fn end_if_whole(&mut self, spool: &mut Spool) -> io::Result<()> {
        let is_full = match &self.heads {
            Kept::Many(many) => many.iter().all(Option::is_some),
            Kept::Aside { here, .. } => *here == u64::MAX,
            Kept::Few(few) => few.len() == PAGE_RECORDS,
            Kept::Whole { .. } => false,
        };
        if !is_full {
            return Ok(());
        }
        let all = self.all(spool)?;
        if all.windows(2).any(|pair| pair[0].1.1 != pair[1].1.0) {
            return Ok(());
        }
        let mut heads = [Fingerprint::FIRST; PAGE_RECORDS];
        for (record, (_, head)) in &all {
            heads[*record] = *head;
        }
        let before = all.first().map_or(Fingerprint::FIRST, |(_, (before, _))| *before);
        let spooled = spool.push(&heads)?;
        match &self.heads {
            Kept::Aside { page, .. } => spool.free(*page),
            Kept::Many(_) => spool.end_waiting(),
            Kept::Few(_) | Kept::Whole { .. } => {}
        }
        self.heads = Kept::Whole { before, last: heads[PAGE_RECORDS - 1], spooled };
        Ok(())
    }
}

/// The result of adding a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// The record is the first with its number.
    New,
    /// The record repeats an earlier record.
    Duplicate,
    /// The record differs from the one with its number that counted so far.
    Different {
        other: Version,
        /// True if the added record counts from now on.
        counts: bool,
    },
}

/// Intact records, each of which continues from the one before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) records: RangeInclusive<u64>,
    /// The head before the first record.
    pub(super) before: Fingerprint,
    /// The head of the last record.
    pub(super) head: Fingerprint,
}

impl Stretch {
    /// Checks whether the stretch begins with the life's first record.
    pub(super) fn is_first(&self) -> bool {
        *self.records.start() == 0
    }
}

/// The stretches of all lives of a chain that have intact records.
pub(super) type Stretches = Rows<Life, Rc<Vec<Stretch>>>;

/// Checks whether a life's first record is here and intact.
pub(super) fn has_first(stretches: &Stretches, life: &Life) -> bool {
    stretches.get(life).is_some_and(|of_life| of_life.first().is_some_and(|first| first.is_first()))
}

/// The pages of a life by their numbers. Many lives have only one.
#[derive(Clone, Default)]
struct Pages {
    first: Page,
    rest: BTreeMap<u64, Page>,
}

impl Pages {
    fn get(&self, number: u64) -> Option<&Page> {
        if number == 0 { Some(&self.first) } else { self.rest.get(&number) }
    }

    fn get_or_insert(&mut self, number: u64) -> &mut Page {
        if number == 0 { &mut self.first } else { self.rest.entry(number).or_default() }
    }

    fn range(&self, numbers: RangeInclusive<u64>) -> impl Iterator<Item = (u64, &Page)> {
        let first = numbers.contains(&0).then_some((0, &self.first));
        first.into_iter().chain(self.rest.range(numbers).map(|(number, page)| (*number, page)))
    }
}

/// The records of one life.
#[derive(Clone, Default)]
pub(super) struct Segment {
    pages: Pages,
    pub(super) policies: Policies,
    pub(super) beginning: Beginning,
}

/// The policies that the records of a life name. A filter has one policy for all records
/// of a life.
#[derive(Clone, Default)]
pub(super) struct Policies {
    /// The start of the policy's digest in the first record's `v`. The inner `None` is a
    /// record without a policy.
    prefix: Option<Option<[u8; DIGEST_TEXT_BYTES]>>,
    /// The digest that a checkpoint names.
    digest: Option<Hash>,
    /// True if the records name different policies.
    pub(super) differ: bool,
}

impl Policies {
    /// Adds an intact record. Checkpoints have the whole digest of the policy.
    pub(super) fn add(&mut self, sealed: &Sealed) {
        let prefix = sealed.policy_prefix;
        self.differ |= *self.prefix.get_or_insert(prefix) != prefix;
        if let Some(digest) = sealed.policy {
            self.differ |= *self.digest.get_or_insert(digest) != digest;
            self.differ |= Some(policy_text(&digest)) != prefix;
        }
    }
}

impl Segment {
    /// Adds an intact record.
    pub(super) fn add(
        &mut self,
        sequence: u64,
        (before, head): (Fingerprint, Fingerprint),
        is_heard: bool,
        spool: &mut Spool,
    ) -> io::Result<Added> {
        let (number, record) = split(sequence);
        let few_max = match number {
            0 => PAGE_RECORDS,
            _ if spool.is_full() => FEW_IF_FULL_MAX,
            _ => FEW_RECORDS_MAX,
        };
        let page = self.pages.get_or_insert(number);
        page.heard |= u64::from(is_heard) << record;
        if let Kept::Whole { spooled, before: first, .. } = page.heads {
            let there = spool.head(spooled, record)?;
            if there == head {
                return Ok(Added::Duplicate);
            }
            if there < head {
                let before = match record.checked_sub(1) {
                    Some(before) => spool.head(spooled, before)?,
                    None => first,
                };
                return Ok(Added::Different { other: (before, there), counts: false });
            }
            page.heads = if number == 0 { Kept::Few(Vec::new()) } else { Kept::waiting(spool)? };
            let mut before = first;
            for (record, head) in spool.page(spooled)?.into_iter().enumerate() {
                page.insert(few_max, record, (mem::replace(&mut before, head), head), spool)?;
            }
        }
        let mut added = Added::New;
        if let Some(other) = page.get(record, spool)? {
            if other == (before, head) {
                return Ok(Added::Duplicate);
            }
            let counts = (head, before) < (other.1, other.0);
            added = Added::Different { other, counts };
            if !counts {
                return Ok(added);
            }
        }
        page.insert(few_max, record, (before, head), spool)?;
        page.end_if_whole(spool)?;
        Ok(added)
    }

    /// Notes that the record with this number is here but is not as it was sealed.
    pub(super) fn add_altered(&mut self, sequence: u64) {
        let (number, record) = split(sequence);
        self.pages.get_or_insert(number).altered |= 1 << record;
    }

    /// Returns the head before the first record, if the first record is here.
    fn before(&self, spool: &mut Spool) -> io::Result<Option<Fingerprint>> {
        Ok(match self.pages.get(0) {
            Some(Page { heads: Kept::Whole { before, .. }, .. }) => Some(*before),
            Some(page) => page.get(0, spool)?.map(|(before, _)| before),
            None => None,
        })
    }

    /// Returns the head before a record, if that record or the one before it is here.
    pub(super) fn before_record(&self, sequence: u64, spool: &mut Spool) -> io::Result<Option<Fingerprint>> {
        let Some(before) = sequence.checked_sub(1) else {
            return self.before(spool);
        };
        let (number, record) = split(sequence);
        match self.pages.get(number) {
            Some(Page { heads: Kept::Whole { before, .. }, .. }) if record == 0 => Ok(Some(*before)),
            Some(page) if let Some((before, _)) = page.get(record, spool)? => Ok(Some(before)),
            _ => self.head(before, spool),
        }
    }

    /// Returns the head of a record, if the record is here.
    pub(super) fn head(&self, sequence: u64, spool: &mut Spool) -> io::Result<Option<Fingerprint>> {
        let (number, record) = split(sequence);
        match self.pages.get(number) {
            Some(Page { heads: Kept::Whole { spooled, .. }, .. }) => spool.head(*spooled, record).map(Some),
            Some(page) => Ok(page.get(record, spool)?.map(|(_, head)| head)),
            None => Ok(None),
        }
    }

    /// Returns the intact records, in order, as stretches that are as long as possible.
    pub(super) fn stretches(&self, spool: &mut Spool) -> io::Result<Vec<Stretch>> {
        let mut stretches: Vec<Stretch> = Vec::new();
        let mut see =
            |first: u64, last: u64, before: Fingerprint, head: Fingerprint| match stretches.last_mut() {
                Some(stretch)
                    if stretch.records.end().checked_add(1) == Some(first) && stretch.head == before =>
                {
                    stretch.records = *stretch.records.start()..=last;
                    stretch.head = head;
                }
                _ => {
                    // There are very many lives with one stretch, so no spare capacity is
                    // reserved.
                    if stretches.is_empty() {
                        stretches.reserve_exact(1);
                    }
                    stretches.push(Stretch { records: first..=last, before, head });
                }
            };
        for (number, page) in self.pages.range(0..=u64::MAX) {
            let first = number * PAGE_RECORDS as u64;
            if let Kept::Whole { before, last, .. } = page.heads {
                see(first, first + (PAGE_RECORDS as u64 - 1), before, last);
                continue;
            }
            for (record, (before, head)) in page.all(spool)? {
                see(first + record as u64, first + record as u64, before, head);
            }
        }
        Ok(stretches)
    }

    /// Checks whether one of these records is in the requested period.
    pub(super) fn is_heard_in(&self, records: &RangeInclusive<u64>) -> bool {
        let (first, last) = (split(*records.start()), split(*records.end()));
        self.pages.range(first.0..=last.0).any(|(number, page)| {
            let from = if number == first.0 { u64::MAX << first.1 } else { u64::MAX };
            let to = if number == last.0 { u64::MAX >> (PAGE_RECORDS - 1 - last.1) } else { u64::MAX };
            page.heard & from & to != 0
        })
    }

    /// Returns those of these records that are here and altered. None of the given
    /// records is intact.
    pub(super) fn altered_in(&self, records: &RangeInclusive<u64>) -> Vec<u64> {
        let (first, last) = (split(*records.start()).0, split(*records.end()).0);
        let pages = self.pages.range(first..=last).filter(|(_, page)| page.altered != 0);
        let numbers = pages.flat_map(|(number, page)| {
            let bits = (0..PAGE_RECORDS).filter(|record| page.altered >> record & 1 == 1);
            bits.map(move |record| number * PAGE_RECORDS as u64 + record as u64)
        });
        numbers.filter(|sequence| records.contains(sequence)).collect()
    }
}

fn split(sequence: u64) -> (u64, usize) {
    let records = PAGE_RECORDS as u64;
    (sequence / records, (sequence % records) as usize)
}

/// The maximum number of pages, beside its first one, of a life that is not always in memory.
const STORED_PAGES_MAX: usize = 8;

impl Stored for Segment {
    fn put(&self, out: &mut Vec<u8>) {
        self.policies.put(out);
        self.beginning.put(out);
        self.pages.first.put(out);
        put_number(out, self.pages.rest.len() as u64);
        for (number, page) in &self.pages.rest {
            put_number(out, *number);
            page.put(out);
        }
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damaged> {
        let (policies, beginning) = (Policies::take(from)?, Beginning::take(from)?);
        let first = Page::take(from)?;
        let rest = (0..from.number()?).map(|_| Ok((from.number()?, Page::take(from)?)));
        let rest = rest.collect::<Result<_, Damaged>>()?;
        Ok(Segment { pages: Pages { first, rest }, policies, beginning })
    }

    /// Pages that wait in memory are not stored, because the spool counts them.
    fn is_small(&self) -> bool {
        let mut pages = self.pages.range(0..=u64::MAX);
        let has_many = pages.any(|(_, page)| matches!(page.heads, Kept::Many(_)));
        self.pages.rest.len() <= STORED_PAGES_MAX && !has_many
    }
}

impl Stored for Policies {
    fn put(&self, out: &mut Vec<u8>) {
        (self.prefix, self.digest, self.differ).put(out);
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damaged> {
        let (prefix, digest, differ) = Stored::take(from)?;
        Ok(Policies { prefix, digest, differ })
    }
}

/// The record continues from the one before it in the page, so that the head before it is not
/// stored.
const GOES_ON: u8 = 1 << 7;

impl Stored for Page {
    fn put(&self, out: &mut Vec<u8>) {
        (self.altered, self.heard).put(out);
        match &self.heads {
            Kept::Few(few) => {
                out.push(few.len() as u8);
                let mut last = None;
                for Heads { record, version: (before, head) } in few {
                    let goes_on = last == Some(*before);
                    out.push(record | if goes_on { GOES_ON } else { 0 });
                    if !goes_on {
                        before.put(out);
                    }
                    head.put(out);
                    last = Some(*head);
                }
            }
            Kept::Whole { before, last, spooled } => {
                out.push(WHOLE);
                (*before, *last, *spooled).put(out);
            }
            Kept::Aside { page, here } => {
                out.push(ASIDE);
                (*page, *here).put(out);
            }
            // Not stored: see `is_small`.
            Kept::Many(_) => out.push(0),
        }
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damaged> {
        let (altered, heard) = Stored::take(from)?;
        let heads = match from.byte()? {
            WHOLE => {
                let (before, last, spooled) = Stored::take(from)?;
                Kept::Whole { before, last, spooled }
            }
            ASIDE => {
                let (page, here) = Stored::take(from)?;
                Kept::Aside { page, here }
            }
            count => {
                let mut few: Vec<Heads> = Vec::with_capacity(count.into());
                for _ in 0..count {
                    let record = from.byte()?;
                    let last = few.last().filter(|_| record & GOES_ON != 0);
                    let before = match last {
                        Some(last) => last.version.1,
                        None => Fingerprint::take(from)?,
                    };
                    let version = (before, Fingerprint::take(from)?);
                    few.push(Heads { record: record & !GOES_ON, version });
                }
                Kept::Few(few)
            }
        };
        Ok(Page { heads, altered, heard })
    }
}

/// The kinds of pages, in place of a number of records.
const WHOLE: u8 = u8::MAX;
const ASIDE: u8 = u8::MAX - 1;

impl Stored for Stretch {
    fn put(&self, out: &mut Vec<u8>) {
        (self.records.clone(), self.before, self.head).put(out);
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damaged> {
        let (records, before, head) = Stored::take(from)?;
        Ok(Stretch { records, before, head })
    }
}
