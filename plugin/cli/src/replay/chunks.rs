//! Reads chunks from files.

use crate::whole;
use anyhow::{Context, Result, bail};
use flb_audit_host::chunk::Chunk;
use flb_audit_host::stream::{self, Call};
use serde_json::Value;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

/// The ending of files that are chunks already.
const RAW: &str = ".msgpack";
/// The tag of a chunk whose file name has none.
const TAG: &str = "replay";

/// Reads the chunks of a file.
pub(super) fn read(path: &Path) -> Result<Vec<Chunk>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let what = || path.display().to_string();
    if let Some(stem) = name.strip_suffix(RAW) {
        let tag = stem.split_once('.').map_or_else(|| TAG.into(), |(_, tag)| decoded(tag));
        return Ok(vec![Chunk::new(&tag, &whole::read(path).with_context(what)?)]);
    }
    let lines: Box<dyn BufRead> = if path.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        Box::new(BufReader::new(whole::open(path).with_context(what)?))
    };
    let calls: Result<Vec<Call>> = stream::read(lines).collect();
    let chunks: Result<Vec<Chunk>> = calls
        .with_context(what)?
        .chunk_by(|one, next| one.tag == next.tag)
        .map(|calls| {
            let mut bytes = Vec::new();
            calls.iter().try_for_each(|call| write_record(call, &mut bytes))?;
            Ok(Chunk::new(calls[0].tag.as_bytes(), &bytes))
        })
        .collect();
    chunks.with_context(what)
}

/// Decodes the percent-encoding of a tag.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        let hex = |digit: u8| char::from(digit).to_digit(16);
        match (first, after) {
            (b'%', [high, low, after @ ..]) if hex(*high).is_some() && hex(*low).is_some() => {
                let byte = hex(*high).unwrap_or_default() * 16 + hex(*low).unwrap_or_default();
                bytes.push(byte as u8);
                rest = after;
            }
            _ => bytes.push(*first),
        }
    }
    bytes
}

/// Writes a record as Fluent Bit 5.1 does: `[[time, {}], body]`.
fn write_record(call: &Call, out: &mut Vec<u8>) -> Result<()> {
    let body: Value = serde_json::from_str(&call.record).context("a record that is not JSON")?;
    let Value::Object(_) = body else {
        bail!("a record that is not a JSON object: {:.80}", call.record);
    };
    out.extend([0x92, 0x92, 0xd7, 0x00]);
    out.extend(call.sec.to_be_bytes());
    out.extend(call.nsec.to_be_bytes());
    out.push(0x80);
    write(&body, out);
    Ok(())
}

/// Writes a value. `serde_json` has limited the depth of nesting.
fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0xc0),
        Value::Bool(bool) => out.push(0xc2 + u8::from(*bool)),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => {
                out.push(0xcf);
                out.extend(number.to_be_bytes());
            }
            (None, Some(number)) => {
                out.push(0xd3);
                out.extend(number.to_be_bytes());
            }
            (None, None) => {
                out.push(0xcb);
                out.extend(number.as_f64().unwrap_or(f64::NAN).to_be_bytes());
            }
        },
        Value::String(text) => write_text(text, out),
        Value::Array(items) => {
            write_len(0xdd, items.len(), out);
            items.iter().for_each(|item| write(item, out));
        }
        Value::Object(members) => {
            write_len(0xdf, members.len(), out);
            for (key, value) in members {
                write_text(key, out);
                write(value, out);
            }
        }
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    write_len(0xdb, text.len(), out);
    out.extend(text.as_bytes());
}

/// Writes a header with a length of 32 bits.
fn write_len(kind: u8, len: usize, out: &mut Vec<u8>) {
    out.push(kind);
    // A line is never that long.
    out.extend(u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes());
}
