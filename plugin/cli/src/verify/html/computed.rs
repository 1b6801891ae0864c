//! The sources of a report: inputs with their hashes, versions, the command.

use super::table::{count, foreign, number, number_cell, table, time};
use super::{Context, end};
use crate::input::Stored;
use flb_audit_core::seal::VERSION;
use maud::{Markup, html};

/// The maximum number of inputs that are listed.
const INPUTS_MAX: usize = 1000;
/// The number of inputs up to which their list is unfolded.
const OPEN_MAX: usize = 20;

pub(super) fn section(context: &Context<'_>) -> Markup {
    let sources = &context.report.details.sources;
    let rows: Vec<Markup> =
        sources.iter().take(INPUTS_MAX).map(|(name, stored)| row(name, *stored)).collect();
    let left_out = sources.len().saturating_sub(rows.len()) as u64;
    let bytes =
        sources.iter().filter_map(|(_, stored)| *stored).fold(0, |sum: u64, stored| sum + stored.bytes);
    let inputs = table("Inputs", &["File", "#Bytes read", "SHA-256 of these bytes"], &rows, left_out);
    let details = &context.report.details;
    html! {
        section id="computed" {
            h2 { "What this was computed from" }
            dl class="facts" {
                div { dt { "Command" } dd { code { (foreign(&command(&context.asked.command))) } } }
                div { dt { "Verified" } dd { "until " (time(end(context))) " UTC, in " (format!("{:.1}", context.took.as_secs_f64())) " seconds" } }
                div { dt { "Versions" } dd { "flb-audit " (env!("CARGO_PKG_VERSION")) ", seal format " (VERSION) } }
                @for (what, name, stored) in &context.asked.files {
                    div {
                        dt { (what) }
                        dd {
                            (foreign(name)) ", " (count(stored.bytes, "byte", "bytes")) ", SHA-256 "
                            code class="hash" { (hex(&stored.sha256)) }
                        }
                    }
                }
                @match details.known_chains {
                    Some(chains) => div { dt { "Keys" } dd { "of " (count(chains as u64, "chain", "chains")) " that the roster or the fleet vouches for" } },
                    None => div { dt { "Keys" } dd { "none: neither a roster nor a fleet was given" } },
                }
                @if let Some(expected) = details.attendance.expected {
                    div { dt { "Expected systems" } dd { (number(expected as u64)) } }
                }
                @if !context.asked.files.iter().any(|(what, ..)| what.starts_with("Anchors")) {
                    div { dt { "Anchors" } dd { "none were given" } }
                }
                div { dt { "Inputs" } dd { (count(sources.len() as u64, "file", "files")) ", " (count(bytes, "byte", "bytes")) @if details.has_parts { ", read when their parts were made" } } }
            }
            details open[sources.len() <= OPEN_MAX] {
                summary { "Inputs with their hashes" }
                (inputs)
            }
        }
    }
}

fn row(name: &str, stored: Option<Stored>) -> Markup {
    html! {
        tr {
            td { (foreign(name)) }
            @match stored {
                Some(stored) => {
                    (number_cell(stored.bytes))
                    td { code class="hash" { (hex(&stored.sha256)) } }
                },
                None => { td class="number" { "–" } td { "could not be read" } },
            }
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the command line in the syntax of a shell.
fn command(arguments: &[String]) -> String {
    let is_plain = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c))
    };
    let quoted = arguments.iter().map(|argument| match is_plain(argument) {
        true => argument.clone(),
        false => format!("'{}'", argument.replace('\'', "'\\''")),
    });
    quoted.collect::<Vec<_>>().join(" ")
}
