//! `flb-audit verify`: what is left of the chains in a log.
//!
//! `input` cuts any input into batches of records; all cores check them, each
//! record for itself; `chains` puts together what they saw, in any order;
//! `report` says it. `signatures` verifies checkpoints, `keys` puts together
//! what they say of keys, and `proven` what keys, anchors and the roster prove.

mod anchors;
mod chains;
mod input;
mod keys;
mod proven;
mod report;
mod segment;
mod signatures;
mod verdict;

pub(crate) use signatures::Verifier;
pub(crate) use verdict::Verdict;

use crate::prove::Proven;
use crate::roster::Roster;
use anyhow::{Result, bail};
use chains::Chains;
use clap::Args;
use crossbeam_channel::{Receiver, Sender, bounded};
use flb_audit_core::check::{Checked, Checker, Sealed};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use input::{Batch, Broken, Source};
use signatures::Signed;
use std::io::IsTerminal;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::thread;
use std::time::SystemTime;

/// Check sealed records: NDJSON or JSON arrays, plain, gzip or zstd
///
/// Exits with 0 if all is intact and anchored to its end, 3 if it is intact and
/// its end is not anchored, 4 if it is not signed by keys of the roster; 10 for
/// a gap, 11 for a broken link between segments, 12 for a conflict, 13 for
/// records without a seal, 14 for a silent node, 20 for tampering, 21 for a key
/// that is not certified, 30 for input that cannot be read, 40 if no sealed
/// record was found; the worst decides. 1: could not run, 2: wrong arguments.
#[derive(Args)]
pub(crate) struct Verify {
    /// The logs, in any order; none or `-` is standard input
    files: Vec<PathBuf>,
    /// A key that an output adds at the top level, beside `date`, `@timestamp`
    /// and `_flb-key`
    #[arg(long, value_name = "KEY")]
    ignore_key: Vec<String>,
    /// Checkpoints that were kept elsewhere, as `in_checkpoint.wasm` prints
    /// them, a line each: what they prove has to be there
    #[arg(long, value_name = "FILE")]
    anchors: Option<PathBuf>,
    /// The public keys of the nodes' chains, as `flb-audit init` writes them
    #[arg(long, value_name = "FILE")]
    roster: Option<PathBuf>,
    /// Name the nodes in the roster from which nothing came since this day or
    /// time (RFC 3339) …
    #[arg(long, value_name = "TIME", requires = "roster", value_parser = time)]
    since: Option<SystemTime>,
    /// … until this
    #[arg(long, value_name = "TIME", requires = "roster", value_parser = time)]
    until: Option<SystemTime>,
    /// Check a proof that `flb-audit prove` has made, and no log
    #[arg(long, value_name = "FILE", conflicts_with_all = ["files", "anchors", "since", "until"])]
    proof: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// A time, or the beginning of a day.
fn time(text: &str) -> Result<SystemTime, humantime::TimestampError> {
    let is_day = text.len() == "2026-11-20".len();
    humantime::parse_rfc3339_weak(&if is_day { format!("{text}T00:00:00Z") } else { text.to_owned() })
}

/// Keys that Fluent Bit's outputs add: `json_date_key` of `file`, `http`,
/// `stdout` and others; `time_key` and `tag_key` of `es` and `opensearch`.
pub(crate) const OUTPUT_KEYS: [&str; 3] = ["date", "@timestamp", "_flb-key"];

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
    Sealed(Sealed, Option<Box<Signed>>),
    Unsealed,
    Malformed,
    UnknownVersion,
    Unreadable(String),
}

