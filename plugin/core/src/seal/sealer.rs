//! Seals records: takes a record in, and returns the same record with its seal.

use crate::chain::checkpoint::Signer;
use crate::chain::id::Chain;
use crate::chain::signature::SIGNATURE_TEXT_BYTES;
use crate::memory::{OutOfMemory, put};
use crate::normalize::Normalizer;
use crate::record::canonical::Canonical;
use crate::record::member::{AUDIT, QUARANTINE, RAW, RAW_BASE64};
use crate::record::notes::Notes;
use crate::record::order::is_key;
use crate::record::output;
use crate::record::tape::{Dialect, Kind, PATCHED, Tape, Unreadable};
use crate::redact::{Redactor, UNSCANNED};
use crate::schema::{Disposition, Validation};
use crate::seal::writer;
use crate::seal::writer::{Cause, Statement};
use crate::text;
use crate::text::base64url;
use crate::text::base64url::HASH_TEXT_BYTES;
use alloc::vec::Vec;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use core::mem;

/// The maximum length of a tag, in bytes. A longer tag is cut, and the seal says so.
pub const TAG_BYTES_MAX: usize = 1024;

/// The nanoseconds of a second.
const SECOND: u32 = 1_000_000_000;

/// The input of one call.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// The tag of the record.
    pub tag: &'a [u8],
    /// The record's time, in seconds since 1970.
    pub seconds: u32,
    /// The part of the record's time below a second.
    pub nanoseconds: u32,
    /// The record as the host printed it, or `None` if the host passed a zero pointer.
    pub record: Option<&'a [u8]>,
    /// The record's length as the host states it, in bytes.
    pub record_len: usize,
}

/// The length of a record for which there is always memory, in bytes.
const RAW_BYTES_RESERVED: usize = 8 << 10;
/// An escaped byte takes six bytes at most. The rest is for the tag and the seal.
const OUT_BYTES_RESERVED: usize = 6 * (RAW_BYTES_RESERVED + TAG_BYTES_MAX) + (2 << 10);
const SEAL_BYTES_RESERVED: usize = 6 * TAG_BYTES_MAX + (1 << 10);

/// Seals one record after the other. The memory is kept between records.
///
/// # Example
///
/// ```
/// use flb_audit_core::chain::{Chain, ChainId, GENESIS, Place, Run};
/// use flb_audit_core::hash::Algorithm;
/// use flb_audit_core::record::notes::Notes;
/// use flb_audit_core::{Event, Sealer};
///
/// let (id, run) = (ChainId::from_random([1; 9]), Run::from_random([2; 6]));
/// let next = Place { segment: 1, run, sequence: 0 };
/// let chain = Chain { id, algorithm: Algorithm::default(), next, head: GENESIS, link: None };
/// let mut sealer = Sealer::new(chain, Notes::NONE, None)?;
///
/// let record = br#"{"actor":"ann","action":"login"}"#;
/// let event = Event {
///     tag: b"audit",
///     seconds: 1_795_161_600,
///     nanoseconds: 0,
///     record: Some(record),
///     record_len: record.len(),
/// };
/// assert!(sealer.seal(&event).starts_with(br#"{"actor":"ann","action":"login","audit":{"chain":"#));
/// # Ok::<(), flb_audit_core::OutOfMemory>(())
/// ```
#[derive(Debug)]
pub struct Sealer<'p> {
    chain: Chain,
    redactor: Option<Redactor<'p>>,
    /// Checks records against the policy's schemas, if it has any.
    validation: Option<Validation<'p>>,
    /// Turns records into events, if the policy has mappings.
    normalizer: Option<Normalizer<'p>>,
    /// The chain's head, in the form of a seal.
    head_text: [u8; HASH_TEXT_BYTES],
    notes: Notes,
    /// The key in force, if the chain has keys.
    signer: Option<Signer>,
    /// True if the next record is a checkpoint.
    is_checkpoint: bool,
    tape: Tape,
    canonical: Canonical,
    seal: Vec<u8>,
    /// The redacted text of an unreadable record, or of one in quarantine.
    raw: Vec<u8>,
    out: Vec<u8>,
}

