//! Notes: changes and faults on a record's way into the seal.

/// The notes on a record: a set of words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notes(u32);

/// Turns each line into a note: its bit, its name here, its word in a seal.
macro_rules! notes {
    ($($(#[doc = $doc:literal])+ $bit:literal $name:ident $word:literal;)+) => {
        impl Notes {
            $($(#[doc = $doc])+ pub const $name: Notes = Notes(1 << $bit);)+

            /// All notes, in the order in which a seal lists them.
            const ALL: &[(Notes, &'static str)] = &[$((Notes::$name, $word)),+];
        }
    };
}

notes! {
    /// Keys that were not strings have become strings.
    0 BARE_KEYS "bare-keys";
    /// Several members of an object had the same key; only the last one is kept.
    1 DUPLICATE_KEYS "duplicate-keys";
    /// Half a surrogate pair has become U+FFFD.
    2 LONE_SURROGATES "lone-surrogates";
    /// Bytes that are not UTF-8 have become U+FFFD.
    3 NOT_UTF8 "not-utf8";
    /// NaN or an infinity has become a string.
    4 NOT_FINITE "not-finite";
    /// A number outside the range of `f64` has become the largest safe one.
    5 CLAMPED "clamped";
    /// A number has become the nearest one that Fluent Bit prints unchanged.
    6 ROUNDED "rounded";
    /// The tag was longer than [`TAG_BYTES_MAX`](crate::TAG_BYTES_MAX).
    7 TAG_CUT "tag-cut";
    /// The raw text is only the start of the original.
    8 TRUNCATED "truncated";
    /// There is no state directory: the chain is ephemeral.
    9 NO_STATE "no-state";
    /// The state directory is not writable: the chain is ephemeral.
    10 STATE_NOT_WRITABLE "state-not-writable";
    /// The state had no readable head: this segment has no link.
    11 STATE_DAMAGED "state-damaged";
    /// The head of the record before this one could not be saved.
    12 STATE_NOT_WRITTEN "state-not-written";
    /// The key file exists but cannot be used: the records are not signed.
    13 KEY_DAMAGED "key-damaged";
    /// The next key could not be saved: the old one stays in force.
    14 KEY_NOT_WRITTEN "key-not-written";
    /// An HMAC was requested but there was no key; the value was masked instead.
    15 HMAC_KEY_MISSING "hmac-key-missing";
    /// The policy file is damaged; the policy in the module is used.
    16 POLICY_DAMAGED "policy-damaged";
    /// A MessagePack extension has become the characters numbered by its bytes.
    17 EXTENSION "extension";
    /// The record did not come in: it is a statement of the sealer itself.
    18 STATEMENT "statement";
    /// The state is older than the key file: records were sealed after it.
    19 STATE_SET_BACK "state-set-back";
    /// The policy asks for an OCSF event, and no mapping fits the record.
    20 NOT_NORMALIZED "not-normalized";
    /// The file with the chain's enrollment cannot be used: checkpoints do not state it.
    21 ENROLLMENT_DAMAGED "enrollment-damaged";
}

impl Notes {
    /// No notes.
    pub const NONE: Notes = Notes(0);

    /// Returns the note of a word, or [`Notes::NONE`] if the word is unknown.
    pub fn from_word(word: &[u8]) -> Notes {
        let found = Self::ALL.iter().find(|(_, known)| known.as_bytes() == word);
        found.map_or(Notes::NONE, |(note, _)| *note)
    }

    /// Adds all of `other`.
    pub fn insert(&mut self, other: Notes) {
        self.0 |= other.0;
    }

    /// Checks whether it contains all of `other`.
    pub fn contains(self, other: Notes) -> bool {
        self.0 & other.0 == other.0
    }

    /// Returns the words of the notes, in the order in which a seal lists them.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        Self::ALL.iter().filter(move |(note, _)| self.contains(*note)).map(|(_, word)| *word)
    }
}
