//! A program for Fluent Bit's `exec_wasi` input. It prints the last checkpoint of every
//! chain that it can reach, one per line, if the checkpoint is not the one that it
//! printed last, and once an hour in any case.
//!
//! It looks into each of the `accessible_paths` and into the directories in them, and
//! reads only the files that filters leave for it. Fluent Bit starts it anew each time.
//! So it records what it has printed in a file beside each checkpoint. If it cannot write
//! that file, it prints every time.
#![deny(unsafe_code)]

#[allow(unsafe_code)]
mod abi;

use flb_audit_core::chain::anchor;
use inputs::Directory;

/// Prints the new checkpoints.
fn print_checkpoints() {
    let mut file = vec![0; anchor::FILE_BYTES];
    inputs::directories(|directory, below| print(directory, below, &mut file));
}

fn print(directory: Directory, below: &str, file: &mut [u8]) {
    let read = inputs::read(directory, &format!("{below}{}", anchor::FILE_NAME), file);
    let Some((count, line)) = read.and_then(|read| file.get(..read)).and_then(anchor::from_file) else {
        return;
    };
    let path = format!("{below}{}", anchor::SENT_FILE_NAME);
    // One byte more shows whether the file is too long.
    let mut sent = [0; anchor::SENT_FILE_BYTES + 1];
    let read = inputs::read(directory, &path, &mut sent).unwrap_or(0);
    let now = inputs::seconds();
    if anchor::is_due(sent.get(..read).unwrap_or_default(), count, line, now) {
        inputs::print(line);
        // The file is written afterwards: if the program is stopped in between, the line is
        // printed once more.
        inputs::write(directory, &path, &anchor::to_sent(count, line, now));
    }
}
