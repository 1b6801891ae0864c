//! Numbers, texts and tables of a page.

use crate::stdout::shown;
use crate::verify::report::utc;
use maud::{Markup, html};

/// From how many rows on a table can be searched.
const SEARCHED_MIN: usize = 15;
/// The longest text out of a log, in characters.
const TEXT_CHARACTERS_MAX: usize = 500;

/// A number with a comma between thousands.
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

/// A number of things.
pub(super) fn count(value: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(value), if value == 1 { one } else { many })
}

/// A text that may be out of a log: cut where it is long, and apart from what is
/// around it.
pub(super) fn foreign(text: &str) -> Markup {
    let text = match text.char_indices().nth(TEXT_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}… (cut)", shown(&text[..end])),
        None => shown(text),
    };
    // Only letters of other scripts can turn what is around them.
    html! { @if text.is_ascii() { (text) } @else { bdi { (text) } } }
}

/// A cell with a number, by which it is sorted.
pub(super) fn number_cell(value: u64) -> Markup {
    html! { td class="number" data-by=(value) { (number(value)) } }
}

/// A time for a reader; the page says that all are UTC.
pub(super) fn time(seconds: u64) -> String {
    utc(seconds).replacen('T', " ", 1).trim_end_matches('Z').to_owned()
}

/// A cell with a time.
pub(super) fn time_cell(seconds: u64) -> Markup {
    html! { td class="time" data-by=(seconds) { (time(seconds)) } }
}

/// Returns a column's title without the sign that it holds numbers.
fn column_title(column: &str) -> &str {
    column.strip_prefix('#').unwrap_or(column)
}

/// A table that can be sorted and, if it is long, searched. It says what is not in it.
/// The title of a column of numbers begins with `#`.
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
