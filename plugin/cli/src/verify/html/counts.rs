//! Redactions, schemas, policies and volumes of a page.

use super::Context;
use super::table::{count, foreign, number, number_cell, table, time_cell};
use crate::time::utc;
use crate::verify::tally::{Counts, DAY_SECONDS, OfSchema, Tally};
use flb_audit_core::chain::Position;
use maud::{Markup, html};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// The maximum number of rows of a table.
const ROWS_MAX: usize = 1000;
/// The maximum number of days that are listed.
const DAYS_MAX: usize = 400;
/// The number of rows up to which a table is unfolded.
const OPEN_MAX: usize = 40;

/// Counts over chains: each sum, and the number of chains in it.
type OverChains<K> = BTreeMap<K, (u64, u64)>;

/// A key, with its two counts.
type Counted<'a, K> = (&'a K, (u64, u64));

/// Adds up the counts of all chains, the greatest first. Returns them with the count of
/// everything beyond the limits.
fn sum<'a, K: Ord + 'a>(
    tallies: impl Iterator<Item = &'a Tally>,
    counts: impl Fn(&'a Tally) -> &'a Counts<K>,
) -> (Vec<Counted<'a, K>>, u64) {
    let (mut sums, mut others) = (OverChains::<&K>::new(), 0_u64);
    for counts in tallies.map(counts) {
        others = others.saturating_add(counts.others);
        for (name, count) in &counts.counts {
            let (sum, chains) = sums.entry(name).or_default();
            (*sum, *chains) = (sum.saturating_add(*count), *chains + 1);
        }
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by_key(|(_, (count, _))| Reverse(*count));
    (sums, others)
}

fn left_out(total: usize) -> u64 {
    total.saturating_sub(ROWS_MAX) as u64
}

pub(super) fn redactions(context: &Context<'_>) -> Markup {
    let tallies = || context.report.details.tallies.of_chains.values();
    let records = tallies().fold(0_u64, |sum, tally| sum.saturating_add(tally.redacted_records));
    let (rules, other_rules) = sum(tallies(), |tally| &tally.rules);
    let (paths, other_paths) = sum(tallies(), |tally| &tally.redactions);
    let of_rules: Vec<Markup> = rules
        .iter()
        .take(ROWS_MAX)
        .map(|(rule, (count, chains))| {
            html! { tr { td { (foreign(rule)) } (number_cell(*count)) (number_cell(*chains)) } }
        })
        .collect();
    let of_paths: Vec<Markup> = paths.iter().take(ROWS_MAX).map(|(what, (count, chains))| {
        html! { tr { td { (foreign(&what.rule)) } td { (foreign(&what.action)) } td { code { (foreign(&what.path)) } } (number_cell(*count)) (number_cell(*chains)) } }
    }).collect();
    html! {
        section id="redactions" {
            h2 { "Redactions" }
            @if rules.is_empty() {
                p { "No record here says that something was redacted." }
            } @else {
                p { "Something was redacted in " (count(records, "record", "records")) ", before sealing." }
                (table("Redactions by rule", &["Rule", "#Redacted", "#Chains"], &of_rules, left_out(rules.len())))
                (others(other_rules))
                details open[of_paths.len() <= OPEN_MAX] {
                    summary { "Redactions by rule and path" }
                    (table("Redactions by rule and path", &["Rule", "Action", "Path", "#Redacted", "#Chains"], &of_paths, left_out(paths.len())))
                    (others(other_paths))
                }
            }
        }
    }
}

fn others(count: u64) -> Markup {
    html! { @if count > 0 { p { "And " (number(count)) " of more kinds than are told apart." } } }
}

pub(super) fn schemas(context: &Context<'_>) -> Markup {
    let tallies = || context.report.details.tallies.of_chains.values();
    let mut schemas = BTreeMap::<&str, OfSchema>::new();
    for (name, of_schema) in tallies().flat_map(|tally| &tally.schemas) {
        let sum = schemas.entry(name).or_default();
        sum.valid += of_schema.valid;
        sum.invalid += of_schema.invalid;
        sum.unchecked += of_schema.unchecked;
    }
    let (violations, other_violations) = sum(tallies(), |tally| &tally.violations);
    let of_schemas: Vec<Markup> = schemas.iter().take(ROWS_MAX).map(|(name, of)| {
        html! { tr { td { (foreign(if name.is_empty() { "(others)" } else { name })) } (number_cell(of.valid)) (number_cell(of.invalid)) (number_cell(of.unchecked)) } }
    }).collect();
    let rows: Vec<Markup> = violations.iter().take(ROWS_MAX).map(|(what, (count, chains))| {
        html! { tr { td { (foreign(&what.schema)) } td { (foreign(&what.keyword)) } td { code { (foreign(&what.place)) } } (number_cell(*count)) (number_cell(*chains)) } }
    }).collect();
    html! {
        section id="schemas" {
            h2 { "Schemas" }
            @if schemas.is_empty() {
                p { "No record here has a schema." }
            } @else {
                (table("Records by schema", &["Schema", "#Valid", "#Invalid", "#Not checked to the end"], &of_schemas, left_out(schemas.len())))
            }
            @if !rows.is_empty() {
                p { "A record lists its first eight violations; these are counted here." }
                details open[rows.len() <= OPEN_MAX] {
                    summary { "Violations by rule" }
                    (table("Violations by rule", &["Schema", "Keyword", "Rule's place in the schema", "#Violations", "#Chains"], &rows, left_out(violations.len())))
                    (others(other_violations))
                }
            }
        }
    }
}

pub(super) fn policies(context: &Context<'_>) -> Markup {
    let timelines = &context.report.details.timelines;
    let time = |chain: &str, (segment, sequence): (u64, u64)| {
        timelines.get(chain).map(|timeline| timeline.time(Position { segment, sequence }))
    };
    let chains = &context.report.said.verified.chains;
    let mut in_force: Vec<_> = chains
        .iter()
        .flat_map(|chain| chain.policies.iter().map(move |policy| (chain, policy)))
        .map(|(chain, policy)| {
            (time(&chain.chain, policy.from), time(&chain.chain, policy.to), chain, policy)
        })
        .collect();
    in_force.sort_by_key(|(from, _, chain, _)| (*from, &chain.chain));
    let rows: Vec<Markup> = in_force
        .iter()
        .take(ROWS_MAX)
        .map(|(from, to, chain, policy)| {
            html! {
                tr {
                    td { (foreign(context.name(&chain.chain))) }
                    td { code class="hash" { (policy.digest) } }
                    @for (time, place) in [(from, policy.from), (to, policy.to)] {
                        @match time {
                            Some(time) => (time_cell(*time)),
                            None => td { "segment " (place.0) ", record " (place.1) },
                        }
                    }
                }
            }
        })
        .collect();
    let columns = ["System", "Policy (digest)", "First signed under it", "Last signed under it"];
    let unapplied = unapplied(context);
    html! {
        section id="policies" {
            h2 { "Policies in force" }
            @if unapplied > 0 {
                p { strong { "Not applied as written: " } (count(unapplied, "record says", "records say")) " that the policy file was damaged, or a key missing; the " a href="#nodes" { "notes of the systems" } " say where." }
            }
            @if rows.is_empty() {
                p { "No signed record names a policy." }
            } @else {
                p { "As signed checkpoints name them. " code { "flb-audit explain" } " prints the digest of a policy." }
                details open[rows.len() <= OPEN_MAX] {
                    summary { "Policies over time" }
                    (table("Policies over time", &columns, &rows, left_out(in_force.len())))
                }
            }
        }
    }
}

/// Returns the number of records that note that their policy was not applied as written.
fn unapplied(context: &Context<'_>) -> u64 {
    let notes = context.report.said.verified.chains.iter().flat_map(|chain| &chain.notes);
    let of_policies = notes.filter(|(note, _)| ["policy-damaged", "hmac-key-missing"].contains(note));
    of_policies.fold(0, |sum: u64, (_, count)| sum.saturating_add(*count))
}

pub(super) fn volumes(context: &Context<'_>) -> Markup {
    let days = &context.report.details.tallies.days;
    let most = days.counts.values().copied().max().unwrap_or(1).max(1);
    let rows: Vec<Markup> = days.counts.iter().rev().take(DAYS_MAX).map(|(day, count)| {
        let time = utc(day.saturating_mul(DAY_SECONDS));
        let width = (u128::from(*count) * 1000 / u128::from(most)) as u32;
        html! {
            tr {
                td class="time" data-by=(day) { (time.split('T').next().unwrap_or(&time)) }
                (number_cell(*count))
                td class="bar" {
                    svg aria-hidden="true" width="100%" height="12" {
                        rect class="records" x="0" y="1" width=(format!("{}.{}%", width / 10, width % 10)) height="10" {}
                    }
                }
            }
        }
    }).collect();
    html! {
        section id="volumes" {
            h2 { "Volumes" }
            @if rows.is_empty() {
                p { "There are no records." }
            } @else {
                p { "Records per day, by their own times, the latest first. The table of systems has the records of each." }
                details open[rows.len() <= OPEN_MAX] {
                    summary { "Records per day" }
                    (table("Records per day (UTC)", &["Day", "#Records", "Share of the largest day"], &rows, days.counts.len().saturating_sub(DAYS_MAX) as u64))
                    (others(days.others))
                }
            }
        }
    }
}
