//! A checkpoint: the signed head of a record.
//!
//! The signed text is that of a C2SP signed note (<https://c2sp.org/signed-note>), in the
//! form of a tlog-checkpoint: origin, size, hash, and an additional line with the key's
//! number. Each segment is an origin.

use crate::chain::certificate::KeyStatement;
use crate::chain::id::{ChainId, Place};
use crate::chain::signature::{SIGNATURE_BYTES, SecretKey, Signature, signature_text};
use crate::hash::{Algorithm, Hash};
use crate::memory::{OutOfMemory, put};
use crate::text::base64url::hash_text;
use crate::text::digits::Digits;
use alloc::vec::Vec;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The maximum distance of checkpoints in a segment, in records. The first record is always a
/// checkpoint.
pub const CHECKPOINT_RECORDS_MAX: u64 = 1024;

/// A record's head with a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The chain.
    pub chain: ChainId,
    /// The record.
    pub place: Place,
    /// The head after the record.
    pub head: Hash,
    /// The key that has signed it.
    pub key: KeyStatement,
    /// The signature of [`message`](Checkpoint::message).
    pub signature: Signature,
}

impl Checkpoint {
    /// Returns the text that is signed.
    pub fn message(&self) -> Result<Vec<u8>, OutOfMemory> {
        let mut text = Vec::new();
        write_message(&self.chain, &self.place, &self.head, self.key.index, &mut text)?;
        Ok(text)
    }
}

/// An upper bound for the length of a message.
const MESSAGE_BYTES_MAX: usize = 160;

fn write_message(
    chain: &ChainId,
    place: &Place,
    head: &Hash,
    index: u32,
    out: &mut Vec<u8>,
) -> Result<(), OutOfMemory> {
    put(out, b"flb-audit/")?;
    put(out, chain.as_bytes())?;
    put(out, b"/")?;
    put(out, Digits::of(place.segment).as_bytes())?;
    put(out, b".")?;
    put(out, place.run.as_bytes())?;
    put(out, b"\n")?;
    put(out, Digits::of(place.sequence.saturating_add(1)).as_bytes())?;
    put(out, b"\n")?;
    let mut hash = [b'='; 44];
    STANDARD.encode_slice(head, &mut hash).map_err(|_| OutOfMemory)?;
    put(out, &hash)?;
    put(out, b"\nkey ")?;
    put(out, Digits::of(index.into()).as_bytes())?;
    put(out, b"\n")
}

/// The key in force, and the statement on it in its checkpoints.
#[derive(Debug)]
pub struct Signer {
    secret: SecretKey,
    index: u32,
    statement: Vec<u8>,
    message: Vec<u8>,
    /// The last checkpoint.
    anchor: Vec<u8>,
}

impl Signer {
    /// Returns a signer for the key that `statement` is about.
    pub(crate) fn new(secret: SecretKey, statement: &KeyStatement) -> Result<Self, OutOfMemory> {
        let (mut text, mut message, mut anchor) = (Vec::new(), Vec::new(), Vec::new());
        statement.write_with(&[], &mut text)?;
        message.try_reserve(MESSAGE_BYTES_MAX).map_err(|_| OutOfMemory)?;
        anchor.try_reserve(text.len() + ANCHOR_BYTES_MAX).map_err(|_| OutOfMemory)?;
        Ok(Signer { secret, index: statement.index, statement: text, message, anchor })
    }

    /// Returns the number of the key.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Adds the chain's enrollment to checkpoints, as its file has it. An empty text means
    /// no enrollment.
    pub fn enroll(&mut self, enrollment: &[u8]) -> Result<(), OutOfMemory> {
        if enrollment.is_empty() {
            return Ok(());
        }
        // The certificates are the first array, and have none in them.
        let end = self.statement.iter().position(|byte| *byte == b']').map_or(0, |at| at + 1);
        let (before, after) = self.statement.split_at(end);
        let mut text = Vec::new();
        for part in [before, b",\"fleet\":", enrollment, after] {
            put(&mut text, part)?;
        }
        self.statement = text;
        self.anchor.try_reserve(self.statement.len() + ANCHOR_BYTES_MAX).map_err(|_| OutOfMemory)
    }

    /// Returns the statement that a seal has under `key`.
    pub(crate) fn statement(&self) -> &[u8] {
        &self.statement
    }

