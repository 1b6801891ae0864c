//! The packages of Fedora, RHEL, SUSE and Amazon Linux.

use super::contents::Contents;
use super::glibc::OLDEST;
use super::item::{Item, Kind, parents};
use anyhow::{Context, Result};
use rpm::{BuildConfig, CompressionWithLevel, Dependency, FileOptions, PackageBuilder};
use std::fs;
use std::path::Path;
use xtask::root;

/// The directories that every system has: those of the packages `filesystem` and `systemd`.
/// RPM leaves a directory behind that no package owns, so ours owns all others.
const SYSTEM: [&str; 12] = [
    "etc",
    "usr",
    "usr/bin",
    "usr/lib",
    "usr/lib/systemd",
    "usr/lib/systemd/system",
    "usr/share",
    "usr/share/doc",
    "usr/share/man",
    "usr/share/man/man1",
    "var",
    "var/lib",
];
const SUMMARY: &str = "Redacts and seals audit logs in Fluent Bit";

pub(super) fn write(contents: &Contents, folder: &Path) -> Result<()> {
    let (version, arch) = (&contents.release.version, contents.built.arch.kernel());
    let bytes = package(&contents.rpm()?, version, arch, contents.release.epoch)?;
    Ok(fs::write(folder.join(format!("flb-audit-{version}-1.{arch}.rpm")), bytes)?)
}

/// Makes a package.
fn package(items: &[Item], version: &str, arch: &str, epoch: u64) -> Result<Vec<u8>> {
    let epoch = u32::try_from(epoch).context("a time after the year 2106")?;
    let mut builder = PackageBuilder::new("flb-audit", version, "Apache-2.0", arch, SUMMARY);
    builder
        .using_config(BuildConfig::default().source_date(epoch).compression(CompressionWithLevel::Gzip(9)));
    builder.release("1").build_host("flb-audit").description(format!("{SUMMARY}."));
    let (major, minor) = OLDEST;
    builder.requires(Dependency::any(format!("libc.so.6(GLIBC_{major}.{minor})(64bit)")));
    builder.requires(Dependency::any("libgcc_s.so.1()(64bit)"));
    let owned = parents(items).into_iter().filter(|parent| !SYSTEM.contains(parent));
    let directories: Vec<Item> = owned.map(|parent| Item::directory(parent, 0o755)).collect();
    for item in directories.iter().chain(items) {
        let path = format!("/{}", item.path);
        let mode = u16::try_from(item.mode())?;
        match &item.kind {
            Kind::Directory { .. } => {
                builder.with_dir_entry(FileOptions::dir(path).permissions(mode))?;
            }
            Kind::Link { target } => {
                builder.with_symlink(FileOptions::symlink(path, target))?;
            }
            Kind::File { bytes, .. } => {
                let options = FileOptions::new(path).permissions(mode);
                let options = if item.is_config { options.config().noreplace() } else { options };
                builder.with_file_contents(bytes.as_slice(), options)?;
            }
        }
    }
    let script = |name: &str| fs::read_to_string(root().join("xtask/packaging/rpm").join(name));
    builder.post_install_script(script("post")?).post_uninstall_script(script("postun")?);
    let mut bytes = Vec::new();
    builder.build()?.write(&mut bytes)?;
    Ok(bytes)
}
