//! `flb-audit restore`: records out of quarantine.

use crate::complain;
use crate::input::{self, At, Source};
use crate::stdout::Stdout;
use crate::verify::{OUTPUT_KEYS, Verdict};
use anyhow::Result;
use clap::Args;
use flb_audit_core::check::{Checked, Checker};
use flb_audit_core::schema::Disposition;
use std::path::PathBuf;

/// Print the records that stand in quarantine, a line each, redacted as they
/// were sealed
///
/// Only what is as it was sealed is printed; what is not is named, and the exit
/// code is 20. It is 40 if there is no record in quarantine.
#[derive(Args)]
pub(crate) struct Restore {
    /// The logs: NDJSON or JSON arrays, plain, gzip or zstd; none or `-` is
    /// standard input
    files: Vec<PathBuf>,
    /// A key that an output adds at the top level, beside `date`, `@timestamp`
    /// and `_flb-key`
    #[arg(long, value_name = "KEY")]
    ignore_key: Vec<String>,
}

impl Restore {
    pub(crate) fn run(self) -> Result<Verdict> {
        let sources = Source::all(self.files)?;
        let ignored: Vec<String> =
            OUTPUT_KEYS.into_iter().map(str::to_owned).chain(self.ignore_key).collect();
        let worker = || {
            let mut checker = Checker::new(ignored.clone());
            move |at: At, text: Result<&[u8], String>| (at, text.and_then(|text| restore(&mut checker, text)))
        };
        let (mut records, mut wrong) = (Vec::new(), Vec::new());
        input::read(&sources, worker, |(at, made)| {
            match made {
                Ok(record) => records.extend(record.map(|record| (at, record))),
                Err(why) => wrong.push((at, why)),
            }
            Ok(())
        })?;
        records.sort_by_key(|(at, _)| *at);
        wrong.sort_by_key(|(at, _)| *at);
        for (at, why) in &wrong {
            complain(format_args!("{}:{}: {why}", sources[at.source].name(), at.number));
        }
        let mut out = Stdout::new();
        for (_, record) in &records {
            out.write(record.as_bytes())?;
            out.write(b"\n")?;
        }
        out.end()?;
        Ok(match (wrong.is_empty(), records.is_empty()) {
            (false, _) => Verdict::Tampered,
            (true, true) => Verdict::NothingFound,
            (true, false) => Verdict::Intact,
        })
    }
}

/// The record in quarantine, if this is one.
fn restore(checker: &mut Checker, text: &[u8]) -> Result<Option<String>, String> {
    match checker.check(text) {
        Ok(Checked::Sealed(sealed)) if sealed.disposition != Disposition::Quarantine => Ok(None),
        Ok(Checked::Sealed(sealed)) if sealed.is_intact => {
            let record = checker.quarantined(text).ok_or("a record in quarantine without its text")?;
            Ok(Some(record))
        }
        Ok(Checked::Sealed(_)) => Err("a record in quarantine, and not as it was sealed".into()),
        Ok(Checked::Unsealed) => Ok(None),
        Ok(_) => Err("a seal that this flb-audit does not know".into()),
        Err(unreadable) => Err(unreadable.to_string()),
    }
}
