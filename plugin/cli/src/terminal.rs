//! Reports on a terminal: wraps long lines and colours verdicts.

use crate::stdout::print;
use crate::verdict::{Level, Verdict};
use anyhow::Result;
use std::io::{self, IsTerminal};

/// The width of a report, in characters.
const COLUMNS: usize = 80;
/// The start of a continuation line.
const INDENT: &str = "    ";

/// Prints a report. On a terminal, long lines are wrapped. Otherwise each finding is one
/// line.
pub(crate) fn print_report(text: &str) -> Result<()> {
    if !io::stdout().is_terminal() {
        return print(text);
    }
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let is_coloured = !is_set("NO_COLOR") && !is_dumb;
    let lines = text.lines().map(|line| {
        let fitting = wrapped(line);
        if is_coloured { coloured(fitting) } else { fitting }
    });
    print(&lines.collect::<String>())
}

/// Wraps a line that is too long, between words.
fn wrapped(line: &str) -> String {
    let mut out = String::new();
    let mut width = 0;
    for (at, word) in line.split(' ').enumerate() {
        let characters = word.chars().count();
        if at > 0 && width + 1 + characters > COLUMNS && !out.trim_end().is_empty() {
            out.push('\n');
            out += INDENT;
            width = INDENT.len();
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

/// Colours the verdict's name at the start of a line.
fn coloured(line: String) -> String {
    let named = |verdict: &Verdict| {
        let (name, rest) = line.split_once(':').unwrap_or((&line, ""));
        !rest.is_empty() && name.to_lowercase() == verdict.name()
    };
    let Some(verdict) = Verdict::all().find(named) else { return line };
    let colour = match verdict.level() {
        Level::Good => "32",
        Level::Open => "33",
        Level::Bad => "31",
    };
    let (name, rest) = line.split_at(verdict.name().len());
    format!("\x1b[1;{colour}m{name}\x1b[0m{rest}")
}
