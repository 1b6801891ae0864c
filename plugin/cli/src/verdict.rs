//! Verdicts: the one table of the possible results of a verification, with exit codes,
//! severity, meaning and remedy.

use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// The result of a verification, from the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the table says what each of them means")]
pub enum Verdict {
    Intact,
    TailUnanchored,
    Unsigned,
    Encrypted,
    UncleanStop,
    StateDamaged,
    Silent,
    Unexpected,
    Unsealed,
    Changed,
    Gap,
    LinkBroken,
    Conflict,
    NothingFound,
    Unreadable,
    KeyNotCertified,
    Tampered,
}

/// The severity of a verdict, for readers who do not know the verdicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// Nothing is wrong.
    Good,
    /// Nothing was forged, but not everything is proven.
    Open,
    Bad,
}

/// A row of the table.
struct Row {
    verdict: Verdict,
    code: u8,
    name: &'static str,
    meaning: &'static str,
    remedy: &'static str,
}

/// Every verdict, from the best to the worst. The index of a row is its severity.
const TABLE: [Row; 17] = [
    Row {
        verdict: Verdict::Intact,
        code: 0,
        name: "intact, anchored to its end",
        meaning: "All records are as they were sealed, none is missing, and anchors prove the last record of each \
                  chain, or all but the time that `--max-unanchored` allows.",
        remedy: "Nothing needs to be done.",
    },
    Row {
        verdict: Verdict::TailUnanchored,
        code: 3,
        name: "tail unanchored",
        meaning: "All records that signatures reach are as they were sealed, and none is missing between the first \
                  and the last of each chain, but no anchor proves the last.",
        remedy: "A log that still grows ends so. If the last anchor is not as late as you need it, name a file with \
                 later ones with `--anchors`.",
    },
    Row {
        verdict: Verdict::Unsigned,
        code: 4,
        name: "unsigned",
        meaning: "The records fit together, but no known key has signed them: whoever can write the log can \
                  seal it anew.",
        remedy: "Give `--roster` or `--fleet`, if you gave none; a chain made without `--node`, or an ephemeral one, has no keys, so compare its \
                 last record with what you noted.",
    },
    Row {
        verdict: Verdict::Encrypted,
        code: 5,
        name: "encrypted, not checked",
        meaning: "Some records are encrypted and were not checked.",
        remedy: "Give `--identity` the file of a key that the ledger is encrypted to; the report says how many \
                 records nobody has looked at.",
    },
    Row {
        verdict: Verdict::UncleanStop,
        code: 6,
        name: "unclean stop",
        meaning: "Records are missing that were sealed shortly before a stop that was not clean.",
        remedy: "Look for them in Fluent Bit's storage path; after kill -9 or a loss of power they may be gone for \
                 good.",
    },
    Row {
        verdict: Verdict::StateDamaged,
        code: 7,
        name: "state damaged",
        meaning: "A node says under its seal that its state was damaged or set back.",
        remedy: "Check that node's disk, its state directory, and what restores or deletes files there.",
    },
    Row {
        verdict: Verdict::Silent,
        code: 14,
        name: "silent",
        meaning: "A known or expected node sent nothing, or nothing of the period that was asked for.",
        remedy: "Find out whether the node was down, or where its records went.",
    },
    Row {
        verdict: Verdict::Unexpected,
        code: 15,
        name: "unexpected",
        meaning: "A node is not on the list of `--expect`, or a chain still seals after another one was enrolled in its \
                  place, or after its node was retired.",
        remedy: "Find out who enrolled the chain, and when: an enrollment key may be stolen \
                 (`docs/threat-model.md`). Retire nodes that are gone with `flb-audit fleet retire`.",
    },
    Row {
        verdict: Verdict::Unsealed,
        code: 13,
        name: "unsealed",
        meaning: "Some records have no seal.",
        remedy: "Find out whether they went past the filter, or whether the guest was out of memory.",
    },
    Row {
        verdict: Verdict::Changed,
        code: 16,
        name: "object changed",
        meaning: "An object or a file that `--state` remembers has changed, or is gone.",
        remedy: "Find out who may replace and delete objects; a bucket with Object Lock keeps its objects. Records \
                 that were read before still count.",
    },
    Row {
        verdict: Verdict::Gap,
        code: 10,
        name: "gap",
        meaning: "Records are missing, or a checkpoint was deleted or altered, so that no signature reaches records \
                  which are here.",
        remedy: "Look for the missing records, and for the checkpoints that cover records which no signature \
                 reaches, in rotated files, other stores, and Fluent Bit's storage path; after kill -9 or a loss of \
                 power, records that were sealed and not yet delivered are gone for good.",
    },
    Row {
        verdict: Verdict::LinkBroken,
        code: 11,
        name: "link broken",
        meaning: "A segment does not continue the one that it names, or names none.",
        remedy: "Find out when the state directory was damaged or replaced; the report names the segments.",
    },
    Row {
        verdict: Verdict::Conflict,
        code: 12,
        name: "conflict",
        meaning: "Two filters wrote one chain, or its state was set back, by a backup or a loss of power, or somebody has copied its keys.",
        remedy: "Give each filter a state directory of its own, and keep state directories out of backups.",
    },
    Row {
        verdict: Verdict::NothingFound,
        code: 40,
        name: "nothing found",
        meaning: "The input holds no sealed record, so nothing was verified.",
        remedy: "Check which files were named, and whether the filter ran where they were written.",
    },
    Row {
        verdict: Verdict::Unreadable,
        code: 30,
        name: "unreadable",
        meaning: "Some of the input could not be opened, is not JSON, is truncated, or was sealed in a later version \
                  of the format, so nothing can be said of the whole.",
        remedy: "Each place has its reason: name files that are there, fetch truncated ones again, and set outputs \
                 of Fluent Bit to JSON lines (`format json_lines`, or `plain` for `file`); look for the \
                 missing half of a torn line in another store.",
    },
    Row {
        verdict: Verdict::KeyNotCertified,
        code: 21,
        name: "key not certified",
        meaning: "A key signed without the right to do so, or required signatures are gone.",
        remedy: "Check first that the roster has each chain: a node that is new or re-imaged has a new one. Then \
                 compare with another copy of the log; `docs/threat-model.md` says who can have done it.",
    },
    Row {
        verdict: Verdict::Tampered,
        code: 20,
        name: "tampered",
        meaning: "A record is not the one that was sealed.",
        remedy: "Compare with another copy of the log; the report names line and record.",
    },
];

