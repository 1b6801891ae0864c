//! The two hashes of a seal: the leaf over the record, and the head over the chain up to
//! it.

#[cfg(any(test, target_family = "wasm", target_arch = "x86_64"))]
mod constants;
#[cfg(any(test, target_family = "wasm"))]
mod interpreted;
#[cfg(target_arch = "x86_64")]
mod lanes;

#[cfg(not(target_family = "wasm"))]
use sha2::{Digest, Sha256, Sha512_256};

/// A hash of 256 bits.
pub type Hash = [u8; 32];

/// The prefix of a leaf, hashed before the record.
pub const LEAF_DOMAIN: &[u8] = b"flb-audit leaf v1\n";
/// The prefix of a head, hashed before the previous head and the leaf.
pub const HEAD_DOMAIN: &[u8] = b"flb-audit head v1\n";

/// The hash function of a chain. Both are defined in FIPS 180-4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// SHA-256.
    Sha256 = 1,
    /// SHA-512/256: as long and as strong. It works on 64-bit words, so an interpreter
    /// needs half as many steps.
    #[default]
    Sha512_256 = 2,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Algorithm; 2] = [Algorithm::Sha256, Algorithm::Sha512_256];

    /// Returns the algorithm with this number in the format.
    pub fn from_id(id: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| *algorithm as u8 == id)
    }

    /// Returns the name of FIPS 180-4, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Sha256 => "sha-256",
            Algorithm::Sha512_256 => "sha-512/256",
        }
    }

    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn digest(self, parts: &[&[u8]]) -> Hash {
        fn of<D: Digest>(parts: &[&[u8]]) -> sha2::digest::Output<D> {
            let mut digest = D::new();
            for part in parts {
                digest.update(part);
            }
            digest.finalize()
        }
        match self {
            Algorithm::Sha256 => of::<Sha256>(parts).into(),
            Algorithm::Sha512_256 => of::<Sha512_256>(parts).into(),
        }
    }

    #[cfg(target_family = "wasm")]
    pub(crate) fn digest(self, parts: &[&[u8]]) -> Hash {
        match self {
            Algorithm::Sha256 => interpreted::sha256(parts),
            Algorithm::Sha512_256 => interpreted::sha512_256(parts),
        }
    }

    /// Returns the hash of a record, whose canonical form is given in parts.
    pub fn leaf(self, canonical: [&[u8]; 4]) -> Hash {
        let [a, b, c, d] = canonical;
        self.digest(&[LEAF_DOMAIN, a, b, c, d])
    }

    /// Returns the hash of the chain up to and including the record with this leaf.
    pub fn head(self, previous: &Hash, leaf: &Hash) -> Hash {
        self.digest(&[HEAD_DOMAIN, previous, leaf])
    }
}

/// A message to hash: a domain, and a text behind it.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    pub(crate) algorithm: Algorithm,
    pub(crate) domain: &'static [u8],
    pub(crate) text: &'a [u8],
    /// The hash, once it has been computed.
    pub(crate) hash: Hash,
}

impl<'a> Message<'a> {
    /// Returns the message whose hash is a record's leaf.
    pub(crate) fn leaf(algorithm: Algorithm, canonical: &'a [u8]) -> Self {
        Message { algorithm, domain: LEAF_DOMAIN, text: canonical, hash: Hash::default() }
    }

    /// Returns the message whose hash is a head. `text` is the previous head and the leaf.
    pub(crate) fn head(algorithm: Algorithm, text: &'a [u8; 64]) -> Self {
        Message { algorithm, domain: HEAD_DOMAIN, text, hash: Hash::default() }
    }
}

/// Hashes messages, several at once if the processor can.
pub(crate) fn hash_all(messages: &mut [Message<'_>]) {
    #[cfg(target_arch = "x86_64")]
    if messages.len() > 1
        && let Some(avx2) = fearless_simd::Level::new().as_avx2()
    {
        lanes::hash_all(avx2, messages);
        return;
    }
    for message in messages {
        message.hash = message.algorithm.digest(&[message.domain, message.text]);
    }
}
