//! Logs that Fluent Bit sends to object stores, where `verify` reads them.

use super::layouts::lay_out;
use crate::case::{Place, Skipped};
use crate::process::Process;
use crate::{poll, verify};
use anyhow::{Context, Result, bail, ensure};
use host_tests::s3::{REMEDY, Server};
use host_tests::{program, root};
use serde_json::{Value, json};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::Command;

const CONFIG: &str = "s3.yaml";
const STATE: &str = "var/lib/flb-audit/kube";
const BUCKET: &str = "audit-logs";
/// The number of records before each upload.
const RECORDS: usize = 40;
const UPLOADS: usize = 3;

/// Runs the shipped config with a bucket that keeps its objects. The objects are verified
/// like a log on the disk, and nobody can remove one.
pub(crate) fn shipped_s3(place: &Place) -> Result<String> {
    let Some(mut server) = Server::start()? else { bail!(Skipped(REMEDY)) };
    server.bucket(BUCKET, true, true)?;
    let (module, log) = lay_out(place, "filter-audit.yaml")?;
    fs::copy(verify::module(), module)?;
    fs::remove_dir_all(place.at(STATE))?;
    verify::init_with_keys(&place.at(STATE), &place.at("roster.json"))?;
    let endpoint = format!("bucket: ${{S3_BUCKET}}\n      endpoint: http://127.0.0.1:{}", server.port());
    let text = fs::read_to_string(root().join("fluent-bit-conf").join(CONFIG))?;
    let text = text
        .replace("bucket: ${S3_BUCKET}", &endpoint)
        .replace("upload_timeout: 15m", "upload_timeout: 2s")
        .replace("/var/lib/fluent-bit/s3", &place.at("var/lib/fluent-bit/s3").to_string_lossy());
    fs::write(place.at(CONFIG), text)?;
    let mut command = Command::new(&place.fluent_bit.path);
    command.arg("--config").arg(CONFIG).env("S3_BUCKET", BUCKET).envs(server.environment());
    let mut process = Process::spawn_in(place, &place.at(""), &mut command)?;
    process.wait_for_log("inotify_fs_add", 1)?;
    for upload in 1..=UPLOADS {
        let mut file = OpenOptions::new().append(true).open(&log)?;
        for number in 0..RECORDS {
            writeln!(file, "{}", json!({"upload": upload, "number": number, "ratio": 0.25, "none": null}))?;
        }
        poll::until(
            "the objects to be there",
            || {
                process.ensure_running()?;
                Ok((server.keys(BUCKET)?.len() >= upload).then_some(()))
            },
            || format!("upload {upload} is not"),
        )?;
    }
    process.stop()?;
    let keys = server.keys(BUCKET)?;
    let day = keys.first().and_then(|key| key.get(..key.rfind('/')?)).context("no objects")?;
    let (code, whole) = verify_there(place, &server, &format!("s3://{BUCKET}/logs/"))?;
    ensure!(code == verify::TAIL_UNANCHORED, "verify ended with {code}: {whole}");
    ensure!(whole["records"] == RECORDS * UPLOADS, "{} records", whole["records"]);
    let (_, day) = verify_there(place, &server, &format!("s3://{BUCKET}/{day}/*.gz"))?;
    ensure!(day["records"].as_u64() > Some(0), "none by their folder: {day}");
    // A delete marker hides a locked object, which makes a gap. On Fluent Bit 4.0 each
    // chunk is a segment, and a stop may have lost its records.
    ensure!(server.delete(BUCKET, &keys[0], None)?, "the mark");
    let (code, _) = verify_there(place, &server, &format!("s3://{BUCKET}/logs/"))?;
    ensure!([verify::GAP, verify::UNCLEAN_STOP].contains(&code), "with a mark: {code}");
    Ok(format!("{} records in {} objects", RECORDS * UPLOADS, keys.len()))
}

fn verify_there(place: &Place, server: &Server, address: &str) -> Result<(i32, Value)> {
    let mut verify = program::flb_audit();
    verify.args(["verify", "--json", "--roster"]).arg(place.at("roster.json")).arg(Path::new(address));
    let output = verify.envs(server.environment()).output()?;
    let report = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("flb-audit verify: {}", String::from_utf8_lossy(&output.stderr)))?;
    Ok((output.status.code().context("killed")?, report))
}
