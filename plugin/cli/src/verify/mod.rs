//! `flb-audit verify`: what is left of the chains in a log.
//!
//! All cores check the records of the input, each for itself; `chains` puts
//! together what they saw, in any order; `report` says it. `signatures` verifies
//! checkpoints, `keys` puts together what they say of keys, and `proven` what
//! keys, anchors and the roster prove. `ledger` knows the directory of a ledger,
//! `export` that of an export.

mod absent;
mod anchors;
mod chains;
mod export;
mod keys;
mod ledger;
mod proven;
mod report;
mod segment;
mod signatures;
mod stated;

pub(crate) use crate::verdict::Verdict;
pub(crate) use ledger::{Ledgers, path_of};
pub(crate) use signatures::Verifier;

use crate::frames::Identity;
use crate::input::{self, At, Record, Source, Unread};
use crate::prove::Proven;
use crate::roster::Roster;
use crate::stdout::print;
use anyhow::{Result, bail, ensure};
use chains::Chains;
use clap::Args;
use export::Exported;
use flb_audit_core::verify::{Checked, Checker, Sealed};
use flb_audit_ledger::frame::Frame;
use flb_audit_ledger::{DecryptionKeys, tree};
use signatures::Signed;
use std::path::PathBuf;
use std::time::SystemTime;

/// Check sealed records: NDJSON or JSON arrays, plain, gzip or zstd
///
/// The exit code is that of the worst finding; `--help` lists them.
#[derive(Args)]
#[command(after_long_help = Verdict::help())]
pub(crate) struct Verify {
    /// The logs, in any order; the directory of a ledger stands for all of its
    /// files; none or `-` is standard input. Or the directory of one export
    files: Vec<PathBuf>,
    #[command(flatten)]
    ignored: IgnoredKeys,
    /// Checkpoints that were kept elsewhere, as `in_checkpoint.wasm` prints
    /// them, a line each: what they prove has to be there
    #[arg(long, value_name = "FILE")]
    anchors: Option<PathBuf>,
    /// The public keys of the nodes' chains, as `flb-audit init` writes them
    #[arg(long, value_name = "FILE")]
    roster: Option<PathBuf>,
    #[command(flatten)]
    identity: Identity,
    /// Name the nodes in the roster from which nothing came since this day or
    /// time, in UTC, as 2026-11-20 or 2026-11-20T08:00:00Z …
    #[arg(long, value_name = "TIME", requires = "roster", value_parser = time)]
    since: Option<SystemTime>,
    /// … until this, which is no longer part of it
    #[arg(long, value_name = "TIME", requires = "roster", value_parser = time)]
    until: Option<SystemTime>,
    /// Check a proof that `flb-audit prove` has made, and no log
    #[arg(long, value_name = "FILE", conflicts_with_all = ["files", "anchors", "since", "until"])]
    proof: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// A time in UTC, or the beginning of a day.
pub(crate) fn time(text: &str) -> Result<SystemTime, humantime::TimestampError> {
    let is_day = text.len() == "2026-11-20".len();
    humantime::parse_rfc3339_weak(&if is_day { format!("{text}T00:00:00Z") } else { text.to_owned() })
}

/// Keys that Fluent Bit's outputs add: `json_date_key` of `file`, `http`,
/// `stdout` and others; `time_key` and `tag_key` of `es` and `opensearch`.
const OUTPUT_KEYS: [&str; 3] = ["date", "@timestamp", "_flb-key"];

/// Keys at the top level that are not under the seal.
#[derive(Args)]
pub(crate) struct IgnoredKeys {
    /// A key that an output adds at the top level, beside `date`, `@timestamp`
    /// and `_flb-key`
    #[arg(long, value_name = "KEY")]
    ignore_key: Vec<String>,
}

impl IgnoredKeys {
    /// Those, and the ones that outputs add by themselves.
    pub(crate) fn all(self) -> Vec<String> {
        OUTPUT_KEYS.into_iter().map(str::to_owned).chain(self.ignore_key).collect()
    }
}

/// What became of one record of the input.
enum Seen {
    Sealed(Sealed, Option<Box<Signed>>),
    Unsealed,
    Malformed,
    UnknownVersion,
    Unreadable(String),
    /// Something that is not as it was written, and how it shows.
    Altered(String),
    Encrypted(Box<Frame>),
}

impl Verify {
    pub(crate) fn run(self) -> Result<Verdict> {
        let roster = self.roster.as_deref().map(Roster::read).transpose()?;
        let ignored = self.ignored.all();
        if let Some(path) = &self.proof {
            let proven = Proven::check(path, roster.as_ref(), ignored)?;
            let said = if self.json { proven.to_json()? } else { proven.shown() };
            print(&(said + "\n"))?;
            return Ok(proven.verdict());
        }
        if let Some(directory) = self.files.iter().find(|path| export::is_export(path)) {
            if self.files.len() > 1 || self.anchors.is_some() || self.since.is_some() || self.until.is_some()
            {
                bail!("{}: an export is verified by itself, with --roster alone", directory.display());
            }
            let exported = Exported::check(directory, roster.as_ref())?;
            let said = if self.json { exported.to_json()? } else { exported.to_string() };
            print(&said)?;
            return Ok(exported.verdict());
        }
        let identities = self.identity.read()?;
        let identities = identities.as_ref();
        let (files, mut ledgers) = Ledgers::expand(self.files, roster.as_ref())?;
        let sources = Source::all(files)?;
        let seconds =
            |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let (since, until) = (self.since.map_or(0, seconds), self.until.map_or(u64::MAX, seconds));
        ensure!(since < until, "there is no time between --since and --until, which is not part of it");
        let heard = since..=until - 1;

        let chains = Chains::new(heard, ledgers.take_absent());
        let mut chains = verify(&sources, identities, &ignored, roster.as_ref(), chains)?;
        ledgers.check(identities, &mut chains.findings);
        chains.report_encrypted(identities.is_some());
        chains.finish()?;
        if let Some(path) = &self.anchors {
            anchors::check(&mut chains, path, roster.as_ref())?;
        }
        if let Some(roster) = roster.as_ref() {
            chains.check_roster(roster, self.since.is_some() || self.until.is_some());
        }
        chains.check_ends();
        let report = report::Report::new(chains, &sources, roster.as_ref());
        let said = if self.json { serde_json::to_string_pretty(&report)? + "\n" } else { report.to_string() };
        print(&said)?;
        Ok(report.verdict())
    }
}

fn verify(
    sources: &[Source],
    identities: Option<&DecryptionKeys>,
    ignored: &[String],
    roster: Option<&Roster>,
    mut chains: Chains,
) -> Result<Chains> {
    let worker = || {
        let mut checker = Checker::new(ignored.to_vec());
        let mut signatures = Verifier::new(roster);
        move |at: At, record: Result<Record<'_>, Unread>| match record {
            Ok(record) => (at, check(&mut checker, &mut signatures, &record)),
            Err(Unread::Broken(reason)) => (at, Seen::Unreadable(reason)),
            Err(Unread::Encrypted(frame)) => (at, Seen::Encrypted(frame)),
            Err(altered @ Unread::Altered(_)) => (at, Seen::Altered(altered.to_string())),
        }
    };
    input::read_encrypted(sources, identities, worker, |(at, seen)| Ok(chains.add(at, seen)?))?;
    Ok(chains)
}

