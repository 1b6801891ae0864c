//! `flb-audit merge`: judges the parts that `verify --part` has written.

use super::chains::Chains;
use super::details::Details;
use super::grounds::{Grounds, period};
use super::ledger::Ledgers;
use super::nodes::Expected;
use super::part::{Parts, Sighting, Stored};
use super::report::Report;
use super::signatures::{Judged, Verifier};
use super::tally::Said;
use super::written::Written;
use crate::ignored::IgnoredKeys;
use crate::input;
use crate::report::Findings;
use crate::roster::Roster;
use crate::time;
use anyhow::{Context, Result, anyhow};
use clap::{Args, Parser};
use crossbeam_channel::bounded;
use flb_audit_core::verify::Sealed;
use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

/// Judge the parts of logs that `verify --part` has written, as `verify` judges all logs
#[derive(Args)]
pub(crate) struct Merge {
    /// The parts, in any order: files, or objects by s3://, gs://, az:// or https://. A
    /// part that is given twice counts once. One file may have several parts, one after the
    /// other
    #[arg(required = true)]
    parts: Vec<PathBuf>,
    #[command(flatten)]
    ignored: IgnoredKeys,
    #[command(flatten)]
    grounds: Grounds,
    /// Start of a period: report the known nodes that sent nothing from this day
    /// or time (UTC) on, such as 2026-11-20 or 2026-11-20T08:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time::parse, requires = "Trusted")]
    since: Option<SystemTime>,
    /// End of the period (exclusive)
    #[arg(long, value_name = "TIME", value_parser = time::parse, requires = "Trusted")]
    until: Option<SystemTime>,
    #[command(flatten)]
    written: Written,
}

/// `merge` without the program's other commands.
#[derive(Parser)]
struct Alone {
    #[command(flatten)]
    merge: Merge,
}

/// Merges parts, and returns the report as JSON. The first argument is the program's name.
pub(super) fn json(arguments: impl IntoIterator<Item = OsString>) -> Result<String> {
    let merge = Alone::try_parse_from(arguments)?.merge;
    let roster = merge.grounds.trusted.read()?;
    merge.report(roster.as_ref())?.to_json()
}

/// The records of a block, with what their checkpoints prove and their seals state.
type Records = Vec<(input::At, Sealed, Option<Judged>, Option<Arc<Said>>)>;

impl Merge {
    /// Runs the command, and returns the exit code.
    pub(crate) fn run(self) -> Result<u8> {
        let roster = self.grounds.trusted.read()?;
        let begun = self.written.begin(&self.grounds)?;
        let report = self.report(roster.as_ref())?;
        begun.end(&report)?;
        Ok(report.verdict().code())
    }

    /// Merges the parts.
    fn report(self, roster: Option<&Roster>) -> Result<Report> {
        let asked = period(self.since, self.until)?;
        judge_parts(&self.parts, roster, &self.grounds, asked, self.ignored, &self.written, |_| {})
    }
}

/// Judges parts. `add` adds findings of its own.
pub(super) fn judge_parts(
    paths: &[PathBuf],
    roster: Option<&Roster>,
    grounds: &Grounds,
    asked: RangeInclusive<u64>,
    ignored: IgnoredKeys,
    written: &Written,
    add: impl FnOnce(&mut Findings),
) -> Result<Report> {
    let expected = Expected::read(&grounds.expect, roster)?;
    let is_limited = asked != (0..=u64::MAX - 1);
    let mut chains = Chains::new(asked, &mut Ledgers::default(), roster);
    chains.tallies = written.tallies();
    chains.findings = written.findings();
    let mut parts = Parts::default();
    read(paths, &mut parts, &mut chains, roster)?;
    let mut rest = parts.rest;
    rest.add_to(&mut chains);
    add(&mut chains.findings);
    let (followed, attendance) = grounds.follow(&mut chains, roster, expected.as_ref(), is_limited)?;
    let mut details = Details::of(&mut chains, roster, attendance);
    if written.has_page() {
        details.add_timelines(&chains, &followed);
        details.sources = rest.sources.into_iter().collect();
        details.has_parts = true;
    }
    let what = (rest.inputs, rest.altered.resemblances(ignored.all()));
    Ok(Report::new(chains, &followed, what, roster, 0, details)?)
}

/// Adds the records of all parts to `chains`. Signatures are verified on all cores.
fn read(
    paths: &[PathBuf],
    parts: &mut Parts,
    chains: &mut Chains<'_>,
    roster: Option<&Roster>,
) -> Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (blocks, blocks_to_judge) = bounded::<Stored>(1);
    let (judged, judged_to_add) = bounded::<Result<(Arc<[Arc<str>]>, Records)>>(1);
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || {
            paths.iter().try_for_each(|path| {
                input::open(path)?.try_for_each(|opened| {
                    let (name, bytes) = opened?;
                    parts.read(&name, bytes, |block| blocks.send(block).context("the merge has ended"))
                })
            })
        });
        for _ in 0..cores {
            let (blocks, judged) = (blocks_to_judge.clone(), judged.clone());
            scope.spawn(move || {
                let mut verifier = Verifier::new(roster);
                for block in blocks {
                    let sources = block.sources.clone();
                    let sightings = block.read().map_err(|damaged| anyhow!("a damaged part: {damaged}"));
                    let records = sightings.map(|all| (sources, judge(all, &mut verifier)));
                    if judged.send(records).is_err() {
                        break;
                    }
                }
            });
        }
        // Each channel closes with its last user, so a failure here ends the others.
        drop((blocks_to_judge, judged));
        let mut result = Ok(());
        for block in judged_to_add {
            result = block.and_then(|(sources, records)| add(chains, sources, records));
            if result.is_err() {
                break;
            }
        }
        let read = reader.join().map_err(|_| anyhow!("reading the parts has failed"))?;
        result.and(read)
    })
}

fn judge(sightings: Vec<Sighting>, verifier: &mut Verifier<'_>) -> Records {
    let judge = |Sighting { at, sealed, checkpoint, said }| {
        let judged = checkpoint.map(|claimed| verifier.verify(claimed.as_deref(), Some(sealed.seconds)));
        (at, sealed, judged, said)
    };
    sightings.into_iter().map(judge).collect()
}

fn add(chains: &mut Chains<'_>, sources: Arc<[Arc<str>]>, records: Records) -> Result<()> {
    chains.findings.names = sources;
    for (at, sealed, judged, said) in records {
        chains.add_sealed(at, None, &sealed, judged, said.as_deref())?;
    }
    Ok(())
}
