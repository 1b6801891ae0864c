//! The page that `flb-audit verify --html` writes.

mod bounds;
mod browser;
mod content;
mod hostile;
mod made_up;
mod markup;

use host_tests::program::flb_audit;
use std::fs;
use std::path::Path;

/// Verifies `log.ndjson` in a directory, with the roster if there is one, and returns the
/// page.
fn page(directory: &Path, arguments: &[&str]) -> String {
    let target = directory.join("report.html");
    let mut verify = flb_audit();
    verify.current_dir(directory).args(["verify", "log.ndjson", "--html", "report.html"]).args(arguments);
    if directory.join("roster.json").is_file() {
        verify.args(["--roster", "roster.json"]);
    }
    let output = verify.output().expect("dist/flb-audit");
    let why = String::from_utf8_lossy(&output.stderr);
    fs::read_to_string(target).unwrap_or_else(|error| panic!("{error}: {why}"))
}
