//! The members of an object on a tape: those of a seal or of an anchor.

use crate::chain::certificate::{Certificate, Handover, KeyStatement};
use crate::chain::checkpoint::Checkpoint;
use crate::chain::enrollment::{Enrollment, LentKey, NODE_BYTES_MAX, Role};
use crate::chain::id::{ChainId, Place, Run};
use crate::chain::signature::{PublicKey, Signature, signature_from_text};
use crate::hash::Hash;
use crate::record::canonical::Canonical;
use crate::record::notes::Notes;
use crate::record::order::is_key;
use crate::record::tape::{Dialect, ESCAPED, Kind, Node, Tape};
use crate::text::base64url::hash_from_text;
use crate::text::{Characters, inner};
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;

/// The maximum number of certificates, and of handovers, in a checkpoint: one for each
/// bit of a key's number, and some for the keys before it.
const ELEMENTS_MAX: usize = 40;

/// The maximum length of a string in a seal, in bytes: the 86 characters of a signature,
/// if all of them are escaped.
const ESCAPED_BYTES_MAX: usize = 86 * 6;

/// A checkpoint that is kept outside the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// The checkpoint. Its signatures have not been verified.
    pub checkpoint: Checkpoint,
    /// True if the anchor was taken from a log, so that its record was delivered.
    pub is_delivered: bool,
}

/// Reads a line of JSON that `in_checkpoint.wasm` or `flb-audit checkpoints` has printed.
/// Outputs may have added members to it. Returns `None` if it is not such a line.
pub fn read_anchor(text: &[u8]) -> Option<Anchor> {
    let mut tape = Tape::new();
    tape.read(text, Dialect::Json).ok()?;
    // If two members have the same key, a reader may take either.
    tape.notes = Notes::NONE;
    Canonical::default().write(&mut tape, text).ok()?;
    if tape.notes.contains(Notes::DUPLICATE_KEYS) {
        return None;
    }
    let members = Members::of(&tape, text, 0);
    let chain = ChainId::from_text(&members.string("chain")?)?;
    let checkpoint =
        members.checkpoint(chain, members.place()?, hash_from_text(&members.string("head")?)?)?;
    Some(Anchor { checkpoint, is_delivered: members.is_true("delivered") })
}

/// Reads an enrollment as checkpoints have it. Returns `None` if it is not one.
pub fn read_enrollment(text: &[u8]) -> Option<Enrollment> {
    let mut tape = Tape::new();
    tape.read(text, Dialect::Json).ok()?;
    Members::of(&tape, text, 0).enrollment()
}

/// The members of one object.
#[derive(Clone, Copy)]
pub(super) struct Members<'a> {
    tape: &'a Tape,
    text: &'a [u8],
    /// The node of the object.
    object: usize,
    /// The bits of the names that the members have. Names that are not here, nearly all of
    /// which have other bits, need no search.
    names: u64,
}

/// Returns the bit of a name. With these factors, `sig` is the only name in seals that can
/// be absent and has the bit of one that cannot.
const fn bit(name: &[u8]) -> u64 {
    let &[first, .., last] = name else {
        return 1;
    };
    1 << ((4 * first as u32 + last as u32) % u64::BITS)
}

impl<'a> Members<'a> {
    /// Returns the members of the object at a node.
    pub(super) fn of(tape: &'a Tape, text: &'a [u8], object: usize) -> Self {
        Members { tape, text, object, names: u64::MAX }
    }

    /// Returns the members of an object in which many names are searched for.
    pub(super) fn of_many(tape: &'a Tape, text: &'a [u8], object: usize) -> Self {
        let bit_of = |key: usize| match &tape.nodes[key] {
            key if key.has(ESCAPED) => u64::MAX,
            key => bit(inner(tape.text(key, text))),
        };
        let is_object = tape.nodes[object].kind == Kind::Object;
        let names = if is_object { tape.keys(object).map(bit_of).fold(0, |all, bit| all | bit) } else { 0 };
        Members { tape, text, object, names }
    }

