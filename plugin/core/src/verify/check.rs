//! Taking a sealed record apart, and holding its hashes against it.

use crate::chain::certificate::{Certificate, Handover, KeyStatement};
use crate::chain::checkpoint::Checkpoint;
use crate::chain::id::{ChainId, Place, Run};
use crate::chain::signature::{PublicKey, Signature, signature_from_text};
use crate::hash::{Algorithm, Hash};
use crate::memory::OutOfMemory;
use crate::policy::DIGEST_TEXT_BYTES;
use crate::record::canonical::Canonical;
use crate::record::member::{AUDIT, QUARANTINE};
use crate::record::notes::{Notes, STATEMENT_WORD};
use crate::record::order::is_key;
use crate::record::tape::{Dialect, ESCAPED, Kind, REMOVED, Tape, Unreadable};
use crate::schema::Disposition;
use crate::seal::VERSION;
use crate::text::base64url::{hash_from_text, is_base64url};
use crate::text::{Characters, inner};
use alloc::string::String;

/// A record that carries a seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The chain that it belongs to.
    pub chain: ChainId,
    /// The hash function that it is sealed with.
    pub algorithm: Algorithm,
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
    /// Whether it is a checkpoint: its seal names a key.
    pub is_checkpoint: bool,
    /// Whether it is no record that came, but what the one who sealed it has to
    /// say.
    pub is_statement: bool,
    /// What its schema says of it.
    pub validity: Validity,
    /// What became of it, if it is invalid.
    pub disposition: Disposition,
}

/// What a record's seal says of it and its schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Validity {
    /// There was no schema for it.
    #[default]
    NoSchema,
    /// It was checked, and is valid.
    Valid,
    /// It is not.
    Invalid,
    /// It could not be checked, or not to the end.
    NotChecked,
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

/// How many certificates or handovers a checkpoint may have: one for each bit
/// of a key's number, and some for the keys before it.
const ELEMENTS_MAX: usize = 40;

/// How many keys of one record may be of the ignored ones; those after them are
/// taken as they stand.
const IGNORED_KEYS_MAX: usize = 6;

/// Checks one record after the other. Its memory is kept between them.
#[derive(Debug, Default)]
pub struct Checker {
    tape: Tape,
    canonical: Canonical,
    /// The leaf of the record checked last.
    leaf: Hash,
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
        let (mut sealed, closing) = match read_seal(&self.tape, text, key + 1) {
            Ok(parts) => parts,
            Err(NoSeal::Malformed) => return Ok(Checked::Malformed),
            Err(NoSeal::UnknownVersion) => return Ok(Checked::UnknownVersion),
        };
        // Each with the number of its name.
        let mut ignored = [(0, 0); IGNORED_KEYS_MAX];
        let mut count = 0;
        for key in self.tape.keys(0) {
            let node = &self.tape.nodes[key];
            let is_it = |name: &String| is_key(&self.tape, text, node, name);
            if count < IGNORED_KEYS_MAX
                && let Some(name) = self.ignored.iter().position(is_it)
            {
                ignored[count] = (key, name);
                count += 1;
            }
        }
        let ignored = &ignored[..count];
        // A record may have had such a key of its own, which then is under
        // the seal. So all ways to leave out some are tried, all of them first.
        for kept in 0..1u8 << count {
            if is_overridden(ignored, kept) {
                continue;
            }
            for node in &mut self.tape.nodes {
                node.flags &= !REMOVED;
            }
            for key in closing.into_iter().flatten() {
                self.tape.nodes[key].flags |= REMOVED;
            }
            for (bit, &(key, _)) in ignored.iter().enumerate() {
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
            self.leaf = sealed.algorithm.leaf([self.canonical.text(), b"", b"", b""]);
            if sealed.algorithm.head(&sealed.previous, &self.leaf) == sealed.head {
                sealed.is_intact = true;
                sealed.unsealed_keys = count as u8 - kept.count_ones() as u8;
                break;
            }
        }
        Ok(Checked::Sealed(sealed))
    }

    /// The leaf of the record checked last, if that was intact.
    pub fn leaf(&self) -> &Hash {
        &self.leaf
    }

    /// The record checked last, which was this text, as its schema sees it:
    /// without its seal, if it has one, without keys that are not under that,
    /// and without members that another one of their key has replaced.
    pub fn record(&mut self, text: &[u8], is_sealed: bool) -> Result<&Tape, OutOfMemory> {
        let is_audit = |key: &usize| is_key(&self.tape, text, &self.tape.nodes[*key], AUDIT);
        let audit = self.tape.keys(0).find(is_audit).filter(|_| is_sealed);
        if let Some(key) = audit {
            self.tape.remove(key);
        }
        self.canonical.write(&mut self.tape, text)?;
        Ok(&self.tape)
    }

