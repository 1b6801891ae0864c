//! Reads sources and cuts them into batches.

use super::batch::{Batch, CUT_OFF, NobodyReads, Part};
use super::encoding::{Decoded, decode};
use super::framing::Framing;
use super::inputs::Inputs;
use super::parts::ends_open;
use super::record::{At, BATCH_BYTES, Broken, LINE_BYTES_MAX};
use super::source::{Opened, Source};
use super::split::Splitter;
use crossbeam_channel::Sender;
use flb_audit_ledger::frame::{self, Fault};
use indicatif::ProgressBar;
use memchr::{memchr, memchr_iter, memrchr};
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The reason why reading a source stops.
enum Stop {
    Unreadable(io::Error),
    NobodyReads,
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Stop::Unreadable(error)
    }
}

impl From<NobodyReads> for Stop {
    fn from(_: NobodyReads) -> Self {
        Stop::NobodyReads
    }
}

/// Reads the sources, beginning with number `next`, which other readers advance as well.
/// Sends batches until nobody receives them. Returns how the sources were stored.
pub(super) fn read_all(
    sources: &[Source],
    next: &AtomicUsize,
    progress: &ProgressBar,
    out: &Sender<Part>,
) -> Inputs {
    let mut inputs = Inputs::default();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let Some(source) = sources.get(number) else { break };
        let mut reader = SourceReader { source: number, number: 1, out };
        let result = match source.open(progress) {
            Ok(Opened::Frames(file)) => reader.read_frames(progress.wrap_read(file)),
            Ok(Opened::Bytes(bytes)) => {
                inputs.add_form(bytes.format);
                reader.read(bytes.bytes, &mut inputs)
            }
            Err(error) => Err(error.into()),
        };
        let sent = match result {
            Ok(()) => Ok(()),
            Err(Stop::Unreadable(error)) => reader.send_broken(error.to_string()),
            Err(Stop::NobodyReads) => break,
        };
        if sent.is_err() {
            break;
        }
    }
    inputs
}

struct SourceReader<'a> {
    source: usize,
    /// The number of the next text.
    number: u64,
    out: &'a Sender<Part>,
}

impl SourceReader<'_> {
    fn read(&mut self, bytes: Box<dyn BufRead + Send>, inputs: &mut Inputs) -> Result<(), Stop> {
        let Decoded { mut bytes, encoding } = decode(bytes)?;
        inputs.add_form(encoding);
        let mut buffer = Vec::new();
        if let Err(error) = fill(&mut bytes, &mut buffer) {
            bytes = Box::new(BufReader::new(Failed(Some(error))));
        }
        let framing = Framing::of(&buffer, buffer.len() < BATCH_BYTES);
        inputs.add_form(framing.name());
        match framing {
            Framing::Lines => self.read_lines(bytes, buffer),
            Framing::Table => {
                let header = memchr(b'\n', &buffer).map_or(buffer.len(), |end| end + 1);
                buffer.drain(..header);
                self.number += 1;
                self.read_lines(bytes, buffer)
            }
            Framing::Arrays | Framing::Texts(_) => self.read_texts(bytes, buffer),
        }
    }

    fn read_lines(&mut self, mut bytes: Box<dyn BufRead + Send>, mut buffer: Vec<u8>) -> Result<(), Stop> {
        loop {
            let last = memrchr(b'\n', &buffer);
            let waits = |last: &usize| buffer.len() <= LINE_BYTES_MAX && ends_open(&buffer[..=*last]);
            if let Some(last) = last.filter(|last| !waits(last)) {
                let rest = buffer.split_off(last + 1);
                self.send(std::mem::replace(&mut buffer, rest), None)?;
            } else if buffer.len() > LINE_BYTES_MAX {
                return Err(too_long().into());
            }
            let before = buffer.len();
            let result = fill(&mut bytes, &mut buffer);
            if result.is_err() || buffer.len() == before {
                self.send(buffer, None)?;
                return Ok(result?);
            }
        }
    }

    fn read_texts(&mut self, mut bytes: Box<dyn BufRead + Send>, mut buffer: Vec<u8>) -> Result<(), Stop> {
        let mut splitter = Splitter::default();
        loop {
            let before = buffer.len();
            let result = fill(&mut bytes, &mut buffer);
            let is_end = result.is_err() || buffer.len() == before;
            splitter.scan(&buffer, is_end);
            let elements = std::mem::take(&mut splitter.elements);
            let rest = buffer.split_off(splitter.rebase());
            self.send(std::mem::replace(&mut buffer, rest), Some(elements))?;
            if is_end {
                if result.is_ok() && splitter.is_in_array() {
                    self.send_broken(CUT_OFF.to_owned())?;
                }
                return Ok(result?);
            }
            if buffer.len() > LINE_BYTES_MAX {
                return Err(too_long().into());
            }
        }
    }

    fn read_frames(&mut self, file: impl Read + Seek) -> Result<(), Stop> {
        let mut reader = frame::Reader::new(BufReader::with_capacity(BATCH_BYTES, file));
        loop {
            let mut bytes = Vec::new();
            match reader.next(|piece| bytes.extend_from_slice(piece)) {
                Ok(None) => return Ok(()),
                Ok(Some(frame)) => {
                    let (source, first) = (self.source, self.number);
                    self.number += frame.records.len() as u64;
                    let batch = Batch { source, first, bytes, elements: None, frame: Some(frame) };
                    self.out.send(Ok(batch)).map_err(|_| NobodyReads)?;
                }
                Err(Fault::Io(error)) => return Err(error.into()),
                Err(broken) => self.send_broken(broken.to_string())?,
            }
        }
    }

    fn send_broken(&self, reason: String) -> Result<(), NobodyReads> {
        let at = At { source: self.source, number: self.number };
        self.out.send(Err(Broken { at, reason })).map_err(|_| NobodyReads)
    }

    fn send(&mut self, bytes: Vec<u8>, elements: Option<Vec<Range<usize>>>) -> Result<(), NobodyReads> {
        let count = match &elements {
            Some(elements) => elements.len(),
            None => memchr_iter(b'\n', &bytes).count(),
        };
        let batch = Batch { source: self.source, first: self.number, bytes, elements, frame: None };
        self.number += count as u64;
        self.out.send(Ok(batch)).map_err(|_| NobodyReads)
    }
}

fn too_long() -> io::Error {
    io::Error::other(format!("a line or element of more than {LINE_BYTES_MAX} bytes"))
}

/// Reads one more batch. It is shorter only at the end.
fn fill(bytes: &mut impl Read, buffer: &mut Vec<u8>) -> io::Result<()> {
    bytes.take(BATCH_BYTES as u64).read_to_end(buffer).map(|_| ())
}

/// A reader that returns the error of a source that could not be read on.
struct Failed(Option<io::Error>);

impl Read for Failed {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}
