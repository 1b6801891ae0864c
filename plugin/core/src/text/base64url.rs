//! base64url without padding (RFC 4648 section 5), the encoding of hashes in seals.

use crate::hash::Hash;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The length of a hash in a seal: base64url without padding.
pub const HASH_TEXT_BYTES: usize = 43;

pub(crate) fn is_base64url(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

pub(crate) fn encode<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut text = [b'A'; N];
    // N is always the length of the encoding.
    let _ = URL_SAFE_NO_PAD.encode_slice(bytes, &mut text);
    text
}

/// Returns the text of a hash in a seal.
pub fn hash_text(hash: &Hash) -> [u8; HASH_TEXT_BYTES] {
    encode(hash)
}

/// Returns the hash that a text in a seal stands for, or `None` if the text is not one.
pub fn hash_from_text(text: &[u8]) -> Option<Hash> {
    let mut hash = [0; 32];
    // The buffer is longer than a hash: the decoder requires room for whole groups.
    let mut decoded = [0; 36];
    let len = URL_SAFE_NO_PAD.decode_slice(text, &mut decoded).ok()?;
    hash.copy_from_slice(decoded.get(..len)?.first_chunk::<32>().filter(|_| len == 32)?);
    Some(hash)
}