    /// The tag that the record checked last was sealed under.
    pub fn tag(&self, text: &[u8]) -> Option<String> {
        let record = Members { tape: &self.tape, text, object: 0 };
        record.within(AUDIT)?.text_of("tag")
    }

    /// The text of the record checked last, if that is one in quarantine.
    pub fn quarantined(&self, text: &[u8]) -> Option<String> {
        Members { tape: &self.tape, text, object: 0 }.text_of(QUARANTINE)
    }

    /// What the record checked last, which was this text, says as a
    /// checkpoint; none if that is nothing that a filter writes. Its
    /// signatures have not been verified.
    pub fn checkpoint(&self, text: &[u8], sealed: &Sealed) -> Option<Checkpoint> {
        let is_audit = |key: &usize| is_key(&self.tape, text, &self.tape.nodes[*key], AUDIT);
        let audit = self.tape.keys(0).find(is_audit)?;
        let members = Members { tape: &self.tape, text, object: audit + 1 };
        members.checkpoint(sealed.chain, sealed.place, sealed.head)
    }
}

/// Whether a key that is left out stands behind one of its name that is kept.
/// Outputs add theirs before the record, and most readers take the last: what
/// comes after would stand for what is under the seal.
fn is_overridden(ignored: &[(usize, usize)], kept: u8) -> bool {
    let is_kept = |at: usize| kept >> at & 1 == 1;
    let is_behind = |at: usize| (0..at).any(|before| is_kept(before) && ignored[before].1 == ignored[at].1);
    (0..ignored.len()).any(|at| !is_kept(at) && is_behind(at))
}

/// Reads a line of JSON that `in_checkpoint.wasm` has printed; outputs may
/// have added members to it. None if it is not one. Its signatures have not
/// been verified.
pub fn read_anchor(text: &[u8]) -> Option<Checkpoint> {
    let mut tape = Tape::new();
    tape.read(text, Dialect::Json).ok()?;
    let members = Members { tape: &tape, text, object: 0 };
    let chain = ChainId::from_text(members.string("chain")?)?;
    members.checkpoint(chain, members.place()?, hash_from_text(members.string("head")?)?)
}

/// Why what stands under `audit` is not taken for a seal.
enum NoSeal {
    Malformed,
    UnknownVersion,
}

/// The members of a seal that its leaf does not cover: `prev`, `head`, `sig`.
type Closing = [Option<usize>; 3];

/// Reads the seal at `audit`. Gives with it the keys of what closes it.
fn read_seal(tape: &Tape, text: &[u8], audit: usize) -> Result<(Sealed, Closing), NoSeal> {
    let members = Members { tape, text, object: audit };
    let algorithm = match members.string("v") {
        Some([version, b'.', algorithm, policy @ ..]) if *version == b'0' + VERSION && is_policy(policy) => {
            Algorithm::from_id(algorithm.wrapping_sub(b'0')).ok_or(NoSeal::UnknownVersion)?
        }
        Some(_) => return Err(NoSeal::UnknownVersion),
        None => return Err(NoSeal::Malformed),
    };
    members.seal(algorithm).ok_or(NoSeal::Malformed)
}

/// Whether a version ends here or goes on with a policy's digest.
fn is_policy(text: &[u8]) -> bool {
    match text {
        [] => true,
        [b'.', digest @ ..] => digest.len() == DIGEST_TEXT_BYTES && digest.iter().all(is_base64url),
        _ => false,
    }
}

/// The members of one object.
struct Members<'a> {
    tape: &'a Tape,
    text: &'a [u8],
    object: usize,
}

impl<'a> Members<'a> {
    fn seal(&self, algorithm: Algorithm) -> Option<(Sealed, Closing)> {
        let time = self.string("time")?;
        let seconds = time.get(..time.iter().position(|&byte| byte == b'.')?)?;
        let link = match self.within("link") {
            Some(members) => Some(members.place()?),
            None => None,
        };
        let sealed = Sealed {
            chain: ChainId::from_text(self.string("chain")?)?,
            algorithm,
            place: self.place()?,
            previous: hash_from_text(self.string("prev")?)?,
            head: hash_from_text(self.string("head")?)?,
            link,
            seconds: core::str::from_utf8(seconds).ok()?.parse().ok()?,
            is_raw: self.key("error").is_some(),
            is_intact: false,
            unsealed_keys: 0,
            is_checkpoint: self.key("key").is_some(),
            is_statement: self.has_note(STATEMENT_WORD),
            validity: Validity::NoSchema,
            disposition: Disposition::Mark,
        };
        let sealed = self.with_validity(sealed);
        let signature = self.key("sig");
        // What is signed says by which key; else it is no part of a seal.
        let is_whole = signature.is_none() || sealed.is_checkpoint;
        is_whole.then_some((sealed, [self.key("prev"), self.key("head"), signature]))
    }

