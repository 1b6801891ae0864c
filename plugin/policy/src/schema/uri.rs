//! Resolves references to schemas (RFC 3986, section 5).

use fluent_uri::resolve::ResolveError;
use fluent_uri::{ParseError, Uri, UriRef};

/// The base of a document that states none (section 5.1.4).
pub(super) const DEFAULT_BASE: &str = "flb-audit:///";

/// The reason why a reference leads nowhere.
#[derive(Debug, thiserror::Error)]
pub(super) enum UriError {
    #[error("that is no reference to a URI: {0}")]
    Syntax(#[from] ParseError),
    #[error("that cannot be resolved: {0}")]
    Resolution(#[from] ResolveError),
}

/// Splits a reference into the part before the fragment, and the fragment.
pub(super) fn split(reference: &str) -> (&str, &str) {
    reference.split_once('#').unwrap_or((reference, ""))
}

/// Resolves a reference without a fragment in a document at `base` (section 5.2.2).
pub(super) fn resolve(base: &str, reference: &str) -> Result<String, UriError> {
    if reference.is_empty() {
        return Ok(base.to_owned());
    }
    let resolved = UriRef::parse(reference)?.resolve_against(&Uri::parse(base)?)?;
    Ok(resolved.into_string())
}

/// Returns a fragment with its percent-encoding decoded (section 2.1). Returns `None` if
/// the encoding is broken or the result is not UTF-8.
pub(super) fn decode(fragment: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = fragment.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first != b'%' {
            bytes.push(*first);
            rest = tail;
            continue;
        }
        let [high, low, tail @ ..] = tail else {
            return None;
        };
        let digit = |byte: u8| (byte as char).to_digit(16);
        bytes.push((digit(*high)? * 16 + digit(*low)?) as u8);
        rest = tail;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::{DEFAULT_BASE, resolve};

    /// Tests the examples of section 5.4, and documents without a base.
    #[test]
    fn references() {
        let base = "http://a/b/c/d;p?q";
        for (reference, expected) in [
            ("g:h", "g:h"),
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            (";x", "http://a/b/c/;x"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../..", "http://a/"),
            ("../../../g", "http://a/g"),
            ("g/../h", "http://a/b/c/h"),
        ] {
            assert_eq!(resolve(base, reference).expect(reference), expected, "{reference}");
        }
        for (base, reference, expected) in [
            (DEFAULT_BASE, "tree.json", "flb-audit:///tree.json"),
            ("http://a", "g", "http://a/g"),
            ("urn:example:a", "urn:example:b?=c", "urn:example:b?=c"),
        ] {
            assert_eq!(resolve(base, reference).expect(reference), expected, "{reference}");
        }
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for (base, reference) in [(DEFAULT_BASE, "a b"), (DEFAULT_BASE, "http://[::"), ("urn:example:a", "b")]
        {
            assert!(resolve(base, reference).is_err(), "{reference}");
        }
    }
}
