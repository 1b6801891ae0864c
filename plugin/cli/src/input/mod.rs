//! Reads any input, cuts it into batches of whole texts, and finds the records in them.
//!
//! A source is a file or an object of a store. `address` and `keys` parse the names of
//! objects, and `objects` lists and reads them. A source is decompressed and decoded.
//! `framing` recognises how its texts are separated: as lines, as the elements of arrays,
//! or by their braces. `reader` cuts it into batches, which go to all cores. If a text is
//! not a record, `envelope` and `line` search it for records. A source that starts with a
//! frame is an encrypted file of a ledger; every line in its frames is a record.

mod address;
mod batch;
mod bulk;
mod decompress;
mod encoding;
mod envelope;
mod framing;
mod inputs;
mod keys;
mod line;
mod objects;
mod page;
mod parts;
mod place;
mod reader;
mod record;
mod source;
mod split;
mod stored;
mod table;

pub(crate) use batch::check_elements;
pub(crate) use decompress::decompressed_bytes_max;
pub(crate) use envelope::is_record;
pub(crate) use inputs::Inputs;
pub(crate) use place::Place;
pub(crate) use record::{At, LINE_BYTES_MAX, Record, Unread};
pub(crate) use source::{Source, Version, check_is_file, decompressed, has_date, open, without_secrets};
pub(crate) use stored::Stored;

use crate::terminal;
use anyhow::{Result, bail};
use batch::{NobodyReads, Part};
use crossbeam_channel::{Receiver, Sender, bounded};
use envelope::{Item, Opener};
use flb_audit_core::verify::Checker;
use flb_audit_ledger::DecryptionKeys;
use indicatif::ProgressBar;
use parts::Parts;
use reader::read_all;
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, PoisonError};

/// The maximum number of batches that wait for a core, for each core.
const BATCHES_WAITING_MAX: usize = 4;
/// The maximum number of objects that are read at the same time.
const OBJECTS_AT_ONCE_MAX: usize = 16;
/// The number of results that are handed on together.
const RESULTS_MAX: usize = 4096;

/// A worker's result for a text.
pub(crate) enum Seen<T> {
    /// The text is a sealed record, or was one. It is not searched for other records.
    Record(T),
    /// The text has no seal. The result counts only if no sealed record is found in the
    /// text.
    Other(T),
}

impl<T> Seen<T> {
    /// Changes the result.
    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Seen<U> {
        match self {
            Seen::Record(made) => Seen::Record(change(made)),
            Seen::Other(made) => Seen::Other(change(made)),
        }
    }

    fn made(self) -> T {
        match self {
            Seen::Record(made) | Seen::Other(made) => made,
        }
    }
}

