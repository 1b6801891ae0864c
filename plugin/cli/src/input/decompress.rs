//! Decompression, up to a limit: a small file may stand for more than anybody can
//! read.

use flb_audit_ledger::frame;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Up to this many bytes a source may decompress to, however small it is.
const DECOMPRESSED_BYTES_FREE: u64 = 1 << 30;
/// Beyond that, at most this many bytes for each compressed one. Logs come to 10 to
/// 100, and gzip reaches 1032.
const DECOMPRESSED_RATIO_MAX: u64 = 1000;

/// Decompresses gzip and zstd, which are told by their first bytes: RFC 1952
/// section 2.3.1, RFC 8878 section 3.1.1.
pub(super) fn decompress(
    mut bytes: impl BufRead + Send + 'static,
    buffer_bytes: usize,
) -> io::Result<Box<dyn BufRead + Send>> {
    let start = bytes.fill_buf()?;
    if start.starts_with(frame::START) {
        return Err(io::Error::other("an encrypted file cannot be read from a pipe; name its file"));
    }
    let is_gzip = start.starts_with(&[0x1f, 0x8b]);
    if !is_gzip && !start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        return Ok(Box::new(bytes));
    }
    let compressed = Arc::new(AtomicU64::new(0));
    let bytes = BufReader::new(Counted { bytes, count: compressed.clone() });
    let decoder: Box<dyn Read + Send> = if is_gzip {
        Box::new(flate2::bufread::MultiGzDecoder::new(bytes))
    } else {
        Box::new(zstd::stream::read::Decoder::with_buffer(bytes)?)
    };
    let limited = Limited { decoder, compressed, decompressed: 0 };
    Ok(Box::new(BufReader::with_capacity(buffer_bytes, limited)))
}

/// Counts what is read.
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

/// Ends where more comes out than the limit allows.
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
        if self.decompressed > DECOMPRESSED_BYTES_FREE.max(compressed.saturating_mul(DECOMPRESSED_RATIO_MAX))
        {
            return Err(io::Error::other(format!(
                "it decompresses to more than {DECOMPRESSED_RATIO_MAX} times its size; decompress it yourself and \
                 pipe it into standard input"
            )));
        }
        Ok(read)
    }
}
