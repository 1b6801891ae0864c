//! The severity of a verdict on a page: a colour, and a symbol beside it.

use crate::verdict::{Level, Verdict};
use maud::{Markup, html};

pub(super) fn class(level: Level) -> &'static str {
    match level {
        Level::Good => "good",
        Level::Open => "open",
        Level::Bad => "bad",
    }
}

/// Returns the symbol of a level, which stands beside its colour.
pub(super) fn mark(level: Level) -> Markup {
    let symbol = match level {
        Level::Good => "✓",
        Level::Open => "△",
        Level::Bad => "✕",
    };
    html! { span class={ "mark " (class(level)) } aria-hidden="true" { (symbol) } }
}

/// Returns a verdict with its symbol.
pub(super) fn badge(verdict: Verdict) -> Markup {
    let level = verdict.level();
    let name = if verdict == Verdict::Intact { "no findings" } else { verdict.name() };
    html! { span class={ "badge " (class(level)) } { (mark(level)) " " (name) } }
}
