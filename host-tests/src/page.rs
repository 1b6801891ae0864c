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

/// The path of the page.
pub fn path() -> PathBuf {
    root().join("docs/redaction.md")
}

/// The text of the page.
pub fn read() -> Result<String> {
    let path = path();
    fs::read_to_string(&path).with_context(|| path.display().to_string())
}

/// A block of code.
#[derive(Debug)]
pub struct Block<'a> {
    /// The line that it starts at.
    pub line: usize,
    /// The language that its fence names.
    pub language: &'a str,
    /// Its contents.
    pub text: String,
}

/// All blocks of a page, in order.
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

/// Returns the range of a table on the page, between its two markers.
fn between(page: &str, name: &str) -> Result<Range<usize>> {
    let find = |marker: &str| page.find(marker).with_context(|| format!("the page has no {marker}"));
    let first = format!("<!-- {name}: written by `cargo xtask redaction` -->\n");
    Ok(find(&first)? + first.len()..find(&format!("<!-- /{name} -->"))?)
}

/// A table as it stands on the page.
pub fn table<'a>(page: &'a str, name: &str) -> Result<&'a str> {
    Ok(&page[between(page, name)?])
}

/// The page with another table.
pub fn with_table(page: &str, name: &str, table: &str) -> Result<String> {
    let mut page = page.to_owned();
    page.replace_range(between(&page, name)?, table);
    Ok(page)
}

/// The table of detectors, out of the catalogue.
pub fn detectors_table() -> String {
    let mut table = String::from("| detector | pack | what | action | source |\n|---|---|---|---|---|\n");
    for detector in detectors() {
        let columns =
            [detector.name, detector.pack, detector.what, detector.action, detector.source].map(escaped);
        // A String takes all that is written.
        let _ = writeln!(table, "| {} |", columns.join(" | "));
    }
    table
}

fn escaped(cell: &str) -> String {
    cell.replace('|', "\\|").replace('<', "\\<")
}
