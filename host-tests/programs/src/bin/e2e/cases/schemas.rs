//! Schemas at Fluent Bit's default stack size: streams with damaged records, with schemas
//! in strict mode, selected by tag and by field, in every disposition.

use super::streams::{Tailed, tailed};
use crate::case::Place;
use crate::expected::Expected;
use crate::verify;
use anyhow::{Context, Result, ensure};
use flb_audit_host::stream::Call;

const POLICY: &str = "version: 1
redact:
  packs: {secrets: on, pii: on}
schema:
  - {tag: kube.*, built-in: kubernetes-audit, mode: strict}
  - {tag: aws.*, built-in: cloudtrail, mode: strict, invalid: quarantine}
  - {tag: auth.sshd, built-in: sshd, mode: strict, invalid: drop}
  - {tag: linux.*, field: type, value: SYSCALL, built-in: linux-audit, invalid: quarantine}
  # None of them is that.
  - {tag: '*.audit', built-in: ocsf-api-activity, mode: strict}
";

/// The interval of damaged records.
const DAMAGED: usize = 7;

/// Renames the first member of every `DAMAGED`th record.
fn damage(calls: &mut [Call]) -> Result<()> {
    for call in calls.iter_mut().step_by(DAMAGED) {
        let mut record: serde_json::Value = serde_json::from_str(&call.record)?;
        let members = record.as_object_mut().context("no object")?;
        let first = members.keys().next().context("an empty record")?.clone();
        let value = members.shift_remove(&first);
        members.insert(format!("no {first} of bob@example.com"), value.into());
        call.record = record.to_string();
    }
    Ok(())
}

pub(crate) fn all_dispositions(place: &Place) -> Result<String> {
    let Tailed { pipeline, expected, report } = tailed(place, Some(POLICY), damage)?;
    let count = |is_it: &dyn Fn(&serde_json::Value) -> bool| {
        expected.iter().filter(|expected: &&Expected| expected.remarks.as_ref().is_some_and(is_it)).count()
            as u64
    };
    let has = |name: &'static str| move |remarks: &serde_json::Value| remarks.get(name).is_some();
    let became = |word: &'static str| move |remarks: &serde_json::Value| remarks["disposition"] == word;
    let (invalid, with_schema) = (count(&has("invalid")), count(&has("schema")));
    let [quarantined, dropped] = [count(&became("quarantine")), count(&became("drop"))];
    ensure!(invalid > 300 && quarantined > 20 && dropped > 20, "{invalid} {quarantined} {dropped}");
    let counts = report.schema()?;
    ensure!(counts == [with_schema - invalid, invalid, quarantined, dropped, 0], "verify counts {counts:?}");
    let restored = verify::restore(&[pipeline.sinks().next().context("no output")?.path.clone()])?;
    ensure!(restored.len() as u64 == quarantined, "{} records restored", restored.len());
    let all = expected.iter().map(|expected| format!("{:?}", expected.remarks)).collect::<String>();
    ensure!(!all.contains("bob@") && !all.contains("bob%40"), "a seal shows a redacted key");
    Ok(format!("{invalid} of {with_schema} records invalid, {quarantined} quarantined, {dropped} dropped"))
}
