//! `flb-audit prove`: proves that one record is covered by a checkpoint, for somebody who
//! has neither the log nor a network.
//!
//! A proof holds the record, the leaves of the records from there to the checkpoint (32
//! bytes each), and the checkpoint.

use crate::ignored::IgnoredKeys;
use crate::input::{self, Seen};
use crate::report::{Envelope, Findings};
use crate::roster::Roster;
use crate::stdout::print;
use crate::terminal::{self, PROVEN};
use crate::verdict::Verdict;
use crate::verify::Verifier;
use anyhow::{Context, Result, bail};
use clap::Args;
use flb_audit_core::chain::checkpoint::Checkpoint;
use flb_audit_core::chain::{ChainId, Place, Position, Run};
use flb_audit_core::hash::Hash;
use flb_audit_core::text::base64url::{hash_from_text, hash_text};
use flb_audit_core::verify::{Anchor, Checked, Checker, Sealed, read_anchor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Print a proof that one record is covered by a checkpoint
///
/// `flb-audit verify --proof` checks it offline.
#[derive(Args)]
pub(crate) struct Prove {
    /// The logs that hold the record and all records after it, up to a checkpoint
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The record's chain
    #[arg(long, value_parser = chain_id, allow_hyphen_values = true)]
    chain: ChainId,
    /// The record's segment
    #[arg(long)]
    seg: u64,
    /// The record's sequence number in the segment
    #[arg(long)]
    seq: u64,
    /// The run of the segment, if two filters have written it
    #[arg(long, value_parser = run, allow_hyphen_values = true)]
    run: Option<Run>,
    /// The file of the checkpoint, as a line that `in_checkpoint.wasm` prints [default:
    /// the first checkpoint after the record]
    #[arg(long, value_name = "FILE")]
    under: Option<PathBuf>,
    #[command(flatten)]
    ignored: IgnoredKeys,
}

pub(crate) fn chain_id(text: &str) -> Result<ChainId, &'static str> {
    ChainId::from_text(text.as_bytes()).ok_or("a chain's name has twelve characters of base64url")
}

fn run(text: &str) -> Result<Run, &'static str> {
    Run::from_text(text.as_bytes()).ok_or("a run's name has six characters of base64url")
}

/// A proof, as its file holds it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Proof {
    /// The record's text.
    record: String,
    /// The leaves after the record, in base64url.
    leaves: Vec<String>,
    checkpoint: Box<RawValue>,
}

/// The record after a head.
struct Next {
    leaf: Hash,
    head: Hash,
    checkpoint: Option<Box<Checkpoint>>,
}

impl Prove {
    pub(crate) fn run(self) -> Result<()> {
        let under = self.under.as_deref().map(read_checkpoint).transpose()?;
        let mut checker = Checker::new(self.ignored.all());
        let mut found: Option<(String, Sealed, Option<Box<Checkpoint>>)> = None;
        let mut other_run = None;
        let mut next_of: HashMap<Hash, Next> = HashMap::new();
        input::read_in_order(self.files, terminal::progress, |text| {
            let sealed = match checker.check(text) {
                Ok(Checked::Sealed(sealed)) if sealed.chain == self.chain => sealed,
                Ok(Checked::Unsealed) | Err(_) => return Seen::Other(()),
                Ok(_) => return Seen::Record(()),
            };
            let Some(leaf) = sealed.leaf() else { return Seen::Record(()) };
            let checkpoint = sealed.checkpoint().map(Box::new);
            let Place { segment, run, sequence } = sealed.place;
            let is_run = self.run.is_none_or(|of| of == run);
            if (segment, sequence) == (self.seg, self.seq) && is_run {
                let before = found.as_ref().map(|(_, before, _)| before.place.run);
                other_run = other_run.or(before.filter(|before| *before != run).map(|before| (before, run)));
                found = Some((String::from_utf8_lossy(text).trim().to_owned(), *sealed, checkpoint));
            } else if segment >= self.seg {
                next_of.insert(sealed.previous, Next { leaf, head: sealed.head, checkpoint });
            }
            Seen::Record(())
        })?;
        if let Some((one, other)) = other_run {
            bail!(
                "two runs have sealed a record with this number; name the run: --run {one}, or --run {other}"
            );
        }
        let (record, sealed, mut checkpoint) = found
            .context("the record is not in these logs, or is not intact; `flb-audit verify` says which")?;
        let (mut head, mut leaves) = (sealed.head, Vec::new());
        let mut heads = vec![head];
        let checkpoint = loop {
            let is_there = under.as_ref().is_none_or(|under| under.head == head);
            match under.clone().map(Box::new).or(checkpoint) {
                Some(checkpoint) if is_there => break checkpoint,
                _ => {}
            }
            let next = next_of
                .get(&head)
                .context(
                    "the records from this one to a checkpoint are not all in these logs, or are not intact; name all \
                     logs up to the next checkpoint",
                )?;
            leaves.push(String::from_utf8_lossy(&hash_text(&next.leaf)).into_owned());
            (head, checkpoint) = (next.head, next.checkpoint.clone());
            heads.push(head);
        };
        if !reaches(&checkpoint, sealed.place.position(), &heads) {
            bail!(
                "{TOO_EARLY}; name an earlier checkpoint with --under, or leave --under out, for the first checkpoint after \
                 the record"
            );
        }
        let checkpoint = checkpoint.anchor(false).ok().context("out of memory")?;
        let checkpoint = RawValue::from_string(String::from_utf8(checkpoint)?.trim().to_owned())?;
        print(&(serde_json::to_string(&Proof { record, leaves, checkpoint })? + "\n"))
    }
}

