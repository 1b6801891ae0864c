//! The files in a package, and their places.

use super::builds::Built;
use super::item::{Item, gzip};
use super::sbom::date;
use super::third_party::ThirdParty;
use super::{Release, licences};
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
use xtask::root;

/// The modules' place.
const LIBRARY: &str = "usr/lib/flb-audit";
const DOC: &str = "usr/share/doc/flb-audit";
/// The name of that place in the example configs. A config of one's own has its modules
/// beside it.
const ELSEWHERE: &str = "/etc/fluent-bit/";
/// The configs whose filter has a policy of its own, and so needs a module of its own.
const OWN_MODULE: [&str; 2] = ["filter-redact", "filter-schema"];

/// Texts that are the same in all packages.
pub(super) struct Documents {
    pub(super) third_party: String,
    pub(super) sbom: String,
    /// Manual pages, and completions for the shells, by name.
    pub(super) manual: Vec<(String, Vec<u8>)>,
    pub(super) completions: Vec<(String, Vec<u8>)>,
}

impl Documents {
    /// Reads the manual pages and completions in a folder, and collects the licences.
    pub(super) fn read(manual: &Path, third_party: &ThirdParty, sbom: &str) -> Result<Documents> {
        Ok(Documents {
            third_party: licences::text(third_party)?,
            sbom: sbom.to_owned(),
            manual: files(&manual.join("man"))?,
            completions: files(&manual.join("completions"))?,
        })
    }
}

/// The contents of the packages for one architecture.
pub(super) struct Contents<'a> {
    pub(super) release: &'a Release,
    pub(super) modules: &'a Path,
    pub(super) built: &'a Built,
}

impl Contents<'_> {
    /// Returns what Debian's package installs.
    pub(super) fn debian(&self) -> Result<Vec<Item>> {
        let mut items = self.installed("usr/share/zsh/vendor-completions")?;
        let copyright = fs::read(root().join("xtask/packaging/debian/copyright"))?;
        items.push(Item::file(format!("{DOC}/copyright"), copyright));
        let overrides = fs::read(root().join("xtask/packaging/debian/lintian-overrides"))?;
        items.push(Item::file("usr/share/lintian/overrides/flb-audit", overrides));
        items.push(Item::file(format!("{DOC}/changelog.gz"), gzip(self.debian_changelog().as_bytes())?));
        Ok(items)
    }

    /// Returns what the RPM installs.
    pub(super) fn rpm(&self) -> Result<Vec<Item>> {
        let mut items = self.installed("usr/share/zsh/site-functions")?;
        items.push(Item::file("usr/share/licenses/flb-audit/LICENSE", fs::read(root().join("LICENSE"))?));
        Ok(items)
    }

    fn installed(&self, zsh: &str) -> Result<Vec<Item>> {
        let mut items = vec![
            Item::program(format!("{LIBRARY}/flb-audit"), fs::read(&self.built.program)?),
            Item::link("usr/bin/flb-audit", "../lib/flb-audit/flb-audit"),
            Item::directory("var/lib/flb-audit", 0o700),
        ];
        items.extend(self.modules(&format!("{LIBRARY}/"))?);
        for (name, bytes) in files(&root().join("xtask/packaging/systemd"))? {
            items.push(Item::file(format!("usr/lib/systemd/system/fluent-bit.service.d/{name}"), bytes));
        }
        for (name, bytes) in files(&root().join("xtask/packaging/etc"))? {
            items.push(Item::config(format!("etc/flb-audit/{name}"), bytes));
        }
        items.extend(examples("usr/share/flb-audit/")?);
        for (name, bytes) in &self.release.documents.manual {
            items.push(Item::file(format!("usr/share/man/man1/{name}.gz"), gzip(bytes)?));
        }
        for (name, bytes) in &self.release.documents.completions {
            let path = match name.as_str() {
                "_flb-audit" => format!("{zsh}/_flb-audit"),
                "flb-audit.fish" => String::from("usr/share/fish/vendor_completions.d/flb-audit.fish"),
                _ => String::from("usr/share/bash-completion/completions/flb-audit"),
            };
            items.push(Item::file(path, bytes.clone()));
        }
        items.extend(self.documents(&format!("{DOC}/"), true)?);
        Ok(items)
    }

    /// Returns what the archive has, in a folder of its name.
    pub(super) fn tarball(&self, name: &str) -> Result<Vec<Item>> {
        let at = |path: &str| format!("{name}/{path}");
        let mut items = vec![
            Item::program(at("flb-audit"), fs::read(&self.built.program)?),
            Item::file(at("LICENSE"), fs::read(root().join("LICENSE"))?),
            Item::file(at("flb-audit.cdx.json"), self.release.documents.sbom.as_bytes()),
        ];
        items.extend(self.modules(&at(""))?);
        items.extend(examples(&at(""))?);
        for (kind, files) in [
            ("systemd", files(&root().join("xtask/packaging/systemd"))?),
            ("etc", files(&root().join("xtask/packaging/etc"))?),
            ("man", self.release.documents.manual.clone()),
            ("completions", self.release.documents.completions.clone()),
        ] {
            items.extend(
                files.into_iter().map(|(name, bytes)| Item::file(at(&format!("{kind}/{name}")), bytes)),
            );
        }
        items.extend(self.documents(&at(""), false)?);
        Ok(items)
    }

    /// Returns what the container image has, at its root.
    pub(super) fn image(&self) -> Result<Vec<Item>> {
        let mut items = vec![
            Item::program("flb-audit", fs::read(&self.built.static_program)?),
            Item::file("licences/LICENSE", fs::read(root().join("LICENSE"))?),
            Item::file("licences/third-party", self.release.documents.third_party.as_bytes()),
            Item::file("licences/flb-audit.cdx.json", self.release.documents.sbom.as_bytes()),
        ];
        items.extend(self.modules("")?);
        items.extend(examples("")?);
        Ok(items)
    }

    fn modules(&self, at: &str) -> Result<Vec<Item>> {
        let mut items = vec![Item::file(format!("{at}out_wasm.so"), fs::read(&self.built.loader)?)];
        for (name, bytes) in files(self.modules)? {
            items.push(Item::file(format!("{at}{name}"), bytes));
        }
        let ours = format!("{}.aot", self.built.arch.kernel());
        for (name, bytes) in files(&self.modules.join("aot"))? {
            if name.ends_with(&ours) {
                items.push(Item::file(format!("{at}aot/{name}"), bytes));
            }
        }
        Ok(items)
    }

    fn documents(&self, at: &str, is_compressed: bool) -> Result<Vec<Item>> {
        let third_party = self.release.documents.third_party.as_bytes();
        let mut items = vec![
            Item::file(format!("{at}README.md"), fs::read(root().join("README.md"))?),
            Item::file(format!("{at}CHANGELOG.md"), fs::read(root().join("CHANGELOG.md"))?),
            if is_compressed {
                Item::file(format!("{at}third-party.gz"), gzip(third_party)?)
            } else {
                Item::file(format!("{at}third-party"), third_party)
            },
        ];
        for folder in ["docs", "docs/ocsf"] {
            for (name, bytes) in files(&root().join(folder))? {
                if name.ends_with(".md") {
                    items.push(Item::file(format!("{at}{folder}/{name}"), bytes));
                }
            }
        }
        Ok(items)
    }

    fn debian_changelog(&self) -> String {
        let Release { version, epoch, .. } = self.release;
        format!(
            "flb-audit ({version}) stable; urgency=medium\n\n  * Version {version}: see CHANGELOG.md.\n\n \
             -- {}  {}\n",
            super::deb::MAINTAINER,
            rfc2822(*epoch)
        )
    }
}