fn check(checker: &mut Checker, signatures: &mut Verifier<'_>, record: &Record<'_>) -> Seen {
    let text = record.text;
    match checker.check(text) {
        Ok(Checked::Sealed(sealed)) if !is_as_stated(&sealed, record) => {
            Seen::Altered("not the record that its frame states".to_owned())
        }
        Ok(Checked::Sealed(sealed)) => {
            let signed = sealed.is_checkpoint.then(|| signatures.verify(sealed.checkpoint().as_ref()));
            Seen::Sealed(*sealed, signed.map(Box::new))
        }
        Ok(Checked::Unsealed) => Seen::Unsealed,
        Ok(Checked::UnknownVersion) => Seen::UnknownVersion,
        Ok(_) => Seen::Malformed,
        Err(unreadable) => Seen::Unreadable(unreadable.to_string()),
    }
}

/// Whether a record is the one that its frame names, if it is in one.
fn is_as_stated(sealed: &Sealed, record: &Record<'_>) -> bool {
    record.stated.is_none_or(|stated| {
        let life = sealed.place.life(sealed.chain);
        // One that is not as it was sealed has its line's hash for a head.
        (stated.life, stated.sequence) == (life, sealed.place.sequence)
            && (stated.head == sealed.head || stated.head == tree::leaf(record.text))
    })
}
