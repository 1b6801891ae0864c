//! `flb-audit verify`: what is left of the chains in a log.
//!
//! All cores check the records of the input, each for itself; `chains` puts
//! together what they saw, in any order; `report` says it.

mod chains;
mod report;
mod segment;
mod verdict;

pub(crate) use verdict::Verdict;

use crate::input::{self, At, Source};
use crate::print;
use anyhow::Result;
use chains::Chains;
use clap::Args;
use flb_audit_core::check::{Checked, Checker, Sealed};
use std::path::PathBuf;

/// Check sealed records: NDJSON or JSON arrays, plain, gzip or zstd
///
/// Exits with 0 if all that is there is intact, 10 for a gap, 11 for a broken
/// link between segments, 12 for a conflict, 13 for records without a seal, 20
/// for tampering, 30 for input that cannot be read, 40 if no sealed record was
/// found; the worst decides. 1: could not run, 2: wrong arguments.
#[derive(Args)]
pub(crate) struct Verify {
    /// The logs, in any order; none or `-` is standard input
    files: Vec<PathBuf>,
    /// A key that an output adds at the top level, beside `date`, `@timestamp`
    /// and `_flb-key`
    #[arg(long, value_name = "KEY")]
    ignore_key: Vec<String>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// Keys that Fluent Bit's outputs add: `json_date_key` of `file`, `http`,
/// `stdout` and others; `time_key` and `tag_key` of `es` and `opensearch`.
pub(crate) const OUTPUT_KEYS: [&str; 3] = ["date", "@timestamp", "_flb-key"];

/// What became of one record of the input.
enum Seen {
    Sealed(Sealed),
    Unsealed,
    Malformed,
    UnknownVersion,
    Unreadable(String),
}

impl Verify {
    pub(crate) fn run(self) -> Result<Verdict> {
        let sources = Source::all(self.files)?;
        let ignored: Vec<String> =
            OUTPUT_KEYS.into_iter().map(str::to_owned).chain(self.ignore_key).collect();

        let chains = verify(&sources, &ignored)?;
        let report = report::Report::new(chains, &sources)?;
        if self.json {
            serde_json::to_writer_pretty(std::io::stdout().lock(), &report)?;
            println!();
        } else {
            print(&report.to_string())?;
        }
        Ok(report.verdict())
    }
}

fn verify(sources: &[Source], ignored: &[String]) -> Result<Chains> {
    let mut chains = Chains::new();
    let worker = || {
        let mut checker = Checker::new(ignored.to_vec());
        move |at: At, text: Result<&[u8], String>| match text {
            Ok(text) => (at, check(&mut checker, text)),
            Err(reason) => (at, Seen::Unreadable(reason)),
        }
    };
    input::read(sources, worker, |(at, seen)| Ok(chains.add(at, seen)?))?;
    Ok(chains)
}

fn check(checker: &mut Checker, text: &[u8]) -> Seen {
    match checker.check(text) {
        Ok(Checked::Sealed(sealed)) => Seen::Sealed(sealed),
        Ok(Checked::Unsealed) => Seen::Unsealed,
        Ok(Checked::UnknownVersion) => Seen::UnknownVersion,
        Ok(_) => Seen::Malformed,
        Err(unreadable) => Seen::Unreadable(unreadable.to_string()),
    }
}
