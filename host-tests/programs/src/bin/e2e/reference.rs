//! The module outside Fluent Bit. What it makes of a record must also come out of a real
//! Fluent Bit.

use crate::expected::{Expected, remarks};
use crate::verify;
use anyhow::Result;
use flb_audit_host::filter::{Filter, Host};
use flb_audit_host::stream::Call;
use host_tests::policy::{self, Redacted};
use std::path::Path;
use tempfile::TempDir;

/// A compiled module, which can be started any number of times.
pub(crate) struct Reference {
    filter: Filter,
    directory: TempDir,
}

impl Reference {
    /// Compiles the module that ships, with its own policy.
    pub(crate) fn new() -> Result<Self> {
        Ok(Reference { filter: Filter::from_file(&verify::module())?, directory: policy::directory()? })
    }

    /// Returns its accessible directory.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Starts a life of the module.
    pub(crate) fn start(&self) -> Life<'_> {
        Life { host: policy::life(&self.filter, &self.directory) }
    }
}

/// A life of the module.
pub(crate) struct Life<'a> {
    host: Host<'a>,
}

impl Life<'_> {
    /// Returns the record that must come out for a record.
    pub(crate) fn expect(&mut self, tag: &str, time: Option<(u32, u32)>, record: &str) -> Result<Expected> {
        let Redacted { record, audit } = Redacted::pass_under(tag, &mut self.host, record)?;
        Ok(Expected { remarks: Some(remarks(&audit)), ..Expected::unchanged(tag, time, record) })
    }

    /// Returns the same for all records of a stream. Fluent Bit sets their times.
    pub(crate) fn expect_stream(&mut self, calls: &[Call]) -> Result<Vec<Expected>> {
        calls.iter().map(|call| self.expect(&call.tag, None, &call.record)).collect()
    }
}

/// Returns what the module that ships makes of a stream.
pub(crate) fn stream(calls: &[Call]) -> Result<Vec<Expected>> {
    Reference::new()?.start().expect_stream(calls)
}
