//! The workspace, as cargo describes it.

use crate::run::cargo_output;
use anyhow::{Context, Result};
use serde_json::Value;

/// Describes all packages in `Cargo.lock`.
pub(crate) fn metadata() -> Result<Value> {
    Ok(serde_json::from_slice(&cargo_output(&["metadata", "--locked", "--format-version", "1"])?)?)
}

/// Names the packages that a plain `cargo test` tests.
pub(crate) fn default_members() -> Result<Vec<String>> {
    let metadata = metadata()?;
    let list =
        |name: &str| metadata[name].as_array().with_context(|| format!("cargo metadata has no {name}"));
    let (packages, members) = (list("packages")?, list("workspace_default_members")?);
    let members = packages.iter().filter(|package| members.contains(&package["id"]));
    Ok(members.filter_map(|package| package["name"].as_str().map(String::from)).collect())
}
