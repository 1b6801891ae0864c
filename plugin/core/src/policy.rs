//! A compiled policy: the table that says what is redacted, and how.
//!
//! `flb-audit build` compiles it from a policy that people write, and puts it into the
//! filter's module. All numbers are little-endian. An offset and length of a part count
//! from the start of the table.
//!
//! | bytes | |
//! |---|---|
//! | 0..8 | `flbpolcy` |
//! | 8..12 | the version of the layout: `LAYOUT` |
//! | 12..16 | length of the whole table, in bytes |
//! | 16..48 | digest: SHA-512/256 of `flb-audit policy v1\n` and all bytes from 48 on |
//! | 48..80 | offset and length of four parts: the source (the policy's text, then, each behind a NUL, the texts of the files that it names), the rules, the strings, the automata |
//! | 80..84 | offset, within the automata, of the scout over texts, an [`Automaton`]; here and below, 2³²−1 stands for none |
//! | 84..88 | offset of the automaton over keys, which is [`Compact`] |
//! | 88..92 | offset of the paths |
//! | 92..96 | the number of rules that are detectors. They come first, followed by the rules for keys; among these, the rule for names of secrets and the rule for identities come last and have no pattern. The scout accepts this number at an escape |
//! | 96..104 | offset and length of the streams with a schema; `schema/streams.rs` has their layout |
//! | 104..112 | offset and length of the formats: `recognize/formats.rs` |
//! | 112..120 | offset and length of the dictionary of the keys that formats and paths name: `recognize/dictionary.rs` |
//! | 120..128 | offset and length of the mappings into events: `normalize/mappings.rs` |
//!
//! `policy/rule.rs` has the layout of a rule.

mod action;
mod boundary;
pub(crate) mod leak;
pub mod paths;
mod rule;
pub(crate) mod shape;
mod validator;

pub use action::Action;
pub use boundary::Boundary;
pub use leak::{ALLOWS_MAX, AllowParts, AllowTarget, LeakParts};
pub use rule::{Concern, DetectorParts, Kind, NO_AUTOMATON, Rule};
pub(crate) use rule::{Detector, Lead};
pub use shape::{Alphabet, Part, Shape};
pub use validator::Validator;

use crate::automaton::{Automaton, Compact};
use crate::hash::{Algorithm, Hash};
use crate::normalize::Mappings;
use crate::recognize::{Dictionary, Formats, Recognizer};
use crate::record::tape::Tape;
use crate::schema::{Stream, Streams};
use crate::text::{base64url, is_name};
use alloc::vec::Vec;
use paths::Paths;
use rule::{CONCERN_AT, KIND_AT, RULE_BYTES};

/// The name of a policy file in an accessible path. It overrides the policy in the
/// module.
pub const FILE_NAME: &str = "audit.policy";
/// The maximum length of a policy, in bytes.
pub const POLICY_BYTES_MAX: usize = 4 << 20;
/// The prefix of the table in its digest.
pub const DIGEST_DOMAIN: &[u8] = b"flb-audit policy v1\n";
/// The number of base64url characters of the digest in a seal: 48 bits.
pub const DIGEST_TEXT_BYTES: usize = 8;

/// Returns the text of a policy's digest in a seal: the first 48 bits.
pub fn policy_text(digest: &Hash) -> [u8; DIGEST_TEXT_BYTES] {
    base64url::encode(&digest[..6])
}

/// The mark in the filter's module behind which the address and the length of its
/// policy's table stand. It contains the version of the layout, so that no table is put
/// into a module that cannot read it.
pub const MODULE_MARK: &[u8; 16] = &module_mark();

/// The first bytes of a table.
pub const MAGIC: &[u8; 8] = b"flbpolcy";
/// The version of the table's layout.
const LAYOUT: u32 = 7;

/// Returns the mark: its last byte is the version's digit, or the byte that many after `0`.
const fn module_mark() -> [u8; 16] {
    let mut mark = *b"flbaudit-policy0";
    mark[15] += LAYOUT as u8;
    mark
}

