//! Files of frames, which only recipients can read.
//!
//! A frame has the records of one commit, or some of them. It is encrypted to recipients,
//! and the node is not one of them. The data that the node needs to continue stands
//! before the records, in the clear, so the node never decrypts anything.
//!
//! | part | bytes | |
//! |---|---|---|
//! | header | up to a line break | [`Header`], as JSON |
//! | heads | 32 for each record | the head after it, in binary |
//! | body | `stored_bytes` | an age file in its binary form, of the records' lines as one frame of zstd |
//! | digest | 32 | SHA-256 of the digest of the frame before, and of this header, heads and body |
//!
//! Before the first frame, 32 zeros stand for the digest.

use crate::batch::{Entry, Part};
use crate::manifest::Extent;
use crate::record_id::RecordId;
use crate::runs;
use crate::tree::Node;
use crate::{Recipients, Result};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flb_audit_core::hash::Hash;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::io::{self, BufRead, Read, Seek, SeekFrom};

/// The bytes that every frame starts with.
pub const START: &[u8] = br#"{"frame":1,"#;

/// The maximum number of records in a frame.
pub(crate) const RECORDS_MAX: usize = 4096;
/// The maximum number of extents in a frame.
pub(crate) const EXTENTS_MAX: usize = 512;
/// The maximum length of the lines in a frame of several records, in bytes.
pub(crate) const LINES_BYTES_MAX: usize = 1 << 20;
/// The maximum length of a line with its line break, in bytes. The ledger writes no longer ones, so
/// a frame of one record has no longer line, either.
pub(crate) const LINE_BYTES_MAX: u64 = 32 << 20;
/// The maximum length of a header, in bytes.
const HEADER_BYTES_MAX: u64 = 512 << 10;
/// The number of bytes by which a body may be longer than its lines: it names the
/// recipients, and some lines do not compress.
const BODY_OVERHEAD_BYTES_MAX: u64 = 1 << 20;

/// The digest of a frame.
pub(crate) type Digested = [u8; 32];

/// The name of the file that frames are appended to.
pub fn open_name(number: u64) -> String {
    format!("{number:08}.frames.open")
}

/// The name of a closed file: the open one, renamed.
pub fn closed_name(number: u64) -> String {
    format!("{number:08}.frames")
}

/// The header of a frame, which is not encrypted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The version of the layout: 1.
    frame: u32,
    /// The length of all lines with their line breaks, in bytes.
    pub bytes: u64,
    /// The length of the body, in bytes.
    pub stored_bytes: u64,
    /// The earliest time of a record, in seconds since 1970.
    pub from: u64,
    /// The latest time of a record, in seconds since 1970.
    pub to: u64,
    /// The places of the records, in their order.
    pub extents: Vec<Extent>,
    /// The roots of the full subtrees of the file's Merkle tree that these records
    /// complete, smallest first, in base64url.
    tree: Vec<String>,
}

/// A frame, without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The place in the file where the frame begins, in bytes.
    pub at: u64,
    /// The frame's header.
    pub header: Header,
    /// The frame's records.
    pub records: Vec<RecordId>,
    /// The roots of the subtrees that the records complete, as in the header.
    pub grown: Vec<Node>,
    /// True if the frame is unchanged and follows the frame that was written before it.
    pub is_whole: bool,
}

impl Frame {
    /// Returns the records, each with its extent and the head before it. The head is
    /// `None` if the record is not as it was sealed.
    pub fn entries(&self) -> impl Iterator<Item = (RecordId, &Extent, Option<Hash>)> {
        let extents = self.header.extents.iter().flat_map(|extent| {
            let heads = extent.heads();
            (extent.first..=extent.last).map(move |sequence| (extent, heads, sequence == extent.first))
        });
        let mut before = [0; 32];
        self.records.iter().zip(extents).map(move |(record, (extent, heads, is_first))| {
            let prev = heads.map(|(prev, _)| if is_first { prev } else { before });
            before = record.head;
            (*record, extent, prev)
        })
    }
}

/// The reason why reading frames has to stop or skip bytes.
#[derive(Debug)]
pub enum Fault {
    /// The file cannot be read.
    Io(io::Error),
    /// The bytes from `at` on are not a frame, or only the beginning of one.
    Broken {
        /// The place in the file, in bytes.
        at: u64,
        /// The reason.
        what: &'static str,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Io(error) => error.fmt(f),
            Fault::Broken { at, what } => write!(f, "damaged at byte {at}: {what}"),
        }
    }
}

impl std::error::Error for Fault {}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Fault::Io(error)
    }
}

/// Reads the frames of a file one by one.
pub struct Reader<R> {
    source: R,
    at: u64,
    digest: Digested,
    /// The place where reading failed last, if it has not been resumed yet.
    broken: Option<u64>,
    /// The number of failures so far.
    breaks: u32,
}

impl<R: BufRead + Seek> Reader<R> {
    /// Reads from the beginning of a file.
    pub fn new(source: R) -> Self {
        Reader { source, at: 0, digest: [0; 32], broken: None, breaks: 0 }
    }

