//! Times: parsing them and writing them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last second that RFC 3339 can express.
const SECONDS_MAX: u64 = 253_402_300_799;

/// Parses a time in UTC, or a day, which stands for its beginning.
pub(crate) fn parse(text: &str) -> Result<SystemTime, humantime::TimestampError> {
    let is_day = text.len() == "2026-11-20".len();
    humantime::parse_rfc3339_weak(&if is_day { format!("{text}T00:00:00Z") } else { text.to_owned() })
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
