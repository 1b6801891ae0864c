//! `flb-audit replay`: runs a recorded stream through the filter, or chunks through an
//! output, without Fluent Bit.

mod chunks;
mod rehearsal;
mod script;

use crate::filter_module;
use crate::stdout::Stdout;
use crate::terminal;
use crate::whole;
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use flb_audit_host::filter::{Filter, Generation, Limits};
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;

/// Run a recorded stream through the filter and print the sealed records; or run chunks
/// through an output and print its answers
///
/// A line of a stream has `tag`, `sec`, `nsec` and `record`, which is the record's text
/// as a string. `filter_record.wasm` records a stream inside Fluent Bit.
///
/// With `--output`, a file whose name ends with `.msgpack` is a chunk as Fluent Bit hands
/// it over: `NAME.TAG.msgpack`, with the tag percent-encoded. Any other file is a stream;
/// consecutive records with one tag become a chunk. Each call of the component is printed
/// as a line of JSON with the answer, the log, and the resources used.
#[derive(Args)]
pub(crate) struct Replay {
    /// The stream, or the chunks. `-` is a stream from standard input
    #[arg(required_unless_present = "script")]
    files: Vec<PathBuf>,
    /// The module [default: filter_audit.wasm beside this program]
    #[arg(long, value_name = "FILE")]
    filter: Option<PathBuf>,
    /// A state directory that `flb-audit init` has created
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// A component: an output of `fluent-bit:output`, to run instead of a filter
    #[arg(long, value_name = "COMPONENT", conflicts_with_all = ["filter", "state"])]
    output: Option<PathBuf>,
    #[command(flatten)]
    rehearsal: rehearsal::Options,
}

impl Replay {
    pub(crate) fn run(self) -> Result<()> {
        match &self.output {
            Some(component) => self.rehearsal.run(component, &self.files),
            None => self.filter(),
        }
    }

    fn filter(self) -> Result<()> {
        ensure!(!self.rehearsal.has_script(), "--script needs --output");
        let [stream] = &self.files[..] else {
            bail!("a filter takes one stream");
        };
        let filter = filter_module(self.filter)?;
        let name = stream.display();
        let lines: Box<dyn BufRead> = if stream.as_os_str() == "-" {
            Box::new(io::stdin().lock())
        } else {
            let file = whole::open(stream).with_context(|| format!("{name}"))?;
            let bytes = file.metadata().ok().map(|file| file.len());
            Box::new(BufReader::new(terminal::progress_beside_output(bytes).wrap_read(file)))
        };
        let filter = Filter::from_file(&filter)?;
        let limits = Limits { directory: self.state, ..Limits::default() };
        let mut host = filter.host(Generation::Lasting, limits);
        let mut out = Stdout::new();
        for (at, call) in flb_audit_host::stream::read(lines).enumerate() {
            if !out.has_reader() {
                break;
            }
            let outcome = host.call(&call.with_context(|| format!("{name}"))?)?;
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
