//! A compiled policy: the table that says what is redacted, and how.
//!
//! `flb-audit build` makes it, out of a policy that people write, and puts it
//! into the filter's module. All numbers are little-endian.
//!
//! | bytes | |
//! |---|---|
//! | 0..8 | `flbpolcy` |
//! | 8..12 | layout, 4 |
//! | 12..16 | length of the whole table, in bytes |
//! | 16..48 | digest: SHA-512/256 of `flb-audit policy v1\n` and all bytes from 48 on |
//! | 48..80 | where four parts are, each as offset and length: the policy's text and, behind a NUL each, those of the files with rules that it names, the rules, the strings, the automata |
//! | 80..84 | offset, within the automata, of the scout over texts, an [`Automaton`]; below, 2³²−1 stands for none |
//! | 84..88 | of the automaton over keys, which is [`Compact`] |
//! | 88..92 | of the paths |
//! | 92..96 | how many of the rules are detectors: they come first, then those for keys, of which the last have no pattern if they are for names that tell of secrets and for what identifies an actor. The scout accepts this number where an escape is |
//! | 96..104 | where the streams with a schema are, as offset and length: `schema/streams.rs` says how they are laid out |
//! | 104..112 | where the formats are, likewise: `recognize/formats.rs` |
//! | 112..120 | where the dictionary of the keys that formats and paths name is: `recognize/dictionary.rs` |
//!
//! A rule has [`RULE_BYTES`] bytes:
//!
//! | bytes | |
//! |---|---|
//! | 0..4, 4..8 | where in the strings its name and its class are: 24 bits of offset, 8 of length |
//! | 8 | action |
//! | 9 | how many characters `partial` leaves |
//! | 10 | kind: 0 detector, 1 key, 2 path, 3 names that tell of secrets, 4 what identifies an actor |
//! | 11, 12, 13 | of a detector: validator, boundary before, boundary after |
//! | 14 | of a detector: the length of its lead in bytes, if that is what triggers it and always as long, else 0 |
//! | 15 | 1 if it is for secrets: what is kept is looked at, too; 2 if it is for what identifies a person: it stays where that is an actor; else 0 |
//! | 16..20, 20..24 | of a detector with a pattern: offset of the automata for its lead, backwards, if its length is 0, and its pattern; both are [`Compact`]. If the highest bit of the second is set, the others are where its shapes are: `policy/shape.rs`. Of a rule of gitleaks, the second is where that is: `policy/leak.rs` |

mod action;
mod boundary;
pub(crate) mod leak;
pub mod paths;
pub(crate) mod shape;
mod validator;

pub use action::Action;
pub use boundary::Boundary;
pub use leak::{ALLOWS_MAX, AllowParts, AllowTarget, LeakParts};
pub use shape::{Alphabet, Part, Shape};
pub use validator::Validator;

use crate::automaton::{Automaton, Compact};
use crate::hash::{Algorithm, Hash};
use crate::recognize::{Dictionary, Formats, Recognizer};
use crate::record::tape::Tape;
use crate::schema::{Stream, Streams};
use crate::text::{base64url, is_name};
use alloc::vec::Vec;
use paths::Paths;

/// The name of a policy file in an accessible path, which overrides the one
/// in the module.
pub const FILE_NAME: &str = "audit.policy";
/// The longest policy, in bytes.
pub const POLICY_BYTES_MAX: usize = 4 << 20;
/// What a digest is made with, before the table.
pub const DIGEST_DOMAIN: &[u8] = b"flb-audit policy v1\n";
/// How much of the digest's base64url a seal carries, in bytes: 48 bits.
pub const DIGEST_TEXT_BYTES: usize = 8;

/// A policy's digest as it stands in a seal: the first 48 bits.
pub fn policy_text(digest: &Hash) -> [u8; DIGEST_TEXT_BYTES] {
    base64url::encode(&digest[..6])
}

/// What marks the place in the filter's module where the address and the
/// length of its policy's table stand: with the version of the layout, so that
/// no table gets into a module that cannot read it.
pub const MODULE_MARK: &[u8; 16] = b"flbaudit-policy4";

/// The bytes that a table starts with.
pub const MAGIC: &[u8; 8] = b"flbpolcy";
/// The version of its layout.
const LAYOUT: u32 = 4;

// Where the header has its parts.
const LAYOUT_AT: usize = 8;
const LEN_AT: usize = 12;
const DIGEST_AT: usize = 16;
/// Where the part starts that the digest is of.
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
const HEADER_BYTES: usize = 120;

