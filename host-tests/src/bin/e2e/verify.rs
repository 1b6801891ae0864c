//! `flb-audit`, as it ships.

use anyhow::{Context, Result, ensure};
use host_tests::root;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The exit codes of `flb-audit verify` that a case may expect.
pub(crate) const INTACT: i32 = 0;
pub(crate) const GAP: i32 = 10;
pub(crate) const CONFLICT: i32 = 12;

/// The module that ships.
pub(crate) fn module() -> PathBuf {
    root().join("dist/filter_audit.wasm")
}

fn flb_audit() -> Command {
    Command::new(root().join("dist/flb-audit"))
}

/// Makes a state directory.
pub(crate) fn init(dir: &Path) -> Result<()> {
    let output =
        flb_audit().arg("init").arg(dir).output().context("dist/flb-audit; `cargo xtask build` makes it")?;
    ensure!(output.status.success(), "flb-audit init: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// A verification's exit code, and its report as JSON.
pub(crate) struct Report {
    pub(crate) code: i32,
    pub(crate) report: Value,
}

/// Verifies what has been delivered.
pub(crate) fn verify(log: &Path) -> Result<Report> {
    let output = flb_audit().args(["verify", "--json"]).arg(log).output()?;
    let code = output.status.code().context("flb-audit verify was killed")?;
    let report = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("flb-audit verify: {}", String::from_utf8_lossy(&output.stderr)))?;
    Ok(Report { code, report })
}

impl Report {
    /// A number of the report.
    pub(crate) fn count(&self, name: &str) -> u64 {
        self.report[name].as_u64().unwrap_or_default()
    }

    /// An error unless it ended with one of `codes` and found so many records.
    pub(crate) fn ensure(&self, codes: &[i32], records: usize) -> Result<()> {
        let findings = &self.report["findings"];
        ensure!(codes.contains(&self.code), "verify ended with {}: {findings:.800}", self.code);
        ensure!(self.count("records") == records as u64, "verify: {} records", self.count("records"));
        Ok(())
    }

    /// The segments of the one chain.
    pub(crate) fn segments(&self) -> Result<u64> {
        let chains = self.report["chains"].as_array().map(Vec::as_slice).unwrap_or_default();
        ensure!(chains.len() == 1, "{} chains", chains.len());
        chains[0]["segments"].as_u64().context("no segments in the report")
    }
}
