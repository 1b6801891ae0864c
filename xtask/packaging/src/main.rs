//! `cargo xtask package`: writes the released files into `dist/packages`. Also `cargo
//! xtask aot`.
//!
//! Packing depends only on the commit and the built programs, and gives the same bytes on
//! any machine. [`reproduce()`] builds twice and compares.
#![forbid(unsafe_code)]

mod aot;
mod arch;
mod builds;
mod checksums;
mod contents;
mod deb;
mod glibc;
mod image;
mod item;
mod licences;
mod reproduce;
mod rpm;
mod sbom;
mod tarball;
mod third_party;

use anyhow::{Context, Result, bail};
use arch::Arch;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use xtask::root;
use xtask::run::{output, step};

use reproduce::reproduce;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["package"] => package(),
        ["package", "--dist"] => package_dist(),
        ["package", "--reproduce"] => reproduce(),
        ["aot"] => aot::aot(),
        _ => bail!("run it as `cargo xtask package` or `cargo xtask aot`"),
    }
}

/// The facts that all packages have in common.
struct Release {
    version: String,
    /// The commit's time, in seconds since 1970. Every file in a package has this time.
    epoch: u64,
    /// The texts that are packed with the program.
    documents: contents::Documents,
}

/// Builds for every architecture that this machine can build for, and packs.
fn package() -> Result<()> {
    let modules = step("build modules", builds::modules)?;
    let mut built = Vec::new();
    for arch in Arch::ALL {
        match arch.missing() {
            Some(missing) => eprintln!("xtask: NOT built for {}: {missing}", arch.debian()),
            None => built.push(step(&format!("build for {}", arch.debian()), || builds::programs(arch))?),
        }
    }
    let modules = builds::with_policy(&modules)?;
    let manual = step("manual", builds::manual)?;
    finish(&modules, &built, &manual)
}

/// Packs the files that `cargo xtask build` has left in `dist/`, for this machine only.
/// They contain paths of this machine, so this is only for tests.
fn package_dist() -> Result<()> {
    let built = step("link", builds::from_dist)?;
    let modules = builds::modules_from_dist()?;
    let manual = step("manual", builds::manual_from_dist)?;
    finish(&modules, &[built], &manual)
}

/// Packs what was built.
fn finish(modules: &Path, built: &[builds::Built], manual: &Path) -> Result<()> {
    let folder = root().join("dist/packages");
    let third_party = third_party::ThirdParty::read()?;
    let (version, epoch) = (third_party.version()?, epoch()?);
    let sbom = sbom::document(&third_party, epoch)?;
    let documents = step("documents", || contents::Documents::read(manual, &third_party, &sbom))?;
    let release = Release { version, epoch, documents };
    step("pack", || pack(&release, modules, built, &folder))?;
    let names: Vec<_> = built.iter().map(|built| built.arch.debian()).collect();
    eprintln!("xtask: {}: for {}", folder.display(), names.join(" and "));
    Ok(())
}

/// Makes all packages from what was built, in an empty folder.
fn pack(release: &Release, modules: &Path, built: &[builds::Built], folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    let mut images = Vec::new();
    for built in built {
        let contents = contents::Contents { release, modules, built };
        deb::write(&contents, folder)?;
        rpm::write(&contents, folder)?;
        tarball::write(&contents, folder)?;
        images.push((built.arch, contents.image()?));
    }
    image::write(release, &images, folder)?;
    fs::write(folder.join(format!("flb-audit-{}.cdx.json", release.version)), &release.documents.sbom)?;
    checksums::write(folder)
}

/// Returns `SOURCE_DATE_EPOCH`, or else the time of the last commit.
fn epoch() -> Result<u64> {
    let text = match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => text,
        Err(_) => {
            let mut git = Command::new("git");
            git.args(["log", "-1", "--format=%ct"]).current_dir(root());
            String::from_utf8(output(git)?)?
        }
    };
    text.trim().parse().with_context(|| format!("{text:?} is no number of seconds"))
}

