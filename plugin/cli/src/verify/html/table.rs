//! Numbers, texts and tables of a page.

use crate::stdout::shown;
use crate::time::utc;
use maud::{Markup, html};

/// The number of rows from which a table can be searched.
const SEARCHED_MIN: usize = 15;
/// The maximum length of a text from a log, in characters.
const TEXT_CHARACTERS_MAX: usize = 500;

/// Formats a number with a comma between thousands.
pub(super) fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Formats a number of things.
pub(super) fn count(value: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(value), if value == 1 { one } else { many })
}

/// Returns a text that may come from a log. A long text is cut. The text is isolated from
/// the text around it.
pub(super) fn foreign(text: &str) -> Markup {
    let text = match text.char_indices().nth(TEXT_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}… (cut)", shown(&text[..end])),
        None => shown(text),
    };
    // Only letters of other scripts can change the direction of the text around them.
    html! { @if text.is_ascii() { (text) } @else { bdi { (text) } } }
}

/// Returns a cell with a number. The table is sorted by this number.
pub(super) fn number_cell(value: u64) -> Markup {
    html! { td class="number" data-by=(value) { (number(value)) } }
}

/// Formats a time for a reader. The page says that all times are UTC.
pub(super) fn time(seconds: u64) -> String {
    utc(seconds).replacen('T', " ", 1).trim_end_matches('Z').to_owned()
}

/// Returns a cell with a time.
pub(super) fn time_cell(seconds: u64) -> Markup {
    html! { td class="time" data-by=(seconds) { (time(seconds)) } }
}

/// Returns a column's title without the sign for columns of numbers.
fn column_title(column: &str) -> &str {
    column.strip_prefix('#').unwrap_or(column)
}

/// Returns a table that can be sorted and, if it is long, searched. It states the number
/// of rows that were left out. The title of a column of numbers begins with `#`.
pub(super) fn table(title: &str, columns: &[&str], rows: &[Markup], left_out: u64) -> Markup {
    html! {
        div class="scroll" tabindex="0" role="region" aria-label=(title) {
            table class="sorted" data-searched[rows.len() >= SEARCHED_MIN] {
                caption {
                    (title)
                    @if left_out > 0 { " (the first " (number(rows.len() as u64)) "; " (number(left_out)) " more are not listed here)" }
                }
                thead { tr { @for column in columns { th scope="col" class=[column.starts_with('#').then_some("number")] { (column_title(column)) } } } }
                tbody { @for row in rows { (row) } }
            }
        }
    }
}
