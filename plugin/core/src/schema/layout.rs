//! The instructions of a program, and the numbers in them.

/// The words of a check.
pub const CHECK_WORDS: usize = 3;
/// The words of a table of names.
pub const TABLE_WORDS: usize = 5;
/// A table has at most this many required members.
pub const REQUIRED_MAX: usize = 64;

/// Types, as bits of a mask. The low ones are in the order of
/// [`Kind`](crate::record::tape::Kind), and what they say of a node's kind is all that
/// has to be asked.
pub mod types {
    /// An object.
    pub const OBJECT: u32 = 1;
    /// An array.
    pub const ARRAY: u32 = 1 << 1;
    /// A string, or a member's name.
    pub const STRING: u32 = 1 << 2 | 1 << 3;
    /// A number without anything behind the point, however it is written.
    pub const INTEGER: u32 = 1 << 4 | 1 << 8;
    /// Any other number.
    pub const FRACTION: u32 = 1 << 9;
    /// Any number.
    pub const NUMBER: u32 = INTEGER | FRACTION | 1 << 5;
    /// `true` and `false`
    pub const BOOLEAN: u32 = 1 << 10;
    /// `null`
    pub const NULL: u32 = 1 << 11;
    /// All of them.
    pub const ALL: u32 = OBJECT | ARRAY | STRING | NUMBER | BOOLEAN | NULL | 1 << 6;
    /// The low bits.
    pub const BY_KIND: u32 = 0x7f;
}

/// What is known of characters, for international host names. A word has the
/// first code point of a run of characters that are alike in its low bits.
pub mod characters {
    /// The bits of the code point.
    pub const CODE_POINT: u32 = (1 << 21) - 1;
    /// PVALID in RFC 5892.
    pub const VALID: u32 = 1 << 21;
    /// A combining mark: General_Category M.
    pub const MARK: u32 = 1 << 22;
    /// Canonical_Combining_Class 9.
    pub const VIRAMA: u32 = 1 << 23;
    /// Joining_Type L or D: it joins to what follows.
    pub const JOINS_LEFT: u32 = 1 << 24;
    /// Joining_Type R or D: it joins to what is before.
    pub const JOINS_RIGHT: u32 = 1 << 25;
    /// Joining_Type T.
    pub const TRANSPARENT: u32 = 1 << 26;
    /// Script Greek.
    pub const GREEK: u32 = 1 << 27;
    /// Script Hebrew.
    pub const HEBREW: u32 = 1 << 28;
    /// Script Hiragana, Katakana or Han.
    pub const JAPANESE: u32 = 1 << 29;
}

// Instructions, each with its operands. The first operand of every one that
// can fail by itself is the path to report.

/// Nothing follows.
pub const END: u8 = 0;

// Assertions, of the value alone.

/// path, table, mask of types, decimals: a value of these types, a string of
/// the table, or a number of the decimals (each start and length in the text).
/// `true` alone is the bit [`ONLY_TRUE`], `false` alone [`ONLY_FALSE`].
pub const ENUM: u8 = 1;
/// path, count: characters of a string, at least.
pub const MIN_LENGTH: u8 = 2;
/// path, count: characters of a string, at most.
pub const MAX_LENGTH: u8 = 3;
/// path, automaton: a string in which it finds something.
pub const PATTERN: u8 = 4;
/// path, number of a [`Format`](super::Format).
pub const FORMAT: u8 = 5;
/// path, start and length of a decimal: a number not below.
pub const MINIMUM: u8 = 6;
/// Likewise, not above.
pub const MAXIMUM: u8 = 7;
/// Likewise, above.
pub const EXCLUSIVE_MINIMUM: u8 = 8;
/// Likewise, below.
pub const EXCLUSIVE_MAXIMUM: u8 = 9;
/// path, factor (two words), exponent (signed): a number that is a multiple of
/// factor × 10^exponent.
pub const MULTIPLE_OF: u8 = 10;
/// path, start and length of a name, start and length of another: an object
/// that has the one has the other.
pub const DEPENDENT_REQUIRED: u8 = 11;
/// path: an array without two equal items.
pub const UNIQUE: u8 = 12;

/// path, minimum, path, maximum, check of items: an array. The check has no
/// code.
pub const FLAT_ARRAY: u8 = 13;
/// As [`OBJECT`], without patterns. The code of its checks has nothing but
/// instructions up to [`FLAT_ARRAY`].
pub const FLAT_OBJECT: u8 = 14;

// What applies subschemas, to the same value.

/// check: it applies.
pub const CALL: u8 = 15;
/// path, checks: one of them has to hold.
pub const ANY_OF: u8 = 16;
/// path, checks: exactly one.
pub const ONE_OF: u8 = 17;
/// path, check: it must not.
pub const NOT: u8 = 18;
/// path (unused), check, check, check: where the first holds the second has
/// to, else the third.
pub const IF: u8 = 19;
/// path (unused), start and length of a name, check: an object that has it.
pub const DEPENDENT_SCHEMA: u8 = 20;

// What applies subschemas to what is in the value.

/// path, minimum, path, maximum, check of other members, table, patterns: an
/// object. Each pattern is an automaton and a check.
pub const OBJECT: u8 = 21;
/// check: of every member's name.
pub const NAMES: u8 = 22;
/// path, minimum, path, maximum, check of items, checks of the first items: an
/// array.
pub const ARRAY: u8 = 23;
/// path, minimum, path, maximum, check: how many items of an array it holds
/// for.
pub const CONTAINS: u8 = 24;

/// In the mask of [`ENUM`]: `true`.
pub const ONLY_TRUE: u32 = 1 << 16;
/// In the mask of [`ENUM`]: `false`.
pub const ONLY_FALSE: u32 = 1 << 17;

/// The first eight bytes of a name and the last eight. Of a shorter name the
/// first ones are all of it, with zeros behind, and the last ones zero.
pub fn fingerprint(name: &[u8]) -> (u64, u64) {
    match (name.first_chunk(), name.last_chunk()) {
        (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
        _ => (name.iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte)), 0),
    }
}

/// The slot to look for a name in first: one of 2^(64 − `shift`).
#[inline(always)]
pub fn hash(fingerprint: (u64, u64), len: usize, multiplier: u64, shift: u32) -> usize {
    let mixed = (fingerprint.0 ^ fingerprint.1.rotate_left(32)).wrapping_add(len as u64);
    (mixed.wrapping_mul(multiplier) >> (shift & 63)) as usize
}
