//! Times: parsing them and writing them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last second that RFC 3339 can express.
const SECONDS_MAX: u64 = 253_402_300_799;

/// Parses a time in UTC, or a day, which stands for its beginning.
pub(crate) fn parse(text: &str) -> Result<SystemTime, String> {
    let is_day = text.len() == "2026-11-20".len();
    let time = if is_day { format!("{text}T00:00:00Z") } else { text.to_owned() };
    humantime::parse_rfc3339_weak(&time)
        .map_err(|error| format!("{error}; write a day or a time in UTC, such as 2026-11-20 or {EXAMPLE}"))
}

/// A time as `flb-audit` writes it into files, for messages.
pub(crate) const EXAMPLE: &str = "2026-11-20T08:00:00Z";

/// Returns the seconds from 1970 to a time that a roster or a fleet states. The form is that of
/// RFC 3339 in UTC, with capital letters, as docs/seal-format.md says. It is stricter than
/// [`parse`], because other verifiers must read the same time.
pub(crate) fn stated(text: &str) -> Option<u64> {
    const FORM: &str = "0000-00-00T00:00:00";
    let (time, rest) = text.split_at_checked(FORM.len())?;
    let is_form = time.bytes().zip(FORM.bytes()).all(|(byte, form)| match form {
        b'0' => byte.is_ascii_digit(),
        _ => byte == form,
    });
    let zone = match rest.strip_prefix('.') {
        None => rest,
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|digit: char| digit.is_ascii_digit());
            if zone.len() < fraction.len() { zone } else { "" }
        }
    };
    let is_utc = zone == "Z" || zone == "+00:00";
    if !is_form || !is_utc {
        return None;
    }
    humantime::parse_rfc3339(&format!("{time}Z")).ok().map(seconds)
}

/// Returns the seconds from 1970 to a time; 0 for earlier times.
pub(crate) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Formats a time as in RFC 3339, to the second, in UTC. Times that RFC 3339 cannot
/// express are written as seconds.
pub(crate) fn utc(seconds: u64) -> String {
    if seconds > SECONDS_MAX {
        return format!("second {seconds}");
    }
    let time = UNIX_EPOCH + Duration::from_secs(seconds);
    humantime::format_rfc3339_seconds(time).to_string()
}