    /// Signs the head after a record. It uses only memory that has been reserved.
    pub(crate) fn sign(
        &mut self,
        chain: &ChainId,
        place: &Place,
        head: &Hash,
    ) -> Result<Signature, OutOfMemory> {
        self.message.clear();
        write_message(chain, place, head, self.index, &mut self.message)?;
        let signature = self.secret.sign(&self.message);
        self.write_anchor(chain, place, head, &signature)?;
        Ok(signature)
    }

    /// Returns the last checkpoint as a line of JSON. It is empty before the first
    /// checkpoint.
    pub fn anchor(&self) -> &[u8] {
        &self.anchor
    }

    fn write_anchor(
        &mut self,
        chain: &ChainId,
        place: &Place,
        head: &Hash,
        signature: &Signature,
    ) -> Result<(), OutOfMemory> {
        self.anchor.clear();
        write_anchor(chain, place, head, &self.statement, signature, &mut self.anchor)
    }
}

/// An upper bound for the length of an anchor without the statement on its key.
const ANCHOR_BYTES_MAX: usize = 320;

fn write_anchor(
    chain: &ChainId,
    place: &Place,
    head: &Hash,
    statement: &[u8],
    signature: &Signature,
    out: &mut Vec<u8>,
) -> Result<(), OutOfMemory> {
    put(out, b"{\"chain\":\"")?;
    put(out, chain.as_bytes())?;
    put(out, b"\",\"seg\":")?;
    put(out, Digits::of(place.segment).as_bytes())?;
    put(out, b",\"run\":\"")?;
    put(out, place.run.as_bytes())?;
    put(out, b"\",\"seq\":")?;
    put(out, Digits::of(place.sequence).as_bytes())?;
    put(out, b",\"head\":\"")?;
    put(out, &hash_text(head))?;
    put(out, b"\",\"key\":")?;
    put(out, statement)?;
    put(out, b",\"sig\":\"")?;
    put(out, &signature_text(signature))?;
    put(out, b"\"")?;
    put(out, ANCHOR_END)
}

const ANCHOR_END: &[u8] = b"}\n";

impl Checkpoint {
    /// Returns the checkpoint as a line of JSON, in the form that `in_checkpoint.wasm`
    /// prints. With `is_delivered`, the line says that the checkpoint's record is in a
    /// log.
    pub fn anchor(&self, is_delivered: bool) -> Result<Vec<u8>, OutOfMemory> {
        let (mut statement, mut out) = (Vec::new(), Vec::new());
        self.key.write(&mut statement)?;
        write_anchor(&self.chain, &self.place, &self.head, &statement, &self.signature, &mut out)?;
        if is_delivered {
            out.truncate(out.len() - ANCHOR_END.len());
            put(&mut out, b",\"delivered\":true")?;
            put(&mut out, ANCHOR_END)?;
        }
        Ok(out)
    }
}

impl Checkpoint {
    /// Returns the checkpoint as a C2SP signed note. Every reader of signed notes can
    /// verify it with the key's public part. The key's name is
    /// `flb-audit/<chain>/key-<number>`.
    pub fn note(&self) -> Result<Vec<u8>, OutOfMemory> {
        let mut name = Vec::new();
        put(&mut name, b"flb-audit/")?;
        put(&mut name, self.chain.as_bytes())?;
        put(&mut name, b"/key-")?;
        put(&mut name, Digits::of(self.key.index.into()).as_bytes())?;
        let public = self.key.claimed(self.key.index).map_or([0; 32], |public| *public.as_bytes());
        // The id of a key covers its name, a line break, 1 for Ed25519, and the key.
        let id = Algorithm::Sha256.digest(&[&name, b"\n\x01", &public]);
        let mut signature = [0; 4 + SIGNATURE_BYTES];
        signature[..4].copy_from_slice(&id[..4]);
        signature[4..].copy_from_slice(&self.signature);
        let mut text = [b'='; (4 + SIGNATURE_BYTES).div_ceil(3) * 4];
        STANDARD.encode_slice(signature, &mut text).map_err(|_| OutOfMemory)?;

        let mut note = self.message()?;
        put(&mut note, "\n\u{2014} ".as_bytes())?;
        put(&mut note, &name)?;
        put(&mut note, b" ")?;
        put(&mut note, &text)?;
        put(&mut note, b"\n")?;
        Ok(note)
    }
}
