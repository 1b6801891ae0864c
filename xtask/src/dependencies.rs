//! Checks dependencies: licences, sources, and unwanted crates, for
//! all crates in `Cargo.lock` and any target.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;
use spdx::{Expression, ParseMode};
use std::fs;
use xtask::root;
use xtask::workspace::metadata;

/// The part of `deny.toml` that is checked here.
#[derive(Deserialize)]
struct Rules {
    licenses: Licences,
    bans: Bans,
}

#[derive(Deserialize)]
struct Licences {
    allow: Vec<String>,
    exceptions: Vec<Exception>,
}

/// Licences that are allowed for one crate only.
#[derive(Deserialize)]
struct Exception {
    #[serde(rename = "crate")]
    name: String,
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<String>,
}

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Fails and lists all dependencies that are not allowed.
pub(crate) fn check() -> Result<()> {
    let rules = Rules::read()?;
    let metadata = metadata()?;
    let packages = metadata["packages"].as_array().context("no packages")?;
    let wrong: Vec<String> = packages.iter().flat_map(|package| rules.flaws(package)).collect();
    ensure!(wrong.is_empty(), "not allowed:\n  {}", wrong.join("\n  "));
    Ok(())
}

impl Rules {
    fn read() -> Result<Rules> {
        let path = root().join("deny.toml");
        let text =
            fs::read_to_string(&path).with_context(|| format!("{}: cannot be read", path.display()))?;
        toml::from_str(&text).with_context(|| path.display().to_string())
    }

    /// Returns the reasons why a package is not allowed.
    fn flaws(&self, package: &Value) -> Vec<String> {
        let name = package["name"].as_str().unwrap_or_default();
        let mut flaws = Vec::new();
        if self.bans.deny.iter().any(|unwanted| unwanted == name) {
            flaws.push(format!("{name}: not wanted"));
        }
        if let Some(source) = package["source"].as_str().filter(|source| *source != CRATES_IO) {
            flaws.push(format!("{name}: from {source}"));
        }
        let licence = package["license"].as_str().unwrap_or_default();
        if !self.allows(name, licence) {
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

    /// Checks whether a crate's licence expression has an alternative that is allowed.
    fn allows(&self, name: &str, licence: &str) -> bool {
        // Some crates still write `/` for `OR`.
        let Ok(expression) = Expression::parse_mode(licence, ParseMode::LAX) else {
            return false;
        };
        expression.evaluate(|required| {
            let required = required.to_string();
            let exceptions = self.licenses.exceptions.iter().filter(|exception| exception.name == name);
            self.licenses.allow.contains(&required)
                || exceptions.flat_map(|it| &it.allow).any(|it| *it == required)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rules() -> Rules {
        Rules::read().unwrap_or_else(|error| panic!("{error:#}"))
    }

    fn package(name: &str, licence: &str, source: &str) -> Value {
        json!({"name": name, "license": licence, "source": source, "dependencies": []})
    }

    #[test]
    fn what_is_permissive_passes() {
        for licence in ["MIT", "MIT/Apache-2.0", "GPL-3.0-only OR MIT", "(MIT OR Apache-2.0) AND Unicode-3.0"]
        {
            assert_eq!(rules().flaws(&package("a", licence, CRATES_IO)), [""; 0], "{licence}");
        }
        assert_eq!(rules().flaws(&package("borrow-or-share", "MIT-0", CRATES_IO)), [""; 0]);
    }

    #[test]
    fn what_is_not_allowed_is_named() {
        for licence in ["", "GPL-3.0-only", "MIT AND GPL-3.0-only", "MIT-0", "its own"] {
            assert_eq!(
                rules().flaws(&package("a", licence, CRATES_IO)),
                [format!("a: its licence is `{licence}`")]
            );
        }
        assert_eq!(
            rules().flaws(&package("a", "MIT", "git+https://example.org")),
            ["a: from git+https://example.org"]
        );
        assert_eq!(rules().flaws(&package("native-tls", "MIT", CRATES_IO)), ["native-tls: not wanted"]);
        let ours = json!({"name": "a", "license": "MIT", "dependencies": [{"name": "b", "req": "*"}]});
        assert_eq!(rules().flaws(&ours), ["a: any version of \"b\""]);
    }
}
