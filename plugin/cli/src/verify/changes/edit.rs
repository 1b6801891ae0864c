//! Records written anew, with some of their members other than they were.

use flb_audit_core::Tape;
use flb_audit_core::record::tape::Kind;

/// A value of a record.
#[derive(Clone, Copy)]
pub(super) struct Value<'a> {
    /// Its key's node; none of an element.
    pub(super) key: Option<usize>,
    pub(super) node: usize,
    pub(super) kind: Kind,
    /// The text of its key and of itself; of a container, all of it.
    pub(super) name: &'a [u8],
    pub(super) token: &'a [u8],
    /// In how many containers it stands.
    pub(super) depth: usize,
    /// The key of the top-level member that it is, or stands in.
    pub(super) top: &'a [u8],
}

impl Value<'_> {
    /// Whether it is in the seal.
    pub(super) fn is_of_seal(&self) -> bool {
        self.depth > 1 && self.top == b"\"audit\""
    }
}

/// What becomes of a value.
pub(super) enum Edit {
    Keep,
    /// A member goes.
    Drop,
    /// A member gets another key; quotes and all.
    Rename(Vec<u8>),
    /// The value becomes another.
    Replace(Vec<u8>),
}

/// Writes the record on `tape` anew. Members that are added come last.
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

/// Returns all values of a record, in the order of the text.
pub(super) fn each(tape: &Tape, text: &[u8], mut see: impl FnMut(Value<'_>)) {
    rewrite(tape, text, b"", |value| {
        see(value);
        Edit::Keep
    });
}
