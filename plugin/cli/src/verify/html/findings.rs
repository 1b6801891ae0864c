//! The findings of a page, by kind, each kind with what to do.

use super::level::badge;
use super::table::{count, foreign, number, number_cell, table, time};
use super::words::prose;
use super::{Context, FINDINGS_MAX};
use crate::report::Named;
use crate::verdict::Verdict;
use maud::{Markup, html};
use std::collections::BTreeSet;

/// The number of findings of a kind up to which they are unfolded.
const OPEN_MAX: usize = 30;

/// Returns the id of a finding in the list of findings, and the id of its mark on a
/// timeline.
pub(super) fn ids(at: usize) -> (String, String) {
    (format!("f{at}"), format!("m{at}"))
}

/// Returns the findings that a page lists, of all kinds.
pub(super) fn listed<'a>(context: &'a Context<'_>) -> &'a [Named] {
    let findings = context.report.said.findings();
    &findings[..findings.len().min(FINDINGS_MAX)]
}

pub(super) fn section(context: &Context<'_>) -> Markup {
    let kinds: Vec<(Verdict, u64)> = context.report.said.counts().collect();
    html! {
        section id="findings" {
            h2 { "Findings" }
            @if kinds.is_empty() {
                p { "There are none." }
            } @else {
                (summary(&kinds))
                @for (verdict, count) in kinds { (kind(context, verdict, count)) }
            }
        }
    }
}

fn summary(kinds: &[(Verdict, u64)]) -> Markup {
    let rows: Vec<Markup> = kinds
        .iter()
        .map(|(verdict, count)| {
            html! {
                tr {
                    td { a href={ "#k" (verdict.code()) } { (badge(*verdict)) } }
                    (number_cell(*count))
                    td { (prose(meaning(*verdict))) }
                    td { (prose(verdict.remedy())) }
                }
            }
        })
        .collect();
    table(
        "Findings by kind, the worst first",
        &["Finding", "#Number", "What is wrong", "What to do"],
        &rows,
        0,
    )
}

/// Returns what a finding means beside others, worse ones among them.
fn meaning(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::TailUnanchored => {
            "No anchor proves the last records of a log. If later ones were cut off, these files alone do not show it."
        }
        _ => verdict.meaning(),
    }
}

fn kind(context: &Context<'_>, verdict: Verdict, total: u64) -> Markup {
    let of_kind = || listed(context).iter().enumerate().filter(|(_, finding)| finding.verdict == verdict);
    let rows: Vec<Markup> = of_kind().map(|(at, finding)| row(context, at, finding)).collect();
    let left_out = total.saturating_sub(rows.len() as u64);
    let title = format!("Findings: {}", verdict.name());
    html! {
        details id={ "k" (verdict.code()) } open[rows.len() <= OPEN_MAX] {
            summary { h3 { (badge(verdict)) " " (count(total, "finding", "findings")) } }
            @if verdict == Verdict::Gap { (on_gaps(context)) }
            @if rows.is_empty() {
                p { "None of these " (number(total)) " is listed here; the page is full of worse ones." }
            } @else {
                (table(&title, &["What", "System", "Where in the log", "Where in the inputs"], &rows, left_out))
            }
        }
    }
}

/// Returns what distinguishes the findings of the kind *gap*.
fn on_gaps(context: &Context<'_>) -> Markup {
    html! {
        p {
            (count(context.report.said.verified.missing, "record is", "records are"))
            " missing. Where no signature reaches records, these are here and nothing proves them, most often since the "
            "record that signs them is altered or missing. Single records that are missing at many places were dropped on "
            "their way, as a filter behind the seal does; one long stretch is a file, an object or a chunk that is not here."
        }
    }
}

/// The maximum number of systems that the head of the page names for a kind of findings.
const NAMED_MAX: usize = 3;

/// Returns the systems with findings of a kind, or their chains if nobody knows whose they are.
pub(super) fn systems<'a>(context: &'a Context<'_>, verdict: Verdict) -> Markup {
    let of_kind = listed(context).iter().filter(|finding| finding.verdict == verdict);
    let name = |finding: &'a Named| finding.node.as_deref().or(finding.chain.as_deref());
    let names: BTreeSet<&str> = of_kind.filter_map(name).collect();
    html! {
        @if !names.is_empty() {
            ", of "
            @for (at, name) in names.iter().take(NAMED_MAX).enumerate() { @if at > 0 { ", " } (foreign(name)) }
            @if names.len() > NAMED_MAX { " and " (number((names.len() - NAMED_MAX) as u64)) " more" }
        }
    }
}

fn row(context: &Context<'_>, at: usize, finding: &Named) -> Markup {
    let (id, mark) = ids(at);
    let timeline = finding.chain.as_ref().and_then(|chain| context.report.details.timelines.get(chain));
    html! {
        tr id=(id) {
            td { (foreign(&finding.what)) }
            td {
                @match (&finding.node, &finding.chain) {
                    (Some(node), _) => (foreign(node)),
                    (None, Some(chain)) => (foreign(context.name(chain))),
                    (None, None) => "–",
                }
            }
            @match (finding.position, timeline) {
                (Some(place), Some(timeline)) => {
                    td data-by={ (timeline.time(place)) } {
                        a href={ "#" (mark) } { "segment " (place.segment) ", record " (place.sequence) }
                        ", about " (time(timeline.time(place)))
                    }
                },
                (Some(place), None) => td { "segment " (place.segment) ", record " (place.sequence) },
                _ => td { "–" },
            }
            td {
                @if let (Some(source), Some(number)) = (&finding.source, finding.number) {
                    (foreign(source)) ":" (number)
                } @else { "–" }
            }
        }
    }
}
