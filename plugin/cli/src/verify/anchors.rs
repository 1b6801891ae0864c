//! Anchors: checkpoints that were kept where the log's writers cannot reach.
//! What they prove has existed has to be in the log.

use super::chains::Chains;
use super::signatures::Verifier;
use crate::roster::Roster;
use anyhow::{Context, Result, bail};
use flb_audit_core::verify::read_anchor;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// Holds all anchors in a file against what has been seen.
pub(super) fn check(chains: &mut Chains, path: &Path, roster: Option<&Roster>) -> Result<()> {
    let shown = path.display();
    let file = File::open(path).with_context(|| format!("{shown}: cannot be read"))?;
    let mut signatures = Verifier::new(roster);
    let mut count = 0;
    for (at, line) in BufReader::new(file).split(b'\n').enumerate() {
        let line = line.with_context(|| format!("{shown}: cannot be read"))?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let number = at + 1;
        let anchor = read_anchor(&line).with_context(|| {
            format!("{shown}:{number}: not a checkpoint; `flb-audit checkpoints` prints those of a file, a line each")
        })?;
        count += 1;
        let signed = signatures.verify(Some(&anchor));
        if let Some(flaw) = signed.flaw {
            let what = format!("{shown}:{number}: the anchor proves nothing: {}", flaw.what(signed.index));
            chains.findings.add(flaw.verdict(), Some(anchor.chain), None, what);
            continue;
        }
        chains.check_anchor(&anchor)?;
    }
    if count == 0 {
        bail!("{shown}: no checkpoint in it");
    }
    Ok(())
}
