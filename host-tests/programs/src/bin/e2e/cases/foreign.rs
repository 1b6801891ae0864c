//! A component in Python: compiled ahead, then started in a container's memory.

use crate::case::{Place, Skipped};
use crate::forward::{Client, Entry};
use crate::ledger::{wasm, write_config};
use crate::poll;
use crate::process::Process;
use anyhow::{Context, Result, ensure};
use host_tests::program::flb_audit;
use host_tests::{languages, msgpack};
use serde_json::{Value, json};
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The memory of the container, in bytes.
const MEMORY_BYTES: u64 = 256 << 20;
const RECORDS: u64 = 20_000;
const MESSAGE_RECORDS: u64 = 500;

/// The example in Python counts each record once, within 256 MB, from the compiled form.
pub(crate) fn python_in_little_memory(place: &Place) -> Result<String> {
    let memory = Memory::limit(MEMORY_BYTES)?;
    let source = place.at("source");
    fs::create_dir(&source)?;
    let component = languages::python(&source)?.ok_or(Skipped("componentize-py is not installed"))?;
    let cache = place.at("cache");
    let mut compile = flb_audit();
    compile.args(["component", "compile"]).arg(&component).env("XDG_CACHE_HOME", &cache);
    let output = compile.output().context("flb-audit")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let dir = place.at("counts");
    fs::create_dir(&dir)?;
    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let config = write_config(place, port, &[wasm(&component).with("dir", dir.display())])?;
    let mut command = Command::new("sh");
    command.args(["-c", r#"echo $$ > "$1" && exec "$2" --config "$3""#, "sh"]);
    command.arg(memory.processes()).arg(&place.fluent_bit.path).arg(&config).env("XDG_CACHE_HOME", &cache);
    let mut process = Process::spawn_in(place, &place.at(""), &mut command)?;
    process.wait_for_log("stream processor started", 1)?;
    let mut client = Client::connect(port)?;
    for first in (0..RECORDS).step_by(MESSAGE_RECORDS as usize) {
        let entries: Vec<Entry> = (first..first + MESSAGE_RECORDS).map(entry).collect();
        client.send("app", &entries)?;
    }
    let counted = || {
        let text = fs::read_to_string(dir.join("counts.json")).unwrap_or_default();
        let counts: Value = serde_json::from_str(&text).unwrap_or_default();
        counts["counts"]["app"].as_u64().unwrap_or_default()
    };
    let is_done = || {
        process.ensure_running()?;
        Ok((counted() >= RECORDS).then_some(()))
    };
    poll::until("all records to be counted", is_done, || format!("{} are counted", counted()))?;
    process.stop()?;
    ensure!(counted() == RECORDS, "{} of {RECORDS} records counted", counted());
    Ok(format!("{RECORDS} records counted once each; {} MiB at the peak", memory.peak_bytes()? >> 20))
}

fn entry(number: u64) -> Entry {
    let record = json!({ "number": number, "text": "x".repeat(200) });
    let record = msgpack::Value::from(&record);
    Entry { seconds: 1_795_161_600, nanoseconds: number as u32, record }
}

/// A group of processes whose memory is limited, page cache included. It is removed on drop.
struct Memory {
    dir: PathBuf,
    /// The file with the most memory that was in use.
    peak: &'static str,
}

impl Memory {
    fn limit(bytes: u64) -> Result<Memory> {
        let (root, limit, peak) = if Path::new("/sys/fs/cgroup/memory").is_dir() {
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.max_usage_in_bytes")
        } else {
            ("/sys/fs/cgroup", "memory.max", "memory.peak")
        };
        let dir = Path::new(root).join(format!("flb-audit-e2e-{}", std::process::id()));
        let is_made = fs::create_dir(&dir).is_ok();
        let memory = Memory { dir, peak };
        let is_limited = is_made && fs::write(memory.dir.join(limit), bytes.to_string()).is_ok();
        if is_limited {
            Ok(memory)
        } else {
            Err(Skipped("it takes root to limit the memory of processes").into())
        }
    }

    /// Returns the file to which a process writes its number to be limited.
    fn processes(&self) -> PathBuf {
        self.dir.join("cgroup.procs")
    }

    fn peak_bytes(&self) -> Result<u64> {
        let path = self.dir.join(self.peak);
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Ok(text.trim().parse()?)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // A process of a failed case may still be there.
        let _ = fs::remove_dir(&self.dir);
    }
}
