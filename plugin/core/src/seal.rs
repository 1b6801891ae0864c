//! The seal: what is added to a record, and the chain that it makes.
//!
//! `docs/seal-format.md` is the specification.

use crate::digits::Digits;
use crate::hash::{Algorithm, Hash};
use crate::policy::DIGEST_TEXT_BYTES;
use crate::redact::Redactor;
use crate::schema::Validation;
use crate::signature::{Signature, signature_text};
use crate::tape::Unreadable;
use crate::{OutOfMemory, put, text};
use alloc::vec::Vec;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use core::fmt;

/// The key under which a record carries its seal.
pub const AUDIT: &str = "audit";
/// The key under which the text of an unreadable record stands.
pub const RAW: &str = "raw";
/// The same where that text is not UTF-8: base64, as in RFC 4648 section 4.
pub const RAW_BASE64: &str = "raw_base64";
/// The key under which the text of a quarantined record stands.
pub const QUARANTINE: &str = "quarantine";

/// The version of the seal's format.
pub const VERSION: u8 = 1;

/// The head before a chain's first record.
pub const GENESIS: Hash = [0; 32];

/// The length of a [`Hash`] in a seal: base64url without padding.
pub const HASH_TEXT_BYTES: usize = 43;

/// The name of a chain: twelve characters of base64url. That of a chain that
/// nobody remembers, because there is no state, starts with `~`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChainId([u8; 12]);

impl ChainId {
    /// A name out of nine random bytes.
    pub fn from_random(random: [u8; 9]) -> Self {
        ChainId(base64url(&random))
    }

    /// The name of a chain without a state, out of nine random bytes.
    pub fn ephemeral(random: [u8; 9]) -> Self {
        let mut id = base64url(&random);
        id[0] = b'~';
        ChainId(id)
    }

    /// A name as it stands in a seal.
    pub fn from_text(text: &[u8]) -> Option<Self> {
        let id: [u8; 12] = text.try_into().ok()?;
        let (first, rest) = id.split_first()?;
        ((*first == b'~' || is_base64url(first)) && rest.iter().all(is_base64url)).then_some(ChainId(id))
    }

    /// Whether it is the chain of a filter without a state.
    pub fn is_ephemeral(&self) -> bool {
        self.0[0] == b'~'
    }

    /// As it stands in a seal.
    pub fn as_bytes(&self) -> &[u8; 12] {
        &self.0
    }
}

/// The name of one life of a filter, six characters of base64url. It keeps
/// apart two filters that by mistake share a state and so a segment number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Run([u8; 6]);

impl Run {
    /// The first of all names, in their order.
    pub const FIRST: Run = Run(*b"------");

    /// A name out of random bytes, of which 36 bits are used.
    pub fn from_random(random: [u8; 6]) -> Self {
        let text: [u8; 8] = base64url(&random);
        let [a, b, c, d, e, f, ..] = text;
        Run([a, b, c, d, e, f])
    }

    /// A name as it stands in a seal.
    pub fn from_text(text: &[u8]) -> Option<Self> {
        let run: [u8; 6] = text.try_into().ok()?;
        run.iter().all(is_base64url).then_some(Run(run))
    }

    /// As it stands in a seal.
    pub fn as_bytes(&self) -> &[u8; 6] {
        &self.0
    }
}

macro_rules! show_as_text {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(core::str::from_utf8(&self.0).unwrap_or_default())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }
    };
}
show_as_text!(ChainId);
show_as_text!(Run);

pub(crate) fn is_base64url(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

pub(crate) fn base64url<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut text = [b'A'; N];
    // N is always the length of the encoding.
    let _ = URL_SAFE_NO_PAD.encode_slice(bytes, &mut text);
    text
}

/// A hash as it stands in a seal.
pub fn hash_text(hash: &Hash) -> [u8; HASH_TEXT_BYTES] {
    base64url(hash)
}

/// A policy's digest as it stands in a seal: the first 48 bits.
pub fn policy_text(digest: &Hash) -> [u8; DIGEST_TEXT_BYTES] {
    base64url(&digest[..6])
}

/// The hash that a seal's text stands for.
pub fn hash_from_text(text: &[u8]) -> Option<Hash> {
    let mut hash = [0; 32];
    // More than the hash: the decoder wants to be sure of its room.
    let mut decoded = [0; 36];
    let len = URL_SAFE_NO_PAD.decode_slice(text, &mut decoded).ok()?;
    hash.copy_from_slice(decoded.get(..len)?.first_chunk::<32>().filter(|_| len == 32)?);
    Some(hash)
}

/// Where in its chain a record stands: within segment and run, from 0 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The number of the segment: one life of a filter.
    pub segment: u64,
    /// The name of that life.
    pub run: Run,
    /// The record's number in it.
    pub sequence: u64,
}

