//! Times as audit logs write them, in milliseconds since 1970.

use super::program::Conversion;

/// The latest year that is read.
const YEAR_MAX: u64 = 9999;

/// Reads a date with a time: RFC 3339, the same without some of its separators, and with the
/// zone set apart or missing, which is UTC then.
#[inline(never)]
pub(super) fn date(text: &[u8]) -> Option<u64> {
    let mut rest = text;
    let year = digits(&mut rest, 4)?;
    let dash = skip(&mut rest, b"-");
    let month = digits(&mut rest, 2)?;
    if dash && !skip(&mut rest, b"-") {
        return None;
    }
    let day = digits(&mut rest, 2)?;
    if !skip(&mut rest, b"Tt ") && dash {
        return None;
    }
    let hour = digits(&mut rest, 2)?;
    let colon = skip(&mut rest, b":");
    let minute = digits(&mut rest, 2)?;
    if colon && !skip(&mut rest, b":") {
        return None;
    }
    let second = digits(&mut rest, 2)?;
    let millis = if skip(&mut rest, b".,") { fraction(&mut rest, 3)? } else { 0 };
    let is_date =
        (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    if !is_date || year > YEAR_MAX {
        return None;
    }
    let seconds = days(year, month, day)? * 86_400 + hour * 3600 + minute * 60 + second;
    let (offset, is_ahead) = zone(rest)?;
    let seconds = if is_ahead { seconds.checked_sub(offset)? } else { seconds + offset };
    Some(seconds * 1000 + millis)
}

/// The days from 1970 on; none for an earlier one.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    // Years begin in March, so that the leap day is the last one.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let of_year = (153 * month + 2) / 5 + day - 1;
    (365 * year + year / 4 - year / 100 + year / 400 + of_year).checked_sub(719_468)
}

/// The seconds between a zone and UTC, and whether it is ahead of it.
fn zone(text: &[u8]) -> Option<(u64, bool)> {
    let mut rest = text.strip_prefix(b" ").unwrap_or(text);
    match rest {
        [] | b"Z" | b"z" | b"UTC" | b"GMT" => return Some((0, true)),
        _ => {}
    }
    let is_ahead = rest.first() == Some(&b'+');
    if !skip(&mut rest, b"+-") {
        return None;
    }
    let hours = digits(&mut rest, 2)?;
    skip(&mut rest, b":");
    let minutes = if rest.is_empty() { 0 } else { digits(&mut rest, 2)? };
    rest.is_empty().then_some((hours * 3600 + minutes * 60, is_ahead))
}

/// Reads a decimal number of seconds or parts of them.
#[inline(never)]
pub(super) fn number(text: &[u8], unit: Conversion) -> Option<u64> {
    let mut rest = text;
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let whole = digits(&mut rest, end).filter(|_| end > 0)?;
    let fraction = if skip(&mut rest, b".") { fraction(&mut rest, 3)? } else { 0 };
    if !rest.is_empty() {
        return None;
    }
    match unit {
        Conversion::Seconds => whole.checked_mul(1000)?.checked_add(fraction),
        Conversion::Milliseconds => Some(whole),
        Conversion::Microseconds => Some(whole / 1000),
        _ => Some(whole / 1_000_000),
    }
}

/// Takes so many digits.
#[inline(never)]
fn digits(rest: &mut &[u8], count: usize) -> Option<u64> {
    let (digits, after) = rest.split_at_checked(count)?;
    let add = |number: u64, digit: &u8| match digit {
        b'0'..=b'9' => number.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    };
    *rest = after;
    digits.iter().try_fold(0, add)
}

/// Takes all digits of a fraction, of which the first `count` make the number.
#[inline(never)]
fn fraction(rest: &mut &[u8], count: usize) -> Option<u64> {
    let len = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
    let (all, after) = rest.split_at_checked(len)?;
    *rest = after;
    let digit = |at: usize| all.get(at).map_or(0, |digit| u64::from(digit - b'0'));
    (len > 0).then(|| (0..count).fold(0, |number, at| 10 * number + digit(at)))
}

/// Takes one of these bytes, if the text starts with it.
#[inline(never)]
fn skip(rest: &mut &[u8], bytes: &[u8]) -> bool {
    match rest.split_first() {
        Some((first, after)) if bytes.contains(first) => {
            *rest = after;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_logs_write_them() {
        for (text, millis) in [
            ("2026-11-20T08:00:00Z", 1_795_161_600_000),
            ("2026-11-20T08:00:00.079298Z", 1_795_161_600_079),
            ("2026-11-20T09:30:00.5+01:30", 1_795_161_600_500),
            ("2026-11-20 08:00:00 +0000", 1_795_161_600_000),
            ("2026-11-24 18:15:26.638 UTC", 1_795_544_126_638),
            ("20261124 18:13:18", 1_795_543_998_000),
            ("20261124181911Z", 1_795_544_351_000),
            ("1970-01-01T00:00:00", 0),
            ("2000-02-29T23:59:59-02", 951_875_999_000),
        ] {
            assert_eq!(date(text.as_bytes()), Some(millis), "{text}");
        }
        for text in [
            "",
            "2026",
            "2026-11-20",
            "2026-13-20T08:00:00Z",
            "Nov 24 18:19:11",
            "[email]",
            "2026-11-20T08:00:00 MEZ",
            "1969-12-31T23:59:59Z",
            "2026-11-20T08:00:00.Z",
            "0000-01-01T00:00:00Z",
        ] {
            assert_eq!(date(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_read_in_each_unit() {
        for (text, unit, millis) in [
            ("1795544377.813", Conversion::Seconds, Some(1_795_544_377_813)),
            ("1795544377", Conversion::Seconds, Some(1_795_544_377_000)),
            ("1795544377813000", Conversion::Microseconds, Some(1_795_544_377_813)),
            ("1795544377813", Conversion::Milliseconds, Some(1_795_544_377_813)),
            ("1795544377813000000", Conversion::Nanoseconds, Some(1_795_544_377_813)),
            ("-1", Conversion::Seconds, None),
            ("1e9", Conversion::Seconds, None),
            (".5", Conversion::Seconds, None),
            ("99999999999999999999", Conversion::Milliseconds, None),
        ] {
            assert_eq!(number(text.as_bytes(), unit), millis, "{text}");
        }
    }
}
