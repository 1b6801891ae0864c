//! Lines of `key=value`, as outputs write records for people.

use serde::de::IgnoredAny;

/// Writes a line of `key=value` as the JSON object that it was made of; none if it is no
/// such line. Values are JSON. Keys may have spaces, and no `=`.
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

/// Whether a line may be one that has a seal.
pub(in crate::verify) fn may_be(line: &[u8]) -> bool {
    memchr::memmem::find(line, b" audit={").is_some()
}