/// The work of one core on texts.
pub(crate) trait Worker<T> {
    /// Looks at a text, or at the reason why it cannot be read.
    fn see(&mut self, at: At, record: Result<Record<'_>, Unread>) -> Seen<T>;

    /// Looks at several texts that stand in no envelope and no frame. Passes on the result of
    /// each, in their order.
    fn see_all(&mut self, texts: &[(At, &[u8])], mut pass: impl FnMut(Seen<T>)) {
        let place = &Place::default();
        for &(at, text) in texts {
            pass(self.see(at, Ok(Record { text, stated: None, place })));
        }
    }
}

impl<T, F: FnMut(At, Result<Record<'_>, Unread>) -> Seen<T>> Worker<T> for F {
    fn see(&mut self, at: At, record: Result<Record<'_>, Unread>) -> Seen<T> {
        self(at, record)
    }
}

/// Reads the records of all sources on all cores, with one worker on each core. Passes
/// the workers' results to `sink`, in no order. If a source cannot be read on, a worker
/// gets the reason instead of the rest. Returns the form of the inputs.
pub(crate) fn read<W, T>(
    sources: &[Source],
    worker: impl Fn() -> W + Sync,
    sink: impl FnMut(T) -> Result<()>,
) -> Result<Inputs>
where
    W: FnMut(At, Result<Record<'_>, String>) -> Seen<T>,
    T: Send,
{
    let worker = || {
        let mut worker = worker();
        move |at: At, record: Result<Record<'_>, Unread>| {
            worker(at, record.map_err(|unread| unread.to_string()))
        }
    };
    read_encrypted(sources, None, worker, sink)
}

/// Reads like [`read`], and also opens encrypted files with decryption keys.
pub(crate) fn read_encrypted<W, T>(
    sources: &[Source],
    identities: Option<&DecryptionKeys>,
    worker: impl Fn() -> W + Sync,
    mut sink: impl FnMut(T) -> Result<()>,
) -> Result<Inputs>
where
    W: Worker<T>,
    T: Send,
{
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let progress = &terminal::progress(bytes_of(sources));
    let next = &AtomicUsize::new(0);
    // Files are read faster than they are checked, so one reader is enough. Objects make
    // a reader wait.
    let readers = sources.iter().filter(|source| source.is_remote()).count().clamp(1, OBJECTS_AT_ONCE_MAX);
    let (batches, batches_to_check) = bounded::<Part>(BATCHES_WAITING_MAX * cores);
    let (results, results_to_take) = bounded::<Vec<T>>(BATCHES_WAITING_MAX * cores);
    let inputs = &Mutex::new(Inputs::default());
    let add = |part: Inputs| inputs.lock().unwrap_or_else(PoisonError::into_inner).merge(part);
    let taken = std::thread::scope(|scope| {
        for _ in 0..readers {
            let batches = batches.clone();
            scope.spawn(move || add(read_all(sources, next, progress, &batches)));
        }
        drop(batches);
        for _ in 0..cores {
            let (batches, results) = (batches_to_check.clone(), results.clone());
            let worker = &worker;
            scope.spawn(move || add(work(&batches, results, identities, worker())));
        }
        // Each channel closes with its last user. So a sink that fails stops the workers,
        // and they stop the readers.
        drop((batches_to_check, results));
        results_to_take.into_iter().flatten().try_for_each(&mut sink)
    });
    progress.finish_and_clear();
    taken?;
    Ok(inputs.lock().unwrap_or_else(PoisonError::into_inner).clone())
}

/// Passes every text of some logs to `see`, in order. `see` returns whether the text is a
/// record. If it is not, the records found in it are passed on. `progress` makes the bar for
/// the number of bytes.
pub(crate) fn read_in_order(
    files: Vec<PathBuf>,
    progress: fn(Option<u64>) -> ProgressBar,
    mut see: impl FnMut(&[u8]) -> Seen<()>,
) -> Result<()> {
    let sources = &Source::all(files)?;
    let progress = &progress(bytes_of(sources));
    let (batches, batches_to_see) = bounded::<Part>(BATCHES_WAITING_MAX);
    let mut opener = Opener::default();
    std::thread::scope(|scope| {
        scope.spawn(move || read_all(sources, &AtomicUsize::new(0), progress, &batches));
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
            for (at, text) in batch.texts() {
                let text = match text {
                    Ok(text) => text,
                    Err(unread) => bail!("{}:{}: {unread}", sources[at.source].name(), at.number),
                };
                if let Seen::Other(()) = see(text) {
                    opener.open(text, &Place::default(), &mut |found| {
                        if let Item::Record(text, _) = found {
                            see(text).made();
                        }
                    });
                }
            }
        }
        Ok(())
    })
}

/// Results on their way to the sink.
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
    worker: impl Worker<T>,
) -> Inputs {
    let results = Results { made: Vec::new(), out };
    let (opener, parts, inputs) = (Opener::default(), Parts::new(), Inputs::default());
    let mut work = Work { worker, results, opener, parts, inputs };
    for part in batches {
        let seen = match part {
            Ok(mut batch) => match batch.frame.take() {
                Some(frame) => batch.see_frame(frame, identities, |at, record| {
                    work.results.add(work.worker.see(at, record).made())
                }),
                None => {
                    let seen = work.see_texts(batch.texts());
                    seen.and_then(|()| work.end_parts())
                }
            },
            Err(broken) => work.add(broken.at, Err(Unread::Broken(broken.reason))),
        };
        if seen.and_then(|()| work.results.send()).is_err() {
            break;
        }
    }
    work.inputs
}

