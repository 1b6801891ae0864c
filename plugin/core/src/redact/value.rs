//! Finds the end of a value: in quotes of every kind, in braces and brackets, or bare.

use super::bounds::{AHEAD_BYTES_MAX, find, is_end, skip_closers, skip_space};
use super::literal::{dollar_quoted, joined, literal, opening, operator};
use super::steps::{self, Steps};
use super::validate::{is_placeholder, is_prose};
use core::ops::Range;

/// The number of bytes of a value that decide whether it is a secret: more than
/// [`is_random_value`](super::validate::is_random_value) looks at, plus the look ahead.
const NEAR_BYTES_MAX: usize = 384;

/// A value in a text.
#[derive(Clone, Debug)]
pub(super) struct Value {
    /// The part to redact, without its quotes.
    pub(super) part: Range<usize>,
    pub(super) is_quoted: bool,
}

/// Returns the value at `start`, in whatever way it is written. A value in quotes that
/// are not closed reaches to the end of the text. Returns `None` if there is no value, if
/// the value is an object, or if the steps have run out.
#[inline(never)]
pub(super) fn read(text: &[u8], start: usize, steps: &mut Steps) -> Option<Value> {
    let value = at(text, start)?;
    // A value that is refused is read again from the next trigger on, so it costs steps.
    steps.take(steps::ASK + steps::WALK * value.part.len()).ok()?;
    Some(value)
}

/// Returns enough of a text to tell whether the value at `start` is a secret. Bytes
/// beyond that never decide.
pub(super) fn near(text: &[u8], start: usize) -> &[u8] {
    text.get(..start + NEAR_BYTES_MAX).unwrap_or(text)
}

fn at(text: &[u8], start: usize) -> Option<Value> {
    let quoted = |part: Range<usize>| Some(Value { part, is_quoted: true });
    if let Some(open) = opening(text, start) {
        let (part, after) = literal(text, open);
        if part.is_empty() {
            return None;
        }
        // `'it'\''s'`, `"a"b`: a shell goes on behind the quote, and so does the value. But the
        // quote may also close one in which the value stands: `msg="token='x7'" user=ann`.
        let end = if closes_outer(text, start, after) { after } else { continued(text, after) };
        return if end > after { quoted(part.start..end) } else { quoted(joined(text, part, after)) };
    }
    if let Some(part) = dollar_quoted(text, start) {
        return quoted(part);
    }
    match text.get(start..)? {
        [b'{', next, ..] if !matches!(next, b'"' | b'\'' | b'{' | b'}' | b'\\' | 0..=b' ') => {
            let close = braced(text, start + 1);
            let end = close.map_or_else(|| bare(text, start), |close| bare(text, close + 1).max(close + 1));
            Some(Value { part: start..end, is_quoted: true })
        }
        [b'{', ..] => None,
        [b'[', ..] => {
            let end = bracketed(text, start + 1);
            Some(Value { part: start + 1..end, is_quoted: true }).filter(|value| !value.part.is_empty())
        }
        [b'<', b'<', b'"' | b'\'', ..] => {
            Some(literal(text, opening(text, start + 2)?).0).filter(|part| !part.is_empty()).and_then(quoted)
        }
        [b'<', b'<', ..] => quoted(here_document(text, start + 2)?),
        [b'<', b'!', b'[', ..] => {
            let start = start + text.get(start + 3..)?.iter().position(|byte| *byte == b'[')? + 4;
            quoted(start..find(text, start, b"]]>").unwrap_or(text.len()))
        }
        [b'(', ..] if let Some(part) = parenthesized(text, start) => quoted(part),
        _ => {
            let end = indexed(text, bare(text, start));
            let is_new = text.get(start..end) == Some(b"new");
            let of = if is_new { skip_space(text, end) } else { start };
            if let Some(call) = call(text, of, bare(text, of)) {
                // `env("PW") or "x7"`
                let after = skip_closers(text, call.end);
                let sign = skip_space(text, after);
                let len = operator(text, sign);
                let other = opening(text, skip_space(text, sign + len)).filter(|_| len > 0 && sign > after);
                let end = other.map_or(call.end, |open| literal(text, open).0.end);
                return quoted(call.start..end);
            }
            let name = text.get(start..end)?.trim_ascii_start();
            let name = name.strip_prefix(b"(").unwrap_or(name);
            if name.eq_ignore_ascii_case(CONVERT) {
                return None;
            }
            let end = to_semicolon(text, end).unwrap_or_else(|| changed(text, start, end));
            Some(Value { part: start..end, is_quoted: false }).filter(|_| end > start)
        }
    }
}

