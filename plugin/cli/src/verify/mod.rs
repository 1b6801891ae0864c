//! `flb-audit verify`: checks which records of the chains in a log are left, and what
//! proves them.
//!
//! A record goes through states, and most states have a type that only the step before can make:
//!
//! - *read* (`Reading`): the record was parsed.
//! - *intact*: its hash fits, and it goes into its `ChainLog`. A record that is not
//!   intact only makes findings.
//! - *covered* (`Coverage`): it leads by heads to a checkpoint that a certified key has
//!   signed (`GoodCheckpoint`).
//! - *anchored*: an anchor holds its head.
//!
//! `history` follows the lives of a chain and finds missing records. `spans` are what
//! signed manifests state about records that are not here. `ends` finds the records
//! that stay unproven, and `report` puts everything together. `export` verifies an
//! export.

mod anchors;
mod beginning;
mod bytes;
mod chain_log;
mod chains;
mod changes;
mod closed_file;
mod coverage;
mod details;
mod ends;
mod enrolled;
mod export;
mod fitting;
mod forks;
mod gaps;
mod grounds;
mod here;
mod history;
mod html;
mod in_force;
mod keys;
mod ledger;
mod links;
mod merge;
mod metrics;
mod nodes;
mod part;
mod ranges;
mod reading;
mod report;
mod rows;
mod segment;
mod signatures;
mod spans;
mod spool;
mod state;
mod status;
mod stops;
mod stored;
mod successions;
mod tally;
mod timeline;
mod wording;
mod written;

pub(crate) use crate::verdict::Verdict;
pub(crate) use ledger::{Ledgers, NOT_LISTED, path_of, record_files};
pub(crate) use merge::Merge;
pub(crate) use signatures::Verifier;

use crate::durable::check_replaced;
use crate::exit;
use crate::frames::Identity;
use crate::ignored::IgnoredKeys;
use crate::input::{self, Source};
use crate::prove::Proven;
use crate::roster::Roster;
use crate::stdout::print;
use crate::terminal::print_report;
use crate::time;
use anyhow::{Result, bail, ensure};
use chains::Chains;
use changes::Altered;
use clap::{Args, Parser};
use details::Details;
use export::Exported;
use flb_audit_core::chain::checkpoint::Checkpoint;
use flb_audit_ledger::manifest;
use grounds::{Grounds, period};
use merge::judge_parts;
use nodes::Expected;
use part::Part;
use reading::read;
use report::Report;
use state::State;
use status::status_of;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use written::Written;

/// Check sealed records, as outputs wrote them or stores return them
#[derive(Args)]
pub(crate) struct Verify {
    /// The logs, in any order: files, or objects by s3://, gs://, az:// or https://
    /// (docs/fleet.md). The directory of a ledger stands for all of its files. None, or
    /// `-`, is standard input
    files: Vec<PathBuf>,
    #[command(flatten)]
    ignored: IgnoredKeys,
    #[command(flatten)]
    grounds: Grounds,
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
    /// Write what was read into this file, and judge nothing: the logs are a part of all
    /// logs, and `flb-audit merge` judges the parts together
    #[arg(long, value_name = "FILE", conflicts_with_all = ["Trusted", "anchors", "from", "expect", "proof", "export", "metrics", "html", "json"])]
    part: Option<PathBuf>,
    /// Remember in this directory what was read, and read only what is new. An object that
    /// changed or is gone since then is a finding. `flb-audit fleet status` shows the nodes
    #[arg(long, value_name = "DIR", conflicts_with_all = ["part", "proof", "export"])]
    state: Option<PathBuf>,
    /// Check a proof that `flb-audit prove` has made, instead of logs
    #[arg(long, value_name = "FILE", conflicts_with_all = ["files", "anchors", "from", "since", "until", "expect", "metrics", "html"])]
    proof: Option<PathBuf>,
    /// Check a directory that `flb-audit export` has made, instead of logs
    #[arg(long, value_name = "DIR", conflicts_with_all = ["files", "anchors", "from", "since", "until", "expect", "proof", "metrics", "html"])]
    export: Option<PathBuf>,
    #[command(flatten)]
    written: Written,
}

/// `verify` without the program's other commands.
#[derive(Parser)]
struct Alone {
    #[command(flatten)]
    verify: Verify,
}

/// Verifies logs or a proof, as `flb-audit verify` does, and returns the report as JSON.
/// The first argument is the program's name.
///
/// # Example
///
/// ```
/// let log = tempfile::NamedTempFile::new()?;
/// std::fs::write(log.path(), "{\"actor\":\"ann\"}\n")?;
/// let report = flb_audit::verify::report(["verify".into(), log.path().into()])?;
/// let report: serde_json::Value = serde_json::from_str(&report)?;
/// assert_eq!(report["verdict"], "nothing_found");
/// assert_eq!(report["counts"]["unsealed"], 1);
/// # Ok::<(), anyhow::Error>(())
/// ```
pub fn report(arguments: impl IntoIterator<Item = OsString>) -> Result<String> {
    let verify = Alone::try_parse_from(arguments)?.verify;
    let roster = verify.grounds.trusted.read()?;
    match &verify.proof {
        Some(proof) => Proven::check(proof, roster.as_ref(), verify.ignored.all())?.to_json(),
        None => verify.report(roster.as_ref())?.to_json(),
    }
}

