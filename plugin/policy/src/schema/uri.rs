//! References to URIs (RFC 3986, sections 4 and 5).

/// A URI or a relative reference, taken apart.
struct Parts<'a> {
    scheme: Option<&'a str>,
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
}

/// As in appendix B, without the fragment.
fn parts(uri: &str) -> Parts<'_> {
    let is_scheme = |text: &&str| {
        text.starts_with(|first: char| first.is_ascii_alphabetic())
            && text.chars().all(|character| character.is_ascii_alphanumeric() || "+-.".contains(character))
    };
    let scheme = uri.split_once(':').map(|(scheme, _)| scheme).filter(is_scheme);
    let rest = scheme.map_or(uri, |scheme| &uri[scheme.len() + 1..]);
    let (rest, query) = match rest.split_once('?') {
        Some((rest, query)) => (rest, Some(query)),
        None => (rest, None),
    };
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => {
            let end = rest.find('/').unwrap_or(rest.len());
            (Some(&rest[..end]), &rest[end..])
        }
        None => (None, rest),
    };
    Parts { scheme, authority, path, query }
}

/// What is before the fragment, and the fragment.
pub(super) fn split(reference: &str) -> (&str, &str) {
    reference.split_once('#').unwrap_or((reference, ""))
}

/// What a reference without a fragment means in a document at `base`
/// (section 5.2.2). Without a base, itself.
pub(super) fn resolve(base: &str, reference: &str) -> String {
    if reference.is_empty() {
        return base.to_owned();
    }
    let (base, reference) = (parts(base), parts(reference));
    let path;
    let (mut scheme, mut authority, mut query) = (base.scheme, base.authority, reference.query);
    if reference.scheme.is_some() {
        (scheme, authority) = (reference.scheme, reference.authority);
        path = without_dots(reference.path);
    } else if reference.authority.is_some() {
        authority = reference.authority;
        path = without_dots(reference.path);
    } else if reference.path.is_empty() {
        path = base.path.to_owned();
        query = query.or(base.query);
    } else if reference.path.starts_with('/') {
        path = without_dots(reference.path);
    } else {
        let folder = base.path.rfind('/').map_or("", |at| &base.path[..=at]);
        let slash = if base.authority.is_some() && base.path.is_empty() { "/" } else { "" };
        path = without_dots(&format!("{folder}{slash}{}", reference.path));
    }
    let scheme = scheme.map_or(String::new(), |scheme| format!("{scheme}:"));
    let authority = authority.map_or(String::new(), |authority| format!("//{authority}"));
    let query = query.map_or(String::new(), |query| format!("?{query}"));
    format!("{scheme}{authority}{path}{query}")
}

/// Section 5.2.4.
fn without_dots(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    let count = path.split('/').count();
    for (at, segment) in path.split('/').enumerate() {
        let is_last = at + 1 == count;
        match segment {
            "." | ".." => {
                if segment == ".." && segments.len() > usize::from(path.starts_with('/')) {
                    segments.pop();
                }
                if is_last {
                    segments.push("");
                }
            }
            _ => segments.push(segment),
        }
    }
    segments.join("/")
}

/// A fragment with its percent-encoded bytes decoded (section 2.1); none if
/// one is broken or they are not UTF-8.
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
    use super::resolve;

    /// Section 5.4, and what has no base.
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
            assert_eq!(resolve(base, reference), expected, "{reference}");
        }
        assert_eq!(resolve("", "tree.json"), "tree.json");
        assert_eq!(resolve("http://a", "g"), "http://a/g");
        assert_eq!(resolve("urn:example:a", "urn:example:b?=c"), "urn:example:b?=c");
    }
}
