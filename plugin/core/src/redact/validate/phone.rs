//! Telephone numbers: ITU-T E.164 and E.123, and the notations of countries.

use core::ops::Range;

/// The maximum number of digits of an international number (E.164 section 6).
const PHONE_DIGITS_MAX: usize = 15;
/// The maximum number of groups in a number.
const GROUPS_MAX: usize = 8;

/// The country codes in use (list of ITU-T E.164 assigned country codes) with three
/// digits, as ranges, without those that start with a shorter code.
const COUNTRIES_3: &[(u16, u16)] = &[
    (211, 213),
    (216, 216),
    (218, 218),
    (220, 258),
    (260, 269),
    (290, 291),
    (297, 299),
    (350, 359),
    (370, 383),
    (385, 387),
    (389, 389),
    (420, 421),
    (423, 423),
    (500, 509),
    (590, 599),
    (670, 670),
    (672, 683),
    (685, 692),
    (800, 800),
    (808, 808),
    (850, 850),
    (852, 853),
    (855, 856),
    (870, 870),
    (878, 878),
    (880, 883),
    (886, 886),
    (888, 888),
    (960, 968),
    (970, 979),
    (992, 996),
    (998, 998),
];

/// The country codes with two digits.
const COUNTRIES_2: &[u16] = &[
    20, 27, 30, 31, 32, 33, 34, 36, 39, 40, 41, 43, 44, 45, 46, 47, 48, 49, 51, 52, 53, 54, 55, 56, 57, 58,
    60, 61, 62, 63, 64, 65, 66, 81, 82, 84, 86, 90, 91, 92, 93, 94, 95, 98,
];

/// A number, split into groups.
struct Number {
    digits: [u8; PHONE_DIGITS_MAX],
    digit_count: usize,
    /// The number of digits of each group.
    groups: [u8; GROUPS_MAX],
    group_count: usize,
    /// True if all groups after the second are separated by the same character.
    is_uniform: bool,
    separator: Option<u8>,
    /// True if the first group is in parentheses.
    is_area: bool,
}

impl Number {
    fn digits(&self) -> &[u8] {
        self.digits.get(..self.digit_count).unwrap_or_default()
    }

    fn groups(&self) -> &[u8] {
        self.groups.get(..self.group_count).unwrap_or_default()
    }

    /// Reads digits in groups, of which the first may be in parentheses. `(0)` does not
    /// count: it is the trunk prefix, which is left out in calls from abroad.
    fn read(text: &[u8]) -> Option<Self> {
        let mut number = Number {
            digits: [0; PHONE_DIGITS_MAX],
            digit_count: 0,
            groups: [0; GROUPS_MAX],
            group_count: 0,
            is_uniform: true,
            separator: None,
            is_area: text.first() == Some(&b'('),
        };
        let mut is_inside = false;
        let mut at = 0;
        while let Some(&byte) = text.get(at) {
            if text.get(at..at + 3) == Some(b"(0)") {
                at += 3;
                is_inside = false;
                continue;
            }
            match byte {
                b'0'..=b'9' => {
                    *number.digits.get_mut(number.digit_count)? = byte;
                    number.digit_count += 1;
                    number.group_count += usize::from(!is_inside);
                    *number.groups.get_mut(number.group_count.checked_sub(1)?)? += 1;
                    is_inside = true;
                }
                b'(' | b')' => is_inside = false,
                b' ' | b'-' | b'.' | b'/' => {
                    // The separator behind the area code may be another one.
                    if number.group_count > 1 {
                        number.is_uniform &= number.separator.is_none_or(|separator| separator == byte);
                    }
                    number.separator = Some(byte);
                    is_inside = false;
                }
                _ => return None,
            }
            at += 1;
        }
        Some(number)
    }
}

/// Checks whether the form of `text` alone says that it is a telephone number.
pub(super) fn is_phone(text: &[u8]) -> bool {
    let Some(text) = without_extension(text) else { return false };
    if let Some(rest) = text.strip_prefix(b"+") {
        return Number::read(rest).is_some_and(|number| is_international(&number, 8));
    }
    if let Some(rest) = text.strip_prefix(b"00").filter(|rest| !matches!(rest, [b'0', ..])) {
        return Number::read(rest)
            .is_some_and(|number| number.group_count > 1 && is_international(&number, 9));
    }
    Number::read(text).is_some_and(|number| is_national(&number))
}

