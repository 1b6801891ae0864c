//! Seals records as the filter does, for commands that show the result.

use anyhow::{Context, Result, anyhow};
use flb_audit_core::chain::{Chain, ChainId, GENESIS, Place, Run};
use flb_audit_core::hash::Algorithm;
use flb_audit_core::policy::Policy;
use flb_audit_core::record::member::AUDIT;
use flb_audit_core::record::notes::Notes;
use flb_audit_core::redact::{HmacKey, Redactor};
use flb_audit_core::{Event, Sealer};
use serde_json::Value;

/// The time of all records, in seconds of UNIX time. Nobody looks at it.
const SECONDS: u32 = 0;

/// The output for a record.
pub(crate) struct Sealed {
    pub(crate) record: Value,
    pub(crate) seal: Value,
}

/// Seals records one by one, in a chain that is not kept.
pub(crate) struct DryRun<'a> {
    sealer: Sealer<'a>,
}

impl<'a> DryRun<'a> {
    pub(crate) fn new(policy: Policy<'a>, key: Option<HmacKey>) -> Result<DryRun<'a>> {
        let id = ChainId::from_text(b"flb-audit-dr").context("no name for a chain")?;
        let run = Run::from_text(b"dryrun").context("no name for a run")?;
        let next = Place { segment: 1, run, sequence: 0 };
        let chain = Chain { id, algorithm: Algorithm::default(), next, head: GENESIS, link: None };
        let sealer = Sealer::new(chain, Notes::NONE, Some(Redactor::new(policy, key)));
        Ok(DryRun { sealer: sealer.map_err(|_| anyhow!("out of memory"))? })
    }

    pub(crate) fn seal(&mut self, tag: &[u8], text: &[u8]) -> Result<Sealed> {
        let event =
            Event { tag, seconds: SECONDS, nanoseconds: 0, record: Some(text), record_len: text.len() };
        let sealed = self.sealer.seal(&event);
        let sealed = sealed.strip_suffix(b"\0").unwrap_or(sealed);
        let mut record: Value = serde_json::from_slice(sealed).context("the output is not JSON")?;
        let seal = record.as_object_mut().and_then(|members| members.shift_remove(AUDIT));
        Ok(Sealed { record, seal: seal.context("the record was not sealed")? })
    }
}
