//! Envelopes: texts that are not sealed records themselves but contain some.
//!
//! Stores and transports put a record into an object of their own, as JSON or as a
//! string, and several records into an array. A record is found wherever it stands. But
//! nothing is taken from within a sealed record, whose data may quote other records.

use super::decompress::gunzip;
use super::line::Line;
use super::place::Place;
use super::record::LINE_BYTES_MAX;
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use flb_audit_core::Tape;
use flb_audit_core::record::tape::{Dialect, Kind, Unreadable};
use flb_audit_core::text::{Characters, inner};
use memchr::memmem;

/// The maximum number of strings nested in one another.
const STRINGS_DEEP_MAX: u32 = 4;
/// The maximum length of a member's name in a place, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// The number of records among the members of an object from which on its other objects
/// are expected to be records, too.
const MEMBERS_ALIKE: u32 = 3;

/// Something that was found in a text.
pub(super) enum Item<'a> {
    /// A record, recognised by its seal.
    Record(&'a [u8], &'a Place),
    /// A value without a seal among others of its kind that have one.
    Unsealed(&'a [u8], &'a Place),
    /// A torn line.
    Torn,
}

/// Receives what is found.
pub(super) type See<'a> = &'a mut dyn FnMut(Item<'_>);

/// Searches texts for records. It keeps its memory between texts.
#[derive(Default)]
pub(super) struct Opener {
    tapes: Vec<Tape>,
    /// The number of bytes to which compressed strings of this text may still decompress.
    inflated_max: usize,
}

impl Opener {
    /// Passes everything found in a text, which stands at `place`, to `see`. Returns the
    /// number of records found.
    pub(super) fn open(&mut self, text: &[u8], place: &Place, see: See<'_>) -> u64 {
        if !may_hold(text) {
            return 0;
        }
        self.inflated_max = LINE_BYTES_MAX;
        self.look(text, place, 0, see)
    }

    /// Searches a text, which is JSON or a line that contains JSON.
    pub(super) fn look(&mut self, text: &[u8], place: &Place, level: u32, see: See<'_>) -> u64 {
        match self.look_into_json(text, place, level, see) {
            Ok(found) => found,
            Err(_) => Line::of(text).map_or(0, |line| line.look(self, place, level, see)),
        }
    }

    /// Searches a JSON text, which may be a record itself.
    pub(super) fn look_into_json(
        &mut self,
        text: &[u8],
        place: &Place,
        level: u32,
        see: See<'_>,
    ) -> Result<u64, Unreadable> {
        let mut tape = self.tapes.pop().unwrap_or_default();
        let read = tape.read_value(text, Dialect::Json);
        let found =
            read.map(|()| Walk { opener: self, tape: &tape, text, place, level, open: vec![] }.walk(see));
        self.tapes.push(tape);
        found
    }

    /// Searches an array of bytes. `token` is the array's text.
    fn look_into_bytes(&mut self, token: &[u8], place: &Place, level: u32, see: See<'_>) -> u64 {
        match serde_json::from_slice::<Vec<u8>>(token) {
            Ok(bytes) if level < STRINGS_DEEP_MAX => self.look(&bytes, place, level + 1, see),
            _ => 0,
        }
    }

    /// Searches a string. `token` is the string's text with its quotes.
    fn look_into_string(&mut self, token: &[u8], place: &Place, level: u32, see: See<'_>) -> u64 {
        if level == STRINGS_DEEP_MAX || !may_hold(token) {
            return 0;
        }
        let Ok(string) = serde_json::from_slice::<String>(token) else { return 0 };
        match from_base64(&string) {
            None => self.look(string.as_bytes(), &place.in_string("text"), level + 1, see),
            Some(bytes) if bytes.starts_with(&[0x1f, 0x8b]) => {
                let Some(text) = gunzip(&bytes, &mut self.inflated_max) else { return 0 };
                self.look(&text, &place.in_string("gzip in base64"), level + 1, see)
            }
            Some(bytes) => self.look(&bytes, &place.in_string("base64"), level + 1, see),
        }
    }
}

/// Checks whether an array may be the bytes of an object.
fn is_bytes(token: &[u8]) -> bool {
    BYTES_STARTS.iter().any(|start| token.starts_with(start))
}

/// Checks quickly whether a text may hold a seal: it has the names of a seal's members,
/// or base64.
pub(super) fn may_hold(text: &[u8]) -> bool {
    let is_closed = |at: usize| matches!(text.get(at + b"audit".len()), Some(b'"' | b'\\'));
    BASE64_STARTS.iter().chain(&BYTES_STARTS).any(|start| memmem::find(text, start).is_some())
        || memmem::find_iter(text, b"audit").any(is_closed) && memmem::find(text, b"head").is_some()
}

/// The start of objects, arrays and gzip in base64, behind a quote. Objects and arrays
/// start with a brace or bracket and the characters that JSON may have behind it.
const BASE64_STARTS: [&[u8]; 6] = [b"\"ey", b"\"ew", b"\"W1", b"\"W3", b"\"Wy", b"\"H4sI"];

/// The start of an array of bytes that holds an object, as journald prints a message that
/// is not plain text.
const BYTES_STARTS: [&[u8]; 2] = [b"[123,", b"[ 123,"];

/// The minimum length of base64 that may hold a record, in bytes.
const BASE64_BYTES_MIN: usize = 200;

fn from_base64(string: &str) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let is_start = |start: &&[u8]| string.as_bytes().starts_with(&start[1..]);
    if string.len() < BASE64_BYTES_MIN || !BASE64_STARTS.iter().any(is_start) {
        return None;
    }
    let alphabet = if string.contains(['-', '_']) { &alphabet::URL_SAFE } else { &alphabet::STANDARD };
    GeneralPurpose::new(alphabet, config).decode(string).ok()
}