/// Returns the example configs, policies and manifests.
fn examples(at: &str) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    for (name, bytes) in files(&root().join("fluent-bit-conf"))? {
        let mut text = String::from_utf8(bytes).with_context(|| name.clone())?;
        for module in
            ["out_wasm.so", "out_audit.wasm", "in_checkpoint.wasm", "in_health.wasm", "filter_audit.wasm"]
        {
            if module != "filter_audit.wasm" || !OWN_MODULE.iter().any(|own| name.starts_with(own)) {
                text = text.replace(&format!("{ELSEWHERE}{module}"), &format!("/{LIBRARY}/{module}"));
            }
        }
        items.push(Item::file(format!("{at}configs/{name}"), text));
    }
    for (from, to) in [("policies", "policies"), ("monitoring", "monitoring"), ("kubernetes", "kubernetes")] {
        for (name, bytes) in files(&root().join("examples").join(from))? {
            items.push(Item::file(format!("{at}{to}/{name}"), bytes));
        }
    }
    Ok(items)
}

/// Reads the files of a folder, by name.
fn files(folder: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_file() {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            files.push((name, fs::read(&path)?));
        }
    }
    files.sort();
    Ok(files)
}

/// Writes a time as mails do.
fn rfc2822(epoch: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (year, month, day) = date(epoch);
    let name = |names: &[&'static str], index: u64| {
        usize::try_from(index).ok().and_then(|index| names.get(index).copied()).unwrap_or_default()
    };
    let second = epoch % 86_400;
    format!(
        "{}, {day:02} {} {year} {:02}:{:02}:{:02} +0000",
        name(&DAYS, epoch / 86_400 % 7),
        name(&MONTHS, month - 1),
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}
