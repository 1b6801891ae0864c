//! The `flb-audit` that ships.

use anyhow::{Context, Result, bail, ensure};
use host_tests::root;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The exit code of `flb-audit verify` for an intact log whose chain has no keys. Each
/// constant here is a code that a case may expect.
pub(crate) const INTACT: i32 = 4;
/// The code for an intact log of which no anchor proves the end.
pub(crate) const TAIL_UNANCHORED: i32 = 3;
/// The code for an intact log that anchors prove to its end.
pub(crate) const ANCHORED: i32 = 0;
/// The code for a log with encrypted records that were not checked.
pub(crate) const ENCRYPTED: i32 = 5;
/// The first of the codes for logs in which something is missing or wrong.
pub(crate) const UNCLEAN_STOP: i32 = 6;
pub(crate) const STATE_DAMAGED: i32 = 7;
pub(crate) const GAP: i32 = 10;
pub(crate) const SILENT: i32 = 14;
pub(crate) const CONFLICT: i32 = 12;
pub(crate) const TAMPERED: i32 = 20;
pub(crate) const KEY_NOT_CERTIFIED: i32 = 21;
pub(crate) const UNREADABLE: i32 = 30;
/// The exit codes of `flb-audit find`.
const FOUND: i32 = 0;
const NOTHING_FOUND: i32 = 40;

/// Returns the path of the module that ships.
pub(crate) fn module() -> PathBuf {
    root().join("dist/filter_audit.wasm")
}

fn flb_audit() -> Command {
    Command::new(root().join("dist/flb-audit"))
}

/// Creates a state directory.
pub(crate) fn init(dir: &Path) -> Result<()> {
    run(flb_audit().arg("init").arg(dir))
}

/// Creates the state directory of a chain with keys, and a roster for it.
pub(crate) fn init_with_keys(dir: &Path, roster: &Path) -> Result<()> {
    run(flb_audit().arg("init").arg(dir).args(["--node", "e2e", "--roster"]).arg(roster))
}

/// Creates a ledger's directory with keys, and its entry in a roster.
pub(crate) fn init_ledger(dir: &Path, roster: &Path) -> Result<()> {
    run(flb_audit().arg("init").arg(dir).args(["--node", "e2e", "--roster"]).arg(roster))
}

/// Makes a state directory of a chain that is enrolled.
pub(crate) fn enroll(dir: &Path, node: &str, key: &Path) -> Result<()> {
    run(flb_audit().arg("init").arg(dir).args(["--node", node, "--enroll"]).arg(key))
}

/// Runs a command on a fleet's keys.
pub(crate) fn fleet(arguments: &[&str], files: &[&Path]) -> Result<()> {
    run(flb_audit().arg("fleet").args(arguments).args(files))
}

