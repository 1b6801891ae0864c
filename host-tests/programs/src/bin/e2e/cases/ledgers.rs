//! Components as outputs, and the ledger, when something fails.

use crate::case::Place;
use crate::disk::Disk;
use crate::forward::{Client, Entry};
use crate::ledger::{self, check, output, start, wait_for, wasm};
use crate::process::Process;
use crate::verify::Report;
use crate::{poll, verify};
use age::secrecy::ExposeSecret;
use anyhow::{Context, Result, bail, ensure};
use flb_audit_core::chain::{Chain, ChainId, GENESIS, Place as At, Run};
use flb_audit_core::hash::Algorithm;
use flb_audit_core::record::notes::Notes;
use flb_audit_core::{Event, Sealer};
use flb_audit_host::stream::Call;
use flb_audit_ledger::manifest;
use host_tests::config::Section;
use host_tests::msgpack;
use host_tests::{root, streams};
use serde_json::{Value, json};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

const TAG: &str = "some.tag";
const SECONDS: u32 = 1_795_161_600;
const MESSAGE_RECORDS: u64 = 20;

/// A stream of numbered records. Every other message is sealed.
struct Load {
    sealer: Sealer<'static>,
    /// A sealed message that Fluent Bit may not have accepted.
    unsure: Option<(Vec<Entry>, Vec<u64>)>,
    next: u64,
    acknowledged: Vec<u64>,
}

impl Load {
    fn chain() -> ChainId {
        ChainId::from_random([5; 9])
    }

    fn new() -> Result<Self> {
        let next = At { segment: 1, run: Run::from_random([5; 6]), sequence: 0 };
        let chain =
            Chain { id: Load::chain(), algorithm: Algorithm::Sha512_256, next, head: GENESIS, link: None };
        let sealer = Sealer::new(chain, Notes::NONE, None).ok().context("no memory")?;
        Ok(Load { sealer, unsure: None, next: 0, acknowledged: Vec::new() })
    }

    fn seal(&mut self, record: &Value) -> Result<Value> {
        let text = record.to_string();
        let (tag, record) = (TAG.as_bytes(), Some(text.as_bytes()));
        let event = Event { tag, seconds: SECONDS, nanoseconds: 0, record, record_len: text.len() };
        let sealed = self.sealer.seal(&event);
        Ok(serde_json::from_slice(&sealed[..sealed.len() - 1])?)
    }

    /// Sends a message. A sealed message is sent again until Fluent Bit accepts it.
    fn send(&mut self, client: &mut Client) -> Result<()> {
        let (entries, numbers) = match self.unsure.take() {
            Some(message) => message,
            None => self.message()?,
        };
        let sent = client.send(TAG, &entries);
        if sent.is_ok() {
            self.acknowledged.extend(numbers);
        } else if entries.first().is_some_and(|entry| is_sealed(&entry.record)) {
            self.unsure = Some((entries, numbers));
        }
        sent
    }

    /// Sends the unsure message and another one, waits until the ledger has them, and
    /// ends Fluent Bit. Then compares the ledger with the acknowledged records.
    fn settle(&mut self, mut process: Process, port: u16, dir: &Path) -> Result<Report> {
        let mut client = Client::connect(port)?;
        self.send(&mut client)?;
        self.send(&mut client)?;
        wait_for(dir, &mut process, &self.acknowledged)?;
        process.stop()?;
        check(dir, &self.acknowledged)
    }

    fn message(&mut self) -> Result<(Vec<Entry>, Vec<u64>)> {
        let numbers: Vec<u64> = (self.next..self.next + MESSAGE_RECORDS).collect();
        let is_sealed = (self.next / MESSAGE_RECORDS).is_multiple_of(2);
        self.next += MESSAGE_RECORDS;
        let mut entries = Vec::new();
        for &number in &numbers {
            let mut record = json!({ "number": number, "text": "x".repeat(200) });
            if is_sealed {
                record = self.seal(&record)?;
            }
            let record = msgpack::Value::from(&record);
            entries.push(Entry { seconds: SECONDS, nanoseconds: number as u32, record });
        }
        Ok((entries, numbers))
    }
}

