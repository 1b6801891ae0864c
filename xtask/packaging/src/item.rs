//! A file, a directory or a link in a package.

use flate2::{Compression, GzBuilder};
use std::collections::BTreeSet;
use std::io::Write;

/// One entry. Parents of entries are created as needed.
#[derive(Clone)]
pub(super) struct Item {
    /// The path, without a slash at the start.
    pub(super) path: String,
    pub(super) kind: Kind,
    /// True if the operator may change the file. An upgrade keeps such changes.
    pub(super) is_config: bool,
}

#[derive(Clone)]
pub(super) enum Kind {
    File { bytes: Vec<u8>, is_program: bool },
    Directory { mode: u32 },
    Link { target: String },
}

impl Item {
    pub(super) fn file(path: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Item {
        let kind = Kind::File { bytes: bytes.into(), is_program: false };
        Item { path: path.into(), kind, is_config: false }
    }

    pub(super) fn program(path: impl Into<String>, bytes: Vec<u8>) -> Item {
        Item { path: path.into(), kind: Kind::File { bytes, is_program: true }, is_config: false }
    }

    pub(super) fn config(path: impl Into<String>, bytes: Vec<u8>) -> Item {
        Item { is_config: true, ..Item::file(path, bytes) }
    }

    pub(super) fn directory(path: impl Into<String>, mode: u32) -> Item {
        Item { path: path.into(), kind: Kind::Directory { mode }, is_config: false }
    }

    pub(super) fn link(path: impl Into<String>, target: impl Into<String>) -> Item {
        Item { path: path.into(), kind: Kind::Link { target: target.into() }, is_config: false }
    }

    /// The permissions, without the type.
    pub(super) fn mode(&self) -> u32 {
        match self.kind {
            Kind::File { is_program: false, .. } => 0o644,
            Kind::File { is_program: true, .. } => 0o755,
            Kind::Directory { mode } => mode,
            Kind::Link { .. } => 0o777,
        }
    }

    /// Returns the contents of a file. Other entries have none.
    pub(super) fn bytes(&self) -> &[u8] {
        match &self.kind {
            Kind::File { bytes, .. } => bytes,
            _ => &[],
        }
    }
}

/// Returns the directories that entries are in, up to the root.
pub(super) fn parents(items: &[Item]) -> BTreeSet<&str> {
    items.iter().flat_map(|item| item.path.match_indices('/').map(|(end, _)| &item.path[..end])).collect()
}

/// Compresses bytes, without a time and a name in the result.
pub(super) fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}
