//! `flb-audit prove`: proves that one record is covered by a checkpoint, for somebody who
//! has neither the log nor a network.
//!
//! A proof holds the record, the leaves of the records from there to the checkpoint (32
//! bytes each), and the checkpoint.

mod way;

use crate::ignored::IgnoredKeys;
use crate::input;
use crate::report::{Envelope, Findings};
use crate::roster::Roster;
use crate::stdout::print;
use crate::terminal::PROVEN;
use crate::verdict::Verdict;
use crate::verify::Verifier;
use crate::whole;
use anyhow::{Context, Result, bail};
use clap::Args;
use flb_audit_core::chain::checkpoint::Checkpoint;
use flb_audit_core::chain::{ChainId, Place, Position, Run};
use flb_audit_core::hash::Hash;
use flb_audit_core::text::base64url::{hash_from_text, hash_text};
use flb_audit_core::verify::{Anchor, Checked, Checker, read_anchor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::path::{Path, PathBuf};
use way::{Logs, Way};

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
    #[serde(with = "leaves")]
    leaves: Vec<Hash>,
    checkpoint: Box<RawValue>,
}

/// The maximum number of leaves in a proof.
const LEAVES_MAX: usize = 1 << 20;
/// The maximum length of a proof, in bytes. A leaf takes 46 bytes, and the record is twice as long as
/// its text at most, because a JSON string escapes quotes and backslashes.
const PROOF_BYTES_MAX: u64 = (2 * input::LINE_BYTES_MAX + 46 * LEAVES_MAX) as u64 + CHECKPOINT_BYTES_MAX;
/// The maximum length of a checkpoint, in bytes. One that a filter seals takes less than 9 KB.
const CHECKPOINT_BYTES_MAX: u64 = 1 << 20;

impl Prove {
    pub(crate) fn run(self) -> Result<()> {
        let under = self.under.as_deref().map(read_checkpoint).transpose()?;
        let first = Position { segment: self.seg, sequence: self.seq };
        let logs =
            Logs { files: &self.files, ignored: &self.ignored, chain: self.chain, first, run: self.run };
        let mut reading = logs.read(logs.first_key())?;
        if let Some((one, other)) = reading.runs {
            bail!(
                "two runs have sealed a record with this number; name the run: --run {one}, or --run {other}"
            );
        }
        let found = reading
            .first
            .take()
            .context("the record is not in these logs, or is not intact; `flb-audit verify` says which")?;
        let Way { leaves, heads, checkpoint } = Way::find(&logs, reading, under, LEAVES_MAX)?;
        let found = match heads.first().filter(|head| **head != found.sealed.head) {
            Some(head) => logs.with_head(head)?,
            None => found,
        };
        if !reaches(&checkpoint, first, &heads) {
            bail!(
                "{TOO_EARLY}; name an earlier checkpoint with --under, or leave --under out, for the first checkpoint after \
                 the record"
            );
        }
        let checkpoint = checkpoint.anchor(false).ok().context("out of memory")?;
        let checkpoint = RawValue::from_string(String::from_utf8(checkpoint)?.trim().to_owned())?;
        let proof = Proof { record: found.text, leaves, checkpoint };
        print(&(serde_json::to_string(&proof)? + "\n"))
    }
}

/// The leaves of a proof as text, no more than are allowed.
mod leaves {
    use super::*;
    use serde::de::{Error, SeqAccess, Visitor};
    use serde::{Deserializer, Serializer};
    use std::borrow::Cow;
    use std::fmt;

    pub(super) fn serialize<S: Serializer>(leaves: &[Hash], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(leaves.iter().map(|leaf| String::from_utf8_lossy(&hash_text(leaf)).into_owned()))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Hash>, D::Error> {
        from.deserialize_seq(Leaves)
    }

    struct Leaves;

    impl<'de> Visitor<'de> for Leaves {
        type Value = Vec<Hash>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "at most {LEAVES_MAX} leaves")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Vec<Hash>, A::Error> {
            let mut leaves = Vec::new();
            while let Some(text) = all.next_element::<Cow<'de, str>>()? {
                let leaf = hash_from_text(text.as_bytes())
                    .ok_or_else(|| A::Error::custom("a leaf that is not a hash in base64url"))?;
                if leaves.len() == LEAVES_MAX {
                    return Err(A::Error::custom(format!("more than {LEAVES_MAX} leaves")));
                }
                leaves.push(leaf);
            }
            Ok(leaves)
        }
    }
}

/// Reads a file up to a length, which no honest file has.
fn read_up_to(path: &Path, bytes_max: u64) -> Result<Vec<u8>> {
    whole::read_up_to(path, bytes_max).with_context(|| format!("{}: cannot be read", path.display()))
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
    let text = read_up_to(path, CHECKPOINT_BYTES_MAX)?;
    let anchor = read_anchor(&text).with_context(|| {
        format!(
            "{}: not a checkpoint; `flb-audit checkpoints` prints those of a log, a line each, and the file must hold \
             one of them",
            path.display()
        )
    })?;
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
        let text = read_up_to(path, PROOF_BYTES_MAX)?;
        let proof: Proof = serde_json::from_slice(&text)
            .with_context(|| format!("{}: not a proof, as `flb-audit prove` prints it", path.display()))?;
        drop(text);
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
        let text = Some(self.checkpoint.get()).filter(|text| text.len() as u64 <= CHECKPOINT_BYTES_MAX);
        let Some(Anchor { checkpoint, .. }) = text.and_then(|text| read_anchor(text.as_bytes())) else {
            bail!("the proof has no valid checkpoint");
        };
        if let Err(unread) = input::check_elements(self.record.as_bytes()) {
            bail!("the proof has {unread}");
        }
        let tampered = |what: &str| Ok((Verdict::Tampered, what.to_owned()));
        let sealed = match Checker::new(ignored).check(self.record.as_bytes()) {
            Ok(Checked::Sealed(sealed)) if sealed.is_intact => *sealed,
            _ => return tampered("the record is not the one that was sealed"),
        };
        let mut head = sealed.head;
        let mut heads = vec![head];
        for leaf in &self.leaves {
            head = sealed.algorithm.head(&head, leaf);
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