/// A container that is being searched.
struct Open {
    /// The container's node, and the first node behind the container.
    node: usize,
    end: usize,
    /// The key, or the number of the element, that is being searched.
    key: usize,
    /// The number of records found before its first value.
    found_before: u64,
    /// The kinds of its values that hold records, one bit each.
    kinds: u8,
    /// The number of its values that are records.
    records: u32,
    /// The values in the container that hold no record but could hold one.
    others: Vec<usize>,
    /// True if its elements are pairs of a name and a value.
    has_pairs: bool,
}

/// Searches one JSON text. It recurses only for strings.
struct Walk<'a> {
    opener: &'a mut Opener,
    tape: &'a Tape,
    text: &'a [u8],
    /// The place of the text.
    place: &'a Place,
    level: u32,
    open: Vec<Open>,
}

impl Walk<'_> {
    fn walk(mut self, see: See<'_>) -> u64 {
        let (tape, text) = (self.tape, self.text);
        let (mut at, mut found) = (0, 0);
        loop {
            while self.open.last().is_some_and(|open| open.end <= at) {
                self.close(found, see);
            }
            let Some(node) = tape.nodes().get(at) else { return found };
            let kind = node.kind();
            match kind {
                Kind::Key => {
                    if let Some(open) = self.open.last_mut() {
                        open.key = at;
                    }
                    at += 1;
                    continue;
                }
                Kind::Object if is_sealed(tape, text, at) => {
                    see(Item::Record(tape.text(node, text), &self.place_of(None)));
                    self.value(at, found, found + 1);
                    if let Some(open) = self.open.last_mut() {
                        open.records += 1;
                    }
                    found += 1;
                    at = tape.after(at);
                    continue;
                }
                Kind::Array if is_bytes(tape.text(node, text)) => {
                    let place = self.place_of(None).in_string("bytes");
                    let before = found;
                    found += self.opener.look_into_bytes(tape.text(node, text), &place, self.level, see);
                    self.value(at, before, found);
                    at = tape.after(at);
                    continue;
                }
                Kind::Object | Kind::Array => {
                    let end = tape.after(at);
                    let (key, found_before, others) = (0, found, vec![]);
                    let (kinds, records, has_pairs) = (0, 0, false);
                    self.open.push(Open {
                        node: at,
                        end,
                        key,
                        found_before,
                        kinds,
                        records,
                        others,
                        has_pairs,
                    });
                }
                Kind::String => {
                    let token = tape.text(node, text);
                    if may_hold(token) {
                        let place = self.place_of(None);
                        let before = found;
                        found += self.opener.look_into_string(token, &place, self.level, see);
                        self.value(at, before, found);
                    } else {
                        self.value(at, found, found);
                    }
                }
                _ => self.value(at, found, found),
            }
            at += 1;
        }
    }

    /// Notes the result for the value at `at` in the container that is open.
    fn value(&mut self, at: usize, before: u64, found: u64) {
        let (tape, text) = (self.tape, self.text);
        let kind = tape.nodes()[at].kind();
        let token = tape.text(&tape.nodes()[at], text);
        let is_pair = found > before && kind == Kind::Object && is_pair(tape, text, at);
        let Some(open) = self.open.last_mut() else { return };
        let is_array = tape.nodes()[open.node].kind() == Kind::Array;
        if found > before {
            open.kinds |= bit(kind);
            open.has_pairs |= is_pair;
        } else if matches!(kind, Kind::Object | Kind::Array) || is_array && token.starts_with(b"\"{") {
            open.others.push(at);
        }
        open.key += usize::from(is_array);
    }

    /// Closes the innermost container, and reports those of its values that lack a
    /// record.
    fn close(&mut self, found: u64, see: See<'_>) {
        let Some(open) = self.open.pop() else { return };
        let (tape, text) = (self.tape, self.text);
        let is_array = tape.nodes()[open.node].kind() == Kind::Array;
        let are_alike = if is_array { !open.has_pairs } else { open.records >= MEMBERS_ALIKE };
        if are_alike && open.kinds != 0 {
            let lacking = open.others.iter().filter(|at| open.kinds & bit(tape.nodes()[**at].kind()) != 0);
            for at in lacking {
                let node = &tape.nodes()[*at];
                see(Item::Unsealed(tape.text(node, text), &self.place_of(Some(&open))));
            }
        }
        self.value(open.node, open.found_before, found);
    }

    /// Returns the place of the current value. If `within` is given, returns the place of
    /// a value in that container, which has been closed.
    fn place_of(&self, within: Option<&Open>) -> Place {
        let mut place = self.place.clone();
        for open in self.open.iter().chain(within) {
            let is_closed = within.is_some_and(|within| within.node == open.node);
            if self.tape.nodes()[open.node].kind() == Kind::Array {
                place.push_element(Some(open.key).filter(|_| !is_closed));
            } else if !is_closed {
                let key = inner(self.tape.text(&self.tape.nodes()[open.key], self.text));
                let name: String = Characters::of(&key[..key.len().min(NAME_BYTES_MAX)]).collect();
                place.push_member(&name);
            }
        }
        place
    }
}

