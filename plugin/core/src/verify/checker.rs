//! Takes a sealed record apart, and compares it with its hashes.

use super::members::Members;
use super::seal::{Closing, NoSeal, read_seal};
use super::sealed::Sealed;
use crate::chain::checkpoint::Checkpoint;
use crate::hash::{Hash, Message, hash_all};
use crate::memory::OutOfMemory;
use crate::record::canonical::Canonical;
use crate::record::member::{AUDIT, QUARANTINE};
use crate::record::notes::Notes;
use crate::record::order::is_key;
use crate::record::tape::{Dialect, REMOVED, Tape, Unreadable};
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Deref;

/// The result of checking a text.
#[derive(Debug)]
#[non_exhaustive]
#[expect(clippy::large_enum_variant, reason = "none is kept, and a box would be an allocation a record")]
pub enum Checked<'a> {
    /// The record has a seal.
    Sealed(SealedRecord<'a>),
    /// The record has no seal.
    Unsealed,
    /// The record's seal lacks a part, or has one that no filter writes.
    Malformed,
    /// The record is sealed in an unknown version of the format.
    UnknownVersion,
}

/// A record with a seal, valid until its checker checks the next one. It dereferences to
/// the seal's data.
#[derive(Debug)]
pub struct SealedRecord<'a> {
    sealed: Sealed,
    leaf: Hash,
    /// The node of the key `audit`.
    audit: usize,
    /// The names of the keys that are not under the seal.
    left_out: [&'a str; IGNORED_KEYS_MAX],
    text: &'a [u8],
    tape: &'a mut Tape,
    canonical: &'a mut Canonical,
}

/// The maximum number of keys of one record that may be ignored. Further ones are treated
/// like any other key.
const IGNORED_KEYS_MAX: usize = 7;

/// Checks one record after the other. The memory is kept between records.
///
/// # Example
///
/// ```
/// use flb_audit_core::chain::{Chain, ChainId, GENESIS, Place, Run};
/// use flb_audit_core::hash::Algorithm;
/// use flb_audit_core::record::notes::Notes;
/// use flb_audit_core::verify::{Checked, Checker};
/// use flb_audit_core::{Event, Sealer};
///
/// # let (id, run) = (ChainId::from_random([1; 9]), Run::from_random([2; 6]));
/// # let next = Place { segment: 1, run, sequence: 0 };
/// # let chain = Chain { id, algorithm: Algorithm::default(), next, head: GENESIS, link: None };
/// # let record = br#"{"actor":"ann","action":"login"}"#;
/// # let (tag, record_len) = (&b"audit"[..], record.len());
/// # let event = Event { tag, seconds: 0, nanoseconds: 0, record: Some(record), record_len };
/// let mut sealer = Sealer::new(chain, Notes::NONE, None).map_err(|_| "no memory")?;
/// let sealed = sealer.seal(&event).strip_suffix(b"\0").unwrap_or_default();
/// let altered = String::from_utf8(sealed.to_vec())?.replace("ann", "bob");
///
/// let mut checker = Checker::new(Vec::new());
/// assert!(matches!(checker.check(sealed)?, Checked::Sealed(record) if record.is_intact));
/// assert!(matches!(checker.check(altered.as_bytes())?, Checked::Sealed(record) if !record.is_intact));
/// assert!(matches!(checker.check(br#"{"actor":"ann"}"#)?, Checked::Unsealed));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Checker {
    desk: Desk,
    /// The desks of records that are checked together.
    desks: Vec<Desk>,
    /// The keys that outputs add at the top level.
    ignored: Vec<String>,
}

impl Checker {
    /// The maximum number of records that are checked together.
    pub const TOGETHER_MAX: usize = 16;

    /// Creates a checker that ignores these keys at the top level if the seal does not
    /// cover them.
    pub fn new(ignored: Vec<String>) -> Self {
        Checker { ignored, ..Checker::default() }
    }

    /// Checks one record, given as JSON.
    pub fn check<'a>(&'a mut self, text: &'a [u8]) -> Result<Checked<'a>, Unreadable> {
        self.desk.check(text, &self.ignored)
    }