/// Returns the text before an extension, `x` and up to five digits. Returns `None` if
/// there is an `x` without an extension behind it.
fn without_extension(text: &[u8]) -> Option<&[u8]> {
    let Some(at) = text.iter().position(|byte| byte.eq_ignore_ascii_case(&b'x')) else { return Some(text) };
    let (number, extension) = text.split_at_checked(at)?;
    let is_extension = (2..=6).contains(&extension.len()) && extension.iter().skip(1).all(u8::is_ascii_digit);
    is_extension.then_some(number)
}

fn is_international(number: &Number, digits_min: usize) -> bool {
    let [a, b, c, ..] = number.digits;
    let value = |digit: u8| u16::from(digit.saturating_sub(b'0'));
    let two = value(a) * 10 + value(b);
    let three = two * 10 + value(c);
    let has_country = match a {
        // In North America, an area code starts with 2 to 9.
        b'1' => number.digit_count == 11 && b >= b'2',
        b'7' => number.digit_count == 11,
        _ => {
            COUNTRIES_2.contains(&two) || COUNTRIES_3.iter().any(|(from, to)| (*from..=*to).contains(&three))
        }
    };
    (digits_min..=PHONE_DIGITS_MAX).contains(&number.digit_count) && has_country
}

/// Checks for groups of digits that only national telephone numbers have. Dates, times,
/// addresses, social security numbers and cards have other groups.
fn is_national(number: &Number) -> bool {
    let (digits, groups) = (number.digits(), number.groups());
    let is_trunk = matches!(digits, [b'0', b'1'..=b'9', ..]);
    let count = digits.len();
    if number.is_area {
        return (8..=11).contains(&count)
            && match groups {
                // North America, where a closing parenthesis may be the separator.
                [3, 3, 4] => digits.first().is_some_and(|digit| *digit >= b'2'),
                [2..=5, rest @ ..] => !rest.is_empty() && rest.iter().all(|group| (2..=4).contains(group)),
                _ => false,
            };
    }
    if !number.is_uniform {
        return false;
    }
    match groups {
        [1, 3, 3, 4] => matches!(digits, [b'1', b'2'..=b'9', ..]),
        // A social security number, issued or not.
        [3, 2, 4] => false,
        [3, 3, 4] if !is_trunk => digits.first().is_some_and(|digit| *digit >= b'2'),
        // Denmark, Norway and others: pairs, without a trunk prefix.
        [2, 2, 2, 2] => number.separator == Some(b'-') && matches!(digits, [b'2'..=b'9', ..]),
        // Poland, Spain, Norway, Slovenia and others, with spaces only.
        [3, 3, 3] | [3, 2, 3] | [2, 3, 3] | [2, 3, 2, 2] | [2, 3, 3, 4] if !is_trunk => {
            number.separator == Some(b' ') && matches!(digits, [b'2'..=b'9', ..])
        }
        // A trunk prefix of 0, an area code, a subscriber number.
        [2, 2, 2, 2, 2] | [2, 4, 4] | [2, 3, 4] | [2, 3, 2, 2] => is_trunk,
        [3..=5, rest @ ..] => {
            let is_subscriber = match rest {
                [6..=8] => true,
                [2..=4, ..] => rest.len() > 1 && rest.iter().all(|group| (2..=4).contains(group)),
                _ => false,
            };
            is_trunk && is_subscriber && (9..=11).contains(&count)
        }
        _ => false,
    }
}

/// Finds the number behind a label that announces one: any digits in groups, except dates
/// and IPv4 addresses.
pub(super) fn labelled(text: &[u8]) -> Option<Range<usize>> {
    let start = text.iter().position(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'('))?;
    let digits = text.get(start..)?;
    let number = Number::read(without_extension(digits)?.strip_prefix(b"+").unwrap_or(digits))?;
    let is_other = match (number.separator, number.groups()) {
        (Some(b'-' | b'.' | b'/'), [4, 2, 2] | [2, 2, 4]) => true,
        (Some(b'.'), groups) => groups.len() == 4 && groups.iter().all(|group| *group <= 3),
        _ => false,
    };
    (number.digit_count >= 7 && !is_other).then_some(start..text.len())
}
