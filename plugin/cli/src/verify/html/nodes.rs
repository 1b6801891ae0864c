//! The systems of a page: one table of all of them, and a timeline for each chain.

use super::Context;
use super::findings::{ids, listed};
use super::level::badge;
use super::table::{count, foreign, number, number_cell, table, time, time_cell};
use super::timeline;
use crate::verdict::Verdict;
use crate::verify::report::Chain;
use flb_audit_core::chain::Position;
use humantime::format_duration;
use maud::{Markup, html};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

/// The maximum number of chains that are listed.
const CHAINS_MAX: usize = 2000;
/// The number of chains that are unfolded.
const OPEN_MAX: usize = 12;

const COLUMNS: [&str; 11] = [
    "System",
    "Result",
    "#Records",
    "#Signed",
    "#Missing",
    "#Not delivered",
    "#Altered",
    "#Findings",
    "First record",
    "Last record",
    "Without anchor for",
];

pub(super) fn section(context: &Context<'_>) -> Markup {
    let logs = &context.report.said.verified;
    let mut chains: Vec<&Chain> = logs.chains.iter().collect();
    let name = |chain: &Chain| chain.node.clone().unwrap_or_else(|| chain.chain.clone());
    chains.sort_by_cached_key(|chain| (Reverse(context.verdict(&chain.chain).0), name(chain)));
    let rows: Vec<Markup> = chains.iter().take(CHAINS_MAX).map(|chain| row(context, chain)).collect();
    let left_out = chains.len().saturating_sub(rows.len()) as u64;
    let marks = marks(context);
    let with_timeline: Vec<&Chain> = chains
        .iter()
        .copied()
        .filter(|chain| context.report.details.timelines.contains_key(&chain.chain))
        .collect();
    html! {
        section id="nodes" {
            h2 { "Systems and timelines" }
            (absent(context))
            @if !rows.is_empty() {
                (table("Systems, those with the worst findings first", &COLUMNS, &rows, left_out))
                (timeline::legend())
                div class="chains" data-filtered {
                    @for (at, chain) in with_timeline.iter().enumerate() {
                        (details(context, chain, at < OPEN_MAX, marks.get(chain.chain.as_str()), with_timeline.len()))
                    }
                }
                @if with_timeline.len() < chains.len() {
                    p { (number((chains.len() - with_timeline.len()) as u64)) " chains with lesser findings or none have no timeline here." }
                }
            }
        }
    }
}

/// Returns the table of the roster's nodes without any record here.
fn absent(context: &Context<'_>) -> Markup {
    let details = &context.report.details;
    let rows: Vec<Markup> = details
        .absent
        .iter()
        .map(|(node, chain)| {
            let silent = context.verdict(chain).0 == Verdict::Silent;
            html! { tr { td { (foreign(node)) } td { code { (chain) } } td { @if silent { (badge(Verdict::Silent)) } @else { "no time was asked about" } } } }
        })
        .collect();
    let left_out = details.absent_count.saturating_sub(rows.len()) as u64;
    html! {
        @if !rows.is_empty() {
            p { strong { "Of " (count(details.absent_count as u64, "system", "systems")) " of the roster nothing is here." } }
            (table("Systems of which nothing is here", &["System", "Newest chain", "Result"], &rows, left_out))
        }
    }
}

/// Returns the findings that have a place, by chain.
fn marks<'a>(context: &'a Context<'_>) -> BTreeMap<&'a str, Vec<(usize, Position)>> {
    let mut marks = BTreeMap::<&str, Vec<_>>::new();
    for (at, finding) in listed(context).iter().enumerate() {
        if let (Some(chain), Some(position)) = (&finding.chain, finding.position) {
            marks.entry(chain).or_default().push((at, position));
        }
    }
    marks
}