/// Checks that a checkpoint stands where so many leaves lead from a record. Within a
/// segment and run there is one leaf for each record, and each later segment begins anew.
fn is_under(record: &Place, checkpoint: &Place, leaves: u64) -> bool {
    if record.segment < checkpoint.segment {
        return leaves > checkpoint.sequence;
    }
    let distance = checkpoint.sequence.checked_sub(record.sequence);
    (record.segment, record.run) == (checkpoint.segment, checkpoint.run) && distance == Some(leaves)
}

/// The reason why a checkpoint proves nothing about a record.
const TOO_EARLY: &str = "the record is from before the checkpoint's key came into force, and the keys before it have \
                         not signed what leads there";

/// Checks that a checkpoint's signature covers a record. `heads` are the heads from the
/// record's own to the checkpoint's.
///
/// The holder of a key can sign any head. But the signature counts only for records since
/// the key came into force. It counts for earlier ones if the key before has signed a
/// head on the way.
fn reaches(checkpoint: &Checkpoint, record: Position, heads: &[Hash]) -> bool {
    let since = &checkpoint.key.since;
    let mut end = heads.len();
    for (at, handover) in since.iter().enumerate() {
        // A key is never in force before the key before it.
        let start = since[at..].iter().map(|handover| handover.place.position()).max();
        if start.is_none_or(|start| start <= record) {
            return true;
        }
        let signed = heads[..end].iter().position(|head| *head == handover.head);
        match signed.filter(|_| Some(handover.place.position()) == start) {
            Some(at) => end = at + 1,
            None => return false,
        }
    }
    // The beginning of the key before all of these is unknown.
    since.last().is_none_or(|last| last.index == 1) || end == 1
}

fn read_checkpoint(path: &Path) -> Result<Checkpoint> {
    let text = fs::read(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    let anchor = read_anchor(&text).with_context(|| format!("{}: not a checkpoint", path.display()))?;
    Ok(anchor.checkpoint)
}

/// The result of checking a proof.
pub(crate) struct Proven(Envelope<Statement>);

/// The statement that a proof makes.
#[derive(Serialize)]
struct Statement {
    what: String,
}

impl Proven {
    /// Checks the proof in a file.
    pub(crate) fn check(path: &Path, roster: Option<&Roster>, ignored: Vec<String>) -> Result<Proven> {
        let text = fs::read(path).with_context(|| format!("{}: cannot be read", path.display()))?;
        let proof: Proof =
            serde_json::from_slice(&text).with_context(|| format!("{}: not a proof", path.display()))?;
        let (verdict, what) = proof.verdict(roster, ignored)?;
        let mut findings = Findings::default();
        if verdict != Verdict::Intact {
            findings.add(verdict, None, None, &*what);
        }
        Ok(Proven(Envelope::new(Statement { what }, findings)))
    }

    pub(crate) fn verdict(&self) -> Verdict {
        self.0.verdict()
    }

    /// Returns the report in one line. No anchor is involved, so the word `intact` would
    /// claim too much.
    pub(crate) fn shown(&self) -> String {
        let name = if self.verdict() == Verdict::Intact { PROVEN } else { self.verdict().name() };
        format!("{name}: {}\n", self.0.verified.what)
    }

    pub(crate) fn to_json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(&self.0)? + "\n")
    }
}

impl Proof {
    fn verdict(&self, roster: Option<&Roster>, ignored: Vec<String>) -> Result<(Verdict, String)> {
        let Some(Anchor { checkpoint, .. }) = read_anchor(self.checkpoint.get().as_bytes()) else {
            bail!("the proof has no valid checkpoint");
        };
        let tampered = |what: &str| Ok((Verdict::Tampered, what.to_owned()));
        let sealed = match Checker::new(ignored).check(self.record.as_bytes()) {
            Ok(Checked::Sealed(sealed)) if sealed.is_intact => *sealed,
            _ => return tampered("the record is not the one that was sealed"),
        };
        let mut head = sealed.head;
        let mut heads = vec![head];
        for leaf in &self.leaves {
            let Some(leaf) = hash_from_text(leaf.as_bytes()) else {
                bail!("the proof has a leaf that is not a hash in base64url");
            };
            head = sealed.algorithm.head(&head, &leaf);
            heads.push(head);
        }
        let is_there = is_under(&sealed.place, &checkpoint.place, self.leaves.len() as u64);
        if head != checkpoint.head || sealed.chain != checkpoint.chain || !is_there {
            return tampered("the record is not under that checkpoint");
        }
        let signed = Verifier::new(roster).verify(Some(&checkpoint), None);
        let mut shown = format!(
            "record {} of segment {} of chain {} is under the checkpoint at record {} of segment {}",
            sealed.place.sequence,
            sealed.place.segment,
            sealed.chain,
            checkpoint.place.sequence,
            checkpoint.place.segment
        );
        if sealed.unsealed_keys > 0 {
            shown +=
                &format!(", without {} of its members, which are not under the seal", sealed.unsealed_keys);
        }
        Ok(match signed {
            Ok(_) if !reaches(&checkpoint, sealed.place.position(), &heads) => {
                (Verdict::KeyNotCertified, format!("{shown}, but {TOO_EARLY}"))
            }
            // The proof shows only two handovers, which their signers can date back.
            Ok(good) => {
                let key = good.index().saturating_sub(2);
                (
                    Verdict::Intact,
                    format!("{shown}; whoever has had key {key} of the chain, or a later one, has sealed it"),
                )
            }
            Err(bad) => (bad.flaw.verdict(), format!("{shown}, but {}", bad.what())),
        })
    }
}
