//! Writes seals. `docs/seal-format.md` is the specification.

use crate::chain::id::{Chain, Place};
use crate::chain::signature::{Signature, signature_text};
use crate::memory::{OutOfMemory, put};
use crate::record::notes::Notes;
use crate::record::tape::Unreadable;
use crate::redact::Redactor;
use crate::schema::Validation;
use crate::text;
use crate::text::base64url::{HASH_TEXT_BYTES, hash_text};
use crate::text::digits::Digits;
use alloc::vec::Vec;

/// The version of the seal's format.
pub const VERSION: u8 = 1;

/// The part of a seal that describes the record, besides its place in the chain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Statement<'a> {
    pub(crate) tag: &'a [u8],
    pub(crate) seconds: u32,
    pub(crate) nanoseconds: u32,
    pub(crate) notes: Notes,
    /// The mapping by which the record has become an event.
    pub(crate) normalized: Option<&'a [u8]>,
    /// The name under which the record's own `audit` is kept.
    pub(crate) renamed: Option<&'a [u8]>,
    /// The reason why the record is sealed as raw text, and the length of that text.
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

/// The reason why a record is sealed as raw text.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cause {
    Unreadable(Unreadable),
    /// The host passed a zero pointer.
    Missing,
}

/// Writes the seal without its closing part. With a brace added, this is its canonical
/// form. `key` is a checkpoint's statement on its key.
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
        write_place(b",\"link\":{", &link.place, out)?;
        if let Some(unsettled) = &link.unsettled {
            put(out, b",\"unsettled\":{\"head\":\"")?;
            put(out, &hash_text(&unsettled.head))?;
            write_place(b"\",", &unsettled.place, out)?;
            put(out, b"}")?;
        }
        put(out, b"}")?;
    }
    if let Some(mapping) = statement.normalized {
        put(out, b",\"normalized\":\"")?;
        put(out, mapping)?;
        put(out, b"\"")?;
    }
    if statement.notes != Notes::NONE {
        write_notes(statement.notes, out)?;
    }
    if let (Some(_), Some(redactor)) = (key, redactor) {
        put(out, b",\"policy\":\"")?;
        put(out, &hash_text(redactor.policy().digest()))?;
        put(out, b"\"")?;
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
        put(out, redactor.policy().digest_text())?;
    }
    put(out, b"\"")
}

/// Writes the members of a place behind the opening of their object.
#[cold]
fn write_place(opening: &[u8], place: &Place, out: &mut Vec<u8>) -> Result<(), OutOfMemory> {
    put(out, opening)?;
    put(out, b"\"run\":\"")?;
    put(out, place.run.as_bytes())?;
    put(out, b"\",\"seg\":")?;
    put_number(out, place.segment)?;
    put(out, b",\"seq\":")?;
    put_number(out, place.sequence)
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

/// Writes the end of a seal: its hashes and, for a checkpoint, the signature.
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