fn bit(kind: Kind) -> u8 {
    match kind {
        Kind::Object => 1,
        Kind::Array => 2,
        _ => 4,
    }
}

/// Checks whether a text, which was read onto the tape, is a record with a seal.
pub(crate) fn is_record(tape: &Tape, text: &[u8]) -> bool {
    tape.nodes().first().is_some_and(|root| root.kind() == Kind::Object) && is_sealed(tape, text, 0)
}

/// Checks whether an object has a seal: a member `audit` with a chain and a head.
pub(super) fn is_sealed(tape: &Tape, text: &[u8], object: usize) -> bool {
    let has = |object: usize, name: &str| tape.keys(object).find(|key| is_key(tape, text, *key, name));
    has(object, "audit").is_some_and(|key| {
        let seal = key + 1;
        tape.nodes()[seal].kind() == Kind::Object
            && has(seal, "chain").is_some()
            && has(seal, "head").is_some()
    })
}

fn is_key(tape: &Tape, text: &[u8], key: usize, name: &str) -> bool {
    let token = inner(tape.text(&tape.nodes()[key], text));
    token == name.as_bytes() || token.contains(&b'\\') && Characters::of(token).eq(name.chars())
}

/// Checks whether an object is a pair of a name and a value, as some stores write members
/// of a record.
fn is_pair(tape: &Tape, text: &[u8], object: usize) -> bool {
    const NAMES: [&str; 5] = ["key", "name", "field", "Key", "Name"];
    let has_name = |key: usize| NAMES.iter().any(|name| is_key(tape, text, key, name));
    tape.keys(object).count() <= 3 && tape.keys(object).any(has_name)
}