fn is_sealed(record: &msgpack::Value) -> bool {
    matches!(record, msgpack::Value::Map(members) if members.len() > 2)
}

/// Returns a port, and a directory with a chain.
fn set_up(place: &Place) -> Result<(u16, PathBuf)> {
    let dir = place.at("ledger");
    verify::init(&dir)?;
    ledger::believe(&dir, Load::chain())?;
    Ok((TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port(), dir))
}

const KILLS: usize = 100;
/// The last line that Fluent Bit logs before it accepts input.
const STARTED: &str = "stream processor started";

pub(crate) fn killed(place: &Place) -> Result<String> {
    let (port, dir) = set_up(place)?;
    let output = output(&dir).with("config.file_size", "64k");
    let (process, mut load) = kill_often(place, port, output, KILLS)?;
    let report = load.settle(process, port, &dir)?;
    ensure!(load.acknowledged.len() > 100 * KILLS, "{} records acknowledged", load.acknowledged.len());
    Ok(format!(
        "{KILLS} kills; {} records acknowledged, {} held, each once; {} files closed",
        load.acknowledged.len(),
        report.count("records"),
        ledger::closed(&dir)?
    ))
}

const KILLS_ENCRYPTED: usize = 20;

/// Does the same with an encrypted ledger, which is read with the identity.
pub(crate) fn killed_encrypted(place: &Place) -> Result<String> {
    let (port, dir) = set_up(place)?;
    let (key, other) = (age::x25519::Identity::generate(), age::x25519::Identity::generate());
    let file = place.at("key.txt");
    fs::write(&file, format!("{}\n", key.to_string().expose_secret()))?;
    let recipients = format!("{},{}", other.to_public(), key.to_public());
    let output = output(&dir).with("config.file_size", "64k").with("config.recipients", recipients);
    let (mut process, mut load) = kill_often(place, port, output, KILLS_ENCRYPTED)?;
    let mut client = Client::connect(port)?;
    load.send(&mut client)?;
    load.send(&mut client)?;
    let acknowledged = load.acknowledged;
    let numbers = || ledger::exported(&dir, &file, &place.at("export"));
    let held = || {
        process.ensure_running()?;
        // A file may be closed during the read.
        let numbers = numbers().unwrap_or_default();
        Ok(acknowledged.iter().all(|number| numbers.contains_key(number)).then_some(()))
    };
    poll::until("all records in an export", held, || format!("{} acknowledged", acknowledged.len()))?;
    process.stop()?;
    let numbers = numbers()?;
    ensure!(numbers.values().all(|count| *count == 1), "some are held twice: {numbers:?}");
    for entry in fs::read_dir(&dir)? {
        let path = entry?.path();
        let is_readable = fs::read(&path)?.windows(8).any(|text| text == b"xxxxxxxx");
        ensure!(!is_readable, "{}: a record in the clear", path.display());
    }
    let with_identity = verify::verify_all(std::slice::from_ref(&dir), &[("--identity", &file)])?;
    let (lost, twice) = (with_identity.count("missing"), with_identity.count("duplicates"));
    ensure!(
        (with_identity.code, lost, twice) == (verify::INTACT, 0, 0),
        "verify ended with {}: {:.800}",
        with_identity.code,
        with_identity.report
    );
    let without = verify::verify(&dir)?;
    ensure!(
        (without.code, without.count("missing")) == (verify::ENCRYPTED, 0),
        "verify ended with {}: {:.800}",
        without.code,
        without.report
    );
    Ok(format!(
        "{KILLS_ENCRYPTED} kills; {} records acknowledged, {} held, each once; {} files closed; none of it to \
         be read without the identity",
        acknowledged.len(),
        numbers.len(),
        ledger::closed(&dir)?
    ))
}

