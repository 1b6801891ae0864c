//! Logs in object stores: an S3 server, and web servers with faulty answers.

mod buckets;
mod faulty;
mod web;

use host_tests::program::flb_audit;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

/// The result of running the program.
struct Said {
    code: Option<i32>,
    out: String,
    error: String,
}

impl Said {
    fn of(command: &mut Command) -> Said {
        let Output { status, stdout, stderr } = command.output().expect("dist/flb-audit");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Said { code: status.code(), out: text(stdout), error: text(stderr) }
    }

    /// Parses the report of `verify --json`.
    #[track_caller]
    fn report(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("no report: {}", self.error))
    }
}

/// Returns the command `verify --json` for some inputs, in a directory with a roster.
fn verify(directory: &Path, inputs: &[&str]) -> Command {
    let mut command = flb_audit();
    command.current_dir(directory).args(["verify", "--json", "--roster", "roster.json"]).args(inputs);
    command
}

/// Returns the verdict and the counts, which do not depend on where a log is.
fn counted(report: &Value) -> (String, u64) {
    (report["verdict"].to_string(), report["records"].as_u64().unwrap_or(0))
}