// The places of the header's parts.
const LAYOUT_AT: usize = 8;
const LEN_AT: usize = 12;
const DIGEST_AT: usize = 16;
/// The start of the bytes that the digest covers.
const DIGESTED_AT: usize = 48;
const SOURCE_AT: usize = 48;
const RULES_AT: usize = 56;
const STRINGS_AT: usize = 64;
const AUTOMATA_AT: usize = 72;
const SCOUT_AT: usize = 80;
const KEYS_AT: usize = 84;
const PATHS_AT: usize = 88;
const DETECTORS_AT: usize = 92;
const STREAMS_AT: usize = 96;
const FORMATS_AT: usize = 104;
const DICTIONARY_AT: usize = 112;
const MAPPINGS_AT: usize = 120;
const HEADER_BYTES: usize = 128;

/// The maximum number of rules in a policy.
pub const RULES_MAX: usize = 4096;

/// A policy, in the form of its table.
///
/// # Example
///
/// `flb_audit_policy::compile` writes the tables of policies. This table has no rules:
///
/// ```
/// use flb_audit_core::policy::{NO_AUTOMATON, Policy, TableParts};
///
/// let mut parts = TableParts::default();
/// parts.source = b"version: 1";
/// (parts.scout, parts.keys, parts.paths) = (NO_AUTOMATON, NO_AUTOMATON, NO_AUTOMATON);
/// let mut table = parts.write();
/// assert_eq!(Policy::check(&table)?.source(), b"version: 1");
///
/// if let Some(last) = table.last_mut() {
///     *last ^= 1;
/// }
/// assert!(Policy::check(&table).is_err());
/// # Ok::<(), &str>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Policy<'a> {
    digest: Hash,
    /// The base64url text of the digest in seals.
    digest_text: [u8; DIGEST_TEXT_BYTES],
    /// The text that it was compiled from, and the rule files that it names.
    sources: &'a [u8],
    rules: &'a [[u8; RULE_BYTES]],
    strings: &'a [u8],
    automata: &'a [u8],
    pub(crate) scout: Option<Automaton<'a>>,
    pub(crate) keys: Option<Compact<'a>>,
    pub(crate) paths: Option<Paths<'a>>,
    /// The number of the first rule for keys.
    pub(crate) first_key_rule: u16,
    /// The rule for names of secrets.
    pub(crate) name_rule: Option<u16>,
    /// The rule for identities of actors. If there is none, these stay.
    pub(crate) identity_rule: Option<u16>,
    /// True if a rule asks who the actor is.
    pub(crate) asks_who: bool,
    pub(crate) streams: Streams<'a>,
    pub(crate) formats: Formats<'a>,
    pub(crate) dictionary: Dictionary<'a>,
    pub(crate) mappings: Mappings<'a>,
}

impl<'a> Policy<'a> {
    /// Reads a policy from a table whose source is trusted. Returns `None` if it is not a
    /// table of this layout. Reading costs next to nothing. An error inside the table has
    /// no worse effect than that something is not found.
    pub fn read(table: &'a [u8]) -> Option<Self> {
        let header: &[u8; HEADER_BYTES] = table.first_chunk()?;
        let number = |at: usize| header[at..].first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
        if !header.starts_with(MAGIC)
            || number(LAYOUT_AT)? != LAYOUT
            || number(LEN_AT)? as usize != table.len()
        {
            return None;
        }
        let part = |at: usize| {
            let (start, len) = (number(at)? as usize, number(at + 4)? as usize);
            table.get(start..start.checked_add(len)?)
        };
        let automata = part(AUTOMATA_AT)?;
        let digest = *header[DIGEST_AT..].first_chunk()?;
        let automaton = |at: usize| match number(at)? {
            NO_AUTOMATON => Some(None),
            start => Some(Some(automata.get(start as usize..)?)),
        };
        let mut policy = Policy {
            digest,
            digest_text: policy_text(&digest),
            sources: part(SOURCE_AT)?,
            rules: part(RULES_AT)?.as_chunks().0,
            strings: part(STRINGS_AT)?,
            automata,
            scout: match automaton(SCOUT_AT)? {
                Some(table) => Some(Automaton::read(table)?.0),
                None => None,
            },
            keys: match automaton(KEYS_AT)? {
                Some(table) => Some(Compact::read(table)?.0),
                None => None,
            },
            paths: match automaton(PATHS_AT)? {
                Some(table) => Some(Paths::read(table)?),
                None => None,
            },
            first_key_rule: number(DETECTORS_AT)? as u16,
            name_rule: None,
            identity_rule: None,
            asks_who: false,
            streams: Streams::read(part(STREAMS_AT)?)?,
            formats: Formats::read(part(FORMATS_AT)?)?,
            dictionary: Dictionary::read(part(DICTIONARY_AT)?)?,
            mappings: Mappings::read(part(MAPPINGS_AT)?)?,
        };
        // Detectors come first, and are neither of these rules.
        policy.name_rule = policy.find(policy.first_key_rule, KIND_AT, Kind::Name as u8);
        policy.identity_rule = policy.find(policy.first_key_rule, KIND_AT, Kind::Identity as u8);
        policy.asks_who = policy.find(0, CONCERN_AT, Concern::Identity as u8).is_some();
        Some(policy)
    }

