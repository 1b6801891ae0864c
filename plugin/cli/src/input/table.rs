//! Lines with columns: CSV with commas, semicolons, tabs or bars.

use memchr::{memchr, memchr_iter, memchr2};

/// The delimiters between columns.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// The maximum length of a column's name, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// Checks whether the first line has the names of columns: as many as the second line has
/// columns, one of which is JSON.
pub(super) fn has_header(start: &[u8]) -> bool {
    let Some(end) = memchr(b'\n', start) else { return false };
    let first = start[..end].trim_ascii_end();
    let rest = &start[end + 1..];
    let second = rest[..memchr(b'\n', rest).unwrap_or(rest.len())].trim_ascii_end();
    DELIMITERS.into_iter().any(|delimiter| {
        let count = columns(first, delimiter).count();
        let is_json = |column: &[u8]| match column {
            [b'"', b'{', ..] => true,
            // Tabs are the only delimiters that do not stand in JSON.
            [b'{', ..] => delimiter == b'\t' && count > 1,
            _ => false,
        };
        columns(first, delimiter).all(is_name)
            && columns(second, delimiter).count() == count
            && columns(second, delimiter).any(is_json)
    })
}

/// Checks whether a text can be the name of a column.
fn is_name(column: &[u8]) -> bool {
    let name = column.strip_prefix(b"\"").and_then(|name| name.strip_suffix(b"\"")).unwrap_or(column);
    let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.@ :/#".contains(byte) || *byte >= 0x80;
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.iter().all(is_of_name)
}

/// Returns the columns of a line with their quotes.
fn columns(line: &[u8], delimiter: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let here = rest?;
        let quoted = match here {
            [b'"', b'{', b'\\', ..] => quoted_end(here),
            [b'"', ..] => doubled_end(here),
            _ => Some(0),
        };
        let quoted = quoted.unwrap_or(here.len());
        let end = memchr(delimiter, &here[quoted..]).map(|found| quoted + found);
        rest = end.map(|end| &here[end + 1..]);
        Some(&here[..end.unwrap_or(here.len())])
    })
}

/// Returns the end of a string with escaped quotes, behind its closing quote.
pub(super) fn quoted_end(string: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        let found = at + memchr2(b'"', b'\\', string.get(at..)?)?;
        if string[found] == b'"' {
            return Some(found + 1);
        }
        at = found + 2;
    }
}

/// Returns the end of a column with doubled quotes, behind its closing quote.
pub(super) fn doubled_end(column: &[u8]) -> Option<usize> {
    let mut quotes = memchr_iter(b'"', column).skip(1).peekable();
    while let Some(quote) = quotes.next() {
        if quotes.next_if_eq(&(quote + 1)).is_none() {
            return Some(quote + 1);
        }
    }
    None
}
