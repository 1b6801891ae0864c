//! `flb-audit new-output`: creates a directory with a new output, which can be built
//! anywhere.

use crate::terminal::print_report;
use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use std::fs;
use std::path::{Path, PathBuf};

/// Begin an output of your own, as a WebAssembly component in Rust
///
/// Creates a directory with a package that begins as an example, the crate that it uses,
/// and the interface. `cargo build --release` in that directory builds the component.
#[derive(Args)]
pub(crate) struct NewOutput {
    /// The name of the package and of its directory
    name: String,
    /// The directory in which it is created
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// The example to begin with
    #[arg(long, value_enum, default_value_t = Example::Count)]
    from: Example,
}

/// The output that is there at first.
#[derive(Clone, Copy, ValueEnum)]
enum Example {
    /// Counts records, each chunk once
    Count,
    /// Sends records to an HTTP server in batches, with idempotency keys
    Http,
}

impl Example {
    /// Returns the options with which `flb-audit replay` runs the example.
    fn options(self) -> &'static str {
        match self {
            Example::Count => "--dir DIRECTORY",
            Example::Http => "--allow http://HOST:PORT --config url=http://HOST:PORT/PATH",
        }
    }

    fn source(self) -> &'static str {
        match self {
            Example::Count => include_str!("../../../examples/count/src/lib.rs"),
            Example::Http => include_str!("../../../examples/http/src/lib.rs"),
        }
    }
}

macro_rules! files {
    ($($to:literal: $from:literal,)*) => {
        &[$(($to, include_str!(concat!("../../../", $from)))),*]
    };
}

/// The files that are written beside the package's own.
const FILES: &[(&str, &str)] = files! {
    "flb-audit-output/Cargo.toml": "plugin/sdk/Cargo.toml",
    "flb-audit-output/src/lib.rs": "plugin/sdk/src/lib.rs",
    "flb-audit-output/src/chunk.rs": "plugin/sdk/src/chunk.rs",
    "flb-audit-output/src/http.rs": "plugin/sdk/src/http.rs",
    "flb-audit-output/src/json.rs": "plugin/sdk/src/json.rs",
    "flb-audit-output/src/log.rs": "plugin/sdk/src/log.rs",
    "flb-audit-output/src/metrics.rs": "plugin/sdk/src/metrics.rs",
    "flb-audit-output/src/value.rs": "plugin/sdk/src/value.rs",
    "flb-audit-output/wit/delivery.wit": "wit/delivery.wit",
    "flb-audit-output/wit/logging.wit": "wit/logging.wit",
    "flb-audit-output/wit/metrics.wit": "wit/metrics.wit",
    "flb-audit-output/wit/output.wit": "wit/output.wit",
    "flb-audit-output/wit/world.wit": "wit/world.wit",
};

/// With these files, `cargo build` makes a component, and rustup installs the target for
/// it.
const CONFIG: &str = "[build]\ntarget = \"wasm32-wasip2\"\n";
const TOOLCHAIN: &str = "[toolchain]\nchannel = \"stable\"\ntargets = [\"wasm32-wasip2\"]\n";

impl NewOutput {
    pub(crate) fn run(self) -> Result<()> {
        let NewOutput { name, dir, from } = self;
        let is_fine = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || "-_".contains(char);
        let starts = name.starts_with(|char: char| char.is_ascii_lowercase());
        ensure!(
            starts && name.chars().all(is_fine),
            "`{name}`: a name consists of a-z, 0-9, `-` and `_`, and begins with a letter"
        );
        let root = dir.join(&name);
        if root.exists() {
            bail!("{}: exists already", root.display());
        }
        write(&root.join("Cargo.toml"), &manifest(&name))?;
        write(&root.join("src/lib.rs"), from.source())?;
        write(&root.join(".cargo/config.toml"), CONFIG)?;
        write(&root.join("rust-toolchain.toml"), TOOLCHAIN)?;
        write(&root.join(".gitignore"), "/target\n")?;
        for (path, text) in FILES {
            write(&root.join(path), text)?;
        }
        let (root, file) = (root.display(), name.replace('-', "_"));
        print_report(&format!(
            "{root}: made\n\n  cd {root} && cargo build --release\n\nmakes target/wasm32-wasip2/release/{file}.wasm. \
             To try it without Fluent Bit:\n\n  flb-audit replay --output target/wasm32-wasip2/release/{file}.wasm \
             {} STREAM\n",
            from.options()
        ))
    }
}

fn manifest(name: &str) -> String {
    format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\npublish = false\n\n\
         [lib]\ncrate-type = [\"cdylib\"]\n\n\
         [dependencies]\nflb-audit-output = {{ path = \"flb-audit-output\" }}\n\n\
         [profile.release]\nopt-level = \"s\"\nlto = true\nstrip = true\n\n\
         # Part of no workspace above.\n[workspace]\n"
    )
}

fn write(path: &Path, text: &str) -> Result<()> {
    let what = || path.display().to_string();
    fs::create_dir_all(path.parent().unwrap_or(Path::new(""))).with_context(what)?;
    fs::write(path, text).with_context(what)
}