    /// Returns the first rule, from number `from` on, that has `value` at a place.
    fn find(&self, from: u16, at: usize, value: u8) -> Option<u16> {
        let rules = self.rules.get(usize::from(from)..)?;
        let index = rules.iter().position(|bytes| bytes.get(at) == Some(&value))?;
        u16::try_from(index + usize::from(from)).ok()
    }

    /// Reads a policy from a table of any source. Returns the problem if the table is
    /// incomplete, unsound, or does not have the digest that it states.
    pub fn check(table: &'a [u8]) -> Result<Self, &'static str> {
        if table.len() > POLICY_BYTES_MAX {
            return Err("longer than a policy may be");
        }
        let policy = Policy::read(table).ok_or("not a policy of this version")?;
        if digest(table) != policy.digest {
            return Err("damaged: its digest is not that of its contents");
        }
        let are_sound = policy.scout.is_none_or(|scout| scout.is_sound())
            && policy.keys.is_none_or(|keys| keys.is_sound())
            && policy.paths.is_none_or(|paths| paths.is_sound(policy.rules.len(), policy.formats.variants()))
            && policy.formats.is_sound(policy.dictionary.len())
            && policy.dictionary.is_sound()
            && policy.rules.len() <= RULES_MAX
            && policy.streams.is_sound()
            && policy.mappings.is_sound()
            && (0..policy.rules.len()).all(|index| policy.is_sound_rule(index as u16));
        if are_sound { Ok(policy) } else { Err("damaged: its rules do not hold together") }
    }

    fn is_sound_rule(&self, index: u16) -> bool {
        let is_sound = |detector: Detector<'_>| {
            let is_sound_lead = match detector.lead {
                Lead::Trigger(_) => true,
                Lead::Automaton(lead) => lead.is_sound(),
            };
            if self.shapes(detector.pattern).is_some() {
                return true;
            }
            is_sound_lead
                && match detector.validator {
                    Validator::Leak => self.is_sound_leak(detector.pattern),
                    _ => self.pattern(&detector).is_some_and(|pattern| pattern.is_sound()),
                }
        };
        match self.rule(index) {
            Some(rule) if !is_name(rule.name) || !is_name(rule.class) => false,
            Some(rule) if rule.kind == Kind::Detector && self.reader(index).is_some() => true,
            Some(rule) if rule.kind == Kind::Detector => self.detector(index).is_some_and(is_sound),
            Some(_) => true,
            None => false,
        }
    }

    /// True if records become events of OCSF.
    pub fn normalizes(&self) -> bool {
        !self.mappings.is_empty()
    }

    /// Returns the policy without its mappings: records stay records.
    pub fn without_normalization(self) -> Self {
        Policy { mappings: Mappings::default(), ..self }
    }

    /// Returns the digest that the table states.
    pub fn digest(&self) -> &Hash {
        &self.digest
    }

    /// Returns the text of the digest in a seal: see [`policy_text`].
    pub(crate) fn digest_text(&self) -> &[u8] {
        &self.digest_text
    }

