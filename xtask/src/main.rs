//! Developers' commands: `cargo xtask demo | test | build | package | e2e | …`.
#![forbid(unsafe_code)]

mod demo;
mod dependencies;
mod test;

use anyhow::{Result, bail};
use xtask::{book, build, run};

const USAGE: &str = "usage: cargo xtask COMMAND

  demo       build, seal a recorded stream, verify it, alter it, verify again;
             with what is in dist/ then
  test       all that CI does: format, dependencies, build, lints, tests, demo
  build      put what ships into dist/
  package    put packages, an image and checksums into dist/packages, for the
             architectures that this machine can build for
  package --dist
             pack what is in dist/ for this machine, to try it
  package --reproduce
             build them also in a clone of the last commit, in another folder, and
             compare
  aot        compile the filter in dist/ ahead of time: WAMRC=path[:path…]
  bench [PART…]
             measure: all, or some of profile, instructions, programs, filters, kinds,
             scale, latency, outputs, verify, chunks; most of them with each fluent-bit
             in FLUENT_BIT
  e2e [TEXT…]
             run the end-to-end cases whose names contain a TEXT, or all, against a real
             fluent-bit: FLUENT_BIT=path[:path…], or the one on PATH or in
             /opt/fluent-bit/bin
  schema-suite
             run the JSON Schema Test Suite and print the count of each file
  book       make the site in target/book/html, with mdbook from PATH
  redaction [RULES GITLEAKS]
             write the tables of docs/redaction.md: of data that is tuned on if the
             corpora are there, of others' lines with Nosey Parker's folder of rules
             and a file of gitleaks; detect-secrets is taken from PATH";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["demo"] => {
            build::dist_for_demo()?;
            run::step("demo", demo::demo)
        }
        ["test"] => test::test(),
        ["book"] => book::book(),
        ["build"] => build::dist(),
        ["package"] => packaging(&["package"]),
        ["package", option @ ("--dist" | "--reproduce")] => packaging(&["package", option]),
        ["aot"] => packaging(&["aot"]),
        ["schema-suite"] => run::cargo(&[
            "test",
            "--quiet",
            "--package",
            "flb-audit-policy",
            "--test",
            "schema",
            "suite",
            "--",
            "--nocapture",
        ]),
        [program @ ("bench" | "e2e" | "redaction"), ref arguments @ ..] => {
            build::dist()?;
            if program == "bench" {
                build::named_filter()?;
            }
            let run = ["run", "--release", "--quiet", "--package", "host-programs", "--bin", program, "--"];
            run::cargo(&[&run[..], arguments].concat())
        }
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => bail!("{USAGE}"),
    }
}

/// Runs the package that packs. Its dependencies are needed nowhere else.
fn packaging(arguments: &[&str]) -> Result<()> {
    run::cargo(&[&["run", "--quiet", "--package", "packaging", "--"], arguments].concat())
}