// Where a rule has its parts.
const NAME_AT: usize = 0;
const CLASS_AT: usize = 4;
const ACTION_AT: usize = 8;
const PARAMETER_AT: usize = 9;
const KIND_AT: usize = 10;
const VALIDATOR_AT: usize = 11;
const BEFORE_AT: usize = 12;
const AFTER_AT: usize = 13;
const LEAD_LEN_AT: usize = 14;
const CONCERN_AT: usize = 15;
const LEAD_AT: usize = 16;
const PATTERN_AT: usize = 20;
const RULE_BYTES: usize = 24;

/// The bits of a place in the strings that say where it starts; the others are
/// its length.
const STRING_START: u32 = (1 << 24) - 1;

/// Stands for an automaton that is not there.
pub const NO_AUTOMATON: u32 = u32::MAX;
/// The most rules of a policy.
pub const RULES_MAX: usize = 4096;

/// What a rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Texts, keys and numbers, wherever they are.
    Detector = 0,
    /// The values of keys that match.
    Key = 1,
    /// The values at a path.
    Path = 2,
    /// The values of keys that tell of secrets.
    Name = 3,
    /// What identifies an actor.
    Identity = 4,
}

/// The kind of value that a rule is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Concern {
    /// Any value, unless it is kept.
    #[default]
    Any = 0,
    /// Secrets: what is kept is looked at, too.
    Secret = 1,
    /// What identifies a person: it stays if that is who did it.
    Identity = 2,
}

/// One rule of a policy.
#[derive(Clone, Copy, Debug)]
pub struct Rule<'a> {
    /// Its name: a detector's, or the one that the policy gives.
    pub name: &'a [u8],
    /// What keeps apart the HMACs of different things of equal text.
    pub class: &'a [u8],
    /// What it does.
    pub action: Action,
    /// The text that it looks at.
    pub kind: Kind,
    /// What kind of value it is about.
    pub concern: Concern,
}

impl Concern {
    fn from_id(id: u8) -> Concern {
        match id {
            1 => Concern::Secret,
            2 => Concern::Identity,
            _ => Concern::Any,
        }
    }
}

/// What leads from the start of a detector's match to the end of its trigger.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lead<'a> {
    /// So many bytes: it is the trigger.
    Trigger(usize),
    /// What this finds backwards.
    Automaton(Compact<'a>),
}

/// What a detector compares a text with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Detector<'a> {
    pub(crate) lead: Lead<'a>,
    /// The place of its pattern, or of the rule of gitleaks, in the automata.
    pub(crate) pattern: u32,
    pub(crate) validator: Validator,
    pub(crate) before: Boundary,
    pub(crate) after: Boundary,
}

/// A policy, as it stands in its table.
#[derive(Clone, Copy, Debug)]
pub struct Policy<'a> {
    digest: Hash,
    /// The text that it was compiled from.
    pub source: &'a [u8],
    /// The texts of the files that it names, each of which ends with a NUL.
    pub files: &'a [u8],
    rules: &'a [[u8; RULE_BYTES]],
    strings: &'a [u8],
    automata: &'a [u8],
    pub(crate) scout: Option<Automaton<'a>>,
    pub(crate) keys: Option<Compact<'a>>,
    pub(crate) paths: Option<Paths<'a>>,
    /// The first rule for keys.
    pub(crate) first_key_rule: u16,
    /// The rule for names that tell of secrets.
    pub(crate) name_rule: Option<u16>,
    /// The rule for what identifies an actor. If there is none, that stays.
    pub(crate) identity_rule: Option<u16>,
    /// Whether it matters who did it.
    pub(crate) asks_who: bool,
    pub(crate) streams: Streams<'a>,
    pub(crate) formats: Formats<'a>,
    pub(crate) dictionary: Dictionary<'a>,
}