/// Runs a command that must succeed.
fn run(command: &mut Command) -> Result<()> {
    let output = command.output().context("dist/flb-audit; `cargo xtask build` makes it")?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Exports the records of an encrypted ledger.
pub(crate) fn export(ledger: &Path, identity: &Path, output: &Path) -> Result<()> {
    run(flb_audit().arg("export").arg(ledger).arg("--identity").arg(identity).arg("--output").arg(output))
}

/// Creates a key for the action `hmac`.
pub(crate) fn hmac_key(dir: &Path) -> Result<()> {
    run(flb_audit().arg("hmac-key").arg(dir).args(["--id", "k1"]))
}

/// Writes a copy of the module with another policy.
pub(crate) fn build(policy: &Path, output: &Path) -> Result<()> {
    run(flb_audit().arg("build").arg("--policy").arg(policy).arg("--output").arg(output))
}

/// Returns how many records of a log contain a value as its token.
pub(crate) fn find(value: &str, key: &Path, log: &Path) -> Result<usize> {
    let mut command = flb_audit();
    let output = command.args(["find", "--value", value, "--key"]).arg(key).arg(log).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().last().unwrap_or_default();
    let found = last.strip_prefix("found in ").and_then(|rest| rest.split(' ').next());
    let found =
        found.with_context(|| format!("flb-audit find: {}", String::from_utf8_lossy(&output.stderr)))?;
    let (found, code) = (found.parse()?, output.status.code());
    ensure!(
        code == Some(if found == 0 { NOTHING_FOUND } else { FOUND }),
        "flb-audit find ended with {code:?}"
    );
    Ok(found)
}

/// Returns the quarantined records in some logs.
pub(crate) fn restore(logs: &[PathBuf]) -> Result<Vec<Value>> {
    let output = flb_audit().args(["restore", "--unsigned"]).args(logs).output()?;
    // Without a roster, nothing vouches for them.
    ensure!(
        output.status.code() == Some(4),
        "flb-audit restore: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout)?;
    Ok(text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}

/// The exit code of a verification, and its report in JSON.
pub(crate) struct Report {
    pub(crate) code: i32,
    pub(crate) report: Value,
}

/// Verifies a log.
pub(crate) fn verify(log: &Path) -> Result<Report> {
    verify_all(&[log.to_path_buf()], &[])
}

/// Verifies several logs, with options that take files.
pub(crate) fn verify_all(logs: &[PathBuf], options: &[(&str, &Path)]) -> Result<Report> {
    let mut command = flb_audit();
    command.args(["verify", "--json"]);
    options.iter().for_each(|(option, file)| _ = command.arg(option).arg(file));
    let output = command.args(logs).output()?;
    let code = output.status.code().context("flb-audit verify was killed")?;
    let report = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("flb-audit verify: {}", String::from_utf8_lossy(&output.stderr)))?;
    Ok(Report { code, report })
}

/// Runs a command of `flb-audit` on a log. Returns its exit code and everything that it
/// prints.
pub(crate) fn say(command: &str, options: &[(&str, &Path)], log: &Path) -> Result<(i32, String)> {
    let mut run = flb_audit();
    run.arg(command);
    options.iter().for_each(|(option, file)| _ = run.arg(option).arg(file));
    let output = run.arg(log).output()?;
    let code = output.status.code().with_context(|| format!("flb-audit {command} was killed"))?;
    Ok((code, String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()))
}

impl Report {
    /// Fails if there is a finding of any other kind.
    pub(crate) fn ensure_findings(&self, verdicts: &[&str]) -> Result<()> {
        for found in self.report["findings"].as_array().into_iter().flatten() {
            let is_expected = verdicts.iter().any(|verdict| found["verdict"] == *verdict);
            ensure!(is_expected, "verify found {found}");
        }
        Ok(())
    }

    /// Returns how many findings of a kind there are.
    pub(crate) fn finding_count(&self, verdict: &str) -> u64 {
        self.report["counts"][verdict].as_u64().unwrap_or_default()
    }

    /// Returns a number in the report.
    pub(crate) fn count(&self, name: &str) -> u64 {
        self.report[name].as_u64().unwrap_or_default()
    }

    /// Fails unless the exit code is one of `codes` and the report counts this number of
    /// records.
    pub(crate) fn ensure(&self, codes: &[i32], records: usize) -> Result<()> {
        let findings = &self.report["findings"];
        ensure!(codes.contains(&self.code), "verify ended with {}: {findings:.800}", self.code);
        ensure!(self.count("records") == records as u64, "verify: {} records", self.count("records"));
        Ok(())
    }

    /// Returns the number of segments of the single chain.
    pub(crate) fn segments(&self) -> Result<u64> {
        self.chain()?["segments"].as_u64().context("no segments in the report")
    }

    /// Returns how many records of the single chain had each result of schemas: valid,
    /// invalid, of these quarantined and dropped, and not checked.
    pub(crate) fn schema(&self) -> Result<[u64; 5]> {
        let schema = &self.chain()?["schema"];
        let count = |name: &str| schema[name].as_u64().unwrap_or_default();
        Ok(["valid", "invalid", "quarantined", "dropped", "unchecked"].map(count))
    }

    fn chain(&self) -> Result<&Value> {
        match self.report["chains"].as_array().map(Vec::as_slice).unwrap_or_default() {
            [chain] => Ok(chain),
            chains => bail!("{} chains", chains.len()),
        }
    }
}
