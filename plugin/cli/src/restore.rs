//! `flb-audit restore`: prints the records in quarantine.

use crate::complain;
use crate::exit;
use crate::ignored::IgnoredKeys;
use crate::input::{self, At, Record, Seen, Source};
use crate::listed::{LISTED_MAX, Listed};
use crate::roster::Trusted;
use crate::stdout::Stdout;
use crate::verdict::Verdict;
use crate::verify::Verifier;
use anyhow::Result;
use clap::Args;
use flb_audit_core::hash::Hash;
use flb_audit_core::schema::Disposition;
use flb_audit_core::verify::{Checked, Checker};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::PathBuf;

/// Print the records in quarantine, one a line, in the redacted form in which they were
/// sealed
///
/// Each record is printed once, and only if it is as it was sealed and a signature by a key of
/// the roster covers it. All others are named. The logs must include the records from those
/// in quarantine to the next checkpoint.
#[derive(Args)]
#[group(id = "source", args = ["roster", "fleet", "unsigned"], required = true, multiple = true)]
pub(crate) struct Restore {
    /// The logs, as outputs wrote them or stores return them. None, or `-`, is standard
    /// input
    files: Vec<PathBuf>,
    #[command(flatten)]
    trusted: Trusted,
    /// Print also records that no signature covers. Anybody who can write the logs can
    /// have made them
    #[arg(long, conflicts_with_all = ["roster", "fleet"])]
    unsigned: bool,
    #[command(flatten)]
    ignored: IgnoredKeys,
}

/// A record as it was sealed.
struct Intact {
    previous: Hash,
    head: Hash,
    /// True if a key of the roster has signed its head.
    is_signed: bool,
    /// The text of the record, if the record is in quarantine.
    restored: Option<String>,
}

impl Restore {
    pub(crate) fn run(self) -> Result<u8> {
        let sources = Source::all(self.files)?;
        let roster = self.trusted.read()?;
        let roster = roster.as_ref();
        let ignored = self.ignored.all();
        let worker = || {
            let mut checker = Checker::new(ignored.clone());
            let mut signatures = Verifier::new(roster);
            move |at: At, record: Result<Record<'_>, String>| match record {
                Ok(record) => restore(&mut checker, &mut signatures, record.text).map(|made| (at, made)),
                Err(reason) => Seen::Record((at, Err(Refused::Unreadable(reason)))),
            }
        };
        // Each record once, however often the logs have it: its first place, and its number among
        // the records of one text.
        let (mut records, mut number) = (HashMap::<Hash, (At, u64, String)>::new(), 0);
        let (mut wrong, mut worst) = (Listed::new(), None);
        let mut refuse = |at: At, why: Refused| {
            worst = worst.max(Some(why.verdict()));
            wrong.add(at, why);
        };
        let mut reach = Reach::default();
        input::read(&sources, worker, |(at, made)| {
            match made {
                Ok(Some(intact)) => {
                    if roster.is_some() {
                        reach.add(&intact);
                    }
                    let is_first = || records.get(&intact.head).is_none_or(|(first, ..)| at < *first);
                    if let Some(record) = intact.restored.filter(|_| is_first()) {
                        records.insert(intact.head, (at, number, record));
                        number += 1;
                    }
                }
                Ok(None) => {}
                Err(why) => refuse(at, why),
            }
            Ok(())
        })?;
        if roster.is_some() {
            let reached = reach.heads();
            records.retain(|head, (at, ..)| {
                let is_reached = reached.contains(head);
                if !is_reached {
                    refuse(*at, Refused::NotReached);
                }
                is_reached
            });
        }
        let mut records: Vec<_> = records.into_values().collect();
        records.sort_unstable_by_key(|(at, number, _)| (*at, *number));
        if roster.is_none() && !records.is_empty() {
            worst = worst.max(Some(Verdict::Unsigned));
        }
        let (wrong, others) = wrong.into_first();
        for (at, refused) in &wrong {
            complain(format_args!("{}:{}: {refused}", sources[at.source].name(), at.number));
        }
        if others > 0 {
            complain(format_args!("{others} more places; only the first {LISTED_MAX} are named"));
        }
        let mut out = Stdout::new();
        for (.., record) in &records {
            out.write(record.as_bytes())?;
            out.write(b"\n")?;
        }
        out.end()?;
        Ok(match worst {
            Some(verdict) => verdict.code(),
            None if records.is_empty() => exit::NONE_IN_QUARANTINE,
            None => exit::RESTORED,
        })
    }
}

/// Finds the records that signatures cover. A signed head covers all records that led to
/// it.
#[derive(Default)]
struct Reach {
    /// The head before each head.
    previous: HashMap<Hash, Hash>,
    signed: HashSet<Hash>,
}

impl Reach {
    fn add(&mut self, record: &Intact) {
        self.previous.insert(record.head, record.previous);
        if record.is_signed {
            self.signed.insert(record.head);
        }
    }

    /// Returns the heads that signatures cover.
    fn heads(&self) -> HashSet<Hash> {
        let mut reached = HashSet::new();
        for signed in &self.signed {
            let mut head = *signed;
            while reached.insert(head) {
                match self.previous.get(&head) {
                    Some(previous) => head = *previous,
                    None => break,
                }
            }
        }
        reached
    }
}

/// The reason why a record is not restored.
enum Refused {
    NotAsSealed(String),
    NotReached,
    Unreadable(String),
}

impl Refused {
    fn verdict(&self) -> Verdict {
        match self {
            Refused::NotAsSealed(_) => Verdict::Tampered,
            Refused::NotReached => Verdict::Unsigned,
            Refused::Unreadable(_) => Verdict::Unreadable,
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::NotAsSealed(why) | Refused::Unreadable(why) => f.write_str(why),
            Refused::NotReached => f.write_str(
                "in quarantine, and no signature by a key of the roster covers it: also name the log up to the next \
                 checkpoint",
            ),
        }
    }
}

/// Reads a record that is as it was sealed. Returns `None` for a text without a seal.
fn restore(
    checker: &mut Checker,
    signatures: &mut Verifier<'_>,
    text: &[u8],
) -> Seen<Result<Option<Intact>, Refused>> {
    let altered = |what: &str| Seen::Record(Err(Refused::NotAsSealed(what.into())));
    match checker.check(text) {
        Ok(Checked::Sealed(sealed)) => {
            let is_in_quarantine = sealed.disposition == Disposition::Quarantine;
            if !sealed.is_intact {
                return if is_in_quarantine {
                    altered("a record in quarantine that is not as it was sealed")
                } else {
                    Seen::Record(Ok(None))
                };
            }
            let restored = if is_in_quarantine { sealed.quarantined() } else { None };
            if is_in_quarantine && restored.is_none() {
                return altered("a record in quarantine without its text");
            }
            let is_signed = sealed.is_checkpoint
                && signatures.verify(sealed.checkpoint().as_ref(), Some(sealed.seconds)).is_ok();
            let (previous, head) = (sealed.previous, sealed.head);
            Seen::Record(Ok(Some(Intact { previous, head, is_signed, restored })))
        }
        Ok(Checked::Unsealed) => Seen::Other(Ok(None)),
        Ok(Checked::UnknownVersion) => {
            let what = "a seal in a version that this flb-audit does not know; use a later one";
            Seen::Record(Err(Refused::Unreadable(what.into())))
        }
        Ok(_) => altered("a seal that no filter writes"),
        Err(unreadable) => Seen::Other(Err(Refused::Unreadable(unreadable.to_string()))),
    }
}
