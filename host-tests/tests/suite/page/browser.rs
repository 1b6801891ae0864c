//! The page in a headless Chromium, if one is installed. `.ci/run` shows how.

use super::{bounds, hostile, page};
use host_tests::root;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder into which `.ci/run` installs playwright-core and axe-core.
const MODULES: &str = "target/browser/node_modules";

/// Opens a page and returns the result of the script. `None` if there is no browser.
fn opened(page: &Path, is_fast: bool) -> Option<Value> {
    let modules = root().join(MODULES);
    let chromium = ["/usr/bin/chromium", "/usr/bin/chromium-browser"].map(PathBuf::from);
    let chromium = chromium.into_iter().find(|path| path.is_file());
    let has_modules = ["playwright-core", "axe-core"].iter().all(|name| modules.join(name).is_dir());
    let (Some(chromium), true) = (chromium, has_modules) else {
        eprintln!("skipped: chromium, or {MODULES} with playwright-core and axe-core, is not installed");
        return None;
    };
    let mut node = Command::new("node");
    node.arg(root().join("host-tests/browser/page.js")).arg(modules).arg(chromium).arg(page);
    if is_fast {
        node.env("FAST", "1");
    }
    let output = node.output().expect("node");
    let why = String::from_utf8_lossy(&output.stderr);
    Some(serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {why}")))
}

#[test]
fn a_hostile_page_is_quiet_and_for_everybody() {
    let dir = tempfile::tempdir().expect("a directory");
    hostile::write(dir.path());
    page(dir.path(), &hostile::ARGUMENTS);
    let Some(said) = opened(&dir.path().join("report.html"), false) else { return };
    let list = |name: &str| said[name].as_array().cloned().unwrap_or_default();
    for request in list("requests") {
        assert!(request.as_str().is_some_and(|url| url.ends_with("/report.html")), "fetched: {request}");
    }
    assert_eq!(said["hit"], false, "a script of the log ran");
    for name in ["dialogs", "errors", "violations", "wider"] {
        assert!(list(name).is_empty(), "{name}: {}", said[name]);
    }
    assert!(said["text"].as_str().is_some_and(|text| text.contains("Faults found")));
    let [rising, falling] = [0, 1].map(|at| said["sorted"][at].as_array().cloned().unwrap_or_default());
    assert!(rising.len() > 1 && rising != falling, "{rising:?} {falling:?}");
    assert_eq!(rising, falling.into_iter().rev().collect::<Vec<_>>());
    assert_eq!(said["unfolded"], true, "a link into what is folded unfolds it");
    assert_eq!(said["found"][0], 0, "{}", said["found"]);
    assert!(said["found"][1].as_u64() > Some(0), "{}", said["found"]);
}

/// The page opens, and the browser's CPU time is printed. There is no limit, because the
/// time depends on what else the machine does.
#[test]
fn a_large_page_opens() {
    let dir = tempfile::tempdir().expect("a directory");
    bounds::write(dir.path(), 1000, 10);
    page(dir.path(), &[]);
    let Some(said) = opened(&dir.path().join("report.html"), true) else { return };
    eprintln!("1,000 chains, 10,000 findings: {} ms, {} s of CPU", said["milliseconds"], said["seconds"]);
    let seconds = said["seconds"].as_object().expect("seconds");
    assert!(seconds.values().filter_map(Value::as_f64).any(|seconds| seconds > 0.0), "{seconds:?}");
}
