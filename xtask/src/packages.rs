//! The packages that are built beside the workspace's default ones, or that ship: the
//! target, the kind of build, and the shipped name of each.

use crate::root;
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX, EXE_SUFFIX};
use std::path::PathBuf;

/// The target of filters and inputs.
pub const GUEST: &str = "wasm32-unknown-unknown";
/// The target of outputs.
pub const COMPONENT: &str = "wasm32-wasip2";
/// The guests' profile.
pub const GUEST_PROFILE: &str = "guest";

/// A package and its place in `dist/`.
pub struct Package {
    /// The name, as cargo knows it.
    pub name: &'static str,
    /// The target. `None` is the machine that builds.
    pub target: Option<&'static str>,
    /// The way in which it gets into `dist/`.
    pub ships: Ships,
}

/// The way in which a package gets into `dist/`.
#[derive(Clone, Copy, PartialEq)]
pub enum Ships {
    /// The package ships as it is built, under this name.
    As(&'static str),
    /// The package ships with the default policy in it, under this name.
    WithPolicy(&'static str),
    /// The package does not ship: it is for tests and measurements.
    Never,
}

/// All packages. The program comes before the modules into which it puts a policy.
pub const PACKAGES: [Package; 14] = [
    Package { name: "flb-audit", target: None, ships: Ships::As("flb-audit") },
    Package { name: "out_wasm", target: None, ships: Ships::As("out_wasm.so") },
    Package { name: "filter_audit", target: Some(GUEST), ships: Ships::WithPolicy("filter_audit.wasm") },
    Package { name: "filter_record", target: Some(GUEST), ships: Ships::As("filter_record.wasm") },
    Package { name: "in_checkpoint", target: Some(GUEST), ships: Ships::As("in_checkpoint.wasm") },
    Package { name: "in_health", target: Some(GUEST), ships: Ships::As("in_health.wasm") },
    Package { name: "out_audit", target: Some(COMPONENT), ships: Ships::As("out_audit.wasm") },
    Package { name: "out_hello", target: Some(COMPONENT), ships: Ships::As("out_hello.wasm") },
    Package { name: "out_count", target: Some(COMPONENT), ships: Ships::Never },
    Package { name: "out_http", target: Some(COMPONENT), ships: Ships::Never },
    Package { name: "out_record", target: Some(COMPONENT), ships: Ships::Never },
    Package { name: "out_faulty", target: Some(COMPONENT), ships: Ships::Never },
    Package { name: "out_older", target: Some(COMPONENT), ships: Ships::Never },
    Package { name: "out_chunks", target: Some(COMPONENT), ships: Ships::Never },
];

impl Package {
    /// Returns the path of the file that cargo builds.
    pub fn built(&self) -> PathBuf {
        let target = target();
        match self.target {
            Some(triple) => target.join(triple).join(GUEST_PROFILE).join(format!("{}.wasm", self.name)),
            None if self.name == "out_wasm" => {
                target.join("release").join(format!("{DLL_PREFIX}{}{DLL_SUFFIX}", self.name))
            }
            None => target.join("release").join(format!("{}{EXE_SUFFIX}", self.name)),
        }
    }
}

/// Returns the folder that cargo builds in.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into)
}

/// Returns the `--package` arguments for all packages of one target.
pub fn selected(packages: &[&Package], target: Option<&str>) -> Vec<&'static str> {
    packages
        .iter()
        .filter(|package| package.target == target)
        .flat_map(|package| ["--package", package.name])
        .collect()
}