/// Merges parts, as `flb-audit merge` does, and returns the report as JSON. The first
/// argument is the program's name.
pub fn merged(arguments: impl IntoIterator<Item = OsString>) -> Result<String> {
    merge::json(arguments)
}

impl Verify {
    /// Runs the command, and returns the exit code.
    pub(crate) fn run(self) -> Result<u8> {
        if let Some(path) = self.part.clone() {
            check_replaced(&path, "--part", &[part::MAGIC], "no part")?;
            self.write_part(&path)?;
            return Ok(exit::DONE);
        }
        self.judge().map(Verdict::code)
    }

    fn judge(self) -> Result<Verdict> {
        let roster = self.grounds.trusted.read()?;
        let roster = roster.as_ref();
        if let Some(path) = &self.proof {
            let proven = Proven::check(path, roster, self.ignored.all())?;
            if self.written.json {
                print(&proven.to_json()?)?
            } else {
                print_report(&proven.shown())?
            }
            return Ok(proven.verdict());
        }
        if let Some(directory) = &self.export {
            let exported = Exported::check(directory, roster)?;
            if self.written.json {
                print(&exported.to_json()?)?
            } else {
                print_report(&exported.to_string())?
            }
            return Ok(exported.verdict());
        }
        let begun = self.written.begin(&self.grounds)?;
        let report = match self.state.clone() {
            Some(directory) => self.report_with_state(&directory, roster)?,
            None => self.report(roster)?,
        };
        begun.end(&report)?;
        Ok(report.verdict())
    }

    /// Verifies logs.
    fn report(self, roster: Option<&Roster>) -> Result<Report> {
        let heard = self.heard()?;
        let expected = Expected::read(&self.grounds.expect, roster)?;
        let keys = self.identity.read()?;
        let keys = keys.as_ref();
        let (files, mut ledgers) = Ledgers::expand(self.logs()?, roster)?;
        let (mut sources, owners): (Vec<Source>, Vec<Option<usize>>) =
            Source::all_in(files, Some(&heard))?.into_iter().unzip();
        let mut chains = Chains::new(heard, &mut ledgers, roster);
        chains.tallies = self.written.tallies();
        let is_tallied = chains.tallies.is_some();
        if self.written.has_page() {
            sources.iter_mut().for_each(Source::hash);
        }
        chains.findings = self.written.findings();
        chains.findings.names = names_of(&sources);
        chains.has_identities = keys.is_some();
        let mut altered = Altered::default();
        let signatures = || {
            let mut verifier = Verifier::new(roster);
            move |checkpoint: Option<Checkpoint>, seconds| verifier.verify(checkpoint.as_ref(), Some(seconds))
        };
        let inputs = read(&sources, keys, &self.ignored, is_tallied, signatures, |at, reading, text| {
            if let Some(text) = text {
                altered.add(chains.findings.names[at.source].clone(), at.number, text);
            }
            let ledger = owners.get(at.source).copied().flatten();
            Ok(chains.add(at, ledger, reading)?)
        })?;
        ledgers.check(keys, &mut chains.findings);
        let (followed, attendance) =
            self.grounds.follow(&mut chains, roster, expected.as_ref(), self.is_limited())?;
        let mut details = Details::of(&mut chains, roster, attendance);
        if self.written.has_page() {
            details.add_timelines(&chains, &followed);
            details.sources = sources.iter().map(|source| (source.name(), source.stored())).collect();
        }
        let what = (inputs, altered.resemblances(self.ignored.all()));
        Ok(Report::new(chains, &followed, what, roster, ledgers.deleted(), details)?)
    }