    /// Returns the place that has been reached, in bytes.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Returns the digest of the last frame.
    pub(crate) fn digest(&self) -> Digested {
        self.digest
    }

    /// Reads the next frame, and passes its body to `body` piece by piece. Returns `None`
    /// at the end of the file. After a fault, the next call searches for the next frame
    /// behind the place where the broken one began.
    pub fn next(&mut self, body: impl FnMut(&[u8])) -> std::result::Result<Option<Frame>, Fault> {
        if let Some(at) = self.broken.take()
            && !self.find_start(at + 1)?
        {
            return Ok(None);
        }
        let at = self.at;
        let read = self.read(body);
        if let Err(Fault::Broken { .. }) = read {
            (self.broken, self.breaks) = (Some(at), self.breaks + 1);
        }
        read
    }

    fn read(&mut self, mut body: impl FnMut(&[u8])) -> std::result::Result<Option<Frame>, Fault> {
        let at = self.at;
        let broken = |what| Fault::Broken { at, what };
        let mut line = Vec::new();
        (&mut self.source).take(HEADER_BYTES_MAX).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(None);
        }
        let parsed = line.strip_suffix(b"\n").and_then(Parsed::read);
        let parsed = parsed.ok_or(broken("not the header of a frame in a known version"))?;
        if parsed.is_too_large() {
            return Err(broken(TOO_LARGE));
        }
        let mut hash = Sha256::new();
        hash.update(self.digest);
        hash.update(&line);
        let mut records = Vec::with_capacity(parsed.records);
        for extent in &parsed.header.extents {
            let life = extent.life().ok_or(broken("its header has an invalid chain or run name"))?;
            if extent.prev.is_some() != extent.heads().is_some() {
                return Err(broken("its header has an invalid head"));
            }
            for sequence in extent.first..=extent.last {
                let mut head: Hash = [0; 32];
                if !self.read_exact(&mut head)? {
                    return Err(broken(CUT_SHORT));
                }
                hash.update(head);
                records.push(RecordId { life, sequence, head });
            }
        }
        let mut left = parsed.header.stored_bytes;
        while left > 0 {
            let piece = self.source.fill_buf()?;
            let piece = &piece[..piece.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
            if piece.is_empty() {
                return Err(broken(CUT_SHORT));
            }
            hash.update(piece);
            body(piece);
            let len = piece.len();
            self.source.consume(len);
            left -= len as u64;
        }
        let mut digest = [0; 32];
        if !self.read_exact(&mut digest)? {
            return Err(broken(CUT_SHORT));
        }
        let is_whole = hash.finalize()[..] == digest;
        if !is_whole && !self.is_at_start()? {
            return Err(broken("not as it was written"));
        }
        self.digest = digest;
        let heads = 32 * records.len() as u64;
        self.at += line.len() as u64 + heads + parsed.header.stored_bytes + 32;
        let Parsed { header, grown, .. } = parsed;
        Ok(Some(Frame { at, header, records, grown, is_whole }))
    }

    /// Fills `bytes`. Returns false at the end of the file.
    fn read_exact(&mut self, bytes: &mut [u8]) -> io::Result<bool> {
        match self.source.read_exact(bytes) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            read => read.map(|()| true),
        }
    }

    /// Checks whether a frame begins here, or the file ends.
    fn is_at_start(&mut self) -> io::Result<bool> {
        let next = self.source.fill_buf()?;
        Ok(next.is_empty() || START.starts_with(&next[..next.len().min(START.len())]))
    }

    /// Searches for the next frame that begins at this byte or behind it. Returns false
    /// if there is none in reach.
    fn find_start(&mut self, from: u64) -> io::Result<bool> {
        if self.breaks > BREAKS_MAX {
            return Ok(false);
        }
        self.source.seek(SeekFrom::Start(from))?;
        let (mut window, mut window_at) = (Vec::new(), from);
        loop {
            let read = (&mut self.source).take(WINDOW_BYTES).read_to_end(&mut window)?;
            if let Some(found) = window.windows(START.len()).position(|bytes| bytes == START) {
                self.at = window_at + found as u64;
                // The digest of the frame before stands in front of the found one.
                self.digest = [0; 32];
                if let Some(before) = self.at.checked_sub(32) {
                    self.source.seek(SeekFrom::Start(before))?;
                    self.source.read_exact(&mut self.digest)?;
                }
                self.source.seek(SeekFrom::Start(self.at))?;
                return Ok(true);
            }
            if read == 0 || window_at - from > SEARCH_BYTES_MAX {
                return Ok(false);
            }
            let done = window.len().saturating_sub(START.len() - 1);
            window.drain(..done);
            window_at += done as u64;
        }
    }
}

