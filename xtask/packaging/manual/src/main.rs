//! Writes manual pages and completions from the description of the command line.
#![forbid(unsafe_code)]

use anyhow::{Context, Result};
use clap_complete::Shell;
use std::fs;
use std::path::PathBuf;

/// Writes `man` and `completions` into the folder that the first argument names.
fn main() -> Result<()> {
    let folder: PathBuf = std::env::args_os().nth(1).context("usage: manual FOLDER")?.into();
    let (man, completions) = (folder.join("man"), folder.join("completions"));
    fs::create_dir_all(&man)?;
    fs::create_dir_all(&completions)?;
    clap_mangen::generate_to(flb_audit::command(), &man)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut flb_audit::command(), "flb-audit", &completions)?;
    }
    Ok(())
}
