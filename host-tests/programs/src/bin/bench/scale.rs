//! Records a second, and CPU, of one Fluent Bit with several inputs, each with a chain of its
//! own: in threads of their own or not, and with the filter as a processor or as a filter.

use crate::{Modules, children_user_seconds, state_with_keys, write_log};
use anyhow::{Result, ensure};
use flb_audit_host::stream::Call;
use host_tests::config::{Config, Section};
use host_tests::fluent_bit;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// The number of records of each input.
const RECORDS: usize = 10_000;
/// The number of turns. The best one counts.
const TURNS: usize = 2;

pub(crate) fn measure(fluent_bit: &Path, modules: &Modules, calls: &[Call]) -> Result<()> {
    let (major, minor, patch) = fluent_bit::version(fluent_bit)?;
    let dir = tempfile::tempdir()?;
    let at = |name: &str| dir.path().join(name);
    write_log(&at("log.ndjson"), calls, RECORDS)?;
    fs::write(at("empty.ndjson"), "")?;
    fs::write(at("parsers.conf"), "[PARSER]\n  Name json\n  Format json\n")?;
    println!("Fluent Bit {major}.{minor}.{patch}: {RECORDS} records an input, best of {TURNS}");
    for inputs in [1, 2, 4] {
        let states = (0..inputs).map(|_| state_with_keys()).collect::<Result<Vec<_>>>()?;
        for (name, is_threaded, is_processor) in [
            ("filters", false, false),
            ("filters, threaded inputs", true, false),
            ("processors", false, true),
            ("processors, threaded inputs", true, true),
        ] {
            // A processor of a threaded input has to be the only module: docs/operating.md.
            if is_threaded && is_processor && inputs > 1 {
                continue;
            }
            let config = |log: &str| {
                let mut config = Config::default()
                    .service("flush", 0.2)
                    .service("grace", 1)
                    .service("log_level", "error")
                    .service("parsers_file", at("parsers.conf").display());
                for (number, state) in states.iter().enumerate() {
                    let tag = format!("kube.{number}");
                    let filter = Section::wasm(modules.shipped.display(), "audit")
                        .with("match", &tag)
                        .with("accessible_paths", state.path().display());
                    let mut tail = Section::input("tail")
                        .with("tag", &tag)
                        .with("path", at(log).display())
                        .with("parser", "json")
                        .with("read_from_head", "true")
                        .with("exit_on_eof", "true");
                    if is_threaded {
                        tail = tail.with("threaded", "on");
                    }
                    if is_processor {
                        tail = tail.with_processor(filter);
                    } else {
                        config = config.section(filter);
                    }
                    config = config.section(tail);
                }
                config.section(Section::output("null")).yaml()
            };
            let mut best = [(f64::INFINITY, f64::INFINITY); 2];
            for _ in 0..TURNS {
                for (log, best) in ["empty.ndjson", "log.ndjson"].into_iter().zip(&mut best) {
                    fs::write(at("pipeline.yaml"), config(log))?;
                    let (begun, before) = (Instant::now(), children_user_seconds()?);
                    let mut command = Command::new(fluent_bit);
                    command.arg("-c").arg(at("pipeline.yaml")).stdin(Stdio::null()).stdout(Stdio::null());
                    let status = command.stderr(Stdio::null()).status()?;
                    ensure!(status.success(), "fluent-bit: {status}");
                    best.0 = best.0.min(begun.elapsed().as_secs_f64());
                    best.1 = best.1.min(children_user_seconds()? - before);
                }
            }
            let [start, whole] = best;
            let records = (inputs * RECORDS) as f64;
            println!(
                "  {inputs} inputs, {name}: {:.0} records a second, {:.1} µs of user CPU a record",
                records / (whole.0 - start.0).max(f64::MIN_POSITIVE),
                (whole.1 - start.1) * 1e6 / records
            );
        }
    }
    Ok(())
}
