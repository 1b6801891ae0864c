//! By what a chunk is known that comes again.

use sha2::{Digest, Sha256};

/// The hash of a chunk and its tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ChunkId([u8; 32]);

impl ChunkId {
    pub(super) fn of(tag: &[u8], chunk: &[u8]) -> ChunkId {
        let mut hash = Sha256::new();
        // No tag can go on in the chunk.
        hash.update((tag.len() as u64).to_be_bytes());
        hash.update(tag);
        hash.update(chunk);
        ChunkId(hash.finalize().into())
    }
}
