//! The operator's key for the action `hmac`, and the tokens made with it.
//!
//! The file has three lines: `flb-audit hmac key v1`; `id ` and up to sixteen letters,
//! digits, `-` and `_`; `key ` and 32 bytes in base64url.
//!
//! A token is `[class:id:…]`, with the first 16 bytes of an HMAC-SHA256 (RFC 2104) in
//! base64url. The HMAC is over `flb-audit hmac v1\n`, the class, a line feed and the
//! value. So equal values of one class have equal tokens, and equal values of different
//! classes have different ones.

use crate::memory::{OutOfMemory, put, put_byte};
use crate::text::base64url::hash_from_text;
use alloc::vec::Vec;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use core::fmt;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The file's name in an accessible path.
pub const KEY_FILE_NAME: &str = "hmac.key";
/// The maximum length of a key file, in bytes.
pub const KEY_FILE_BYTES_MAX: usize = 256;

const FIRST_LINE: &[u8] = b"flb-audit hmac key v1";
const DOMAIN: &[u8] = b"flb-audit hmac v1\n";
const ID_BYTES_MAX: usize = 16;
/// The number of bytes of an HMAC in a token.
const TOKEN_BYTES: usize = 16;

/// A key, and the id by which its tokens refer to it.
#[derive(Clone)]
pub struct HmacKey {
    id: [u8; ID_BYTES_MAX],
    id_len: usize,
    mac: Hmac<Sha256>,
}

impl fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HmacKey({})", core::str::from_utf8(self.id()).unwrap_or_default())
    }
}

impl HmacKey {
    /// Reads the key from a file. Returns `None` if the file does not have the form
    /// above.
    pub fn from_file(file: &[u8]) -> Option<Self> {
        let mut lines =
            file.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
        if lines.next()? != FIRST_LINE {
            return None;
        }
        let id = lines.next()?.strip_prefix(b"id ")?;
        let secret = hash_from_text(lines.next()?.strip_prefix(b"key ")?)?;
        let is_id = id.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if lines.next().is_some() || !is_id || id.is_empty() || id.len() > ID_BYTES_MAX {
            return None;
        }
        let mut key =
            HmacKey { id: [0; ID_BYTES_MAX], id_len: id.len(), mac: Hmac::new_from_slice(&secret).ok()? };
        key.id[..id.len()].copy_from_slice(id);
        Some(key)
    }

    /// Returns a file for a new key of 32 random bytes, or `None` if the id is not valid.
    pub fn to_file(id: &str, secret: &[u8; 32]) -> Option<Vec<u8>> {
        let mut file = Vec::new();
        for part in [
            FIRST_LINE,
            b"\nid ",
            id.as_bytes(),
            b"\nkey ",
            &crate::text::base64url::hash_text(secret),
            b"\n",
        ] {
            put(&mut file, part).ok()?;
        }
        HmacKey::from_file(&file).map(|_| file)
    }

    /// Returns the key's id.
    pub fn id(&self) -> &[u8] {
        &self.id[..self.id_len]
    }

    /// Writes the token that stands for a value of this class.
    pub fn write_token(&self, class: &[u8], value: &[u8], out: &mut Vec<u8>) -> Result<(), OutOfMemory> {
        let mut mac = self.mac.clone();
        for part in [DOMAIN, class, b"\n", value] {
            mac.update(part);
        }
        let mut text = [b'A'; 22];
        // The array is exactly as long as the encoding of 16 bytes.
        let _ = URL_SAFE_NO_PAD.encode_slice(truncate(&mac.finalize().into_bytes()), &mut text);
        for part in [b"[", class, b":", self.id(), b":"] {
            put(out, part)?;
        }
        put(out, &text)?;
        put_byte(out, b']')
    }
}

/// Returns the bytes of an HMAC that go into a token.
fn truncate(mac: &[u8]) -> &[u8] {
    mac.get(..TOKEN_BYTES).unwrap_or(mac)
}
