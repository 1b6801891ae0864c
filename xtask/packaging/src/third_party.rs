//! The crates of which code is in the packages.

use super::arch::Arch;
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use xtask::packages::{COMPONENT, GUEST};
use xtask::root;
use xtask::run::cargo_output;
use xtask::workspace::metadata;

/// The released packages, by the target that each is built for.
const RELEASED: [(&str, &[&str]); 4] = [
    (Arch::AMD64_TRIPLE, &["flb-audit", "out_wasm"]),
    (Arch::ARM64_TRIPLE, &["flb-audit", "out_wasm"]),
    (GUEST, &["filter_audit", "in_checkpoint", "in_health"]),
    (COMPONENT, &["out_audit"]),
];

/// A crate's name and version.
pub(super) type Id = (String, String);

/// A crate from another project.
#[derive(Debug)]
pub(super) struct Crate {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) licence: String,
    pub(super) authors: Vec<String>,
    /// The SHA-256 of its archive in the registry.
    pub(super) checksum: Option<String>,
    pub(super) folder: PathBuf,
    pub(super) needs: BTreeSet<Id>,
}

/// All crates, and our own version.
pub(super) struct ThirdParty {
    pub(super) crates: BTreeMap<Id, Crate>,
    /// The crates that our own packages need directly.
    pub(super) needed_by_us: BTreeSet<Id>,
    our_version: Option<String>,
}

impl ThirdParty {
    /// Asks cargo for the crates, with the features that are built.
    pub(super) fn read() -> Result<ThirdParty> {
        let metadata = metadata()?;
        let released = released()?;
        let checksums = checksums()?;
        let packages = metadata["packages"].as_array().context("no packages")?;
        let ids: BTreeMap<&str, Id> =
            packages.iter().filter_map(|it| Some((it["id"].as_str()?, id_of(it)?))).collect();
        let mut needs = needs(&metadata, &ids)?;
        let (mut crates, mut needed_by_us) = (BTreeMap::new(), BTreeSet::new());
        for package in packages {
            let Some(id) = id_of(package).filter(|id| released.contains(id)) else { continue };
            let mut needs = needs.remove(&id).unwrap_or_default();
            needs.retain(|id| released.contains(id));
            if package["source"].is_null() {
                needed_by_us.extend(needs);
                continue;
            }
            let text = |name: &str| package[name].as_str().unwrap_or_default().to_owned();
            let authors = package["authors"].as_array().into_iter().flatten();
            let manifest = PathBuf::from(text("manifest_path"));
            let it = Crate {
                name: id.0.clone(),
                version: id.1.clone(),
                licence: text("license"),
                authors: authors.filter_map(|author| author.as_str().map(String::from)).collect(),
                checksum: checksums.get(&id).cloned(),
                folder: manifest.parent().context("a manifest in no folder")?.to_owned(),
                needs,
            };
            crates.insert(id, it);
        }
        needed_by_us.retain(|id| crates.contains_key(id));
        let ours = packages.iter().find(|package| package["name"] == "flb-audit");
        let our_version = ours.and_then(|package| Some(package["version"].as_str()?.to_owned()));
        Ok(ThirdParty { crates, needed_by_us, our_version })
    }

    /// Returns the version of what is released.
    pub(super) fn version(&self) -> Result<String> {
        self.our_version.clone().context("cargo metadata has no flb-audit")
    }
}

fn id_of(package: &Value) -> Option<Id> {
    Some((package["name"].as_str()?.to_owned(), package["version"].as_str()?.to_owned()))
}

/// Returns all crates that are compiled into the released files, including ours.
fn released() -> Result<BTreeSet<Id>> {
    let mut all = BTreeSet::new();
    for (target, packages) in RELEASED {
        let mut arguments = vec!["tree", "--locked", "--edges", "normal", "--prefix", "none"];
        arguments.extend(["--format", "{p}", "--target", target]);
        arguments.extend(packages.iter().flat_map(|package| ["--package", package]));
        let tree = String::from_utf8(cargo_output(&arguments)?)?;
        all.extend(tree.lines().filter_map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?.to_owned(), words.next()?.strip_prefix('v')?.to_owned()))
        }));
    }
    Ok(all)
}

/// Returns the dependencies of each crate.
fn needs(metadata: &Value, ids: &BTreeMap<&str, Id>) -> Result<BTreeMap<Id, BTreeSet<Id>>> {
    let nodes = metadata["resolve"]["nodes"].as_array().context("no graph of dependencies")?;
    let id = |value: &Value| ids.get(value.as_str()?).cloned();
    let needs = nodes.iter().filter_map(|node| {
        let needed = node["dependencies"].as_array()?.iter().filter_map(id).collect();
        Some((id(&node["id"])?, needed))
    });
    Ok(needs.collect())
}

/// Reads the checksums in `Cargo.lock`.
fn checksums() -> Result<BTreeMap<Id, String>> {
    let lock: toml::Table = toml::from_str(&fs::read_to_string(root().join("Cargo.lock"))?)?;
    let packages =
        lock.get("package").and_then(toml::Value::as_array).context("Cargo.lock has no packages")?;
    let text = |package: &toml::Value, name: &str| Some(package.get(name)?.as_str()?.to_owned());
    let sums = packages.iter().filter_map(|package| {
        Some(((text(package, "name")?, text(package, "version")?), text(package, "checksum")?))
    });
    Ok(sums.collect())
}
