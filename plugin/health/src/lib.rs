//! A program for Fluent Bit's `exec_wasi` input: prints the state of every chain that it
//! can reach, a line of JSON each.
//!
//! It looks into each of the `accessible_paths` and into the directories in them, and
//! writes nothing there. A line says how old the newest files of a chain are, so a
//! dashboard sees a chain that seals nothing, which no counter of records shows.
#![deny(unsafe_code)]

#[allow(unsafe_code)]
mod abi;

use flb_audit_core::chain::state::{self, State};
use flb_audit_core::chain::{anchor, keyring};
use inputs::Directory;

/// Prints a line for each directory in which a filter or a ledger has its chain.
fn print_health() {
    let now = inputs::seconds();
    inputs::directories(|directory, below| {
        if let Some(line) = line(directory, below, now) {
            inputs::print(line.as_bytes());
        }
    });
}

/// Returns the line of a directory, or `None` if it has no file of a chain.
fn line(directory: Directory, below: &str, now: u64) -> Option<String> {
    let path = |name: &str| format!("{below}{name}");
    let age = |name: &str| Some(now.saturating_sub(inputs::written(directory, &path(name))?));
    let sealed = age(state::FILE_NAME);
    if sealed.is_none() && age(keyring::FILE_NAME).is_none() {
        return None;
    }
    let mut file = [0; state::FILE_BYTES];
    let read = inputs::read(directory, &path(state::FILE_NAME), &mut file).unwrap_or(0);
    let state = file.get(..read).and_then(State::read);
    let slot = state.as_ref().and_then(|state| state.slot);
    let sent = age(anchor::SENT_FILE_NAME);
    let condition = match (slot, sealed) {
        (Some(_), _) => "usable",
        (None, Some(_)) => "damaged",
        (None, None) => "missing",
    };
    let texts = [
        ("directory", Some(shown(below))),
        ("chain", state.map(|state| state.header.id.to_string())),
        ("state", Some(condition.to_owned())),
        ("anchors", Some(if sent.is_some() { "sent" } else { "never" }.to_owned())),
    ];
    let numbers = [
        ("state_usable", Some(u64::from(slot.is_some()))),
        ("segment", slot.map(|slot| slot.segment)),
        ("records", slot.map(|slot| slot.last.map_or(0, |last| last.sequence + 1))),
        ("sealed_seconds", sealed),
        ("checkpoint_seconds", age(anchor::FILE_NAME)),
        ("sent_seconds", sent),
    ];
    let texts = texts.into_iter().filter_map(|(name, text)| Some(format!(r#""{name}":"{}""#, text?)));
    let numbers = numbers.into_iter().filter_map(|(name, number)| Some(format!(r#""{name}":{}"#, number?)));
    let members: Vec<String> = texts.chain(numbers).collect();
    Some(format!("{{\"health\":{{{}}}}}\n", members.join(",")))
}

/// Returns the name of a directory for a JSON string: characters other than letters, digits,
/// `.`, `-` and `_` become `_`. The accessible path itself is `.`.
fn shown(below: &str) -> String {
    let name = if below.is_empty() { "." } else { below.trim_end_matches('/') };
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    name.chars().map(|c| if is_plain(&c) { c } else { '_' }).collect()
}
