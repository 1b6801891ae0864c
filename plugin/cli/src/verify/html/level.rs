//! How bad a verdict is, for who does not know the verdicts: a colour, a symbol and a
//! headline, each of which says it alone.

use super::Verdict;
use maud::{Markup, html};

/// How bad a verdict is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Good,
    Open,
    Bad,
}

impl Level {
    pub(super) fn of(verdict: Verdict) -> Level {
        match verdict {
            Verdict::Intact => Level::Good,
            Verdict::TailUnanchored
            | Verdict::Unsigned
            | Verdict::Encrypted
            | Verdict::UncleanStop
            | Verdict::StateDamaged => Level::Open,
            Verdict::Silent
            | Verdict::Unsealed
            | Verdict::Gap
            | Verdict::LinkBroken
            | Verdict::Conflict
            | Verdict::NothingFound
            | Verdict::Unreadable
            | Verdict::KeyNotCertified
            | Verdict::Tampered => Level::Bad,
        }
    }

    pub(super) fn class(self) -> &'static str {
        match self {
            Level::Good => "good",
            Level::Open => "open",
            Level::Bad => "bad",
        }
    }

    pub(super) fn headline(self) -> &'static str {
        match self {
            Level::Good => "No fault found",
            Level::Open => "No forgery found, but not everything is proven",
            Level::Bad => "Faults found",
        }
    }

    /// The symbol beside the colour.
    pub(super) fn mark(self) -> Markup {
        let symbol = match self {
            Level::Good => "✓",
            Level::Open => "△",
            Level::Bad => "✕",
        };
        html! { span class={ "mark " (self.class()) } aria-hidden="true" { (symbol) } }
    }
}

/// A verdict with its symbol.
pub(super) fn badge(verdict: Verdict) -> Markup {
    let level = Level::of(verdict);
    let name = if verdict == Verdict::Intact { "no findings" } else { verdict.name() };
    html! { span class={ "badge " (level.class()) } { (level.mark()) " " (name) } }
}