/// Returns the folder in which packages are built. It is separate from all others,
/// because their paths are written differently.
fn target() -> PathBuf {
    root().join("target/package")
}

#[cfg(test)]
mod tests {
    use super::*;
    use builds::Built;
    use contents::Documents;
    use std::collections::BTreeSet;
    use std::io::Read;

    const VERSION: &str = "1.2.3";

    /// Packs made-up programs in a folder.
    fn packed(folder: &Path) -> Result<PathBuf> {
        let modules = folder.join("modules");
        fs::create_dir_all(modules.join("aot"))?;
        for name in ["filter_audit.wasm", "in_checkpoint.wasm", "out_audit.wasm", "aot/f.x86_64.aot"] {
            fs::write(modules.join(name), name.repeat(1000))?;
        }
        let mut built = Vec::new();
        for arch in Arch::ALL {
            let at = |name: &str| -> Result<PathBuf> {
                let path = folder.join(format!("{name}-{}", arch.debian()));
                fs::write(&path, name.repeat(1000))?;
                Ok(path)
            };
            built.push(Built {
                arch,
                program: at("program")?,
                static_program: at("static")?,
                loader: at("loader")?,
            });
        }
        let documents = Documents {
            third_party: "crates".into(),
            sbom: "{}".into(),
            manual: vec![("flb-audit.1".into(), b".TH".to_vec())],
            completions: vec![("_flb-audit".into(), Vec::new()), ("flb-audit.fish".into(), Vec::new())],
        };
        let release = Release { version: VERSION.into(), epoch: 1_795_869_564, documents };
        let packages = folder.join("packages");
        pack(&release, &modules, &built, &packages)?;
        Ok(packages)
    }

    #[test]
    fn packed_in_another_folder_every_byte_is_the_same() -> Result<()> {
        let (first, second) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let sums =
            |folder: &Path| -> Result<String> { Ok(fs::read_to_string(packed(folder)?.join("SHA256SUMS"))?) };
        let (first, second) = (sums(first.path())?, sums(&second.path().join("another/folder"))?);
        assert_eq!(first, second);
        let names: Vec<&str> = first.lines().filter_map(|line| line.split("  ").nth(1)).collect();
        let expected = [
            "flb-audit-1.2.3-1.aarch64.rpm",
            "flb-audit-1.2.3-1.x86_64.rpm",
            "flb-audit-1.2.3-linux-amd64.tar.gz",
            "flb-audit-1.2.3-linux-arm64.tar.gz",
            "flb-audit-1.2.3.cdx.json",
            "flb-audit-1.2.3.oci.tar",
            "flb-audit_1.2.3_amd64.deb",
            "flb-audit_1.2.3_arm64.deb",
        ];
        assert_eq!(names, expected);
        Ok(())
    }

    /// The paths in an archive, and the modes.
    fn listed(tar: &[u8]) -> Result<BTreeSet<(String, u32)>> {
        let mut listed = BTreeSet::new();
        for entry in tar::Archive::new(tar).entries()? {
            let entry = entry?;
            listed.insert((entry.path()?.display().to_string(), entry.header().mode()?));
        }
        Ok(listed)
    }

