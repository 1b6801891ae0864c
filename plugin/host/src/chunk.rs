//! A chunk, and the id by which it is recognised when it comes again.

use sha2::{Digest, Sha256};
use std::sync::OnceLock;

/// The hash of a chunk and its tag: `chunk-id` in `wit/delivery.wit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ChunkId([u8; 32]);

impl ChunkId {
    /// Returns its bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Records as Fluent Bit hands them over.
#[derive(Debug)]
pub struct Chunk {
    /// The tag.
    pub tag: Vec<u8>,
    /// The records.
    pub bytes: Vec<u8>,
    /// The id. It is computed on demand, because most chunks are delivered at the first
    /// attempt.
    id: OnceLock<ChunkId>,
}

impl Chunk {
    /// Copies a chunk.
    pub fn new(tag: &[u8], bytes: &[u8]) -> Chunk {
        Chunk { tag: tag.to_vec(), bytes: bytes.to_vec(), id: OnceLock::new() }
    }

    /// Returns the id by which the chunk is recognised.
    pub fn id(&self) -> ChunkId {
        *self.id.get_or_init(|| {
            let mut hash = Sha256::new();
            // The length separates the tag from the chunk.
            hash.update((self.tag.len() as u64).to_be_bytes());
            hash.update(&self.tag);
            hash.update(&self.bytes);
            ChunkId(hash.finalize().into())
        })
    }
}
