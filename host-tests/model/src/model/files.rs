//! The files that a verifier is given in addition to the log: their forms, and the times in them.

use super::Log;
use crate::json::Value;
use crate::seal;
use std::collections::BTreeSet;

/// Returns true if one of the files is not what it should be. Then the verification ends without
/// a verdict.
pub fn refuses(log: &Log) -> bool {
    let is_roster = |text: &String| Value::parse(text).is_some_and(|roster| is_roster(&roster));
    let is_fleet = |text: &String| Value::parse(text).is_some_and(|fleet| is_fleet(&fleet));
    let has_anchor = |lines: &Vec<String>| lines.iter().any(|line| seal::read_anchor(line).is_some());
    let roster = log.roster.as_ref().and_then(|text| Value::parse(text));
    let entries = roster.as_ref().and_then(Value::as_array).unwrap_or_default();
    let known = || entries.iter().filter_map(|entry| entry.get("node")?.as_str());
    let is_known = |line: &str| known().any(|node| node == line || node.starts_with(&format!("{line}/")));
    let is_node = |line: &String| {
        let node = line.trim();
        let node = node.strip_prefix("node/").unwrap_or(node);
        node.len() <= 253 && node.chars().all(|char| char != '"' && !char.is_control()) || is_known(node)
    };
    let has_node =
        |nodes: &Vec<String>| nodes.iter().any(|node| !node.trim().is_empty()) && nodes.iter().all(is_node);
    !(log.roster.iter().all(is_roster)
        && log.fleet.iter().all(is_fleet)
        && log.anchors.iter().chain(&log.from).all(has_anchor)
        && log.expected.iter().all(has_node))
}

/// Returns true if the value is an object with just these members.
fn has_just(value: &Value, names: &[&str]) -> bool {
    let mut found: Vec<&str> = value.members().iter().map(|(name, _)| name.as_str()).collect();
    found.sort_unstable();
    found == names
}

fn is_key(value: &Value) -> bool {
    value.as_str().is_some_and(|text| seal::bytes::<32>(text).is_some())
}

fn is_time(value: &Value) -> bool {
    value.as_str().is_some_and(|text| seconds_of(text).is_some())
}

fn is_roster(roster: &Value) -> bool {
    let mut chains = BTreeSet::new();
    let mut is_entry = |entry: &Value| {
        has_just(entry, &["chain", "created", "key", "node"])
            && entry.get("node").is_some_and(|node| node.as_str().is_some())
            && entry.get("chain").and_then(seal::chain).is_some_and(|chain| chains.insert(chain))
            && entry.get("key").is_some_and(is_key)
            && entry.get("created").is_some_and(is_time)
    };
    roster.as_array().is_some_and(|entries| entries.iter().all(&mut is_entry))
}

fn is_fleet(fleet: &Value) -> bool {
    let is_retired = |of: &Value| {
        has_just(of, &["at", "node"])
            && of.get("node").is_some_and(|node| node.as_str().is_some())
            && of.get("at").is_some_and(is_time)
    };
    let are_retired = |all: &Value| all.as_array().is_some_and(|all| all.iter().all(is_retired));
    (has_just(fleet, &["fleet"]) || has_just(fleet, &["fleet", "retired"]))
        && fleet.get("fleet").is_some_and(is_key)
        && fleet.get("retired").is_none_or(are_retired)
}

/// Returns the seconds from 1970 to a time, such as `2026-11-20T08:00:00Z`.
pub(super) fn seconds_of(text: &str) -> Option<u64> {
    let (day, rest) = text.split_once('T')?;
    let rest = rest.strip_suffix('Z').or_else(|| rest.strip_suffix("+00:00"))?;
    let time = match rest.split_once('.') {
        None => rest,
        Some((time, fraction))
            if !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            time
        }
        Some(_) => return None,
    };
    let [year, month, day] = numbers(day, '-', &[4, 2, 2])?[..] else { return None };
    let [hour, minute, second] = numbers(time, ':', &[2, 2, 2])?[..] else { return None };
    let is_leap = |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let days_of = |year: u64, month: u64| match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let is_valid = year >= 1970
        && (1..=12).contains(&month)
        && (1..=days_of(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    let years: u64 = (1970..year).map(|year| if is_leap(year) { 366 } else { 365 }).sum();
    let months: u64 = (1..month).map(|month| days_of(year, month)).sum();
    let days = years + months + day.saturating_sub(1);
    is_valid.then_some(((days * 24 + hour) * 60 + minute) * 60 + second.min(59))
}

/// Reads numbers with so many digits each.
fn numbers(text: &str, between: char, digits: &[usize]) -> Option<Vec<u64>> {
    let parts: Vec<&str> = text.split(between).collect();
    let is_number =
        |(part, len): (&&str, &usize)| part.len() == *len && part.bytes().all(|byte| byte.is_ascii_digit());
    let are_numbers = parts.len() == digits.len() && parts.iter().zip(digits).all(is_number);
    if are_numbers { parts.iter().map(|part| part.parse().ok()).collect() } else { None }
}
