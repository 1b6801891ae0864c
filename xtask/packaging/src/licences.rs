//! The licences of everything in the packages, in one text.

use super::third_party::{Crate, ThirdParty};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use xtask::root;
use xtask::run::output;

/// Files of a crate whose names begin like this are its licences.
const NAMES: [&str; 5] = ["license", "licence", "copying", "copyright", "notice"];
const RULE: &str = "========================================================================";

/// Lists all crates, and each licence text once, with the crates that it applies to.
pub(super) fn text(third_party: &ThirdParty) -> Result<String> {
    let mut text = String::from(
        "flb-audit is made of its own code (Apache-2.0, see LICENSE), of the crates below,\n\
         and of the Rust standard library (MIT OR Apache-2.0). The programs in container\n\
         images, and they alone, have glibc in them (LGPL-2.1-or-later); the source of all\n\
         that is linked with it is public, so that it can be linked with another.\n\n",
    );
    let mut by_text: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for it in third_party.crates.values() {
        let name = format!("{} {}", it.name, it.version);
        text += &format!("{name}: {}{}\n", it.licence, authors(it));
        for file in texts(&it.folder)? {
            by_text.entry(file).or_default().push(name.clone());
        }
    }
    for file in of_the_standard_library()? {
        by_text.entry(file).or_default().push(String::from("the Rust standard library"));
    }
    let mut texts: Vec<(Vec<String>, String)> =
        by_text.into_iter().map(|(text, names)| (names, text)).collect();
    texts.sort();
    for (names, licence) in texts {
        text += &format!("\n{RULE}\n{}\n{RULE}\n\n{licence}\n", names.join(", "));
    }
    Ok(text)
}

fn authors(it: &Crate) -> String {
    if it.authors.is_empty() { String::new() } else { format!(" (by {})", it.authors.join(", ")) }
}

/// Returns the texts in a crate's folder, in the order of their names.
fn texts(folder: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
        if path.is_file() && NAMES.iter().any(|licence| name.starts_with(licence)) {
            files.push(path);
        }
    }
    files.sort();
    let read =
        |path| Ok(String::from_utf8_lossy(&fs::read(path)?).replace("\r\n", "\n").trim_end().to_owned());
    files.into_iter().map(read).collect()
}

/// Returns the licences that came with the compiler.
fn of_the_standard_library() -> Result<Vec<String>> {
    let mut rustc = Command::new("rustc");
    rustc.args(["--print", "sysroot"]).current_dir(root());
    let sysroot = String::from_utf8(output(rustc)?)?;
    let folder = Path::new(sysroot.trim()).join("share/doc/rust/licenses");
    let read = |name: &str| {
        let path = folder.join(name);
        fs::read_to_string(&path).with_context(|| format!("{}: cannot be read", path.display()))
    };
    Ok(vec![read("MIT.txt")?.trim_end().to_owned(), read("Apache-2.0.txt")?.trim_end().to_owned()])
}
