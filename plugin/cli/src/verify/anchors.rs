//! Anchors: checkpoints that were kept where the log's writers cannot reach. Each record
//! that an anchor proves has to be in the log, unless the log begins after it.

use super::Verdict;
use super::chains::Chains;
use super::signatures::Verifier;
use crate::input;
use crate::roster::Roster;
use anyhow::{Context, Result, bail};
use flb_audit_core::chain::ChainId;
use flb_audit_core::verify::{Anchor, read_anchor};
use std::collections::BTreeMap;
use std::io::{BufRead, Read};
use std::path::Path;

/// The maximum length of an anchor, in bytes. A checkpoint takes less than 9 KB, and
/// outputs add some bytes.
const ANCHOR_BYTES_MAX: u64 = 1 << 20;

/// Reads all anchors in a file. They are compared with the log's records later.
pub(super) fn read(chains: &mut Chains<'_>, path: &Path, roster: Option<&Roster>) -> Result<()> {
    for_each(chains, path, roster, Chains::add_anchor)
}

/// Reads the checkpoints with which the log begins.
pub(super) fn read_starts(chains: &mut Chains<'_>, path: &Path, roster: Option<&Roster>) -> Result<()> {
    for_each(chains, path, roster, |chains, start| chains.add_start(&start.checkpoint))
}

/// Passes each good checkpoint of a file to `take`. A line that is not a checkpoint makes
/// a finding and is skipped.
fn for_each<'a>(
    chains: &mut Chains<'a>,
    path: &Path,
    roster: Option<&Roster>,
    take: impl Fn(&mut Chains<'a>, &Anchor),
) -> Result<()> {
    let (mut count, mut useless) = (0, Useless::new());
    for opened in input::open(path)? {
        let (name, bytes) = opened?;
        let lines = input::decompressed(bytes).with_context(|| format!("{name}: cannot be read"))?;
        count += for_each_in(chains, &name, lines, roster, &take, &mut useless)?;
    }
    for ((chain, why), (verdict, first, others)) in useless {
        let which = match others {
            0 => format!("{first}: the anchor proves nothing"),
            others => format!("{first}: this anchor and {others} more of its chain prove nothing"),
        };
        chains.findings.add(verdict, Some(chain), None, format!("{which}: {why}"));
    }
    if count == 0 {
        bail!("{}: no checkpoint in it; `flb-audit checkpoints` prints those of a log", path.display());
    }
    Ok(())
}

/// The anchors that prove nothing, by chain and reason: the verdict, the place of the first
/// one, and the number of all others.
type Useless = BTreeMap<(ChainId, String), (Verdict, String, u64)>;

/// Passes each good checkpoint of some lines to `take`. Returns the number of
/// checkpoints.
fn for_each_in<'a>(
    chains: &mut Chains<'a>,
    shown: &str,
    mut lines: impl BufRead,
    roster: Option<&Roster>,
    take: &impl Fn(&mut Chains<'a>, &Anchor),
    useless: &mut Useless,
) -> Result<u64> {
    let mut signatures = Verifier::new(roster);
    let (mut count, mut number) = (0, 0);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut lines).take(ANCHOR_BYTES_MAX).read_until(b'\n', &mut line);
        if read.with_context(|| format!("{shown}: cannot be read"))? == 0 {
            break;
        }
        number += 1;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let Some(anchor) = read_anchor(&line) else {
            let what = format!(
                "{shown}:{number}: not a checkpoint, so it anchors nothing; `flb-audit checkpoints` prints those of a \
                 log, a line each"
            );
            chains.findings.add(Verdict::Unreadable, None, None, what);
            continue;
        };
        count += 1;
        match signatures.verify(Some(&anchor.checkpoint), None) {
            Ok(good) => {
                if good.is_of_ledger() {
                    chains.ledgers.insert(anchor.checkpoint.chain);
                }
                if let Some(of) = good.membership() {
                    chains.enrolled.add(anchor.checkpoint.chain, of, None);
                }
                take(chains, &anchor);
            }
            Err(bad) => {
                useless
                    .entry((anchor.checkpoint.chain, bad.what()))
                    .and_modify(|(.., others)| *others += 1)
                    .or_insert_with(|| (bad.flaw.verdict(), format!("{shown}:{number}"), 0));
            }
        }
    }
    Ok(count)
}
