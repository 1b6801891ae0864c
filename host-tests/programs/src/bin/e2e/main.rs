//! `cargo xtask e2e`: tests what ships in every available Fluent Bit.
//!
//! A case puts records into a pipeline whose filter is `filter_audit.wasm`, compares what
//! the outputs deliver with the input, and checks it with `flb-audit verify`. This
//! program has the other ends that a case needs, such as a client of the Forward protocol
//! and an HTTP server. Arguments are parts of names, and select the cases that run.
#![forbid(unsafe_code)]

mod case;
mod cases;
mod disk;
mod expected;
mod forward;
mod generate;
mod http;
mod ledger;
mod pipeline;
mod poll;
mod private;
mod process;
mod prometheus;
mod receiver;
mod reference;
mod sink;
mod verify;

use anyhow::Result;
use case::{Case, FluentBit, Outcome};
use host_tests::fluent_bit;
use std::path::Path;
use std::process::ExitCode;

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [receive, port, dir] = &arguments[..]
        && receive == receiver::RECEIVE
    {
        return receiver::run(port.parse()?, Path::new(dir)).map(|()| ExitCode::SUCCESS);
    }
    let paths = fluent_bit::paths();
    let named = arguments;
    let is_named = |case: &&Case| named.is_empty() || named.iter().any(|name| case.name.contains(&**name));
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    if paths.is_empty() {
        println!("skipped: {}", fluent_bit::REMEDY);
        skipped = cases::ALL.len();
    }
    for path in paths {
        let version = match fluent_bit::version(&path) {
            Ok(version) => version,
            Err(error) => {
                println!("FAILED  {error:#}");
                failed += cases::ALL.len();
                continue;
            }
        };
        let (major, minor, patch) = version;
        println!("Fluent Bit {major}.{minor}.{patch}, {}", path.display());
        let fluent_bit = FluentBit { path, version };
        for case in cases::ALL.iter().filter(is_named) {
            match case.prove(&fluent_bit)? {
                Outcome::Passed => passed += 1,
                Outcome::Failed => failed += 1,
                Outcome::Skipped => skipped += 1,
            }
        }
    }
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
