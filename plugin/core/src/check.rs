//! Taking a sealed record apart, and holding its hashes against it.

use crate::canonical::Canonical;
use crate::hash::{Algorithm, Hash};
use crate::order::is_key;
use crate::seal::{AUDIT, ChainId, Notes, Place, Run, VERSION, hash_from_text};
use crate::tape::{Dialect, ESCAPED, Kind, REMOVED, Tape, Unreadable};
use crate::text::inner;
use alloc::string::String;

/// A record that carries a seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The chain that it belongs to.
    pub chain: ChainId,
    /// Where in the chain it stands.
    pub place: Place,
    /// The head before it, as the seal has it.
    pub previous: Hash,
    /// The head after it, as the seal has it.
    pub head: Hash,
    /// The record that its segment goes on from.
    pub link: Option<Place>,
    /// The record's time, in seconds since 1970.
    pub seconds: u64,
    /// Whether the filter could not read the record and sealed its raw text.
    pub is_raw: bool,
    /// Whether the record is the one that was sealed: the hash over it and
    /// over `previous` is `head`.
    pub is_intact: bool,
    /// How many of its top-level keys are not under the seal.
    pub unsealed_keys: u8,
}

/// What a text turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Checked {
    /// A record with a seal.
    Sealed(Sealed),
    /// A record without one.
    Unsealed,
    /// A record whose seal lacks a part or has one that no filter writes.
    Malformed,
    /// A record sealed in a version of the format that is not known here.
    UnknownVersion,
}

/// How many keys of one record may be of the ignored ones.
const IGNORED_KEYS_MAX: usize = 6;

/// Checks one record after the other. Its memory is kept between them.
#[derive(Debug, Default)]
pub struct Checker {
    tape: Tape,
    canonical: Canonical,
    /// The keys that outputs add at the top level.
    ignored: alloc::vec::Vec<String>,
}

impl Checker {
    /// A checker that tolerates these keys at the top level, if they are not
    /// under the seal.
    pub fn new(ignored: alloc::vec::Vec<String>) -> Self {
        Checker { ignored, ..Checker::default() }
    }

    /// Checks one record, given as JSON.
    pub fn check(&mut self, text: &[u8]) -> Result<Checked, Unreadable> {
        self.tape.read(text, Dialect::Json)?;
        let is_audit = |key: &usize| is_key(&self.tape, text, &self.tape.nodes[*key], AUDIT);
        let Some(key) = self.tape.keys(0).find(is_audit) else {
            return Ok(Checked::Unsealed);
        };
        let (mut sealed, algorithm, hashes) = match read_seal(&self.tape, text, key + 1) {
            Ok(parts) => parts,
            Err(NoSeal::Malformed) => return Ok(Checked::Malformed),
            Err(NoSeal::UnknownVersion) => return Ok(Checked::UnknownVersion),
        };
        let mut ignored = [0; IGNORED_KEYS_MAX];
        let mut count = 0;
        for key in self.tape.keys(0) {
            let node = &self.tape.nodes[key];
            if count < IGNORED_KEYS_MAX
                && self.ignored.iter().any(|name| is_key(&self.tape, text, node, name))
            {
                ignored[count] = key;
                count += 1;
            }
        }
        let ignored = &ignored[..count];
        // A record may have had such a key of its own, which then is under
        // the seal. So all ways to leave out some are tried, all of them first.
        for kept in 0..1u8 << count {
            for node in &mut self.tape.nodes {
                node.flags &= !REMOVED;
            }
            for key in hashes {
                self.tape.nodes[key].flags |= REMOVED;
            }
            for (bit, &key) in ignored.iter().enumerate() {
                if kept >> bit & 1 == 0 {
                    self.tape.nodes[key].flags |= REMOVED;
                }
            }
            self.tape.notes = Notes::NONE;
            self.canonical.write(&mut self.tape, text)?;
            // Of two members with one key a reader may take either.
            if self.tape.notes.contains(Notes::DUPLICATE_KEYS) {
                continue;
            }
            let leaf = algorithm.leaf([self.canonical.text(), b"", b"", b"", b"", b"", b"", b""]);
            if algorithm.head(&sealed.previous, &leaf) == sealed.head {
                sealed.is_intact = true;
                sealed.unsealed_keys = count as u8 - kept.count_ones() as u8;
                break;
            }
        }
        Ok(Checked::Sealed(sealed))
    }
}

/// Why what stands under `audit` is not taken for a seal.
enum NoSeal {
    Malformed,
    UnknownVersion,
}

/// Reads the seal at `audit`. Gives with it the keys of the two hashes.
fn read_seal(tape: &Tape, text: &[u8], audit: usize) -> Result<(Sealed, Algorithm, [usize; 2]), NoSeal> {
    let members = Members { tape, text, object: audit };
    let algorithm = match members.string("v") {
        Some([version, b'.', algorithm]) if *version == b'0' + VERSION => {
            Algorithm::from_id(algorithm.wrapping_sub(b'0')).ok_or(NoSeal::UnknownVersion)?
        }
        Some(_) => return Err(NoSeal::UnknownVersion),
        None => return Err(NoSeal::Malformed),
    };
    members.seal(algorithm).ok_or(NoSeal::Malformed)
}

/// The members of one object.
struct Members<'a> {
    tape: &'a Tape,
    text: &'a [u8],
    object: usize,
}

impl<'a> Members<'a> {
    fn seal(&self, algorithm: Algorithm) -> Option<(Sealed, Algorithm, [usize; 2])> {
        let time = self.string("time")?;
        let seconds = time.get(..time.iter().position(|&byte| byte == b'.')?)?;
        let link = match self.key("link") {
            Some(key) => Some(Members { object: key + 1, ..*self }.place()?),
            None => None,
        };
        let sealed = Sealed {
            chain: ChainId::from_text(self.string("chain")?)?,
            place: self.place()?,
            previous: hash_from_text(self.string("prev")?)?,
            head: hash_from_text(self.string("head")?)?,
            link,
            seconds: core::str::from_utf8(seconds).ok()?.parse().ok()?,
            is_raw: self.key("error").is_some(),
            is_intact: false,
            unsealed_keys: 0,
        };
        Some((sealed, algorithm, [self.key("prev")?, self.key("head")?]))
    }

    fn place(&self) -> Option<Place> {
        Some(Place {
            segment: self.number("seg")?,
            run: Run::from_text(self.string("run")?)?,
            sequence: self.number("seq")?,
        })
    }

    fn key(&self, name: &str) -> Option<usize> {
        if self.tape.nodes[self.object].kind != Kind::Object {
            return None;
        }
        self.tape.keys(self.object).find(|&key| is_key(self.tape, self.text, &self.tape.nodes[key], name))
    }

    fn value(&self, name: &str, kind: Kind) -> Option<&'a [u8]> {
        let node = &self.tape.nodes[self.key(name)? + 1];
        (node.kind == kind && !node.has(ESCAPED)).then(|| self.tape.text(node, self.text))
    }

    fn string(&self, name: &str) -> Option<&'a [u8]> {
        self.value(name, Kind::String).map(inner)
    }

    fn number(&self, name: &str) -> Option<u64> {
        core::str::from_utf8(self.value(name, Kind::Integer)?).ok()?.parse().ok()
    }
}
