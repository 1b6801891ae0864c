//! Translates patterns of ECMA-262 (with the flag `u`) into the syntax of regex-syntax.
//!
//! Features that need a backtracking engine are refused: look-around and back-references.
//! A `-`, a quotation mark and the like may be escaped where ECMA-262 does not allow it,
//! as schemas often do. The escaped character is then itself.

use std::fmt::Write;
use std::iter::Peekable;
use std::str::CharIndices;

/// The reason why a pattern is refused, and the index of the character where that showed.
pub(super) type Refused = (usize, String);

/// A range of characters, both ends included.
type Range = (u32, u32);

/// The classes of CharacterClassEscape (section 22.2.2.9).
const DIGITS: &[Range] = &[(0x30, 0x39)];
const WORD: &[Range] = &[(0x30, 0x39), (0x41, 0x5a), (0x5f, 0x5f), (0x61, 0x7a)];
/// WhiteSpace (section 12.2) and LineTerminator (section 12.3).
const SPACE: &[Range] = &[
    (0x9, 0xd),
    (0x20, 0x20),
    (0xa0, 0xa0),
    (0x1680, 0x1680),
    (0x2000, 0x200a),
    (0x2028, 0x2029),
    (0x202f, 0x202f),
    (0x205f, 0x205f),
    (0x3000, 0x3000),
    (0xfeff, 0xfeff),
];
const LINE_ENDS: &[Range] = &[(0xa, 0xa), (0xd, 0xd), (0x2028, 0x2029)];

/// Translates a pattern.
pub(super) fn translate(pattern: &str) -> Result<String, Refused> {
    let mut translator = Translator { pattern, rest: pattern.char_indices().peekable(), out: String::new() };
    translator.pattern()?;
    Ok(translator.out)
}

struct Translator<'p> {
    pattern: &'p str,
    rest: Peekable<CharIndices<'p>>,
    out: String,
}

/// The meaning of an escape or of a member of a class.
enum Atom {
    Character(u32),
    /// A set, in the syntax of regex-syntax.
    Set(String),
}