const _: () = {
    let mut at = 0;
    while at < TABLE.len() {
        assert!(TABLE[at].verdict as usize == at, "each row stands where its verdict does");
        at += 1;
    }
};

impl Verdict {
    /// Returns the worst of some verdicts. Returns `Intact` if there are none.
    pub fn worst(verdicts: impl IntoIterator<Item = Verdict>) -> Verdict {
        verdicts.into_iter().max().unwrap_or(Verdict::Intact)
    }

    /// Returns every verdict, from the best to the worst.
    pub(crate) fn all() -> impl Iterator<Item = Verdict> {
        TABLE.iter().map(|row| row.verdict)
    }

    fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    pub(crate) fn level(self) -> Level {
        match self {
            Verdict::Intact => Level::Good,
            Verdict::TailUnanchored
            | Verdict::Unsigned
            | Verdict::Encrypted
            | Verdict::UncleanStop
            | Verdict::StateDamaged => Level::Open,
            Verdict::Silent
            | Verdict::Unexpected
            | Verdict::Unsealed
            | Verdict::Changed
            | Verdict::Gap
            | Verdict::LinkBroken
            | Verdict::Conflict
            | Verdict::NothingFound
            | Verdict::Unreadable
            | Verdict::KeyNotCertified
            | Verdict::Tampered => Level::Bad,
        }
    }

    /// Returns the exit code, which never changes.
    pub fn code(self) -> u8 {
        self.row().code
    }

    /// Returns the name for reports.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Returns one sentence that says what is wrong.
    pub fn meaning(self) -> &'static str {
        self.row().meaning
    }

    /// Returns one sentence that says what to do.
    pub fn remedy(self) -> &'static str {
        self.row().remedy
    }

    /// Returns the table for `docs/operating.md`, best first.
    pub fn markdown() -> String {
        let mut page =
            String::from("| exit code | verdict | what is wrong | what to do |\n|---|---|---|---|\n");
        for Row { code, name, meaning, remedy, .. } in &TABLE {
            let _ = writeln!(page, "| {code} | {name} | {meaning} | {remedy} |");
        }
        page
    }
}
