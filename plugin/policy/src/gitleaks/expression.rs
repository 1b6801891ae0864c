//! Translates Go's regular expressions into the syntax of the regex crate.
//!
//! Both use RE2's syntax. They differ in braces that repeat nothing, in the characters
//! that may stand in a class without a backslash, and in those that a backslash may
//! escape.

use super::error::RuleError;
use regex_syntax::ParserBuilder;
use regex_syntax::hir::Hir;

/// Parses an expression in Go's syntax. Classes and case are those of ASCII.
pub(super) fn parse(expression: &str) -> Result<Hir, RuleError> {
    let rust = to_rust(expression);
    let parsed = ParserBuilder::new().unicode(false).utf8(false).build().parse(&rust);
    parsed.map_err(|error| match error {
        regex_syntax::Error::Parse(error) => RuleError::Syntax(error.kind().clone()),
        regex_syntax::Error::Translate(error) => RuleError::Class(error.kind().clone()),
        _ => RuleError::Regex,
    })
}

/// Returns the same expression in the syntax of the regex crate.
pub(super) fn to_rust(expression: &str) -> String {
    let mut out = String::new();
    let mut rest = expression;
    let mut in_class = false;
    while let Some(next) = rest.chars().next() {
        let mut len = next.len_utf8();
        match next {
            '\\' => {
                let escaped = rest[1..].chars().next();
                len += escaped.map_or(0, char::len_utf8);
                match escaped {
                    // `\<` is the start of a word in Rust, and some marks cannot be
                    // escaped.
                    Some(mark) if mark.is_ascii_punctuation() && !regex_syntax::is_meta_character(mark) => {
                        out.push(mark);
                    }
                    _ => out.push_str(&rest[..len]),
                }
            }
            '[' if !in_class => {
                in_class = true;
                // A bracket at the start of a class is a literal.
                for opening in ["[^]", "[]"] {
                    if rest.starts_with(opening) {
                        len = opening.len();
                        out.push_str(&opening[..len - 1]);
                        out.push('\\');
                    }
                }
                if len == 1 {
                    out.push('[');
                } else {
                    out.push(']');
                }
            }
            '[' if rest.starts_with("[:") => {
                len = rest.find(":]").map_or(1, |end| end + 2);
                out.push_str(&rest[..len]);
            }
            ']' if in_class => {
                in_class = false;
                out.push(']');
            }
            '[' | '&' | '~' if in_class => out.extend(['\\', next]),
            '-' if in_class && rest.starts_with("--") => {
                len = 2;
                out.push_str(r"\-\-");
            }
            '{' if !in_class && !repeats(rest) => out.push_str(r"\{"),
            _ => out.push(next),
        }
        rest = &rest[len..];
    }
    out
}

/// Checks that a brace opens `{n}`, `{n,}` or `{n,m}`.
fn repeats(rest: &str) -> bool {
    let Some((counts, _)) = rest[1..].split_once('}') else { return false };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match counts.split_once(',') {
        None => is_number(counts),
        Some((least, most)) => is_number(least) && (most.is_empty() || is_number(most)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gos_syntax_is_read_as_go_reads_it() {
        for (go, rust) in [
            (r"^\$(?:\d+|{\d+})$", r"^\$(?:\d+|\{\d+})$"),
            (r"a{2}b{2,}c{2,3}d{,3}{x", r"a{2}b{2,}c{2,3}d\{,3}\{x"),
            (r"[^]]+[]a][[:alnum:]-][a&&b]", r"[^\]]+[\]a][[:alnum:]-][a\&\&b]"),
            (r#"\<\/\-\'\"\_[\w\-=\[{]"#, r#"</\-'"_[\w\-=\[{]"#),
        ] {
            assert_eq!(to_rust(go), rust);
            assert!(parse(go).is_ok(), "{go}");
        }
        assert!(parse(r"\pL").is_err());
    }
}
