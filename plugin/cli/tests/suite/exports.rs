//! `export` of ledgers, and `verify --export`. The cases are in `exports.json`: each has the lines of
//! the ledger's files, as indexes, and what is expected.

use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// The memory that `export` may take, in KiB.
const MEMORY_KIB_MAX: u64 = 512 << 10;
/// The number of bytes of the records of a large file. All of them together are more than `export`
/// may take.
const LARGE_BYTES: u64 = 640 << 20;

/// A ledger, an export of it, and the files that say whose signatures count.
struct Made<'a> {
    home: TempDir,
    lines: &'a Value,
    case: &'a Value,
}

impl<'a> Made<'a> {
    fn new(lines: &'a Value, case: &'a Value) -> Made<'a> {
        let made = Made { home: tempfile::tempdir().expect("a directory"), lines, case };
        fs::create_dir(made.at("ledger")).expect("a directory");
        for (name, numbers) in case["files"].as_object().expect("files") {
            let lines = numbers.as_array().expect("lines").iter();
            let lines = lines.map(|number| made.line(number));
            write(&made.at("ledger").join(name), lines.map(|line| line.as_bytes().to_vec()));
        }
        if let Some(name) = case["large"].as_str() {
            let line = made.line(&case["files"]["00000001.ndjson.zst"][0]);
            let line = format!("{},\"more\":\"{}\"}}", &line[..line.len() - 1], "x".repeat(1 << 20));
            let count = LARGE_BYTES / line.len() as u64;
            write(&made.at("ledger").join(name), (0..count).map(|_| line.as_bytes().to_vec()));
        }
        fs::write(made.at("roster.json"), case["roster"].to_string()).expect("written");
        fs::write(made.at("fleet.json"), case["fleet"].to_string()).expect("written");
        made
    }

    fn at(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn line(&self, number: &Value) -> &'a str {
        let number = number.as_u64().and_then(|number| usize::try_from(number).ok()).expect("a number");
        self.lines[number].as_str().expect("a line")
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let limited = format!("ulimit -v {MEMORY_KIB_MAX}; exec \"$0\" \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &limited, env!("CARGO_BIN_EXE_flb-audit")]).args(arguments);
        command.current_dir(self.home.path()).output().expect("run")
    }

    fn export(&self) -> Output {
        let options = self.case["options"].as_array().into_iter().flatten();
        let options: Vec<&str> = options.map(|option| option.as_str().expect("an option")).collect();
        self.run(&[&["export", "ledger", "--output", "export"], &options[..]].concat())
    }

    fn verify(&self) -> Value {
        let trusted = if self.case["fleet"].is_null() {
            ["--roster", "roster.json"]
        } else {
            ["--fleet", "fleet.json"]
        };
        let output = self.run(&["verify", "--json", trusted[0], trusted[1], "--export", "export"]);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
    }

    /// Takes the records of a segment from a number on out of the export, with their proofs.
    fn take_out(&self, taken: &Value) {
        let lines = |name: &str| -> Vec<String> {
            let text = fs::read_to_string(self.at("export").join(name)).expect("an export");
            text.lines().map(str::to_owned).collect()
        };
        let stays: Vec<bool> = lines("records.ndjson")
            .iter()
            .map(|line| {
                let seal = &serde_json::from_str::<Value>(line).expect("a record")["audit"];
                seal["seg"] != taken["segment"] || seal["seq"].as_u64() < taken["from"].as_u64()
            })
            .collect();
        assert!(stays.contains(&false), "{taken}");
        for name in ["records.ndjson", "proofs.ndjson"] {
            let left = lines(name).into_iter().zip(&stays).filter(|(_, stays)| **stays);
            write(&self.at("export").join(name), left.map(|(line, _)| line.into_bytes()));
        }
    }
}

/// Writes a file of lines, compressed if its name says so.
fn write(path: &Path, lines: impl Iterator<Item = Vec<u8>>) {
    let file = File::create(path).expect("a file");
    let mut out: Box<dyn Write> = match path.extension().is_some_and(|extension| extension == "zst") {
        true => Box::new(zstd::stream::write::Encoder::new(file, 1).expect("an encoder").auto_finish()),
        false => Box::new(file),
    };
    for line in lines {
        out.write_all(&line).and_then(|()| out.write_all(b"\n")).expect("written");
    }
}

#[test]
fn an_export_says_what_its_ledger_has() {
    let text = include_str!("exports.json");
    let all: Value = serde_json::from_str(text).expect("cases");
    let mut wrong = Vec::new();
    for case in all["cases"].as_array().expect("cases") {
        let made = Made::new(&all["lines"], case);
        let export = made.export();
        let said = String::from_utf8_lossy(&export.stderr);
        if let Some(refused) = case["refused"].as_str() {
            if export.status.code() != Some(1) || !said.contains(refused) || made.at("export").exists() {
                wrong.push(format!("{}: not refused: {export:?}", case["name"]));
            }
            continue;
        }
        if !export.status.success() {
            wrong.push(format!("{}: {said}", case["name"]));
            continue;
        }
        if !case["taken_out"].is_null() {
            made.take_out(&case["taken_out"]);
        }
        if case["verdict"].is_null() {
            continue;
        }
        let report = made.verify();
        let names = ["verdict", "proven", "missing"];
        if names.iter().any(|name| report[name] != case[name]) {
            let found = json!({"verdict": report["verdict"], "proven": report["proven"], "missing": report["missing"]});
            wrong.push(format!("{}: {found}: {:#}", case["name"], report["findings"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
