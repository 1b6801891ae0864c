//! What a verification comes to.

use serde::Serialize;

/// From the best to the worst: the worst finding decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// Every record that is there is the one that was sealed, and none is
    /// missing between the first and the last of each chain.
    Intact,
    /// Records are missing.
    Gap,
    /// A segment does not go on from where it says it does.
    LinkBroken,
    /// There are records without a seal.
    Unsealed,
    /// Two filters have written one chain, or its state was set back.
    Conflict,
    /// Something cannot be read.
    Unreadable,
    /// There is no sealed record.
    NothingFound,
    /// A record is not the one that was sealed.
    Tampered,
}

impl Verdict {
    /// The exit code, which stays.
    pub(crate) fn code(self) -> u8 {
        match self {
            Verdict::Intact => 0,
            Verdict::Gap => 10,
            Verdict::LinkBroken => 11,
            Verdict::Conflict => 12,
            Verdict::Unsealed => 13,
            Verdict::Tampered => 20,
            Verdict::Unreadable => 30,
            Verdict::NothingFound => 40,
        }
    }

    /// As it stands in the report.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Verdict::Intact => "intact",
            Verdict::Gap => "gap",
            Verdict::LinkBroken => "link broken",
            Verdict::Conflict => "conflict",
            Verdict::Unsealed => "unsealed",
            Verdict::Tampered => "tampered",
            Verdict::Unreadable => "unreadable",
            Verdict::NothingFound => "nothing found",
        }
    }
}
