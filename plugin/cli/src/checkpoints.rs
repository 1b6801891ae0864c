//! `flb-audit checkpoints`: prints the checkpoints in a log, to be kept elsewhere.

use crate::ignored::IgnoredKeys;
use crate::input::{self, Seen};
use crate::stdout::Stdout;
use crate::terminal;
use anyhow::{Context, Result};
use clap::Args;
use flb_audit_core::verify::{Anchor, Checked, Checker, read_anchor};
use std::path::PathBuf;

/// Print the checkpoints in logs, as anchors for `verify --anchors`
///
/// A checkpoint in an intact record also proves that the record was delivered.
/// Checkpoints in files of anchors are printed as well. The signatures are not verified.
#[derive(Args)]
pub(crate) struct Checkpoints {
    /// The logs
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Print C2SP signed notes (<https://c2sp.org/signed-note>), with an empty
    /// line between them
    #[arg(long)]
    note: bool,
    #[command(flatten)]
    ignored: IgnoredKeys,
}

impl Checkpoints {
    pub(crate) fn run(self) -> Result<()> {
        let mut checker = Checker::new(self.ignored.all());
        let mut out = Stdout::new();
        let mut result = Ok(());
        input::read_in_order(self.files, terminal::progress_beside_output, |text| {
            let (anchor, is_record) = match checker.check(text) {
                Ok(Checked::Sealed(sealed)) => {
                    let is_delivered = sealed.is_intact;
                    (sealed.checkpoint().map(|checkpoint| Anchor { checkpoint, is_delivered }), true)
                }
                _ => (read_anchor(text), false),
            };
            let is_record = is_record || anchor.is_some();
            if let Some(Anchor { checkpoint, is_delivered }) = anchor.filter(|_| result.is_ok()) {
                let printed = if self.note { checkpoint.note() } else { checkpoint.anchor(is_delivered) };
                let end: &[u8] = if self.note { b"\n" } else { b"" };
                result = printed.ok().context("no memory").and_then(|text| out.write(&[&text, end].concat()));
            }
            if is_record { Seen::Record(()) } else { Seen::Other(()) }
        })?;
        result?;
        out.end()
    }
}
