//! Sentences with labelled spans, and how many of these are found. What finds
//! them may be the plain matcher, or, in `cargo xtask redaction`, the module
//! that ships.

use serde_json::Value;
use std::ops::Range;

/// A type of span, and what has to find it.
pub(crate) struct Type {
    /// As the corpus calls it.
    pub(crate) name: &'static str,
    /// The class of the detectors that find it.
    pub(crate) class: &'static str,
    /// What recall and precision may not fall below, in thousandths.
    pub(crate) recall_min: usize,
    pub(crate) precision_min: usize,
}

const fn required(name: &'static str, class: &'static str) -> Type {
    Type { name, class, recall_min: 980, precision_min: 950 }
}

pub(crate) const TYPES: [Type; 6] = [
    required("CREDIT_CARD", "payment-card"),
    required("EMAIL_ADDRESS", "email"),
    required("IBAN_CODE", "iban"),
    required("US_SSN", "us-ssn"),
    required("IP_ADDRESS", "ip"),
    // A telephone number without its country or a label cannot be told from
    // other digits.
    Type { recall_min: 900, ..required("PHONE_NUMBER", "phone") },
];

/// A part of a text that was found, and its class.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) class: String,
    pub(crate) part: Range<usize>,
}

/// How many spans there are, how many of them are found, how many parts were
/// found, how many of these are spans.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Count {
    pub(crate) labelled: usize,
    pub(crate) found: usize,
    pub(crate) hits: usize,
    pub(crate) right: usize,
}

impl Count {
    /// Counts one type, of lines of the corpus and what was found in each.
    pub(crate) fn of(kind: &Type, lines: &[Value], found: &[Vec<Found>]) -> Count {
        let mut count = Count::default();
        let overlaps = |a: &Range<usize>, b: &Range<usize>| a.start < b.end && b.start < a.end;
        for (line, found) in lines.iter().zip(found) {
            let spans = spans(line, kind.name);
            let of_class: Vec<&Found> = found.iter().filter(|found| found.class == kind.class).collect();
            let is_found = |span: &&Range<usize>| of_class.iter().any(|hit| overlaps(&hit.part, span));
            let is_right = |hit: &&&Found| spans.iter().any(|span| overlaps(&hit.part, span));
            count.labelled += spans.len();
            count.found += spans.iter().filter(is_found).count();
            count.hits += of_class.len();
            count.right += of_class.iter().filter(is_right).count();
        }
        count
    }

    /// Found spans among all, in thousandths.
    pub(crate) fn recall(&self) -> usize {
        1000 * self.found / self.labelled.max(1)
    }

    /// Right hits among all, in thousandths.
    pub(crate) fn precision(&self) -> usize {
        1000 * self.right / self.hits.max(1)
    }
}

/// The text of a line.
pub(crate) fn text(line: &Value) -> &str {
    line["text"].as_str().expect("a text")
}

/// The spans of a type, in bytes: the corpus counts characters.
fn spans(line: &Value, kind: &str) -> Vec<Range<usize>> {
    let text = text(line);
    let offsets: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let at = |index: &Value| offsets[index.as_u64().expect("an offset") as usize];
    let spans = line["spans"].as_array().expect("spans").iter().filter(|span| span[0] == kind);
    spans.map(|span| at(&span[1])..at(&span[2])).collect()
}
