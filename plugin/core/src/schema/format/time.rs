//! Dates, times and durations as in RFC 3339.

use super::strip;

const MINUTES_A_DAY: u32 = 24 * 60;

pub(super) fn is_date_time(text: &[u8]) -> bool {
    let Some((date, [b'T' | b't', time @ ..])) = text.split_first_chunk() else {
        return false;
    };
    is_full_date(date) && is_time(time)
}

pub(super) fn is_date(text: &[u8]) -> bool {
    text.try_into().is_ok_and(is_full_date)
}

fn is_full_date(date: &[u8; 10]) -> bool {
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = date else {
        return false;
    };
    let numbers = (two_digits(y1, y2), two_digits(y3, y4), two_digits(m1, m2), two_digits(d1, d2));
    let (Some(century), Some(year), Some(month), Some(day)) = numbers else {
        return false;
    };
    let is_leap = year % 4 == 0 && (year != 0 || century % 4 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        _ => return false,
    };
    (1..=days).contains(&day)
}

/// Checks for a `full-time`: a time with its offset from UTC. A leap second may only be
/// at the end of a day in UTC (section 5.7).
pub(super) fn is_time(text: &[u8]) -> bool {
    let Some((&[h1, h2, b':', m1, m2, b':', s1, s2], rest)) = text.split_first_chunk::<8>() else {
        return false;
    };
    let numbers = (two_digits(h1, h2), two_digits(m1, m2), two_digits(s1, s2));
    let (Some(hour @ ..24), Some(minute @ ..60), Some(second @ ..61)) = numbers else {
        return false;
    };
    let rest = match rest {
        [b'.', fraction @ ..] => match digits(fraction) {
            (0, _) => return false,
            (_, rest) => rest,
        },
        _ => rest,
    };
    let Some(minutes_to_utc) = offset(rest) else {
        return false;
    };
    second < 60 || (hour * 60 + minute + minutes_to_utc) % MINUTES_A_DAY == MINUTES_A_DAY - 1
}

/// Returns the number of minutes to add to the time to get UTC, on any day.
fn offset(text: &[u8]) -> Option<u32> {
    match *text {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours @ ..24, minutes @ ..60) = (two_digits(h1, h2)?, two_digits(m1, m2)?) else {
                return None;
            };
            let ahead = hours * 60 + minutes;
            Some(if sign == b'+' { MINUTES_A_DAY - ahead } else { ahead })
        }
        _ => None,
    }
}

/// Checks for a duration of appendix A: units in order, without a gap between two of
/// them; weeks only alone.
pub(super) fn is_duration(text: &[u8]) -> bool {
    let Some(text) = strip(text, b'P') else {
        return false;
    };
    if let (1.., b"W") = digits(text) {
        return true;
    }
    let (is_dated, rest) = units(text, b"YMD");
    match strip(rest, b'T') {
        Some(time) => units(time, b"HMS") == (true, b""),
        None => is_dated && rest.is_empty(),
    }
}

/// Removes numbers with these units from the front, as long as the units follow one
/// another. Returns whether there was one, and the rest.
fn units<'a>(mut text: &'a [u8], names: &[u8]) -> (bool, &'a [u8]) {
    let mut is_some = false;
    for name in names {
        match digits(text) {
            (1.., [unit, rest @ ..]) if unit == name => {
                is_some = true;
                text = rest;
            }
            _ if is_some => break,
            _ => {}
        }
    }
    (is_some, text)
}

/// Returns the number of digits at the start of the text, and the rest.
fn digits(text: &[u8]) -> (usize, &[u8]) {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (count, text.get(count..).unwrap_or_default())
}

fn two_digits(tens: u8, ones: u8) -> Option<u32> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    if tens > 9 || ones > 9 { None } else { Some(u32::from(tens) * 10 + u32::from(ones)) }
}
