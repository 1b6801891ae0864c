//! Lines of `key=value`, the form in which some outputs write records for people.

use serde::de::IgnoredAny;

/// Converts a line of `key=value` back to the JSON object that it was made from. Returns
/// `None` for other lines. Values are JSON. Keys may have spaces, but no `=`.
pub(super) fn to_json(line: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(line.len() + 64);
    let mut rest = line.trim_ascii();
    while !rest.is_empty() {
        let equals = memchr::memchr(b'=', rest)?;
        let key = std::str::from_utf8(&rest[..equals]).ok()?;
        let value = &rest[equals + 1..];
        let mut values = serde_json::Deserializer::from_slice(value).into_iter::<IgnoredAny>();
        values.next()?.ok()?;
        let (value, behind) = value.split_at(values.byte_offset());
        out.push(if out.is_empty() { b'{' } else { b',' });
        serde_json::to_writer(&mut out, key).ok()?;
        out.push(b':');
        out.extend_from_slice(value);
        rest = match behind {
            [b' ', behind @ ..] => behind,
            [] => behind,
            _ => return None,
        };
    }
    out.push(b'}');
    (out.len() > 1).then_some(out)
}

/// Checks whether a line may be such a line with a seal.
pub(in crate::verify) fn may_be(line: &[u8]) -> bool {
    memchr::memmem::find(line, b" audit={").is_some()
}