    #[test]
    fn the_packages_of_both_families_install_the_same_files() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let packages = packed(folder.path())?;
        let deb = fs::read(packages.join("flb-audit_1.2.3_amd64.deb"))?;
        let mut data = Vec::new();
        let mut archive = ar::Archive::new(deb.as_slice());
        while let Some(member) = archive.next_entry() {
            let member = member?;
            if member.header().identifier() == b"data.tar.gz" {
                flate2::read::GzDecoder::new(member).read_to_end(&mut data)?;
            }
        }
        let debian = listed(&data)?;
        for (path, mode) in [
            ("usr/lib/flb-audit/flb-audit", 0o755),
            ("usr/lib/flb-audit/filter_audit.wasm", 0o644),
            ("usr/lib/flb-audit/aot/f.x86_64.aot", 0o644),
            ("usr/bin/flb-audit", 0o777),
            ("var/lib/flb-audit/", 0o700),
            ("etc/flb-audit/audit.conf", 0o644),
            ("usr/share/doc/flb-audit/docs/ocsf/sudo.md", 0o644),
        ] {
            assert!(debian.contains(&(path.into(), mode)), "{path}");
        }
        let rpm = ::rpm::Package::open(packages.join("flb-audit-1.2.3-1.x86_64.rpm"))?;
        let paths = rpm.metadata.get_file_paths()?;
        let installed: BTreeSet<String> =
            paths.iter().map(|path| path.display().to_string().trim_start_matches('/').to_owned()).collect();
        let only_debian: Vec<&str> = debian
            .iter()
            .map(|(path, _)| path.trim_end_matches('/'))
            .filter(|path| {
                !installed.contains(*path)
                    && !debian.iter().any(|(it, _)| it.starts_with(&format!("{path}/")))
            })
            .collect();
        assert_eq!(
            only_debian,
            [
                "usr/share/doc/flb-audit/changelog.gz",
                "usr/share/doc/flb-audit/copyright",
                "usr/share/lintian/overrides/flb-audit",
                "usr/share/zsh/vendor-completions/_flb-audit",
            ]
        );
        Ok(())
    }

    /// Returns the directories in a package that RPM removes with it.
    fn owned(package: &Path) -> Result<Vec<String>> {
        let package = ::rpm::Package::open(package)?;
        let entries = package.metadata.get_file_entries()?;
        let directories = entries.iter().filter(|entry| entry.file_type() == ::rpm::FileType::Dir);
        Ok(directories.map(|entry| entry.path().display().to_string()).collect())
    }

    #[test]
    fn the_rpm_owns_its_directories_and_none_of_the_system() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let packages = packed(folder.path())?;
        let expected = [
            "/etc/flb-audit",
            "/usr/lib/flb-audit",
            "/usr/lib/flb-audit/aot",
            "/usr/lib/systemd/system/fluent-bit.service.d",
            "/usr/share/doc/flb-audit",
            "/usr/share/doc/flb-audit/docs",
            "/usr/share/doc/flb-audit/docs/ocsf",
            "/usr/share/fish",
            "/usr/share/fish/vendor_completions.d",
            "/usr/share/flb-audit",
            "/usr/share/flb-audit/configs",
            "/usr/share/flb-audit/kubernetes",
            "/usr/share/flb-audit/monitoring",
            "/usr/share/flb-audit/policies",
            "/usr/share/licenses",
            "/usr/share/licenses/flb-audit",
            "/usr/share/zsh",
            "/usr/share/zsh/site-functions",
            "/var/lib/flb-audit",
        ];
        let mut owned = owned(&packages.join("flb-audit-1.2.3-1.x86_64.rpm"))?;
        owned.sort();
        assert_eq!(owned, expected);
        Ok(())
    }

    #[test]
    fn every_blob_of_the_image_has_its_digest_as_its_name() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let image = fs::read(packed(folder.path())?.join("flb-audit-1.2.3.oci.tar"))?;
        let mut archive = tar::Archive::new(image.as_slice());
        let (mut blobs, mut index) = (BTreeSet::new(), Vec::new());
        for entry in archive.entries()? {
            let mut entry = entry?;
            let path = entry.path()?.display().to_string();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            if let Some(digest) = path.strip_prefix("blobs/sha256/").filter(|digest| !digest.is_empty()) {
                assert_eq!(checksums::sha256(&bytes), digest);
                blobs.insert(format!("sha256:{digest}"));
            } else if path == "index.json" {
                index = bytes;
            }
        }
        // There are an index, and for each architecture a layer, a configuration and a
        // manifest.
        assert_eq!(blobs.len(), 7);
        let index: serde_json::Value = serde_json::from_slice(&index)?;
        assert!(index["manifests"][0]["digest"].as_str().is_some_and(|digest| blobs.contains(digest)));
        Ok(())
    }
}