impl<'p> Sealer<'p> {
    /// Creates a sealer that continues `chain`. `redactor`, if there is one, redacts
    /// every record before it is sealed. The first record will carry `notes`.
    pub fn new(chain: Chain, notes: Notes, mut redactor: Option<Redactor<'p>>) -> Result<Self, OutOfMemory> {
        if let Some(redactor) = &mut redactor {
            redactor.reserve()?;
        }
        let mut sealer = Sealer {
            validation: redactor.as_ref().and_then(|redactor| Validation::of(redactor.policy().streams)),
            normalizer: redactor.as_ref().and_then(|redactor| Normalizer::of(redactor.policy().mappings)),
            redactor,
            head_text: base64url::hash_text(&chain.head),
            chain,
            notes,
            signer: None,
            is_checkpoint: false,
            tape: Tape::new(),
            canonical: Canonical::new(),
            seal: Vec::new(),
            raw: Vec::new(),
            out: Vec::new(),
        };
        sealer.out.try_reserve(OUT_BYTES_RESERVED).map_err(|_| OutOfMemory)?;
        sealer.raw.try_reserve(UNSCANNED.len() + 2).map_err(|_| OutOfMemory)?;
        sealer.seal.try_reserve(SEAL_BYTES_RESERVED).map_err(|_| OutOfMemory)?;
        Ok(sealer)
    }

    /// Returns the chain, up to the last sealed record.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Adds `notes` to the next record.
    pub fn note(&mut self, notes: Notes) {
        self.notes.insert(notes);
    }

    /// Puts a key into force.
    pub fn set_signer(&mut self, signer: Signer) -> Result<(), OutOfMemory> {
        let more = signer.statement().len() + SIGNATURE_TEXT_BYTES;
        self.out.clear();
        self.out.try_reserve(OUT_BYTES_RESERVED + more).map_err(|_| OutOfMemory)?;
        self.seal.clear();
        self.seal.try_reserve(SEAL_BYTES_RESERVED + more).map_err(|_| OutOfMemory)?;
        self.signer = Some(signer);
        Ok(())
    }

    /// Makes the next record a checkpoint, if there is a key.
    pub fn sign_next(&mut self) {
        self.is_checkpoint = true;
    }

    /// Returns the key in force.
    pub fn signer(&self) -> Option<&Signer> {
        self.signer.as_ref()
    }

    /// Seals a record of any content. Returns the text to hand on: one JSON object,
    /// followed by a NUL byte.
    pub fn seal(&mut self, event: &Event<'_>) -> &[u8] {
        let unreadable = match event.record {
            Some(record) => self.seal_object(event, record).map_err(Cause::Unreadable),
            None => Err(Cause::Missing),
        };
        if let Err(cause) = unreadable {
            let raw = event.record.unwrap_or_default();
            if let Some(validation) = &mut self.validation {
                validation.give_up(event.tag);
            }
            if let Some(normalizer) = &mut self.normalizer {
                normalizer.give_up(event.tag);
            }
            if self.seal_redacted(event, raw, cause).is_err() {
                // The memory for this has been reserved.
                let _ = self.seal_what_fits(event, raw, cause);
            }
        }
        self.notes = Notes::NONE;
        self.is_checkpoint = false;
        &self.out
    }

    /// Returns the last sealed text, in the form that [`Sealer::seal`] returns.
    pub fn sealed(&self) -> &[u8] {
        &self.out
    }

