//! `docs/redaction.md`: its examples, and the tables that a command writes.

use crate::root;
use anyhow::{Context, Result};
use flb_audit_policy::detectors::detectors;
use std::fmt::Write;
use std::fs;
use std::ops::Range;
use std::path::PathBuf;

/// The name of the table of detectors.
pub const DETECTORS: &str = "detectors";
/// The name of the table of figures.
pub const FIGURES: &str = "figures";

/// The name of the table of lines that the rules were not tuned on.
pub const LINES: &str = "lines";

/// Returns the path of the page.
pub fn path() -> PathBuf {
    root().join("docs/redaction.md")
}

/// Returns the text of the page.
pub fn read() -> Result<String> {
    let path = path();
    fs::read_to_string(&path).with_context(|| path.display().to_string())
}

/// A block of code.
#[derive(Debug)]
pub struct Block<'a> {
    /// The line at which it starts.
    pub line: usize,
    /// The language on its fence.
    pub language: &'a str,
    /// The contents of the block.
    pub text: String,
}

/// Returns all blocks of a page, in order.
pub fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut open: Option<Block<'_>> = None;
    for (at, line) in page.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(language), None) => open = Some(Block { line: at + 1, language, text: String::new() }),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => {
                block.text += line;
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

/// Returns the range of a table on the page, which is between two markers.
fn between(page: &str, name: &str) -> Result<Range<usize>> {
    let find = |marker: &str| page.find(marker).with_context(|| format!("the page has no {marker}"));
    let first = format!("<!-- {name}: written by `cargo xtask redaction` -->\n");
    Ok(find(&first)? + first.len()..find(&format!("<!-- /{name} -->"))?)
}

/// Returns a table on the page.
pub fn table<'a>(page: &'a str, name: &str) -> Result<&'a str> {
    Ok(&page[between(page, name)?])
}

/// Returns the page with a table replaced.
pub fn with_table(page: &str, name: &str, table: &str) -> Result<String> {
    let mut page = page.to_owned();
    page.replace_range(between(&page, name)?, table);
    Ok(page)
}

/// Returns the table of detectors from the catalogue.
pub fn detectors_table() -> String {
    let mut table = String::from("| detector | pack | what | action | source |\n|---|---|---|---|---|\n");
    for detector in detectors() {
        let columns =
            [detector.name, detector.pack, detector.what, detector.action, detector.source].map(escaped);
        // Writing to a String never fails.
        let _ = writeln!(table, "| {} |", columns.join(" | "));
    }
    table
}

fn escaped(cell: &str) -> String {
    cell.replace('|', "\\|").replace('<', "\\<")
}