    /// Checks records, given as JSON, and passes the result of each to `see`, in their order.
    /// The hashes of up to [`TOGETHER_MAX`](Self::TOGETHER_MAX) records are computed at once,
    /// if the processor can.
    pub fn check_all(&mut self, texts: &[&[u8]], mut see: impl FnMut(Result<Checked<'_>, Unreadable>)) {
        let Checker { desk: alone, desks, ignored } = self;
        for texts in texts.chunks(Self::TOGETHER_MAX) {
            if desks.len() < texts.len() {
                desks.resize_with(texts.len(), Desk::default);
            }
            let mut opened = [const { None }; Self::TOGETHER_MAX];
            for ((opened, desk), text) in opened.iter_mut().zip(desks.iter_mut()).zip(texts) {
                if text.len() <= DESK_BYTES_MAX {
                    *opened = Some(desk.open_and_lay_out(text, ignored));
                }
            }
            let mut hashes = first_hashes(&opened, desks).into_iter();
            for ((opened, desk), text) in opened.into_iter().zip(desks.iter_mut()).zip(texts) {
                see(match opened {
                    None => alone.check(text, ignored),
                    Some(Err(closed)) => closed.into_checked(),
                    Some(Ok(opened)) => {
                        let first = if opened.is_laid_out { hashes.next() } else { None };
                        desk.close(text, opened, first, ignored)
                    }
                });
            }
        }
    }
}

/// The maximum length of a record that is checked together with others, in bytes. Longer ones
/// are rare, and each would leave memory in its desk.
const DESK_BYTES_MAX: usize = 64 << 10;

/// The memory that a record is checked in.
#[derive(Debug, Default)]
struct Desk {
    tape: Tape,
    canonical: Canonical,
}

/// A record whose seal was read, and which is to be compared with its hashes.
struct Opened {
    sealed: Sealed,
    closing: Closing,
    /// The node of the key `audit`.
    audit: usize,
    ignored: Ignored,
    /// True if the canonical form without ignored keys was written and may be hashed.
    is_laid_out: bool,
}

/// A text that has no hashes to compare.
enum Closed {
    Unreadable(Unreadable),
    Unsealed,
    Malformed,
    UnknownVersion,
}

impl Closed {
    fn into_checked<'a>(self) -> Result<Checked<'a>, Unreadable> {
        match self {
            Closed::Unreadable(why) => Err(why),
            Closed::Unsealed => Ok(Checked::Unsealed),
            Closed::Malformed => Ok(Checked::Malformed),
            Closed::UnknownVersion => Ok(Checked::UnknownVersion),
        }
    }
}

impl From<Unreadable> for Closed {
    fn from(why: Unreadable) -> Self {
        Closed::Unreadable(why)
    }
}

impl From<OutOfMemory> for Closed {
    fn from(why: OutOfMemory) -> Self {
        Closed::Unreadable(why.into())
    }
}

/// Returns the leaf and the head of each record that was laid out.
fn first_hashes(opened: &[Option<Result<Opened, Closed>>], desks: &[Desk]) -> Vec<(Hash, Hash)> {
    let laid_out = || {
        opened.iter().zip(desks).filter_map(|(opened, desk)| match opened {
            Some(Ok(opened)) if opened.is_laid_out => Some((&opened.sealed, desk.canonical.text())),
            _ => None,
        })
    };
    let mut leaves: Vec<Message<'_>> =
        laid_out().map(|(sealed, text)| Message::leaf(sealed.algorithm, text)).collect();
    hash_all(&mut leaves);
    let mut texts = [[0; 2 * size_of::<Hash>()]; Checker::TOGETHER_MAX];
    let with_texts = texts.iter_mut().zip(laid_out().zip(&leaves));
    let mut heads: Vec<Message<'_>> = with_texts
        .map(|(text, ((sealed, _), leaf))| {
            let (before, behind) = text.split_at_mut(size_of::<Hash>());
            before.copy_from_slice(&sealed.previous);
            behind.copy_from_slice(&leaf.hash);
            Message::head(sealed.algorithm, text)
        })
        .collect();
    hash_all(&mut heads);
    leaves.iter().zip(&heads).map(|(leaf, head)| (leaf.hash, head.hash)).collect()
}

impl Desk {
    fn check<'a>(&'a mut self, text: &'a [u8], ignored: &'a [String]) -> Result<Checked<'a>, Unreadable> {
        match self.open(text, ignored) {
            Ok(opened) => self.close(text, opened, None, ignored),
            Err(closed) => closed.into_checked(),
        }
    }

    /// Reads a record and its seal.
    fn open(&mut self, text: &[u8], ignored: &[String]) -> Result<Opened, Closed> {
        let tape = &mut self.tape;
        tape.read(text, Dialect::Json)?;
        let Some(audit) = tape.keys(0).find(|key| is_key(tape, text, &tape.nodes[*key], AUDIT)) else {
            return Err(Closed::Unsealed);
        };
        let (mut sealed, closing) = match read_seal(tape, text, audit + 1) {
            Ok(parts) => parts,
            Err(NoSeal::Malformed) => return Err(Closed::Malformed),
            Err(NoSeal::UnknownVersion) => {
                let is_audit = |key: &usize| is_key(tape, text, &tape.nodes[*key], AUDIT);
                let is_twice = tape.keys(0).filter(is_audit).count() > 1;
                return Err(if is_twice { Closed::Malformed } else { Closed::UnknownVersion });
            }
        };
        let ignored = Ignored::of(tape, text, ignored);
        sealed.ignored_limit_hit = ignored.has_more;
        Ok(Opened { sealed, closing, audit, ignored, is_laid_out: false })
    }

    fn open_and_lay_out(&mut self, text: &[u8], ignored: &[String]) -> Result<Opened, Closed> {
        let mut opened = self.open(text, ignored)?;
        opened.is_laid_out = self.lay_out(text, &opened, 0)?;
        Ok(opened)
    }

    /// Writes the canonical form of the record with the ignored keys that are `kept`. Returns
    /// false if it must not be hashed.
    fn lay_out(&mut self, text: &[u8], opened: &Opened, kept: u8) -> Result<bool, OutOfMemory> {
        opened.ignored.remove(&mut self.tape, &opened.closing, kept);
        self.tape.notes = Notes::NONE;
        self.canonical.write(&mut self.tape, text)?;
        // If two members have the same key, a reader may take either.
        Ok(!self.tape.notes.contains(Notes::DUPLICATE_KEYS))
    }

    /// Compares a record with its hashes. `first` is the leaf and the head of what is laid out,
    /// if they were computed.
    fn close<'a>(
        &'a mut self,
        text: &'a [u8],
        mut opened: Opened,
        mut first: Option<(Hash, Hash)>,
        ignored: &'a [String],
    ) -> Result<Checked<'a>, Unreadable> {
        let (mut leaf, mut left_out) = (Hash::default(), [""; IGNORED_KEYS_MAX]);
        // A record may have had such a key of its own, which the seal then covers. So all
        // combinations of ignored keys are tried, beginning with all of them.
        for kept in 0..1u8 << opened.ignored.count {
            if opened.ignored.is_overridden(kept) {
                continue;
            }
            let head;
            (leaf, head) = match first.take() {
                Some(hashes) => hashes,
                None if !self.lay_out(text, &opened, kept)? => continue,
                None => {
                    let Sealed { algorithm, previous, .. } = &opened.sealed;
                    let leaf = algorithm.leaf([self.canonical.text(), b"", b"", b""]);
                    (leaf, algorithm.head(previous, &leaf))
                }
            };
            if head == opened.sealed.head {
                opened.sealed.is_intact = true;
                for (slot, name) in left_out.iter_mut().zip(opened.ignored.left_out(kept)) {
                    *slot = &ignored[name];
                    opened.sealed.unsealed_keys += 1;
                }
                break;
            }
        }
        let (Opened { sealed, audit, .. }, Desk { tape, canonical }) = (opened, self);
        Ok(Checked::Sealed(SealedRecord { sealed, leaf, audit, left_out, text, tape, canonical }))
    }
}

