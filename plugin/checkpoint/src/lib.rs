//! A program for Fluent Bit's `exec_wasi` input: prints the last checkpoint of
//! every chain that it can reach, a line each.
//!
//! It looks into each of the `accessible_paths` and into the directories in
//! them, and reads nothing there but the files that filters leave for it.
#![deny(unsafe_code)]

#[allow(unsafe_code)]
mod abi;

use flb_audit_core::chain::anchor;

/// Prints what is there.
fn print_checkpoints() {
    let mut file = vec![0; anchor::FILE_BYTES];
    for directory in abi::preopens() {
        print(directory, anchor::FILE_NAME, &mut file);
        for name in abi::names(directory) {
            print(directory, &format!("{name}/{}", anchor::FILE_NAME), &mut file);
        }
    }
}

fn print(directory: abi::Directory, path: &str, file: &mut [u8]) {
    if let Some(read) = abi::read(directory, path, file)
        && let Some((_, line)) = file.get(..read).and_then(anchor::from_file)
    {
        abi::print(line);
    }
}