/// The number of times that reading is resumed in one file. Each search may read the
/// whole file.
const BREAKS_MAX: u32 = 64;
/// The maximum number of bytes that are searched for the next frame. A file has at most 1 GiB, and a chunk.
const SEARCH_BYTES_MAX: u64 = 1 << 30;
/// The number of bytes that are searched at once for the beginning of a frame.
const WINDOW_BYTES: u64 = 64 << 10;

const TOO_LARGE: &str = "its header states more bytes than a frame that a ledger writes has: at most 32 MiB for a record, \
                         and 1 MiB for several";
const CUT_SHORT: &str = "the file ends before the frame does";

/// A header that keeps to the limits of records and extents, with its values decoded.
struct Parsed {
    header: Header,
    records: usize,
    grown: Vec<Node>,
}

impl Parsed {
    fn read(line: &[u8]) -> Option<Parsed> {
        let header: Header = serde_json::from_slice(line).ok().filter(|_| line.starts_with(START))?;
        let mut records = 0_u64;
        for extent in &header.extents {
            records = records.checked_add(extent.last.checked_sub(extent.first)?)?.checked_add(1)?;
        }
        let records = usize::try_from(records).ok().filter(|records| (1..=RECORDS_MAX).contains(records))?;
        let node = |text: &String| URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok();
        let grown = header.tree.iter().map(node).collect::<Option<_>>()?;
        (header.extents.len() <= EXTENTS_MAX).then_some(Parsed { header, records, grown })
    }

    /// Checks whether the lines or the body have more bytes than the ledger writes. Whoever opens a
    /// frame has its lines in memory.
    fn is_too_large(&self) -> bool {
        let Header { bytes, stored_bytes, .. } = self.header;
        let bytes_max = if self.records == 1 { LINE_BYTES_MAX } else { LINES_BYTES_MAX as u64 };
        bytes > bytes_max || stored_bytes > bytes + BODY_OVERHEAD_BYTES_MAX
    }
}

/// Takes as many records from the front of a batch as one frame may hold.
pub(crate) fn split<'a>(records: &'a [Entry], lines: &'a [u8]) -> (Part<'a>, &'a [Entry], &'a [u8]) {
    let (mut count, mut bytes, mut extents) = (0, 0, 0);
    let mut last: Option<&Entry> = None;
    for record in records.iter().take(RECORDS_MAX) {
        extents += usize::from(!last.is_some_and(|last| is_next(last, record)));
        let with_this = bytes + record.len + 1;
        if count > 0 && (with_this > LINES_BYTES_MAX || extents > EXTENTS_MAX) {
            break;
        }
        (count, bytes, last) = (count + 1, with_this, Some(record));
    }
    let (now, later) = records.split_at(count);
    let (these, rest) = lines.split_at(bytes);
    (Part { records: now, lines: these }, later, rest)
}

/// Checks whether a record follows the one before it, and both are intact.
fn is_next(last: &Entry, this: &Entry) -> bool {
    last.id.life == this.id.life
        && last.id.sequence.checked_add(1) == Some(this.id.sequence)
        && last.prev.is_some()
        && this.prev == Some(last.id.head)
}

/// Appends a frame to `out`, after the frame with the digest `before`. Returns the new
/// frame's digest.
pub(crate) fn write(
    part: &Part<'_>,
    grown: &[Node],
    recipients: &Recipients,
    before: &Digested,
    out: &mut Vec<u8>,
) -> Result<Digested> {
    let body = recipients.encrypt(&compress_to_vec(part.lines, CompressionLevel::Fastest))?;
    let seconds = part.records.iter().map(|record| record.seconds);
    let header = Header {
        frame: 1,
        bytes: part.lines.len() as u64,
        stored_bytes: body.len() as u64,
        from: seconds.clone().min().unwrap_or(0),
        to: seconds.max().unwrap_or(0),
        extents: extents(part.records),
        tree: grown.iter().map(|node| URL_SAFE_NO_PAD.encode(node)).collect(),
    };
    let start = out.len();
    serde_json::to_writer(&mut *out, &header)?;
    out.push(b'\n');
    part.records.iter().for_each(|record| out.extend_from_slice(&record.id.head));
    out.extend_from_slice(&body);
    let digest: Digested = Sha256::new_with_prefix(before).chain_update(&out[start..]).finalize().into();
    out.extend_from_slice(&digest);
    Ok(digest)
}

fn extents(records: &[Entry]) -> Vec<Extent> {
    let runs = records.chunk_by(is_next);
    let extents = runs.filter_map(|run| {
        let (first, last) = (run.first()?, run.last()?);
        let heads = first.prev.as_ref().map(|prev| (prev, &last.id.head));
        let extent = Extent::new(first.id.life, first.id.sequence, last.id.sequence, heads, first.beginning);
        let checkpoints = || run.iter().filter(|record| record.is_checkpoint);
        let signed = checkpoints().next_back().map(|record| record.id.sequence);
        let keys = checkpoints().map(|record| record.keys).reduce(runs::joined).flatten();
        Some(Extent { signed, keys, ..extent })
    });
    extents.collect()
}
