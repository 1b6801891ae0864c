//! `flb-audit`: sets up chains, replays streams through the filter, verifies
//! what came out.
#![forbid(unsafe_code)]

mod checkpoints;
mod init;
mod prove;
mod replay;
mod roster;
mod verify;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Sets up and verifies what Fluent Bit seals with filter_audit.wasm.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Init(init::Init),
    Replay(replay::Replay),
    Verify(verify::Verify),
    Prove(prove::Prove),
    Checkpoints(checkpoints::Checkpoints),
}

/// What could not be done at all; a wrong command line is 2, and what a
/// verification found has codes of its own (`verify::Verdict`).
const FAILED: u8 = 1;

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Init(init) => init.run().map(|()| 0),
        Command::Replay(replay) => replay.run().map(|()| 0),
        Command::Prove(prove) => prove.run().map(|()| 0),
        Command::Checkpoints(checkpoints) => checkpoints.run().map(|()| 0),
        Command::Verify(verify) => verify.run().map(verify::Verdict::code),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("flb-audit: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}
