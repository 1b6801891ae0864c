//! The files that a command line names beside the logs may be endless, huge, or no files at all.

use super::wrapped::gzip;
use super::{Bench, log};
use std::fs::File;
use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The maximum time of a refusal. All of them take milliseconds.
const SECONDS_MAX: u64 = 30;
/// The size of a file that takes no space on the disk.
const SPARSE_BYTES: u64 = 1 << 40;
/// The maximum memory, in KiB. It is far more than any limit, and far less than the files.
const MEMORY_KIB_MAX: u64 = 1_500_000;

/// Every option that names such a file, and the limit in bytes that the error names.
const OPTIONS: [(&[&str], &str); 9] = [
    (&["verify", "--roster", "FILE", "log"], "67108864"),
    (&["verify", "--fleet", "FILE", "log"], "67108864"),
    (&["verify", "--roster", "roster.json", "--expect", "FILE", "log"], "67108864"),
    (&["verify", "--roster", "roster.json", "--anchors", "FILE", "log"], "16777216"),
    (&["verify", "--roster", "roster.json", "--from", "FILE", "log"], "16777216"),
    (&["verify", "--roster", "roster.json", "--proof", "FILE"], "bytes"),
    (&["verify", "--roster", "roster.json", "--identity", "FILE", "log"], "67108864"),
    (&["find", "--value", "x", "--key", "FILE", "log"], "67108864"),
    (&["prove", "--chain", "inputs-chain", "--seg", "1", "--seq", "0", "--under", "FILE", "log"], "1048576"),
];

/// Runs a command that must end soon, and take little memory.
fn run(bench: &Bench, arguments: &[&str]) -> Output {
    let limited = format!("ulimit -v {MEMORY_KIB_MAX}; exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &limited, env!("CARGO_BIN_EXE_flb-audit")]).args(arguments);
    let directory = bench.path("");
    let made = command.current_dir(directory).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = made.stderr(Stdio::piped()).spawn().expect("a program");
    let end = Instant::now() + Duration::from_secs(SECONDS_MAX);
    while child.try_wait().expect("a state").is_none() {
        if Instant::now() > end {
            child.kill().expect("killed");
            panic!("{arguments:?} does not end");
        }
        sleep(Duration::from_millis(5));
    }
    child.wait_with_output().expect("a program")
}

/// Returns the arguments with a name in the place of `FILE`.
fn naming<'a>(arguments: &[&'a str], name: &'a str) -> Vec<&'a str> {
    arguments.iter().map(|argument| if *argument == "FILE" { name } else { argument }).collect()
}

/// Returns a bench with the log and its anchors.
fn bench() -> Bench {
    let bench = Bench::new();
    bench.write("log", log());
    let anchors = bench.run(&["checkpoints", "log"]).stdout;
    bench.write("anchors", anchors);
    bench
}

#[test]
fn endless_and_huge_files_are_refused_at_once() {
    let bench = bench();
    let made = Command::new("mkfifo").arg(bench.path("pipe")).status().expect("mkfifo");
    assert!(made.success());
    // A link may be named like a pipe without a name.
    let made = Command::new("mkfifo").arg(bench.path("pipe:[1]")).status().expect("mkfifo");
    assert!(made.success());
    std::os::unix::fs::symlink("pipe:[1]", bench.path("link")).expect("a link");
    File::create(bench.path("sparse")).and_then(|file| file.set_len(SPARSE_BYTES)).expect("a file");
    std::fs::create_dir(bench.path("directory")).expect("a directory");
    for (arguments, limit) in OPTIONS {
        for (name, why, remedy) in [
            ("pipe", "a named pipe or a device, which may never end", "copy its contents to a file"),
            ("link", "a named pipe or a device, which may never end", "copy its contents to a file"),
            ("/dev/zero", "a named pipe or a device, which may never end", "copy its contents to a file"),
            ("directory", "a directory", "name a file"),
            ("sparse", limit, "which is the limit"),
            ("nothing", "No such file", ""),
        ] {
            let arguments = naming(arguments, name);
            let output = run(&bench, &arguments);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
            let names_all = [name, why, remedy].iter().all(|text| said.contains(text));
            assert!(names_all, "{arguments:?}: {said}");
        }
    }
}

