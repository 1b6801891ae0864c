//! A Fluent Bit output: writes each chunk to a file, for `flb-audit replay --output`.

use flb_audit_output::{Answer, Chunk, Output, Settings, export};
use std::fs::{self, File};
use std::io::{self, Write};

/// The end of a chunk's file name.
const END: &str = ".msgpack";
/// The longest file name, in bytes.
const NAME_BYTES_MAX: usize = 255;

struct Recorder {
    /// The number of the next chunk: files sort in the order in which chunks came.
    next: u64,
}

impl Output for Recorder {
    fn init(_: &Settings) -> Result<Self, String> {
        let entries = fs::read_dir("/").map_err(|error| format!("property dir is missing: {error}"))?;
        let number = |entry: io::Result<fs::DirEntry>| {
            let name = entry.ok()?.file_name();
            let name = name.to_str()?.strip_suffix(END)?;
            name.split('.').next()?.parse::<u64>().ok()
        };
        Ok(Recorder { next: entries.filter_map(number).max().map_or(0, |last| last + 1) })
    }

    fn flush(&mut self, chunk: &Chunk) -> Answer {
        let name = format!("{:08}.{}{END}", self.next, encoded(chunk.tag().as_bytes()));
        if name.len() > NAME_BYTES_MAX {
            return Answer::Refuse(format!("a tag too long for a file's name: {}", chunk.tag().lossy()));
        }
        match write(&name, chunk.bytes()) {
            Ok(()) => {
                self.next += 1;
                Answer::Ok
            }
            Err(error) => Answer::Retry(format!("{name}: {error}")),
        }
    }
}

/// Writes a file as a whole, or not at all.
fn write(name: &str, bytes: &[u8]) -> io::Result<()> {
    let part = "/part";
    let mut file = File::create(part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(part, format!("/{name}"))
}

/// Encodes what no file name should have with percent signs.
fn encoded(tag: &[u8]) -> String {
    let encode = |byte: &u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(*byte).to_string(),
        other => format!("%{other:02X}"),
    };
    tag.iter().map(encode).collect()
}

export!(Recorder);