/// Checks whether a part is a value, and not a placeholder for one.
pub(super) fn is_value(text: &[u8], part: &Range<usize>) -> bool {
    text.get(part.clone()).is_some_and(|value| !is_placeholder(value))
}

/// Checks for a quote at `at` that was open before `start` already.
fn closes_outer(text: &[u8], start: usize, at: usize) -> bool {
    let quote = QUOTES.iter().position(|quote| text.get(at) == Some(quote));
    quote.is_some_and(|quote| open_quotes(text, start)[quote])
}

/// Returns the end of a value that goes on behind its literal, `'it'"'"'s'`. Returns
/// `after` if it does not go on.
fn continued(text: &[u8], after: usize) -> usize {
    let mut end = after;
    loop {
        let next = match text.get(end..) {
            Some([b'\\', b'\'' | b'"', ..]) => end + 2,
            Some([b'"' | b'\'', ..]) => match opening(text, end) {
                Some(open) => literal(text, open).1,
                None => return end,
            },
            Some([byte, ..]) if byte.is_ascii_alphanumeric() && end > after => bare(text, end),
            Some([byte, b'"' | b'\'' | b':' | b'=', ..]) if byte.is_ascii_alphanumeric() => return end,
            Some([byte, ..]) if byte.is_ascii_alphanumeric() => bare(text, end),
            _ => return end,
        };
        if next <= end {
            return end;
        }
        end = next;
    }
}

/// Returns the end of a bare value together with the value that an operator gives as another one:
/// `old -> new`, `env.PW || 'x7'`. Returns `end` if there is none.
#[inline(never)]
fn changed(text: &[u8], start: usize, end: usize) -> usize {
    if text.get(end) != Some(&b' ') {
        return end;
    }
    let sign = skip_space(text, end);
    let len = operator(text, sign);
    let next = skip_space(text, sign + len);
    if sign == end || len == 0 || next == sign + len {
        return end;
    }
    if let Some(open) = opening(text, next) {
        return literal(text, open).1;
    }
    let is_arrow = text.get(sign + 1) == Some(&b'>');
    let is_prose = text.get(start..end).is_some_and(is_prose);
    if is_arrow && !is_prose { bare(text, next).max(end) } else { end }
}

/// Returns the end of a bare value that ends at `end`, together with the literal in its brackets:
/// `ENV['PW']`, `ARRAY['a','b']`.
fn indexed(text: &[u8], end: usize) -> usize {
    let is_open = end.checked_sub(1).is_some_and(|last| matches!(text.get(last), Some(b'[')));
    if is_open && opening(text, end).is_some() {
        bracketed(text, end).saturating_add(1).min(text.len())
    } else {
        end
    }
}

/// The maximum length of a value in parentheses, in bytes.
const PARENTHESES_BYTES_MAX: usize = 256;

/// Returns the literals at the start of the parentheses that open at `start`, or all of their
/// content if it has several words.
#[inline(never)]
fn parenthesized(text: &[u8], start: usize) -> Option<Range<usize>> {
    let inner = skip_space(text, start + 1);
    if let Some(open) = opening(text, inner) {
        let (part, after) = literal(text, open);
        return Some(joined(text, part, after)).filter(|part| !part.is_empty());
    }
    let rest = text.get(inner..)?;
    let len = rest.iter().take(PARENTHESES_BYTES_MAX).position(|byte| matches!(byte, b')' | b'(' | b'\n'))?;
    let content = rest.get(..len)?.trim_ascii_end();
    let is_call = content.get(..CONVERT.len()).is_some_and(|name| name.eq_ignore_ascii_case(CONVERT));
    let is_value = rest.get(len) == Some(&b')') && !content.is_empty() && !is_call;
    let has_space = content.contains(&b' ') || inner > start + 1;
    (is_value && has_space && !content.split(|byte| *byte == b' ').all(is_prose))
        .then_some(inner..inner + content.len())
}

/// The call of PowerShell whose argument has a trigger of its own.
const CONVERT: &[u8] = b"ConvertTo-SecureString";