impl<'a> Policy<'a> {
    /// The policy in a table from a hand that is trusted to have made it
    /// right; none if it is not a table of this layout. To read one costs next
    /// to nothing; what is wrong inside it never matters more than that
    /// something is not found.
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
        let sources = part(SOURCE_AT)?;
        let source_len = sources.iter().position(|byte| *byte == 0).unwrap_or(sources.len());
        let automaton = |at: usize| match number(at)? {
            NO_AUTOMATON => Some(None),
            start => Some(Some(automata.get(start as usize..)?)),
        };
        let mut policy = Policy {
            digest: *header[DIGEST_AT..].first_chunk()?,
            source: sources.get(..source_len)?,
            files: sources.get(source_len + 1..).unwrap_or_default(),
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
        };
        policy.name_rule = policy.find(KIND_AT, Kind::Name as u8);
        policy.identity_rule = policy.find(KIND_AT, Kind::Identity as u8);
        policy.asks_who = policy.find(CONCERN_AT, Concern::Identity as u8).is_some();
        Some(policy)
    }

    /// The first rule that has `value` at a place.
    fn find(&self, at: usize, value: u8) -> Option<u16> {
        self.rules
            .iter()
            .position(|bytes| bytes.get(at) == Some(&value))
            .and_then(|index| u16::try_from(index).ok())
    }

    /// The policy in a table from any hand: what is wrong with it, if it is
    /// not whole, sound and of the digest that it says.
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
            && policy.rules.len() <= RULES_MAX
            && policy.streams.is_sound()
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

    /// The digest that the table says it has.
    pub fn digest(&self) -> &Hash {
        &self.digest
    }

    /// The streams that have a schema, of which the first that a record is of
    /// decides.
    pub fn streams(&self) -> impl Iterator<Item = Stream<'a>> {
        self.streams.iter()
    }

    /// The stream that a record under `tag` is of.
    pub fn stream(&self, tag: &[u8], tape: &Tape, source: &[u8]) -> Option<Stream<'a>> {
        self.streams.stream(self.streams.choose(tag, Some((tape, source)))?)
    }

    /// Recognizes the record on a tape.
    pub fn recognize(&self, tag: &[u8], tape: &mut Tape, source: &[u8]) {
        Recognizer::new(self.formats, self.dictionary).recognize_record(tag, tape, source);
    }

    /// Says whether the record on a tape, which has been recognized, is of no known format and
    /// may hold others.
    pub fn is_wrapper(&self, tape: &Tape) -> bool {
        tape.is_wrapper
    }

    /// Says whether that is why the record, which is of no stream, is not checked: schemas are for
    /// the records in it.
    pub fn is_wrapped(&self, tag: &[u8], tape: &Tape) -> bool {
        tape.is_wrapper && self.streams.of_wrappers(tag).is_some()
    }

    /// The name of the format that the record on a tape was recognized as; none if it
    /// is of no known one.
    pub fn format(&self, tape: &Tape) -> Option<&'a [u8]> {
        self.formats.name(tape.variant)
    }

    /// The format of the record within another one that an object of a tape is.
    pub fn format_within(&self, tag: &[u8], tape: &Tape, source: &[u8], object: usize) -> Option<&'a [u8]> {
        let mut recognizer = Recognizer::new(self.formats, self.dictionary);
        recognizer.set_tag(tag);
        self.formats.name(recognizer.recognize(tape, source, object))
    }

    /// The rules.
    pub fn rules(&self) -> impl Iterator<Item = Rule<'a>> + '_ {
        (0..self.rules.len()).filter_map(|index| self.rule(index as u16))
    }

    /// Whether there are any rules.
    pub(crate) fn redacts(&self) -> bool {
        !self.rules.is_empty()
    }

    /// Whether there are rules for keys or paths.
    pub(crate) fn has_rules_for_places(&self) -> bool {
        self.rules.len() > self.first_key_rule as usize
    }

    pub(crate) fn rule(&self, index: u16) -> Option<Rule<'a>> {
        let bytes = self.rules.get(index as usize)?;
        let string = |at: usize| {
            let place = u32::from_le_bytes(*bytes[at..].first_chunk()?);
            let (start, len) = (place & STRING_START, place >> STRING_START.count_ones());
            self.strings.get(start as usize..(start + len) as usize)
        };
        Some(Rule {
            name: string(NAME_AT)?,
            class: string(CLASS_AT)?,
            action: Action::from_id(bytes[ACTION_AT], bytes[PARAMETER_AT])?,
            kind: match bytes[KIND_AT] {
                0 => Kind::Detector,
                1 => Kind::Key,
                2 => Kind::Path,
                3 => Kind::Name,
                4 => Kind::Identity,
                _ => return None,
            },
            concern: Concern::from_id(bytes[CONCERN_AT]),
        })
    }

    /// What kind of value a rule is about.
    pub(crate) fn concern(&self, index: u16) -> Option<Concern> {
        self.rules.get(index as usize).map(|bytes| Concern::from_id(bytes[CONCERN_AT]))
    }

    /// What a detector finds that reads the text itself.
    pub(crate) fn reader(&self, index: u16) -> Option<Validator> {
        let id = self.rules.get(index as usize)?[VALIDATOR_AT];
        Validator::from_id(id).filter(|validator| validator.reads_text())
    }

    /// What the detector with this number compares a text with.
    pub(crate) fn detector(&self, index: u16) -> Option<Detector<'a>> {
        let bytes = self.rules.get(index as usize)?;
        let number = |at: usize| bytes[at..].first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
        Some(Detector {
            lead: match bytes[LEAD_LEN_AT] {
                0 => Lead::Automaton(self.compact(number(LEAD_AT)?)?),
                len => Lead::Trigger(len.into()),
            },
            pattern: number(PATTERN_AT)?,
            validator: Validator::from_id(bytes[VALIDATOR_AT])?,
            before: Boundary::from_id(bytes[BEFORE_AT])?,
            after: Boundary::from_id(bytes[AFTER_AT])?,
        })
    }

    /// A detector's pattern: it is asked for less often than its lead.
    pub(crate) fn pattern(&self, detector: &Detector<'_>) -> Option<Compact<'a>> {
        self.compact(detector.pattern)
    }

    pub(crate) fn compact(&self, start: u32) -> Option<Compact<'a>> {
        Compact::read(self.automata.get(start as usize..)?).map(|(automaton, _)| automaton)
    }
}

