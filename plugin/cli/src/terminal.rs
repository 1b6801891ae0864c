//! The terminal: reports that fit into it, colours, and the progress of long commands.
//! Without a terminal, reports are plain lines, and no progress is shown.

use crate::stdout::print;
use crate::verdict::{Level, Verdict};
use anyhow::Result;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal};

/// The width of a report, in characters.
const COLUMNS: usize = 80;
/// The least number of spaces at the start of a continuation line.
const INDENT: usize = 4;

/// Prints a report. On a terminal, long lines are wrapped, and the names of verdicts have
/// colours. Otherwise each finding is one line.
pub(crate) fn print_report(text: &str) -> Result<()> {
    print_lines(text, None)
}

/// Prints a report whose last line is its result. On a terminal, that line has the colour
/// of the level.
pub(crate) fn print_result(text: &str, level: Level) -> Result<()> {
    print_lines(text, Some(level))
}

fn print_lines(text: &str, level: Option<Level>) -> Result<()> {
    if !io::stdout().is_terminal() {
        return print(text);
    }
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let is_coloured = !is_set("NO_COLOR") && !is_dumb;
    let end = text.lines().count().saturating_sub(1);
    let lines = text.lines().enumerate().map(|(at, line)| {
        let fitting = wrapped(line);
        match level.filter(|_| at == end) {
            _ if !is_coloured => fitting,
            Some(level) => format!("{}\n", in_colour(fitting.trim_end_matches('\n'), level)),
            None => with_verdict_in_colour(fitting),
        }
    });
    print(&lines.collect::<String>())
}

/// Wraps a message on standard error, if that is a terminal.
pub(crate) fn wrapped_error(line: &str) -> String {
    if io::stderr().is_terminal() { wrapped(line) } else { format!("{line}\n") }
}

/// Wraps a line that is too long, between words. JSON and commands stay on one line, since a
/// line break would change them.
fn wrapped(line: &str) -> String {
    if line.starts_with('{') || line.starts_with("  flb-audit ") {
        return format!("{line}\n");
    }
    let indent = INDENT.max(line.len() - line.trim_start_matches(' ').len());
    let mut out = String::new();
    let mut width = 0;
    for (at, word) in line.split(' ').enumerate() {
        let characters = word.chars().count();
        if at > 0 && width + 1 + characters > COLUMNS && !out.trim_end().is_empty() {
            out.push('\n');
            out += &" ".repeat(indent);
            width = indent;
        } else if at > 0 {
            out.push(' ');
            width += 1;
        }
        out += word;
        width += characters;
    }
    out.push('\n');
    out
}

/// The result of a proof or an export whose records are all proven.
pub(crate) const PROVEN: &str = "proven";

/// Colours the verdict's name at the start of a line.
fn with_verdict_in_colour(line: String) -> String {
    let Some((name, rest)) = line.split_once(':').filter(|(_, rest)| !rest.is_empty()) else { return line };
    let lower = name.to_lowercase();
    let level = match Verdict::all().find(|verdict| verdict.name() == lower) {
        Some(verdict) => verdict.level(),
        None if lower == PROVEN => Level::Good,
        None => return line,
    };
    format!("{}:{rest}", in_colour(name, level))
}

fn in_colour(text: &str, level: Level) -> String {
    let colour = match level {
        Level::Good => "32",
        Level::Open => "33",
        Level::Bad => "31",
    };
    format!("\x1b[1;{colour}m{text}\x1b[0m")
}

/// Returns a progress bar for so many bytes, or for an unknown number of them. It is shown on
/// standard error, and only if that is a terminal. It disappears when it is dropped.
pub(crate) fn progress(bytes: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(bytes, ProgressDrawTarget::stderr());
    let style = match bytes {
        Some(_) => "{wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left",
        None => "{spinner} {bytes}, {bytes_per_sec}",
    };
    bar.with_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Returns a progress bar for a command that prints while it reads. On a terminal, its lines
/// show the progress, and a bar would be between them.
pub(crate) fn progress_beside_output(bytes: Option<u64>) -> ProgressBar {
    if io::stdout().is_terminal() { ProgressBar::hidden() } else { progress(bytes) }
}