/// Returns the lines of a here document whose delimiter starts at `at`: `EOF`, `-EOF`, `'EOF'`.
#[inline(never)]
fn here_document(text: &[u8], at: usize) -> Option<Range<usize>> {
    let rest = text.get(at..)?;
    let line_end = rest.iter().take(AHEAD_BYTES_MAX).position(|byte| *byte == b'\n')?;
    let is_mark = |byte: &u8| matches!(byte, b'-' | b'~' | b'\'' | b'"' | b'\\' | b'\r' | b' ');
    let delimiter = rest.get(..line_end)?;
    let first = delimiter.iter().position(|byte| !is_mark(byte))?;
    let delimiter = delimiter.get(first..)?;
    let delimiter = delimiter.get(..delimiter.iter().rposition(|byte| !is_mark(byte))? + 1)?;
    let start = at + line_end + 1;
    let mut end = start;
    for line in text.get(start..)?.split_inclusive(|byte| *byte == b'\n') {
        if line.trim_ascii() == delimiter {
            break;
        }
        end += line.len();
    }
    Some(start..end).filter(|part| !part.is_empty())
}

/// Returns the lines of YAML that are the value of the name at `name`, whose sign ends at `at`:
/// behind `|` or `>`, or on deeper lines. A single deeper line of several words is prose.
#[inline(never)]
fn yaml_block(text: &[u8], name: usize, at: usize, steps: &mut Steps) -> Option<Range<usize>> {
    let rest = text.get(at..)?;
    let line_end = rest.iter().take(AHEAD_BYTES_MAX).position(|byte| *byte == b'\n')?;
    let head = rest.get(..line_end)?.trim_ascii();
    let is_scalar = match head {
        [b'|' | b'>', marks @ ..] => {
            marks.iter().all(|byte| matches!(byte, b'-' | b'+' | b'0'..=b'9')).then_some(true)?
        }
        [] => false,
        _ => return None,
    };
    let before = text.get(..name)?;
    let line = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    // A list's item begins with its dash: its other members are as deep as the first.
    let lead = before.get(line..)?.iter().take_while(|byte| matches!(byte, b' ' | b'-')).count();
    let first = at + line_end + 1;
    let mut end = first;
    let mut lines = 0;
    for line in text.get(first..)?.split_inclusive(|byte| *byte == b'\n') {
        let depth = line.iter().take_while(|byte| **byte == b' ').count();
        let content = line.trim_ascii();
        let is_item = !is_scalar && depth == lead && content.starts_with(b"- ");
        if !(content.is_empty() || depth > lead || is_item) {
            break;
        }
        end += line.len();
        lines += usize::from(!content.is_empty());
    }
    steps.take(steps::WALK * (end - first)).ok()?;
    let block = text.get(first..end)?;
    let start = first + block.iter().position(|byte| *byte > b' ')?;
    let end = first + block.iter().rposition(|byte| *byte > b' ')? + 1;
    let is_told = is_scalar || lines > 1 || text.get(start..start + 2) == Some(b"- ");
    let content = text.get(start..end)?;
    let is_word =
        || !content.contains(&b' ') || content.iter().any(|byte| matches!(byte, b':' | b'"' | b'\''));
    (is_told || is_word()).then_some(start..end)
}

/// Returns the value behind the sign that ends at `at`, for the name that starts at `name`. Same
/// as [`read`], but behind a colon the value may have YAML's tags and anchors before it, which are
/// redacted with it, and it may stand on the next lines.
pub(super) fn read_assigned(
    text: &[u8],
    name: usize,
    at: usize,
    is_colon: bool,
    steps: &mut Steps,
) -> Option<Value> {
    let mut start = at;
    while is_colon && start < at + AHEAD_BYTES_MAX {
        let rest = text.get(start..)?;
        let is_mark =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'!' | b'_' | b'-' | b'/' | b':');
        let len = rest.iter().skip(1).take(AHEAD_BYTES_MAX).take_while(|byte| is_mark(byte)).count();
        if !(matches!(rest.first(), Some(b'!' | b'&')) && len > 0 && rest.get(len + 1) == Some(&b' ')) {
            break;
        }
        start += len + 2;
        // `password: &str = "…"` declares a type.
        if text.get(start) == Some(&b'=') {
            start = skip_space(text, start + 1);
        }
    }
    let value = match yaml_block(text, name, start, steps) {
        Some(part) => Value { part, is_quoted: true },
        None => read(text, start, steps)?,
    };
    let from = if start > at { at } else { value.part.start };
    Some(Value { part: from..value.part.end, ..value })
}