/// The state of one core's worker.
struct Work<W, T> {
    worker: W,
    results: Results<T>,
    opener: Opener,
    parts: Parts<T>,
    inputs: Inputs,
}

impl<W: Worker<T>, T> Work<W, T> {
    fn add(&mut self, at: At, record: Result<Record<'_>, Unread>) -> Result<(), NobodyReads> {
        self.results.add(self.worker.see(at, record).made())
    }

    /// Processes texts: as records, or else by searching them for records.
    fn see_texts<'a>(
        &mut self,
        texts: impl Iterator<Item = (At, Result<&'a [u8], Unread>)>,
    ) -> Result<(), NobodyReads> {
        let mut together = Vec::with_capacity(Checker::TOGETHER_MAX);
        for (at, text) in texts {
            match text {
                Ok(text) => together.push((at, text)),
                Err(unread) => {
                    self.see_together(&mut together)?;
                    self.add(at, Err(unread))?;
                }
            }
            if together.len() == Checker::TOGETHER_MAX {
                self.see_together(&mut together)?;
            }
        }
        self.see_together(&mut together)
    }

    /// Processes these texts, and takes them out of the list.
    fn see_together(&mut self, texts: &mut Vec<(At, &[u8])>) -> Result<(), NobodyReads> {
        let Work { worker, results, .. } = self;
        let (mut others, mut number, mut added) = (Vec::new(), 0, Ok(()));
        worker.see_all(texts, |seen| {
            match seen {
                Seen::Record(made) if added.is_ok() => added = results.add(made),
                Seen::Record(_) => {}
                Seen::Other(made) => others.push((number, made)),
            }
            number += 1;
        });
        added?;
        for (number, made) in others {
            let (at, text) = texts[number];
            self.see_other(at, text, made)?;
        }
        texts.clear();
        Ok(())
    }

    /// Searches a text that is no record for records.
    fn see_other(&mut self, at: At, text: &[u8], made: T) -> Result<(), NobodyReads> {
        if self.open(at, text, &Place::default())? > 0 {
            return Ok(());
        }
        if bulk::is_action(text) {
            self.inputs.add_action();
            return Ok(());
        }
        if page::is_empty(text) {
            self.inputs.add_empty_page();
            return Ok(());
        }
        match self.parts.add(text, made, LINE_BYTES_MAX) {
            parts::Added::Alone(made) => self.results.add(made),
            parts::Added::Waits => Ok(()),
            parts::Added::Whole(text, place, made) => match self.open(at, &text, &place)? {
                0 => made.into_iter().try_for_each(|made| self.results.add(made)),
                _ => Ok(()),
            },
        }
    }

    /// Passes on the results of parts of lines whose last part is missing.
    fn end_parts(&mut self) -> Result<(), NobodyReads> {
        self.parts.take().try_for_each(|made| self.results.add(made))
    }

    /// Processes the records found in a text. Returns their number.
    fn open(&mut self, at: At, text: &[u8], place: &Place) -> Result<u64, NobodyReads> {
        let Work { worker, results, opener, inputs, .. } = self;
        let mut added = Ok(());
        let found = opener.open(text, place, &mut |found| {
            let record = match found {
                Item::Record(text, place) => {
                    inputs.add_record(place);
                    Ok(Record { text, stated: None, place })
                }
                Item::Unsealed(text, _) if page::is_empty(text) => return inputs.add_empty_page(),
                Item::Unsealed(text, place) => Ok(Record { text, stated: None, place }),
                Item::Torn => {
                    inputs.add_torn();
                    Err(Unread::Torn)
                }
            };
            if added.is_ok() {
                added = results.add(worker.see(at, record).made());
            }
        });
        added.map(|()| found)
    }
}

/// Returns the stored length of all sources, if it is known.
fn bytes_of(sources: &[Source]) -> Option<u64> {
    sources.iter().map(Source::len).sum()
}