/// Kills and starts a Fluent Bit under load, and leaves it running at the end.
fn kill_often(place: &Place, port: u16, output: Section, kills: usize) -> Result<(Process, Load)> {
    let outputs = [output];
    let mut load = Load::new()?;
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    for round in 1..=kills {
        let mut process = start(place, port, &outputs)?;
        process.wait_for_log(STARTED, round)?;
        let mut client = Client::connect(port)?;
        // Some are killed before their first flush, some after several flushes.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let delay = Duration::from_millis(random % 400);
        let killer = thread::spawn(move || {
            thread::sleep(delay);
            process.kill()
        });
        while load.send(&mut client).is_ok() {
            thread::sleep(Duration::from_millis(2));
        }
        killer.join().map_err(|_| anyhow::anyhow!("the killer has panicked"))??;
    }
    let mut process = start(place, port, &outputs)?;
    process.wait_for_log(STARTED, kills + 1)?;
    Ok((process, load))
}

const RELOADS: usize = 5;
/// The number of further accepted messages after which the signal is sent again.
const MESSAGES_BEFORE_HUP: u32 = 500;

pub(crate) fn reloaded(place: &Place) -> Result<String> {
    let (port, dir) = set_up(place)?;
    let outputs = [output(&dir).with("config.file_size", "64k")];
    let mut load = Load::new()?;
    let mut process = start(place, port, &outputs)?;
    for reload in 1..=RELOADS {
        process.wait_for_log(STARTED, reload)?;
        let mut client = Client::connect(port)?;
        for _ in 0..20 {
            load.send(&mut client)?;
        }
        process.signal("HUP")?;
        // Fluent Bit ignores the signal until the previous reload is over.
        for sent in 1.. {
            if load.send(&mut client).is_err() {
                break;
            }
            if sent % MESSAGES_BEFORE_HUP == 0 {
                process.signal("HUP")?;
            }
        }
    }
    process.wait_for_log(STARTED, RELOADS + 1)?;
    let report = load.settle(process, port, &dir)?;
    Ok(format!("{RELOADS} reloads; {} records held, each once", report.count("records")))
}

pub(crate) fn full_disk(place: &Place) -> Result<String> {
    let (port, dir) = set_up(place)?;
    fs::remove_dir_all(&dir)?;
    fs::create_dir(&dir)?;
    let disk = Disk::mount(&dir, "256k")?;
    let dir = &dir;
    verify::init(dir)?;
    ledger::believe(dir, Load::chain())?;
    let mut load = Load::new()?;
    let mut process = start(place, port, &[output(dir)])?;
    let mut client = Client::connect(port)?;
    for _ in 0..100 {
        load.send(&mut client)?;
    }
    process.wait_for_log("retry: ", 2)?;
    let before = ledger::numbers(dir)?.len();
    disk.grow("64m")?;
    wait_for(dir, &mut process, &load.acknowledged)?;
    process.stop()?;
    let report = check(dir, &load.acknowledged)?;
    Ok(format!("full at {before} records; then {} held, each once", report.count("records")))
}

/// Damages a line in the middle of a file. The next start goes on.
pub(crate) fn damaged(place: &Place) -> Result<String> {
    let (port, dir) = set_up(place)?;
    let outputs = [output(&dir)];
    let mut load = Load::new()?;
    let mut process = start(place, port, &outputs)?;
    process.wait_for_log(STARTED, 1)?;
    let mut client = Client::connect(port)?;
    for _ in 0..5 {
        load.send(&mut client)?;
    }
    // `ledger.intents` describes the last append, so the damage below must not be in it.
    wait_for(&dir, &mut process, &load.acknowledged)?;
    load.send(&mut client)?;
    wait_for(&dir, &mut process, &load.acknowledged)?;
    process.stop()?;
    let file = dir.join(manifest::open_name(1));
    let mut bytes = fs::read(&file)?;
    let line = bytes.len() / 2;
    let line = line + bytes[line..].iter().position(|byte| *byte == b'\n').context("one line")? + 1;
    bytes[line] = b'x';
    fs::write(&file, &bytes)?;
    let before = load.acknowledged.split_off(0);
    let mut process = start(place, port, &outputs)?;
    // The log says damaged or altered, depending on the last append.
    process.wait_for_log("00000001.ndjson: ", 1)?;
    process.wait_for_log("; it is closed and left as it is", 1)?;
    process.wait_for_log(STARTED, 2)?;
    let mut client = Client::connect(port)?;
    for _ in 0..5 {
        load.send(&mut client)?;
    }
    wait_for(&dir, &mut process, &load.acknowledged)?;
    process.stop()?;
    ensure!(fs::read(&file)? == bytes, "the damaged file is not as it was");
    let numbers = ledger::numbers(&dir)?;
    ensure!(numbers.values().all(|count| *count == 1), "some are held twice: {numbers:?}");
    let lost = before.iter().filter(|number| !numbers.contains_key(number)).count();
    let code = verify::verify(&dir)?.code;
    ensure!(
        lost == 1 && matches!(code, verify::UNREADABLE | verify::TAMPERED),
        "{lost} lost; verify ended with {code}"
    );
    Ok(format!("{} records held, each once, but for the damaged one; verify says so", numbers.len()))
}

