//! A chain's timeline as a picture. The symbols differ in form and height, not only in
//! colour.

use super::findings::ids;
use super::table::{number_cell, table, time_cell};
use crate::verify::timeline::{POINTS, Part, Timeline};
use flb_audit_core::chain::Position;
use maud::{Markup, html};
use std::collections::BTreeSet;

/// The maximum number of marks of a kind on all timelines of a page, and the minimum and
/// maximum for one timeline.
const MARKS_MAX: usize = 40_000;
const MARKS_OF_ONE: (usize, usize) = (40, 400);
/// The maximum number of findings that are marked on a timeline.
const FLAGS_MAX: usize = 60;

/// Returns the symbols, and the pattern that hatches gaps.
pub(super) fn definitions() -> Markup {
    html! {
        svg class="definitions" aria-hidden="true" width="0" height="0" {
            defs {
                pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                    rect class="hatch-back" width="6" height="6" {}
                    rect class="hatch-line" width="3" height="6" {}
                }
                path id="key" d="M0 -6 L6 0 L0 6 L-6 0 Z" {}
                path id="anchor" d="M0 -6 L6 5 H-6 Z" {}
            }
        }
    }
}

/// Returns the explanation of the symbols.
pub(super) fn legend() -> Markup {
    let symbol = |id: &str| html! { svg class="symbol" aria-hidden="true" width="18" height="16" { use class=(id) href={ "#" (id) } x="9" y="8" {} } };
    let bar = |class: &str| html! { svg class="symbol" aria-hidden="true" width="18" height="16" { rect class=(class) x="1" y="2" width="16" height="12" {} } };
    html! {
        ul class="legend" aria-label="Symbols of the timelines" {
            li { svg class="symbol" aria-hidden="true" width="18" height="16" { circle class="flag" cx="9" cy="8" r="5" {} } " finding" }
            li { (bar("records")) " records" }
            li { (bar("missing")) " missing or altered" }
            li { (bar("accounted")) " not here, and accounted for" }
            li { (bar("checkpoint")) " checkpoint" }
            li { (symbol("anchor")) " anchor" }
            li { (symbol("key")) " key change" }
            li { svg class="symbol" aria-hidden="true" width="18" height="16" { rect class="policy" x="4" y="3" width="9" height="9" {} } " policy first seen" }
        }
        p class="small" { "Times between checkpoints are interpolated. Marks that are very close stand as one." }
    }
}

/// Returns the position of a point.
fn at(point: u16) -> String {
    percent(u32::from(point) * 960 / u32::from(POINTS) + 20)
}

/// Returns the width of a part, which is always wide enough to be seen.
fn width(from: u16, to: u16) -> String {
    percent((u32::from(to.saturating_sub(from)) * 960 / u32::from(POINTS)).max(2))
}

/// Formats tenths of a percent as a percentage.
fn percent(tenths: u32) -> String {
    format!("{}.{}%", tenths / 10, tenths % 10)
}

/// Returns at most `max` points. Points that are close together become one.
fn thinned(points: &[u16], max: usize) -> Vec<u16> {
    let mut step = 1;
    loop {
        let kept: BTreeSet<u16> = points.iter().map(|point| point / step * step).collect();
        if kept.len() <= max {
            return kept.into_iter().collect();
        }
        step *= 2;
    }
}

/// Returns at most `max` parts. Parts that are close together are joined.
fn joined(parts: &[Part], max: usize) -> Vec<Part> {
    let mut step = 1;
    loop {
        let mut kept: Vec<Part> = Vec::new();
        for (from, to) in parts {
            match kept.last_mut() {
                Some(last) if step > 1 && *from <= last.1.saturating_add(step) => last.1 = last.1.max(*to),
                _ => kept.push((*from, *to)),
            }
        }
        if kept.len() <= max {
            return kept;
        }
        step *= 2;
    }
}

/// Draws a timeline. `of` is the number of timelines on the page.
pub(super) fn lane(timeline: &Timeline, marks: &[(usize, Position)], label: &str, of: usize) -> Markup {
    let max = (MARKS_MAX / of.max(1)).clamp(MARKS_OF_ONE.0, MARKS_OF_ONE.1);
    let bars = [
        ("records", &timeline.records, 48, 18),
        ("accounted", &timeline.accounted, 50, 14),
        ("missing", &timeline.missing, 45, 24),
    ];
    let symbols = [("key", &timeline.keys, 23), ("anchor", &timeline.anchors, 87)];
    html! {
            svg class="lane" role="img" aria-label=(label) width="100%" height="96" {
                rect class="track" x="0" y="48" width="100%" height="18" {}
                @for (class, parts, y, height) in bars {
                    @for (from, to) in joined(parts, max) {
                        rect class=(class) x=(at(from)) y=(y) width=(width(from, to)) height=(height) {}
                    }
                }
                @for point in thinned(&timeline.checkpoints, max) {
                    rect class="checkpoint" x=(at(point)) y="71" width="1.5" height="8" {}
                }
                // Each `use` makes a tree of its own, so it is used only where a form needs it.
                @for point in thinned(&timeline.policies, max) {
                    rect class="policy" x=(at(point)) y="3" width="9" height="9" transform="translate(-4)" {}
                }
                @for (class, points, y) in symbols {
                    @for point in thinned(points, max) {
                        use class=(class) href={ "#" (class) } x=(at(point)) y=(y) {}
                    }
                }
                @for (finding, position) in marks.iter().take(FLAGS_MAX) {
    circle class="flag" id=(ids(*finding).1) cx=(at(timeline.position(*position))) cy="37" r="5" {}
                }
            }
            // A finding that is not drawn leads to the timeline all the same.
            @for (finding, _) in marks.iter().skip(FLAGS_MAX) { span id=(ids(*finding).1) {} }
        }
}

pub(super) fn segments(timeline: &Timeline, total: usize) -> Markup {
    let rows: Vec<Markup> = timeline
        .segments
        .iter()
        .map(|row| {
            html! {
                tr {
                    (number_cell(row.segment))
                    td { code { (row.run) } }
                    (number_cell(row.first))
                    (number_cell(row.last))
                    (time_cell(row.from))
                    (time_cell(row.to))
                }
            }
        })
        .collect();
    let columns = ["#Segment", "Run", "#First record", "#Last record", "From", "To"];
    let left_out = total.saturating_sub(rows.len()) as u64;
    html! {
        // For one segment, the line above has everything that a table would have.
        @if total > 1 {
            details {
                summary { "Segments" }
                (table("Segments", &columns, &rows, left_out))
            }
        }
    }
}

pub(super) fn key_changes(timeline: &Timeline) -> Markup {
    let rows: Vec<Markup> = timeline
        .key_changes
        .iter()
        .map(|change| {
            html! {
                tr {
                    (number_cell(u64::from(change.index)))
                    td { "segment " (change.at.segment) ", record " (change.at.sequence) }
                    (time_cell(change.time))
                }
            }
        })
        .collect();
    let left_out = timeline.key_count.saturating_sub(rows.len()) as u64;
    html! {
        @if !rows.is_empty() {
            details {
                summary { "Key changes" }
                (table("Key changes", &["#Key", "In force from", "About"], &rows, left_out))
            }
        }
    }
}
