//! Anchors: checkpoints that were kept where the log's writers cannot reach. Each record
//! that an anchor proves has to be in the log, unless the log begins after it.

use super::Verdict;
use super::chains::Chains;
use super::signatures::Verifier;
use crate::input;
use crate::roster::Roster;
use anyhow::{Context, Result, bail, ensure};
use flb_audit_core::chain::ChainId;
use flb_audit_core::verify::{Anchor, read_anchor};
use std::collections::BTreeMap;
use std::io::{BufRead, Read};
use std::path::Path;

/// The maximum length of an anchor, in bytes. A checkpoint takes less than 9 KB, and
/// outputs add some bytes.
const ANCHOR_BYTES_MAX: u64 = 1 << 20;
/// The maximum length of all that is no anchor in a file of anchors, after decompression. Without it,
/// a small file could decompress to very many empty lines.
const OTHER_BYTES_MAX: u64 = 16 << 20;

/// The maximum number of findings on anchors that prove nothing.
const USELESS_MAX: usize = 10_000;

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
    let (mut count, mut useless) = (0, Useless::default());
    for opened in input::open(path)? {
        let (name, bytes) = opened?;
        let lines = input::decompressed(bytes).with_context(|| format!("{name}: cannot be read"))?;
        count += for_each_in(chains, &name, lines, roster, &take, &mut useless)?;
    }
    for ((chain, why), (verdict, first, others)) in useless.first {
        let which = match others {
            0 => format!("{first}: the anchor proves nothing"),
            others => format!("{first}: this anchor and {others} more of its chain prove nothing"),
        };
        chains.findings.add(verdict, Some(chain), None, format!("{which}: {why}"));
    }
    for (verdict, others) in useless.others {
        let what = format!(
            "{others} more anchors prove nothing; only the first {USELESS_MAX} chains and reasons have findings of \
             their own"
        );
        chains.findings.add(verdict, None, None, what);
    }
    if count == 0 {
        bail!("{}: no checkpoint in it; `flb-audit checkpoints` prints those of a log", path.display());
    }
    Ok(())
}

/// The anchors that prove nothing.
#[derive(Default)]
struct Useless {
    /// The first chains with their reasons: the verdict, the place of the first anchor, and the
    /// number of its others.
    first: BTreeMap<(ChainId, String), (Verdict, String, u64)>,
    /// The number of anchors beyond them.
    others: BTreeMap<Verdict, u64>,
}

impl Useless {
    fn add(&mut self, chain: ChainId, why: String, verdict: Verdict, at: impl FnOnce() -> String) {
        let of_chain = self.first.entry((chain, why));
        of_chain.and_modify(|(.., others)| *others += 1).or_insert_with(|| (verdict, at(), 0));
        while self.first.len() > USELESS_MAX {
            let Some((_, (verdict, _, others))) = self.first.pop_last() else { break };
            *self.others.entry(verdict).or_default() += others + 1;
        }
    }
}

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
    let (mut count, mut number, mut other_bytes) = (0, 0, 0);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut lines).take(ANCHOR_BYTES_MAX).read_until(b'\n', &mut line);
        let read = read.with_context(|| format!("{shown}: cannot be read"))?;
        if read == 0 {
            break;
        }
        number += 1;
        let is_empty = line.trim_ascii().is_empty();
        let anchor = if is_empty { None } else { read_anchor(&line) };
        let Some(anchor) = anchor else {
            other_bytes += read as u64;
            ensure!(
                other_bytes <= OTHER_BYTES_MAX,
                "{shown}:{number}: more than {OTHER_BYTES_MAX} bytes up to here are no checkpoints, which is the limit; name \
                 a file with a checkpoint a line, as `flb-audit checkpoints` prints them"
            );
            if is_empty {
                continue;
            }
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
                let at = || format!("{shown}:{number}");
                useless.add(anchor.checkpoint.chain, bad.what(), bad.flaw.verdict(), at);
            }
        }
    }
    Ok(count)
}
