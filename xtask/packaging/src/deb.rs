//! Debian's packages: an `ar` archive of two tar archives.

use super::checksums::hex;
use super::contents::Contents;
use super::glibc::OLDEST;
use super::item::{Item, Kind, gzip};
use super::tarball::archive;
use anyhow::Result;
use md5::{Digest, Md5};
use std::fs;
use std::path::Path;
use xtask::root;

pub(super) const MAINTAINER: &str = "flb-audit maintainers <flb-audit@users.noreply.github.com>";
const SCRIPTS: [&str; 3] = ["postinst", "prerm", "postrm"];

pub(super) fn write(contents: &Contents, folder: &Path) -> Result<()> {
    let (version, arch) = (&contents.release.version, contents.built.arch.debian());
    let bytes = package(&contents.debian()?, version, arch, contents.release.epoch)?;
    Ok(fs::write(folder.join(format!("flb-audit_{version}_{arch}.deb")), bytes)?)
}

/// Makes a package.
fn package(items: &[Item], version: &str, arch: &str, epoch: u64) -> Result<Vec<u8>> {
    let members = [
        ("debian-binary", b"2.0\n".to_vec()),
        ("control.tar.gz", gzip(&archive(&control(items, version, arch)?, epoch)?)?),
        ("data.tar.gz", gzip(&archive(items, epoch)?)?),
    ];
    let mut builder = ar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = ar::Header::new(name.as_bytes().to_vec(), bytes.len() as u64);
        header.set_mode(0o100_644);
        header.set_mtime(epoch);
        builder.append(&header, bytes.as_slice())?;
    }
    Ok(builder.into_inner()?)
}

/// Makes the files that describe the package, and the scripts that run when it is
/// installed and removed.
fn control(items: &[Item], version: &str, arch: &str) -> Result<Vec<Item>> {
    let files = || items.iter().filter(|item| matches!(item.kind, Kind::File { .. }));
    let kilobytes: usize = files().map(|item| item.bytes().len().div_ceil(1024)).sum();
    let (major, minor) = OLDEST;
    let control = format!(
        "Package: flb-audit\n\
         Version: {version}\n\
         Architecture: {arch}\n\
         Maintainer: {MAINTAINER}\n\
         Installed-Size: {kilobytes}\n\
         Depends: libc6 (>= {major}.{minor}), libgcc-s1\n\
         Suggests: fluent-bit\n\
         Enhances: fluent-bit\n\
         Section: admin\n\
         Priority: optional\n\
         Description: redacts and seals audit logs in Fluent Bit\n \
         A filter for Fluent Bit that takes secrets and personal data out of every\n \
         record and seals it into a signed hash chain, outputs that keep sealed records\n \
         in a ledger, and the program flb-audit, which verifies what became of them.\n"
    );
    let sums: String =
        files().map(|item| format!("{}  {}\n", hex(&Md5::digest(item.bytes())), item.path)).collect();
    let configs: String =
        items.iter().filter(|item| item.is_config).map(|item| format!("/{}\n", item.path)).collect();
    let mut control =
        vec![Item::file("control", control), Item::file("md5sums", sums), Item::file("conffiles", configs)];
    for script in SCRIPTS {
        let bytes = fs::read(root().join("xtask/packaging/debian").join(script))?;
        control.push(Item::program(script, bytes));
    }
    Ok(control)
}
