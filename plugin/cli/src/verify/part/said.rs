//! A seal's statements on redactions and its schema, as parts have them.

use crate::verify::bytes::{Bytes, Damaged, put_number, put_text};
use crate::verify::tally::{Redaction, Said, Violation};

/// Writes the statements.
pub(super) fn put_said(out: &mut Vec<u8>, said: &Said) {
    out.push(said.schema.is_some().into());
    said.schema.iter().for_each(|schema| put_text(out, schema.as_bytes()));
    put_number(out, said.redacted.len() as u64);
    for (Redaction { rule, action, path }, count) in &said.redacted {
        [rule, action, path].into_iter().for_each(|text| put_text(out, text.as_bytes()));
        put_number(out, *count);
    }
    put_number(out, said.violations.len() as u64);
    for Violation { schema, keyword, place } in &said.violations {
        [schema, keyword, place].into_iter().for_each(|text| put_text(out, text.as_bytes()));
    }
}

/// Reads the statements.
pub(super) fn said(bytes: &mut Bytes<'_>) -> Result<Said, Damaged> {
    let mut said = Said { redacted: Vec::new(), schema: None, violations: Vec::new() };
    if bytes.byte()? == 1 {
        said.schema = Some(text(bytes)?);
    }
    for _ in 0..bytes.number()? {
        let redaction = Redaction { rule: text(bytes)?, action: text(bytes)?, path: text(bytes)? };
        said.redacted.push((redaction, bytes.number()?));
    }
    for _ in 0..bytes.number()? {
        let violation = Violation { schema: text(bytes)?, keyword: text(bytes)?, place: text(bytes)? };
        said.violations.push(violation);
    }
    Ok(said)
}

fn text(bytes: &mut Bytes<'_>) -> Result<String, Damaged> {
    String::from_utf8(bytes.text()?.to_vec()).map_err(|_| Damaged)
}
