//! `flb-audit verify`: checks which records of the chains in a log are left, and what
//! proves them.
//!
//! A record goes through states. Each state has a type that only the step before can
//! make:
//!
//! - *read* (`Reading`): the record was parsed.
//! - *intact*: its hash fits, and it goes into its `ChainLog`. A record that is not
//!   intact only makes findings.
//! - *covered* (`Coverage`): it leads by heads to a checkpoint that a certified key has
//!   signed (`GoodCheckpoint`).
//! - *anchored*: an anchor holds its head.
//!
//! `history` follows the lives of a chain and finds missing records. `spans` are the
//! signed manifests' statements about records that are not here. `ends` finds the records
//! that stay unproven, and `report` puts everything together. `export` verifies an
//! export.

mod anchors;
mod chain_log;
mod chains;
mod changes;
mod closed_file;
mod coverage;
mod details;
mod ends;
mod enrolled;
mod export;
mod forks;
mod gaps;
mod history;
mod html;
mod keys;
mod ledger;
mod metrics;
mod nodes;
mod ranges;
mod reading;
mod report;
mod segment;
mod signatures;
mod spans;
mod spool;
mod stops;
mod successions;
mod tally;
mod timeline;
mod wording;

pub(crate) use crate::verdict::Verdict;
pub(crate) use ledger::{Ledgers, path_of};
pub(crate) use signatures::Verifier;

use crate::durable::replace;
use crate::frames::Identity;
use crate::ignored::IgnoredKeys;
use crate::input::{self, At, Record, Seen, Source, Unread};
use crate::prove::Proven;
use crate::report::Findings;
use crate::roster::{Roster, Trusted};
use crate::stdout::print;
use crate::terminal::print_report;
use crate::time;
use anyhow::{Result, bail, ensure};
use chains::Chains;
use changes::Altered;
use clap::{Args, Parser};
use details::{Asked, Details};
use export::Exported;
use flb_audit_core::verify::Checker;
use flb_audit_ledger::manifest;
use nodes::Expected;
use reading::{Reading, read};
use report::Report;
use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::{Instant, SystemTime};
use tally::Tallies;

/// Check sealed records, as outputs wrote them or stores return them
#[derive(Args)]
pub(crate) struct Verify {
    /// The logs, in any order: files, or objects by s3://, gs://, az:// or https://
    /// (docs/fleet.md). The directory of a ledger stands for all of its files. None, or
    /// `-`, is standard input
    files: Vec<PathBuf>,
    #[command(flatten)]
    ignored: IgnoredKeys,
    /// Checkpoints that were kept elsewhere, one a line, as `in_checkpoint.wasm` prints
    /// them. The records that they prove have to be in the logs
    #[arg(long, value_name = "FILE")]
    anchors: Option<PathBuf>,
    /// Checkpoints with which the logs begin, one a line, as in `--anchors`: older
    /// records were deleted on purpose, and are not reported as missing. If a chain has
    /// several, the earliest counts
    #[arg(long, value_name = "FILE", requires = "Trusted")]
    from: Option<PathBuf>,
    #[command(flatten)]
    trusted: Trusted,
    /// The names of the nodes that should be there, a line each, as `kubectl get nodes -o
    /// name` prints them: nodes of the list from which nothing came are silent, and others
    /// unexpected. Of several lists each may name a node
    #[arg(long, value_name = "FILE", requires = "Trusted")]
    expect: Vec<PathBuf>,
    #[command(flatten)]
    identity: Identity,
    /// Start of a period: report the known nodes that sent nothing from this day
    /// or time (UTC) on, such as 2026-11-20 or 2026-11-20T08:00:00Z. If the keys of a URL
    /// have a date, as in s3://BUCKET/%Y/%m/%d/*, also skip older objects
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    since: Option<SystemTime>,
    /// End of the period (exclusive)
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    until: Option<SystemTime>,
    /// Accept that the last records of each chain have no anchor, if they span no more
    /// than this time by their own clocks: 15m, or 1h 30m
    #[arg(long, value_name = "TIME", requires = "anchors")]
    max_unanchored: Option<humantime::Duration>,
    /// Check a proof that `flb-audit prove` has made, instead of logs
    #[arg(long, value_name = "FILE", conflicts_with_all = ["files", "anchors", "from", "since", "until", "expect"])]
    proof: Option<PathBuf>,
    /// Check a directory that `flb-audit export` has made, instead of logs
    #[arg(long, value_name = "DIR", conflicts_with_all = ["files", "anchors", "from", "since", "until", "expect", "proof"])]
    export: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// Write the counts of the report to this file, for the textfile collector of
    /// node_exporter (docs/monitoring.md)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["proof", "export"])]
    metrics: Option<PathBuf>,
    /// Write the report to this file as an HTML page for auditors, which needs no other
    /// file (docs/monitoring.md)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["proof", "export"])]
    html: Option<PathBuf>,
}

