//! Alterations of files of frames. Everybody who can write such a file can compute its
//! digests, and everybody who knows the recipient can make frames.

use super::{index, text};
use flb_audit_ledger::frame;
use ledger_fixtures::key;
use ring::digest::{Context, SHA256};
use serde_json::{Value, json};

/// The number of bytes of a digest, and of a head.
const HASH: usize = 32;

pub(super) fn take(file: &mut Vec<u8>, name: &str, what: &Value) {
    let mut frames = split(file);
    let count = frames.len();
    let at = |position: usize| index(&what[position], count);
    match name {
        "remove_frame" => drop(frames.remove(at(1))),
        "swap_frames" => frames.swap(at(1), at(2)),
        "flip_head" => {
            let head = header(&frames[0]);
            frames[0][head] ^= 1;
        }
        "copy_body" => {
            let (from, to) = (at(1), at(2));
            let (one, other) = (body(&frames[from]), body(&frames[to]));
            let end = frames[to].len() - HASH;
            let digest = frames[to].split_off(end);
            let copied = frames[from][one..frames[from].len() - HASH].to_vec();
            frames[to].truncate(other);
            frames[to].extend(copied.into_iter().chain(digest));
        }
        "forge_frame" => {
            frames.push(forged(&what[1]));
            digest(&mut frames);
        }
        "digest" => digest(&mut frames),
        other => panic!("{other}: no such step"),
    }
    *file = frames.concat();
}

/// Splits a file into its frames, each with its digest.
fn split(file: &[u8]) -> Vec<Vec<u8>> {
    let windows = file.windows(frame::START.len()).enumerate();
    let starts = windows.filter(|(_, window)| *window == frame::START).map(|(at, _)| at);
    let starts: Vec<usize> = starts.chain([file.len()]).collect();
    starts.windows(2).map(|range| file[range[0]..range[1]].to_vec()).collect()
}

/// Returns the position at which the heads of a frame's records begin.
fn header(frame: &[u8]) -> usize {
    frame.iter().position(|byte| *byte == b'\n').expect("a header") + 1
}

fn body(frame: &[u8]) -> usize {
    let start = b"age-encryption.org/v1";
    frame.windows(start.len()).position(|window| window == start).expect("a body")
}

/// Computes the digests of all frames again.
fn digest(frames: &mut [Vec<u8>]) {
    let mut before = vec![0; HASH];
    for frame in frames {
        frame.truncate(frame.len() - HASH);
        let mut hash = Context::new(&SHA256);
        hash.update(&before);
        hash.update(frame);
        before = hash.finish().as_ref().to_vec();
        frame.extend_from_slice(&before);
    }
}

/// Returns a frame of one record, with a wrong digest.
fn forged(what: &Value) -> Vec<u8> {
    let lines = match what["spaces"].as_u64() {
        Some(count) => vec![b' '; count as usize],
        None => text(&what["lines"]).as_bytes().to_vec(),
    };
    let compressed =
        ruzstd::encoding::compress_to_vec(&lines[..], ruzstd::encoding::CompressionLevel::Fastest);
    let mut body = age::encrypt(&key().to_public(), &compressed).expect("encrypted");
    if what["damaged"] == true {
        // A place inside the encrypted part.
        let at = body.len() - 20;
        body[at..].fill(0);
    }
    let extent = json!({"chain": "AQEBAQEBAQEB", "seg": 1, "run": "AQEBAQ", "first": 5000, "last": 5000});
    let rest = json!({"bytes": what["bytes"], "stored_bytes": body.len(), "from": 0, "to": 0, "extents": [extent], "tree": []});
    let mut frame = format!("{{\"frame\":1,{}\n", &rest.to_string()[1..]).into_bytes();
    frame.extend_from_slice(&[7; HASH]);
    frame.extend_from_slice(&body);
    frame.extend_from_slice(&[0; HASH]);
    frame
}
