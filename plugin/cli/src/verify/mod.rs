//! `flb-audit verify`: what is left of the chains in a log.
//!
//! `input` cuts any input into batches of records; all cores check them, each
//! record for itself; `chains` puts together what they saw, in any order;
//! `report` says it.

mod chains;
mod input;
mod report;
mod segment;
mod verdict;

pub(crate) use verdict::Verdict;

use anyhow::{Result, bail};
use chains::Chains;
use clap::Args;
use crossbeam_channel::{Receiver, Sender, bounded};
use flb_audit_core::check::{Checked, Checker, Sealed};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use input::{Batch, Broken, Source};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::thread;

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
const OUTPUT_KEYS: [&str; 3] = ["date", "@timestamp", "_flb-key"];

/// Batches that may wait for a core.
const BATCHES_WAITING_MAX: usize = 4;

/// Where a record stands in the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct At {
    /// Which of the sources.
    source: usize,
    /// The line, or the element of an array, from 1 on.
    number: u64,
}

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
        if self.files.is_empty() && std::io::stdin().is_terminal() {
            bail!("nothing to verify: name log files, or pipe records into standard input");
        }
        let files = if self.files.is_empty() { vec![PathBuf::from("-")] } else { self.files };
        let sources: Vec<Source> = files.into_iter().map(Source::new).collect();
        let ignored: Vec<String> =
            OUTPUT_KEYS.into_iter().map(str::to_owned).chain(self.ignore_key).collect();

        let chains = verify(&sources, &ignored)?;
        let report = report::Report::new(chains, &sources)?;
        if self.json {
            serde_json::to_writer_pretty(std::io::stdout().lock(), &report)?;
            println!();
        } else {
            print!("{report}");
        }
        Ok(report.verdict())
    }
}

fn verify(sources: &[Source], ignored: &[String]) -> Result<Chains> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let progress = &progress(sources);
    let (batches, batches_to_check) = bounded::<Result<Batch, Broken>>(BATCHES_WAITING_MAX * cores);
    let (results, results_to_add) = bounded::<Vec<(At, Seen)>>(BATCHES_WAITING_MAX * cores);
    let chains = thread::scope(|scope| {
        scope.spawn(move || input::read_all(sources, progress, &batches));
        for _ in 0..cores {
            let (batches, results) = (batches_to_check.clone(), results.clone());
            scope.spawn(move || check_all(&batches, &results, ignored));
        }
        drop(results);
        let mut chains = Chains::new();
        for (at, seen) in results_to_add.iter().flatten() {
            chains.add(at, seen)?;
        }
        anyhow::Ok(chains)
    });
    progress.finish_and_clear();
    chains
}

fn check_all(
    batches: &Receiver<Result<Batch, Broken>>,
    results: &Sender<Vec<(At, Seen)>>,
    ignored: &[String],
) {
    let mut checker = Checker::new(ignored.to_vec());
    for batch in batches {
        let seen = match batch {
            Ok(batch) => batch.records().map(|(at, text)| (at, check(&mut checker, text))).collect(),
            Err(broken) => vec![(broken.at, Seen::Unreadable(broken.reason))],
        };
        // The receiver is gone only if it has failed, and then says so.
        let _ = results.send(seen);
    }
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

/// A bar on a terminal; elsewhere nothing.
fn progress(sources: &[Source]) -> ProgressBar {
    let bytes = sources.iter().map(Source::len).sum::<Option<u64>>();
    let bar = ProgressBar::with_draw_target(bytes, ProgressDrawTarget::stderr());
    let style = "{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
    bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}
