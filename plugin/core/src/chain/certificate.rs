//! The keys of a chain, and the signed statements about later keys.
//!
//! Keys are numbered. Key 0 is the chain's first key, whose public part is kept
//! elsewhere. Key n comes into force after key n − 1, which is destroyed before key n is
//! used. Two statements are signed about key n:
//!
//! - Its **certificate** is signed by key n & (n − 1), which is n without its lowest bit.
//!   So the way from any key to key 0 has only as many certificates as n has bits, and a
//!   checkpoint can carry all of them: no lost record keeps a later one from being
//!   verified. Key n certifies the keys below it in this tree when it comes into force,
//!   since it is destroyed later. Those keys are stored until it is their turn. The
//!   certificates that key 0 signs state whether the chain is a ledger's: key 0 is destroyed
//!   before the chain's first record, so nobody can state it later.
//! - Its **handover** is signed by key n − 1. It has the place where key n comes into
//!   force and the head before that place. So key n vouches for nothing before that
//!   place.

use crate::chain::enrollment::{Enrollment, Role, put_role, put_role_line};
use crate::chain::id::{ChainId, Place};
use crate::chain::signature::{PublicKey, Signature, signature_text};
use crate::hash::Hash;
use crate::memory::{OutOfMemory, put};
use crate::text::base64url::hash_text;
use crate::text::digits::Digits;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// States that a key belongs to the chain and has this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The key's number, from 1 on.
    pub index: u32,
    /// The public part of the key.
    pub public: PublicKey,
    /// The statements that the chain may make. It counts only if key 0 has signed it.
    pub role: Role,
    /// The signature of key [`signer`](Certificate::signer).
    pub signature: Signature,
}

impl Certificate {
    /// Returns the number of the key that signs the certificate of key `index`.
    pub fn signer(index: u32) -> u32 {
        index & index.wrapping_sub(1)
    }

    /// Returns the text that is signed.
    pub fn message(&self, chain: &ChainId) -> Result<Vec<u8>, OutOfMemory> {
        let mut text = Vec::new();
        put(&mut text, b"flb-audit key v1\n")?;
        put(&mut text, chain.as_bytes())?;
        put(&mut text, b"\n")?;
        put(&mut text, Digits::of(self.index.into()).as_bytes())?;
        put(&mut text, b"\n")?;
        put(&mut text, &self.public.text())?;
        put(&mut text, b"\n")?;
        put_role_line(&mut text, self.role)?;
        Ok(text)
    }

    /// Writes the certificate in the canonical form of a seal.
    fn write(&self, out: &mut Vec<u8>) -> Result<(), OutOfMemory> {
        put(out, b"{\"n\":")?;
        put(out, Digits::of(self.index.into()).as_bytes())?;
        put(out, b",\"pub\":\"")?;
        put(out, &self.public.text())?;
        put(out, b"\"")?;
        put_role(out, self.role)?;
        put(out, b",\"sig\":\"")?;
        put(out, &signature_text(&self.signature))?;
        put(out, b"\"}")
    }
}

/// States that a key is in force from a record on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handover {
    /// The key's number, from 1 on.
    pub index: u32,
    /// The first record under the key.
    pub place: Place,
    /// The head before that record.
    pub head: Hash,
    /// The signature of the key before this one.
    pub signature: Signature,
}

impl Handover {
    /// Returns the text that is signed.
    pub fn message(chain: &ChainId, index: u32, place: &Place, head: &Hash) -> Result<Vec<u8>, OutOfMemory> {
        let mut text = Vec::new();
        put(&mut text, b"flb-audit handover v1\n")?;
        put(&mut text, chain.as_bytes())?;
        put(&mut text, b"\n")?;
        put(&mut text, Digits::of(index.into()).as_bytes())?;
        put(&mut text, b"\n")?;
        put(&mut text, Digits::of(place.segment).as_bytes())?;
        put(&mut text, b".")?;
        put(&mut text, place.run.as_bytes())?;
        put(&mut text, b".")?;
        put(&mut text, Digits::of(place.sequence).as_bytes())?;
        put(&mut text, b"\n")?;
        put(&mut text, &hash_text(head))?;
        put(&mut text, b"\n")?;
        Ok(text)
    }

    /// Writes the handover in the canonical form of a seal.
    fn write(&self, out: &mut Vec<u8>) -> Result<(), OutOfMemory> {
        put(out, b"{\"head\":\"")?;
        put(out, &hash_text(&self.head))?;
        put(out, b"\",\"n\":")?;
        put(out, Digits::of(self.index.into()).as_bytes())?;
        put(out, b",\"run\":\"")?;
        put(out, self.place.run.as_bytes())?;
        put(out, b"\",\"seg\":")?;
        put(out, Digits::of(self.place.segment).as_bytes())?;
        put(out, b",\"seq\":")?;
        put(out, Digits::of(self.place.sequence).as_bytes())?;
        put(out, b",\"sig\":\"")?;
        put(out, &signature_text(&self.signature))?;
        put(out, b"\"}")
    }
}

/// The statement of a checkpoint on the key that has signed it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyStatement {
    /// The key's number.
    pub index: u32,
    /// The certificates that lead from this key, and from the two before it, to key 0;
    /// sorted by number.
    pub certificates: Vec<Certificate>,
    /// The statement that the chain belongs to a fleet.
    pub enrollment: Option<Box<Enrollment>>,
    /// The handovers to this key and to the key before it.
    pub since: Vec<Handover>,
}