pub(crate) fn two_on_one_directory(place: &Place) -> Result<String> {
    let (port, dir) = set_up(place)?;
    let mut process = start(place, port, &[output(&dir), output(&dir)])?;
    let ended = || Ok(process.ensure_running().is_err().then_some(()));
    poll::until("fluent-bit to end", ended, || String::from("it runs"))?;
    let log = fs::read_to_string(place.at("fluent-bit.log"))?;
    ensure!(log.contains("another output writes there"), "{log}");
    Ok("the second refuses".into())
}

/// Runs an output that traps, hangs and uses up memory, beside a ledger.
pub(crate) fn faulty(place: &Place) -> Result<String> {
    let (port, dir) = set_up(place)?;
    let faulty = wasm(&ledger::faulty())
        .with("deadline", "500ms")
        .with("failure_limit", 2)
        .with("memory_limit", "16M");
    let mut process = start(place, port, &[faulty, output(&dir)])?;
    let mut client = Client::connect(port)?;
    let faults = ["panic", "hang", "memory", "fine"];
    let mut acknowledged = Vec::new();
    for (number, tag) in (0..).zip(faults) {
        let record = msgpack::Value::from(&json!({ "number": number }));
        client.send(tag, &[Entry { seconds: SECONDS, nanoseconds: 0, record }])?;
        acknowledged.push(number);
    }
    for text in [
        "the component was ended: wasm trap: wasm `unreachable` instruction executed",
        "the component was ended: the deadline was exceeded",
        "the component was ended: the memory limit of 16777216 bytes was reached",
    ] {
        process.wait_for_log(text, 2)?;
    }
    process.wait_for_log("chunk dropped: it has ended the component 2 times", 3)?;
    process.wait_for_log("[output:wasm:wasm.0] chunk ", 1)?;
    wait_for(&dir, &mut process, &acknowledged)?;
    process.stop()?;
    check(&dir, &acknowledged)?;
    Ok("each ends its instance; the chunk is dropped in the end, and the ledger has it".into())
}

/// Checks that a wrong property causes an error that names it.
pub(crate) fn wrong_properties(place: &Place) -> Result<String> {
    let (port, dir) = set_up(place)?;
    let cases = [
        (output(&dir).with("memory_limit", "much"), "property memory_limit: `much` is not a size"),
        (output(&dir).with("deadline", "0s"), "property deadline: `0s` is not a duration"),
        (
            output(&dir).with("config.recipients", "age1nobody"),
            "property config.recipients: `age1nobody` is not an age recipient",
        ),
        (output(&dir).with("config.keep_age", "long"), "property config.keep_age: `long` is not a time"),
        (
            output(&dir).with("memory_limt", "32M"),
            "property memory_limt does not exist: do you mean memory_limit?",
        ),
        (
            output(&dir).with("config.file_sizes", "1M"),
            "property config.file_sizes does not exist: do you mean config.file_size?",
        ),
        (
            output(&dir).with("keep_age", "90d"),
            "property keep_age does not exist: do you mean config.keep_age?",
        ),
        (output(&dir).with("component", "/nothing.wasm"), "/nothing.wasm: cannot be read"),
        (output(&place.at("nothing")), "nothing: cannot be opened"),
    ];
    let count = cases.len();
    for (output, expected) in cases {
        let mut process = start(place, port, &[output])?;
        let ended = || Ok(process.ensure_running().is_err().then_some(()));
        poll::until("fluent-bit to end", ended, || format!("it runs, without {expected}"))?;
        let log = fs::read_to_string(place.at("fluent-bit.log"))?;
        ensure!(log.contains(expected), "no {expected:?} in {log}");
    }
    Ok(format!("{count} of them, each named"))
}