/// `verify` without the program's other commands.
#[derive(Parser)]
struct Alone {
    #[command(flatten)]
    verify: Verify,
}

/// Verifies logs or a proof, as `flb-audit verify` does, and returns the report as JSON.
/// The first argument is the program's name.
pub fn report(arguments: impl IntoIterator<Item = OsString>) -> Result<String> {
    let verify = Alone::try_parse_from(arguments)?.verify;
    let roster = verify.trusted.read()?;
    match &verify.proof {
        Some(proof) => Proven::check(proof, roster.as_ref(), verify.ignored.all())?.to_json(),
        None => verify.report(roster.as_ref())?.to_json(),
    }
}

impl Verify {
    pub(crate) fn run(self) -> Result<Verdict> {
        let roster = self.trusted.read()?;
        let roster = roster.as_ref();
        if let Some(path) = &self.proof {
            let proven = Proven::check(path, roster, self.ignored.all())?;
            let said = if self.json { proven.to_json()? } else { proven.shown() };
            print(&(said + "\n"))?;
            return Ok(proven.verdict());
        }
        if let Some(directory) = &self.export {
            let exported = Exported::check(directory, roster)?;
            let said = if self.json { exported.to_json()? } else { exported.to_string() };
            print(&said)?;
            return Ok(exported.verdict());
        }
        let (is_json, metrics, html) = (self.json, self.metrics.clone(), self.html.clone());
        let (begun, clock) = (SystemTime::now(), Instant::now());
        let asked = html.is_some().then(|| Asked::of(&self.files_beside_logs())).transpose()?;
        let report = self.report(roster)?;
        if let Some(path) = metrics {
            replace(&path, metrics::openmetrics(&report, begun, clock.elapsed()).as_bytes())?;
        }
        if let (Some(path), Some(asked)) = (html, asked) {
            replace(&path, html::page(&report, &asked, begun, clock.elapsed()).as_bytes())?;
        }
        let said = if is_json { report.to_json()? } else { report.to_string() };
        if is_json {
            print(&said)?
        } else {
            print_report(&said)?
        }
        Ok(report.verdict())
    }

