//! Notes: what became of a record on its way into the seal.

/// The word of [`Notes::STATEMENT`].
pub(crate) const STATEMENT_WORD: &str = "statement";

/// What has to be said of a record: a set of words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notes(u32);

impl Notes {
    /// Nothing.
    pub const NONE: Notes = Notes(0);
    /// Keys that were not strings have become strings.
    pub const BARE_KEYS: Notes = Notes(1);
    /// Several members of an object had one key; the last one is there.
    pub const DUPLICATE_KEYS: Notes = Notes(1 << 1);
    /// Half a surrogate pair has become U+FFFD.
    pub const LONE_SURROGATES: Notes = Notes(1 << 2);
    /// Bytes that are not UTF-8 have become U+FFFD.
    pub const NOT_UTF8: Notes = Notes(1 << 3);
    /// NaN or an infinity has become a string.
    pub const NOT_FINITE: Notes = Notes(1 << 4);
    /// A number past the range of `f64` has become the largest that is safe.
    pub const CLAMPED: Notes = Notes(1 << 5);
    /// A number has become the neighbour that Fluent Bit will print.
    pub const ROUNDED: Notes = Notes(1 << 6);
    /// The tag was longer than [`TAG_BYTES_MAX`](crate::TAG_BYTES_MAX).
    pub const TAG_CUT: Notes = Notes(1 << 7);
    /// The raw text is only the start of what came.
    pub const TRUNCATED: Notes = Notes(1 << 8);
    /// There is no state directory: the chain is an ephemeral one.
    pub const NO_STATE: Notes = Notes(1 << 9);
    /// There is one that cannot be written: the chain is an ephemeral one.
    pub const STATE_NOT_WRITABLE: Notes = Notes(1 << 10);
    /// The state had no readable head: this segment has no link.
    pub const STATE_DAMAGED: Notes = Notes(1 << 11);
    /// The head of the record before this one could not be written down.
    pub const STATE_NOT_WRITTEN: Notes = Notes(1 << 12);
    /// There is a key file that cannot be used: the records are not signed.
    pub const KEY_DAMAGED: Notes = Notes(1 << 13);
    /// The next key could not be written down: the old one stays in force.
    pub const KEY_NOT_WRITTEN: Notes = Notes(1 << 14);
    /// An HMAC was asked for, and masked instead, since there was no key.
    pub const HMAC_KEY_MISSING: Notes = Notes(1 << 15);
    /// There is a policy file that is damaged; the policy in the module holds.
    pub const POLICY_DAMAGED: Notes = Notes(1 << 16);
    /// A MessagePack extension has become the characters of its bytes' numbers.
    pub const EXTENSION: Notes = Notes(1 << 17);
    /// It is no record that came: the one who seals says it.
    pub const STATEMENT: Notes = Notes(1 << 18);

    const WORDS: [&'static str; 19] = [
        "bare-keys",
        "duplicate-keys",
        "lone-surrogates",
        "not-utf8",
        "not-finite",
        "clamped",
        "rounded",
        "tag-cut",
        "truncated",
        "no-state",
        "state-not-writable",
        "state-damaged",
        "state-not-written",
        "key-damaged",
        "key-not-written",
        "hmac-key-missing",
        "policy-damaged",
        "extension",
        STATEMENT_WORD,
    ];

    /// Adds all of `other`.
    pub fn insert(&mut self, other: Notes) {
        self.0 |= other.0;
    }

    /// Whether all of `other` is in it.
    pub fn contains(self, other: Notes) -> bool {
        self.0 & other.0 == other.0
    }

    /// Its words, in the order in which a seal lists them.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        Self::WORDS
            .into_iter()
            .enumerate()
            .filter(move |(bit, _)| self.0 >> bit & 1 == 1)
            .map(|(_, word)| word)
    }
}