/// A chain as its writer knows it: the head, and what the next record is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Its name.
    pub id: ChainId,
    /// Its hash function.
    pub algorithm: Algorithm,
    /// Where the next record will stand.
    pub next: Place,
    /// The hash over all before it.
    pub head: Hash,
    /// The record of an earlier segment that this one goes on from.
    pub link: Option<Place>,
}

/// The word of [`Notes::STATEMENT`].
pub(crate) const STATEMENT_WORD: &str = "statement";

/// What has to be said of a record: a set of words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notes(u32);

impl Notes {
    /// Nothing.
    pub const NONE: Notes = Notes(0);
    /// Keys that were not strings have become strings.
    pub const BARE_KEYS: Notes = Notes(1);
    /// Several members of an object had one key; the last one is there.
    pub const DUPLICATE_KEYS: Notes = Notes(1 << 1);
    /// Half a surrogate pair has become U+FFFD.
    pub const LONE_SURROGATES: Notes = Notes(1 << 2);
    /// Bytes that are not UTF-8 have become U+FFFD.
    pub const NOT_UTF8: Notes = Notes(1 << 3);
    /// NaN or an infinity has become a string.
    pub const NOT_FINITE: Notes = Notes(1 << 4);
    /// A number past the range of `f64` has become the largest that is safe.
    pub const CLAMPED: Notes = Notes(1 << 5);
    /// A number has become the neighbour that Fluent Bit will print.
    pub const ROUNDED: Notes = Notes(1 << 6);
    /// The tag was longer than [`TAG_BYTES_MAX`](crate::TAG_BYTES_MAX).
    pub const TAG_CUT: Notes = Notes(1 << 7);
    /// The raw text is only the start of what came.
    pub const TRUNCATED: Notes = Notes(1 << 8);
    /// There is no state directory: the chain is an ephemeral one.
    pub const NO_STATE: Notes = Notes(1 << 9);
    /// There is one that cannot be written: the chain is an ephemeral one.
    pub const STATE_NOT_WRITABLE: Notes = Notes(1 << 10);
    /// The state had no readable head: this segment has no link.
    pub const STATE_DAMAGED: Notes = Notes(1 << 11);
    /// The head of the record before this one could not be written down.
    pub const STATE_NOT_WRITTEN: Notes = Notes(1 << 12);
    /// There is a key file that cannot be used: the records are not signed.
    pub const KEY_DAMAGED: Notes = Notes(1 << 13);
    /// The next key could not be written down: the old one stays in force.
    pub const KEY_NOT_WRITTEN: Notes = Notes(1 << 14);
    /// An HMAC was asked for, and masked instead, since there was no key.
    pub const HMAC_KEY_MISSING: Notes = Notes(1 << 15);
    /// There is a policy file that is damaged; the policy in the module holds.
    pub const POLICY_DAMAGED: Notes = Notes(1 << 16);
    /// A MessagePack extension has become the characters of its bytes' numbers.
    pub const EXTENSION: Notes = Notes(1 << 17);
    /// It is no record that came: the one who seals says it.
    pub const STATEMENT: Notes = Notes(1 << 18);

    const WORDS: [&'static str; 19] = [
        "bare-keys",
        "duplicate-keys",
        "lone-surrogates",
        "not-utf8",
        "not-finite",
        "clamped",
        "rounded",
        "tag-cut",
        "truncated",
        "no-state",
        "state-not-writable",
        "state-damaged",
        "state-not-written",
        "key-damaged",
        "key-not-written",
        "hmac-key-missing",
        "policy-damaged",
        "extension",
        STATEMENT_WORD,
    ];

    /// Adds all of `other`.
    pub fn insert(&mut self, other: Notes) {
        self.0 |= other.0;
    }

    /// Whether all of `other` is in it.
    pub fn contains(self, other: Notes) -> bool {
        self.0 & other.0 == other.0
    }

    /// Its words, in the order in which a seal lists them.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        Self::WORDS
            .into_iter()
            .enumerate()
            .filter(move |(bit, _)| self.0 >> bit & 1 == 1)
            .map(|(_, word)| word)
    }
}

/// What a seal says of a record beside its place in the chain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Statement<'a> {
    pub(crate) tag: &'a [u8],
    pub(crate) seconds: u32,
    pub(crate) nanoseconds: u32,
    pub(crate) notes: Notes,
    /// The name under which the record's own `audit` goes on.
    pub(crate) renamed: Option<&'a [u8]>,
    /// Why the record is there as raw text, and how long that was.
    pub(crate) unreadable: Option<(&'static str, Option<u32>, usize)>,
}