impl KeyStatement {
    /// Writes the statement in the canonical form that a seal has under `key`.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), OutOfMemory> {
        let mut enrollment = Vec::new();
        if let Some(of) = &self.enrollment {
            of.write(&mut enrollment)?;
        }
        self.write_with(&enrollment, out)
    }

    /// Writes it with the text of an enrollment, which may be empty, in place of its own.
    pub(crate) fn write_with(&self, enrollment: &[u8], out: &mut Vec<u8>) -> Result<(), OutOfMemory> {
        put(out, b"{\"certs\":[")?;
        for (at, certificate) in self.certificates.iter().enumerate() {
            put(out, if at == 0 { b"" } else { b"," })?;
            certificate.write(out)?;
        }
        put(out, b"]")?;
        if !enrollment.is_empty() {
            put(out, b",\"fleet\":")?;
            put(out, enrollment)?;
        }
        put(out, b",\"n\":")?;
        put(out, Digits::of(self.index.into()).as_bytes())?;
        put(out, b",\"since\":[")?;
        for (at, handover) in self.since.iter().enumerate() {
            put(out, if at == 0 { b"" } else { b"," })?;
            handover.write(out)?;
        }
        put(out, b"]}")
    }

    /// Returns the role that key 0 has stated for the chain. The statement is not verified.
    pub fn role(&self) -> Role {
        let by_key_0 = self.certificates.iter().filter(|of| Certificate::signer(of.index) == 0);
        by_key_0.map(|of| of.role).max().unwrap_or_default()
    }

    /// Returns the public part that the statement claims for a key. It is not verified.
    pub fn claimed(&self, index: u32) -> Option<PublicKey> {
        let found = self.certificates.iter().find(|certificate| certificate.index == index);
        found.map(|certificate| certificate.public)
    }
}

/// The reason why a key is not certified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum NotCertified {
    /// The certificate of this key is missing, or is not signed by the key that has to
    /// sign it.
    Certificate(u32),
    /// The handover to this key is missing, or is not signed by the key before it.
    Handover(u32),
}

/// The number of keys of a chain that are remembered. When there are more, all are
/// forgotten.
const KNOWN_KEYS_MAX: usize = 4096;

/// Certificates and handovers of one chain whose signatures have been verified, so that
/// they need not be verified again.
///
/// Each statement is judged by itself: remembering saves time and decides nothing, so the
/// order of statements has no influence.
#[derive(Debug)]
pub struct KnownKeys {
    chain: ChainId,
    root: PublicKey,
    /// The certificates by number, each with the key that has signed it.
    certificates: BTreeMap<u32, (Certificate, PublicKey)>,
    handovers: BTreeMap<u32, (Handover, PublicKey)>,
}

impl KnownKeys {
    /// Creates an empty memory for the chain whose key 0 is `root`.
    pub fn new(chain: ChainId, root: PublicKey) -> Self {
        KnownKeys { chain, root, certificates: BTreeMap::new(), handovers: BTreeMap::new() }
    }

    /// Returns the number of certificates and handovers that are remembered.
    pub fn remembered(&self) -> usize {
        self.certificates.len() + self.handovers.len()
    }

    /// Verifies the statement of a checkpoint on its key, and returns the key.
    pub fn verify(&mut self, statement: &KeyStatement) -> Result<PublicKey, NotCertified> {
        if self.certificates.len().max(self.handovers.len()) > KNOWN_KEYS_MAX {
            self.certificates.clear();
            self.handovers.clear();
        }
        let mut last = 0;
        for (at, certificate) in statement.certificates.iter().enumerate() {
            let failed = NotCertified::Certificate(certificate.index);
            if certificate.index <= last {
                return Err(failed);
            }
            last = certificate.index;
            let before = statement.certificates.get(..at).unwrap_or_default();
            let signer = self.key(before, Certificate::signer(certificate.index)).ok_or(failed)?;
            self.verify_certificate(certificate, signer).ok_or(failed)?;
        }
        let expected = [statement.index, statement.index.saturating_sub(1)];
        let expected = expected.into_iter().filter(|index| *index > 0);
        if !expected.clone().eq(statement.since.iter().map(|handover| handover.index)) {
            return Err(NotCertified::Handover(statement.index));
        }
        for handover in &statement.since {
            let failed = NotCertified::Handover(handover.index);
            let signer = handover.index.checked_sub(1);
            let signer = signer.and_then(|signer| self.key(&statement.certificates, signer)).ok_or(failed)?;
            self.verify_handover(handover, signer).ok_or(failed)?;
        }
        let key = self.key(&statement.certificates, statement.index);
        key.ok_or(NotCertified::Certificate(statement.index))
    }

    fn key(&self, certificates: &[Certificate], index: u32) -> Option<PublicKey> {
        if index == 0 {
            return Some(self.root);
        }
        let found = certificates.iter().find(|certificate| certificate.index == index);
        found.map(|certificate| certificate.public)
    }

    fn verify_certificate(&mut self, certificate: &Certificate, signer: PublicKey) -> Option<()> {
        if self.certificates.get(&certificate.index) == Some(&(*certificate, signer)) {
            return Some(());
        }
        let message = certificate.message(&self.chain).ok()?;
        if !signer.has_signed(&message, &certificate.signature) {
            return None;
        }
        self.certificates.insert(certificate.index, (*certificate, signer));
        Some(())
    }

    fn verify_handover(&mut self, handover: &Handover, signer: PublicKey) -> Option<()> {
        let Handover { index, place, head, signature } = handover;
        if self.handovers.get(index) == Some(&(*handover, signer)) {
            return Some(());
        }
        let message = Handover::message(&self.chain, *index, place, head).ok()?;
        if !signer.has_signed(&message, signature) {
            return None;
        }
        self.handovers.insert(*index, (*handover, signer));
        Some(())
    }
}