/// A detector's part of a rule to write.
#[derive(Clone, Copy, Debug)]
pub struct DetectorParts {
    /// The check of what the pattern has matched.
    pub validator: Validator,
    /// The boundary before a match.
    pub before: Boundary,
    /// The boundary after a match.
    pub after: Boundary,
    /// The length of the lead in bytes, if that is what triggers the detector
    /// and always as long, else 0.
    pub lead_len: u8,
    /// Where in the automata that of the lead is, if its length is 0.
    pub lead: u32,
    /// Where in the automata that of the pattern is.
    pub pattern: u32,
}

impl DetectorParts {
    /// Those of a detector with shapes, which are at a place in the automata.
    pub fn shapes(validator: Validator, before: Boundary, after: Boundary, place: u32) -> DetectorParts {
        // The shapes say where their triggers are.
        DetectorParts {
            validator,
            before,
            after,
            lead_len: 1,
            lead: NO_AUTOMATON,
            pattern: shape::SHAPES | place,
        }
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
    /// Where in the automata the scout over texts is, or [`NO_AUTOMATON`].
    pub scout: u32,
    /// Where in the automata that over keys is, or [`NO_AUTOMATON`].
    pub keys: u32,
    /// Where in the automata the paths are, or [`NO_AUTOMATON`].
    pub paths: u32,
    /// How many of the rules are detectors.
    pub detectors: u32,
    /// The streams, as [`schema::write_streams`](crate::schema::write_streams)
    /// has them.
    pub streams: &'a [u8],
    /// The formats, as [`FormatsParts`](crate::recognize::FormatsParts) has them.
    pub formats: &'a [u8],
    /// The dictionary, as [`write_dictionary`](crate::recognize::write_dictionary) has it.
    pub dictionary: &'a [u8],
}

impl TableParts<'_> {
    /// Adds a rule: detectors first, then rules for keys, then those for paths.
    /// A detector has parts of its own.
    pub fn rule(&mut self, rule: &Rule<'_>, detector: Option<DetectorParts>) {
        let (name, class) = (self.string(rule.name), self.string(rule.class));
        let (action, parameter) = rule.action.id();
        let mut bytes = [0; RULE_BYTES];
        let mut put = |at: usize, part: &[u8]| bytes[at..at + part.len()].copy_from_slice(part);
        put(NAME_AT, &name);
        put(CLASS_AT, &class);
        put(ACTION_AT, &[action]);
        put(PARAMETER_AT, &[parameter]);
        put(KIND_AT, &[rule.kind as u8]);
        put(CONCERN_AT, &[rule.concern as u8]);
        if let Some(detector) = detector {
            put(VALIDATOR_AT, &[detector.validator as u8]);
            put(BEFORE_AT, &[detector.before as u8]);
            put(AFTER_AT, &[detector.after as u8]);
            put(LEAD_LEN_AT, &[detector.lead_len]);
            put(LEAD_AT, &detector.lead.to_le_bytes());
            put(PATTERN_AT, &detector.pattern.to_le_bytes());
        }
        self.rules.extend(bytes);
    }

    fn string(&mut self, text: &[u8]) -> [u8; 4] {
        let known = self.strings.windows(text.len().max(1)).position(|window| window == text);
        let start = known.unwrap_or_else(|| {
            self.strings.extend(text);
            self.strings.len() - text.len()
        });
        (start as u32 | (text.len() as u32) << STRING_START.count_ones()).to_le_bytes()
    }

    /// The length of the table, in bytes.
    pub fn table_len(&self) -> usize {
        HEADER_BYTES + self.parts().iter().map(|(_, part)| part.len()).sum::<usize>()
    }

    /// The parts in the order in which they stand behind the header, and where
    /// that says so.
    fn parts(&self) -> [(usize, &[u8]); 7] {
        [
            (SOURCE_AT, self.source),
            (RULES_AT, &self.rules),
            (STRINGS_AT, &self.strings),
            (AUTOMATA_AT, self.automata),
            (STREAMS_AT, self.streams),
            (FORMATS_AT, self.formats),
            (DICTIONARY_AT, self.dictionary),
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

/// The digest of a table.
pub fn digest(table: &[u8]) -> Hash {
    let digested = table.get(DIGESTED_AT..).unwrap_or_default();
    Algorithm::Sha512_256.digest(&[DIGEST_DOMAIN, digested])
}
