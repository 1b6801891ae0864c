//! All that CI does.

use crate::run::cargo;
use crate::{build, demo};
use anyhow::Result;

pub(crate) fn test() -> Result<()> {
    cargo(["fmt", "--all", "--check"])?;
    build::dist()?;
    cargo(["clippy", "--all-targets", "--quiet", "--", "-D", "warnings"])?;
    let target = build::GUEST_TARGET;
    cargo([
        "clippy",
        "--quiet",
        "--target",
        target,
        "--package",
        "filter_audit",
        "--package",
        "filter_record",
        "--",
        "-D",
        "warnings",
    ])?;
    cargo(["test", "--quiet"])?;
    demo::demo()
}
