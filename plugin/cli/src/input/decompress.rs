//! Decompression up to a limit, because a small file can decompress to more than anybody
//! can read.

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::GzDecoder;
use flb_audit_ledger::frame;
use lzma_rust2::XzReader;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The number of bytes to which a source may always decompress, however small it is.
const DECOMPRESSED_BYTES_FREE: u64 = 1 << 30;
/// The maximum number of decompressed bytes for each compressed byte, beyond the free
/// bytes. Logs reach 10 to 100, and gzip can reach 1032.
const DECOMPRESSED_RATIO_MAX: u64 = 1000;

/// Returns the maximum number of bytes to which this number of bytes may decompress.
pub(crate) fn decompressed_bytes_max(compressed: u64) -> u64 {
    DECOMPRESSED_BYTES_FREE.max(compressed.saturating_mul(DECOMPRESSED_RATIO_MAX))
}

/// The maximum memory for xz, in KiB. Its highest level takes 65 MiB.
const XZ_KIB_MAX: u32 = 256 << 10;

/// The formats with their first bytes: RFC 1952 section 2.3.1, RFC 8878 section 3.1.1,
/// and the headers that bzip2 and xz write.
const FORMATS: [(&[u8], Format); 4] = [
    (&[0x1f, 0x8b], Format::Gzip),
    (&[0x28, 0xb5, 0x2f, 0xfd], Format::Zstd),
    (b"BZh", Format::Bzip2),
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], Format::Xz),
];

/// File formats that are not supported: the place of each format's mark, the mark, and
/// the format's name. Tar's mark is in POSIX.1-2017, pax Interchange Format.
const NOT_READ: [(usize, &[u8], &str); 8] = [
    (0, b"PK\x03\x04", "a zip archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (257, b"ustar", "a tar archive"),
    (0, &[0x04, 0x22, 0x4d, 0x18], "compressed by lz4"),
    (0, b"\xff\x06\x00\x00sNaPpY", "compressed by Snappy"),
    (0, b"PAR1", "a Parquet file"),
    (0, b"Obj\x01", "an Avro file"),
    (0, b"SQLite format 3\0", "an SQLite database"),
];
/// The number of bytes that are searched for these marks.
const MARK_BYTES: usize = 262;

#[derive(Clone, Copy)]
enum Format {
    Gzip,
    Zstd,
    Bzip2,
    Xz,
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Format::Gzip => "gzip",
            Format::Zstd => "zstd",
            Format::Bzip2 => "bzip2",
            Format::Xz => "xz",
        }
    }
}

/// The bytes of a source after decompression.
pub(super) struct Decompressed {
    pub(super) bytes: Box<dyn BufRead + Send>,
    /// The format in which they were compressed, if any.
    pub(super) format: Option<&'static str>,
}

/// Decompresses gzip, zstd, bzip2 and xz, which are recognised by their first bytes. Also
/// decompresses twice, for files that were compressed before they were uploaded with
/// compression.
pub(super) fn decompress(
    bytes: impl BufRead + Send + 'static,
    buffer_bytes: usize,
) -> io::Result<Decompressed> {
    let once = decompress_once(bytes, buffer_bytes)?;
    if once.format.is_none() {
        return Ok(once);
    }
    let twice = decompress_once(once.bytes, buffer_bytes)?;
    Ok(Decompressed { bytes: twice.bytes, format: once.format })
}

