//! Modules that are compiled ahead of time.

use crate::case::{Place, Skipped};
use crate::pipeline::Pipeline;
use crate::{poll, reference};
use anyhow::{Result, bail, ensure};
use host_tests::{root, streams};
use std::fs;
use std::path::PathBuf;

const STREAM: &str = "kubernetes-audit";
/// The first bytes of such a module, with a version of the format that no WAMR reads.
const UNKNOWN: &[u8] = b"\0aot\x63\0\0\0";

/// Uses a module for another WAMR. Fluent Bit 4.1 and later refuse to start, 4.0 does not
/// run the filter. Both say why.
pub(crate) fn of_another_version(place: &Place) -> Result<String> {
    let module = place.at("filter_audit.aot");
    fs::write(&module, UNKNOWN)?;
    let mut pipeline = Pipeline::new(place)?;
    pipeline.filter = pipeline.filter.clone().with("wasm_path", module.display());
    pipeline.all_outputs();
    let tail = pipeline.tail("kube.audit", "log");
    pipeline.input(tail);
    fs::write(place.at("log"), "{\"a\":1}\n")?;
    let mut process = pipeline.start()?;
    let ended = || Ok(process.ensure_running().is_err().then_some(()));
    if place.fluent_bit.starts_without_filters() {
        process.wait_for_log("unknown binary version", 1)?;
        process.stop()?;
        return Ok(String::from("the filter does not run, with a line in the log"));
    }
    poll::until("fluent-bit to end", ended, || String::from("it runs"))?;
    let log = process.log()?;
    ensure!(log.contains("unknown binary version"), "{log}");
    Ok(String::from("it does not start, with a line in the log"))
}

pub(crate) fn that_fits(place: &Place) -> Result<String> {
    let Some(module) = fitting(place)? else {
        bail!(Skipped("dist/aot has no module for this Fluent Bit; `cargo xtask aot` makes it"));
    };
    let mut pipeline = Pipeline::new(place)?;
    pipeline.filter = pipeline.filter.clone().with("wasm_path", module.display());
    pipeline.all_outputs();
    let tail = pipeline.tail("kube.audit", "log");
    pipeline.input(tail);
    let calls = streams::calls(STREAM)?;
    fs::write(place.at("log"), streams::lines(&calls))?;
    let process = pipeline.start()?;
    let expected = reference::stream(&calls)?;
    pipeline.finish(process, &expected)?;
    Ok(format!("{} records, {}", expected.len(), module.file_name().unwrap_or_default().display()))
}

/// Returns the module for this Fluent Bit's WAMR.
fn fitting(place: &Place) -> Result<Option<PathBuf>> {
    let wamr = if place.fluent_bit.is_guest_per_chunk() { "wamr-1.3." } else { "wamr-2.4." };
    let Ok(entries) = fs::read_dir(root().join("dist/aot")) else { return Ok(None) };
    let paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    let fits = |path: &&PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.contains(wamr) && name.contains(std::env::consts::ARCH)
    };
    Ok(paths.iter().find(fits).cloned())
}
