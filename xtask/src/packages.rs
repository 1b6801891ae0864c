//! The packages that are built beside the workspace's default ones, or that
//! ship: what each is built for, how, and under which name it ships.

use crate::root;
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX, EXE_SUFFIX};
use std::path::PathBuf;

/// Filters and inputs are built for this.
pub const GUEST: &str = "wasm32-unknown-unknown";
/// Outputs are built for this.
pub const COMPONENT: &str = "wasm32-wasip2";
/// The guests' profile.
pub const GUEST_PROFILE: &str = "guest";

/// A package, and what becomes of it.
pub struct Package {
    /// The name, as cargo knows it.
    pub name: &'static str,
    /// None is the machine that builds.
    pub target: Option<&'static str>,
    /// The way in which it gets into `dist/`.
    pub ships: Ships,
}

/// The way in which a package gets into `dist/`.
#[derive(Clone, Copy, PartialEq)]
pub enum Ships {
    /// As it is built, under this name.
    As(&'static str),
    /// With the default policy in it, under this name.
    WithPolicy(&'static str),
    /// Not at all: it is for the tests and the measurements.
    Never,
}

/// All of them. The program comes before what it puts a policy into.
pub const PACKAGES: [Package; 11] = [
    Package { name: "flb-audit", target: None, ships: Ships::As("flb-audit") },
    Package { name: "out_wasm", target: None, ships: Ships::As("out_wasm.so") },
    Package { name: "filter_audit", target: Some(GUEST), ships: Ships::WithPolicy("filter_audit.wasm") },
    Package { name: "filter_record", target: Some(GUEST), ships: Ships::As("filter_record.wasm") },
    Package { name: "in_checkpoint", target: Some(GUEST), ships: Ships::As("in_checkpoint.wasm") },
    Package { name: "out_audit", target: Some(COMPONENT), ships: Ships::As("out_audit.wasm") },
    Package { name: "out_hello", target: Some(COMPONENT), ships: Ships::As("out_hello.wasm") },
    Package { name: "out_count", target: Some(COMPONENT), ships: Ships::Never },
    Package { name: "out_faulty", target: Some(COMPONENT), ships: Ships::Never },
    Package { name: "out_older", target: Some(COMPONENT), ships: Ships::Never },
    Package { name: "out_chunks", target: Some(COMPONENT), ships: Ships::Never },
];

impl Package {
    /// The file that cargo leaves.
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

/// The `--package` arguments for all packages of one target.
pub fn selected(packages: &[&Package], target: Option<&str>) -> Vec<&'static str> {
    packages
        .iter()
        .filter(|package| package.target == target)
        .flat_map(|package| ["--package", package.name])
        .collect()
}
