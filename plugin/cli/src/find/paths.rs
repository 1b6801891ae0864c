//! The paths at which a value stands in a record.

/// The maximum length of all paths of a record that are listed, in bytes. A value can stand in
/// a record a million times.
const BYTES_MAX: usize = 1024;

/// The first paths, and the number of the others.
#[derive(Default)]
pub(super) struct Paths {
    first: Vec<String>,
    /// The length of the first ones, in bytes.
    bytes: usize,
    others: u64,
}

impl Paths {
    /// Adds a path in the record, which stands at the path `within`.
    pub(super) fn add(&mut self, within: &str, path: &str) {
        let joint = if within.is_empty() { "" } else { "." };
        let bytes = within.len() + joint.len() + path.len();
        if self.others == 0 && self.bytes + bytes <= BYTES_MAX {
            self.bytes += bytes;
            self.first.push([within, joint, path].concat());
        } else if self.first.is_empty() {
            self.bytes = BYTES_MAX;
            let path = within.chars().chain(joint.chars()).chain(path.chars());
            self.first.push(path.take(BYTES_MAX).chain(['…']).collect());
        } else {
            self.others += 1;
        }
    }

    /// Returns all of it for display. The text is empty if there is no path.
    pub(super) fn into_text(mut self) -> String {
        self.first.sort();
        let mut text = self.first.join(", ");
        if self.others > 0 {
            text += &format!(" and {} more", self.others);
        }
        text
    }
}
