//! Properties of files of frames that hold for any bytes.

use flb_audit_ledger::frame::{Fault, Reader};
use std::io::Cursor;

/// Checks that a reader reaches the end of any file: frames follow one another, lie in
/// the file, and have no bodies longer than the file.
pub fn frames(input: &[u8]) {
    let len = input.len() as u64;
    let mut reader = Reader::new(Cursor::new(input));
    let mut end = 0;
    // Each frame or fault begins after the one before.
    for _ in 0..=2 * input.len() + 1 {
        let mut body = 0;
        match reader.next(|piece| body += piece.len() as u64) {
            Ok(None) => return,
            Ok(Some(frame)) => {
                assert!(frame.at >= end && reader.at() > frame.at && reader.at() <= len, "{frame:?}");
                assert!(body <= len - frame.at, "{frame:?}");
                end = reader.at();
            }
            Err(Fault::Broken { at, .. }) => assert!(at <= len, "{at} of {len}"),
            Err(other) => panic!("{other:?}"),
        }
    }
    panic!("no end");
}
