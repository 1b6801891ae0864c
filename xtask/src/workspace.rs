//! The workspace, as cargo describes it.

use crate::run::cargo_output;
use anyhow::{Context, Result};
use serde_json::Value;

/// Describes all packages in `Cargo.lock`.
pub fn metadata() -> Result<Value> {
    Ok(serde_json::from_slice(&cargo_output(&["metadata", "--locked", "--format-version", "1"])?)?)
}

/// Names the default members that have tests.
pub fn tested() -> Result<Vec<String>> {
    let metadata = metadata()?;
    let list =
        |name: &str| metadata[name].as_array().with_context(|| format!("cargo metadata has no {name}"));
    let (packages, members) = (list("packages")?, list("workspace_default_members")?);
    let is_tested = |package: &&Value| {
        let targets = package["targets"].as_array().into_iter().flatten();
        members.contains(&package["id"]) && targets.into_iter().any(|target| target["test"] == true)
    };
    let members = packages.iter().filter(is_tested);
    Ok(members.filter_map(|package| package["name"].as_str().map(String::from)).collect())
}
