//! The ledger and the host that ship, with a driver that delivers chunks, and delivers
//! them again until the answer is ok. Its process is killed, or its disk fails.

use flb_audit_host::component::{Answer, Limits};
use flb_audit_host::network::Network;
use flb_audit_host::output;
use host_tests::program::{dist, flb_audit};
use ledger_fixtures::{Filter, chunk, numbers, plain};
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// The number of chunks that the driver delivers, and the number of records in each.
const CHUNKS: u32 = 400;
const CHUNK_RECORDS: u32 = 5;

/// The variables that name the driver's directory and its first chunk.
const DIRECTORY: &str = "FLB_AUDIT_DRIVER_DIRECTORY";
const FIRST: &str = "FLB_AUDIT_DRIVER_FIRST";
const FILE_SIZE: &str = "FLB_AUDIT_DRIVER_FILE_SIZE";
const RECIPIENTS: &str = "FLB_AUDIT_DRIVER_RECIPIENTS";

/// Even chunks are sealed, odd ones are not.
fn played() -> Vec<Vec<u8>> {
    let mut filter = Filter::new(1);
    let records = |at: u32| {
        let mut records = plain(at * CHUNK_RECORDS, CHUNK_RECORDS);
        records.iter_mut().for_each(|record| record["text"] = "x".repeat(1000).into());
        records
    };
    (0..CHUNKS).map(|at| chunk(&if at % 2 == 0 { filter.seal(&records(at)) } else { records(at) })).collect()
}

