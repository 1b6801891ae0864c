//! The details that metrics and pages show beyond the report: counts of redactions and
//! schemas, timelines, and the request.

use super::chains::{Chains, Followed};
use super::nodes::Attendance;
use super::tally::Tallies;
use super::timeline::Timeline;
use crate::input::{self, Stored};
use crate::roster::Roster;
use crate::verdict::Verdict;
use crate::whole;
use anyhow::{Context, Result, ensure};
use flb_audit_core::chain::ChainId;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The number of chains that have a timeline.
const TIMELINES_MAX: usize = 1000;

/// The part of a verification that only metrics and pages show.
#[derive(Default)]
pub(super) struct Details {
    pub(super) tallies: Tallies,
    /// The timelines by chain. If there are very many chains, only those with the worst
    /// findings have one.
    pub(super) timelines: BTreeMap<String, Timeline>,
    /// The first segment whose first record has a note, by chain and note, and the number of
    /// such segments.
    pub(super) noted_segments: BTreeMap<(String, &'static str), (u64, u64)>,
    /// The inputs, each with its hash and length if they were computed.
    pub(super) sources: Vec<(String, Option<Stored>)>,
    /// True if parts state what was read of the inputs.
    pub(super) has_parts: bool,
    /// The nodes that are absent or not expected.
    pub(super) attendance: Attendance,
    /// The number of chains that the roster has or a fleet has enrolled.
    pub(super) known_chains: Option<usize>,
    /// True if the nodes of a fleet are known only by their records.
    pub(super) is_fleet_alone: bool,
}

impl Details {
    /// Takes the tallies, and counts the known chains.
    pub(super) fn of(chains: &mut Chains<'_>, roster: Option<&Roster>, attendance: Attendance) -> Details {
        let tallies = chains.tallies.take().unwrap_or_default();
        let mut details = Details { tallies, attendance, ..Details::default() };
        let Some(roster) = roster else { return details };
        let is_listed = |chain: &ChainId| roster.of(chain).is_some();
        let enrolled = chains.enrolled.chains().filter(|chain| !is_listed(chain)).count();
        details.known_chains = Some(roster.entries().len() + enrolled);
        details.is_fleet_alone = roster.fleet().is_some() && roster.entries().is_empty();
        details
    }

    /// Adds the timelines of the chains with the worst findings.
    pub(super) fn add_timelines(&mut self, chains: &Chains<'_>, followed: &BTreeMap<ChainId, Followed>) {
        let mut worst: BTreeMap<ChainId, Verdict> = BTreeMap::new();
        for (chain, verdict) in chains.findings.chains() {
            let of_chain = worst.entry(chain).or_insert(verdict);
            *of_chain = verdict.max(*of_chain);
        }
        for (id, chain) in &chains.chains {
            for (life, segment) in chain.segments.iter() {
                for note in segment.beginning.notes.words() {
                    let noted =
                        self.noted_segments.entry((id.to_string(), note)).or_insert((life.segment, 0));
                    *noted = (noted.0.min(life.segment), noted.1 + 1);
                }
            }
        }
        let mut order: Vec<_> = chains.chains.iter().collect();
        order.sort_by_key(|(id, _)| Reverse(worst.get(*id).copied().unwrap_or(Verdict::Intact)));
        for (id, chain) in order.into_iter().take(TIMELINES_MAX) {
            if let Some(followed) = followed.get(id) {
                let timeline = Timeline::of(chain, followed, &self.tallies.times);
                self.timelines.insert(id.to_string(), timeline);
            }
        }
    }
}

/// The request: the command line, and the files that it names beside the logs.
pub(super) struct Asked {
    pub(super) command: Vec<String>,
    /// The purpose, the name, and the contents at the start of each file.
    pub(super) files: Vec<(&'static str, String, Stored)>,
}

impl Asked {
    /// Reads the command line, and the files that it names beside the logs, each with its
    /// purpose.
    pub(super) fn of(named: &[(&'static str, &PathBuf)]) -> Result<Asked> {
        let mut files = Vec::new();
        for (what, path) in named {
            files.push((*what, input::without_secrets(&path.to_string_lossy()), stored(path)?));
        }
        let command = std::env::args_os().map(|argument| input::without_secrets(&argument.to_string_lossy()));
        Ok(Asked { command: command.collect(), files })
    }
}

fn stored(path: &Path) -> Result<Stored> {
    ensure!(
        !whole::is_pipe_of_shell(path),
        "{}: the page states the hash of this file, and a pipe can be read only once; write it to a file, and name that \
         file",
        path.display()
    );
    let parts = input::open(path)?.map(|opened| opened.map(|(_, bytes)| bytes));
    Stored::of_all(parts).with_context(|| format!("{}: cannot be read", path.display()))
}