    fn has_note(&self, word: &str) -> bool {
        let Some(key) = self.key("notes") else {
            return false;
        };
        let notes = self.tape.nodes.get(key + 2..self.tape.after(key + 1)).unwrap_or_default();
        notes.iter().any(|note| inner(self.tape.text(note, self.text)) == word.as_bytes())
    }

    fn with_validity(&self, mut sealed: Sealed) -> Sealed {
        let (mut has_schema, mut is_invalid, mut is_unchecked) = (false, false, false);
        for key in self.tape.keys(self.object) {
            match inner(self.tape.text(&self.tape.nodes[key], self.text)) {
                b"schema" => has_schema = true,
                b"invalid" => is_invalid = true,
                b"unchecked" => is_unchecked = true,
                b"disposition" => {
                    let word = inner(self.tape.text(&self.tape.nodes[key + 1], self.text));
                    let known = Disposition::ALL.into_iter().find(|known| known.name().as_bytes() == word);
                    sealed.disposition = known.unwrap_or_default();
                }
                _ => {}
            }
        }
        sealed.validity = match () {
            () if is_invalid => Validity::Invalid,
            () if is_unchecked => Validity::NotChecked,
            () if has_schema => Validity::Valid,
            () => Validity::NoSchema,
        };
        sealed
    }

    fn checkpoint(&self, chain: ChainId, place: Place, head: Hash) -> Option<Checkpoint> {
        let key = self.within("key")?.key_statement()?;
        Some(Checkpoint { chain, place, head, key, signature: self.signature()? })
    }

    fn key_statement(&self) -> Option<KeyStatement> {
        let (certificates, since) = (self.elements("certs")?, self.elements("since")?);
        Some(KeyStatement {
            index: self.index()?,
            certificates: certificates.map(|members| members.certificate()).collect::<Option<_>>()?,
            since: since.map(|members| members.handover()).collect::<Option<_>>()?,
        })
    }

    fn certificate(&self) -> Option<Certificate> {
        let public = PublicKey::from_text(self.string("pub")?)?;
        Some(Certificate { index: self.index()?, public, signature: self.signature()? })
    }

    fn handover(&self) -> Option<Handover> {
        let head = hash_from_text(self.string("head")?)?;
        Some(Handover { index: self.index()?, place: self.place()?, head, signature: self.signature()? })
    }

    fn index(&self) -> Option<u32> {
        self.number("n")?.try_into().ok()
    }

    fn signature(&self) -> Option<Signature> {
        signature_from_text(self.string("sig")?)
    }

    /// The members of the member `name`.
    fn within(&self, name: &str) -> Option<Members<'a>> {
        Some(Members { object: self.key(name)? + 1, ..*self })
    }

    /// The elements of the array `name`, of which a filter writes no more
    /// than [`ELEMENTS_MAX`].
    fn elements(&self, name: &str) -> Option<impl Iterator<Item = Members<'a>> + 'a> {
        let (tape, text, array) = (self.tape, self.text, self.key(name)? + 1);
        let end = (tape.nodes[array].kind == Kind::Array).then(|| tape.after(array))?;
        let next = move |at: &usize| Some(tape.after(*at)).filter(|next| *next < end);
        let first = Some(array + 1).filter(|first| *first < end);
        let elements = core::iter::successors(first, next);
        let elements = elements.map(move |object| Members { tape, text, object });
        (elements.clone().count() <= ELEMENTS_MAX).then_some(elements)
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

    /// A string without its escapes.
    fn text_of(&self, name: &str) -> Option<String> {
        let node = &self.tape.nodes[self.key(name)? + 1];
        (node.kind == Kind::String).then(|| Characters::of(inner(self.tape.text(node, self.text))).collect())
    }

    fn number(&self, name: &str) -> Option<u64> {
        core::str::from_utf8(self.value(name, Kind::Integer)?).ok()?.parse().ok()
    }
}
