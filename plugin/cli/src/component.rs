//! `flb-audit component`: checks or compiles an output's component before Fluent Bit uses
//! it.

use crate::terminal::print_report;
use crate::{settings, stdout};
use anyhow::{Result, anyhow, bail};
use clap::{Args, Subcommand};
use flb_audit_host::component::{Component, Instance, Level, Limits};
use flb_audit_host::network::Network;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Check a component, or compile it before Fluent Bit does
#[derive(Args)]
pub(crate) struct ComponentCommand {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Check(Check),
    Compile(Compile),
}

/// Check that a component is an output and that its settings are valid
///
/// Imports are checked before the component is compiled. With `--config` or `--secret`,
/// `init` is called as at a start of Fluent Bit.
#[derive(Args)]
struct Check {
    /// The component
    file: PathBuf,
    #[command(flatten)]
    options: settings::Options,
}

/// Compile a component into the cache of the current user
///
/// If Fluent Bit runs with that cache, it starts without compiling. The cache is the
/// directory `wasmtime` in `$XDG_CACHE_HOME`, or in `~/.cache`.
#[derive(Args)]
struct Compile {
    /// The component
    file: PathBuf,
}

/// The default of `out_wasm.so`.
const DEADLINE: Duration = Duration::from_secs(30);
const MEMORY_BYTES: usize = 64 << 20;

fn limits(directory: Option<PathBuf>, network: Network) -> Limits {
    Limits { memory_bytes_max: MEMORY_BYTES, deadline: DEADLINE, directory, is_writable: true, network }
}

impl ComponentCommand {
    pub(crate) fn run(self) -> Result<()> {
        match self.command {
            Command::Check(check) => check.run(),
            Command::Compile(compile) => compile.run(),
        }
    }
}

impl Check {
    fn run(self) -> Result<()> {
        let (component, _) =
            Component::from_file(&self.file, limits(self.options.dir.clone(), self.options.network()))?;
        let mut instance = component.instantiate(DEADLINE)?;
        let properties = instance.properties(DEADLINE);
        let properties = properties.map_err(|ended| failed("properties", &ended.reason, &mut instance))?;
        let settings = self.options.settings(&properties)?;
        let mut text = format!("{}: an output\n", self.file.display());
        for property in &properties {
            text += &format!("  config.{}: {}\n", property.name, stdout::shown(&property.description));
        }
        if self.options.has_settings() {
            let begun = instance.init(DEADLINE, &settings);
            let begun = begun.map_err(|ended| failed("init", &ended.reason, &mut instance))?;
            begun.map_err(|reason| failed("init", &reason, &mut instance))?;
            text += "it starts with these settings\n";
        }
        print_report(&text)
    }
}

/// Returns the error for a failed call: what the component has logged and printed, then
/// the reason.
fn failed(call: &str, reason: &str, instance: &mut Instance) -> anyhow::Error {
    let lines: Vec<String> =
        instance.take_lines(Level::Error).into_iter().map(|(_, line)| line + "\n").collect();
    anyhow!("{}{call}: {}", lines.concat(), stdout::shown(reason))
}

impl Compile {
    fn run(self) -> Result<()> {
        let start = Instant::now();
        let (_, no_cache) = Component::from_file(&self.file, limits(None, Network::default()))?;
        if let Some(why) = no_cache {
            bail!("{}: compiled, but not kept in a cache: {why}", self.file.display());
        }
        let took = start.elapsed().as_secs_f64();
        print_report(&format!("{}: in the cache, after {took:.1} s\n", self.file.display()))
    }
}