impl Translator<'_> {
    fn pattern(&mut self) -> Result<(), Refused> {
        let mut open = 0;
        let mut is_repeatable = false;
        while let Some((at, character)) = self.rest.next() {
            let mut next_is_repeatable = true;
            match character {
                '^' => {
                    self.out.push('^');
                    next_is_repeatable = false;
                }
                '$' => {
                    self.out.push('$');
                    next_is_repeatable = false;
                }
                '.' => self.out.push_str(&set(LINE_ENDS, true)),
                '|' => {
                    self.out.push('|');
                    next_is_repeatable = false;
                }
                '(' => {
                    self.group(at)?;
                    open += 1;
                    next_is_repeatable = false;
                }
                ')' if open > 0 => {
                    self.out.push(')');
                    open -= 1;
                }
                '[' => self.class(at)?,
                '*' | '+' | '?' if is_repeatable => {
                    self.out.push(character);
                    self.lazy();
                    next_is_repeatable = false;
                }
                '{' if is_repeatable => {
                    self.count(at)?;
                    self.lazy();
                    next_is_repeatable = false;
                }
                '\\' => next_is_repeatable = self.escape(at)?,
                ')' | '*' | '+' | '?' | '{' | '}' | ']' => {
                    return Err((
                        at,
                        format!(
                            "`{character}` is out of place; write `\\{character}` for the character itself"
                        ),
                    ));
                }
                _ => self.literal(character.into()),
            }
            is_repeatable = next_is_repeatable;
        }
        if open > 0 { Err((self.pattern.len(), "a `(` is not closed".into())) } else { Ok(()) }
    }

    fn peek(&mut self) -> Option<char> {
        self.rest.peek().map(|(_, character)| *character)
    }

    fn take(&mut self, wanted: char) -> bool {
        self.rest.next_if(|(_, character)| *character == wanted).is_some()
    }

    fn literal(&mut self, character: u32) {
        push_character(&mut self.out, character);
    }

    /// Skips the mark of a lazy repetition. It only decides which match is found first,
    /// not whether there is one.
    fn lazy(&mut self) {
        self.take('?');
    }

    fn group(&mut self, at: usize) -> Result<(), Refused> {
        self.out.push_str("(?:");
        if !self.take('?') {
            return Ok(());
        }
        let is_behind = self.take('<');
        match self.peek() {
            Some('=' | '!') => {
                let name = if is_behind { "look-behind" } else { "look-ahead" };
                return Err((at, format!("{name} is not supported")));
            }
            Some(':') if !is_behind => {
                self.rest.next();
                return Ok(());
            }
            _ if is_behind => {}
            _ => return Err((at, "a group starts with `(`, `(?:` or `(?<name>`".into())),
        }
        for (_, character) in self.rest.by_ref() {
            if character == '>' {
                return Ok(());
            }
        }
        Err((at, "a group's name is not closed".into()))
    }

    fn count(&mut self, at: usize) -> Result<(), Refused> {
        let rest = &self.pattern[at + 1..];
        let (count, _) = rest.split_once('}').ok_or((at, "a `{` is not closed".into()))?;
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let is_count = match count.split_once(',') {
            Some((min, max)) => is_number(min) && (max.is_empty() || is_number(max)),
            None => is_number(count),
        };
        if !is_count {
            return Err((
                at,
                "a repetition is `{n}`, `{n,}` or `{n,m}`; write `\\{` for the character itself".into(),
            ));
        }
        write!(self.out, "{{{count}}}").unwrap_or_default();
        while self.rest.next().is_some_and(|(_, character)| character != '}') {}
        Ok(())
    }

    /// Translates an escape outside of a class. Returns whether it can be repeated.
    fn escape(&mut self, at: usize) -> Result<bool, Refused> {
        match self.peek() {
            Some('b') => {
                self.rest.next();
                self.out.push_str(r"(?-u:\b)");
                return Ok(false);
            }
            Some('B') => return Err((at, "`\\B` is not supported".into())),
            Some('k' | '1'..='9') => return Err((at, "references back are not supported".into())),
            _ => {}
        }
        match self.character_escape(at)? {
            Atom::Character(character) => self.literal(character),
            Atom::Set(set) => self.out.push_str(&set),
        }
        Ok(true)
    }

    /// Translates an escape of CharacterEscape or CharacterClassEscape, from behind the
    /// backslash on.
    fn character_escape(&mut self, at: usize) -> Result<Atom, Refused> {
        let Some((_, character)) = self.rest.next() else {
            return Err((at, "a `\\` stands at the end".into()));
        };
        let code = match character {
            'd' => return Ok(Atom::Set(set(DIGITS, false))),
            'D' => return Ok(Atom::Set(set(DIGITS, true))),
            'w' => return Ok(Atom::Set(set(WORD, false))),
            'W' => return Ok(Atom::Set(set(WORD, true))),
            's' => return Ok(Atom::Set(set(SPACE, false))),
            'S' => return Ok(Atom::Set(set(SPACE, true))),
            'p' | 'P' => return self.property(at, character),
            't' => 0x9,
            'n' => 0xa,
            'v' => 0xb,
            'f' => 0xc,
            'r' => 0xd,
            '0' if !self.peek().is_some_and(|next| next.is_ascii_digit()) => 0,
            'c' => match self.rest.next() {
                Some((_, letter)) if letter.is_ascii_alphabetic() => u32::from(letter) % 32,
                _ => return Err((at, "`\\c` wants a letter".into())),
            },
            'x' => self.hexadecimal(at, 2)?,
            'u' => self.code_point(at)?,
            _ if character.is_ascii_punctuation() => character.into(),
            _ => return Err((at, format!("`\\{character}` is not an escape"))),
        };
        Ok(Atom::Character(code))
    }

    fn hexadecimal(&mut self, at: usize, digits: usize) -> Result<u32, Refused> {
        (0..digits).try_fold(0, |code, _| {
            let digit = self.rest.next().and_then(|(_, digit)| digit.to_digit(16));
            digit
                .map(|digit| code << 4 | digit)
                .ok_or((at, format!("{digits} hexadecimal digits are wanted")))
        })
    }

    /// Reads `\u{…}`, `\uXXXX`, or two of the latter that form a surrogate pair.
    fn code_point(&mut self, at: usize) -> Result<u32, Refused> {
        let no_character = || (at, "that is not a Unicode character".into());
        if self.take('{') {
            let digits: String =
                std::iter::from_fn(|| self.rest.next_if(|(_, digit)| digit.is_ascii_hexdigit()))
                    .map(|(_, digit)| digit)
                    .collect();
            let code = u32::from_str_radix(&digits, 16).ok().filter(|_| self.take('}'));
            return code.filter(|code| char::from_u32(*code).is_some()).ok_or_else(no_character);
        }
        let high = self.hexadecimal(at, 4)?;
        if (0xd800..0xdc00).contains(&high) && self.take('\\') && self.take('u') {
            let low = self.hexadecimal(at, 4)?;
            let code = 0x10000 + ((high - 0xd800) << 10) + low.wrapping_sub(0xdc00);
            return if (0xdc00..0xe000).contains(&low) { Ok(code) } else { Err(no_character()) };
        }
        if char::from_u32(high).is_some() { Ok(high) } else { Err(no_character()) }
    }

    /// Translates `\p{…}` or `\P{…}`. The name is left to regex-syntax to check.
    fn property(&mut self, at: usize, escape: char) -> Result<Atom, Refused> {
        let rest = &self.pattern[at + 2..];
        let name = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map(|(name, _)| name);
        let is_name = |name: &&str| {
            !name.is_empty()
                && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "_=".contains(letter))
        };
        let name = name.filter(is_name).ok_or((at, format!("`\\{escape}` wants `{{Property}}`")))?;
        while self.rest.next().is_some_and(|(_, character)| character != '}') {}
        Ok(Atom::Set(format!("\\{escape}{{{name}}}")))
    }

    /// Translates a class, from behind its `[` on.
    fn class(&mut self, start: usize) -> Result<(), Refused> {
        let is_negated = self.take('^');
        let mut members = String::new();
        loop {
            let Some((at, character)) = self.rest.next() else {
                return Err((start, "a `[` is not closed".into()));
            };
            if character == ']' {
                break;
            }
            let first = self.class_atom(at, character)?;
            let mut ahead = self.rest.clone().map(|(_, character)| character);
            let is_range = ahead.next() == Some('-') && ahead.next().is_some_and(|last| last != ']');
            if !is_range {
                push_atom(&mut members, &first);
                continue;
            }
            self.rest.next();
            let Some((last_at, character)) = self.rest.next() else {
                return Err((start, "a `[` is not closed".into()));
            };
            let last = self.class_atom(last_at, character)?;
            let (Atom::Character(first), Atom::Character(last)) = (first, last) else {
                return Err((at, "a range is from one character to another".into()));
            };
            if first > last {
                return Err((at, "a range is from the lower character to the higher".into()));
            }
            push_range(&mut members, (first, last));
        }
        match (members.as_str(), is_negated) {
            // `[^]` excludes no character, so it matches any.
            ("", true) => self.out.push_str(r"[\x{0}-\x{10ffff}]"),
            ("", false) => self.out.push_str(r"[^\x{0}-\x{10ffff}]"),
            (_, true) => write!(self.out, "[^{members}]").unwrap_or_default(),
            (_, false) => write!(self.out, "[{members}]").unwrap_or_default(),
        }
        Ok(())
    }

    fn class_atom(&mut self, at: usize, character: char) -> Result<Atom, Refused> {
        if character != '\\' {
            return Ok(Atom::Character(character.into()));
        }
        if self.take('b') {
            return Ok(Atom::Character(0x8));
        }
        self.character_escape(at)
    }
}

fn push_atom(out: &mut String, atom: &Atom) {
    match atom {
        Atom::Character(character) => push_character(out, *character),
        Atom::Set(set) => out.push_str(set),
    }
}

fn push_character(out: &mut String, character: u32) {
    match char::from_u32(character) {
        Some(plain) if plain.is_ascii_alphanumeric() => out.push(plain),
        _ => write!(out, "\\x{{{character:x}}}").unwrap_or_default(),
    }
}

fn push_range(out: &mut String, (first, last): Range) {
    push_character(out, first);
    if last > first {
        out.push('-');
        push_character(out, last);
    }
}

fn set(ranges: &[Range], is_negated: bool) -> String {
    let mut out = String::from(if is_negated { "[^" } else { "[" });
    ranges.iter().for_each(|range| push_range(&mut out, *range));
    out.push(']');
    out
}
