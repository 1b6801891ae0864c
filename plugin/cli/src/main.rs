//! The program `flb-audit`: its arguments and its exit code.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(flb_audit::run(std::env::args_os()))
}