/// Returns the place of the brace that closes a value in ODBC's notation, where `}}`
/// stands for a brace in the value.
fn braced(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    while let Some(byte) = text.get(at) {
        match (byte, text.get(at + 1)) {
            (b'}', Some(b'}')) => at += 1,
            (b'}', _) => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

/// Returns the place of the bracket that closes a list, or the end of the text.
fn bracketed(text: &[u8], start: usize) -> usize {
    let mut depth = 0usize;
    let mut at = start;
    while let Some(byte) = text.get(at) {
        match byte {
            b'[' => depth += 1,
            b']' if depth == 0 => return at,
            b']' => depth -= 1,
            b'"' | b'\'' if matches!(text.get(at - 1), Some(b'[' | b',' | b' ' | b':')) => {
                if let Some(open) = opening(text, at) {
                    at = literal(text, open).1;
                    continue;
                }
            }
            _ => {}
        }
        at += 1;
    }
    text.len()
}

/// Returns the end of the bare value at `start`.
#[inline(never)]
fn bare(text: &[u8], start: usize) -> usize {
    let mut depth = 0usize;
    let mut at = start;
    while let Some(&byte) = text.get(at) {
        let next = text.get(at + 1).copied().unwrap_or(b' ');
        match byte {
            0..=b' ' => break,
            b'"' | b'\'' | b'`' => {
                let before = if at > start { text[at - 1] } else { b' ' };
                let run = text[at..].iter().take(AHEAD_BYTES_MAX).take_while(|other| **other == byte).count();
                let behind = text.get(at + run).is_some_and(u8::is_ascii_alphanumeric);
                if !before.is_ascii_alphanumeric() || !behind {
                    break;
                }
                at += run - 1;
            }
            b'\\' => match next {
                b'n' | b'r' | b't' | b'"' | b'\'' | b'`' | b'u' | b'x' | b'0' | b'e' | b'/' => break,
                // A shell takes the space behind a backslash for a part of the word.
                b'\\' | b' ' => at += 1,
                _ => {}
            },
            b',' | b';' | b'&' | b'|' if depth == 0 && separates(text, at) => break,
            b'<' if is_tag(text, at) => break,
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' | b'>' => match depth {
                0 if closes(text, at) => break,
                0 => {}
                _ => depth -= 1,
            },
            _ => {}
        }
        at += 1;
    }
    at.min(text.len())
}

/// Checks whether the tag of an element starts at `at`.
fn is_tag(text: &[u8], at: usize) -> bool {
    let rest = text.get(at + 1..).unwrap_or_default();
    let ahead = rest.get(..AHEAD_BYTES_MAX).unwrap_or(rest);
    match ahead.first() {
        Some(b'/') => true,
        Some(byte) if byte.is_ascii_alphabetic() => ahead.contains(&b'>'),
        _ => false,
    }
}

/// Checks whether the closing brackets from `at` on are followed by a byte that ends a
/// value.
fn closes(text: &[u8], at: usize) -> bool {
    let rest = text.get(at..).unwrap_or_default();
    let is_close = |byte: &u8| matches!(byte, b')' | b']' | b'}' | b'>');
    match rest.iter().take(AHEAD_BYTES_MAX).find(|byte| !is_close(byte)) {
        Some(b'\\' | b'<' | b':') | None => true,
        Some(byte) => is_end(*byte),
    }
}

/// Checks whether the `,`, `;`, `&` or `|` at `at` ends the value before it. It does if
/// it is followed by the end of the text, space, a quote, a bracket, or a name that gets
/// a value.
fn separates(text: &[u8], at: usize) -> bool {
    let rest = text.get(at + 1..).unwrap_or_default();
    let is_name =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'[' | b']' | b'%');
    let name = rest.iter().take(AHEAD_BYTES_MAX).take_while(|byte| is_name(byte)).count();
    match rest.get(name) {
        None => name == 0,
        Some(b'=' | b':') => true,
        Some(byte) if name == 0 => is_end(*byte) || matches!(byte, b'\\' | b'{' | b'(' | b'<'),
        // `Data Source=`: names of several words.
        Some(b' ') if matches!(text[at], b';' | b',') => {
            rest.iter().take(AHEAD_BYTES_MAX).find(|byte| !is_name(byte) && **byte != b' ') == Some(&b'=')
        }
        _ => false,
    }
}

/// Returns the end of a value with spaces in a connection string: the `;` that a name
/// follows.
fn to_semicolon(text: &[u8], end: usize) -> Option<usize> {
    let rest = text.get(end..)?;
    rest.first().filter(|byte| **byte == b' ')?;
    let stops = |byte: &u8| matches!(byte, b';' | b'=' | b':' | b'"' | b'\'' | b'\n' | b'\r' | b',' | b'\\');
    let at = rest.iter().take(AHEAD_BYTES_MAX).position(stops)?;
    let is_separator = rest.get(at) == Some(&b';') && separates(text, end + at);
    let is_name = rest.get(at + 1..)?.iter().find(|byte| !byte.is_ascii_alphanumeric() && **byte != b' ');
    (is_separator && is_name == Some(&b'=')).then_some(end + at)
}

/// Returns the literals at the start of a function call, `md5('…')`, `CONCAT('…', '…')`, or the one
/// behind a type with its length.
fn call(text: &[u8], start: usize, end: usize) -> Option<Range<usize>> {
    let name = text.get(start..end)?;
    let open = start + name.iter().position(|byte| *byte == b'(')?;
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
    if open == start || !text.get(start..open)?.iter().all(is_name) {
        return None;
    }
    let space = |at: usize| Some(at + text.get(at..)?.iter().take_while(|byte| **byte == b' ').count());
    let inner = space(open + 1)?;
    // PHP dumps `string(7) "…"`.
    let digits = text.get(inner..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let at = match text.get(inner + digits) {
        Some(b')') if digits > 0 => space(inner + digits + 1)?,
        _ => inner,
    };
    let (part, mut after) = literal(text, opening(text, at)?);
    let mut end = part.end;
    while let Some(open) =
        text.get(after).filter(|byte| **byte == b',').and_then(|_| opening(text, space(after + 1)?))
    {
        let (next, behind) = literal(text, open);
        (end, after) = (next.end, behind);
    }
    Some(part.start..end).filter(|part| !part.is_empty())
}

/// Checks which quotes are open at `at`: double ones, single ones, and backticks. They were opened
/// on the same line, shortly before.
#[inline(never)]
fn open_quotes(text: &[u8], at: usize) -> [bool; 3] {
    let from = at.saturating_sub(LINE_BYTES_MAX);
    let head = text.get(from..at).unwrap_or_default();
    let line = head.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let mut is_open = [false; 3];
    let head = head.get(line..).unwrap_or_default();
    for (at, byte) in head.iter().enumerate() {
        let Some(quote) = QUOTES.iter().position(|quote| quote == byte) else { continue };
        let is_letter =
            |at: Option<usize>| at.and_then(|at| head.get(at)).is_some_and(u8::is_ascii_alphanumeric);
        // An apostrophe is no quote.
        if !(is_letter(at.checked_sub(1)) && is_letter(Some(at + 1))) {
            is_open[quote] = !is_open[quote];
        }
    }
    is_open
}

const QUOTES: [u8; 3] = [b'"', b'\'', b'`'];
/// The maximum distance from a field back to the quote that it stands in, in bytes.
const LINE_BYTES_MAX: usize = 256;

/// Returns the end of the header field that starts at `start`: the end of the line, or a
/// quote or bracket that was opened before the field. Returns `None` if the steps have
/// run out.
pub(super) fn field_end(text: &[u8], start: usize, steps: &mut Steps) -> Option<usize> {
    steps.take(steps::WALK * LINE_BYTES_MAX).ok()?;
    let is_open = open_quotes(text, start);
    let closes_quote =
        |byte: u8| QUOTES.iter().zip(is_open).any(|(quote, is_open)| is_open && *quote == byte);
    let (mut at, mut depth) = (start, 0usize);
    while let Some(&byte) = text.get(at) {
        let next = text.get(at + 1).copied().unwrap_or(b' ');
        match byte {
            b'\r' | b'\n' => break,
            b'\\' if matches!(next, b'n' | b'r') => break,
            b'"' | b'\'' | b'\\' if at > start && text[at - 1] == b'=' && opening(text, at).is_some() => {
                let open = opening(text, at)?;
                at = literal(text, open).1;
                continue;
            }
            b'\\' if closes_quote(next) || next == b'\\' && is_open != [false; 3] => break,
            _ if closes_quote(byte) => break,
            b'[' | b'{' => depth += 1,
            b']' | b'}' if depth > 0 => depth -= 1,
            b']' | b'}' if closes(text, at) => break,
            _ => {}
        }
        at += 1;
    }
    steps.take(steps::WALK * (at - start)).ok()?;
    Some(at.min(text.len()))
}