    /// Returns the text that the policy was compiled from.
    pub fn source(&self) -> &'a [u8] {
        self.split_sources().0
    }

    /// Returns the texts of the rule files that the policy names. Each ends with a NUL.
    pub fn files(&self) -> &'a [u8] {
        self.split_sources().1
    }

    /// Splits the sources at the end of the policy's own text.
    fn split_sources(&self) -> (&'a [u8], &'a [u8]) {
        let len = self.sources.iter().position(|byte| *byte == 0).unwrap_or(self.sources.len());
        (self.sources.get(..len).unwrap_or_default(), self.sources.get(len + 1..).unwrap_or_default())
    }

    /// Returns the streams that have a schema. The first stream that a record belongs to
    /// decides.
    pub fn streams(&self) -> impl Iterator<Item = Stream<'a>> {
        self.streams.iter()
    }

    /// Returns the stream of the record on a tape, with this tag.
    pub fn stream(&self, tag: &[u8], tape: &Tape, source: &[u8]) -> Option<Stream<'a>> {
        self.streams.stream(self.streams.choose(tag, Some((tape, source)))?)
    }

    /// Recognizes the record on a tape.
    pub fn recognize(&self, tag: &[u8], tape: &mut Tape, source: &[u8]) {
        Recognizer::new(self.formats, self.dictionary).recognize_record(tag, tape, source);
    }

    /// True if the record on a tape has an unknown format and may hold others. The tape
    /// has to be recognized before.
    pub fn is_wrapper(&self, tape: &Tape) -> bool {
        tape.is_wrapper
    }

    /// True if the record is not checked because it may hold others: it belongs to no
    /// stream, and the schemas are for the records in it.
    pub fn is_wrapped(&self, tag: &[u8], tape: &Tape) -> bool {
        tape.is_wrapper && self.streams.of_wrappers(tag).is_some()
    }

    /// Returns the name of the format that the record on a tape was recognized as, or
    /// `None` if the format is unknown.
    pub fn format(&self, tape: &Tape) -> Option<&'a [u8]> {
        self.formats.name(tape.variant)
    }

    /// Returns the format of a record within another one: the object at `object`.
    pub fn format_within(&self, tag: &[u8], tape: &Tape, source: &[u8], object: usize) -> Option<&'a [u8]> {
        let mut recognizer = Recognizer::new(self.formats, self.dictionary);
        recognizer.set_tag(tag);
        self.formats.name(recognizer.recognize(tape, source, object))
    }

    /// Returns the rules.
    pub fn rules(&self) -> impl Iterator<Item = Rule<'a>> + '_ {
        (0..self.rules.len()).filter_map(|index| self.rule(index as u16))
    }

    /// Checks whether there are any rules.
    pub(crate) fn redacts(&self) -> bool {
        !self.rules.is_empty()
    }

    /// Checks whether there are rules for keys or paths.
    pub(crate) fn has_rules_for_places(&self) -> bool {
        self.rules.len() > self.first_key_rule as usize
    }

    pub(crate) fn rule(&self, index: u16) -> Option<Rule<'a>> {
        Rule::read(self.rules.get(index as usize)?, self.strings)
    }

    /// Returns the kind of value that a rule is about.
    pub(crate) fn concern(&self, index: u16) -> Option<Concern> {
        self.rules.get(index as usize).map(Concern::read)
    }

    /// Returns the validator of a detector that reads the text itself.
    pub(crate) fn reader(&self, index: u16) -> Option<Validator> {
        rule::validator(self.rules.get(index as usize)?).filter(|validator| validator.reads_text())
    }

    /// Returns the parts of the detector with this number.
    pub(crate) fn detector(&self, index: u16) -> Option<Detector<'a>> {
        Detector::read(self.rules.get(index as usize)?, |start| self.compact(start))
    }

    /// Returns a detector's pattern. It is read separately, since it is needed less often
    /// than the lead.
    pub(crate) fn pattern(&self, detector: &Detector<'_>) -> Option<Compact<'a>> {
        self.compact(detector.pattern)
    }

    pub(crate) fn compact(&self, start: u32) -> Option<Compact<'a>> {
        Compact::read(self.automata.get(start as usize..)?).map(|(automaton, _)| automaton)
    }
}

