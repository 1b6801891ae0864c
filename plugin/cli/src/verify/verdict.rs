//! What a verification comes to.

use serde::Serialize;

/// From the best to the worst: the worst finding decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// Every record that is there is the one that was sealed, none is missing
    /// between the first and the last of each chain, and an anchor proves
    /// that the last is one that was sealed.
    Intact,
    /// The same, but no anchor reaches the last record of a chain: what was
    /// behind it, or is only said to have been sealed, nobody can tell.
    TailUnanchored,
    /// A chain has no keys, or nobody vouches for them: whoever can write the
    /// log can seal it anew.
    Unsigned,
    /// Records are encrypted, and no identity that was given opens them: what
    /// they are was not checked.
    Encrypted,
    /// From a node in the roster nothing came.
    Silent,
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
    /// A key does not go back to the one that the roster has, or was used
    /// where it was not in force.
    KeyNotCertified,
    /// A record is not the one that was sealed.
    Tampered,
}

impl Verdict {
    /// The exit code, which stays.
    pub(crate) fn code(self) -> u8 {
        match self {
            Verdict::Intact => 0,
            Verdict::TailUnanchored => 3,
            Verdict::Unsigned => 4,
            Verdict::Encrypted => 5,
            Verdict::Gap => 10,
            Verdict::LinkBroken => 11,
            Verdict::Conflict => 12,
            Verdict::Unsealed => 13,
            Verdict::Silent => 14,
            Verdict::Tampered => 20,
            Verdict::KeyNotCertified => 21,
            Verdict::Unreadable => 30,
            Verdict::NothingFound => 40,
        }
    }

    /// As it stands in the report.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Verdict::Intact => "intact, anchored to its end",
            Verdict::TailUnanchored => "intact, tail unanchored",
            Verdict::Unsigned => "unsigned",
            Verdict::Encrypted => "encrypted, not checked",
            Verdict::Silent => "silent",
            Verdict::Gap => "gap",
            Verdict::LinkBroken => "link broken",
            Verdict::Conflict => "conflict",
            Verdict::Unsealed => "unsealed",
            Verdict::KeyNotCertified => "key not certified",
            Verdict::Tampered => "tampered",
            Verdict::Unreadable => "unreadable",
            Verdict::NothingFound => "nothing found",
        }
    }
}