/// The keys of one record whose names may be ignored.
struct Ignored {
    /// The node of each key, and the number of its name.
    keys: [(usize, usize); IGNORED_KEYS_MAX],
    count: usize,
    /// True if there are more than the limit.
    has_more: bool,
}

impl Ignored {
    fn of(tape: &Tape, text: &[u8], names: &[String]) -> Ignored {
        let mut found = Ignored { keys: [(0, 0); IGNORED_KEYS_MAX], count: 0, has_more: false };
        for key in tape.keys(0) {
            let node = &tape.nodes[key];
            if let Some(name) = names.iter().position(|name| is_key(tape, text, node, name)) {
                let Some(slot) = found.keys.get_mut(found.count) else {
                    found.has_more = true;
                    break;
                };
                *slot = (key, name);
                found.count += 1;
            }
        }
        found
    }

    /// Removes from the tape the closing part of the seal, and the keys that are not
    /// among those `kept`.
    fn remove(&self, tape: &mut Tape, closing: &Closing, kept: u8) {
        for node in &mut tape.nodes {
            node.flags &= !REMOVED;
        }
        for key in closing.iter().flatten() {
            tape.nodes[*key].flags |= REMOVED;
        }
        for (bit, &(key, _)) in self.keys[..self.count].iter().enumerate() {
            if kept >> bit & 1 == 0 {
                tape.nodes[key].flags |= REMOVED;
            }
        }
    }