/// The parts of a policy's table, to be written.
#[derive(Debug, Default)]
pub struct TableParts<'a> {
    /// The text that the policy was compiled from.
    pub source: &'a [u8],
    rules: Vec<u8>,
    strings: Vec<u8>,
    /// All automata, one behind the other.
    pub automata: &'a [u8],
    /// The offset of the scout over texts in the automata, or [`NO_AUTOMATON`].
    pub scout: u32,
    /// The offset of the automaton over keys in the automata, or [`NO_AUTOMATON`].
    pub keys: u32,
    /// The offset of the paths in the automata, or [`NO_AUTOMATON`].
    pub paths: u32,
    /// The number of rules that are detectors.
    pub detectors: u32,
    /// The streams, as written by
    /// [`schema::write_streams`](crate::schema::write_streams).
    pub streams: &'a [u8],
    /// The formats, as written by [`FormatsParts`](crate::recognize::FormatsParts).
    pub formats: &'a [u8],
    /// The dictionary, as written by
    /// [`write_dictionary`](crate::recognize::write_dictionary).
    pub dictionary: &'a [u8],
    /// The mappings, as [`MappingsParts`](crate::normalize::MappingsParts) has them.
    pub mappings: &'a [u8],
}

impl TableParts<'_> {
    /// Adds a rule: detectors first, then rules for keys, then rules for paths. A
    /// detector has additional parts.
    pub fn rule(&mut self, rule: &Rule<'_>, detector: Option<DetectorParts>) {
        let (name, class) = (self.string(rule.name), self.string(rule.class));
        self.rules.extend(rule.to_bytes(name, class, detector));
    }

    fn string(&mut self, text: &[u8]) -> [u8; 4] {
        let known = self.strings.windows(text.len().max(1)).position(|window| window == text);
        let start = known.unwrap_or_else(|| {
            self.strings.extend(text);
            self.strings.len() - text.len()
        });
        rule::string_place(start, text.len())
    }

    /// Returns the length of the table, in bytes.
    pub fn table_len(&self) -> usize {
        HEADER_BYTES + self.parts().iter().map(|(_, part)| part.len()).sum::<usize>()
    }

    /// Returns the parts in their order behind the header, each with its place in the
    /// header.
    fn parts(&self) -> [(usize, &[u8]); 8] {
        [
            (SOURCE_AT, self.source),
            (RULES_AT, &self.rules),
            (STRINGS_AT, &self.strings),
            (AUTOMATA_AT, self.automata),
            (STREAMS_AT, self.streams),
            (FORMATS_AT, self.formats),
            (DICTIONARY_AT, self.dictionary),
            (MAPPINGS_AT, self.mappings),
        ]
    }

    /// Writes the table.
    pub fn write(&self) -> Vec<u8> {
        let mut table = Vec::from([0; HEADER_BYTES]);
        table[..MAGIC.len()].copy_from_slice(MAGIC);
        let mut put = |at: usize, number: u32| table[at..at + 4].copy_from_slice(&number.to_le_bytes());
        put(LAYOUT_AT, LAYOUT);
        put(LEN_AT, self.table_len() as u32);
        put(SCOUT_AT, self.scout);
        put(KEYS_AT, self.keys);
        put(PATHS_AT, self.paths);
        put(DETECTORS_AT, self.detectors);
        let mut start = HEADER_BYTES;
        for (at, part) in self.parts() {
            put(at, start as u32);
            put(at + 4, part.len() as u32);
            start += part.len();
        }
        self.parts().into_iter().for_each(|(_, part)| table.extend(part));
        let digest = digest(&table);
        table[DIGEST_AT..DIGESTED_AT].copy_from_slice(&digest);
        table
    }
}

/// Computes the digest of a table.
pub fn digest(table: &[u8]) -> Hash {
    let digested = table.get(DIGESTED_AT..).unwrap_or_default();
    Algorithm::Sha512_256.digest(&[DIGEST_DOMAIN, digested])
}