/// Parts are read like these files, and objects of a state are not read as parts.
#[test]
fn a_part_may_be_a_pipe_of_the_shell() {
    let bench = bench();
    assert!(bench.run(&["verify", "--part", "0.part", "log"]).status.success());
    for name in ["/dev/zero", "directory"] {
        let _ = std::fs::create_dir(bench.path("directory"));
        let output = run(&bench, &["merge", "--roster", "roster.json", name]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && said.contains(name), "{said}");
    }
    let (code, said) = bash(&bench, "merge --roster roster.json <(cat 0.part)");
    assert_eq!(code, Some(3), "{said}");
}

/// A small file decompresses to one line without an end, or to very many lines.
#[test]
fn a_bomb_of_anchors_is_stopped() {
    let bench = bench();
    // Each decompresses to the 1 GiB that every source may decompress to.
    let bomb = |line: &str| {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("memory");
        let lines = line.repeat((1 << 20) / line.len());
        (0..1024).for_each(|_| encoder.write_all(lines.as_bytes()).expect("memory"));
        encoder.finish().expect("memory")
    };
    for (name, bytes) in
        [("line.gz", gzip(&"0".repeat(64 << 20))), ("empty.zst", bomb("\n")), ("lines.zst", bomb("x\n"))]
    {
        assert!(bytes.len() < 1_000_000, "{name}: {}", bytes.len());
        bench.write(name, bytes);
        for option in ["--anchors", "--from"] {
            let output = run(&bench, &["verify", "--roster", "roster.json", option, name, "log"]);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let limit = "more than 16777216 bytes up to here are no checkpoints, which is the limit";
            assert!(output.status.code() == Some(1) && said.contains(limit) && said.contains(name), "{said}");
        }
    }
}

/// Runs a command line of the program in a shell that knows `<(…)`.
fn bash(bench: &Bench, line: &str) -> (Option<i32>, String) {
    let line = format!("{} {line}", env!("CARGO_BIN_EXE_flb-audit"));
    let mut command = Command::new("timeout");
    command.args(["60", "bash", "-c", &line]).current_dir(bench.path("")).stdin(Stdio::null());
    let output = command.output().expect("bash");
    let said = [&output.stdout[..], &output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

/// A pipe has no length, so only reading it shows that it is too long.
#[test]
fn pipes_of_the_shell_have_the_same_limits() {
    let bench = bench();
    for (arguments, limit) in OPTIONS {
        // The limit of a proof is not among those that are named in bytes.
        let bytes = limit.parse().map_or(130_000_000, |limit: u64| limit + 1);
        let pipe = format!("<(yes '# comment' | head -c {bytes})");
        let line = naming(arguments, &pipe).join(" ");
        let (code, said) = bash(&bench, &line);
        assert!(code == Some(1) && said.contains("which is the limit"), "{line}: {code:?}: {said}");
        assert!(said.contains(limit), "{line}: {said}");
    }
}

#[test]
fn pipes_of_the_shell_are_read() {
    let bench = bench();
    bench.write("nodes", "n\n");
    assert!(bench.run(&["hmac-key", "keys", "--id", "k1"]).status.success());
    let prove = ["prove", "log", "--chain", "inputs-chain", "--seg", "1", "--seq", "0"];
    bench.write("proof.json", bench.run(&prove).stdout);
    for (line, code) in [
        ("verify --roster roster.json --anchors <(gzip -c anchors) log", 3),
        ("verify --roster roster.json --anchors <(sleep 1; cat anchors) log", 3),
        ("verify --roster <(cat roster.json) --from <(cat anchors) log", 3),
        ("verify --roster roster.json --expect <(cat nodes) log", 3),
        ("verify --roster /dev/stdin log < <(cat roster.json)", 3),
        ("verify --roster roster.json --proof <(cat proof.json)", 0),
        ("find --value mallory --key <(cat keys/hmac.key) log", 0),
        ("find --value - --key keys/hmac.key log < /dev/zero", 1),
    ] {
        let (found, said) = bash(&bench, line);
        assert_eq!(found, Some(code), "{line}: {said}");
    }
    // The page states the hash of each file, and a pipe can be read only once.
    let (code, said) = bash(&bench, "verify --roster <(cat roster.json) --html page.html log");
    assert!(code == Some(1) && said.contains("write it to a file"), "{code:?}: {said}");
    assert!(!bench.path("page.html").exists());
}