    /// Seals a statement of the sealer's owner: no policy is applied, and the seal says
    /// that it is a statement. The seal of an incoming record never says so.
    pub fn seal_own(&mut self, event: &Event<'_>) -> &[u8] {
        self.note(Notes::STATEMENT);
        let (redactor, validation) = (self.redactor.take(), self.validation.take());
        let normalizer = self.normalizer.take();
        self.seal(event);
        (self.redactor, self.validation, self.normalizer) = (redactor, validation, normalizer);
        &self.out
    }

    fn seal_object(&mut self, event: &Event<'_>, record: &[u8]) -> Result<(), Unreadable> {
        self.tape.read(record, Dialect::FluentBit)?;
        if let Some(redactor) = &mut self.redactor {
            redactor.recognize(event.tag, &mut self.tape, record);
        }
        if let Some(validation) = &mut self.validation {
            validation.check(event.tag, &self.tape, record);
        }
        if let Some(redactor) = &mut self.redactor {
            redactor.redact(&mut self.tape, record)?;
        }
        let is_mapped = match &mut self.normalizer {
            Some(normalizer) => normalizer.choose(event.tag, &mut self.tape, record, &mut self.canonical)?,
            None => false,
        };
        let worded = if is_mapped { Some(self.normalize(event, record)?) } else { None };
        let is_event = self.normalizer.as_ref().is_some_and(Normalizer::is_done);
        if !is_event {
            self.canonical.write(&mut self.tape, record)?;
            if worded.is_none() {
                self.check_without_duplicates(record)?;
            }
        }
        let mut renamed = None;
        if self.canonical.may_have_audit() {
            renamed = self.rename_audit(record)?;
            self.canonical.write(&mut self.tape, record)?;
        }
        let disposition = match worded {
            Some(disposition) => disposition,
            None => self.word(record)?,
        };
        let mut statement = self.statement(event);
        statement.notes.insert(self.tape.notes);
        statement.renamed = renamed.as_deref();
        if is_event {
            return Ok(self.finish(&statement, None)?);
        }
        self.out.clear();
        if disposition == Disposition::Mark {
            output::write_open(&self.tape, record, &mut self.out)?;
            return Ok(self.finish(&statement, None)?);
        }
        put(&mut self.out, b"{")?;
        if disposition == Disposition::Quarantine {
            self.write_quarantine(record)?;
        }
        let member = self.out.len();
        Ok(self.finish(&statement, Some(member))?)
    }

    /// Turns the record into its event, if its schema does not say that it goes on as
    /// something else: the event is in `out`, and in canonical form. Returns what becomes of the
    /// record.
    fn normalize(&mut self, event: &Event<'_>, record: &[u8]) -> Result<Disposition, Unreadable> {
        let mut disposition = Disposition::Mark;
        if self.validation.is_some() {
            self.canonical.write(&mut self.tape, record)?;
            self.check_without_duplicates(record)?;
            disposition = self.word(record)?;
        }
        if disposition == Disposition::Mark
            && let Some(normalizer) = &mut self.normalizer
        {
            let millis = u64::from(event.seconds) * 1000 + u64::from(event.nanoseconds / (SECOND / 1000));
            normalizer.normalize(millis, &mut self.tape, record, &mut self.canonical, &mut self.out)?;
        }
        Ok(disposition)
    }

    /// Checks the record again as it leaves, if several of its members had one key.
    fn check_without_duplicates(&mut self, record: &[u8]) -> Result<(), Unreadable> {
        if let Some(validation) = &mut self.validation
            && self.tape.notes.contains(Notes::DUPLICATE_KEYS)
        {
            validation.check_without_duplicates(record, self.tape.is_wrapper, &mut self.canonical)?;
            self.canonical.write(&mut self.tape, record)?;
        }
        Ok(())
    }

    /// Has violations become text. Returns what becomes of the record.
    fn word(&mut self, record: &[u8]) -> Result<Disposition, OutOfMemory> {
        match &mut self.validation {
            Some(validation) => validation.word(&self.tape, record),
            None => Ok(Disposition::Mark),
        }
    }

