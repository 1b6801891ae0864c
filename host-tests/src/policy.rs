//! Policies in the module that ships, and what it does to records under them.

use anyhow::{Context, Result, ensure};
use flb_audit_core::chain::ChainId;
use flb_audit_core::chain::state::{FILE_NAME, Header};
use flb_audit_core::hash::Algorithm;
use flb_audit_core::policy::FILE_NAME as POLICY_FILE_NAME;
use flb_audit_core::record::member::AUDIT;
use flb_audit_core::redact::{HmacKey, KEY_FILE_NAME};
use flb_audit_host::filter::{Filter, Generation, Host, Limits};
use flb_audit_policy::{Policy, Problem, compile};
use serde_json::Value;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// The name of the key that [`write_key`] writes.
pub const KEY_ID: &str = "k1";

/// Compiles a policy.
pub fn table(policy: &str) -> Result<Vec<u8>, Problem> {
    compile(&Policy::read(policy)?)
}

/// Returns the key 0, 1, 2 … 31, which is equal in every run.
pub fn key() -> Result<HmacKey> {
    HmacKey::from_file(&key_file()?).context("a key file that cannot be read")
}

fn key_file() -> Result<Vec<u8>> {
    let secret = std::array::from_fn(|at| at as u8);
    HmacKey::to_file(KEY_ID, &secret).context("a key that makes no file")
}

/// Writes that key to the place where a filter looks for it.
pub fn write_key(directory: &Path) -> Result<()> {
    Ok(fs::write(directory.join(KEY_FILE_NAME), key_file()?)?)
}

/// Creates a state directory in which nothing overrides the module's policy.
pub fn directory() -> Result<TempDir> {
    let directory = tempfile::tempdir()?;
    let header = Header { id: ChainId::from_random([7; 9]), algorithm: Algorithm::default() };
    fs::write(directory.path().join(FILE_NAME), header.to_file())?;
    Ok(directory)
}

/// Writes a policy that overrides the module's.
pub fn write_policy(directory: &Path, policy: &str) -> Result<()> {
    Ok(fs::write(directory.join(POLICY_FILE_NAME), table(policy)?)?)
}

/// Starts a life of the filter in such a directory.
pub fn life<'a>(filter: &'a Filter, directory: &TempDir) -> Host<'a> {
    let limits = Limits { directory: Some(directory.path().to_path_buf()), ..Limits::default() };
    filter.host(Generation::Lasting, limits)
}

/// A record that has gone through the filter.
pub struct Redacted {
    /// The record without its seal.
    pub record: Value,
    /// The seal.
    pub audit: Value,
}

impl Redacted {
    /// Passes a record through the filter.
    pub fn pass(host: &mut Host<'_>, record: &str) -> Result<Redacted> {
        Redacted::pass_under("redaction", host, record)
    }

    /// Passes a record through the filter with this tag.
    pub fn pass_under(tag: &str, host: &mut Host<'_>, record: &str) -> Result<Redacted> {
        let outcome = host.call_bytes(tag.as_bytes(), 1_795_161_600, 0, record.as_bytes())?;
        ensure!(outcome.trap.is_none(), "{:?}", outcome.trap);
        let mut record: Value = serde_json::from_slice(&outcome.returned.context("nothing was returned")?)?;
        let audit = record.as_object_mut().and_then(|fields| fields.shift_remove(AUDIT));
        Ok(Redacted { record, audit: audit.context("not sealed")? })
    }

    /// Returns the redactions that the seal states.
    pub fn evidence(&self) -> impl Iterator<Item = &str> {
        self.audit["redacted"].as_array().into_iter().flatten().filter_map(Value::as_str)
    }
}