    /// Returns the notes that `notes` lists. Unknown words are left out.
    pub(super) fn notes(&self) -> Notes {
        let mut notes = Notes::NONE;
        let Some(key) = self.key("notes") else {
            return notes;
        };
        let words = self.tape.nodes.get(key + 2..self.tape.after(key + 1)).unwrap_or_default();
        for word in words {
            notes.insert(self.unescaped(word).map_or(Notes::NONE, |word| Notes::from_word(&word)));
        }
        notes
    }

    pub(super) fn checkpoint(&self, chain: ChainId, place: Place, head: Hash) -> Option<Checkpoint> {
        let key = self.within("key")?.key_statement()?;
        Some(Checkpoint { chain, place, head, key, signature: self.signature()? })
    }

    fn key_statement(&self) -> Option<KeyStatement> {
        let (certificates, since) = (self.elements("certs")?, self.elements("since")?);
        Some(KeyStatement {
            index: self.index()?,
            certificates: certificates.map(|members| members.certificate()).collect::<Option<_>>()?,
            enrollment: match self.within("fleet") {
                Some(members) => Some(Box::new(members.enrollment()?)),
                None => None,
            },
            since: since.map(|members| members.handover()).collect::<Option<_>>()?,
        })
    }

    fn certificate(&self) -> Option<Certificate> {
        let public = PublicKey::from_text(&self.string("pub")?)?;
        Some(Certificate { index: self.index()?, public, role: self.role()?, signature: self.signature()? })
    }

    fn enrollment(&self) -> Option<Enrollment> {
        let until = match self.key("until") {
            Some(_) => Some(self.number("until")?),
            None => None,
        };
        let lent = match self.within("by") {
            Some(members) => Some(members.lent_key()?),
            None => None,
        };
        Some(Enrollment {
            node: self.text_of("node").filter(|node| node.len() <= NODE_BYTES_MAX)?,
            root: PublicKey::from_text(&self.string("pub")?)?,
            role: self.role()?,
            since: self.number("since")?,
            until,
            lent,
            signature: self.signature()?,
        })
    }

    fn lent_key(&self) -> Option<LentKey> {
        Some(LentKey {
            public: PublicKey::from_text(&self.string("pub")?)?,
            since: self.number("since")?,
            until: self.number("until")?,
            role: self.role()?,
            signature: self.signature()?,
        })
    }

    /// Returns the role that the member `role` states. Without it, the role is a filter's.
    fn role(&self) -> Option<Role> {
        match self.key("role") {
            None => Some(Role::Filter),
            Some(_) => (*self.string("role")? == *Role::LEDGER.as_bytes()).then_some(Role::Ledger),
        }
    }

    fn handover(&self) -> Option<Handover> {
        let head = hash_from_text(&self.string("head")?)?;
        Some(Handover { index: self.index()?, place: self.place()?, head, signature: self.signature()? })
    }

    fn index(&self) -> Option<u32> {
        self.number("n")?.try_into().ok()
    }

    pub(super) fn signature(&self) -> Option<Signature> {
        signature_from_text(&self.string("sig")?)
    }

