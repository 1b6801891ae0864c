//! Any input, cut into batches of whole records.
//!
//! A source that starts with `[` holds arrays, of which each element is a
//! record; one that starts with a frame is an encrypted file of a ledger; any
//! other holds a record, or an array of them, on every line.

use crate::frames::{self, Unopened};
use crate::stdout::shown;
use anyhow::{Result, bail};
use crossbeam_channel::{Receiver, Sender, bounded};
use flb_audit_ledger::frame::{self, Fault, Frame};
use flb_audit_ledger::{DecryptionKeys, RecordId};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use memchr::{memchr, memchr_iter, memchr2, memrchr};
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Seek};
use std::ops::Range;
use std::path::PathBuf;

/// How much is read before it is handed to a core, in bytes.
const BATCH_BYTES: usize = 1 << 20;
/// The longest record, in bytes: it has to be held in memory.
const RECORD_BYTES_MAX: usize = 1 << 30;

/// Batches that may wait for a core.
const BATCHES_WAITING_MAX: usize = 4;

/// Where a record stands in the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct At {
    /// Which of the sources.
    pub(crate) source: usize,
    /// The line, or the element of an array, from 1 on.
    pub(crate) number: u64,
}

/// A file or standard input.
pub(crate) struct Source {
    path: PathBuf,
}

/// A part of a source: whole records.
struct Batch {
    source: usize,
    /// The number of the first record.
    first: u64,
    bytes: Vec<u8>,
    /// Where the records are; none if they are lines.
    elements: Option<Vec<Range<usize>>>,
    /// The frame that has them; then this is its body.
    frame: Option<Frame>,
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

impl std::fmt::Display for Unread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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

impl Source {
    fn new(path: PathBuf) -> Self {
        Source { path }
    }

    /// The sources that a command line names: none or `-` is standard input.
    pub(crate) fn all(files: Vec<PathBuf>) -> Result<Vec<Source>> {
        if files.is_empty() && io::stdin().is_terminal() {
            bail!("nothing to read: name log files, or pipe records into standard input");
        }
        let files = if files.is_empty() { vec![PathBuf::from("-")] } else { files };
        Ok(files.into_iter().map(Source::new).collect())
    }

    fn is_stdin(&self) -> bool {
        self.path.as_os_str() == "-"
    }

    /// As it is shown.
    pub(crate) fn name(&self) -> String {
        if self.is_stdin() { "standard input".into() } else { shown(&self.path.to_string_lossy()) }
    }

    /// Its bytes as stored, where that is known.
    fn len(&self) -> Option<u64> {
        if self.is_stdin() { None } else { self.path.metadata().ok().map(|metadata| metadata.len()) }
    }

    fn open(&self, progress: &ProgressBar) -> io::Result<Box<dyn BufRead + Send>> {
        if self.is_stdin() {
            return decompress(BufReader::new(progress.wrap_read(io::stdin())));
        }
        if self.path.is_dir() {
            return Err(io::Error::other("is a directory; name the files in it"));
        }
        decompress(BufReader::with_capacity(BATCH_BYTES, progress.wrap_read(File::open(&self.path)?)))
    }
}

/// Looks at the first bytes: RFC 1952 section 2.3.1, RFC 8878 section 3.1.1.
fn decompress(mut bytes: impl BufRead + Send + 'static) -> io::Result<Box<dyn BufRead + Send>> {
    let start = bytes.fill_buf()?;
    if start.starts_with(frame::START) {
        return Err(io::Error::other("an encrypted file cannot be read from a pipe; name its file"));
    }
    if start.starts_with(&[0x1f, 0x8b]) {
        let decoder = flate2::bufread::MultiGzDecoder::new(bytes);
        Ok(Box::new(BufReader::with_capacity(BATCH_BYTES, decoder)))
    } else if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        let decoder = zstd::stream::read::Decoder::with_buffer(bytes)?;
        Ok(Box::new(BufReader::with_capacity(BATCH_BYTES, decoder)))
    } else {
        Ok(Box::new(bytes))
    }
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

/// The same, of encrypted files as well, for who has a decryption key.
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
    let (batches, batches_to_check) = bounded::<Result<Batch, Broken>>(BATCHES_WAITING_MAX * cores);
    let (results, results_to_take) = bounded::<Vec<T>>(BATCHES_WAITING_MAX * cores);
    let taken = std::thread::scope(|scope| {
        scope.spawn(move || read_all(sources, progress, &batches));
        for _ in 0..cores {
            let (batches, results) = (batches_to_check.clone(), results.clone());
            let worker = &worker;
            scope.spawn(move || work(&batches, &results, identities, worker()));
        }
        drop(results);
        results_to_take.iter().flatten().try_for_each(&mut sink)
    });
    progress.finish_and_clear();
    taken
}