impl<'a> Statement<'a> {
    pub(crate) fn with_cause(self, cause: Cause, raw_len: usize) -> Statement<'a> {
        let (what, at) = match cause {
            Cause::Unreadable(unreadable) => unreadable.parts(),
            Cause::Missing => ("no record given", None),
        };
        Statement { unreadable: Some((what, at, raw_len)), ..self }
    }
}

/// Why a record is sealed as raw text.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cause {
    Unreadable(Unreadable),
    /// The host gave a zero pointer.
    Missing,
}

/// Writes the seal without what closes it: with a brace, this is its canonical
/// form. `key` is what a checkpoint says of its key.
pub(crate) fn write(
    chain: &Chain,
    statement: &Statement<'_>,
    key: Option<&[u8]>,
    redactor: Option<&Redactor<'_>>,
    validation: Option<&Validation<'_>>,
    out: &mut Vec<u8>,
) -> Result<(), OutOfMemory> {
    let place = &chain.next;
    put(out, b"{\"chain\":\"")?;
    put(out, chain.id.as_bytes())?;
    put(out, b"\"")?;
    if let Some(validation) = validation {
        validation.write_disposition(out)?;
    }
    if let Some((what, at, _)) = statement.unreadable {
        put(out, b",\"error\":\"")?;
        put(out, what.as_bytes())?;
        if let Some(at) = at {
            put(out, b" at byte ")?;
            put_number(out, at.into())?;
        }
        put(out, b"\"")?;
    }
    if let Some(validation) = validation {
        validation.write_invalid(out)?;
    }
    if let Some(key) = key {
        put(out, b",\"key\":")?;
        put(out, key)?;
    }
    if let Some(link) = chain.link.filter(|_| place.sequence == 0) {
        put(out, b",\"link\":{\"run\":\"")?;
        put(out, link.run.as_bytes())?;
        put(out, b"\",\"seg\":")?;
        put_number(out, link.segment)?;
        put(out, b",\"seq\":")?;
        put_number(out, link.sequence)?;
        put(out, b"}")?;
    }
    if statement.notes != Notes::NONE {
        write_notes(statement.notes, out)?;
    }
    if let Some((_, _, raw_len)) = statement.unreadable {
        put(out, b",\"raw_bytes\":")?;
        put_number(out, raw_len as u64)?;
    }
    if let Some(redactor) = redactor.filter(|redactor| !redactor.evidence().is_empty()) {
        put(out, b",\"redacted\":")?;
        redactor.evidence().write(redactor.policy(), out)?;
    }
    if let Some(name) = statement.renamed {
        put(out, b",\"renamed\":")?;
        text::write(name, out)?;
    }
    put(out, b",\"run\":\"")?;
    put(out, place.run.as_bytes())?;
    put(out, b"\"")?;
    if let Some(validation) = validation {
        validation.write_schema(out)?;
    }
    put(out, b",\"seg\":")?;
    put_number(out, place.segment)?;
    put(out, b",\"seq\":")?;
    put_number(out, place.sequence)?;
    put(out, b",\"tag\":")?;
    text::write(statement.tag, out)?;
    put(out, b",\"time\":\"")?;
    put_number(out, statement.seconds.into())?;
    put(out, b".")?;
    put(out, Digits::padded(statement.nanoseconds.into(), 9).as_bytes())?;
    put(out, b"\"")?;
    if let Some(validation) = validation {
        validation.write_unchecked(out)?;
    }
    put(out, b",\"v\":\"")?;
    put(out, &[b'0' + VERSION, b'.', b'0' + chain.algorithm as u8])?;
    if let Some(redactor) = redactor {
        put(out, b".")?;
        put(out, &policy_text(redactor.policy().digest()))?;
    }
    put(out, b"\"")
}

#[cold]
fn write_notes(notes: Notes, out: &mut Vec<u8>) -> Result<(), OutOfMemory> {
    for (at, word) in notes.words().enumerate() {
        put(out, if at == 0 { b",\"notes\":[\"" } else { b",\"" })?;
        put(out, word.as_bytes())?;
        put(out, b"\"")?;
    }
    put(out, b"]")
}

/// What closes a seal: its hashes and, of a checkpoint, the signature.
pub(crate) fn write_hashes(
    previous: &[u8; HASH_TEXT_BYTES],
    head: &[u8; HASH_TEXT_BYTES],
    signature: Option<Signature>,
    out: &mut Vec<u8>,
) -> Result<(), OutOfMemory> {
    put(out, b",\"prev\":\"")?;
    put(out, previous)?;
    put(out, b"\",\"head\":\"")?;
    put(out, head)?;
    if let Some(signature) = signature {
        put(out, b"\",\"sig\":\"")?;
        put(out, &signature_text(&signature))?;
    }
    put(out, b"\"}")
}

fn put_number(out: &mut Vec<u8>, value: u64) -> Result<(), OutOfMemory> {
    put(out, Digits::of(value).as_bytes())
}