    /// Returns the members of the member `name`.
    pub(super) fn within(&self, name: &str) -> Option<Members<'a>> {
        Some(Members::of(self.tape, self.text, self.key(name)? + 1))
    }

    /// Returns the elements of the array `name`, or `None` if there are more than
    /// [`ELEMENTS_MAX`]: a filter never writes more.
    fn elements(&self, name: &str) -> Option<impl Iterator<Item = Members<'a>> + 'a> {
        let (tape, text, array) = (self.tape, self.text, self.key(name)? + 1);
        let end = (tape.nodes[array].kind == Kind::Array).then(|| tape.after(array))?;
        let next = move |at: &usize| Some(tape.after(*at)).filter(|next| *next < end);
        let first = Some(array + 1).filter(|first| *first < end);
        let elements = core::iter::successors(first, next);
        let elements = elements.map(move |object| Members::of(tape, text, object));
        (elements.clone().count() <= ELEMENTS_MAX).then_some(elements)
    }

    pub(super) fn place(&self) -> Option<Place> {
        Some(Place {
            segment: self.number("seg").filter(|segment| *segment > 0)?,
            run: Run::from_text(&self.string("run")?)?,
            // A checkpoint signs the number after its own, so there must be one.
            sequence: self.number("seq").filter(|sequence| *sequence < u64::MAX)?,
        })
    }

    pub(super) fn key(&self, name: &str) -> Option<usize> {
        if self.names & bit(name.as_bytes()) == 0 || self.tape.nodes[self.object].kind != Kind::Object {
            return None;
        }
        self.tape.keys(self.object).find(|&key| is_key(self.tape, self.text, &self.tape.nodes[key], name))
    }

    fn value(&self, name: &str, kind: Kind) -> Option<&'a Node> {
        let node = &self.tape.nodes[self.key(name)? + 1];
        (node.kind == kind).then_some(node)
    }

    /// Returns a short string without its escapes: a store may escape any character.
    /// Returns `None` if there is no string, or if it is longer than every string that is
    /// read from seals.
    pub(super) fn string(&self, name: &str) -> Option<Cow<'a, [u8]>> {
        self.unescaped(self.value(name, Kind::String)?)
    }

    fn unescaped(&self, node: &Node) -> Option<Cow<'a, [u8]>> {
        let inner = inner(self.tape.text(node, self.text));
        match node.has(ESCAPED) {
            false => Some(Cow::Borrowed(inner)),
            true if inner.len() > ESCAPED_BYTES_MAX => None,
            true => Some(Cow::Owned(Characters::of(inner).collect::<String>().into_bytes())),
        }
    }

    /// Returns a string of any length, without its escapes.
    pub(super) fn text_of(&self, name: &str) -> Option<String> {
        let node = &self.tape.nodes[self.key(name)? + 1];
        (node.kind == Kind::String).then(|| Characters::of(inner(self.tape.text(node, self.text))).collect())
    }

    /// Returns the strings of the array `name`, without their escapes.
    pub(super) fn texts_of(&self, name: &str) -> impl Iterator<Item = String> + use<'a> {
        let (tape, text) = (self.tape, self.text);
        let array = self.key(name).map(|key| key + 1);
        let elements = array.and_then(|array| tape.nodes.get(array + 1..tape.after(array)));
        let strings = elements.unwrap_or_default().iter().filter(|node| node.kind == Kind::String);
        strings.map(|node| Characters::of(inner(tape.text(node, text))).collect())
    }

    fn is_true(&self, name: &str) -> bool {
        self.value(name, Kind::Word).is_some_and(|node| self.tape.text(node, self.text) == b"true")
    }

    pub(super) fn is_string(&self, name: &str) -> bool {
        self.key(name).is_some_and(|key| self.tape.nodes[key + 1].kind == Kind::String)
    }

    pub(super) fn is_object(&self, name: &str) -> bool {
        self.value(name, Kind::Object).is_some()
    }

    /// Checks that the member `name`, if it exists, is a string.
    pub(super) fn is_string_or_absent(&self, name: &str) -> bool {
        self.key(name).is_none() || self.is_string(name)
    }

    /// Checks that the member `name`, if it exists, is an integer of 0 or more.
    pub(super) fn is_count_or_absent(&self, name: &str) -> bool {
        self.key(name).is_none() || self.number(name).is_some()
    }

    /// Checks that the member `name`, if it exists, is an array of strings.
    pub(super) fn is_list_or_absent(&self, name: &str) -> bool {
        let Some(key) = self.key(name) else {
            return true;
        };
        let array = key + 1;
        let elements = self.tape.nodes.get(array + 1..self.tape.after(array)).unwrap_or_default();
        self.tape.nodes[array].kind == Kind::Array && elements.iter().all(|node| node.kind == Kind::String)
    }

    fn number(&self, name: &str) -> Option<u64> {
        let digits = self.tape.text(self.value(name, Kind::Integer)?, self.text);
        core::str::from_utf8(digits).ok()?.parse().ok()
    }
}
