//! The instructions of a program, and the numbers in them.

/// The number of words of a check.
pub const CHECK_WORDS: usize = 3;
/// The number of words of a table of names.
pub const TABLE_WORDS: usize = 5;
/// The maximum number of required members in a table.
pub const REQUIRED_MAX: usize = 64;

/// Types, as bits of a mask. The low bits are in the order of
/// [`Kind`](crate::record::tape::Kind). If the bit of a node's kind is set, nothing else
/// has to be checked.
pub mod types {
    /// An object.
    pub const OBJECT: u32 = 1;
    /// An array.
    pub const ARRAY: u32 = 1 << 1;
    /// A string, or a member's name.
    pub const STRING: u32 = 1 << 2 | 1 << 3;
    /// A number with only zeros behind the point, in any notation.
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

/// The properties of characters, for international host names. A word describes a run of
/// characters with equal properties: its low bits are the first code point of the run.
pub mod characters {
    /// The bits of the code point.
    pub const CODE_POINT: u32 = (1 << 21) - 1;
    /// PVALID in RFC 5892.
    pub const VALID: u32 = 1 << 21;
    /// A combining mark: General_Category M.
    pub const MARK: u32 = 1 << 22;
    /// Canonical_Combining_Class 9.
    pub const VIRAMA: u32 = 1 << 23;
    /// Joining_Type L or D: it joins to the next character.
    pub const JOINS_LEFT: u32 = 1 << 24;
    /// Joining_Type R or D: it joins to the previous character.
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

// Instructions, each with its operands. If an instruction can fail by itself, its first
// operand is the path to report.

/// The end of a schema's instructions.
pub const END: u8 = 0;

// Assertions on the value itself.

/// path, table, mask of types, decimals: the value has one of these types, or is a string
/// of the table or a number of the decimals (each given as start and length in the text).
/// `true` alone is the bit [`ONLY_TRUE`], `false` alone [`ONLY_FALSE`].
pub const ENUM: u8 = 1;
/// path, count: a string has at least this many characters.
pub const MIN_LENGTH: u8 = 2;
/// path, count: a string has at most this many characters.
pub const MAX_LENGTH: u8 = 3;
/// path, automaton: the automaton finds something in a string.
pub const PATTERN: u8 = 4;
/// path, number of a [`Format`](super::Format): a string has the format.
pub const FORMAT: u8 = 5;
/// path, start and length of a decimal: a number is not below the decimal.
pub const MINIMUM: u8 = 6;
/// path, start and length of a decimal: a number is not above the decimal.
pub const MAXIMUM: u8 = 7;
/// path, start and length of a decimal: a number is above the decimal.
pub const EXCLUSIVE_MINIMUM: u8 = 8;
/// path, start and length of a decimal: a number is below the decimal.
pub const EXCLUSIVE_MAXIMUM: u8 = 9;
/// path, factor (two words), exponent (signed): a number is a multiple of factor ×
/// 10^exponent.
pub const MULTIPLE_OF: u8 = 10;
/// path, start and length of a name, start and length of another: an object with the
/// first member also has the second.
pub const DEPENDENT_REQUIRED: u8 = 11;
/// path: an array has no two equal items.
pub const UNIQUE: u8 = 12;

/// path, minimum, path, maximum, check of items: an array. The check has no code.
pub const FLAT_ARRAY: u8 = 13;
/// Same as [`OBJECT`], without patterns. The code of its checks contains only
/// instructions up to [`FLAT_ARRAY`].
pub const FLAT_OBJECT: u8 = 14;

// Instructions that apply subschemas to the same value.

/// check: it has to hold.
pub const CALL: u8 = 15;
/// path, checks: at least one of them has to hold.
pub const ANY_OF: u8 = 16;
/// path, checks: exactly one of them has to hold.
pub const ONE_OF: u8 = 17;
/// path, check: it must not hold.
pub const NOT: u8 = 18;
/// path (unused), check, check, check: if the first holds, the second has to hold, else
/// the third.
pub const IF: u8 = 19;
/// path (unused), start and length of a name, check: it has to hold for an object with
/// that member.
pub const DEPENDENT_SCHEMA: u8 = 20;

// Instructions that apply subschemas to the contents of the value.

/// path, minimum, path, maximum, check of other members, table, patterns: an object. Each
/// pattern is an automaton and a check.
pub const OBJECT: u8 = 21;
/// check: it has to hold for the name of every member.
pub const NAMES: u8 = 22;
/// path, minimum, path, maximum, check of items, checks of the first items: an array.
pub const ARRAY: u8 = 23;
/// path, minimum, path, maximum, check: the number of an array's items for which the
/// check holds.
pub const CONTAINS: u8 = 24;

/// The bit for `true` in the mask of [`ENUM`].
pub const ONLY_TRUE: u32 = 1 << 16;
/// The bit for `false` in the mask of [`ENUM`].
pub const ONLY_FALSE: u32 = 1 << 17;

/// Returns the first eight bytes of a name and the last eight. For a shorter name, the
/// first number holds all of it, followed by zeros, and the last number is zero.
pub fn fingerprint(name: &[u8]) -> (u64, u64) {
    match (name.first_chunk(), name.last_chunk()) {
        (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
        _ => (name.iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte)), 0),
    }
}

/// Returns the slot at which the search for a name starts: one of 2^(64 − `shift`).
#[inline(always)]
pub fn hash(fingerprint: (u64, u64), len: usize, multiplier: u64, shift: u32) -> usize {
    let mixed = (fingerprint.0 ^ fingerprint.1.rotate_left(32)).wrapping_add(len as u64);
    (mixed.wrapping_mul(multiplier) >> (shift & 63)) as usize
}
