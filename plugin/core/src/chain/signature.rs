//! Ed25519 (RFC 8032), in the encodings of the format.

use crate::text::base64url::{self, hash_from_text};
use core::fmt;
use ed25519_dalek::VerifyingKey;
use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign};
use sha2::Sha512;
use zeroize::Zeroizing;

/// The length of a signature, in bytes.
pub const SIGNATURE_BYTES: usize = 64;
/// The length of a signature in a seal: base64url without padding.
pub const SIGNATURE_TEXT_BYTES: usize = 86;

/// A signature: R and S of RFC 8032 section 5.1.6.
pub type Signature = [u8; SIGNATURE_BYTES];

/// The seed of a private key (RFC 8032 section 5.1.5). It is wiped from memory when it is
/// dropped.
pub type Seed = Zeroizing<[u8; 32]>;

/// A public key, in the encoding of RFC 8032 section 5.1.2.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Returns the key with these bytes. They are checked only when a signature is.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        PublicKey(bytes)
    }

    /// Reads a key from its text in a seal.
    pub fn from_text(text: &[u8]) -> Option<Self> {
        hash_from_text(text).map(PublicKey)
    }

    /// Returns the bytes of the key.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the text of the key in a seal.
    pub fn text(&self) -> [u8; 43] {
        base64url::encode(&self.0)
    }

    /// Checks whether this is the key's signature of `message`. The check is strict: it
    /// refuses keys and points of small order, under which one signature fits many
    /// messages.
    pub fn has_signed(&self, message: &[u8], signature: &Signature) -> bool {
        VerifyingKey::from_bytes(&self.0).is_ok_and(|key| {
            key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature)).is_ok()
        })
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(core::str::from_utf8(&self.text()).unwrap_or_default())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A private key, ready to sign. It is wiped from memory when it is dropped, and is never
/// printed.
pub struct SecretKey {
    expanded: ExpandedSecretKey,
    public: VerifyingKey,
}

impl SecretKey {
    /// Returns the key of this seed.
    #[inline(never)]
    pub fn from_seed(seed: &Seed) -> Self {
        let expanded = ExpandedSecretKey::from(&**seed);
        let public = VerifyingKey::from(&expanded);
        SecretKey { expanded, public }
    }

    /// Returns the key of this seed, given its public part, which saves a multiplication
    /// on the curve. Signing with a public key that does not belong to the seed reveals
    /// the private key; so both must come from one checked block. Returns `None` if the
    /// public part is no point of the curve.
    #[inline(never)]
    pub(crate) fn from_parts(seed: &Seed, public: &PublicKey) -> Option<Self> {
        let public = VerifyingKey::from_bytes(&public.0).ok()?;
        Some(SecretKey { expanded: ExpandedSecretKey::from(&**seed), public })
    }

    /// Returns the public part.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.public.to_bytes())
    }

    /// Signs a message.
    #[inline(never)]
    pub fn sign(&self, message: &[u8]) -> Signature {
        raw_sign::<Sha512>(&self.expanded, message, &self.public).to_bytes()
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the private key of {}", self.public())
    }
}

/// Returns the text of a signature in a seal.
pub fn signature_text(signature: &Signature) -> [u8; SIGNATURE_TEXT_BYTES] {
    base64url::encode(signature)
}

/// Returns the signature that a text in a seal stands for.
pub fn signature_from_text(text: &[u8]) -> Option<Signature> {
    use base64::Engine;
    // The buffer is longer than a signature: the decoder requires room for whole groups.
    let mut decoded = [0; SIGNATURE_BYTES + 2];
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let len = engine.decode_slice(text, &mut decoded).ok()?;
    decoded.first_chunk().filter(|_| len == SIGNATURE_BYTES).copied()
}
