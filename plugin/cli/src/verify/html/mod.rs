//! The report of a verification as a page for auditors. The page is one file that needs
//! nothing else, on a screen or on paper.
//!
//! The page's policy (`Content-Security-Policy`) allows one style and one script, by
//! their hashes, and nothing from elsewhere. `maud` escapes every text. Finally,
//! [`visible()`] writes out the characters of the whole page that no reader would see.

mod computed;
mod counts;
mod findings;
mod level;
mod nodes;
mod table;
mod timeline;
mod visible;
mod words;

use super::Verdict;
use super::details::Asked;
use super::nodes::Absent;
use super::report::Report;
use crate::verdict::Level;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use level::mark;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};
use table::{count, number, time};
use visible::visible;

/// The maximum number of findings on a page.
pub(super) const FINDINGS_MAX: usize = 10_000;

/// The first bytes of a page.
pub(super) const START: &[u8] = br#"<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">"#;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// The material of every part of a page.
struct Context<'a> {
    report: &'a Report,
    asked: &'a Asked,
    begun: SystemTime,
    took: Duration,
    /// The worst verdict on each chain, and the number of its findings.
    of_chains: BTreeMap<String, (Verdict, u64)>,
    /// The nodes without any record here, by their newest chains.
    absent: BTreeMap<String, &'a str>,
}

impl Context<'_> {
    /// Returns the name of a chain's node, or the chain itself.
    fn name<'a>(&'a self, chain: &'a str) -> &'a str {
        let chains = &self.report.said.verified.chains;
        let found = chains.binary_search_by(|other| other.chain.as_str().cmp(chain));
        let absent = || self.absent.get(chain).copied();
        found.ok().and_then(|at| chains[at].node.as_deref()).or_else(absent).unwrap_or(chain)
    }

    /// Returns the worst verdict on a chain, and the number of its findings.
    fn verdict(&self, chain: &str) -> (Verdict, u64) {
        self.of_chains.get(chain).copied().unwrap_or((Verdict::Intact, 0))
    }
}

/// Writes the page.
pub(super) fn page<'a>(report: &'a Report, asked: &'a Asked, begun: SystemTime, took: Duration) -> String {
    let mut of_chains = BTreeMap::new();
    for (chain, verdict, count) in report.said.counts_of_chains() {
        let of_chain = of_chains.entry(chain).or_insert((verdict, 0));
        *of_chain = (verdict.max(of_chain.0), of_chain.1 + count);
    }
    let absent = &report.details.attendance.absent;
    let by_chain = |of: &'a Absent| Some((of.chain?.to_string(), of.node.as_str()));
    let absent = absent.iter().filter_map(by_chain).collect();
    let context = Context { report, asked, begun, took, of_chains, absent };
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    );
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                title { (words::title(report.verdict())) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (timeline::definitions())
                (header(&context))
                main id="main" {
                    (brief(&context))
                    (computed::section(&context))
                    (words::limits(&context))
                    (findings::section(&context))
                    (nodes::section(&context))
                    (counts::redactions(&context))
                    (counts::schemas(&context))
                    (counts::policies(&context))
                    (counts::volumes(&context))
                    (words::glossary())
                }
                footer {
                    p { "Made by flb-audit " (env!("CARGO_PKG_VERSION")) " on " (time(end(&context))) ". All times are UTC." }
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    visible(&page.into_string())
}

/// Returns the time at which the verification ended, in seconds since 1970.
fn end(context: &Context<'_>) -> u64 {
    let end = (context.begun + context.took).duration_since(SystemTime::UNIX_EPOCH);
    end.map_or(0, |since| since.as_secs())
}

fn headline(level: Level) -> &'static str {
    match level {
        Level::Good => "No fault found",
        Level::Open => "No forgery found, but not everything is proven",
        Level::Bad => "Faults found",
    }
}

fn header(context: &Context<'_>) -> Markup {
    let verdict = context.report.verdict();
    let level = verdict.level();
    html! {
        header class={ "verdict " (level::class(level)) } {
            p class="kind" { "Verification of audit logs · " (time(end(context))) " UTC" }
            h1 { (mark(level)) " " (headline(level)) }
            p class="sentence" { (words::sentence(context.report)) }
            @if context.report.said.counts().count() > 0 {
                ul class="found" {
                    @for (kind, found) in context.report.said.counts() {
                        li { a href={ "#k" (kind.code()) } { (kind.name()) } ": " (count(found, "finding", "findings")) (findings::systems(context, kind)) @if kind == Verdict::Gap { "; " (count(context.report.said.verified.missing, "record is", "records are")) " missing" } }
                    }
                }
            }
            p class="code" {
                "Verdict: " strong { (verdict.name()) } " (exit code " (verdict.code()) "). "
                "To do: " (words::prose(verdict.remedy()))
            }
        }
        nav aria-label="Contents" {
            ul {
                @for (id, title) in words::CONTENTS {
                    li { a href={ "#" (id) } { (title) } }
                }
            }
        }
    }
}

/// Returns the figures that a reader looks for first.
fn brief(context: &Context<'_>) -> Markup {
    let logs = &context.report.said.verified;
    let with_records = || logs.chains.iter().filter(|chain| chain.records > 0);
    let from = with_records().map(|chain| chain.from).min();
    let to = with_records().map(|chain| chain.to).max();
    let altered: u64 = logs.chains.iter().fold(0, |sum, chain| chain.altered.saturating_add(sum));
    let is_known = context.report.details.known_chains.is_some();
    let of_strangers = logs.chains.iter().filter(|chain| is_known && chain.node.is_none());
    let of_strangers = of_strangers.fold(0, |sum: u64, chain| sum.saturating_add(chain.records));
    let noted = logs.chains.iter().filter(|chain| nodes::has_notes(chain)).count() as u64;
    let findings = context.report.said.counts().fold(0, |sum, (_, count)| count.saturating_add(sum));
    let figures = [
        (logs.records, "records as they were sealed"),
        (logs.signed, "of them proven by signatures"),
        (logs.missing, "missing"),
        (logs.undelivered, "sealed shortly before a stop, and not here"),
        (altered, "altered"),
        (logs.deleted, "deleted by retention, as the ledger states"),
        (logs.encrypted, "encrypted and not checked"),
        (findings, "findings"),
    ];
    html! {
        section id="brief" {
            h2 { "In brief" }
            dl class="figures" {
                @for (value, what) in figures {
                    div { dt { (what) } dd { (number(value)) } }
                }
            }
            @if logs.signed < logs.records && is_known {
                p {
                    "No signature proves the other " (count(logs.records - logs.signed, "record", "records"))
                    ": a checkpoint proves the records before it, so those after the last checkpoint of a log wait for the "
                    "next one. All others are findings."
                }
            }
            @if of_strangers > 0 {
                p { (count(of_strangers, "record is", "records are")) " of chains that nobody vouches for: whoever wrote them could have made all of them up." }
            }
            @if noted > 0 {
                p { strong { (count(noted, "system", "systems")) " noted faults under the seal" } ", which are no findings: see the " a href="#notes" { "notes" } "." }
            }
            @if let (Some(from), Some(to)) = (from, to) {
                p {
                    (count(logs.chains.len() as u64, "log chain", "log chains"))
                    ", with records from " (time(from)) " to " (time(to)) " UTC, by the clocks of the systems that sealed them."
                }
            }
        }
    }
}