impl Verify {
    pub(crate) fn run(self) -> Result<Verdict> {
        let roster = self.roster.as_deref().map(Roster::read).transpose()?;
        let ignored: Vec<String> =
            OUTPUT_KEYS.into_iter().map(str::to_owned).chain(self.ignore_key).collect();
        if let Some(path) = &self.proof {
            let proven = Proven::check(path, roster.as_ref(), ignored)?;
            if self.json {
                println!("{}", serde_json::to_string_pretty(&proven)?);
            } else {
                println!("{}: {}", proven.verdict().name(), proven.what());
            }
            return Ok(proven.verdict());
        }
        if self.files.is_empty() && std::io::stdin().is_terminal() {
            bail!("nothing to verify: name log files, or pipe records into standard input");
        }
        let files = if self.files.is_empty() { vec![PathBuf::from("-")] } else { self.files };
        let sources: Vec<Source> = files.into_iter().map(Source::new).collect();
        let seconds =
            |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let heard = self.since.map_or(0, seconds)..=self.until.map_or(u64::MAX, seconds);

        let mut chains = verify(&sources, &ignored, roster.as_ref(), heard)?;
        chains.finish()?;
        if let Some(path) = &self.anchors {
            anchors::check(&mut chains, path, roster.as_ref())?;
        }
        if let Some(roster) = roster.as_ref() {
            chains.check_roster(roster, self.since.is_some() || self.until.is_some());
        }
        chains.check_ends();
        let report = report::Report::new(chains, &sources, roster.as_ref());
        if self.json {
            serde_json::to_writer_pretty(std::io::stdout().lock(), &report)?;
            println!();
        } else {
            print!("{report}");
        }
        Ok(report.verdict())
    }
}

fn verify(
    sources: &[Source],
    ignored: &[String],
    roster: Option<&Roster>,
    heard: RangeInclusive<u64>,
) -> Result<Chains> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let progress = &progress(sources);
    let (batches, batches_to_check) = bounded::<Result<Batch, Broken>>(BATCHES_WAITING_MAX * cores);
    let (results, results_to_add) = bounded::<Vec<(At, Seen)>>(BATCHES_WAITING_MAX * cores);
    let chains = thread::scope(|scope| {
        scope.spawn(move || input::read_all(sources, progress, &batches));
        for _ in 0..cores {
            let (batches, results) = (batches_to_check.clone(), results.clone());
            scope.spawn(move || check_all(&batches, &results, ignored, roster));
        }
        drop(results);
        let mut chains = Chains::new(heard);
        for (at, seen) in results_to_add.iter().flatten() {
            chains.add(at, seen)?;
        }
        anyhow::Ok(chains)
    });
    progress.finish_and_clear();
    chains
}

/// Gives `see` every record of some logs, one after the other.
pub(crate) fn for_each_record(files: Vec<PathBuf>, mut see: impl FnMut(&[u8])) -> Result<()> {
    let sources: Vec<Source> = files.into_iter().map(Source::new).collect();
    let (batches, batches_to_see) = bounded::<Result<Batch, Broken>>(BATCHES_WAITING_MAX);
    let (sources, progress) = (&sources, &ProgressBar::hidden());
    thread::scope(|scope| {
        scope.spawn(move || input::read_all(sources, progress, &batches));
        for batch in batches_to_see {
            match batch {
                Ok(batch) => batch.records().for_each(|(_, text)| see(text)),
                Err(broken) => bail!("{}: {}", sources[broken.at.source].name(), broken.reason),
            }
        }
        Ok(())
    })
}

fn check_all(
    batches: &Receiver<Result<Batch, Broken>>,
    results: &Sender<Vec<(At, Seen)>>,
    ignored: &[String],
    roster: Option<&Roster>,
) {
    let mut checker = Checker::new(ignored.to_vec());
    let mut signatures = Verifier::new(roster);
    for batch in batches {
        let seen = match batch {
            Ok(batch) => {
                batch.records().map(|(at, text)| (at, check(&mut checker, &mut signatures, text))).collect()
            }
            Err(broken) => vec![(broken.at, Seen::Unreadable(broken.reason))],
        };
        // The receiver is gone only if it has failed, and then says so.
        let _ = results.send(seen);
    }
}

fn check(checker: &mut Checker, signatures: &mut Verifier<'_>, text: &[u8]) -> Seen {
    match checker.check(text) {
        Ok(Checked::Sealed(sealed)) => {
            let signed =
                sealed.is_checkpoint.then(|| signatures.verify(checker.checkpoint(text, &sealed).as_ref()));
            Seen::Sealed(sealed, signed.map(Box::new))
        }
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
