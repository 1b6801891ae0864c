//! Lines for Fluent Bit's log.

pub use crate::component::Level;

/// The longest line that is logged, in bytes, escapes included. Longer text goes on in
/// the next line. Fluent Bit cuts off what is over 4 KiB, with what it adds in front.
pub const LINE_BYTES_MAX: usize = 3000;
/// The number of lines of one call that are logged.
pub const LINES_MAX: usize = 256;

/// A line for the log.
pub type Line = (Level, String);

/// Adds a text that others may have written: a line for each of its own, or several for
/// a long one, with control characters escaped. It adds nothing past [`LINES_MAX`].
pub fn push(lines: &mut Vec<Line>, level: Level, text: &str) {
    for line in text.lines() {
        let mut escaped = String::new();
        for char in line.chars() {
            if escaped.len() >= LINE_BYTES_MAX - ESCAPE_BYTES_MAX {
                push_line(lines, level, std::mem::take(&mut escaped));
            }
            if char.is_control() || is_separator(char) {
                escaped.extend(char.escape_default());
            } else {
                escaped.push(char);
            }
        }
        push_line(lines, level, escaped);
    }
}

/// The length of `\u{10ffff}`.
const ESCAPE_BYTES_MAX: usize = 10;

fn push_line(lines: &mut Vec<Line>, level: Level, line: String) {
    if lines.len() < LINES_MAX {
        lines.push((level, line));
    }
}

/// True for characters that end a line, or turn the direction of the text around them,
/// and are no control characters.
fn is_separator(char: char) -> bool {
    matches!(char, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
