//! What may be depended on: licences, sources, and crates that are not wanted. Of
//! everything in `Cargo.lock`, for any target.

use crate::workspace::metadata;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use spdx::{Expression, ParseMode};

/// Licences that may be combined with Apache-2.0.
const LICENCES: [&str; 7] = [
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "MIT",
    "Unicode-3.0",
    "Zlib",
];

/// Licences that one crate alone may have.
const EXCEPTIONS: [(&str, &str); 4] = [
    // Reads references between schemas. MIT without its condition.
    ("borrow-or-share", "MIT-0"),
    // The decompressor's own licence, as permissive as BSD's.
    ("libbz2-rs-sys", "bzip2-1.0.6"),
    // For tests alone. As permissive as MIT.
    ("ring", "ISC"),
    ("untrusted", "ISC"),
];

/// A second TLS or regex engine has no business here.
const UNWANTED: [&str; 2] = ["openssl-sys", "native-tls"];

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Fails with all dependencies that are not allowed.
pub(crate) fn check() -> Result<()> {
    let metadata = metadata()?;
    let packages = metadata["packages"].as_array().context("no packages")?;
    let wrong: Vec<String> = packages.iter().flat_map(flaws).collect();
    ensure!(wrong.is_empty(), "not allowed:\n  {}", wrong.join("\n  "));
    Ok(())
}

/// The reasons for which a package is not allowed.
fn flaws(package: &Value) -> Vec<String> {
    let name = package["name"].as_str().unwrap_or_default();
    let mut flaws = Vec::new();
    if UNWANTED.contains(&name) {
        flaws.push(format!("{name}: not wanted"));
    }
    if let Some(source) = package["source"].as_str().filter(|source| *source != CRATES_IO) {
        flaws.push(format!("{name}: from {source}"));
    }
    let licence = package["license"].as_str().unwrap_or_default();
    if !is_allowed(name, licence) {
        flaws.push(format!("{name}: its licence is `{licence}`"));
    }
    let is_ours = package["source"].is_null();
    for needed in package["dependencies"].as_array().into_iter().flatten().filter(|_| is_ours) {
        if needed["req"] == "*" && needed["path"].is_null() {
            flaws.push(format!("{name}: any version of {}", needed["name"]));
        }
    }
    flaws
}

/// Says whether a crate's licence expression leaves a choice that is allowed.
fn is_allowed(name: &str, licence: &str) -> bool {
    // Some crates still write `/` for `OR`.
    let Ok(expression) = Expression::parse_mode(licence, ParseMode::LAX) else {
        return false;
    };
    expression.evaluate(|required| {
        let required = required.to_string();
        LICENCES.contains(&&*required) || EXCEPTIONS.contains(&(name, &*required))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn package(name: &str, licence: &str, source: &str) -> Value {
        json!({"name": name, "license": licence, "source": source, "dependencies": []})
    }

    #[test]
    fn what_is_permissive_passes() {
        for licence in ["MIT", "MIT/Apache-2.0", "GPL-3.0-only OR MIT", "(MIT OR Apache-2.0) AND Unicode-3.0"]
        {
            assert_eq!(flaws(&package("a", licence, CRATES_IO)), [""; 0], "{licence}");
        }
        assert_eq!(flaws(&package("borrow-or-share", "MIT-0", CRATES_IO)), [""; 0]);
    }

    #[test]
    fn what_is_not_allowed_is_named() {
        for licence in ["", "GPL-3.0-only", "MIT AND GPL-3.0-only", "MIT-0", "its own"] {
            assert_eq!(flaws(&package("a", licence, CRATES_IO)), [format!("a: its licence is `{licence}`")]);
        }
        assert_eq!(
            flaws(&package("a", "MIT", "git+https://example.org")),
            ["a: from git+https://example.org"]
        );
        assert_eq!(flaws(&package("native-tls", "MIT", CRATES_IO)), ["native-tls: not wanted"]);
        let ours = json!({"name": "a", "license": "MIT", "dependencies": [{"name": "b", "req": "*"}]});
        assert_eq!(flaws(&ours), ["a: any version of \"b\""]);
    }
}
