//! The container image: its unpacked files, used as by an image volume and as by an init
//! container, with the configuration of the example for Kubernetes.

use super::package::packed;
use crate::case::{Place, Skipped};
use crate::poll;
use crate::process::Process;
use crate::verify;
use anyhow::{Context, Result, bail, ensure};
use host_tests::{root, streams};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The user that Fluent Bit runs as, if the suite may switch users.
const NOBODY: u32 = 65_534;
const STREAM: &str = "kubernetes-audit";
/// The architecture of this machine, as images call it.
const HOST: &str = if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" };

pub(crate) fn as_volume(place: &Place) -> Result<String> {
    let Some(image) = unpacked(place, HOST)? else {
        bail!(Skipped("dist/packages has no image for this machine; `cargo xtask package` makes it"));
    };
    seal(place, &image, 0)?;
    Ok(String::from("Fluent Bit started by flb-audit init"))
}

pub(crate) fn in_init_containers(place: &Place) -> Result<String> {
    let Some(image) = unpacked(place, HOST)? else {
        bail!(Skipped("dist/packages has no image for this machine; `cargo xtask package` makes it"));
    };
    let modules = place.at("modules");
    // After a restart, the init container installs again and finds the chain.
    for _ in 0..2 {
        succeed(Command::new(image.join("flb-audit")).arg("install").arg(&modules))?;
        ensure!(
            fs::read(modules.join("filter_audit.wasm"))? == fs::read(image.join("filter_audit.wasm"))?,
            "differs"
        );
    }
    let is_root = Command::new("id").arg("-u").output()?.stdout == b"0\n";
    seal(place, &modules, if is_root { NOBODY } else { 0 })?;
    Ok(String::from(if is_root { "Fluent Bit as another user" } else { "Fluent Bit as this user" }))
}

/// Unpacks the image for an architecture, using its index and manifest. Returns nothing if
/// the archive is missing or has no such image.
pub(super) fn unpacked(place: &Place, arch: &str) -> Result<Option<PathBuf>> {
    let Some(archive) = packed(".oci.tar")? else { return Ok(None) };
    let (layout, image) = (place.at("layout"), place.at("image"));
    fs::create_dir_all(&layout)?;
    fs::create_dir_all(&image)?;
    succeed(Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(&layout))?;
    let read = |path: PathBuf| -> Result<Value> { Ok(serde_json::from_slice(&fs::read(path)?)?) };
    let blob = |described: &Value| -> Result<PathBuf> {
        let digest = described["digest"].as_str().and_then(|digest| digest.strip_prefix("sha256:"));
        Ok(layout.join("blobs/sha256").join(digest.context("no digest")?))
    };
    let index = read(blob(&read(layout.join("index.json"))?["manifests"][0])?)?;
    let manifests = index["manifests"].as_array().context("no manifests")?;
    let Some(ours) = manifests.iter().find(|it| it["platform"]["architecture"] == arch) else {
        return Ok(None);
    };
    for layer in read(blob(ours)?)?["layers"].as_array().context("no layers")? {
        succeed(Command::new("tar").arg("-xzf").arg(blob(layer)?).arg("-C").arg(&image))?;
    }
    Ok(Some(image))
}

/// Runs the example's configuration with these modules in two lives.
fn seal(place: &Place, modules: &Path, user: u32) -> Result<()> {
    let (state, log) = (place.at("state/kube"), place.at("log/audit.log"));
    for dir in ["log", "storage", "sealed", "state"] {
        fs::create_dir_all(place.at(dir))?;
    }
    let fluent_bit = place.at("fluent-bit");
    fs::copy(&place.fluent_bit.path, &fluent_bit)?;
    let config = place.at("fluent-bit.yaml");
    fs::write(&config, configuration(place, modules)?)?;
    let roster = place.at("state/roster.json");
    let init = |program: &Path| {
        let mut command = Command::new(program.join("flb-audit"));
        command.arg("init").arg(&state).args(["--if-missing", "--node=node-1", "--roster"]).arg(&roster);
        command
    };
    if user != 0 {
        succeed(init(modules).arg("--owner").arg(format!("{user}:{user}")))?;
        for name in ["chain.state", "chain.key", ""] {
            ensure!(fs::metadata(state.join(name))?.uid() == user, "{name:?} is somebody else's");
        }
        fs::set_permissions(place.at(""), fs::Permissions::from_mode(0o755))?;
        for dir in ["storage", "sealed"] {
            std::os::unix::fs::chown(place.at(dir), Some(user), Some(user))?;
        }
    }
    let calls = streams::calls(STREAM)?;
    let mut lines = String::new();
    let sealed = place.at("sealed/kube.audit");
    for life in 1..=2 {
        let count = life * calls.len();
        lines += &streams::lines(&calls);
        fs::write(&log, &lines)?;
        let mut command = if user == 0 { init(modules) } else { Command::new(&fluent_bit) };
        if user == 0 {
            command.arg("--").arg(&fluent_bit);
        } else {
            command.uid(user).gid(user);
        }
        let mut process = Process::spawn_in(place, &place.at(""), command.arg("--config").arg(&config))?;
        let there = || fs::read_to_string(&sealed).map_or(0, |text| text.lines().count());
        let done = || {
            process.ensure_running()?;
            Ok((there() >= count).then_some(()))
        };
        poll::until(&format!("{count} records"), done, || format!("{} are there", there()))?;
        process.stop()?;
        let report = verify::verify_all(std::slice::from_ref(&sealed), &[("--roster", &roster)])?;
        report.ensure(&[verify::TAIL_UNANCHORED], count)?;
    }
    Ok(())
}

/// Returns Fluent Bit's configuration from the DaemonSet's ConfigMap. The paths are
/// changed to the case's directory, and the output to a file.
fn configuration(place: &Place, modules: &Path) -> Result<String> {
    let text = fs::read_to_string(root().join("examples/kubernetes/daemonset.yaml"))?;
    let (_, rest) = text.split_once("  fluent-bit.yaml: |\n").context("no configuration")?;
    let (config, _) = rest.split_once("      outputs:\n").context("no outputs")?;
    let config: String =
        config.lines().map(|line| format!("{}\n", line.get(4..).unwrap_or_default())).collect();
    let config = config
        .replace("/usr/lib/flb-audit", &modules.display().to_string())
        .replace("/var/lib/flb-audit", &place.at("state").display().to_string())
        .replace("/var/lib/fluent-bit", &place.at("storage").display().to_string())
        .replace("/var/log/kubernetes", &place.at("log").display().to_string())
        .replace("http_server: on", "http_server: off");
    let output = format!(
        "  outputs:\n    - name: file\n      match: '*kube.audit'\n      path: {}\n      format: plain\n",
        place.at("sealed").display()
    );
    Ok(config + &output)
}

pub(super) fn succeed(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("{command:?}: cannot be started"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
