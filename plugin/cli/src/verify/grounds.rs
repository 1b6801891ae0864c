//! The grounds of a judgement on logs, beside the logs themselves; and its conclusions.

use super::anchors;
use super::chains::{Chains, Followed};
use super::nodes::{Attendance, Expected};
use crate::roster::{Roster, Trusted};
use crate::time;
use anyhow::{Result, ensure};
use clap::Args;
use flb_audit_core::chain::ChainId;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::SystemTime;

/// The files that a judgement on logs rests on beside the logs.
#[derive(Args)]
pub(super) struct Grounds {
    /// Checkpoints that were kept elsewhere, one a line, as `in_checkpoint.wasm` prints
    /// them. The records that they prove have to be in the logs
    #[arg(long, value_name = "FILE")]
    pub(super) anchors: Option<PathBuf>,
    /// Checkpoints with which the logs begin, one a line, as in `--anchors`: older
    /// records were deleted on purpose, and are not reported as missing. If a chain has
    /// several, the earliest counts
    #[arg(long, value_name = "FILE", requires = "Trusted")]
    pub(super) from: Option<PathBuf>,
    #[command(flatten)]
    pub(super) trusted: Trusted,
    /// The names of the nodes that should be there, a line each, as `kubectl get nodes -o
    /// name` prints them: a node on the list that sealed nothing is silent, and a node that
    /// sealed something and is not on the list is unexpected. With several lists, a node may
    /// be on any of them
    #[arg(long, value_name = "FILE", requires = "Trusted")]
    pub(super) expect: Vec<PathBuf>,
    /// Accept that the last records of each chain have no anchor, if its checkpoints span no
    /// more than this time since the last anchor, by their own clocks: 15m, or 1h 30m
    #[arg(long, value_name = "TIME", requires = "anchors")]
    max_unanchored: Option<humantime::Duration>,
}

/// Returns a period in seconds since 1970.
pub(super) fn period(since: Option<SystemTime>, until: Option<SystemTime>) -> Result<RangeInclusive<u64>> {
    let (since, until) = (since.map_or(0, time::seconds), until.map_or(u64::MAX, time::seconds));
    ensure!(since < until, "--until must be later than --since");
    Ok(since..=until - 1)
}

impl Grounds {
    /// Returns the files that the command line names beside the logs, each with its purpose.
    pub(super) fn files(&self) -> Vec<(&'static str, &PathBuf)> {
        let named = [
            ("Roster of systems and keys", &self.trusted.roster),
            ("Fleet of systems, and its key", &self.trusted.fleet),
            ("Anchors: checkpoints kept elsewhere", &self.anchors),
            ("Checkpoints with which the log begins", &self.from),
        ];
        let named = named.into_iter().filter_map(|(what, path)| Some((what, path.as_ref()?)));
        named.chain(self.expect.iter().map(|path| ("List of expected systems", path))).collect()
    }

    /// Draws the conclusions from all that was read. Returns with them the nodes that are
    /// absent or not expected.
    pub(super) fn follow(
        &self,
        chains: &mut Chains<'_>,
        roster: Option<&Roster>,
        expected: Option<&Expected>,
        is_limited: bool,
    ) -> Result<(BTreeMap<ChainId, Followed>, Attendance)> {
        chains.report_encrypted();
        if let Some(path) = &self.from {
            anchors::read_starts(chains, path, roster)?;
        }
        if let Some(path) = &self.anchors {
            anchors::read(chains, path, roster)?;
        }
        let mut followed = chains.follow()?;
        chains.check_anchors(&mut followed)?;
        // Records that an anchor proves to be missing may have held a handover.
        chains.check_keys(&followed)?;
        let mut attendance = Attendance::default();
        if let Some(roster) = roster {
            chains.check_unreached(&followed);
            chains.check_roles();
            attendance = chains.check_nodes(roster, expected, is_limited, &followed);
        }
        chains.check_ends(&followed, self.max_unanchored.map(|time| time.as_secs()));
        Ok((followed, attendance))
    }
}
