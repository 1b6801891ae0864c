//! Any input, cut into batches of whole records.
//!
//! A source that starts with `[` holds arrays, of which each element is a
//! record; one that starts with a frame is an encrypted file of a ledger; any
//! other holds a record, or an array of them, on every line.

mod batch;
mod decompress;
mod reader;
mod source;
mod split;

pub(crate) use source::{Source, check_is_file};

use anyhow::{Result, bail};
use batch::{NobodyReads, Part, check_elements};
use crossbeam_channel::{Receiver, Sender, bounded};
use flb_audit_ledger::frame::Frame;
use flb_audit_ledger::{DecryptionKeys, RecordId};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use reader::read_all;
use std::fmt;
use std::path::PathBuf;

/// How much is read before it is handed to a core, in bytes.
const BATCH_BYTES: usize = 1 << 20;
/// The longest line or element, in bytes: twice the longest record that a filter
/// seals, since a seal is added, and outputs escape characters.
pub(crate) const LINE_BYTES_MAX: usize = 2 * flb_audit_core::RECORD_BYTES_MAX;
/// The most elements of a record of more than a batch: each takes memory.
const ELEMENTS_MAX: usize = 4 << 20;

/// Batches that may wait for a core.
const BATCHES_WAITING_MAX: usize = 4;
/// How many results are handed on together.
const RESULTS_MAX: usize = 4096;

/// Where a record stands in the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct At {
    /// Which of the sources.
    pub(crate) source: usize,
    /// The line, or the element of an array, from 1 on.
    pub(crate) number: u64,
}

/// A record of the input.
pub(crate) struct Record<'a> {
    pub(crate) text: &'a [u8],
    /// Which one it is, as its frame states.
    pub(crate) stated: Option<RecordId>,
}

/// Why something of the input is not read.
pub(crate) enum Unread {
    /// The rest of the source, or this part of it, cannot be.
    Broken(String),
    /// A frame that begins here, in bytes, is not as it was written, or not where.
    /// What can be read of it is given all the same.
    Altered(u64),
    /// A frame that no identity opens.
    Encrypted(Box<Frame>),
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unread::Broken(reason) => f.write_str(reason),
            Unread::Altered(at) => {
                write!(f, "the frame at byte {at} is not as it was written after the one before it")
            }
            Unread::Encrypted(_) => {
                f.write_str("encrypted; `flb-audit export --identity FILE` writes its records in the clear")
            }
        }
    }
}

/// A source could not be read on from here.
struct Broken {
    at: At,
    reason: String,
}

/// Has all cores look at the records of all sources, a worker on each, and
/// hands on what they make of them, in no order. In place of the rest of a
/// source that cannot be read on, a worker is given the reason.
pub(crate) fn read<W, T>(
    sources: &[Source],
    worker: impl Fn() -> W + Sync,
    sink: impl FnMut(T) -> Result<()>,
) -> Result<()>
where
    W: FnMut(At, Result<&[u8], String>) -> T,
    T: Send,
{
    let worker = || {
        let mut worker = worker();
        move |at: At, record: Result<Record<'_>, Unread>| {
            worker(at, record.map(|record| record.text).map_err(|unread| unread.to_string()))
        }
    };
    read_encrypted(sources, None, worker, sink)
}

/// Reads like [`read`], and encrypted files as well, for who has a decryption key.
pub(crate) fn read_encrypted<W, T>(
    sources: &[Source],
    identities: Option<&DecryptionKeys>,
    worker: impl Fn() -> W + Sync,
    mut sink: impl FnMut(T) -> Result<()>,
) -> Result<()>
where
    W: FnMut(At, Result<Record<'_>, Unread>) -> T,
    T: Send,
{
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let progress = &progress(sources);
    let (batches, batches_to_check) = bounded::<Part>(BATCHES_WAITING_MAX * cores);
    let (results, results_to_take) = bounded::<Vec<T>>(BATCHES_WAITING_MAX * cores);
    let taken = std::thread::scope(|scope| {
        scope.spawn(move || read_all(sources, progress, &batches));
        for _ in 0..cores {
            let (batches, results) = (batches_to_check.clone(), results.clone());
            let worker = &worker;
            scope.spawn(move || work(&batches, results, identities, worker()));
        }
        // Each end goes when its last user does: so a sink that fails stops the
        // workers, and they stop the reader.
        drop((batches_to_check, results));
        results_to_take.into_iter().flatten().try_for_each(&mut sink)
    });
    progress.finish_and_clear();
    taken
}

/// Hands every record of some logs to `see`, one after the other.
pub(crate) fn read_in_order(files: Vec<PathBuf>, mut see: impl FnMut(&[u8])) -> Result<()> {
    let sources = &Source::all(files)?;
    let (batches, batches_to_see) = bounded::<Part>(BATCHES_WAITING_MAX);
    std::thread::scope(|scope| {
        scope.spawn(move || read_all(sources, &ProgressBar::hidden(), &batches));
        for part in batches_to_see {
            let batch = match part {
                Ok(mut batch) => {
                    if let Some(frame) = batch.frame.take() {
                        let name = sources[batch.source].name();
                        bail!("{name}: {}", Unread::Encrypted(Box::new(frame)));
                    }
                    batch
                }
                Err(broken) => bail!("{}: {}", sources[broken.at.source].name(), broken.reason),
            };
            for (at, text) in batch.records() {
                if let Err(unread) = check_elements(text) {
                    bail!("{}:{}: {unread}", sources[at.source].name(), at.number);
                }
                see(text);
            }
        }
        Ok(())
    })
}

/// Results on their way to who takes them.
struct Results<T> {
    made: Vec<T>,
    out: Sender<Vec<T>>,
}

impl<T> Results<T> {
    fn add(&mut self, result: T) -> Result<(), NobodyReads> {
        self.made.push(result);
        if self.made.len() < RESULTS_MAX { Ok(()) } else { self.send() }
    }

    fn send(&mut self) -> Result<(), NobodyReads> {
        self.out.send(std::mem::take(&mut self.made)).map_err(|_| NobodyReads)
    }
}

fn work<T>(
    batches: &Receiver<Part>,
    out: Sender<Vec<T>>,
    identities: Option<&DecryptionKeys>,
    mut worker: impl FnMut(At, Result<Record<'_>, Unread>) -> T,
) {
    let mut results = Results { made: Vec::new(), out };
    for part in batches {
        let mut see = |at: At, record: Result<Record<'_>, Unread>| results.add(worker(at, record));
        let seen = match part {
            Ok(mut batch) => match batch.frame.take() {
                Some(frame) => batch.see_frame(frame, identities, &mut see),
                None => batch.records().try_for_each(|(at, text)| {
                    see(at, check_elements(text).map(|()| Record { text, stated: None }))
                }),
            },
            Err(broken) => see(broken.at, Err(Unread::Broken(broken.reason))),
        };
        if seen.and_then(|()| results.send()).is_err() {
            return;
        }
    }
}

/// A bar on a terminal; elsewhere nothing.
fn progress(sources: &[Source]) -> ProgressBar {
    let bytes = sources.iter().map(Source::len).sum::<Option<u64>>();
    let bar = ProgressBar::with_draw_target(bytes, ProgressDrawTarget::stderr());
    let style = "{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
    bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}
