//! `flb-audit replay`: a recorded stream through the filter, without Fluent Bit.

use crate::filter_module;
use crate::stdout::Stdout;
use anyhow::{Context, Result, bail};
use clap::Args;
use flb_audit_host::filter::{Filter, Generation, Limits};
use flb_audit_host::stream;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;

/// Run a recorded stream through the filter, and print what it seals
///
/// A line of a stream holds `tag`, `sec`, `nsec` and `record`, the record's
/// text as a string. `filter_record.wasm` records one inside Fluent Bit.
#[derive(Args)]
pub(crate) struct Replay {
    /// The stream; `-` is standard input
    stream: PathBuf,
    /// The module [default: filter_audit.wasm beside this program]
    #[arg(long, value_name = "FILE")]
    filter: Option<PathBuf>,
    /// A state directory, made by `flb-audit init`
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

impl Replay {
    pub(crate) fn run(self) -> Result<()> {
        let filter = filter_module(self.filter)?;
        let lines: Box<dyn BufRead> = if self.stream.as_os_str() == "-" {
            Box::new(io::stdin().lock())
        } else {
            let file = File::open(&self.stream).with_context(|| format!("{}", self.stream.display()))?;
            Box::new(BufReader::new(file))
        };
        let filter = Filter::from_file(&filter)?;
        let limits = Limits { directory: self.state, ..Limits::default() };
        let mut host = filter.host(Generation::Lasting, limits);
        let mut out = Stdout::new();
        for (at, call) in stream::read(lines).enumerate() {
            if !out.has_reader() {
                break;
            }
            let outcome = host.call(&call.with_context(|| format!("{}", self.stream.display()))?)?;
            match (outcome.returned, outcome.trap) {
                (Some(returned), _) => {
                    out.write(&returned)?;
                    out.write(b"\n")?;
                }
                (None, Some(trap)) => bail!("record {}: the filter trapped: {trap}", at + 1),
                (None, None) => bail!("record {}: the filter returned nothing", at + 1),
            }
        }
        out.end()
    }
}