fn decompress_once(bytes: impl BufRead + Send + 'static, buffer_bytes: usize) -> io::Result<Decompressed> {
    let (start, bytes) = peek(bytes, MARK_BYTES)?;
    let has = |at: usize, mark: &[u8]| start.get(at..).is_some_and(|here| here.starts_with(mark));
    if let Some((.., name)) = NOT_READ.iter().find(|(at, mark, _)| has(*at, mark)) {
        return Err(io::Error::other(format!(
            "{name}, which is not read: unpack it, and name what was in it"
        )));
    }
    if start.starts_with(frame::START) {
        return Err(io::Error::other("an encrypted file cannot be read from a pipe; name its file"));
    }
    let Some((_, format)) = FORMATS.into_iter().find(|(magic, _)| start.starts_with(magic)) else {
        return Ok(Decompressed { bytes: Box::new(bytes), format: None });
    };
    let compressed = Arc::new(AtomicU64::new(0));
    let bytes = BufReader::new(Counted { bytes, count: compressed.clone() });
    let decoder: Box<dyn Read + Send> = match format {
        Format::Gzip => Box::new(GzipMembers::new(bytes)),
        Format::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(bytes)?),
        Format::Bzip2 => Box::new(MultiBzDecoder::new(bytes)),
        Format::Xz => Box::new(XzReader::new_mem_limit(bytes, true, XZ_KIB_MAX)),
    };
    let limited = Limited { decoder, compressed, decompressed: 0 };
    let bytes = Box::new(BufReader::with_capacity(buffer_bytes, limited));
    Ok(Decompressed { bytes, format: Some(format.name()) })
}

/// Returns the first bytes, and a reader of all bytes. There are fewer than `count` only
/// if the input ends.
pub(super) fn peek<R: BufRead>(mut bytes: R, count: usize) -> io::Result<(Vec<u8>, impl BufRead + use<R>)> {
    let mut start = Vec::new();
    bytes.by_ref().take(count as u64).read_to_end(&mut start)?;
    Ok((start.clone(), Cursor::new(start).chain(bytes)))
}

/// The members of a gzip file. Line breaks and zeros may stand between and after them, as
/// tapes and tools that append leave them.
struct GzipMembers<R> {
    /// The current member. `None` after the last one.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> GzipMembers<R> {
    fn new(bytes: R) -> Self {
        GzipMembers { member: Some(GzDecoder::new(bytes)) }
    }
}

impl<R: BufRead> Read for GzipMembers<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let read = member.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let Some(mut bytes) = self.member.take().map(GzDecoder::into_inner) else { break };
            if skip_padding(&mut bytes)? {
                self.member = Some(GzDecoder::new(bytes));
            }
        }
        Ok(0)
    }
}

/// Skips zeros and white space. Returns false at the end.
fn skip_padding(bytes: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let here = bytes.fill_buf()?;
        if here.is_empty() {
            return Ok(false);
        }
        let is_padding = |byte: &u8| *byte == 0 || byte.is_ascii_whitespace();
        let padding = here.iter().position(|byte| !is_padding(byte)).unwrap_or(here.len());
        if padding == 0 {
            return Ok(true);
        }
        bytes.consume(padding);
    }
}

/// Decompresses gzip that stands in a text. Returns `None` if it is damaged, or the result is
/// longer than `left` bytes. Subtracts the decompressed bytes from `left` in any case, because
/// they cost time in any case.
pub(super) fn gunzip(bytes: &[u8], left: &mut usize) -> Option<Vec<u8>> {
    let limit = *left;
    if limit == 0 {
        return None;
    }
    let mut text = Vec::new();
    let read = GzipMembers::new(bytes).take(limit as u64 + 1).read_to_end(&mut text);
    *left = limit.saturating_sub(text.len());
    (read.is_ok() && text.len() <= limit).then_some(text)
}

/// Counts the bytes that are read.
struct Counted<R> {
    bytes: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read(buffer)?;
        self.count.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Fails when the output exceeds the limit.
struct Limited {
    decoder: Box<dyn Read + Send>,
    compressed: Arc<AtomicU64>,
    decompressed: u64,
}

impl Read for Limited {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.decoder.read(buffer)?;
        self.decompressed += read as u64;
        let compressed = self.compressed.load(Ordering::Relaxed);
        if self.decompressed > decompressed_bytes_max(compressed) {
            return Err(io::Error::other(format!(
                "it decompresses to more than {DECOMPRESSED_RATIO_MAX} times its size; decompress it yourself and \
                 pipe it into standard input"
            )));
        }
        Ok(read)
    }
}