    /// Checks whether a key that is left out stands behind one with the same name that is
    /// kept. Outputs add their keys before the record's, and most readers take the last
    /// one: a later key would stand in for the one that the seal covers.
    fn is_overridden(&self, kept: u8) -> bool {
        let keys = &self.keys[..self.count];
        let is_kept = |at: usize| kept >> at & 1 == 1;
        let is_behind = |at: usize| (0..at).any(|before| is_kept(before) && keys[before].1 == keys[at].1);
        (0..keys.len()).any(|at| !is_kept(at) && is_behind(at))
    }

    /// Returns the numbers of the names of the keys that are left out.
    fn left_out(&self, kept: u8) -> impl Iterator<Item = usize> {
        let keys = self.keys[..self.count].iter().enumerate();
        keys.filter(move |(bit, _)| kept >> bit & 1 == 0).map(|(_, (_, name))| *name)
    }
}

impl Deref for SealedRecord<'_> {
    type Target = Sealed;

    fn deref(&self) -> &Sealed {
        &self.sealed
    }
}

impl SealedRecord<'_> {
    /// Returns the record's leaf, if the record is intact.
    pub fn leaf(&self) -> Option<Hash> {
        self.sealed.is_intact.then_some(self.leaf)
    }

    /// Returns the names of the top-level keys that the seal does not cover.
    pub fn left_out(&self) -> &[&str] {
        &self.left_out[..self.sealed.unsealed_keys.into()]
    }

    /// Returns the record as its schema saw it: without the seal, without keys that the
    /// seal does not cover, and without members that a later one with the same key has
    /// replaced.
    pub fn record_tape(&mut self) -> Result<&mut Tape, OutOfMemory> {
        self.tape.remove(self.audit);
        self.canonical.write(self.tape, self.text)?;
        Ok(self.tape)
    }

    /// Returns the tag that the record was sealed under.
    pub fn tag(&self) -> Option<String> {
        self.seal().text_of("tag")
    }

    /// Returns the redactions that the filter has done, as the seal lists them.
    pub fn redacted(&self) -> impl Iterator<Item = String> {
        self.seal().texts_of("redacted")
    }

    /// Returns the name of the schema that the record was checked against.
    pub fn schema(&self) -> Option<String> {
        self.seal().text_of("schema")
    }

    /// Returns the violations of the record's schema, as the seal lists them.
    pub fn invalid(&self) -> impl Iterator<Item = String> {
        self.seal().texts_of("invalid")
    }

    /// Returns the text of the record in quarantine, if it is in quarantine.
    pub fn quarantined(&self) -> Option<String> {
        Members::of(self.tape, self.text, 0).text_of(QUARANTINE)
    }

    /// Returns the record as a checkpoint, or `None` if it does not have the form of a
    /// filter's checkpoint. The signatures are not verified.
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        self.seal().checkpoint(self.sealed.chain, self.sealed.place, self.sealed.head)
    }

    fn seal(&self) -> Members<'_> {
        Members::of(self.tape, self.text, self.audit + 1)
    }
}