/// The driver, which runs in its own process. It delivers chunks until all of them are
/// answered with ok.
#[test]
#[ignore = "run by others, in a process of its own"]
fn driver() {
    let directory = PathBuf::from(std::env::var_os(DIRECTORY).expect("a directory"));
    let first: usize = std::env::var(FIRST).expect("a number").parse().expect("a number");
    let limits = Limits {
        memory_bytes_max: 64 << 20,
        deadline: Duration::from_secs(60),
        directory: Some(directory),
        is_writable: true,
        network: Network::default(),
    };
    let file_size = std::env::var(FILE_SIZE).expect("a size");
    let setting = |name: &str| match name {
        "config.file_size" => Some(file_size.clone()),
        "config.recipients" => std::env::var(RECIPIENTS).ok(),
        _ => None,
    };
    println!("\npid {}", std::process::id());
    let output =
        output::start(&dist("out_audit.wasm"), limits, None, setting, &mut Vec::new()).expect("started");
    for (at, chunk) in played().iter().enumerate().skip(first) {
        loop {
            match output.flush(ledger_fixtures::TAG, chunk).answer {
                Answer::Ok => break println!("\nanswered {at}"),
                Answer::Retry(reason) => println!("\nretry {at}: {reason}"),
                Answer::Refuse(reason) => panic!("refused: {reason}"),
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Runs the driver with a shell's limits, and passes each of its lines to `see`. If `see`
/// returns a time, the driver is killed after that time.
fn drive(
    directory: &Path,
    first: usize,
    file_size: &str,
    limits: &str,
    mut see: impl FnMut(&str) -> Option<Duration>,
) {
    let program = std::env::current_exe().expect("a path");
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(format!("user=\n{limits}\nexec $user \"$0\" --exact driver::driver --ignored --nocapture"))
        .arg(program)
        .env(DIRECTORY, directory)
        .env(FIRST, first.to_string())
        .env(FILE_SIZE, file_size)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("started");
    let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    for line in lines.map_while(Result::ok) {
        if let Some(delay) = see(&line) {
            thread::sleep(delay);
            child.kill().expect("killed");
            break;
        }
    }
    child.wait().expect("ended");
}

fn answered(line: &str) -> Option<usize> {
    line.strip_prefix("answered ")?.parse().ok()
}

/// Returns the shell command that makes the driver's ledger encrypt.
fn encrypt() -> String {
    format!("export {RECIPIENTS}={}", ledger_fixtures::recipient())
}

/// Checks that every record is there once, and that `verify` finds nothing wrong.
fn check(directory: &tempfile::TempDir) {
    let key = tempfile::NamedTempFile::new().expect("a file");
    ledger_fixtures::key_file(key.path(), ledger_fixtures::key());
    assert_eq!(numbers(directory), (0..u64::from(CHUNKS * CHUNK_RECORDS)).collect::<Vec<_>>());
    let verify = flb_audit()
        .args(["verify", "--json", "--identity"])
        .args([key.path(), directory.path()])
        .output()
        .expect("verified");
    let report: serde_json::Value = serde_json::from_slice(&verify.stdout).expect("a report");
    assert_eq!(report["verdict"], "unsigned", "{report}");
    assert_eq!((&report["missing"], &report["duplicates"]), (&0.into(), &0.into()), "{report}");
}

/// The driver is killed at random times: while it starts, or some time after some
/// answers. In some rounds the last answer is lost.
#[test]
fn kills_lose_nothing_and_double_nothing() {
    kill_often("");
}

#[test]
fn kills_lose_nothing_and_double_nothing_that_is_encrypted() {
    let directory = kill_often(&encrypt());
    let closed = ledger_fixtures::names(&directory).iter().filter(|name| name.ends_with(".frames")).count();
    assert!(closed > 10, "{closed} segments");
}

fn kill_often(environment: &str) -> tempfile::TempDir {
    let directory = ledger_fixtures::directory();
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut below = |end: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % end
    };
    let (mut first, mut round) = (0, 0u32);
    while first < CHUNKS as usize {
        round += 1;
        let mut budget = below(8);
        let delay = Duration::from_micros(below(if budget == 0 { 100_000 } else { 5000 }));
        drive(directory.path(), first, "50k", environment, |line| {
            if let Some(at) = answered(line) {
                first = if budget == 1 && round.is_multiple_of(3) { at } else { at + 1 };
                budget -= 1;
            }
            (budget == 0).then_some(delay)
        });
    }
    assert!(round > 90, "{round} kills");
    check(&directory);
    directory
}

/// Files are limited to one or two MiB, as if the disk were full. Later there is room
/// again, for the same process or for the next one.
#[test]
fn a_full_disk_is_retry_and_nothing_is_lost() {
    for is_killed in [true, false] {
        let directory = ledger_fixtures::directory();
        let (mut first, mut retries, mut pid) = (0, 0, String::new());
        // The compiled component is larger than the limit, so this process needs its own
        // cache.
        let cache = tempfile::tempdir().expect("a directory");
        let limits =
            format!("trap '' XFSZ; ulimit -S -f 2000; export XDG_CACHE_HOME={}", cache.path().display());
        drive(directory.path(), first, "8M", &limits, |line| {
            if let Some(at) = answered(line) {
                assert!(retries == 0 || !is_killed, "an answer behind a retry");
                first = at + 1;
            }
            pid = line.strip_prefix("pid ").map_or(pid.clone(), str::to_owned);
            retries += u32::from(line.starts_with("retry "));
            if retries == 5 && !is_killed {
                let freed = Command::new("prlimit").args(["--fsize=unlimited", "--pid", &pid]).status();
                assert!(freed.expect("prlimit").success());
            }
            (retries == 5 && is_killed).then_some(Duration::ZERO)
        });
        assert!(retries >= 5 && first > 0, "{retries} retries, from {first} on");
        if is_killed {
            drive(directory.path(), first, "8M", "", |line| {
                first = answered(line).map_or(first, |at| at + 1);
                None
            });
        }
        assert_eq!(first, CHUNKS as usize);
        check(&directory);
    }
}

/// Something else has the name of a file, or the directory is read-only. Later writing
/// works again.
#[test]
fn what_cannot_be_written_is_retry_and_nothing_is_lost() {
    // Root can write everywhere, so the driver runs as another user.
    let plain = "[ $(id -u) != 0 ] || user='setpriv --reuid=65534 --regid=65534 --clear-groups'";
    let encrypted = format!("{plain}\n{}", encrypt());
    let cases = [
        ("a file that is made to close a segment", Some("00000001.ndjson.zst.partial"), plain),
        ("the next segment", Some("00000002.ndjson"), plain),
        ("the directory is read-only", None, plain),
        ("the next segment, encrypted", Some("00000002.frames.open"), &encrypted),
        ("the directory is read-only, encrypted", None, &encrypted),
    ];
    for (name, obstacle, user) in cases {
        let directory = ledger_fixtures::directory();
        let at = |name: &str| directory.path().join(name);
        let chown = Command::new("chown").args(["-R", "65534:65534"]).arg(directory.path()).status();
        // If the tests do not run as root, the command may fail.
        chown.expect("chown");
        let mode = |mode| {
            fs::set_permissions(directory.path(), Permissions::from_mode(mode)).expect("permissions");
        };
        if let Some(obstacle) = obstacle {
            fs::create_dir(at(obstacle)).expect("made");
        }
        let (mut first, mut retries) = (0, 0);
        drive(directory.path(), first, "50k", user, |line| {
            first = answered(line).map_or(first, |at| at + 1);
            if obstacle.is_none() && retries == 0 && first == 3 {
                mode(0o555);
            }
            if line.starts_with("retry ") {
                retries += 1;
                let expected = obstacle.unwrap_or("0000000");
                assert!(line.contains(expected), "{name}: {line}");
            }
            if retries == 5 {
                match obstacle {
                    Some(obstacle) if at(obstacle).is_dir() => fs::remove_dir(at(obstacle)).expect("removed"),
                    Some(_) => {}
                    None => mode(0o755),
                }
            }
            None
        });
        assert!(retries >= 5, "{name}: {retries} retries");
        assert_eq!(first, CHUNKS as usize, "{name}");
        check(&directory);
    }
}