/// Gives `see` every record of some logs, one after the other.
pub(crate) fn read_in_order(files: Vec<PathBuf>, mut see: impl FnMut(&[u8])) -> Result<()> {
    let sources = &Source::all(files)?;
    let (batches, batches_to_see) = bounded::<Result<Batch, Broken>>(BATCHES_WAITING_MAX);
    std::thread::scope(|scope| {
        scope.spawn(move || read_all(sources, &ProgressBar::hidden(), &batches));
        for batch in batches_to_see {
            match batch {
                Ok(Batch { frame: Some(frame), source, .. }) => {
                    bail!("{}: {}", sources[source].name(), Unread::Encrypted(Box::new(frame)))
                }
                Ok(batch) => batch.records().for_each(|(_, text)| see(text)),
                Err(broken) => bail!("{}: {}", sources[broken.at.source].name(), broken.reason),
            }
        }
        Ok(())
    })
}

fn work<T>(
    batches: &Receiver<Result<Batch, Broken>>,
    results: &Sender<Vec<T>>,
    identities: Option<&DecryptionKeys>,
    mut worker: impl FnMut(At, Result<Record<'_>, Unread>) -> T,
) {
    for batch in batches {
        let made = match batch {
            Ok(mut batch) => match batch.frame.take() {
                Some(frame) => batch.read_frame(frame, identities, &mut worker),
                None => {
                    let records = batch.records();
                    records.map(|(at, text)| worker(at, Ok(Record { text, stated: None }))).collect()
                }
            },
            Err(broken) => vec![worker(broken.at, Err(Unread::Broken(broken.reason)))],
        };
        // The receiver is gone only if it has failed, and then says so.
        let _ = results.send(made);
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

impl Batch {
    /// The records, each with its place; empty lines are none.
    fn records(&self) -> impl Iterator<Item = (At, &[u8])> {
        let ranges: Box<dyn Iterator<Item = (u64, Range<usize>)>> = match &self.elements {
            Some(elements) => Box::new((0..).zip(elements.iter().cloned())),
            None => Box::new((0..).zip(lines(&self.bytes)).flat_map(|(number, line)| {
                let text = &self.bytes[line.clone()];
                let start = text.iter().position(|byte| !byte.is_ascii_whitespace());
                match start.map(|at| text[at]) {
                    None => vec![],
                    Some(b'[') => {
                        let mut splitter = Splitter::default();
                        splitter.scan(text, true);
                        let elements = splitter.elements.into_iter();
                        elements.map(|e| (number, line.start + e.start..line.start + e.end)).collect()
                    }
                    Some(_) => vec![(number, line)],
                }
            })),
        };
        ranges.map(|(number, range)| {
            (At { source: self.source, number: self.first + number }, &self.bytes[range])
        })
    }
}

impl Batch {
    /// Gives the records of an encrypted frame to a worker, or why it has none.
    fn read_frame<T>(
        &self,
        frame: Frame,
        identities: Option<&DecryptionKeys>,
        worker: &mut impl FnMut(At, Result<Record<'_>, Unread>) -> T,
    ) -> Vec<T> {
        let at = At { source: self.source, number: self.first };
        let mut made = Vec::new();
        if !frame.is_whole {
            made.push(worker(at, Err(Unread::Altered(frame.at))));
        }
        let opened = identities.map(|identities| frames::open(identities, &frame, &self.bytes));
        match opened {
            Some(Ok(text)) => {
                let places = (self.first..).map(|number| At { number, ..at });
                let records = places.zip(frames::lines(&text)).zip(&frame.records);
                made.extend(
                    records
                        .map(|((at, text), stated)| worker(at, Ok(Record { text, stated: Some(*stated) }))),
                );
            }
            Some(Err(Unopened::Damaged(what))) => {
                let reason = format!("the frame at byte {} is damaged: {what}", frame.at);
                made.push(worker(at, Err(Unread::Broken(reason))));
            }
            Some(Err(Unopened::NotForThese)) | None => {
                made.push(worker(at, Err(Unread::Encrypted(Box::new(frame)))));
            }
        }
        made
    }
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut start = 0;
    memchr_iter(b'\n', bytes).chain(std::iter::once(bytes.len())).map(move |end| {
        let line = start..end;
        start = end + 1;
        line
    })
}

/// Reads every source and sends its batches.
fn read_all(sources: &[Source], progress: &ProgressBar, out: &Sender<Result<Batch, Broken>>) {
    for (number, source) in sources.iter().enumerate() {
        let mut reader = SourceReader { source: number, number: 1, out };
        let result = if !source.is_stdin() && frames::is_frames(&source.path) {
            File::open(&source.path).and_then(|file| reader.read_frames(progress.wrap_read(file)))
        } else {
            source.open(progress).and_then(|bytes| reader.read(bytes))
        };
        if let Err(error) = result {
            reader.send_broken(error.to_string());
        }
    }
}

struct SourceReader<'a> {
    source: usize,
    /// The number of the next record.
    number: u64,
    out: &'a Sender<Result<Batch, Broken>>,
}

impl SourceReader<'_> {
    fn read(&mut self, mut bytes: Box<dyn BufRead + Send>) -> io::Result<()> {
        let mut buffer = Vec::new();
        fill(&mut bytes, &mut buffer)?;
        let is_array = buffer.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
        if is_array { self.read_arrays(bytes, buffer) } else { self.read_lines(bytes, buffer) }
    }

    fn read_lines(&mut self, mut bytes: Box<dyn BufRead + Send>, mut buffer: Vec<u8>) -> io::Result<()> {
        loop {
            if let Some(last) = memrchr(b'\n', &buffer) {
                let rest = buffer.split_off(last + 1);
                self.send(std::mem::replace(&mut buffer, rest), None);
            } else if buffer.len() > RECORD_BYTES_MAX {
                return Err(too_long());
            }
            let before = buffer.len();
            let result = fill(&mut bytes, &mut buffer);
            if result.is_err() || buffer.len() == before {
                self.send(buffer, None);
                return result;
            }
        }
    }

    fn read_arrays(&mut self, mut bytes: Box<dyn BufRead + Send>, mut buffer: Vec<u8>) -> io::Result<()> {
        let mut splitter = Splitter::default();
        loop {
            let before = buffer.len();
            let result = fill(&mut bytes, &mut buffer);
            let is_end = result.is_err() || buffer.len() == before;
            splitter.scan(&buffer, is_end);
            let elements = std::mem::take(&mut splitter.elements);
            let rest = buffer.split_off(splitter.rebase());
            self.send(std::mem::replace(&mut buffer, rest), Some(elements));
            if is_end {
                if result.is_ok() && splitter.is_in_array {
                    self.send_broken("an array without its end: it is cut off".to_owned());
                }
                return result;
            }
            if buffer.len() > RECORD_BYTES_MAX {
                return Err(too_long());
            }
        }
    }

    fn read_frames(&mut self, file: impl Read + Seek) -> io::Result<()> {
        let mut reader = frame::Reader::new(BufReader::with_capacity(BATCH_BYTES, file));
        loop {
            let mut bytes = Vec::new();
            match reader.next(|piece| bytes.extend_from_slice(piece)) {
                Ok(None) => return Ok(()),
                Ok(Some(frame)) => {
                    let (source, first) = (self.source, self.number);
                    self.number += frame.records.len() as u64;
                    let batch = Batch { source, first, bytes, elements: None, frame: Some(frame) };
                    let _ = self.out.send(Ok(batch));
                }
                Err(Fault::Io(error)) => return Err(error),
                Err(broken) => self.send_broken(broken.to_string()),
            }
        }
    }

    fn send_broken(&self, reason: String) {
        let at = At { source: self.source, number: self.number };
        let _ = self.out.send(Err(Broken { at, reason }));
    }

    fn send(&mut self, bytes: Vec<u8>, elements: Option<Vec<Range<usize>>>) {
        let count = match &elements {
            Some(elements) => elements.len(),
            None => memchr_iter(b'\n', &bytes).count(),
        };
        let batch = Batch { source: self.source, first: self.number, bytes, elements, frame: None };
        self.number += count as u64;
        // The receivers are gone only if one has failed, and then says so.
        let _ = self.out.send(Ok(batch));
    }
}

fn too_long() -> io::Error {
    io::Error::other(format!("a record of more than {RECORD_BYTES_MAX} bytes"))
}

/// Reads a batch more; less only at the end.
fn fill(bytes: &mut impl Read, buffer: &mut Vec<u8>) -> io::Result<()> {
    bytes.take(BATCH_BYTES as u64).read_to_end(buffer).map(|_| ())
}

/// Finds the elements of arrays. A line break in a string is not JSON: there
/// the element ends, so that one broken record costs no more than itself.
#[derive(Default)]
struct Splitter {
    elements: Vec<Range<usize>>,
    /// Where to go on.
    at: usize,
    /// Where the element that is open started.
    start: Option<usize>,
    depth: u32,
    in_string: bool,
    /// Whether the array that began last has not ended.
    is_in_array: bool,
}

impl Splitter {
    /// Scans on. With `is_end`, what is open ends here.
    fn scan(&mut self, bytes: &[u8], is_end: bool) {
        while self.at < bytes.len() {
            if self.in_string {
                match memchr2(b'"', b'\\', &bytes[self.at..]) {
                    Some(found) if memchr(b'\n', &bytes[self.at..self.at + found]).is_some() => {
                        self.end_at_line_break(bytes);
                    }
                    Some(found) if bytes[self.at + found] == b'"' => {
                        self.in_string = false;
                        self.at += found + 1;
                    }
                    // The escaped byte has not been read yet.
                    Some(found) if self.at + found + 1 >= bytes.len() && !is_end => {
                        self.at += found;
                        return;
                    }
                    Some(found) => self.at += found + 2,
                    None if memchr(b'\n', &bytes[self.at..]).is_some() => self.end_at_line_break(bytes),
                    None => self.at = bytes.len(),
                }
                continue;
            }
            let byte = bytes[self.at];
            match (byte, self.start) {
                (b'"', _) => {
                    self.start.get_or_insert(self.at);
                    self.in_string = true;
                }
                (b'{', None) => {
                    self.start = Some(self.at);
                    self.depth = 1;
                }
                (b'{' | b'[', Some(_)) => self.depth += 1,
                (b'}' | b']', Some(start)) if self.depth > 0 => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        self.push(start..self.at + 1);
                    }
                }
                // What is no object ends where the next element does.
                (b',' | b']' | b'\n', Some(start)) if self.depth == 0 => {
                    self.push(start..self.at);
                    self.is_in_array &= byte != b']';
                }
                (b'[' | b']', None) => self.is_in_array = byte == b'[',
                (b',', None) => {}
                (byte, None) if !byte.is_ascii_whitespace() => self.start = Some(self.at),
                _ => {}
            }
            self.at += 1;
        }
        self.at = self.at.min(bytes.len());
        if let Some(start) = self.start.filter(|_| is_end) {
            self.push(start..bytes.len());
        }
    }

    fn end_at_line_break(&mut self, bytes: &[u8]) {
        let end = memchr(b'\n', &bytes[self.at..]).map_or(bytes.len(), |found| self.at + found);
        if let Some(start) = self.start {
            self.push(start..end);
        }
        self.in_string = false;
        self.at = end;
    }

    fn push(&mut self, element: Range<usize>) {
        self.elements.push(element);
        self.start = None;
        self.depth = 0;
    }

    /// How much has been dealt with; the next scan goes on without it.
    fn rebase(&mut self) -> usize {
        let done = self.start.unwrap_or(self.at).min(self.at);
        self.at -= done;
        self.start = self.start.map(|start| start - done);
        done
    }
}
