//! The two hashes of a seal: the leaf over the record, and the head over the chain up to
//! it.

#[cfg(any(test, target_family = "wasm"))]
mod interpreted;

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