pub(crate) fn shipped(place: &Place) -> Result<String> {
    let count = shipped_config(place, "ledger.yaml")?;
    Ok(format!("{count} records, sealed by the filter"))
}

pub(crate) fn shipped_alone(place: &Place) -> Result<String> {
    let count = shipped_config(place, "ledger-alone.yaml")?;
    Ok(format!("{count} records, sealed by the ledger"))
}

pub(crate) fn shipped_alone_classic(place: &Place) -> Result<String> {
    let count = shipped_config(place, "ledger-alone.conf")?;
    Ok(format!("{count} records, sealed by the ledger"))
}

/// Copies a config of `fluent-bit-conf` and the files that ship into the case's
/// directory.
fn install(place: &Place, name: &str) -> Result<()> {
    let below = place.at("").display().to_string();
    let below = below.trim_end_matches('/');
    for file in [name, "plugins.conf", "filter-audit-parsers.conf"] {
        let text = fs::read_to_string(root().join("fluent-bit-conf").join(file))?;
        let text =
            text.replace(" /etc/", &format!(" {below}/etc/")).replace(" /var/", &format!(" {below}/var/"));
        fs::write(place.at(file), text)?;
    }
    let installed = place.at("etc/fluent-bit");
    fs::create_dir_all(&installed)?;
    for file in ["filter_audit.wasm", "out_wasm.so", "out_audit.wasm", "out_hello.wasm"] {
        fs::copy(root().join("dist").join(file), installed.join(file))?;
    }
    Ok(())
}

/// Copies a config with a ledger into the case's directory, and creates the chains that
/// it names. Returns the log that it reads, and the ledger.
pub(super) fn lay_out(place: &Place, name: &str) -> Result<(PathBuf, PathBuf)> {
    install(place, name)?;
    let (log, dir) = (place.at("var/log/kubernetes/audit.log"), place.at("var/lib/flb-audit/ledger"));
    for path in [log.parent().context("a file at the root")?, &place.at("var/lib/fluent-bit")] {
        fs::create_dir_all(path)?;
    }
    let roster = place.at("var/lib/flb-audit/roster.json");
    verify::init_with_keys(&place.at("var/lib/flb-audit/kube"), &roster)?;
    verify::init_ledger(&dir, &roster)?;
    fs::write(&log, "")?;
    Ok((log, dir))
}

fn shipped_config(place: &Place, name: &str) -> Result<usize> {
    let (log, dir) = lay_out(place, name)?;
    let mut process = Process::start(place, Path::new(name))?;
    process.wait_for_log("inotify_fs_add", 1)?;
    let calls: Vec<Call> = streams::calls("kubernetes-audit")?;
    OpenOptions::new().append(true).open(log)?.write_all(streams::lines(&calls).as_bytes())?;
    let held = || {
        process.ensure_running()?;
        Ok((ledger::lines(&dir)?.len() >= calls.len()).then_some(()))
    };
    let progress = || format!("{} are held", ledger::lines(&dir).map_or(0, |lines| lines.len()));
    poll::until("all records in the ledger", held, progress)?;
    process.stop()?;
    verify::verify(&dir)?.ensure(&[verify::INTACT], calls.len())?;
    Ok(calls.len())
}

pub(crate) fn hello(place: &Place) -> Result<String> {
    install(place, "hello.yaml")?;
    let mut process = Process::start(place, Path::new("hello.yaml"))?;
    process.wait_for_log("[output:wasm:wasm.0] good morning, some.tag: ", 1)?;
    let log = process.log()?;
    process.stop()?;
    match log.lines().find(|line| line.contains("[error]")) {
        Some(line) => bail!("fluent-bit has logged an error: {line}"),
        None => Ok("it says good morning".into()),
    }
}
