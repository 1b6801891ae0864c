//! A chain: its names, its keys and checkpoints, and the files that remember them.

pub mod anchor;
pub mod certificate;
pub mod checkpoint;
pub mod enrollment;
pub(crate) mod id;
pub mod keyring;
pub mod rotation;
pub mod signature;
pub mod state;
pub mod storage;
pub mod writer;

pub use id::{Chain, ChainId, GENESIS, Life, Link, Place, Position, Run, Unsettled};