    /// Verifies what is new, and judges it with what was read before.
    fn report_with_state(self, directory: &Path, roster: Option<&Roster>) -> Result<Report> {
        let asked = self.heard()?;
        let mut state = State::open(directory)?;
        let listed = self.named_sources()?;
        let are_there = listed.iter().filter(|(source, _)| source.version().is_some());
        let names: BTreeSet<String> = are_there.map(|(source, _)| source.key()).collect();
        let under: BTreeSet<String> = listed.iter().map(|(_, under)| under.clone()).collect();
        let mut seen = BTreeSet::new();
        let is_new = |(source, _): &(Source, String)| !state.has(source) && seen.insert(source.key());
        let new: Vec<(Source, String)> = listed.into_iter().filter(is_new).collect();
        let (mut kept, mut once): (Vec<_>, Vec<_>) =
            new.into_iter().partition(|(source, _)| source.version().is_some());
        let (number, path) = state.next_part();
        // An object that could not be read to its end is judged today, and read again the
        // next time.
        while !kept.is_empty() {
            let (sources, arguments): (Vec<Source>, Vec<String>) = kept.into_iter().unzip();
            let broken = self.read_part(&path, &sources)?;
            let read = sources.into_iter().zip(arguments).enumerate();
            let (left_out, read): (Vec<_>, Vec<_>) = read.partition(|(at, _)| broken.contains(at));
            once.extend(left_out.into_iter().map(|(_, of)| of));
            kept = read.into_iter().map(|(_, of)| of).collect();
            if broken.is_empty() {
                state.add(number, &kept)?;
                break;
            }
        }
        let mut parts = state.parts();
        let today = tempfile::tempdir_in(directory)?;
        if !once.is_empty() {
            let once: Vec<Source> = once.into_iter().map(|(source, _)| source).collect();
            parts.push(today.path().join("today.part"));
            self.read_part(&parts[parts.len() - 1], &once)?;
        }
        let is_limited = self.is_limited();
        let report =
            judge_parts(&parts, roster, &self.grounds, asked, self.ignored, &self.written, |findings| {
                state.report(&names, &under, is_limited, findings);
            })?;
        status_of(&report).write(directory)?;
        Ok(report)
    }

    /// Writes what was read of logs, to be judged with that of others.
    fn write_part(self, path: &Path) -> Result<()> {
        let sources: Vec<Source> = self.named_sources()?.into_iter().map(|(source, _)| source).collect();
        self.read_part(path, &sources).map(drop)
    }

    /// Returns the sources of the period, each with the argument that names it.
    fn named_sources(&self) -> Result<Vec<(Source, String)>> {
        let logs = self.logs()?;
        if let Some(ledger) = logs.iter().find(|path| path.join(manifest::FILE_NAME).is_file()) {
            bail!(
                "{0}: a ledger's directory cannot be a part, because its manifests are about all of its files; verify it by \
                 itself: `flb-audit verify {0}`",
                ledger.display()
            );
        }
        let files = logs.into_iter().map(|path| {
            let argument = input::without_secrets(&path.to_string_lossy());
            (path, argument)
        });
        let mut sources = Source::all_in(files.collect(), Some(&self.heard()?))?;
        sources.iter_mut().for_each(|(source, _)| source.hash());
        Ok(sources)
    }

    /// Reads sources into a part. Returns the numbers of those that could not be read to
    /// their ends.
    fn read_part(&self, path: &Path, sources: &[Source]) -> Result<BTreeSet<usize>> {
        let keys = self.identity.read()?;
        let mut chains = Chains::new(0..=u64::MAX, &mut Ledgers::default(), None);
        chains.findings.names = names_of(sources);
        chains.has_identities = keys.is_some();
        let mut part = Part::new(chains)?;
        let unjudged = || |checkpoint: Option<Checkpoint>, _| checkpoint;
        let inputs = read(sources, keys.as_ref(), &self.ignored, true, unjudged, |at, reading, text| {
            part.add(at, reading, text)
        })?;
        let mut settings = self.ignored.clone().all();
        // Which records could be read depends on the keys.
        let recipients = keys.iter().flat_map(|keys| keys.recipients());
        settings.extend(recipients.map(|recipient| format!("--identity {recipient}")));
        let broken = std::mem::take(&mut part.broken);
        part.write(path, inputs, sources, &settings)?;
        Ok(broken)
    }

    /// Returns the paths and addresses of the logs.
    fn logs(&self) -> Result<Vec<PathBuf>> {
        for path in &self.files {
            if !path.join(manifest::FILE_NAME).is_file() && export::looks_like_export(path) {
                bail!("{0}: this looks like an export; `verify --export {0}` checks one", path.display());
            }
        }
        Ok(self.files.clone())
    }

    /// True if only records of a period are asked for.
    fn is_limited(&self) -> bool {
        self.since.is_some() || self.until.is_some()
    }

    /// Returns the period in which nodes have to be heard, in seconds since 1970.
    fn heard(&self) -> Result<RangeInclusive<u64>> {
        let dated: Vec<bool> = self.files.iter().map(|path| input::has_date(path)).collect::<Result<_>>()?;
        ensure!(
            !self.is_limited() || self.grounds.trusted.is_given() || dated.contains(&true),
            "--since and --until need --roster or --fleet, whose nodes they are about, or a URL with a date in its keys, as \
             s3://BUCKET/%Y/%m/%d/*"
        );
        period(self.since, self.until)
    }
}

/// Returns the names of sources, by number.
fn names_of(sources: &[Source]) -> Arc<[Arc<str>]> {
    sources.iter().map(|source| source.name().into()).collect()
}
