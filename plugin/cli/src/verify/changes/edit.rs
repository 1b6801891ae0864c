//! Rewrites records with some members changed.

use flb_audit_core::Tape;
use flb_audit_core::record::tape::Kind;

/// A value of a record.
#[derive(Clone, Copy)]
pub(super) struct Value<'a> {
    /// The node of its key. `None` for an element of an array.
    pub(super) key: Option<usize>,
    pub(super) node: usize,
    pub(super) kind: Kind,
    /// The text of its key, and of the value itself with everything in it.
    pub(super) name: &'a [u8],
    pub(super) token: &'a [u8],
    /// The number of containers around it.
    pub(super) depth: usize,
    /// The key of the top-level member that contains it.
    pub(super) top: &'a [u8],
}

impl Value<'_> {
    /// Checks whether the value is in the seal.
    pub(super) fn is_of_seal(&self) -> bool {
        self.depth > 1 && self.top == b"\"audit\""
    }
}

/// The change of a value.
pub(super) enum Edit {
    Keep,
    /// Removes the member.
    Drop,
    /// Gives the member another key. The key is written with its quotes.
    Rename(Vec<u8>),
    /// Replaces the value.
    Replace(Vec<u8>),
}

/// Rewrites the record on `tape`. Added members come last.
pub(super) fn rewrite(
    tape: &Tape,
    text: &[u8],
    added: &[u8],
    mut edit: impl FnMut(Value<'_>) -> Edit,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + added.len());
    let mut open: Vec<(usize, Kind)> = Vec::new();
    let (mut at, mut is_first) = (0, true);
    let mut top: &[u8] = b"";
    loop {
        while open.last().is_some_and(|(end, _)| *end <= at) {
            if open.len() == 1 && !added.is_empty() {
                out.extend_from_slice(if is_first { b"" } else { b"," });
                out.extend_from_slice(added);
            }
            let is_object = open.pop().is_some_and(|(_, kind)| kind == Kind::Object);
            out.push(if is_object { b'}' } else { b']' });
            is_first = false;
        }
        let Some(node) = tape.nodes().get(at) else { return out };
        let key = (node.kind() == Kind::Key).then_some(at);
        let value = at + usize::from(key.is_some());
        let (name, node) =
            (key.map_or(&b""[..], |key| tape.text(&tape.nodes()[key], text)), &tape.nodes()[value]);
        if open.len() == 1 {
            top = name;
        }
        let (kind, token) = (node.kind(), tape.text(node, text));
        let edit = edit(Value { key, node: value, kind, name, token, depth: open.len(), top });
        if matches!(edit, Edit::Drop) {
            at = tape.after(value);
            continue;
        }
        if !is_first {
            out.push(b',');
        }
        if key.is_some() {
            out.extend_from_slice(if let Edit::Rename(name) = &edit { name } else { name });
            out.push(b':');
        }
        is_first = false;
        match (edit, kind) {
            (Edit::Replace(token), _) => {
                out.extend_from_slice(&token);
                at = tape.after(value);
            }
            (_, Kind::Object | Kind::Array) => {
                out.push(if kind == Kind::Object { b'{' } else { b'[' });
                open.push((tape.after(value), kind));
                is_first = true;
                at = value + 1;
            }
            _ => {
                out.extend_from_slice(token);
                at = value + 1;
            }
        }
    }
}

/// Passes all values of a record to `see`, in the order of the text.
pub(super) fn each(tape: &Tape, text: &[u8], mut see: impl FnMut(Value<'_>)) {
    rewrite(tape, text, b"", |value| {
        see(value);
        Edit::Keep
    });
}
