//! The programs for arm64, run on another machine by an emulator.

use super::image::{succeed, unpacked};
use super::package::packed;
use crate::case::{Place, Skipped};
use crate::verify;
use anyhow::{Context, Result, bail, ensure};
use host_tests::{root, streams};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// The emulator's names, in Debian's packages `qemu-user-static` and `qemu-user`.
const EMULATORS: [&str; 2] = ["qemu-aarch64-static", "qemu-aarch64"];
/// The libraries for arm64, from Debian's package `libc6-arm64-cross`.
const LIBRARIES: &str = "/usr/aarch64-linux-gnu";
const STREAM: &str = "sudo";

/// Makes a chain, seals records and verifies them with each program.
pub(crate) fn emulated(place: &Place) -> Result<String> {
    let has = |name: &&&str| Command::new(name).arg("--version").output().is_ok();
    let Some(emulator) = EMULATORS.iter().find(has) else {
        bail!(Skipped("it needs qemu-aarch64 (Debian: qemu-user-static)"));
    };
    let (Some(image), Some(archive)) = (unpacked(place, "arm64")?, packed("-linux-arm64.tar.gz")?) else {
        bail!(Skipped("dist/packages has nothing for arm64; `cargo xtask package` makes it"));
    };
    if !Path::new(LIBRARIES).is_dir() {
        bail!(Skipped("it needs libraries for arm64 (Debian: libc6-arm64-cross, libgcc-s1-arm64-cross)"));
    }
    let unpacked = place.at("archive");
    fs::create_dir(&unpacked)?;
    let mut tar = Command::new("tar");
    tar.arg("-xzf").arg(archive).arg("--strip-components=1").arg("-C").arg(&unpacked);
    succeed(&mut tar)?;
    for (name, program) in [("static", image.join("flb-audit")), ("dynamic", unpacked.join("flb-audit"))] {
        let run = |arguments: &[&Path]| -> Result<Output> {
            let mut command = Command::new(emulator);
            command.args(["-L", LIBRARIES]).arg(&program).args(arguments);
            command.output().with_context(|| format!("{command:?}"))
        };
        let place = place.below(name)?;
        seal_and_verify(&place, &run).with_context(|| format!("the {name} program"))?;
    }
    Ok(String::from("two programs seal and verify"))
}

fn seal_and_verify(place: &Place, run: &dyn Fn(&[&Path]) -> Result<Output>) -> Result<()> {
    let path = |text: &'static str| Path::new(text);
    let printed = |arguments: &[&Path]| -> Result<Vec<u8>> {
        let output = run(arguments)?;
        ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(output.stdout)
    };
    let version = String::from_utf8(printed(&[path("--version")])?)?;
    ensure!(version.starts_with("flb-audit "), "{version}");
    let (state, roster, log) = (place.at("state"), place.at("roster.json"), place.at("log"));
    printed(&[path("init"), &state, path("--node=arm"), path("--roster"), &roster])?;
    let stream = root().join("examples/streams").join(STREAM).with_extension("ndjson");
    let filter = verify::module();
    fs::write(
        &log,
        printed(&[path("replay"), path("--filter"), &filter, path("--state"), &state, &stream])?,
    )?;
    let verified = run(&[path("verify"), path("--roster"), &roster, &log])?;
    let report = String::from_utf8_lossy(&verified.stdout).into_owned();
    ensure!(verified.status.code() == Some(verify::TAIL_UNANCHORED), "{report}");
    let count = streams::calls(STREAM)?.len();
    ensure!(report.contains(&format!("all {count} records are intact")), "{report}");
    // The program for this machine has to come to the same verdict.
    verify::verify_all(&[log], &[("--roster", &roster)])?.ensure(&[verify::TAIL_UNANCHORED], count)
}
