//! The stored bytes of a source: their number and their hash.

use anyhow::Result;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

/// The number of bytes that are hashed at a time.
const BUFFER_BYTES: usize = 64 << 10;

/// The bytes that were read of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Stored {
    pub(crate) bytes: u64,
    pub(crate) sha256: [u8; 32],
}

impl Stored {
    /// Reads bytes to their end.
    pub(crate) fn of(bytes: impl Read) -> io::Result<Stored> {
        let kept = Kept::default();
        io::copy(&mut Hashing::new(bytes, Some(&kept)), &mut io::sink())?;
        kept.get().ok_or_else(|| io::Error::other("nothing was read"))
    }

    /// Reads several parts to their ends, one after the other.
    pub(crate) fn of_all<R: Read>(parts: impl Iterator<Item = Result<R>>) -> Result<Stored> {
        let (mut hash, mut bytes) = (Sha256::new(), 0);
        let mut buffer = vec![0; BUFFER_BYTES];
        for part in parts {
            let mut part = part?;
            loop {
                let count = part.read(&mut buffer)?;
                if count == 0 {
                    break;
                }
                hash.update(&buffer[..count]);
                bytes += count as u64;
            }
        }
        Ok(Stored { bytes, sha256: hash.finalize().into() })
    }
}

/// The place for the result, which is written when reading ends.
#[derive(Clone, Default)]
pub(super) struct Kept(Arc<Mutex<Option<Stored>>>);

impl Kept {
    pub(super) fn get(&self) -> Option<Stored> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, stored: Stored) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(stored);
    }
}

/// A reader that hashes its bytes, if the hash is requested.
pub(super) struct Hashing<R> {
    inner: R,
    hash: Option<(Sha256, Kept)>,
    bytes: u64,
}

impl<R> Hashing<R> {
    pub(super) fn new(inner: R, kept: Option<&Kept>) -> Self {
        Hashing { inner, hash: kept.map(|kept| (Sha256::new(), kept.clone())), bytes: 0 }
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if let Some((hash, _)) = &mut self.hash {
            hash.update(&buffer[..count]);
            self.bytes += count as u64;
        }
        Ok(count)
    }
}

impl<R> Drop for Hashing<R> {
    fn drop(&mut self) {
        if let Some((hash, kept)) = self.hash.take() {
            kept.set(Stored { bytes: self.bytes, sha256: hash.finalize().into() });
        }
    }
}
