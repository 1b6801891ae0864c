//! `flb-audit restore`: records out of quarantine.

use crate::complain;
use crate::exit;
use crate::input::{self, At, Source};
use crate::stdout::Stdout;
use crate::verdict::Verdict;
use crate::verify::IgnoredKeys;
use anyhow::Result;
use clap::Args;
use flb_audit_core::schema::Disposition;
use flb_audit_core::verify::{Checked, Checker};
use std::path::PathBuf;

/// Print the records that stand in quarantine, a line each, redacted as they
/// were sealed
///
/// Only what is as it was sealed is printed; what is not is named, and the exit
/// code is 20. It is 30 if something could not be read, and nothing was altered;
/// 40 if there is no record in quarantine.
#[derive(Args)]
pub(crate) struct Restore {
    /// The logs: NDJSON or JSON arrays, plain, gzip or zstd; none or `-` is
    /// standard input
    files: Vec<PathBuf>,
    #[command(flatten)]
    ignored: IgnoredKeys,
}

impl Restore {
    pub(crate) fn run(self) -> Result<u8> {
        let sources = Source::all(self.files)?;
        let ignored = self.ignored.all();
        let worker = || {
            let mut checker = Checker::new(ignored.clone());
            move |at: At, text: Result<&[u8], String>| {
                (at, text.map_err(Refused::Unreadable).and_then(|text| restore(&mut checker, text)))
            }
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
        for (at, refused) in &wrong {
            let (Refused::Unreadable(why) | Refused::NotAsSealed(why)) = refused;
            complain(format_args!("{}:{}: {why}", sources[at.source].name(), at.number));
        }
        let is_altered = wrong.iter().any(|(_, refused)| matches!(refused, Refused::NotAsSealed(_)));
        let mut out = Stdout::new();
        for (_, record) in &records {
            out.write(record.as_bytes())?;
            out.write(b"\n")?;
        }
        out.end()?;
        Ok(match () {
            () if is_altered => Verdict::Tampered.code(),
            () if !wrong.is_empty() => Verdict::Unreadable.code(),
            () if records.is_empty() => exit::NONE_IN_QUARANTINE,
            () => exit::RESTORED,
        })
    }
}

/// Why a record is not restored.
enum Refused {
    NotAsSealed(String),
    Unreadable(String),
}

/// The record in quarantine, if this is one.
fn restore(checker: &mut Checker, text: &[u8]) -> Result<Option<String>, Refused> {
    let altered = |what: &str| Err(Refused::NotAsSealed(what.into()));
    match checker.check(text) {
        Ok(Checked::Sealed(sealed)) if sealed.disposition != Disposition::Quarantine => Ok(None),
        Ok(Checked::Sealed(sealed)) if sealed.is_intact => match sealed.quarantined() {
            Some(record) => Ok(Some(record)),
            None => altered("a record in quarantine without its text"),
        },
        Ok(Checked::Sealed(_)) => altered("a record in quarantine, and not as it was sealed"),
        Ok(Checked::Unsealed) => Ok(None),
        Ok(Checked::UnknownVersion) => {
            Err(Refused::Unreadable("a seal in a version that this flb-audit does not know".into()))
        }
        Ok(_) => altered("a seal that no filter writes"),
        Err(unreadable) => Err(Refused::Unreadable(unreadable.to_string())),
    }
}