    /// Returns the files that the command line names beside the logs, each with its purpose.
    fn files_beside_logs(&self) -> [(&'static str, &Option<PathBuf>); 4] {
        [
            ("Roster of systems and keys", &self.trusted.roster),
            ("Fleet of systems, and its key", &self.trusted.fleet),
            ("Anchors: checkpoints kept elsewhere", &self.anchors),
            ("Checkpoints with which the log begins", &self.from),
        ]
    }

    /// Verifies logs.
    fn report(self, roster: Option<&Roster>) -> Result<Report> {
        for path in &self.files {
            if !path.join(manifest::FILE_NAME).is_file() && export::looks_like_export(path) {
                bail!("{0}: this looks like an export; `verify --export {0}` checks one", path.display());
            }
        }
        let heard = self.heard()?;
        let expected = Expected::read(&self.expect)?;
        let keys = self.identity.read()?;
        let keys = keys.as_ref();
        let (files, mut ledgers) = Ledgers::expand(self.files, roster)?;
        let (mut sources, owners): (Vec<Source>, Vec<Option<usize>>) =
            Source::all_in(files, Some(&heard))?.into_iter().unzip();
        let mut chains = Chains::new(heard, &ledgers, roster);
        let is_tallied = self.html.is_some() || self.metrics.is_some();
        chains.tallies = is_tallied.then(Tallies::default);
        if self.html.is_some() {
            sources.iter_mut().for_each(Source::hash);
            chains.findings = Findings::keeping(html::FINDINGS_MAX);
        }
        let worker = || {
            let mut checker = Checker::new(self.ignored.clone().all());
            let mut signatures = Verifier::new(roster);
            move |at: At, record: Result<Record<'_>, Unread>| {
                let text = record.as_ref().ok().map(|record| record.text);
                let reading = match record {
                    Ok(record) => read(&mut checker, &mut signatures, &record, is_tallied),
                    Err(Unread::Broken(reason)) => Reading::Unreadable(reason),
                    Err(torn @ Unread::Torn) => Reading::Unreadable(torn.to_string()),
                    Err(Unread::Encrypted(frame)) => Reading::Encrypted(frame),
                    Err(altered @ Unread::Altered(_)) => Reading::Altered(altered.to_string()),
                };
                let kept = text.filter(|text| reading.is_altered(text)).and_then(Altered::copy);
                match reading {
                    Reading::Unsealed | Reading::Unreadable(_) => Seen::Other((at, reading, kept)),
                    _ => Seen::Record((at, reading, kept)),
                }
            }
        };
        let mut altered = Altered::default();
        let inputs = input::read_encrypted(&sources, keys, worker, |(at, reading, kept)| {
            kept.into_iter().for_each(|text| altered.add(at, text));
            let ledger = owners.get(at.source).copied().flatten();
            Ok(chains.add(at, ledger, reading)?)
        })?;
        let resemblances = altered.resemblances(self.ignored.all());
        ledgers.check(keys, &mut chains.findings);
        chains.report_encrypted(keys.is_some());
        if let Some(path) = &self.from {
            anchors::read_starts(&mut chains, path, roster)?;
        }
        if let Some(path) = &self.anchors {
            anchors::read(&mut chains, path, roster)?;
        }
        let mut followed = chains.follow()?;
        chains.check_anchors(&mut followed)?;
        // Records that an anchor proves to be missing may have held a handover.
        chains.check_keys(&followed)?;
        if let Some(roster) = roster {
            chains.check_unreached(&followed);
            let is_limited = self.since.is_some() || self.until.is_some();
            chains.check_nodes(roster, expected.as_ref(), is_limited, &followed);
        }
        chains.check_ends(&followed, self.max_unanchored.map(|time| time.as_secs()));
        let mut details = Details::of(&mut chains, roster);
        if self.html.is_some() {
            details.add_timelines(&chains, &followed, &sources);
        }
        let what = (inputs, resemblances);
        Ok(Report::new(chains, &followed, &sources, what, roster, ledgers.deleted(), details))
    }

    /// Returns the period in which nodes have to be heard, in seconds since 1970.
    fn heard(&self) -> Result<RangeInclusive<u64>> {
        let dated: Vec<bool> = self.files.iter().map(|path| input::has_date(path)).collect::<Result<_>>()?;
        let is_of_time = self.since.is_some() || self.until.is_some();
        ensure!(
            !is_of_time
                || self.trusted.roster.is_some()
                || self.trusted.fleet.is_some()
                || dated.contains(&true),
            "--since and --until need --roster or --fleet, whose nodes they are about, or a URL with a date in its keys, as \
             s3://BUCKET/%Y/%m/%d/*"
        );
        let (since, until) =
            (self.since.map_or(0, time::seconds), self.until.map_or(u64::MAX, time::seconds));
        ensure!(since < until, "there is no time between --since and --until, which is exclusive");
        Ok(since..=until - 1)
    }
}
