//! The systems of a page: one table of all of them, and a timeline for each chain.

use super::Context;
use super::findings::{ids, listed};
use super::level::badge;
use super::table::{count, foreign, number, number_cell, table, time, time_cell};
use super::timeline;
use super::words::{self, prose};
use crate::verdict::Verdict;
use crate::verify::nodes::{Absent, Why};
use crate::verify::report::{Chain, is_of_the_node};
use flb_audit_core::chain::Position;
use humantime::format_duration;
use maud::{Markup, html};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

/// The maximum number of chains that are listed.
const CHAINS_MAX: usize = 2000;
/// The maximum number of absent systems, and of unexpected ones, that are listed.
const ATTENDANCE_MAX: usize = 1000;
/// The maximum number of notes that are listed.
const NOTES_MAX: usize = 1000;
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
            (unexpected(context))
            @if !rows.is_empty() {
                (table("Systems, those with the worst findings first", &COLUMNS, &rows, left_out))
                (notes(context))
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

/// Returns the table of the systems without any record here, those that are findings first.
fn absent(context: &Context<'_>) -> Markup {
    let absent = &context.report.details.attendance.absent;
    let mut order: Vec<&Absent> = absent.iter().collect();
    order.sort_by_key(|absent| absent.why != Why::Silent);
    let rows: Vec<Markup> = order
        .into_iter()
        .take(ATTENDANCE_MAX)
        .map(|Absent { node, chain, why }| {
            html! {
                tr {
                    td { (foreign(node)) }
                    td { @match chain { Some(chain) => code { (chain) }, None => "none is known" } }
                    td data-by=(u8::from(*why != Why::Silent)) {
                        @match why {
                            Why::Silent => (badge(Verdict::Silent)),
                            Why::Retired => "retired",
                            Why::NotExpected => "not on the list of expected systems",
                            Why::NotThere => "not there in the time that was asked about",
                            Why::NotAsked => "no finding: nobody asked which systems have to be here",
                        }
                    }
                }
            }
        })
        .collect();
    let left_out = absent.len().saturating_sub(rows.len()) as u64;
    let silent = absent.iter().filter(|absent| absent.why == Why::Silent).count();
    html! {
        @if !rows.is_empty() {
            p {
                strong { "Nothing is here of " (count(absent.len() as u64, "system", "systems")) "." }
                @if silent < absent.len() { " " (number(silent as u64)) " of them should have sent records." }
            }
            (table("Systems of which nothing is here", &["System", "Newest chain", "Result"], &rows, left_out))
        }
    }
}

/// Returns the table of the systems that sealed records and are not expected.
fn unexpected(context: &Context<'_>) -> Markup {
    let unexpected = &context.report.details.attendance.unexpected;
    let rows: Vec<Markup> = unexpected
        .iter()
        .take(ATTENDANCE_MAX)
        .map(|(node, chain)| {
            html! { tr { td { (foreign(node)) } td { code { (chain) } } td { (badge(Verdict::Unexpected)) } } }
        })
        .collect();
    let left_out = unexpected.len().saturating_sub(rows.len()) as u64;
    html! {
        @if !rows.is_empty() {
            p { strong { (count(unexpected.len() as u64, "system", "systems")) " not on the list of expected systems sealed records." } }
            (table("Systems that are not expected", &["System", "Newest chain", "Result"], &rows, left_out))
        }
    }
}

/// Checks whether a system has noted anything about itself.
pub(super) fn has_notes(chain: &Chain) -> bool {
    chain.notes.keys().any(|note| is_of_the_node(note))
}

/// Returns the table of what systems have noted about themselves under the seal.
fn notes(context: &Context<'_>) -> Markup {
    let chains = context.report.said.verified.chains.iter();
    let of_nodes: Vec<(&Chain, &'static str, u64)> = chains
        .flat_map(|chain| chain.notes.iter().map(move |(note, count)| (chain, *note, *count)))
        .filter(|(_, note, _)| is_of_the_node(note))
        .collect();
    let rows: Vec<Markup> = of_nodes
        .iter()
        .take(NOTES_MAX)
        .map(|(chain, note, count)| {
            let (meaning, remedy) = words::note(note);
            html! {
                tr {
                    td { (foreign(context.name(&chain.chain))) }
                    td { code { (note) } }
                    (number_cell(*count))
                    (noted_since(context, chain, note))
                    td { (meaning) }
                    td { (prose(remedy)) }
                }
            }
        })
        .collect();
    let left_out = of_nodes.len().saturating_sub(rows.len()) as u64;
    html! {
        @if !rows.is_empty() {
            span id="notes" {}
            (table("What systems noted about themselves, under the seal", &["System", "Note", "#Records", "Segments that begin with it", "What it means", "What to do"], &rows, left_out))
        }
    }
}

/// Returns the cell with the segments whose first records have a note.
fn noted_since(context: &Context<'_>, chain: &Chain, note: &'static str) -> Markup {
    let details = &context.report.details;
    let noted = details.noted_segments.get(&(chain.chain.clone(), note));
    let time_of = |segment: u64| {
        let timeline = details.timelines.get(&chain.chain)?;
        Some(timeline.time(Position { segment, sequence: 0 }))
    };
    html! {
        td {
            @match noted {
                Some((first, segments)) => {
                    (number(*segments)) ", the first is segment " (first)
                    @if let Some(seconds) = time_of(*first) { ", about " (time(seconds)) }
                },
                None => "–",
            }
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
                @if chain.node.is_none() && context.report.details.known_chains.is_some() { " (nobody vouches for it)" }
            }
            td data-by=(verdict as u8) {
                (badge(verdict))
                @if has_notes(chain) { ", with " a href="#notes" { "notes" } }
            }
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
