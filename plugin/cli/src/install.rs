//! `flb-audit install`: copies the shipped files to another directory, for example in an
//! init container of Kubernetes.

use crate::terminal::print_report;
use anyhow::{Context, Result, ensure};
use clap::Args;
use std::fs;
use std::path::{Path, PathBuf};

/// Files and directories that may stand beside the program.
const SHIPPED: [&str; 9] = [
    "flb-audit",
    "filter_audit.wasm",
    "in_checkpoint.wasm",
    "in_health.wasm",
    "out_wasm.so",
    "out_audit.wasm",
    "aot",
    "configs",
    "policies",
];

/// Copy the modules, and the other files shipped with this program, to a directory
///
/// Existing files are replaced atomically. A Fluent Bit that has one of them open keeps
/// the old file.
#[derive(Args)]
pub(crate) struct Install {
    /// The directory. It may exist already
    dir: PathBuf,
    /// The directory with the files [default: the program's own]
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
}

impl Install {
    pub(crate) fn run(self) -> Result<()> {
        let from = match self.from {
            Some(from) => from,
            None => std::env::current_exe()?
                .parent()
                .context("the directory of this program cannot be determined: name one with --from")?
                .to_owned(),
        };
        let mut said = String::new();
        for name in SHIPPED {
            copy(&from.join(name), &self.dir.join(name), &mut said)?;
        }
        ensure!(
            !said.is_empty(),
            "{}: none of the shipped files is there; --from names another directory",
            from.display()
        );
        print_report(&said)
    }
}

/// Copies a file, or a directory with its files. If `from` does not exist, nothing
/// happens.
fn copy(from: &Path, to: &Path, said: &mut String) -> Result<()> {
    if from.is_dir() {
        for entry in fs::read_dir(from).with_context(|| format!("{}: cannot be read", from.display()))? {
            let name = entry?.file_name();
            if from.join(&name).is_file() {
                copy(&from.join(&name), &to.join(&name), said)?;
            }
        }
    } else if from.is_file() {
        let what = || format!("{}: cannot be copied to {}", from.display(), to.display());
        let dir = to.parent().with_context(what)?;
        fs::create_dir_all(dir).with_context(what)?;
        // The copy has a temporary name until it is complete, and the original's mode.
        let new = tempfile::Builder::new().tempfile_in(dir).with_context(what)?;
        fs::copy(from, new.path()).with_context(what)?;
        new.persist(to).with_context(what)?;
        *said += &format!("{}\n", to.display());
    }
    Ok(())
}