    /// Writes the record as the text of one member.
    #[cold]
    fn write_quarantine(&mut self, record: &[u8]) -> Result<(), OutOfMemory> {
        self.raw.clear();
        output::write_open(&self.tape, record, &mut self.raw)?;
        put(&mut self.raw, b"}")?;
        put(&mut self.out, b"\"")?;
        put(&mut self.out, QUARANTINE.as_bytes())?;
        put(&mut self.out, b"\":")?;
        text::write(&self.raw, &mut self.out)
    }

    /// Seals the redacted text of a record that could not be read.
    fn seal_redacted(&mut self, event: &Event<'_>, raw: &[u8], cause: Cause) -> Result<(), OutOfMemory> {
        let mut redacted = mem::take(&mut self.raw);
        let is_redacted = match &mut self.redactor {
            Some(redactor) => redactor.redact_raw(raw, &mut redacted),
            None => Ok(false),
        };
        let sealed = is_redacted.and_then(|is_redacted| {
            self.seal_raw(event, if is_redacted { &redacted } else { raw }, cause, false)
        });
        self.raw = redacted;
        sealed
    }

    /// Seals as much of the text as there is always memory for. With a policy, the text
    /// is masked as a whole: after a cut, a text may look as if it contained nothing to
    /// redact.
    fn seal_what_fits(&mut self, event: &Event<'_>, raw: &[u8], cause: Cause) -> Result<(), OutOfMemory> {
        let start = raw.get(..RAW_BYTES_RESERVED).unwrap_or(raw);
        let mut masked = mem::take(&mut self.raw);
        let start = match &mut self.redactor {
            Some(redactor) => redactor.mask_raw(&mut masked).map(|()| &masked[..])?,
            None => start,
        };
        let sealed = self.seal_raw(event, start, cause, start.len() < raw.len());
        self.raw = masked;
        sealed
    }

    fn seal_raw(
        &mut self,
        event: &Event<'_>,
        raw: &[u8],
        cause: Cause,
        is_cut: bool,
    ) -> Result<(), OutOfMemory> {
        let mut statement = self.statement(event).with_cause(cause, event.record_len);
        statement.notes.insert(if is_cut { Notes::TRUNCATED } else { Notes::NONE });
        self.out.clear();
        put(&mut self.out, b"{")?;
        if event.record.is_some() {
            write_raw(raw, is_cut, &mut self.out)?;
        }
        let member = self.out.len();
        self.finish(&statement, Some(member))
    }

