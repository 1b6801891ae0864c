//! Tar archives, and the one that is released.

use super::contents::Contents;
use super::item::{Item, Kind, gzip, parents};
use anyhow::Result;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tar::{Builder, EntryType, Header};

/// Writes the archive for systems without a package manager.
pub(super) fn write(contents: &Contents, folder: &Path) -> Result<()> {
    let name = format!("flb-audit-{}-linux-{}", contents.release.version, contents.built.arch.debian());
    let archive = archive(&contents.tarball(&name)?, contents.release.epoch)?;
    Ok(fs::write(folder.join(format!("{name}.tar.gz")), gzip(&archive)?)?)
}

/// Makes a tar archive. Its entries are ordered by name, parents first, and all belong to
/// root and have one time.
pub(super) fn archive(items: &[Item], epoch: u64) -> Result<Vec<u8>> {
    let mut entries: BTreeMap<String, Item> = BTreeMap::new();
    for parent in parents(items) {
        entries.insert(format!("{parent}/"), Item::directory(parent, 0o755));
    }
    for item in items {
        let slash = if matches!(item.kind, Kind::Directory { .. }) { "/" } else { "" };
        entries.insert(format!("{}{slash}", item.path), item.clone());
    }
    let mut builder = Builder::new(Vec::new());
    for (name, item) in entries {
        let mut header = Header::new_gnu();
        header.set_mode(item.mode());
        header.set_uid(0);
        header.set_gid(0);
        header.set_username("root")?;
        header.set_groupname("root")?;
        header.set_mtime(epoch);
        header.set_size(item.bytes().len() as u64);
        match &item.kind {
            Kind::Link { target } => {
                header.set_entry_type(EntryType::Symlink);
                builder.append_link(&mut header, name, target)?;
            }
            Kind::Directory { .. } => {
                header.set_entry_type(EntryType::Directory);
                builder.append_data(&mut header, name, item.bytes())?;
            }
            Kind::File { bytes, .. } => {
                header.set_entry_type(EntryType::Regular);
                builder.append_data(&mut header, name, bytes.as_slice())?;
            }
        }
    }
    Ok(builder.into_inner()?)
}