fn row(context: &Context<'_>, chain: &Chain) -> Markup {
    let (verdict, findings) = context.verdict(&chain.chain);
    let has_timeline = context.report.details.timelines.contains_key(&chain.chain);
    let name = chain.node.as_deref().unwrap_or(&chain.chain);
    html! {
        tr {
            td {
                @if has_timeline { a href={ "#c-" (chain.chain) } { (foreign(name)) } } @else { (foreign(name)) }
                @if chain.node.is_none() && context.report.details.roster_chains.is_some() { " (nobody vouches for it)" }
            }
            td data-by=(verdict as u8) { (badge(verdict)) }
            (number_cell(chain.records))
            (number_cell(chain.signed))
            (number_cell(chain.missing))
            (number_cell(chain.undelivered))
            (number_cell(chain.altered))
            (number_cell(findings))
            @if chain.records > 0 { (time_cell(chain.from)) (time_cell(chain.to)) } @else { td { "–" } td { "–" } }
            td class="time" data-by=(chain.unanchored_seconds.unwrap_or_default()) {
                @match chain.unanchored_seconds {
                    Some(seconds) => (format_duration(Duration::from_secs(seconds))),
                    None => "0s",
                }
            }
        }
    }
}

fn details(
    context: &Context<'_>,
    chain: &Chain,
    is_open: bool,
    marks: Option<&Vec<(usize, Position)>>,
    of: usize,
) -> Markup {
    let Some(timeline) = context.report.details.timelines.get(&chain.chain) else { return html! {} };
    let (verdict, findings) = context.verdict(&chain.chain);
    let name = chain.node.as_deref().unwrap_or(&chain.chain);
    let marks = marks.map_or(&[][..], Vec::as_slice);
    let label = format!(
        "Timeline of {name}: {}, {}, from {} to {}",
        count(chain.records, "record", "records"),
        count(findings, "finding", "findings"),
        time(chain.from),
        time(chain.to)
    );
    html! {
        details class="chain" id={ "c-" (chain.chain) } open[is_open] {
            summary { h3 { (foreign(name)) " " (badge(verdict)) } }
            @if chain.records > 0 {
                (timeline::lane(timeline, marks, &label, of))
                div class="axis" { span { (time(chain.from)) } span { (time(chain.to)) } }
            }
            @if let Some((at, _)) = marks.first() {
                p { a href={ "#" (ids(*at).0) } { "The first of its findings in the list" } }
            }
            (facts(chain, timeline.checkpoint_count, timeline.anchor_count, timeline.key_count))
            (timeline::segments(timeline, chain.segments))
            (timeline::key_changes(timeline))
        }
    }
}

fn facts(chain: &Chain, checkpoints: usize, anchors: usize, keys: usize) -> Markup {
    let place = |place: Option<(u64, u64)>| match place {
        Some((segment, record)) => format!("segment {segment}, record {record}"),
        None => "–".to_owned(),
    };
    html! {
        dl class="facts" {
            div { dt { "Chain" } dd { code { (chain.chain) } } }
            div { dt { "Records" } dd { (number(chain.records)) " in " (count(chain.segments as u64, "segment", "segments")) @if chain.duplicates > 0 { ", and " (number(chain.duplicates)) " duplicates (harmless)" } } }
            div { dt { "Last record" } dd { (place(Some((chain.last_segment, chain.last_sequence)))) } }
            div { dt { "Signed up to" } dd { (place(chain.signed_to)) " (" (count(checkpoints as u64, "checkpoint", "checkpoints")) ")" } }
            div { dt { "Anchored up to" } dd { (place(chain.anchored_to)) " (" (count(anchors as u64, "anchor", "anchors")) ")" } }
            div { dt { "Key changes" } dd { (number(keys as u64)) } }
            @if let Some(from) = chain.from_checkpoint {
                div { dt { "Begins with" } dd { (place(Some(from))) "; nothing before is looked for" } }
            }
            @if chain.raw > 0 { div { dt { "Raw" } dd { (number(chain.raw)) " records could not be read when they were sealed, and were sealed as text" } } }
            @for (note, number_of) in &chain.notes {
                div { dt { "Note " code { (note) } } dd { "on " (count(*number_of, "record", "records")) } }
            }
            @if chain.is_ephemeral { div { dt { "Ephemeral" } dd { "the filter had no state directory, so nothing links this chain to others" } } }
        }
    }
}