    fn statement<'a>(&self, event: &Event<'a>) -> Statement<'a>
    where
        'p: 'a,
    {
        let mut notes = self.notes;
        notes.insert(self.redactor.as_ref().map_or(Notes::NONE, Redactor::notes));
        let tag = event.tag.get(..TAG_BYTES_MAX).unwrap_or(event.tag);
        let normalizer = self.normalizer.as_ref();
        if normalizer.is_some_and(Normalizer::has_failed) {
            notes.insert(Notes::NOT_NORMALIZED);
        }
        if tag.len() < event.tag.len() {
            notes.insert(Notes::TAG_CUT);
        }
        Statement {
            tag,
            // Fluent Bit passes on what a client sends, and does not check it.
            seconds: event.seconds.saturating_add(event.nanoseconds / SECOND),
            nanoseconds: event.nanoseconds % SECOND,
            notes,
            normalized: normalizer.and_then(Normalizer::name),
            renamed: None,
            unreadable: None,
        }
    }

    /// Hashes the record and adds its seal to `out`, which holds the record without its
    /// closing brace. `raw_end` is given for a record of one text, which is its own
    /// canonical form, and is the end of that text.
    fn finish(&mut self, statement: &Statement<'_>, raw_end: Option<usize>) -> Result<(), OutOfMemory> {
        let mut signer = self.signer.as_mut().filter(|_| self.is_checkpoint);
        let key = signer.as_deref().map(Signer::statement);
        let (redactor, validation) = (self.redactor.as_ref(), self.validation.as_ref());
        let (before, comma, comma_after, after) = match raw_end {
            None => self.canonical.around_audit(),
            // `audit` sorts before `raw` and `quarantine`.
            Some(end) if end > 1 => (&b"{"[..], &b""[..], &b","[..], &self.out[1..end]),
            Some(_) => (&b"{"[..], &b""[..], &b""[..], &b""[..]),
        };
        let closing: &[u8] = if raw_end.is_some() { b"}" } else { b"" };
        self.seal.clear();
        put(&mut self.seal, comma)?;
        put(&mut self.seal, b"\"audit\":")?;
        writer::write(&self.chain, statement, key, redactor, validation, &mut self.seal)?;
        let seal = comma.len()..self.seal.len();
        put(&mut self.seal, b"}")?;
        put(&mut self.seal, comma_after)?;
        let leaf = self.chain.algorithm.leaf([before, &self.seal, after, closing]);
        let head = self.chain.algorithm.head(&self.chain.head, &leaf);

        let signature = match &mut signer {
            Some(signer) => Some(signer.sign(&self.chain.id, &self.chain.next, &head)?),
            None => None,
        };

        let is_only = self.out.len() == 1;
        put(&mut self.out, if is_only { b"" } else { b"," })?;
        put(&mut self.out, &self.seal[seal])?;
        let head_text = base64url::hash_text(&head);
        writer::write_hashes(&self.head_text, &head_text, signature, &mut self.out)?;
        put(&mut self.out, b"}\0")?;

        self.chain.head = head;
        self.head_text = head_text;
        self.chain.next.sequence += 1;
        Ok(())
    }

    /// Renames the record's own `audit`: adds underscores until no other member has the
    /// name.
    fn rename_audit(&mut self, record: &[u8]) -> Result<Option<Vec<u8>>, OutOfMemory> {
        let is_taken =
            |tape: &Tape, name: &str| tape.keys(0).any(|key| is_key(tape, record, &tape.nodes[key], name));
        if !is_taken(&self.tape, AUDIT) {
            return Ok(None);
        }
        let mut name = Vec::new();
        put(&mut name, AUDIT.as_bytes())?;
        while core::str::from_utf8(&name).is_ok_and(|name| is_taken(&self.tape, name)) {
            put(&mut name, b"_")?;
        }
        let mut token = Vec::new();
        text::write(&name, &mut token)?;
        let mut key = 1;
        while key < self.tape.nodes.len() {
            if is_key(&self.tape, record, &self.tape.nodes[key], AUDIT) {
                self.tape.replace(key, Kind::Key, &token)?;
                self.tape.nodes[key].flags = PATCHED;
            }
            key = self.tape.after(key + 1);
        }
        Ok(Some(name))
    }
}

/// Writes the text of an unreadable record as a member, in canonical form.
fn write_raw(raw: &[u8], is_cut: bool, out: &mut Vec<u8>) -> Result<(), OutOfMemory> {
    let valid = match core::str::from_utf8(raw) {
        Ok(_) => Some(raw),
        // The cut went through a character.
        Err(error) if is_cut && error.error_len().is_none() => Some(&raw[..error.valid_up_to()]),
        Err(_) => None,
    };
    put(out, b"\"")?;
    match valid {
        Some(valid) => {
            put(out, RAW.as_bytes())?;
            put(out, b"\":")?;
            text::write(valid, out)
        }
        None => {
            put(out, RAW_BASE64.as_bytes())?;
            put(out, b"\":\"")?;
            let len = raw.len().div_ceil(3).checked_mul(4).ok_or(OutOfMemory)?;
            let start = out.len();
            out.try_reserve(len).map_err(|_| OutOfMemory)?;
            out.resize(start + len, b'=');
            STANDARD.encode_slice(raw, &mut out[start..]).map_err(|_| OutOfMemory)?;
            put(out, b"\"")
        }
    }
}
