//! `flb-audit` as a library: it builds policies into the filter, sets up chains, replays
//! streams through the filter and chunks through outputs, and verifies logs.
//!
//! The program is [`run`]. Tests call the verifier in their own process through
//! [`verify`].
#![forbid(unsafe_code)]

mod build;
mod cases;
mod check;
mod checkpoints;
mod component;
mod doctor;
mod dry_run;
mod durable;
mod enroll;
mod exit;
mod explain;
mod export;
mod find;
mod fleet;
mod formats;
mod frames;
mod help;
mod hmac_key;
mod ignored;
mod init;
mod input;
mod install;
mod lines;
mod listed;
mod new_output;
mod prove;
mod replay;
mod report;
mod restore;
mod roster;
mod settings;
mod status;
mod stdout;
mod terminal;
mod text;
mod time;
pub mod verdict;
pub mod verify;
mod whole;

use anyhow::{Context, Result, bail};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use std::ffi::OsString;
use std::fmt::Display;
use std::io::Write;
use std::path::PathBuf;

/// Set up and verify logs that Fluent Bit seals with filter_audit.wasm
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Build(build::Build),
    Check(check::Check),
    Component(component::ComponentCommand),
    Doctor(doctor::Doctor),
    Explain(explain::Explain),
    Export(export::Export),
    Find(find::Find),
    Fleet(fleet::FleetCommand),
    Formats(formats::FormatsCommand),
    HmacKey(hmac_key::HmacKeyCommand),
    Init(init::Init),
    Install(install::Install),
    NewOutput(new_output::NewOutput),
    Replay(replay::Replay),
    Restore(restore::Restore),
    Test(cases::Test),
    Verify(verify::Verify),
    Merge(verify::Merge),
    Prove(prove::Prove),
    Checkpoints(checkpoints::Checkpoints),
}

/// Describes the command line, for manual pages and completions.
pub fn command() -> clap::Command {
    <Arguments as CommandFactory>::command().mut_subcommands(|command| {
        let help = help::after(command.get_name());
        command.after_long_help(help)
    })
}

/// Runs the program with these arguments, of which the first is its name.
/// Returns the exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    run_command(arguments).unwrap_or_else(|error| {
        complain(format_args!("{error:#}"));
        exit::FAILED
    })
}

fn run_command(arguments: impl IntoIterator<Item = OsString>) -> Result<u8> {
    let matches = command().try_get_matches_from(arguments);
    let command = match matches.and_then(|matches| Arguments::from_arg_matches(&matches)) {
        Ok(arguments) => arguments.command,
        // The help and the version are errors, too.
        Err(said) => {
            if said.use_stderr() {
                // If printing fails, the exit code still shows that there was an error.
                let _ = said.print();
            } else {
                terminal::print_report(&said.render().to_string())?;
            }
            return u8::try_from(said.exit_code()).context("no such exit code");
        }
    };
    match command {
        Command::Build(build) => build.run().map(|()| exit::DONE),
        Command::Check(check) => check.run(),
        Command::Component(component) => component.run().map(|()| exit::DONE),
        Command::Doctor(doctor) => doctor.run(),
        Command::Explain(explain) => explain.run().map(|()| exit::DONE),
        Command::Export(export) => export.run().map(|()| exit::DONE),
        Command::Find(find) => find.run(),
        Command::Fleet(fleet) => fleet.run().map(|()| exit::DONE),
        Command::Formats(formats) => formats.run(),
        Command::HmacKey(key) => key.run().map(|()| exit::DONE),
        Command::Init(init) => init.run().map(|()| exit::DONE),
        Command::Install(install) => install.run().map(|()| exit::DONE),
        Command::NewOutput(output) => output.run().map(|()| exit::DONE),
        Command::Replay(replay) => replay.run().map(|()| exit::DONE),
        Command::Restore(restore) => restore.run(),
        Command::Test(test) => test.run(),
        Command::Prove(prove) => prove.run().map(|()| exit::DONE),
        Command::Checkpoints(checkpoints) => checkpoints.run().map(|()| exit::DONE),
        Command::Verify(verify) => verify.run(),
        Command::Merge(merge) => merge.run(),
    }
}

/// Returns the module that a command line names, or the module beside this program.
fn filter_module(named: Option<PathBuf>) -> Result<PathBuf> {
    let path = match named {
        Some(path) => path,
        None => std::env::current_exe()?.with_file_name("filter_audit.wasm"),
    };
    if !path.is_file() {
        bail!("{}: no such file; --filter names the filter's module", path.display());
    }
    Ok(path)
}

/// Prints an error. If printing fails, the exit code still shows that there was one.
fn complain(what: impl Display) {
    let _ = std::io::stderr().write_all(terminal::wrapped_error(&format!("flb-audit: {what}")).as_bytes());
}
