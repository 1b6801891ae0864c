//! The words of a page, for readers who do not know the format.

use super::table::{count, number};
use super::{Context, headline};
use crate::verdict::Verdict;
use crate::verify::report::Report;
use maud::{Markup, html};

/// The sections with their ids.
pub(super) const CONTENTS: [(&str, &str); 10] = [
    ("brief", "In brief"),
    ("computed", "What this was computed from"),
    ("limits", "What this does not say"),
    ("findings", "Findings"),
    ("nodes", "Systems and timelines"),
    ("redactions", "Redactions"),
    ("schemas", "Schemas"),
    ("policies", "Policies in force"),
    ("volumes", "Volumes"),
    ("words", "Words"),
];

pub(super) fn title(verdict: Verdict) -> String {
    format!("Audit log verification: {} ({})", headline(verdict.level()).to_lowercase(), verdict.name())
}

/// Marks the commands in a text of ours, which stand between backquotes.
pub(super) fn prose(text: &str) -> Markup {
    html! {
        @for (at, part) in text.split('`').enumerate() {
            @if at % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// Returns the verdict in one sentence, for a reader who has never heard of seals.
pub(super) fn sentence(report: &Report) -> String {
    let logs = &report.said.verified;
    let verdict = report.verdict();
    let places = |what: &str| {
        let found = report.said.count(verdict);
        if found == 1 {
            format!("at one place {what}")
        } else {
            format!("at {} places {what}", number(found))
        }
    };
    let records = match logs.records {
        1 => "The one record here is".to_owned(),
        records => format!("All {} records here are", number(records)),
    };
    match verdict {
        Verdict::Intact => match report.unanchored() {
            None => format!(
                "{records} exactly as they were when they were sealed, none is missing, and checkpoints kept elsewhere \
                 confirm every log to its last record."
            ),
            Some(time) => format!(
                "{records} exactly as they were when they were sealed, none is missing, and checkpoints kept elsewhere \
                 confirm every log but for at most its last {time}."
            ),
        },
        Verdict::TailUnanchored => format!(
            "{records} exactly as they were when they were sealed, and none is missing between the first and the last \
             of each log; these files alone cannot show whether later records were cut off the end."
        ),
        Verdict::Unsigned => format!(
            "{records} consistent with one another, and none is missing in between, but no signature proves who sealed \
             them: whoever could write these files could have made all of them up."
        ),
        Verdict::Encrypted => format!(
            "{} are encrypted and were not looked at; the {} others are as they were when they were sealed.",
            count(logs.encrypted, "record", "records"),
            number(logs.records)
        ),
        Verdict::UncleanStop => format!(
            "{} that were sealed shortly before a system stopped are not here and may never have left it; the {} records \
             here are as they were when they were sealed, and nothing else is missing between them.",
            count(logs.undelivered, "record", "records"),
            number(logs.records)
        ),
        Verdict::StateDamaged => "A system states under its seal that its memory of where its log stood was damaged or \
                                  set back, so the log cannot be shown to be one unbroken sequence; the records here \
                                  are as they were when they were sealed."
            .to_owned(),
        Verdict::Silent => format!(
            "{} that should have sent records sent none.",
            count(report.said.count(verdict), "system", "systems")
        ),
        Verdict::Changed => format!(
            "Stored logs did not stay as they were: {}.",
            places("an object that had been verified was replaced or is gone")
        ),
        Verdict::Unsealed => format!(
            "{} no seal, so nothing shows whether they are genuine.",
            count(report.said.count(verdict), "record has", "records have")
        ),
        Verdict::Gap if logs.missing > 0 => format!(
            "{} missing: sealed once, and not in these files.",
            count(logs.missing, "record is", "records are")
        ),
        Verdict::Gap => "Records that were sealed once are missing from these files.".to_owned(),
        Verdict::LinkBroken => format!(
            "A log is not one unbroken sequence: {}.",
            places("a part does not follow from the part before it")
        ),
        Verdict::Conflict => "One log was continued from two places at once, so it is not one sequence of events; most \
                              often a backup of a system was brought back or a directory was copied."
            .to_owned(),
        Verdict::NothingFound => {
            "No sealed record was found in what was given, so this report confirms nothing.".to_owned()
        }
        Verdict::Unreadable => {
            "Part of what was given could not be read, so nothing can be confirmed of the whole.".to_owned()
        }
        Verdict::Unexpected => format!(
            "There are systems that are not expected, or that two logs claim: {}.",
            places("a system is not on the list, was retired, or has two logs at one time")
        ),
        Verdict::KeyNotCertified => format!(
            "Part of a log may be forged: {}.",
            places("a signature is there that its owner cannot have made, or a required signature is missing")
        ),
        Verdict::Tampered => {
            format!("The log was changed after it was sealed: {}.", places("a record is not what was sealed"))
        }
    }
}

/// Returns the limits of any verification of these files.
pub(super) fn limits(context: &Context<'_>) -> Markup {
    let logs = &context.report.said.verified;
    let details = &context.report.details;
    let has_roster = details.known_chains.is_some();
    let has_anchors = logs.chains.iter().any(|chain| chain.anchored_to.is_some());
    html! {
        section id="limits" {
            h2 { "What this does not say" }
            ul {
                li { "It does not say that the events happened as recorded, or that everything that happened was recorded: it says what became of the records after they were sealed." }
                li { "It does not protect from somebody who controlled a system while the records were sealed on it: such a person could seal false records from then on, though not change earlier ones unseen." }
                li { "It does not say who changed, deleted or held back something, or why. A fault may be an attack, a failed disk, or a file that was not given." }
                @if !has_anchors {
                    li { "No checkpoints kept elsewhere (anchors) confirmed these logs. If their last records were cut off, this report cannot show it." }
                } @else {
                    li { "Records after the last anchor of a log could have been cut off unseen; the table of systems names how much time that is." }
                }
                @if !has_roster {
                    li { "No roster of systems and keys was given, and no fleet. So signatures prove nothing here, and systems that sent nothing are not noticed." }
                } @else {
                    li { "It relies on the roster, or on the file with the fleet's key: whoever can change it can put other keys in it. Compare its hash above with the one that you keep." }
                    @if details.is_fleet_alone && details.attendance.expected.is_none() {
                        li { "A fleet's key does not list systems, and no list of expected systems was given: a system that sent nothing is not noticed." }
                    } @else if !details.attendance.is_asked {
                        li { "Nobody asked which systems have to be here (" code { "--since" } ", " code { "--expect" } "): systems that sent nothing are listed, and are no findings." }
                    }
                }
                @if details.has_parts {
                    li { "The logs were read earlier, and files with what was read (parts) were judged: whoever could change these could change what this report says." }
                }
                @if logs.records_with_unsealed_keys > 0 {
                    li { (count(logs.records_with_unsealed_keys, "record has", "records have")) " keys at the top level that an output added and that no seal covers." }
                }
                @if logs.deleted > 0 {
                    li { (count(logs.deleted, "record was", "records were")) " deleted by the ledger's retention. Signed statements say so; what was in them cannot be said." }
                }
                li { "Times are those of the systems' clocks. What was redacted before sealing is not in the logs, and not in this report." }
                li { "This page is not signed. To confirm it, run the command above again on files with the same hashes." }
            }
        }
    }
}

/// The notes about a system: each with its meaning, and with what to do.
const NOTES: [(&str, &str, &str); 10] = [
    (
        "no-state",
        "No state was found, so this log is tied to no other log of the system.",
        "Make the state directory with `flb-audit init`, and name it in `accessible_paths`.",
    ),
    (
        "state-not-writable",
        "The state could not be written, so this log is tied to no other log of the system.",
        "Let the user that Fluent Bit runs as write to the state directory.",
    ),
    (
        "state-damaged",
        "The state was damaged, so the records after it are not tied to those before it.",
        "Check the disk, and what else writes to the state directory.",
    ),
    (
        "state-set-back",
        "The state was older than the keys: after it, records had been sealed.",
        "Find out what brought an old state directory back, such as a backup or a snapshot.",
    ),
    (
        "state-not-written",
        "The system could not write down where its log stood.",
        "Check that the disk of the state directory is not full.",
    ),
    (
        "key-damaged",
        "The keys could not be used, so records were not signed.",
        "Find out what damaged the keys, and make a new chain with `flb-audit init`.",
    ),
    (
        "key-not-written",
        "The next key could not be written down, or the old one not destroyed.",
        "Check that the disk of the state directory is not full, and who may write there.",
    ),
    (
        "enrollment-damaged",
        "The fleet's certificate could not be used, so checkpoints do not state it.",
        "Bring `chain.enrollment` back, and restart Fluent Bit.",
    ),
    (
        "hmac-key-missing",
        "Values that the policy replaces by tokens were masked, because the key for tokens was missing.",
        "Bring `hmac.key` back to the state directory.",
    ),
    (
        "policy-damaged",
        "A policy file was damaged. The policy in the program was applied, or none if it has none.",
        "Build `audit.policy` again, and replace the file in the state directory.",
    ),
];

/// Returns the meaning of a note about a system, and what to do.
pub(super) fn note(word: &str) -> (&'static str, &'static str) {
    let known = NOTES.iter().find(|(note, ..)| *note == word);
    known.map_or(("The page on the format of the seal explains it.", "–"), |(_, meaning, remedy)| {
        (meaning, remedy)
    })
}

const WORDS: [(&str, &str); 10] = [
    (
        "Seal",
        "The values that a filter adds to each record: its number, and hashes over it and over all records before it. Any change to a record no longer fits its seal.",
    ),
    (
        "Chain",
        "The sequence of all records that one system has sealed with one state directory. Each record is tied to the one before it.",
    ),
    (
        "Segment",
        "The part of a chain that was sealed between a start of the filter and its stop. Records of a segment are numbered from 0 on.",
    ),
    ("Checkpoint", "A record with a signature, which proves all records before it."),
    (
        "Anchor",
        "A checkpoint that was also kept where the writers of the log cannot reach. What an anchor proves cannot be cut off unseen.",
    ),
    (
        "Roster",
        "The list of systems, their chains and the keys that they began with, kept apart from the systems.",
    ),
    (
        "Key change",
        "Systems replace their signing key at intervals and destroy the old one, so that a stolen key cannot sign the past.",
    ),
    ("Fleet", "A key that vouches for the chains of systems, in place of a roster."),
    ("Gap", "Numbered records that are not here, or records whose signature is not here."),
    ("Redaction", "Secrets and personal data that a policy masks or removes before a record is sealed."),
];

pub(super) fn glossary() -> Markup {
    html! {
        section id="words" {
            h2 { "Words" }
            dl class="words" {
                @for (word, meaning) in WORDS {
                    div { dt { (word) } dd { (meaning) } }
                }
            }
        }
    }
}
